// Herramientas comunes a los widgets del curso. base.py antepone este archivo al de cada widget,
// así que el módulo que llega al navegador no importa nada de la red.

// --- Elementos de la página --------------------------------------------------------------------

/** Crea un elemento HTML: h("p", { class: "nota", onclick: f }, "texto", otroElemento). */
function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Crea un elemento SVG, con la misma forma de llamada que `h`. */
function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** Pone atributos, escuchas ("onclick", "oninput"…) e hijos a un elemento. */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Escribe un símbolo con subíndice: math("x_t") es una x cursiva con subíndice t. */
function math(symbol) {
  const [base, sub] = symbol.split("_");
  return h("span", { class: "cw-math" }, h("i", {}, base), ...(sub ? [h("sub", {}, sub)] : []));
}

/** Escribe un texto en el que los símbolos van entre barras: rich("ruido |x_t| y |ε|"). */
function rich(text) {
  return text.split("|").map((part, i) => (i % 2 ? math(part) : part));
}

/** El mismo texto sin barras ni guiones bajos, para etiquetas que lee un lector de pantalla. */
function plain(text) {
  return text.replace(/[|_]/g, "");
}

// --- Números -------------------------------------------------------------------------------------

/** Cifras significativas con punto decimal; muy grandes o muy pequeños, en potencias de diez. */
function fmt(x, digits = 3) {
  if (Number.isNaN(x)) return "—";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  if (x === 0) return "0";
  if (size >= 1e5 || size < 1e-3) return scientific(x, digits);
  return minus(size >= 10 ** digits - 0.5 ? x.toFixed(0) : x.toPrecision(digits));
}

/** 0.0000123 → "1.23·10⁻⁵". */
function scientific(x, digits) {
  const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
  return `${minus(mantissa)}·10${superscript(Number(exponent))}`;
}

/** Un entero escrito con superíndices Unicode. */
function superscript(n) {
  return [...String(n)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
}

/** Cambia el guion por el signo menos tipográfico. */
function minus(text) {
  return text.replace("-", "−");
}

/** 10000 → "10 000", con espacios que no se parten. */
function spaced(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, "\u00a0");
}

/** Relación señal-ruido en decibelios: 10·log₁₀(α²/σ²). */
function decibels(snr) {
  const value = 10 * Math.log10(snr);
  return `${Number.isFinite(value) ? minus(value.toFixed(1)) : fmt(value)} dB`;
}

// --- Datos binarios del modelo ---------------------------------------------------------------------

