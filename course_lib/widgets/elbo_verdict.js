// Lo que dice la nota del hueco de la ELBO, antes y después del ascenso.

const OPENING = "El hueco es lo que le falta a la ELBO para ser log |p|(|x|). Al mover |q| cambia el reparto, no la suma. "
  + "|q| se mueve arrastrándola o con |μ| y |τ|, y «Reproducir» sube la ELBO paso a paso.";
const CLOSED = 1e-5; // nats: por debajo, el hueco es 0
const ALMOST_ALL = 0.99;

/** Qué ha pasado cuando la ELBO deja de subir. */
function verdict(q, { gap, modes }) {
  if (gap < CLOSED) {
    return "La ELBO ha llegado a log |p|(|x|) y el hueco es 0: |q| es la distribución a posteriori exacta, que con un decodificador "
      + "lineal es gaussiana.";
  }
  const left = `Queda un hueco de ${fixed(gap, 3)} nats`;
  const more = "Es error de aproximación: no lo quitan más pasos, sino una familia más amplia que la gaussiana.";
  if (modes.length < 2) {
    return `La ELBO ha llegado a un máximo. ${left}: la distribución a posteriori tiene un solo modo, pero no es gaussiana. ${more}`;
  }
  const home = modes.find((mode) => shareOf(q, mode) > ALMOST_ALL);
  if (!home) {
    return `La ELBO ha llegado a un máximo. ${left}: |q| abarca los dos modos y no tiene la forma de ninguno. Desde otro inicio `
      + "puede acabar en otro máximo, sobre un solo modo.";
  }
  const other = modes.filter((mode) => mode !== home).map(({ at }) => fixed(at)).join(" y ");
  return `|q| cubre el modo de |z| = ${fixed(home.at)}, que tiene el ${percent(home.weight)} de la probabilidad, y deja fuera el de ${other}. `
    + `${left}: log(1/${fixed(home.weight, 3)}) = ${fixed(-Math.log(home.weight), 3)} por el modo que falta, y lo demás por la forma. ${more}`;
}
