// The probe's features with the official TypeScript SDK, first generation. Argument: {"url", "token", "features": […]}.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { answers, breaking, features } from './features.mjs';

const require = createRequire(process.env.CALLGATE_PEERS_NPM);
const load = (name) => import(pathToFileURL(require.resolve(name)));

const { Client } = await load('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = await load('@modelcontextprotocol/sdk/client/streamableHttp.js');
const types = await load('@modelcontextprotocol/sdk/types.js');

const job = JSON.parse(process.argv[2]);
const { fetch, seen } = breaking();
const requestInit = { headers: { Authorization: `Bearer ${job.token}` } };
const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };
const client = new Client({ name: 'callgate-features-ts-v1', version: '1.0.0' }, { capabilities });
client.setRequestHandler(types.ElicitRequestSchema, async (request) => answers.elicit(request));
client.setRequestHandler(types.CreateMessageRequestSchema, async (request) => answers.sample(request));
client.setRequestHandler(types.ListRootsRequestSchema, async () => answers.roots());
await client.connect(new StreamableHTTPClientTransport(new URL(job.url), { requestInit, fetch }));

const told = await features(
  {
    call: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options),
    list: async () => (await client.listTools()).tools.map((tool) => tool.name),
    listen: async () => {
      const listening = { count: 0, close: async () => {} };
      client.setNotificationHandler(types.ToolListChangedNotificationSchema, () => {
        listening.count += 1;
      });
      return listening;
    },
  },
  job.features,
  seen,
);
process.stdout.write(JSON.stringify(told) + '\n');
await client.close();
process.exit(0);
