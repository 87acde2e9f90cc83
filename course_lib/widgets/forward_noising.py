"""`ForwardNoising`: una imagen que se disuelve en ruido al mover el instante t."""

from collections.abc import Sequence

import torch
import traitlets
from torch import Tensor

from course_lib.data.images import to_uint8
from course_lib.diffusion import DDPM, VE, Schedule
from course_lib.errors import choose, in_range, positive_int
from course_lib.widgets.base import CourseWidget, bundle, check_page_weight
from course_lib.widgets.images import captions, check_images

SCHEDULES = {
    "lineal": DDPM.linear,
    "coseno": DDPM.cosine,
    "sigmoide": DDPM.sigmoid,
    "VE": lambda T: VE(),
}
MAX_T = 10_000


class ForwardNoising(CourseWidget):
    r"""Muestra $x_t = α(t)\,x_0 + σ(t)\,ε$ con un ε fijo, calculado en el navegador.

    `images`: (N, C, H, W) en [-1, 1], N ≤ 64; viajan con 8 bits por píxel. `labels` y
    `class_names` dan los rótulos. `schedules`: nombres de `SCHEDULES`. `seed`: la del ruido, que
    es `torch.randn((C, H, W))` con ese generador y queda en `.noise`. `t`, `schedule`, `index` y
    `row` son rasgos: con núcleo se leen y se escriben desde Python.
    """

    _esm = bundle("common.js", "schedules.js", "plot.js", "forward_noising.js")

    pixels = traitlets.Bytes().tag(sync=True)
    epsilon = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    captions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    schedules = traitlets.List(traitlets.Unicode()).tag(sync=True)
    T = traitlets.Int().tag(sync=True)
    t = traitlets.Float().tag(sync=True)
    schedule = traitlets.Unicode().tag(sync=True)
    index = traitlets.Int().tag(sync=True)
    row = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        class_names: Sequence[str] | None = None,
        schedules: Sequence[str] = tuple(SCHEDULES),
        T: int = 1000,
        seed: int = 0,
        t: float = 0.2,
        index: int = 0,
        row: int | None = None,
    ):
        check_images("images", images)
        size = images[0].numel()
        check_page_weight("images", images.numel() + 4 * size, "Conviene dar menos imágenes.")
        self.noise = torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(seed))
        super().__init__(
            pixels=to_uint8(images).cpu().numpy().tobytes(),
            epsilon=self.noise.numpy().astype("<f4").tobytes(),
            shape=list(images.shape[1:]),
            captions=captions(len(images), labels, class_names),
            schedules=check_schedules(schedules, T),
            T=T,
            t=t,
            schedule=schedules[0],
            index=index,
            row=images.shape[2] // 2 if row is None else row,
        )

    @property
    def law(self) -> Schedule:
        """El esquema elegido ahora, como objeto de `course_lib.diffusion`."""
        return SCHEDULES[self.schedule](self.T)

    @traitlets.validate("t")
    def _valid_t(self, proposal):
        return in_range("t", proposal["value"], 0, 1)

    @traitlets.validate("schedule")
    def _valid_schedule(self, proposal):
        return choose("schedule", proposal["value"], self.schedules)

    @traitlets.validate("index")
    def _valid_index(self, proposal):
        return in_range("index", proposal["value"], 0, len(self.captions) - 1)

    @traitlets.validate("row")
    def _valid_row(self, proposal):
        return in_range("row", proposal["value"], 0, self.shape[1] - 1)

    def description(self) -> str:
        channels, height, width = self.shape
        return (
            f"ForwardNoising: {len(self.captions)} imágenes de {channels}×{height}×{width}, "
            f"esquemas {', '.join(self.schedules)}, T = {self.T}"
        )


def check_schedules(schedules: Sequence[str], T: int) -> list[str]:
    """Los nombres de los esquemas, si existen y se pueden tabular con T pasos."""
    if isinstance(schedules, str) or len(schedules) == 0:
        raise ValueError(
            "schedules debe ser una lista no vacía de nombres, p. ej. "
            f"('lineal', 'coseno'); se recibió {schedules!r}."
        )
    if positive_int("T", T) > MAX_T:
        raise ValueError(f"T debe ser como mucho {MAX_T} para el widget; se recibió {T}.")
    for name in schedules:
        SCHEDULES[choose("schedules", name, SCHEDULES)](T)
    return list(schedules)
