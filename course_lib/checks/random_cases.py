"""Entradas al azar, siempre las mismas, para las comprobaciones."""

import torch
from torch import Tensor

from course_lib.diffusion import DDPM

SHAPE_TIP = (
    "un coeficiente por imagen, de forma (B,), se lleva a (B, 1, 1, 1) con .reshape(-1, 1, 1, 1)."
)


def col(values: Tensor) -> Tensor:
    """De (B,) a (B, 1, 1, 1), para multiplicar imágenes."""
    return values.reshape(-1, 1, 1, 1)


def mix(x0: Tensor, eps: Tensor, a: Tensor) -> Tensor:
    r"""$\sqrt{a}\,x_0 + \sqrt{1-a}\,\varepsilon$, con `a` ya lista para multiplicar."""
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def signal_and_noise(k: Tensor, alphas_bar: Tensor) -> dict[str, Tensor]:
    """Factores que se olvidan con facilidad: las raíces de la señal y del ruido."""
    a = col(alphas_bar[k])
    return {"√ᾱ_k": a.sqrt(), "√(1−ᾱ_k)": (1 - a).sqrt()}


def random_betas(T: int, seed: int) -> Tensor:
    """Una tabla de β desordenada en (0.05, 0.4), o la lineal de los artículos si T es grande."""
    if T >= 100:
        return DDPM.linear(T).betas
    generator = torch.Generator().manual_seed(seed)
    return 0.05 + 0.35 * torch.rand(T, generator=generator, dtype=torch.float64)


def normal(*shape: int, seed: int) -> Tensor:
    """Ruido normal en float64 con semilla propia."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def uniform(*shape: int, low: float, high: float, seed: int) -> Tensor:
    """Números uniformes en (low, high), en float64 y con semilla propia."""
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(*shape, generator=generator, dtype=torch.float64)


def table(alphas_bar: Tensor) -> DDPM:
    r"""El esquema cuya tabla $\bar\alpha_0,\dots,\bar\alpha_T$ es `alphas_bar`."""
    return DDPM(1 - alphas_bar[1:] / alphas_bar[:-1])


# (nombre, forma de las imágenes, T, k de cada una). Ejes distintos: uno cambiado por otro se nota.
# El de B = W es la trampa: un coeficiente (B,) se difunde sobre el ancho sin dar error.
BATCHES = [
    ("lote 5×3×4×2, T = 9", (5, 3, 4, 2), 9, [9, 1, 4, 7, 2]),
    ("B = W = 4, T = 8", (4, 3, 2, 4), 8, [3, 5, 2, 6]),
    ("k = 1 en todo el lote", (2, 1, 3, 5), 6, [1, 1]),
    ("una imagen, T = 1000", (1, 2, 3, 4), 1000, [500]),
]


def batches():
    """Para cada lote: nombre, x0, eps, k, betas y alphas_bar."""
    for seed, (label, shape, T, k) in enumerate(BATCHES):
        betas = random_betas(T, seed)
        x0, eps = normal(*shape, seed=10 + seed), normal(*shape, seed=20 + seed)
        yield label, x0, eps, torch.tensor(k), betas, DDPM(betas).alphas_bar
