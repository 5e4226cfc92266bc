// The official TypeScript client, second generation: looks for the modern revision first when told "auto".
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { main } from './steps.mjs';

// The packages lie in the project's cache and not beside this file.
const require = createRequire(process.env.CALLGATE_PEERS_NPM);
const load = (name) => import(pathToFileURL(require.resolve(name)));

const { Client, StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');
const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');

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
  const options = { capabilities, versionNegotiation: { mode: job.era ?? 'auto' } };
  const client = new Client({ name: 'callgate-tests-ts-v2', version: '1.0.0' }, options);
  if (job.elicit) client.setRequestHandler('elicitation/create', async () => job.elicit);
  await client.connect(transport(job));
  return client;
});
