// Modos cubiertos por entrenamientos ya hechos: el plano en cada instante, las cuentas y su historia.

const RUN_STYLES = ["cw-one", "cw-two cw-dashes", "cw-three cw-dots", "cw-green cw-dashes", "cw-red cw-dots", "cw-ink"];
const MOMENT_MS = 450;
const MOSTLY = 0.8; // de lo que daría un generador perfecto: desde ahí, «casi todas buenas»

/** «3», «3 y 5», «1, 3 y 5». */
function listed(numbers) {
  return numbers.length < 2 ? numbers.join("") : `${numbers.slice(0, -1).join(", ")} y ${numbers.at(-1)}`;
}

/** «faltan 3 y 5», «falta 3» o nada. */
function lost(numbers) {
  return numbers.length === 0 ? "" : `${numbers.length === 1 ? "falta" : "faltan"} ${listed(numbers)}`;
}

/** Columnas con las muestras buenas de cada modo y la raya del mínimo. */
function tally(title) {
  const drawing = h("div", { class: "cw-tally", role: "img" });
  const root = h("figure", { class: "cw-chart" }, h("figcaption", {}, title), drawing);
  const draw = ({ counts, minimum, top }) => {
    const share = (count) => `${Math.min(100, (100 * count) / top)}%`;
    drawing.setAttribute("aria-label", `${title}: ${counts.map((c, k) => `modo ${k + 1}, ${c}`).join("; ")}. Mínimo, ${minimum}.`);
    drawing.replaceChildren(
      ...counts.map((count, k) => h("div", { class: count >= minimum ? "cw-covered" : "cw-missing" },
        h("div", { class: "cw-column" }, h("b", { style: `bottom: ${share(count)}` }, String(count)), h("i", { style: `height: ${share(count)}` })),
        h("span", {}, String(k + 1)), h("span", { class: "cw-verdict" }, count >= minimum ? "✓" : "✗"))),
      h("div", { class: "cw-least" }, h("i", { style: `bottom: ${share(minimum)}` })));
  };
  return { root, draw };
}

/** Leyenda del plano: qué es cada círculo y cada punto. */
function mapLegend() {
  const ring = (style) => svg("circle", { class: `cw-line ${style}`, cx: 12, cy: 7, r: 5.5 });
  const point = (style) => svg("circle", { class: `cw-point ${style}`, cx: 12, cy: 7, r: 3 });
  const entries = [[ring("cw-green cw-thick"), "✓ modo cubierto"], [ring("cw-red cw-thick cw-dashed"), "✗ modo perdido"],
    [point("cw-main"), "muestra buena"], [point("cw-hollow"), "de ningún modo"]];
  return h("ul", { class: "cw-legend" }, ...entries.map(([shape, text]) =>
    h("li", {}, svg("svg", { viewBox: "0 0 24 14", class: "cw-mark", "aria-hidden": "true" }, shape), h("span", {}, text))));
}

