"""The official Python SDK: asks for the modern revision first, unless the job's `era` says "legacy".

Takes the same job as the TypeScript clients (see steps.mjs) and prints the same answers.
"""

import asyncio
import json
import os
import sys

from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client


async def call(client, name, arguments):
    try:
        result = await client.call_tool(name, arguments or {})
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}
    plain = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    decision = (plain.get("_meta") or {}).get("dev.callgate/decision")
    return {"isError": result.is_error is True, "content": plain["content"], "decision": decision}


async def listed(client):
    try:
        result = await client.list_tools()
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}
    return {"tools": result.model_dump(mode="json", by_alias=True, exclude_none=True)["tools"]}


async def step(client, wanted):
    if wanted.get("list"):
        return await listed(client)
    if "call" in wanted:
        return await call(client, wanted["call"], wanted.get("arguments"))
    calls = []
    while len(calls) < wanted["most"]:
        answer = await call(client, wanted["until_denied"], wanted.get("arguments"))
        calls.append(answer)
        if answer.get("isError") or "error" in answer:
            break
    return {"calls": calls}


def target(job):
    if "command" in job:
        command, *arguments = job["command"]
        return StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    headers = {"Authorization": "Bearer " + job["token"]}
    return streamable_http_client(job["url"], http_client=create_mcp_http_client(headers=headers))


async def main():
    job = json.loads(sys.argv[1])
    async with Client(target(job), mode=job.get("era", "auto")) as client:
        results = [await step(client, wanted) for wanted in job["steps"]]
    print(json.dumps(results))


asyncio.run(main())
