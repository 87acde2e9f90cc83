// La log-verosimilitud media de una gaussiana como superficie en el plano (μ, σ).

const DROPS = [0.02, 0.1, 0.25, 0.5, 1, 2, 4, 8]; // nats que se pierden en cada curva de nivel
const LABELLED = [0.1, 0.5, 2, 8]; // las que llevan su número

/** Media y desviación (con 1/n) de los datos: de ellos, la verosimilitud solo usa estas dos cifras. */
function statistics(data) {
  const mean = data.reduce((sum, v) => sum + v, 0) / data.length;
  const variance = data.reduce((sum, v) => sum + (v - mean) ** 2, 0) / data.length;
  return { mean, std: Math.sqrt(variance) };
}

/** ℓ(μ, σ) = −½ log 2π − log σ − (s² + (m − μ)²)/(2σ²), en nats por dato, y su gradiente. */
function likelihood(best, mean, std) {
  const spread = best.std ** 2 + (best.mean - mean) ** 2; // (1/n) Σ (x − μ)²
  return {
    value: -0.5 * Math.log(2 * Math.PI) - Math.log(std) - spread / (2 * std ** 2),
    gap: Math.log(best.std / std) + 0.5 - spread / (2 * std ** 2), // ℓ(μ, σ) − ℓ(m, s)
    gradient: [(best.mean - mean) / std ** 2, spread / std ** 3 - 1 / std],
  };
}

/**
 * Curva de nivel en la que se pierden `drop` nats. Con σ fija, despejar μ es inmediato:
 * (m − μ)² = 2σ²·(drop + ½ − log(σ/s)) − s². Se recorre la σ para la que eso no es negativo.
 */
function levelCurve(best, drop) {
  const square = (r) => 2 * r ** 2 * (drop + 0.5 - Math.log(r)) - 1; // r = σ/s
  const edge = (inside, outside) => {
    for (let i = 0; i < 60; i++) {
      const middle = (inside + outside) / 2;
      if (square(middle) >= 0) inside = middle; else outside = middle;
    }
    return inside;
  };
  const [low, high] = [edge(1, 1e-4), edge(1, 2 * Math.exp(drop + 0.5))];
  const rows = linspace(0, 1, 90).map((u) => low + (high - low) * (0.5 - 0.5 * Math.cos(Math.PI * u)));
  const side = (sign) => rows.map((r) => [best.mean + sign * best.std * Math.sqrt(Math.max(0, square(r))), best.std * r]);
  return [...side(1), ...side(-1).reverse()];
}

/** Histograma como densidad, [desde, hasta, altura], con unas √n barras. */
function dataBars(data, { min, max }) {
  const [low, high] = [Math.min(...data), Math.max(...data)];
  const count = clamp(Math.round(1.5 * Math.sqrt(data.length)), 4, 30);
  const width = (high - low) / count;
  const heights = new Array(count).fill(0);
  for (const v of data) heights[Math.min(count - 1, Math.floor((v - low) / width))] += 1 / (data.length * width);
  return heights.map((height, i) => [low + i * width, low + (i + 1) * width, height]);
}