function render({ model, el }) {
  const runs = readRuns(model);
  const [means, factors] = [model.get("means"), model.get("factors")];
  const [low, high] = model.get("box");
  const [minRadius, maxRadius, mostMinimum] = model.get("limits");
  const total = means.length;
  const center = [0, 1].map((i) => means.reduce((sum, m) => sum + m[i], 0) / total);
  const run = () => runs.find(({ name }) => name === model.get("run"));
  const last = () => run().steps.length - 1;
  const frame = () => Math.min(model.get("frame"), last());
  const radius = () => model.get("radius");
  const minimum = () => model.get("minimum");
  const countsOf = (moment) => countModes(moment, total, radius());
  /** Lo que se cuenta en el instante que se ve. */
  const now = () => {
    const moment = run().moments[frame()];
    const counts = countsOf(moment);
    const good = counts.reduce((sum, count) => sum + count, 0) / moment.points.length;
    const missing = counts.flatMap((count, k) => (count < minimum() ? [k + 1] : []));
    return { moment, counts, good, missing, covered: coveredModes(counts, minimum()), step: run().steps[frame()] };
  };

  // --- Controles ---------------------------------------------------------------------------------
  const nearest = (steps, step) => steps.reduce((best, s, i) => (Math.abs(s - step) < Math.abs(steps[best] - step) ? i : best), 0);
  const go = (i) => put(model, "frame", clamp(i, 0, last()));
  const jump = (i) => { play.stop(); go(i); announce(); };
  const which = choice({
    label: "Entrenamiento", options: runs.map(({ name }) => name), value: run().name,
    onchange: (name) => {
      const step = run().steps[frame()];
      play.stop();
      model.set("frame", nearest(runs.find((r) => r.name === name).steps, step));
      put(model, "run", name);
      announce();
    },
  });
  const play = player({
    label: "Reproducir el entrenamiento", period: () => (reducedMotion() ? 3 : 1) * MOMENT_MS,
    step: () => {
      go(frame() >= last() ? 0 : frame() + 1);
      if (frame() === last()) announce();
      return frame() < last();
    },
  });
  const buttons = [
    button({ icon: "first", label: "Primer instante", onclick: () => jump(0) }).root,
    button({ icon: "back", label: "Instante anterior", onclick: () => jump(frame() - 1) }).root,
    play.root,
    button({ icon: "forward", label: "Instante siguiente", onclick: () => jump(frame() + 1) }).root,
    button({ icon: "last", label: "Último instante", onclick: () => jump(last()) }).root,
  ];
  const stepText = (i) => `paso ${run().steps[Math.min(i, last())]}`;
  const scrub = slider({
    label: "Instante", min: 0, max: last(), value: frame(), text: stepText,
    oninput: (i) => { play.stop(); go(i); }, onchange: () => announce(),
  });
  const radiusSlider = slider({
    label: "Radio de un modo", min: minRadius, max: maxRadius, step: 0.1, value: radius(),
    text: (v) => `${v.toFixed(1)} desviaciones`, oninput: (v) => put(model, "radius", v), onchange: () => announce(),
  });
  const minimumSlider = slider({
    label: "Mínimo de muestras por modo", min: 1, max: mostMinimum, value: minimum(), text: String,
    oninput: (v) => put(model, "minimum", v), onchange: () => announce(),
  });

  // --- Lo que se ve --------------------------------------------------------------------------------
  const map = plane({ title: "Los modos y las muestras de este instante" });
  const columns = tally("Muestras buenas por modo");
  const history = chart({
    title: "Modos cubiertos en cada paso", height: 200,
    onpick: (u) => { play.stop(); go(nearest(run().steps, u)); },
  });
  history.root.querySelector("svg").addEventListener("pointerup", () => announce());
  const numbers = readingList([
    ["covered", "Modos cubiertos"], ["good", "Muestras buenas"], ["step", "Instante"], ["stray", "Muestras de ningún modo"],
  ]);
  const note = noteBox();
  const live = announcer();
  const summary = () => {
    const { covered, good, missing, step } = now();
    const gone = missing.length ? `; ${lost(missing)}` : "";
    return `${run().name}, paso ${step}: ${covered} de ${total} modos${gone}; ${percent(good)} de muestras buenas`;
  };
  const announce = () => live.say(summary());

  const ring = (here, k, covered) => {
    const away = [means[k][0] - center[0], means[k][1] - center[1]];
    const size = Math.hypot(...away);
    const [dx, dy] = size > 1e-9 ? [away[0] / size, -away[1] / size] : [0, -1];
    const L = factors[k];
    const [rx, ry] = [radius() * L[0][0], radius() * Math.hypot(...L[1])].map((r) => r * (here.x(1) - here.x(0)));
    const style = { class: `cw-tag ${covered ? "cw-covered" : "cw-missing"}`, "text-anchor": "middle" };
    const text = svg("text", { ...style, x: here.x(means[k][0]) + (rx + 15) * dx, y: here.y(means[k][1]) + (ry + 13) * dy + 4 },
      `${k + 1} ${covered ? "✓" : "✗"}`);
    return [stroke(here, ellipse(means[k], L, radius()), covered ? "cw-green cw-thick" : "cw-red cw-thick cw-dashed"), text];
  };
  const drawMap = ({ moment, counts }) => map.draw({
    x: { min: low[0], max: high[0], label: "x₁" }, y: { min: low[1], max: high[1], label: "x₂" },
    inside: (here) => [
      ...moment.points.map((point, i) => (moment.distances[i] < radius()
        ? dot(here, point, "cw-main cw-half", 2.6) : dot(here, point, "cw-hollow", 2.2))),
      ...means.flatMap((_, k) => ring(here, k, counts[k] >= minimum())),
    ],
    summary: `${summary()}.`,
  });
  const drawHistory = ({ covered, step }) => {
    const steps = runs.flatMap((r) => r.steps);
    const [from, to] = [Math.min(...steps), Math.max(...steps)];
    const gap = Math.min(0.12, 0.5 / runs.length); // se separan un poco para que no se tapen
    const shift = (i) => gap * ((runs.length - 1) / 2 - i);
    const mine = runs.indexOf(run());
    const style = (i) => `${RUN_STYLES[i]} ${i === mine ? "cw-thick" : ""}`;
    const line = (r, i) => r.moments.map((moment, j) => [r.steps[j], coveredModes(countsOf(moment), minimum()) + shift(i)]);
    const here = [step, covered + shift(mine)];
    const pad = 0.02 * Math.max(1, to - from);
    history.draw({
      x: { min: from - pad, max: Math.max(to, from + 1) + pad, label: "paso de entrenamiento" },
      y: { min: -0.4, max: total + 0.5 },
      series: [
        { points: [[from - pad, total], [to + pad, total]], style: "cw-soft cw-faint" },
        ...runs.map((r, i) => ({ points: line(r, i), style: style(i) })),
        { points: [here, here], style: `${RUN_STYLES[mine]} cw-beads` },
      ],
      cursor: step,
      summary: `${runs.map((r) => `${r.name}: ${coveredModes(countsOf(r.moments.at(-1)), minimum())} al final`).join("; ")}.`,
    });
  };
  const verdict = ({ covered, good, missing }) => {
    const most = perfectGood(radius());
    const absent = `${missing.length === 1 ? "al modo" : "a los modos"} ${listed(missing)}`;
    if (covered === total && good >= MOSTLY * most) {
      return "Alcanza todos los modos y casi todas sus muestras son buenas. Si además los reparte por igual, lo dicen las columnas.";
    }
    if (covered === total) {
      return `Alcanza todos los modos, pero el ${percent(1 - good)} de las muestras no cae en ninguno; a un generador perfecto `
        + `le pasaría con el ${percent(1 - most)}.`;
    }
    if (good >= MOSTLY * most) {
      return `Colapso de modos: casi todas las muestras son buenas${good > most ? ", incluso más que las de un generador perfecto," : ""} y sin embargo no llega ${absent}. `
        + "Mirando solo las muestras, una a una, no se notaría.";
    }
    return `No llega ${absent}, y el ${percent(1 - good)} de las muestras no es de ninguno.`;
  };
  const draw = () => {
    const state = now();
    which.set(run().name);
    scrub.input.max = last();
    scrub.set(frame());
    place(radiusSlider, radius(), (v) => `${v.toFixed(1)} desviaciones`);
    minimumSlider.set(minimum());
    drawMap(state);
    const highest = Math.max(...run().moments.map((moment) => Math.max(...countsOf(moment))), minimum());
    columns.draw({ counts: state.counts, minimum: minimum(), top: 1.15 * highest });
    drawHistory(state);
    const { length } = state.moment.points;
    numbers.set("covered", `${state.covered} de ${total}`, lost(state.missing) || "todos");
    numbers.set("good", percent(state.good), `un generador perfecto: ${percent(perfectGood(radius()))}`);
    numbers.set("step", `paso ${state.step}`, `${frame() + 1} de ${last() + 1}`);
    numbers.set("stray", `${length - state.counts.reduce((sum, c) => sum + c, 0)} de ${length}`,
      state.moment.outside ? `${state.moment.outside} fuera del dibujo, llevadas al borde` : "");
    note.set(verdict(state));
  };

  const root = h("section", { class: "cw", "aria-label": "Modos cubiertos a lo largo del entrenamiento" },
    which.root,
    h("div", { class: "cw-player" }, h("div", { class: "cw-buttons" }, ...buttons), scrub.root),
    h("div", { class: "cw-pair" }, h("div", {}, map.root, mapLegend()), h("div", { class: "cw-side" }, columns.root, numbers.root)),
    h("div", { class: "cw-pair cw-controls" }, radiusSlider.root, minimumSlider.root),
    h("div", {}, history.root, legend(runs.map(({ name }, i) => [RUN_STYLES[i], name.replaceAll("|", "∣")]))),
    note.root, live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["radius", "minimum", "run", "frame"], draw);
  draw();
  return () => { play.stop(); unwatch(); map.remove(); history.remove(); };
}

export default { render };
