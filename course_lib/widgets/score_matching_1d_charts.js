// Los cuatro gráficos: los datos con ruido, su score, las muestras y las pérdidas.

const BINS = 48; // casillas de la vista
const CLOUD = 600; // objetivos que se dibujan
const FEWEST = 5; // datos que ha de tener una casilla para enseñar su media

/** Parejas (x, valor) de los nodos que caen en la vista. */
function seen({ x }, values, { min, max }) {
  return Array.from(x.keys()).filter((i) => x[i] >= min && x[i] <= max).map((i) => [x[i], values[i]]);
}

/** Los límites de x: los de σ = 1 y, con más ruido, los suyos. */
function viewFor({ means, factors }, sigma) {
  const reach = factors.map(([[s]]) => 3.6 * Math.hypot(s, Math.max(1, sigma)));
  const [min, max] = [Math.min(...means.map(([m], k) => m - reach[k])), Math.max(...means.map(([m], k) => m + reach[k]))];
  return { min, max, marks: roundSteps(min, max, 6), label: "x" };
}

/** Histograma en la vista, como densidad: [[desde, hasta, altura]], y cuántos quedan fuera. */
function histogram(values, { min, max }) {
  const [width, counts] = [(max - min) / BINS, new Float64Array(BINS)];
  for (const v of values) if (v >= min && v < max) counts[Math.floor((v - min) / width)] += 1;
  const bars = Array.from(counts, (c, i) => [min + i * width, min + (i + 1) * width, c / (values.length * width)]);
  return { bars, outside: values.length - counts.reduce((sum, c) => sum + c, 0) };
}

/** En cada casilla con datos, dónde están, la media de sus objetivos y su error: [{ at, mean, error, count }]. */
function binnedTargets(places, targets, { min, max }) {
  const width = (max - min) / BINS;
  const sums = Array.from({ length: BINS }, () => [0, 0, 0, 0]); // n, Σx, Σy, Σy²
  places.forEach((v, i) => {
    const bin = sums[Math.floor((v - min) / width)];
    if (bin) [1, v, targets[i], targets[i] ** 2].forEach((term, k) => { bin[k] += term; });
  });
  return sums.filter(([n]) => n >= FEWEST).map(([n, x, y, yy]) =>
    ({ at: x / n, mean: y / n, error: Math.sqrt(Math.max(0, yy / n - (y / n) ** 2) / (n - 1)), count: n }));
}

const beads = (points) => points.flatMap((point) => [point, point, [NaN, NaN]]);

