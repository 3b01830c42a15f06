"use strict";
// Unpacks plotly once the page is painted, draws the plots, and follows the reader's choice of light or dark.
(async () => {
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const family = getComputedStyle(document.body).fontFamily;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    return { ink: of("--ink"), line: of("--line"), card: of("--card") };
  };
  const themed = (layout) => {
    const { ink, line, card } = colours();
    const axes = Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));
    const lines = { gridcolor: line, linecolor: line, tickcolor: line };
    return {
      ...layout,
      font: { ...layout.font, color: ink, family },
      hoverlabel: { bgcolor: card, bordercolor: line, font: { color: ink }, align: "left" },
      ...Object.fromEntries(axes.map((axis) => [axis, { ...layout[axis], ...lines }])),
    };
  };
  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

 await painted();
  const script = document.createElement("script");
  script.textContent = await unpack(document.getElementById("plotly").textContent);
 document.head.append(script);
  const config = { responsive: true, displaylogo: false, displayModeBar: false };
  for (const [name, plot] of Object.entries(plots)) {
    const element = document.getElementById(name);
    await Plotly.newPlot(element, plot.data, themed(plot.layout), config);
  }
  document.documentElement.dataset.drawn = String(Object.keys(plots).length);
  dark.addEventListener("change", () => {
    for (const [name, plot] of Object.entries(plots)) Plotly.react(name, plot.data, themed(plot.layout));
  });
})();
