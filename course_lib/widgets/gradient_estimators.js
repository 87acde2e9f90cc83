// Los dos estimadores del gradiente de E[f(z)], con z = m + sε, y sus momentos por cuadratura.

const STEEP = 10; // pendiente del escalón suave
const sigmoid = (v) => 1 / (1 + Math.exp(-v));

/** Las f: su fórmula, su valor, su derivada (null si no sirve), sus saltos y las alturas que se dibujan. */
const FUNCTIONS = {
  "cuadrática": { text: "(|z| − 2)²", value: (z) => (z - 2) ** 2, slope: (z) => 2 * (z - 2), heights: [0, 20], jumps: [] },
  seno: { text: "sen 3|z|", value: (z) => Math.sin(3 * z), slope: (z) => 3 * Math.cos(3 * z), heights: [-1.25, 1.25], jumps: [] },
  "cuártica": { text: "(|z|² − 1)²", value: (z) => (z * z - 1) ** 2, slope: (z) => 4 * z * (z * z - 1), heights: [0, 10], jumps: [] },
  "escalón suave": {
    text: "escalón suave", value: (z) => sigmoid(STEEP * z), heights: [-0.25, 1.25], jumps: [],
    slope: (z) => STEEP * sigmoid(STEEP * z) * sigmoid(-STEEP * z),
  },
  "escalón": { text: "escalón", value: (z) => (z > 0 ? 1 : 0), slope: null, heights: [-0.25, 1.25], jumps: [0] },
};

/** Respecto de m y de ℓ = log s: ∂z/∂φ, que usa la trayectoria, y ∂log q/∂φ, que usa el puntaje. */
const COMPONENTS = {
  mean: { path: () => 1, score: (e, std) => e / std },
  log_std: { path: (e, std) => std * e, score: (e) => e * e - 1 },
};

// --- Con muestras ------------------------------------------------------------------------------------

/** Lo que cada muestra aporta: f(z), ∂log q/∂φ y, si f es derivable, el gradiente por trayectoria. */
function sampled(f, component, { mean, std }, eps) {
  const { path, score } = COMPONENTS[component];
  const z = eps.map((e) => mean + std * e);
  return {
    values: z.map(f.value), scores: eps.map((e) => score(e, std)),
    path: f.slope && z.map((v, i) => f.slope(v) * path(eps[i], std)),
  };
}

/** El trozo [from, to) de unas muestras. */
function slice({ values, scores, path }, from, to) {
  return { values: values.subarray(from, to), scores: scores.subarray(from, to), path: path?.subarray(from, to) };
}

/**
 * Gradientes con la función de puntaje, (f − b)·∂log q, uno por muestra. La línea base b es 0 o una
 * media de f en las otras muestras, con pesos iguales o, en la óptima, (∂log q)².
 */
function scoreGradients({ values, scores }, baseline) {
  if (baseline === null) return values.map((v, i) => v * scores[i]);
  const weigh = baseline === "optimal" ? (g) => g * g : () => 1;
  let [total, weights] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    total += values[i] * weigh(scores[i]);
    weights += weigh(scores[i]);
  }
  return values.map((v, i) => {
    const w = weigh(scores[i]);
    return (v - (total - v * w) / (weights - w)) * scores[i];
  });
}

/** Media, varianza (con n − 1) y error estándar de la media. */
function describe(values) {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1);
  return { mean, variance, error: Math.sqrt(variance / values.length) };
}

/** Desviación, respecto de `exact`, de las estimaciones con `count` muestras, en `most` lotes o menos. */
function measuredDeviation(all, baseline, exact, count, most = 400) {
  const repeats = Math.min(most, Math.floor(all.values.length / count));
  const squares = { path: 0, score: 0 };
  const add = (name, gradients) => {
    let total = 0;
    for (let i = 0; i < count; i++) total += gradients[i];
    squares[name] += (total / count - exact) ** 2;
  };
  for (let r = 0; r < repeats; r++) {
    const part = slice(all, r * count, (r + 1) * count);
    add("score", scoreGradients(part, baseline));
    if (part.path) add("path", part.path);
  }
  return { path: Math.sqrt(squares.path / repeats), score: Math.sqrt(squares.score / repeats) };
}

// --- Sin azar ------------------------------------------------------------------------------------------

const NODES = [0, 0.5384693101056831, 0.906179845938664]; // Gauss-Legendre de cinco puntos en [−1, 1]
const WEIGHTS = [0.5688888888888889, 0.47862867049936647, 0.23692688505618908];
const TAIL = 11; // desviaciones a cada lado que abarca la integral
const PANELS = 300;

/** E[h(ε)] con ε normal estándar y h vectorial, partiendo la integral en los saltos de f. */
function expectation(h, breaks) {
  const inside = breaks.filter((b) => Math.abs(b) < TAIL).sort((a, b) => a - b);
  const edges = [-TAIL, ...inside, TAIL];
  let total = null;
  const add = (e, weight) => {
    const values = h(e).map((v) => weight * normalDensity(e) * v);
    total = total ? total.map((sum, i) => sum + values[i]) : values;
  };
  for (let k = 0; k + 1 < edges.length; k++) {
    const count = Math.max(4, Math.ceil((PANELS * (edges[k + 1] - edges[k])) / (2 * TAIL)));
    const half = (edges[k + 1] - edges[k]) / (2 * count);
    for (let i = 0; i < count; i++) {
      const middle = edges[k] + (2 * i + 1) * half;
      NODES.forEach((node, j) => {
        add(middle + half * node, half * WEIGHTS[j]);
        if (j) add(middle - half * node, half * WEIGHTS[j]);
      });
    }
  }
  return total;
}

/**
 * El gradiente exacto, E[f·∂log q], y la varianza con una muestra de cada estimador; con línea base
 * se toma la constante a la que tiende: E[f] o, la óptima, E[f g²]/E[g²]. Con g = ∂log q, E[g] = 0:
 * se integra lo ya centrado, porque al restar momentos se perderían las cifras si f apenas cambia.
 */
function exactMoments(f, component, { mean, std }, baseline) {
  const { path, score } = COMPONENTS[component];
  const breaks = f.jumps.map((jump) => (jump - mean) / std);
  const over = (h) => expectation((e) => h(f.value(mean + std * e), score(e, std), e), breaks);
  const [average] = over((v) => [v]);
  const [gradient, cg, gg] = over((v, g) => [(v - average) * g, (v - average) * g * g, g * g]);
  const b = { null: 0, "leave-one-out": average, optimal: average + cg / gg }[baseline];
  const [ofScore, ofPath] = over((v, g, e) => [
    ((v - b) * g - gradient) ** 2,
    f.slope ? (f.slope(mean + std * e) * path(e, std) - gradient) ** 2 : 0,
  ]);
  return { gradient, baseline: b, score: ofScore, path: f.slope ? ofPath : null };
}
