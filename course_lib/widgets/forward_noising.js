// La cadena directa: x_t = α·x_0 + σ·ε con un ε fijo, calculado aquí mismo en el navegador.

const BIN = 0.25; // anchura de las barras del histograma
const LIMIT = 4; // los gráficos de valores van de -LIMIT a LIMIT
const STROKES = { 1: ["cw-main"], 3: ["cw-red", "cw-green", "cw-blue"] }; // según los canales
const GHOSTS = { 1: ["cw-signal cw-faint"], 3: ["cw-red cw-faint", "cw-green cw-faint", "cw-blue cw-faint"] };

/** Los datos del modelo: imágenes x_0 y ruido ε en [-1, 1], cada una con forma (C, H, W). */
function readData(model) {
  const shape = model.get("shape");
  const size = shape[0] * shape[1] * shape[2];
  const pixels = bytes(model, "pixels");
  const x0 = (index) => Float32Array.from(pixels.subarray(index * size, (index + 1) * size), (b) => b / 127.5 - 1);
  return { shape, size, x0, epsilon: floats(model, "epsilon") };
}

/** x_t, con la escala de la pantalla ya aplicada. */
function noised(x0, epsilon, alpha, sigma) {
  const factor = screenScale(alpha, sigma);
  return x0.map((value, i) => factor * (alpha * value + sigma * epsilon[i]));
}

/** Los valores de una fila de píxeles: una lista por canal. */
function rowOf(values, [channels, height, width], row) {
  return Array.from({ length: channels }, (_, c) => {
    const start = (c * height + row) * width;
    return Array.from(values.slice(start, start + width));
  });
}

/** Densidad de la normal N(mean, deviation²) en v. */
function normal(v, mean, deviation) {
  return Math.exp(-0.5 * ((v - mean) / deviation) ** 2) / (deviation * Math.sqrt(2 * Math.PI));
}

/** Histograma normalizado como densidad: [desde, hasta, altura]; los extremos recogen las colas. */
function histogram(values) {
  const count = Math.round((2 * LIMIT) / BIN);
  const heights = new Array(count).fill(0);
  for (const v of values) {
    const bin = Math.max(0, Math.min(count - 1, Math.floor((v + LIMIT) / BIN)));
    heights[bin] += 1 / (values.length * BIN);
  }
  return heights.map((height, i) => [-LIMIT + i * BIN, -LIMIT + (i + 1) * BIN, height]);
}

/** Densidad de los píxeles de x_t dado x_0: la mezcla de las normales N(α x_0, σ²) de cada píxel. */
function exactDensity(means, deviation) {
  return linspace(-LIMIT, LIMIT, 241).map((v) =>
    [v, means.reduce((sum, mean) => sum + normal(v, mean, deviation), 0) / means.length]);
}

/** Figura con un canvas y su pie. */
function picture(caption, kind) {
  const canvas = h("canvas", { role: "img" });
  const root = h("figure", { class: `cw-picture ${kind}` }, canvas, h("figcaption", {}, ...caption));
  return { canvas, root, caption: root.lastChild };
}

/** Casilla con el nombre de una magnitud y su valor. */
function reading(label, kind = "") {
  const value = h("dd", { class: kind });
  return { value, root: h("div", {}, h("dt", {}, ...rich(label)), value) };
}

