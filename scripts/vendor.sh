#!/usr/bin/env bash
# Vuelve a bajar de npm lo que el sitio lleva dentro, con versiones fijas. Solo hace falta para
# cambiar de versión: el resultado está en el repositorio y construir el sitio no necesita node.
set -euo pipefail
cd "$(dirname "$0")/.."

MATHJAX=3.2.2
SERIF=5.3.1
SANS=5.3.0
AXE=4.14.1

destino=book/estaticos/vendor
temporal=$(mktemp -d)
trap 'rm -rf "$temporal"' EXIT

bajar() { # paquete versión carpeta
  local archivo
  archivo=$(cd "$temporal" && npm pack --silent "$1@$2")
  mkdir -p "$temporal/$3"
  tar -xzf "$temporal/$archivo" -C "$temporal/$3" --strip-components=1
}

# MathJax: solo lo que usa el sitio (TeX → HTML con tipografías WOFF).
bajar mathjax "$MATHJAX" mathjax
rm -rf "$destino/mathjax"
mkdir -p "$destino/mathjax/input/tex" "$destino/mathjax/output/chtml/fonts"
cp "$temporal/mathjax/LICENSE" "$temporal/mathjax/es5/tex-chtml.js" "$destino/mathjax/"
cp -r "$temporal/mathjax/es5/input/tex/extensions" "$destino/mathjax/input/tex/"
cp -r "$temporal/mathjax/es5/output/chtml/fonts/woff-v2" "$destino/mathjax/output/chtml/fonts/"

# Tipografías del texto: variables, solo el alfabeto latino.
bajar @fontsource-variable/source-serif-4 "$SERIF" serif
bajar @fontsource-variable/source-sans-3 "$SANS" sans
rm -rf "$destino/tipografias"
mkdir -p "$destino/tipografias"
cp "$temporal"/serif/files/source-serif-4-latin-wght-{normal,italic}.woff2 "$destino/tipografias/"
cp "$temporal"/sans/files/source-sans-3-latin-wght-{normal,italic}.woff2 "$destino/tipografias/"
cp "$temporal/serif/LICENSE" "$destino/tipografias/LICENSE-source-serif"
cp "$temporal/sans/LICENSE" "$destino/tipografias/LICENSE-source-sans"

# axe-core: revisa la accesibilidad del sitio en las pruebas; no se publica.
bajar axe-core "$AXE" axe
mkdir -p tests/site/vendor
cp "$temporal/axe/axe.min.js" tests/site/vendor/axe.min.js
cp "$temporal/axe/LICENSE" tests/site/vendor/LICENSE-axe-core

cat > "$destino/LEEME.md" <<EOF
Archivos de terceros que el sitio lleva dentro para no pedir nada a otros servidores.
Los escribe \`scripts/vendor.sh\`; no se editan a mano.

| carpeta | paquete de npm | versión | licencia |
|---|---|---|---|
| mathjax | mathjax | $MATHJAX | Apache 2.0 |
| tipografias | @fontsource-variable/source-serif-4 | $SERIF | SIL OFL 1.1 |
| tipografias | @fontsource-variable/source-sans-3 | $SANS | SIL OFL 1.1 |
| tests/site/vendor | axe-core | $AXE | MPL 2.0 |
EOF
du -sh "$destino"/* tests/site/vendor
