// Uses every feature of the probe (`callgate fixture --tools probe`) with one connected client, and tells what it saw.
//
// `api` hides what the generations of the SDK call differently: call(tool, arguments, options), list(), listen().
// The answer has one member per feature: what came, or {"failed": why}.

const PATIENCE = 20_000;

export const answers = {
  elicit: (request) =>
    request.params.mode === 'url'
      ? { action: 'accept' }
      : { action: 'accept', content: Object.fromEntries(Object.keys(request.params.requestedSchema.properties).map((key) => [key, 'Ada'])) },
  sample: (request) => ({ role: 'assistant', model: 'none', content: { type: 'text', text: `said: ${request.params.messages[0].content.text}` } }),
  roots: () => ({ roots: [{ uri: 'file:///workspace', name: 'workspace' }] }),
};

// A fetch that can break the next stream of the tool `slow` after its first event with an id, and that counts who
// comes back for one.
export function breaking() {
  const seen = { armed: false, broken: 0, resumed: 0 };
  const wrapped = async (input, init) => {
    if (new Headers(init?.headers).has('last-event-id')) seen.resumed += 1;
    const response = await fetch(input, init);
    const wanted = seen.armed && typeof init?.body === 'string' && init.body.includes('"slow"');
    if (!wanted || !response.headers.get('content-type')?.includes('event-stream')) return response;
    seen.armed = false;
    const reader = response.body.getReader();
    let text = '';
    const body = new ReadableStream({
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        controller.enqueue(value);
        text += new TextDecoder().decode(value);
        if (/(^|\n)id:[^\n]+\n([^\n]+\n)*\n/.test(text.replaceAll('\r', ''))) {
          seen.broken += 1;
          await reader.cancel();
          controller.close();
        }
      },
    });
    return new Response(body, { status: response.status, headers: response.headers });
  };
  return { fetch: wrapped, seen };
}

const later = (promise, what) => {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`no ${what} in time`)), PATIENCE)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

// Polls: what is waited for happens inside the SDK.
const until = async (is, what) => {
  const end = Date.now() + PATIENCE;
  while (!is()) {
    if (Date.now() > end) throw new Error(`no ${what} in time`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

const text = (result) => {
  const said = result.content[0].text;
  try {
    return JSON.parse(said);
  } catch {
    return said;
  }
};

async function progress(api) {
  const seen = [];
  const slow = api.call('slow', { steps: 2 }, { onprogress: (note) => seen.push(note.progress) });
  for (const done of [1, 2]) {
    await until(() => seen.length >= done, `progress ${done - 1}`);
    await api.call('step', {});
  }
  return { result: text(await slow), seen };
}

async function cancel(api) {
  const abort = new AbortController();
  let begun = false;
  const slow = api.call('slow', { steps: 1 }, { onprogress: () => (begun = true), signal: abort.signal });
  const ended = slow.then(
    (result) => ({ result: text(result) }),
    (error) => ({ error: String(error.message) }),
  );
  await until(() => begun, 'progress');
  abort.abort('no longer wanted');
  const { error, result } = await ended;
  return { cancelled: error !== undefined, result, after: text(await api.call('echo', { text: 'still here' })) };
}

async function changed(api) {
  const listening = await api.listen();
  const before = await api.list();
  await api.call('change', { what: 'tools' });
  await until(() => listening.count > 0, 'list_changed');
  const after = await api.list();
  await listening.close();
  return { notified: true, before: before.includes('extra'), after: after.includes('extra') };
}

async function resumed(api, seen) {
  if (!seen) return null;
  seen.armed = true;
  let begun = false;
  const slow = api.call('slow', { steps: 1 }, { onprogress: () => (begun = true) });
  await until(() => seen.broken > 0, 'broken stream');
  // The progress comes before the break, or after the client has come back.
  await until(() => begun, 'progress');
  await api.call('step', {});
  return { result: text(await slow), resumed: seen.resumed > 0 };
}

async function closed(api, seen) {
  if (!seen) return null;
  const before = seen.resumed;
  const result = text(await api.call('notify_close', {}));
  return { result, resumed: seen.resumed > before };
}

// `seen` belongs to a transport whose streams can be resumed. `plain` is a client that can't be asked for anything: in
// front of a legacy process, a call that may be asked about has a session alone, and so a process.
export async function features(api, wanted, seen, plain = api) {
  const all = {
    ask: () => api.call('ask', {}).then(text),
    ask_twice: () => api.call('ask_twice', {}).then(text),
    ask_url: () => api.call('ask_url', {}).then(text),
    sample: () => api.call('sample', { prompt: 'hello' }).then(text),
    roots: () => api.call('roots', {}).then(text),
    progress: () => progress(plain),
    cancel: () => cancel(plain),
    changed: () => changed(plain),
    resumed: () => resumed(api, seen),
    closed: () => closed(api, seen),
  };
  const told = {};
  for (const name of wanted) {
    told[name] = await later(all[name](), name).catch((error) => ({ failed: String(error.message) }));
  }
  return told;
}
