// Álgebra de la gaussiana en el plano: factor de Cholesky 2×2, puntos x = m + Lε y elipses.

/** Densidad de N(mean, std²) en v. */
function normalDensity(v, mean = 0, std = 1) {
  return Math.exp(-0.5 * ((v - mean) / std) ** 2) / (std * Math.sqrt(2 * Math.PI));
}

/** Parejas (v, densidad de N(mean, std²)) que cubren ±5 desviaciones. */
function bell(mean, std, count = 161) {
  return Array.from({ length: count }, (_, i) => {
    const v = mean + std * 5 * ((2 * i) / (count - 1) - 1);
    return [v, normalDensity(v, mean, std)];
  });
}

/** L triangular inferior con L Lᵀ = C. */
function cholesky2([[a, b], [, c]]) {
  const first = Math.sqrt(a);
  const below = b / first;
  return [[first, 0], [below, Math.sqrt(c - below * below)]];
}

/** m + Lε. */
function reparametrize(m, L, [e1, e2]) {
  return [m[0] + L[0][0] * e1 + L[0][1] * e2, m[1] + L[1][0] * e1 + L[1][1] * e2];
}

/** Puntos de la elipse a `radius` desviaciones de Mahalanobis: m + L·radius·(cos, sen). */
function ellipse(m, L, radius, count = 96) {
  return Array.from({ length: count + 1 }, (_, i) => {
    const angle = (2 * Math.PI * i) / count;
    return reparametrize(m, L, [radius * Math.cos(angle), radius * Math.sin(angle)]);
  });
}
