"""The official Python SDK: asks for the modern revision first, unless the job's `era` says "legacy"."""

import os

import mcp_types as types
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

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
            target = StdioServerParameters(command=command, args=arguments, env=environment)
        else:
            headers = {"Authorization": "Bearer " + job["token"]} if "token" in job else {}
            target = streamable_http_client(job["url"], http_client=create_mcp_http_client(headers=headers))
        callbacks = {}
        if "elicit" in job:

            async def elicit(_context, _params):
                return types.ElicitResult(**job["elicit"])

            callbacks["elicitation_callback"] = elicit
        return Client(target, mode=job.get("era", "auto"), **callbacks)

    def revision(self, client):
        return client.protocol_version

    async def tools(self, client):
        try:
            return plain(await client.list_tools())["tools"]
        except MCPError as error:
            raise refused(error) from error

    async def call(self, client, name, arguments):
        try:
            result = await client.call_tool(name, arguments)
        except MCPError as error:
            raise refused(error) from error
        return plain(result), result.is_error is True


steps.main(Driver())
