// La ley de los datos: una mezcla de gaussianas de una o dos dimensiones.

/** A partir de { weights, means, factors }, con los factores de Cholesky por filas: muestras y densidad. */
function mixtureLaw({ weights, means, factors }) {
  const dim = means[0].length;
  const logScale = factors.map((L) => L.reduce((sum, row, i) => sum + Math.log(row[i]), 0) + (dim / 2) * Math.log(2 * Math.PI));

  /** Distancia de Mahalanobis de x a la media k: la norma de L⁻¹(x − m). */
  const distance = (x, k) => {
    const white = [];
    factors[k].forEach((row, i) => {
      let rest = x[i] - means[k][i];
      for (let j = 0; j < i; j++) rest -= row[j] * white[j];
      white.push(rest / row[i]);
    });
    return Math.hypot(...white);
  };
  const logDensity = (x) =>
    logSumExp(weights.map((w, k) => Math.log(w) - 0.5 * distance(x, k) ** 2 - logScale[k]));

  /** n puntos, en un arreglo de n·dim. */
  const sample = (n, uniform) => {
    const points = new Float64Array(n * dim);
    for (let i = 0; i < n; i++) {
      let [k, left] = [0, uniform() - weights[0]];
      while (left > 0 && k < weights.length - 1) left -= weights[++k];
      const noise = means[k].map(() => gauss(uniform));
      means[k].forEach((m, r) => {
        points[i * dim + r] = m + factors[k][r].slice(0, r + 1).reduce((sum, l, j) => sum + l * noise[j], 0);
      });
    }
    return points;
  };

  /** Puntos buenos de cada modo: los que distan menos de `radius` desviaciones del que les queda más cerca. */
  const countByMode = (points, radius = 3) => {
    const counts = weights.map(() => 0);
    for (let i = 0; i < points.length; i += dim) {
      const away = weights.map((_, k) => distance(points.subarray(i, i + dim), k));
      const nearest = away.indexOf(Math.min(...away));
      if (away[nearest] < radius) counts[nearest] += 1;
    }
    return counts;
  };
  return { dim, weights, means, factors, logDensity, sample, countByMode };
}
