// One run: its scores by label, by slice and by confidence.

async function scores() {
  const i = chosen("a");
  if (i === undefined) return [note("No run is finished yet.")];
  const run = head.runs[i];
  const answers = await block(`answers-${head.runs[i].key}`);
  const parts = [el("div", { class: "controls" }, taskMenu(), runMenu("a", "Run"))];
  parts.push(everyMetric(run));
  if (answers.fault) return [...parts, note(`Nothing more can be shown: ${answers.fault}`)];
  if (answers.labels.length) parts.push(byLabel(answers));
  if (answers.slices.length) parts.push(bySlice(run, answers));
  if (answers.confusion) parts.push(confusionMatrix(run, answers.confusion));
  if (answers.reliability) parts.push(reliabilityDiagram(run, answers.reliability));
  if (answers.thresholds) parts.push(thresholdCurve(answers.thresholds));
  return parts;
}

function everyMetric(run) {
  const columns = { test: run.scores.test, validation: run.scores.validation, ...Object.fromEntries(Object.entries(run.baselines).map(([name, found]) => [`${name} (baseline)`, found])) };
  const names = Object.keys(run.scores.test ?? {});
  return section("Scores", table([
    { name: "Metric", get: (name) => name, show: (name) => `${name}${run.scores.test[name].up ? "" : " (lower is better)"}` },
    ...Object.entries(columns).map(([column, found]) => ({ name: column, numeric: true, get: (name) => found?.[name]?.value, show: (name) => scored(found?.[name]) })),
  ], names, { caption: `${called(head.runs.indexOf(run))}: ${count(run.data.test?.n ?? 0, "test row")}, 95% intervals over them` }));
}

function byLabel(answers) {
  return section("By label", table([
    { name: "Label", get: (one) => one.label },
    { name: "Rows", numeric: true, title: "How often it is right to say it", get: (one) => one.n, show: (one) => one.n.toLocaleString("en") },
    { name: "Predicted", numeric: true, get: (one) => one.predicted, show: (one) => one.predicted.toLocaleString("en") },
    { name: "Precision", numeric: true, get: (one) => one.precision, show: (one) => score(one.precision) },
    { name: "Recall", numeric: true, get: (one) => one.recall, show: (one) => score(one.recall) },
    { name: "F1", numeric: true, get: (one) => one.f1, show: (one) => score(one.f1) },
  ], answers.labels, { caption: "Precision, recall and F1 of each label", key: "l" }));
}

function bySlice(run, answers) {
  const names = Object.keys(answers.slices[0].scores);
  const first = names[0];
  const whole = run.scores.test[first];
  const scale = range([...answers.slices.map((one) => ({ value: one.scores[first], low: one.low, high: one.high })), whole]);
  const kinds = [...new Set(answers.slices.map((one) => one.by))];
  return section("By slice", note(`The whole test split: ${first} ${score(whole?.value)}. Slices overlap, and many are looked at: a low one may be chance; its interval tells how much. Fewer than 10 rows have none.`),
    kinds.map((kind) => table([
      { name: kind, get: (one) => one.value },
      { name: "Rows", numeric: true, get: (one) => one.n, show: (one) => one.n.toLocaleString("en") },
      { name: first, numeric: true, up: whole?.up, get: (one) => one.scores[first], show: (one) => scored({ value: one.scores[first], low: one.low, high: one.high }, scale) },
      ...(kind === "label" ? [] : names.slice(1)).map((name) => ({ name, numeric: true, up: run.scores.test[name]?.up, get: (one) => one.scores[name], show: (one) => score(one.scores[name]) })),
    ], answers.slices.filter((one) => one.by === kind), { caption: `Test scores by ${kind}` })));
}

