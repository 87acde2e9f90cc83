// El juego en la recta: π y μ_G exactas, G(z) con lo que empuja a cada muestra, D frente a D*.

const CELLS = 400; // casillas de la vista
const SHOWN = 41; // muestras dibujadas: cuantiles equiprobables de z
const ARROW = 0.15; // unidades de x que mide la flecha por unidad de gradiente
const LONGEST = 1; // y la más larga

/** Los z que se dibujan: los que dejan a su izquierda (j + ½)/SHOWN de la masa. */
const SHOWN_Z = (() => {
  const z = [];
  let sum = 0;
  SLICED.masses.forEach((mass, i) => {
    sum += mass;
    if (z.length < SHOWN && sum >= (z.length + 0.5) / SHOWN) z.push((SLICED.nodes[i] + SLICED.nodes[i + 1]) / 2);
  });
  return Float64Array.from(z);
})();

/** Una flecha horizontal de (x, y) a (x + dx, y) como tramos de una línea. */
function arrow([x, y], dx, tip, rise) {
  const back = x + dx - Math.sign(dx) * Math.min(tip, Math.abs(dx));
  return [[x, y], [x + dx, y], [NaN, NaN], [back, y + rise], [x + dx, y], [back, y - rise], [NaN, NaN]];
}

/** La vista de la recta: `draw(juego, medida)` la pone al día. */
function lineView(limits, loss) {
  const [low, high] = limits;
  const x = { min: low, max: high, label: "x" };
  const laws = chart({ title: "Los datos, |π|, y la distribución del generador, |μ_G|", height: 210 });
  const judge = chart({ title: "Lo que dice |D| y lo mejor que podría decir, |D*|", height: 210 });
  const map = chart({ title: "Cada |z| (en vertical) va a |x| = |G|(|z|), y |D| la empuja", height: 230 });
  const ratio = chart({ title: "Cociente de densidades |π|/|μ_G| (escala logarítmica)", height: 230 });
  const ratioKey = legend([["cw-green cw-thick", "|π|/|μ_G| exacto"], ["cw-three cw-dashed", "|e|ˢ, con |s| el logit de |D|"]]);
  const how = h("p", { class: "cw-aside cw-wide" }, ...rich("|μ_G| es exacta salvo por la cuadratura: cada uno de los "
    + `${spaced(SLICES)} tramos de |z| lleva su masa normal al intervalo que recorre su imagen. La flecha mide ${ARROW} por unidad de gradiente, `
    + `y ${LONGEST} como mucho.`));
  const root = h("div", { class: "cw-pair" },
    h("div", {}, laws.root, legend([["cw-one", "|π|"], ["cw-two cw-thick", "|μ_G|"]])),
    h("div", {}, judge.root, legend([["cw-three cw-thick", "|D|"], ["cw-green cw-dashed", "|D*|"]])),
    h("div", {}, map.root, legend([["cw-two", "|G|"], ["cw-ink", "−∂|L_G|/∂|x|"]])),
    h("div", {}, ratio.root, ratioKey), how);

  /** Todo lo que se dibuja y se escribe de la partida tal como está. */
  const measure = (game) => {
    const tail = 0.3 * (high - low); // a cada lado de la vista, para que la integral no pierda las colas
    const table = tabulateLine(game, [low - tail, high + tail], (high - low) / CELLS);
    const rule = LOSSES[loss()];
    const made = generatorLoss(game.G, game.D, rule, SHOWN_Z, SHOWN);
    const pull = Math.hypot(...made.pull) / Math.sqrt(SHOWN);
    const belief = made.judged.reduce((sum, s) => sum + sigmoid(s), 0) / SHOWN;
    return { ...table, ...measureLine(table, rule), samples: made.samples, force: made.pull.map((g) => -g), pull, belief };
  };

  const along = ({ x: centers }, f) => Array.from(centers, (v, c) => [v, f(c)]);
  const drawLaws = (now) => {
    const [p, q] = [along(now, (c) => now.p[c] / now.width), along(now, (c) => now.q[c] / now.width)];
    const peak = Math.max(...p.map(([, v]) => v));
    const top = roundUp(1.05 * clamp(Math.max(...q.map(([, v]) => v)), peak, 2.5 * peak));
    const rug = Array.from(now.samples).flatMap((v) => [[v, 0], [v, 0.05 * top], [NaN, NaN]]);
    laws.draw({
      x, y: { min: 0, max: top },
      series: [{ points: p, style: "cw-one cw-filled" }, { points: q, style: "cw-two cw-thick" }, { points: rug, style: "cw-ink" }],
      summary: `La JSD entre las dos es ${fmt(now.js)} nats.`,
    });
  };
  const drawJudge = (now) => {
    const { family } = LOSSES[loss()];
    const chance = family === "logistic";
    const show = chance ? sigmoid : (s) => s;
    const both = now.p.map((p, c) => p + now.q[c]);
    const weigh = (values) => values.reduce((sum, v, c) => sum + 0.5 * both[c] * v, 0);
    const lift = family === "wasserstein" ? weigh(now.s) - weigh(now.best) : 0; // solo importan las diferencias
    const [learned, best] = [along(now, (c) => show(now.s[c])), along(now, (c) => show(now.best[c] + lift))];
    const seen = [...learned, ...best].filter(([v]) => v >= low && v <= high).map(([, v]) => v);
    const [floor, ceiling] = chance ? [-0.04, 1.04] : [Math.min(-1.1, ...seen), Math.max(1.1, ...seen)];
    const level = chance ? 0.5 : 0;
    judge.draw({
      x, y: { min: floor, max: ceiling },
      series: [
        { points: [[low, level], [high, level]], style: "cw-soft" },
        { points: best, style: "cw-green cw-dashed" }, { points: learned, style: "cw-three cw-thick" },
      ],
      summary: `V(G, D) vale ${fmt(now.value)} y su máximo sobre D es ${fmt(now.top)}.`,
    });
  };
  const drawMap = (now) => {
    const curve = Array.from(SLICED.nodes, (z, i) => [now.images[i], z]).filter(([, z]) => Math.abs(z) < 3);
    const places = Array.from(now.samples, (v, i) => [v, SHOWN_Z[i]]);
    const arrows = places.flatMap((place, i) =>
      arrow(place, clamp(ARROW * now.force[i], -LONGEST, LONGEST), 0.014 * (high - low), 0.07));
    map.draw({
      x, y: { min: -3, max: 3 },
      series: [
        { points: curve, style: "cw-two" }, { points: arrows, style: "cw-ink cw-slim" },
        { points: places.flatMap((place) => [place, place, [NaN, NaN]]), style: "cw-two cw-beads cw-small" },
      ],
      summary: `El empuje de las muestras vale ${fmt(now.pull)} en media cuadrática.`,
    });
  };
  const drawRatio = (now) => {
    const logistic = LOSSES[loss()].family === "logistic";
    const [bottom, top] = [1e-4, 1e4];
    const within = (v) => (Number.isNaN(v) ? NaN : clamp(Math.exp(v), bottom / 10, top * 10));
    ratioKey.children[1].hidden = !logistic;
    ratio.draw({
      x, y: { min: bottom, max: top, log: true },
      series: [
        { points: [[low, 1], [high, 1]], style: "cw-soft" },
        { points: along(now, (c) => within(logRatio(now.p[c], now.q[c]))), style: "cw-green cw-thick" },
        ...(logistic ? [{ points: along(now, (c) => within(now.s[c])), style: "cw-three cw-dashed" }] : []),
      ],
      summary: logistic ? "" : "Con esta pérdida, D no estima el cociente.",
    });
  };
  const draw = (now) => { drawLaws(now); drawJudge(now); drawMap(now); drawRatio(now); };
  return { root, measure, draw, remove: () => [laws, judge, map, ratio].forEach((c) => c.remove()) };
}
