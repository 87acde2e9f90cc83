// Cuentas de muestras por modo: las de course_lib.adversarial.mode_coverage, con el radio y el mínimo libres.

const TOP_LEVEL = 65535; // las coordenadas viajan como enteros de 0 a 2¹⁶ − 1

/** El modo más próximo a cada punto y a cuántas desviaciones queda (distancia de Mahalanobis). */
function nearestModes(points, means, factors) {
  const modes = new Uint8Array(points.length);
  const distances = new Float64Array(points.length).fill(Infinity);
  points.forEach(([u, v], i) => means.forEach(([a, b], k) => {
    const L = factors[k];
    const first = (u - a) / L[0][0];
    const second = (v - b - L[1][0] * first) / L[1][1];
    const distance = Math.sqrt(first * first + second * second);
    if (distance < distances[i]) { distances[i] = distance; modes[i] = k; }
  }));
  return { modes, distances };
}

/** Los entrenamientos con sus puntos ya en sus unidades: [{ name, steps, moments: [{ points, modes, distances, outside }] }]. */
function readRuns(model) {
  const packed = bytes(model, "data");
  const levels = new Uint16Array(packed.slice().buffer);
  const [low, high] = model.get("box");
  const [means, factors] = [model.get("means"), model.get("factors")];
  const place = (level, i) => low[i] + (high[i] - low[i]) * (level / TOP_LEVEL);
  const onEdge = (level) => level === 0 || level === TOP_LEVEL;
  return model.get("runs").map(({ name, steps, sizes, start }) => {
    let at = start;
    const moments = sizes.map((size) => {
      const pairs = Array.from({ length: size }, (_, n) => [levels[2 * (at + n)], levels[2 * (at + n) + 1]]);
      at += size;
      const points = pairs.map((pair) => pair.map(place));
      return { points, ...nearestModes(points, means, factors), outside: pairs.filter((pair) => pair.some(onEdge)).length };
    });
    return { name, steps, moments };
  });
}

/** Muestras de cada modo a menos de `radius` desviaciones. */
function countModes({ modes, distances }, total, radius) {
  const counts = new Array(total).fill(0);
  modes.forEach((k, i) => { if (distances[i] < radius) counts[k] += 1; });
  return counts;
}

/** Cuántos modos reúnen `minimum` muestras buenas. */
function coveredModes(counts, minimum) {
  return counts.filter((count) => count >= minimum).length;
}

/** Fracción de muestras buenas de un generador perfecto en el plano: 1 − exp(−r²/2). */
function perfectGood(radius) {
  return 1 - Math.exp(-radius * radius / 2);
}
