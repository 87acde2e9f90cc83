// Los esquemas de ruido, con las mismas fórmulas que course_lib.diffusion (una prueba los compara).

const BETA_CAP = 0.999; // Nichol y Dhariwal (2021), sec. 3.2

/** `count` valores igualmente espaciados de `from` a `to`, ambos incluidos. */
function linspace(from, to, count) {
  return Array.from({ length: count }, (_, i) => from + ((to - from) * i) / Math.max(1, count - 1));
}

/** β de first a last en línea recta (Ho et al., 2020, sec. 4). */
function linearBetas(T, first = 0.1 / T, last = 20 / T) {
  return linspace(first, last, T);
}

/** β a partir de una tabla ᾱ_0, …, ᾱ_T sin normalizar. */
function betasFrom(alphasBar) {
  return alphasBar.slice(1).map((a, i) => Math.min(1 - a / alphasBar[i], BETA_CAP));
}

/** ᾱ_k ∝ cos²(π/2·(k/T + s)/(1 + s)) (Nichol y Dhariwal, 2021, ec. 17). */
function cosineBetas(T, s = 0.008) {
  return betasFrom(linspace(0, 1, T + 1).map((u) => Math.cos((Math.PI / 2) * ((u + s) / (1 + s))) ** 2));
}

/** ᾱ_k ∝ S(end/τ) − S((start + k/T·(end − start))/τ), S la logística (Chen, 2023, alg. 1). */
function sigmoidBetas(T, start = -3, end = 3, tau = 1) {
  const logistic = linspace(start, end, T + 1).map((u) => 1 / (1 + Math.exp(-u / tau)));
  return betasFrom(logistic.map((value) => logistic[T] - value));
}

/** De las β, la tabla completa, con índices 0..T: ᾱ, σ² = 1 − ᾱ sin cancelación, SNR y β̃. */
function tabulate(betas) {
  let integral = 0; // −log ᾱ_k
  const logs = [0, ...betas.map((beta) => (integral -= Math.log1p(-beta)))];
  const alphaBar = logs.map((b) => Math.exp(-b));
  const sigma2 = logs.map((b) => -Math.expm1(-b));
  const snr = alphaBar.map((a, k) => a / sigma2[k]);
  const beta = [NaN, ...betas];
  const posterior = beta.map((b, k) => (k ? (sigma2[k - 1] / sigma2[k]) * b : NaN));
  return { T: betas.length, beta, alphaBar, sigma2, snr, posterior };
}

/** Ley de un esquema tabulado: k ↦ [α, σ]. */
function tabulatedLaw(betas) {
  const { alphaBar, sigma2 } = tabulate(betas);
  return (k) => [Math.sqrt(alphaBar[k]), Math.sqrt(sigma2[k])];
}

/** Ley VE: α = 1 y σ geométrica entre dos extremos (Song et al., 2021, ec. 30). */
function explodingLaw(T, low = 0.01, high = 50) {
  return (k) => [1, low * Math.exp((k / T) * Math.log(high / low))];
}

/** Los esquemas de ForwardNoising, por su nombre: T ↦ (k ↦ [α, σ]). */
const LAWS = {
  lineal: (T) => tabulatedLaw(linearBetas(T)),
  coseno: (T) => tabulatedLaw(cosineBetas(T)),
  sigmoide: (T) => tabulatedLaw(sigmoidBetas(T)),
  VE: (T) => explodingLaw(T),
};

/** Factor que lleva x_t a la escala de la pantalla: solo encoge si α² + σ² pasa de 1 (VE). */
function screenScale(alpha, sigma) {
  return 1 / Math.max(1, Math.hypot(alpha, sigma));
}
