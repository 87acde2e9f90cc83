r"""Dinámica de Langevin: un paseo al azar, guiado por el score, que deja invariante a p.

La SDE $dx = \nabla\log p(x)\,dτ + \sqrt2\,dW$ tiene a p por distribución invariante; el
paso δ la discretiza.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.diffusion.integrators import SolverError, Trajectory
from course_lib.diffusion.predictions import schedule_of
from course_lib.diffusion.schedules import instants
from course_lib.errors import floating, in_range, positive_int, same_shape
from course_lib.noise import noise_source

__all__ = ["annealed", "langevin", "langevin_step", "step_size"]


def step_size(snr: float, sigma: Tensor | float) -> Tensor | float:
    r"""El paso de Langevin en el nivel de ruido σ: $δ = 2(\mathrm{snr}\cdotσ)^2$.

    La regla de Song et al. (2021b), alg. 4–5, con $\|z\|/\|\nabla\log p\|$ cambiado por su valor
    típico σ, para que una imagen no dependa de su lote.
    """
    return 2 * (snr * sigma) ** 2


def langevin_step(x: Tensor, score: Tensor, delta: Tensor, rng: Callable) -> Tensor:
    r"""Un paso: $x ← x + δ\,s(x) + \sqrt{2δ}\,z$; `score` es $s(x)$ y `rng(x)` da z."""
    return x + delta * score + (2 * delta).sqrt() * rng(x)


def langevin(
    score: Callable[[Tensor], Tensor],
    x: Tensor,
    step: float,
    n: int,
    generator: torch.Generator | int | None = None,
    keep: bool = False,
) -> Tensor:
    r"""`n` pasos de Langevin: $x ← x + δ\,s(x) + \sqrt{2δ}\,z$, con δ = `step`.

    `score(x) → s(x)`, de la forma de x. Devuelve el último estado o, con `keep`, el camino entero
    (n+1, *x.shape). Con δ > 0 la distribución invariante no es p: en $N(0,σ^2)$ su varianza
    es $σ^2/(1-δ/2σ^2)$, y si δ ≥ 2σ² no la hay. `SolverError`, con el tramo recorrido (de índices
    enteros), si el estado deja de ser finito. Roberts y Tweedie (1996), sec. 1.4; Song y Ermon
    (2019), ec. 4, donde δ se llama ε/2.
    """
    in_range("step", step, 0, float("inf"), open_low=True, open_high=True)
    walk = _Walk(x, noise_source(generator), keep)
    walk.run(score, torch.tensor(float(step), dtype=walk.x.dtype), positive_int("n", n))
    return walk.result


@torch.no_grad()
def annealed(
    denoiser,
    x: Tensor,
    times,
    per_level: int = 100,
    snr: float = 0.16,
    generator: torch.Generator | int | None = None,
    keep: bool = False,
    **cond,
) -> Tensor:
    r"""Langevin recocido: `per_level` pasos en cada instante de `times`, de más a menos ruido.

    En el nivel t el score es el de `denoiser` y el paso, $δ = 2(\mathrm{snr}\cdotσ_t)^2$, proporcional
    a $σ_t^2$. `times`: decreciente en [0, 1], con σ > 0 en todos; `x`: (B, …), con la distribución
    previa de `times[0]`. Devuelve el último estado o, con `keep`, el camino (niveles·per_level + 1, *x.shape).
    Song y Ermon (2019), alg. 1.
    """
    in_range("snr", snr, 0, 1, open_low=True), positive_int("per_level", per_level)
    times = instants("times", times, "decrecer")
    schedule, walk = schedule_of(denoiser), _Walk(x, noise_source(generator), keep)
    if schedule.sigma(times[-1]) == 0:
        raise ValueError(
            f"times termina en t={times[-1]:g}, donde σ = 0: no hay score ni paso de Langevin. "
            "Conviene parar antes, por ejemplo en 0.001."
        )
    for t in times:
        delta = step_size(snr, schedule.at(t, x)[1])
        walk.run(lambda y, t=t: denoiser(y, t, **cond).score, delta, per_level)
    return walk.result


class _Walk:
    """Un paseo de Langevin que puede cambiar de score y de paso sin perder el hilo."""

    def __init__(self, x: Tensor, rng: Callable, keep: bool):
        self.x, self.rng, self.keep, self.steps = floating("x", x).detach(), rng, keep, 0
        self.states = [self.x]

    def run(self, score: Callable, delta: Tensor, n: int) -> None:
        for _ in range(n):
            value = same_shape("score(x)", score(self.x), "x", self.x).detach()
            moved = langevin_step(self.x, value, delta.to(self.x), self.rng)
            if not torch.isfinite(moved).all():
                raise self._lost(delta.item())
            self.x, self.steps = moved, self.steps + 1
            if not self.keep:
                self.states.clear()
            self.states.append(moved)

    def _lost(self, delta: float) -> SolverError:
        first = self.steps + 1 - len(self.states)
        indices = [float(first + i) for i in range(len(self.states))]
        return SolverError(
            f"Langevin se paró en el paso {self.steps + 1}: el estado dejó de ser finito con "
            f"δ={delta:.3g}. El tramo recorrido está en error.trajectory. Conviene un paso menor que "
            "2σ², con σ la desviación de la componente más estrecha.",
            Trajectory(indices, self.states, self.steps),
        )

    @property
    def result(self) -> Tensor:
        return torch.stack(self.states) if self.keep else self.x
