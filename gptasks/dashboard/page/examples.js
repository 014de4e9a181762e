// The test rows one by one: what is wrong, found by outcome, label, column and words.

async function examples() {
  const i = chosen("a");
  if (i === undefined) return [note("No run is finished yet.")];
  const found = await answersOf(i);
  const controls = [taskMenu(), runMenu("a", "Run")];
  if (found.fault) return [el("div", { class: "controls" }, controls), note(`Nothing can be shown: ${found.fault}`)];
  const { rows } = found;
  const again = (changes) => { choose({ ...changes, page: "" }); fill(); };
  const outcomes = [["", "all"], ["wrong", rows.answer === "text" ? "not identical" : "wrong"], ["right", rows.answer === "text" ? "identical" : "right"]];
  if (head.texts || rows.answer !== "text") controls.push(menu("Outcome", outcomes, state.outcome ?? "", (value) => again({ outcome: value })));
  if (rows.answer === "label") {
    for (const key of ["true", "said"]) if (!rows.labels.includes(state[key])) choose({ [key]: "" }); // of another task
    const labels = [["", "any"], ...rows.labels.map((label) => [label, label])];
    controls.push(menu("True label", labels, state.true ?? "", (value) => again({ true: value })));
    controls.push(menu("Predicted", labels, state.said ?? "", (value) => again({ said: value })));
  }
  const columns = {};
  for (const [name, values] of Object.entries({ source: rows.ids.map(sourceOf), ...rows.columns })) {
    const named = values.map((value) => (value === null || value === "" ? "no value" : String(value)));
    const there = [...new Set(named)].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
    if (there.length < 2 || there.length > 100) continue;
    columns[name] = named;
    if (!there.includes(state[`c.${name}`])) choose({ [`c.${name}`]: "" }); // of another task
    controls.push(menu(name, [["", "any"], ...there.map((one) => [one, one])], state[`c.${name}`] ?? "", (value) => again({ [`c.${name}`]: value })));
  }
  const orders = [["", "order of the rows"], ["worst", "worst first"], ["best", "best first"], ["short", "shortest first"], ["long", "longest first"]];
  if (found.answers.scores?.confidence) orders.push(["sure", "surest first"], ["unsure", "least sure first"]);
  if (!orders.some(([one]) => one === state.order)) choose({ order: "" });
  controls.push(menu("Sort", orders, state.order ?? "", (value) => again({ order: value })));
  controls.push(field("Search", state.q, (value) => again({ q: value }), rows.inputs ? "words of input or answer" : "words of the answer"));
  const box = el("div");
  const said = el("p", { class: "note", "aria-live": "polite" });

  function fill() {
    const wanted = (state.q ?? "").toLowerCase();
    const kept = rows.ids.map((_, n) => n).filter((n) => {
      if (state.outcome && (head.texts || rows.answer !== "text") && found.isRight(n) !== (state.outcome === "right")) return false;
      if (rows.answer === "label" && state.true && found.meant(n) !== state.true) return false;
      if (rows.answer === "label" && state.said && found.said(n) !== state.said) return false;
      for (const [name, values] of Object.entries(columns)) {
        const asked = state[`c.${name}`];
        if (asked && values[n] !== asked) return false;
      }
      return !wanted || [inputText(rows.inputs?.[n]), found.meant(n), found.said(n), rows.ids[n]].join("\n").toLowerCase().includes(wanted);
    });
    kept.sort(ordering(found, state.order));
    said.textContent = `${count(kept.length, "row")} of ${rows.ids.length.toLocaleString("en")}`;
    box.replaceChildren(exampleList([found], kept, "page"));
  }
  fill();
  return [section("Examples", el("div", { class: "controls" }, controls), sampleNote(rows), head.texts ? null : note("This page was made without texts."), said, box)];
}

/** The file that a row's id names. */
function sourceOf(id) {
  const cut = id.lastIndexOf(":");
  return cut > 0 && /^\d+$/.test(id.slice(cut + 1)) ? id.slice(0, cut) : id;
}

function ordering(found, order) {
  const up = head.runs[found.run].scores.test?.[found.metric]?.up !== false;
  const sure = found.answers.scores?.confidence;
  const values = {
    worst: (n) => (up ? found.values[n] : -found.values[n]),
    best: (n) => (up ? -found.values[n] : found.values[n]),
    short: (n) => found.rows.lengths[n],
    long: (n) => -found.rows.lengths[n],
    sure: (n) => -sure?.[n],
    unsure: (n) => sure?.[n],
  }[order];
  return values ? (one, other) => (values(one) ?? Infinity) - (values(other) ?? Infinity) || one - other : (one, other) => one - other;
}
