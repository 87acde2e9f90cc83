r"""Codificadores y decodificadores pequeños para el VAE: lineales, MLP y convolucionales.

Un codificador es $x\mapsto(\mu,\log\sigma^2)$, dos tensores (B, M); un decodificador, $z\mapsto$
`output`, con `outputs_per_value` números por valor. Los que tienen clases reciben además `y`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_lib.errors import positive_int
from course_lib.networks.embeddings import LabelEmbedding

__all__ = ["ConvDecoder", "ConvEncoder", "LinearEncoder", "MLPDecoder", "MLPEncoder"]

SIDE = 28  # lado de las imágenes de las redes convolucionales


def event_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    """Forma de un dato: 2 → (2,); (1, 28, 28) → (1, 28, 28)."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if not sizes:
        raise ValueError("shape está vacía; debe ser un entero o una tupla, como (1, 28, 28).")
    return tuple(positive_int("shape", size) for size in sizes)


def dense(widths: Sequence[int]) -> nn.Sequential:
    """Capas lineales con SiLU detrás de cada una."""
    layers = []
    for before, after in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers)


class Conditional(nn.Module):
    """Añade el código de la clase a un vector; sin clases (`num_classes=None`), no lo toca."""

    def __init__(self, num_classes: int | None, width: int):
        super().__init__()
        self.label = None if num_classes is None else LabelEmbedding(num_classes, width)

    def add_label(self, h: Tensor, y: Tensor | None) -> Tensor:
        if self.label is not None:
            return h + self.label(y, len(h))
        if y is not None:
            raise ValueError("esta red no tiene clases (num_classes=None) y se recibió y.")
        return h


class Head(nn.Module):
    """La última capa del codificador: media y log-varianza. Al principio, σ = 1 para todo x."""

    def __init__(self, width: int, latent_dim: int):
        super().__init__()
        self.mean = nn.Linear(width, positive_int("latent_dim", latent_dim))
        self.log_var = nn.Linear(width, latent_dim)
        nn.init.zeros_(self.log_var.weight)
        nn.init.zeros_(self.log_var.bias)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean(h), self.log_var(h)


def check_shape(argument: str, x: Tensor, expected: tuple[int, ...]) -> Tensor:
    """`ValueError` si `x` no tiene forma (B, *expected)."""
    if x.shape[1:] != expected or x.ndim == 0:
        raise ValueError(
            f"{argument} debe tener forma (B, {', '.join(map(str, expected))}) y tiene forma "
            f"{tuple(x.shape)}."
        )
    return x


class LinearEncoder(nn.Module):
    r"""$q(z|x)=\mathcal N(Vx+c,\operatorname{diag}e^{\ell})$, con $\ell$ (M,) la misma para todo x.

    Contiene la distribución a posteriori exacta de la PPCA cuando $W^\top W$ es diagonal.
    """

    def __init__(self, dim: int, latent_dim: int):
        super().__init__()
        self.dim = positive_int("dim", dim)
        self.mean = nn.Linear(dim, positive_int("latent_dim", latent_dim))
        self.log_var = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if y is not None:
            raise ValueError("LinearEncoder no tiene clases y se recibió y.")
        mean = self.mean(check_shape("x", x, (self.dim,)))
        return mean, self.log_var.expand_as(mean)


class MLPEncoder(Conditional):
    """`depth` capas SiLU de `hidden` unidades sobre los datos aplanados, de forma `shape`."""

    def __init__(
        self,
        shape: int | Sequence[int],
        latent_dim: int,
        hidden: int = 256,
        depth: int = 2,
        num_classes: int | None = None,
    ):
        sizes = event_shape(shape)
        positive_int("hidden", hidden), positive_int("depth", depth)
        super().__init__(num_classes, hidden)
        self.shape = sizes
        self.first = nn.Linear(math.prod(sizes), hidden)
        self.body = nn.Sequential(nn.SiLU(), *dense([hidden] * depth))
        self.head = Head(hidden, latent_dim)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = self.first(check_shape("x", x, self.shape).flatten(1))
        return self.head(self.body(self.add_label(h, y)))


class MLPDecoder(Conditional):
    """La MLP inversa: de (B, latent_dim) a datos de forma `shape`, con el eje 1 multiplicado por
    `outputs_per_value`."""

    def __init__(
        self,
        latent_dim: int,
        shape: int | Sequence[int],
        outputs_per_value: int = 1,
        hidden: int = 256,
        depth: int = 2,
        num_classes: int | None = None,
    ):
        sizes = event_shape(shape)
        positive_int("hidden", hidden), positive_int("depth", depth)
        super().__init__(num_classes, hidden)
        self.shape = (positive_int("outputs_per_value", outputs_per_value) * sizes[0], *sizes[1:])
        self.first = nn.Linear(positive_int("latent_dim", latent_dim), hidden)
        self.body = nn.Sequential(nn.SiLU(), *dense([hidden] * depth))
        self.last = nn.Linear(hidden, math.prod(self.shape))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.body(self.add_label(self.first(z), y))
        return self.last(h).unflatten(1, self.shape)


class ConvEncoder(Conditional):
    """Dos convoluciones 4 × 4 de paso 2 (28 → 14 → 7) y una capa densa de `hidden` unidades."""

    def __init__(
        self,
        latent_dim: int,
        channels: int = 1,
        base: int = 32,
        hidden: int = 128,
        num_classes: int | None = None,
    ):
        for name, value in (("channels", channels), ("base", base), ("hidden", hidden)):
            positive_int(name, value)
        super().__init__(num_classes, hidden)
        self.shape = (channels, SIDE, SIDE)
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, base, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(base, 2 * base, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(2 * base * (SIDE // 4) ** 2, hidden),
        )
        self.head = Head(hidden, latent_dim)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = self.trunk(check_shape("x", x, self.shape))
        return self.head(nn.functional.silu(self.add_label(h, y)))


class ConvDecoder(Conditional):
    """El camino inverso, con convoluciones traspuestas: (B, latent_dim) → 7 → 14 → 28."""

    def __init__(
        self,
        latent_dim: int,
        channels: int = 1,
        outputs_per_value: int = 1,
        base: int = 32,
        hidden: int = 128,
        num_classes: int | None = None,
    ):
        for name, value in (("channels", channels), ("base", base), ("hidden", hidden)):
            positive_int(name, value)
        super().__init__(num_classes, hidden)
        outputs = positive_int("outputs_per_value", outputs_per_value) * channels
        self.first = nn.Linear(positive_int("latent_dim", latent_dim), hidden)
        self.trunk = nn.Sequential(
            nn.SiLU(),
            nn.Linear(hidden, 2 * base * (SIDE // 4) ** 2),
            nn.SiLU(),
            nn.Unflatten(1, (2 * base, SIDE // 4, SIDE // 4)),
            nn.ConvTranspose2d(2 * base, base, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.ConvTranspose2d(base, outputs, 4, stride=2, padding=1),
        )

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.trunk(self.add_label(self.first(z), y))
