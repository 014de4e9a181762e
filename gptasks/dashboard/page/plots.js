// Plots, drawn by plotly, which is unpacked when the first one is asked for.

let plotly = null;

function library() {
  plotly ??= unpacked("plotly").then((script) => {
    document.head.append(el("script", {}, script));
    return window.Plotly;
  });
  return plotly;
}

const SIGNS = ["circle", "square", "diamond", "cross", "x", "triangle-up", "star"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"]; // told apart by the colour-blind (Okabe and Ito)

/** Resolves when the place is part of the page, so that its width is known. */
const shown = (place) => new Promise((done) => {
  const look = () => (place.isConnected ? done() : requestAnimationFrame(look));
  setTimeout(() => place.isConnected || done(), 60000); // of a view that nobody waited for
  look();
});

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * A plot with what it shows in words, for those who can't see it, and its numbers as a table.
 * numbers: a table made by `table`, opened on request.
 */
function plot(label, traces, { x = "", y = "", height = 360, numbers = null, ...layout } = {}) {
  const place = el("div", { class: "plot", role: "img", "aria-label": label, style: `min-height:${height}px` });
  const axis = (title) => ({ title: { text: title }, gridcolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true });
  const { xaxis = {}, yaxis = {}, ...others } = layout;
  Promise.all([library(), shown(place)]).then(([Plotly]) => Plotly.newPlot(place, traces, {
    height,
    margin: { l: 60, r: 16, t: 16, b: 50 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", color: colour("--text") },
    colorway: COLOURS,
    legend: { orientation: "h", y: -0.25 },
    hovermode: "closest",
    xaxis: { ...axis(x), ...xaxis },
    yaxis: { ...axis(y), ...yaxis },
    ...others,
  }, { responsive: true, displaylogo: false, displayModeBar: false })).catch((error) => {
    place.textContent = `The plot can't be drawn: ${error.message}`;
  });
  return el("figure", {}, place, el("figcaption", {}, label),
    numbers && el("details", {}, el("summary", {}, "The numbers"), numbers));
}
