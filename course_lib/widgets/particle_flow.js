// Partículas del plano que van de los datos al ruido y vuelven, con el score exacto de la mezcla.

const MODES = { "SDE directa": "SDE directa", "SDE inversa": "SDE inversa", ODE: "ODE de flujo" };
const SCHEDULE_NAMES = { VP: "VP", SubVP: "sub-VP", VE: "VE", OU: "OU", Flow: "Flow" };
const SPACINGS = { t: "|t|", lambda: "λ = log(α/σ)" };
const COMPARISONS = { no: "Una sola", superpuestas: "Superpuestas", "lado a lado": "Lado a lado" };
const STYLES = { "SDE directa": "cw-one", "SDE inversa": "cw-one", ODE: "cw-two cw-square" };
const TRIP_MS = 6000; // lo que dura el camino entero al reproducirlo
const SAVE_MS = 250; // cada cuánto se avisa de t a Python mientras se reproduce
const PATH_TRAITS = ["schedule", "spacing", "steps", "noise", "seed", "flipped", "mode", "compare"];

/** Casilla de verificación con su rótulo. */
function checkBox(text, onchange) {
  const input = h("input", { type: "checkbox", onchange: () => onchange(input.checked) });
  return { input, root: h("label", { class: "cw-check" }, input, h("span", {}, ...rich(text))) };
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const count = get("particles");
  const law = mixtureLaw(get("law"));
  const modes = modeJudge(law, count);
  const schedule = () => SCHEDULES[get("schedule")];
  const forward = () => get("mode") === "SDE directa";
  const sign = () => (get("flipped") && !forward() ? -1 : 1);
  /** Lo que se mueve: la SDE, la ODE o las dos. */
  const shown = () => (forward() ? ["SDE directa"] : get("compare") === "no" ? [get("mode")] : ["SDE inversa", "ODE"]);
  const now = () => Math.min(get("t"), schedule().tMax);
  const [judges, outcomes] = [{}, {}]; // el suelo de cada meta y el juicio de cada llegada, que se recuerdan
  let paths, screen, views, saved = 0;

  const simulate = () => {
    const grid = stepGrid(schedule(), get("spacing"), get("steps"));
    paths = shown().map((mode) => flowPath({
      law, schedule: schedule(), grid, count, seed: get("seed"), sign: sign(),
      way: forward() ? "directa" : "inversa", eta: mode === "ODE" ? 0 : get("noise"),
    }));
    screen = screenFor(law, schedule());
    shown().forEach((mode) => { delete outcomes[mode]; });
  };
  /** El suelo se mide una vez por meta: los datos o la distribución previa, que en todos los esquemas es N(0, I) por su escala. */
  const judge = () => {
    const target = forward() ? "previa" : "datos";
    const prior = (n, uniform) => Float64Array.from({ length: 2 * n }, () => gauss(uniform));
    return judges[target] ??= energyJudge(forward() ? prior : law.sample, count);
  };
  const outcome = (mode, i) => outcomes[mode] ??= (() => {
    const unit = forward() ? schedule().sigma(schedule().tMax) : 1;
    const end = paths[i].states.at(-1);
    const { distance, usual, top } = judge();
    return { name: MODES[mode], far: unit * distance(end.map((v) => v / unit)), usual: unit * usual, top: unit * top, ...modes.judge(end) };
  })();

  // --- Controles ---------------------------------------------------------------------------------
  const stage = () => {
    const [done, last] = [progressAt(paths[0], now()), paths[0].times.length - 1];
    return done === 0 ? "inicio" : done === last ? "final" : "camino";
  };
  const announce = () => live.say(summary());
  const go = (t) => { play.stop(); put(model, "t", t); announce(); };
  const ends = () => [paths[0].times[0], paths[0].times.at(-1)];
  const pick = (name, options, label) => choice({
    label, options: Object.keys(options), value: get(name), content: (v) => rich(options[v]),
    onchange: (v) => { play.stop(); put(model, name, v); announce(); },
  });
  const mode = pick("mode", MODES, "Qué las mueve");
  const which = pick("schedule", SCHEDULE_NAMES, "Esquema de ruido");
  const spacing = pick("spacing", SPACINGS, "Pasos iguales en");
  const compare = pick("compare", COMPARISONS, "SDE y ODE, del mismo ruido");
  const tick = { at: 0 };
  const play = player({
    label: "Reproducir el camino", period: () => (reducedMotion() ? 1000 : 16),
    step: () => {
      if (!el.isConnected) return false;
      const last = paths[0].times.length - 1;
      const done = progressAt(paths[0], now());
      const time = performance.now();
      const pace = reducedMotion() ? 0.1 : Math.min(100, time - tick.at) / TRIP_MS;
      tick.at = time;
      const next = done >= last ? 0 : Math.min(last, done + Math.max(1e-9, pace) * last);
      model.set("t", timeAt(paths[0], next));
      if (next === last || time - saved > SAVE_MS) { model.save_changes(); saved = time; }
      if (next === last) announce();
      return next < last;
    },
  });
  play.root.addEventListener("click", () => { tick.at = performance.now(); });
  const buttons = [
    button({ icon: "first", label: "Volver a empezar", onclick: () => go(ends()[0]) }).root, play.root,
    button({ icon: "last", label: "Ir al final", onclick: () => go(ends()[1]) }).root,
  ];
  const bounded = (name, options) => slider({
    ...options, value: get(name), onchange: announce, oninput: (v) => { play.stop(); put(model, name, v); },
  });
  const timeText = (v) => v.toFixed(3);
  const scrub = bounded("t", { label: "Instante |t|, de datos (0) a ruido", min: 0, max: 1, step: 0.01, text: timeText });
  const steps = bounded("steps", { label: "Número de pasos", min: 5, max: 200, text: String });
  const noise = bounded("noise", { label: "Ruido η de la SDE inversa", min: 0, max: 1, step: 0.05, text: (v) => v.toFixed(2) });
  const boxes = Object.entries({ arrows: "Flechas del score", density: "Densidad |p_t|", flipped: "Signo cambiado: −∇log |p_t|" })
    .map(([name, text]) => [name, checkBox(text, (on) => { put(model, name, on); announce(); })]);
  const flip = boxes[2][1];
  const another = action("Otra semilla", () => { play.stop(); put(model, "seed", (get("seed") + 1) % get("most_seed")); announce(); });

  // --- Lo que se ve --------------------------------------------------------------------------------
  const scene = h("div", {});
  const keys = h("div", {});
  const scaleKey = h("p", { class: "cw-aside" });
  const numbers = readingList([["when", "instante"], ["law", "α, σ y |g|²"], ["far", "distancia energía al final"], ["good", "partículas buenas al final"]]);
  const tally = chart({ title: "Partículas buenas de cada modo al final", height: 200 });
  const tallyKey = h("div", {});
  const side = h("div", {}, numbers.root, h("div", {}, tally.root, tallyKey));
  const sight = h("div", {}, h("div", { class: "cw-stack" }, scene, keys, scaleKey), side);
  const note = noteBox();
  const live = announcer();
  const summary = () => {
    const where = `${shown().map((m) => MODES[m]).join(" y ")}, ${SCHEDULE_NAMES[get("schedule")]}, t = ${timeText(now())}`;
    if (stage() !== "final") return where;
    return `${where}: distancia energía ${shown().map((m, i) => fmt(outcome(m, i).far, 2)).join(" y ")}, suelo hasta ${fmt(outcome(shown()[0], 0).top, 2)}`;
  };
  const layout = () => {
    views?.forEach((view) => view.remove());
    const apart = shown().length > 1 && get("compare") === "lado a lado";
    views = (apart ? shown() : [shown().map((m) => MODES[m]).join(" y ")]).map((m) => particleView(`${MODES[m] ?? m}: ${count} partículas${m in MODES || shown().length < 2 ? "" : " cada una"}`));
    scene.replaceChildren(...views.map((view) => view.root));
    scene.className = apart ? "cw-pair" : "";
    sight.className = apart ? "cw-stack" : "cw-split";
    side.className = apart ? "cw-pair" : "cw-stack";
    const arrow = sign() < 0 ? ["cw-arrows cw-red", "−∇log |p_t|: la dirección, y más larga donde es mayor"] : ["cw-arrows cw-ink", "∇log |p_t|: la dirección, y más larga donde es mayor"];
    keys.replaceChildren(legend([
      ...shown().map((m) => [`cw-trail ${STYLES[m]}`, `${MODES[m]} (${TRACED} caminos)`]), ...(get("arrows") ? [arrow] : []),
    ]));
    tallyKey.replaceChildren(legend([
      ["cw-expected", `lo esperado, ± ${ERRORS} errores`], ...shown().map((m) => [`${STYLES[m]} cw-beads`, MODES[m]]),
    ]));
    [noise.root, compare.root, flip.root, tally.root, tallyKey].forEach((part) => { part.hidden = forward(); });
    noise.root.hidden ||= !shown().includes("SDE inversa");
  };
  const drawTally = (found) => {
    const total = law.weights.length;
    const shift = (i) => (found.length > 1 ? 0.2 * (2 * i - 1) : 0);
    const bead = (k, i, v) => [[k + 1 + shift(i), v], [k + 1 + shift(i), v]];
    const tops = [...modes.expected.map((e) => e.mean + ERRORS * e.error), ...found.flatMap(({ counts }) => counts)];
    tally.draw({
      x: { min: 0.4, max: total + 0.6, label: "modo", marks: law.weights.map((_, k) => k + 1) }, y: { min: 0, max: roundUp(1.05 * Math.max(1, ...tops)) },
      series: [
        ...modes.expected.map(({ mean, error }, k) => ({ points: [[k + 1, Math.max(0, mean - ERRORS * error)], [k + 1, mean + ERRORS * error]], style: "cw-expected" })),
        ...found.flatMap(({ counts }, i) => counts.map((c, k) => ({ points: bead(k, i, c), style: `${STYLES[shown()[i]]} cw-beads` }))),
      ],
      summary: found.length ? found.map(({ name, counts }) => `${name}: ${counts.join(", ")}`).join(". ") : "Se cuentan al llegar a t = 0.",
    });
  };
  const drawNumbers = (found) => {
    const { alpha, sigma, g2, tMax } = schedule();
    const done = progressAt(paths[0], now());
    numbers.set("when", `t = ${timeText(now())}`, `paso ${Math.floor(done + 1e-6)} de ${get("steps")}; semilla ${get("seed")}`);
    numbers.set("law", [alpha, sigma, g2].map((value) => fmt(value(now()), 2)).join(", "), get("schedule") === "Flow" ? `hasta |t| = ${tMax}` : "");
    const label = (i) => (found.length > 1 ? `${["SDE", "ODE"][i]} ` : "");
    const join = (f) => (found.length ? found.map((one, i) => label(i) + f(one)).join(" · ") : "—");
    const [goal, of] = forward() ? ["a la distribución previa", "de ella"] : ["a los datos", "de datos"];
    numbers.set("far", join(({ far }) => fmt(far, 2)),
      found.length ? `${goal}; entre muestras ${of}, ${fmt(found[0].usual, 2)} de media y hasta ${fmt(found[0].top, 2)}` : `${goal}, frente a su suelo`);
    numbers.set("good", forward() ? "—" : join(({ good }) => percent(good)),
      forward() ? "se cuentan a la vuelta" : `a menos de 3 desviaciones; en los datos, ${percent(modes.good)}`);
  };
  const draw = () => {
    const t = now();
    const axes = screen.axes(t);
    const runs = paths.map((path, i) => {
      const progress = progressAt(path, t);
      return { path, progress, now: stateAt(path, progress), style: STYLES[shown()[i]] };
    });
    const ended = stage() === "final";
    const found = ended ? shown().map(outcome) : [];
    const density = diffuseMixture(law, schedule().alpha(t), schedule().sigma(t));
    const outside = runs.reduce((sum, run) => sum + outsideCount(run.now, axes), 0);
    const summaryText = `${summary()}. ${outside} fuera del dibujo.`;
    views.forEach((view, i) => view.draw({
      axes, law: density, sign: sign(), runs: views.length > 1 ? [runs[i]] : runs,
      arrows: get("arrows"), density: get("density"), summary: summaryText,
    }));
    scaleKey.replaceChildren(...rich([
      screen.zooms ? `La escala sigue al ruido: la pantalla abarca ${fmt(axes[0].max - axes[0].min)} unidades.` : "",
      outside ? `Fuera del dibujo: ${outside} de ${count * runs.length}.` : "",
    ].filter(Boolean).join(" ")));
    scrub.input.max = schedule().tMax;
    place(scrub, t, timeText);
    place(steps, get("steps"), String);
    place(noise, get("noise"), (v) => v.toFixed(2));
    [[mode, "mode"], [which, "schedule"], [spacing, "spacing"], [compare, "compare"]].forEach(([control, name]) => control.set(get(name)));
    boxes.forEach(([name, box]) => { box.input.checked = get(name); });
    drawNumbers(found);
    if (!forward()) drawTally(found);
    note.set(...flowVerdict({
      mode: get("mode"), stage: stage(), schedule: get("schedule"), spacing: get("spacing"), tMax: schedule().tMax, steps: get("steps"),
      sign: sign(), eta: get("noise"), outcomes: ended ? found : shown(), outside, count, expectedGood: modes.good,
    }));
  };
  const restart = () => { simulate(); layout(); draw(); };

  const root = h("section", { class: "cw", "aria-label": "Partículas de los datos al ruido y del ruido a los datos" },
    h("div", { class: "cw-flow-choices" }, mode.root, which.root),
    h("div", { class: "cw-player" }, h("div", { class: "cw-buttons" }, ...buttons), scrub.root),
    sight,
    note.root,
    h("div", { class: "cw-panel" },
      h("div", { class: "cw-flow-choices" }, compare.root, spacing.root),
      h("div", { class: "cw-pair cw-controls cw-flow-sliders" }, steps.root, noise.root),
      h("div", { class: "cw-flow-checks" }, ...boxes.map(([, box]) => box.root), another.root)),
    live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = [watch(model, PATH_TRAITS, restart), watch(model, ["t", "density"], draw), watch(model, ["arrows"], () => { layout(); draw(); })];
  restart();
  return () => { play.stop(); unwatch.forEach((stop) => stop()); [...views, tally].forEach((part) => part.remove()); };
}

export default { render };
