// The MCP Inspector's command line, run in this process: it connects anew for every command, as it does in a shell.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { perform } from './steps.mjs';

// The packages lie in the project's cache and not beside this file.
const require = createRequire(process.env.CALLGATE_PEERS_NPM);
const packaged = dirname(require.resolve('@modelcontextprotocol/inspector/package.json'));
const { runCli } = await import(pathToFileURL(join(packaged, 'clients/cli/build/index.js')));

const folder = mkdtempSync(join(tmpdir(), 'inspector-'));
const config = join(folder, 'servers.json');
const output = join(folder, 'output.json');
// What it keeps between runs goes here, too, and not into the user's own folder.
process.env.HOME = folder;

function server(job) {
  if (job.command) {
    const [command, ...args] = job.command;
    return { type: 'stdio', command, args, env: { ...process.env, ...job.env } };
  }
  const headers = job.token ? { Authorization: `Bearer ${job.token}` } : {};
  return { type: 'streamable-http', url: job.url, headers };
}

async function command(job, args) {
  const era = ['--protocol-era', job.strict ? 'modern' : (job.era ?? 'legacy')];
  const target = ['--config', config, '--server', 'target', ...era, '--format', 'json', '--quiet', '--output', output];
  try {
    await runCli(['node', 'inspector-cli', ...target, ...args]);
  } catch (error) {
    // It reports a tool's own error by an exit code, after the result is written.
    if (error.constructor.name !== 'CliExitCodeError') throw error;
    try {
      readFileSync(output);
    } catch {
      throw error;
    }
  }
  const result = JSON.parse(readFileSync(output, 'utf8'));
  rmSync(output);
  return result;
}

async function run(job) {
  writeFileSync(config, JSON.stringify({ mcpServers: { target: server(job) } }));
  const answers = [];
  for (const step of job.steps) {
    if (step.revision) {
      answers.push({ revision: null });
    } else if (step.list) {
      answers.push({ tools: (await command(job, ['--method', 'tools/list'])).tools });
    } else {
      const args = ['--method', 'tools/call', '--tool-name', step.call];
      const result = await command(job, [...args, '--tool-args-json', JSON.stringify(step.arguments ?? {})]);
      const decision = result._meta?.['dev.callgate/decision'] ?? null;
      const structured = result.structuredContent ?? null;
      answers.push({ isError: result.isError === true, content: result.content, structured, decision });
    }
  }
  return answers;
}

// It tells where it wrote a result even when it is to be quiet.
const print = process.stdout.write.bind(process.stdout);
process.stdout.write = (...args) => {
  args.filter((argument) => typeof argument === 'function').forEach((written) => written());
  return true;
};
const results = await perform(JSON.parse(process.argv[2]), run);
rmSync(folder, { recursive: true });
print(JSON.stringify(results) + '\n', () => process.exit(0));
