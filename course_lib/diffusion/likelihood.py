r"""La log-verosimilitud exacta de un modelo de difusión, por su ODE de flujo de probabilidad.

Si $\dot x=v(x,t)$ lleva los datos al ruido, $\log p_0(x_0)=\log p_1(x_1)+\int_0^1\nabla\cdot v\,dt$
(Chen et al., 2018, teorema 1; Song et al., 2021b, ec. 39). Todo se integra en float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral

import torch
from scipy.integrate import DOP853, RK45
from torch import Tensor

from course_lib.diffusion.divergence import MAX_EXACT_DIM, divergence, probes_for
from course_lib.errors import choose, floating, in_range, positive_int
from course_lib.noise import noise_source

__all__ = ["SolverError", "Trajectory", "bits_per_dim", "flow", "log_prob"]

T_MIN = 1e-5  # donde σ(0) = 0 el score no existe en t = 0: se empieza aquí
ADAPTIVE = {"rk45": RK45, "dop853": DOP853}
METHODS = ("heun", "rk4", *ADAPTIVE)

Field = Callable[[float, Tensor], Tensor]


@dataclass
class Trajectory:
    """Los instantes visitados, el estado en cada uno y cuántas veces se evaluó el campo."""

    times: list[float]
    states: list[Tensor]
    evaluations: int = 0
    problem: str = field(default="", repr=False)


class SolverError(RuntimeError):
    """El integrador no llegó al final: `trajectory` es el tramo recorrido."""

    def __init__(self, message: str, trajectory: Trajectory):
        super().__init__(message)
        self.trajectory = trajectory


def log_prob(
    denoiser,
    x0: Tensor,
    steps: int = 100,
    method: str = "heun",
    trace: str = "exact",
    generator: torch.Generator | int | None = None,
    *,
    t_min: float | None = None,
    spacing: str = "t",
    prior: Callable[[Tensor], Tensor] | None = None,
    probes: int = 1,
    max_exact_dim: int = MAX_EXACT_DIM,
    tolerance: float = 1e-6,
    max_evaluations: int = 10_000,
    **cond,
) -> Tensor:
    r"""$\log p_{t_{min}}(x_0)$ de cada dato en nats, (B,), con el azar de `generator` en la traza.

    - `method`: "heun" (orden 2) y "rk4" (orden 4) dan `steps` pasos por la rejilla del esquema, con
      su `spacing`; "rk45" y "dop853" son los adaptativos de SciPy, con `tolerance` relativa y
      absoluta y `max_evaluations` como tope (`steps` y `spacing` no se usan).
    - `trace`: "exact", D derivaciones por evaluación, o "hutchinson", `probes` derivaciones con
      signos al azar, los mismos en todo el camino; es insesgada.
    - `t_min`: donde se empieza; si no se dice, 0 cuando σ(0) > 0 y 1e-5 cuando σ(0) = 0, porque
      el score en σ = 0 no existe. Lo que se calcula es la densidad de los datos con el ruido de
      `t_min`.
    - `prior`: $\log p_1$; si no se da, la del esquema, $N(0,\sigma_1^2I)$.

    Errores: `ValueError` si la traza exacta es demasiado cara (más de `max_exact_dim`) o t_min no
    sirve; `SolverError`, con el tramo recorrido, si el integrador no llega a t = 1.
    """
    x = floating("x0", x0).double()
    rng = noise_source(generator)
    directions = probes_for(x, trace, probes, rng, max_exact_dim)

    def rate(t: float, state: Tensor) -> Tensor:
        """Derivada de (x, ∫∇·v): el estado es (B, D + 1)."""
        velocity, div = divergence(
            lambda y: denoiser(y, t, **cond).velocity, state[:, :-1].view_as(x), directions
        )
        return torch.cat([velocity.flatten(1), div[:, None]], 1)

    start = torch.cat([x.flatten(1), x.new_zeros(len(x), 1)], 1)
    schedule = denoiser.schedule
    if choose("method", method, METHODS) in ADAPTIVE:
        first = start_time(schedule, t_min)
        path = adaptive(rate, start, first, 1.0, ADAPTIVE[method], tolerance, max_evaluations)
    else:
        path = fixed(rate, start, upward(schedule, steps, spacing, t_min), method)
    x1, change = path.states[-1][:, :-1].view_as(x), path.states[-1][:, -1]
    return ((schedule.prior_log_prob if prior is None else prior)(x1) + change).to(x0.dtype)


def flow(
    denoiser,
    x: Tensor,
    times: Tensor,
    method: str = "heun",
    tolerance: float = 1e-6,
    max_evaluations: int = 10_000,
    **cond,
) -> Trajectory:
    r"""Recorre la ODE de flujo $\dot x=v(x,t)$ por `times`, hacia delante o hacia atrás.

    Con un método adaptativo solo cuentan los extremos de `times`. Devuelve una `Trajectory` de
    estados con la forma de `x`. `SolverError` si el integrador no llega al final.
    """
    shape = floating("x", x).shape

    def rate(t: float, state: Tensor) -> Tensor:
        with torch.no_grad():
            return denoiser(state.view(shape), t, **cond).velocity.flatten(1)

    start, ends = x.double().flatten(1), (times[0].item(), times[-1].item())
    if choose("method", method, METHODS) in ADAPTIVE:
        path = adaptive(rate, start, *ends, ADAPTIVE[method], tolerance, max_evaluations)
    else:
        path = fixed(rate, start, times.double(), method)
    path.states = [state.view(shape) for state in path.states]
    return path


def bits_per_dim(
    denoiser,
    x0: Tensor,
    dequantisations: int = 1,
    generator: torch.Generator | int | None = None,
    levels: int = 256,
    **options,
) -> Tensor:
    r"""Cota de los bits por dimensión de imágenes cuantizadas en [−1, 1], (B,).

    A cada píxel se le suma $u\sim U(-\tfrac\Delta2,\tfrac\Delta2)$ con $\Delta=2/(L-1)$; por Jensen,
    $\log P(x)\ge E_u[\log p(x+u)]+D\log\Delta$ (Theis et al., 2016, sec. 3.1). `options`, las de
    `log_prob`.
    """
    width = 2 / (positive_int("levels", levels) - 1)
    rng, dim, total = noise_source(generator), x0[0].numel(), 0.0
    for _ in range(positive_int("dequantisations", dequantisations)):
        uniform = torch.special.ndtr(rng(x0).double()) - 0.5
        nats = log_prob(denoiser, x0.double() + width * uniform, generator=rng, **options)
        total = total - (nats / dim + math.log(width)) / math.log(2)
    return total / dequantisations


# --- los integradores -----------------------------------------------------------------------------


def fixed(rate: Field, state: Tensor, times: Tensor, method: str) -> Trajectory:
    """Heun o Runge–Kutta clásico por una rejilla dada."""
    step = {"heun": heun_step, "rk4": rk4_step}[method]
    path = Trajectory([times[0].item()], [state])
    for t, s in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        state = step(rate, t, state, s - t)
        path.times.append(s)
        path.states.append(state)
        path.evaluations += 2 if method == "heun" else 4
        if not torch.isfinite(state).all():
            raise SolverError(_stopped(s, "el estado dejó de ser finito", method), path)
    return path


def heun_step(rate: Field, t: float, x: Tensor, h: float) -> Tensor:
    """Orden 2: la media de la pendiente en t y en el punto al que lleva Euler."""
    first = rate(t, x)
    return x + h * (first + rate(t + h, x + h * first)) / 2


def rk4_step(rate: Field, t: float, x: Tensor, h: float) -> Tensor:
    """Orden 4: Runge–Kutta clásico."""
    k1 = rate(t, x)
    k2 = rate(t + h / 2, x + h / 2 * k1)
    k3 = rate(t + h / 2, x + h / 2 * k2)
    k4 = rate(t + h, x + h * k3)
    return x + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6


def adaptive(
    rate: Field, state: Tensor, t: float, end: float, solver, tolerance: float, limit: int
) -> Trajectory:
    """Un integrador de SciPy, paso a paso: si no llega a `end`, dice dónde y qué recorrió."""
    in_range("tolerance", tolerance, 0, 1, open_low=True)
    positive_int("max_evaluations", limit)

    def flat(t: float, y):
        value = rate(float(t), torch.from_numpy(y).view(state.shape).to(state.device))
        return value.reshape(-1).cpu().numpy()

    path = Trajectory([t], [state])
    run = solver(flat, t, state.reshape(-1).cpu().numpy(), end, rtol=tolerance, atol=tolerance)
    name = solver.__name__
    while run.status == "running":
        if run.nfev >= limit:
            reason = f"agotó las {limit} evaluaciones (max_evaluations)"
            raise SolverError(_stopped(run.t, reason, name), path)
        run.step()
        if run.status == "failed":
            reason = "necesitaba un paso menor que la precisión de la máquina"
            raise SolverError(_stopped(run.t, reason, name), path)
        path.times.append(float(run.t))
        path.states.append(torch.from_numpy(run.y.copy()).view(state.shape).to(state.device))
        path.evaluations = run.nfev
    return path


def _stopped(t: float, reason: str, method: str) -> str:
    return (
        f"{method} se paró en t={t:.6g}: {reason}. El tramo recorrido está en error.trajectory. "
        "Conviene subir t_min, aflojar tolerance o dar más pasos."
    )


def start_time(schedule, t_min: float | None) -> float:
    """El instante de partida: 0 solo si allí queda ruido."""
    clean = schedule.sigma(torch.zeros((), dtype=torch.float64)).item() == 0
    if t_min is None:
        return T_MIN if clean else 0.0
    in_range("t_min", t_min, 0, 1, open_high=True)
    if clean and t_min == 0:
        raise ValueError(
            f"t_min=0: en {schedule!r} σ(0) = 0 y el score no existe allí. Conviene t_min={T_MIN:g}."
        )
    return t_min


def upward(schedule, steps: int, spacing: str, t_min: float | None) -> Tensor:
    """La rejilla del esquema en sentido creciente, desde `t_min`."""
    if not isinstance(steps, Integral):
        raise TypeError(f"steps debe ser un entero; se recibió {steps!r}.")
    first = start_time(schedule, t_min)
    grid = schedule.grid(positive_int("steps", steps), spacing).flip(0)
    inside = grid[grid > first]
    return torch.cat([torch.tensor([first], dtype=torch.float64), inside])
