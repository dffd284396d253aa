// Figures with axes: points, lines, bars and heat maps.
const Plane = (() => {
  "use strict";

  const { DOTS, paint, add, write, ruler, widthOf, cut, short, filled, at, fitting, spot, CENTRE, TALL } = Pen;
  const BETWEEN = { x: 78, y: 40 }; // least pixels between two ticks
  const GAP = 1; // pixels between the cells of a small heat map
  const MOST_RECTANGLES = 1600; // cells of a heat map that are shapes of their own; more become one image

  // --- axes -----------------------------------------------------------------------------------------------

  function scaleOf(spec, letter, traces) {
    const axis = spec.layout[`${letter}axis`] ?? {};
    const flat = traces.filter((trace) => trace[letter]);
    const words = axis.type === "category" || flat.some((trace) => trace[letter].some((v) => typeof v === "string"));
    if (words) return categories(axis, letter, flat);
    const log = axis.type === "log";
    const to = log ? Math.log10 : (v) => v;
    let low = Infinity, high = -Infinity, tight = true;
    const take = (v) => { if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); } };
    for (const trace of flat) {
      const values = trace[letter].filter((v) => v !== null).map(to);
      if (trace.type === "heatmap" && values.length) {
        const half = values.length > 1 ? (values.at(-1) - values[0]) / (values.length - 1) / 2 : 0.5;
        take(values[0] - half);
        take(values.at(-1) + half);
      } else if (trace.type === "bar" && letter === "x") {
        const half = (at(trace.width, 0) ?? (values.at(-1) - values[0]) / Math.max(values.length - 1, 1)) / 2;
        take(values[0] - half);
        take(values.at(-1) + half);
      } else {
        values.forEach(take);
        if (trace.type === "bar") { if (!log) take(0); } else tight = false;
        if (trace.error_y && letter === "y") trace.y.forEach((v, i) => {
          take(v + trace.error_y.array[i]);
          take(v - trace.error_y.arrayminus[i]);
        });
      }
    }
    if (axis.rangemode === "tozero" && !log) take(0);
    if (!(low <= high)) [low, high] = [0, 1];
    if (low === high) [low, high] = [low - 0.5 * Math.max(Math.abs(low), 1e-9), high + 0.5 * Math.max(Math.abs(high), 1e-9)];
    const pad = tight ? 0 : 0.045 * (high - low);
    if (axis.range) [low, high] = axis.range;
    else if (tight) high += letter === "y" && flat.every((t) => t.type === "bar") ? 0.04 * (high - low) : 0;
    else {
      high += pad;
      if (!(axis.rangemode === "tozero" && low === 0)) low -= pad;
    }
    const turned = (axis.autorange === "reversed") !== (letter === "y");
    return { axis, log, low, high, turned, to, place: (v) => (to(v) - low) / (high - low) };
  }

  function categories(axis, letter, traces) {
    const names = [...new Set(traces.flatMap((trace) => trace[letter].map(String)))];
    const position = new Map(names.map((name, k) => [name, k]));
    const turned = (axis.autorange === "reversed") !== (letter === "y");
    const n = Math.max(names.length, 1);
    return { axis, names, low: 0, high: n, turned, place: (v) => ((position.get(String(v)) ?? NaN) + 0.5) / n };
  }

  // The names of an axis in rows, and how many of them have room; every other one a row lower only where all have, then.
  function namesOf({ names, axis }, pixels, letter) {
    const plain = names.map((name) => [cut(name, 14)]);
    if (letter === "y") return { lines: plain, room: Math.floor(pixels / 15) };
    const room = (lines) => pixels / (Math.max(1, ...lines.flat().map((line) => widthOf(line))) + 8);
    const lower = names.map((name, k) => (k % 2 ? ["", cut(name, 18)] : [cut(name, 18)]));
    if (!axis.nticks && names.length > room(plain) && names.length <= 2 * room(lower)) return { lines: lower, room: names.length };
    return { lines: plain, room: Math.max(1, Math.floor(room(plain))) };
  }

  function ticksOf(scale, pixels, letter) {
    if (scale.axis.showticklabels === false || scale.axis.visible === false) return [];
    const most = Math.max(2, Math.floor(pixels / BETWEEN[letter]));
    if (scale.names) {
      const { lines, room } = namesOf(scale, pixels, letter);
      const every = Math.max(1, Math.ceil(scale.names.length / Math.min(room, scale.axis.nticks ?? Infinity)));
      return scale.names.map((name, k) => ({ k, at: scale.place(name), text: lines[k].at(-1), lines: lines[k], whole: name }))
        .filter(({ k }) => k % every === 0);
    }
    const ticks = [];
    if (scale.log) {
      const decades = scale.high - scale.low;
      const every = Math.max(1, Math.ceil(decades / most));
      const within = decades < 1.2 ? [1, 2, 3, 5, 7] : decades < 2.2 && every === 1 ? [1, 2, 5] : [1];
      for (let power = Math.floor(scale.low); power <= scale.high; power += 1) {
        if (power % every !== 0) continue;
        for (const factor of within) {
          const v = power + Math.log10(factor);
          if (v < scale.low - 1e-9 || v > scale.high + 1e-9) continue;
          const value = Number(`${factor}e${power}`);
          ticks.push({ at: (v - scale.low) / (scale.high - scale.low), text: short(value) });
        }
      }
      if (ticks.length > 1) return ticks;
    }
    const from = scale.low, to = scale.high;
    const raw = (to - from) / most;
    const size = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((f) => f * size).find((s) => s >= raw * 0.999);
    for (let k = Math.ceil(from / step - 1e-9); k * step <= to + 1e-9 * step; k += 1) {
      const value = Number((k * step).toPrecision(12));
      ticks.push({ at: (value - from) / (to - from), text: short(scale.log ? 10 ** value : value) });
    }
    return ticks;
  }

  // --- a figure in the plane ----------------------------------------------------------------------------------

  function flat(sheet, spec) {
    const traces = spec.data;
    const width = sheet.clientWidth || 400, height = sheet.clientHeight || 300;
    const heat = traces.find((trace) => trace.type === "heatmap" && trace.showscale !== false);
    const scales = { x: scaleOf(spec, "x", traces), y: scaleOf(spec, "y", traces) };
    const title = (letter) => spec.layout[`${letter}axis`]?.title?.text ?? "";
    const labels = ticksOf(scales.y, height - 60, "y");
    const left = 14 + Math.max(0, ...labels.map((tick) => widthOf(tick.text))) + (title("y") ? 20 : 0);
    const texts = traces.filter((t) => t.mode?.includes("text") && at(t.textposition, 0) === "middle right");
    const notes = spec.layout.annotations ?? [];
    const beyond = Math.max(0, ...texts.flatMap((t) => t.text.map((text) => widthOf(text))), ...notes.map((n) => widthOf(n.text, 10)));
    const marked = heat?.colorbar?.ticktext;
    const scale = heat ? 34 + (marked ? Math.max(...marked.map((text) => widthOf(text, 11))) : 26) + (heat.colorbar?.title ? 16 : 0) : 0;
    const area = { left, top: traces.some((t) => t.mode?.includes("text")) ? 24 : 10, right: width - 14 - beyond - scale, bottom: height - (title("x") ? 42 : 24) };
    if (scales.x.names && namesOf(scales.x, area.right - area.left, "x").lines.some((lines) => lines.length > 1)) area.bottom -= 14;
    const wide = area.right - area.left, tall = area.bottom - area.top;
    if (spec.layout.yaxis?.scaleanchor === "x") square(area, scales);
    const svg = add(sheet, "svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const to = {
      x: (v) => { const p = scales.x.place(v); return area.left + (scales.x.turned ? 1 - p : p) * (area.right - area.left); },
      y: (v) => { const p = scales.y.place(v); return area.top + (scales.y.turned ? 1 - p : p) * (area.bottom - area.top); },
    };
    if (wide <= 20 || tall <= 20) return [];
    grid(svg, area, scales, labels, title, height);
    const clip = `clip-${flat.count = (flat.count ?? 0) + 1}`;
    add(add(svg, "clipPath", { id: clip }), "rect",
      { x: area.left - 5, y: area.top - 5, width: area.right - area.left + 10, height: area.bottom - area.top + 10 });
    const marks = [];
    for (const trace of traces) {
      const group = add(svg, "g", { class: trace.type, "clip-path": `url(#${clip})` });
      ({ heatmap, bar, scatter })[trace.type](group, trace, to, area, marks, scales, svg);
    }
    for (const note of notes) write(svg, area.right + 4, to.y(note.y), note.text, { "dominant-baseline": "middle" }, { fontSize: "10px" });
    if (heat) colourBar(svg, heat, area, area.right + 12);
    return marks;
  }

  // Equal units along both axes, in the middle of the room there is.
  function square(area, { x, y }) {
    const unit = Math.min((area.right - area.left) / (x.high - x.low), (area.bottom - area.top) / (y.high - y.low));
    const spareX = area.right - area.left - unit * (x.high - x.low), spareY = area.bottom - area.top - unit * (y.high - y.low);
    area.left += spareX / 2; area.right -= spareX / 2;
    area.top += spareY / 2; area.bottom -= spareY / 2;
  }

  function grid(svg, area, scales, labels, title, height) {
    const rule = { stroke: "var(--rule)", strokeWidth: "1px" };
    const ink = { stroke: "var(--muted)", strokeWidth: "1px" };
    for (const tick of ticksOf(scales.x, area.right - area.left, "x")) {
      const x = area.left + (scales.x.turned ? 1 - tick.at : tick.at) * (area.right - area.left);
      if (!scales.x.names && scales.x.axis.showgrid !== false) add(svg, "line", { x1: x, x2: x, y1: area.top, y2: area.bottom }, rule);
      add(svg, "line", { x1: x, x2: x, y1: area.bottom, y2: area.bottom + 4 }, ink);
      for (const [row, text] of (tick.lines ?? [tick.text]).entries()) {
        if (text === "") continue;
        const label = write(svg, x, area.bottom + 17 + 14 * row, text, { "text-anchor": "middle", class: "xtick" });
        if (tick.whole) add(label, "title").textContent = tick.whole;
      }
    }
    for (const tick of labels) {
      const y = area.top + (scales.y.turned ? 1 - tick.at : tick.at) * (area.bottom - area.top);
      if (!scales.y.names && scales.y.axis.showgrid !== false) add(svg, "line", { x1: area.left, x2: area.right, y1: y, y2: y }, rule);
      add(svg, "line", { x1: area.left - 4, x2: area.left, y1: y, y2: y }, ink);
      const label = write(svg, area.left - 7, y, tick.text, { "text-anchor": "end", "dominant-baseline": "central", class: "ytick" });
      if (tick.whole) add(label, "title").textContent = tick.whole;
    }
    for (const letter of ["x", "y"]) {
      const scale = scales[letter];
      if (scale.axis.zeroline && scale.low < 0 && scale.high > 0) {
        const zero = -scale.low / (scale.high - scale.low);
        const x = area.left + zero * (area.right - area.left), y = area.bottom - zero * (area.bottom - area.top);
        add(svg, "line", letter === "x" ? { x1: x, x2: x, y1: area.top, y2: area.bottom } : { x1: area.left, x2: area.right, y1: y, y2: y }, ink);
      }
    }
    add(svg, "path", { d: `M${area.left} ${area.top}V${area.bottom}H${area.right}`, fill: "none" }, ink);
    if (title("x")) write(svg, (area.left + area.right) / 2, height - 6, title("x"), { "text-anchor": "middle" });
    const middle = (area.top + area.bottom) / 2;
    if (title("y")) write(svg, 13, middle, title("y"), { "text-anchor": "middle", transform: `rotate(-90 13 ${middle})` });
  }

  function scatter(group, trace, to, area, marks, scales, svg) {
    const mode = trace.mode ?? "lines";
    const points = trace.x.map((x, i) => (x === null || trace.y[i] === null ? null : [to.x(x), to.y(trace.y[i])]))
      .map((point) => (point && Number.isFinite(point[0]) && Number.isFinite(point[1]) ? point : null));
    if (mode.includes("lines") || trace.fill) {
      let d = "", pen = "M";
      for (const point of points) {
        if (point === null) { pen = "M"; continue; }
        d += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
        pen = "L";
      }
      const line = trace.line ?? {};
      add(group, "path", { d, fill: "none" }, {
        stroke: line.width === 0 ? "none" : paint(line.color ?? "--c0"), strokeWidth: `${line.width ?? 1.5}px`, strokeLinejoin: "round",
        strokeDasharray: line.dash ? DOTS : trace.dashes ?? "none", fill: trace.fill ? paint(trace.fillcolor) : "none", opacity: trace.opacity ?? 1,
      });
    }
    if (trace.error_y) points.forEach((point, i) => {
      if (point) add(group, "line", { x1: point[0], x2: point[0], y1: to.y(trace.y[i] - trace.error_y.arrayminus[i]), y2: to.y(trace.y[i] + trace.error_y.array[i]) },
        { stroke: paint(at(trace.marker.color, i)), strokeWidth: "1.5px" });
    });
    if (mode.includes("markers")) symbols(group, trace, points);
    if (mode.includes("text")) names(svg, trace, points);
    const template = trace.hovertemplate ?? (trace.hoverinfo === "skip" ? "" : trace.hoverinfo === "text" ? "%{text}" : mode.includes("markers") ? `${trace.name ?? ""}\n%{x}, %{y}` : "");
    if (template) points.forEach((point, i) => {
      if (!point || (trace.hoverinfo === "text" && !at(trace.text, i))) return;
      marks.push({ x: point[0], y: point[1], say: () => filled(template, { x: trace.x[i], y: trace.y[i], text: at(trace.text, i), customdata: trace.customdata?.[i] }) });
    });
  }

  // Names beside their marks: where one would cover another it moves around its mark, and is left out if nothing is free.
  function names(svg, trace, points) {
    const width = Number(svg.getAttribute("width")), height = Number(svg.getAttribute("height"));
    const shown = points.map((point, i) => (point ? fitting(at(trace.text, i), width) : "")); // point and name, or nothing
    if (trace.mode.includes("lines")) { // the name of a line stands at its end
      const right = trace.textposition === "middle right", above = trace.textposition === "top center";
      const ends = (svg.ends ??= []); // of all lines of this figure
      points.forEach((point, i) => {
        if (!shown[i]) return;
        const wide = widthOf(shown[i]), half = right ? 0 : wide / 2;
        const x = half ? Math.min(Math.max(point[0], half), Math.max(width - half, half)) : point[0] + 5;
        const y = point[1] - (above ? 9 : 0), left = x - half;
        if (ends.some((other) => Math.abs(y - other.y) < TALL && left < other.left + other.wide && other.left < left + wide)) return;
        ends.push({ y, left, wide });
        write(svg, x, y, shown[i], { "text-anchor": right ? "start" : "middle", "dominant-baseline": "central", class: "label" });
      });
      return;
    }
    const marks = trace.mode.includes("markers") ? points.filter(Boolean) : [], taken = [];
    const first = marks.length ? 0 : CENTRE;
    points.forEach((point, i) => {
      const free = shown[i] && spot(point, widthOf(shown[i]), marks, taken, [width, height], first);
      if (free) write(svg, free.x, free.y, shown[i], { "text-anchor": "middle", "dominant-baseline": "central", class: "label" });
    });
  }

  // One path for each colour and size, so that thousands of points stay light.
  function symbols(group, trace, points) {
    const marker = trace.marker ?? {};
    const kinds = new Map();
    points.forEach((point, i) => {
      const size = at(marker.size ?? 6, i), colour = at(marker.color ?? "--c0", i);
      if (!point || !size) return;
      const key = `${colour} ${size}`;
      if (!kinds.has(key)) kinds.set(key, { size, colour, places: [] });
      kinds.get(key).places.push({ point, before: points[i - 1] });
    });
    for (const { size, colour, places } of kinds.values()) {
      const h = size / 2, round = (v) => v.toFixed(1);
      const drawn = places.map(({ point: [x, y], before }) => {
        if (marker.symbol === "x") return `M${round(x - h)} ${round(y - h)}l${size} ${size}m0 ${-size}l${-size} ${size}`;
        if (marker.symbol === "line-ns-open") return `M${round(x)} ${round(y - h)}v${size}`;
        if (marker.symbol !== "arrow") return `M${round(x)} ${round(y)}h0`;
        const angle = before ? Math.atan2(y - before[1], x - before[0]) : 0;
        const corner = (turn, far) => `${round(x + far * Math.cos(angle + turn))} ${round(y + far * Math.sin(angle + turn))}`;
        return `M${corner(0, 0)}L${corner(Math.PI - 0.38, size)}L${corner(Math.PI + 0.38, size)}Z`;
      });
      const dot = !marker.symbol, solid = marker.symbol === "arrow";
      add(group, "path", { d: drawn.join(""), class: "points", "data-count": places.length }, {
        stroke: paint(colour), strokeWidth: `${dot ? size : solid ? 1 : 1.5}px`, strokeLinecap: dot ? "round" : "butt",
        fill: solid ? paint(colour) : "none", opacity: marker.opacity ?? 1,
      });
    }
  }

  function bar(group, trace, to, area, marks, scales) {
    const step = trace.x.length > 1 ? Math.abs(trace.x[1] - trace.x[0]) : 1;
    const floor = scales.y.log ? area.bottom : to.y(0);
    let d = "", count = 0;
    trace.x.forEach((x, i) => {
      if (!trace.y[i]) return;
      const half = (at(trace.width, i) ?? step * 0.96) / 2;
      const a = to.x(x - half), b = to.x(x + half), top = to.y(trace.y[i]);
      d += `M${a.toFixed(1)} ${floor.toFixed(1)}V${top.toFixed(1)}H${b.toFixed(1)}V${floor.toFixed(1)}Z`;
      count += 1;
      marks.push({ x: (a + b) / 2, y: top, column: [a, b], say: () => filled(trace.hovertemplate ?? "%{x}: %{y}", { x, y: trace.y[i] }) });
    });
    add(group, "path", { d, class: "bars", "data-count": count }, { fill: paint(trace.marker.color), opacity: trace.marker.opacity ?? 1 });
  }

  // --- heat maps ----------------------------------------------------------------------------------------------

  function mixer(scale, root) {
    const style = getComputedStyle(root);
    const stops = scale.map(([end, colour]) => {
      ruler.fillStyle = colour.startsWith("--") ? style.getPropertyValue(colour).trim() : colour;
      return [end, [1, 3, 5].map((k) => parseInt(ruler.fillStyle.slice(k, k + 2), 16))];
    });
    return (share) => {
      const s = Math.min(1, Math.max(0, share));
      let k = stops.findIndex(([end]) => end >= s);
      if (k <= 0) return stops[Math.max(k, 0)][1];
      const [from, a] = stops[k - 1], [end, b] = stops[k];
      const t = end > from ? (s - from) / (end - from) : 1;
      return a.map((channel, c) => Math.round(channel + t * (b[c] - channel)));
    };
  }

  function heatRange(trace) {
    const values = trace.z.flat().filter((v) => v !== null);
    return [trace.zmin ?? Math.min(...values), trace.zmax ?? Math.max(...values)];
  }

  function heatmap(group, trace, to, area, marks) {
    const [low, high] = heatRange(trace);
    const colour = mixer(trace.colorscale, document.documentElement);
    const rows = trace.z.length, columns = trace.z[0].length;
    const xs = trace.x.map(to.x), ys = trace.y.map(to.y);
    const w = columns > 1 ? Math.abs(xs.at(-1) - xs[0]) / (columns - 1) : area.right - area.left;
    const h = rows > 1 ? Math.abs(ys.at(-1) - ys[0]) / (rows - 1) : area.bottom - area.top;
    const gap = trace.xgap || trace.ygap ? GAP : 0;
    const shade = (z) => colour(high > low ? (z - low) / (high - low) : 0.5);
    if (rows * columns <= MOST_RECTANGLES) {
      trace.z.forEach((row, r) => row.forEach((z, c) => {
        if (z === null) return;
        add(group, "rect", { x: xs[c] - w / 2, y: ys[r] - h / 2, width: Math.max(w - gap, 0.5), height: Math.max(h - gap, 0.5) },
          { fill: `rgb(${shade(z).join(" ")})`, opacity: trace.opacity ?? 1 });
      }));
    } else {
      const canvas = document.createElement("canvas");
      canvas.width = columns; canvas.height = rows;
      const context = canvas.getContext("2d"), pixels = context.createImageData(columns, rows);
      const right = xs.at(-1) >= xs[0], down = ys.at(-1) >= ys[0];
      trace.z.forEach((row, r) => row.forEach((z, c) => {
        if (z === null) return;
        const place = 4 * ((down ? r : rows - 1 - r) * columns + (right ? c : columns - 1 - c));
        pixels.data.set([...shade(z), 255 * (trace.opacity ?? 1)], place);
      }));
      context.putImageData(pixels, 0, 0);
      add(group, "image", { href: canvas.toDataURL(), x: Math.min(xs[0], xs.at(-1)) - w / 2, y: Math.min(ys[0], ys.at(-1)) - h / 2,
        width: w * columns, height: h * rows, preserveAspectRatio: "none" }, { imageRendering: "pixelated" });
    }
    if (trace.texttemplate) trace.text.forEach((row, r) => row.forEach((text, c) => {
      write(group, xs[c], ys[r], text, { "text-anchor": "middle", "dominant-baseline": "central" }, { fontSize: `${Math.min(11, w / 5, h / 2.4)}px` });
    }));
    marks.push({ cell: (x, y) => {
      const c = nearest(xs, x), r = nearest(ys, y);
      if (Math.abs(xs[c] - x) > w / 2 + 1 || Math.abs(ys[r] - y) > h / 2 + 1 || trace.z[r][c] === null) return null;
      const say = () => filled(trace.hovertemplate, { x: trace.x[c], y: trace.y[r], z: trace.z[r][c], text: trace.text?.[r]?.[c] });
      return { x: xs[c], y: ys[r], box: [w, h], say };
    }, grid: { xs, ys } });
  }

  const nearest = (values, v) => values.reduce((best, value, k) => (Math.abs(value - v) < Math.abs(values[best] - v) ? k : best), 0);

  function colourBar(svg, trace, area, x) {
    const [low, high] = heatRange(trace), id = `bar-${colourBar.count = (colourBar.count ?? 0) + 1}`;
    const ramp = add(svg, "linearGradient", { id, x1: 0, x2: 0, y1: 1, y2: 0 });
    for (const [end, colour] of trace.colorscale) add(ramp, "stop", { offset: end }, { stopColor: paint(colour) });
    add(svg, "rect", { x, y: area.top, width: 10, height: area.bottom - area.top, fill: `url(#${id})` }, { opacity: trace.opacity ?? 1 });
    const { tickvals = [low, (low + high) / 2, high], ticktext } = trace.colorbar ?? {};
    tickvals.forEach((value, k) => {
      const y = area.bottom - ((value - low) / (high - low || 1)) * (area.bottom - area.top);
      write(svg, x + 14, Math.min(Math.max(y, area.top + 5), area.bottom - 5), ticktext?.[k] ?? short(Number(value.toPrecision(3))),
        { "dominant-baseline": "central" }, { fontSize: "11px" });
    });
    const said = trace.colorbar?.title?.text;
    const middle = (area.top + area.bottom) / 2, far = x + 52;
    if (said) write(svg, far, middle, said, { "text-anchor": "middle", transform: `rotate(90 ${far} ${middle})` }, { fontSize: "11px" });
  }

  return { flat };
})();
