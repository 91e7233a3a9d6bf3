/* Tables: sorted by a click on a heading. */
(function () {
  "use strict";
  const dashcam = window.dashcam;
  const { make, units, colours } = dashcam;

  function cellText(value, column, field) {
    if (column.k === "time" && typeof value === "number") return units.moment(value * 1000);
    return units.text(value, field);
  }

  function cell(value, column, field) {
    const found = make("td", column.k === "number" ? "number" : "", cellText(value, column, field));
    if (column.a && column.a !== "auto") found.style.textAlign = column.a;
    const mapped = units.mapped(value, field);
    const coloured = typeof value === "number" || (mapped && mapped[1]);
    if (coloured && column.c.startsWith("color-background")) {
      const colour = colours.valueColour(value, field, 0, column.n, column.lo, column.hi);
      found.style.background = colour;
      found.style.color = colours.inkOn(colour);
    } else if (coloured && column.c === "color-text") {
      found.style.color = colours.readable(colours.valueColour(value, field, 0, column.n, column.lo, column.hi));
    } else if (typeof value === "number" && column.c.includes("gauge")) {
      const part = (100 * (value - column.lo)) / (column.hi - column.lo || 1);
      const colour = colours.fade(colours.valueColour(value, field, 0, column.n, column.lo, column.hi), 0.35);
      found.style.background = "linear-gradient(to right, " + colour + " " + part + "%, transparent " + part + "%)";
    }
    return found;
  }

  function draw(element, panel) {
    const { body, fields } = panel;
    const { columns } = body;
    const rows = columns.length ? columns[0].v.length : 0;
    const table = make("table", "values");
    let order = Array.from({ length: rows }, (_, i) => i);
    let sorted = -1;
    let falling = false;
    const filled = table.createTBody();

    function fill() {
      filled.replaceChildren();
      for (const index of order) {
        const row = filled.insertRow();
        for (const column of columns) row.append(cell(column.v[index], column, fields[column.f]));
      }
    }

    function sort(place, heading) {
      falling = sorted === place ? !falling : columns[place].k === "number";
      sorted = place;
      const values = columns[place].v;
      order.sort((a, b) => {
        const [one, two] = [values[a], values[b]];
        if (one === null || two === null) return (one === null) - (two === null);
        return (typeof one === "number" ? one - two : String(one).localeCompare(String(two))) * (falling ? -1 : 1);
      });
      table.querySelectorAll("th").forEach((one) => one.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
      fill();
    }

    if (body.header) {
      const head = make("tr");
      columns.forEach((column, place) => {
        const heading = make("th", column.k === "number" ? "number" : "");
        const button = make("button", "", column.n);
        button.type = "button";
        button.addEventListener("click", () => sort(place, heading));
        heading.append(button);
        head.append(heading);
      });
      table.createTHead().append(head);
    }
    fill();
    if (body.footer) {
      const foot = table.createTFoot().insertRow();
      body.footer.forEach((value, place) => foot.append(make("td", columns[place].k === "number" ? "number" : "", value === null ? "" : units.text(value, fields[columns[place].f]))));
    }
    const scroll = make("div", "table-scroll");
    scroll.tabIndex = 0;
    scroll.append(table);
    element.append(scroll);
    return {};
  }

  dashcam.kind("table", draw);
})();
