"""Clasificador convolucional pequeño: da la medida de calidad de las imágenes generadas."""

import torch
from torch import Tensor, nn

__all__ = ["Classifier"]


def block(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    """Convolución 3 × 3, GroupNorm y SiLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
        nn.GroupNorm(8, channels_out),
        nn.SiLU(),
    )


class Classifier(nn.Module):
    r"""Red $x\mapsto$ logits de las clases, con GroupNorm (sin estadísticas del lote).

    `x`: (B, C, H, W) en [-1, 1], de cualquier lado ≥ 8. `features(x)`: (B, `width`), la penúltima
    capa, sobre la que se miden las distancias. ValueError si la forma no es esa.
    """

    def __init__(
        self,
        channels: int = 1,
        num_classes: int = 10,
        base: int = 32,
        width: int = 128,
        dropout: float = 0.2,
    ):
        super().__init__()
        self.channels = channels
        self.trunk = nn.Sequential(
            block(channels, base, 1),
            nn.MaxPool2d(2),
            block(base, 2 * base, 1),
            block(2 * base, 2 * base, 1),
            nn.MaxPool2d(2),
            block(2 * base, 4 * base, 1),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * base * 4, width),
        )
        self.head = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, num_classes))

    def features(self, x: Tensor) -> Tensor:
        """Rasgos (B, width): la penúltima capa, antes de su no linealidad."""
        if x.ndim != 4 or x.shape[1] != self.channels or min(x.shape[-2:]) < 8:
            raise ValueError(
                f"x debe tener forma (B, {self.channels}, H, W) con H, W ≥ 8; "
                f"se recibió {tuple(x.shape)}."
            )
        return self.trunk(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, num_classes)."""
        return self.head(self.features(x))

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Clase más probable de cada imagen, (B,) int64."""
        return self(x).argmax(-1)
