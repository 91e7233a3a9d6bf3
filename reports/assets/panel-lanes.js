/* Heat maps and state timelines: painted into a plot that shares time, zoom and cursor with the others. */
(function () {
  "use strict";
  const dashcam = window.dashcam;
  const { make, units, colours, overTime } = dashcam;

  // A plot of `names` lanes, from below; `paint(u, left edge of step i, right edge, top of lane j, height)`.
  function lanes(canvas, board, times, names, paint, tell, size) {
    const base = overTime.common(canvas, board);
    base.hooks.draw = [paint];
    base.hooks.setCursor.push(tell);
    const middle = names.map((_, index) => index + 0.5);
    const room = size || overTime.width;
    const plot = new uPlot(
      {
        width: base.width, height: base.height, padding: base.padding, cursor: Object.assign(base.cursor, { points: { show: false } }), legend: base.legend, hooks: base.hooks,
        scales: { x: { time: false }, y: { range: [0, Math.max(1, names.length)] } },
        axes: [base.time, { stroke: dashcam.style("--soft"), grid: { show: false }, ticks: { show: false }, font: "11px system-ui, sans-serif", splits: () => thin(middle, canvas.clientHeight), values: (_, splits) => splits.map((at) => cut(names[Math.floor(at)])), size: room, gap: 4 }],
        series: [{}, { paths: () => null, points: { show: false }, scale: "y" }],
      },
      [times, times.map(() => null)],
      canvas
    );
    dashcam.join(plot);
    return { plot, resize: () => plot.setSize({ width: canvas.clientWidth, height: canvas.clientHeight }), leave: () => dashcam.leave(plot) };
  }

  const thin = (places, height) => places.filter((_, index) => index % Math.max(1, Math.ceil((places.length * 14) / Math.max(60, height - 32))) === 0);
  const cut = (name) => (name.length > 26 ? name.slice(0, 25) + "…" : name);

  // Edges of the cell of a step: a value stands for the time up to the next one.
  function edges(u, times, from, to) {
    const step = times.length > 1 ? times[1] - times[0] : 1;
    const left = u.valToPos(times[from], "x", true);
    const right = u.valToPos(to + 1 < times.length ? times[to + 1] : times[to] + step, "x", true);
    return [Math.max(u.bbox.left, left), Math.min(u.bbox.left + u.bbox.width, right)];
  }

  function heatmap(element, panel, board) {
    const { body } = panel;
    const times = board.times(body.x);
    const cell = body.cell; // the unit of what is counted; that of the bounds is body.unit
    const names = body.rows.map((bound) => (typeof bound === "number" ? units.plain(bound, body.unit) : String(bound)));
    const most = Math.max(...body.z.map((row) => Math.max(...row.map((value) => value ?? 0))));
    const shade = (value) => {
      const share = (value / most) ** body.exponent;
      return body.mode === "opacity" ? colours.fade(colours.colour(body.fill || "orange"), share) : colours.scheme(body.scheme, share, body.reverse);
    };
    const box = make("div", "over-time");
    const canvas = make("div", "canvas");
    const foot = make("p", "heat-foot");
    const told = make("output");
    if (body.legend) foot.append(scale(shade, most, cell));
    foot.append(told);
    box.append(canvas, foot);
    element.append(box);

    function paint(u) {
      u.ctx.save();
      body.z.forEach((row, lane) => {
        const top = u.valToPos(lane + 1, "y", true);
        const height = u.valToPos(lane, "y", true) - top;
        row.forEach((value, index) => {
          if (value === null || value <= body.least || !value) return;
          const [left, right] = edges(u, times, index, index);
          if (right <= left) return;
          u.ctx.fillStyle = shade(value);
          u.ctx.fillRect(left, top, Math.ceil(right - left), Math.ceil(height));
        });
      });
      u.ctx.restore();
    }

    function tell(u) {
      const { idx, left, top } = u.cursor;
      const lane = Math.floor(u.posToVal(top, "y"));
      const row = body.z[lane];
      if (left < 0 || idx === null || idx === undefined || !row) return void (told.textContent = "");
      const low = lane ? names[lane - 1] : body.low === null ? null : typeof body.low === "number" ? units.plain(body.low, body.unit) : body.low;
      const value = row[idx];
      told.textContent = (low === null ? "up to " : low + " to ") + names[lane] + ": " + (value === null ? "-" : units.text(value, cell));
    }

    overTime.reading(canvas, panel.t || "Buckets");
    return lanes(canvas, board, times, names, paint, tell);
  }

  function scale(shade, most, field) {
    const found = make("span", "heat-scale");
    const bar = make("i");
    bar.style.background = "linear-gradient(to right, " + Array.from({ length: 11 }, (_, i) => shade((most * i) / 10)).join(", ") + ")";
    found.append(make("small", "", "0"), bar, make("small", "", units.text(most, field)));
    return found;
  }

  function timeline(element, panel, board) {
    const { body, fields } = panel;
    const times = board.times(body.x);
    // The first series is on top, as in Grafana.
    const rows = body.lanes.slice().reverse();
    const box = make("div", "over-time");
    const canvas = make("div", "canvas");
    box.append(canvas);
    const states = new Map();
    const runs = rows.map((lane, place) => stretches(lane.v, body.merge).map((one) => {
      const field = fields[lane.f];
      const text = units.text(one.value, field);
      const colour = colours.valueColour(one.value, field, place, lane.n, field.lo ?? 0, field.hi ?? 100);
      const known = states.get(text);
      const shown = typeof one.value === "string" && !field.m && !known ? colours.palette(states.size) : known || colour;
      states.set(text, shown);
      return { ...one, text, colour: shown };
    }));
    const foot = make("ul", "states");
    if (body.legend && states.size <= 16) {
      for (const [text, colour] of states) {
        const one = make("li");
        const swatch = make("i", "swatch");
        swatch.style.background = colour;
        one.append(swatch, make("span", "", text));
        foot.append(one);
      }
    }
    const told = make("output");
    foot.append(told);
    box.append(foot);
    element.append(box);

    function paint(u) {
      const ratio = window.devicePixelRatio;
      u.ctx.save();
      u.ctx.font = Math.round(11 * ratio) + "px system-ui, sans-serif";
      u.ctx.textBaseline = "middle";
      u.ctx.textAlign = "left";
      runs.forEach((some, lane) => {
        const top = u.valToPos(lane + 1, "y", true);
        const height = u.valToPos(lane, "y", true) - top;
        const inner = height * body.height;
        for (const one of some) {
          const [left, right] = edges(u, times, one.from, one.to);
          if (right <= left) continue;
          u.ctx.fillStyle = one.colour;
          u.ctx.fillRect(left, top + (height - inner) / 2, Math.max(1, right - left - (body.merge ? 0 : ratio)), inner);
          if (body.show !== "never" && u.ctx.measureText(one.text).width < right - left - 8 * ratio && inner > 13 * ratio) {
            u.ctx.fillStyle = colours.inkOn(one.colour);
            u.ctx.fillText(one.text, left + 4 * ratio, top + height / 2);
          }
        }
      });
      u.ctx.restore();
    }

    function tell(u) {
      const { idx, left, top } = u.cursor;
      const place = Math.floor(u.posToVal(top, "y"));
      const lane = rows[place];
      if (left < 0 || idx === null || idx === undefined || !lane) return void (told.textContent = "");
      told.textContent = lane.n + ": " + units.text(lane.v[idx], fields[lane.f]);
    }

    overTime.reading(canvas, panel.t || "States");
    return lanes(canvas, board, times, rows.map((lane) => lane.n), paint, tell);
  }

  function stretches(values, merge) {
    const found = [];
    values.forEach((value, index) => {
      const last = found[found.length - 1];
      if (value === null || value === undefined) return;
      if (merge && last && last.to === index - 1 && last.value === value) last.to = index;
      else found.push({ from: index, to: index, value });
    });
    return found;
  }

  dashcam.kind("heatmap", heatmap);
  dashcam.kind("statetimeline", timeline);
})();
