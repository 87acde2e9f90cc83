"""Usar una red en modo de evaluación y devolverla como estaba."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["evaluating"]


@contextmanager
def evaluating(net: nn.Module) -> Iterator[nn.Module]:
    """Dentro, `net` está en modo de evaluación y sin gradientes; al salir, también si hay un error,
    cada módulo vuelve al modo en que estaba."""
    modes = [(module, module.training) for module in net.modules()]
    try:
        with torch.no_grad():
            yield net.eval()
    finally:
        for module, training in modes:
            module.training = training
