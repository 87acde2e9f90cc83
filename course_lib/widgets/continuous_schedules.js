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
