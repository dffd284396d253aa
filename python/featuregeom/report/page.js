(() => {
  "use strict";

  // --- the overview: sort by a heading, filter by name --------------------------------------------------

  const table = document.getElementById("matrices");

  function keyOf(row, column, text) {
    const cell = row.cells[column];
    if (text) return cell.textContent.trim();
    return "value" in cell.dataset ? Number(cell.dataset.value) : NaN;
  }

  function sortBy(header) {
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentNode.cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const text = header.classList.contains("text");
    const order = new Intl.Collator("en", { numeric: true });
    const missing = (key) => (text ? key === "" : Number.isNaN(key));
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: keyOf(row, header.cellIndex, text) }));
    rows.sort((a, b) => {
      if (missing(a.key) || missing(b.key)) return missing(a.key) - missing(b.key); // last, both ways
      const difference = text ? order.compare(a.key, b.key) : a.key === b.key ? 0 : a.key < b.key ? -1 : 1;
      return down ? -difference : difference;
    });
    table.tBodies[0].append(...rows.map((item) => item.row));
  }

  if (table) {
    const rows = [...table.tBodies[0].rows];
    const filter = document.getElementById("filter");
    const all = document.getElementById("all-columns");
    const apply = () => {
      const wanted = filter.value.trim().toLowerCase();
      let shown = 0;
      rows.forEach((row, section) => {
        const keep = row.cells[0].textContent.toLowerCase().includes(wanted);
        row.hidden = !keep;
        document.getElementById(`matrix-${section}`).hidden = !keep;
        shown += keep;
      });
      document.getElementById("shown").textContent = wanted ? `${shown} of ${rows.length}` : "";
    };
    const widen = () => table.classList.toggle("all", all.checked);
    table.tHead.addEventListener("click", (event) => {
      const header = event.target.closest("th");
      if (header) sortBy(header);
    });
    filter.addEventListener("input", apply);
    all.addEventListener("change", widen);
    apply(); // a reload keeps what was typed
    widen();
  }

  // --- figures: drawn when they come near the window ----------------------------------------------------

  const specs = new Map();

  function specOf(plot) {
    const section = plot.dataset.section;
    if (!specs.has(section)) {
      specs.set(section, JSON.parse(document.getElementById(`figures-${section}`).textContent));
    }
    return specs.get(section)[plot.dataset.figure];
  }

  // A copy in which names of custom properties ("--ink") have become the colours of the present scheme.
  function coloured(value, style) {
    if (typeof value === "string") return value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
    if (Array.isArray(value)) return value.map((item) => coloured(item, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, style)]));
  }

  const AXIS = {
    gridcolor: "--rule", linecolor: "--muted", zerolinecolor: "--rule", tickcolor: "--muted", showline: true,
    ticks: "outside", ticklen: 4, automargin: true, exponentformat: "power", title: { standoff: 8 },
  };
  const BASE = {
    autosize: true, margin: { l: 52, r: 12, t: 10, b: 40 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: "--ink", size: 12 }, hoverlabel: { bgcolor: "--wash", bordercolor: "--muted", font: { color: "--ink" } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: "--muted", activecolor: "--ink" },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, barmode: "overlay",
    template: { data: { heatmap: [{ colorbar: { thickness: 10, outlinewidth: 0 } }] }, layout: { xaxis: AXIS, yaxis: AXIS } },
  };
  const CONFIG = {
    displaylogo: false, displayModeBar: "hover", responsive: true, scrollZoom: false, showTips: false,
    showSendToCloud: false, plotlyServerURL: "",
    toImageButtonOptions: { format: "svg" },
  };

  const spatial = (plot) => specOf(plot).data.some((trace) => trace.type === "scatter3d");

  const printing = () => document.documentElement.classList.contains("print");

  let webgl;
  function hasWebgl() {
    if (webgl === undefined) {
      const context = document.createElement("canvas").getContext("webgl");
      webgl = context !== null;
      context?.getExtension("WEBGL_lose_context")?.loseContext();
    }
    return webgl;
  }

  // A figure in space as its camera sees it, for paper and for browsers without WebGL.
  function flattened(spec) {
    const { x, y, z } = spec.layout.scene.camera.eye;
    const level = Math.hypot(x, y) || 1;
    const length = Math.hypot(x, y, z);
    const right = [-y / level, x / level, 0];
    const up = [(-x * z) / (level * length), (-y * z) / (level * length), level / length];
    const along = (trace, axis) =>
      trace.x.map((_, i) =>
        trace.x[i] === null ? null : axis[0] * trace.x[i] + axis[1] * trace.y[i] + axis[2] * trace.z[i]);
    const data = spec.data.map((trace) => ({
      ...trace, type: "scatter", x: along(trace, right), y: along(trace, up), z: undefined, connectgaps: false,
      line: trace.line && { ...trace.line, width: trace.line.width / 2 }, textposition: "top center",
    }));
    const hidden = { visible: false, range: spec.layout.scene.xaxis.range.map((end) => 1.15 * end) };
    const { scene, ...rest } = spec.layout;
    return { data, layout: { ...rest, xaxis: hidden, yaxis: { ...hidden, scaleanchor: "x" } } };
  }

  function draw(plot) {
    const deep = spatial(plot) && !printing() && hasWebgl();
    const spec = spatial(plot) && !deep ? flattened(specOf(plot)) : specOf(plot);
    const style = getComputedStyle(document.documentElement);
    const layout = coloured({ ...BASE, ...spec.layout }, style);
    layout.font.family = getComputedStyle(document.body).fontFamily;
    const buttons = deep ? ["toImage", "resetCameraDefault3d"] : ["toImage", "resetScale2d"];
    Plotly.react(plot, coloured(spec.data, style), layout, { ...CONFIG, modeBarButtons: [buttons] });
    plot.dataset.drawn = "";
  }

  function erase(plot) {
    if (!("drawn" in plot.dataset)) return;
    const camera = plot.layout.scene?.camera;
    if (camera) specOf(plot).layout.scene.camera = camera; // as it was turned
    Plotly.purge(plot);
    delete plot.dataset.drawn;
  }

  const plots = [...document.querySelectorAll(".plot")];
  const drawn = () => plots.filter((plot) => "drawn" in plot.dataset);

  // Browsers keep few WebGL contexts at a time, so figures in space are given up when they leave the window;
  // the others stay until their section is closed.
  const near = new IntersectionObserver(
    (entries) => {
      if (printing()) return;
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting && !("drawn" in target.dataset)) draw(target);
        else if (!isIntersecting && "drawn" in target.dataset && spatial(target)) erase(target);
      }
    },
    { rootMargin: "300px 0px" },
  );
  plots.forEach((plot) => near.observe(plot));

  for (const section of document.querySelectorAll("details.matrix")) {
    section.addEventListener("toggle", () => {
      if (!section.open) section.querySelectorAll(".plot").forEach(erase);
    });
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn().forEach(draw));
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("print");
    drawn().forEach(erase);
    plots.filter((plot) => plot.offsetParent !== null).forEach(draw); // at the width of the paper
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("print");
    for (const plot of drawn()) {
      erase(plot);
      near.unobserve(plot);
      near.observe(plot); // draws it again if it is near the window
    }
  });

  // --- a link to a section opens it ---------------------------------------------------------------------

  function follow() {
    const section = /^#matrix-\d+$/.test(location.hash) && document.querySelector(location.hash);
    if (!section) return;
    section.hidden = false;
    section.open = true;
    section.scrollIntoView();
  }
  addEventListener("hashchange", follow);
  table?.addEventListener("click", (event) => {
    if (event.target.closest("a")?.hash === location.hash) follow();
  });
  follow();
})();
