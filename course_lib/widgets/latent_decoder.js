// El decodificador de un VAE en el navegador: de z, y quizá una clase, a la imagen media E[x|z].

/** El número que representan los 16 bits de un float16 finito. */
function halfToNumber(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, (bits & 1023) / 1024];
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}

/** Los números float16 (little-endian) de un rasgo binario. */
function halves(model, name) {
  return Float32Array.from(new Uint16Array(bytes(model, name).slice().buffer), halfToNumber);
}

/** La red: capas { W, b, fanIn, fanOut } de anchos `sizes`, un vector por clase y la ley de x dado z. */
function readDecoder(model) {
  const sizes = model.get("sizes");
  const flat = halves(model, "weights");
  let start = 0;
  const take = (length) => flat.subarray(start, (start += length));
  const layers = sizes.slice(1).map((fanOut, i) =>
    ({ W: take(fanOut * sizes[i]), b: take(fanOut), fanIn: sizes[i], fanOut }));
  const classes = model.get("conditional") ? model.get("classes") : [];
  return { layers, classes: classes.map(() => take(sizes[1])), law: model.get("law"), shape: model.get("shape") };
}

const silu = (v) => v / (1 + Math.exp(-v));

/** Wx + b. */
function dense({ W, b, fanIn, fanOut }, x) {
  const y = new Float32Array(fanOut);
  for (let o = 0, w = 0; o < fanOut; o++) {
    let sum = b[o];
    for (let i = 0; i < fanIn; i++, w++) sum += W[w] * x[i];
    y[o] = sum;
  }
  return y;
}

/** La media de cada ley a partir de lo que da la red. */
const MEANS = {
  bernoulli: (v) => 1 / (1 + Math.exp(-v)),
  gaussian: (v) => v,
  discrete: (v) => clamp(v, -1, 1),
};

/** E[x|z] en las unidades de los datos; el vector de la clase `y` se suma a la primera capa. */
function decode({ layers, classes, law }, z, y) {
  let h = dense(layers[0], Float32Array.from(z));
  if (classes.length) h = h.map((v, i) => v + classes[y][i]);
  for (const layer of layers.slice(1)) h = dense(layer, h.map(silu));
  return h.map(MEANS[law]);
}

/** El byte de cada valor: de [0, 1] con la ley de Bernoulli y de [−1, 1] con las demás. */
function toBytes(law, values) {
  return Uint8ClampedArray.from(values, law === "bernoulli" ? (v) => Math.round(255 * v) : toByte);
}
