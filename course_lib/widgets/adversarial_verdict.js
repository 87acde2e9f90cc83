// Qué se ve en este momento del juego, dicho con palabras: [texto, ¿es un aviso?].

function verdict({ rounds, steps, loss, family, optimizer, pull, belief, value, top, js, covered, good }) {
  if (steps === 0) {
    return ["Nadie ha jugado todavía. |G| pone todas sus muestras en el centro y |D| responde al azar. "
      + "En cada ronda, |D| da sus pasos y después |G| da uno."];
  }
  if (loss === "saturante" && belief < 0.02 && pull < 0.2) {
    const adam = optimizer === "adam"
      ? " Adam lo disimula, porque divide entre el tamaño del gradiente; con el descenso simple, |G| casi no se mueve." : " Con el descenso simple, |G| casi no se mueve.";
    return [`El gradiente se apaga: |D| rechaza las muestras (en media, |D| = ${fmt(belief, 2)}) y la pérdida saturante empuja con |D| veces su pendiente.${adam} `
      + "Al elegir la no saturante, el mismo |D| sí empuja.", true];
  }
  if (loss === "no saturante" && belief < 0.02) {
    return [`|D| rechaza casi todas las muestras (en media, |D| = ${fmt(belief, 2)}), pero la pérdida no saturante empuja con 1 − |D|: las flechas siguen siendo largas.`];
  }
  if (js !== undefined) return lineVerdict({ js, family, value, top, rounds });
  if (covered < 1) return ["Hay modos sin cubrir. Ningún término de |L_G| premia cubrirlos todos: basta con engañar a |D| en los que ya se tienen."];
  return [`Todos los modos están cubiertos y ${percent(good)} de las muestras son buenas. `
    + (family === "logistic" ? "La cota de la JSD con el |D| de ahora no es la JSD: un |D| que va por detrás la deja por debajo." : "El juego oscila, pero ya no se va lejos.")];
}

function lineVerdict({ js, family, value, top, rounds }) {
  if (js < 0.05) {
    return [`|μ_G| ya se parece a |π|: la JSD es ${fmt(js, 2)} nats, de un máximo de log 2 = 0.693. `
      + (family === "logistic" ? "Donde hay muestras, |D*| ronda ½ y el cociente, 1." : "El empuje que queda lo pone un |D| que nunca acaba de aprender.")];
  }
  if (family === "wasserstein" && value > 1.02 * top) {
    return ["|V| supera a W₁: en algún sitio la pendiente de |D| pasa de 1, porque la penalización no la obliga, solo la encarece."];
  }
  if (top - value > 0.15) {
    return [`|V|(|G|, |D|) está ${fmt(top - value, 2)} por debajo de su máximo: |D| va por detrás de |D*| y |G| persigue a un juez imperfecto.`];
  }
  return [rounds === 0 ? "|D| ya está cerca de |D*|. Ahora puede mover |G|." : "|D| está cerca de |D*|: lo que empuja a |G| es casi el gradiente de la distancia."];
}
