"""Densidad y cobertura: cuántas muestras parecen datos y cuántos datos tienen una muestra cerca."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.distances import _pair
from course_lib.errors import positive_int

__all__ = ["DensityCoverage", "density_coverage", "expected_coverage"]

FEW = 8  # dimensiones hasta las que compensa restar coordenada a coordenada


class DensityCoverage(NamedTuple):
    """Las dos medidas: `density` ≥ 0 (1 si las leyes son iguales) y `coverage` en [0, 1]."""

    density: float
    coverage: float


def _blocks(x: Tensor, columns: int) -> tuple[Tensor, ...]:
    """Parte las filas de `x` de modo que una tabla bloque × `columns` no pase de 128 MiB."""
    return x.split(max(1, 2**24 // columns))


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Distancias (N, M): en pocas dimensiones, sin las cifras que pierde restar cuadrados."""
    fast = "use_mm_for_euclid_dist" if x.shape[1] > FEW else "donot_use_mm_for_euclid_dist"
    return torch.cdist(x, y, compute_mode=fast)


def _radii(real: Tensor, k: int) -> Tensor:
    """Distancia (N,) de cada dato a su k-ésimo vecino entre los demás datos."""
    radii, start = [], 0
    for part in _blocks(real, len(real)):
        distances = _distances(part, real)
        rows = torch.arange(len(part))
        distances[rows, start + rows] = math.inf  # nadie es vecino de sí mismo
        radii.append(distances.kthvalue(k, dim=1).values)
        start += len(part)
    return torch.cat(radii)


def _neighbors(k: int, n: int) -> int:
    k = positive_int("k", k)
    if k >= n:
        raise ValueError(
            f"k={k} vecinos piden al menos {k + 1} datos reales, y hay {n}: conviene un k menor o "
            "más datos."
        )
    return k


def density_coverage(samples: Tensor, real: Tensor, k: int = 5) -> DensityCoverage:
    r"""Densidad y cobertura de las muestras $y_j$, (M, D), respecto a los datos $x_i$, (N, D).

    Cada dato lleva una bola abierta $B_i$, de radio la distancia a su k-ésimo vecino entre los
    demás datos. La densidad cuenta las bolas en que cae cada muestra; la cobertura, los datos con
    alguna muestra en su bola:

    $$\text{densidad}=\frac1{kM}\sum_{j=1}^M\sum_{i=1}^N\mathbf 1[y_j\in B_i],\qquad
    \text{cobertura}=\frac1N\sum_{i=1}^N\mathbf 1[\exists j:\ y_j\in B_i].$$

    Si las dos leyes son la misma y continua, sus esperanzas son 1 y `expected_coverage(N, M, k)`.
    La densidad puede pasar de 1: basta con muestrear donde los datos se aprietan. El cálculo va por
    bloques, en float64. ValueError si las formas no encajan, hay NaN o k ≥ N.
    Naeem et al. (2020), sec. 3.2.
    """
    samples, real = _pair(samples, real, ("samples", "real"))
    k = _neighbors(k, len(real))
    center = real.mean(0)  # centrados, los cuadrados pierden menos cifras al restarse
    samples, real = samples - center, real - center
    # Con el margen, el propio k-ésimo vecino queda fuera de la bola aunque el redondeo lo acerque.
    radii = _radii(real, k) * (1 - 1e-9)
    hits = torch.cat(
        [
            (_distances(part, samples) < radius[:, None]).sum(1)
            for part, radius in zip(
                _blocks(real, len(samples)), _blocks(radii, len(samples)), strict=True
            )
        ]
    )
    density = hits.sum().item() / (k * len(samples))
    return DensityCoverage(density, (hits > 0).double().mean().item())


def expected_coverage(n: int, m: int, k: int = 5) -> float:
    r"""Cobertura esperada de m muestras si siguen la ley, continua, de los n datos.

    $$\mathbb E[\text{cobertura}]=1-\prod_{i=1}^k\frac{n-i}{n+m-i}$$

    El producto es la probabilidad de que los k puntos más cercanos a un dato, entre los otros n − 1
    datos y las m muestras, sean todos datos. No depende de la ley ni de la dimensión: es el techo
    con el que se compara la cobertura medida. ValueError si k ≥ n. Naeem et al. (2020), lema 2.
    """
    n, m = positive_int("n", n), positive_int("m", m)
    k = _neighbors(k, n)
    return 1 - math.prod((n - i) / (n + m - i) for i in range(1, k + 1))
