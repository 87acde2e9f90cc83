"""`KLDirections`: una gaussiana que se ajusta a una mezcla con KL directa o inversa."""

import torch
import traitlets

from course_lib.errors import choose, in_range
from course_lib.probability import GaussianMixture
from course_lib.widgets.base import CourseWidget, bundle
from course_lib.widgets.values import finite, positive

DIRECTIONS = ("directa", "inversa")
MAX_SEPARATION = 1.2


class KLDirections(CourseWidget):
    r"""Minimiza $\mathrm{KL}(p\|q)$ («directa») o $\mathrm{KL}(q\|p)$ («inversa») en $q=N(μ,σ^2)$.

    `mixture`: la $p$, una `GaussianMixture` de una dimensión y dos o tres componentes; si no se
    da, dos picos separados. `mean` y `std`: la $q$ de partida. `direction`: qué KL se minimiza.
    Las integrales se hacen por cuadratura en el navegador. `mean`, `std`, `direction` y
    `separation` (el factor, de 0 a 1.2, que separa las medias de la mezcla) son rasgos: con núcleo
    se leen y se escriben desde Python, y `.mixture` es la mezcla que se ve.
    """

    _esm = bundle(
        "common.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js", "kl_quadrature.js",
        "kl_directions.js",
    )  # fmt: skip

    weights = traitlets.List().tag(sync=True)
    means = traitlets.List().tag(sync=True)
    stds = traitlets.List().tag(sync=True)
    limits = traitlets.List().tag(sync=True)
    most = traitlets.Float(MAX_SEPARATION).tag(sync=True)
    mean = traitlets.Float().tag(sync=True)
    std = traitlets.Float().tag(sync=True)
    direction = traitlets.Unicode().tag(sync=True)
    separation = traitlets.Float(1.0).tag(sync=True)

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        mean: float | None = None,
        std: float | None = None,
        direction: str = "directa",
    ):
        mixture = check_mixture(two_peaks() if mixture is None else mixture)
        means, stds = mixture.means[:, 0].cpu(), mixture.covs[:, 0, 0].sqrt().cpu()
        center, total = mixture.mean.item(), mixture.cov.sqrt().item()
        mean = center + 0.5 * total if mean is None else finite("mean", mean)
        std = 0.4 * total if std is None else positive("std", std)
        far = center + MAX_SEPARATION * (means - center)
        super().__init__(
            weights=mixture.weights.tolist(),
            means=means.tolist(),
            stds=stds.tolist(),
            limits=[
                min((far - 3 * stds).min().item(), mean),
                max((far + 3 * stds).max().item(), mean),
                min(0.4 * stds.min().item(), std),
                max(2 * total, std),
            ],
            mean=mean,
            std=std,
            direction=choose("direction", direction, DIRECTIONS),
        )

    @property
    def mixture(self) -> GaussianMixture:
        """La mezcla $p$ que se ve ahora, con su separación."""
        weights, means, stds = (
            torch.tensor(values, dtype=torch.float64)
            for values in (self.weights, self.means, self.stds)
        )
        center = weights @ means
        means = center + self.separation * (means - center)
        return GaussianMixture(weights, means[:, None], stds.square()[:, None, None])

    @traitlets.validate("mean")
    def _valid_mean(self, proposal):
        return in_range("mean", finite("mean", proposal["value"]), *self.limits[:2])

    @traitlets.validate("std")
    def _valid_std(self, proposal):
        return in_range("std", positive("std", proposal["value"]), *self.limits[2:])

    @traitlets.validate("direction")
    def _valid_direction(self, proposal):
        return choose("direction", proposal["value"], DIRECTIONS)

    @traitlets.validate("separation")
    def _valid_separation(self, proposal):
        return in_range("separation", proposal["value"], 0, MAX_SEPARATION)

    def description(self) -> str:
        peaks = ", ".join(f"{m:.3g}" for m in self.means)
        return f"KLDirections: mezcla con picos en {peaks}, KL {self.direction}"


def two_peaks() -> GaussianMixture:
    """La mezcla por defecto: dos picos desiguales, en −2.5 y 2.5."""
    covs = torch.tensor([0.6, 0.7], dtype=torch.float64).square()[:, None, None]
    return GaussianMixture([0.6, 0.4], [[-2.5], [2.5]], covs)


def check_mixture(mixture: GaussianMixture) -> GaussianMixture:
    """La mezcla, si es de una dimensión y de dos o tres componentes, todas con peso."""
    if not isinstance(mixture, GaussianMixture):
        raise TypeError(
            "mixture debe ser una GaussianMixture de course_lib.probability; "
            f"se recibió {type(mixture).__name__}."
        )
    if mixture.dim != 1:
        raise ValueError(f"mixture debe ser de una dimensión y es de {mixture.dim}.")
    if len(mixture.weights) not in (2, 3):
        raise ValueError(
            f"mixture debe tener dos o tres componentes y tiene {len(mixture.weights)}."
        )
    if (mixture.weights <= 0).any():
        raise ValueError(
            f"mixture tiene una componente de peso 0: sus pesos son {mixture.weights.tolist()}. "
            "Conviene quitarla."
        )
    return mixture
