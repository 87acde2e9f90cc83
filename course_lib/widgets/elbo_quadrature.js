// El modelo de una latente, z ~ N(0, 1) y x | z ~ N(f(z), s²), y la ELBO de q = N(m, v²), por cuadratura.

const DECODERS = {
  lineal: { formula: "f(z) = z", f: (z) => z, slope: () => 1 },
  cuadrado: { formula: "f(z) = z²", f: (z) => z * z, slope: (z) => 2 * z },
  tangente: { formula: "f(z) = 2·tanh z", f: (z) => 2 * Math.tanh(z), slope: (z) => 2 / Math.cosh(z) ** 2 },
};
const REACH = 18; // la integral sobre z va de −REACH a REACH
const CELLS = 7200; // intervalos de esa regla del trapecio
const Q_REACH = 10; // desviaciones de q que abarcan las esperanzas
const Q_CELLS = 500;

/** log p(x|z) en nats. */
function logLikelihood({ decoder, x, noise }, z) {
  return logNormal(x, DECODERS[decoder].f(z), noise);
}

/** log p(x, z) en nats. */
function logJoint(problem, z) {
  return logLikelihood(problem, z) + logNormal(z, 0, 1);
}

/** log p(x), en nats: el logaritmo del área bajo p(x|z) p(z). */
function logEvidence(problem) {
  const width = (2 * REACH) / CELLS;
  const values = linspace(-REACH, REACH, CELLS + 1).map((z) => logJoint(problem, z));
  const top = values.reduce((a, b) => Math.max(a, b));
  return top + Math.log(width * values.reduce((sum, v) => sum + Math.exp(v - top), 0));
}

/** KL(q‖p(z|x)), en nats, integrando q·(log q − log p(z|x)). */
function posteriorGap(problem, q, evidence) {
  const width = (2 * REACH) / CELLS;
  return width * linspace(-REACH, REACH, CELLS + 1).reduce((sum, z) => {
    const logQ = logNormal(z, q.mean, q.std);
    return logQ < -700 ? sum : sum + Math.exp(logQ) * (logQ - logJoint(problem, z) + evidence);
  }, 0);
}

/**
 * La ELBO y sus dos partes, en nats, y su gradiente respecto de (m, log v). Con z = m + vε,
 * ∂E_q[ℓ]/∂m = E[ℓ'(z)] y ∂E_q[ℓ]/∂log v = v·E[ε ℓ'(z)]; KL(q‖p(z)) tiene forma cerrada.
 */
function lowerBound(problem, { mean, std }) {
  const { f, slope } = DECODERS[problem.decoder];
  const width = (2 * Q_REACH) / Q_CELLS;
  let [reconstruction, byMean, byLogStd] = [0, 0, 0];
  for (let i = 0; i <= Q_CELLS; i++) {
    const e = -Q_REACH + i * width;
    const z = mean + std * e;
    const weight = width * normalDensity(e);
    const push = ((problem.x - f(z)) * slope(z)) / problem.noise ** 2;
    reconstruction += weight * logLikelihood(problem, z);
    byMean += weight * push;
    byLogStd += weight * push * e * std;
  }
  const prior = 0.5 * (std * std + mean * mean - 1) - Math.log(std);
  return { elbo: reconstruction - prior, reconstruction, prior, gradient: [byMean - mean, byLogStd - (std * std - 1)] };
}

/**
 * Un paso de ascenso en (m, log v), con el gradiente medido en la escala de q. Si la ELBO no sube, el
 * paso se parte por la mitad; devuelve null cuando ya no se puede subir.
 */
function ascend(problem, q, { mean: [low, high], std: [minStd, maxStd] }, rate = 0.2, longest = 0.12) {
  const { elbo, gradient: [byMean, byLogStd] } = lowerBound(problem, q);
  const raw = [rate * q.std * byMean, 0.5 * rate * byLogStd];
  const size = Math.hypot(...raw);
  if (size < 1e-5) return null;
  for (let shrink = Math.min(1, longest / size); shrink * size > 1e-7; shrink /= 2) {
    const next = {
      mean: clamp(q.mean + shrink * raw[0] * q.std, low, high),
      std: clamp(q.std * Math.exp(shrink * raw[1]), minStd, maxStd),
    };
    if (lowerBound(problem, next).elbo > elbo) return next;
  }
  return null;
}

/** Los modos de p(z|x), { at, from, to, weight }: dónde están, los valles de sus lados y la probabilidad que hay entre ellos. */
function posteriorModes(problem, evidence) {
  const grid = linspace(-6, 6, 6001);
  const density = grid.map((z) => Math.exp(logJoint(problem, z) - evidence));
  const modes = [];
  let [from, mass, at] = [0, 0, null];
  density.forEach((value, i) => {
    mass += 0.002 * value;
    const next = density[i + 1] ?? Infinity; // el último punto cierra el último modo
    if (at === null && next < value) at = i;
    if (at !== null && next > value) {
      modes.push({ at: grid[at], from: grid[from], to: grid[i], weight: mass });
      [from, mass, at] = [i, 0, null];
    }
  });
  return modes.filter(({ weight }) => weight > 1e-3);
}

/** La probabilidad que pone q entre `from` y `to`. */
function shareOf(q, { from, to }) {
  const width = (to - from) / 2000;
  return width * linspace(from + width / 2, to - width / 2, 2000).reduce((sum, z) => sum + normalDensity(z, q.mean, q.std), 0);
}
