"""`record`: guarda una trayectoria de muestreo en pocos bytes, para verla después en la página."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from course_lib.diffusion import sample
from course_lib.errors import positive_int
from course_lib.widgets.images import check_images

METHOD_NAMES = {
    "ancestral": "DDPM ancestral",
    "ddim": "DDIM",
    "euler_maruyama": "Euler–Maruyama",
    "euler": "Euler (ODE)",
    "heun": "Heun (ODE)",
    "dpmpp_2m": "DPM-Solver++ 2M",
    "predictor_corrector": "predictor-corrector",
}
ESTIMATE_BITS = 6  # x̂_0 viaja con 64 grises


@dataclass(frozen=True)
class Trajectory:
    r"""Los cuadros de una trayectoria, del ruido a los datos.

    `x_t` y `x0`: (F, N, C, H, W), recortados a [-1, 1]; `t`, `alpha` y `sigma`: el instante y la
    ley de cada cuadro; `moments`: cuántos pasos se habían dado. Donde $α^2 + σ^2 > 1$ (VE, EDM),
    `x_t` viene dividido por $\sqrt{α^2 + σ^2}$.
    """

    label: str
    steps: int
    moments: list[int]
    t: list[float]
    alpha: list[float]
    sigma: list[float]
    x_t: Tensor
    x0: Tensor
    y: Tensor | None

    def __repr__(self) -> str:
        count, channels, height, width = self.x_t.shape[1:]
        return (
            f"Trajectory({self.label}, {self.steps} pasos, {len(self.t)} cuadros de {count} "
            f"imágenes {channels}×{height}×{width})"
        )


def record(
    denoiser,
    x_T: Tensor,
    steps: int | Tensor = 50,
    method: str | Callable = "ddim",
    frames: int = 16,
    label: str | None = None,
    y: Tensor | None = None,
    generator: torch.Generator | int | None = None,
    **options,
) -> Trajectory:
    r"""Muestrea como `sample` y guarda a lo sumo `frames` cuadros de $x_t$ y de $\hat x_0(x_t, t)$.

    El primero es x_T y el último, la muestra; los demás se reparten por igual entre los pasos.
    `label`: nombre con el que se elige en el widget (si no se da, el del método). Lo demás, como
    en `course_lib.diffusion.sample`.
    """
    check_images("x_T", x_T, check_range=False)
    if positive_int("frames", frames) < 2:
        raise ValueError(f"frames debe ser al menos 2, principio y final; se recibió {frames}.")
    kept: list[tuple] = []
    state = x_T

    def keep(i, t, x, prediction):
        nonlocal state
        kept.append((i, t, on_screen(denoiser.schedule, state, t), clip(prediction.x0)))
        state = x

    end = sample(denoiser, x_T, steps, method, generator=generator, callback=keep, y=y, **options)
    last_t = 0.0 if isinstance(steps, Integral) else steps[-1].item()
    kept.append((len(kept), last_t, on_screen(denoiser.schedule, end, last_t), clip(end)))
    total = len(kept) - 1
    kept = [kept[i] for i in spread(total, min(frames, total + 1))]
    moments, times, states, estimates = zip(*kept, strict=True)
    alpha, sigma = (
        law(torch.tensor(times, dtype=torch.float64)).tolist()
        for law in (denoiser.schedule.alpha, denoiser.schedule.sigma)
    )
    name = label or METHOD_NAMES.get(method) or getattr(method, "__name__", "propio")
    y = None if y is None else y.cpu()
    frames_of = (torch.stack(states), torch.stack(estimates))
    return Trajectory(name, total, list(moments), list(times), alpha, sigma, *frames_of, y)


def spread(last: int, count: int) -> list[int]:
    """`count` enteros repartidos por igual de 0 a `last`, ambos incluidos."""
    return [round(i * last / (count - 1)) for i in range(count)]


def clip(x: Tensor) -> Tensor:
    return x.detach().float().cpu().clamp(-1, 1)


def on_screen(schedule, x_t: Tensor, t: float) -> Tensor:
    r"""$x_t$ en la escala de la pantalla: dividido por $\max(1, \sqrt{α^2 + σ^2})$ y recortado."""
    alpha, sigma = schedule.at(t, like=x_t)
    return clip(x_t / torch.sqrt(alpha**2 + sigma**2).clamp(min=1))


# --- de cuadros a bytes -------------------------------------------------------------------------


def bits_for(alpha: float, sigma: float) -> int:
    """Bits por píxel de un cuadro de x_t: cuatro donde el ruido tapa los escalones, ocho al final.

    Son los menos, entre 4 y 8, cuyo escalón 2/(2^b − 1) no pasa de la mitad del ruido visible.
    """
    visible = sigma / max(1.0, (alpha**2 + sigma**2) ** 0.5)
    return next((b for b in range(4, 8) if 2 / (2**b - 1) <= visible / 2), 8)


def quantise(frame: Tensor, bits: int) -> Tensor:
    """Un cuadro en [-1, 1] como enteros de 0 a 2^bits − 1, en uint8."""
    return ((frame.double() + 1) / 2 * (2**bits - 1)).round().to(torch.uint8)


def pack(trajectory: Trajectory) -> tuple[bytes, list[int]]:
    """Comprime los cuadros: devuelve los bytes (zlib) y los bits de cada cuadro, x_t y luego x̂_0.

    De cada cuadro viaja su diferencia, módulo 256, con el anterior si los dos tienen los mismos
    bits; en x̂_0 es casi toda ceros. El último x̂_0 no viaja: es el último x_t.
    """
    bits = [bits_for(a, s) for a, s in zip(trajectory.alpha, trajectory.sigma, strict=True)]
    bits += [ESTIMATE_BITS] * (len(trajectory.t) - 1)
    frames = torch.cat([trajectory.x_t, trajectory.x0[:-1]])
    levels = torch.stack([quantise(f, b) for f, b in zip(frames, bits, strict=True)])
    changes = levels.clone()
    for i in range(1, len(bits)):
        if bits[i] == bits[i - 1]:
            changes[i] = levels[i] - levels[i - 1]
    return zlib.compress(changes.numpy().tobytes(), 9), bits
