"""Entropías y divergencias estimadas con muestras; se usan desde `probability.divergences`."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.errors import positive_int

from .covariance import as_real, double_like


class Estimate(NamedTuple):
    """Una media de Monte Carlo y su error estándar, en nats; se muestra «0.123 ± 0.004 nats»."""

    value: float
    error: float

    def __repr__(self) -> str:
        if not (math.isfinite(self.value) and 0 < self.error < math.inf):
            return f"{self.value:.3g} ± {self.error:.3g} nats"
        digits = max(0, -math.floor(math.log10(self.error)))
        return f"{self.value:.{digits}f} ± {self.error:.{digits}f} nats"


# --- densidades y muestras ----------------------------------------------------------------------


def sampled_entropy(p, x) -> Estimate:
    r"""Entropía de `p`: $H(p)\approx-\frac1N\sum_n\log p(x_n)$, con $x_n\sim p$.

    `p`: un objeto con `log_prob`; `x`: muestras de p, (N, D), con N ≥ 2. Devuelve la media y su
    error estándar $s/\sqrt N$.
    """
    return _mean(-_log_prob("p", p, "x", x))


def sampled_cross_entropy(q, x) -> Estimate:
    r"""$H(p,q)\approx-\frac1N\sum_n\log q(x_n)$, con $x_n\sim p$: de p bastan las muestras `x`.

    Es la log-verosimilitud negativa de `q` por dato. Lo demás, como en `sampled_entropy`.
    """
    return _mean(-_log_prob("q", q, "x", x))


def sampled_kl(p, q, x) -> Estimate:
    r"""$\mathrm{KL}(p\,\|\,q)\approx\frac1N\sum_n\log\frac{p(x_n)}{q(x_n)}$, con $x_n\sim p$.

    El estimador es insesgado; puede salir negativo por azar. Vale ∞ si $q(x_n)=0$ en alguna
    muestra. Lo demás, como en `sampled_entropy`.
    """
    return _mean(_log_prob("p", p, "x", x) - _log_prob("q", q, "x", x))


def sampled_js(p, q, x_p, x_q) -> Estimate:
    r"""Jensen–Shannon con mitades, entre 0 y $\log2$; `x_p`, muestras de p; `x_q`, de q.

    $\frac12\overline{\log\frac{p}{m}(x_p)}+\frac12\overline{\log\frac{q}{m}(x_q)}$, con
    $m=\frac12(p+q)$. Los errores de las dos medias se suman en cuadratura.
    """
    half_p = _mean(_against_mixture(p, q, "x_p", x_p, first=True))
    half_q = _mean(_against_mixture(p, q, "x_q", x_q, first=False))
    error = math.hypot(half_p.error, half_q.error) / 2
    return Estimate((half_p.value + half_q.value) / 2, error)


def _against_mixture(p, q, name: str, x, first: bool) -> Tensor:
    log_p, log_q = _log_prob("p", p, name, x), _log_prob("q", q, name, x)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return (log_p if first else log_q) - log_m


def _log_prob(law_name: str, law, name: str, x) -> Tensor:
    x = as_real(name, x)
    if not hasattr(law, "log_prob"):
        raise TypeError(
            f"{law_name} debe tener un método log_prob; se recibió {type(law).__name__}. "
            "Con vectores de probabilidad se usan entropy, cross_entropy, kl y js."
        )
    if x.ndim == 0 or len(x) < 2:
        raise ValueError(f"{name} debe tener al menos 2 muestras; su forma es {tuple(x.shape)}.")
    value = law.log_prob(x.to(double_like(x)))
    if value.shape != x.shape[:1]:
        raise ValueError(
            f"{law_name}.log_prob debe dar un número por muestra de {name}, forma ({len(x)},), "
            f"y da forma {tuple(value.shape)}; {name} tiene forma {tuple(x.shape)}."
        )
    if value.isnan().any():
        raise ValueError(f"{law_name}.log_prob da NaN en {int(value.isnan().sum())} muestras.")
    return value.detach().to(double_like(value))


def _mean(values: Tensor) -> Estimate:
    return Estimate(values.mean().item(), (values.std() / math.sqrt(len(values))).item())


# --- solo muestras ------------------------------------------------------------------------------


def neighbor_entropy(x, k: int = 3) -> float:
    r"""Entropía en nats a partir de muestras `x` (N, D), por la distancia al k-ésimo vecino.

    $$\hat H=\psi(N)-\psi(k)+\log V_D+\frac DN\sum_n\log\rho_k(x_n),$$
    con $\rho_k$ la distancia al k-ésimo vecino, $\psi$ la función digamma y $V_D$ el volumen de la
    bola unidad. Consistente; con N finito tiene un sesgo que crece con D. Coste N². ValueError si
    k ≥ N o si hay más de k muestras iguales. Kraskov et al. (2004), ec. 20.
    """
    x = _samples("x", x, positive_int("k", k) + 1)
    n, dim = x.shape
    digamma = torch.special.digamma(torch.tensor([n, k], dtype=x.dtype))
    log_ball = dim / 2 * math.log(math.pi) - math.lgamma(dim / 2 + 1)
    spread = dim * _log_distance("x", x, x, k + 1).mean()  # el vecino 1 de x en x es él mismo
    return (digamma[0] - digamma[1] + log_ball + spread).item()


def neighbor_kl(x, y, k: int = 3) -> float:
    r"""$\mathrm{KL}(p\,\|\,q)$ en nats con muestras `x` (N, D) de p e `y` (M, D) de q.

    $$\frac DN\sum_n\log\frac{\nu_k(x_n)}{\rho_k(x_n)}+\log\frac M{N-1},$$
    con $\rho_k$ y $\nu_k$ las distancias de $x_n$ a su k-ésimo vecino en las demás x y en las y.
    Consistente; puede salir negativa. Si la cola de q es más ligera que la de p, queda por debajo
    y el sesgo baja despacio con N. Errores, como en `neighbor_entropy`.
    Wang, Kulkarni y Verdú (2009), § II.
    """
    x, y = _samples("x", x, positive_int("k", k) + 1), _samples("y", y, k)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            "x e y deben tener la misma dimensión; se recibieron formas "
            f"{tuple(x.shape)} y {tuple(y.shape)}."
        )
    ratio = _log_distance("y", x, y, k) - _log_distance("x", x, x, k + 1)
    return (x.shape[1] * ratio.mean() + math.log(len(y) / (len(x) - 1))).item()


def _samples(name: str, x, minimum: int) -> Tensor:
    x = as_real(name, x)
    if x.ndim != 2 or x.shape[1] == 0:
        raise ValueError(
            f"{name} debe tener forma (N, D) y tiene forma {tuple(x.shape)}. "
            f"Los datos de una sola dimensión se pasan como {name}[:, None]."
        )
    if len(x) < minimum:
        raise ValueError(f"{name} debe tener al menos {minimum} muestras y tiene {len(x)}.")
    return x.detach().to("cpu", torch.float64)


def _log_distance(name: str, x: Tensor, y: Tensor, k: int) -> Tensor:
    """Logaritmo de la distancia de cada x (N, D) a su k-ésimo punto más próximo de `y`: (N,)."""
    mode = "donot_use_mm_for_euclid_dist"  # exacta también entre puntos muy próximos
    parts = (torch.cdist(part, y, compute_mode=mode) for part in x.split(1024))
    distance = torch.cat([part.kthvalue(k, dim=1).values for part in parts])
    if (distance == 0).any():
        raise ValueError(
            f"{int((distance == 0).sum())} muestras de x están repetidas en {name} tantas veces "
            "que la distancia a su k-ésimo vecino es 0: la ley no tiene densidad, o k es pequeña."
        )
    return distance.log()
