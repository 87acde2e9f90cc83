// Un perceptrón de capas densas y tangente hiperbólica, su retropropagación y Adam.
// Un lote de n puntos de d números es un solo arreglo de n·d, por filas.

/** Red de anchos `sizes`: todos sus pesos en `values`; cada capa ve ahí su matriz W y su sesgo b. */
function tinyMLP(sizes) {
  const count = sizes.slice(1).reduce((sum, out, i) => sum + out * (sizes[i] + 1), 0);
  const values = new Float64Array(count);
  return { sizes, values, layers: layersOf(values, sizes) };
}

/** Las capas { W, b, fanIn, fanOut } que hay dentro de un arreglo plano de pesos o de gradientes. */
function layersOf(flat, sizes) {
  let start = 0;
  const take = (length) => flat.subarray(start, (start += length));
  return sizes.slice(1).map((fanOut, i) =>
    ({ W: take(fanOut * sizes[i]), b: take(fanOut), fanIn: sizes[i], fanOut }));
}

/** Pesos N(0, 2.25/entradas) y sesgos N(0, 0.25); en la última capa, pesos N(0, gain²/entradas) y sesgo 0. */
function initialize({ layers }, normal, gain) {
  layers.forEach(({ W, b, fanIn }, i) => {
    const last = i === layers.length - 1;
    for (let k = 0; k < W.length; k++) W[k] = ((last ? gain : 1.5) / Math.sqrt(fanIn)) * normal();
    for (let k = 0; k < b.length; k++) b[k] = last ? 0 : 0.5 * normal();
  });
}

/** tanh con una sola exponencial, bastante más rápida que Math.tanh. */
const tanh = (u) => 1 - 2 / (Math.exp(2 * u) + 1);

/** Las activaciones de cada capa, de la entrada a la salida: todas llevan tanh menos la última. */
function forward({ layers }, input, n) {
  const acts = [input];
  layers.forEach(({ W, b, fanIn, fanOut }, depth) => {
    const [x, y, bent] = [acts[depth], new Float64Array(n * fanOut), depth < layers.length - 1];
    for (let i = 0, to = 0; i < n; i++) {
      for (let o = 0, w = 0; o < fanOut; o++, to++) {
        let sum = b[o];
        for (let from = i * fanIn; from < (i + 1) * fanIn; from++, w++) sum += W[w] * x[from];
        y[to] = bent ? tanh(sum) : sum;
      }
    }
    acts.push(y);
  });
  return acts;
}

/** Lo que da la red en un lote. */
function evaluate(net, input, n) {
  return forward(net, input, n).at(-1);
}

/** Suma las derivadas de los pesos de una capa: ∂L/∂W = Σ δ xᵀ y ∂L/∂b = Σ δ. */
function accumulate({ W, b, fanIn, fanOut }, x, delta, n) {
  for (let i = 0; i < n; i++) {
    for (let o = 0, w = 0; o < fanOut; o++) {
      const d = delta[i * fanOut + o];
      b[o] += d;
      for (let from = i * fanIn; from < (i + 1) * fanIn; from++, w++) W[w] += d * x[from];
    }
  }
}

/**
 * Regla de la cadena, de la salida a la entrada. `upstream` es ∂L/∂salida; suma ∂L/∂pesos a
 * `gradient` (si se da) y devuelve ∂L/∂entrada.
 */
function backward(net, acts, upstream, n, gradient = null) {
  const slots = gradient && layersOf(gradient, net.sizes);
  let delta = upstream;
  for (let depth = net.layers.length - 1; depth >= 0; depth--) {
    const { W, fanIn, fanOut } = net.layers[depth];
    const [x, below] = [acts[depth], new Float64Array(n * fanIn)];
    if (slots) accumulate(slots[depth], x, delta, n);
    for (let i = 0; i < n; i++) {
      for (let o = 0, w = 0; o < fanOut; o++) {
        const d = delta[i * fanOut + o];
        for (let from = i * fanIn; from < (i + 1) * fanIn; from++, w++) below[from] += d * W[w];
      }
    }
    if (depth > 0) for (let k = 0; k < below.length; k++) below[k] *= 1 - x[k] * x[k]; // tanh′ = 1 − tanh²
    delta = below;
  }
  return delta;
}

/** Adam sobre un arreglo de pesos: `step(gradiente, tasa)` lo mueve. */
function adam(values, { beta1 = 0.5, beta2 = 0.999, epsilon = 1e-8 } = {}) {
  const [m, v] = [new Float64Array(values.length), new Float64Array(values.length)];
  let t = 0;
  return (gradient, rate) => {
    t += 1;
    const [c1, c2] = [1 - beta1 ** t, 1 - beta2 ** t];
    for (let k = 0; k < values.length; k++) {
      m[k] += (1 - beta1) * (gradient[k] - m[k]);
      v[k] += (1 - beta2) * (gradient[k] ** 2 - v[k]);
      values[k] -= (rate * (m[k] / c1)) / (Math.sqrt(v[k] / c2) + epsilon);
    }
  };
}

/** El descenso simple: cada peso baja según su derivada, sin memoria. */
function plainDescent(values) {
  return (gradient, rate) => gradient.forEach((slope, k) => { values[k] -= rate * slope; });
}
