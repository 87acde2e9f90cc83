// Explorador de esquemas: las tablas de DDPM recalculadas al mover sus parámetros.

/** Las familias: sus parámetros [nombre, etiqueta, mínimo, máximo, paso, valor] y sus β. */
const FAMILIES = {
  lineal: {
    style: "cw-one",
    parameters: [
      ["first", "|β_1| (para T = 1000)", 0.0001, 0.01, 0.0001, 0.0001],
      ["last", "|β_T| (para T = 1000)", 0.002, 0.06, 0.0005, 0.02],
    ],
    betas: (T, p, rescale) => {
      const factor = rescale ? 1000 / T : 1;
      return linearBetas(T, p.first * factor, p.last * factor);
    },
  },
  coseno: {
    style: "cw-two",
    parameters: [["s", "|s|, desplazamiento", 0, 0.2, 0.001, 0.008]],
    betas: (T, p) => cosineBetas(T, p.s),
  },
  sigmoide: {
    style: "cw-three",
    parameters: [
      ["start", "inicio", -6, 0, 0.1, -3],
      ["end", "fin", 0.1, 6, 0.1, 3],
      ["tau", "|τ|, temperatura", 0.1, 2, 0.05, 1],
    ],
    betas: (T, p) => sigmoidBetas(T, p.start, p.end, p.tau),
  },
};

/** Los cuatro gráficos: título, columna de la tabla, eje vertical. */
const CHARTS = [
  { key: "beta", say: "beta", title: "|β_k|: varianza que se añade en cada paso", log: true, min: 1e-5, max: 1 },
  { key: "alphaBar", say: "alfa barra", title: "|ᾱ_k|: fracción de señal que queda", min: 0, max: 1 },
  { key: "snr", say: "SNR", title: "SNR = |ᾱ_k| / (1 − |ᾱ_k|)", log: true, min: 1e-6, max: 1e5 },
  { key: "posterior", say: "beta a posteriori", title: "|β̃_k|: varianza a posteriori", log: true, min: 1e-5, max: 1 },
];

/** Tabla de una familia, o el motivo por el que no existe. */
function build(family, T, parameters, rescale) {
  const betas = family.betas(T, parameters, rescale);
  const wrong = betas.findIndex((beta) => !(beta > 0 && beta < 1));
  if (wrong < 0) return { table: tabulate(betas) };
  const value = Number.isNaN(betas[wrong]) ? "0/0" : fmt(betas[wrong]);
  const hint = betas[wrong] > 0
    ? "Hacen falta más pasos o una β final menor."
    : "Ahí la curva es tan plana que |β_k| no cabe en un número: conviene subir |τ| o acercar a 0 el inicio y el fin.";
  return { problem: `|β_${wrong + 1}| = ${value} no está entre 0 y 1. ${hint}` };
}

/** Puntos (k, valor) de una columna; a lo sumo unos 400, que es lo que la pantalla distingue. */
function column(table, key) {
  const jump = Math.max(1, Math.floor(table.T / 400));
  const points = [];
  for (let k = key === "alphaBar" ? 0 : 1; k < table.T; k += jump) points.push([k, table[key][k]]);
  return [...points, [table.T, table[key][table.T]]];
}

/** Lo que conviene saber de la tabla: si llega a ser ruido y si la señal desaparece del todo. */
function verdict(table) {
  const end = table.alphaBar[table.T];
  const signal = `√|ᾱ_T| = ${fmt(Math.sqrt(end))}`;
  if (end > 0.01) return { warning: true, text: `${signal}: al final de la cadena todavía queda imagen, así que |x_T| no es N(0, I).` };
  if (end < 1e-7) return { warning: false, text: `${signal}: la SNR final es casi cero; si se predice |ε|, despejar |x_0| en k = T divide entre √|ᾱ_T|; conviene predecir |x_0| o |v|.` };
  return { warning: false, text: `${signal}: |x_T| es, en la práctica, ruido N(0, I).` };
}

