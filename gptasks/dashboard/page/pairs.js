// Two runs on the same rows: what the second does better, and what worse.

async function pairs() {
  const [a, b] = [chosen("a"), chosen("b")];
  const title = "Fixed and broken";
  if (a === undefined || b === undefined) {
    return [section(title, el("div", { class: "controls" }, taskMenu()), note("There are no two finished runs of this task to set against each other."))];
  }
  const controls = el("div", { class: "controls" }, taskMenu(), runMenu("a", "A"), runMenu("b", "B"),
    el("button", { type: "button", onclick: () => { choose({ a: head.runs[b].path, b: head.runs[a].path }); show(); } }, "Swap"));
  if (a === b) return [section(title, controls, note("A and B are the same run. Choose another for one of them."))];
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
  const gain = (n) => (isNumber(first.values[n]) && isNumber(second.values[n])
    ? up * (second.values[n] - first.values[n])
    : second.isRight(n) - first.isRight(n)); // where the metric has nothing to say of a row, whether it is right
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
  return [section(title, controls, testsOf(a, b) ?? signTest(groups, first),
    note(`By ${first.metric} of each row: B fixes ${groups.fixed.length.toLocaleString("en")} and breaks ${groups.broke.length.toLocaleString("en")} of ${count(numbers.length, "row")}.`),
    sampleNote(first.rows), buttons, exampleList(every, groups[now], "page"))];
}

/** What the tests of the leaderboard say of the two: of their configurations, where these have several seeds. */
function testsOf(a, b) {
  const { cells, columns, tests: every } = head.table ?? { tests: [] };
  const cell = (i, column) => cells.find((one) => one.column === column && one.runs.includes(i) && !head.table.systems[one.system].baseline);
  const told = every.flatMap((test) => {
    const [ofA, ofB] = [cell(a, test.column), cell(b, test.column)];
    const isAFirst = ofA?.system === test.a && ofB?.system === test.b;
    if (!isAFirst && !(ofA?.system === test.b && ofB?.system === test.a)) return [];
    const [low, high] = test.difference < 0 ? [-test.high, -test.low] : [test.low, test.high];
    const winner = test.difference === 0 ? "A and B are equal, a difference of" : `${isAFirst ? "A" : "B"} is better by`;
    const seeds = ofA.runs.length + ofB.runs.length > 2
      ? ` This is of configurations: the mean of ${count(ofA.runs.length, "seed")} of A's, and of ${ofB.runs.length} of B's.` : "";
    return [note(`${columns[test.column].metric}: ${winner} ${score(Math.abs(test.difference))} [${score(low)}, ${score(high)}], p ${pValue(test.p_holm)} after Holm's correction: ${test.is_significant ? "significant" : "not significant"}.${seeds}`)];
  });
  return told.length ? told : null;
}

/** Of two that the leaderboard does not test: whether chance alone would part the rows so unevenly. */
function signTest({ fixed, broke }, { metric, rows }) {
  const isSampled = rows.ids.length < rows.n;
  const [more, n] = [Math.max(fixed.length, broke.length), fixed.length + broke.length];
  if (!n) return note(`These two are alike in ${metric} on every row${isSampled ? " of this page" : ""}.`);
  const logs = [0];
  for (let k = 1; k <= n; k += 1) logs.push(logs[k - 1] + Math.log(k));
  let tail = 0;
  for (let k = more; k <= n; k += 1) tail += Math.exp(logs[n] - logs[k] - logs[n - k] - n * Math.LN2);
  const where = isSampled ? ", of the rows that are on this page," : "";
  return note(`The leaderboard does not test these two. A sign test of fixed against broken rows${where} gives p ${pValue(Math.min(1, 2 * tail))}. It is of two trained models, and corrected for no other that you look at.`);
}
