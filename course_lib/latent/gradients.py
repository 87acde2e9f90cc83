r"""Dos estimadores de $\nabla_\phi E_{q_\phi}[f(z)]$, con $q_\phi=\mathcal N(m,\operatorname{diag}s^2)$.

Los dos son insesgados; se comparan por su varianza. $\phi$ es la media m y $\ell=\log s$.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.errors import floating, positive_int, same_shape
from course_lib.noise import standard_normal

__all__ = ["GradientSamples", "pathwise", "score_function"]

BASELINES = ("leave-one-out", "optimal")


class GradientSamples(NamedTuple):
    """Un gradiente por muestra de z: respecto de la media, `mean`, y de log s, `log_std`: (S, M)."""

    mean: Tensor
    log_std: Tensor

    def estimate(self) -> tuple[Tensor, Tensor]:
        """La estimación, media de las S muestras: dos vectores (M,)."""
        return self.mean.mean(0), self.log_std.mean(0)

    def variance(self) -> tuple[Tensor, Tensor]:
        """Varianza de **una** muestra, por componente; la de la media es S veces menor."""
        return self.mean.var(0), self.log_std.var(0)

    def error(self) -> tuple[Tensor, Tensor]:
        """Error estándar de `estimate`, por componente."""
        return tuple((v / len(self.mean)).sqrt() for v in self.variance())


def pathwise(
    f: Callable[[Tensor], Tensor], mean: Tensor, log_std: Tensor, samples: int, generator=None
) -> GradientSamples:
    r"""Por trayectoria (reparametrización): con $z=m+s\varepsilon$ y $\varepsilon\sim\mathcal N(0,I)$,

    $$\nabla_mE[f]=E[f'(z)],\qquad\nabla_\ell E[f]=E[f'(z)\odot s\varepsilon].$$
    `f`: de (S, M) a (S,), derivable respecto de z, y cada valor solo depende de su fila; `mean` y
    `log_std`: (M,). ValueError si f no es derivable (un escalón, un índice): entonces solo queda
    `score_function`. Kingma y Welling (2014), § 2.4; Mohamed et al. (2020), § 5.
    """
    z, eps = _draw(mean, log_std, samples, generator)
    z.requires_grad_()
    with torch.enable_grad():
        values = _values(f, z)
        slope = None
        if values.requires_grad:
            (slope,) = torch.autograd.grad(values.sum(), z, allow_unused=True)
        if slope is None:
            raise ValueError(
                "f(z) no depende de z de forma derivable, y el estimador por trayectoria necesita "
                "f'(z). Conviene score_function, que solo usa los valores de f."
            )
    return GradientSamples(slope, slope * torch.exp(log_std.detach()) * eps)


def score_function(
    f: Callable[[Tensor], Tensor],
    mean: Tensor,
    log_std: Tensor,
    samples: int,
    generator=None,
    baseline: float | str | None = None,
) -> GradientSamples:
    r"""Por la función de puntaje (REINFORCE): $E\big[(f(z)-b)\,\nabla_\phi\log q_\phi(z)\big]$, con

    $$\nabla_m\log q=\varepsilon/s,\qquad\nabla_\ell\log q=\varepsilon^2-1.$$
    Solo usa los valores de f, que puede no ser derivable. Como $E[\nabla\log q]=0$, la línea base b
    no cambia la media y sí la varianza. `baseline`:

    - `None` (b = 0) o un número;
    - "leave-one-out": la media de f en las **otras** muestras;
    - "optimal": $b_j=E[f\,g_j^2]/E[g_j^2]$ con $g=\nabla\log q$, la constante de menor varianza de
      cada componente, estimada también con las otras muestras (con las propias habría sesgo).

    Argumentos y formas, como en `pathwise`. Williams (1992); Greensmith et al. (2004);
    Mohamed et al. (2020), § 4.
    """
    z, eps = _draw(mean, log_std, samples, generator)
    with torch.no_grad():
        values = _values(f, z)[:, None]
        scores = (eps / torch.exp(log_std), eps.square() - 1)
        parts = [(values - _baseline(baseline, values, g)) * g for g in scores]
    return GradientSamples(*parts)


def _baseline(baseline: float | str | None, values: Tensor, score: Tensor) -> Tensor | float:
    if baseline is None:
        return 0.0
    if isinstance(baseline, Real) and not isinstance(baseline, bool) and math.isfinite(baseline):
        return float(baseline)
    if baseline not in BASELINES:
        listed = ", ".join(map(repr, BASELINES))
        raise ValueError(f"baseline={baseline!r} no sirve: None, un número finito o {listed}.")
    if len(values) < 2:
        raise ValueError(f"baseline={baseline!r} necesita samples ≥ 2; se recibió {len(values)}.")
    weights = torch.ones_like(values) if baseline == "leave-one-out" else score.square()
    product = values * weights
    return (product.sum(0) - product) / (weights.sum(0) - weights)


def _draw(mean: Tensor, log_std: Tensor, samples: int, generator) -> tuple[Tensor, Tensor]:
    floating("mean", mean), same_shape("log_std", floating("log_std", log_std), "mean", mean)
    if mean.ndim != 1 or len(mean) == 0:
        raise ValueError(f"mean debe tener forma (M,) y tiene forma {tuple(mean.shape)}.")
    positive_int("samples", samples)
    mean, std = mean.detach(), torch.exp(log_std.detach())
    eps = standard_normal(mean.expand(samples, -1), generator)
    return mean + std * eps, eps


def _values(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    values = f(z)
    if not isinstance(values, Tensor) or values.shape != z.shape[:1]:
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(
            f"f debe dar un número por muestra, forma ({len(z)},), y dio {got}: ¿falta .sum(-1)?"
        )
    return values
