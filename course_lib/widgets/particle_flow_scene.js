// El plano de las partículas: la densidad p_t detrás, las flechas del score, los caminos y los puntos.

const MAP_SIDE = 64; // casillas del mapa de densidad por lado
const MAP_COLOR = [38, 150, 140]; // se lee sobre fondo claro y oscuro
const ARROWS_SIDE = 13; // flechas por lado
const TRACED = 4; // partículas cuyo camino se dibuja
const FARTHEST_PX = 4000; // hasta dónde se dibuja fuera del marco
const TURNS = 8; // trozos en que se reparten dos nubes superpuestas
const REACH_STD = 3.2; // desviaciones que se ven más allá de cada modo
const ZOOM_FROM = 3; // si el ruido abarca más veces que los datos, la escala cambia con t

/** Extremos [bajo, alto] de cada eje en el instante t, con `REACH_STD` desviaciones a cada lado. */
function reachAt({ means, factors }, { alpha, sigma }, t) {
  const [a, s] = [alpha(t), sigma(t)];
  const pad = (L, axis) => REACH_STD * Math.sqrt(a * a * Math.hypot(...L[axis]) ** 2 + s * s);
  return [0, 1].map((axis) => [
    Math.min(...means.map((m, k) => a * m[axis] - pad(factors[k], axis))),
    Math.max(...means.map((m, k) => a * m[axis] + pad(factors[k], axis))),
  ]);
}

/** Los ejes de la pantalla en cada t, [x, y], cuadrados: fijos o, si el ruido explota (VE), a su escala. */
function screenFor(law, schedule) {
  const at = (reach) => {
    const half = Math.max(...reach.map(([low, high]) => (high - low) / 2));
    return reach.map(([low, high], i) => ({ min: (low + high) / 2 - half, max: (low + high) / 2 + half, label: ["x₁", "x₂"][i] }));
  };
  const reaches = linspace(0, schedule.tMax, 21).map((t) => reachAt(law, schedule, t));
  const union = at([0, 1].map((axis) => [Math.min(...reaches.map((r) => r[axis][0])), Math.max(...reaches.map((r) => r[axis][1]))]));
  const data = at(reaches[0])[0];
  const zooms = union[0].max - union[0].min > ZOOM_FROM * (data.max - data.min);
  return { zooms, axes: zooms ? (t) => at(reachAt(law, schedule, t)) : () => union };
}

