"""Codificación del instante t con senos y cosenos."""

import math

import torch
from torch import Tensor, nn


class TimeEmbedding(nn.Module):
    r"""$t ∈ [0,1] ↦ (\cos(1000\,t\,ω_i), \sin(1000\,t\,ω_i))$, $ω_i = 10^{-4i/d}$, $i = 0..d-1$.

    (B,) → (B, 2d), en float32 aunque el resto de la red vaya en bf16. El factor 1000 es el T de
    Ho et al. (2020); las frecuencias, las de Vaswani et al. (2017), sec. 3.5.
    """

    def __init__(self, dim: int):
        super().__init__()
        if dim % 2:
            raise ValueError(f"dim debe ser par; se recibió {dim}.")
        half = dim // 2
        frequencies = torch.exp(-math.log(1e4) * torch.arange(half, dtype=torch.float64) / half)
        self.register_buffer("frequencies", 1000 * frequencies.float(), persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        angles = t[:, None] * self.frequencies.to(t.dtype)
        return torch.cat([angles.cos(), angles.sin()], dim=1)
