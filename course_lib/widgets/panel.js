// Piezas que comparten los widgets de verosimilitud, divergencias y EM.

/** `count` valores igualmente espaciados de `from` a `to`, ambos incluidos. */
function linspace(from, to, count) {
  return Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));
}

/** El valor más próximo a `v` dentro de [low, high]. */
function clamp(v, low, high) {
  return Math.max(low, Math.min(high, v));
}

/** Logaritmo de la densidad de N(mean, std²) en x, en nats. */
function logNormal(x, mean, std) {
  return -0.5 * ((x - mean) / std) ** 2 - Math.log(std) - 0.5 * Math.log(2 * Math.PI);
}

/** log Σ exp, sin desbordar; −∞ si todos lo son. */
function logSumExp(values) {
  const top = Math.max(...values);
  return top === -Infinity ? top : top + Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0));
}

/** El primer número redondo que no es menor que `v`: el final de un eje. */
function roundUp(v) {
  const power = 10 ** Math.floor(Math.log10(v));
  return power * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((m) => m * power >= v * 0.999999);
}

/** Escribe varias casillas de una lista: { clave: texto }. */
function setAll(list, texts) {
  Object.entries(texts).forEach(([key, text]) => list.set(key, text));
}

/** Botón de solo texto. `enable(false)` lo apaga sin quitarle el foco. */
function action(text, onclick) {
  const press = () => { if (root.getAttribute("aria-disabled") !== "true") onclick(); };
  const root = h("button", { type: "button", class: "cw-button", onclick: press }, text);
  return { root, enable: (on) => root.setAttribute("aria-disabled", String(!on)) };
}

/** Nota con un aviso; `set(texto, aviso)` admite símbolos entre barras. */
function noteBox() {
  const root = h("p", { class: "cw-note" });
  const set = (text, warning = false) => {
    root.replaceChildren(...rich(text));
    root.className = warning ? "cw-note cw-warning" : "cw-note";
  };
  return { root, set };
}

// --- El punto que se arrastra en un plano ----------------------------------------------------------

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** Asa redonda en (u, v), con un halo invisible en el que cabe un dedo. */
function grip({ x, y }, [u, v]) {
  const circle = (kind, r) => svg("circle", { class: kind, cx: x(u).toFixed(2), cy: y(v).toFixed(2), r });
  return svg("g", { "aria-hidden": "true" }, circle("cw-halo", 24), circle("cw-knob", 8));
}

/** Las flechas mueven el punto un 1 % de cada eje; con mayúsculas, un 5 %. */
function arrowKeys(drawing, { point, limits, onmove, onrelease }) {
  fill(drawing, { role: "application", tabindex: 0 }, []);
  drawing.classList.add("cw-movable");
  drawing.addEventListener("keydown", (event) => {
    const direction = ARROWS[event.key];
    if (!direction) return;
    event.preventDefault();
    const jump = event.shiftKey ? 0.05 : 0.01;
    onmove(...point().map((v, i) => v + direction[i] * jump * (limits[i][1] - limits[i][0])));
    onrelease();
  });
  drawing.addEventListener("pointerup", onrelease);
}
