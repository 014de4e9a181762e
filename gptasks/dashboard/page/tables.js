// Tables that sort by any column and show long lists a part at a time.

const PART = 100;

/** Signs up to which a text is not broken into lines; a longer one is given room. */
const SHORT = 24;

/**
 * A table. columns: {name, get(row), show(row)?, numeric?, up?, title?}, where `get` gives what is
 * sorted by and `show` what stands in the cell (a text or an element). sort: {by, down} at first.
 */
function table(columns, rows, { caption, sort = null, key = null, rowClass = null } = {}) {
  const asked = key && state[key] ? columns.findIndex((column) => column.name === state[key].slice(2)) : -1;
  let order = asked >= 0 ? { by: asked, down: state[key].startsWith("d") } : sort;
  let shown = PART;
  const body = el("tbody");
  const more = el("button", { type: "button", onclick: () => { shown += 1000; fill(); } });
  const heads = columns.map((column, number) =>
    el("th", { scope: "col", class: column.numeric ? "number" : "" },
      el("button", { type: "button", title: column.title ?? `Sort by ${column.name}`, onclick: () => {
        const first = column.numeric ? column.up !== false : false;
        order = { by: number, down: order?.by === number ? !order.down : first };
        if (key) choose({ [key]: `${order.down ? "d" : "u"}.${column.name}` });
        fill();
      } }, column.name)));

  function fill() {
    heads.forEach((one, number) => {
      if (order?.by === number) one.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else one.removeAttribute("aria-sort");
    });
    const sorted = order ? [...rows].sort(by(columns[order.by], order.down)) : rows;
    body.replaceChildren(...sorted.slice(0, shown).map((row) =>
      el("tr", { class: rowClass?.(row) }, columns.map((column, number) => {
        const value = column.show ? column.show(row) : column.get(row);
        const inside = value === null || value === undefined || value === "" ? "–" : value;
        const made = number === 0
          ? el("th", { scope: "row" }, inside)
          : el("td", { class: column.numeric ? "number" : "" }, inside);
        if (!column.numeric) made.classList.add(made.textContent.length > SHORT ? "long" : "short");
        return made;
      }))));
    more.hidden = rows.length <= shown;
    more.textContent = `Show more of ${rows.length.toLocaleString("en")}`;
  }
  fill();
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, heads)), body), more);
}

/** Sorts by a column; what has no value comes last either way. */
function by(column, down) {
  return (one, other) => {
    const [a, b] = [column.get(one), column.get(other)];
    const [hasNoA, hasNoB] = [a, b].map((value) => value === null || value === undefined || value === "");
    if (hasNoA || hasNoB) return hasNoA - hasNoB;
    const way = typeof a === "number" && typeof b === "number"
      ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return down ? -way : way;
  };
}

/** A 95% interval as a line with a dot, on the scale of its column. */
function bar({ value, low, high }, [from, to]) {
  if (![value, low, high].every(isNumber) || to <= from) return null;
  const at = (x) => 2 + (56 * (x - from)) / (to - from);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, given] of Object.entries({ viewBox: "0 0 60 10", class: "bar", "aria-hidden": "true" })) svg.setAttribute(name, given);
  const line = document.createElementNS(svg.namespaceURI, "path");
  line.setAttribute("d", `M${at(low)} 5H${at(high)}M${at(low)} 2V8M${at(high)} 2V8`);
  const dot = document.createElementNS(svg.namespaceURI, "circle");
  for (const [name, given] of Object.entries({ cx: at(value), cy: 5, r: 2.5 })) dot.setAttribute(name, given);
  svg.append(line, dot);
  return svg;
}

/** The least and the largest end of some intervals. */
function range(scores) {
  const ends = scores.flatMap(({ value, low, high }) => [value, low, high]).filter(isNumber);
  return [least(ends), most(ends)];
}

/** A score with its interval. */
function scored(found, scale) {
  if (!isNumber(found?.value)) return "–";
  const ends = isNumber(found.low) ? el("span", { class: "ends" }, ` [${score(found.low, 3)}, ${score(found.high, 3)}]`) : null;
  return el("span", { class: "scored" }, score(found.value), ends, scale ? bar(found, scale) : null);
}
