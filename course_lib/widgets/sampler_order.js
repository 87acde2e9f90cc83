// El error de cuatro muestreadores contra sus evaluaciones, y sus caminos junto a los exactos.

const POINTS = 40; // puntos de partida con los que se mide
const DRAWN = 8; // y los que se dibujan
const FINE = 400; // pasos de Runge–Kutta, en λ, del camino de referencia
const BUDGETS = [4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];
const METHOD_NAMES = { euler: "Euler", heun: "Heun", ddim: "DDIM", dpmpp_2m: "DPM-Solver++(2M)" };
const LINES = { euler: "cw-one", heun: "cw-two", ddim: "cw-three", dpmpp_2m: "cw-four" };
const SPACING_NAMES = { t: "t", lambda: "λ", rho: "(σ/α)^(1/7)" };
const SCHEDULE_NAMES = { VP: "VP", SubVP: "sub-VP", VE: "VE", OU: "OU", Flow: "Flow" };

/** Los pasos que caben en `budget` evaluaciones. */
function stepsFor(method, budget) {
  return Math.max(1, Math.floor(budget / CALLS[method]));
}

/** La raíz del error cuadrático medio entre dos estados. */
function rootMeanSquare(a, b) {
  return Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length);
}

/** El camino de referencia: Runge–Kutta de orden 4, bastante más fino que cualquiera de los que se miden. */
function referencePath(model, start, grid) {
  const states = [start];
  for (let i = 0; i + 1 < grid.length; i++) {
    const [x, t, s] = [states[i], grid[i], grid[i + 1]];
    const [h, middle] = [s - t, (t + s) / 2];
    const move = (v, part) => x.map((value, j) => value + part * h * v[j]);
    const a = model.velocity(x, t);
    const b = model.velocity(move(a, 0.5), middle);
    const c = model.velocity(move(b, 0.5), middle);
    const d = model.velocity(move(c, 1), s);
    states.push(x.map((value, j) => value + (h * (a[j] + 2 * b[j] + 2 * c[j] + d[j])) / 6));
  }
  return states;
}

/** Pendiente de mínimos cuadrados de log(error) contra log(evaluaciones), en los últimos `count` puntos finitos. */
function slopeOf(points, count = 4) {
  const last = points.filter(([, e]) => e > 1e-11 && Number.isFinite(e)).slice(-count).map((p) => p.map(Math.log));
  if (last.length < 2) return NaN;
  const [mx, my] = [0, 1].map((k) => last.reduce((sum, p) => sum + p[k], 0) / last.length);
  const [top, bottom] = last.reduce(([a, b], [u, v]) => [a + (u - mx) * (v - my), b + (u - mx) ** 2], [0, 0]);
  return top / bottom;
}

/** Todo lo que no depende del método ni del número de evaluaciones: la partida, la referencia y los errores. */
function orderProblem(mixture, { schedule, spacing, end }) {
  const law = continuousLaws[schedule];
  const model = exactModel(mixture, law);
  const uniform = sfc32(7);
  const start = Float64Array.from({ length: POINTS }, () => law.sigma(law.tMax) * gauss(uniform)).sort();
  const fine = stepGrid(law, "lambda", FINE, end);
  const reference = referencePath(model, start, fine);
  const grids = {};
  const gridOf = (steps) => grids[steps] ??= stepGrid(law, spacing, steps, end);
  const errors = {};
  for (const method of Object.keys(METHOD_NAMES)) {
    errors[method] = BUDGETS.map((budget) => {
      const states = samplePath(method, model, law, start, gridOf(stepsFor(method, budget)));
      return [budget, rootMeanSquare(states.at(-1), reference.at(-1))];
    });
  }
  return { law, model, start, fine, reference, errors, gridOf, schedule, spacing };
}

