r"""Lo que el juego calcula, de forma exacta: el discriminador óptimo, V(G, D) y la JSD.

$\pi$ es la ley de los datos y $\mu$ la del generador; las dos llevan `log_prob` en nats. El
discriminador se da por su logit, una función de (N, D) a (N,) o (N, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from course_lib.evaluation import evaluating
from course_lib.probability.divergences import Estimate, integrated_js

__all__ = [
    "Ratio",
    "integrated_js_bound",
    "integrated_value",
    "optimal_discriminator",
    "optimal_logit",
    "optimal_value",
    "sampled_js_bound",
    "sampled_value",
]

Logit = Callable[[Tensor], Tensor]


def optimal_logit(data, model, x: Tensor) -> Tensor:
    r"""$s^*(x)=\log\pi(x)-\log\mu(x)$: el cociente de densidades, que es el logit de $D^*$.

    `data`, `model`: leyes con `log_prob`; `x`: (..., D), resultado (...). Donde las dos densidades
    son 0 no está definido y da NaN. Sale de la proposición 1 de Goodfellow et al. (2014).
    """
    for name, law in (("data", data), ("model", model)):
        if not hasattr(law, "log_prob"):
            raise TypeError(
                f"{name} debe tener un método log_prob; se recibió {type(law).__name__}. Si la "
                "densidad no se conoce, el cociente se estima entrenando un discriminador."
            )
    return data.log_prob(x) - model.log_prob(x)


def optimal_discriminator(data, model, x: Tensor) -> Tensor:
    r"""$D^*(x)=\frac{\pi(x)}{\pi(x)+\mu(x)}$, la probabilidad de que x sea un dato y no una muestra.

    Se calcula como $\sigma(s^*)$, que no divide 0 entre 0 en las colas. Argumentos de
    `optimal_logit`. Goodfellow et al. (2014), proposición 1.
    """
    return optimal_logit(data, model, x).sigmoid()


class Ratio:
    """El logit óptimo como función de x, para usarlo donde iría un discriminador entrenado."""

    def __init__(self, data, model) -> None:
        self.data, self.model = data, model

    def __call__(self, x: Tensor) -> Tensor:
        return optimal_logit(self.data, self.model, x)


# --- el valor del juego --------------------------------------------------------------------------


def integrated_value(logit: Logit, data, model, grid: Tensor) -> float:
    r"""$V(G,D)=\int\pi\log D\,\mathrm dx+\int\mu\log(1-D)\,\mathrm dx$ en nats, por el trapecio.

    `data`, `model`: leyes 1-D con `log_prob`; `grid`: (N,) creciente que cubra las dos; `logit`:
    función de (N, 1) a N números. ValueError si alguna no integra 1 en `grid` (tolerancia 0.01).
    Goodfellow et al. (2014), ec. 1.
    """
    optimal_value(data, model, grid)  # comprueba las leyes y la cuadrícula
    x = torch.as_tensor(grid)[:, None]
    x = x if x.dtype == torch.float64 else x.double()
    s = _evaluate(logit, x).to(x)
    total = _weighted(data.log_prob(x), logsigmoid(s)) + _weighted(
        model.log_prob(x), logsigmoid(-s)
    )
    return torch.trapezoid(total, x[:, 0]).item()


def optimal_value(data, model, grid: Tensor) -> float:
    r"""$\max_D V(G,D)=2\,\mathrm{JSD}(\pi,\mu)-\log4$ en nats: 0 como mucho, $-\log4$ si coinciden.

    La JSD exacta es `probability.divergences.integrated_js`, con sus argumentos y sus errores.
    Goodfellow et al. (2014), teorema 1.
    """
    return 2 * integrated_js(data, model, grid) - math.log(4)


def sampled_value(logit: Logit, x_data: Tensor, x_model: Tensor) -> Estimate:
    r"""$V\approx\overline{\log D(x_n)}+\overline{\log(1-D(x'_m))}$ con $x_n\sim\pi$, $x'_m\sim\mu$.

    `x_data` (N, ...) y `x_model` (M, ...), con N, M ≥ 2. Devuelve `Estimate(value, error)` en nats;
    los errores estándar de las dos medias se suman en cuadratura.
    """
    for name, x in (("x_data", x_data), ("x_model", x_model)):
        if len(x) < 2:
            raise ValueError(f"{name} debe tener al menos 2 muestras y tiene {len(x)}.")
    real = logsigmoid(_evaluate(logit, x_data).double())
    fake = logsigmoid(-_evaluate(logit, x_model).double())
    error = math.sqrt((real.var() / len(real) + fake.var() / len(fake)).item())
    return Estimate((real.mean() + fake.mean()).item(), error)


# --- la cota de la JSD ---------------------------------------------------------------------------


def sampled_js_bound(logit: Logit, x_data: Tensor, x_model: Tensor) -> Estimate:
    r"""$\tfrac12\big(V(G,D)+\log4\big)\le\mathrm{JSD}(\pi,\mu)$, con igualdad si $D=D^*$.

    La cota vale si las muestras no son las del entrenamiento: sobre esas, un discriminador que las
    memoriza da más que la JSD. Puede salir negativa. Argumentos de `sampled_value`.
    Se despeja del teorema 1 de Goodfellow et al. (2014).
    """
    value, error = sampled_value(logit, x_data, x_model)
    return Estimate((value + math.log(4)) / 2, error / 2)


def integrated_js_bound(logit: Logit, data, model, grid: Tensor) -> float:
    r"""La misma cota sin ruido de muestreo, $\tfrac12(V+\log4)$, con V por cuadratura.

    Argumentos y errores de `integrated_value`.
    """
    return (integrated_value(logit, data, model, grid) + math.log(4)) / 2


def _weighted(log_p: Tensor, value: Tensor) -> Tensor:
    """p · value, que vale 0 donde p = 0."""
    p = log_p.exp()
    return torch.where(p > 0, p * value, 0.0)


def _evaluate(logit: Logit, x: Tensor) -> Tensor:
    """Los logits de x como (N,), sin gradiente y sin alterar el módulo (modo evaluación)."""
    quiet = torch.no_grad()
    if isinstance(logit, torch.nn.Module):
        x = x.to(next(logit.parameters(), x))  # el tipo y el dispositivo de la red
        quiet = evaluating(logit)
    with quiet:
        s = logit(x)
    if s.numel() != len(x):
        raise ValueError(
            f"logit debe dar un número por punto, forma ({len(x)},) o ({len(x)}, 1), "
            f"y da forma {tuple(s.shape)}."
        )
    return s.reshape(len(x)).cpu()
