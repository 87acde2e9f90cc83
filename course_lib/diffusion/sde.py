r"""Ecuaciones diferenciales estocásticas: el browniano, dos integradores y la SDE de un esquema.

Toda SDE es aquí $dx = a(x,t)\,dt + b(x,t)\,dW$ en el sentido de Itô, con un browniano dado de
antemano: el mismo camino sirve para comparar métodos, o pasos de distinto tamaño.
"""

import math
from collections.abc import Callable
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from course_lib.diffusion.integrators import SolverError, Trajectory, stopped
from course_lib.diffusion.predictions import check_schedule
from course_lib.diffusion.schedules import Schedule, double, instants
from course_lib.errors import choose, floating, same_shape, sizes
from course_lib.noise import noise_source
from course_lib.probability.covariance import double_like

__all__ = ["brownian", "euler_maruyama", "fitted_order", "milstein", "simulate", "transition"]

Coefficient = Callable[[Tensor, float], Tensor | float]
UNSTABLE = 10.0  # con h|f| mayor, un paso explícito multiplica el estado por 9 o más
BACKWARD_REMEDY = (
    "Conviene empezar después: steps=schedule.grid(n, t_max=0.99), dar más pasos o usar un método "
    "sin SDE como «ddim»."
)
FORWARD_REMEDY = "Conviene terminar antes (times hasta 0.99), dar más pasos o usar method='exact'."


# --- el movimiento browniano --------------------------------------------------------------------


def brownian(times, shape=(), generator: torch.Generator | int | None = None) -> Tensor:
    r"""Caminos de un movimiento browniano en los instantes dados: $W(t_0)=0$, (N+1, *shape).

    Los incrementos son independientes, $W(t_{k+1})-W(t_k)\sim N(0,|t_{k+1}-t_k|)$. `times`: (N+1,)
    estrictamente creciente o, para una SDE que se recorre hacia atrás, decreciente. Submuestrear a
    la vez `times[::k]` y `W[::k]` da el mismo camino con pasos mayores. Se calcula en float64 (con
    una semilla entera los normales nacen en float32). Con semilla entera, el camino i (primer eje
    de `shape`) no depende de cuántos se pidan, y su azar es otro que el de `sample` y `prior_sample`
    con esa semilla. Wiener (1923); Øksendal (2003), sec. 2.2.
    """
    times, shape = instants("times", times, None), sizes("shape", shape)
    rows = torch.empty(*(shape[:1] or (1,)), len(times) - 1, *shape[1:], dtype=torch.float64)
    z = noise_source(generator, stream=2)(rows).movedim(1, 0)  # una fila de azar por camino
    scale = times.diff().abs().sqrt().reshape(-1, *[1] * (z.ndim - 1))
    path = torch.cat([torch.zeros_like(z[:1]), (scale * z).cumsum(0)])
    return path.reshape(len(times), *shape)


# --- los integradores ---------------------------------------------------------------------------


def euler_maruyama(
    drift: Coefficient, diffusion: Coefficient, x0: Tensor, times, path: Tensor
) -> Tensor:
    r"""Euler–Maruyama: $x_{k+1} = x_k + a(x_k,t_k)\,Δt_k + b(x_k,t_k)\,ΔW_k$, (N+1, *x0.shape).

    `drift(x, t)` y `diffusion(x, t)` reciben el estado en float64 y t como número, y devuelven un
    escalar o un tensor que se difunde sobre x. `path`: (N+1, *x0.shape), de `brownian(times, …)`. Si
    `times` decrece, Δt < 0 y se integra hacia atrás, con ΔW de varianza |Δt|. Orden fuerte ½ (1 si
    b no depende de x) y débil 1. `SolverError`, con el tramo recorrido en `.trajectory`, si el
    estado deja de ser finito. Maruyama (1955); Kloeden y Platen (1992), sec. 10.2.
    """

    def step(x: Tensor, t: float, dt: float, dw: Tensor) -> Tensor:
        a, b = _fits("drift", drift(x, t), x), _fits("diffusion", diffusion(x, t), x)
        return x + a * dt + b * dw

    return _march("euler_maruyama", step, x0, times, path)


