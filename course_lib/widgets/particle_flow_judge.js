// Lo que juzga a las partículas al final: la distancia energía frente a su suelo y las cuentas por modo.

const REFERENCE = 600; // puntos de la distribución a la que se debe llegar
const REPLICAS = 40; // muestras de esa distribución con las que se mide el suelo
const LARGE = 6000; // datos con los que se estima la fracción buena de cada modo
const ERRORS = 3; // errores estándar que se admiten

/** Media de ‖x − y‖ entre dos nubes del plano. */
function meanDistance(X, Y) {
  let sum = 0;
  for (let i = 0; i < X.length; i += 2) {
    for (let j = 0; j < Y.length; j += 2) {
      const [u, v] = [X[i] - Y[j], X[i + 1] - Y[j + 1]];
      sum += Math.sqrt(u * u + v * v);
    }
  }
  return sum / ((X.length / 2) * (Y.length / 2));
}

/** Media de ‖x − x′‖ dentro de una nube, con los pares de cada punto consigo mismo. */
function meanSpread(X) {
  let sum = 0;
  for (let i = 0; i < X.length; i += 2) {
    for (let j = i + 2; j < X.length; j += 2) {
      const [u, v] = [X[i] - X[j], X[i + 1] - X[j + 1]];
      sum += Math.sqrt(u * u + v * v);
    }
  }
  return (2 * sum) / (X.length / 2) ** 2;
}

/** Quien mide contra `sample(n, uniform)`: la distancia energía 2E‖X−Y‖ − E‖X−X′‖ − E‖Y−Y′‖ y su suelo. */
function energyJudge(sample, count) {
  const Y = sample(REFERENCE, sfc32(2024));
  const own = meanSpread(Y);
  const distance = (X) => 2 * meanDistance(X, Y) - meanSpread(X) - own;
  const floor = Array.from({ length: REPLICAS }, (_, i) => distance(sample(count, sfc32(9000 + i))));
  return { distance, usual: floor.reduce((sum, v) => sum + v, 0) / REPLICAS, top: Math.max(...floor) };
}

/** Quien cuenta: lo esperado en cada modo, su error, y si las cuentas de `X` se apartan. */
function modeJudge(law, count) {
  const shares = law.countByMode(law.sample(LARGE, sfc32(7))).map((c) => c / LARGE);
  const error = (q) => Math.sqrt(count * Math.max(q * (1 - q), 1 / LARGE) * (1 + count / LARGE));
  const expected = shares.map((q) => ({ mean: count * q, error: error(q) }));
  const all = shares.reduce((sum, q) => sum + q, 0);
  const off = (found, { mean, error: e }) => Math.abs(found - mean) > ERRORS * e;
  const judge = (X) => {
    const counts = law.countByMode(X);
    const good = counts.reduce((sum, c) => sum + c, 0);
    const wrong = counts.flatMap((c, k) => (off(c, expected[k]) ? [k + 1] : []));
    return { counts, good: good / count, wrong, goodOff: off(good, { mean: count * all, error: error(all) }) };
  };
  return { expected, good: all, judge };
}

// --- La frase ------------------------------------------------------------------------------------

