"""Lo que comparten las pruebas de los widgets: imágenes y red de juguete, y cómo es un módulo."""

import json
import re

import torch
from torch import nn

from course_lib.diffusion import DDPM, Denoiser
from course_lib.widgets import record
from course_lib.widgets.base import PAGE_LIMIT, SOURCE_MARGIN

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


def check_bundle(first, second, source_limit=SOURCE_MARGIN):
    """De dos widgets iguales: descripción corta y estable, módulo único, sin red y de poco peso."""
    texts = [w._repr_mimebundle_()[0]["text/plain"] for w in (first, second)]
    assert texts[0] == texts[1] == repr(first)
    assert "0x" not in texts[0] and "\n" not in texts[0] and len(texts[0]) < 120
    network = r"^\s*import\b|\bimport\(|fetch\(|https?://(?!www\.w3\.org/2000/svg)"
    assert not re.search(network, first._esm, re.M)
    assert first._esm.count("export default") == 1
    assert len(json.dumps([first._esm, first._css])) < source_limit
    assert len(json.dumps(first._get_embed_state())) < PAGE_LIMIT
