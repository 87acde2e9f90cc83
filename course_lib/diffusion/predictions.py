r"""Lo que una red dice de $x_t$, en uno de sus cinco idiomas: ε, x_0, v, score, velocidad."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from course_lib.diffusion.schedules import Schedule, can_look, double, expand, times_for
from course_lib.errors import choose

KINDS = ("eps", "x0", "v", "score", "velocity")


@dataclass(frozen=True)
class Prediction:
    r"""La pareja $(\hat x_0, \hat ε)$ con $x_t = α_t\hat x_0 + σ_t\hat ε$, y lo que de ella sale.

    `x0` y `eps` tienen la forma de x_t; `t` es un número o (B,). `var_mix`, con valores en [0, 1],
    es la v de la varianza aprendida (Nichol y Dhariwal, 2021, ec. 15) o `None`.
    """

    x0: Tensor
    eps: Tensor
    t: Tensor
    schedule: Schedule
    var_mix: Tensor | None = None

    @classmethod
    def from_output(cls, kind: str, output: Tensor, x_t: Tensor, t, schedule: Schedule):
        r"""Despeja $(\hat x_0, \hat ε)$ de la salida de la red y de $x_t = α x_0 + σ ε$."""
        choose("kind", kind, KINDS)
        alpha, sigma = schedule.at(t, like=x_t)
        if kind == "score":
            kind, output = "eps", -sigma * output
        if kind == "eps":
            x0, eps = (x_t - sigma * output) / alpha, output
        elif kind == "x0":
            x0, eps = output, (x_t - alpha * output) / sigma
        else:  # v = α ε − σ x_0  y  velocidad = α̇ x_0 + σ̇ ε: otra ecuación lineal
            a, b = (-sigma, alpha) if kind == "v" else rates_at(schedule, t, x_t)
            determinant = alpha * b - sigma * a
            x0 = (b * x_t - sigma * output) / determinant
            eps = (alpha * output - a * x_t) / determinant
        return cls(x0, eps, t, schedule)

    @property
    def score(self) -> Tensor:
        r"""$\nabla\log p_t(x_t) = -\hat ε/σ_t$ (Song et al., 2021); `ValueError` donde σ_t = 0."""
        check_noise("el score", self.schedule, self.t)
        return -self.eps / self.schedule.at(self.t, like=self.eps)[1]

    @property
    def v(self) -> Tensor:
        r"""$v = α_t\hat ε - σ_t\hat x_0$ (Salimans y Ho, 2022, sec. 4)."""
        alpha, sigma = self.schedule.at(self.t, like=self.eps)
        return alpha * self.eps - sigma * self.x0

    @property
    def velocity(self) -> Tensor:
        r"""$\dot α_t\hat x_0 + \dot σ_t\hat ε$, el campo de la ODE (Lipman et al., 2023).

        `ValueError` donde σ_t = 0 si allí no existe: con $\dot σ$ infinita o un $\hat ε$ que sale
        de dividir entre σ.
        """
        alpha_rate, sigma_rate = rates_at(self.schedule, self.t, self.x0)
        velocity = alpha_rate * self.x0 + sigma_rate * self.eps
        if not (noisy(self.schedule, self.t) or torch.isfinite(velocity).all()):
            check_noise("la velocidad", self.schedule, self.t)
        return velocity

    def with_x0(self, x0: Tensor) -> "Prediction":
        r"""La predicción con otro $\hat x_0$ (recortado, guiado…) y el $\hat ε$ que le toca."""
        alpha, sigma = self.schedule.at(self.t, like=x0)
        x_t = alpha * self.x0 + sigma * self.eps
        return replace(self, x0=x0, eps=(x_t - alpha * x0) / sigma)

    def with_eps(self, eps: Tensor) -> "Prediction":
        r"""La predicción con otro $\hat ε$ y el $\hat x_0$ que le toca."""
        alpha, sigma = self.schedule.at(self.t, like=eps)
        return replace(self, x0=self.x0 + sigma / alpha * (self.eps - eps), eps=eps)


def rates_at(schedule: Schedule, t, like: Tensor) -> tuple[Tensor, Tensor]:
    """Las derivadas de α y σ en `t`, con formas que se difunden sobre `like`."""
    return tuple(expand(rate, like) for rate in schedule.rates(times_for(t, like)))


def check_schedule(schedule) -> Schedule:
    """Devuelve `schedule` si es un `Schedule`; si no, `TypeError`."""
    if isinstance(schedule, Schedule):
        return schedule
    received = type(schedule).__name__
    raise TypeError(f"schedule debe ser un Schedule, como VP(); se recibió {received}.")


def schedule_of(denoiser) -> Schedule:
    """El esquema de un eliminador de ruido; si no lo lleva, `TypeError` que dice cómo vestirlo."""
    if isinstance(schedule := getattr(denoiser, "schedule", None), Schedule):
        return schedule
    raise TypeError(
        f"denoiser debe ser un Denoiser o una guía; se recibió {type(denoiser).__name__}, que "
        "no tiene schedule. Una red suelta se viste con Denoiser(net, schedule, kind)."
    )


def noisy(schedule: Schedule, t: float | Tensor) -> bool:
    """Si σ(t) > 0 en todos los instantes, o mirarlo sale caro (`can_look`)."""
    t = double(t)
    return not can_look(t) or bool((schedule.sigma(t) > 0).all())


def check_noise(what: str, schedule: Schedule, t: float | Tensor) -> None:
    """`ValueError` si se pide `what`, que divide entre σ(t), donde σ(t) = 0."""
    if not noisy(schedule, t):
        t = double(t)
        clean = schedule.sigma(t) == 0
        raise ValueError(
            f"{what} no existe en t={t[clean].max():g}: {schedule!r} tiene ahí σ = 0 y habría que "
            "dividir entre 0. Conviene un t mayor, por ejemplo 0.001."
        )


def check_same_law(what: str, theirs: Schedule, schedule: Schedule, t: float | Tensor) -> None:
    """`ValueError` si el esquema de `what` no da en `t` los mismos α y σ que `schedule`."""
    t = double(t)
    laws = ((theirs.alpha, schedule.alpha), (theirs.sigma, schedule.sigma))
    if can_look(t) and not all(torch.allclose(a(t), b(t), rtol=1e-6, atol=0) for a, b in laws):
        raise ValueError(
            f"{what} es de otro esquema: tiene {theirs!r} y el Denoiser que se entrena, "
            f"{schedule!r}. Conviene crear los dos con el mismo."
        )


def check_terminal_snr(kind: str, schedule: Schedule, t: float) -> None:
    r"""`ValueError` si se pide $\hat x_0$ a una red de ε o de score donde α(t) = 0."""
    if kind in ("eps", "score") and schedule.alpha(t).item() == 0:
        raise ValueError(
            f'con kind="{kind}" no se puede despejar x_0 en t={t:g}: {schedule!r} llega ahí a '
            'α = 0 (SNR nula). Conviene kind="v", "x0" o "velocity", o una rejilla con t_max < 1.'
        )
