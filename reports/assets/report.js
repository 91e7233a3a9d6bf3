/* Draws every chart over one time axis: phases shaded, hover and zoom linked. Data: the element #data. */
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  // Okabe and Ito's palette (told apart by colour-blind readers), then the same with dashes.
  const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"];
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const sync = uPlot.sync("run");
  let plots = [];
  let zooming = false;

  function style(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function bytes(value, tail) {
    const words = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let power = 0;
    while (Math.abs(value) >= 1024 && power < words.length - 1) { value /= 1024; power++; }
    return short(value) + " " + words[power] + tail;
  }

  function short(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e15 || size < 1e-4) return value.toExponential(1);
    if (size >= 10000) return Math.round(value).toLocaleString("en");
    return String(Number(value.toPrecision(3)));
  }

  function format(value, unit) {
    if (value === null || value === undefined) return "–";
    if (unit === "s") {
      const size = Math.abs(value);
      if (size === 0) return "0 s";
      if (size >= 1) return short(value) + " s";
      return size >= 1e-3 ? short(value * 1e3) + " ms" : short(value * 1e6) + " µs";
    }
    if (unit === "ratio") return short(value * 100) + " %";
    if (unit.startsWith("bytes")) return bytes(value, unit.slice(5));
    return unit ? short(value) + " " + unit : short(value);
  }

  function tick(unit) {
    const bare = { "req/s": "", "tokens/s": "", "1/s": "", cores: "" };
    return (_, values) => values.map((value) => format(value, unit in bare ? bare[unit] : unit));
  }

  function clock(seconds) {
    return new Date(seconds * 1000).toISOString().slice(11, 19);
  }

  function shadePhases(u) {
    const context = u.ctx;
    context.save();
    for (const phase of data.phases) {
      const from = Math.max(u.bbox.left, u.valToPos(phase.start, "x", true));
      const to = Math.min(u.bbox.left + u.bbox.width, u.valToPos(phase.end, "x", true));
      if (to <= from) continue;
      context.fillStyle = style(phase.measured ? "--measured" : "--phase");
      context.fillRect(from, u.bbox.top, to - from, u.bbox.height);
      context.fillStyle = style("--soft");
      context.font = Math.round(10.5 * devicePixelRatio) + "px sans-serif";
      context.textBaseline = "top";
      context.textAlign = "left";
      if (context.measureText(phase.name).width < to - from - 8) {
        context.fillText(phase.name, from + 4 * devicePixelRatio, u.bbox.top + 3 * devicePixelRatio);
      }
    }
    context.restore();
  }

  function zoomAll(u) {
    if (zooming || u.status !== 1) return;
    zooming = true;
    const { min, max } = u.scales.x;
    for (const other of plots) if (other !== u) other.setScale("x", { min, max });
    zooming = false;
  }

  function axes(chart) {
    const common = { stroke: style("--soft"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1 }, font: "11px sans-serif" };
    return [
      Object.assign({ values: (_, values) => values.map(clock), space: 80 }, common),
      Object.assign({ values: tick(chart.unit), size: 72 }, common),
    ];
  }

  function draw(element) {
    const chart = data.charts[Number(element.dataset.chart)];
    const lines = chart.lines.map((line, index) => ({
      label: line.name,
      stroke: COLOURS[index % COLOURS.length],
      width: 1.5,
      dash: index >= COLOURS.length ? [6, 4] : undefined,
      spanGaps: false,
      points: { show: line.values.filter((value) => value !== null).length < 3 },
      value: (_, value) => format(value, chart.unit),
    }));
    return new uPlot(
      {
        width: element.clientWidth,
        height: 200,
        // Times in UTC, as everywhere in the recording.
        scales: { x: { time: false }, y: { range: (_, low, high) => span(low, high) } },
        axes: axes(chart),
        series: [{ label: "UTC", value: (_, value) => (value === null ? "–" : clock(value)) }].concat(lines),
        cursor: { sync: { key: sync.key, setSeries: false }, drag: { x: true, y: false, setScale: true } },
        legend: { live: true },
        hooks: { drawClear: [shadePhases], setScale: [(u, key) => key === "x" && zoomAll(u)] },
      },
      [data.times].concat(chart.lines.map((line) => line.values)),
      element
    );
  }

  function span(low, high) {
    if (low === null || high === null) return [0, 1];
    // From zero, unless all values lie far above it: a curve should not look dramatic for want of a base line.
    const bottom = low > 0 && low > high * 0.7 ? low - (high - low || low) * 0.2 : Math.min(0, low);
    return [bottom, high === bottom ? bottom + 1 : high + (high - bottom) * 0.14];
  }

  function drawAll() {
    plots.forEach((plot) => plot.destroy());
    plots = Array.from(document.querySelectorAll(".plot"), draw);
  }

  drawAll();
  dark.addEventListener("change", drawAll);
  let pending = 0;
  window.addEventListener("resize", () => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => plots.forEach((plot) => plot.setSize({ width: plot.root.parentElement.clientWidth, height: 200 })));
  });
  window.dashcam = { plots: () => plots, format };
})();
