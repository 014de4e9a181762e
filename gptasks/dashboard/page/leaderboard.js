// The table of systems with its tests, and all runs with all their metrics.

function leaderboard() {
  const parts = [];
  if (head.table) parts.push(systems(), tests());
  parts.push(allRuns());
  const going = head.runs.filter((run) => !run.finished);
  if (going.length) {
    parts.push(section("Not finished", table([
      { name: "Run", get: (run) => run.name, show: (run) => el("span", { title: run.path }, called(head.runs.indexOf(run))) },
      { name: "Task", get: (run) => run.task },
      { name: "Backbone", get: (run) => run.backbone },
      { name: "Strategy", get: (run) => run.strategy },
      { name: "Seed", get: (run) => run.seed, numeric: true },
      { name: "Step", get: (run) => run.step, numeric: true },
    ], going, { caption: "Runs that go on, or were stopped" })));
  }
  const told = [...(head.table?.notes ?? []), ...head.broken.map((one) => `${one.path} is left out: ${one.reason}`)];
  if (told.length) parts.push(section("Notes", el("ul", {}, told.map((line) => el("li", {}, line)))));
  return parts;
}

function systems() {
  const { by: keys, columns, systems: lines, cells } = head.table;
  const letters = new Map();
  const letter = (reason) => {
    if (!letters.has(reason)) letters.set(reason, String(letters.size + 1));
    return letters.get(reason);
  };
  const place = new Map(cells.map((cell) => [`${cell.system}.${cell.column}`, cell]));
  const scales = columns.map((_, number) => range(cells.filter((cell) => cell.column === number)));
  const inside = (cell, number) => {
    if (!cell) return "–";
    const reasons = [...cell.flags.map((reason) => ["not comparable", reason]), ...(cell.untested ? [["not tested", `not tested: ${cell.untested}`]] : [])];
    const below = reasons.map(([what, reason]) => el("span", { title: reason }, `${what} (${letter(reason)})`));
    if (cell.runs.length > 1) below.unshift(`${cell.seed_sd === null ? "" : `sd ${score(cell.seed_sd)} of `}${count(cell.runs.length, "seed")}`);
    return el("span", { class: cell.flags.length ? "flagged" : cell.is_best ? "best" : "" },
      cell.is_best ? el("strong", { title: "significantly better than all others of its column" }, "★ ") : null,
      scored(cell, scales[number]),
      below.map((line) => el("small", { class: "below" }, line)));
  };
  const whole = (line) => keys.map((key) => line.name[key]).filter(Boolean).join(" ");
  // On a phone the names stand in one column, or the scores would be out of sight.
  const names = matchMedia("(max-width: 40rem)").matches
    ? [{ name: "configuration", title: keys.join(", "), get: whole, show: (line) => nameOf(line, whole(line)) }]
    : keys.map((key, number) => ({
      name: key,
      get: (line) => line.name[key],
      show: (line) => (number === 0 ? nameOf(line, line.name[key]) : line.name[key]),
    }));
  const shown = [
    ...names,
    ...columns.map((column, number) => ({
      number,
      name: `${keys.includes("task") ? "" : `${column.task} `}${column.metric}`,
      title: `${column.metric} on ${count(column.rows, "test row")} of ${column.task}; ${column.is_better_higher ? "higher" : "lower"} is better`,
      numeric: true,
      up: column.is_better_higher,
      get: (line) => place.get(`${line.number}.${number}`)?.value,
      show: (line) => inside(place.get(`${line.number}.${number}`), number),
    })),
  ];
  const rows = lines.map((line, number) => ({ ...line, number, cells: cells.filter((cell) => cell.system === number) }));
  const box = el("div");
  const fill = () => {
    const wanted = (state.find ?? "").toLowerCase();
    const kept = rows.filter((line) => [...Object.values(line.name), line.baseline ?? "", ...line.cells.map((cell) => columns[cell.column].task)].join(" ").toLowerCase().includes(wanted))
      .filter((line) => !state.nobase || !line.baseline);
    const filled = new Set(kept.flatMap((line) => line.cells.map((cell) => cell.column)));
    box.replaceChildren(kept.length ? table(shown.filter((column) => column.number === undefined || filled.has(column.number)), kept, { caption: "Test scores with 95% intervals over the test rows", key: "s", rowClass: (line) => (line.baseline ? "baseline" : "") }) : note("No line is like this."));
  };
  fill();
  const footnotes = [...letters].map(([reason, sign]) => el("li", {}, `(${sign}) ${reason}`));
  const baselines = el("input", { type: "checkbox", checked: !state.nobase, onchange: () => { choose({ nobase: baselines.checked ? "" : 1 }); fill(); } });
  return section("Leaderboard",
    el("div", { class: "controls" }, field("Filter", state.find, (value) => { choose({ find: value }); fill(); }, "lora, sentiment, …"), labelled("Baselines", baselines)),
    note("A line is a configuration: the mean of its seeds, and the 95% interval over the test rows, drawn on the scale of its column. ★ is significantly better than all others of its column. Baselines are in italics. Press a configuration to see its scores."),
    box,
    footnotes.length ? el("ul", { class: "footnotes" }, footnotes) : null);
}

