r"""La log-verosimilitud exacta de un modelo de difusión, por su ODE de flujo de probabilidad.

Si $\dot x=v(x,t)$ lleva los datos al ruido, $\log p_0(x_0)=\log p_1(x_1)+\int_0^1\nabla\cdot v\,dt$
(Chen et al., 2018, teorema 1; Song et al., 2021b, ec. 39). El estado y la integral van en float64
(en MPS, que no lo conoce, en float32); la red se evalúa en el tipo de sus parámetros.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.diffusion.ddpm import DDPM
from course_lib.diffusion.divergence import MAX_EXACT_DIM, divergence, probes_for
from course_lib.diffusion.integrators import (
    ADAPTIVE,
    METHODS,
    SolverError,
    Trajectory,
    adaptive,
    fixed,
)
from course_lib.diffusion.predictions import noisy
from course_lib.diffusion.schedules import Schedule, double, instants
from course_lib.errors import choose, floating, in_range, positive_int
from course_lib.noise import noise_source
from course_lib.probability import discretized
from course_lib.probability.covariance import double_like

__all__ = ["SolverError", "Trajectory", "bits_per_dim", "flow", "log_prob"]

T_MIN = 1e-5  # donde σ(0) = 0 el score no existe en t = 0: se empieza aquí (una tabla, en 1/T)


def log_prob(
    denoiser,
    x0: Tensor,
    steps: int = 100,
    method: str = "heun",
    trace: str = "exact",
    generator: torch.Generator | int | None = None,
    *,
    t_min: float | None = None,
    spacing: str = "lambda",
    prior: Callable[[Tensor], Tensor] | None = None,
    probes: int = 1,
    max_exact_dim: int = MAX_EXACT_DIM,
    tolerance: float = 1e-6,
    max_evaluations: int = 10_000,
    **cond,
) -> Tensor:
    r"""$\log p_{t_{min}}(x_0)$ de cada dato en nats, (B,), con el azar de `generator` en la traza.

    - `method`: "heun" (orden 2) y "rk4" (orden 4) dan `steps` pasos desde `t_min` con el `spacing` de
      `Schedule.grid`, y con pocos pasos no avisan: conviene repetir con el doble. "rk45" y "dop853"
      son los adaptativos de SciPy, con `tolerance` relativa y absoluta y `max_evaluations` como
      tope (`steps` y `spacing` no se usan).
    - `trace`: "exact", D derivaciones por evaluación, o "hutchinson", `probes` derivaciones con
      signos al azar, los mismos en todo el camino; es insesgada.
    - `t_min`: donde se empieza; si no se dice, 0 cuando σ(0) > 0 y, como el score en σ = 0 no
      existe, 1e-5 cuando σ(0) = 0 (en una tabla, su primer paso, 1/T). Lo que se calcula es la
      densidad de los datos con el ruido de `t_min`. Una red no se entrena antes del primer
      instante que da `schedule.snap` (0.001 en un esquema continuo): conviene no empezar antes.
    - `prior`: $\log p_1$; si no se da, la del esquema, $N(0,\sigma_1^2I)$.

    El resultado tiene el tipo de `x0` y no se puede derivar (con el score exacto, su gradiente en
    `x0` es el propio score). Errores: `ValueError` si la traza exacta es demasiado cara (más de
    `max_exact_dim`) o t_min no sirve; `SolverError`, con el tramo recorrido, si el integrador no
    llega a t = 1.
    """
    x, velocity = _batch("x0", x0), _velocity(denoiser, cond)
    directions = probes_for(x, trace, probes, noise_source(generator), max_exact_dim)

    def rate(t: float, state: Tensor) -> Tensor:
        """Derivada de (x, ∫∇·v): el estado es (B, D + 1)."""
        place = state[:, :-1].view_as(x)
        value, div = divergence(lambda y: velocity(y, t), place, directions)
        return torch.cat([value.flatten(1), div[:, None]], 1)

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
    estados con la forma de `x`. `ValueError`, antes de empezar, si `times` no crece o decrece
    estrictamente o la velocidad no existe en uno de sus extremos; `SolverError` si el integrador no
    llega al final.
    """
    x, times, shape = _batch("x", x), instants("times", times, None), x.shape
    velocity = _velocity(denoiser, cond)

    def rate(t: float, state: Tensor) -> Tensor:
        with torch.no_grad():
            return velocity(state.view(shape), t).flatten(1)

    start, ends = x.flatten(1), (times[0].item(), times[-1].item())
    for end in ends:
        if not noisy(denoiser.schedule, end):
            rate(end, start)  # si ahí no hay velocidad, lo dice antes de recorrer nada
    if choose("method", method, METHODS) in ADAPTIVE:
        path = adaptive(rate, start, *ends, ADAPTIVE[method], tolerance, max_evaluations)
    else:
        path = fixed(rate, start, times, method)
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
    `log_prob`. `ValueError` si los píxeles no están en esos niveles.
    """
    if positive_int("levels", levels) < 2:
        raise ValueError(f"levels debe ser al menos 2, los niveles de cada píxel; es {levels}.")
    x, width = _batch("x0", x0), 2 / (levels - 1)
    discretized.check_quantised(x, levels)
    rng, total = noise_source(generator), 0.0
    for _ in range(positive_int("dequantisations", dequantisations)):
        uniform = torch.special.ndtr(rng(x0).to(x)) - 0.5
        nats = log_prob(denoiser, x + width * uniform, generator=rng, **options)
        total = total + discretized.bits_per_dim(nats, x[0].numel(), width)
    return (total / dequantisations).to(x0.dtype)


def _batch(argument: str, x: Tensor) -> Tensor:
    """Un lote (B, …) en la precisión de la integral y sin gradiente; si no lo es, `ValueError`."""
    if floating(argument, x).ndim < 2 or len(x) == 0:
        raise ValueError(
            f"{argument} debe tener forma (B, …), con B ≥ 1, y tiene forma {tuple(x.shape)}."
        )
    return x.detach().to(double_like(x))


def _velocity(denoiser, cond: dict) -> Callable[[Tensor, float], Tensor]:
    """La velocidad en el tipo de x, con la red evaluada en el de sus parámetros, si los tiene."""
    own = next((p.dtype for p in getattr(denoiser, "parameters", tuple)()), None)
    return lambda x, t: denoiser(x.to(own or x.dtype), t, **cond).velocity.to(x.dtype)


# --- la rejilla -----------------------------------------------------------------------------------


def start_time(schedule, t_min: float | None) -> float:
    """El instante de partida: 0 solo si allí queda ruido."""
    clean = schedule.sigma(double(0.0)).item() == 0
    earliest = 1 / schedule.T if isinstance(schedule, DDPM) else T_MIN
    if t_min is None:
        return earliest if clean else 0.0
    in_range("t_min", t_min, 0, 1, open_high=True)
    if clean and t_min == 0:
        raise ValueError(
            f"t_min=0: en {schedule!r} σ(0) = 0 y el score no existe allí. Conviene "
            f"t_min={earliest:g} o, con una red, el primer instante en que se entrenó."
        )
    return t_min


def upward(schedule, steps: int, spacing: str, t_min: float | None) -> Tensor:
    """`steps` pasos crecientes de `t_min` a 1: los de `Schedule.grid`, sin ir a nodos de una tabla."""
    first = start_time(schedule, t_min)
    return Schedule.grid(schedule, positive_int("steps", steps), spacing, t_min=first).flip(0)
