"""`LikelihoodSurface`: la log-verosimilitud media de una gaussiana en el plano (μ, σ)."""

import torch
import traitlets
from torch import Tensor

from course_lib.errors import in_range
from course_lib.widgets.base import CourseWidget, bundle
from course_lib.widgets.samples import needs_spread, real_samples
from course_lib.widgets.values import finite, positive

MAX_DATA = 500


class LikelihoodSurface(CourseWidget):
    r"""Dibuja $\ell(μ,σ)=\frac1n\sum_i\log\mathcal N(x_i;μ,σ^2)$, en nats por dato.

    `data`: de 2 a 500 números, no todos iguales; `mean` y `std`: el punto de partida, que si no se
    da queda lejos del máximo. El máximo es $μ=\bar x$ y $σ=s$, la desviación con 1/n; los ejes
    abarcan $\bar x\pm3s$ y de $s/4$ a $3s$, o más si el punto de partida cae fuera. `mean` y
    `std` son rasgos: con núcleo se leen y se escriben desde Python, dentro de esos ejes.
    """

    _esm = bundle(
        "common.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js", "likelihood_surface.js"
    )

    data = traitlets.List().tag(sync=True)
    limits = traitlets.List().tag(sync=True)
    mean = traitlets.Float().tag(sync=True)
    std = traitlets.Float().tag(sync=True)

    def __init__(self, data: Tensor, mean: float | None = None, std: float | None = None):
        data = check_data(data)
        center, spread = data.mean().item(), data.std(correction=0).item()
        mean = center - 1.5 * spread if mean is None else finite("mean", mean)
        std = 1.4 * spread if std is None else positive("std", std)
        super().__init__(
            data=data.tolist(),
            limits=[
                min(center - 3 * spread, mean),
                max(center + 3 * spread, mean),
                min(spread / 4, std),
                max(3 * spread, std),
            ],
            mean=mean,
            std=std,
        )

    @property
    def log_likelihood(self) -> float:
        """La log-verosimilitud media en el punto actual, en nats por dato."""
        data, mean, std = (
            torch.tensor(v, dtype=torch.float64) for v in (self.data, self.mean, self.std)
        )
        return torch.distributions.Normal(mean, std).log_prob(data).mean().item()

    @traitlets.validate("mean")
    def _valid_mean(self, proposal):
        return in_range("mean", finite("mean", proposal["value"]), *self.limits[:2])

    @traitlets.validate("std")
    def _valid_std(self, proposal):
        return in_range("std", positive("std", proposal["value"]), *self.limits[2:])

    def description(self) -> str:
        return f"LikelihoodSurface: {len(self.data)} datos, μ = {self.mean:.3g}, σ = {self.std:.3g}"


def check_data(data) -> Tensor:
    """Los datos como tensor (n,) en float64, si son de 2 a 500 y no todos iguales."""
    data = real_samples("data", data)
    if data.ndim != 1:
        raise ValueError(
            f"data debe tener forma (n,) y tiene forma {tuple(data.shape)}. "
            "Una columna se aplana con data.flatten()."
        )
    if not 2 <= len(data) <= MAX_DATA:
        raise ValueError(f"data debe traer de 2 a {MAX_DATA} números; se recibieron {len(data)}.")
    needs_spread("data", data)
    return data
