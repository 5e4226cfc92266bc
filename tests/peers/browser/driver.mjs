// Drives one headless Chromium: a command per line on standard input, an answer per line on standard output. The browser
// is reached over a pipe (no port is opened), knows no host but loopback, and ends with this script's input.
//
// First argument: {"browser": PROGRAM, "profile": FOLDER, "origin": "http://127.0.0.1:PORT"}.
// Command: {"as": NAME, "do": VERB, "with": {…}}: every name is a person with cookies of their own.
// Answer: {"value"} or {"failed"}, and {"found": […]}: what no page may do. That is: a line of error in the console, an
// exception, a violation of the content security policy, a request to anywhere but the origin, a dialog, a part of a
// page that could not be loaded.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

// The packages lie in the project's cache and not beside this file.
const require = createRequire(process.env.CALLGATE_PEERS_NPM);
const { default: puppeteer } = await import(pathToFileURL(require.resolve('puppeteer-core')));
const AXE = readFileSync(require.resolve('axe-core'), 'utf8');

const { browser: program, profile, origin } = JSON.parse(process.argv[2]);
// It only ends a wait for something that never comes.
const PATIENCE = 20_000;

const browser = await puppeteer.launch({
  executablePath: program,
  userDataDir: profile,
  headless: true,
  pipe: true,
  args: [
    '--no-sandbox',
    '--disable-dev-shm-usage',
    '--disable-gpu',
    '--hide-scrollbars',
    '--force-color-profile=srgb',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
  ],
  // The program that drives it gives the signals.
  handleSIGINT: false,
  handleSIGTERM: false,
  handleSIGHUP: false,
});
const people = new Map();
let found = [];
let isForging = false;

function watch(page) {
  const where = () => page.url().replace(origin, '');
  const note = (what) => found.push(`${where()}: ${what}`);
  page.on('console', (message) => {
    // What could not be loaded is told by its response, with its kind.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      note(`console: ${message.text()}`);
    }
  });
  page.on('pageerror', (error) => note(`exception: ${error.message ?? error}`));
  page.on('dialog', async (dialog) => {
    note(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) note(`request elsewhere: ${request.url().slice(0, 200)}`);
  });
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText;
    // A page that is left behind breaks off what it was reading.
    if (reason !== 'net::ERR_ABORTED') note(`request failed: ${request.url()}: ${reason}`);
  });
  page.on('response', (response) => {
    const kind = response.request().resourceType();
    // A page may say no, and that a server can't be reached (503).
    const refused = kind === 'document' ? response.status() >= 500 && response.status() !== 503 : response.status() >= 400;
    if (refused && !isForging) note(`${kind} ${response.status()}: ${response.url()}`);
  });
}

async function person(name) {
  if (!people.has(name)) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    watch(page);
    await page.exposeFunction('__violation', (text) => found.push(`${page.url()}: content security policy: ${text}`));
    await page.evaluateOnNewDocument(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        window.__violation(`${event.violatedDirective}: ${event.blockedURI}`);
      });
    });
    people.set(name, page);
  }
  return people.get(name);
}

// Looks again and again: a page may be left for the next one meanwhile.
async function until(what, look) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    try {
      const value = await look();
      if (value) return value;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    if (Date.now() > end) throw new Error(`it never came to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function press(page, keys) {
  const parts = keys.split('+');
  const last = parts.pop();
  for (const key of parts) await page.keyboard.down(key);
  await page.keyboard.press(last);
  for (const key of parts.reverse()) await page.keyboard.up(key);
}

const verbs = {
  async goto(page, { path }) {
    const response = await page.goto(origin + path, { waitUntil: 'load' });
    return { status: response.status(), headers: response.headers(), path: page.url().replace(origin, '') };
  },
  async where(page) {
    return page.url().replace(origin, '');
  },
  // Clicks what is visible, enabled and stands still; where it leads elsewhere, the new page is there afterwards.
  async click(page, { selector }) {
    await page.locator(selector).click();
  },
  async fill(page, { selector, text }) {
    await page.locator(selector).fill(text);
  },
  async choose(page, { selector, value }) {
    await page.waitForSelector(selector, { visible: true });
    await page.select(selector, value);
  },
  async focus(page, { selector }) {
    await (await page.waitForSelector(selector, { visible: true })).focus();
  },
  async type(page, { text }) {
    await page.keyboard.type(text);
  },
  async press(page, { keys }) {
    await press(page, keys);
  },
  async wait(page, { selector }) {
    await until(selector, async () => (await page.$(selector))?.isVisible());
  },
  async gone(page, { selector }) {
    await until(`no ${selector}`, async () => !(await (await page.$(selector))?.isVisible()));
  },
  async text(page, { text }) {
    await until(`the text ${text}`, () => page.evaluate((text) => document.body.innerText.includes(text), text));
  },
  // A path with its query as it is, or the path alone; one that ends with `*` may go on.
  async arrive(page, { path }) {
    const is = (at) => (path.endsWith('*') ? at.startsWith(path.slice(0, -1)) : at === path || at.split('?')[0] === path);
    await until(`the page ${path}`, async () => {
      return is(page.url().replace(origin, '')) && (await page.evaluate(() => document.readyState === 'complete'));
    }).catch((error) => {
      throw new Error(`${error.message}, but to ${page.url()}`);
    });
    return page.url().replace(origin, '');
  },
  async until(page, { expression }) {
    return until(expression, () => page.evaluate(expression));
  },
  async evaluate(page, { expression }) {
    return (await page.evaluate(expression)) ?? null;
  },
  // Sends a form by hand, with the token of the page that is open: what the page would not let be sent.
  async post(page, { path, fields }) {
    isForging = true;
    try {
      return await page.evaluate(
        async (path, fields) => {
          const csrf = document.querySelector('input[name=csrf]').value;
          const body = new URLSearchParams([['csrf', csrf], ...fields]);
          const response = await fetch(path, { method: 'POST', body });
          return { status: response.status, text: await response.text() };
        },
        path,
        fields,
      );
    } finally {
      isForging = false;
    }
  },
  async view(page, { width, height, dark }) {
    await page.setViewport({ width, height });
    await page.emulateMediaFeatures([
      { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
      { name: 'prefers-reduced-motion', value: 'reduce' },
    ]);
  },
  async screenshot(page, { file, whole }) {
    await page.screenshot({ path: file, fullPage: whole === true, type: 'png', optimizeForSpeed: false });
  },
  // Every rule of axe, best practices too; one line per violation.
  async axe(page) {
    if (!(await page.evaluate('typeof window.axe === "object"'))) await page.evaluate(AXE);
    const violations = await page.evaluate(async () => (await window.axe.run(document)).violations);
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map((node) => `${id}: ${help}: ${node.target.join(' ')}: ${node.failureSummary.replaceAll('\n', ' ')}`),
    );
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { as, do: verb, with: given } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await verbs[verb](await person(as), given)) ?? null };
  } catch (error) {
    answer = { failed: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify({ ...answer, found })}\n`);
  found = [];
}
await browser.close();
