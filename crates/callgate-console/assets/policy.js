// The page of a policy: an editor over the text field, and clicks of the builder sent with the text as it is. The page
// works without it: the text field and the buttons are a plain form.
"use strict";

(() => {
  const form = document.getElementById("draft");
  if (!form) return;
  const area = document.getElementById("text");
  const said = document.getElementById("said");
  const box = form.querySelector("[data-editor]");
  const published = area.value;
  const kept = `draft ${location.pathname}${location.search}`;

  const editor = CodeMirror.fromTextArea(area, {
    mode: { name: "javascript", json: true },
    theme: "callgate",
    lineNumbers: true,
    lineWrapping: true,
    matchBrackets: true,
    indentUnit: 2,
    tabSize: 2,
    gutters: ["flaws", "CodeMirror-linenumbers"],
    screenReaderLabel: "The policy as JSON text",
    // What can't be seen, or turns the order of what can, shows as a sign.
    specialChars: /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc]/,
    // Tab goes on to the next field, as everywhere.
    extraKeys: { Tab: false, "Shift-Tab": false },
  });

  // What scrolls can be scrolled by keys.
  const scroller = editor.getScrollerElement();
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "region");
  scroller.setAttribute("aria-label", "Text of the policy");

  // What somebody typed and left is there again in the same tab, as long as nothing else was published.
  try {
    const before = JSON.parse(sessionStorage.getItem(kept));
    if (before && before.published === published && before.text !== published) {
      editor.setValue(before.text);
      tell("Your draft from before is here again. Undo takes it away.");
    }
  } catch { /* a browser that keeps nothing */ }

  function keep() {
    try {
      const text = editor.getValue();
      if (text === published) sessionStorage.removeItem(kept);
      else sessionStorage.setItem(kept, JSON.stringify({ published, text }));
    } catch { /* the same */ }
  }

  function tell(words) {
    said.textContent = words;
  }

  // Requests go one after the other, each with the text as it is when it leaves, and with the click that it is for.
  const waiting = [];
  let sent = editor.getValue();
  let timer = 0;

  function send(click) {
    clearTimeout(timer);
    if (!click && waiting.length > 0 && !waiting[waiting.length - 1]) return;
    waiting.push(click);
    htmx.trigger(form, "draft");
  }

  document.body.addEventListener("htmx:configRequest", (event) => {
    if (!form.contains(event.target)) return;
    const values = event.detail.parameters;
    if (event.target === form) {
      clicked = waiting.shift() || "";
      if (clicked) values.do = clicked;
    }
    sent = editor.getValue();
    values.text = sent;
  });

  for (const [name, words] of [
    ["htmx:sendError", "The gateway can't be reached: your draft is kept here."],
    ["htmx:responseError", "The gateway could not answer: your draft is kept here. Load the page again if it stays."],
  ]) {
    document.body.addEventListener(name, (event) => { if (form.contains(event.target)) tell(words); });
  }

  editor.on("changes", (_, changes) => {
    keep();
    if (changes.every((change) => change.origin === "+builder")) return;
    clearTimeout(timer);
    timer = setTimeout(() => send(null), 350);
  });

  // The one stretch in which two texts differ: from, to in the first, and what stands there in the second.
  function stretch(one, other) {
    let from = 0;
    const least = Math.min(one.length, other.length);
    while (from < least && one[from] === other[from]) from += 1;
    let end = 0;
    while (end < least - from && one[one.length - 1 - end] === other[other.length - 1 - end]) end += 1;
    return { from, to: one.length - end, text: other.slice(from, other.length - end) };
  }

  // A click's answer is the text that was sent, changed in one stretch. What was typed meanwhile stays.
  function take(text) {
    const now = editor.getValue();
    const change = stretch(sent, text);
    if (now !== sent) {
      const typed = stretch(sent, now);
      if (typed.from < change.to && change.from < typed.to) {
        tell("The same lines were typed in meanwhile: click again.");
        return;
      }
      const shift = typed.to <= change.from ? typed.text.length - (typed.to - typed.from) : 0;
      change.from += shift;
      change.to += shift;
    }
    const from = editor.posFromIndex(change.from);
    editor.replaceRange(change.text, from, editor.posFromIndex(change.to), "+builder");
    const end = editor.posFromIndex(change.from + change.text.length);
    editor.scrollIntoView({ from, to: end }, 60);
    const mark = editor.markText(from, end, { className: "just-clicked" });
    setTimeout(() => mark.clear(), 2500);
  }

  // Problems stand at their lines.
  let flaws = [];
  function markFlaws() {
    editor.clearGutter("flaws");
    for (const { line, mark } of flaws) {
      editor.removeLineClass(line, "background");
      mark.clear();
    }
    flaws = [];
    for (const item of document.querySelectorAll("#problems [data-flaw]")) {
      const at = Math.min(Number(item.dataset.line), editor.lineCount()) - 1;
      const column = Number(item.dataset.column) - 1;
      const text = editor.getLine(at);
      const line = editor.addLineClass(at, "background", `flaw-${item.dataset.flaw}`);
      const end = Math.max(text.length, column + 1);
      const mark = editor.markText({ line: at, ch: column }, { line: at, ch: end }, {
        className: `flaw-text-${item.dataset.flaw}`,
        attributes: { title: item.dataset.words },
      });
      const sign = document.createElement("span");
      sign.className = `flaw-sign-${item.dataset.flaw}`;
      sign.textContent = item.dataset.flaw === "error" ? "✕" : "!";
      sign.title = item.dataset.words;
      editor.setGutterMarker(at, "flaws", sign);
      flaws.push({ line, mark });
    }
  }

  document.body.addEventListener("htmx:afterRequest", (event) => {
    if (event.target !== form || !event.detail.successful) return;
    const next = document.getElementById("next");
    if (next.dataset.new !== undefined) {
      delete next.dataset.new;
      take(next.value);
    }
    markFlaws();
  });

  // The list is shown anew with every answer: what is open stays open, and what is being typed stays typed.
  let open = [];
  let typed = [];
  let clicked = "";

  document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
    const list = event.target;
    if (list.id !== "builder") return;
    open = [...list.querySelectorAll("details.more[open]")].map((one) => one.id);
    const part = new URLSearchParams(clicked).get("part");
    const fields = list.querySelectorAll("[data-row] input[type=text], [data-row] input:not([type]), [data-row] textarea, [data-row] select, #q");
    typed = [...fields]
      .filter((field) => isTyped(field) && !(part && field.id.startsWith(`${part}.`) && !field.closest("[data-auto]")))
      .map((field) => ({ id: field.id, value: field.value }));
  });

  function isTyped(field) {
    if (field.tagName === "SELECT") return [...field.options].some((option) => option.selected !== option.defaultSelected);
    return field.value !== field.defaultValue;
  }

  document.body.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.target.id !== "builder") return;
    for (const id of open) {
      const details = document.getElementById(id);
      if (details) details.open = true;
    }
    for (const { id, value } of typed) {
      const field = document.getElementById(id);
      if (field) field.value = value;
    }
    fit(event.target);
  });

  // Of the operators only those that fit what the path of the row holds; values that the schema lists are offered.
  function fit(root) {
    for (const path of root.querySelectorAll("input[data-path]")) fitRow(path);
  }

  function fitRow(path) {
    const row = path.closest("[data-row]");
    const operator = row && row.querySelector("select[data-operator]");
    if (!operator) return;
    const known = [...(path.list ? path.list.options : [])].find((option) => option.value === path.value);
    const kind = known ? known.dataset.kind : "";
    offer(row, known ? JSON.parse(known.dataset.values || "[]") : []);
    for (const option of operator.options) {
      const fits = !kind || kind === "any" || !option.dataset.fits || option.dataset.fits.split(" ").includes(kind);
      option.hidden = !fits && !option.selected;
      option.disabled = !fits && !option.selected;
    }
  }

  // The values that the schema lists, in the row that adds a condition; the server does it for the others.
  function offer(row, values) {
    const field = row.querySelector("input[id$='.value']");
    if (!field || row.dataset.auto) return;
    const id = `${field.id}.offered`;
    document.getElementById(id)?.remove();
    if (values.length === 0) return field.removeAttribute("list");
    const list = document.createElement("datalist");
    list.id = id;
    for (const value of values) list.append(new Option("", typeof value === "string" ? value : JSON.stringify(value)));
    row.append(list);
    field.setAttribute("list", id);
  }

  // A field is sent with the text when it is changed: its part says with which click. What throws rules away is a button:
  // to go past it by keyboard does nothing.
  form.addEventListener("change", (event) => {
    const field = event.target;
    if (field.matches("input[data-path]")) fitRow(field);
    if (field.closest("[data-refresh]")) return send(null);
    const part = field.closest("[data-auto]");
    if (part) send(part.dataset.auto);
  });

  form.addEventListener("input", (event) => {
    if (!event.target.matches("input[data-refresh]")) return;
    clearTimeout(timer);
    timer = setTimeout(() => send(null), 250);
  });

  form.addEventListener("click", (event) => {
    const line = event.target.closest("[data-line]");
    if (line && event.target.closest("button")) {
      const at = { line: Number(line.dataset.line) - 1, ch: Number(line.dataset.column || 1) - 1 };
      editor.setCursor(at);
      editor.scrollIntoView(at, 120);
      editor.focus();
      return;
    }
    const button = event.target.closest("button[name=do]");
    if (button) {
      event.preventDefault();
      send(button.value);
    }
    const turn = event.target.closest("button[name=page]");
    if (turn) {
      event.preventDefault();
      document.getElementById("page").value = turn.value;
      send(null);
    }
  });

  // Enter in a field of the builder is the click of its part, never the form as a whole.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "INPUT" || event.target.type === "submit") return;
    event.preventDefault();
    const button = event.target.closest("[data-row]")?.querySelector("button[name=do][data-adds]");
    if (button) send(button.value);
    else event.target.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // An entry is filled when it is opened, and stays open when the list is shown again.
  form.addEventListener("toggle", (event) => {
    const entry = event.target.closest("details[data-entry]");
    if (entry !== event.target) return;
    const open = entry.querySelector("input[name=open]");
    if (open) open.disabled = !entry.open;
    if (entry.open && entry.querySelector("[data-unfilled]")) send(null);
  }, true);

  const undo = form.querySelector("[data-undo]");
  const redo = form.querySelector("[data-redo]");
  const plain = form.querySelector("[data-plain]");
  for (const button of [undo, redo, plain]) button.hidden = false;
  undo.addEventListener("click", () => editor.undo());
  redo.addEventListener("click", () => editor.redo());
  let isPlain = false;
  plain.addEventListener("click", () => {
    isPlain = !isPlain;
    if (isPlain) area.value = editor.getValue();
    else editor.setValue(area.value);
    area.style.display = isPlain ? "" : "none";
    editor.getWrapperElement().style.display = isPlain ? "none" : "";
    plain.textContent = isPlain ? "Editor" : "Plain text field";
    if (isPlain) area.focus();
    else editor.refresh();
  });
  area.addEventListener("input", () => { if (isPlain) editor.setValue(area.value); });
  editor.on("changes", () => { if (isPlain && area.value !== editor.getValue()) area.value = editor.getValue(); });

  const at = Number(box.dataset.at);
  if (at > 0) {
    editor.setCursor({ line: at - 1, ch: 0 });
    editor.scrollIntoView(null, 120);
    editor.addLineClass(at - 1, "background", "asked-for");
  }
})();
