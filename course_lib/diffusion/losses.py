r"""Las pérdidas: cada una es una función `(denoiser, x0, t, eps, …, **cond) → (B,)`.

Los pesos se escriben una sola vez, sobre $\|x_0-\hat x_0\|^2$; los demás se deducen de que, con
x_t fijo, $α\,Δx_0 + σ\,Δε = 0$. Las que ajustan el score viven en `score_matching.py` y la de EDM, en
`preconditioning.py`; aquí se encuentran todas.
"""

import inspect
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.diffusion.preconditioning import edm
from course_lib.diffusion.predictions import Prediction, schedule_of
from course_lib.diffusion.schedules import Schedule, double
from course_lib.diffusion.score_matching import dsm, esm, ism, sliced
from course_lib.diffusion.times import Uniform
from course_lib.diffusion.vlb import term
from course_lib.errors import choose, floating, in_range
from course_lib.noise import standard_normal

__all__ = ["Objective", "dsm", "edm", "esm", "hybrid", "ism", "simple", "sliced", "vlb"]

MIN_SNR_GAMMA = 5.0  # Hang et al. (2023), sec. 3.4


def scale_of(kind: str, schedule: Schedule, t: Tensor) -> Tensor:
    r"""El factor $a(t)$ con $\|Δ_{kind}\| = a(t)\,\|Δx_0\|$ a x_t fijo, en float64."""
    alpha, sigma = schedule.alpha(double(t)), schedule.sigma(double(t))
    if kind == "x0":
        return torch.ones_like(alpha)
    if kind == "eps":
        return alpha / sigma
    if kind == "score":
        return alpha / sigma**2
    if kind == "v":
        return (alpha**2 + sigma**2) / sigma
    alpha_rate, sigma_rate = schedule.rates(t)
    return (alpha * sigma_rate - sigma * alpha_rate) / sigma


WEIGHTS: dict[str, Callable[[Schedule, Tensor], Tensor]] = {
    kind: (lambda schedule, t, kind=kind: scale_of(kind, schedule, t) ** 2)
    for kind in ("eps", "x0", "v", "score", "velocity")
}
WEIGHTS["min_snr"] = lambda schedule, t: torch.clamp(
    scale_of("eps", schedule, t) ** 2, max=MIN_SNR_GAMMA
)


def simple(denoiser, x0: Tensor, t: Tensor, eps: Tensor, weight: str = "eps", **cond) -> Tensor:
    r"""$w(t)\,\|x_0-\hat x_0\|^2$, media sobre los píxeles: (B,).

    `weight="eps"` es $L_{simple} = \|ε-\hat ε\|^2$ (Ho et al., 2020, ec. 14); "x0", "v", "score" y
    "velocity" ponen peso 1 sobre esa magnitud; "min_snr" es $\min(\mathrm{SNR}, 5)$ sobre x_0
    (Hang et al., 2023). Se compara lo que la red predice, para no dividir por α cerca del ruido.
    """
    choose("weight", weight, WEIGHTS)
    prediction = denoiser(schedule_of(denoiser).perturb(x0, t, eps), t, **cond)
    return squared_error(denoiser, prediction, x0, t, eps, weight)


def squared_error(denoiser, prediction: Prediction, x0, t, eps, weight: str) -> Tensor:
    """El error cuadrático medio de la magnitud que la red predice, con el peso pedido: (B,)."""
    exact = Prediction(x0, eps, prediction.t, denoiser.schedule)
    kind = denoiser.kind
    error = (getattr(prediction, kind) - getattr(exact, kind)).square().flatten(1).mean(1)
    if weight == kind:
        return error
    w = WEIGHTS[weight](denoiser.schedule, t) / scale_of(kind, denoiser.schedule, t) ** 2
    return w.to(error) * error


def vlb(denoiser, x0: Tensor, t: Tensor, eps: Tensor, variance: str = "small", **cond) -> Tensor:
    r"""$T\,L_{k-1}$ en nats por píxel, con $k = tT$: su media sobre k uniforme es $\sum_k L_{k-1}$.

    Con k = 1 es el término del decodificador. Fuente: Ho et al. (2020), ec. 5.
    """
    bound = term(denoiser, x0, t, eps, variance, **cond)
    return denoiser.schedule.T * bound / x0[0].numel()


