// What every view stands on: elements, numbers, the packed blocks, and what the reader has chosen.

/** An element; a text child is always text, never HTML. */
function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name === "value" || name === "checked") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A score, or – where there is none. */
function score(value, digits = 4) {
  return isNumber(value) ? value.toFixed(digits) : "–";
}

/** A number as it comes: whole ones without digits. */
const short = (value) => (Number.isInteger(value) ? String(value) : score(value, 3));

const count = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;

const pValue = (p) => (!isNumber(p) ? "–" : p < 0.00005 ? "<0.0001" : score(p));

/** The least and the largest of many numbers. */
const least = (values) => values.reduce((found, one) => Math.min(found, one), Infinity);
const most = (values) => values.reduce((found, one) => Math.max(found, one), -Infinity);

const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)}%` : "–");

// -- blocks ---------------------------------------------------------------------------------

const live = document.querySelector('meta[name="gptasks-live"]') !== null;
const blocks = new Map();

/** The content of a block, unpacked when it is first asked for. */
function block(name) {
  if (!blocks.has(name)) {
    const asked = unpacked(name).then(JSON.parse);
    blocks.set(name, asked);
    asked.catch(() => blocks.delete(name)); // so that it is asked for again
  }
  return blocks.get(name);
}

async function unpacked(name) {
  const held = document.getElementById(`block-${name}`);
  if (held === null) {
    if (!live) throw new Error(`this page holds no ${name}`);
    const answer = await fetch(`block/${name}`);
    if (!answer.ok) throw new Error(`the server can't show it: ${(await answer.text()).trim()}`);
    return answer.text();
  }
  if (typeof DecompressionStream === "undefined") {
    throw new Error("this browser is too old for the page: it needs Chrome 80, Firefox 113, Safari 16.4 or newer");
  }
  const text = held.textContent;
  const bytes = Uint8Array.fromBase64
    ? Uint8Array.fromBase64(text)
    : Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// -- what was chosen ------------------------------------------------------------------------

let head = null;

/** Kept behind the # of the address, so that a link leads to the same view. */
const state = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

/** back: whether the browser's Back is to undo it. */
function choose(changes, { back = false } = {}) {
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined) delete state[name];
    else state[name] = String(value);
  }
  const address = `#${new URLSearchParams(state)}`;
  if (back && address !== location.hash) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

const tasks = () => [...new Set(head.runs.filter((run) => run.finished).map((run) => run.task))];

const task = () => (tasks().includes(state.task) ? state.task : tasks()[0]);

/** The numbers of the finished runs of the chosen task, the best first. */
function runsOfTask() {
  const numbers = head.runs.map((_, i) => i).filter((i) => head.runs[i].finished && head.runs[i].task === task());
  return numbers.sort((i, j) => better(headline(j)) - better(headline(i)));
}

/** A run's headline score: {name, value, low, high, n, up}. */
function headline(i) {
  const [name, found] = Object.entries(head.runs[i].scores?.test ?? {})[0] ?? [""];
  return { name, ...found };
}

const better = (found) => (isNumber(found.value) ? (found.up === false ? -found.value : found.value) : -Infinity);

/** The run chosen as A or B, or the usual one: the best, and the next one that was tested on the same rows. */
function chosen(which) {
  const numbers = runsOfTask();
  const found = numbers.find((i) => head.runs[i].path === state[which]);
  if (found !== undefined) return found;
  if (which === "a") return numbers[0];
  const a = chosen("a");
  const others = numbers.filter((i) => i !== a);
  return others.find((i) => head.runs[i].rows === head.runs[a].rows) ?? others[0];
}

/** What a run is called: its folder, or of folders of one name their paths. */
function called(i) {
  const run = head.runs[i];
  return head.runs.some((other, j) => j !== i && other.name === run.name) ? run.path : run.name;
}

function described(i) {
  const run = head.runs[i];
  const found = headline(i);
  return `${called(i)} · ${run.strategy} · ${run.backbone} · seed ${run.seed} · ${found.name} ${score(found.value)}`;
}

// -- controls -------------------------------------------------------------------------------

function labelled(text, control) {
  return el("label", { class: "control" }, el("span", {}, text), control);
}

/** A menu. options: [value, text] each; act gets the value. */
function menu(text, options, value, act) {
  const select = el("select", { onchange: () => act(select.value) },
    options.map(([one, shown]) => el("option", { value: one }, shown)));
  select.value = value ?? "";
  return labelled(text, select);
}

function taskMenu(among = tasks()) {
  if (among.length < 2) return null;
  return menu("Task", among.map((name) => [name, name]), among.includes(state.task) ? state.task : task(), (value) => {
    choose({ task: value, a: "", b: "", page: "", runs: "" });
    show();
  });
}

function runMenu(which, text) {
  const options = runsOfTask().map((i) => [head.runs[i].path, described(i)]);
  const now = chosen(which);
  return menu(text, options, now === undefined ? "" : head.runs[now].path, (value) => {
    choose({ [which]: value, page: "" });
    show();
  });
}

/** A field that acts when typing pauses. */
function field(text, value, act, placeholder = "") {
  let timer = 0;
  const input = el("input", {
    type: "search", value: value ?? "", placeholder,
    oninput: () => { clearTimeout(timer); timer = setTimeout(() => act(input.value), 150); },
  });
  return labelled(text, input);
}

function copyButton(text) {
  if (!text) return null;
  const button = el("button", { type: "button", class: "small", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it by hand";
    }
  } }, "Copy");
  return button;
}

const section = (title, ...children) => el("section", {}, el("h2", {}, title), ...children);
const note = (...text) => el("p", { class: "note" }, ...text);
