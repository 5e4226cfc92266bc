// The probe's features with the official TypeScript client, second generation. Argument: {"url", "token", "era",
// "features": […]}; the era is "auto" or "legacy".
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { answers, breaking, features } from './features.mjs';

const require = createRequire(process.env.CALLGATE_PEERS_NPM);
const load = (name) => import(pathToFileURL(require.resolve(name)));

const { Client, StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');

const job = JSON.parse(process.argv[2]);
const legacy = job.era === 'legacy';
const { fetch, seen } = breaking();
const requestInit = { headers: { Authorization: `Bearer ${job.token}` } };

async function connect(capabilities) {
  const options = { capabilities, versionNegotiation: { mode: job.era ?? 'auto' } };
  const client = new Client({ name: 'callgate-features-ts-v2', version: '1.0.0' }, options);
  if (capabilities.sampling) {
    client.setRequestHandler('elicitation/create', async (request) => answers.elicit(request));
    client.setRequestHandler('sampling/createMessage', async (request) => answers.sample(request));
    client.setRequestHandler('roots/list', async () => answers.roots());
  }
  await client.connect(new StreamableHTTPClientTransport(new URL(job.url), { requestInit, fetch }));
  return client;
}

const api = (client) => ({
  call: (name, args, more) => client.callTool({ name, arguments: args }, more),
  list: async () => (await client.listTools(undefined, { cacheMode: 'refresh' })).tools.map((tool) => tool.name),
  listen: async () => {
    const listening = { count: 0, close: async () => {} };
    client.setNotificationHandler('notifications/tools/list_changed', () => {
      listening.count += 1;
    });
    if (!legacy) {
      const subscription = await client.listen({ toolsListChanged: true });
      listening.close = () => subscription.close();
    }
    return listening;
  },
});

const client = await connect({ elicitation: { form: {}, url: {} }, sampling: {}, roots: {} });
const plain = legacy ? client : await connect({});
const told = await features(api(client), job.features, legacy ? seen : undefined, api(plain));
process.stdout.write(JSON.stringify({ ...told, version: client.getNegotiatedProtocolVersion?.() ?? null }) + '\n');
await client.close();
process.exit(0);
