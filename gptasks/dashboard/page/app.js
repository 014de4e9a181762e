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
  view.dataset.tab = name;
  view.replaceChildren(...[inside].flat().filter(Boolean));
}

function tabs() {
  view.setAttribute("role", "tabpanel");
  const open = (name) => { choose({ tab: name, page: "" }); show(); };
  strip.replaceChildren(...VIEWS.map(([name, title]) => el("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "view",
    onclick: () => open(name),
    onkeydown: (event) => {
      const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!way) return;
      const place = (VIEWS.findIndex(([one]) => one === name) + way + VIEWS.length) % VIEWS.length;
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
  let answer;
  try {
    answer = await (await fetch(`state?${head.state}`)).json();
  } catch {
    document.getElementById("summary").textContent = "the server does not answer any more; what is shown is its last state";
    return;
  }
  if (answer.state === head.state) return summary();
  const before = head;
  blocks.delete("head");
  head = await block("head");
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
