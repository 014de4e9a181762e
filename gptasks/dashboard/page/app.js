// The tabs, and what they show.

const VIEWS = [
  ["leaderboard", "Leaderboard", leaderboard],
  ["curves", "Curves", curves],
  ["scores", "Scores", scores],
  ["examples", "Examples", examples],
  ["pairs", "Fixed / broke", pairs],
  ["data", "Data", data],
  ["configuration", "Configuration", configuration],
];

const view = document.getElementById("view");
const strip = document.getElementById("tabs");
let turn = 0;

/** Show the chosen tab; one that is asked for later wins. */
async function show() {
  const mine = ++turn;
  const [name, , make] = VIEWS.find(([one]) => one === state.tab) ?? VIEWS[0];
  for (const tab of strip.children) {
    const isChosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    if (isChosen) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  view.setAttribute("aria-labelledby", `tab-${name}`);
  let inside;
  try {
    inside = await make();
  } catch (error) {
    console.error(error);
    inside = [note(`This view can't be shown: ${error.message}`)];
  }
  if (mine !== turn) return;
  const before = view.dataset.tab === name ? underHands() : null;
  view.dataset.tab = name;
  view.replaceChildren(...[inside].flat().filter(Boolean));
  if (before) restore(before);
}

const CONTROLS = "button, select, input, summary, .wide";

/** What a control is called, and so found again when its view is drawn anew. */
const identity = (control) => control.labels?.[0]?.textContent.slice(0, 60) || control.ariaLabel || control.textContent.slice(0, 60);

/** Where the reader is: the control in use, what is unfolded, how far wide tables are moved. */
function underHands() {
  const control = document.activeElement;
  return {
    control: view.contains(control) && control.matches(CONTROLS) ? [control.tagName, identity(control)] : null,
    unfolded: [...view.querySelectorAll("details")].map((one) => one.open),
    moved: [...view.querySelectorAll(".wide")].map((one) => one.scrollLeft),
  };
}

function restore({ control, unfolded, moved }) {
  [...view.querySelectorAll("details")].forEach((one, n) => { one.open ||= Boolean(unfolded[n]); });
  [...view.querySelectorAll(".wide")].forEach((one, n) => { one.scrollLeft = moved[n] ?? 0; });
  if (!control) return;
  const same = [...view.querySelectorAll(CONTROLS)].find((one) => one.tagName === control[0] && identity(one) === control[1]);
  same?.focus({ preventScroll: true });
}

function tabs() {
  view.setAttribute("role", "tabpanel");
  const open = (name) => { choose({ tab: name, page: "" }, { back: true }); show(); };
  strip.replaceChildren(...VIEWS.map(([name, title]) => el("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "view",
    onclick: () => open(name),
    onkeydown: (event) => {
      const here = VIEWS.findIndex(([one]) => one === name);
      const place = { ArrowRight: (here + 1) % VIEWS.length, ArrowLeft: (here || VIEWS.length) - 1, Home: 0, End: VIEWS.length - 1 }[event.key];
      if (place === undefined) return;
      event.preventDefault();
      open(VIEWS[place][0]);
      document.getElementById(`tab-${VIEWS[place][0]}`).focus();
    },
  }, title)));
}

function theme() {
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  let kept = null;
  try { kept = localStorage.getItem("gptasks-theme"); } catch { /* a file in a strict browser keeps nothing */ }
  const apply = () => {
    const dark = kept ? kept === "dark" : system.matches;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", `Change to ${dark ? "light" : "dark"} colours`);
  };
  apply();
  system.addEventListener("change", () => { apply(); show(); });
  button.addEventListener("click", () => {
    kept = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("gptasks-theme", kept); } catch { /* as above */ }
    apply();
    show();
  });
}

function summary() {
  const finished = head.runs.filter((run) => run.finished).length;
  const parts = [`${count(finished, "run")} of ${count(tasks().length, "task")}`];
  if (head.runs.length > finished) parts.push(`${head.runs.length - finished} not finished`);
  if (head.broken.length) parts.push(`${head.broken.length} left out`);
  document.getElementById("summary").textContent = `${parts.join(", ")} · gptasks ${head.version}${live ? " · follows the folder" : ""}`;
}

async function start() {
  theme();
  tabs();
  try {
    head = await block("head");
  } catch (error) {
    view.replaceChildren(note(`This page can't be read: ${error.message}`));
    return;
  }
  summary();
  await show();
  document.documentElement.dataset.ready = "true";
  if (live) setInterval(follow, 2000);
}

/** Ask the server whether the runs went on, and show what is new; not under somebody's hands. */
async function follow() {
  if (document.hidden || document.activeElement?.matches("input[type=search], select")) return;
  const before = head;
  try {
    const answer = await (await fetch(`state?${head.state}`)).json();
    if (answer.state === head.state) return summary();
    blocks.delete("head");
    head = await block("head");
  } catch (error) {
    const reason = error.message.startsWith("the server") ? error.message : "the server does not answer any more";
    document.getElementById("summary").textContent = `${reason}; what is shown is its last state`;
    return;
  }
  const same = before.runs.length === head.runs.length && before.runs.every((run, i) => run.path === head.runs[i].path && run.finished === head.runs[i].finished);
  for (const name of [...blocks.keys()]) if (!same || name.startsWith("curves-")) if (name !== "head") blocks.delete(name);
  summary();
  if (!same || ["leaderboard", "curves"].includes(state.tab ?? "leaderboard")) {
    const place = scrollY;
    await show();
    scrollTo(0, place);
  }
}

window.addEventListener("hashchange", () => {
  for (const name of Object.keys(state)) delete state[name];
  Object.assign(state, Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
  show();
});
start();
