// La normal de dos variables: elipses de nivel, muestras x = m + Lε con ε fijo y un corte x₁ = c.

const RADII = [1, 2, 3]; // desviaciones de Mahalanobis de las elipses
const STRIPS = { top: 52, right: 68 }; // donde van las marginales, en píxeles

/** Todo lo que se lee de los parámetros. */
function describe({ mean: [m1, m2], std: [s1, s2], rho, cut }) {
  const rest = Math.sqrt((1 - rho) * (1 + rho));
  return {
    L: [[s1, 0], [rho * s2, s2 * rest]],
    covariance: rho * s1 * s2,
    slope: (rho * s2) / s1,
    conditional: { mean: m2 + ((rho * s2) / s1) * (cut - m1), std: s2 * rest },
  };
}

/** Los límites del dibujo y de los deslizadores que convienen a unos parámetros. */
function limitsFor({ mean, std }) {
  const unit = Math.max(...std);
  const step = 10 ** Math.floor(Math.log10(unit)) / 100;
  const center = mean.map((m) => Math.round(m / (10 * step)) * 10 * step);
  return { unit, step, center, digits: Math.max(0, -Math.round(Math.log10(step))) };
}

/** ¿Caben estos parámetros en los deslizadores? Solo desde Python se puede pedir otra cosa. */
function fits({ mean, std }, { unit, step, center }) {
  return mean.every((m, i) => Math.abs(m - center[i]) <= 2 * unit + step) && Math.max(...std) <= 2 * unit + step;
}

/** Correlación y covarianza de los puntos dibujados. */
function sampleMoments(points) {
  const mean = (f) => points.reduce((sum, p) => sum + f(p), 0) / points.length;
  const [m1, m2] = [mean((p) => p[0]), mean((p) => p[1])];
  const cov = mean((p) => (p[0] - m1) * (p[1] - m2));
  return { cov, rho: cov / Math.sqrt(mean((p) => (p[0] - m1) ** 2) * mean((p) => (p[1] - m2) ** 2)) };
}

