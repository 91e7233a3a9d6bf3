/* Draws every chart over one time axis: phases shaded, hover and zoom linked. Data: the element #data. */
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const output = document.getElementById("cursor");
  const button = document.getElementById("reset");
  const HINT = output ? output.textContent : "";
  const HEIGHT = 200;
  const COLOURS = 6; // then the same again, dashed
  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
  const POWERS = Array.from({ length: 60 }, (_, power) => 2 ** power);
  const full = { min: data.times[0], max: data.times[data.times.length - 1] };
  let plots = [];
  let guests = []; // plots of dashboards: they come and go, and follow the same zoom and cursor
  let busy = false;
  let view = full;

  function style(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function short(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e15 || size < 1e-4) return value.toExponential(1);
    if (size >= 999.5) return Math.round(value).toLocaleString("en");
    return String(Number(value.toPrecision(3)));
  }

  function scaled(value, steps, tail) {
    const size = Math.abs(value);
    const [factor, word] = steps.find((step) => size >= step[0] * 0.9995) || steps[steps.length - 1];
    return short(value / factor) + " " + word + tail;
  }

  const SECONDS = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];
  const BYTES = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];

  function format(value, unit) {
    if (value === null || value === undefined) return "";
    if (value === 0) return unit === "ratio" ? "0 %" : "0";
    if (unit === "s") return scaled(value, SECONDS, "");
    if (unit === "ratio") return short(value * 100) + " %";
    if (unit.startsWith("bytes")) return scaled(value, BYTES, unit.slice(5));
    return unit ? short(value) + " " + unit : short(value);
  }

  // The unit stands in the title; at the axis only where it is part of the number.
  function tick(unit) {
    const kept = unit === "s" || unit === "ratio" || unit.startsWith("bytes");
    return (_, values) => values.map((value) => (value === null ? "" : format(value, kept ? unit.replace("bytes/s", "bytes") : "")));
  }

  function clock(seconds, fraction) {
    return new Date(seconds * 1000).toISOString().slice(11, fraction ? 21 : 19);
  }

  function shadePhases(u) {
    const context = u.ctx;
    const ratio = window.devicePixelRatio;
    const right = u.bbox.left + u.bbox.width;
    context.save();
    context.font = Math.round(11 * ratio) + "px system-ui, sans-serif";
    context.textBaseline = "top";
    context.textAlign = "left";
    for (const phase of data.phases) {
      const begin = Math.round(u.valToPos(phase.start, "x", true));
      const end = Math.round(u.valToPos(phase.end, "x", true));
      const from = Math.max(u.bbox.left, begin);
      const to = Math.min(right, end);
      if (to <= from) continue;
      context.fillStyle = style(phase.measured ? "--measured" : "--phase");
      context.fillRect(from, u.bbox.top, to - from, u.bbox.height);
      context.fillStyle = style("--edge");
      if (begin === from) context.fillRect(from, u.bbox.top, ratio, u.bbox.height);
      if (end === to) context.fillRect(to - ratio, u.bbox.top, ratio, u.bbox.height);
      context.fillStyle = style("--soft");
      if (context.measureText(phase.name).width < to - from - 10 * ratio) {
        context.fillText(phase.name, from + 5 * ratio, u.bbox.top + 3 * ratio);
      }
    }
    context.restore();
  }

  function zoom(min, max) {
    if (busy) return;
    busy = true;
    view = { min, max };
    for (const plot of plots.concat(guests)) if (plot.scales.x.min !== min || plot.scales.x.max !== max) plot.setScale("x", { min, max });
    busy = false;
    if (button) button.disabled = min === full.min && max === full.max;
  }

  function reset() {
    zoom(full.min, full.max);
  }

  function tell(u) {
    const index = u.cursor.idx;
    if (!output) return;
    if (index === null || index === undefined || u.cursor.left < 0) {
      output.textContent = HINT;
      return;
    }
    const at = u.data[0][index];
    const phase = data.phases.find((one) => at >= one.start && at < one.end);
    output.textContent = clock(at, at % 1 !== 0) + " UTC" + (phase ? ", " + short(Math.max(0, at - phase.start)) + " s into " + phase.name : "");
  }

  function colour(index) {
    return style("--c" + ((index % COLOURS) + 1));
  }

  // From zero, unless all values lie far above it: a curve should not look dramatic for want of a base line.
  function range(_, low, high) {
    if (low === null || high === null) return [0, 1];
    const bottom = low > 0 && low > high * 0.7 ? low - (high - low || low) * 0.2 : Math.min(0, low);
    return [bottom, high === bottom ? bottom + 1 : high + (high - bottom) * 0.16];
  }

  function axes(chart) {
    const common = { stroke: style("--soft"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1, size: 5 }, font: "11px system-ui, sans-serif" };
    return [
      Object.assign({ values: (_, values) => values.map((value) => clock(value)), incrs: STEPS, space: 80, size: 30 }, common),
      Object.assign({ values: tick(chart.unit), size: 62, gap: 4, space: 34 }, chart.unit.startsWith("bytes") ? { incrs: POWERS } : {}, common),
    ];
  }

  function zoomed(u, key) {
    if (key === "x" && (plots.includes(u) || guests.includes(u))) zoom(u.scales.x.min, u.scales.x.max);
  }

  // A cursor that all plots share: by the value of time, since dashboards have axes of their own.
  function cursor() {
    return { sync: { key: "run", setSeries: false }, drag: { x: true, y: false, setScale: true }, points: { size: 6 }, bind: { dblclick: () => () => (reset(), null) } };
  }

  function join(plot) {
    guests.push(plot);
    if (view.min !== undefined) {
      busy = true;
      plot.setScale("x", view);
      busy = false;
    }
  }

  function leave(plot) {
    guests = guests.filter((one) => one !== plot);
    plot.destroy();
  }

  function draw(element) {
    const chart = data.charts[Number(element.dataset.chart)];
    const lines = chart.lines.map((line, index) => ({
      label: line.name,
      stroke: colour(index),
      width: 1.5,
      dash: index >= COLOURS ? [6, 4] : undefined,
      spanGaps: false,
      points: { show: isolated(line.values), size: 5, fill: colour(index), stroke: colour(index) },
      value: (_, value) => format(value, chart.unit),
    }));
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        scales: { x: { time: false }, y: { range } },
        axes: axes(chart),
        series: [{ label: "UTC" }].concat(lines),
        cursor: cursor(),
        legend: { live: true, markers: { width: 3 } },
        hooks: {
          drawClear: [shadePhases],
          setScale: [zoomed],
          setCursor: [tell],
        },
      },
      [data.times].concat(chart.lines.map((line) => line.values)),
      element
    );
    return plot;
  }

  // A value between two gaps makes no line: its points are drawn, and with them those of the whole series.
  function isolated(values) {
    let found = 0;
    for (let i = 0; i < values.length; i++) {
      if (values[i] !== null && (i === 0 || values[i - 1] === null) && (i === values.length - 1 || values[i + 1] === null)) found++;
    }
    return found > 0;
  }

  function key(event) {
    const plot = plots.concat(guests).find((one) => one.root.parentElement === event.currentTarget);
    if (!plot) return;
    const times = plot.data[0];
    const { min, max } = plot.scales.x;
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (move) {
      const visible = times.findIndex((time) => time >= min);
      const last = plot.cursor.left >= 0 && plot.cursor.idx !== null && plot.cursor.idx !== undefined ? plot.cursor.idx : visible;
      const index = Math.min(times.length - 1, Math.max(0, last + move * (event.shiftKey ? 10 : 1)));
      for (const one of plots.concat(guests)) one.setCursor({ left: one.valToPos(times[index], "x"), top: one.over.clientHeight / 4 });
    } else if (event.key === "+" || event.key === "-") {
      const centre = plot.cursor.left >= 0 ? plot.posToVal(plot.cursor.left, "x") : (min + max) / 2;
      const factor = event.key === "+" ? 0.5 : 2;
      zoom(Math.max(full.min, centre - (centre - min) * factor), Math.min(full.max, centre + (max - centre) * factor));
    } else if (event.key === "Escape") {
      reset();
    } else {
      return;
    }
    event.preventDefault();
  }

  function drawAll() {
    plots.forEach((plot) => plot.destroy());
    plots = [];
    plots = Array.from(document.querySelectorAll(".plot"), draw);
  }

  window.dashcam = {
    plots: () => plots,
    guests: () => guests,
    format, reset, short, style, clock, isolated, cursor, join, leave, key, tell, zoomed, shadePhases,
    STEPS, full, data,
  };
  if (data.times.length < 2) return;
  drawAll();
  for (const element of document.querySelectorAll(".plot")) element.addEventListener("keydown", key);
  if (button) button.addEventListener("click", reset);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let pending = 0;
  function resize() {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => plots.forEach((plot) => plot.setSize({ width: plot.root.parentElement.clientWidth, height: HEIGHT })));
  }
  window.addEventListener("resize", resize);
  window.addEventListener("beforeprint", resize);
})();
