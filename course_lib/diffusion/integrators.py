r"""Integradores de $\dot x=v(x,t)$: de paso fijo, y los adaptativos de SciPy paso a paso."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.integrate import DOP853, RK45
from torch import Tensor

from course_lib.errors import in_range, positive_int

__all__ = ["ADAPTIVE", "METHODS", "SolverError", "Trajectory", "adaptive", "fixed"]

FINEST = 1e-13  # la menor tolerancia relativa que admite SciPy, con un margen
ADAPTIVE = {"rk45": RK45, "dop853": DOP853}
METHODS = ("heun", "rk4", *ADAPTIVE)
AWAY = "Conviene no llegar tan cerca de t = 0 (t_min o times)"

Field = Callable[[float, Tensor], Tensor]


@dataclass
class Trajectory:
    """Los instantes visitados, el estado en cada uno y cuántas veces se evaluó el campo."""

    times: list[float]
    states: list[Tensor]
    evaluations: int = 0


class SolverError(RuntimeError):
    """El integrador no llegó al final: `trajectory` es el tramo recorrido."""

    def __init__(self, message: str, trajectory: Trajectory):
        super().__init__(message)
        self.trajectory = trajectory


def fixed(rate: Field, state: Tensor, times: Tensor, method: str) -> Trajectory:
    """Heun o Runge–Kutta clásico por una rejilla dada."""
    step = {"heun": heun_step, "rk4": rk4_step}[method]
    path = Trajectory([times[0].item()], [state])
    for t, s in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        state = step(rate, t, state, s - t)
        path.evaluations += 2 if method == "heun" else 4
        if not torch.isfinite(state).all():
            raise SolverError(
                stopped(s, "el estado dejó de ser finito", method, f"{AWAY} o dar más pasos."), path
            )
        path.times.append(s)
        path.states.append(state)
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
        if not math.isfinite(t):  # con una pendiente NaN, SciPy no sabe qué paso dar
            reason = "el campo no es finito"
            raise SolverError(stopped(path.times[0], reason, name, f"{AWAY}."), path)
        value = rate(float(t), torch.from_numpy(y).view(state.shape).to(state))
        return value.reshape(-1).cpu().numpy()

    path, name, relative = Trajectory([t], [state]), solver.__name__, max(tolerance, FINEST)
    run = solver(flat, t, state.reshape(-1).cpu().numpy(), end, rtol=relative, atol=tolerance)
    while run.status == "running":
        if run.nfev >= limit:
            reason = f"agotó las {limit} evaluaciones (max_evaluations)"
            raise SolverError(
                stopped(run.t, reason, name, f"{AWAY} o subir max_evaluations."), path
            )
        run.step()
        if run.status == "failed":
            reason = "necesitaba un paso menor que la precisión de la máquina"
            raise SolverError(stopped(run.t, reason, name, f"{AWAY} o aflojar tolerance."), path)
        path.times.append(float(run.t))
        path.states.append(torch.from_numpy(run.y.copy()).view(state.shape).to(state))
        path.evaluations = run.nfev
    return path


def stopped(t: float, reason: str, method: str, remedy: str) -> str:
    """El mensaje de un `SolverError`: dónde se paró, por qué y qué conviene hacer."""
    return (
        f"{method} se paró en t={t:.6g}: {reason}. El tramo recorrido está en error.trajectory. "
        f"{remedy}"
    )
