"""El único bucle de muestreo: recorre la rejilla y da un paso entre cada dos instantes."""

import inspect
from collections.abc import Callable
from numbers import Integral

import torch
from torch import Tensor

from course_lib.diffusion.predictions import schedule_of
from course_lib.diffusion.samplers import METHODS
from course_lib.diffusion.schedules import instants
from course_lib.errors import choose, floating, positive_int
from course_lib.noise import noise_source


@torch.no_grad()
def sample(
    denoiser,
    x_T: Tensor,
    steps: int | Tensor = 50,
    method: str | Callable = "ddim",
    spacing: str | None = None,
    generator: torch.Generator | int | None = None,
    callback: Callable | None = None,
    y: Tensor | None = None,
    **options,
) -> Tensor:
    r"""Lleva `x_T`, de forma (B, …) y distribución $N(0, σ_1^2I)$, hasta los datos.

    `steps`: número de pasos, o la rejilla misma (decreciente). `method`: un nombre de `METHODS`,
    cuyas opciones van en `options`, o un paso `step(denoiser, x_t, t, s, rng, **cond)`.
    `spacing`: "t", "lambda" o "rho" (si no se dice, "lambda" para dpmpp_2m y "t" para los demás).
    `generator`: un entero da a cada ejemplo su propio azar, igual en cualquier dispositivo y lote.
    `callback(i, t, x, prediction)` recibe tras cada paso i el instante t de partida, el estado x
    al que se llegó y la predicción hecha en t. La rejilla termina en t = 0: en los datos si
    σ(0) = 0 y en el menor ruido si no; `schedule.end` lo dice.
    """
    floating("x_T", x_T)
    schedule_of(denoiser)
    step = make_step(method, options)
    if isinstance(steps, Integral):
        if spacing is None:
            spacing = "lambda" if method == "dpmpp_2m" else "t"
        grid = denoiser.schedule.grid(positive_int("steps", steps), spacing)
    elif spacing is None:
        grid = check_grid(steps)
    else:
        raise ValueError(
            f"spacing={spacing!r} sobra cuando steps es una rejilla, que ya trae su espaciado: "
            "conviene pedirlo al hacerla, schedule.grid(n, spacing)."
        )
    cond = {} if y is None else {"y": check_labels(y, x_T)}
    rng = noise_source(generator)
    watched = _Watched(denoiser)
    x = x_T
    for i, (t, s) in enumerate(zip(grid[:-1], grid[1:], strict=True)):
        watched.first = None
        x = step(watched, x, t, s, rng, **cond)
        if callback is not None:
            callback(i, t.item(), x, watched.first)
    return x


class _Watched:
    """El denoiser, que recuerda su primera predicción del paso para el `callback`."""

    def __init__(self, denoiser):
        self.denoiser = denoiser
        self.schedule = denoiser.schedule
        self.first = None

    def __call__(self, x_t, t, **cond):
        prediction = self.denoiser(x_t, t, **cond)
        self.first = self.first or prediction
        return prediction


def make_step(method: str | Callable, options: dict) -> Callable:
    """El paso que corresponde a un nombre y sus opciones; una opción ajena es un `ValueError`."""
    if callable(method):
        if options:
            raise ValueError(f"un paso propio no admite opciones; se recibió {sorted(options)}.")
        return method
    factory = METHODS[choose("method", method, METHODS)]
    valid = list(inspect.signature(factory).parameters)
    for name in options:
        if name not in valid:
            listed = ", ".join(valid) if valid else "ninguna"
            raise ValueError(f"el método «{method}» no tiene la opción {name!r}; tiene: {listed}.")
    return factory(**options)


def check_grid(steps) -> Tensor:
    """La rejilla dada como tensor: 1-D, decreciente y dentro de [0, 1]."""
    if not isinstance(steps, Tensor):
        raise TypeError(f"steps debe ser un entero o un tensor de instantes; se recibió {steps!r}.")
    return instants("steps", steps)


def check_labels(y: Tensor, x: Tensor) -> Tensor:
    """Las clases `y`: int64 y una por ejemplo de `x`."""
    if not isinstance(y, Tensor) or y.dtype != torch.int64 or y.shape != (len(x),):
        received = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, Tensor) else repr(y)
        raise ValueError(f"y debe ser int64 de forma ({len(x)},); se recibió {received}.")
    return y.to(x.device)