def milstein(drift: Coefficient, diffusion: Coefficient, x0: Tensor, times, path: Tensor) -> Tensor:
    r"""Milstein: a Euler–Maruyama le suma $\frac12\,b\,\partial_xb\,(ΔW^2-|Δt|)$. Orden fuerte 1.

    El ruido es por coordenada: $b_i$ depende solo de $x_i$ y de t, y $\partial_xb$ sale por
    autograd (o es 0 si b no depende de x). Lo demás, como en `euler_maruyama`. Milstein (1975);
    Kloeden y Platen (1992), ec. 10.3.1.
    """

    def step(x: Tensor, t: float, dt: float, dw: Tensor) -> Tensor:
        b, slope = _with_slope(diffusion, x, t)
        correction = b * slope * (dw**2 - abs(dt)) / 2
        return x + _fits("drift", drift(x, t), x) * dt + b * dw + correction

    return _march("milstein", step, x0, times, path)


def _march(method: str, step: Callable, x0: Tensor, times, path: Tensor) -> Tensor:
    """Recorre `times` con `step(x, t, Δt, ΔW)` y guarda todos los estados."""
    times, x = instants("times", times, None), floating("x0", x0).detach().to(double_like(x0))
    if floating("path", path).shape != (len(times), *x.shape):
        raise ValueError(
            f"path debe tener forma {(len(times), *x.shape)}, un valor por instante y coordenada "
            f"de x0, y tiene forma {tuple(path.shape)}: conviene brownian(times, x0.shape)."
        )
    trajectory = Trajectory([times[0].item()], [x])
    increments = path.to(x).diff(dim=0)
    for t, s, dw in zip(times[:-1].tolist(), times[1:].tolist(), increments, strict=True):
        x = step(x, t, s - t, dw)
        trajectory.evaluations += 1
        if not torch.isfinite(x).all():
            remedy = "Conviene dar más pasos: el paso explícito estalla si es demasiado largo."
            reason = "el estado dejó de ser finito"
            raise SolverError(stopped(s, reason, method, remedy), trajectory)
        trajectory.times.append(s)
        trajectory.states.append(x)
    return torch.stack(trajectory.states).to(x0.dtype)


def _fits(argument: str, value: Tensor | float, x: Tensor) -> Tensor:
    """El valor de un coeficiente, sin gradiente, si se difunde sobre x; si no, `ValueError`."""
    if not isinstance(value, (Tensor, Real)):
        raise TypeError(
            f"{argument}(x, t) debe devolver un número o un tensor; devolvió {type(value).__name__}."
        )
    value = torch.as_tensor(value, device=x.device).detach()
    if value.ndim and not _spreads(value, x):
        raise ValueError(
            f"{argument}(x, t) debe devolver un escalar o la forma de x, {tuple(x.shape)}; "
            f"devolvió la forma {tuple(value.shape)}."
        )
    return value


def _spreads(value: Tensor, x: Tensor) -> bool:
    pairs = zip(reversed(value.shape), reversed(x.shape), strict=False)
    return value.ndim <= x.ndim and all(mine in (1, other) for mine, other in pairs)


def _with_slope(diffusion: Coefficient, x: Tensor, t: float) -> tuple[Tensor, Tensor | float]:
    r"""$b(x,t)$ y $\partial b_i/\partial x_i$."""
    with torch.inference_mode(False), torch.enable_grad():  # también dentro de inference_mode
        place = x.detach().clone().requires_grad_()
        value = diffusion(place, t)
        b = _fits("diffusion", value, x)
        if not (isinstance(value, Tensor) and value.requires_grad):
            return b, 0.0
        (slope,) = torch.autograd.grad(value.sum(), place, allow_unused=True)
    return b, 0.0 if slope is None else slope


def fitted_order(steps, errors) -> float:
    r"""El orden p de un error $e\approx C\,h^p$: pendiente de $\log e$ contra $\log h$.

    `steps`: los tamaños de paso h; `errors`: el error de cada uno. Recta de mínimos cuadrados; con
    dos puntos, la que pasa por ambos. ValueError si no son positivos o no hay dos pasos distintos.
    """
    h, e = (double(value).detach().cpu().numpy() for value in (steps, errors))
    if h.ndim != 1 or h.shape != e.shape or len(set(h.tolist())) < 2:
        raise ValueError(
            "steps y errors deben ser listas de igual longitud con al menos dos pasos distintos; "
            f"se recibieron las formas {h.shape} y {e.shape}."
        )
    if not all(np.isfinite(v).all() and (v > 0).all() for v in (h, e)):
        raise ValueError(
            "steps y errors deben ser positivos y finitos para tomar logaritmos; se recibieron "
            f"{h.tolist()} y {e.tolist()}. Un error 0 no tiene orden."
        )
    x, y = np.log(h) - np.log(h).mean(), np.log(e)
    return float(x @ y / (x @ x))


