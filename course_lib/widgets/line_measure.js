// La ley del generador en la recta, por cuadratura, y el mejor D posible contra ella.

const SLICES = 2000; // tramos de z entre −6 y 6

/** Los nodos de z y la masa que N(0, 1) pone en cada tramo. */
const SLICED = (() => {
  const nodes = Float64Array.from({ length: SLICES + 1 }, (_, i) => -6 + (12 * i) / SLICES);
  const masses = new Float64Array(SLICES).map((_, i) => Math.exp(-0.5 * ((nodes[i] + nodes[i + 1]) / 2) ** 2));
  const total = masses.reduce((sum, m) => sum + m, 0);
  return { nodes, masses: masses.map((m) => m / total) };
})();

/**
 * Masa de μ_G en `count` casillas desde `from`: cada tramo de z reparte la suya por igual en el
 * intervalo que recorre su imagen `images`. Es el cambio de variable hecho tramo a tramo, así que
 * vale aunque G no sea monótona; lo que cae fuera se queda en la casilla del borde.
 */
function pushforward(images, { from, width, count }) {
  const masses = new Float64Array(count);
  const cell = (x) => clamp((x - from) / width, 0, count - 1e-9);
  SLICED.masses.forEach((mass, i) => {
    const [low, high] = [cell(images[i]), cell(images[i + 1])].sort((a, b) => a - b);
    const [first, last] = [Math.floor(low), Math.floor(high)];
    if (first === last) { masses[first] += mass; return; }
    const each = mass / (high - low);
    masses[first] += each * (first + 1 - low);
    for (let c = first + 1; c < last; c++) masses[c] += each;
    masses[last] += each * (high - last);
  });
  return masses;
}

/** Casillas de ancho `width` que cubren la vista y todas las imágenes, a lo sumo 8 vistas a cada lado. */
function cellsFor([low, high], images, width) {
  const span = high - low;
  const left = Math.ceil(Math.max(0, Math.min(8 * span, low - Math.min(...images))) / width);
  const right = Math.ceil(Math.max(0, Math.min(8 * span, Math.max(...images) - high)) / width);
  return { from: low - left * width, width, count: left + Math.round(span / width) + right };
}

/** Las masas p (datos) y q (muestras) de cada casilla, la salida s de D en sus centros x, e `images` = G(z). */
function tabulateLine({ law, G, D }, view, width) {
  const images = evaluate(G, SLICED.nodes, SLICED.nodes.length);
  const cells = cellsFor(view, images, width);
  const x = Float64Array.from({ length: cells.count }, (_, c) => cells.from + (c + 0.5) * width);
  const p = x.map((v) => width * Math.exp(law.logDensity([v])));
  return { x, p, q: pushforward(images, cells), s: evaluate(D, x, x.length), images, width };
}

/** π/μ_G en logaritmo; si faltan las dos, no está definido. */
const logRatio = (p, q) => (p < 1e-12 && q < 1e-12 ? NaN : Math.log(p) - Math.log(q));

/**
 * Lo que vale el juego en la recta: V(G, D) = −L_D, su máximo sobre D, la salida `best` que lo
 * alcanza en cada casilla, la JSD y la distancia `goal` que mide esa pérdida, con su cota `bound`.
 */
function measureLine({ p, q, s, width }, { family, real, fake }) {
  let [value, js, variation, transport, gap, height] = [0, 0, 0, 0, 0, 0];
  const best = new Float64Array(p.length);
  for (let c = 0; c < p.length; c++) {
    if (p[c] > 0) value -= p[c] * real(s[c])[0];
    if (q[c] > 0) value -= q[c] * fake(s[c])[0];
    const middle = (p[c] + q[c]) / 2;
    if (p[c] > 0) js += 0.5 * p[c] * Math.log(p[c] / middle);
    if (q[c] > 0) js += 0.5 * q[c] * Math.log(q[c] / middle);
    variation += Math.abs(p[c] - q[c]) / 2;
    gap += q[c] - p[c]; // F_μ − F_π: el potencial de Kantórovich tiene pendiente ±1, la de su signo
    transport += Math.abs(gap) * width;
    height += Math.sign(gap) * width;
    best[c] = { logistic: logRatio(p[c], q[c]), hinge: Math.sign(p[c] - q[c]), wasserstein: height }[family];
  }
  const log4 = Math.log(4);
  const [goal, top, bound] = {
    logistic: [js, 2 * js - log4, (value + log4) / 2],
    hinge: [variation, 2 * variation - 2, value / 2 + 1],
    wasserstein: [transport, transport, value],
  }[family];
  return { value, top, js, goal, bound, best };
}
