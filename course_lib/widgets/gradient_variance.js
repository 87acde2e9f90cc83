// Dos estimadores del mismo gradiente: por trayectoria y con la función de puntaje.

const LOWEST = -4; // los ejes de z
const HIGHEST = 4;
const MOST = 11; // hasta 2¹¹ muestras
const POOL = 100 * 2 ** MOST; // al menos 100 repeticiones con cada número de muestras
const BASELINES = { ninguna: null, "media de las otras": "leave-one-out", "óptima": "optimal" };
const SIDES = { mean: "|m|", log_std: "log |s|" };

/** `count` normales estándar con esa semilla. */
function normals(seed, count) {
  const uniform = sfc32(seed);
  return Float64Array.from({ length: count }, () => gauss(uniform));
}

/** Silueta del histograma, con el máximo en 1: parejas (gradiente, altura). Ancho de Freedman y Diaconis. */
function outline(values, { min, max }) {
  const sorted = Float64Array.from(values).sort();
  const quartile = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  const width = Math.max((2 * (quartile(0.75) - quartile(0.25))) / Math.cbrt(sorted.length), (max - min) / 300);
  const counts = new Map();
  for (const v of sorted) {
    const bin = Math.floor(v / width);
    counts.set(bin, (counts.get(bin) ?? 0) + 1);
  }
  const top = Math.max(...counts.values());
  const bins = [...counts.keys()].filter((bin) => (bin + 1) * width > min && bin * width < max);
  return bins.flatMap((bin, i) => {
    const [from, to, height] = [bin * width, (bin + 1) * width, counts.get(bin) / top];
    return [...(bins[i - 1] === bin - 1 ? [] : [[from, 0]]), [from, height], [to, height], ...(bins[i + 1] === bin + 1 ? [] : [[to, 0]])];
  });
}

/** «−3.98 ± 0.06», con las cifras que permite el error; si es diminuto, en potencias de diez. */
function withError({ mean, error }) {
  if (!(error > 0)) return fmt(mean);
  if (error < 1e-5) return `${fmt(mean)} ± ${fmt(error, 2)}`;
  const digits = clamp(1 - Math.floor(Math.log10(error)), 0, 6);
  return `${fixed(mean, digits)} ± ${fixed(error, digits)}`;
}

/** Extremos de un eje logarítmico que abarcan los valores. */
function decadesAround(values) {
  const logs = values.filter((v) => v > 0).map(Math.log10);
  return { min: 10 ** Math.floor(Math.min(...logs) - 0.05), max: 10 ** Math.ceil(Math.max(...logs) + 0.05), log: true };
}