/** Lo que se lee en las curvas, dicho con sus números. */
function orderVerdict({ errors, spacing, schedule }, method, budget) {
  const at = (name) => errors[name].find(([n]) => n === budget)[1];
  const best = Object.keys(errors).reduce((a, b) => (at(b) < at(a) ? b : a));
  const others = best === method ? "" : ` El error de ${METHOD_NAMES[method]} es ${fmt(at(method) / at(best), 2)} veces ese.`;
  const twins = schedule === "Flow" && ["euler", "ddim"].includes(method) ? " En Flow, Euler y DDIM son el mismo método: sus curvas coinciden." : "";
  const order = slopeOf(errors[method]);
  const expected = { euler: 1, heun: 2, ddim: 1, dpmpp_2m: 2 }[method];
  const reached = Math.abs(order + expected) < 0.3;
  const text = `Con ${budget} evaluaciones gana ${METHOD_NAMES[best]}, con error ${fmt(at(best), 2)}.${others} ` +
    `Al final de la curva de ${METHOD_NAMES[method]} la pendiente es ${fmt(order, 2)}: ` +
    (reached ? `la de su orden, ${expected}.` : `su orden, ${expected}, todavía no se ve${spacing === "t" ? " en esta rejilla, que da pasos demasiado largos cerca de los datos" : ""}.`) + twins;
  return [text, !reached];
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const change = (name) => (value) => { put(model, name, value); announce(); };
  let problem;

  const pairs = (names) => Object.entries(names);
  const schedule = select({ label: "Esquema", options: pairs(SCHEDULE_NAMES), value: get("schedule"), onchange: change("schedule") });
  const spacing = select({ label: "Rejilla uniforme en", options: pairs(SPACING_NAMES), value: get("spacing"), onchange: change("spacing") });
  const method = select({ label: "Método", options: pairs(METHOD_NAMES), value: get("method"), onchange: change("method") });
  const end = select({ label: "Hasta t =", options: get("ends").map((t) => [String(t), String(t)]), value: String(get("end")), onchange: (v) => change("end")(Number(v)) });
  const budget = slider({
    label: "Evaluaciones del score", min: 0, max: BUDGETS.length - 1, value: 0, text: (i) => String(BUDGETS[i]),
    oninput: (i) => put(model, "evaluations", BUDGETS[i]), onchange: () => announce(),
  });

  const curves = chart({ title: "Error contra evaluaciones", height: 250 });
  const paths = chart({ title: "Caminos, en desviaciones de |x_t|", height: 250 });
  const key = h("div");
  const numbers = readingList([["error", "error en |x_t| al final"], ["slope", "pendiente al final de la curva"], ["step", "primer y último paso"]], "cw-thirds");
  const note = noteBox();
  const live = announcer();
  const announce = () => live.say(`${METHOD_NAMES[get("method")]}: error ${numbers.text("error")}, pendiente ${numbers.text("slope")}`);

  const drawCurves = () => {
    const chosen = get("method");
    const finite = Object.values(problem.errors).flat().map(([, e]) => e).filter((e) => Number.isFinite(e) && e > 0);
    const low = 10 ** Math.floor(Math.log10(Math.max(1e-12, Math.min(...finite))));
    const high = 10 ** Math.ceil(Math.log10(Math.min(1e3, Math.max(...finite))));
    curves.draw({
      x: { min: BUDGETS[0], max: BUDGETS.at(-1), log: true, label: "evaluaciones" },
      y: { min: low, max: high, log: true },
      series: Object.entries(problem.errors).map(([name, points]) => ({ points: points.filter(([, e]) => e <= high), style: `${LINES[name]}${name === chosen ? " cw-thick" : ""}` })),
      cursor: get("evaluations"),
      summary: Object.entries(problem.errors).map(([name, points]) => `${METHOD_NAMES[name]}: pendiente ${fmt(slopeOf(points), 2)}`).join("; "),
    });
    key.replaceChildren(legend(Object.entries(problem.errors).map(([name, points]) => [LINES[name], `${METHOD_NAMES[name]}: pendiente ${fmt(slopeOf(points), 2)}`]).concat([["cw-soft", "caminos exactos"]])));
  };
  const drawPaths = () => {
    const { law, model: exact, start, fine, reference, gridOf } = problem;
    const [chosen, steps] = [get("method"), stepsFor(get("method"), get("evaluations"))];
    const grid = gridOf(steps);
    const states = samplePath(chosen, exact, law, start, grid);
    const unit = (t) => Math.hypot(law.alpha(t) * get("spread"), law.sigma(t));
    const some = Array.from({ length: DRAWN }, (_, k) => Math.floor(((k + 0.5) * POINTS) / DRAWN));
    const thin = fine.map((t, i) => [t, i]).filter(([, i]) => i % 4 === 0);
    const line = (times, values, k) => times.map(([t, i]) => [t, values[i][k] / unit(t)]);
    const own = grid.map((t, i) => [t, i]);
    const drawn = some.map((k) => line(own, states, k));
    const most = Math.max(...drawn.flat().map(([, v]) => Math.abs(v)).filter(Number.isFinite));
    const top = Math.max(3.2, roundUp(1.05 * Math.min(most, 100)));
    paths.draw({
      x: { min: 0, max: 1, label: "t: de los datos (0) al ruido (1)" }, y: { min: -top, max: top },
      series: [
        ...some.map((k) => ({ points: line(thin, reference, k), style: "cw-soft" })),
        ...drawn.map((points) => ({ points, style: `${LINES[chosen]} cw-thick` })),
        { points: drawn.flat().flatMap(([t, v]) => [[t, v], [t + 1e-9, v], [NaN, NaN]]), style: `${LINES[chosen]} cw-beads` },
      ],
      summary: `${DRAWN} caminos de ${METHOD_NAMES[chosen]} con ${steps} pasos, y los exactos en gris.`,
    });
    numbers.set("error", fmt(rootMeanSquare(states.at(-1), reference.at(-1))), `${steps} pasos`);
    numbers.set("slope", fmt(slopeOf(problem.errors[chosen]), 3));
    numbers.set("step", `${fmt(grid[0] - grid[1], 2)} y ${fmt(grid.at(-2) - grid.at(-1), 2)}`, "en t");
  };
  const draw = () => {
    schedule.set(get("schedule"));
    spacing.set(get("spacing"));
    method.set(get("method"));
    end.set(String(get("end")));
    budget.set(BUDGETS.indexOf(get("evaluations")));
    drawCurves();
    drawPaths();
    note.set(...orderVerdict(problem, get("method"), get("evaluations")));
  };
  const restart = () => {
    problem = orderProblem(get("law"), { schedule: get("schedule"), spacing: get("spacing"), end: get("end") });
    draw();
  };

  const root = h("section", { class: "cw", "aria-label": "El orden de los muestreadores" },
    h("div", { class: "cw-order-controls" }, schedule.root, spacing.root, end.root, method.root), budget.root,
    h("div", { class: "cw-order-charts" }, curves.root, paths.root), key, note.root, numbers.root, live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = [watch(model, ["schedule", "spacing", "end"], restart), watch(model, ["method", "evaluations"], draw)];
  restart();
  return () => { unwatch.forEach((stop) => stop()); curves.remove(); paths.remove(); };
}

export default { render };
