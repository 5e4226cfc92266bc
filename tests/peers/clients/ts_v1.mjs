// The official TypeScript SDK, first generation: always sends `initialize`.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { main } from './steps.mjs';

// The packages lie in the project's cache and not beside this file.
const require = createRequire(process.env.CALLGATE_PEERS_NPM);
const load = (name) => import(pathToFileURL(require.resolve(name)));

const { Client } = await load('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = await load('@modelcontextprotocol/sdk/client/stdio.js');
const { StreamableHTTPClientTransport } = await load('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { ElicitRequestSchema } = await load('@modelcontextprotocol/sdk/types.js');

function transport(job) {
  if (job.command) {
    const [command, ...args] = job.command;
    return new StdioClientTransport({ command, args, env: { ...process.env, ...job.env } });
  }
  const requestInit = { headers: job.token ? { Authorization: `Bearer ${job.token}` } : {} };
  return new StreamableHTTPClientTransport(new URL(job.url), { requestInit });
}

await main(async (job) => {
  const capabilities = job.elicit ? { elicitation: {} } : {};
  const client = new Client({ name: 'callgate-tests-ts-v1', version: '1.0.0' }, { capabilities });
  if (job.elicit) client.setRequestHandler(ElicitRequestSchema, async () => job.elicit);
  await client.connect(transport(job));
  return client;
});
