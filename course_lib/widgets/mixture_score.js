// La mezcla difundida α·x_0 + σ·ε, en dimensión 1 o 2: su densidad, su score y E[x_0|x_t], exactos.

/**
 * Una componente difundida: precisión P = (α²C + σ²I)⁻¹ y ganancia αCP, las dos [xx, xy, yy], y el
 * logaritmo del peso entre la constante. Con C = LLᵀ ninguna resta cancela: det(α²C + σ²I) es
 * α⁴·det C + α²σ²·tr C + σ⁴ y C·adj(α²C + σ²I) es α²·det C·I + σ²·C.
 */
function diffuseComponent(weight, mean, L, alpha, sigma) {
  const dim = mean.length;
  const [a, b, c] = [L[0][0], dim === 2 ? L[1][0] : 0, dim === 2 ? L[1][1] : 0];
  const [A, S, C] = [alpha * alpha, sigma * sigma, [a * a, a * b, b * b + c * c]];
  const own = dim === 2 ? A * (a * c) ** 2 : C[0]; // α²·det C
  const det = dim === 2 ? A * own + A * S * (C[0] + C[2]) + S * S : A * C[0] + S;
  const precision = dim === 2 ? [(A * C[2] + S) / det, (-A * C[1]) / det, (A * C[0] + S) / det] : [1 / det, 0, 0];
  const gain = dim === 2 ? [own + S * C[0], S * C[1], own + S * C[2]].map((v) => (alpha * v) / det) : [(alpha * own) / det, 0, 0];
  const log = Math.log(weight) - 0.5 * Math.log(det) - (dim / 2) * Math.log(2 * Math.PI);
  return { mean: [mean[0], mean[1] ?? 0], center: [alpha * mean[0], alpha * (mean[1] ?? 0)], precision, gain, log };
}

/**
 * La distribución de x_t, con la mezcla { weights, means, factors } (Cholesky por filas). Los puntos
 * van en un arreglo de n·dim; `score` y `denoise` escriben en `out`, y `logDensity` da n números.
 */
function diffuseMixture({ weights, means, factors }, alpha, sigma) {
  const dim = means[0].length;
  const parts = weights.map((w, k) => diffuseComponent(w, means[k], factors[k], alpha, sigma));
  const chances = new Float64Array(parts.length); // p(k|x) del último punto pesado

  /** Escribe p(k|x) en `chances` y devuelve log p(x). */
  const weigh = (x, y) => {
    let [top, sum] = [-Infinity, 0];
    for (let k = 0; k < parts.length; k++) {
      const { center, precision: P, log } = parts[k];
      const [u, v] = [x - center[0], y - center[1]];
      chances[k] = log - 0.5 * (P[0] * u * u + 2 * P[1] * u * v + P[2] * v * v);
      if (chances[k] > top) top = chances[k];
    }
    for (let k = 0; k < parts.length; k++) sum += chances[k] = Math.exp(chances[k] - top);
    for (let k = 0; k < parts.length; k++) chances[k] /= sum;
    return top + Math.log(sum);
  };

  /** Para cada punto, Σ p(k|x)·(base + signo·M·(x − centro)), con M la precisión o la ganancia. */
  const average = (points, out, matrix, sign, based) => {
    for (let i = 0; i < points.length; i += dim) {
      const [x, y] = [points[i], dim === 2 ? points[i + 1] : 0];
      let [first, second] = [0, 0];
      weigh(x, y);
      for (let k = 0; k < parts.length; k++) {
        const { center, mean, [matrix]: M } = parts[k];
        const [u, v] = [sign * (x - center[0]), sign * (y - center[1])];
        first += chances[k] * (M[0] * u + M[1] * v + (based ? mean[0] : 0));
        second += chances[k] * (M[1] * u + M[2] * v + (based ? mean[1] : 0));
      }
      out[i] = first;
      if (dim === 2) out[i + 1] = second;
    }
    return out;
  };
  const blank = (points) => new Float64Array(points.length);
  return {
    logDensity: (points) => Float64Array.from({ length: points.length / dim }, (_, i) => weigh(points[i * dim], dim === 2 ? points[i * dim + 1] : 0)),
    score: (points, out = blank(points)) => average(points, out, "precision", -1, false),
    denoise: (points, out = blank(points)) => average(points, out, "gain", 1, true),
  };
}
