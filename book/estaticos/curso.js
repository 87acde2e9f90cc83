// Pequeños arreglos de accesibilidad que dependen del tamaño real de cada pieza.
"use strict";

// Lo que se puede desplazar de lado debe poder desplazarse con el teclado.
const DESPLAZABLES = "div.math > mjx-container, div.cell_output, .pst-scrollable-table-container, .bd-article pre";

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

let espera;
function pronto() {
  clearTimeout(espera);
  espera = setTimeout(marcarDesplazables, 120);
}

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
