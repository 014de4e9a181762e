// What the runs of a task learnt from and were tested on, and what of it was cut away.

async function data() {
  const numbers = runsOfTask();
  if (!numbers.length) return [note("No run is finished yet.")];
  const parts = [el("div", { class: "controls" }, taskMenu())];
  const kinds = [...new Set(numbers.map((i) => head.runs[i].rows))];
  if (kinds.length > 1) parts.push(note(`These runs were tested on ${kinds.length} different sets of rows; their scores can't be compared.`));
  for (const name of kinds.slice(0, 10)) {
    const members = numbers.filter((i) => head.runs[i].rows === name);
    parts.push(await dataCard(members, await block(name)));
  }
  parts.push(ledger(numbers));
  return parts;
}

async function dataCard(members, rows) {
  const run = head.runs[members[0]];
  const settings = await block(`config-${run.key}`);
  const facts = Object.entries(settings).filter(([key, value]) => key.startsWith("task.data.") && value !== null && value !== "" && !["task.data.directory", "task.data.options"].includes(key))
    .map(([key, value]) => [key.slice("task.data.".length), typeof value === "object" ? JSON.stringify(value) : String(value)]);
  const splits = Object.entries(run.data).map(([split, found]) => ({ split, ...found }));
  const balance = Object.entries(rows.balance ?? {}).map(([label, n]) => ({ label, n }));
  const total = balance.reduce((sum, one) => sum + one.n, 0);
  const parts = [
    table([
      { name: "Split", get: (one) => one.split },
      { name: "Rows", numeric: true, get: (one) => one.n, show: (one) => one.n.toLocaleString("en") },
      { name: "SHA-256", get: (one) => one.sha256, show: (one) => el("code", { title: one.sha256 }, one.sha256.slice(0, 16)) },
    ], splits, { caption: `Splits, of ${count(members.length, "run")}` }),
    el("dl", { class: "facts" }, facts.map(([key, value]) => [el("dt", {}, key), el("dd", {}, text(value))])),
  ];
  if (balance.length) {
    parts.push(table([
      { name: rows.answer === "tags" ? "Tag" : "Label", get: (one) => one.label },
      { name: rows.answer === "tags" ? "Words" : "Test rows", numeric: true, get: (one) => one.n, show: (one) => one.n.toLocaleString("en") },
      { name: "Share", numeric: true, get: (one) => one.n, show: (one) => share(one.n, total) },
    ], balance, { caption: "Balance of the test rows" }));
  }
  if (rows.lengths?.length) parts.push(plot(`Length of the inputs, in words: half are below ${median(rows.lengths)}, the longest has ${most(rows.lengths)}`, [{ type: "histogram", x: rows.lengths, name: "rows" }], { x: "words of input", y: "test rows", height: 260 }));
  const { sha256 } = run.data.test ?? {};
  return section(`Data of ${run.task}${sha256 ? `, test rows ${sha256.slice(0, 8)}` : ""}`, ...parts);
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function ledger(numbers) {
  const lines = numbers.flatMap((i) => Object.entries(head.runs[i].truncation ?? {}).map(([split, found]) => ({ i, split, ...found })));
  const part = (one, key) => (isNumber(one[key]) ? `${(100 * one[key]).toFixed(2)}%` : "–");
  return section("Truncation", note("What the model did not read, since max_length or the backbone's context is shorter."), table([
    { name: "Run", get: (one) => called(one.i) },
    { name: "Split", get: (one) => one.split },
    { name: "Rows", numeric: true, get: (one) => one.rows, show: (one) => one.rows?.toLocaleString("en") },
    { name: "Rows cut", numeric: true, get: (one) => one.share_of_rows_cut, show: (one) => part(one, "share_of_rows_cut") },
    { name: "Tokens lost", numeric: true, get: (one) => one.share_of_tokens_lost, show: (one) => part(one, "share_of_tokens_lost") },
    { name: "Targets lost", numeric: true, get: (one) => one.share_of_targets_lost, show: (one) => part(one, "share_of_targets_lost") },
  ], lines, { caption: "Truncation ledger", key: "d" }));
}
