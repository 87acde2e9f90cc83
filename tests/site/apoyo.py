"""Dónde está el sitio construido y qué páginas tiene."""

import os
from pathlib import Path

RAIZ = Path(__file__).resolve().parents[2]
SITIO = Path(os.environ.get("CURSO_SITIO", RAIZ / "_build" / "html"))
NO_SON_LECTURA = {"index.html", "search.html", "genindex.html"}


def paginas_de_lectura() -> list[str]:
    """Rutas de las páginas del libro; vacía si el sitio no está construido."""
    rutas = (str(p.relative_to(SITIO)) for p in SITIO.rglob("*.html"))
    return sorted(r for r in rutas if r not in NO_SON_LECTURA and not r.startswith("_"))
