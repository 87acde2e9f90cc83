// Las dos divergencias entre una mezcla p y una gaussiana q, y su gradiente, por cuadratura.

const NODES = 2400; // intervalos de la regla del trapecio
const TAILS = 9; // desviaciones a cada lado que abarca la integral

/** La mezcla { weights, means, stds } con los picos separados por el factor dado, sin mover su media. */
function spread({ weights, means, stds }, factor) {
  const center = weights.reduce((sum, w, i) => sum + w * means[i], 0);
  return { weights, means: means.map((m) => center + factor * (m - center)), stds };
}

/** Media y desviación de la mezcla. */
function moments({ weights, means, stds }) {
  const mean = weights.reduce((sum, w, i) => sum + w * means[i], 0);
  const second = weights.reduce((sum, w, i) => sum + w * (stds[i] ** 2 + (means[i] - mean) ** 2), 0);
  return { mean, std: Math.sqrt(second) };
}

/** log p(x) de la mezcla, en nats. */
function logMixture(p, x) {
  return logSumExp(p.weights.map((w, i) => Math.log(w) + logNormal(x, p.means[i], p.stds[i])));
}

/** El integrando en x: p·log(p/q) en la directa, q·log(q/p) en la inversa. */
function integrand(p, q, direction, x) {
  const [logP, logQ] = [logMixture(p, x), logNormal(x, q.mean, q.std)];
  return direction === "directa" ? Math.exp(logP) * (logP - logQ) : Math.exp(logQ) * (logQ - logP);
}

/**
 * KL(p‖q) y KL(q‖p) en nats, y sus gradientes respecto de (μ, σ):
 * directa, −∫ p ∂log q; inversa, ∫ q ∂log q · log(q/p), porque ∫ ∂q = 0.
 */
function divergences(p, q) {
  const centers = [...p.means.map((m, i) => [m, p.stds[i]]), [q.mean, q.std]];
  const low = Math.min(...centers.map(([m, s]) => m - TAILS * s));
  const high = Math.max(...centers.map(([m, s]) => m + TAILS * s));
  const width = (high - low) / NODES;
  const forward = { value: 0, gradient: [0, 0] };
  const reverse = { value: 0, gradient: [0, 0] };
  const add = (total, value, weight, slope) => {
    total.value += width * value;
    total.gradient = total.gradient.map((g, i) => g + width * weight * slope[i]);
  };
  for (let i = 0; i <= NODES; i++) { // en los extremos el integrando es cero
    const x = low + i * width;
    const z = (x - q.mean) / q.std;
    const slope = [z / q.std, (z * z - 1) / q.std]; // ∂log q/∂μ, ∂log q/∂σ
    const [logP, logQ] = [logMixture(p, x), logNormal(x, q.mean, q.std)];
    const [inP, inQ] = [Math.exp(logP), Math.exp(logQ)];
    add(forward, inP * (logP - logQ), -inP, slope);
    add(reverse, inQ * (logQ - logP), inQ * (logQ - logP), slope);
  }
  return { directa: forward, inversa: reverse };
}

/**
 * Un paso de descenso en (μ, log σ) con el gradiente medido en la escala de q (Δμ/σ y Δlog σ).
 * Si la KL no baja, el paso se parte por la mitad; devuelve null cuando ya no se puede bajar.
 */
function descend(p, q, direction, { minStd, maxStd }, rate = 0.25, longest = 0.15) {
  const { value, gradient: [dMean, dStd] } = divergences(p, q)[direction];
  const raw = [-rate * q.std * dMean, -0.5 * rate * q.std * dStd];
  const size = Math.hypot(...raw);
  if (size < 1e-6) return null;
  for (let shrink = Math.min(1, longest / size); shrink * size > 1e-7; shrink /= 2) {
    const next = {
      mean: q.mean + shrink * raw[0] * q.std,
      std: clamp(q.std * Math.exp(shrink * raw[1]), minStd, maxStd),
    };
    if (divergences(p, next)[direction].value < value) return next;
  }
  return null;
}
