"""Puntos del plano en 16 bits por coordenada, sin que ninguno cambie de modo ni cruce un radio."""

import torch
from torch import Tensor

from course_lib.probability import GaussianMixture

LEVELS = 2**16 - 1  # cada coordenada es un entero de 0 a 2¹⁶ − 1
MARGIN = 1.2  # el marco, en veces lo que ocupan los modos con su mayor radio


def frame_of(mixture: GaussianMixture, reach: float) -> Tensor:
    """El marco cuadrado [[x₁, x₂] menores, mayores]: los modos con `reach` desviaciones y un margen."""
    stds = mixture.covs.diagonal(dim1=1, dim2=2).sqrt()
    low = (mixture.means - reach * stds).amin(0)
    high = (mixture.means + reach * stds).amax(0)
    center, half = (low + high) / 2, MARGIN / 2 * (high - low).max()
    return torch.stack([center - half, center + half])


def restore(levels: Tensor, box: Tensor) -> Tensor:
    """Los puntos (N, 2) en float64 que corresponden a los niveles."""
    low, high = box
    return low + (high - low) * (levels.double() / LEVELS)


def quantise(x: Tensor, box: Tensor, mixture: GaussianMixture, radii: Tensor) -> Tensor:
    """Los niveles (N, 2), int32, de los puntos `x` (N, 2); lo que cae fuera del marco va a su borde.

    El nivel es el más próximo con el que el punto conserva su modo y queda al mismo lado de cada
    uno de los `radii` (en desviaciones, crecientes): así ninguna cuenta cambia. `ValueError` si el
    modo es tan estrecho que no lo hay a dos niveles de distancia.
    """
    low, high = box
    exact = ((x - low) / (high - low) * LEVELS).clamp(0, LEVELS)
    wanted = place_of(x, mixture, radii)
    levels = exact.round()
    for shift in neighbours():
        wrong = place_of(restore(levels, box), mixture, radii) != wanted
        if not wrong.any():
            return levels.to(torch.int32)
        levels[wrong] = (exact[wrong].round() + shift).clamp(0, LEVELS)
    raise ValueError(
        "mixture tiene modos demasiado estrechos para lo que ocupa: con 16 bits por coordenada no se "
        "distinguen. Conviene acercar los modos o ensancharlos."
    )


def place_of(x: Tensor, mixture: GaussianMixture, radii: Tensor) -> Tensor:
    """(N,): en qué modo y entre qué radios está cada punto, o −1 si no está en el mayor de ninguno."""
    shift = x[:, None] - mixture.means  # (N, K, 2)
    factors = torch.linalg.cholesky(mixture.covs)
    white = torch.linalg.solve_triangular(factors, shift[..., None], upper=False)[..., 0]
    distance, mode = white.norm(dim=-1).min(dim=1)
    ring = torch.searchsorted(radii, distance, right=True)
    return torch.where(ring < len(radii), mode * len(radii) + ring, -1)


def neighbours() -> list[Tensor]:
    """Los desplazamientos de hasta dos niveles, del más corto al más largo, y otra vez ninguno."""
    steps = [(i, j) for i in range(-2, 3) for j in range(-2, 3) if (i, j) != (0, 0)]
    steps.sort(key=lambda step: step[0] ** 2 + step[1] ** 2)
    return [torch.tensor(step, dtype=torch.float64) for step in [*steps, (0, 0)]]
