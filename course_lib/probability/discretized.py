r"""Píxeles de 256 valores: la gaussiana integrada en una casilla, y de nats a bits por dimensión."""

import math

import torch
from torch import Tensor

from course_lib.errors import in_range, positive_int
from course_lib.probability.covariance import double_like

__all__ = ["LEVELS", "bits_per_dim", "check_quantised", "discrete_log_prob"]

LEVELS = 256  # valores posibles de un píxel; en [-1, 1] distan 2/255


def discrete_log_prob(x0: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    r"""$\log P(x_0)$ de cada píxel si $N(μ, σ^2)$ se integra en su casilla de 1/255 a cada lado.

    Las casillas de −1 y 1 llegan hasta el infinito. Fuente: Ho et al. (2020), ec. 13.
    """
    half = 1 / (LEVELS - 1)
    low = torch.where(x0 < -1 + half, -math.inf, (x0 - half - mean) / std)
    high = torch.where(x0 > 1 - half, math.inf, (x0 + half - mean) / std)
    # Φ(b) − Φ(a) = Φ(−a) − Φ(−b): se resta en la cola izquierda, donde log Φ no pierde cifras.
    flip = low > 0
    low, high = torch.where(flip, -high, low), torch.where(flip, -low, high)
    log_low, log_high = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    return log_high + torch.log1p(-torch.exp(log_low - log_high).clamp(max=1 - 1e-12))


def bits_per_dim(nats, dim: int, bin_width: float = 1.0):
    r"""De $\log p(x)$ en nats a bits por dimensión: $-\frac{\log p(x)+D\log\Delta}{D\log2}$.

    `dim`: D, los valores de cada dato (784 si es 28 × 28). Con un decodificador discreto `nats` ya
    es una probabilidad y Δ = 1. Con una densidad, Δ = `bin_width` es el ancho de una casilla (2/255
    si los píxeles van de −1 a 1) y el resultado aproxima la longitud del código de los datos
    cuantizados; sin él depende de las unidades. Theis et al. (2016), § 3.1.
    """
    positive_int("dim", dim)
    in_range("bin_width", bin_width, 0, math.inf, open_low=True)
    return -(nats / dim + math.log(bin_width)) / math.log(2)


def check_quantised(x0: Tensor, levels: int = LEVELS) -> None:
    """`ValueError` si `x0` no está en la red de `levels` valores de [-1, 1]."""
    index = (x0.to(double_like(x0)) + 1) * (levels - 1) / 2
    gap = torch.maximum((index - index.round()).abs() / 1e-2, (x0.abs() - 1) / 1e-6)
    if (gap > 1).any():
        raise ValueError(
            f"bits_per_dim mide imágenes cuantizadas ({levels} niveles en [-1, 1]); se recibieron "
            f"valores entre {x0.min():g} y {x0.max():g} que no lo están."
        )
