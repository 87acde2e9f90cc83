// Los datos con ruido, x_σ = x + σε, y lo que se sabe de su densidad p_σ sin azar: por cuadratura.

const TAIL = 8; // desviaciones que abarcan las integrales a cada lado
const LEAST_NODES = 1500;

/** `count` normales estándar del generador con esa semilla. */
function normals(seed, count) {
  const uniform = sfc32(seed);
  return Float64Array.from({ length: count }, () => gauss(uniform));
}

/** Los nodos x, separados h, en los que caben p_0 y p_σ, con al menos un nodo por desviación. */
function nodesFor({ means, factors }, sigma) {
  const stds = factors.map(([[s]]) => s);
  const low = Math.min(...means.map(([m], k) => m - TAIL * Math.hypot(stds[k], sigma)));
  const high = Math.max(...means.map(([m], k) => m + TAIL * Math.hypot(stds[k], sigma)));
  const count = Math.max(LEAST_NODES, Math.ceil((1.3 * (high - low)) / Math.min(sigma, ...stds)));
  const h = (high - low) / count;
  return { h, x: Float64Array.from({ length: count + 1 }, (_, i) => low + i * h) };
}

/**
 * Las integrales sobre ε de DSM en cada nodo: `mass` = ∫ p_0(x − σε) φ(ε) dε, `pull` = ∫ p_0 φ ε/σ dε
 * y `rest` = ½E[ε²]/σ². Son sumas sobre los desplazamientos, sin usar la forma cerrada de p_σ.
 */
function jointIntegrals(clean, h, sigma) {
  const reach = Math.ceil((TAIL * sigma) / h);
  const shifts = Float64Array.from({ length: 2 * reach + 1 }, (_, j) => ((j - reach) * h) / sigma); // ε
  const chances = shifts.map((e) => ((h / sigma) * Math.exp(-0.5 * e * e)) / Math.sqrt(2 * Math.PI));
  const [mass, pull] = [new Float64Array(clean.length), new Float64Array(clean.length)];
  let rest = 0;
  for (let i = 0; i < clean.length; i++) {
    for (let j = Math.max(0, i + reach - clean.length + 1); j <= Math.min(2 * reach, i + reach); j++) {
      const both = clean[i + reach - j] * chances[j];
      mass[i] += both;
      pull[i] += (both * shifts[j]) / sigma;
      rest += 0.5 * h * both * (shifts[j] / sigma) ** 2;
    }
  }
  return { mass, pull, rest };
}

/** F en cada nodo, por la regla del trapecio. */
function cumulative(density, h) {
  const out = new Float64Array(density.length);
  for (let i = 1; i < out.length; i++) out[i] = out[i - 1] + (h * (density[i - 1] + density[i])) / 2;
  return out;
}

/** Los modos de la densidad y los tramos en que la parten sus valles: { peaks, cuts }, con índices de nodos. */
function landscape(density) {
  const [peaks, cuts] = [[], []];
  for (let i = 1; i < density.length - 1; i++) {
    if (density[i] > density[i - 1] && density[i] >= density[i + 1]) peaks.push(i);
    if (density[i] < density[i - 1] && density[i] <= density[i + 1] && peaks.length) cuts.push(i);
  }
  return { peaks, cuts: cuts.slice(0, peaks.length - 1) };
}

/** Todo lo que no depende de la red: p_0, p_σ y su score en los nodos, la información de Fisher y W₁(p_σ, p_0). */
function noisyProblem(law, sigma) {
  const { h, x } = nodesFor(law, sigma);
  const noisy = diffuseMixture(law, 1, sigma);
  const clean = x.map((v) => Math.exp(law.logDensity([v])));
  const [density, score] = [noisy.logDensity(x).map(Math.exp), noisy.score(x)];
  const [cdf, cleanCdf] = [cumulative(density, h), cumulative(clean, h)];
  const integrate = (f) => h * x.reduce((sum, _, i) => sum + f(i), 0);
  const mean = integrate((i) => density[i] * x[i]);
  return {
    sigma, h, x, clean, density, score, cdf, mean, ...landscape(density), ...jointIntegrals(clean, h, sigma),
    std: Math.sqrt(integrate((i) => density[i] * (x[i] - mean) ** 2)),
    fisher: integrate((i) => density[i] * score[i] ** 2),
    blur: integrate((i) => Math.abs(cdf[i] - cleanCdf[i])),
    spread: integrate((i) => Math.sqrt(Math.max(0, cdf[i] * (1 - cdf[i])))),
  };
}

/** Las tres pérdidas de un score `s`, de derivada `slope`, dados en los nodos. */
function exactLosses({ h, density, score, mass, pull, rest }, s, slope) {
  let [esm, ism, dsm] = [0, 0, rest];
  for (let i = 0; i < s.length; i++) {
    esm += 0.5 * h * density[i] * (s[i] - score[i]) ** 2;
    ism += h * density[i] * (0.5 * s[i] ** 2 + slope[i]);
    dsm += h * (0.5 * mass[i] * s[i] ** 2 + pull[i] * s[i]);
  }
  return { esm, ism, dsm };
}

/** N datos limpios y su ruido; al cambiar σ se mueven, y con más datos se conservan los primeros. */
function drawData(law, count, seed) {
  return { x: law.sample(count, sfc32(seed)), eps: normals(seed + 1e9, count) };
}

/** La distancia W₁ entre las muestras y p_σ: el área entre las dos funciones de distribución. */
function transportTo({ h, x, cdf }, samples) {
  const steps = new Float64Array(x.length);
  for (const v of samples) steps[clamp(Math.ceil((v - x[0]) / h), 0, x.length - 1)] += 1 / samples.length;
  let [sum, seen] = [0, 0];
  steps.forEach((share, i) => { sum += h * Math.abs((seen += share) - cdf[i]); });
  return sum;
}

/** Lo que vale de media esa distancia con `count` muestras exactas de p_σ: √(2/πn) ∫ √(F(1 − F)). */
function transportFloor({ spread }, count) {
  return Math.sqrt(2 / (Math.PI * count)) * spread;
}

/** Qué parte de la probabilidad, y de las muestras, cae en el tramo de cada modo: [[exacta, muestras]]. */
function sharesByMode({ x, cdf, cuts }, samples) {
  const edges = [-Infinity, ...cuts.map((i) => x[i]), Infinity];
  const below = [0, ...cuts.map((i) => cdf[i]), 1];
  return edges.slice(1).map((to, k) =>
    [below[k + 1] - below[k], samples.filter((v) => v > edges[k] && v <= to).length / samples.length]);
}

/**
 * Los valles: entre el primer modo y el último, los nodos donde p_σ no llega al 5 % de su máximo. Da qué parte
 * de los datos cae ahí, el error cuadrático medio del score `s` en ellos, y el que hay donde caen los datos.
 */
function valleyError({ h, x, density, score, peaks }, s, esm) {
  const low = 0.05 * Math.max(...density);
  const valley = Array.from(x.keys()).filter((i) => i > peaks[0] && i < peaks.at(-1) && density[i] < low);
  const share = valley.reduce((sum, i) => sum + h * density[i], 0);
  const error = Math.sqrt(valley.reduce((sum, i) => sum + (s[i] - score[i]) ** 2, 0) / valley.length);
  return { width: h * valley.length, share, error, typical: Math.sqrt(2 * esm) };
}
