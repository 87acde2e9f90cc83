// EM paso a paso: repartir los puntos entre las componentes y volver a ajustar cada una a los suyos.

const MOST = 300; // iteraciones, como mucho
const ENOUGH = 1e-6; // nats por punto: cuando se gana menos, se da por terminado
const COLOURS = ["--signal", "--noise", "--violet", "--green", "--red", "--accent"];

/** Los puntos del modelo: parejas de números de doble precisión. */
function readPoints(model) {
  const flat = new Float64Array(bytes(model, "points").slice().buffer);
  return Array.from({ length: flat.length / 2 }, (_, n) => [flat[2 * n], flat[2 * n + 1]]);
}

/** Color de un punto: los de las componentes, mezclados según su responsabilidad. */
function blend(resp) {
  let [colour, sum] = ["", 0];
  resp.forEach((r, j) => {
    if (r < 0.01) return;
    sum += r;
    const share = ((100 * r) / sum).toFixed(1);
    colour = colour ? `color-mix(in srgb, var(${COLOURS[j]}) ${share}%, ${colour})` : `var(${COLOURS[j]})`;
  });
  return colour;
}

/** Ejes en los que caben los puntos y una unidad mide lo mismo en horizontal y en vertical. */
function squareAxes(points) {
  const bounds = [0, 1].map((i) => points.map((x) => x[i])).map((values) => [Math.min(...values), Math.max(...values)]);
  const half = 0.57 * Math.max(...bounds.map(([low, high]) => high - low));
  return bounds.map(([low, high], i) =>
    ({ min: (low + high) / 2 - half, max: (low + high) / 2 + half, label: ["x₁", "x₂"][i] }));
}

