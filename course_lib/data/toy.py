r"""Conjuntos 2-D de juguete: muestras de leyes fijas, centradas y con $E\|x\|^2/2=1$.

La escala de cada ley se calcula con una integral, no con la muestra: dos muestras distintas salen
siempre de la misma ley.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from course_lib.errors import choose, positive_int
from course_lib.probability import GaussianMixture

__all__ = ["NAMES", "eight_gaussians", "load"]

SPREAD = 0.1  # desviación de cada gaussiana de «ocho-gaussianas»


def eight_gaussians(dtype: torch.dtype | None = None) -> GaussianMixture:
    r"""Ocho gaussianas iguales en círculo, como mezcla exacta con densidad, score y denoiser.

    Radio $r$ y desviación $s=0.1$ con $r^2/2+s^2=1$: la covarianza de la mezcla es la identidad.
    """
    dtype = dtype or torch.get_default_dtype()
    angle = torch.arange(8, dtype=dtype) * (math.pi / 4)
    radius = math.sqrt(2 * (1 - SPREAD**2))
    means = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    covs = SPREAD**2 * torch.eye(2, dtype=dtype).expand(8, 2, 2)
    return GaussianMixture(torch.full((8,), 1 / 8, dtype=dtype), means, covs)


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def _spiral(n: int, uniform, normal) -> tuple[Tensor, Tensor]:
    """Dos brazos enfrentados de espiral de Arquímedes, uniformes en el área que barren."""
    labels = (uniform(n) < 0.5).long()
    turn, noise = 3 * math.pi, 0.05
    angle = turn * uniform(n).sqrt()
    scale = math.sqrt(4 * (1 - noise**2)) / turn  # E r² = escala² · giro² / 2
    return _polar(scale * angle, angle + math.pi * labels) + noise * normal(n, 2), labels


def _moons(n: int, uniform, normal) -> tuple[Tensor, Tensor]:
    """Dos medias lunas entrelazadas de radio 1, antes de centrar y escalar."""
    labels = (uniform(n) < 0.5).long()
    angle, noise = math.pi * uniform(n), 0.08
    upper = _polar(torch.ones_like(angle), angle)
    x = torch.where(labels[:, None] == 0, upper, torch.tensor([1.0, 0.5]).to(upper) - upper)
    center = torch.tensor([0.5, 0.25]).to(x)
    variance = (3.25 - 2 / math.pi) / 2 - 0.3125  # E‖x‖² − ‖m‖², sin ruido
    return (x - center + noise * normal(n, 2)) / math.sqrt(variance / 2 + noise**2), labels


def _board(n: int, uniform, normal) -> tuple[Tensor, Tensor]:
    """Casillas negras de un tablero de 4 × 4: uniforme en cada una."""
    column = (4 * uniform(n)).floor().clamp(max=3)
    row = 2 * (2 * uniform(n)).floor().clamp(max=1) + column % 2
    x = torch.stack([column, row], dim=1) + uniform(n, 2) - 2
    return x * math.sqrt(3) / 2, (2 * column + row // 2).long()  # cada coordenada, uniforme en ±√3


def _rings(n: int, uniform, normal) -> tuple[Tensor, Tensor]:
    """Tres anillos concéntricos de radios 1, 2 y 3, elegidos en proporción a su longitud."""
    u, noise = uniform(n), 0.1
    labels = (u > 1 / 6).long() + (u > 1 / 2).long()
    x = _polar(labels + 1.0, 2 * math.pi * uniform(n)) + noise * normal(n, 2)
    return x / math.sqrt((1 + 8 + 27) / 6 / 2 + noise**2), labels


def _pinwheel(n: int, uniform, normal) -> tuple[Tensor, Tensor]:
    """Molinete de cinco aspas: gaussianas alargadas en el radio y torcidas por él."""
    labels = (5 * uniform(n)).long().clamp(max=4)
    arm = normal(n, 2) * torch.tensor([0.3, 0.1]) + torch.tensor([1.0, 0.0])
    radius = arm.norm(dim=1)
    angle = torch.atan2(arm[:, 1], arm[:, 0]) + radius.exp() / 4 + labels * (2 * math.pi / 5)
    return _polar(radius, angle) / math.sqrt((1 + 0.3**2 + 0.1**2) / 2), labels


def _eight(n: int, uniform, normal) -> tuple[Tensor, Tensor]:
    """Muestras de `eight_gaussians`, con la componente como etiqueta."""
    labels = (8 * uniform(n)).long().clamp(max=7)
    means = eight_gaussians(torch.float32).means.float()
    return means[labels] + SPREAD * normal(n, 2), labels


_SETS = {
    "ocho-gaussianas": _eight,
    "espiral": _spiral,
    "lunas": _moons,
    "tablero": _board,
    "anillos": _rings,
    "molinete": _pinwheel,
}
NAMES = tuple(_SETS)


def load(name: str, n: int, generator: torch.Generator | int | None = None, labels: bool = False):
    """`n` puntos (n, 2) float32 del conjunto `name`; con `labels`, también su parte (n,) int64.

    `generator`: un torch.Generator de CPU o una semilla entera. ValueError si `name` no existe
    (la lista está en `NAMES`) o si n no es un entero positivo.
    """
    make = _SETS[choose("name", name, NAMES)]
    positive_int("n", n)
    if isinstance(generator, int):
        generator = torch.Generator().manual_seed(generator)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float32)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float32)

    points, parts = make(n, uniform, normal)
    return (points, parts) if labels else points
