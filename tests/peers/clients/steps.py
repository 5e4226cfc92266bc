"""Runs jobs as steps.mjs describes them; how to connect and what an answer looks like is the client's own."""

import asyncio
import json
import sys
import traceback


class Refused(Exception):
    """The protocol refused a request."""

    def __init__(self, code, message):
        super().__init__(message)
        self.answer = {"error": {"code": code, "message": message}}


async def call(driver, client, name, arguments):
    try:
        plain, is_error = await driver.call(client, name, arguments or {})
    except Refused as refused:
        return refused.answer
    decision = (plain.get("_meta") or {}).get("dev.callgate/decision")
    structured = plain.get("structuredContent")
    return {"isError": is_error, "content": plain["content"], "structured": structured, "decision": decision}


async def step(driver, client, wanted):
    if wanted.get("revision"):
        return {"revision": driver.revision(client)}
    if wanted.get("list"):
        try:
            return {"tools": await driver.tools(client)}
        except Refused as refused:
            return refused.answer
    if "call" in wanted:
        return await call(driver, client, wanted["call"], wanted.get("arguments"))
    calls = []
    while len(calls) < wanted["most"]:
        answer = await call(driver, client, wanted["until_denied"], wanted.get("arguments"))
        calls.append(answer)
        if answer.get("isError") or "error" in answer:
            break
    return {"calls": calls}


async def perform(driver, job):
    async with driver.connect(job) as client:
        return [await step(driver, client, wanted) for wanted in job["steps"]]


async def run(driver):
    work = json.loads(sys.argv[1])
    if "jobs" not in work:
        print(json.dumps(await perform(driver, work)))
        return
    answers = []
    for job in work["jobs"]:
        try:
            async with asyncio.timeout(work["limit"] / 1000):
                answers.append(await perform(driver, job))
        except Exception:
            answers.append({"failed": traceback.format_exc()})
    print(json.dumps(answers))


def main(driver):
    asyncio.run(run(driver))
