r"""La probabilidad de un píxel de 256 valores: una densidad gaussiana integrada en su casilla."""

import math

import torch
from torch import Tensor

__all__ = ["LEVELS", "discrete_log_prob"]

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
