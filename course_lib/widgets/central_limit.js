// Teorema central del límite: 10 000 medias estandarizadas de n sumandos, simuladas aquí mismo.

const MEANS = 10000; // cuántas medias
const SEED = 1;
const EDGE = 4; // el histograma va de -EDGE a EDGE
const STOPS = [1, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 56, 75, 100]; // donde se mide la segunda gráfica

/** Media, desviación y asimetría de una mezcla de normales [[peso, media, desviación], …]. */
function mixtureMoments(parts) {
  const sum = (f) => parts.reduce((acc, [w, m, s]) => acc + w * f(m, s), 0);
  const mean = sum((m) => m);
  const variance = sum((m, s) => (m - mean) ** 2 + s * s);
  const third = sum((m, s) => (m - mean) ** 3 + 3 * (m - mean) * s * s);
  return { mean, std: Math.sqrt(variance), skewness: third / variance ** 1.5 };
}

const P = 0.2; // probabilidad de éxito de la Bernoulli
const PEAKS = [[0.7, -1, 0.3], [0.3, 1, 0.3]];

/** Las fuentes: cómo se saca un sumando, sus momentos y, si son enteros, el salto entre valores. */
const SOURCES = {
  uniforme: { text: "Uniforme", draw: (u) => u(), mean: 0.5, std: Math.sqrt(1 / 12), skewness: 0, span: 0 },
  exponencial: { text: "Exponencial", draw: (u) => -Math.log(u()), mean: 1, std: 1, skewness: 2, span: 0 },
  bernoulli: {
    text: `Bernoulli(${P})`, draw: (u) => (u() < P ? 1 : 0), mean: P, std: Math.sqrt(P * (1 - P)),
    skewness: (1 - 2 * P) / Math.sqrt(P * (1 - P)), span: 1,
  },
  "dos picos": {
    text: "Dos picos", span: 0, ...mixtureMoments(PEAKS),
    draw: (u) => { const [, m, s] = PEAKS[u() < PEAKS[0][0] ? 0 : 1]; return m + s * gauss(u); },
  },
};

/** Los sumandos de una fuente: `most` tandas de MEANS números; la media i usa los n primeros. */
function simulate({ draw }, most) {
  const uniform = sfc32(SEED);
  const terms = new Float64Array(MEANS * most);
  for (let i = 0; i < terms.length; i++) terms[i] = draw(uniform);
  return terms;
}

/** Las MEANS medias estandarizadas Z_n, ordenadas. */
function standardized(terms, { mean, std }, n) {
  const z = new Float64Array(MEANS);
  for (let k = 0; k < n; k++) for (let i = 0; i < MEANS; i++) z[i] += terms[k * MEANS + i];
  return z.map((sum) => (sum - n * mean) / (std * Math.sqrt(n))).sort();
}

/** Función de distribución normal, con error menor que 1.5·10⁻⁷ (Abramowitz y Stegun, 7.1.26). */
function normalCdf(z) {
  const t = 1 / (1 + 0.3275911 * (Math.abs(z) / Math.SQRT2));
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const tail = 0.5 * poly * Math.exp(-0.5 * z * z);
  return z > 0 ? 1 - tail : tail;
}

/** Distancia de Kolmogorov–Smirnov de una muestra ordenada a N(0, 1): sup |F_N − Φ|. */
function kolmogorov(sorted) {
  return sorted.reduce((worst, z, i) => {
    const phi = normalCdf(z);
    return Math.max(worst, (i + 1) / sorted.length - phi, phi - i / sorted.length);
  }, 0);
}

/** Asimetría de la muestra: tercer momento central entre la desviación al cubo. */
function skewness(values) {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const moment = (power) => values.reduce((sum, v) => sum + (v - mean) ** power, 0) / values.length;
  return moment(3) / moment(2) ** 1.5;
}

/** Primer término de la distancia: (|γ| + 3h/σ)/(6√(2πn)), con h el salto de la fuente (Esseen, 1956). */
function firstOrder({ skewness: gamma, std, span }, n) {
  return (Math.abs(gamma) + (3 * span) / std) / (6 * Math.sqrt(2 * Math.PI * n));
}

/** Barras del histograma como densidad; si los valores van a saltos, una barra por valor. */
function bars(sorted, { mean, std, span }, n) {
  const width = span ? span / (std * Math.sqrt(n)) : 0.2;
  const origin = span ? (-mean * Math.sqrt(n)) / std - width / 2 : -EDGE;
  const counts = new Map();
  for (const z of sorted) {
    const bin = Math.floor((z - origin) / width + 1e-9);
    counts.set(bin, (counts.get(bin) ?? 0) + 1);
  }
  return [...counts].map(([bin, count]) =>
    [origin + bin * width, origin + (bin + 1) * width, count / (sorted.length * width)]);
}