/** «3», «3 y 5», «1, 3 y 5». */
function listed(items, join = "y") {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} ${join} ${items.at(-1)}`;
}

/** Si una llegada pasa por una muestra de los datos: distancia, fracción buena y reparto. */
function arrived({ far, top, goodOff, wrong }) {
  return far <= top && !goodOff && wrong.length === 0;
}

/** Por qué una llegada no pasa. */
function complaint({ name, far, top, good, goodOff, wrong }, expectedGood) {
  const reasons = [];
  if (!(far <= top)) reasons.push(`su distancia a los datos, ${fmt(far, 2)}, pasa de ${fmt(top, 2)}, la mayor de ${REPLICAS} muestras de datos`);
  if (goodOff) reasons.push(`el ${percent(good)} de las partículas es bueno y en los datos lo es el ${percent(expectedGood)}`);
  if (!goodOff && wrong.length) {
    reasons.push(`${wrong.length > 1 ? "los modos" : "el modo"} ${listed(wrong)} se ${wrong.length > 1 ? "apartan" : "aparta"} de lo esperado más de ${ERRORS} errores`);
  }
  return `${name}: ${reasons.join("; ")}.`;
}

/** La frase del estado y si es un aviso. `state` = { mode, stage, schedule, spacing, tMax, steps, sign, eta, outcomes, outside, count, expectedGood }. */
function flowVerdict(state) {
  const { mode, stage, schedule, spacing, tMax, steps, sign, eta, outcomes, outside, count, expectedGood } = state;
  const stop = schedule === "Flow" ? ` Con Flow, |f| y |g²| son infinitos en |t| = 1: se trabaja hasta |t| = ${tMax}.` : "";
  if (mode === "SDE directa") {
    if (stage === "inicio") return [`Las partículas son una muestra de los datos. La SDE directa las lleva hasta |t| = ${tMax}.${stop}`];
    if (stage === "camino") return [`Cada paso de la SDE directa usa su transición exacta: al final de cada uno, las partículas son una muestra de |p_t|, la densidad del fondo; entre dos se dibujan en línea recta.${stop}`];
    const [{ far, top }] = outcomes;
    return far <= top
      ? [`Datos olvidados: las partículas no se distinguen de una muestra de la distribución previa |N|(0, σ²|I|). De ahí parten la SDE inversa y la ODE.${stop}`]
      : [`Las partículas todavía se distinguen de la distribución previa |N|(0, σ²|I|): su distancia, ${fmt(far, 2)}, pasa de ${fmt(top, 2)}, la mayor de ${REPLICAS} muestras de ella. Si la diferencia es pequeña, puede ser el azar de la semilla: conviene probar con otra.${stop}`, true];
  }
  const both = outcomes.length > 1;
  if (stage === "inicio") {
    return [`Ruido de la distribución previa |N|(0, σ²|I|). La misma semilla da el mismo ruido inicial a la SDE inversa y a la ODE.${sign < 0 ? " El score entrará con el signo cambiado." : ""}${stop}`, sign < 0];
  }
  if (stage === "camino") {
    if (sign < 0) return ["El score entra con el signo cambiado: empuja a las partículas hacia donde |p_t| es menor.", true];
    if (both && eta === 0) return [`Con η = 0, la SDE inversa es la ODE de flujo: los dos caminos coinciden.${stop}`];
    return [both ? `Del mismo ruido, la SDE inversa sigue caminos quebrados y la ODE, lisos; con pasos bastante cortos, las dos llevan |p_t| en cada instante.${stop}`
      : mode === "ODE" ? `La ODE de flujo no añade azar: dónde acaba cada partícula lo decide su ruido inicial.${stop}`
        : `La SDE inversa quita ruido con el score exacto${eta > 0 ? ` y añade el suyo, con η = ${eta.toFixed(2)}` : "; con η = 0 es la ODE de flujo"}.${stop}`];
  }
  const failed = outcomes.filter((outcome) => !arrived(outcome));
  if (sign < 0) {
    const lost = outcomes.map(({ name, good }) => `${name}, ${percent(good)} de partículas buenas`).join("; ");
    const gone = outside ? ` Fuera del dibujo quedan ${outside} de ${count * outcomes.length}.` : "";
    return failed.length
      ? [`Con el signo cambiado no se vuelve a los datos: el score apunta hacia donde |p_t| crece y aquí se ha ido al revés. ${lost}.${gone}`, true]
      : ["Ni con el signo cambiado se aparta de los datos lo bastante para distinguirlo con estas partículas.", true];
  }
  if (failed.length) {
    const tries = [...(steps < 200 ? ["con más pasos"] : []),
      ...(spacing === "t" && schedule === "OU" ? ["con pasos iguales en λ (menores cerca de los datos)"] : []), "con otra semilla"];
    const advice = ` Lo explica el error de discretización de ${steps} pasos o, si la diferencia es pequeña, el azar de la semilla: conviene probar ${listed(tries, "o")}.`;
    return [`${failed.map((outcome) => complaint(outcome, expectedGood)).join(" ")}${advice}${stop}`, true];
  }
  if (both && eta > 0) return [`Del mismo ruido, cada partícula acaba en un sitio distinto con la SDE y con la ODE, y las dos nubes pasan por muestras de los datos: iguales en distribución, no en caminos.${stop}`];
  const name = both || mode === "ODE" || eta === 0 ? "La ODE de flujo" : "La SDE inversa";
  return [`${name} recupera los datos: la distancia no pasa del suelo y cada modo recibe lo suyo, dentro de ${ERRORS} errores.${both ? " Con η = 0, la SDE inversa es la misma ODE." : ""}${stop}`];
}
