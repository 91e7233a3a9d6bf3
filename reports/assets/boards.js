/* Grafana's dashboards: unpacks one when it is chosen, lays its panels out, draws each when it comes into view.
   A kind of panel registers itself: dashcam.kind(name, draw), draw(body, panel, board) -> {resize, leave}. */
(function () {
  "use strict";
  const dashcam = window.dashcam;
  const kinds = {};
  const boards = [];
  const NARROW = 640;
  const MIDDLE = 1000;
  let current = -1;

  // An element with a class, words, and what is inside. Words are text, never markup.
  function make(tag, name, words) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (words !== undefined && words !== null) element.textContent = words;
    return element;
  }

  async function unpack(number) {
    const text = document.getElementById("data-board-" + number).textContent.trim();
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  class Board {
    constructor(number, wire) {
      this.number = number;
      this.wire = wire;
      this.element = document.getElementById("board-" + number);
      this.axes = [];
      this.drawn = new Map();
      this.watch = new IntersectionObserver((found) => found.forEach((one) => one.isIntersecting && this.draw(one.target)), { rootMargin: "300px" });
      this.panels = [];
      this.build();
    }

    // The moments of an axis: [start, step, count], or [0, 0, count, moment...].
    times(number) {
      if (!this.axes[number]) {
        const [start, step, count, ...rest] = this.wire.axes[number];
        this.axes[number] = rest.length ? rest : Array.from({ length: count }, (_, i) => Math.round((start + i * step) * 1000) / 1000);
      }
      return this.axes[number];
    }

    build() {
      if (this.wire.about) this.element.append(make("p", "about", this.wire.about));
      if (this.wire.variables.length) {
        const list = make("dl", "variables");
        for (const [name, value] of this.wire.variables) list.append(make("dt", "", name), make("dd", "", value));
        this.element.append(list);
      }
      for (const row of this.wire.rows) this.element.append(this.row(row));
    }

    row(row) {
      const section = make("div", "board-row");
      const grid = make("div", "grid");
      const drawn = row.panels.filter((panel) => panel.state === "drawn").length;
      grid.hidden = Boolean(row.t) && (row.closed || (row.panels.length > 0 && drawn === 0));
      if (row.t) {
        const head = make("h3", "row-head");
        const button = make("button");
        button.type = "button";
        button.setAttribute("aria-expanded", String(!grid.hidden));
        button.append(make("span", "row-title", row.t), make("small", "", drawn === row.panels.length ? dashcam.count(drawn, "panel") : drawn + " of " + dashcam.count(row.panels.length, "panel") + " drawn"));
        if (!drawn && row.panels.length) button.append(make("small", "row-why", Array.from(new Set(row.panels.map((panel) => panel.why))).slice(0, 2).join("; ")));
        button.addEventListener("click", () => {
          grid.hidden = !grid.hidden;
          button.setAttribute("aria-expanded", String(!grid.hidden));
        });
        head.append(button);
        section.append(head);
      }
      for (const [panel, place] of placed(row.panels)) grid.append(this.panel(panel, place));
      section.append(grid);
      return section;
    }

    panel(panel, place) {
      const article = make("article", "panel " + panel.state + (panel.kind ? " kind-" + panel.kind : ""));
      article.dataset.title = panel.t || "";
      for (const [name, value] of Object.entries({ "--x": place.x + 1, "--y": place.y + 1, "--w": place.w, "--h": place.h })) article.style.setProperty(name, value);
      article.classList.add(place.w > 12 ? "wide" : place.w > 4 ? "half" : "third");
      const head = make("header");
      const title = make("h4", "", panel.t);
      title.title = panel.t || "";
      head.append(title);
      if (panel.about) {
        const info = make("details", "info");
        const summary = make("summary", "", "i");
        summary.setAttribute("aria-label", "About " + (panel.t || "this panel"));
        summary.title = panel.about;
        info.append(summary, make("p", "", panel.about));
        head.append(info);
      }
      article.append(head);
      if (panel.notes) article.append(make("p", "panel-notes", panel.notes.join(" · ")));
      const body = make("div", "panel-body");
      article.append(body);
      if (panel.state === "drawn") {
        this.panels.push(article);
        article.panel = panel;
        this.watch.observe(article);
      } else {
        const words = panel.state === "undrawable" ? "Not drawn: " + panel.why : panel.why === "nothing says why" ? "Empty, and nothing says why." : "Empty: " + panel.why;
        body.append(make("p", "why", words));
      }
      return article;
    }

    draw(article) {
      if (this.drawn.has(article) || !article.offsetParent) return;
      const body = article.querySelector(".panel-body");
      body.replaceChildren();
      const kind = kinds[article.panel.kind];
      try {
        this.drawn.set(article, kind(body, article.panel, this) || {});
      } catch (error) {
        this.drawn.set(article, {});
        body.replaceChildren(make("p", "why", "Not drawn: this page failed (" + error.message + ")"));
        console.error(error);
      }
    }

    // Draw what is in view, or all of it for the printer.
    drawAll() {
      this.panels.forEach((article) => this.draw(article));
    }

    erase() {
      for (const one of this.drawn.values()) if (one.leave) one.leave();
      const some = Array.from(this.drawn.keys());
      this.drawn.clear();
      return some;
    }

    redraw() {
      this.erase().forEach((article) => this.draw(article));
    }

    resize() {
      for (const one of this.drawn.values()) if (one.resize) one.resize();
    }
  }

  // Places within a row of panels: each as high up as it goes, as Grafana's grid does; a line of the grid in which
  // nothing is drawn is made low.
  function placed(panels) {
    const LOW = 3;
    const found = panels.map((panel) => [panel, { x: panel.at[0], y: panel.at[1], w: panel.at[2], h: panel.at[3] }]);
    for (const y of new Set(found.map(([, at]) => at.y))) {
      const line = found.filter(([, at]) => at.y === y);
      const end = Math.max(...line.map(([, at]) => at.y + at.h));
      const alone = found.every(([, at]) => at.y === y || at.y >= end || at.y + at.h <= y);
      if (alone && line.every(([panel]) => panel.state !== "drawn")) line.forEach(([, at]) => (at.h = Math.min(LOW, at.h)));
    }
    const bottoms = new Array(24).fill(0);
    found.sort(([, a], [, b]) => a.y - b.y || a.x - b.x);
    for (const [, at] of found) {
      at.y = Math.max(...bottoms.slice(at.x, at.x + at.w));
      bottoms.fill(at.y + at.h, at.x, at.x + at.w);
    }
    return found.sort(([, a], [, b]) => a.y - b.y || a.x - b.x);
  }

  async function open(number) {
    current = number;
    document.querySelectorAll("[role=tab]").forEach((tab) => {
      const mine = Number(tab.dataset.board) === number;
      tab.setAttribute("aria-selected", String(mine));
      tab.tabIndex = mine ? 0 : -1;
    });
    document.querySelectorAll(".board").forEach((one, index) => (one.hidden = index !== number));
    if (!boards[number]) {
      // Kept as a promise, so that a second click while it unpacks makes no second dashboard.
      boards[number] = unpack(number).then((wire) => new Board(number, wire), (error) => {
        document.getElementById("board-" + number).append(make("p", "why", "This dashboard cannot be unpacked by this browser (" + error.message + ")"));
        return null;
      });
    } else {
      const board = await boards[number];
      if (board) board.resize();
    }
    return boards[number];
  }

  function steer(event) {
    const tabs = Array.from(document.querySelectorAll("[role=tab]"));
    const place = tabs.indexOf(event.currentTarget);
    const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (next === undefined) return;
    const tab = tabs[(next + tabs.length) % tabs.length];
    tab.focus();
    open(Number(tab.dataset.board));
    event.preventDefault();
  }

  async function each(action) {
    for (const one of boards) {
      const board = one && (await one);
      if (board) action(board);
    }
  }

  function start() {
    const tabs = document.querySelectorAll("[role=tab]");
    tabs.forEach((tab) => {
      tab.addEventListener("click", () => open(Number(tab.dataset.board)));
      tab.addEventListener("keydown", steer);
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => each((board) => board.redraw()));
    let pending = 0;
    window.addEventListener("resize", () => {
      cancelAnimationFrame(pending);
      pending = requestAnimationFrame(() => each((board) => board.number === current && board.resize()));
    });
    window.addEventListener("beforeprint", () => ready.forEach((board) => board.number === current && (board.drawAll(), board.resize())));
    if (tabs.length) open(0);
  }

  // Boards that are there, for what cannot wait: a printer does not.
  const ready = [];
  const build = Board.prototype.build;
  Board.prototype.build = function () {
    build.call(this);
    ready.push(this);
  };

  Object.assign(dashcam, {
    make,
    kind: (name, draw) => (kinds[name] = draw),
    boards: { open, ready: () => ready, current: () => current },
    count: (number, noun) => number + " " + noun + (number === 1 ? "" : "s"),
    start,
    sizes: { NARROW, MIDDLE },
  });
})();
