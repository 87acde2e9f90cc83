"""`CentralLimit`: la media de n sumandos se vuelve normal, y a qué velocidad."""

import traitlets

from course_lib.errors import choose, positive_int
from course_lib.widgets.base import CourseWidget, bundle

SOURCES = ("uniforme", "exponencial", "bernoulli", "dos picos")
MAX_N = 100


class CentralLimit(CourseWidget):
    r"""Histograma de $Z_n=\sqrt n\,(\bar X_n-μ)/σ$ con la densidad $\mathcal N(0, 1)$ encima.

    `source`: la ley de cada sumando, «uniforme» en (0, 1), «exponencial» de media 1,
    «bernoulli» de probabilidad 0.2 o «dos picos» (mezcla de dos normales); `n`: cuántos sumandos,
    de 1 a 100. Se simulan 10 000 medias en el navegador con semilla fija y se miden su
    distancia de Kolmogorov–Smirnov a la normal y su asimetría, que vale $γ/\sqrt n$. Son rasgos:
    con núcleo se leen y se escriben desde Python.
    """

    _esm = bundle(
        "common.js", "random.js", "plot.js", "plane.js", "gaussian2d.js", "central_limit.js"
    )

    source = traitlets.Unicode().tag(sync=True)
    n = traitlets.Int().tag(sync=True)
    limits = traitlets.List(traitlets.Int(), default_value=[1, MAX_N]).tag(sync=True)

    def __init__(self, source: str = "exponencial", n: int = 1):
        super().__init__(source=choose("source", source, SOURCES), n=check_terms(n))

    @traitlets.validate("source")
    def _valid_source(self, proposal):
        return choose("source", proposal["value"], SOURCES)

    @traitlets.validate("n")
    def _valid_n(self, proposal):
        return check_terms(proposal["value"])

    def description(self) -> str:
        return f"CentralLimit: fuente {self.source}, n = {self.n}"


def check_terms(n: int) -> int:
    """Devuelve `n` si es un entero de 1 a 100."""
    if positive_int("n", n) > MAX_N:
        raise ValueError(f"n debe ser como mucho {MAX_N}; se recibió {n}.")
    return int(n)
