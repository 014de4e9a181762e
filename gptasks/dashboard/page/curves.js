// Learning curves of the runs of a task, unfinished ones too.

const CURVES = 40;

async function curves() {
  const every = [...new Set([...tasks(), ...head.runs.map((run) => run.task)])]; // of runs that go on, too
  const wanted = every.includes(state.task) ? state.task : every[0];
  const numbers = head.runs.map((_, i) => i).filter((i) => head.runs[i].task === wanted);
  const usual = [...(wanted === task() ? runsOfTask().slice(0, 8) : []), ...numbers.filter((i) => !head.runs[i].finished)];
  const asked = state.runs === undefined ? usual : numbers.filter((i) => state.runs.split("|").includes(head.runs[i].path));
  const drawn = asked.slice(0, CURVES);
  if (!numbers.length) return [note("There is no run yet.")];
  const found = await Promise.all(drawn.map((i) => block(`curves-${head.runs[i].key}`)));
  const names = [...new Set(found.flatMap((one) => Object.keys(one)))].sort((a, b) => b.startsWith("validation/") - a.startsWith("validation/") || a.localeCompare(b));
  const name = names.includes(state.curve) ? state.curve : names[0];
  const x = state.x === "seconds" ? "seconds" : "step";
  const log = el("input", { type: "checkbox", checked: Boolean(state.log), onchange: () => { choose({ log: log.checked ? 1 : "" }); show(); } });
  const boxes = el("details", {}, el("summary", {}, `${drawn.length} of ${count(numbers.length, "run")}`), el("div", { class: "boxes" }, numbers.map((i) => {
    const box = el("input", { type: "checkbox", checked: drawn.includes(i), onchange: () => {
      const kept = numbers.filter((j) => (j === i ? box.checked : drawn.includes(j)));
      choose({ runs: kept.map((j) => head.runs[j].path).join("|") || "|", open: 1 });
      show();
    } });
    return el("label", {}, box, ` ${called(i)}${head.runs[i].finished ? "" : " (not finished)"}`);
  })));
  boxes.open = Boolean(state.open);
  const controls = el("div", { class: "controls" }, taskMenu(every),
    names.length ? menu("Curve", names.map((one) => [one, one]), name, (value) => { choose({ curve: value }); show(); }) : null,
    menu("Against", [["step", "step"], ["seconds", "seconds"]], x, (value) => { choose({ x: value }); show(); }), labelled("Logarithmic", log), boxes);
  if (!names.length) {
    return [section("Learning curves", controls, note(drawn.length ? "These runs have no curves yet; strategy=head never has one, since it fits its head without steps." : "No run is chosen."))];
  }
  const traces = drawn.map((i, place) => ({ i, place, curve: found[place][name] })).filter(({ curve }) => curve).map(({ i, place, curve }) => ({
    run: called(i), x: curve[x], y: curve.value, name: plain(called(i)), mode: curve.step.length > 40 ? "lines" : "lines+markers",
    line: { dash: DASHES[Math.floor(place / palette().length) % DASHES.length] }, marker: { symbol: SIGNS[place % SIGNS.length] },
  }));
  const ends = traces.map((trace) => ({ name: trace.run, last: trace.y.at(-1), least: least(trace.y.filter(isNumber)), most: most(trace.y.filter(isNumber)), n: trace.y.length }));
  const without = drawn.length - traces.length;
  return [section("Learning curves", controls, plot(`${name} against ${x}: ${count(traces.length, "run")}${without ? `; ${without} of those chosen ${without === 1 ? "has" : "have"} no such curve` : ""}`, traces, {
    x, y: plain(name), height: 460, yaxis: { type: state.log ? "log" : "linear" },
    numbers: table([
      { name: "Run", get: (one) => one.name },
      { name: "Last", numeric: true, get: (one) => one.last, show: (one) => score(one.last) },
      { name: "Least", numeric: true, get: (one) => one.least, show: (one) => score(one.least) },
      { name: "Most", numeric: true, get: (one) => one.most, show: (one) => score(one.most) },
      { name: "Points", numeric: true, get: (one) => one.n },
    ], ends, { caption: `Ends of ${name}` }),
  }))];
}
