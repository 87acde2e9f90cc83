"""`ScheduleExplorer`: β, ᾱ, SNR y varianza a posteriori al mover los parámetros del esquema."""

import traitlets

from course_lib.errors import choose, in_range, positive_int
from course_lib.widgets.base import CourseWidget, bundle

FAMILIES = ("lineal", "coseno", "sigmoide")
MIN_T, MAX_T = 10, 2000


class ScheduleExplorer(CourseWidget):
    r"""Dibuja $β_k$, $\barα_k$, $\barα_k/(1-\barα_k)$ y $\tildeβ_k$ de las tres tablas de DDPM.

    `T`: pasos iniciales, múltiplo de 10 entre 10 y 2000. `schedule`: la familia que se mueve
    primero, «lineal», «coseno» o «sigmoide»; las otras dos quedan a la vista para comparar. Todo
    se calcula en el navegador. `T`, `schedule` y `k` son rasgos: con núcleo se leen y se escriben
    desde Python.
    """

    _esm = bundle("common.js", "schedules.js", "plot.js", "schedule_explorer.js")

    T = traitlets.Int().tag(sync=True)
    schedule = traitlets.Unicode().tag(sync=True)
    k = traitlets.Int().tag(sync=True)
    limits = traitlets.List(traitlets.Int(), default_value=[MIN_T, MAX_T]).tag(sync=True)

    def __init__(self, T: int = 1000, schedule: str = "lineal"):
        check_length(T)
        choose("schedule", schedule, FAMILIES)
        super().__init__(T=T, schedule=schedule, k=T // 2)

    @traitlets.validate("T")
    def _valid_T(self, proposal):
        return check_length(proposal["value"])

    @traitlets.validate("schedule")
    def _valid_schedule(self, proposal):
        return choose("schedule", proposal["value"], FAMILIES)

    @traitlets.validate("k")
    def _valid_k(self, proposal):
        return in_range("k", proposal["value"], 1, MAX_T)

    def description(self) -> str:
        return f"ScheduleExplorer: {', '.join(FAMILIES)}, T = {self.T}"


def check_length(T: int) -> int:
    """Devuelve `T` si el deslizador puede mostrarlo: múltiplo de 10 entre 10 y 2000."""
    if not MIN_T <= positive_int("T", T) <= MAX_T or T % 10:
        raise ValueError(f"T debe ser un múltiplo de 10 entre {MIN_T} y {MAX_T}; se recibió {T}.")
    return T
