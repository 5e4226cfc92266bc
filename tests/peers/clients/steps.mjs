// Drives one connected client through a list of steps and collects what it saw.
//
// Step: {"list": true} | {"call": NAME, "arguments": {…}} | {"until_denied": NAME, "arguments": {…}, "most": N}
// Answer of a list: {"tools": […]}; of a call: {"isError", "content", "decision"}; of a refusal by the protocol: {"error"}.

async function call(client, name, args) {
  try {
    const result = await client.callTool({ name, arguments: args ?? {} });
    const decision = result._meta?.['dev.callgate/decision'] ?? null;
    return { isError: result.isError === true, content: result.content, decision };
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

// The first argument is the job: {"url", "token"} or {"command": […]}, and "steps".
export async function main(connect) {
  const job = JSON.parse(process.argv[2]);
  const client = await connect(job);
  const results = await run(client, job.steps);
  await client.close();
  process.stdout.write(JSON.stringify(results) + '\n');
}
