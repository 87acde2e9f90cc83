// Azar con semilla: la misma semilla da los mismos números en todos los navegadores.

/** Números uniformes en (0, 1) con semilla: el generador sfc32 de Chris Doty-Humphrey. */
function sfc32(seed) {
  let [a, b, c, count] = [0, seed, 0, 1];
  const uniform = () => {
    const sum = (a + b + count++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum | 0;
    return ((sum >>> 0) + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) uniform(); // los primeros todavía se parecen entre semillas
  return uniform;
}

/** Una normal estándar por el método de Box y Muller. */
function gauss(uniform) {
  return Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