function render({ model, el }) {
  const points = readPoints(model);
  const floor = model.get("floor");
  const k = () => model.get("k");
  let mixture, resp, history, done; // resp: null antes del primer paso E; done: "E" o "M", el último paso

  const reset = () => {
    mixture = initialMixture(points, k(), model.get("seed"), floor);
    resp = null;
    done = "M";
    history = [logLikelihood(mixture, points)];
    draw();
  };
  const restart = () => { play.stop(); reset(); };
  const stepE = () => { resp = expectation(mixture, points); done = "E"; draw(); };
  const stepM = () => {
    mixture = maximization(mixture, points, resp, floor);
    history = [...history, logLikelihood(mixture, points)];
    done = "M";
    draw();
  };
  const settled = () => history.length > 1 && history.at(-1) - history.at(-2) < ENOUGH;
  const over = () => done === "M" && (settled() || history.length > MOST);
  const announce = () => live.say(summary());
  const byHand = (move) => () => { play.stop(); move(); announce(); };

  // --- Controles ---------------------------------------------------------------------------------
  const count = choice({
    label: "Número de componentes, k", kind: "cw-segments cw-digits", options: model.get("choices"), value: k(),
    content: (v) => [String(v)], onchange: (v) => { put(model, "k", v); announce(); },
  });
  const play = player({
    label: "Reproducir EM", period: () => (reducedMotion() ? 1500 : 320),
    step: () => {
      if (over()) reset();
      if (done === "M") stepE(); else stepM();
      if (reducedMotion() && done === "E") stepM(); // menos cambios: una iteración cada vez
      if (over()) announce();
      return !over();
    },
  });
  const buttonE = action("Paso E", byHand(() => stepE()));
  const buttonM = action("Paso M", byHand(() => stepM()));
  const again = action("Reiniciar", byHand(() => reset()));
  const other = action("Otra semilla", byHand(() => put(model, "seed", model.get("seed") + 1)));

  // --- Lo que se ve --------------------------------------------------------------------------------
  const cloud = plane({ title: "Los puntos y las elipses de 1 y 2 desviaciones", ratio: 1 });
  const climb = chart({ title: "Log-verosimilitud media (nats por punto)", height: 200 });
  const numbers = readingList([
    ["iteration", "iteración"], ["seed", "semilla"], ["value", "log-verosimilitud media, |ℓ|"], ["bound", "cota inferior"],
  ]);
  const weights = h("dl", { class: "cw-readings cw-weights" });
  const note = noteBox();
  const live = announcer();
  const summary = () => {
    const state = done === "E" ? "hecho el paso E" : "sigue el paso E";
    return `Iteración ${history.length - 1}, ${state}: log-verosimilitud media ${fmt(history.at(-1), 5)} nats por punto`;
  };

  const [axisX, axisY] = squareAxes(points);
  const radius = clamp(60 / Math.sqrt(points.length), 1.8, 4);
  /** Un elemento con el color de la componente j. */
  const tint = (element, j) => { element.style.color = `var(${COLOURS[j]})`; return element; };
  const layers = (frame) => [
    ...points.map((place, n) => {
      const circle = dot(frame, place, "cw-datum", radius);
      if (resp) circle.style.color = blend(resp[n]);
      return circle;
    }),
    ...mixture.means.flatMap((mean, j) => {
      const [a, b, c] = mixture.covs[j];
      const L = cholesky2([[a, b], [b, c]]);
      return [tint(stroke(frame, ellipse(mean, L, 1), "cw-thick"), j), tint(stroke(frame, ellipse(mean, L, 2), "cw-faint"), j)];
    }),
    ...mixture.means.map(([u, v], j) =>
      svg("text", { class: "cw-tag cw-center", x: frame.x(u), y: frame.y(v) + 5, "text-anchor": "middle" }, String(j + 1))),
  ];

  const drawWeights = () => {
    weights.replaceChildren(...mixture.weights.map((w, j) => {
      const swatch = tint(h("span", { class: "cw-dot" }), j);
      return h("div", {}, h("dt", {}, swatch, ...rich(` |w_${j + 1}|`)), h("dd", {}, fmt(w)));
    }));
  };
  const drawClimb = () => {
    const [low, high] = [history[0], history.at(-1)];
    const last = Math.max(10, history.length - 1);
    const room = Math.max(0.08 * (high - low), 0.05);
    climb.draw({
      x: { min: -0.02 * last, max: 1.02 * last, label: "iteración" }, y: { min: low - room, max: high + room },
      series: [
        { points: history.map((v, i) => [i, v]), style: "cw-main cw-thick" },
        { points: history.flatMap((v, i) => [[i, v], [i, v], [NaN, NaN]]), style: "cw-main cw-beads" },
      ],
      summary: `${history.length - 1} iteraciones: de ${fmt(low, 4)} a ${fmt(high, 4)}.`,
    });
  };
  const drawNote = () => {
    if (over()) {
      const reason = settled()
        ? "La última iteración ganó menos de una millonésima de nat por punto: se ha llegado a un máximo local"
        : `Se han dado ${MOST} iteraciones`;
      note.set(`${reason}. Desde otra semilla se puede llegar a otro.`);
    } else if (done === "E") {
      note.set("Hecho el paso E: cada punto tiene el color de sus responsabilidades y la cota inferior iguala a la "
        + "log-verosimilitud. Sigue el paso M: ajustar cada gaussiana a los puntos que le corresponden.");
    } else if (resp) {
      note.set("Hecho el paso M: la cota inferior ha subido y la log-verosimilitud, al menos lo mismo. "
        + "Sigue el paso E: volver a repartir los puntos.");
    } else {
      note.set("Al empezar, las medias son puntos elegidos al azar. Sigue el paso E: repartir cada punto entre las componentes.");
    }
  };
  const draw = () => {
    count.set(k());
    buttonE.enable(done === "M");
    buttonM.enable(done === "E");
    cloud.draw({ x: axisX, y: axisY, inside: layers, summary: `${points.length} puntos y ${k()} componentes. ${summary()}` });
    drawClimb();
    setAll(numbers, {
      iteration: String(history.length - 1), value: fmt(history.at(-1), 5),
      bound: resp ? fmt(lowerBound(mixture, points, resp), 5) : "—", seed: String(model.get("seed")),
    });
    drawWeights();
    drawNote();
  };

  const root = h("section", { class: "cw", "aria-label": "EM paso a paso" },
    count.root,
    h("div", { class: "cw-row-buttons cw-panel" }, play.root, buttonE.root, buttonM.root, again.root, other.root),
    h("div", { class: "cw-pair" }, cloud.root, h("div", { class: "cw-side" }, climb.root, numbers.root)),
    weights, note.root, live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["k", "seed"], restart);
  restart();
  return () => { play.stop(); unwatch(); cloud.remove(); climb.remove(); };
}

export default { render };
