// La GAN jugada paso a paso en la página: dos redes pequeñas que aprenden la una contra la otra.

const BATCH = 128;
const HIDDEN = { 1: [16, 16], 2: [24, 24] }; // unidades de las dos capas ocultas, en la recta y en el plano
const MOST = 5000; // rondas, como mucho
const KEPT = 600; // mediciones que se guardan
const LOSS_NAMES = { "no saturante": "No saturante", saturante: "Saturante", bisagra: "Bisagra", wasserstein: "Wasserstein" };
const RULES = ["loss", "discriminator_steps", "generator_lr", "discriminator_lr", "optimizer", "r1"];
const USUAL = { adam: 0.005, sgd: 0.05 }; // tasa de G con cada optimizador, también en adversarial_game.py
const USUAL_STEPS = { 1: 3, 2: 2 }; // pasos de D por ronda
const GOALS = {
  logistic: { top: "2 JSD − log 4", exact: "JSD exacta", bound: "½(V + log 4), su cota con D" },
  hinge: { top: "2 TV − 2", exact: "TV exacta", bound: "½V + 1, su cota con D" },
  wasserstein: { top: "W₁", exact: "W₁ exacta", bound: "V, lo que estima D" },
};

function render({ model, el }) {
  const get = (name) => model.get(name);
  const rules = () => ({
    loss: get("loss"), generatorRate: get("generator_lr"), discriminatorRate: get("discriminator_lr"),
    optimizer: get("optimizer"), penalty: get("gradient_penalty"), r1: get("r1"),
  });
  const family = () => LOSSES[get("loss")].family;
  let game, view, now, history, steps, rounds, played, pace = 4;

  /** Mide la partida tal como está y la apunta. */
  const record = () => {
    now = { ...view.measure(game), step: steps };
    if (history.length >= KEPT) history = history.filter((_, i) => i % 2 === 0);
    history = [...history.filter(({ step }) => step < steps), now];
  };
  const refresh = () => { record(); draw(); };
  const restart = () => {
    play.stop();
    view?.remove();
    const law = mixtureLaw(get("laws")[get("dim")]);
    const { box } = get("laws")[get("dim")];
    const loss = () => get("loss");
    view = law.dim === 1 ? lineView(box, loss) : planeView(law, box, loss, () => draw());
    scene.replaceChildren(view.root);
    root.setAttribute("aria-label", `El juego de una GAN ${law.dim === 1 ? "en la recta" : "en el plano"}, paso a paso`);
    game = newGame({ law, hidden: HIDDEN[law.dim], batch: BATCH, seed: get("seed"), rules });
    [history, steps, rounds, played] = [[], 0, 0, family()];
    refresh();
  };
  const judge = (times = 1) => { for (let i = 0; i < times; i++) { game.stepD(); steps += 1; } };
  const create = () => { game.stepG(); steps += 1; rounds += 1; };
  const round = () => { judge(get("discriminator_steps")); create(); };
  const announce = () => live.say(summary());
  const byHand = (move) => () => { play.stop(); move(); refresh(); announce(); };

  // --- Controles ---------------------------------------------------------------------------------
  const place = choice({
    label: "Dónde se juega", options: [1, 2], value: get("dim"), content: (v) => [{ 1: "Recta", 2: "Plano" }[v]],
    onchange: (v) => { model.set("discriminator_steps", USUAL_STEPS[v]); put(model, "dim", v); announce(); },
  });
  const loss = choice({
    label: "Pérdida", options: Object.keys(LOSS_NAMES), value: get("loss"), content: (v) => [LOSS_NAMES[v]],
    onchange: (v) => { put(model, "loss", v); announce(); },
  });
  const descent = choice({
    label: "Optimizador de G", options: Object.keys(USUAL), value: get("optimizer"),
    content: (v) => [{ adam: "Adam", sgd: "Descenso simple" }[v]],
    onchange: (v) => { model.set("optimizer", v); put(model, "generator_lr", USUAL[v]); announce(); },
  });
  const rate = (label, name) => slider({
    label, min: -4, max: 0, step: "any", value: Math.log10(get(name)), text: (v) => fmt(10 ** v, 2),
    oninput: (v) => put(model, name, clamp(10 ** v, 1e-4, 1)), onchange: announce,
  });
  const rateG = rate("Tasa de |G|", "generator_lr");
  const rateD = rate("Tasa de |D|", "discriminator_lr");
  const count = slider({
    label: "Pasos de |D| por ronda", min: 1, max: 20, value: get("discriminator_steps"), text: String,
    oninput: (v) => put(model, "discriminator_steps", v), onchange: announce,
  });
  const flat = slider({
    label: "Peso de |R₁| en |L_D|", min: 0, max: 1, step: 0.01, value: get("r1"), text: (v) => fmt(v, 2),
    oninput: (v) => put(model, "r1", v), onchange: announce,
  });
  const speed = slider({ label: "Rondas entre dibujos", min: 1, max: 10, value: pace, text: String, oninput: (v) => { pace = v; } });
  const play = player({
    label: "Reproducir el juego", period: () => (reducedMotion() ? 1000 : 30),
    step: () => {
      if (!el.isConnected || rounds >= MOST) return false;
      const [start, limit] = [performance.now(), reducedMotion() ? 400 : 40];
      const goal = rounds + (reducedMotion() ? 10 : 1) * pace;
      do round(); while (rounds < goal && performance.now() - start < limit);
      refresh();
      return true;
    },
  });
  const moves = [
    action("Paso de D", byHand(() => judge())), action("Paso de G", byHand(create)), action("Una ronda", byHand(round)),
    action("200 pasos de D", byHand(() => judge(200))), action("Reiniciar", () => { restart(); announce(); }),
    action("Otra semilla", () => { put(model, "seed", (get("seed") + 1) % get("most_seed")); announce(); }),
  ];

  // --- Lo que se ve --------------------------------------------------------------------------------
  const scene = h("div", {});
  const numbers = readingList([
    ["rounds", "rondas (pasos de |G|)"], ["seed", "semilla"], ["value", "|V|(|G|, |D|) = −|L_D|"], ["top", "su máximo sobre |D|"],
    ["exact", "JSD (nats)"], ["pull", "empuje ‖∂|L_G|/∂|x|‖"],
  ], "cw-columns");
  const goal = chart({ title: "La distancia entre |π| y |μ_G| y lo que ve |D|", height: 190 });
  const goalKey = h("div", {});
  const force = chart({ title: "Empuje cuadrático medio, ‖∂|L_G|/∂|x|‖", height: 190 });
  const note = noteBox();
  const live = announcer();
  const summary = () => {
    const made = now.js === undefined ? `${percent(now.good)} de muestras buenas` : `JSD ${fmt(now.js)} nats`;
    return `Ronda ${rounds}: V(G, D) ${fmt(now.value)}, ${made}, empuje ${fmt(now.pull)}`;
  };
  const timeAxis = () => {
    const last = Math.max(20, steps);
    return { min: -0.02 * last, max: 1.02 * last, label: "pasos de los dos jugadores" };
  };
  const lastBead = (points, style) => ({ points: [points.at(-1), points.at(-1)], style: `${style} cw-beads` });
  const drawGoal = () => {
    const exact = history.map(({ step, goal: v }) => [step, v ?? NaN]);
    const seen = history.map(({ step, bound }) => [step, bound]);
    const values = [...exact, ...seen].map(([, v]) => v).filter(Number.isFinite);
    const names = GOALS[family()];
    const top = roundUp(1.02 * Math.max(0.1, ...values));
    goal.draw({
      x: timeAxis(), y: { min: Math.max(-0.12 * top, Math.min(0, ...values)), max: top },
      series: [
        { points: exact, style: "cw-green cw-thick" }, { points: seen, style: "cw-three" },
        ...[[exact, "cw-green"], [seen, "cw-three"]].map(([points, style]) => lastBead(points, style)),
      ],
      summary: `${names.bound}: ${fmt(now.bound)}.`,
    });
    goalKey.replaceChildren(legend([...(now.js === undefined ? [] : [["cw-green cw-thick", names.exact]]), ["cw-three", names.bound]]));
  };
  const drawForce = () => {
    const points = history.map(({ step, pull }) => [step, Math.max(1e-8, pull)]);
    const values = points.map(([, v]) => v).filter(Number.isFinite);
    force.draw({
      x: timeAxis(), y: { min: Math.min(0.01, ...values) / 1.5, max: Math.max(10, ...values) * 1.5, log: true },
      series: [{ points, style: "cw-ink" }, lastBead(points, "cw-ink")], summary: `Ahora vale ${fmt(now.pull)}.`,
    });
  };
  const draw = () => {
    place.set(get("dim"));
    loss.set(get("loss"));
    descent.set(get("optimizer"));
    [[rateG, "generator_lr"], [rateD, "discriminator_lr"]].forEach(([control, name]) => control.set(Math.log10(get(name))));
    count.set(get("discriminator_steps"));
    flat.set(get("r1"));
    view.draw(now, history, game);
    drawGoal();
    drawForce();
    numbers.set("rounds", spaced(rounds), `${spaced(steps - rounds)} pasos de |D|`);
    numbers.set("seed", String(get("seed")));
    numbers.set("value", fmt(now.value), { logistic: "nats", hinge: "", wasserstein: "unidades de |x|" }[family()]);
    if (now.js === undefined) { // en el plano no se conoce μ_G
      numbers.set("top", "—", "|μ_G| no se conoce");
      numbers.set("exact", family() === "logistic" ? `≥ ${fmt(Math.max(0, now.bound))}` : "—", family() === "logistic" ? "cota con este |D|" : "");
    } else {
      numbers.set("top", fmt(now.top), GOALS[family()].top);
      numbers.set("exact", fmt(now.js), "como mucho, log 2 = 0.693");
    }
    numbers.set("pull", fmt(now.pull));
    note.set(...verdict({ ...now, rounds, steps, ...rules(), family: family() }));
  };
  const changed = () => (family() === played ? refresh() : restart());

  const root = h("section", { class: "cw" },
    h("div", { class: "cw-pair cw-setup" }, place.root, loss.root),
    h("div", { class: "cw-row-buttons cw-panel" }, play.root, ...moves.map((move) => move.root)),
    scene, note.root,
    h("div", { class: "cw-panel" }, descent.root,
      h("div", { class: "cw-trio" }, count.root, rateG.root, rateD.root, flat.root, speed.root)),
    numbers.root,
    h("div", { class: "cw-pair" }, h("div", {}, goal.root, goalKey), force.root),
    live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = [watch(model, ["dim", "seed"], restart), watch(model, RULES, changed)];
  restart();
  return () => { play.stop(); unwatch.forEach((stop) => stop()); [view, goal, force].forEach((part) => part.remove()); };
}

export default { render };
