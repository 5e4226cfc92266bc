// What the pages need beyond htmx: buttons that copy and pause, suggestions, moments that go on, keys for questions.
// Everything works without it.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const from = document.getElementById(button.dataset.copy);
  const label = button.dataset.label ??= button.textContent;
  const say = (words, long) => {
    button.textContent = words;
    setTimeout(() => { button.textContent = label; }, long);
  };
  try {
    await navigator.clipboard.writeText(from.value ?? from.textContent);
    say("Copied", 1500);
  } catch {
    // Browsers have no clipboard for pages over plain http, but for those of this machine.
    if (from.select) from.select(); else getSelection().selectAllChildren(from);
    say("Selected: press Ctrl+C or ⌘C", 5000);
  }
});

// A suggestion goes into the field instead of to its page.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-fill]");
  const field = link && document.getElementById(link.dataset.fill);
  if (!field || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  field.value = link.dataset.text;
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

// Live lists. What comes again takes the place of what was there, or stays out (`data-again="stay"`); while a list is
// paused, what comes is counted only.
const ROWS = 200;
const isPaused = (list) => list?.querySelector("[data-pause]")?.getAttribute("aria-pressed") === "true";

// What is said of a live part: that it is lost before all else, else that it is paused, else what it says by itself.
const LOST = "The connection to the gateway is lost, and tried again: what is new does not appear until it is back.";
const sayState = (part) => {
  const state = part?.querySelector("[data-live-state]");
  if (!state) return;
  state.dataset.calm ??= state.textContent;
  const missed = Number(part.dataset.missed ?? 0);
  const paused = missed > 0 ? `Paused. ${missed} since then.` : "Paused.";
  const words = "lost" in part.dataset ? LOST : isPaused(part) ? paused : state.dataset.calm;
  if (state.textContent !== words) state.textContent = words;
};
const setLost = (part, lost) => {
  if (lost) part.dataset.lost = ""; else delete part.dataset.lost;
  sayState(part);
};
for (const [name, lost] of [["htmx:sseError", true], ["htmx:sseClose", true], ["htmx:sseOpen", false]]) {
  document.addEventListener(name, (event) => {
    if (event.target.matches?.("[sse-connect]")) setLost(event.target, lost);
  });
}
// What is read anew by itself is lost where it gets no answer; the next answer takes its place, words and all.
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    if (event.target.dataset && "calm" in event.target.dataset) setLost(event.target, true);
  });
}

document.addEventListener("htmx:sseBeforeMessage", (event) => {
  const place = event.target;
  const list = place.closest("[data-live]");
  if (isPaused(list)) {
    event.preventDefault();
    list.dataset.missed = Number(list.dataset.missed ?? 0) + 1;
    sayState(list);
    return;
  }
  const known = event.detail.lastEventId && document.getElementById(event.detail.lastEventId);
  if (!known || !place.contains(known)) return;
  if (place.dataset.again === "stay") event.preventDefault(); else known.remove();
});

document.addEventListener("htmx:sseMessage", (event) => {
  const rows = event.target.closest("[data-live]") && event.target.rows;
  while (rows?.length > ROWS) rows[rows.length - 1].remove();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pause]");
  const list = button && document.getElementById(button.dataset.pause);
  if (!list) return;
  const paused = !isPaused(list);
  // What was missed is read again, so that nothing is left out.
  if (!paused && Number(list.dataset.missed ?? 0) > 0) { location.reload(); return; }
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? "Go on" : "Pause";
  sayState(list);
});

// A stream that began again may have left something out, and what became of a call is known later than the decision:
// the rows are read anew, once in a while and not under somebody's hands.
const readAnew = (list) => {
  if (list.dataset.due) return;
  list.dataset.due = "yes";
  setTimeout(() => {
    delete list.dataset.due;
    const rows = list.querySelector("tbody");
    if (isPaused(list) || !rows.isConnected) return;
    if (rows.contains(document.activeElement)) { readAnew(list); return; }
    htmx.ajax("GET", location.pathname + location.search, { target: rows, swap: "innerHTML", select: "#rows > tr" });
  }, 3000);
};
document.addEventListener("htmx:sseOpen", (event) => {
  const list = event.target.closest("[data-live]");
  if (list?.dataset.opened) readAnew(list);
  if (list) list.dataset.opened = "yes";
});
document.addEventListener("htmx:sseMessage", (event) => {
  const list = event.target.closest("[data-live]");
  if (list) readAnew(list);
});

// The inbox after a stream that began again: what was answered in between goes, what was asked comes. A question that
// still waits stays as it is, with the reason that somebody types.
const readInbox = async (inbox) => {
  const answer = await fetch(location.pathname, { headers: { accept: "text/html" } }).catch(() => null);
  const page = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = page && page.getElementById("waiting");
  const here = inbox.querySelector("#waiting");
  if (!now || !here) return;
  for (const ask of here.querySelectorAll("[data-ask]")) if (!now.querySelector(`#${CSS.escape(ask.id)}`)) ask.remove();
  for (const ask of [...now.children]) {
    if (document.getElementById(ask.id)) continue;
    here.append(ask);
    htmx.process(ask);
  }
};
document.addEventListener("htmx:sseOpen", (event) => {
  const inbox = event.target.closest("[data-inbox]");
  if (inbox?.dataset.opened) readInbox(inbox);
  if (inbox) inbox.dataset.opened = "yes";
});

// What is read anew by itself stays as it is under somebody's hands: focus in it, or something opened.
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.target;
  if (!("calm" in part.dataset)) return;
  if (part.contains(document.activeElement) || part.querySelector("details[open]")) event.preventDefault();
});

// Moments go on: the words are those of the server.
const words = (seconds) => {
  const ago = Math.abs(seconds);
  if (ago < 5) return "now";
  const [amount, unit] = ago < 60 ? [ago, "s"] : ago < 3600 ? [ago / 60, "min"] : ago < 86400 ? [ago / 3600, "h"]
    : [ago / 86400, ago < 172800 ? "day" : "days"];
  const text = `${Math.floor(amount)} ${unit}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
};
const left = (seconds) => {
  if (seconds <= 0) return "over";
  const [d, h, m] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (d) return (h ? `${d} d ${h} h` : `${d} d`) + " left";
  if (h) return (m ? `${h} h ${m} min` : `${h} h`) + " left";
  return (m ? `${m} min` : `${seconds} s`) + " left";
};
setInterval(() => {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) continue;
    const ago = Math.floor((Date.now() - at) / 1000);
    const text = "left" in time.dataset ? left(-ago) : words(ago);
    if (time.textContent !== text) time.textContent = text;
  }
}, 1000);

// Questions: j and k move, y and n answer the one that is marked; not while something is typed.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const asks = [...document.querySelectorAll("[data-ask]")];
  if (!asks.length) return;
  const at = asks.indexOf(document.activeElement?.closest("[data-ask]"));
  if (event.key === "j" || event.key === "k") {
    const next = event.key === "j" ? Math.min(at + 1, asks.length - 1) : Math.max(at - 1, 0);
    asks[next].focus();
    event.preventDefault();
    return;
  }
  if (event.key !== "y" && event.key !== "n") return;
  const button = asks[at]?.querySelector(`[data-key="${event.key}"]`);
  if (!button || button.disabled) return;
  event.preventDefault();
  button.click();
  (asks[at + 1] ?? asks[at - 1])?.focus();
});

// Choices that lead on send their form.
document.addEventListener("change", (event) => {
  const field = event.target.closest("[data-submit]");
  if (field && field.value) field.form.requestSubmit();
});
