"""Entrenamientos de juguete que comparten las pruebas del entrenador."""

import json

import pytest
import torch
from torch import nn

from course_lib.training import Trainer


class Linear(nn.Module):
    """f(x) = x·w con pesos dados, en float64."""

    def __init__(self, weights):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(weights, dtype=torch.float64))

    def forward(self, x):
        return x @ self.w


def squared_error(model, batch, generator):
    x, y = batch
    return (model(x) - y).square().mean()


def regression(n=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, dtype=torch.float64, generator=generator)
    y = x @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    return x, y + 0.1 * torch.randn(n, dtype=torch.float64, generator=generator)


class Wrapped(nn.Module):
    """Con la estructura de un `Denoiser`: una red `.net` y atributos que la pérdida consulta."""

    def __init__(self, width=6):
        super().__init__()
        torch.manual_seed(11)
        self.net = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Dropout(0.2),
            nn.Conv2d(width, 1, 3, padding=1),
        )
        self.level = 0.5

    def forward(self, x):
        return self.net(x)


def denoise(model, batch, generator):
    """Usa las cuatro fuentes que deben sobrevivir a un corte: orden, ruido, dropout y buffers."""
    x, _ = batch
    noise = torch.randn(x.shape, generator=generator)
    return (model(x + model.level * noise) - noise).square().mean()


def images(n=30):
    generator = torch.Generator().manual_seed(5)
    return torch.randn(n, 1, 6, 6, generator=generator), torch.arange(n)


def make(folder=None, **options):
    defaults = {"batch_size": 8, "warmup": 5, "steps": 20, "progress": False}
    if "optimizer" not in options:
        defaults["lr"] = 1e-2
    return Trainer(
        Wrapped(), denoise, images(), **{**defaults, "checkpoint_dir": folder, **options}
    )


def everything(trainer):
    """Todos los tensores que definen el estado: red, EMA y optimizador."""
    tensors = {f"red {k}": v for k, v in trainer.model.state_dict().items()}
    if trainer.ema is not None:
        tensors |= {f"ema {k}": v for k, v in trainer.ema_model.state_dict().items()}
    for index, state in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizador {index} {k}": v for k, v in state.items()}
    return tensors


def assert_same_bits(one, other):
    a, b = everything(one), everything(other)
    assert a.keys() == b.keys()
    different = [k for k in a if not torch.equal(a[k], b[k])]
    assert different == [], [(a[k] - b[k]).abs().max() for k in different]
    assert one.history == other.history


@pytest.fixture(autouse=True)
def un_hilo():
    """Un solo hilo: los bits de una suma dependen de cuántos la reparten."""
    previous = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(previous)


def saved_step(folder):
    """Paso del punto de control de `folder`, o 0 si no hay."""
    try:
        return json.loads((folder / "entrenamiento.json").read_text())["paso"]
    except FileNotFoundError:
        return 0
