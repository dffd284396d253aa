// Points in three and more dimensions, which can be turned and turn by themselves.
const Space = (() => {
  "use strict";

  const { add, write, widthOf, cut, short, spot } = Pen;
  const TURN = 0.25; // radians a second of the tour through four and more dimensions
  const STEP = 0.12; // radians of an arrow key

  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  function space(plot, sheet, spec) {
    const [trace] = spec.data;
    const width = sheet.clientWidth || 300, height = sheet.clientHeight || 300;
    const svg = add(sheet, "svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const n = trace.points.length, d = trace.points[0].length;
    const reach = Math.max(...trace.points.map((p) => Math.hypot(...p))) || 1;
    const unit = (Math.min(width, height) / 2 - 22) / reach;
    // The frame is kept with the figure, so that drawing it again, on paper or in the dark, shows it as it was turned.
    const frame = (spec.frame ??= start(d));
    const edges = trace.edges.map(() => add(svg, "line", {}, { stroke: "var(--muted)", strokeWidth: "1px" }));
    const shafts = trace.points.map(() => add(svg, "line", { x1: width / 2, y1: height / 2 }, { stroke: "var(--c0)", strokeWidth: "1.5px" }));
    const dots = trace.points.map(() => add(svg, "circle", { r: 3.5, class: "points" }, { fill: "var(--c1)" }));
    const labels = n <= 24 ? trace.names.map((name) => {
      const element = write(svg, 0, 0, cut(name, 18), { "text-anchor": "middle", "dominant-baseline": "central", class: "label" }, { fontSize: "11px" });
      return { element, wide: widthOf(cut(name, 18), 11), first: 0 };
    }) : [];
    const places = trace.points.map(() => [0, 0]);
    function show() {
      const set = (element, values) => { for (const [key, value] of Object.entries(values)) element.setAttribute(key, value.toFixed(1)); };
      trace.points.forEach((p, i) => {
        const [x, y] = [0, 1].map((row) => p.reduce((sum, v, k) => sum + v * frame[row][k], 0));
        places[i] = [width / 2 + unit * x, height / 2 - unit * y];
        set(shafts[i], { x2: places[i][0], y2: places[i][1] });
        set(dots[i], { cx: places[i][0], cy: places[i][1] });
      });
      const taken = [];
      labels.forEach((label, i) => {
        const free = spot(places[i], label.wide, places, taken, [width, height], label.first);
        label.element.style.display = free ? "" : "none";
        if (free) set(label.element, { x: free.x, y: free.y });
        if (free) label.first = free.k; // where it stands it stays while it turns, as long as that is free
      });
      trace.edges.forEach(([i, j], k) => set(edges[k], { x1: places[i][0], y1: places[i][1], x2: places[j][0], y2: places[j][1] }));
    }
    const turn = (by) => { by.forEach(([a, b, angle]) => rotate(frame, a, b, angle)); show(); };
    show();
    drag(plot, sheet, turn);
    if (d > 3) tour(sheet, d, turn);
    return places.map((_, i) => ({
      get x() { return places[i][0]; }, get y() { return places[i][1]; },
      say: () => `feature ${trace.names[i]}, length ${short(trace.lengths[i])}`,
    }));
  }

  // Rows of an orthogonal matrix: the first two are drawn, the others are what the picture turns into.
  function start(d) {
    const frame = Array.from({ length: d }, (_, r) => Array.from({ length: d }, (_, c) => Number(r === c)));
    if (d === 3) { rotate(frame, 0, 2, 0.6); rotate(frame, 1, 2, -0.45); }
    else for (let k = 2; k < d; k += 1) rotate(frame, k % 2, k, 0.5 + 0.3 * k);
    return frame;
  }

  function rotate(frame, a, b, angle) {
    const c = Math.cos(angle), s = Math.sin(angle);
    frame[a].forEach((v, k) => {
      const w = frame[b][k];
      frame[a][k] = c * v + s * w;
      frame[b][k] = c * w - s * v;
    });
  }

  function drag(plot, sheet, turn) {
    let last = null;
    sheet.onpointerdown = (event) => {
      if (event.target.closest("button")) return;
      last = event;
      sheet.setPointerCapture(event.pointerId);
    };
    sheet.onpointerup = sheet.onpointercancel = () => { last = null; };
    sheet.addEventListener("pointermove", (event) => {
      if (!last) return;
      turn([[0, 2, (last.clientX - event.clientX) / 120], [1, 2, (event.clientY - last.clientY) / 120]]);
      last = event;
    });
    const keys = { ArrowLeft: [0, 2, STEP], ArrowRight: [0, 2, -STEP], ArrowUp: [1, 2, -STEP], ArrowDown: [1, 2, STEP] };
    plot.onkeydown = (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      turn([keys[event.key]]);
    };
  }

  // Through all planes of axes, each at a speed of its own, so that no view returns soon (a grand tour).
  function tour(sheet, d, turn) {
    const planes = [];
    for (let a = 0; a < 2; a += 1) for (let b = 2; b < d; b += 1) planes.push([a, b, TURN * Math.sqrt(1 + a + 2 * b) / d]);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "tour";
    let before = null;
    function step(now) {
      if (!sheet.isConnected || button.textContent !== "Pause") return;
      if (before !== null) turn(planes.map(([a, b, speed]) => [a, b, speed * Math.min(now - before, 100) / 1000]));
      before = now;
      requestAnimationFrame(step);
    }
    function run(on) {
      button.textContent = on ? "Pause" : "Turn";
      button.setAttribute("aria-label", `${on ? "Pause" : "Start"} the slow turn through ${d} dimensions`);
      before = null;
      if (on) requestAnimationFrame(step);
    }
    button.onclick = () => run(button.textContent !== "Pause");
    sheet.append(button);
    requestAnimationFrame(() => run(!calm.matches && !document.documentElement.classList.contains("print")));
  }

  return { space };
})();