function render({ model, el }) {
  const flat = floats(model, "epsilon");
  const noise = Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
  const norms = noise.map(([a, b]) => Math.hypot(a, b)); // la distancia de Mahalanobis de m + Lε es ‖ε‖
  const inside = (radius) => norms.filter((r) => r <= radius).length / norms.length;
  const state = () => Object.fromEntries(["mean", "std", "rho", "cut"].map((name) => [name, model.get(name)]));
  let limits = limitsFor(state());
  const number = (v) => fixed(v, limits.digits);
  const short = (v) => minus(String(Number(v.toFixed(4))));
  const say = () => live.say(`Dado x1 = ${number(model.get("cut"))}: media ${readings.text("mean")}, desviación ${readings.text("std")}`);

  // --- Controles -------------------------------------------------------------------------------
  const entry = (name, i) => (v) => put(model, name, model.get(name).map((old, j) => (i === j ? v : old)));
  const control = (label, oninput) => slider({ label, min: -1, max: 1, value: 0, text: (v) => number(v), oninput, onchange: () => say() });
  const means = [control("|μ_1|, media", entry("mean", 0)), control("|μ_2|, media", entry("mean", 1))];
  const stds = [control("|σ_1|, desviación", entry("std", 0)), control("|σ_2|, desviación", entry("std", 1))];
  const rho = slider({
    label: "|ρ|, correlación", min: -0.99, max: 0.99, step: 0.01, value: model.get("rho"), text: short,
    oninput: (v) => put(model, "rho", v), onchange: () => say(),
  });
  const cut = control("|c|, lugar del corte |x_1| = |c|", (v) => put(model, "cut", v));
  const setLimits = () => {
    const { unit, step, center } = limits;
    const range = ({ input }, min, max) => Object.assign(input, { step, min: min.toFixed(6), max: max.toFixed(6) });
    means.forEach((s, i) => range(s, center[i] - 2 * unit, center[i] + 2 * unit));
    stds.forEach((s) => range(s, 10 * step, 2 * unit));
    range(cut, center[0] - 4 * unit, center[0] + 4 * unit);
  };

  // --- Lo que se ve ------------------------------------------------------------------------------
  const picture = plane({
    title: "Arrastrar en el plano mueve el corte |x_1| = |c|", strips: STRIPS, drag: true,
    onpick: (u) => put(model, "cut", Number(u.toFixed(limits.digits))),
  });
  picture.drawing.addEventListener("pointerup", () => say());
  const readings = readingList([
    ["mean", "media de |x_2| si |x_1| = |c|"], ["std", "desviación de |x_2| si |x_1| = |c|"],
    ["cov", "covarianza |ρ| |σ_1| |σ_2|"], ["rho", "correlación |ρ|"],
    ["one", "dentro de la elipse de 1"], ["two", "dentro de la elipse de 2"],
  ], "cw-columns");
  const formula = h("p", { class: "cw-note" });
  const live = announcer();

  const drawInside = (frame, s, d, points) => {
    const [across, up] = frame.bounds;
    const line = [across.min, across.max].map((u) => [u, s.mean[1] + d.slope * (u - s.mean[0])]);
    const { mean, std } = d.conditional;
    const kind = (r) => (r <= 1 ? "cw-main" : r <= 2 ? "cw-main cw-half" : "cw-hollow");
    return [
      ...points.map((p, i) => dot(frame, p, kind(norms[i]))),
      ...RADII.map((r) => stroke(frame, ellipse(s.mean, d.L, r), r === 1 ? "cw-main cw-thick" : "cw-main")),
      stroke(frame, line, "cw-two cw-dashed"),
      stroke(frame, [[s.cut, up.min], [s.cut, up.max]], "cw-two"),
      stroke(frame, [[s.cut, mean - std], [s.cut, mean + std]], "cw-two cw-bold"),
      dot(frame, [s.cut, mean], "cw-two cw-ringed", 6),
    ];
  };
  const drawOutside = (frame, s, d) => {
    const { x, y, left, right, top, bottom, end, head } = frame;
    const peak = Math.max(normalDensity(0, 0, s.std[1]), normalDensity(0, 0, d.conditional.std));
    const above = scale({ min: 0, max: normalDensity(0, 0, s.std[0]) }, top, head + 4);
    const beside = scale({ min: 0, max: peak }, right, end - 4);
    const upper = { x, y: above };
    const sideways = (mean, std) => bell(mean, std).map(([v, p]) => [p, v]);
    const side = { x: beside, y };
    const { mean, std } = d.conditional;
    return [
      clipped({ left, right, top: head, bottom: top }, [
        area(upper, bell(s.mean[0], s.std[0]), "cw-one"), stroke(upper, bell(s.mean[0], s.std[0]), "cw-one"),
        svg("line", { class: "cw-line cw-two", x1: x(s.cut), x2: x(s.cut), y1: head, y2: top }),
      ]),
      clipped({ left: right, right: end, top, bottom }, [
        area(side, sideways(s.mean[1], s.std[1]), "cw-one"), stroke(side, sideways(s.mean[1], s.std[1]), "cw-one"),
        area(side, sideways(mean, std), "cw-two"), stroke(side, sideways(mean, std), "cw-two"),
      ]),
    ];
  };
  const drawReadings = (s, d, points) => {
    const found = sampleMoments(points);
    readings.set("mean", fmt(d.conditional.mean), "|μ_2| + |ρ| (|σ_2|/|σ_1|) (|c| − |μ_1|)");
    readings.set("std", fmt(d.conditional.std), "|σ_2| √(1 − |ρ|²), sin |c|");
    readings.set("cov", fmt(d.covariance), `muestras: ${fmt(found.cov)}`);
    readings.set("rho", fmt(s.rho), `muestras: ${fmt(found.rho)}`);
    readings.set("one", percent(inside(1)), `1 − exp(−1/2) = ${percent(1 - Math.exp(-0.5))}`);
    readings.set("two", percent(inside(2)), `1 − exp(−2) = ${percent(1 - Math.exp(-2))}`);
    formula.replaceChildren(...rich("|x_1| = |μ_1| + |σ_1| |ε_1|, |x_2| = |μ_2|"),
      ` ${d.L[1][0] < 0 ? "−" : "+"} ${fmt(Math.abs(d.L[1][0]))} `, math("ε_1"), ` + ${fmt(d.L[1][1])} `, math("ε_2"),
      ...rich(": los |ε| son siempre los mismos, así que cada muestra conserva su elipse."));
  };
  const draw = () => {
    const s = state();
    if (!fits(s, limits)) limits = limitsFor(s);
    setLimits();
    means.forEach((control, i) => place(control, s.mean[i], number));
    stds.forEach((control, i) => place(control, s.std[i], number));
    place(rho, s.rho, short);
    place(cut, s.cut, number);
    const d = describe(s);
    const points = noise.map((e) => reparametrize(s.mean, d.L, e));
    const axis = (i, label) => ({ min: limits.center[i] - 4 * limits.unit, max: limits.center[i] + 4 * limits.unit, label });
    picture.draw({
      x: axis(0, "x₁"), y: axis(1, "x₂"), inside: (frame) => drawInside(frame, s, d, points), outside: (frame) => drawOutside(frame, s, d),
      summary: `Correlación ${short(s.rho)}; corte en x1 = ${number(s.cut)}.`,
    });
    drawReadings(s, d, points);
  };

  // --- Disposición -----------------------------------------------------------------------------------
  const root = h("section", { class: "cw", "aria-label": "Normal de dos variables: elipses, marginales y corte condicional" },
    h("div", { class: "cw-split" },
      h("div", { class: "cw-stack" }, picture.root, legend([["cw-main", "elipses a 1, 2 y 3 desviaciones"], ["cw-one", "marginales"],
        ["cw-two", "|x_2| si |x_1| = |c|"], ["cw-two cw-dashed", "su media, para cada |c|"]])),
      h("div", { class: "cw-stack" }, cut.root, rho.root,
        h("div", { class: "cw-duo" }, means[0].root, means[1].root, stds[0].root, stds[1].root))),
    readings.root, formula, live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["mean", "std", "rho", "cut"], draw);
  draw();
  return () => { unwatch(); picture.remove(); };
}

export default { render };
