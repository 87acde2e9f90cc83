"""Media móvil exponencial de los pesos (EMA)."""

import copy

import torch
from torch import Tensor, nn

from course_lib.errors import in_range
from course_lib.training.checkpoint import load_state, state_of


class EMA:
    r"""Promedia los parámetros de `model` y copia sus buffers; la red promediada es `.model`.

    $$\bar\theta_n = d_n\,\bar\theta_{n-1} + (1 - d_n)\,\theta_n, \qquad
      d_n = \min\!\left(d, \frac{n}{n + 9}\right), \qquad \bar\theta_0 = \theta_0 .$$

    El decaimiento $d_n$ arranca en 0.1 y sube hasta $d$: así los pesos iniciales se olvidan
    pronto, y un entrenamiento corto no queda lastrado por ellos. Con `warmup=False` no hay
    arranque suave: $d_n = d$ desde el principio.

    Errores: `ValueError` si `decay` no está en [0, 1) o si `update` recibe otra arquitectura.
    Fuente: Polyak y Juditsky (1992); Ho et al. (2020), ap. B, usan $d = 0.9999$.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999, warmup: bool = True) -> None:
        self.decay = in_range("ema", decay, 0.0, 1.0, open_high=True)
        self.warmup = warmup
        self.updates = 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    def decay_at(self, update: int) -> float:
        """Decaimiento $d_n$ de la actualización número `update` (la primera es la 1)."""
        return min(self.decay, update / (update + 9)) if self.warmup else self.decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Incorpora los pesos actuales de `model` a la media y copia sus buffers."""
        averaged, current = list(self.model.parameters()), list(model.parameters())
        if [p.shape for p in averaged] != [p.shape for p in current]:
            raise ValueError("model no tiene la arquitectura con la que se creó la EMA.")
        self.updates += 1
        weight = 1.0 - self.decay_at(self.updates)
        torch._foreach_lerp_(averaged, [p.detach() for p in current], weight)
        for ours, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            ours.copy_(theirs)

    def copy_to(self, model: nn.Module) -> None:
        """Escribe los pesos promediados y los buffers en `model`."""
        load_state(model, self.state_dict(), "la EMA")

    def state_dict(self) -> dict[str, Tensor]:
        """Tensores de la red promediada, con las mismas claves que la red original."""
        return state_of(self.model)

    def __repr__(self) -> str:
        return f"EMA(decay={self.decay}, updates={self.updates})"
