// Plots, drawn by plotly, which is unpacked when the first one is asked for.

let plotly = null;

function library() {
  plotly ??= unpacked("plotly").then((script) => {
    document.head.append(el("script", {}, script));
    return window.Plotly;
  }).catch((error) => {
    plotly = null; // so that it is asked for again
    throw error;
  });
  return plotly;
}

const SIGNS = ["circle", "square", "diamond", "cross", "x", "triangle-up", "star"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const COLOURS = { // told apart by the colour-blind (after Okabe and Ito), and 3:1 against the paper
  light: ["#0072b2", "#d55e00", "#008a64", "#b75a8f", "#a67300", "#3a93c8", "#6b6b6b"],
  dark: ["#4ea6dd", "#e8743b", "#2bb58a", "#d68fb5", "#e69f00", "#9cd3f5", "#9a9a9a"],
};

const palette = () => COLOURS[document.documentElement.dataset.theme] ?? COLOURS.light;

const isNarrow = () => matchMedia("(max-width: 40rem)").matches;

/** A text as a plot shows it: plotly would read HTML in it. */
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");

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
    colorway: palette(),
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
