// Distribución a posteriori de una recta y = w₀ + w₁x con ruido y a priori gaussianos, en forma cerrada.

/** Suma de f(dato, i) sobre una lista. */
function total(values, f) {
  return values.reduce((sum, value, i) => sum + f(value, i), 0);
}

/**
 * w | datos ~ N(mean, cov), con precisión I/τ² + ΦᵀΦ/σ² y media cov Φᵀy/σ²; `logEvidence` es
 * log N(y | 0, τ²ΦΦᵀ + σ²I), con el determinante y la inversa reducidos a los de 2×2.
 */
function posterior(points, tau, sigma) {
  const weight = 1 / (sigma * sigma);
  const a = 1 / (tau * tau) + weight * points.length;
  const b = weight * total(points, ([x]) => x);
  const c = 1 / (tau * tau) + weight * total(points, ([x]) => x * x);
  const det = a * c - b * b; // determinante de la precisión
  const cov = [[c / det, -b / det], [-b / det, a / det]];
  const [r0, r1] = [weight * total(points, ([, y]) => y), weight * total(points, ([x, y]) => x * y)];
  const mean = [cov[0][0] * r0 + cov[0][1] * r1, cov[1][0] * r0 + cov[1][1] * r1];
  const misfit = weight * total(points, ([x, y]) => (y - mean[0] - mean[1] * x) ** 2)
    + (mean[0] ** 2 + mean[1] ** 2) / (tau * tau);
  const logDet = Math.log(det) + 4 * Math.log(tau) + 2 * points.length * Math.log(sigma);
  const logEvidence = -0.5 * (points.length * Math.log(2 * Math.PI) + logDet + misfit);
  return { mean, cov, logEvidence };
}

/** Media y desviación de un dato nuevo en x: φᵀm y √(φᵀ cov φ + σ²), con φ = (1, x). */
function predictive({ mean, cov }, sigma, x) {
  const variance = cov[0][0] + 2 * x * cov[0][1] + x * x * cov[1][1];
  return [mean[0] + mean[1] * x, Math.sqrt(variance + sigma * sigma)];
}

