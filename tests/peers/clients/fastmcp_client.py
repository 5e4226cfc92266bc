"""FastMCP's client: asks for the modern revision first, unless the job's `era` says "legacy"."""

import os

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from mcp import MCPError

import steps


def plain(result):
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


def refused(error):
    return steps.Refused(error.error.code, error.error.message)


class Driver:
    def connect(self, job):
        if "command" in job:
            command, *arguments = job["command"]
            environment = {**os.environ, **job.get("env", {})}
            target = StdioTransport(command, arguments, env=environment, keep_alive=False)
        else:
            target = StreamableHttpTransport(job["url"], auth=job.get("token"))
        return Client(target, mode=job.get("era", "auto"))

    def revision(self, client):
        return client.protocol_version

    async def tools(self, client):
        try:
            return [plain(tool) for tool in await client.list_tools()]
        except MCPError as error:
            raise refused(error) from error

    async def call(self, client, name, arguments):
        try:
            result = await client.call_tool_mcp(name, arguments)
        except MCPError as error:
            raise refused(error) from error
        return plain(result), result.is_error is True


steps.main(Driver())