# --- la SDE de un esquema -----------------------------------------------------------------------


def kernel(schedule: Schedule, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    r"""$(α_{t|s}, σ_{t|s}^2)$ de $x_t\mid x_s\sim N(α_{t|s}x_s, σ_{t|s}^2I)$: ver `transition`."""
    ratio = schedule.alpha(t) / schedule.alpha(s)
    return ratio, (schedule.sigma(t) ** 2 - ratio**2 * schedule.sigma(s) ** 2).clamp(min=0)


def transition(schedule: Schedule, s, t) -> tuple[Tensor, Tensor]:
    r"""La transición exacta hacia delante: $x_t\mid x_s\sim N(\mathrm{ratio}\,x_s,\mathrm{std}^2I)$.

    $\mathrm{ratio}=α_t/α_s$, $\mathrm{std}^2=σ_t^2-\mathrm{ratio}^2σ_s^2$; s < t en [0, 1], números o
    tensores de igual forma; devuelve dos tensores float64 con ella. Kingma et al. (2021), ap. A.1.
    """
    s, t = double(s), double(t)
    if s.ndim and t.ndim:
        same_shape("t", t, "s", s)
    if not ((s >= 0) & (s < t) & (t <= 1)).all():
        raise ValueError(
            f"s y t deben cumplir 0 ≤ s < t ≤ 1; se recibió s={_shown(s)} y t={_shown(t)}."
        )
    ratio, variance = kernel(check_schedule(schedule), s, t)
    return ratio, variance.sqrt()


def simulate(
    schedule: Schedule,
    x0: Tensor,
    times,
    method: str = "exact",
    generator: torch.Generator | int | None = None,
) -> Tensor:
    r"""Caminos de la SDE directa $dx=f(t)\,x\,dt+g(t)\,dW$ en `times`: (N+1, *x0.shape).

    `times`: creciente en [0, 1]; `x0`, el estado en `times[0]`. `method="exact"` encadena
    `transition`, sin error alguno en la distribución; `"euler_maruyama"` congela f y g en cada paso.
    Con el mismo `generator` los dos emplean los mismos normales $ΔW_k/\sqrt{Δt_k}$, de modo que se
    acercan camino a camino al afinar `times`. Se calcula en float64 y se devuelve el tipo de x0.
    `ValueError` si Euler–Maruyama toca un instante donde la SDE es singular (Flow en t = 1).
    """
    check_schedule(schedule), choose("method", method, ["exact", "euler_maruyama"])
    times = instants("times", times, "crecer")
    path = brownian(times, floating("x0", x0).shape, generator)
    if method == "euler_maruyama":
        table = _frozen(schedule, times)
        return euler_maruyama(
            lambda x, t: table[t][0] * x, lambda x, t: table[t][1], x0, times, path
        )
    states = [x0.detach().to(double_like(x0))]
    increments = path.diff(dim=0).to(states[0])
    ratio, std = transition(schedule, times[:-1], times[1:])
    scale = std / times.diff().sqrt()
    for r, d, dw in zip(ratio.tolist(), scale.tolist(), increments, strict=True):
        states.append(r * states[-1] + d * dw)
    return torch.stack(states).to(x0.dtype)


def coefficients(
    schedule: Schedule, t: float | Tensor, h: float, remedy: str = BACKWARD_REMEDY
) -> tuple[float, float]:
    r"""$(f, g^2)$ en t como números; `ValueError` si un paso `h` no resuelve la deriva."""
    f, g2 = (value.item() for value in schedule.drift_diffusion(t))
    if not h * abs(f) < UNSTABLE:
        raise ValueError(
            f"la SDE de {schedule!r} es singular, o casi, en t={float(t):g}: su deriva es f={f:.3g} "
            f"y el paso h={h:.3g} no la resuelve. {remedy}"
        )
    return f, g2


def _frozen(schedule: Schedule, times: Tensor) -> dict[float, tuple[float, float]]:
    """(f, g) en cada instante; el último no se usa, pero tampoco puede ser singular."""
    steps = times.diff().tolist()
    pairs = zip(times.tolist(), [*steps, steps[-1]], strict=True)
    values = {t: coefficients(schedule, t, h, FORWARD_REMEDY) for t, h in pairs}
    return {t: (f, math.sqrt(max(g2, 0.0))) for t, (f, g2) in values.items()}


def _shown(t: Tensor) -> str:
    return f"{t.item():g}" if t.ndim == 0 else f"[{t.min():g}, …, {t.max():g}]"