def hybrid(denoiser, x0, t, eps, weight: str = "eps", vlb_weight: float = 1e-3, **cond) -> Tensor:
    r"""$L_{hybrid} = L_{simple} + λL_{vlb}$; el segundo solo enseña la varianza.

    La media entra en $L_{vlb}$ sin gradiente. Fuente: Nichol y Dhariwal (2021), ec. 16, con su
    λ = 0.001 y $L_{vlb}$ en nats por píxel.
    """
    choose("weight", weight, WEIGHTS)
    in_range("vlb_weight", vlb_weight, 0, 1e6)
    prediction = denoiser(schedule_of(denoiser).perturb(x0, t, eps), t, **cond)
    error = squared_error(denoiser, prediction, x0, t, eps, weight)
    bound = term(denoiser, x0, t, eps, "learned", prediction=prediction, detach_mean=True)
    return error + vlb_weight * denoiser.schedule.T * bound / x0[0].numel()


class Objective:
    r"""La pérdida que recibe el `Trainer`: sortea t y ε, olvida clases y promedia el lote.

    `loss`: una de las funciones de este módulo; `times`: un sorteo de `times.py`; `label_drop`:
    probabilidad de cambiar la clase de cada ejemplo por la nula `null_class` (Ho y Salimans, 2022,
    alg. 1); `options`: las opciones de `loss`. El lote es x0 o (x0, y). El azar de `sliced` sale
    del mismo generador que t y ε.
    """

    def __init__(self, loss=simple, times=None, label_drop=0.0, null_class=None, **options):
        self.loss, self.times = loss, times or Uniform()
        self.options = check_options(loss, options)
        self.draws = "generator" in set(option_names(loss)) - set(options)
        self.label_drop = in_range("label_drop", label_drop, 0, 1)
        self.null_class = null_class
        if label_drop > 0 and null_class is None:
            raise ValueError("label_drop > 0 necesita null_class (el num_classes de la red).")

    def _check_labels(self, denoiser, y: Tensor | None) -> None:
        if self.label_drop == 0:
            return
        if y is None:
            raise ValueError(f"label_drop={self.label_drop} necesita clases: el lote es (x0, y).")
        classes = getattr(getattr(denoiser, "net", None), "num_classes", self.null_class)
        if classes != self.null_class:
            raise ValueError(
                f"null_class={self.null_class} no es la clase nula de esta red, que tiene "
                f"num_classes={classes}: conviene null_class={classes}."
            )

    def __call__(self, denoiser, batch, generator=None) -> Tensor:
        x0, y = batch if isinstance(batch, (tuple, list)) else (batch, None)
        check_images(x0)
        self._check_labels(denoiser, y)
        t, importance = self.times(denoiser.schedule, len(x0), generator)
        eps = standard_normal(x0, generator)
        cond = {}
        if y is not None:
            dropped = torch.rand(len(y), generator=generator) < self.label_drop
            cond["y"] = torch.where(dropped.to(y.device), self.null_class or 0, y)
        if self.draws:
            cond["generator"] = generator
        losses = self.loss(denoiser, x0, t, eps, **self.options, **cond)  # t, siempre en la CPU
        self.times.update(denoiser.schedule, t, losses)
        return (importance.to(losses) * losses).mean()


def check_options(loss: Callable, options: dict) -> dict:
    """Devuelve `options` si `loss` las nombra entre sus parámetros; si no, `ValueError`."""
    valid = option_names(loss)
    for option in options:
        if option not in valid:
            name = getattr(loss, "__name__", repr(loss))
            listed = ", ".join(valid) or "ninguna"
            raise ValueError(f"la pérdida {name} no tiene la opción {option!r}; tiene: {listed}.")
    return options


def option_names(loss: Callable) -> list[str]:
    """Los parámetros de `loss` que siguen a (denoiser, x0, t, eps)."""
    parameters = list(inspect.signature(loss).parameters.values())[4:]
    return [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]


def check_images(x0: Tensor) -> None:
    """Comprueba que los datos sean finitos y avisa si parecen imágenes en [0, 255]."""
    floating("x0", x0)
    if x0.ndim == 4 and x0.abs().amax() > 10:
        warnings.warn(
            f"x0 llega a {x0.abs().amax().item():.0f}: parecen imágenes en [0, 255] y se esperan "
            "en [-1, 1]. Se convierten con course_lib.data.images.to_model(...).",
            stacklevel=3,
        )