function render({ model, el }) {
  const { mean: meanLimits, std: stdLimits } = model.get("limits");
  const f = () => FUNCTIONS[model.get("f")];
  const q = () => ({ mean: model.get("mean"), std: model.get("std") });
  const count = () => model.get("samples");
  const cache = {};
  const pool = () => {
    const seed = model.get("seed");
    if (cache.seed !== seed) Object.assign(cache, { seed, eps: normals(seed, POOL) });
    return cache.eps;
  };
  const change = (name, value) => { put(model, name, value); announce(); };
  const announce = () => live.say(summary());

  // --- Controles ---------------------------------------------------------------------------------
  const functions = choice({
    label: "La función |f|", options: Object.keys(FUNCTIONS), value: model.get("f"),
    content: (name) => [h("span", {}, ...rich(FUNCTIONS[name].text))], onchange: (name) => change("f", name),
  });
  functions.root.querySelector("legend").replaceChildren(...rich("La función |f|"));
  const component = choice({
    label: "Gradiente respecto de", options: Object.keys(SIDES), value: model.get("component"),
    content: (name) => [h("span", {}, ...rich(SIDES[name]))], onchange: (name) => change("component", name),
  });
  const baseline = choice({
    label: "Línea base de la función de puntaje", options: Object.values(BASELINES), value: model.get("baseline"),
    content: (_, i) => [Object.keys(BASELINES)[i]], onchange: (value) => change("baseline", value),
  });
  const meanSlider = slider({
    label: "|m|, media de |q|", min: meanLimits[0], max: meanLimits[1], step: 0.05, value: q().mean, text: (v) => fixed(v),
    oninput: (v) => put(model, "mean", v), onchange: () => announce(),
  });
  const stdSlider = slider({
    label: "|s|, desviación de |q|", min: stdLimits[0], max: stdLimits[1], step: 0.05, value: q().std, text: (v) => fixed(v),
    oninput: (v) => put(model, "std", v), onchange: () => announce(),
  });
  const samplesText = (v) => spaced(Math.round(2 ** v));
  const samplesSlider = slider({
    label: "|S|, número de muestras", min: 1, max: MOST, value: 1, text: samplesText,
    oninput: (v) => put(model, "samples", 2 ** v), onchange: () => announce(),
  });
  const again = action("Otra muestra", () => change("seed", (model.get("seed") + 1) % 2 ** 31));

  // --- Lo que se ve --------------------------------------------------------------------------------
  const shape = chart({ title: "La función |f| y la distribución |q| = N(|m|, |s|²)", height: 210, onpick: (v) => put(model, "mean", clamp(v, ...meanLimits)) });
  shape.root.querySelector("svg").addEventListener("pointerup", announce);
  const histogram = chart({ title: "Gradientes de una muestra, a igual altura", height: 230 });
  const curve = chart({ title: "Desviación de la media de |S| gradientes", height: 230 });
  const histogramNames = h("div", {});
  const curveNames = h("div", {});
  const numbers = readingList([
    ["exact", "gradiente exacto"], ["ratio", "cociente de varianzas, puntaje / trayectoria"],
    ["path", "trayectoria, media ± error"], ["pathVariance", "su varianza con una muestra"],
    ["score", "función de puntaje, media ± error"], ["scoreVariance", "su varianza con una muestra"],
  ], "cw-columns");
  const note = noteBox();
  const live = announcer();
  const summary = () => `Gradiente exacto ${numbers.text("exact")}; trayectoria ${numbers.text("path")}; `
    + `función de puntaje ${numbers.text("score")}; cociente de varianzas ${numbers.text("ratio")}`;

  const drawShape = (eps) => {
    const { mean, std } = q();
    const [min, max] = f().heights;
    const z = linspace(LOWEST, HIGHEST, 641); // el paso es un divisor de 4: el salto cae en un punto
    const lift = (v) => min + 0.45 * (max - min) * (normalDensity(v, mean, std) * std * Math.sqrt(2 * Math.PI));
    const rug = Array.from(eps.subarray(0, 60)).flatMap((e) => [[mean + std * e, min], [mean + std * e, min + 0.05 * (max - min)], [NaN, NaN]]);
    const [left, right] = [z.filter((v) => v <= 0), z.filter((v) => v > 0)];
    const jump = f().jumps.length ? [[0, NaN]] : [];
    shape.draw({
      x: { min: LOWEST, max: HIGHEST, label: "z" }, y: { min, max },
      series: [
        { points: [[LOWEST, min], ...z.map((v) => [v, lift(v)]), [HIGHEST, min]], style: "cw-main cw-filled" },
        { points: rug, style: "cw-main" },
        { points: [...left.map((v) => [v, f().value(v)]), ...jump, ...right.map((v) => [v, f().value(v)])], style: "cw-ink" },
      ],
      summary: `q tiene media ${fixed(mean)} y desviación ${fixed(std)}.`,
    });
  };
  const drawHistogram = (exact, found) => {
    const widest = Math.sqrt(Math.max(exact.score, exact.path ?? 0)) || 1; // sin varianza, un eje cualquiera
    const axis = { min: exact.gradient - 3.5 * widest, max: exact.gradient + 3.5 * widest, label: "gradiente" };
    const bar = ({ mean, error }, y) => [[mean - error, y], [mean + error, y]];
    const layers = (name, style, y) => (found[name] ? [
      { points: outline(found[name].values, axis), style: `${style} cw-filled` },
      { points: bar(found[name], y), style: `${style} cw-thick` },
      { points: [[found[name].mean, y], [found[name].mean, y]], style: `${style} cw-beads` },
    ] : []);
    histogram.draw({
      x: axis, y: { min: 0, max: 1.3 }, cursor: exact.gradient,
      series: [...layers("score", "cw-two", 1.22), ...layers("path", "cw-one", 1.1)],
      summary: `${summary()}. Arriba, la media de cada estimador con su error; la línea vertical es el gradiente exacto.`,
    });
  };
  const drawCurve = (exact, plainExact, all) => {
    const stops = Array.from({ length: MOST }, (_, i) => 2 ** (i + 1));
    const measured = stops.map((s) => [s, measuredDeviation(all, model.get("baseline"), exact.gradient, s)]);
    const theory = (variance, style) => ({ style, points: [2, 2 ** MOST].map((s) => [s, Math.sqrt(variance / s)]) });
    const beads = (name, style) => ({ style: `${style} cw-beads`, points: measured.flatMap(([s, d]) => [[s, d[name]], [s, d[name]], [NaN, NaN]]) });
    const series = [theory(exact.score, "cw-two"), beads("score", "cw-two")];
    if (f().slope) series.push(theory(exact.path, "cw-one"), beads("path", "cw-one"));
    if (model.get("baseline")) series.unshift(theory(plainExact.score, "cw-two cw-dashed cw-thin"));
    const seen = series.flatMap((s) => s.points.map(([, v]) => v));
    curve.draw({
      x: { min: 1.7, max: 2 ** MOST * 1.2, log: true, label: "S, en escala logarítmica" }, y: decadesAround(seen), series, cursor: count(),
      summary: "Líneas: raíz de la varianza entre S; puntos: medida con 100 a 400 repeticiones.",
    });
  };
  const drawNames = () => {
    const names = [...(f().slope ? [["cw-one", "trayectoria"]] : []), ["cw-two", "función de puntaje"]];
    const plainName = model.get("baseline") ? [["cw-two cw-dashed cw-thin", "la misma, sin línea base"]] : [];
    histogramNames.replaceChildren(legend([...names, ["cw-ink cw-dashed", "gradiente exacto"]]));
    curveNames.replaceChildren(legend([...names, ...plainName, ["cw-soft", "línea: √(varianza/|S|); puntos: medida"]]));
  };
  const drawReadings = (exact, { path, score }) => {
    numbers.set("exact", fmt(exact.gradient), "por cuadratura");
    numbers.set("score", withError(score));
    numbers.set("scoreVariance", fmt(score.variance), `por cuadratura: ${fmt(exact.score)}`);
    numbers.set("path", path ? withError(path) : "no existe");
    numbers.set("pathVariance", path ? fmt(path.variance) : "—", path ? `por cuadratura: ${fmt(exact.path)}` : "");
    numbers.set("ratio", path ? fmt(score.variance / path.variance) : "—", path ? `por cuadratura: ${fmt(exact.score / exact.path)}` : "");
  };
  const drawNote = (exact) => {
    if (!f().slope) {
      note.set("El escalón no es derivable en 0 y fuera de 0 su derivada es nula: por trayectoria saldría siempre 0, y el gradiente exacto es "
        + `${fmt(exact.gradient)}. Solo queda la función de puntaje, que no deriva |f|.`, true);
    } else if (exact.score >= exact.path) {
      note.set(`Para el mismo error, la función de puntaje necesita ${fmt(exact.score / exact.path)} veces las muestras de la trayectoria.`);
    } else {
      note.set("Aquí gana la función de puntaje: la derivada de |f| cambia tanto dentro de |q| que, para el mismo error, la trayectoria necesita "
        + `${fmt(exact.path / exact.score)} veces sus muestras.`);
    }
  };
  const draw = () => {
    const eps = pool();
    const side = model.get("component");
    const exact = exactMoments(f(), side, q(), model.get("baseline"));
    const all = sampled(f(), side, q(), eps);
    const mine = slice(all, 0, count());
    const both = { score: scoreGradients(mine, model.get("baseline")), path: mine.path };
    const found = Object.fromEntries(Object.entries(both).map(([name, values]) => [name, values && { values, ...describe(values) }]));
    functions.set(model.get("f"));
    component.set(side);
    baseline.set(model.get("baseline"));
    meanSlider.set(q().mean);
    stdSlider.set(q().std);
    place(samplesSlider, Math.log2(count()), samplesText);
    drawReadings(exact, found);
    drawShape(eps.subarray(0, count()));
    drawHistogram(exact, found);
    drawCurve(exact, exactMoments(f(), side, q(), null), all);
    drawNames();
    drawNote(exact);
  };

  const root = h("section", { class: "cw", "aria-label": "Dos estimadores del gradiente de una esperanza y su varianza" },
    functions.root,
    h("div", { class: "cw-split" }, baseline.root, component.root),
    h("div", {}, shape.root, legend([["cw-ink", "|f(z)|"], ["cw-main cw-filled", "|q(z)|, a otra escala, y algunas muestras"]])),
    h("div", { class: "cw-pair cw-controls" }, meanSlider.root, stdSlider.root),
    h("div", { class: "cw-transport" }, again.root, samplesSlider.root),
    h("div", { class: "cw-pair" }, h("div", {}, histogram.root, histogramNames), h("div", {}, curve.root, curveNames)),
    numbers.root, note.root, live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["f", "mean", "std", "samples", "baseline", "component", "seed"], draw);
  draw();
  return () => { unwatch(); [shape, histogram, curve].forEach((c) => c.remove()); };
}

export default { render };
