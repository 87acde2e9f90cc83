// El juego en el plano: datos y muestras sobre el mapa de D, o sobre el de un D* estimado.

const SIDE = 48; // casillas del mapa por lado
const SPREAD = 1.2; // desviación del núcleo con que se estima μ_G, en casillas
const JUDGED = 1000; // datos y muestras nuevos con los que se mide
const CLOUD = 4000; // muestras con las que se estima μ_G
const DRAWN = 250; // puntos que se dibujan de cada nube
const PUSH = 0.1; // unidades que mide la flecha por unidad de gradiente
const FARTHEST = 0.4; // y la más larga, en veces el semilado del mapa
const PERFECT = 1 - Math.exp(-4.5); // fracción a menos de 3 desviaciones en el plano
const MAPS = { "aprendido": "|D| aprendido", "estimado": "|D*| estimado" };

/** La vista del plano: `draw(juego, medida)` la pone al día. */
function planeView(law, box, loss, redraw) {
  const axes = [0, 1].map((i) => ({ min: box[i], max: box[i + 2], label: ["x₁", "x₂"][i] }));
  const centers = gridCenters(axes, SIDE);
  const random = sfc32(2024); // lo que se mide no gasta el azar del juego, ni son los puntos con los que se entrena
  const data = law.sample(JUDGED, random);
  const latents = Float64Array.from({ length: 2 * CLOUD }, () => gauss(random));
  const logData = Float64Array.from({ length: SIDE * SIDE }, (_, k) => law.logDensity(centers.subarray(2 * k, 2 * k + 2)));
  const least = Math.max(1, Math.floor(JUDGED / law.weights.length / 5));
  let kind = "aprendido";

  const cloud = plane({ title: "Datos, muestras y el mapa de |D|" });
  const canvas = h("canvas", { "aria-hidden": "true" });
  const stage = h("div", { class: "cw-map" });
  cloud.drawing.replaceWith(stage);
  stage.append(canvas, cloud.drawing);
  const maps = choice({
    label: "Qué mapa se pinta", options: Object.keys(MAPS), value: kind,
    content: (v) => rich(MAPS[v]), onchange: (v) => { kind = v; redraw(); },
  });
  const modes = chart({ title: "Muestras buenas y modos cubiertos (%)", height: 290 });
  const counts = readingList([["covered", "modos cubiertos"], ["good", "muestras buenas"]]);
  const colour = (style) => h("span", { class: style, hidden: true });
  const [one, two] = [colour("cw-one"), colour("cw-two")];
  const key = (shape, text) => h("li", {}, shape, h("span", {}, ...rich(text)));
  const bead = (style) => svg("svg", { viewBox: "0 0 24 14", class: "cw-mark", "aria-hidden": "true" }, svg("circle", { class: `cw-point ${style}`, cx: 12, cy: 7, r: 3.5 }));
  const stripe = (style) => svg("svg", { viewBox: "0 0 24 10", "aria-hidden": "true" }, svg("path", { class: `cw-line ${style}`, d: "M1 5H23" }));
  const keys = h("ul", { class: "cw-legend" }, key(bead("cw-one"), "datos"), key(bead("cw-two"), "muestras"),
    key(stripe("cw-three"), "|D| = ½"), key(stripe("cw-ink cw-slim"), "−∂|L_G|/∂|x|"));
  const scaleKey = h("p", { class: "cw-aside" });
  const root = h("div", { class: "cw-pair" },
    h("div", { class: "cw-stack" }, maps.root, cloud.root, keys, scaleKey, one, two),
    h("div", { class: "cw-stack" }, modes.root, legend([["cw-two cw-thick", "buenas"], ["cw-green", "modos"], ["cw-soft cw-dashed", "buenas de un generador perfecto"]]), counts.root));

  const measure = ({ G, D }) => {
    const rule = LOSSES[loss()];
    const made = generatorLoss(G, D, rule, latents.subarray(0, 2 * JUDGED), JUDGED);
    const value = -meanLoss(rule.real, evaluate(D, data, JUDGED)).value - meanLoss(rule.fake, made.judged).value;
    const found = law.countByMode(made.samples);
    const log4 = Math.log(4);
    return {
      value, samples: made.samples, force: made.pull.map((g) => -g),
      pull: Math.hypot(...made.pull) / Math.sqrt(JUDGED),
      belief: made.judged.reduce((sum, s) => sum + sigmoid(s), 0) / JUDGED,
      bound: { logistic: (value + log4) / 2, hinge: value / 2 + 1, wasserstein: value }[rule.family],
      covered: found.filter((count) => count >= least).length / law.weights.length,
      good: found.reduce((sum, count) => sum + count, 0) / JUDGED,
    };
  };

  /** El mapa: la probabilidad en cada casilla y el trazo de ½; con Wasserstein, f centrada y en su escala. */
  const chances = (game) => {
    if (kind === "estimado") {
      const density = smoothedDensity(evaluate(game.G, latents, CLOUD), axes, SIDE, SPREAD);
      return density.map((q, k) => { const p = Math.exp(logData[k]); return p + q > 1e-6 ? p / (p + q) : NaN; });
    }
    const s = evaluate(game.D, centers, SIDE * SIDE);
    const { family } = LOSSES[loss()];
    if (family === "logistic") return s.map(sigmoid);
    if (family === "hinge") return s.map((v) => clamp((v + 1) / 2, 0, 1));
    const [low, high] = [Math.min(...s), Math.max(...s)];
    return s.map((v) => (v - low) / (high - low));
  };
  const place = (frame) => {
    const { left, right, top, bottom } = frame;
    Object.assign(canvas.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
  };
  const beads = ({ x, y }, points, style) => {
    let path = "";
    for (let i = 0; i < 2 * DRAWN; i += 2) path += `M${x(points[i]).toFixed(1)} ${y(points[i + 1]).toFixed(1)}h0`;
    return svg("path", { class: `cw-line cw-beads cw-small ${style}`, d: path });
  };
  const arrows = (frame, { samples, force }) => {
    const most = (FARTHEST * (box[2] - box[0])) / 2;
    const points = [];
    for (let i = 0; i < 2 * 60; i += 2) {
      const size = PUSH * Math.hypot(force[i], force[i + 1]);
      const shrink = PUSH * Math.min(1, most / size);
      points.push([samples[i], samples[i + 1]], [samples[i] + shrink * force[i], samples[i + 1] + shrink * force[i + 1]], [NaN, NaN]);
    }
    return stroke(frame, points, "cw-ink cw-slim");
  };
  const drawModes = (history, now) => {
    const last = Math.max(20, history.at(-1).step);
    const series = (f) => history.map((row) => [row.step, 100 * f(row)]);
    modes.draw({
      x: { min: -0.02 * last, max: 1.02 * last, label: "pasos de los dos jugadores" }, y: { min: 0, max: 104 },
      series: [
        { points: [[0, 100 * PERFECT], [last, 100 * PERFECT]], style: "cw-soft cw-dashed" },
        { points: series((row) => row.covered), style: "cw-green" }, { points: series((row) => row.good), style: "cw-two cw-thick" },
      ],
      summary: `${modesText(now)}; buenas, ${percent(now.good)}.`,
    });
  };
  const modesText = ({ covered }) => `${Math.round(covered * law.weights.length)} de ${law.weights.length}`;
  const draw = (now, history, game) => {
    const map = chances(game);
    const family = LOSSES[loss()].family;
    const rgb = [one, two].map((e) => [...getComputedStyle(e).color.match(/[\d.]+/g)].slice(0, 3).map(Number));
    paintMap(canvas, map, SIDE, rgb);
    maps.set(kind);
    const half = kind === "estimado" ? "|D*| = ½" : family === "logistic" ? "|D| = ½" : "|f| = 0";
    keys.children[2].hidden = kind === "aprendido" && family === "wasserstein";
    keys.children[2].lastChild.replaceChildren(...rich(half));
    scaleKey.replaceChildren(...rich(kind === "estimado"
      ? `|D*| = |π|/(|π| + |μ_G|) con la |π| exacta y |μ_G| estimada: un núcleo gaussiano sobre ${spaced(CLOUD)} muestras. Sin color, ½ o ninguna de las dos.`
      : { logistic: "Azul, |D| cerca de 1 (dato); naranja, cerca de 0 (muestra).", hinge: "Azul, |f| ≥ 1; naranja, |f| ≤ −1, con |f| la salida de |D|.",
        wasserstein: "Azul, la mayor |f| del mapa; naranja, la menor, con |f| la salida de |D|." }[family]));
    cloud.draw({
      x: axes[0], y: axes[1],
      inside: (frame) => {
        place(frame);
        const cut = isoline(map, centers, SIDE, 0.5, frame);
        return [
          beads(frame, data, "cw-rim"), beads(frame, data, "cw-one"),
          ...(keys.children[2].hidden ? [] : [svg("path", { class: "cw-line cw-three", d: cut })]),
          arrows(frame, now), beads(frame, now.samples, "cw-rim"), beads(frame, now.samples, "cw-two"),
        ];
      },
      summary: `${modesText(now)} modos cubiertos y ${percent(now.good)} de muestras buenas`,
    });
    drawModes(history, now);
    counts.set("covered", modesText(now), `con ${least} o más de ${spaced(JUDGED)} muestras a menos de 3 desviaciones`);
    counts.set("good", percent(now.good), `un generador perfecto, ${percent(PERFECT)}`);
  };
  return { root, measure, draw, remove: () => { cloud.remove(); modes.remove(); } };
}
