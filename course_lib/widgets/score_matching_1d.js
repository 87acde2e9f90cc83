// Del histograma con ruido al score aprendido, y del score a las muestras, en una dimensión.

const MOST = 3000; // pasos de entrenamiento, como mucho
const KEPT = 400; // mediciones que se guardan
const SAMPLES = 2000; // cadenas de Langevin
const LOSS_NAMES = { dsm: "DSM, con ruido", ism: "ISM, implícita" };

function render({ model, el }) {
  const get = (name) => model.get(name);
  const law = mixtureLaw(get("law"));
  const limits = get("limits");
  const thinnest = Math.min(...law.factors.map(([[s]]) => s));
  let problem, training, data, history, state, exact = {}, sampledAt = 0;

  /** El paso de Langevin: una décima de la menor varianza. */
  const size = () => 0.1 * (thinnest ** 2 + get("sigma") ** 2);
  const sampleWith = (s) => langevin(problem, s, { count: SAMPLES, steps: get("langevin_steps"), size: size(), seed: get("seed") });
  const exactW1 = () => {
    const key = [get("sigma"), get("langevin_steps"), get("seed")].join();
    if (exact.key !== key) exact = { key, w1: transportTo(problem, sampleWith(problem.score)) };
    return exact.w1;
  };

  /** Mide el score aprendido y lo apunta; `sampling` dice si también se muestrea con él. */
  const record = (sampling) => {
    const { steps } = training.model;
    const { s, slope } = scoreAt(training.model, problem.x);
    const now = { step: steps, ...exactLosses(problem, s, slope) };
    if (history.length >= KEPT) history = history.filter((_, i) => i % 2 === 0);
    history = [...history.filter(({ step }) => step < steps), now];
    const samples = steps === 0 ? null : sampling ? sampleWith(s) : state.samples;
    state = {
      ...now, ...data, problem, history, samples, steps, most: MOST, loss: get("loss"), sigma: get("sigma"), fisher: problem.fisher, blur: problem.blur,
      density: problem.density, peaks: problem.peaks, count: get("points"), learned: steps === 0 ? null : s,
      view: viewFor(law, get("sigma")), floor: transportFloor(problem, 1 / (1 / SAMPLES + 1 / get("points"))),
      w1: samples ? transportTo(problem, samples) : NaN,
    };
    if (samples && sampling) Object.assign(state, { exactW1: exactW1(), shares: sharesByMode(problem, samples), valley: valleyError(problem, s, now.esm) });
  };
  const refresh = () => { record(true); draw(true); };
  const restart = () => {
    play.stop();
    const [sigma, seed] = [get("sigma"), get("seed")];
    if (problem?.sigma !== sigma) problem = noisyProblem(law, sigma);
    const { x, eps } = drawData(law, get("points"), seed);
    data = { places: x.map((v, i) => v + sigma * eps[i]), targets: eps.map((e) => -e / sigma) };
    training = newTraining({ x, sigma, seed, loss: get("loss") });
    [history, state] = [[], { samples: null }];
    refresh();
  };
  const train = (steps) => { for (let i = 0; i < steps && training.model.steps < MOST; i++) training.step(); };
  const announce = () => live.say(summary());
  const byHand = (steps) => () => { play.stop(); train(steps); refresh(); announce(); };
  const change = (name) => (v) => put(model, name, v);

  // --- Controles ---------------------------------------------------------------------------------
  const loss = choice({
    label: "Pérdida con la que se entrena", options: Object.keys(LOSS_NAMES), value: get("loss"), content: (v) => [LOSS_NAMES[v]],
    onchange: (v) => { put(model, "loss", v); announce(); },
  });
  /** Deslizador de `count` saltos iguales en logaritmo, con los valores redondeados a dos cifras. */
  const logSlider = (label, name, text, count) => {
    const [low, high] = limits[name];
    const valueAt = (i) => clamp(Number((low * (high / low) ** (i / count)).toPrecision(2)), low, high);
    const control = slider({
      label, min: 0, max: count, value: 0, text: (i) => text(valueAt(i)),
      oninput: (i) => put(model, name, valueAt(i)), onchange: () => announce(),
    });
    const show = () => place(control, (count * Math.log(get(name) / low)) / Math.log(high / low), () => text(get(name)));
    return { ...control, show };
  };
  const noise = logSlider("|σ|, el ruido", "sigma", (v) => fmt(v, 2), 47);
  const points = logSlider("|N|, los datos", "points", spaced, 20);
  const chain = logSlider("Pasos de Langevin", "langevin_steps", spaced, 25);
  const play = player({
    label: "Reproducir el entrenamiento", period: () => (reducedMotion() ? 1000 : 30),
    step: () => {
      if (!el.isConnected) return false;
      const [start, goal] = [performance.now(), training.model.steps + (reducedMotion() ? 150 : 10)];
      do train(1); while (training.model.steps < Math.min(goal, MOST) && performance.now() - start < 300);
      const finished = training.model.steps >= MOST;
      const begun = performance.now();
      const sampling = finished || reducedMotion() || begun > sampledAt; // muestrear cuesta más que entrenar
      record(sampling);
      if (sampling) sampledAt = performance.now() + 8 * (performance.now() - begun);
      draw(sampling);
      if (finished) announce();
      return !finished;
    },
  });
  play.root.addEventListener("click", () => { if (play.root.textContent === "Reproducir") { refresh(); announce(); } });
  const moves = [
    action("Un paso", byHand(1)), action("100 pasos", byHand(100)),
    action("Reiniciar", () => { restart(); announce(); }),
    action("Otra muestra", () => { put(model, "seed", (get("seed") + 1) % limits.seed[1]); announce(); }),
  ];

  // --- Lo que se ve --------------------------------------------------------------------------------
  const charts = fourCharts();
  const numbers = readingList([
    ["targets", "varianza de los objetivos, 1/|σ|²"], ["esm", "error del score, ESM"], ["dsm", "DSM − ESM"], ["ism", "ISM − ESM"],
    ["w1", "|W₁| de las muestras a |p_σ|"], ["blur", "|W₁| de |p_σ| a |p_0|"],
  ], "cw-columns");
  const note = noteBox();
  const live = announcer();
  const summary = () => `Paso ${training.model.steps}: ESM ${numbers.text("esm")}, W₁ de las muestras ${numbers.text("w1")}`;
  const draw = (settled) => {
    loss.set(get("loss"));
    [noise, points, chain].forEach((control) => control.show());
    charts.draw(state);
    numbers.set("targets", fmt(1 / state.sigma ** 2), `el score, |I| = ${fmt(state.fisher)}`);
    numbers.set("esm", fmt(state.esm), `en el paso ${spaced(state.steps)}`);
    numbers.set("dsm", fmt(state.dsm - state.esm, 4), "constante: ½(1/|σ|² − |I|)");
    numbers.set("ism", fmt(state.ism - state.esm, 4), "constante: −½|I|");
    numbers.set("w1", fmt(state.w1), `suelo con ${spaced(SAMPLES)} muestras y ${spaced(state.count)} datos: ${fmt(state.floor)}`);
    numbers.set("blur", fmt(state.blur), "exacta");
    if (settled) note.set(...verdict(state));
  };

  const root = h("section", { class: "cw", "aria-label": "Del histograma con ruido al score y a las muestras" },
    h("div", { class: "cw-knobs" }, noise.root, points.root, chain.root),
    loss.root,
    h("div", { class: "cw-row-buttons cw-panel" }, play.root, ...moves.map((move) => move.root)),
    charts.root, note.root, numbers.root, live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = [watch(model, ["sigma", "points", "loss", "seed"], restart), watch(model, ["langevin_steps"], refresh)];
  restart();
  return () => { play.stop(); unwatch.forEach((stop) => stop()); charts.remove(); };
}

export default { render };
