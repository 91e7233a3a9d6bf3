/* What all plots over time have in common: the axis of time, phases and annotations, zoom, cursor, keys. */
(function () {
  "use strict";
  const dashcam = window.dashcam;
  const { colours } = dashcam;

  // Stretches that the dashboard's own annotations name.
  function bands(board) {
    return (u) => {
      u.ctx.save();
      u.ctx.font = Math.round(10 * window.devicePixelRatio) + "px system-ui, sans-serif";
      u.ctx.textBaseline = "bottom";
      u.ctx.textAlign = "left";
      for (const band of board.wire.bands) {
        const from = Math.max(u.bbox.left, u.valToPos(band.from, "x", true));
        const to = Math.min(u.bbox.left + u.bbox.width, u.valToPos(band.to, "x", true));
        if (to < u.bbox.left || from > u.bbox.left + u.bbox.width) continue;
        const colour = colours.colour(band.c || "light-blue");
        u.ctx.fillStyle = colours.fade(colour, 0.14);
        u.ctx.fillRect(from, u.bbox.top, Math.max(1, to - from), u.bbox.height);
        u.ctx.fillStyle = colour;
        u.ctx.fillRect(from, u.bbox.top, 1.5 * window.devicePixelRatio, u.bbox.height);
        u.ctx.fillStyle = dashcam.style("--soft");
        if (u.ctx.measureText(band.n).width < to - from - 8) u.ctx.fillText(band.n, from + 5, u.bbox.top + u.bbox.height - 2);
      }
      u.ctx.restore();
    };
  }

  // What all plots over time share: size, axis of time, cursor, zoom.
  function common(element, board) {
    const line = { stroke: dashcam.style("--line"), width: 1 };
    return {
      width: Math.max(80, element.clientWidth),
      height: Math.max(60, element.clientHeight),
      padding: [6, 24, 0, 0],
      cursor: dashcam.cursor(),
      legend: { show: false },
      time: { stroke: dashcam.style("--soft"), grid: line, ticks: Object.assign({ size: 4 }, line), font: "11px system-ui, sans-serif", values: (_, values) => values.map((value) => dashcam.clock(value)), incrs: dashcam.STEPS, space: 80, size: 26 },
      line,
      hooks: { drawClear: [dashcam.shadePhases, bands(board)], setScale: [dashcam.zoomed], setCursor: [dashcam.tell] },
    };
  }

  function reading(element, label) {
    element.tabIndex = 0;
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", label + " over time. Arrow keys read values, plus and minus zoom, Escape resets.");
    element.addEventListener("keydown", dashcam.key);
  }

  // As wide as its longest word.
  function width(u, values, axis, cycle) {
    if (cycle > 1 || !values) return u.axes[axis]._size || 40;
    const longest = values.reduce((most, word) => (word.length > most.length ? word : most), "");
    u.ctx.save();
    u.ctx.font = u.axes[axis].font[0];
    const size = u.ctx.measureText(longest).width / window.devicePixelRatio + 14;
    u.ctx.restore();
    return Math.ceil(Math.max(36, size));
  }

  dashcam.overTime = { common, reading, width };
})();