function render({ model, el }) {
  const { shape, x0: imageAt, epsilon } = readData(model);
  const [, height] = shape;
  const T = model.get("T");
  const captions = model.get("captions");
  const law = Object.fromEntries(model.get("schedules").map((name) => [name, LAWS[name](T)]));
  const step = () => Math.round(model.get("t") * T);
  const summary = () => {
    const [alpha, sigma] = law[model.get("schedule")](step());
    const snr = (alpha / sigma) ** 2;
    return `k ${step()} de ${T}: α ${fmt(alpha)}, σ ${fmt(sigma)}, SNR ${decibels(snr)}`;
  };

  // --- Controles -------------------------------------------------------------------------------
  const thumbnail = (index, i) => {
    const canvas = h("canvas", { "aria-hidden": "true" });
    paint(canvas, shape, ((x) => (j) => toByte(x[j]))(imageAt(index)));
    return [canvas, h("span", {}, captions[i])];
  };
  const images = choice({
    label: "Imagen", kind: "cw-thumbnails", options: captions.map((_, i) => i), value: model.get("index"),
    content: thumbnail, onchange: (index) => put(model, "index", index),
  });
  const schedules = choice({
    label: "Esquema de ruido", options: model.get("schedules"), value: model.get("schedule"),
    onchange: (name) => put(model, "schedule", name),
  });
  const time = slider({
    label: "Instante", min: 0, max: T, value: step(), text: (k) => `t = ${(k / T).toFixed(3)} · k = ${k} de ${T}`,
    oninput: (k) => { play.stop(); put(model, "t", k / T); }, onchange: () => live.say(summary()),
  });
  const play = player({
    label: "Reproducir: de la imagen al ruido",
    period: () => (reducedMotion() ? 900 : 40),
    step: () => {
      const jump = reducedMotion() ? T / 10 : T / 150;
      const next = step() >= T ? 0 : Math.min(T, step() + Math.max(1, Math.round(jump)));
      put(model, "t", next / T);
      if (next === T) live.say(summary());
      return next < T;
    },
  });
  const row = slider({
    label: "Fila de píxeles", min: 0, max: height - 1, value: model.get("row"), text: String,
    oninput: (r) => put(model, "row", r),
  });
  const whole = h("input", { type: "checkbox", onchange: () => draw() });

  // --- Lo que se ve ------------------------------------------------------------------------------
  const noisy = picture([math("x_t")], "cw-large");
  const clean = picture([math("x_0")], "cw-small");
  const noise = picture([math("ε")], "cw-small");
  const rowMark = h("div", { class: "cw-rowmark", "aria-hidden": "true" });
  const frame = h("div", { class: "cw-frame" }, noisy.canvas, rowMark);
  noisy.root.prepend(frame);
  frame.addEventListener("pointerdown", (event) => {
    const box = frame.getBoundingClientRect();
    put(model, "row", Math.max(0, Math.min(height - 1, Math.floor(((event.clientY - box.top) / box.height) * height))));
  });
  const alphaTag = h("strong", { class: "cw-signal" });
  const sigmaTag = h("strong", { class: "cw-noise" });
  const equation = h("div", { class: "cw-equation" },
    h("span", { class: "cw-term" }, h("span", { class: "cw-sign" }, "="), alphaTag, h("span", { class: "cw-sign" }, "×")), clean.root,
    h("span", { class: "cw-term" }, h("span", { class: "cw-sign" }, "+"), sigmaTag, h("span", { class: "cw-sign" }, "×")), noise.root);
  const readings = {
    snr: reading("SNR = |α|² / |σ|²"), db: reading("SNR en decibelios"),
    log: reading("log SNR = 2|λ|"), kept: reading("fracción de señal, |α|² / (|α|² + |σ|²)"),
  };
  const profile = chart({ title: "Valores de la fila, píxel a píxel" });
  const bell = chart({ title: "Histograma de los valores" });
  const live = announcer();
  paint(noise.canvas, shape, (i) => toByte(epsilon[i]));
  noise.canvas.setAttribute("aria-label", "Ruido ε, el mismo para todos los instantes");

  // --- Dibujo --------------------------------------------------------------------------------------
  const drawPictures = (x0, xt, alpha, sigma) => {
    paint(noisy.canvas, shape, (i) => toByte(xt[i]));
    paint(clean.canvas, shape, (i) => toByte(x0[i]));
    const name = captions[model.get("index")];
    noisy.canvas.setAttribute("aria-label", `${name} con ruido, ${summary()}`);
    clean.canvas.setAttribute("aria-label", `${name} sin ruido`);
    alphaTag.textContent = fmt(alpha);
    sigmaTag.textContent = fmt(sigma);
    const scaled = screenScale(alpha, sigma) < 0.9999;
    noisy.caption.replaceChildren(math("x_t"), scaled ? " / √(1 + σ²), para que quepa en la pantalla" : "");
    rowMark.style.top = `${(100 * model.get("row")) / height}%`;
    rowMark.style.height = `${100 / height}%`;
  };
  const drawReadings = (alpha, sigma) => {
    const snr = (alpha / sigma) ** 2;
    readings.snr.value.textContent = fmt(snr);
    readings.db.value.textContent = decibels(snr);
    readings.log.value.textContent = fmt(Math.log(snr));
    readings.kept.value.textContent = `${(100 * alpha ** 2 / (alpha ** 2 + sigma ** 2)).toFixed(1)} %`;
  };
  const drawCharts = (x0, xt, alpha, sigma) => {
    const factor = screenScale(alpha, sigma);
    const before = rowOf(x0, shape, model.get("row"));
    const after = rowOf(xt, shape, model.get("row"));
    const lines = (rows, styles) => rows.map((values, c) => ({ points: values.map((v, i) => [i, v]), style: styles[c] }));
    profile.draw({
      x: { min: 0, max: shape[2] - 1, label: "columna" }, y: { min: -3, max: 3 },
      series: [...lines(before, GHOSTS[shape[0]]), ...lines(after, STROKES[shape[0]])],
      summary: `Fila ${model.get("row")}.`,
    });
    const sources = whole.checked ? Array.from(x0) : before.flat();
    bell.draw({
      x: { min: -LIMIT, max: LIMIT, label: "valor del píxel" }, y: { min: 0, max: 0.9 },
      bars: histogram(whole.checked ? xt : after.flat()),
      series: [
        { points: linspace(-LIMIT, LIMIT, 121).map((v) => [v, normal(v, 0, 1)]), style: "cw-noise cw-dashed" },
        ...(sigma > 0 ? [{ points: exactDensity(sources.map((v) => factor * alpha * v), factor * sigma), style: "cw-main" }] : []),
      ],
      summary: "Barras: los valores; línea continua: su densidad exacta; a trazos: la normal N(0, 1).",
    });
  };
  const draw = () => {
    const x0 = imageAt(model.get("index"));
    const [alpha, sigma] = law[model.get("schedule")](step());
    const xt = noised(x0, epsilon, alpha, sigma);
    images.set(model.get("index"));
    schedules.set(model.get("schedule"));
    time.set(step());
    row.set(model.get("row"));
    drawPictures(x0, xt, alpha, sigma);
    drawReadings(alpha, sigma);
    drawCharts(x0, xt, alpha, sigma);
  };

  // --- Disposición -----------------------------------------------------------------------------------
  const root = h("section", { class: "cw", "aria-label": "Cadena directa: una imagen que se disuelve en ruido" },
    images.root,
    h("div", { class: "cw-stage" }, noisy.root, h("div", { class: "cw-side" }, equation,
      h("dl", { class: "cw-readings" }, ...Object.values(readings).map((r) => r.root)))),
    h("div", { class: "cw-transport" }, play.root, time.root),
    schedules.root,
    h("div", { class: "cw-pair cw-controls" }, row.root,
      h("label", { class: "cw-check" }, whole, h("span", {}, "Histograma de toda la imagen"))),
    h("div", { class: "cw-pair" },
      h("div", {}, profile.root, legend([["cw-main", "|x_t|"], ["cw-signal cw-faint", "|x_0|"]])),
      h("div", {}, bell.root, legend([["cw-main", "densidad exacta dado |x_0|"], ["cw-noise cw-dashed", "N(0, 1)"]]))),
    live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["t", "schedule", "index", "row"], draw);
  draw();
  return () => { play.stop(); unwatch(); profile.remove(); bell.remove(); };
}

export default { render };
