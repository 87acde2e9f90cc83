"""Imágenes, ruido y una red de juguete para las pruebas de los widgets."""

import torch
from torch import nn

from course_lib.diffusion import DDPM, Denoiser
from course_lib.widgets import record

torch.set_num_threads(1)


class Squash(nn.Module):
    """Una red de juguete: estima x_0 con una tangente hiperbólica en t y en la clase."""

    def forward(self, x, t, y=None):
        shift = 0 if y is None else y.reshape(-1, 1, 1, 1) / 10
        return torch.tanh((2 - t.reshape(-1, 1, 1, 1)) * x + shift)


def images(count=3, channels=1, side=8):
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, channels, side, side), generator=generator) / 127.5 - 1


def noise(count=3, channels=1, side=8, seed=1):
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(seed))


def denoiser(schedule=None):
    return Denoiser(Squash(), schedule or DDPM.cosine(100), "x0")


def trajectory(steps=6, frames=4, **options):
    return record(denoiser(), noise(), steps, frames=frames, generator=0, **options)