/** Los bytes de un rasgo binario, que llega como DataView tanto con núcleo como en la página. */
function bytes(model, name) {
  const view = model.get(name);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Los números float32 (little-endian) de un rasgo binario. */
function floats(model, name) {
  return new Float32Array(bytes(model, name).slice().buffer);
}

// --- Imágenes --------------------------------------------------------------------------------------

/** Dibuja en un canvas una imagen (C, H, W) cuyos bytes devuelve `byteAt(i)`. */
function paint(canvas, [channels, height, width], byteAt) {
  const image = new ImageData(width, height);
  const area = height * width;
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = byteAt(i + (channels === 3 ? c * area : 0));
    image.data[4 * i + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** De [-1, 1] a 0..255; lo que queda fuera se recorta. */
function toByte(x) {
  return Math.max(0, Math.min(255, Math.round((x + 1) * 127.5)));
}

// --- Controles ---------------------------------------------------------------------------------------

/** Deslizador con su etiqueta y su valor escrito; `set` lo mueve sin avisar a nadie. */
function slider({ label, min, max, step = 1, value, text = fmt, oninput, onchange = () => {} }) {
  const output = h("output", { "aria-hidden": "true" });
  const input = h("input", { type: "range", min, max, step, "aria-label": plain(label) });
  const set = (v) => {
    input.value = v;
    output.textContent = text(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => { set(input.value); oninput(Number(input.value)); });
  input.addEventListener("change", () => onchange());
  set(value);
  const name = h("span", {}, ...rich(label));
  const root = h("label", { class: "cw-slider" }, h("span", { class: "cw-row" }, name, output), input);
  return { root, input, output, set };
}

/** Lista desplegable con etiqueta; `options` son parejas [valor, texto]. */
function select({ label, options, value, onchange }) {
  const input = h("select", { onchange: () => onchange(input.value) });
  const root = h("label", { class: "cw-select" }, h("span", {}, label), input);
  const setOptions = (pairs, chosen) => {
    input.replaceChildren(...pairs.map(([v, name]) => h("option", { value: v }, name)));
    input.value = chosen;
  };
  setOptions(options, value);
  return { root, input, setOptions, set: (v) => { input.value = v; } };
}

/** Elección entre unas pocas opciones a la vista: botones de radio; `content` dibuja cada una. */
function choice({ label, options, value, onchange, content = (v) => [v], kind = "cw-segments" }) {
  const group = `cw-${Math.random().toString(36).slice(2)}`;
  const inputs = options.map((v) =>
    h("input", { type: "radio", name: group, value: v, onchange: () => onchange(v) }));
  const items = inputs.map((input, i) => h("label", {}, input, ...content(options[i], i)));
  const set = (v) => inputs.forEach((input, i) => { input.checked = options[i] === v; });
  set(value);
  const root = h("fieldset", { class: kind }, h("legend", {}, label), h("div", {}, ...items));
  return { root, set };
}

const ICONS = {
  play: "M8 5v14l11-7z", pause: "M7 5h4v14H7zM13 5h4v14h-4z",
  first: "M6 5h2v14H6zM20 5v14L9 12z", last: "M16 5h2v14h-2zM4 5v14l11-7z",
  back: "M17 5v14L6 12z", forward: "M7 5v14l11-7z",
};

/** Botón con un dibujo de `ICONS`; sin `text` visible, `label` es lo que se lee en voz alta. */
function button({ icon, label, text = "", onclick }) {
  const shape = svg("path", { d: ICONS[icon] });
  const drawing = svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, shape);
  const caption = h("span", {}, text);
  const root = h("button", { type: "button", class: "cw-button", onclick }, drawing, caption);
  const set = (newIcon, newLabel, newText = "") => {
    shape.setAttribute("d", ICONS[newIcon]);
    caption.textContent = newText;
    root.title = newLabel;
    root.setAttribute("aria-label", newLabel);
  };
  set(icon, label, text);
  return { root, set };
}

// --- Animación y avisos --------------------------------------------------------------------------------

/** Dice si el sistema pide menos movimiento. */
function reducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Botón reproducir/pausar: cada `period()` ms llama a `step()`, que devuelve false al acabar. */
function player({ step, period, label = "Reproducir" }) {
  let timer = null;
  const toggle = button({ icon: "play", label, text: "Reproducir", onclick: () => (timer ? stop() : start()) });
  const tick = () => { timer = setTimeout(tick, period()); if (!step()) stop(); };
  const start = () => { toggle.set("pause", "Pausar", "Pausar"); tick(); };
  const stop = () => { clearTimeout(timer); timer = null; toggle.set("play", label, "Reproducir"); };
  return { root: toggle.root, stop };
}

/** Zona que el lector de pantalla anuncia cuando el texto lleva un momento quieto. */
function announcer() {
  let timer = null;
  const root = h("div", { class: "cw-hidden", role: "status" });
  const say = (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => { root.textContent = text; }, 600);
  };
  return { root, say };
}

// --- El modelo -------------------------------------------------------------------------------------------

/** Escribe un rasgo en el modelo; con núcleo, Python lo ve. */
function put(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

/** Llama a `draw` cuando cambia alguno de los rasgos y devuelve cómo dejar de hacerlo. */
function watch(model, names, draw) {
  const events = names.map((name) => `change:${name}`);
  events.forEach((event) => model.on(event, draw));
  return () => events.forEach((event) => model.off(event, draw));
}
