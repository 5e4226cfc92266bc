"""The probe's features with the official Python SDK.

Takes {"url", "token", "era", "features": […]} and prints what it saw, one member per feature, as features.mjs does.
"""

import asyncio
import json
import sys

import anyio
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

PATIENCE = 20


async def elicit(_context, params):
    if params.mode == "url":
        return types.ElicitResult(action="accept")
    return types.ElicitResult(action="accept", content=dict.fromkeys(params.requested_schema["properties"], "Ada"))


async def sample(_context, params):
    said = types.TextContent(type="text", text="said: " + params.messages[0].content.text)
    return types.CreateMessageResult(role="assistant", model="none", content=said)


async def roots(_context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///workspace", name="workspace")])


def text(result):
    said = result.content[0].text
    try:
        return json.loads(said)
    except ValueError:
        return said


async def call(client, name, arguments=None, **options):
    return text(await client.call_tool(name, arguments or {}, **options))


async def progress(client):
    seen, told = [], {}
    steps = [anyio.Event() for _ in range(3)]

    async def note(done, _total, _message):
        seen.append(done)
        steps[len(seen) - 1].set()

    async def slow():
        told["result"] = await call(client, "slow", {"steps": 2}, progress_callback=note)

    async with anyio.create_task_group() as group:
        group.start_soon(slow)
        for step in steps[:2]:
            await step.wait()
            await call(client, "step")
    return {**told, "seen": seen}


async def cancel(client):
    begun = anyio.Event()
    ended = {"cancelled": True}

    async def note(_done, _total, _message):
        begun.set()

    async def slow():
        ended["result"] = await call(client, "slow", {"steps": 1}, progress_callback=note)
        ended["cancelled"] = False

    async with anyio.create_task_group() as group:
        group.start_soon(slow)
        await begun.wait()
        group.cancel_scope.cancel()
    return {**ended, "after": await call(client, "echo", {"text": "still here"})}


async def changed(client):
    async def names():
        return [tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools]

    async with client.listen(tools_list_changed=True) as subscription:
        before = await names()
        await call(client, "change", {"what": "tools"})
        async for _event in subscription:
            break
        return {"notified": True, "before": "extra" in before, "after": "extra" in await names()}


async def told(client, plain, name):
    features = {
        "ask": lambda: call(client, "ask"),
        "ask_twice": lambda: call(client, "ask_twice"),
        "ask_url": lambda: call(client, "ask_url"),
        "sample": lambda: call(client, "sample", {"prompt": "hello"}),
        "roots": lambda: call(client, "roots"),
        "progress": lambda: progress(plain),
        "cancel": lambda: cancel(plain),
        "changed": lambda: changed(plain),
    }
    try:
        with anyio.fail_after(PATIENCE):
            return await features[name]()
    except Exception as error:  # whatever it is, the test wants to read it
        return {"failed": repr(error)}


async def main():
    job = json.loads(sys.argv[1])
    headers = {"Authorization": "Bearer " + job["token"]}

    def transport():
        return streamable_http_client(job["url"], http_client=create_mcp_http_client(headers=headers))

    callbacks = {"elicitation_callback": elicit, "sampling_callback": sample, "list_roots_callback": roots}
    options = {"mode": job.get("era", "auto"), "cache": None}
    # In front of a legacy process, a call that may be asked about has a session alone, and so a process: what needs
    # several calls at once is up to a client that can't be asked for anything.
    async with Client(transport(), **options, **callbacks) as client, Client(transport(), **options) as plain:
        seen = {name: await told(client, plain, name) for name in job["features"]}
        print(json.dumps({**seen, "version": client.protocol_version}))


asyncio.run(main())
