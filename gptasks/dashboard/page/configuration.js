// How runs were told apart, and how to repeat them.

const BESIDE = 8;

async function configuration() {
  const numbers = runsOfTask();
  if (!numbers.length) return [note("No run is finished yet.")];
  const [a, b] = [chosen("a"), chosen("b")];
  const drawn = state.all ? numbers.slice(0, BESIDE) : [a, b].filter((i) => i !== undefined);
  const settings = await Promise.all(drawn.map((i) => block(`config-${head.runs[i].key}`)));
  const keys = [...new Set(settings.flatMap((one) => Object.keys(one)))].filter((key) => key !== "run"); // which says where it is
  const shown = (value) => (value === undefined ? "absent" : value === null ? "null" : typeof value === "object" ? JSON.stringify(value) : String(value));
  const differ = keys.filter((key) => new Set(settings.map((one) => shown(one[key]))).size > 1);
  const libraries = [...new Set(drawn.flatMap((i) => Object.keys(head.runs[i].versions ?? {})))];
  const others = libraries.filter((name) => new Set(drawn.map((i) => head.runs[i].versions?.[name])).size > 1);
  const every = el("input", { type: "checkbox", checked: Boolean(state.all), onchange: () => { choose({ all: every.checked ? 1 : "" }); show(); } });
  const whole = el("input", { type: "checkbox", checked: Boolean(state.keys), onchange: () => { choose({ keys: whole.checked ? 1 : "" }); show(); } });
  const columns = drawn.map((i, place) => ({ name: state.all ? called(i) : `${"AB"[place]}: ${called(i)}`, get: (key) => shown(settings[place][key]) }));
  const rows = state.keys ? keys : differ;
  return [
    section("Configuration", el("div", { class: "controls" }, taskMenu(), runMenu("a", "A"), runMenu("b", "B"), labelled(`The best ${BESIDE} beside each other`, every), labelled("Equal keys too", whole)),
      rows.length ? table([{ name: "Key", get: (key) => key, show: (key) => el("code", {}, key) }, ...columns], rows, { caption: `${count(differ.length, "key")} of ${keys.length} differ`, rowClass: (key) => (state.keys && differ.includes(key) ? "differs" : "") }) : note("The configurations are equal."),
      others.length ? table([{ name: "Library", get: (name) => name }, ...drawn.map((i) => ({ name: called(i), get: (name) => head.runs[i].versions?.[name] }))], others, { caption: "Versions that differ" }) : null),
    section("To repeat a run", [...new Set(drawn)].map((i) => el("div", {}, el("h3", {}, called(i)), el("pre", {}, head.runs[i].command || "its command is not known"), copyButton(head.runs[i].command),
      note(madeWith(head.runs[i]))))),
  ];
}

function madeWith(run) {
  const libraries = Object.entries(run.versions ?? {}).map(([name, version]) => `${name} ${version}`);
  const { device, precision } = run.timing ?? {};
  return [["made with", libraries.join(", ")], ["on", device], ["in", precision]].filter(([, what]) => what).map((pair) => pair.join(" ")).join(" ");
}