function render({ model, el }) {
  const [least, most] = model.get("limits");
  const names = Object.keys(SOURCES);
  const floor = 0.8687 / Math.sqrt(MEANS); // media de la distancia si las medias ya fueran normales
  const threshold = 1.3581 / Math.sqrt(MEANS); // la que solo se pasa un 5 % de las veces
  const cache = {};
  const source = () => SOURCES[model.get("source")];
  const n = () => model.get("n");
  const data = () => {
    const name = model.get("source");
    if (cache.name !== name) {
      const terms = simulate(SOURCES[name], most);
      const curve = STOPS.filter((k) => k <= most).map((k) => [k, kolmogorov(standardized(terms, SOURCES[name], k))]);
      Object.assign(cache, { name, terms, curve });
    }
    return cache;
  };

  // --- Controles -------------------------------------------------------------------------------
  const family = choice({
    label: "Fuente: la distribución de cada sumando", options: names, value: model.get("source"), content: (name) => [SOURCES[name].text],
    onchange: (name) => { put(model, "source", name); say(); },
  });
  const terms = slider({
    label: "|n|, número de sumandos", min: least, max: most, value: n(), text: String,
    oninput: (k) => { play.stop(); put(model, "n", k); }, onchange: () => say(),
  });
  const play = player({
    label: "Reproducir: de 1 sumando a 100",
    period: () => (reducedMotion() ? 1200 : n() < 10 ? 350 : 90),
    step: () => {
      const later = reducedMotion() ? STOPS.find((k) => k > n()) ?? most : n() + 1;
      put(model, "n", n() >= most ? least : later);
      if (n() >= most) say();
      return n() < most;
    },
  });

  // --- Lo que se ve ------------------------------------------------------------------------------
  const histogram = chart({ title: "Histograma de |Z_n| = √|n| (media − |μ|) / |σ|", height: 250 });
  const speed = chart({
    title: "Distancia a la normal según |n|", height: 250,
    onpick: (v) => { play.stop(); put(model, "n", Math.round(most ** ((v - 1) / (most - 1)))); },
  });
  const readings = readingList([
    ["ks", "distancia de Kolmogorov–Smirnov"], ["skew", "asimetría de |Z_n|"],
  ]);
  const note = h("p", { class: "cw-note" });
  const live = announcer();
  const say = () => live.say(`${source().text}, n ${n()}: distancia ${readings.text("ks")}, asimetría ${readings.text("skew")}`);

  const drawHistogram = (z) => {
    const columns = bars(z, source(), n());
    const top = Math.max(...columns.map(([, , height]) => height)) > 0.5 ? 1.1 : 0.5;
    const curve = Array.from({ length: 121 }, (_, i) => -EDGE + (i * EDGE) / 60);
    histogram.draw({
      x: { min: -EDGE, max: EDGE, label: "valor de la media estandarizada" }, y: { min: 0, max: top }, bars: columns,
      series: [{ points: curve.map((v) => [v, normalDensity(v)]), style: "cw-two cw-thick" }],
      summary: `Fuente ${source().text}, n = ${n()}; la curva es la densidad N(0, 1).`,
    });
  };
  const drawSpeed = (curve, distance) => {
    const ends = [1, most];
    const expected = firstOrder(source(), 1) > 0 ? [{ points: ends.map((k) => [k, firstOrder(source(), k)]), style: "cw-two cw-dashed" }] : [];
    const seen = [...curve.filter(([k]) => k !== n()), [n(), distance]].sort((a, b) => a[0] - b[0]);
    speed.draw({
      x: { min: 1, max: most, log: true, label: "n, en escala logarítmica" }, y: { min: 0.004, max: 1, log: true }, cursor: n(),
      series: [{ points: ends.map((k) => [k, floor]), style: "cw-three cw-dashed" }, ...expected, { points: seen, style: "cw-main cw-thick" }],
      summary: `En n = ${n()}, ${fmt(distance)}.`,
    });
  };
  const drawReadings = (z, distance) => {
    readings.set("ks", fmt(distance), `a primer orden: ${fmt(firstOrder(source(), n()))}`);
    readings.set("skew", fixed(skewness(z), 3), `predicha, γ/√n: ${fixed(source().skewness / Math.sqrt(n()), 3)}`);
    const close = distance < threshold;
    note.className = close ? "cw-note" : "cw-note cw-warning";
    note.textContent = close
      ? `Con ${spaced(MEANS)} medias ya no se distingue de N(0, 1): la distancia no pasa de ${fmt(threshold)}, el umbral del 5 %.`
      : `Todavía se distingue de N(0, 1): la distancia pasa de ${fmt(threshold)}, el umbral del 5 % para ${spaced(MEANS)} medias.`;
  };
  const draw = () => {
    const { terms: numbers, curve } = data();
    const z = standardized(numbers, source(), n());
    const distance = kolmogorov(z);
    family.set(model.get("source"));
    terms.set(n());
    drawHistogram(z);
    drawSpeed(curve, distance);
    drawReadings(z, distance);
  };

  // --- Disposición -----------------------------------------------------------------------------------
  const root = h("section", { class: "cw", "aria-label": "Teorema central del límite: la media de n sumandos" },
    family.root,
    h("div", { class: "cw-transport" }, play.root, terms.root),
    h("div", { class: "cw-pair" },
      h("div", {}, histogram.root, legend([["cw-main", "medias simuladas"], ["cw-two", "densidad N(0, 1)"]])),
      h("div", {}, speed.root, legend([["cw-main", "medida"], ["cw-two cw-dashed", "primer orden, ∝ 1/√|n|"], ["cw-three cw-dashed", "ruido de medir"]]))),
    readings.root, note, live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["source", "n"], draw);
  draw();
  return () => { play.stop(); unwatch(); histogram.remove(); speed.remove(); };
}

export default { render };
