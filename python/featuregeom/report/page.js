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

  // --- sections: unpacked when they are opened -----------------------------------------------------------

  const specs = new Map();

  async function unpacked(id) {
    const packed = document.getElementById(id);
    if (!packed) return null;
    const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
    packed.remove();
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  async function fill(section) {
    const held = await unpacked(`packed-${section.id}`);
    if (!held) return;
    specs.set(section.id, held.figures);
    if ("html" in held) section.querySelector(".body").innerHTML = held.html;
    watch(section);
  }

  // --- figures: drawn when they come near the window ----------------------------------------------------

  const near = new IntersectionObserver(
    (entries) => entries.forEach(({ target, isIntersecting }) => {
      if (isIntersecting && !("drawn" in target.dataset)) draw(target);
    }),
    { rootMargin: "300px 0px" },
  );
  const wide = new ResizeObserver((entries) => entries.forEach(({ target, contentRect }) => {
    const width = String(Math.round(contentRect.width));
    if ("drawn" in target.dataset && target.dataset.width !== width && contentRect.width) draw(target);
  }));

  function watch(part) {
    for (const plot of part.querySelectorAll(".plot")) {
      near.observe(plot);
      wide.observe(plot);
    }
  }

  function draw(plot) {
    plot.dataset.width = Math.round(plot.clientWidth);
    Draw.draw(plot, specs.get(plot.closest("[data-figures]").id)[plot.dataset.figure]);
  }

  const plots = (which = "") => [...document.querySelectorAll(`.plot${which}`)];

  for (const section of document.querySelectorAll("[data-figures]")) {
    if (!section.matches("details")) fill(section);
    else {
      section.addEventListener("toggle", () => {
        if (section.open) fill(section);
        else section.querySelectorAll(".plot").forEach(Draw.erase);
      });
      if (section.open) fill(section);
    }
  }

  // Only the colours of heat maps are fixed when they are drawn.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots("[data-drawn=heat]").forEach(draw));
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("print");
    plots().filter((plot) => plot.offsetParent !== null).forEach(draw); // at the width of the paper
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("print");
    plots("[data-drawn]").forEach(draw);
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
