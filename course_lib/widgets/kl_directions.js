// Una gaussiana q que se ajusta a una mezcla p: con KL(p‖q) la cubre, con KL(q‖p) elige un pico.

const NAMES = { directa: "KL(p‖q)", inversa: "KL(q‖p)" };
const FORMULAS = { directa: "p log(p/q)", inversa: "q log(q/p)" };

function render({ model, el }) {
  const base = { weights: model.get("weights"), means: model.get("means"), stds: model.get("stds") };
  const [low, high, minStd, maxStd] = model.get("limits");
  const p = () => spread(base, model.get("separation"));
  const q = () => ({ mean: model.get("mean"), std: model.get("std") });
  const direction = () => model.get("direction");
  let start = q(); // donde empezó el descenso
  let history = []; // [paso, KL que se minimiza]
  let settled = false;

  const move = ({ mean, std }) => {
    model.set("mean", clamp(mean, low, high));
    put(model, "std", clamp(std, minStd, maxStd));
  };
  /** Vuelve a empezar desde `from`, con la historia en blanco. */
  const restart = (from) => {
    play.stop();
    settled = false;
    start = { mean: clamp(from.mean, low, high), std: clamp(from.std, minStd, maxStd) };
    history = [];
    move(start);
    draw();
  };
  const forward = () => {
    const next = descend(p(), q(), direction(), { minStd, maxStd });
    settled = next === null;
    if (next) {
      if (history.length === 0) history = [[0, divergences(p(), q())[direction()].value]];
      history = [...history, [history.length, divergences(p(), next)[direction()].value]];
      move(next);
    }
    draw();
    if (settled) announce();
    return !settled;
  };
  const announce = () => live.say(summary());

  // --- Controles ---------------------------------------------------------------------------------
  const sense = choice({
    label: "Qué se minimiza", options: Object.keys(NAMES), value: direction(),
    content: (v) => [`${NAMES[v]}, ${v}`],
    onchange: (v) => { model.set("direction", v); restart(start); announce(); },
  });
  const apart = slider({
    label: "Separación de los picos", min: 0, max: model.get("most"), step: 0.05, value: model.get("separation"),
    text: (v) => `× ${v.toFixed(2)}`, onchange: announce,
    oninput: (v) => { model.set("separation", v); restart(start); },
  });
  const meanSlider = slider({
    label: "|μ| de |q|", min: low, max: high, step: "any", value: q().mean,
    oninput: (v) => restart({ mean: v, std: q().std }), onchange: announce,
  });
  const stdSlider = slider({
    label: "|σ| de |q|", min: minStd, max: maxStd, step: "any", value: q().std,
    oninput: (v) => restart({ mean: q().mean, std: v }), onchange: announce,
  });
  const play = player({
    label: "Reproducir el descenso", period: () => (reducedMotion() ? 900 : 50),
    step: () => {
      const jump = reducedMotion() ? 15 : 1;
      for (let i = 0; i < jump; i++) if (!forward()) return false;
      return true;
    },
  });
  const step = action("Un paso", () => { play.stop(); forward(); announce(); });
  const reset = action("Reiniciar", () => { restart(start); announce(); });

  // --- Lo que se ve --------------------------------------------------------------------------------
  const curves = chart({ title: "La mezcla |p| y la gaussiana |q|", height: 230, onpick: (u) => restart({ mean: u, std: q().std }) });
  curves.root.querySelector("svg").addEventListener("pointerup", announce);
  const inside = chart({ title: "Integrando de la KL elegida: su área es la KL", height: 190 });
  const descent = chart({ title: "KL elegida (nats) en cada paso", height: 190 });
  const numbers = readingList([
    ["directa", "KL(|p|‖|q|) (nats)"], ["inversa", "KL(|q|‖|p|) (nats)"], ["mean", "|μ| de |q|"],
    ["pMean", "media de |p|"], ["std", "|σ| de |q|"], ["pStd", "desviación de |p|"],
  ], "cw-columns");
  const note = noteBox();
  const live = announcer();
  const summary = () => {
    const both = divergences(p(), q());
    return `μ ${fmt(q().mean)}, σ ${fmt(q().std)}: KL directa ${fmt(both.directa.value)} nats, KL inversa ${fmt(both.inversa.value)} nats`;
  };
  const grid = linspace(low, high, 500);

  const drawCurves = () => {
    const density = ({ mean, std }) => grid.map((x) => [x, normalDensity(x, mean, std)]);
    const mixture = grid.map((x) => [x, Math.exp(logMixture(p(), x))]);
    const top = Math.max(...mixture.map(([, v]) => v), 1.02 * normalDensity(0, 0, q().std));
    curves.draw({
      x: { min: low, max: high, label: "x" }, y: { min: 0, max: roundUp(1.02 * top) },
      series: [
        { points: mixture, style: "cw-one cw-filled" },
        ...(history.length ? [{ points: density(start), style: "cw-soft cw-dashed" }] : []),
        { points: density(q()), style: "cw-two cw-thick" },
      ],
      summary: `${summary()}.`,
    });
  };
  const drawIntegrand = () => {
    const points = grid.map((x) => [x, integrand(p(), q(), direction(), x)]);
    const values = points.map(([, v]) => v);
    inside.draw({
      x: { min: low, max: high, label: "x" },
      y: { min: -roundUp(1.05 * Math.max(0.05, -Math.min(...values))), max: roundUp(1.05 * Math.max(0.1, ...values)) },
      series: [
        { points: [[low, 0], ...points, [high, 0]], style: "cw-main cw-filled" },
        { points: [[low, 0], [high, 0]], style: "cw-soft cw-faint" },
      ],
      summary: `Se integra ${FORMULAS[direction()]}.`,
    });
  };
  const drawDescent = (value) => {
    const points = history.length ? history : [[0, value]];
    const last = Math.max(20, points.length - 1);
    descent.draw({
      x: { min: -0.02 * last, max: 1.02 * last, label: "paso" },
      y: { min: 0, max: roundUp(1.02 * Math.max(0.01, points[0][1])) },
      series: [
        { points, style: "cw-main cw-thick" },
        { points: [points.at(-1), points.at(-1)], style: "cw-main cw-beads" },
      ],
      summary: `${NAMES[direction()]} vale ${fmt(value)} tras ${points.length - 1} pasos.`,
    });
  };
  /** Qué se ve cuando el descenso se para. */
  const verdict = () => {
    const goal = moments(p());
    const where = `|μ| = ${fmt(q().mean)} y |σ| = ${fmt(q().std)}`;
    if (direction() === "directa") {
      return `KL(|p|‖|q|) ha parado en ${where}: la media (${fmt(goal.mean)}) y la desviación (${fmt(goal.std)}) `
        + "de |p|, se empiece donde se empiece. |q| cubre toda la mezcla.";
    }
    const { means, stds } = p();
    const distance = means.map((m) => Math.abs(m - q().mean));
    const nearest = distance.indexOf(Math.min(...distance));
    if (distance[nearest] < 0.5 * stds[nearest] && q().std < 1.5 * stds[nearest]) {
      return `KL(|q|‖|p|) ha parado en ${where}: sobre el pico de ${fmt(means[nearest])}, que era el que quedaba `
        + "cuesta abajo desde el inicio. Desde otro inicio puede acabar en otro.";
    }
    return `KL(|q|‖|p|) ha parado en ${where}: con estos picos, el mínimo al que se llega abarca más de uno.`;
  };
  const draw = () => {
    const both = divergences(p(), q());
    const goal = moments(p());
    sense.set(direction());
    apart.set(model.get("separation"));
    meanSlider.set(q().mean);
    stdSlider.set(q().std);
    drawCurves();
    drawIntegrand();
    drawDescent(both[direction()].value);
    setAll(numbers, {
      directa: fmt(both.directa.value), inversa: fmt(both.inversa.value), mean: fmt(q().mean), std: fmt(q().std),
      pMean: fmt(goal.mean), pStd: fmt(goal.std),
    });
    note.set(settled ? verdict() : "El descenso parte de la |q| que se ve. Para empezar en otro sitio, "
      + "se arrastra con el ratón o el dedo, o se mueven |μ| y |σ|.");
  };

  const root = h("section", { class: "cw", "aria-label": "Las dos direcciones de la divergencia de Kullback-Leibler" },
    sense.root,
    h("div", {}, curves.root, legend([["cw-one", "|p|"], ["cw-two cw-thick", "|q|"], ["cw-soft cw-dashed", "|q| al empezar"]])),
    h("div", { class: "cw-transport" }, h("div", { class: "cw-row-buttons" }, play.root, step.root, reset.root), apart.root),
    h("div", { class: "cw-pair cw-controls" }, meanSlider.root, stdSlider.root),
    h("div", { class: "cw-pair" }, inside.root, descent.root),
    numbers.root, note.root,
    live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["mean", "std", "direction", "separation"], draw);
  draw();
  return () => { play.stop(); unwatch(); [curves, inside, descent].forEach((c) => c.remove()); };
}

export default { render };