function confusionMatrix(run, counts) {
  const sums = counts.map((row) => row.reduce((sum, n) => sum + n, 0));
  const shares = counts.map((row, r) => row.map((n) => (sums[r] ? n / sums[r] : 0)));
  const wrong = counts.flatMap((row, r) => row.map((n, c) => ({ n, r, c }))).filter(({ n, r, c }) => n && r !== c).sort((a, b) => b.n - a.n);
  const size = Math.min(900, 160 + 40 * counts.length);
  const room = isNarrow() ? 12 : 24;
  const ticks = { tickvals: run.labels.map((_, n) => n), ticktext: run.labels.map((label) => plain(label.length > room ? `${label.slice(0, room)}…` : label)) };
  const at = counts.map((_, n) => n);
  const words = wrong.length ? `most often ${run.labels[wrong[0].r]} is taken for ${run.labels[wrong[0].c]} (${wrong[0].n})` : "nothing is confused";
  return section("Confusion matrix", plot(`Share of each true label's rows by what was predicted; ${words}`, [{
    type: "heatmap", z: shares, x: at, y: at, zmin: 0, zmax: 1, colorscale: [[0, colour("--paper")], [1, palette()[0]]],
    text: counts, texttemplate: counts.length <= 15 ? "%{text}" : "", showscale: !isNarrow(), hoverinfo: "text",
    hovertext: counts.map((row, r) => row.map((n, c) => `${plain(run.labels[r])} taken for ${plain(run.labels[c])}: ${count(n, "row")}`)),
  }], {
    x: "predicted", y: "true", height: size, xaxis: { ...ticks, showgrid: false }, yaxis: { ...ticks, showgrid: false, autorange: "reversed" },
    numbers: table([
      { name: "True", get: (one) => run.labels[one.r] },
      { name: "Predicted", get: (one) => run.labels[one.c] },
      { name: "Rows", numeric: true, get: (one) => one.n },
      { name: "Of the true label's", numeric: true, get: (one) => one.n / sums[one.r], show: (one) => share(one.n, sums[one.r]) },
    ], wrong, { caption: "What is taken for what" }),
  }));
}

function reliabilityDiagram(run, bins) {
  const error = run.scores.test.ece?.value;
  return section("Reliability", plot(`Accuracy against confidence, 15 bins${isNumber(error) ? `; expected calibration error ${score(error)}` : ""}. Below the diagonal the model is surer than it is right`, [
    { x: [0, 1], y: [0, 1], mode: "lines", name: "perfectly calibrated", line: { dash: "dash", color: colour("--faint") }, hoverinfo: "skip" },
    { x: bins.map((bin) => bin.confidence), y: bins.map((bin) => bin.accuracy), mode: "lines+markers", name: "test rows",
      marker: { size: bins.map((bin) => 6 + 20 * Math.sqrt(bin.n / most(bins.map((one) => one.n)))) },
      text: bins.map((bin) => count(bin.n, "row")), hovertemplate: "confidence %{x:.3f}, accuracy %{y:.3f}, %{text}<extra></extra>" },
  ], {
    x: "mean confidence of the bin", y: "accuracy", xaxis: { range: [0, 1.02] }, yaxis: { range: [0, 1.02] },
    numbers: table([
      { name: "Confidence", numeric: true, get: (bin) => bin.confidence, show: (bin) => score(bin.confidence) },
      { name: "Accuracy", numeric: true, get: (bin) => bin.accuracy, show: (bin) => score(bin.accuracy) },
      { name: "Rows", numeric: true, get: (bin) => bin.n },
    ], bins, { caption: "Bins of confidence" }),
  }));
}

function thresholdCurve(every) {
  const names = Object.keys(every);
  const name = names.includes(state.of) ? state.of : names.at(-1);
  const { reached, found, n } = every[name];
  const at = reached.map((_, step) => step / 100);
  const precision = at.map((_, t) => (reached[t] ? found[t] / reached[t] : null));
  const recall = at.map((_, t) => (n ? found[t] / n : null));
  const f1 = at.map((_, t) => (reached[t] + n ? (2 * found[t]) / (reached[t] + n) : null));
  const best = f1.indexOf(most(f1.filter(isNumber)));
  const rows = at.map((threshold, t) => ({ threshold, precision: precision[t], recall: recall[t], f1: f1[t], n: reached[t] }));
  return section("Threshold",
    el("div", { class: "controls" }, menu("Label", names.map((one) => [one, one]), name, (value) => { choose({ of: value }); show(); })),
    plot(`Saying ${name} where its probability reaches a threshold; F1 is highest, ${score(f1[best], 3)}, at ${score(at[best], 2)}`, [
      { x: at, y: precision, name: "precision", mode: "lines" },
      { x: at, y: recall, name: "recall", mode: "lines", line: { dash: "dash" } },
      { x: at, y: f1, name: "F1", mode: "lines", line: { dash: "dot" } },
    ], {
      x: `threshold of the probability of ${plain(name)}`, y: "", xaxis: { range: [0, 1] }, yaxis: { range: [0, 1.02] },
      numbers: table([
        { name: "Threshold", numeric: true, get: (one) => one.threshold, show: (one) => score(one.threshold, 2) },
        { name: "Precision", numeric: true, get: (one) => one.precision, show: (one) => score(one.precision) },
        { name: "Recall", numeric: true, get: (one) => one.recall, show: (one) => score(one.recall) },
        { name: "F1", numeric: true, get: (one) => one.f1, show: (one) => score(one.f1) },
        { name: "Rows", numeric: true, get: (one) => one.n },
      ], rows, { caption: `Thresholds of ${name}` }),
    }), note("A threshold chosen on these test rows flatters itself; choose one on validation."));
}
