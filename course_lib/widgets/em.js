// EM para mezclas de gaussianas en el plano. Una mezcla es { weights, means, covs };
// cada covarianza, [c_xx, c_xy, c_yy]. Los puntos, una lista de parejas.

/** Generador congruencial de Lehmer (a = 48271, m = 2³¹ − 1): los mismos números que en Python. */
function lehmer(seed) {
  let state = (seed % 2147483646) + 1;
  const next = () => { state = (state * 48271) % 2147483647; return state / 2147483647; };
  for (let i = 0; i < 10; i++) next(); // los primeros delatan que las semillas son vecinas
  return next;
}

/** Media y covarianza (con 1/n) de los puntos con los pesos dados, que suman `total`. */
function weightedMoments(points, weight, total) {
  const mean = [0, 0];
  points.forEach(([x, y], n) => { mean[0] += (weight(n) * x) / total; mean[1] += (weight(n) * y) / total; });
  const cov = [0, 0, 0];
  points.forEach(([x, y], n) => {
    const [dx, dy, w] = [x - mean[0], y - mean[1], weight(n) / total];
    cov[0] += w * dx * dx; cov[1] += w * dx * dy; cov[2] += w * dy * dy;
  });
  return { mean, cov };
}

/** Inicio: k datos distintos al azar como medias, pesos iguales y la covarianza de los datos entre k. */
function initialMixture(points, k, seed, floor) {
  const random = lehmer(seed);
  const order = points.map((_, n) => n);
  for (let j = 0; j < k; j++) { // los k primeros pasos de la mezcla de Fisher-Yates
    const other = j + Math.floor(random() * (points.length - j));
    [order[j], order[other]] = [order[other], order[j]];
  }
  const { cov } = weightedMoments(points, () => 1, points.length);
  const ranks = Array.from({ length: k }, (_, j) => j);
  return {
    weights: ranks.map(() => 1 / k),
    means: ranks.map((j) => [...points[order[j]]]),
    covs: ranks.map(() => raise(cov.map((c) => c / k), floor)),
  };
}

/** Autovalores (mayor, menor) de una covarianza y dirección del mayor, en radianes. */
function principal([a, b, c]) {
  const [middle, radius] = [(a + c) / 2, Math.hypot((a - c) / 2, b)];
  return { values: [middle + radius, middle - radius], angle: 0.5 * Math.atan2(2 * b, a - c) };
}

/** Sube a `floor` los autovalores menores: una componente no puede encogerse hasta un punto. */
function raise(cov, floor) {
  const { values, angle } = principal(cov);
  if (values[1] >= floor) return cov;
  const [u, v] = values.map((value) => Math.max(value, floor));
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [u * cos * cos + v * sin * sin, (u - v) * cos * sin, u * sin * sin + v * cos * cos];
}

/** log N(x; m, C) en el plano, en nats. */
function logNormal2([x, y], [mx, my], [a, b, c]) {
  const [dx, dy, det] = [x - mx, y - my, a * c - b * b];
  return -0.5 * ((c * dx * dx - 2 * b * dx * dy + a * dy * dy) / det) - 0.5 * Math.log(det) - Math.log(2 * Math.PI);
}

/** log w_j + log N(x; m_j, C_j) de cada componente. */
function logJoint({ weights, means, covs }, x) {
  return weights.map((w, j) => Math.log(w) + logNormal2(x, means[j], covs[j]));
}

/** Paso E: la responsabilidad de cada componente en cada punto, r_nj = p(j | x_n). */
function expectation(mixture, points) {
  return points.map((x) => {
    const joint = logJoint(mixture, x);
    const total = logSumExp(joint);
    return joint.map((v) => Math.exp(v - total));
  });
}

/** Paso M: pesos, medias y covarianzas ponderadas por las responsabilidades. */
function maximization(mixture, points, resp, floor) {
  const next = { weights: [], means: [], covs: [] };
  mixture.weights.forEach((_, j) => {
    const count = resp.reduce((sum, r) => sum + r[j], 0);
    const empty = count < 1e-9; // nadie la elige: se queda donde está, con peso casi nulo
    const { mean, cov } = empty ? {} : weightedMoments(points, (n) => resp[n][j], count);
    next.weights.push(count / points.length);
    next.means.push(empty ? mixture.means[j] : mean);
    next.covs.push(empty ? mixture.covs[j] : raise(cov, floor));
  });
  return next;
}

/** Log-verosimilitud media, en nats por punto. */
function logLikelihood(mixture, points) {
  return points.reduce((sum, x) => sum + logSumExp(logJoint(mixture, x)), 0) / points.length;
}

/** Cota inferior media: Σ_j r_nj (log w_j N(x_n; m_j, C_j) − log r_nj), en nats por punto. */
function lowerBound(mixture, points, resp) {
  let sum = 0;
  points.forEach((x, n) => logJoint(mixture, x).forEach((v, j) => {
    if (resp[n][j] > 0) sum += resp[n][j] * (v - Math.log(resp[n][j]));
  }));
  return sum / points.length;
}
