// El plano latente: mosaico de imágenes decodificadas, caminos, distancias y la ley a priori.

/** Las imágenes decodificadas en las `count`² casillas del plano, como una sola; se da su dirección. */
function mosaic(net, y, limit, count) {
  const [, height, width] = net.shape;
  const side = Math.max(height, width);
  const sheet = h("canvas", { width: count * side, height: count * side });
  const tile = h("canvas");
  const context = sheet.getContext("2d");
  const center = (i) => limit * ((2 * i + 1) / count - 1);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) {
      const values = toBytes(net.law, decode(net, [center(column), -center(row)], y));
      paint(tile, net.shape, (i) => values[i]);
      context.drawImage(tile, column * side + (side - width) / 2, row * side + (side - height) / 2);
    }
  }
  return sheet.toDataURL();
}

/** log N(z; 0, I), en nats. */
function logPrior(z) {
  return logNormal(z[0], 0, 1) + logNormal(z[1], 0, 1);
}

/** Punto a una fracción `u` del camino: la recta de `from` a `to` o la vuelta al origen desde `from`. */
function along({ kind, from, to }, u, limit) {
  if (kind === "recta") return from.map((v, i) => v + u * (to[i] - v));
  const size = Math.hypot(...from);
  const radius = size < 0.2 ? 1 : Math.min(size, limit); // en el origen no habría vuelta que dar
  const angle = (size === 0 ? 0 : Math.atan2(from[1], from[0])) + 2 * Math.PI * u;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/** Un destino sacado de p(z), dentro del plano y a más de 1 del punto dado. */
function destination(uniform, from, limit) {
  for (;;) {
    const z = [gauss(uniform), gauss(uniform)];
    if (Math.abs(z[0]) < limit && Math.abs(z[1]) < limit && Math.hypot(z[0] - from[0], z[1] - from[1]) > 1) return z;
  }
}

/** El código más próximo a z de los que admite `allowed`: { index, distance }, o null si no hay. */
function nearest(codes, z, allowed) {
  let best = null;
  for (let i = 0; 2 * i < codes.length; i++) {
    const distance = Math.hypot(codes[2 * i] - z[0], codes[2 * i + 1] - z[1]);
    if (allowed(i) && !(best && best.distance <= distance)) best = { index: i, distance };
  }
  return best;
}
