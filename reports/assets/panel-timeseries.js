/* Curves over time, by uPlot. */
(function () {
  "use strict";
  const dashcam = window.dashcam;
  const { make, units, colours } = dashcam;
  const { common, reading, width } = dashcam.overTime;
  const POWERS = Array.from({ length: 60 }, (_, power) => 2 ** power);
  const BINARY = ["bytes", "bits", "kbytes", "mbytes", "gbytes", "tbytes", "binBps", "binbps"];

  function seriesColours(series, fields) {
    const taken = new Set();
    let plain = 0;
    return series.map((one) => {
      const field = fields[one.f];
      const mode = (field.c && field.c[0]) || "palette-classic";
      const last = one.v.findLast((value) => value !== null);
      if (mode === "palette-classic-by-name") {
        const crowded = taken.size >= 6;
        return { ink: colours.palette(colours.named(one.n, crowded ? new Set() : taken)), dashed: crowded };
      }
      if (mode === "palette-classic") {
        plain += 1;
        return { ink: colours.palette(plain - 1), dashed: plain > 6 };
      }
      return { ink: colours.valueColour(last, field, plain, one.n, field.lo ?? 0, field.hi ?? 100), dashed: false };
    });
  }

  // Stacked curves stand on each other; returns what is drawn, and which pairs a fill lies between.
  function stacked(series) {
    const groups = new Map();
    const bands = [];
    const drawn = series.map((one, index) => {
      if (!one.t) return one.v;
      const key = one.t[1] + (one.s || 0);
      const below = groups.get(key);
      const values = one.v.map((value, i) => {
        const base = below ? below.values[i] : null;
        return value === null ? base : value + (base || 0);
      });
      if (below) bands.push({ series: [index + 1, below.index + 1] });
      groups.set(key, { values, index });
      return values;
    });
    for (const [key, { values }] of groups) {
      series.forEach((one, index) => {
        if (one.t && one.t[0] === "percent" && one.t[1] + (one.s || 0) === key) drawn[index] = drawn[index].map((value, i) => (value === null || !values[i] ? null : value / values[i]));
      });
    }
    return { drawn, bands };
  }

  function range(scale, field) {
    return (u, low, high) => {
      if (low === null || high === null) return [field.lo ?? 0, field.hi ?? (field.lo ?? 0) + 1];
      let bottom = low > 0 && low > high * 0.7 ? low - (high - low || low) * 0.2 : Math.min(0, low);
      let top = high > 0 ? high + (high - bottom) * 0.08 : Math.max(0, high);
      if (low < 0) bottom = low - (top - low) * 0.08;
      if (scale.centred) [bottom, top] = [-Math.max(-bottom, top), Math.max(-bottom, top)];
      bottom = field.lo ?? (scale.lo === null || scale.lo === undefined ? bottom : Math.min(scale.lo, bottom));
      top = field.hi ?? (scale.hi === null || scale.hi === undefined ? top : Math.max(scale.hi, top));
      return top > bottom ? [bottom, top] : [bottom, bottom + 1];
    };
  }

  function path(one) {
    if (one.k === "points") return () => null;
    if (one.k === "bars") return uPlot.paths.bars({ size: [0.7, 40], align: 0 });
    if (one.i === "stepAfter" || one.i === "stepBefore") return uPlot.paths.stepped({ align: one.i === "stepAfter" ? 1 : -1 });
    if (one.i === "smooth") return uPlot.paths.spline();
    return uPlot.paths.linear();
  }

  function marks(body, fields) {
    return (u) => {
      const wanted = body.marks || "off";
      const scale = body.scales[0];
      const field = fields[scale.f];
      if (wanted === "off" || !field.t) return;
      const [mode, steps] = field.t;
      const { min, max } = u.scales.y0;
      const at = (step) => (step[0] === null ? min : mode === "percentage" ? (field.lo ?? min) + (((field.hi ?? max) - (field.lo ?? min)) * step[0]) / 100 : step[0]);
      const place = (value) => u.valToPos(Math.min(max, Math.max(min, value)), "y0", true);
      u.ctx.save();
      steps.forEach((step, index) => {
        const colour = colours.colour(step[1]);
        if (wanted.includes("area") || wanted === "area") {
          const top = index + 1 < steps.length ? place(at(steps[index + 1])) : u.bbox.top;
          const bottom = place(at(step));
          u.ctx.fillStyle = colours.fade(colour, 0.12);
          if (bottom > top) u.ctx.fillRect(u.bbox.left, top, u.bbox.width, bottom - top);
        }
        if ((wanted.startsWith("line") || wanted.startsWith("dashed")) && step[0] !== null && at(step) >= min && at(step) <= max) {
          u.ctx.strokeStyle = colour;
          u.ctx.lineWidth = 1.5 * window.devicePixelRatio;
          u.ctx.setLineDash(wanted.startsWith("dashed") ? [8, 6] : []);
          u.ctx.beginPath();
          u.ctx.moveTo(u.bbox.left, place(at(step)));
          u.ctx.lineTo(u.bbox.left + u.bbox.width, place(at(step)));
          u.ctx.stroke();
        }
      });
      u.ctx.restore();
    };
  }

  function legend(body, series, fields, looks, toggle) {
    const kind = body.legend;
    const shown = series.map((one, index) => [one, index]).filter(([one]) => !one.h);
    if (!kind.mode || !shown.length) return null;
    const column = kind.calcs.indexOf(kind.sort);
    if (column >= 0) shown.sort(([a], [b]) => ((a.q[column] ?? -Infinity) - (b.q[column] ?? -Infinity)) * (kind.falls ? -1 : 1));
    const table = make("table", "legend " + kind.mode);
    if (kind.mode === "table") {
      const head = make("tr");
      head.append(make("th", "", ""), ...kind.calcs.map((title) => make("th", "number", title)), make("th", "number now", "at cursor"));
      table.createTHead().append(head);
    }
    const rows = table.createTBody();
    const cells = [];
    for (const [one, index] of shown) {
      const row = rows.insertRow();
      const name = make("button", "name");
      name.type = "button";
      name.setAttribute("aria-pressed", "true");
      const swatch = make("i", "swatch");
      swatch.style.background = looks[index].ink;
      name.append(swatch, make("span", "", one.n));
      name.title = one.n;
      name.addEventListener("click", () => name.setAttribute("aria-pressed", String(toggle(index))));
      row.insertCell().append(name);
      kind.calcs.forEach((title, place) => {
        const value = one.q[place];
        const cell = make("td", "number", /count|percent/i.test(title) ? units.plain(value ?? "-", "") : units.text(value, fields[one.f]));
        if (kind.mode === "list") cell.prepend(make("small", "", title + " "));
        row.append(cell);
      });
      cells[index] = make("td", "number now", "");
      row.append(cells[index]);
    }
    return { table, tell: (index) => series.forEach((one, place) => cells[place] && (cells[place].textContent = index === null || index === undefined || one.v[index] === null ? "" : units.text(one.y ? -one.v[index] : one.v[index], fields[one.f]))) };
  }

  function draw(element, panel, board) {
    const { body, fields } = panel;
    const times = board.times(body.x);
    const looks = seriesColours(body.series, fields);
    const { drawn, bands: between } = stacked(body.series);
    const box = make("div", "over-time" + (body.legend.right ? " beside" : ""));
    const canvas = make("div", "canvas");
    box.append(canvas);
    const key = legend(body, body.series, fields, looks, (index) => {
      plot.setSeries(index + 1, { show: !plot.series[index + 1].show });
      return plot.series[index + 1].show;
    });
    if (key) {
      const holder = make("div", "legend-box");
      holder.append(key.table);
      box.append(holder);
    }
    element.append(box);
    const base = common(canvas, board);
    const scales = { x: { time: false } };
    const axes = [base.time];
    body.scales.forEach((scale, index) => {
      const field = fields[scale.f];
      const percent = body.series.some((one) => (one.s || 0) === index && one.t && one.t[0] === "percent");
      scales["y" + index] = scale.log ? { distr: 3, log: scale.log === 2 ? 2 : 10 } : { range: range(scale, percent ? { lo: 0, hi: 1 } : field) };
      if (scale.hidden) return;
      axes.push({
        scale: "y" + index, side: scale.right ? 1 : 3, label: scale.label || undefined, labelSize: scale.label ? 18 : undefined, labelFont: "11px system-ui, sans-serif", labelGap: 0,
        stroke: dashcam.style("--soft"), grid: Object.assign({ show: index === 0 }, base.line), ticks: Object.assign({ size: 4 }, base.line), font: "11px system-ui, sans-serif",
        values: (_, values) => units.ticks(values, percent ? { u: "percentunit" } : field), size: width, gap: 4, space: 30,
        ...(BINARY.includes(field.u) && !scale.log ? { incrs: POWERS } : {}),
      });
    });
    const series = body.series.map((one, index) => {
      const { ink, dashed } = looks[index];
      const alone = dashcam.isolated(one.v);
      const bars = one.k === "bars";
      return {
        label: one.n, scale: "y" + (one.s || 0), stroke: ink, width: one.k === "points" ? 0 : one.w ?? 1, dash: one.d || (dashed ? [6, 4] : undefined), spanGaps: one.g || Boolean(one.t),
        fill: one.o ? colours.fade(ink, one.o / 100) : bars ? colours.fade(ink, 0.7) : undefined, paths: path(one),
        points: { show: one.k === "points" || one.p === "always" || (!bars && one.p !== "never" && alone) || undefined, size: one.z || 5, fill: ink, stroke: ink, filter: one.p === "always" || one.k === "points" || alone ? undefined : () => [] },
      };
    });
    const logs = body.scales.map((scale) => scale.log);
    const values = drawn.map((line, index) => (logs[body.series[index].s || 0] ? line.map((value) => (value > 0 ? value : null)) : line));
    base.hooks.draw = [marks(body, fields)];
    base.hooks.setCursor.push((u) => key && key.tell(u.cursor.left < 0 ? null : u.cursor.idx));
    const plot = new uPlot(
      { width: base.width, height: base.height, padding: base.padding, cursor: base.cursor, legend: base.legend, hooks: base.hooks, scales, axes, bands: between, series: [{}].concat(series) },
      [times].concat(values),
      canvas
    );
    reading(canvas, panel.t || "Values");
    dashcam.join(plot);
    return { plot, resize: () => plot.setSize({ width: canvas.clientWidth, height: canvas.clientHeight }), leave: () => dashcam.leave(plot) };
  }

  dashcam.kind("timeseries", draw);
})();
