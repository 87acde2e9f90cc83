// El plano latente de un VAE: se señala un punto z y al lado se ve la imagen que sale de él.

const TILES = 15; // casillas por lado del mosaico
const SLOTS = 8; // imágenes de la tira del camino
const STEPS = 80; // pasos del paseo
const WALKS = { recta: "recta", "círculo": "vuelta al origen" };

/** Casilla de verificación con su rótulo. */
function check(text, onchange) {
  const input = h("input", { type: "checkbox", checked: true, onchange });
  return { input, root: h("label", { class: "cw-check" }, input, h("span", {}, text)) };
}

/** Punto del color de una clase. */
function classDot(k) {
  return h("span", { class: `cw-dot cw-c${k % 10}`, "aria-hidden": "true" });
}

function render({ model, el }) {
  const limit = model.get("limit");
  const net = readDecoder(model);
  const classes = model.get("classes");
  const conditional = model.get("conditional");
  const codes = floats(model, "codes");
  const labels = bytes(model, "labels");
  const uniform = sfc32(1);
  const z = () => model.get("z");
  const y = () => model.get("y");
  const chosen = (i) => !conditional || labels[i] === y();
  const bound = (point) => point.map((v) => clamp(v, -limit, limit));
  const walk = { kind: "recta", from: z(), to: destination(uniform, z(), limit), u: 0 };
  let walking = false; // si es el paseo quien mueve z: entonces el camino no empieza de nuevo
  const picture = (values, canvas) => {
    const shown = toBytes(net.law, values);
    paint(canvas, net.shape, (i) => shown[i]);
  };

  // --- Moverse ---------------------------------------------------------------------------------------
  const place = (point) => put(model, "z", bound(point));
  const go = (...point) => { play.stop(); place(point); };
  const announce = () => live.say(summary());
  const family = !conditional ? null : (classes.length > 12 ? select : choice)({
    label: "Clase", options: classes.length > 12 ? classes.map((name, k) => [k, name]) : classes.map((_, k) => k), value: y(),
    content: (k) => [...(codes.length ? [classDot(k)] : []), h("span", {}, classes[k])],
    onchange: (k) => { put(model, "y", Number(k)); announce(); },
  });
  const coordinate = (i) => slider({
    label: `|z_${i + 1}|`, min: -limit, max: limit, step: 0.01, value: z()[i], text: (v) => fixed(v),
    oninput: (v) => go(...z().map((old, j) => (i === j ? v : old))), onchange: announce,
  });
  const sliders = [coordinate(0), coordinate(1)];
  const kind = choice({
    label: "Camino", options: Object.keys(WALKS), value: walk.kind, content: (v) => [WALKS[v]],
    onchange: (v) => { play.stop(); restart(v); draw(); },
  });
  const other = action("Otro destino", () => {
    play.stop();
    walk.to = destination(uniform, z(), limit);
    restart("recta");
    kind.set("recta");
    draw();
  });
  const restart = (name = walk.kind) => Object.assign(walk, { kind: name, from: z(), u: 0 });
  const play = player({
    label: "Reproducir el paseo", period: () => (reducedMotion() ? 900 : 60),
    step: () => {
      const jump = reducedMotion() ? SLOTS : 1;
      walking = true;
      walk.u = Math.min(1, Math.round(STEPS * walk.u + jump) / STEPS); // sin que se acumule el redondeo
      place(along(walk, walk.u, limit));
      walking = false;
      if (walk.u < 1) return true;
      Object.assign(walk, walk.kind === "recta" ? { from: walk.to, to: walk.from, u: 0 } : { u: 0 });
      drawMoving();
      drawStrip();
      announce();
      return false;
    },
  });

  // --- Lo que se ve --------------------------------------------------------------------------------
  const surface = plane({ title: "El plano latente: arrastrar el punto", onpick: go, drag: true });
  arrowKeys(surface.drawing, { point: z, limits: [[-limit, limit], [-limit, limit]], onmove: go, onrelease: announce });
  const tiles = check("Mosaico de imágenes", () => drawPlane());
  const dots = check("Imágenes codificadas", () => drawPlane());
  const canvas = h("canvas", { role: "img" });
  const large = h("figure", { class: "cw-decoded" }, h("figcaption", {}, ...rich("La imagen media, E[|x| ∣ |z|]")), canvas);
  const numbers = readingList([
    ["z1", "|z_1|"], ["z2", "|z_2|"], ["prior", "log |p(z)| (nats)"], ...(codes.length ? [["near", "distancia a la codificada más próxima"]] : []),
  ]);
  const strip = Array.from({ length: SLOTS }, () => h("canvas", { "aria-hidden": "true" }));
  const counted = h("p", { class: "cw-aside" });
  const live = announcer();
  const summary = () => `${conditional ? `${classes[y()]}, ` : ""}z = (${z().map((v) => fixed(v)).join(", ")}), log p(z) ${numbers.text("prior")} nats`;
  const background = svg("image", { preserveAspectRatio: "none" });
  const moving = svg("g");
  let view = null; // las escalas del plano en el último dibujo

  /** Un trazo con borde, que se ve sobre el mosaico. */
  const cased = (points, style) => [stroke(view, points, "cw-casing"), stroke(view, points, style)];
  const drawMoving = () => {
    const path = linspace(0, 1, walk.kind === "recta" ? 2 : 97).map((u) => along(walk, u, limit));
    moving.replaceChildren(...cased(path, "cw-two cw-dashed"),
      ...(walk.kind === "recta" ? [dot(view, walk.to, "cw-two cw-ringed", 6)] : []), grip(view, z()));
  };
  const circles = () => [1, 2].flatMap((radius) => [
    ...cased(ellipse([0, 0], [[1, 0], [0, 1]], radius), "cw-ink"),
    svg("text", { class: "cw-tag", x: view.x(0), y: view.y(radius) - 5, "text-anchor": "middle" }, `radio ${radius}`),
  ]);
  const points = () => {
    const order = Array.from(labels, (_, i) => i).sort((a, b) => chosen(a) - chosen(b));
    return order.map((i) => dot(view, codes.subarray(2 * i, 2 * i + 2),
      `cw-code ${chosen(i) ? `cw-c${labels[i] % 10}` : "cw-other"}`, chosen(i) ? 3 : 2));
  };
  const inside = (frame) => {
    view = frame;
    const size = frame.right - frame.left;
    fill(background, { x: frame.left, y: frame.top, width: size, height: size, opacity: dots.input.checked && codes.length ? 0.55 : 1 }, []);
    drawMoving();
    return [...(tiles.input.checked ? [background] : []), ...(dots.input.checked ? points() : []), ...circles(), moving];
  };
  const drawPlane = () => {
    const axis = (label) => ({ min: -limit, max: limit, label });
    surface.draw({ x: axis("z₁"), y: axis("z₂"), inside, summary: "Las flechas del teclado mueven el punto" });
  };
  const drawStrip = () => strip.forEach((cell, i) =>
    picture(decode(net, along(walk, i / (walk.kind === "recta" ? SLOTS - 1 : SLOTS), limit), y()), cell));
  const drawReadings = () => {
    const farther = Math.exp(-0.5 * (z()[0] ** 2 + z()[1] ** 2)); // P(‖Z‖ > ‖z‖) con Z ~ N(0, I)
    setAll(numbers, { z1: fixed(z()[0]), z2: fixed(z()[1]) });
    numbers.set("prior", fmt(logPrior(z())), `el ${percent(farther)} de |p(z)| cae más lejos del origen`);
    if (!codes.length) return;
    const found = nearest(codes, z(), chosen);
    numbers.set("near", found ? fmt(found.distance) : "—", found && !conditional ? classes[labels[found.index]] : "");
  };
  /** Lo que depende de z. */
  const drawPoint = () => {
    sliders.forEach((control, i) => control.set(z()[i]));
    if (!walking) restart();
    picture(decode(net, z(), y()), canvas);
    drawReadings();
    canvas.setAttribute("aria-label", `Imagen decodificada: ${summary()}`);
    if (view) drawMoving();
    if (!walking) drawStrip();
  };
  /** Todo, con el mosaico de la clase elegida. */
  const draw = () => {
    family?.set(y());
    background.setAttribute("href", mosaic(net, y(), limit, TILES));
    drawPoint();
    drawPlane();
    if (!codes.length) return;
    const mine = Array.from(labels.keys()).filter(chosen);
    const away = mine.filter((i) => Math.max(Math.abs(codes[2 * i]), Math.abs(codes[2 * i + 1])) > limit).length;
    counted.textContent = `${mine.length} ${mine.length === 1 ? "imagen codificada" : "imágenes codificadas"}`
      + `${conditional ? " de esta clase" : ""}; ${away} ${away === 1 ? "cae" : "caen"} fuera del plano.`;
  };

  const names = h("ul", { class: "cw-legend" }, ...classes.map((name, k) => h("li", {}, classDot(k), h("span", {}, name))));
  const root = h("section", { class: "cw", "aria-label": "El plano latente de un VAE" },
    ...(family ? [family.root] : []),
    h("div", { class: "cw-split" },
      h("div", { class: "cw-stack" }, surface.root, ...(conditional || !codes.length ? [] : [names]),
        h("div", { class: "cw-checks" }, tiles.root, ...(codes.length ? [dots.root] : [])), ...(codes.length ? [counted] : [])),
      h("div", { class: "cw-stack" }, large, numbers.root)),
    h("div", { class: "cw-pair cw-controls" }, ...sliders.map((control) => control.root)),
    h("div", { class: "cw-transport" }, play.root, kind.root, other.root),
    h("figure", { class: "cw-strip" }, h("figcaption", {}, "Lo que se ve a lo largo del camino"), h("div", {}, ...strip)),
    live.root);
  el.append(h("div", { class: "curso-widget" }, root));
  const unwatch = [watch(model, ["z"], drawPoint), watch(model, ["y"], draw)];
  draw();
  return () => { play.stop(); unwatch.forEach((stop) => stop()); surface.remove(); };
}

export default { render };
