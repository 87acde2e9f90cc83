"""`BivariateNormal`: elipses, marginales y un corte condicional de la normal de dos variables."""

from collections.abc import Sequence

import torch
import traitlets

from course_lib.errors import in_range, positive_int
from course_lib.probability import Gaussian
from course_lib.widgets.base import CourseWidget, bundle
from course_lib.widgets.values import finite, pair, positive

MAX_SAMPLES = 2000


class BivariateNormal(CourseWidget):
    r"""Dibuja $\mathcal N(m, C)$ en el plano, con $C_{12}=ρσ_1σ_2$ y muestras $x=m+Lε$.

    `mean`: $(μ_1, μ_2)$; `std`: $(σ_1, σ_2)$, positivas; `rho`: la correlación, en (-1, 1).
    `cut`: el $c$ del corte $x_1=c$, que si no se da es $μ_1+σ_1$. `samples` y `seed`: cuántas
    muestras y la semilla de su ruido, que es `torch.randn((samples, 2))`, queda en `.noise` y no
    cambia al mover los controles. `mean`, `std`, `rho` y `cut` son rasgos: con núcleo se leen y
    se escriben desde Python, y `.law` es la `Gaussian` que se ve.
    """

    _esm = bundle("common.js", "plot.js", "plane.js", "gaussian2d.js", "bivariate_normal.js")

    epsilon = traitlets.Bytes().tag(sync=True)
    mean = traitlets.List().tag(sync=True)
    std = traitlets.List().tag(sync=True)
    rho = traitlets.Float().tag(sync=True)
    cut = traitlets.Float().tag(sync=True)

    def __init__(
        self,
        mean: Sequence[float] = (0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0),
        rho: float = 0.6,
        cut: float | None = None,
        samples: int = 300,
        seed: int = 0,
    ):
        mean, std = pair("mean", mean), pair("std", std, positive)
        if positive_int("samples", samples) > MAX_SAMPLES:
            raise ValueError(f"samples debe ser como mucho {MAX_SAMPLES}; se recibió {samples}.")
        self.noise = torch.randn(samples, 2, generator=torch.Generator().manual_seed(seed))
        super().__init__(
            epsilon=self.noise.numpy().astype("<f4").tobytes(),
            mean=mean,
            std=std,
            rho=correlation(rho),
            cut=mean[0] + std[0] if cut is None else finite("cut", cut),
        )

    @property
    def law(self) -> Gaussian:
        """La distribución que se ve ahora, como objeto de `course_lib.probability`."""
        (a, b), r = self.std, self.rho
        cov = torch.tensor([[a * a, r * a * b], [r * a * b, b * b]], dtype=torch.float64)
        return Gaussian(torch.tensor(self.mean, dtype=torch.float64), cov)

    @traitlets.validate("mean")
    def _valid_mean(self, proposal):
        return pair("mean", proposal["value"])

    @traitlets.validate("std")
    def _valid_std(self, proposal):
        return pair("std", proposal["value"], positive)

    @traitlets.validate("rho")
    def _valid_rho(self, proposal):
        return correlation(proposal["value"])

    @traitlets.validate("cut")
    def _valid_cut(self, proposal):
        return finite("cut", proposal["value"])

    def description(self) -> str:
        (m1, m2), (s1, s2) = self.mean, self.std
        return (
            f"BivariateNormal: media ({m1:g}, {m2:g}), desviaciones ({s1:g}, {s2:g}), "
            f"ρ = {self.rho:g}"
        )


def correlation(rho: float) -> float:
    """`rho` si está en (-1, 1); en ±1 la covarianza es singular y no hay densidad."""
    return float(in_range("rho", finite("rho", rho), -1, 1, open_low=True, open_high=True))
