// Drives connected clients through lists of steps and collects what they saw.
//
// Step: {"list": true} | {"call": NAME, "arguments": {…}} | {"until_denied": NAME, "arguments": {…}, "most": N}
//   | {"revision": true}
// Answer of a list: {"tools": […]}; of a call: {"isError", "content", "structured", "decision"}; of a refusal by the
// protocol: {"error"}; of a revision: {"revision"}, null where the client doesn't tell.
//
// The first argument is a job: {"url", "token"?} or {"command": […], "env"?: {…}}, "era"?: "legacy" | "auto", and "steps".
// "elicit" is how the client's user answers a form; without it the client doesn't say that it has one.
// "strict" keeps a client that doesn't tell the revision from falling back to a legacy one.
// Or it is many: {"jobs": […], "limit": MILLISECONDS}, where one that breaks off answers {"failed"} and the next goes on.

async function call(client, name, args) {
  try {
    const result = await client.callTool({ name, arguments: args ?? {} });
    const decision = result._meta?.['dev.callgate/decision'] ?? null;
    const structured = result.structuredContent ?? null;
    return { isError: result.isError === true, content: result.content, structured, decision };
  } catch (error) {
    return { error: { code: error.code ?? null, message: String(error.message) } };
  }
}

async function list(client) {
  try {
    return { tools: (await client.listTools()).tools };
  } catch (error) {
    return { error: { code: error.code ?? null, message: String(error.message) } };
  }
}

export async function run(client, steps) {
  const results = [];
  for (const step of steps) {
    if (step.revision) {
      results.push({ revision: client.getNegotiatedProtocolVersion?.() ?? null });
      continue;
    }
    if (step.list) {
      results.push(await list(client));
      continue;
    }
    if (step.call) {
      results.push(await call(client, step.call, step.arguments));
      continue;
    }
    const calls = [];
    while (calls.length < step.most) {
      const answer = await call(client, step.until_denied, step.arguments);
      calls.push(answer);
      if (answer.isError || answer.error) break;
    }
    results.push({ calls });
  }
  return results;
}

async function one(connect, job) {
  const client = await connect(job);
  try {
    return await run(client, job.steps);
  } finally {
    await client.close();
  }
}

// Runs the jobs one after another; `perform` takes a job and returns its answers.
export async function perform(work, perform) {
  if (!work.jobs) return perform(work);
  const answers = [];
  for (const job of work.jobs) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer in time')), work.limit);
    });
    try {
      answers.push(await Promise.race([perform(job), late]));
    } catch (error) {
      answers.push({ failed: String(error.stack ?? error) });
    } finally {
      clearTimeout(timer);
    }
  }
  return answers;
}

export async function main(connect) {
  const results = await perform(JSON.parse(process.argv[2]), (job) => one(connect, job));
  process.stdout.write(JSON.stringify(results) + '\n', () => process.exit(0));
}
