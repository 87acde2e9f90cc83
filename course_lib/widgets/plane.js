// Un plano con ejes en SVG: puntos, líneas y elipses, con sitio arriba y a la derecha si hace falta.

/**
 * Plano con título. `draw(spec)` lo dibuja, con spec = { x, y, inside, outside, summary }:
 * x, y = { min, max, label }; `inside(frame)` devuelve lo que se recorta al marco y
 * `outside(frame)` lo que va fuera; frame = { x, y, bounds, left, right, top, bottom, head, end },
 * con las escalas, los ejes, los bordes del marco y los de las franjas. `ratio` es alto/ancho del marco; `onpick`
 * recibe el punto señalado al pulsar o, con `drag`, también al arrastrar.
 */
function plane({ title, ratio = 1, widest = 460, strips = { top: 0, right: 0 }, onpick, drag = false }) {
  const drawing = svg("svg", { role: "img", class: onpick ? "cw-pickable" : null });
  const root = h("figure", { class: "cw-chart cw-plane" }, h("figcaption", {}, ...rich(title)), drawing);
  let spec = null;
  let frame = null;
  const measure = () => {
    const end = Math.min(widest, Math.max(220, drawing.clientWidth)) - 8;
    const [left, right, top] = [MARGIN.left, end - strips.right, MARGIN.top + strips.top];
    const bottom = top + ratio * (right - left);
    return { left, right, top, bottom, head: MARGIN.top, end,
      x: scale(spec.x, left, right), y: scale(spec.y, bottom, top), bounds: [spec.x, spec.y] };
  };
  const render = () => {
    if (!spec || !drawing.clientWidth) return;
    frame = measure();
    const [width, height] = [drawing.clientWidth, frame.bottom + MARGIN.bottom];
    const name = plain(`${title}. ${spec.summary ?? ""}`);
    fill(drawing, { height, viewBox: `0 0 ${width} ${height}`, "aria-label": name }, []);
    drawing.replaceChildren(planeAxes(spec, frame), clipped(frame, spec.inside(frame)), ...(spec.outside?.(frame) ?? []));
  };
  const pick = (event) => {
    const box = drawing.getBoundingClientRect();
    const u = (event.clientX - box.left - frame.left) / (frame.right - frame.left);
    const v = (frame.bottom - (event.clientY - box.top)) / (frame.bottom - frame.top);
    if (!drag && !(u >= 0 && u <= 1 && v >= 0 && v <= 1)) return;
    const within = (w, { min, max }) => min + Math.max(0, Math.min(1, w)) * (max - min);
    onpick(within(u, spec.x), within(v, spec.y));
  };
  if (onpick && drag) {
    drawing.addEventListener("pointerdown", (event) => { drawing.setPointerCapture(event.pointerId); pick(event); });
    drawing.addEventListener("pointermove", (event) => { if (event.buttons) pick(event); });
  } else if (onpick) {
    drawing.addEventListener("click", pick);
  }
  const observer = new ResizeObserver(render);
  observer.observe(drawing);
  return { root, drawing, draw: (s) => { spec = s; render(); }, remove: () => observer.disconnect() };
}

/** Rejilla, marcas y nombres de los dos ejes; la rejilla sigue por las franjas de los lados. */
function planeAxes(spec, { x, y, left, right, top, bottom, head, end }) {
  const group = svg("g", { class: "cw-axes", "aria-hidden": "true" });
  const count = right - left < 260 ? 4 : 6;
  for (const v of ticks(spec.x, count)) {
    group.append(svg("line", { x1: x(v), x2: x(v), y1: head, y2: bottom }));
    group.append(svg("text", { x: x(v), y: bottom + 15, "text-anchor": "middle" }, tickText(v)));
  }
  for (const v of ticks(spec.y, count)) {
    group.append(svg("line", { x1: left, x2: end, y1: y(v), y2: y(v) }));
    group.append(svg("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, tickText(v)));
  }
  const middle = (top + bottom) / 2;
  group.append(svg("rect", { class: "cw-box", x: left, y: top, width: right - left, height: bottom - top }));
  group.append(svg("text", { class: "cw-name", x: (left + right) / 2, y: bottom + 31, "text-anchor": "middle" }, spec.x.label));
  group.append(svg("text", { class: "cw-name", x: 9, y: middle, "text-anchor": "middle", transform: `rotate(-90 9 ${middle})` }, spec.y.label));
  return group;
}

/** Lo que se dibuja dentro del marco, recortado a él. */
function clipped({ left, right, top, bottom }, children) {
  const [width, height] = [right - left, bottom - top];
  return svg("svg", { x: left, y: top, width, height, overflow: "hidden", viewBox: `${left} ${top} ${width} ${height}`, "aria-hidden": "true" }, ...children);
}

/** Línea por los puntos dados, con los estilos de la hoja. */
function stroke({ x, y }, points, style) {
  return svg("path", { class: `cw-line ${style}`, d: linePath(points, x, y) });
}

/** Superficie entre los puntos dados. */
function area({ x, y }, points, style) {
  return svg("path", { class: `cw-area ${style}`, d: `${linePath(points, x, y)}Z` });
}

/** Punto redondo. */
function dot({ x, y }, [u, v], style, radius = 2.2) {
  return svg("circle", { class: `cw-point ${style}`, cx: x(u).toFixed(1), cy: y(v).toFixed(1), r: radius });
}

// --- Casillas y deslizadores -----------------------------------------------------------------------

/** Casillas de lectura, [clave, nombre]; `set(clave, texto, aparte)` las escribe. */
function readingList(entries, kind = "") {
  const cells = Object.fromEntries(entries.map(([key]) => [key, h("dd", {})]));
  const root = h("dl", { class: `cw-readings ${kind}` },
    ...entries.map(([key, label]) => h("div", {}, h("dt", {}, ...rich(label)), cells[key])));
  const set = (key, text, aside = "") =>
    cells[key].replaceChildren(text, ...(aside ? [" ", h("small", { class: "cw-aside" }, ...rich(aside))] : []));
  return { root, set, text: (key) => cells[key].firstChild.data };
}

/** Pone un deslizador en `value` y escribe ese valor aunque no caiga justo en un paso. */
function place(control, value, text) {
  control.set(value);
  control.output.textContent = text(value);
  control.input.setAttribute("aria-valuetext", text(value));
}

/** Decimales fijos con signo menos tipográfico, sin «−0». */
function fixed(value, digits = 2) {
  const text = value.toFixed(digits);
  return minus(Number(text) === 0 ? text.replace("-", "") : text);
}

/** Una fracción en tanto por ciento: 0.393 → "39.3 %". */
function percent(fraction) {
  return `${(100 * fraction).toFixed(1)}\u00a0%`;
}
