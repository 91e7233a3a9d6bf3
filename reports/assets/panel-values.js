/* One figure a series: stat, gauge, bar gauge. */
(function () {
  "use strict";
  const dashcam = window.dashcam;
  const { make, units, colours } = dashcam;
  const SVG = "http://www.w3.org/2000/svg";

  function shape(tag, attributes) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  const ink = (item, field, index) => colours.valueColour(item.v, field, index, item.n, item.lo, item.hi);

  function stat(element, panel, board) {
    const { body, fields } = panel;
    const box = make("div", "stats " + (body.orientation === "horizontal" ? "down" : "across"));
    body.items.forEach((item, index) => {
      const field = fields[item.f];
      const colour = ink(item, field, index);
      const tile = make("div", "stat");
      const named = body.text === "value_and_name" || body.text === "name" || (body.text === "auto" && body.items.length > 1);
      if (item.c) tile.append(course(item.c, board, colour));
      const words = make("div", "stat-words");
      if (named) words.append(make("span", "stat-name", item.n));
      if (body.text !== "name" && body.text !== "none") {
        const text = units.text(item.v, field);
        const value = make("span", "stat-value", text);
        value.style.setProperty("--n", Math.max(4, text.length));
        if (body.color === "value") value.style.color = colours.readable(colour);
        words.append(value);
      }
      if (body.color.startsWith("background")) {
        tile.style.background = colour;
        tile.style.color = colours.inkOn(colour);
      }
      tile.append(words);
      box.append(tile);
    });
    element.append(box);
    return {};
  }

  // The course of a value, as large as its tile; a gap stays a gap.
  function course([axis, values], board, colour) {
    const times = board.times(axis);
    const known = values.filter((value) => value !== null);
    const low = Math.min(...known);
    const high = Math.max(...known);
    const x = (i) => (100 * (times[i] - times[0])) / (times[times.length - 1] - times[0] || 1);
    const y = (value) => 96 - 92 * ((value - low) / (high - low || 1)) * (high > low ? 1 : 0.5);
    let line = "";
    let area = "";
    let from = null;
    values.forEach((value, i) => {
      if (value !== null) {
        const point = x(i).toFixed(2) + "," + y(value).toFixed(2);
        line += (from === null ? "M" : "L") + point;
        if (from === null) { from = i; area += "M" + x(i).toFixed(2) + ",100L" + point; } else area += "L" + point;
      }
      if (from !== null && (value === null || i === values.length - 1)) {
        area += "L" + x(value === null ? i - 1 : i).toFixed(2) + ",100Z";
        from = null;
      }
    });
    const svg = shape("svg", { class: "course", viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
    svg.append(shape("path", { d: area, fill: colour, opacity: 0.18 }), shape("path", { d: line, fill: "none", stroke: colour, "stroke-width": 1.2, "vector-effect": "non-scaling-stroke" }));
    return svg;
  }

  function arc(from, to, radius) {
    const point = (share) => {
      const angle = ((-210 + 240 * share) * Math.PI) / 180;
      return (60 + radius * Math.cos(angle)).toFixed(2) + " " + (62 + radius * Math.sin(angle)).toFixed(2);
    };
    return "M" + point(from) + " A" + radius + " " + radius + " 0 " + (240 * (to - from) > 180 ? 1 : 0) + " 1 " + point(to);
  }

  function gauge(element, panel) {
    const { body, fields } = panel;
    const box = make("div", "gauges");
    body.items.forEach((item, index) => {
      const field = fields[item.f];
      const share = (value) => Math.min(1, Math.max(0, (value - item.lo) / (item.hi - item.lo || 1)));
      const colour = ink(item, field, index);
      const one = make("div", "gauge");
      const svg = shape("svg", { viewBox: "0 0 120 104", role: "img", "aria-label": item.n + ": " + units.text(item.v, field) });
      svg.append(shape("path", { d: arc(0, 1, 44), fill: "none", stroke: dashcam.style("--line"), "stroke-width": 12 }));
      if (typeof item.v === "number" && share(item.v) > 0) svg.append(shape("path", { d: arc(0, share(item.v), 44), fill: "none", stroke: colour, "stroke-width": 12 }));
      if (body.marks && field.t && field.t[1].length > 1) {
        const [mode, steps] = field.t;
        const at = (step) => (step[0] === null ? 0 : mode === "percentage" ? Math.min(1, Math.max(0, step[0] / 100)) : share(step[0]));
        steps.forEach((step, i) => {
          const to = i + 1 < steps.length ? at(steps[i + 1]) : 1;
          if (to > at(step)) svg.append(shape("path", { d: arc(at(step), to, 54), fill: "none", stroke: colours.colour(step[1]), "stroke-width": 3 }));
        });
      }
      const text = units.text(item.v, field);
      const words = shape("text", { x: 60, y: 70, "text-anchor": "middle", class: "gauge-value", fill: colours.readable(colour), "font-size": Math.min(22, 120 / Math.max(5, text.length)) });
      words.textContent = text;
      svg.append(words);
      one.append(svg);
      if (item.n && (body.items.length > 1 || item.n !== panel.t)) one.append(make("span", "gauge-name", item.n));
      box.append(one);
    });
    element.append(box);
    return {};
  }

  function bars(element, panel) {
    const { body, fields } = panel;
    const box = make("div", "bars " + (body.orientation === "vertical" ? "upright" : "level"));
    body.items.forEach((item, index) => {
      const field = fields[item.f];
      const colour = ink(item, field, index);
      const share = typeof item.v === "number" ? Math.min(1, Math.max(0, (item.v - item.lo) / (item.hi - item.lo || 1))) : 0;
      const row = make("div", "bar-row");
      const track = make("div", "track");
      const fill = make("div", "fill");
      fill.style.setProperty("--part", 100 * share + "%");
      fill.style.background = colour;
      track.append(fill);
      const value = make("span", "bar-value", units.text(item.v, field));
      value.style.color = colours.readable(colour);
      // A bucket of a histogram is called by its bounds.
      const words = Array.isArray(item.n) ? item.n.map((bound) => units.text(bound, fields[item.b], 4)).join(" to ") : item.n;
      const name = make("span", "bar-name", words);
      name.title = words;
      row.append(name, track, value);
      box.append(row);
    });
    element.append(box);
    return {};
  }

  dashcam.kind("stat", stat);
  dashcam.kind("gauge", gauge);
  dashcam.kind("bargauge", bars);
})();
