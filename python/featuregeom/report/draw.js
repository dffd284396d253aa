// Figures as SVG from the dictionaries that the package writes, with what is under the pointer or the arrow keys.
const Draw = (() => {
  "use strict";

  const { DOTS, paint, add, at } = Pen;
  const DASHES = ["none", "9 3", "4 3", "10 3 2 3", "14 4", "6 2 2 2 2 2", "1.5 2.5"]; // of lines, in the order of their colours
  const REACH = 22; // pixels from the pointer to the mark that it means

  function tips(plot, sheet, marks, inSpace) {
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.setAttribute("role", "status");
    tip.hidden = true;
    sheet.append(tip);
    const ring = add(sheet.querySelector("svg"), "circle", { r: 6 }, { fill: "none", stroke: "var(--ink)", strokeWidth: "1.5px", display: "none" });
    function show(mark) {
      tip.hidden = !mark;
      ring.style.display = mark && !mark.box ? "" : "none";
      if (!mark) return;
      tip.textContent = mark.say();
      ring.setAttribute("cx", mark.x);
      ring.setAttribute("cy", mark.y);
      tip.style.left = `${Math.min(Math.max(mark.x + 10, 0), Math.max(sheet.clientWidth - tip.offsetWidth, 0))}px`;
      tip.style.top = `${Math.max(mark.y - tip.offsetHeight - 8, -8)}px`;
    }
    function find(x, y) {
      let best = null, far = REACH;
      for (const mark of marks) {
        if (mark.cell) { best ??= mark.cell(x, y); continue; }
        const away = mark.column ? (x >= mark.column[0] && x <= mark.column[1] ? 0 : Infinity) : Math.hypot(mark.x - x, mark.y - y);
        if (away < far) [best, far] = [mark, away];
      }
      return best;
    }
    sheet.addEventListener("pointermove", (event) => {
      const box = sheet.getBoundingClientRect();
      show(find(event.clientX - box.left, event.clientY - box.top));
    });
    sheet.onpointerleave = plot.onblur = () => show(null);
    if (inSpace) return;
    const map = marks.find((mark) => mark.grid);
    const listed = marks.filter((mark) => !mark.cell).sort((a, b) => a.x - b.x || a.y - b.y);
    const place = { k: -1, r: 0, c: -1 };
    plot.onkeydown = (event) => {
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
      if (event.key === "Escape") return show(null);
      if (!dx && !dy) return undefined;
      event.preventDefault();
      const bound = (v, n) => Math.min(Math.max(v, 0), n - 1);
      if (map) {
        const { xs, ys } = map.grid;
        place.c = bound(place.c + dx, xs.length);
        place.r = bound(place.r + dy, ys.length);
        return show(map.cell(xs[place.c], ys[place.r]));
      }
      place.k = bound(place.k + dx - dy, listed.length);
      return show(listed[place.k] ?? null);
    };
  }

  function legend(plot, spec) {
    const named = spec.data.filter((t) => t.name && t.type !== "heatmap" && t.showlegend !== false && (t.mode ?? "lines") !== "text");
    const wanted = spec.layout.showlegend ?? named.length > 1;
    if (!wanted || !named.length) return;
    const list = document.createElement("ul");
    list.className = "legend";
    dashed(spec.data, named);
    for (const trace of named) {
      const item = document.createElement("li"), areas = trace.type === "bar" || trace.mode === "markers";
      const swatch = add(item, "svg", { width: areas ? 12 : 30, height: 10, "aria-hidden": "true" });
      add(swatch, "path", { d: "M0 5H30" }, {
        stroke: paint(trace.fillcolor ?? trace.line?.color ?? at(trace.marker?.color, 0) ?? "--c0"), strokeWidth: `${areas ? 10 : 2.5}px`,
        strokeDasharray: trace.line?.dash ? DOTS : trace.dashes ?? "none", opacity: trace.marker?.opacity ?? 1,
      });
      item.append(trace.name);
      list.append(item);
    }
    plot.before(list);
  }

  // Lines that a legend tells apart differ by their dashes, too, for who does not see the colours; not where dots mean something.
  function dashed(traces, named) {
    const lines = traces.filter((trace) => trace.type === "scatter" && trace.mode?.includes("lines") && trace.line?.color);
    const colours = [...new Set(named.filter((trace) => lines.includes(trace)).map((trace) => trace.line.color))];
    if (colours.length < 2 || lines.some((trace) => trace.line.dash)) return;
    for (const trace of lines) trace.dashes = DASHES[colours.indexOf(trace.line.color) % DASHES.length];
  }

  // Draw a figure into its place.
  function draw(plot, spec) {
    erase(plot);
    const inSpace = spec.data[0]?.type === "space";
    if (!inSpace) legend(plot, spec);
    const sheet = document.createElement("div"); // a new one each time, and with it its listeners
    sheet.className = "sheet";
    plot.append(sheet);
    plot.dataset.drawn = inSpace ? "space" : spec.data.some((t) => t.type === "heatmap") ? "heat" : "flat";
    tips(plot, sheet, inSpace ? Space.space(plot, sheet, spec) : Plane.flat(sheet, spec), inSpace);
  }

  function erase(plot) {
    delete plot.dataset.drawn;
    plot.onkeydown = plot.onblur = null;
    plot.replaceChildren();
    if (plot.previousElementSibling?.className === "legend") plot.previousElementSibling.remove();
  }

  return { draw, erase };
})();
