"""Una red densa para datos de pocas dimensiones."""

import torch
from torch import Tensor, nn

from course_lib.errors import positive_int
from course_lib.networks.embeddings import LabelEmbedding, TimeEmbedding, check_times


class MLP(nn.Module):
    r"""`depth` capas SiLU de `hidden` unidades sobre (x, código de t, clase): (B, dim) → (B, dim).

    `y=None` es la clase nula, de índice `num_classes`.
    """

    def __init__(
        self, dim: int = 2, hidden: int = 128, depth: int = 3, num_classes: int | None = None
    ):
        super().__init__()
        positive_int("dim", dim), positive_int("hidden", hidden), positive_int("depth", depth)
        self.num_classes = num_classes
        self.time = TimeEmbedding(32)
        self.label = None if num_classes is None else LabelEmbedding(num_classes, 32)
        widths = [dim + 32] + [hidden] * depth
        layers = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Linear(before, after), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, dim))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        check_times(t, x)
        code = self.time(t).to(x.dtype)
        if self.label is not None:
            code = code + self.label(y, len(x))
        elif y is not None:
            raise ValueError("esta MLP no tiene clases (num_classes=None) y se recibió y.")
        return self.layers(torch.cat([x, code], dim=1))
