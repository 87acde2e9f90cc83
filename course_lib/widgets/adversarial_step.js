// El juego: las pérdidas, las dos penalizaciones y los pasos de cada jugador.

const sigmoid = (s) => (s >= 0 ? 1 / (1 + Math.exp(-s)) : Math.exp(s) / (1 + Math.exp(s)));
const softplus = (s) => Math.max(s, 0) + Math.log1p(Math.exp(-Math.abs(s))); // −log σ(−s)

// Cada pérdida da, para la salida s de D, [valor, derivada]: `real` y `fake` suman L_D; `player` es L_G.
const LOGISTIC = {
  family: "logistic",
  real: (s) => [softplus(-s), -sigmoid(-s)], // −log D
  fake: (s) => [softplus(s), sigmoid(s)], // −log(1 − D)
};
const linear = (s) => [-s, -1];
const LOSSES = {
  "no saturante": { ...LOGISTIC, player: LOGISTIC.real }, // −log D(G(z))
  saturante: { ...LOGISTIC, player: (s) => [-softplus(s), -sigmoid(s)] }, // log(1 − D(G(z)))
  bisagra: {
    family: "hinge", player: linear,
    real: (s) => (s < 1 ? [1 - s, -1] : [0, 0]),
    fake: (s) => (s > -1 ? [1 + s, 1] : [0, 0]),
  },
  wasserstein: { family: "wasserstein", real: linear, fake: (s) => [s, 1], player: linear },
};

/** Media de una pérdida en un lote y su derivada respecto de cada salida. */
function meanLoss(loss, outputs) {
  const slopes = new Float64Array(outputs.length);
  let value = 0;
  outputs.forEach((s, i) => {
    const [term, slope] = loss(s);
    value += term / outputs.length;
    slopes[i] = slope / outputs.length;
  });
  return { value, slopes };
}

/** L_D sin penalizar en un lote de datos y otro de muestras; suma su gradiente a `gradient`. */
function discriminatorLoss(D, { real, fake }, x, samples, n, gradient) {
  return [[real, x], [fake, samples]].reduce((total, [loss, points]) => {
    const acts = forward(D, points, n);
    const { value, slopes } = meanLoss(loss, acts.at(-1));
    backward(D, acts, slopes, n, gradient);
    return total + value;
  }, 0);
}

/** L_G; suma su gradiente a `gradient` y devuelve las muestras, lo que D dice de ellas y `pull`: n·∂L_G/∂x. */
function generatorLoss(G, D, { player }, z, n, gradient = null) {
  const made = forward(G, z, n);
  const judged = forward(D, made.at(-1), n);
  const { value, slopes } = meanLoss(player, judged.at(-1));
  const atSamples = backward(D, judged, slopes, n);
  if (gradient) backward(G, made, atSamples, n, gradient);
  return { value, samples: made.at(-1), judged: judged.at(-1), pull: atSamples.map((g) => n * g) };
}

const PENALTIES = { // de la pendiente r = ‖∇s(x)‖: el término y su derivada en r
  lipschitz: (r) => [(r - 1) ** 2, 2 * (r - 1)],
  r1: (r) => [r * r / 2, r],
};

/**
 * Media de una penalización de la pendiente; suma `weight` veces su gradiente. No hace falta derivar
 * dos veces: ∂r/∂θ es la derivada de ∇_θ s en la dirección u = ∇s/r, y sale por diferencia central.
 */
function slopePenalty(D, kind, points, n, weight, gradient) {
  const d = points.length / n;
  const slopes = backward(D, forward(D, points, n), new Float64Array(n).fill(1), n);
  const step = 1e-4;
  const [ahead, behind] = [points.slice(), points.slice()];
  const factor = new Float64Array(n);
  let value = 0;
  for (let i = 0; i < n; i++) {
    const r = Math.hypot(...slopes.subarray(i * d, (i + 1) * d));
    const [term, slope] = PENALTIES[kind](r);
    value += term / n;
    factor[i] = (weight * slope) / (2 * step * n);
    for (let k = i * d; k < (i + 1) * d; k++) {
      const move = r > 0 ? (step * slopes[k]) / r : 0;
      ahead[k] += move;
      behind[k] -= move;
    }
  }
  backward(D, forward(D, ahead, n), factor, n, gradient);
  backward(D, forward(D, behind, n), factor.map((f) => -f), n, gradient);
  return value;
}

/** Puntos al azar de los segmentos que unen cada dato con una muestra. */
function between(x, samples, n, uniform) {
  const d = x.length / n;
  const shares = Float64Array.from({ length: n }, uniform);
  return x.map((v, k) => { const u = shares[Math.floor(k / d)]; return u * v + (1 - u) * samples[k]; });
}

/**
 * Un juego nuevo contra los datos de `law`. Las reglas se leen en cada paso: `rules()` da { loss,
 * generatorRate, discriminatorRate, optimizer, penalty, r1 }. Los datos y los z de cada paso son nuevos.
 */
function newGame({ law, hidden, batch, seed, rules }) {
  const uniform = sfc32(seed);
  const normal = () => gauss(uniform);
  const { dim } = law;
  const [G, D] = [tinyMLP([dim, ...hidden, dim]), tinyMLP([dim, ...hidden, 1])];
  initialize(G, normal, 0.2); // las primeras muestras salen juntas, en el centro
  initialize(D, normal, 1);
  const moves = { adam: adam(G.values), sgd: plainDescent(G.values) };
  const moveD = adam(D.values);
  const latents = () => Float64Array.from({ length: batch * dim }, normal);

  const stepD = () => {
    const { loss, discriminatorRate, penalty, r1 } = rules();
    const gradient = new Float64Array(D.values.length);
    const [x, samples] = [law.sample(batch, uniform), evaluate(G, latents(), batch)];
    discriminatorLoss(D, LOSSES[loss], x, samples, batch, gradient);
    if (loss === "wasserstein") slopePenalty(D, "lipschitz", between(x, samples, batch, uniform), batch, penalty, gradient);
    if (r1 > 0) slopePenalty(D, "r1", x, batch, r1, gradient);
    moveD(gradient, discriminatorRate);
  };
  const stepG = () => {
    const { loss, generatorRate, optimizer } = rules();
    const gradient = new Float64Array(G.values.length);
    generatorLoss(G, D, LOSSES[loss], latents(), batch, gradient);
    moves[optimizer](gradient, generatorRate);
  };
  return { law, G, D, stepD, stepG };
}
