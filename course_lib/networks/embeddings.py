"""Códigos de lo que acompaña a la imagen: el instante t, con senos y cosenos, y la clase."""

import math

import torch
from torch import Tensor, nn

from course_lib.errors import positive_int


class TimeEmbedding(nn.Module):
    r"""$t ∈ [0,1] ↦ (\cos(1000\,t\,ω_i), \sin(1000\,t\,ω_i))$, $ω_i = 10^{-4i/d}$, $i = 0..d-1$.

    (B,) → (B, 2d), con frecuencias en float32 aunque el resto de la red pase a bf16. El factor
    1000 es el T de Ho et al. (2020); las frecuencias, las de Vaswani et al. (2017), sec. 3.5.
    """

    def __init__(self, dim: int):
        super().__init__()
        if dim % 2:
            raise ValueError(f"dim debe ser par; se recibió {dim}.")
        self.half = dim // 2
        self.register_buffer("frequencies", self._table(), persistent=False)

    def _table(self) -> Tensor:
        i = torch.arange(self.half, dtype=torch.float64)
        return 1000 * torch.exp(-math.log(1e4) * i / self.half).float()

    def _apply(self, fn, recurse=True):  # .to(...), .half(), .bfloat16(): que no las redondeen
        super()._apply(fn, recurse)
        self.frequencies = self._table().to(self.frequencies.device)
        return self

    def forward(self, t: Tensor) -> Tensor:
        angles = t[:, None] * self.frequencies.to(t.dtype)
        return torch.cat([angles.cos(), angles.sin()], dim=1)


def check_times(t: Tensor, x: Tensor) -> None:
    """`ValueError` si `t` no trae un instante por ejemplo de `x`."""
    if t.shape != (len(x),):
        raise ValueError(
            f"t debe tener forma ({len(x)},), un instante por ejemplo; se recibió "
            f"{tuple(t.shape)}. Un t común se repite con t.expand({len(x)})."
        )


class LabelEmbedding(nn.Embedding):
    """Un vector por clase: (B,) int64 con valores en 0..`num_classes` → (B, dim).

    `None` y `num_classes` son la clase nula. ValueError si `y` no es así; bajo `torch.compile` no
    se mira, porque mirar los valores de un tensor parte el grafo.
    """

    def __init__(self, num_classes: int, dim: int):
        super().__init__(positive_int("num_classes", num_classes) + 1, dim)

    def forward(self, y: Tensor | None, batch: int) -> Tensor:
        null = self.num_embeddings - 1
        if y is None:
            y = torch.full((batch,), null, device=self.weight.device)
        elif not torch.compiler.is_compiling():
            self._check(y, batch, null)
        return super().forward(y)

    @staticmethod
    def _check(y: Tensor, batch: int, null: int) -> None:
        if y.dtype != torch.int64 or y.shape != (batch,):
            raise ValueError(
                f"y debe ser int64 de forma ({batch},); se recibió {y.dtype} {tuple(y.shape)}."
            )
        wrong = (y < 0) | (y > null)
        if wrong.any():
            raise ValueError(
                f"y={y[wrong][0].item()} no es una clase de esta red: van de 0 a {null - 1}, y "
                f"{null} es la clase nula (como y=None)."
            )
