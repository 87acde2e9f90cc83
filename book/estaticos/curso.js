// Pequeños arreglos de lectura y de accesibilidad que una hoja de estilos no puede hacer.
"use strict";

// Lo que se puede desplazar de lado debe poder desplazarse con el teclado.
const DESPLAZABLES = "div.math > mjx-container, span.math, div.cell_output, .pst-scrollable-table-container, .bd-article pre";

function marcarDesplazables() {
  for (const caja of document.querySelectorAll(DESPLAZABLES)) {
    const sobra = caja.scrollWidth > caja.clientWidth + 1;
    if (sobra && !caja.hasAttribute("tabindex")) {
      caja.tabIndex = 0;
      caja.dataset.desplazable = "";
    } else if (!sobra && "desplazable" in caja.dataset) {
      caja.removeAttribute("tabindex");
      delete caja.dataset.desplazable;
    }
  }
}

// Una fórmula y el signo de puntuación que la sigue no se separan al final de la línea.
function juntarPuntuacion() {
  for (const formula of document.querySelectorAll(".bd-article span.math")) {
    const texto = formula.nextSibling;
    const signo = texto?.nodeType === Node.TEXT_NODE && texto.data.match(/^[.,;:!?)»]+/);
    if (!signo) continue;
    texto.splitText(signo[0].length);
    const junto = document.createElement("span");
    junto.className = "junto";
    formula.before(junto);
    junto.append(formula, texto);
  }
}

// En una salida con columnas, sus filas no se parten en pantallas estrechas: la caja se desplaza.
// Las demás líneas se siguen partiendo.
function conservarColumnas() {
  const columnas = /\S {2,}\S/;
  for (const caja of document.querySelectorAll(".bd-article .cell_output .output.stream pre")) {
    const lineas = caja.textContent.replace(/\n$/, "").split("\n");
    if ([...caja.children].some((hijo) => hijo.textContent)) continue; // con colores: se deja
    if (lineas.filter((linea) => columnas.test(linea)).length < 2) continue;
    caja.replaceChildren(...lineas.map((linea) => {
      const fila = document.createElement("span");
      fila.className = columnas.test(linea) ? "fila" : "frase";
      fila.textContent = `${linea}\n`;
      return fila;
    }));
  }
}

let espera;
function pronto() {
  clearTimeout(espera);
  espera = setTimeout(marcarDesplazables, 120);
}

juntarPuntuacion();
conservarColumnas();
window.addEventListener("load", () => {
  pronto();
  window.addEventListener("resize", pronto);
  document.addEventListener("toggle", pronto, true);
  const articulo = document.querySelector(".bd-article");
  if (articulo) new ResizeObserver(pronto).observe(articulo);
  window.MathJax?.startup?.promise?.then(pronto);
  document.fonts?.ready.then(pronto);
  for (const espera of [500, 1500, 4000]) setTimeout(marcarDesplazables, espera);
});
