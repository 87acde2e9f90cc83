// El hueco de la ELBO: log p(x) no depende de q; al mover q solo cambia cómo se reparte entre ELBO y KL.

const FIRM = 0.62; // dónde queda log p(x) en las barras: fijo, para ver que la suma no se mueve
const SPANS = [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000];
const MOST = 800; // pasos, como mucho

/** Barras horizontales en nats: { fila: [[desde, hasta, estilo]] } con log p(x) siempre en el mismo sitio. */
function natsBars(rows) {
  const tracks = rows.map(() => h("div", { class: "cw-track" }));
  const names = rows.map(() => h("span", {}));
  const scaleLine = h("div", { class: "cw-nats", "aria-hidden": "true" });
  const drawing = h("div", { role: "img" }, ...rows.map((row, i) =>
    h("div", { class: "cw-bar-row" }, h("p", { class: "cw-row" }, h("span", {}, ...rich(row)), names[i]), tracks[i])), scaleLine);
  const root = h("figure", { class: "cw-chart cw-panel" }, drawing);
  const draw = ({ evidence, span, parts, sums, summary }) => {
    const axis = { min: evidence - FIRM * span, max: evidence + (1 - FIRM) * span };
    const at = (v) => 100 * clamp((v - axis.min) / span, 0, 1);
    const piece = ([from, to, style]) => h("i", { class: style, style: `left: ${at(from)}%; width: ${at(to) - at(from)}%` });
    const firm = () => h("i", { class: "cw-firm", style: `left: ${100 * FIRM}%` });
    tracks.forEach((track, i) => track.replaceChildren(...parts[i].map(piece), firm()));
    names.forEach((name, i) => { name.textContent = sums[i]; });
    scaleLine.replaceChildren(...ticks(axis, 5).filter((v) => at(v) > 3 && at(v) < 95)
      .map((v) => h("span", { style: `left: ${at(v)}%` }, tickText(v))));
    drawing.setAttribute("aria-label", summary);
  };
  return { root, draw, low: (evidence, span) => evidence - FIRM * span };
}

