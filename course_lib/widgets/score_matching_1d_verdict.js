// Qué se ve en cada momento, dicho con los números que hay en pantalla: [texto, ¿es un aviso?].

const LEARNED = 0.15; // parte del error de un score nulo con la que se da por aprendido
const CLOSE = 2; // veces el suelo con la que se dan por buenas las muestras
const NEAR = 0.03; // parte de la desviación de p_σ con la que p_0 se da por casi igual
const STALLED = 1.01; // veces el menor error con la que se dice que ya no baja
const RISEN = 1.1; // y con la que se dice que ha vuelto a subir
const EARLY = 100; // pasos en los que aún no se dice si el error baja o sube

/** Antes de entrenar: qué parte de los objetivos es score y qué parte es ruido. */
function openingVerdict({ sigma, fisher, peaks, loss }) {
  const signal = fisher * sigma * sigma; // Var(−ε/σ) = 1/σ² = I + E[Var(−ε/σ | x_σ)]
  return `La varianza de los objetivos −|ε|/|σ| es 1/|σ|² = ${fmt(1 / sigma ** 2)}: el ${percent(signal)} es score y lo demás, ruido que hay que promediar. `
    + (signal < 0.2 ? "Con un |σ| tan pequeño hacen falta muchos para ver su media. " : "")
    + (peaks.length < 2 ? "Con este |σ| |p_σ| tiene un solo modo. " : "")
    + (loss === "ism" ? "Lo promedian las casillas; la pérdida ISM no usa los objetivos." : "Lo promedian las casillas y, al entrenar, la red.");
}

/** Por qué el score no está aprendido todavía: lo que ha hecho el error hasta ahora y lo que falta. */
function reasonFor({ steps, most, esm, history, loss, count }, left, signal) {
  const best = Math.min(...history.map((at) => at.esm));
  const overfit = `La red se ha ajustado a sus ${spaced(count)} datos y no a |p_σ|: hacen falta más datos o más |σ|.`;
  const hidden = loss === "dsm" && signal < 0.2; // los objetivos son casi todo ruido
  if (steps <= EARLY) return " Faltan pasos.";
  if (esm > RISEN * best) return ` El error ha vuelto a subir: llegó a bajar a ${fmt(best)}. ${overfit}`;
  if (left > 1) return ` ${overfit}`;
  if (esm > STALLED * best) return ` Ya no baja: llegó a ${fmt(best)}. ${hidden ? `Con tan poco score en los objetivos, el ${percent(signal)} de su varianza, hacen falta más datos o más |σ|.` : overfit}`;
  if (steps < most / 3) return " Faltan pasos.";
  if (signal >= 0.2) return ` ${overfit}`;
  return ` Baja despacio${hidden ? `: solo el ${percent(signal)} de la varianza de los objetivos es score` : ""}.`;
}

/** Lo que pasa en los valles de p_σ, si los hay y el error es allí mayor. */
function valleyVerdict({ width, share, error, typical }) {
  if (!(width > 0 && error > 2 * typical)) return "";
  return ` En los valles entre los modos, donde cae el ${percent(share)} de |p_σ|, el score yerra en ${fmt(error, 2)} (media cuadrática) y sobre los datos, `
    + `en ${fmt(typical, 2)}: la pérdida pesa con |p_σ| y allí casi no mira.`;
}

/** El reparto entre modos: «70.0 %, 10.0 % y 20.0 %». */
function listed(shares) {
  const texts = shares.map(percent);
  return texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} y ${texts.at(-1)}`;
}

/** Cómo quedan las muestras, y de quién es la culpa si quedan lejos. */
function samplesVerdict({ w1, exactW1, floor, shares, learned }) {
  const split = shares.length > 1
    ? `: ponen ${listed(shares.map(([, found]) => found))} en los modos donde |p_σ| pone ${listed(shares.map(([exact]) => exact))}` : "";
  const slow = `con estos pasos Langevin todavía no ${shares.length > 1 ? "cruza bastante los valles" : "olvida de dónde partió"}`;
  return ` Las muestras quedan a |W₁| = ${fmt(w1, 2)} de |p_σ|${split}. Con el score exacto y el mismo azar, |W₁| sería ${fmt(exactW1, 2)}: `
    + (exactW1 > CLOSE * floor ? `${learned ? slow : `aunque se aprendiera, ${slow}`}.` : "lo que falla es el score aprendido, al que le faltan pasos o datos.");
}

function verdict(state) {
  const { steps, esm, fisher, sigma, w1, floor, blur, valley, problem } = state;
  if (steps === 0) return [openingVerdict(state)];
  const left = esm / (0.5 * fisher); // ½I es el error del score nulo
  const found = `ESM = ${fmt(esm)}, el ${percent(left)} del error de un score nulo, ½|I|.`;
  const signal = fisher * sigma * sigma; // qué parte de Var(−ε/σ) es score
  const far = w1 > CLOSE * floor;
  if (left > LEARNED) {
    return [`El score no está aprendido: ${found}${reasonFor(state, left, signal)}${valleyVerdict(valley)}${far ? samplesVerdict({ ...state, learned: false }) : ""}`, true];
  }
  const start = `El score está aprendido donde hay datos: ${found}`;
  if (far) return [`${start}${valleyVerdict(valley)}${samplesVerdict({ ...state, learned: true })}`, true];
  return [`${start} Las muestras siguen a |p_σ|, a |W₁| = ${fmt(w1, 2)}, del orden de su suelo. `
    + (blur > NEAR * problem.std ? `Pero |p_σ| no es |p_0|: entre las dos hay |W₁| = ${fmt(blur, 2)}. Para llegar a los datos hay que bajar |σ| poco a poco.`
      : `Y |p_σ| ya casi es |p_0|: entre las dos hay |W₁| = ${fmt(blur, 2)}.`)];
}