function nameOf(line, name) {
  const run = line.cells[0]?.runs[0];
  if (line.baseline || run === undefined) return `${name ?? ""} baseline ${line.baseline}`.trim();
  return el("button", { type: "button", class: "link", onclick: () => {
    choose({ task: head.runs[run].task, a: head.runs[run].path, tab: "scores" });
    show();
  } }, name || "–");
}

function tests() {
  const { tests: made, columns, systems: lines, by: keys } = head.table;
  if (!made.length) return null;
  const every = lines.filter((line) => !line.baseline);
  const told = keys.filter((key) => new Set(every.map((line) => line.name[key])).size > 1);
  const name = (number) => (told.length ? told : keys).map((key) => lines[number].name[key]).filter(Boolean).join(" ");
  return section("Tests between two systems",
    note(`Paired, on the same test rows; p corrected over ${count(made.length, "test")} (Holm). Rows needed: to find this difference in 80% of all cases.`),
    table([
      { name: "Metric", get: (test) => `${columns[test.column].task} ${columns[test.column].metric}${columns[test.column].is_better_higher ? "" : " (lower is better)"}` },
      { name: "a", get: (test) => name(test.a) },
      { name: "b", get: (test) => name(test.b) },
      { name: "a − b", numeric: true, get: (test) => test.difference, show: (test) => `${score(test.difference)} [${score(test.low)}, ${score(test.high)}]` },
      { name: "p", numeric: true, up: false, get: (test) => test.p_holm, show: (test) => el("span", { class: test.is_significant ? "best" : "" }, pValue(test.p_holm), test.is_significant ? " significant" : "") },
      { name: "Effect", numeric: true, get: (test) => test.effect, show: (test) => score(test.effect, 3) },
      { name: "Rows", numeric: true, get: (test) => test.rows, show: (test) => test.rows.toLocaleString("en") },
      { name: "Rows needed", numeric: true, get: (test) => test.rows_needed, show: (test) => test.needs_seeds ? "more seeds" : test.rows_needed?.toLocaleString("en") },
    ], made, { caption: "Paired tests", key: "t" }));
}

/** Says so where a run's scores can't be compared with those of most runs of its task. */
function flagged(i) {
  const { cells, columns, systems: lines } = head.table;
  const own = cells.filter((cell) => cell.runs.includes(i) && !lines[cell.system].baseline && columns[cell.column].task === head.runs[i].task);
  const flags = [...new Set(own.flatMap((cell) => cell.flags))];
  return flags.length ? el("small", { class: "below flagged" }, `not comparable: ${flags.join("; ")}`) : "";
}

function allRuns() {
  if (!tasks().length) return note("No run is finished yet.");
  const numbers = runsOfTask();
  const metrics = [...new Set(numbers.flatMap((i) => Object.keys(head.runs[i].scores.test ?? {})))];
  const scales = Object.fromEntries(metrics.map((name) => [name, range(numbers.map((i) => head.runs[i].scores.test?.[name] ?? {}))]));
  const now = { a: chosen("a"), b: chosen("b") };
  const pick = (which, i) => el("input", { type: "radio", name: which, checked: now[which] === i, "aria-label": `${called(i)} as ${which.toUpperCase()}`,
    onchange: () => { now[which] = i; choose({ [which]: head.runs[i].path }); } });
  const columns = [
    { name: "Run", get: (i) => called(i), show: (i) => el("button", { type: "button", class: "link", title: head.runs[i].path, onclick: () => { choose({ a: head.runs[i].path, tab: "scores" }); show(); } }, called(i)) },
    { name: "A", get: (i) => (now.a === i ? 0 : 1), show: (i) => pick("a", i) },
    { name: "B", get: (i) => (now.b === i ? 0 : 1), show: (i) => pick("b", i) },
    { name: "Backbone", get: (i) => head.runs[i].backbone },
    { name: "Strategy", get: (i) => head.runs[i].strategy },
    { name: "Seed", numeric: true, get: (i) => head.runs[i].seed },
    ...metrics.map((name, place) => ({
      name, numeric: true, up: head.runs[numbers[0]].scores.test?.[name]?.up,
      get: (i) => head.runs[i].scores.test?.[name]?.value,
      show: (i) => (place ? score(head.runs[i].scores.test?.[name]?.value) : [scored(head.runs[i].scores.test?.[name], scales[name]), flagged(i)]),
    })),
    { name: "Minutes", numeric: true, up: false, get: (i) => head.runs[i].timing?.total_seconds, show: (i) => score(head.runs[i].timing?.total_seconds / 60, 1) },
  ];
  const box = el("div");
  const fill = () => {
    const wanted = (state.findrun ?? "").toLowerCase();
    const kept = numbers.filter((i) => [head.runs[i].path, head.runs[i].backbone, head.runs[i].strategy, `seed ${head.runs[i].seed}`].join(" ").toLowerCase().includes(wanted));
    box.replaceChildren(kept.length ? table(columns, kept, { caption: `Runs of ${task()}, every metric on test`, key: "r" }) : note("No run is like this."));
  };
  fill();
  return section("Runs", el("div", { class: "controls" }, taskMenu(),
    field("Filter", state.findrun, (value) => { choose({ findrun: value }); fill(); }, "folder, backbone, seed 1, …")),
  note("A and B are the runs that the other views look at."), box);
}