function render({ model, el }) {
  const data = model.get("data");
  const best = statistics(data);
  const [lowMean, highMean, lowStd, highStd] = model.get("limits");
  const point = () => [model.get("mean"), model.get("std")];
  const now = () => likelihood(best, ...point());
  const decimals = clamp(3 - Math.floor(Math.log10(best.std)), 0, 12);
  const write = (v) => fixed(v, decimals); // μ y σ, con la precisión que pide la dispersión
  let trail = []; // los puntos por los que han pasado los pasos de gradiente
  let cut = false; // si el último paso se salía de los ejes

  const move = ([mean, std]) => {
    model.set("mean", clamp(mean, lowMean, highMean));
    put(model, "std", clamp(std, lowStd, highStd));
  };
  const restart = (...target) => { trail = []; cut = false; move(target); draw(); };
  const announce = () => live.say(summary());

  // --- Controles ---------------------------------------------------------------------------------
  const meanSlider = slider({
    label: "|μ|, media", min: lowMean, max: highMean, step: "any", value: point()[0], text: write,
    oninput: (v) => restart(v, point()[1]), onchange: announce,
  });
  const stdSlider = slider({
    label: "|σ|, desviación", min: lowStd, max: highStd, step: "any", value: point()[1], text: write,
    oninput: (v) => restart(point()[0], v), onchange: announce,
  });
  let rate = 0.2 * best.std ** 2;
  const rateSlider = slider({
    label: "|η|, tamaño del paso", min: 0.02, max: 1.4, step: 0.02, value: 0.2,
    text: (v) => fmt(v * best.std ** 2), oninput: (v) => { rate = v * best.std ** 2; },
  });
  const climb = () => {
    const [mean, std] = point();
    const [dMean, dStd] = now().gradient;
    const target = [mean + rate * dMean, std + rate * dStd];
    if (trail.length === 0) trail = [[mean, std]];
    move(target);
    cut = target[0] !== point()[0] || target[1] !== point()[1];
    trail = [...trail, point()].slice(-200);
    draw();
    announce();
  };
  const top = action("Ir al máximo", () => { restart(best.mean, best.std); announce(); });
  const step = action("Un paso de gradiente", climb);

  // --- Lo que se ve --------------------------------------------------------------------------------
  const surface = plane({ title: "Log-verosimilitud media en cada punto (|μ|, |σ|)", ratio: 0.86, onpick: restart, drag: true });
  arrowKeys(surface.drawing, {
    point, limits: [[lowMean, highMean], [lowStd, highStd]], onmove: restart, onrelease: announce,
  });
  const bell = chart({ title: "Los datos y la densidad N(|μ|, |σ|²)", height: 295 });
  const numbers = readingList([
    ["mean", "|μ|"], ["dMean", "∂|ℓ|/∂|μ|"], ["std", "|σ|"], ["dStd", "∂|ℓ|/∂|σ|"],
    ["value", "log-verosimilitud media, |ℓ| (nats)"], ["gap", "diferencia con el máximo (nats)"],
  ], "cw-columns");
  const note = noteBox();
  const live = announcer();
  const summary = () => {
    const { value, gap } = now();
    return `μ ${write(point()[0])}, σ ${write(point()[1])}: log-verosimilitud media ${fmt(value, 4)} nats, ${fmt(round(gap))} respecto del máximo`;
  };
  /** Lo que solo es error de redondeo se escribe como 0. */
  const round = (v, unit = 1) => (Math.abs(v) < 1e-10 * unit ? 0 : v);

  const curves = DROPS.map((drop) => ({ drop, points: levelCurve(best, drop) }));
  const label = (frame, { drop, points }) => {
    const within = (w, low, high) => w > low + 0.08 * (high - low) && w < high - 0.08 * (high - low);
    const inside = ([u, v]) => within(u, lowMean, highMean) && within(v, lowStd, highStd);
    const [u, v] = points.slice(0, points.length / 2).filter(inside).at(-1) ?? [];
    return u === undefined ? [] : [svg("text", { class: "cw-tag", x: frame.x(u), y: frame.y(v) + 4, "text-anchor": "middle" }, `−${drop}`)];
  };
  const layers = (frame) => [
    ...curves.map(({ points }) => area(frame, points, "cw-level")),
    ...curves.filter(({ drop }) => LABELLED.includes(drop)).flatMap((curve) => label(frame, curve)),
    svg("path", { class: "cw-cross", d: cross(frame.x(best.mean), frame.y(best.std), 6) }),
    stroke(frame, trail, "cw-two"),
    ...trail.map((place) => dot(frame, place, "cw-two", 3)),
    grip(frame, point()),
  ];
  const axis = { min: Math.min(lowMean - best.std, ...data), max: Math.max(highMean + best.std, ...data), label: "x" };
  const bars = dataBars(data, axis);
  const tallest = Math.max(...bars.map((bar) => bar[2]));

  const drawBell = () => {
    const [mean, std] = point();
    const height = roundUp(1.04 * Math.max(tallest, normalDensity(0, 0, std)));
    const rug = data.flatMap((v) => [[v, 0], [v, 0.035 * height], [NaN, NaN]]);
    bell.draw({
      x: axis, y: { min: 0, max: height }, bars,
      series: [
        { points: rug, style: "cw-soft" },
        { points: linspace(axis.min, axis.max, 300).map((v) => [v, normalDensity(v, best.mean, best.std)]), style: "cw-one cw-dashed" },
        { points: linspace(axis.min, axis.max, 300).map((v) => [v, normalDensity(v, mean, std)]), style: "cw-two cw-thick" },
      ],
      summary: `${data.length} datos y la densidad con μ ${write(mean)} y σ ${write(std)}.`,
    });
  };
  const drawNote = ({ gap }) => {
    if (cut) note.set("El paso se salía de los ejes y se ha recortado: con esa |η| el ascenso no es estable aquí.", true);
    else if (gap > -1e-9) note.set("Este es el máximo: |μ| es la media de los datos y |σ|, su desviación con 1/n. El gradiente es cero.");
    else note.set(`En media geométrica, la densidad de cada dato es ${fmt(Math.exp(gap))} veces la que tiene en el máximo.`);
  };
  const draw = () => {
    const [mean, std] = point();
    const { value, gap, gradient } = now();
    meanSlider.set(mean);
    stdSlider.set(std);
    surface.draw({
      x: { min: lowMean, max: highMean, label: "μ" }, y: { min: lowStd, max: highStd, label: "σ" },
      inside: layers, summary: `${summary()}. Las flechas del teclado mueven el punto`,
    });
    drawBell();
    setAll(numbers, {
      mean: write(mean), std: write(std), value: fmt(value, 4), gap: fmt(round(gap)),
      dMean: fmt(round(gradient[0], 1 / best.std)), dStd: fmt(round(gradient[1], 1 / best.std)),
    });
    drawNote({ gap });
  };

  const root = h("section", { class: "cw", "aria-label": "Superficie de log-verosimilitud de una gaussiana" },
    h("div", { class: "cw-pair" },
      h("div", {}, surface.root, marks([["cw-step-mark", "actual"], ["cw-cross-mark", "máximo"], ["cw-level-mark", "−0.5: nats bajo el máximo"]])),
      h("div", {}, bell.root, legend([["cw-two cw-thick", "actual"], ["cw-one cw-dashed", "máximo"]]))),
    h("div", { class: "cw-pair cw-controls" }, meanSlider.root, stdSlider.root),
    h("div", { class: "cw-transport" }, h("div", { class: "cw-row-buttons" }, step.root, top.root), rateSlider.root),
    numbers.root, note.root, live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["mean", "std"], draw);
  draw();
  return () => { unwatch(); surface.remove(); bell.remove(); };
}

/** Un aspa centrada en (x, y). */
function cross(x, y, size) {
  return `M${x - size} ${y - size}L${x + size} ${y + size}M${x - size} ${y + size}L${x + size} ${y - size}`;
}

/** Leyenda del plano: el punto que se mueve, el aspa del máximo y las curvas de nivel. */
function marks(entries) {
  const shape = {
    "cw-step-mark": ["circle", { class: "cw-knob", cx: 12, cy: 7, r: 6 }],
    "cw-cross-mark": ["path", { class: "cw-cross", d: cross(12, 7, 5) }],
    "cw-level-mark": ["path", { class: "cw-area cw-level", d: "M1 1H23V13H1Z" }],
  };
  const drawing = (kind) => svg("svg", { viewBox: "0 0 24 14", class: "cw-mark", "aria-hidden": "true" }, svg(...shape[kind]));
  return h("ul", { class: "cw-legend" }, ...entries.map(([kind, text]) => h("li", {}, drawing(kind), h("span", {}, text))));
}

export default { render };
