"""Búsqueda en español que no distingue tildes: «teoria» y «teoría» encuentran lo mismo."""

import re
import unicodedata
from pathlib import Path

from sphinx.search.es import SearchSpanish, spanish_stopwords

# Terminaciones de género y número: «ecuación» y «ecuaciones», «gaussiano» y «gaussianas» son la
# misma palabra. La regla es la misma aquí y en el navegador; los derivados («teórico») aparecen
# porque el buscador también acepta el comienzo de una palabra.
MINIMO = 5
Z_FINAL, TERMINACION = "ces$", "(as|os|es|a|o|e|s)$"

RAIZ_JS = f"""
var sinTildes = (texto) => texto.normalize("NFD").replace(/\\p{{M}}/gu, "");
var Stemmer = function () {{
  this.stemWord = (palabra) => {{
    const simple = sinTildes(palabra.toLowerCase());
    if (simple.length < {MINIMO}) return simple;
    return simple.replace(/{Z_FINAL}/, "z").replace(/{TERMINACION}/, "");
  }};
}};
"""

CAMBIOS = {
    "searchtools.js": {
        "(query.toLowerCase().trim())": "(sinTildes(query.toLowerCase().trim()))",
        "queryTerm.toLowerCase()": "sinTildes(queryTerm.toLowerCase())",
        "query.toLowerCase().trim();": "sinTildes(query.toLowerCase().trim());",
        "title.toLowerCase().trim()": "sinTildes(title.toLowerCase().trim())",
        "text.toLowerCase();": "sinTildes(text.toLowerCase());",
        "k.toLowerCase()": "sinTildes(k.toLowerCase())",
    },
    "sphinx_highlight.js": {
        "val.toLowerCase().indexOf(text)": "sinTildes(val.toLowerCase()).indexOf(sinTildes(text))",
    },
}


def sin_tildes(texto: str) -> str:
    """Quita tildes, diéresis y la virgulilla de la eñe, como hace `sinTildes` en el navegador."""
    descompuesto = unicodedata.normalize("NFD", texto)
    return "".join(letra for letra in descompuesto if unicodedata.category(letra)[0] != "M")


class BusquedaSinTildes(SearchSpanish):
    """El buscador español de Sphinx con palabras plegadas y reducidas a su raíz."""

    stopwords = {sin_tildes(palabra) for palabra in spanish_stopwords}
    js_stemmer_rawcode = ""
    js_stemmer_code = RAIZ_JS

    def split(self, texto: str) -> list[str]:
        return super().split(sin_tildes(texto))

    def stem(self, palabra: str) -> str:
        simple = sin_tildes(palabra.lower())
        if len(simple) < MINIMO:
            return simple
        return re.sub(TERMINACION, "", re.sub(Z_FINAL, "z", simple))


def plegar_en_el_navegador(estaticos: Path, avisar) -> None:
    """Modifica los programas de búsqueda del sitio; avisa si Sphinx ya no es el que se conoce."""
    for nombre, cambios in CAMBIOS.items():
        programa = (estaticos / nombre).read_text(encoding="utf-8")
        for viejo, nuevo in cambios.items():
            if viejo not in programa:
                avisar(f"la búsqueda sin tildes no encontró «{viejo}» en {nombre}")
            programa = programa.replace(viejo, nuevo)
        (estaticos / nombre).write_text(programa, encoding="utf-8")
