"""`LinearGaussianPosterior`: lo que se sabe de una recta después de cada dato."""

from collections.abc import Sequence

import torch
import traitlets

from course_lib.widgets.base import CourseWidget, bundle
from course_lib.widgets.values import pair, positive

MAX_POINTS = 40
REACH = 3.0  # los datos ocultos tienen x en [-REACH, REACH]
LINES = 12  # rectas sacadas de la distribución a posteriori


class LinearGaussianPosterior(CourseWidget):
    r"""Aprende $y=w_0+w_1x+σε$ con $w\sim\mathcal N(0, τ^2I)$, dato a dato y en forma cerrada.

    `prior_std`: $τ$; `noise_std`: $σ$; las dos, positivas. La recta oculta `.weights` se saca de
    esa distribución a priori y sus datos `.stream`, de forma (40, 2), llevan ruido de desviación
    `noise_std`; todo, con la semilla `seed`. `prior_std`, `noise_std` y `points` (las parejas
    (x, y) vistas) son rasgos: con núcleo se leen y se escriben desde Python.
    """

    _esm = bundle(
        "common.js", "plot.js", "plane.js", "gaussian2d.js", "linear_gaussian_posterior.js"
    )

    prior_std = traitlets.Float().tag(sync=True)
    noise_std = traitlets.Float().tag(sync=True)
    points = traitlets.List().tag(sync=True)
    hidden = traitlets.Dict().tag(sync=True)
    reach = traitlets.Float(REACH).tag(sync=True)

    def __init__(
        self,
        prior_std: float = 2.0,
        noise_std: float = 1.0,
        points: Sequence[Sequence[float]] = (),
        seed: int = 7,
    ):
        prior_std, noise_std = positive("prior_std", prior_std), positive("noise_std", noise_std)
        generator = torch.Generator().manual_seed(seed)
        self.weights = prior_std * torch.randn(2, generator=generator, dtype=torch.float64)
        x = (2 * torch.rand(MAX_POINTS, generator=generator, dtype=torch.float64) - 1) * REACH
        noise = torch.randn(MAX_POINTS, generator=generator, dtype=torch.float64)
        y = self.weights[0] + self.weights[1] * x + noise_std * noise
        self.stream = torch.stack([x, y], 1)
        directions = torch.randn(LINES, 2, generator=generator, dtype=torch.float64)
        hidden = {"weights": self.weights, "stream": self.stream, "directions": directions}
        super().__init__(
            prior_std=prior_std,
            noise_std=noise_std,
            points=check_points(points),
            hidden={name: values.tolist() for name, values in hidden.items()},
        )

    @traitlets.validate("prior_std")
    def _valid_prior_std(self, proposal):
        return positive("prior_std", proposal["value"])

    @traitlets.validate("noise_std")
    def _valid_noise_std(self, proposal):
        return positive("noise_std", proposal["value"])

    @traitlets.validate("points")
    def _valid_points(self, proposal):
        return check_points(proposal["value"])

    def description(self) -> str:
        return (
            f"LinearGaussianPosterior: desviación a priori {self.prior_std:g}, "
            f"de ruido {self.noise_std:g}, {len(self.points)} datos"
        )


def check_points(points: Sequence[Sequence[float]]) -> list[list[float]]:
    """Las parejas (x, y) como listas de `float`, a lo sumo 40."""
    if isinstance(points, str) or not hasattr(points, "__len__"):
        raise TypeError(f"points debe ser una lista de parejas (x, y); se recibió {points!r}.")
    if len(points) > MAX_POINTS:
        raise ValueError(f"points admite hasta {MAX_POINTS} datos; se recibieron {len(points)}.")
    return [pair(f"points[{i}]", point) for i, point in enumerate(points)]