function render({ model, el }) {
  const [minT, maxT] = model.get("limits");
  const names = Object.keys(FAMILIES);
  const initial = (name) => Object.fromEntries(FAMILIES[name].parameters.map(([key, , , , , value]) => [key, value]));
  const parameters = Object.fromEntries(names.map((name) => [name, initial(name)]));
  const name = () => model.get("schedule");
  const T = () => model.get("T");
  const cursor = () => Math.max(1, Math.min(T(), model.get("k")));

  // --- Controles -------------------------------------------------------------------------------------
  const family = choice({
    label: "Familia", options: names, value: name(), onchange: (v) => put(model, "schedule", v),
    content: (v) => [h("span", { class: `cw-dot ${FAMILIES[v].style}` }), v],
  });
  const length = slider({
    label: "|T|, número de pasos", min: minT, max: maxT, step: 10, value: T(), text: String,
    oninput: (v) => { model.set("k", Math.max(1, Math.round((cursor() / T()) * v))); put(model, "T", v); },
    onchange: () => live.say(summary()),
  });
  const rescale = h("input", { type: "checkbox", checked: true, onchange: () => draw() });
  const rescaleBox = h("label", { class: "cw-check" }, rescale, h("span", {}, "Multiplicar β por 1000/T"));
  const sliders = Object.fromEntries(names.map((n) => [n, FAMILIES[n].parameters.map(([key, label, min, max, step, value]) =>
    slider({ label, min, max, step, value, text: (v) => minus(String(v)), onchange: () => live.say(summary()),
      oninput: (v) => { parameters[n][key] = v; draw(); } }))]));
  const reset = h("button", { type: "button", class: "cw-button", onclick: () => {
    names.forEach((n) => FAMILIES[n].parameters.forEach(([key, , , , , value], i) => {
      parameters[n][key] = value;
      sliders[n][i].set(value);
    }));
    rescale.checked = true;
    draw();
  } }, "Valores de los artículos");
  const panels = Object.fromEntries(names.map((n) =>
    [n, h("div", { class: "cw-stack" }, ...sliders[n].map((s) => s.root), ...(n === "lineal" ? [rescaleBox] : []))]));
  const place = slider({
    label: "|k|, paso que se lee", min: 1, max: T(), value: cursor(), text: (k) => `${k} de ${T()}`,
    oninput: (k) => put(model, "k", k), onchange: () => live.say(summary()),
  });

  // --- Lo que se ve ------------------------------------------------------------------------------------
  const charts = CHARTS.map((c) => ({ ...c, ...chart({ title: c.title, height: 176, onpick: (k) => put(model, "k", Math.max(1, Math.round(k))) }) }));
  const cells = Object.fromEntries(CHARTS.map(({ key }) => [key, h("dd", {})]));
  const readings = h("dl", { class: "cw-readings" }, ...[["beta", "|β_k|"], ["alphaBar", "|ᾱ_k|"], ["snr", "SNR"], ["posterior", "|β̃_k|"]]
    .map(([key, label]) => h("div", {}, h("dt", {}, ...rich(label)), cells[key])));
  const message = h("p", { class: "cw-note" });
  const live = announcer();
  const summary = () => `${name()}, k ${cursor()}: ${CHARTS.map(({ key, say }) => `${say} ${cells[key].textContent}`).join(", ")}`;

  const drawReadings = ({ table, problem }) => {
    const k = cursor();
    for (const { key } of CHARTS) cells[key].textContent = table ? fmt(table[key][k]) : "—";
    if (table) cells.snr.textContent += ` (${decibels(table.snr[k])})`;
    const note = table ? verdict(table) : { warning: true, text: problem };
    message.replaceChildren(...rich(note.text));
    message.className = note.warning ? "cw-note cw-warning" : "cw-note";
  };
  const draw = () => {
    const built = Object.fromEntries(names.map((n) => [n, build(FAMILIES[n], T(), parameters[n], rescale.checked)]));
    const order = [...names.filter((n) => n !== name()), name()]; // la elegida, encima
    for (const c of charts) {
      const series = order.filter((n) => built[n].table).map((n) =>
        ({ points: column(built[n].table, c.key), style: `${FAMILIES[n].style} ${n === name() ? "cw-thick" : "cw-faint"}` }));
      c.draw({ x: { min: 0, max: T(), label: "k" }, y: c, series, cursor: cursor(), summary: `Familia ${name()}.` });
    }
    family.set(name());
    length.set(T());
    place.input.max = T();
    place.set(cursor());
    names.forEach((n) => { panels[n].hidden = n !== name(); });
    drawReadings(built[name()]);
  };

  const root = h("section", { class: "cw", "aria-label": "Explorador de esquemas de ruido" },
    family.root,
    h("div", { class: "cw-pair cw-controls" },
      h("div", { class: "cw-stack" }, length.root, reset), h("div", {}, ...Object.values(panels))),
    h("div", { class: "cw-pair" }, ...charts.map((c) => c.root)),
    place.root, readings, message, live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["T", "schedule", "k"], draw);
  draw();
  return () => { unwatch(); charts.forEach((c) => c.remove()); };
}

export default { render };
