"""Un aviso que guarda muestras del generador a lo largo del juego, sin tocar el juego."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor, nn

from course_lib.adversarial.gan import AdversarialTrainer
from course_lib.errors import positive_int
from course_lib.evaluation import evaluating

__all__ = ["RecordSamples"]


class RecordSamples:
    r"""Aviso (`callback`) que guarda $G(z_1),\dots,G(z_n)$ cada `every` pasos.

    Los $z_i\sim\mathcal N(0,I)$ se sortean una sola vez, en CPU, y son los mismos en todos los
    instantes: lo que cambia de uno a otro es el generador. `generator`: la semilla entera, o el
    torch.Generator de CPU, del que salen. `averaged`: el generador promediado (EMA) en vez del
    actual. Se evalúa en modo evaluación y cada módulo vuelve al suyo; como el azar no es el del
    entrenamiento, los pesos a los que se llega son los mismos con él y sin él.

    `samples` es la lista de pares (paso, muestras (n, ...)), en CPU. Los avisos no ven el
    principio: llamarlo a mano con el `trainer`, antes de `fit`, guarda el paso 0. Si el
    entrenamiento retrocede (`resume`), lo que se guardó de ahí en adelante se reemplaza; no viaja
    en el punto de control. Hace falta uno por entrenamiento.

    Errores: `TypeError` si `generator` no es así o si no se usa con un `AdversarialTrainer`;
    `ValueError` si `every` o `n` no son positivos, si otro entrenamiento tiene otro `latent_dim` o
    si se pide la EMA y no la hay.
    """

    def __init__(
        self,
        every: int,
        n: int,
        generator: torch.Generator | int = 0,
        averaged: bool = False,
    ) -> None:
        self.every, self.n = positive_int("every", every), positive_int("n", n)
        if isinstance(generator, Integral) and not isinstance(generator, bool):
            generator = torch.Generator().manual_seed(int(generator))
        if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
            where = f" en {generator.device}" if isinstance(generator, torch.Generator) else ""
            raise TypeError(
                "generator debe ser una semilla entera o un torch.Generator de CPU; se recibió "
                f"{generator!r}{where}."
            )
        self.generator, self.averaged = generator, averaged
        self.samples: list[tuple[int, Tensor]] = []
        self._z: Tensor | None = None

    def __call__(self, trainer: AdversarialTrainer) -> None:
        """Guarda las muestras de ahora si el paso es múltiplo de `every` (el 0 lo es)."""
        if not isinstance(trainer, AdversarialTrainer):
            raise TypeError(
                "RecordSamples necesita un AdversarialTrainer, que sabe de qué z parten sus "
                f"muestras; se recibió {type(trainer).__name__}."
            )
        if trainer.step % self.every:
            return
        net = self._network(trainer)
        z = self._latents(trainer.latent_dim).to(next(net.parameters()))
        self.samples = [(step, x) for step, x in self.samples if step < trainer.step]
        with evaluating(net):
            self.samples.append((trainer.step, net(z).cpu()))

    def _network(self, trainer: AdversarialTrainer) -> nn.Module:
        if not self.averaged:
            return trainer.model
        if trainer.ema is None:
            raise ValueError("averaged=True necesita un promedio y el entrenador tiene ema=None.")
        return trainer.ema.model

    def _latents(self, dim: int) -> Tensor:
        if self._z is None:
            self._z = torch.randn(self.n, dim, generator=self.generator)
        if self._z.shape[1] != dim:
            raise ValueError(
                f"Ya se grabó un entrenamiento con latent_dim={self._z.shape[1]} y este tiene "
                f"{dim}: hace falta un RecordSamples por entrenamiento."
            )
        return self._z

    def __repr__(self) -> str:
        return f"RecordSamples(cada {self.every} pasos, {len(self.samples)} instantes de {self.n})"
