// Los caminos de las partículas: la SDE directa, la familia de SDE inversas de ruido η y la ODE de flujo.

const FLOW_T_MAX = 0.95; // en Flow, f y g² son infinitos en t = 1: se empieza antes
const SCHEDULES = { ...continuousLaws, Flow: lawFlow(FLOW_T_MAX) };
const OTHER_STREAM = 2 ** 31; // las semillas son menores: el ruido de los pasos no repite el de partida

/**
 * Los estados en cada instante, { times, states }. `way` es «directa», que usa la transición exacta
 * x_s|x_t ~ N((α_s/α_t)·x_t, σ_s² − (α_s/α_t)²σ_t²), o «inversa»: Euler–Maruyama con deriva
 * f·x − (1 + η²)/2·g²·∇log p y ruido η·g·√h, sin ruido en el último paso; η = 0 es la ODE. Con
 * `sign` = −1 el score entra cambiado de signo. La misma semilla da la misma partida en las dos.
 */
function flowPath({ law, schedule, grid, way, eta = 0, sign = 1, count, seed }) {
  const [start, kicks] = [sfc32(seed), sfc32(seed + OTHER_STREAM)];
  const { alpha, sigma, f, g2 } = schedule;
  const times = way === "directa" ? grid.slice().reverse() : grid;
  let x = way === "directa" ? law.sample(count, start)
    : Float64Array.from({ length: 2 * count }, () => sigma(grid[0]) * gauss(start));
  const states = [x];
  for (let i = 0; i + 1 < times.length; i++) {
    const [t, s] = [times[i], times[i + 1]];
    if (way === "directa") {
      const ratio = alpha(s) / alpha(t);
      const spread = Math.sqrt(Math.max(0, sigma(s) ** 2 - (ratio * sigma(t)) ** 2));
      x = x.map((v) => ratio * v + spread * gauss(kicks));
    } else {
      const h = t - s;
      const keep = 1 - h * f(t);
      const pull = (sign * h * (1 + eta * eta) * g2(t)) / 2;
      const kick = i + 2 < times.length ? eta * Math.sqrt(g2(t) * h) : 0;
      const score = diffuseMixture(law, alpha(t), sigma(t)).score(x);
      x = x.map((v, j) => keep * v + pull * score[j] + (kick ? kick * gauss(kicks) : 0));
    }
    states.push(x);
  }
  return { times, states };
}

/** Dónde cae t en el camino: cuántos pasos van dados, con su fracción. */
function progressAt({ times }, t) {
  const last = times.length - 1;
  const downward = times[0] > times[last];
  const done = (i) => (downward ? times[i] >= t : times[i] <= t);
  if (!done(0)) return 0;
  let i = 0;
  while (i < last && done(i + 1)) i++;
  return i === last ? last : i + (t - times[i]) / (times[i + 1] - times[i]);
}

/** El instante al que se llega tras `progress` pasos. */
function timeAt({ times }, progress) {
  const i = Math.min(Math.floor(progress), times.length - 2);
  return times[i] + (progress - i) * (times[i + 1] - times[i]);
}

/** Las partículas tras `progress` pasos; entre dos, en línea recta. */
function stateAt({ states }, progress) {
  const i = Math.min(Math.floor(progress), states.length - 2);
  const [u, from, to] = [progress - i, states[i], states[i + 1]];
  return u === 0 ? from : from.map((v, j) => v + u * (to[j] - v));
}
