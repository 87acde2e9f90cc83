"""Cuánto de una mezcla conocida alcanza un generador: modos cubiertos y muestras buenas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.errors import floating, in_range, positive_int
from course_lib.probability import GaussianMixture

__all__ = ["Coverage", "expected_good", "mode_coverage"]


@dataclass(frozen=True)
class Coverage:
    """Muestras buenas por modo, `counts` (K,); `n`, las muestras en total; `minimum`, el umbral."""

    counts: Tensor
    n: int
    minimum: int

    @property
    def covered(self) -> int:
        """Modos con al menos `minimum` muestras buenas."""
        return int((self.counts >= self.minimum).sum())

    @property
    def missing(self) -> list[int]:
        """Índices de los modos que faltan."""
        return (self.counts < self.minimum).nonzero()[:, 0].tolist()

    @property
    def good(self) -> float:
        """Fracción de las muestras que caen cerca de algún modo, entre 0 y 1."""
        return self.counts.sum().item() / self.n

    def __repr__(self) -> str:
        total = len(self.counts)
        return f"Coverage({self.covered} de {total} modos, {100 * self.good:.1f} % buenas)"


def mode_coverage(
    x: Tensor, mixture: GaussianMixture, radius: float = 3.0, minimum: int = 1
) -> Coverage:
    r"""Asigna cada muestra a su modo más próximo y cuenta las que distan de él menos de `radius`.

    La distancia es la de Mahalanobis, $\sqrt{(x-m_k)^\top C_k^{-1}(x-m_k)}$: se mide en
    desviaciones típicas del modo k. `x`: (N, D). Un modo está cubierto si reúne `minimum` muestras
    buenas; con N grande conviene `minimum` > 1, para que no baste una muestra perdida.
    ValueError si `x` no tiene la dimensión de la mezcla. Srivastava et al. (2017).
    """
    in_range("radius", radius, 0.0, math.inf, open_low=True, open_high=True)
    positive_int("minimum", minimum)
    x = floating("x", x)
    if x.ndim != 2 or x.shape[1] != mixture.dim or len(x) == 0:
        raise ValueError(f"x debe tener forma (N, {mixture.dim}), y es {tuple(x.shape)}.")
    shift = x.detach().to(mixture.means)[:, None] - mixture.means  # (N, K, D)
    factors = torch.linalg.cholesky(mixture.covs)
    white = torch.linalg.solve_triangular(factors, shift[..., None], upper=False)[..., 0]
    distance, mode = white.norm(dim=-1).min(dim=1)
    counts = torch.bincount(mode[distance < radius], minlength=len(mixture.weights))
    return Coverage(counts.cpu(), len(x), minimum)


def expected_good(dim: int, radius: float = 3.0) -> float:
    r"""La fracción de muestras buenas de un generador perfecto con modos bien separados.

    $\Pr(\chi^2_D<r^2)=P(D/2,\,r^2/2)$, con P la gamma incompleta: 0.9973 en 1-D y
    $1-e^{-9/2}=0.9889$ en 2-D con r = 3. Es el techo con el que se compara `Coverage.good`.
    """
    in_range("radius", radius, 0.0, math.inf, open_low=True, open_high=True)
    half = torch.tensor([positive_int("dim", dim) / 2, radius**2 / 2], dtype=torch.float64)
    return torch.special.gammainc(half[0], half[1]).item()