/** Los cuatro gráficos con sus leyendas; `draw(estado)` los pone al día. */
function fourCharts() {
  const data = chart({ title: "1. Histograma con ruido, |x_σ| = |x| + |σε|", height: 230 });
  const score = chart({ title: "2. El score y los objetivos −|ε|/|σ|", height: 230 });
  const samples = chart({ title: "3. Muestras de Langevin con el score aprendido", height: 230 });
  const losses = chart({ title: "Las pérdidas, exactas, en cada paso", height: 230 });
  const lossKey = h("div", {});
  const laws = [["cw-one", "|p_σ|"], ["cw-soft cw-dashed", "|p_0|, sin ruido"]];
  const root = h("div", { class: "cw-journey" },
    h("div", {}, data.root, legend(laws)),
    h("div", {}, score.root, legend([["cw-beads cw-cloud", "objetivos"], ["cw-three", "su media por casillas ± 2 errores"],
      ["cw-one cw-dashed", "score exacto"], ["cw-two cw-thick", "aprendido"]])),
    h("div", {}, samples.root, legend(laws)),
    h("div", {}, losses.root, lossKey));

  const drawLaw = (figure, { problem, view, top }, values, summary) => {
    const { bars, outside } = values ? histogram(values, view) : { bars: [], outside: 0 };
    figure.draw({
      x: view, y: { min: 0, max: top }, bars,
      series: [{ points: seen(problem, problem.clean, view), style: "cw-soft cw-dashed" }, { points: seen(problem, problem.density, view), style: "cw-one" }],
      summary: `${summary}${outside > 0 ? ` ${spaced(outside)} quedan fuera.` : ""}`,
    });
  };
  const drawScore = ({ problem, view, places, targets, learned, esm }) => {
    const { density, score: exact, sigma } = problem;
    const least = 1e-3 * Math.max(...density);
    const peak = exact.reduce((most, v, i) => (density[i] > least ? Math.max(most, Math.abs(v)) : most), 0);
    const top = Math.max(1.2 * peak, Math.min(2.6 / sigma, 3 * peak));
    const bins = binnedTargets(places, targets, view);
    const cloud = Array.from(places.subarray(0, CLOUD), (v, i) => [v, targets[i]]);
    score.draw({
      x: view, y: { min: -top, max: top },
      series: [
        { points: beads(cloud), style: "cw-cloud cw-beads" },
        { points: seen(problem, exact, view), style: "cw-one cw-dashed" },
        ...(learned ? [{ points: seen(problem, learned, view), style: "cw-two cw-thick" }] : []),
        { points: bins.flatMap(({ at, mean, error }) => [[at, mean - 2 * error], [at, mean + 2 * error], [NaN, NaN]]), style: "cw-three" },
        { points: beads(bins.map(({ at, mean }) => [at, mean])), style: "cw-three cw-beads cw-small" },
      ],
      summary: `Los objetivos se desvían ${fmt(1 / sigma)} y el score exacto, ${fmt(Math.sqrt(problem.fisher))}; error del aprendido, ESM = ${fmt(esm)}.`,
    });
  };
  const drawLosses = ({ history, problem: { fisher, sigma } }) => {
    const last = Math.max(100, history.at(-1).step);
    const shift = { dsm: 0.5 * (1 / sigma ** 2 - fisher), esm: 0, ism: -0.5 * fisher };
    const styles = { dsm: "cw-one", esm: "cw-two cw-thick", ism: "cw-three" };
    const highest = Math.max(...history.map(({ esm }) => esm).filter(Number.isFinite), 0.5 * fisher);
    const shown = Object.keys(styles).filter((name) => shift[name] < 3 * highest);
    const reach = Math.min(highest, 1.6 * fisher);
    const top = Math.max(...shown.map((name) => shift[name])) + 1.1 * reach;
    losses.draw({
      x: { min: -0.02 * last, max: 1.02 * last, label: "paso" }, y: { min: 1.15 * shift.ism, max: top },
      series: shown.flatMap((name) => [
        { points: [[0, shift[name]], [last, shift[name]]], style: "cw-soft cw-dashed" },
        { points: history.map((at) => [at.step, at[name]]), style: styles[name] },
        { points: beads([[history.at(-1).step, history.at(-1)[name]]]), style: `${styles[name]} cw-beads` },
      ]),
      summary: `DSM = ${fmt(history.at(-1).dsm)}, ESM = ${fmt(history.at(-1).esm)}, ISM = ${fmt(history.at(-1).ism)}.`,
    });
    lossKey.replaceChildren(legend([...shown.map((name) => [styles[name], name.toUpperCase()]), ["cw-soft cw-dashed", "el mínimo de cada una"],
      ...(shown.includes("dsm") ? [] : [["cw-one", `DSM, fuera del marco: ${fmt(history.at(-1).dsm)}`]])]));
  };
  const draw = (state) => {
    const { problem, places, samples: found, view, w1 } = state;
    const heights = [...seen(problem, problem.density, view).map(([, v]) => v), ...histogram(places, view).bars.map(([, , v]) => v)];
    const scaled = { ...state, top: roundUp(1.1 * Math.max(...heights)) };
    drawLaw(data, scaled, places, `${spaced(places.length)} datos con ruido σ = ${fmt(problem.sigma)}.`);
    drawScore(state);
    drawLaw(samples, scaled, found, found ? `W₁ hasta p_σ: ${fmt(w1)}.` : "Todavía no hay muestras.");
    drawLosses(state);
  };
  return { root, draw, remove: () => [data, score, samples, losses].forEach((figure) => figure.remove()) };
}
