// Single rows: what was read, what should have been said, what runs said of it.

const PAGE = 25;
const LONG = 700;
const LEFT_OUT = "(texts are left out)";

/** What a run says of the rows that are shown, as texts: {rows, said(i), right(i), scores, metric}. */
async function answersOf(i) {
  const run = head.runs[i];
  const [rows, answers] = await Promise.all([block(run.rows), block(`answers-${head.runs[i].key}`)]);
  const name = (value, labels) => (typeof value === "number" && rows.answer === "label" ? labels[value] : value);
  const said = (n) => name(answers.predictions?.[n], run.labels);
  const meant = (n) => name(rows.references?.[n], rows.labels);
  return {
    run: i, rows, answers, said, meant,
    fault: answers.fault,
    values: answers.rows?.values ?? [],
    metric: answers.rows?.metric,
    isRight: (n) => said(n) !== undefined && said(n) === meant(n), // nobody knows it of texts that were left out
  };
}

/** An input as text; that of a pair has both. */
function inputText(input) {
  if (input === null || input === undefined) return "";
  return typeof input === "object" ? Object.values(input).map(inputText).join("\n") : String(input);
}

/** A long text, its end shown on request. */
function text(value, className = "") {
  const whole = String(value ?? "–");
  if (whole.length <= LONG) return el("span", { class: className }, whole);
  const rest = el("span", { hidden: true }, whole.slice(LONG));
  const button = el("button", { type: "button", class: "small", onclick: () => { rest.hidden = false; button.remove(); } },
    `… ${(whole.length - LONG).toLocaleString("en")} more characters`);
  return el("span", { class: className }, whole.slice(0, LONG), rest, button);
}

/** Words with their entities marked; tags: one text, BIO. */
function tagged(words, tags) {
  const each = String(tags ?? "").split(" ");
  if (!Array.isArray(words) || words.length !== each.length) return text(tags);
  const parts = [];
  let open = null;
  words.forEach((word, n) => {
    const [prefix, label] = [each[n].slice(0, 1), each[n].slice(2)];
    if (label && prefix === "I" && open?.label === label) {
      open.mark.insertBefore(document.createTextNode(` ${word}`), open.mark.lastChild);
    } else if (label) {
      open = { label, mark: el("mark", { class: `tint${hue(label)}` }, word, el("small", {}, prefix === "B" ? label : each[n])) };
      parts.push(" ", open.mark);
    } else {
      open = null;
      parts.push(" ", each[n] === "O" || !each[n] ? word : el("span", {}, word, el("small", {}, each[n])));
    }
  });
  return el("span", { class: "tagged" }, parts);
}

const hue = (label) => [...label].reduce((sum, sign) => (sum * 31 + sign.codePointAt(0)) % 6, 0);

/** What stands for an answer of a row: a label, words with their entities, a text. */
function answer(found, value, n) {
  return found.rows.answer === "tags" ? tagged(found.rows.words?.[n], value) : text(value);
}

/** One row: input, reference, and what each of `every` said. */
function example(every, n) {
  const { rows } = every[0];
  const lines = [];
  if (rows.inputs && rows.answer !== "tags") {
    const input = rows.inputs[n];
    if (input !== null && typeof input === "object" && !Array.isArray(input)) {
      for (const [name, part] of Object.entries(input)) lines.push([name, text(inputText(part), "input")]);
    } else lines.push(["Input", text(inputText(input), "input")]);
  }
  lines.push(["Reference", answer(every[0], every[0].meant(n) ?? LEFT_OUT, n)]);
  every.forEach((found, place) => {
    const name = every.length > 2 ? called(found.run) : every.length > 1 ? "AB"[place] : "Prediction";
    const facts = [];
    if (found.metric) facts.push(`${found.metric} ${short(found.values[n])}`);
    for (const [key, values] of Object.entries(found.answers.scores ?? {})) facts.push(`${key} ${short(values[n])}`);
    lines.push([name, el("span", { class: found.isRight(n) ? "right" : "wrong" }, sign(found, n),
      answer(found, found.said(n) ?? LEFT_OUT, n), el("span", { class: "facts" }, ` ${facts.join(" · ")}`))]);
  });
  const all = el("button", { type: "button", class: "small", onclick: async () => {
    all.disabled = true;
    all.textContent = "Reading…";
    const others = runsOfTask().filter((i) => head.runs[i].rows === head.runs[every[0].run].rows);
    const found = (await Promise.all(others.slice(0, 50).map(answersOf))).filter((one) => !one.fault);
    all.replaceWith(el("dl", {}, found.map((one) => [el("dt", {}, called(one.run)),
      el("dd", { class: one.isRight(n) ? "right" : "wrong" }, answer(one, one.said(n) ?? LEFT_OUT, n),
        el("span", { class: "facts" }, one.metric ? ` ${one.metric} ${score(one.values[n], 3)}` : ""))])));
  } }, "What every run says");
  return el("article", { class: "example" }, el("h3", {}, rows.ids[n]),
    el("dl", {}, lines.map(([name, inside]) => [el("dt", {}, name), el("dd", {}, inside)])),
    runsOfTask().length > every.length ? all : null);
}

/** Whether it is right; a text that is not the reference's may be as good. */
function sign(found, n) {
  if (found.rows.answer === "text" && !found.isRight(n)) return null;
  return el("span", { class: "sign" }, found.isRight(n) ? "✓ " : "✗ ");
}

/** Rows by their numbers, a page at a time. key: where the page's number is kept. */
function exampleList(every, numbers, key) {
  const place = el("div");
  const pages = Math.max(1, Math.ceil(numbers.length / PAGE));
  function fill(page) {
    const now = Math.min(Math.max(0, page), pages - 1);
    choose({ [key]: now || "" });
    const go = (text, to) => el("button", { type: "button", disabled: to < 0 || to >= pages, onclick: () => { fill(to); place.scrollIntoView({ block: "start" }); } }, text);
    const bar = () => pages > 1 ? el("p", { class: "pages" }, go("Back", now - 1), ` page ${now + 1} of ${pages} `, go("Next", now + 1)) : null;
    place.replaceChildren(...[bar(), ...numbers.slice(now * PAGE, (now + 1) * PAGE).map((n) => example(every, n)), bar()].filter(Boolean));
    if (!numbers.length) place.replaceChildren(note("No row is like this."));
  }
  fill(Number(state[key] ?? 0));
  return place;
}

/** Says so where only some of the rows are shown one by one. */
function sampleNote(rows) {
  return rows.ids && rows.ids.length < rows.n
    ? note(`${rows.ids.length.toLocaleString("en")} of ${rows.n.toLocaleString("en")} test rows are on this page, spread evenly; scores are of all.`) : null;
}
