r"""Las cuatro pérdidas que ajustan el score: la explícita y tres que no necesitan el score exacto.

Todas llevan el mismo factor, $\frac{λ(t)}{2}\|s_θ-\nabla\log p_t\|^2$ en media, más una constante
que no depende de θ: por eso tienen el mismo gradiente y el mismo mínimo. El score se evalúa en
$x_t = α_tx_0+σ_tε$ y las sumas corren sobre los píxeles.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.diffusion.divergence import MAX_EXACT_DIM, check_trace_cost, divergence, probes_for
from course_lib.diffusion.predictions import check_noise, check_same_law, schedule_of
from course_lib.diffusion.schedules import Schedule, can_look, unit_times
from course_lib.errors import choose
from course_lib.noise import noise_source

__all__ = ["LAMBDAS", "dsm", "esm", "ism", "lambda_weight", "sliced"]

LAMBDAS: dict[str, Callable[[Schedule, Tensor], Tensor]] = {
    "sigma2": lambda schedule, t: schedule.sigma(t) ** 2,
    "g2": lambda schedule, t: schedule.drift_diffusion(t)[1],
    "uniform": lambda schedule, t: torch.ones_like(t),
}


def lambda_weight(schedule: Schedule, t: float | Tensor, weight: str = "sigma2") -> Tensor:
    r"""El peso λ(t) del ajuste del score, en float64 y con la forma de `t`.

    `weight`: "sigma2" (λ = σ²), "g2" (λ = g², el de verosimilitud: con él la pérdida acota la KL;
    en VP es β(t)) o "uniform" (λ = 1). `ValueError` donde g² es infinito (α = 0).
    Fuente: Song et al. (2021c), teorema 1.
    """
    choose("weight", weight, LAMBDAS)
    t = unit_times(t)
    values = LAMBDAS[weight](schedule, t)
    if can_look(t) and not torch.isfinite(values).all():
        raise ValueError(
            f'weight="{weight}" no es finito en t={t[~torch.isfinite(values)].max():g}: '
            f"{schedule!r} llega ahí a α = 0 y la SDE es singular. Conviene un t menor, como 0.999, "
            'o weight="sigma2".'
        )
    return values


def esm(
    denoiser, x0: Tensor, t: Tensor, eps: Tensor, exact=None, weight: str = "sigma2", **cond
) -> Tensor:
    r"""*Explicit score matching*: $\frac{λ(t)}{2}\|s_θ(x_t,t) - \nabla\log p_t(x_t)\|^2$, (B,).

    `exact`: el `Denoiser` que da el score verdadero, con el mismo esquema; no recibe gradiente ni
    `cond`. Solo se puede calcular cuando la distribución de los datos se conoce. `weight`, el
    de `lambda_weight`. Fuentes: Hyvärinen (2005), ec. 2; Vincent (2011), sec. 2.
    """
    schedule = schedule_of(denoiser)
    check_exact(exact, schedule, t)
    x_t = schedule.perturb(x0, t, eps)
    with torch.no_grad():
        target = exact(x_t, t).score
    error = half_square(denoiser(x_t, t, **cond).score - target)
    return lambda_weight(schedule, t, weight).to(error) * error


def dsm(denoiser, x0: Tensor, t: Tensor, eps: Tensor, weight: str = "sigma2", **cond) -> Tensor:
    r"""*Denoising score matching*: $\frac{λ(t)}{2}\|s_θ(x_t,t) + ε/σ_t\|^2$, suma sobre píxeles.

    El blanco $-ε/σ_t$ es el score de $x_t$ dado $x_0$, y su media dado $x_t$ es el de $p_t$.
    `weight`, el de `lambda_weight`. Fuentes: Vincent (2011), ec. 11; Song et al. (2021b), ec. 7.
    """
    schedule = schedule_of(denoiser)
    check_noise("el score de x_t dado x_0", schedule, t)
    x_t = schedule.perturb(x0, t, eps)
    target = -eps / schedule.at(t, like=x0)[1]
    error = half_square(denoiser(x_t, t, **cond).score - target)
    return lambda_weight(schedule, t, weight).to(error) * error


def ism(
    denoiser,
    x0: Tensor,
    t: Tensor,
    eps: Tensor,
    weight: str = "sigma2",
    max_exact_dim: int = MAX_EXACT_DIM,
    **cond,
) -> Tensor:
    r"""*Implicit score matching*: $λ(t)\,(\frac12\|s_θ\|^2 + \nabla\cdot s_θ)$ en x_t, (B,).

    La divergencia es exacta: D derivaciones por lote. Sale de ESM integrando por partes, y vale si
    $p_ts_θ$ se anula en el infinito. Se puede derivar respecto de θ y ser negativa. `weight`, el de
    `lambda_weight`. `ValueError` si D pasa de `max_exact_dim`. Fuente: Hyvärinen (2005), teorema 1.
    """
    x_t = schedule_of(denoiser).perturb(x0, t, eps)
    cheap = "losses.sliced, que la estima sin sesgo con una derivación por corte"
    check_trace_cost("ism", x_t, max_exact_dim, cheap)
    score, div = score_and_divergence(denoiser, x_t, t, None, cond)
    loss = half_square(score) + div
    return lambda_weight(denoiser.schedule, t, weight).to(loss) * loss


def sliced(
    denoiser,
    x0: Tensor,
    t: Tensor,
    eps: Tensor,
    weight: str = "sigma2",
    probes: int = 1,
    reduced: bool = True,
    generator: torch.Generator | int | None = None,
    **cond,
) -> Tensor:
    r"""*Sliced score matching*: ISM vista por cortes v al azar, con $E[vv^\top]=I$, (B,).

    Con `reduced`, $λ(t)\,(\frac12\|s_θ\|^2 + \frac1K\sum_k v_k^\top\nabla s_θ\,v_k)$, la versión de
    varianza reducida; sin ella, el primer término es $\frac1{2K}\sum_k(v_k^\top s_θ)^2$. Las dos son
    insesgadas para ISM. `probes`: los K cortes de cada ejemplo, de signos ±1 al azar (`generator`;
    con una semilla entera se repiten en cada llamada); cada uno cuesta una derivación, sea cual sea
    D. `weight`, el de `lambda_weight`.
    Fuente: Song et al. (2019), sec. 3.
    """
    x_t = schedule_of(denoiser).perturb(x0, t, eps)
    cuts = probes_for(x_t, "hutchinson", probes, noise_source(generator, stream=1), 0)
    score, div = score_and_divergence(denoiser, x_t, t, cuts, cond)
    square = half_square(score)
    if not reduced:
        square = (cuts * score).flatten(2).sum(2).square().mean(0) / 2
    loss = square + div
    return lambda_weight(denoiser.schedule, t, weight).to(loss) * loss


def score_and_divergence(denoiser, x_t: Tensor, t, probes: Tensor | None, cond: dict):
    """$s_θ$ y su divergencia en x_t: derivables respecto de θ si se está registrando el gradiente."""
    graph = torch.is_grad_enabled()
    return divergence(lambda x: denoiser(x, t, **cond).score, x_t, probes, create_graph=graph)


def half_square(x: Tensor) -> Tensor:
    r"""$\frac12\|x\|^2$ de cada ejemplo, suma sobre los píxeles: (B,)."""
    return x.square().flatten(1).sum(1) / 2


def check_exact(exact, schedule: Schedule, t) -> None:
    """`exact` es un eliminador de ruido y su esquema da en `t` los mismos α y σ que el de la red."""
    theirs = getattr(exact, "schedule", None)
    if not (callable(exact) and isinstance(theirs, Schedule)):
        raise TypeError(
            f"exact debe ser el Denoiser del score exacto; se recibió {type(exact).__name__}. El de "
            "una mezcla es mezcla.denoiser(esquema)."
        )
    check_same_law("exact", theirs, schedule, t)
