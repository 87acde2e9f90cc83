// Mapas sobre un plano cuadrado de `side`² casillas: D, la densidad de las muestras y una isolínea.

/** Los centros de las casillas, de abajo arriba y de izquierda a derecha: un lote de puntos. */
function gridCenters([xAxis, yAxis], side) {
  const centers = new Float64Array(2 * side * side);
  for (let row = 0, k = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      centers[k++] = xAxis.min + ((column + 0.5) / side) * (xAxis.max - xAxis.min);
      centers[k++] = yAxis.min + ((row + 0.5) / side) * (yAxis.max - yAxis.min);
    }
  }
  return centers;
}

/** Densidad estimada en cada casilla: el histograma de los puntos, suavizado con una gaussiana de `spread` casillas. */
function smoothedDensity(points, [xAxis, yAxis], side, spread) {
  const counts = new Float64Array(side * side);
  const cell = (v, { min, max }) => Math.floor(((v - min) / (max - min)) * side);
  for (let i = 0; i < points.length; i += 2) {
    const [column, row] = [cell(points[i], xAxis), cell(points[i + 1], yAxis)];
    if (column >= 0 && column < side && row >= 0 && row < side) counts[row * side + column] += 1;
  }
  const reach = Math.ceil(4 * spread);
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / spread) ** 2));
  const total = kernel.reduce((sum, w) => sum + w, 0);
  const blur = (values, stride) => values.map((_, k) => {
    const at = Math.floor(k / stride) % side;
    let sum = 0;
    for (let j = Math.max(-reach, -at); j <= Math.min(reach, side - 1 - at); j++) sum += kernel[j + reach] * values[k + j * stride];
    return sum / total;
  });
  const area = ((xAxis.max - xAxis.min) * (yAxis.max - yAxis.min)) / side ** 2;
  return blur(blur(counts, 1), side).map((c) => c / (area * (points.length / 2)));
}

/** Trazo de la isolínea `level` por interpolación en cada cuadro de cuatro centros vecinos. */
function isoline(values, centers, side, level, { x, y }) {
  let path = "";
  for (let row = 0; row < side - 1; row++) {
    for (let column = 0; column < side - 1; column++) {
      const k = row * side + column;
      const corners = [k, k + 1, k + side + 1, k + side];
      const cuts = [];
      corners.forEach((a, i) => {
        const b = corners[(i + 1) % 4];
        if (values[a] > level === values[b] > level || Number.isNaN(values[a] + values[b])) return;
        const u = (level - values[a]) / (values[b] - values[a]);
        const mix = (axis) => centers[2 * a + axis] + u * (centers[2 * b + axis] - centers[2 * a + axis]);
        cuts.push(`${x(mix(0)).toFixed(1)} ${y(mix(1)).toFixed(1)}`);
      });
      for (let i = 0; i + 1 < cuts.length; i += 2) path += `M${cuts[i]}L${cuts[i + 1]}`;
    }
  }
  return path;
}

/** Pinta las probabilidades en el canvas: por encima de ½, un color; por debajo, el otro; ½ es transparente. */
function paintMap(canvas, chances, side, [high, low]) {
  const image = new ImageData(side, side);
  chances.forEach((chance, k) => {
    const to = 4 * ((side - 1 - Math.floor(k / side)) * side + (k % side));
    image.data.set(chance > 0.5 ? high : low, to);
    image.data[to + 3] = Number.isNaN(chance) ? 0 : 150 * Math.abs(2 * chance - 1);
  });
  canvas.width = canvas.height = side;
  canvas.getContext("2d").putImageData(image, 0, 0);
}
