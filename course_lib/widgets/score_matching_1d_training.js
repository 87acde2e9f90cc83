// Un perceptrón que aprende el score de p_σ con DSM o con ISM, y Langevin con lo aprendido.

const WIDTHS = [1, 24, 24, 1];
const BATCH = 256;
const RATE = 0.01;
const SLOW = 300; // la tasa baja como 1/(1 + pasos/300)
const MEMORY = 8; // la media pesa sobre todo los últimos pasos: 1 de cada 8
const PROBE = 1e-4; // de la diferencia central que da ∂s′/∂θ
const WIDER = 1.5; // veces la desviación de p_σ que tiene la normal de la que parte Langevin

/** s(x) = F((x − center)/width)/unit y s′(x) en cada punto, con F la red. */
function scoreAt({ net, center, width, unit }, x) {
  const inputs = x.map((v) => (v - center) / width);
  const acts = forward(net, inputs, x.length);
  const slopes = backward(net, acts, new Float64Array(x.length).fill(1), x.length);
  return { s: acts.at(-1).map((v) => v / unit), slope: slopes.map((v) => v / (unit * width)) };
}

/** ½(s + ε/σ)², media en el lote; suma su gradiente. */
function dsmLoss({ net, center, width, unit }, x, eps, sigma, gradient) {
  const n = x.length;
  const acts = forward(net, x.map((v) => (v - center) / width), n);
  const misses = acts.at(-1).map((v, i) => v / unit + eps[i] / sigma);
  backward(net, acts, misses.map((m) => m / (n * unit)), n, gradient);
  return misses.reduce((sum, m) => sum + (0.5 * m * m) / n, 0);
}

/**
 * ½s² + s′, media en el lote; suma su gradiente. No hace falta derivar dos veces: ∂s′/∂θ es la
 * derivada de ∂s/∂θ a lo largo de x, y sale por diferencia central.
 */
function ismLoss(model, x, gradient) {
  const { net, center, width, unit } = model;
  const n = x.length;
  const inputs = x.map((v) => (v - center) / width);
  const acts = forward(net, inputs, n);
  const s = acts.at(-1).map((v) => v / unit);
  const slopes = backward(net, acts, new Float64Array(n).fill(1), n);
  backward(net, acts, s.map((v) => v / (n * unit)), n, gradient);
  for (const side of [1, -1]) {
    const upstream = new Float64Array(n).fill(side / (2 * PROBE * n * unit * width));
    backward(net, forward(net, inputs.map((u) => u + side * PROBE), n), upstream, n, gradient);
  }
  return s.reduce((sum, v, i) => sum + (0.5 * v * v + slopes[i] / (unit * width)) / n, 0);
}

/**
 * Una red nueva para los datos `x` con ruido σ: cada paso toma 256 datos, les suma ruido nuevo y baja
 * su pérdida con Adam. Lo que se enseña, `model`, es la media de los pesos de los últimos pasos.
 */
function newTraining({ x, sigma, seed, loss }) {
  const uniform = sfc32(seed + 5e8);
  const [live, shown] = [tinyMLP(WIDTHS), tinyMLP(WIDTHS)];
  initialize(live, () => gauss(uniform), 0.2);
  shown.values.set(live.values);
  const center = x.reduce((sum, v) => sum + v, 0) / x.length;
  const width = Math.sqrt(x.reduce((sum, v) => sum + (v - center) ** 2, 0) / x.length + sigma * sigma);
  const scales = { center, width, unit: sigma };
  const [learner, model] = [{ net: live, ...scales }, { net: shown, ...scales, steps: 0 }];
  const move = adam(live.values, { beta1: 0.9 });
  const step = () => {
    const gradient = new Float64Array(live.values.length);
    const eps = Float64Array.from({ length: BATCH }, () => gauss(uniform));
    const noisy = eps.map((e) => x[Math.floor(uniform() * x.length)] + sigma * e);
    if (loss === "dsm") dsmLoss(learner, noisy, eps, sigma, gradient);
    else ismLoss(learner, noisy, gradient);
    move(gradient, RATE / (1 + model.steps / SLOW));
    model.steps += 1;
    const share = MEMORY / (model.steps + MEMORY);
    live.values.forEach((w, k) => { shown.values[k] += share * (w - shown.values[k]); });
  };
  return { model, step };
}

/** Normales ya sorteadas, con media 0 y varianza 1: elegir una al azar cuesta mucho menos que sortearla. */
const KICKS = (() => {
  const half = normals(0, 2 ** 12);
  const size = Math.sqrt(half.reduce((sum, z) => sum + z * z, 0) / half.length);
  return Float64Array.from({ length: 2 * half.length }, (_, i) => (i % 2 ? -1 : 1) * half[i >> 1] / size);
})();

/** Langevin desde una normal ancha: x ← x + ηs(x) + √(2η)·z, con `s` tabulado en los nodos. */
function langevin({ h, x, mean, std }, s, { count, steps, size, seed }) {
  const uniform = sfc32(seed + 1.5e9);
  const [last, kick] = [x.length - 1, Math.sqrt(2 * size)];
  const particles = Float64Array.from({ length: count }, () => mean + WIDER * std * gauss(uniform));
  for (let k = 0; k < steps; k++) {
    for (let i = 0; i < count; i++) {
      const at = clamp((particles[i] - x[0]) / h, 0, last - 1e-9);
      const j = Math.floor(at);
      particles[i] += size * (s[j] + (at - j) * (s[j + 1] - s[j])) + kick * KICKS[Math.floor(uniform() * KICKS.length)];
    }
  }
  return particles;
}
