"""Lo que comparten las pruebas de entradas equivocadas."""

import pytest
import torch
from torch import nn

from course_lib.diffusion import VP, Denoiser, Flow
from course_lib.networks import UNet

X = torch.zeros(4, 2)
IMAGES = torch.zeros(4, 1, 28, 28)
NET = UNet(base=8, multipliers=(1, 2, 2), blocks=1, num_classes=10)


class Same(nn.Module):
    """Devuelve x: basta para llegar a los errores."""

    def forward(self, x, t, y=None):
        return x


class Twice(nn.Module):
    """Devuelve x dos veces: una red con varianza aprendida."""

    def forward(self, x, t):
        return torch.cat([x, x], 1)


def fails(error, call, *words):
    """El error llega, es de ese tipo y su texto contiene todas las `words`."""
    with pytest.raises(error) as info:
        call()
    for word in words:
        assert str(word) in str(info.value), f"falta «{word}» en: {info.value}"


def cases(*rows):
    """(nombre, tipo, llamada, palabras…) → parámetros de pytest con su nombre."""
    return [pytest.param(error, call, words, id=name) for name, error, call, *words in rows]


eps_flow = Denoiser(Same(), Flow(), "eps")
vp = Denoiser(Same(), VP())
