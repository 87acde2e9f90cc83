// Eliminación de ruido: recorre cuadros grabados en el cuaderno, x_t a la izquierda y x̂_0 a la derecha.

const SPEEDS = [[0.5, "0.5×"], [1, "1×"], [2, "2×"], [4, "4×"]];
const FRAME_MS = 280; // lo que dura un cuadro a velocidad 1×

/** Descomprime (zlib) un trozo de los datos. */
async function inflate(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Deshace las diferencias entre cuadros de iguales bits y lleva los niveles a 0..255. */
function restore(changes, bits, size) {
  const frames = [];
  let levels = null;
  bits.forEach((depth, i) => {
    const change = changes.subarray(i * size, (i + 1) * size);
    levels = depth === bits[i - 1] ? change.map((d, j) => levels[j] + d) : change.slice();
    const top = 2 ** depth - 1;
    frames.push(levels.map((level) => Math.round((level * 255) / top)));
  });
  return frames;
}

/** Cuadros de una trayectoria; el último x̂_0 es el último x_t, que no se envía dos veces. */
async function readFrames(model, entry) {
  const [count, channels, height, width] = model.get("shape");
  const changes = await inflate(bytes(model, "data").slice(entry.from, entry.to));
  const frames = restore(changes, entry.bits, count * channels * height * width);
  const total = entry.t.length;
  return { xt: frames.slice(0, total), x0: [...frames.slice(total), frames[total - 1]] };
}

/** Cuadrícula de imágenes con su rótulo; `draw` pinta en ella un cuadro. */
function grid(title, captions, [, ...shape], columns) {
  const cells = captions.map((name) => h("canvas", { role: "img", "aria-label": name }));
  const size = shape[0] * shape[1] * shape[2];
  const list = h("ul", { style: `--columns: ${columns}` },
    ...cells.map((cell, i) => h("li", {}, cell, h("span", { "aria-hidden": "true" }, captions[i]))));
  const root = h("figure", { class: "cw-grid" }, h("figcaption", {}, ...rich(title)), list);
  const draw = (frame) => cells.forEach((cell, i) => paint(cell, shape, (j) => frame[i * size + j]));
  return { root, draw };
}

/** El índice del cuadro cuyo instante se acerca más a `t`. */
function nearestFrame(times, t) {
  return times.reduce((best, time, i) => (Math.abs(time - t) < Math.abs(times[best] - t) ? i : best), 0);
}

function render({ model, el }) {
  const entries = model.get("trajectories");
  const captions = model.get("captions");
  const shape = model.get("shape");
  const columns = model.get("columns");
  const labels = [...new Set(entries.map((entry) => entry.label))];
  const cache = new Map();
  const current = () => entries[model.get("selected")];
  const last = () => current().t.length - 1;
  const frame = () => Math.min(model.get("frame"), last());
  let removed = false;
  const summary = (i = frame()) => {
    const entry = current();
    const snr = (entry.alpha[i] / entry.sigma[i]) ** 2;
    return `paso ${entry.moments[i]} de ${entry.steps} · t = ${entry.t[i].toFixed(3)} · SNR ${decibels(snr)}`;
  };

  // --- Elegir trayectoria --------------------------------------------------------------------------
  const withLabel = (label) => entries.filter((entry) => entry.label === label);
  const stepOptions = (label) =>
    withLabel(label).map((entry) => [entries.indexOf(entry), `${entry.steps} ${entry.steps === 1 ? "paso" : "pasos"}`]);
  const choose = (index) => {
    const t = current().t[frame()];
    play.stop();
    model.set("frame", nearestFrame(entries[index].t, t));
    put(model, "selected", index);
    live.say(summary());
  };
  const method = select({
    label: "Muestreador", options: labels.map((label) => [label, label]), value: current().label,
    onchange: (label) => {
      const same = withLabel(label).find((entry) => entry.steps === current().steps);
      choose(entries.indexOf(same ?? withLabel(label)[0]));
    },
  });
  const steps = select({
    label: "Número de pasos", options: stepOptions(current().label), value: model.get("selected"),
    onchange: (index) => choose(Number(index)),
  });
  const speed = select({ label: "Velocidad", options: SPEEDS, value: 1, onchange: () => {} });

  // --- Recorrerla ----------------------------------------------------------------------------------
  const go = (i) => put(model, "frame", Math.max(0, Math.min(last(), i)));
  const jump = (i) => { play.stop(); go(i); live.say(summary()); };
  const play = player({
    label: "Reproducir: del ruido a la imagen",
    period: () => (reducedMotion() ? 4 : 1) * FRAME_MS / Number(speed.input.value),
    step: () => {
      go(frame() >= last() ? 0 : frame() + 1);
      if (frame() === last()) live.say(summary());
      return frame() < last();
    },
  });
  const buttons = [
    button({ icon: "first", label: "Ir al ruido inicial", onclick: () => jump(0) }).root,
    button({ icon: "back", label: "Cuadro anterior", onclick: () => jump(frame() - 1) }).root,
    play.root,
    button({ icon: "forward", label: "Cuadro siguiente", onclick: () => jump(frame() + 1) }).root,
    button({ icon: "last", label: "Ir a la imagen final", onclick: () => jump(last()) }).root,
  ];
  const scrub = slider({
    label: "Cuadro", min: 0, max: last(), value: frame(), text: (i) => summary(i),
    oninput: (i) => { play.stop(); go(i); }, onchange: () => live.say(summary()),
  });

  // --- Lo que se ve ----------------------------------------------------------------------------------
  const noisy = grid("|x_t|: el estado", captions, shape, columns);
  const clean = grid("|x̂_0|: la imagen que la red estima", captions, shape, columns);
  const live = announcer();
  const draw = async () => {
    const index = model.get("selected");
    method.set(current().label); // antes de esperar a los cuadros: se puede volver a elegir enseguida
    steps.setOptions(stepOptions(current().label), index);
    if (!cache.has(index)) cache.set(index, readFrames(model, entries[index]));
    const { xt, x0 } = await cache.get(index);
    if (removed || index !== model.get("selected")) return;
    const i = frame();
    scrub.input.max = last();
    scrub.set(i);
    noisy.draw(xt[i]);
    clean.draw(x0[i]);
    root.dataset.ready = `${index}:${i}`;
  };
  const show = () => draw().catch((error) => {
    console.error(error);
    root.prepend(h("p", { class: "cw-note cw-warning", role: "alert" },
      `No se pudieron leer los cuadros de la trayectoria: ${error.message}`));
  });

  const root = h("section", { class: "cw", "aria-label": "Eliminación de ruido paso a paso" },
    h("div", { class: "cw-selects" }, method.root, steps.root, speed.root),
    h("div", { class: "cw-grids" }, noisy.root, clean.root),
    h("div", { class: "cw-player" }, h("div", { class: "cw-buttons" }, ...buttons), scrub.root),
    live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = watch(model, ["selected", "frame"], show);
  show();
  return () => { removed = true; play.stop(); unwatch(); };
}

export default { render };
