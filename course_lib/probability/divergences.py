r"""Entropías y divergencias, en nats, según lo que se conozca de las dos leyes.

* Vectores de probabilidad: `entropy`, `cross_entropy`, `kl`, `js`; sumas exactas.
* Densidades 1-D: `integrated_entropy`, `integrated_kl`, `integrated_js`; cuadratura.
* Densidades y muestras: `sampled_entropy`, `sampled_cross_entropy`, `sampled_kl`, `sampled_js`;
  Monte Carlo, con su error estándar.
* Solo muestras: `neighbor_entropy`, `neighbor_kl`; distancias a los vecinos más próximos.

La divergencia de Jensen–Shannon es siempre la simétrica, con mitades:
$\mathrm{JS}(p,q)=\frac12\mathrm{KL}(p\,\|\,m)+\frac12\mathrm{KL}(q\,\|\,m)$ con $m=\frac{p+q}2$,
entre 0 y $\log 2$.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from course_lib.errors import in_range, same_shape

from .covariance import as_real, double_like
from .estimates import (
    Estimate,
    neighbor_entropy,
    neighbor_kl,
    sampled_cross_entropy,
    sampled_entropy,
    sampled_js,
    sampled_kl,
)

__all__ = [
    "Estimate",
    "cross_entropy",
    "entropy",
    "integrated_entropy",
    "integrated_js",
    "integrated_kl",
    "js",
    "kl",
    "neighbor_entropy",
    "neighbor_kl",
    "sampled_cross_entropy",
    "sampled_entropy",
    "sampled_js",
    "sampled_kl",
]

# --- vectores de probabilidad -------------------------------------------------------------------


def entropy(p, base: float | None = None) -> Tensor:
    r"""Entropía $H(p)=-\sum_i p_i\log p_i$, con $0\log0=0$; en nats, o en la base dada.

    `p`: (..., n), no negativo y de suma 1 en el último eje; resultado (...). `base=2` da bits.
    ValueError si `p` no es una probabilidad. Cover y Thomas (2006), ec. 2.1.
    """
    (p,), dtype = _vectors(p=p)
    return _in_base(-torch.xlogy(p, p).sum(-1), base).to(dtype)


def cross_entropy(p, q, base: float | None = None) -> Tensor:
    r"""Entropía cruzada $H(p,q)=-\sum_i p_i\log q_i=H(p)+\mathrm{KL}(p\,\|\,q)$.

    Es ∞ si algún $q_i=0<p_i$. `p`, `q`: (..., n) de la misma forma; lo demás, como en `entropy`.
    """
    (p, q), dtype = _vectors(p=p, q=q)
    return _in_base(-torch.xlogy(p, q).sum(-1), base).to(dtype)


def kl(p, q, base: float | None = None) -> Tensor:
    r"""Divergencia KL $\sum_i p_i\log\frac{p_i}{q_i}$, con $0\log\frac0q=0$: ∞ si $q_i=0<p_i$.

    `p`, `q`: (..., n) de la misma forma; lo demás, como en `entropy`. No es simétrica.
    Cover y Thomas (2006), ec. 2.26.
    """
    (p, q), dtype = _vectors(p=p, q=q)
    return _in_base(_kl(p, q), base).to(dtype)


def js(p, q, base: float | None = None) -> Tensor:
    r"""Divergencia de Jensen–Shannon $\frac12\mathrm{KL}(p\,\|\,m)+\frac12\mathrm{KL}(q\,\|\,m)$.

    Con $m=\frac12(p+q)$ y las dos mitades delante: simétrica y entre 0 y $\log2$ (1 bit), que
    alcanza si los soportes son disjuntos. `p`, `q`: (..., n) de la misma forma; lo demás, como en
    `entropy`. Lin (1991), § IV.
    """
    (p, q), dtype = _vectors(p=p, q=q)
    m = (p + q) / 2
    return _in_base((_kl(p, m) + _kl(q, m)) / 2, base).to(dtype)


def _kl(p: Tensor, q: Tensor) -> Tensor:
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


def _in_base(nats: Tensor, base: float | None) -> Tensor:
    if base is None:
        return nats
    in_range("base", base, 1, math.inf, open_low=True, open_high=True)
    return nats / math.log(base)


def _vectors(**named) -> tuple[list[Tensor], torch.dtype]:
    """Comprueba las probabilidades y las pasa a float64, con suma 1; da también el tipo común."""
    values = {name: as_real(name, value) for name, value in named.items()}
    names, tensors = list(values), list(values.values())
    if len(tensors) == 2:
        same_shape(names[1], tensors[1], names[0], tensors[0])
    dtype = torch.promote_types(tensors[0].dtype, tensors[-1].dtype)
    return [_normalized(name, value) for name, value in values.items()], dtype


def _normalized(name: str, p: Tensor) -> Tensor:
    if p.ndim == 0 or p.shape[-1] == 0:
        raise ValueError(f"{name} debe tener forma (..., n) y tiene forma {tuple(p.shape)}.")
    if (p < 0).any():
        raise ValueError(f"{name} no puede tener negativos; el menor es {p.min().item():.3g}.")
    p = p.to(double_like(p))
    total = p.sum(-1, keepdim=True)
    if ((total - 1).abs() > 1e-5).any():
        worst = total.flatten()[(total - 1).abs().argmax()].item()
        raise ValueError(
            f"{name} debe sumar 1 en el último eje y suma {worst:.6g}: "
            f"se divide entre {name}.sum(-1, keepdim=True)."
        )
    return p / total


# --- densidades en una cuadrícula ---------------------------------------------------------------


def integrated_entropy(p, grid) -> float:
    r"""Entropía $-\int p\log p\,\mathrm dx$ en nats por la regla del trapecio en `grid` (N,).

    `p`: una ley 1-D con `log_prob`, o sus densidades (N,) en `grid`, que ha de ser creciente y
    cubrir la ley. ValueError si la integral de `p` en `grid` se aparta de 1 más de 0.01.
    """
    grid = _grid(grid)
    log_p = _log_density("p", p, grid)
    return torch.trapezoid(-_weighted(log_p, log_p), grid).item()


def integrated_kl(p, q, grid) -> float:
    r"""$\mathrm{KL}(p\,\|\,q)=\int p\log\frac pq\,\mathrm dx$ en nats: como `integrated_entropy`.

    Es ∞ si $q=0<p$ en algún punto. Con leyes se usa `log_prob`, que no se anula en las colas; con
    densidades, una cola de `q` que se redondea a 0 da ∞.
    """
    grid = _grid(grid)
    log_p, log_q = _log_density("p", p, grid), _log_density("q", q, grid)
    return torch.trapezoid(_weighted(log_p, log_p - log_q), grid).item()


def integrated_js(p, q, grid) -> float:
    r"""Jensen–Shannon, con mitades (entre 0 y $\log 2$ nats): como `integrated_entropy`."""
    grid = _grid(grid)
    log_p, log_q = _log_density("p", p, grid), _log_density("q", q, grid)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    total = _weighted(log_p, log_p - log_m) + _weighted(log_q, log_q - log_m)
    return torch.trapezoid(total / 2, grid).item()


def _weighted(log_p: Tensor, value: Tensor) -> Tensor:
    """p · value, que vale 0 donde p = 0."""
    p = log_p.exp()
    return torch.where(p > 0, p * value, 0.0)


def _grid(grid) -> Tensor:
    grid = as_real("grid", grid)
    if grid.ndim != 1 or len(grid) < 2 or (grid.diff() <= 0).any():
        raise ValueError(
            f"grid debe ser creciente y de forma (N,) con N ≥ 2; su forma es {tuple(grid.shape)}."
        )
    return grid.to(double_like(grid))


def _log_density(name: str, law, grid: Tensor) -> Tensor:
    if hasattr(law, "log_prob"):
        log_p = law.log_prob(grid[:, None]).reshape(-1).to(grid)
    else:
        p = as_real(name, law).to(grid)
        if (p < 0).any():
            raise ValueError(f"{name} no puede ser negativa; su mínimo es {p.min().item():.3g}.")
        log_p = p.log()
    if log_p.shape != grid.shape:
        raise ValueError(
            f"{name} debe dar un valor por punto de grid, forma ({len(grid)},), "
            f"y da forma {tuple(log_p.shape)}: hace falta una ley 1-D."
        )
    mass = torch.trapezoid(log_p.exp(), grid).item()
    if not abs(mass - 1) < 0.01:
        raise ValueError(
            f"{name} debe integrar 1 en grid e integra {mass:.4g}: hace falta una cuadrícula más "
            f"amplia o más fina, o normalizar {name}."
        )
    return log_p
