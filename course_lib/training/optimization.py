"""El optimizador de un `Trainer` y su tasa de aprendizaje."""

import math
from collections.abc import Callable

import torch
from torch import nn

from course_lib.errors import in_range

DEFAULT_LR = 2e-4


def make_optimizer(
    model: nn.Module, optimizer: torch.optim.Optimizer | Callable | None, lr: float | None
) -> torch.optim.Optimizer:
    """`optimizer` tal cual, el que devuelva al recibir los parámetros o, sin él, Adam con `lr`.

    Errores: `ValueError` si se dan los dos o si `model` no tiene nada que entrenar.
    """
    if lr is not None:
        in_range("lr", lr, 0.0, math.inf, open_low=True)
        if optimizer is not None:
            raise ValueError(
                f"lr={lr:g} no tendría efecto: la tasa es la del optimizador dado en optimizer. "
                "Conviene fijarla allí y no dar lr."
            )
    if isinstance(optimizer, torch.optim.Optimizer):
        return optimizer
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("model no tiene parámetros entrenables (requires_grad=True).")
    if optimizer is not None:
        return optimizer(parameters)
    return torch.optim.Adam(parameters, lr=DEFAULT_LR if lr is None else lr)


class Warmup:
    r"""Tasa del paso k (desde 1): $\eta_k = \eta\,\min(1, k/\text{steps})$, grupo a grupo."""

    def __init__(self, optimizer: torch.optim.Optimizer, steps: int) -> None:
        self.optimizer, self.steps = optimizer, steps
        self.base = [group["lr"] for group in optimizer.param_groups]

    def set(self, step: int) -> None:
        """Escribe en el optimizador la tasa del paso `step`."""
        factor = min(1.0, step / self.steps) if self.steps else 1.0
        for group, base in zip(self.optimizer.param_groups, self.base, strict=True):
            group["lr"] = base * factor
