// Los esquemas de tiempo continuo, con las fórmulas de course_lib.diffusion (una prueba los compara):
// x_t = α(t)·x_0 + σ(t)·ε, con t de 0 (datos) a 1 (ruido), y su SDE dx = f(t)·x·dt + g(t)·dW.

const T_EPS = 1e-3; // el menor t cuando σ(0) = 0, como en course_lib.diffusion.schedules

/** Lo que sale de B(t) = β_min·t + (β_max − β_min)·t²/2: β, B y α = e^(−B/2). */
function linearBeta(low, high) {
  const beta = (t) => low + (high - low) * t;
  const integral = (t) => low * t + ((high - low) * t * t) / 2;
  return { beta, integral, alpha: (t) => Math.exp(-integral(t) / 2), f: (t) => -beta(t) / 2 };
}

/** Varianza preservada: σ² = 1 − e^(−B), g² = β. */
function lawVP(low = 0.1, high = 20) {
  const { beta, integral, alpha, f } = linearBeta(low, high);
  return { alpha, f, sigma: (t) => Math.sqrt(-Math.expm1(-integral(t))), g2: beta, tMin: T_EPS, tMax: 1 };
}

/** Sub-VP: σ = 1 − e^(−B), g² = β·(1 − e^(−2B)). */
function lawSubVP(low = 0.1, high = 20) {
  const { beta, integral, alpha, f } = linearBeta(low, high);
  const g2 = (t) => -beta(t) * Math.expm1(-2 * integral(t));
  return { alpha, f, sigma: (t) => -Math.expm1(-integral(t)), g2, tMin: T_EPS, tMax: 1 };
}

/** Varianza que explota: α = 1, σ geométrica entre dos extremos, g² = 2·log(σ_max/σ_min)·σ². */
function lawVE(low = 0.01, high = 50) {
  const growth = Math.log(high / low);
  const sigma = (t) => low * Math.exp(t * growth);
  return { alpha: () => 1, sigma, f: () => 0, g2: (t) => 2 * growth * sigma(t) ** 2, tMin: 0, tMax: 1 };
}

/** Ornstein–Uhlenbeck hasta τ = horizon: α = e^(−τ), σ² = 1 − e^(−2τ), con τ = horizon·t. */
function lawOU(horizon = 5) {
  const sigma = (t) => Math.sqrt(-Math.expm1(-2 * horizon * t));
  return { alpha: (t) => Math.exp(-horizon * t), sigma, f: () => -horizon, g2: () => 2 * horizon, tMin: T_EPS, tMax: 1 };
}

/** Interpolación lineal: α = 1 − t, σ = t; en t = 1, f y g² son infinitos y no se pasa de `tMax`. */
function lawFlow(tMax = 1 - T_EPS) {
  return { alpha: (t) => 1 - t, sigma: (t) => t, f: (t) => -1 / (1 - t), g2: (t) => (2 * t) / (1 - t), tMin: T_EPS, tMax };
}

/** Los esquemas con los parámetros de la biblioteca: α, σ, f, g² y entre qué instantes sirven. */
const continuousLaws = { VP: lawVP(), SubVP: lawSubVP(), VE: lawVE(), OU: lawOU(), Flow: lawFlow() };

/** λ(t) = log(α/σ): decrece de los datos al ruido. */
function lambdaAt(law, t) {
  return Math.log(law.alpha(t) / law.sigma(t));
}

/** El t de [low, high] en que λ vale `target`, por bisección. */
function timeOfLambda(law, target, low, high) {
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (lambdaAt(law, middle) > target) low = middle; else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Rejilla decreciente de n + 1 instantes: uniforme en t, en λ o en (σ/α)^(1/7). Sin `end` llega a 0,
 * como Schedule.grid: si σ(0) = 0, que no cabe en λ, con un último paso de tMin a 0.
 */
function stepGrid(law, spacing, n, end = 0) {
  const jumps = end === 0 && spacing !== "t" && law.sigma(0) === 0;
  const [start, stop, last] = jumps ? [law.tMax, law.tMin, n - 1] : [law.tMax, end, n];
  const warp = { t: (t) => t, lambda: (t) => lambdaAt(law, t), rho: (t) => Math.exp(-lambdaAt(law, t) / 7) }[spacing];
  const back = {
    t: (u) => u,
    lambda: (u) => timeOfLambda(law, u, stop, start),
    rho: (u) => timeOfLambda(law, -7 * Math.log(u), stop, start),
  }[spacing];
  const [from, to] = [warp(start), warp(stop)];
  const inside = (i) => (i === 0 ? start : i === last ? stop : back(from + ((to - from) * i) / last));
  const grid = Array.from({ length: last + 1 }, (_, i) => inside(i));
  return jumps ? [...grid, 0] : grid;
}
