// Gráficos de líneas en SVG: los colores salen de la hoja de estilo, así que siguen al tema.

const MARGIN = { left: 46, right: 14, top: 6, bottom: 36 };

/** Función que lleva [min, max] a [from, to]; con `log`, en escala logarítmica. */
function scale({ min, max, log }, from, to) {
  const f = log ? Math.log10 : (v) => v;
  return (v) => from + ((f(v) - f(min)) / (f(max) - f(min))) * (to - from);
}

/** Valores redondos para las marcas de un eje, a lo sumo unas `count`; o las dadas en `marks`. */
function ticks({ min, max, log, marks }, count) {
  return marks ?? (log ? decades(min, max, count) : roundSteps(min, max, count));
}

/** Múltiplos de 1, 2 o 5 por una potencia de diez. */
function roundSteps(min, max, count) {
  const rough = (max - min) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999);
  const first = Math.ceil(min / step - 1e-9);
  const total = Math.floor(max / step + 1e-9) - first + 1;
  return Array.from({ length: total }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Potencias de diez, salteadas si no caben. */
function decades(min, max, count) {
  const low = Math.ceil(Math.log10(min) - 1e-9);
  const high = Math.floor(Math.log10(max) + 1e-9);
  const step = Math.max(1, Math.ceil((high - low) / count));
  const exponents = [];
  for (let e = Math.ceil(low / step) * step; e <= high; e += step) exponents.push(e);
  return exponents.map((e) => 10 ** e);
}

/** Texto de una marca: 10⁻³ en escala logarítmica, el número tal cual en la lineal. */
function tickText(value, log) {
  if (!log) return minus(String(value));
  const exponent = Math.round(Math.log10(value));
  return exponent === 0 ? "1" : exponent === 1 ? "10" : `10${superscript(exponent)}`;
}

/** Trazo de una línea; los puntos que no son finitos la interrumpen. */
function linePath(points, x, y) {
  let pen = "M";
  return points.map(([u, v]) => {
    const [px, py] = [x(u), y(v)];
    if (!Number.isFinite(px) || !Number.isFinite(py)) { pen = "M"; return ""; }
    const command = `${pen}${px.toFixed(1)} ${py.toFixed(1)}`;
    pen = "L";
    return command;
  }).join("");
}

/**
 * Gráfico con título. `draw(spec)` lo dibuja, con spec = { x, y, series, bars, cursor, summary }:
 * x, y = { min, max, log, label }; series = [{ points, style }]; bars = [[desde, hasta, altura]].
 * `onpick(u)` recibe el valor de x que se señala con el ratón o el dedo.
 */
function chart({ title, height = 190, onpick }) {
  const drawing = svg("svg", { role: "img", class: onpick ? "cw-pickable" : null });
  const root = h("figure", { class: "cw-chart" }, h("figcaption", {}, ...rich(title)), drawing);
  let spec = null;
  const frame = () => {
    const width = Math.max(220, drawing.clientWidth);
    return { width, right: width - MARGIN.right, bottom: height - MARGIN.bottom };
  };
  const render = () => {
    if (!spec || !drawing.clientWidth) return;
    const { width, right, bottom } = frame();
    fill(drawing, { height, viewBox: `0 0 ${width} ${height}`, "aria-label": plain(`${title}. ${spec.summary ?? ""}`) }, []);
    const x = scale(spec.x, MARGIN.left, right);
    const y = scale(spec.y, bottom, MARGIN.top);
    drawing.replaceChildren(axes(spec, x, y, right, bottom), content(spec, x, y, right, bottom));
  };
  const pick = (event) => {
    const { right } = frame();
    const u = (event.clientX - drawing.getBoundingClientRect().left - MARGIN.left) / (right - MARGIN.left);
    onpick(spec.x.min + Math.max(0, Math.min(1, u)) * (spec.x.max - spec.x.min));
  };
  if (onpick) {
    drawing.addEventListener("pointerdown", (event) => { drawing.setPointerCapture(event.pointerId); pick(event); });
    drawing.addEventListener("pointermove", (event) => { if (event.buttons) pick(event); });
  }
  const observer = new ResizeObserver(render);
  observer.observe(drawing);
  return { root, draw: (s) => { spec = s; render(); }, remove: () => observer.disconnect() };
}

/** Ejes: rejilla tenue, marcas y nombres. */
function axes(spec, x, y, right, bottom) {
  const group = svg("g", { class: "cw-axes", "aria-hidden": "true" });
  for (const v of ticks(spec.x, right < 330 ? 4 : 5)) {
    group.append(svg("line", { x1: x(v), x2: x(v), y1: MARGIN.top, y2: bottom }));
    group.append(svg("text", { x: x(v), y: bottom + 15, "text-anchor": "middle" }, tickText(v, spec.x.log)));
  }
  for (const v of ticks(spec.y, 5)) {
    group.append(svg("line", { x1: MARGIN.left, x2: right, y1: y(v), y2: y(v) }));
    group.append(svg("text", { x: MARGIN.left - 6, y: y(v) + 4, "text-anchor": "end" }, tickText(v, spec.y.log)));
  }
  const middle = (MARGIN.left + right) / 2;
  group.append(svg("text", { x: middle, y: bottom + 31, "text-anchor": "middle" }, spec.x.label ?? ""));
  return group;
}

/** Barras, líneas y cursor, recortados al marco del gráfico. */
function content(spec, x, y, right, bottom) {
  const [left, top] = [MARGIN.left, MARGIN.top];
  const inner = svg("svg", {
    x: left, y: top, width: right - left, height: bottom - top, overflow: "hidden",
    viewBox: `${left} ${top} ${right - left} ${bottom - top}`, "aria-hidden": "true",
  });
  for (const [from, to, value] of spec.bars ?? []) {
    const width = Math.max(0, x(to) - x(from) - 1);
    inner.append(svg("rect", { class: "cw-bar", x: x(from), y: y(value), width, height: bottom - y(value) }));
  }
  for (const { points, style } of spec.series) {
    inner.append(svg("path", { class: `cw-line ${style}`, d: linePath(points, x, y) }));
  }
  if (spec.cursor != null) {
    inner.append(svg("line", { class: "cw-cursor", x1: x(spec.cursor), x2: x(spec.cursor), y1: top, y2: bottom }));
  }
  return inner;
}

/** Leyenda: parejas [estilo de la línea, texto]. */
function legend(entries) {
  const sample = (style) => svg("svg", { viewBox: "0 0 24 10", "aria-hidden": "true" },
    svg("path", { class: `cw-line ${style}`, d: "M1 5H23" }));
  return h("ul", { class: "cw-legend" },
    ...entries.map(([style, text]) => h("li", {}, sample(style), h("span", {}, ...rich(text)))));
}
