(() => {
  "use strict";

  // --- sections: unpacked when they are opened -----------------------------------------------------------

  const specs = new Map();
  const filling = new Map();

  async function unpacked(id) {
    const packed = document.getElementById(id);
    const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
    packed.remove();
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  function fill(section) {
    if (filling.has(section.id)) return filling.get(section.id);
    const filled = fillAnew(section);
    filling.set(section.id, filled);
    return filled;
  }

  async function fillAnew(section) {
    const held = await unpacked(`packed-${section.id}`);
    specs.set(section.id, held.figures);
    if ("html" in held) section.querySelector(".body").innerHTML = held.html;
    const facts = section.querySelector("dl[data-row]");
    facts?.parentNode.addEventListener("toggle", () => listFacts(facts), { once: true });
    watch(section);
  }

  // All columns of all matrices are held once, for the overview and for the lists of one matrix's numbers.
  let unpackedColumns = null;
  const allColumns = () => (unpackedColumns ??= unpacked("packed-overview"));

  async function listFacts(list) {
    const { heads, cells } = await allColumns();
    heads.forEach((column, c) => {
      if (column.key === "matrix") return;
      const item = document.createElement("div"), term = document.createElement("dt"), value = document.createElement("dd");
      const [written, exact] = cells[list.dataset.row][c];
      item.title = column.about;
      term.textContent = column.label;
      value.textContent = written;
      value.title = exact ?? written;
      item.append(term, value);
      list.append(item);
    });
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

  // --- the overview: sort by a heading, search names, show all columns ------------------------------------

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
    table.querySelectorAll("tr.group").forEach((row) => row.remove()); // the order is another one now
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: keyOf(row, header.cellIndex, text) }));
    rows.sort((a, b) => {
      if (missing(a.key) || missing(b.key)) return missing(a.key) - missing(b.key); // last, both ways
      const difference = text ? order.compare(a.key, b.key) : a.key === b.key ? 0 : a.key < b.key ? -1 : 1;
      return down ? -difference : difference;
    });
    table.tBodies[0].append(...rows.map((item) => item.row));
  }

  function searching() {
    const rows = [...table.querySelectorAll("tr[data-section]")];
    const names = new Map(rows.map((row) => [row, row.querySelector("th").textContent.toLowerCase()]));
    const search = document.getElementById("filter");
    const apply = () => {
      const wanted = search.value.trim().toLowerCase();
      let shown = 0, group = null;
      for (const row of table.tBodies[0].rows) {
        if (row.className === "group") {
          group = row;
          row.hidden = wanted !== "";
          continue;
        }
        const keep = names.get(row).includes(wanted);
        row.hidden = !keep;
        document.getElementById(`matrix-${row.dataset.section}`).hidden = !keep;
        shown += keep;
        if (keep && group) group.hidden = false;
      }
      document.getElementById("shown").textContent = wanted ? `${shown} of ${rows.length}` : "";
    };
    search.addEventListener("input", apply);
    apply(); // a reload keeps what was typed
  }

  // The columns that the page was written with, and all of them, which are made when they are first asked for.
  function widening() {
    const box = document.getElementById("all-columns");
    const head = table.tHead.rows[0];
    const rows = [...table.querySelectorAll("tr[data-section]")];
    const few = new Map([head, ...rows].map((row) => [row, [...row.cells]]));
    let every = null;
    function cell(tag, column, name) {
      const made = document.createElement(tag);
      made.className = column.text ? "text" : "number";
      if (tag === "th") Object.assign(made, { scope: "col", ariaSort: "none" });
      made.append(name);
      return made;
    }
    async function make() {
      const { heads, cells } = await allColumns();
      every = new Map([[head, heads.map((column) => {
        const button = document.createElement("button");
        Object.assign(button, { type: "button", title: column.about, textContent: column.label });
        button.dataset.key = column.key;
        return cell("th", column, button);
      })]]);
      for (const row of rows) every.set(row, heads.map((column, c) => {
        if (column.key === "matrix") return few.get(row)[0];
        const [written, value] = cells[row.dataset.section][c];
        const made = cell("td", column, written);
        if (value !== undefined) Object.assign(made.dataset, { value }), made.title = value;
        return made;
      }));
    }
    async function widen() {
      if (box.checked && !every) await make();
      if (!every) return;
      for (const [row, cells] of box.checked ? every : few) row.replaceChildren(...cells);
      table.querySelectorAll("tr.group > th").forEach((group) => { group.colSpan = head.cells.length; });
    }
    box.addEventListener("change", widen);
    widen();
  }

  if (table) {
    table.tHead.addEventListener("click", (event) => {
      const header = event.target.closest("th");
      if (header) sortBy(header);
    });
    searching();
    widening();
  }

  // --- a link to a section opens it, and goes to its part once that is there ------------------------------------

  async function follow() {
    const place = /^#(matrix-\d+)(-[a-z]+)?$/.exec(location.hash);
    const section = place && document.getElementById(place[1]);
    if (!section) return;
    section.hidden = false;
    section.open = true;
    await fill(section);
    (document.getElementById(place[0].slice(1)) ?? section).scrollIntoView();
  }
  addEventListener("hashchange", follow);
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a");
    if (link && link.hash && link.hash === location.hash) follow();
  });
  follow();
})();
