// Two runs on the same rows: what the second does better, and what worse.

async function pairs() {
  const [a, b] = [chosen("a"), chosen("b")];
  const controls = el("div", { class: "controls" }, taskMenu(), runMenu("a", "A"), runMenu("b", "B"),
    el("button", { type: "button", onclick: () => { choose({ a: head.runs[b]?.path, b: head.runs[a]?.path }); show(); } }, "Swap"));
  const title = "Fixed and broken";
  if (a === undefined || b === undefined) return [section(title, controls, note("There are no two finished runs of this task."))];
  if (head.runs[a].rows !== head.runs[b].rows) {
    return [section(title, controls, note("These two were not tested on the same rows, so that nothing can be said of single rows. Choose two on the same data."))];
  }
  const every = await Promise.all([answersOf(a), answersOf(b)]);
  const fault = every.find((one) => one.fault);
  if (fault) return [section(title, controls, note(`${called(fault.run)}: ${fault.fault}`))];
  const [first, second] = every;
  if (first.metric !== second.metric) {
    return [section(title, controls, note(`A's rows are scored by ${first.metric}, B's by ${second.metric}.`))];
  }
  const up = head.runs[a].scores.test?.[first.metric]?.up === false ? -1 : 1;
  const gain = (n) => up * ((second.values[n] ?? 0) - (first.values[n] ?? 0));
  const numbers = first.rows.ids.map((_, n) => n);
  const groups = {
    fixed: numbers.filter((n) => gain(n) > 0).sort((m, n) => gain(n) - gain(m) || m - n),
    broke: numbers.filter((n) => gain(n) < 0).sort((m, n) => gain(m) - gain(n) || m - n),
    same: numbers.filter((n) => gain(n) === 0),
    differ: numbers.filter((n) => gain(n) === 0 && first.said(n) !== second.said(n)),
  };
  const names = {
    fixed: `Fixed: B is better (${groups.fixed.length})`,
    broke: `Broken: B is worse (${groups.broke.length})`,
    same: `No difference in ${first.metric} (${groups.same.length})`,
    differ: `Other answer, same ${first.metric} (${groups.differ.length})`,
  };
  const now = groups[state.group] ? state.group : "fixed";
  const buttons = el("div", { class: "choices", role: "group", "aria-label": "Which rows" }, Object.keys(groups).map((key) =>
    el("button", { type: "button", "aria-pressed": String(key === now), onclick: () => { choose({ group: key, page: "" }); show(); } }, names[key])));
  return [section(title, controls, testOf(a, b) ?? signTest(groups, first.metric),
    note(`By ${first.metric} of each row: B fixes ${groups.fixed.length.toLocaleString("en")} and breaks ${groups.broke.length.toLocaleString("en")} of ${count(numbers.length, "row")}.`),
    sampleNote(first.rows), buttons, exampleList(every, groups[now], "page"))];
}

/** What the tests of the leaderboard say of the two. */
function testOf(a, b) {
  const system = (i) => head.table?.cells.filter((cell) => cell.runs.includes(i)).map((cell) => cell.system) ?? [];
  const made = head.table?.tests.find((test) => (system(a).includes(test.a) && system(b).includes(test.b)) || (system(a).includes(test.b) && system(b).includes(test.a)));
  if (!made) return null;
  const { metric } = head.table.columns[made.column];
  const winner = system(a).includes(made.a) ? "A" : "B";
  return note(`${metric}: ${winner} is better by ${score(Math.abs(made.difference))} [${score(made.low)}, ${score(made.high)}], p ${made.p_holm < 0.00005 ? "<0.0001" : score(made.p_holm)} after Holm's correction: ${made.is_significant ? "significant" : "not significant"}.`);
}

/** Of two that the leaderboard does not test: whether chance alone would part the rows so unevenly. */
function signTest({ fixed, broke }, metric) {
  const [more, n] = [Math.max(fixed.length, broke.length), fixed.length + broke.length];
  if (!n) return note(`These two are alike in ${metric} on every row.`);
  const logs = [0];
  for (let k = 1; k <= n; k += 1) logs.push(logs[k - 1] + Math.log(k));
  let tail = 0;
  for (let k = more; k <= n; k += 1) tail += Math.exp(logs[n] - logs[k] - logs[n - k] - n * Math.LN2);
  const p = Math.min(1, 2 * tail);
  return note(`The leaderboard does not test these two. A sign test of fixed against broken rows: p ${p < 0.00005 ? "<0.0001" : score(p)}; one test of two trained models, corrected for no other that you look at.`);
}