/** Pinta p_t en el canvas: la opacidad crece con la raíz de la densidad. */
function paintDensity(canvas, law, axes) {
  const logs = law.logDensity(gridCenters(axes, MAP_SIDE));
  const top = logs.reduce((best, v) => Math.max(best, v), -Infinity);
  const image = new ImageData(MAP_SIDE, MAP_SIDE);
  logs.forEach((log, k) => {
    const to = 4 * ((MAP_SIDE - 1 - Math.floor(k / MAP_SIDE)) * MAP_SIDE + (k % MAP_SIDE));
    image.data.set(MAP_COLOR, to);
    image.data[to + 3] = 165 * Math.exp((log - top) / 2);
  });
  canvas.width = canvas.height = MAP_SIDE;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Trazo de las flechas de `sign`·score en una rejilla: la más corta que media casilla, la más larga casi una. */
function arrowsPath(law, axes, sign, { x, y }) {
  const centers = gridCenters(axes, ARROWS_SIDE);
  const score = law.score(centers);
  const sizes = Float64Array.from({ length: centers.length / 2 }, (_, i) => Math.hypot(score[2 * i], score[2 * i + 1]));
  const middle = sizes.slice().sort()[sizes.length >> 1];
  const cell = Math.abs(x(axes[0].max) - x(axes[0].min)) / ARROWS_SIDE;
  let path = "";
  sizes.forEach((size, i) => {
    if (!(size > 0)) return;
    const long = (0.9 * cell * size) / (size + middle);
    const [u, v] = [(sign * score[2 * i]) / size, (-sign * score[2 * i + 1]) / size]; // y crece hacia abajo
    const [left, bottom] = [x(centers[2 * i]) - (long * u) / 2, y(centers[2 * i + 1]) - (long * v) / 2];
    const [right, end, head] = [left + long * u, bottom + long * v, 0.3 * long];
    const wing = (side) => `M${right.toFixed(1)} ${end.toFixed(1)}l${(head * (-u - side * 0.6 * v)).toFixed(1)} ${(head * (-v + side * 0.6 * u)).toFixed(1)}`;
    path += `M${left.toFixed(1)} ${bottom.toFixed(1)}L${right.toFixed(1)} ${end.toFixed(1)}${wing(1)}${wing(-1)}`;
  });
  return path;
}

/** «x y» en píxeles. Lo muy lejano se acerca al marco en línea recta: un trazo enorme atasca al navegador. */
function pixels({ x, y, left, right, top, bottom }, u, v) {
  const [middle, center] = [(left + right) / 2, (top + bottom) / 2];
  const [dx, dy] = [x(u) - middle, y(v) - center];
  const shrink = Math.min(1, FARTHEST_PX / Math.max(Math.abs(dx), Math.abs(dy)));
  return `${(middle + shrink * dx).toFixed(1)} ${(center + shrink * dy).toFixed(1)}`;
}

/** Un punto por partícula. */
function beadsPath(points, frame) {
  let path = "";
  for (let i = 0; i < points.length; i += 2) path += `M${pixels(frame, points[i], points[i + 1])}h0`;
  return path;
}

/** El camino recorrido por las primeras partículas hasta `progress`, que acaba en `now`. */
function trailsPath({ states }, progress, now, frame) {
  const last = Math.ceil(progress) - 1;
  let path = "";
  for (let i = 0; i < 2 * TRACED && i < now.length; i += 2) {
    let pen = "M";
    for (const state of [...states.slice(0, last + 1), now]) {
      path += pen + pixels(frame, state[i], state[i + 1]);
      pen = "L";
    }
  }
  return path;
}

/** Cuántos puntos caen fuera de los ejes. */
function outsideCount(points, [horizontal, vertical]) {
  let count = 0;
  for (let i = 0; i < points.length; i += 2) {
    const inside = points[i] >= horizontal.min && points[i] <= horizontal.max && points[i + 1] >= vertical.min && points[i + 1] <= vertical.max;
    if (!inside) count += 1;
  }
  return count;
}

/** Dibuja las nubes por turnos, un trozo de cada una, para que la última no tape a las demás. */
function turns(runs, drawPart) {
  const parts = runs.length > 1 ? TURNS : 1;
  const cut = (points, i) => 2 * Math.round((points.length / 2 / parts) * i);
  return Array.from({ length: parts }, (_, i) => i).flatMap((i) =>
    runs.flatMap((run) => drawPart(run, (points) => points.subarray(cut(points, i), cut(points, i + 1)))));
}

/** Vista de una o dos nubes: `draw({ axes, law, sign, runs, arrows, density, summary })`, runs = [{ path, progress, now, style }]. */
function particleView(title) {
  const map = plane({ title });
  const canvas = h("canvas", { "aria-hidden": "true" });
  const stage = h("div", { class: "cw-map" });
  map.drawing.replaceWith(stage);
  stage.append(canvas, map.drawing);
  const place = ({ left, right, top, bottom }) =>
    Object.assign(canvas.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
  const shape = (style, d) => svg("path", { class: `cw-line ${style}`, d });
  const dots = (style, d) => [shape(`cw-beads cw-small cw-rim ${style}`, d), shape(`cw-beads cw-small ${style}`, d)];
  const draw = ({ axes, law, sign, runs, arrows, density, summary }) => {
    canvas.hidden = !density;
    if (density) paintDensity(canvas, law, axes);
    map.draw({
      x: axes[0], y: axes[1], summary,
      inside: (frame) => {
        place(frame);
        return [
          ...(arrows ? [shape(`cw-arrows ${sign < 0 ? "cw-red" : "cw-ink"}`, arrowsPath(law, axes, sign, frame))] : []),
          ...turns(runs, ({ now, style }, part) => dots(style, beadsPath(part(now), frame))),
          ...runs.flatMap(({ path, progress, now, style }) => {
            const d = trailsPath(path, progress, now, frame);
            const ends = beadsPath(now.subarray(0, 2 * TRACED), frame);
            return [shape("cw-trail cw-under", d), shape(`cw-trail ${style}`, d), ...dots(`cw-traced ${style}`, ends)];
          }),
        ];
      },
    });
  };
  return { root: map.root, draw, remove: map.remove };
}
