// What all drawings are made of: shapes and text as SVG, the width of text, numbers as text, and where names have room.
// Colours are names of custom properties in page.css ("--c0"), so that paper and the dark scheme need no other drawing.
const Pen = (() => {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";
  const FONT = 12;
  const DOTS = "2 4"; // of a line that is dotted

  const paint = (colour) => (typeof colour === "string" && colour.startsWith("--") ? `var(${colour})` : colour);

  function add(parent, tag, attributes = {}, style = {}) {
    const element = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    Object.assign(element.style, style);
    parent.append(element);
    return element;
  }

  function write(parent, x, y, text, attributes = {}, style = {}) {
    const element = add(parent, "text", { x, y, ...attributes }, { fill: "var(--ink)", fontSize: `${FONT}px`, ...style });
    const lines = String(text).split("\n");
    if (lines.length === 1) element.textContent = text;
    else lines.forEach((line, k) => {
      add(element, "tspan", { x, dy: k ? "1.15em" : `${-0.575 * (lines.length - 1)}em` }).textContent = line;
    });
    return element;
  }

  const ruler = document.createElement("canvas").getContext("2d");
  function widthOf(text, size = FONT) {
    ruler.font = `${size}px sans-serif`;
    return Math.max(...String(text).split("\n").map((line) => ruler.measureText(line).width)) * 1.04;
  }

  function cut(text, most) {
    const letters = [...String(text)];
    return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : String(text);
  }

  // --- numbers and templates ----------------------------------------------------------------------------

  const MINUS = "−";
  const RAISED = (power) => [...String(power)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");

  function short(value) {
    if (value === null || value === undefined) return "";
    if (typeof value !== "number") return String(value);
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-4 || size >= 1e6)) {
      const [mantissa, power] = value.toExponential(3).split("e");
      const lead = String(Number(mantissa));
      return `${lead === "1" ? "" : lead.replace("-", MINUS) + "·"}10${RAISED(Number(power))}`;
    }
    return Number(value.toPrecision(5)).toLocaleString("en", { maximumSignificantDigits: 5 }).replace("-", MINUS);
  }

  const FORMATS = {
    ".1%": (value) => `${(100 * value).toFixed(1)} %`,
    ".3f": (value) => value.toFixed(3).replace("-", MINUS),
    ".4f": (value) => value.toFixed(4).replace("-", MINUS),
  };

  // What stands between %{ and } names a value; all else, hostile names included, is text and nothing but text.
  function filled(template, values) {
    return template.replace(/%\{(\w+)(?:\[(\d+)\])?(?::([^}]+))?\}/g, (_, key, index, format) => {
      const value = index === undefined ? values[key] : values[key][index];
      return format && typeof value === "number" ? FORMATS[format](value) : short(value);
    });
  }

  const at = (value, i) => (Array.isArray(value) ? value[i] : value);

  // --- names beside their marks ------------------------------------------------------------

  function fitting(text, width) {
    const needed = text ? widthOf(text) : 0;
    return needed > width - 4 ? cut(text, Math.floor([...text].length * (width - 4) / needed)) : text;
  }

  // Places of a name around its mark, in steps of its width and height: above, below, beside, at the corners, further off.
  const AROUND = [[0, -1], [0, 1], [1, 0], [-1, 0], [1, -0.8], [-1, -0.8], [1, 0.8], [-1, 0.8], [0, -2.2], [0, 2.2], [0, 0]];
  const CENTRE = AROUND.length - 1;
  const TALL = 14;

  // The first place that covers no other name, and no mark if that can be; null if there is none.
  function spot([px, py], wide, marks, taken, [width, height], first) {
    const half = wide / 2, covers = (box) => ([x, y]) => x > box[0] && x < box[2] && y > box[1] && y < box[3];
    const order = first === CENTRE ? [CENTRE, ...AROUND.keys()] : [first, ...AROUND.keys()].filter((k) => k !== CENTRE);
    for (const avoided of [marks, []]) for (const k of order) {
      const x = Math.min(Math.max(px + AROUND[k][0] * (half + 7), half), Math.max(width - half, half));
      const y = Math.min(Math.max(py + AROUND[k][1] * 10, TALL / 2), height - TALL / 2);
      const box = [x - half, y - TALL / 2, x + half, y + TALL / 2];
      const free = taken.every((other) => box[0] >= other[2] || box[2] <= other[0] || box[1] >= other[3] || box[3] <= other[1]);
      if (!free || avoided.some(covers(box))) continue;
      taken.push(box);
      return { k, x, y };
    }
    return null;
  }

  return { DOTS, paint, add, write, ruler, widthOf, cut, short, filled, at, fitting, spot, CENTRE, TALL };
})();