function render({ model, el }) {
  const limits = model.get("limits");
  const problem = () => ({ decoder: model.get("decoder"), x: model.get("x"), noise: model.get("noise_std") });
  const q = () => ({ mean: model.get("mean"), std: model.get("std") });
  let start = q(); // donde empezó el ascenso
  let history = []; // la ELBO en cada paso
  let settled = false;
  let known = {}; // lo que no depende de q: log p(x), p(z|x) y sus modos
  const fixedPart = () => {
    const now = problem();
    const key = JSON.stringify(now);
    if (known.key !== key) {
      const evidence = logEvidence(now);
      known = { key, evidence, modes: posteriorModes(now, evidence) };
    }
    return known;
  };
  /** Todo lo que se lee, en nats. */
  const now = () => {
    const { evidence, modes } = fixedPart();
    return { evidence, modes, ...lowerBound(problem(), q()), gap: posteriorGap(problem(), q(), evidence) };
  };

  let writing = false; // si es este dibujo quien escribe los rasgos, y no Python ni otro dibujo
  const write = (values) => {
    writing = true;
    Object.entries(values).forEach(([name, value]) => model.set(name, value));
    model.save_changes();
    writing = false;
  };
  const bound = ({ mean, std }) => ({ mean: clamp(mean, ...limits.mean), std: clamp(std, ...limits.std) });
  /** Vuelve a empezar desde `from`, con la historia en blanco. */
  const restart = (from) => {
    play.stop();
    [settled, history, start] = [false, [], bound(from)];
    write(start);
    draw();
  };
  /** Si algo cambia desde fuera, lo que decían la historia y la nota ya no vale. */
  const moved = () => {
    if (writing) return;
    play.stop();
    [settled, history, start] = [false, [], q()];
    draw();
  };
  /** Da hasta `steps` pasos; devuelve si se puede seguir. */
  const climb = (steps) => {
    let place = q();
    if (history.length === 0) history = [lowerBound(problem(), place).elbo];
    for (let i = 0; i < steps && !settled; i++) {
      const next = history.length > MOST ? null : ascend(problem(), place, limits);
      settled = next === null;
      if (next) history = [...history, lowerBound(problem(), place = next).elbo];
    }
    write(place);
    draw();
    if (settled) announce();
    return !settled;
  };
  const announce = () => live.say(summary());
  const byHand = (steps) => () => { play.stop(); climb(steps); announce(); };

  // --- Controles ---------------------------------------------------------------------------------
  const kind = choice({
    label: "El decodificador: la media de x, dada z", options: Object.keys(DECODERS), value: problem().decoder,
    content: (v) => [`${v}, ${DECODERS[v].formula}`],
    onchange: (v) => { write({ decoder: v }); restart(start); announce(); },
  });
  const range = (label, [min, max], value, oninput, step = "any") =>
    slider({ label, min, max, step, value, text: fixed, oninput, onchange: announce });
  const setX = (v) => { write({ x: v }); restart(start); };
  const xSlider = range("|x|, el dato observado", limits.x, problem().x, setX, 0.01);
  const meanSlider = range("|μ|, media de |q|", limits.mean, q().mean, (v) => restart({ mean: v, std: q().std }));
  const stdSlider = range("|τ|, desviación de |q|", limits.std, q().std, (v) => restart({ mean: q().mean, std: v }));
  const play = player({
    label: "Reproducir el ascenso de la ELBO", period: () => (reducedMotion() ? 900 : 60), step: () => climb(reducedMotion() ? 15 : 1),
  });
  const step = action("Subir la ELBO un paso", byHand(1));
  const top = action("Hasta el máximo", byHand(MOST));
  const reset = action("Reiniciar", () => { restart(start); announce(); });

  // --- Lo que se ve --------------------------------------------------------------------------------
  const curve = plane({ title: "El decodificador |f|(|z|) y el dato |x|", ratio: 0.62, drag: true, onpick: (_, v) => setX(clamp(Number(v.toFixed(2)), ...limits.x)) });
  const joint = chart({ title: "El producto |p|(|x|∣|z|)·|p|(|z|)", height: 230 });
  const laws = chart({ title: "La distribución a posteriori |p|(|z|∣|x|) y la |q|(|z|)", height: 240, onpick: (u) => restart({ mean: u, std: q().std }) });
  for (const { root: figure } of [curve, laws]) figure.querySelector("svg").addEventListener("pointerup", () => announce());
  const bars = natsBars(["log |p|(|x|) = ELBO + KL(|q|‖|p|(|z|∣|x|))", "ELBO = |E_q|[log |p|(|x|∣|z|)] − KL(|q|‖|p|(|z|))"]);
  const path = chart({ title: "La ELBO (nats) en cada paso", height: 190 });
  const note = noteBox();
  const live = announcer();
  const [left, right] = [-4, 4];
  const grid = linspace(left, right, 641);
  const zAxis = { min: left, max: right, label: "z" };
  const summary = () => {
    const { evidence, elbo, gap } = now();
    return `μ ${fixed(q().mean)}, τ ${fixed(q().std)}: log p(x) ${fixed(evidence, 3)}, ELBO ${fixed(elbo, 3)}, hueco ${fixed(gap, 3)} nats`;
  };

  const drawModel = ({ evidence }) => {
    const { decoder, x, noise } = problem();
    curve.draw({
      x: zAxis, y: { min: -4, max: 5, label: "x" },
      inside: (frame) => [
        area(frame, [[left, x - noise], [right, x - noise], [right, x + noise], [left, x + noise]], "cw-two"),
        stroke(frame, [[left, x], [right, x]], "cw-two cw-thick"),
        stroke(frame, grid.map((z) => [z, DECODERS[decoder].f(z)]), "cw-main cw-thick"),
      ],
      summary: `${DECODERS[decoder].formula}; x = ${fixed(x)} ± ${fixed(noise)}.`,
    });
    const logs = grid.map((z) => logJoint(problem(), z));
    const power = Math.min(0, Math.floor(Math.log10(Math.E) * Math.max(...logs)) + 1); // 10^power: la escala del dibujo
    const points = grid.map((z, i) => [z, Math.exp(logs[i] - power * Math.LN10)]);
    const unit = power < 0 ? ` (×10${superscript(power)})` : "";
    joint.root.firstChild.replaceChildren(...rich(`El producto |p|(|x|∣|z|)·|p|(|z|)${unit}: su área es |p|(|x|) = ${fmt(Math.exp(evidence))}`));
    joint.draw({
      x: zAxis, y: { min: 0, max: roundUp(1.05 * Math.max(...points.map(([, v]) => v))) },
      series: [{ points, style: "cw-three cw-filled" }], summary: `Su área es ${fmt(Math.exp(evidence))}.`,
    });
  };
  const drawLaws = ({ evidence, modes }) => {
    const density = ({ mean, std }) => linspace(left, right, 1601).map((z) => [z, normalDensity(z, mean, std)]);
    const exact = grid.map((z) => [z, Math.exp(logJoint(problem(), z) - evidence)]);
    const highest = Math.max(...exact.map(([, v]) => v), normalDensity(0, 0, q().std));
    laws.draw({
      x: zAxis, y: { min: 0, max: roundUp(1.03 * highest) },
      series: [
        { points: exact, style: "cw-one cw-filled" },
        ...(history.length ? [{ points: density(start), style: "cw-soft cw-dashed" }] : []),
        { points: density(q()), style: "cw-two cw-thick" },
      ],
      summary: `p(z∣x) tiene su máximo en z = ${modes.map(({ at }) => fixed(at)).join(" y ")}. ${summary()}.`,
    });
  };
  const drawBars = ({ evidence, elbo, gap, reconstruction, prior }) => {
    const needed = Math.max((evidence - elbo) / 0.55, (reconstruction - evidence) / 0.36);
    const span = SPANS.find((s) => s >= needed) ?? roundUp(needed);
    const low = bars.low(evidence, span);
    const cut = (v) => Math.round(1000 * v) / 1000; // se redondean los sumandos para que lo escrito sume
    const [total, bound, cost] = [evidence, elbo, prior].map(cut);
    const written = (a, b, sign, c) => `${fixed(a, 3)} = ${fixed(b, 3)} ${sign} ${fixed(c, 3)}`;
    bars.draw({
      evidence, span,
      parts: [[[low, elbo, "cw-elbo"], [elbo, elbo + gap, "cw-rest"]], [[low, elbo, "cw-elbo"], [elbo, elbo + prior, "cw-cost"]]],
      sums: [written(total, bound, "+", total - bound), written(bound, bound + cost, "−", cost)],
      summary: `log p(x) ${fixed(evidence, 3)}: ELBO ${fixed(elbo, 3)} más KL con la distribución a posteriori ${fixed(gap, 3)}. `
        + `La ELBO es ${fixed(reconstruction, 3)} menos ${fixed(prior, 3)}.`,
    });
  };
  const drawPath = ({ evidence, elbo }) => {
    const values = history.length ? history : [elbo];
    const last = Math.max(20, values.length - 1);
    const pad = Math.max(0.05, 0.1 * (evidence - values[0]));
    path.draw({
      x: { min: -0.02 * last, max: 1.02 * last, label: "paso" }, y: { min: values[0] - pad, max: evidence + pad },
      series: [
        { points: [[-0.02 * last, evidence], [1.02 * last, evidence]], style: "cw-ink cw-dashed" },
        { points: values.map((v, i) => [i, v]), style: "cw-main cw-thick" },
        { points: [[values.length - 1, values.at(-1)], [values.length - 1, values.at(-1)]], style: "cw-main cw-beads" },
      ],
      summary: `ELBO ${fixed(values.at(-1), 3)} tras ${values.length - 1} pasos; log p(x) ${fixed(evidence, 3)}.`,
    });
  };
  const draw = () => {
    const state = now();
    kind.set(problem().decoder);
    place(xSlider, problem().x, fixed);
    place(meanSlider, q().mean, fixed);
    place(stdSlider, q().std, fixed);
    drawModel(state);
    drawLaws(state);
    drawBars(state);
    drawPath(state);
    note.set(settled ? verdict(q(), state) : OPENING);
  };

  const swatches = h("ul", { class: "cw-legend" }, ...[["cw-elbo", "ELBO"], ["cw-rest", "el hueco, KL(|q|‖|p|(|z|∣|x|))"],
    ["cw-cost", "KL(|q|‖|p|(|z|)), que se resta"], ["cw-firm", "log |p|(|x|)"]].map(([style, text]) =>
    h("li", {}, h("span", { class: "cw-track cw-sample" }, h("i", { class: style })), h("span", {}, ...rich(text)))));
  bars.root.append(swatches);
  const root = h("section", { class: "cw", "aria-label": "El hueco de la ELBO" },
    kind.root, xSlider.root,
    h("div", { class: "cw-pair" }, curve.root, joint.root),
    h("div", {}, laws.root, legend([["cw-one", "|p|(|z|∣|x|)"], ["cw-two cw-thick", "|q|(|z|)"], ["cw-soft cw-dashed", "|q| al empezar"]])),
    h("div", { class: "cw-pair cw-controls" }, meanSlider.root, stdSlider.root),
    bars.root,
    h("div", { class: "cw-row-buttons cw-panel" }, play.root, step.root, top.root, reset.root),
    h("div", {}, path.root, legend([["cw-main cw-thick", "ELBO"], ["cw-ink cw-dashed", "log |p|(|x|)"]])),
    note.root, live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["x", "noise_std", "mean", "std", "decoder"], moved);
  draw();
  return () => { play.stop(); unwatch(); [curve, joint, laws, path].forEach((c) => c.remove()); };
}

export default { render };