function render({ model, el }) {
  const { weights, stream, directions } = model.get("hidden");
  const reach = model.get("reach");
  const [firstTau, firstSigma] = [model.get("prior_std"), model.get("noise_std")];
  const view = { x: reach * 4 / 3, y: Math.ceil(3 * firstTau + 1.5 * firstSigma), w: 2.5 * firstTau };
  const points = () => model.get("points");
  const fit = (list = points()) => posterior(list, model.get("prior_std"), model.get("noise_std"));
  const round = (v) => Number(v.toPrecision(4));

  // --- Controles -------------------------------------------------------------------------------
  const setPoints = (list) => { put(model, "points", list); say(); };
  const add = (point) => { if (points().length < stream.length) setPoints([...points(), point.map(round)]); };
  const action = (text, onclick, kind = "") => h("button", { type: "button", class: `cw-button ${kind}`, onclick }, text);
  const allow = (control, possible) => control.setAttribute("aria-disabled", !possible); // sin perder el foco
  const addButton = action("Añadir dato", () => add(stream[points().length]), "cw-strong");
  const undo = action("Deshacer", () => setPoints(points().slice(0, -1)));
  const clear = action("Vaciar", () => setPoints([]));
  const spread = (label, name, first) => slider({
    label, min: round(first / 10), max: round(first * 2), step: round(first / 100), value: first, text: fmt,
    oninput: (v) => put(model, name, v), onchange: () => say(),
  });
  const tau = spread("|τ|, desviación a priori de los pesos", "prior_std", firstTau);
  const sigma = spread("|σ|, desviación del ruido", "noise_std", firstSigma);
  const check = (text) => {
    const input = h("input", { type: "checkbox", onchange: () => draw() });
    return { input, root: h("label", { class: "cw-check" }, input, h("span", {}, text)) };
  };
  const reveal = check("Mostrar la recta oculta");
  const zoom = check("Acercar el plano de los pesos");

  // --- Lo que se ve ------------------------------------------------------------------------------
  const weightPlane = plane({ title: "Pesos: cada punto es una recta |y| = |w_0| + |w_1||x|" });
  const dataPlane = plane({ title: "Datos y rectas: pulsar en el plano añade un dato", onpick: (x, y) => add([x, y]) });
  const readings = readingList([
    ["w0", "|w_0|: media ± desviación"], ["w1", "|w_1|: media ± desviación"],
    ["evidence", "log evidencia"], ["last", "aporte del último dato"],
  ]);
  const names = legend([["cw-two cw-dashed", "a priori, 1 y 2 desviaciones"], ["cw-main", "a posteriori; banda de ±2 desviaciones"],
    ["cw-three", "rectas sacadas de ella"], ["cw-ink cw-dashed", "recta oculta"]]);
  const live = announcer();
  const count = () => `${points().length} ${points().length === 1 ? "dato" : "datos"}`;
  const say = () => live.say(`${count()}: w0 ${readings.text("w0")}, w1 ${readings.text("w1")}, log evidencia ${readings.text("evidence")}`);

  const drawWeights = ({ mean, cov }, lines) => {
    const prior = [[model.get("prior_std"), 0], [0, model.get("prior_std")]];
    const L = cholesky2(cov);
    const half = zoom.input.checked ? Math.min(view.w, 4 * Math.sqrt(Math.max(cov[0][0], cov[1][1]))) : view.w;
    const middle = zoom.input.checked ? mean : [0, 0];
    const axis = (i, label) => ({ min: middle[i] - half, max: middle[i] + half, label });
    weightPlane.draw({
      x: axis(0, "w₀, ordenada en el origen"), y: axis(1, "w₁, pendiente"),
      inside: (frame) => [
        area(frame, ellipse(mean, L, 2), "cw-main"),
        ...[1, 2].map((r) => stroke(frame, ellipse(mean, L, r), "cw-main")),
        ...[1, 2].map((r) => stroke(frame, ellipse([0, 0], prior, r), "cw-two cw-dashed")),
        ...lines.map((w) => dot(frame, w, "cw-three", 3)),
        dot(frame, mean, "cw-main cw-ringed", 5),
        ...(reveal.input.checked ? [dot(frame, weights, "cw-ink cw-ringed", 6)] : []),
      ],
      summary: `Media a posteriori (${fmt(mean[0])}, ${fmt(mean[1])}).`,
    });
  };
  const drawData = (law, lines) => {
    const xs = Array.from({ length: 61 }, (_, i) => view.x * (i / 30 - 1));
    const band = xs.map((x) => [x, ...predictive(law, model.get("noise_std"), x)]);
    const edge = (side) => band.map(([x, m, s]) => [x, m + 2 * side * s]);
    const line = ([w0, w1]) => [xs[0], xs[60]].map((x) => [x, w0 + w1 * x]);
    dataPlane.draw({
      x: { min: -view.x, max: view.x, label: "x" }, y: { min: -view.y, max: view.y, label: "y" },
      inside: (frame) => [
        area(frame, [...edge(1), ...edge(-1).reverse()], "cw-main"),
        ...lines.map((w) => stroke(frame, line(w), "cw-three cw-thin")),
        stroke(frame, line(law.mean), "cw-main cw-thick"),
        ...(reveal.input.checked ? [stroke(frame, line(weights), "cw-ink cw-dashed")] : []),
        ...points().map((p) => dot(frame, p, "cw-ink cw-ringed", 5)),
      ],
      summary: `${count()}.`,
    });
  };
  const drawReadings = ({ mean, cov, logEvidence }) => {
    mean.forEach((m, i) => readings.set(`w${i}`, `${fmt(m)} ± ${fmt(Math.sqrt(cov[i][i]))}`));
    names.lastChild.hidden = !reveal.input.checked;
    readings.set("evidence", points().length ? `${fmt(logEvidence)} nats` : "—", count());
    const before = fit(points().slice(0, -1)).logEvidence;
    readings.set("last", points().length ? `${fmt(logEvidence - before)} nats` : "—", "log |p|(último, dados los demás)");
  };
  const draw = () => {
    const law = fit();
    const L = cholesky2(law.cov);
    const lines = directions.map((e) => reparametrize(law.mean, L, e));
    place(tau, model.get("prior_std"), fmt);
    place(sigma, model.get("noise_std"), fmt);
    allow(addButton, points().length < stream.length);
    [undo, clear].forEach((control) => allow(control, points().length > 0));
    drawWeights(law, lines);
    drawData(law, lines);
    drawReadings(law);
  };

  // --- Disposición -----------------------------------------------------------------------------------
  const root = h("section", { class: "cw", "aria-label": "Distribución a posteriori de una recta, dato a dato" },
    h("div", { class: "cw-row-buttons" }, addButton, undo, clear),
    h("div", { class: "cw-pair" }, weightPlane.root, dataPlane.root),
    names,
    readings.root,
    h("div", { class: "cw-pair cw-controls" }, tau.root, sigma.root, reveal.root, zoom.root),
    live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["prior_std", "noise_std", "points"], draw);
  draw();
  return () => { unwatch(); weightPlane.remove(); dataPlane.remove(); };
}

export default { render };
