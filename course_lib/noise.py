"""El azar de la biblioteca: ruido normal que no depende del dispositivo ni del tamaño del lote."""

import torch
from torch import Tensor


class SeededNoise:
    """Un generador por ejemplo, todos nacidos de una semilla entera.

    El ejemplo i recibe siempre los mismos números, sea cual sea el lote en que viaje; se sortean
    en la CPU y en float32, así que la imagen es la misma en cualquier dispositivo. Dos `stream`
    distintos (0, 1 o 2) dan números independientes con la misma semilla.
    """

    STREAMS = (0, 500_000, 250_000)  # de la semilla, la CPU solo mira 32 bits: deben caber en ellos

    def __init__(self, seed: int, stream: int = 0):
        self.first = seed * 1_000_003 + self.STREAMS[stream]
        self.generators: list[torch.Generator] = []

    def __call__(self, like: Tensor) -> Tensor:
        if not len(like):
            return torch.empty_like(like)
        for index in range(len(self.generators), len(like)):
            generator = torch.Generator()
            self.generators.append(generator.manual_seed(self.first + index))
        rows = [torch.randn(like.shape[1:], generator=g) for g in self.generators[: len(like)]]
        return torch.stack(rows).to(like)


class BatchNoise:
    """Ruido de un solo `torch.Generator` de CPU, o del generador global si es `None`."""

    def __init__(self, generator: torch.Generator | None):
        self.generator = generator

    def __call__(self, like: Tensor) -> Tensor:
        if self.generator is None:
            return torch.randn_like(like)
        noise = torch.randn(
            like.shape,
            generator=self.generator,
            device=self.generator.device,
            dtype=torch.float64 if like.dtype == torch.float64 else torch.float32,
        )
        return noise.to(like)


def noise_source(
    generator: torch.Generator | int | None, stream: int = 0
) -> SeededNoise | BatchNoise:
    """Convierte una semilla entera, un `torch.Generator` o `None` en una fuente `rng(like)`.

    `stream` separa los usos de una misma semilla entera (ver `SeededNoise`).
    """
    if isinstance(generator, (SeededNoise, BatchNoise)):
        return generator
    if generator is None or isinstance(generator, torch.Generator):
        return BatchNoise(generator)
    if isinstance(generator, int) and not isinstance(generator, bool):
        return SeededNoise(generator, stream)
    raise TypeError(
        "generator debe ser None, un entero (semilla por ejemplo) o un torch.Generator; "
        f"se recibió {type(generator).__name__}."
    )


def standard_normal(
    like: Tensor, generator: torch.Generator | int | None, stream: int = 0
) -> Tensor:
    """Muestras de N(0, I) con la forma, el tipo y el dispositivo de `like`."""
    return noise_source(generator, stream)(like)
