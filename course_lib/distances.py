"""Distancias entre dos conjuntos de puntos: Fréchet, de núcleo, MMD y Wasserstein por cortes."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.errors import in_range, positive_int


def _samples(argument: str, x: Tensor, minimum: int = 2) -> Tensor:
    """Comprueba que `x` sea (N, D), finito y con N suficiente, y lo pasa a float64."""
    if not isinstance(x, Tensor) or x.ndim != 2:
        shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"{argument} debe ser un tensor (N, D); se recibió {shape}.")
    if len(x) < minimum:
        raise ValueError(f"{argument} debe tener al menos {minimum} muestras y tiene {len(x)}.")
    if not torch.isfinite(x).all():
        raise ValueError(f"{argument} contiene NaN o infinitos: la distancia no tendría sentido.")
    return x.detach().cpu().double()  # en este orden: MPS no conoce float64


def _pair(a: Tensor, b: Tensor, names: tuple[str, str]) -> tuple[Tensor, Tensor]:
    a, b = _samples(names[0], a), _samples(names[1], b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{names[0]} y {names[1]} deben tener la misma dimensión; se recibieron "
            f"{a.shape[1]} y {b.shape[1]}."
        )
    return a, b


def _root(cov: Tensor) -> Tensor:
    """Raíz cuadrada simétrica de una matriz semidefinida positiva."""
    values, vectors = torch.linalg.eigh(cov)
    return vectors * values.clamp(min=0).sqrt() @ vectors.mT


def frechet_gaussians(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    r"""$\|m_a-m_b\|^2+\mathrm{tr}(C_a+C_b-2(C_a^{1/2}C_bC_a^{1/2})^{1/2})$: $W_2^2$ de gaussianas.

    La última traza es la suma de los valores singulares de $C_a^{1/2}C_b^{1/2}$. Medias (D,) y
    covarianzas (D, D), que pueden ser singulares. Dowson y Landau (1982), ec. 4.
    """
    cross = torch.linalg.svdvals(_root(cov_a) @ _root(cov_b)).sum()
    spread = cov_a.trace() + cov_b.trace() - 2 * cross
    return ((mean_a - mean_b).square().sum() + spread).clamp(min=0).item()


def frechet_distance(feats_a: Tensor, feats_b: Tensor) -> float:
    """Distancia de Fréchet (al cuadrado) entre dos conjuntos de características (N, D) y (M, D).

    `frechet_gaussians` de las medias y covarianzas muestrales. Está sesgada hacia arriba: baja al
    crecer N, y por eso se lee junto a su suelo (`compare`). Heusel et al. (2017), ec. 6.
    """
    a, b = _pair(feats_a, feats_b, ("feats_a", "feats_b"))
    cov_a, cov_b = (torch.cov(x.T).reshape(2 * x.shape[1:]) for x in (a, b))  # también con D = 1
    return frechet_gaussians(a.mean(0), cov_a, b.mean(0), cov_b)


def _mean_kernel(x: Tensor, y: Tensor, kernel: Callable, same: bool, chunk: int = 1024) -> float:
    """Media de k(x_i, y_j) por bloques; si `same`, sin la diagonal."""
    total = sum(kernel(part, y).sum().item() for part in x.split(chunk))
    if not same:
        return total / (len(x) * len(y))
    diagonal = sum(kernel(part, part).diagonal().sum().item() for part in x.split(256))
    return (total - diagonal) / (len(x) * (len(x) - 1))


def _unbiased_mmd2(x: Tensor, y: Tensor, kernel: Callable) -> float:
    r"""$\widehat{\mathrm{MMD}}^2$ insesgado; Gretton et al. (2012), ec. 3."""
    within = _mean_kernel(x, x, kernel, True) + _mean_kernel(y, y, kernel, True)
    return within - 2 * _mean_kernel(x, y, kernel, False)


def kernel_distance(feats_a: Tensor, feats_b: Tensor) -> float:
    r"""MMD² insesgada con núcleo $k(a,b)=(a^\top b/D+1)^3$ entre características (N, D) y (M, D).

    Si las dos leyes son iguales su esperanza es 0, de modo que puede salir negativa.
    Bińkowski et al. (2018), sec. 4 (KID).
    """
    a, b = _pair(feats_a, feats_b, ("feats_a", "feats_b"))
    return _unbiased_mmd2(a, b, lambda u, v: (u @ v.T / u.shape[1] + 1) ** 3)


def mmd(x: Tensor, y: Tensor, bandwidths: tuple[float, ...] = (0.1, 0.3, 1.0)) -> float:
    r"""MMD² insesgada con la media de núcleos $e^{-\|x-y\|^2/2\ell^2}$, ℓ en `bandwidths`.

    `x`: (N, D), `y`: (M, D). Los ℓ por omisión convienen a datos de desviación 1. Puede ser < 0.
    """
    x, y = _pair(x, y, ("x", "y"))
    if not bandwidths or min(bandwidths) <= 0:
        raise ValueError(f"bandwidths debe tener anchos positivos; se recibió {bandwidths}.")

    def kernel(u: Tensor, v: Tensor) -> Tensor:
        squared = torch.cdist(u, v, compute_mode="donot_use_mm_for_euclid_dist") ** 2
        return sum(torch.exp(-squared / (2 * ell**2)) for ell in bandwidths) / len(bandwidths)

    return _unbiased_mmd2(x, y, kernel)


def _directions(dim: int, count: int, generator: torch.Generator | None) -> Tensor:
    """Direcciones unitarias (count, D): equiespaciadas en el plano, al azar en otra dimensión."""
    if dim == 2:
        angle = (torch.arange(count, dtype=torch.float64) + 0.5) * (math.pi / count)
        return torch.stack([angle.cos(), angle.sin()], dim=1)
    generator = generator or torch.Generator().manual_seed(0)
    theta = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    return nn.functional.normalize(theta, dim=1)


def sliced_wasserstein(
    x: Tensor, y: Tensor, projections: int = 128, generator: torch.Generator | None = None
) -> float:
    r"""$SW_2=(\mathbb E_\theta W_2^2(\theta^\top x,\theta^\top y))^{1/2}$, en las unidades de x.

    `x`: (N, D), `y`: (M, D). Cada $W_2$ en una recta es exacta: $\int_0^1(F^{-1}-G^{-1})^2du$ entre
    las funciones cuantil escalonadas, aunque N ≠ M. Bonneel et al. (2015), ec. 10.
    """
    x, y = _pair(x, y, ("x", "y"))
    theta = _directions(x.shape[1], positive_int("projections", projections), generator)
    px, py = (x @ theta.T).sort(0).values, (y @ theta.T).sort(0).values
    width, gap = _quantile_gap(px, py)
    return (width * gap**2).sum(0).mean().sqrt().item()


def wasserstein_1d(x: Tensor, y: Tensor, p: float = 2) -> float:
    r"""$W_p=(\int_0^1|F^{-1}(u)-G^{-1}(u)|^p\,du)^{1/p}$ entre dos muestras de la recta, en sus unidades.

    `x`: (N,) o (N, 1); `y`: (M,) o (M, 1); p ≥ 1. En la recta el mejor transporte conserva el orden:
    si N = M es $(\frac1N\sum_i|x_{(i)}-y_{(i)}|^p)^{1/p}$. Peyré y Cuturi (2019), sec. 2.6.
    """
    in_range("p", p, 1, math.inf, open_high=True)
    x, y = (v[:, None] if isinstance(v, Tensor) and v.ndim == 1 else v for v in (x, y))
    x, y = (_samples(name, v, minimum=1) for name, v in (("x", x), ("y", y)))
    if x.shape[1] != 1 or y.shape[1] != 1:
        raise ValueError(
            "x e y deben ser muestras de la recta, (N,) o (N, 1); se recibieron "
            f"{tuple(x.shape)} y {tuple(y.shape)}. En más dimensiones, sliced_wasserstein."
        )
    width, gap = _quantile_gap(x.sort(0).values, y.sort(0).values)
    top = gap.abs().max().item() or 1.0  # así |x − y|^p no se desborda ni se anula
    return top * (width * (gap / top).abs() ** p).sum().item() ** (1 / p)


def _quantile_gap(px: Tensor, py: Tensor) -> tuple[Tensor, Tensor]:
    r"""$du$ y $F^{-1}-G^{-1}$, por columna, en los tramos donde son constantes.

    `px`, (N, K), y `py`, (M, K): muestras ya ordenadas.
    """
    n, m = len(px), len(py)
    levels = torch.cat([torch.arange(n + 1).double() / n, torch.arange(1, m).double() / m])
    levels = levels.sort().values
    width, middle = levels.diff(), (levels[1:] + levels[:-1]) / 2
    gap = px[(middle * n).long().clamp(max=n - 1)] - py[(middle * m).long().clamp(max=m - 1)]
    return width[:, None], gap
