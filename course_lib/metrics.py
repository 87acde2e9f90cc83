"""Distancias entre conjuntos de muestras, siempre junto a su suelo: el valor entre datos reales.

Para imágenes se miden en las características de un clasificador de Fashion-MNIST entrenado en el
curso; no son comparables con el FID de Inception. Para conjuntos 2-D, en los propios puntos.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_lib import coverage_metrics
from course_lib.coverage_metrics import DensityCoverage, expected_coverage
from course_lib.data.images import check_model_range, to_model
from course_lib.distances import (
    frechet_distance,
    frechet_gaussians,
    kernel_distance,
    mmd,
    sliced_wasserstein,
    wasserstein_1d,
)
from course_lib.errors import choose, positive_int
from course_lib.evaluation import evaluating

__all__ = [
    "ClassAccuracy",
    "Comparison",
    "DensityCoverage",
    "class_accuracy",
    "class_shares",
    "compare",
    "density_coverage",
    "expected_coverage",
    "features",
    "floor",
    "frechet_distance",
    "frechet_gaussians",
    "kernel_distance",
    "mmd",
    "sliced_wasserstein",
    "wasserstein_1d",
]


def _outputs(images: Tensor, classifier: nn.Module | None, of: Callable) -> Tensor:
    """`of(clasificador, lote)` de todas las imágenes, en CPU; por omisión, con el del curso."""
    if images.dtype == torch.uint8:
        images = to_model(images)
    check_model_range(images, "images")
    if classifier is None:
        from course_lib import weights

        classifier = weights.load_classifier()
    device = next(classifier.parameters()).device
    with evaluating(classifier):
        parts = [of(classifier, x.to(device, torch.float32)).cpu() for x in images.split(500)]
    return torch.cat(parts)


def _classes(images: Tensor, classifier: nn.Module | None) -> Tensor:
    """Los logaritmos sin normalizar (N, K) con que el clasificador puntúa cada clase."""
    if len(images) == 0:
        raise ValueError("images no tiene ninguna imagen: hace falta al menos una que clasificar.")
    return _outputs(images, classifier, lambda net, x: net(x))


def features(images: Tensor, classifier: nn.Module | None = None) -> Tensor:
    """Características (N, 128) float64, en CPU, de la penúltima capa del clasificador.

    `images`: (N, 1, 28, 28), float en [-1, 1] o uint8.
    """
    return _outputs(images, classifier, lambda net, x: net.features(x)).double()


@dataclass(frozen=True)
class ClassAccuracy:
    """Fracción de imágenes que el clasificador asigna a su etiqueta: total y por clase."""

    total: float
    per_class: dict[int, float]

    def __float__(self) -> float:
        return self.total


def class_accuracy(
    images: Tensor, labels: Tensor, classifier: nn.Module | None = None
) -> ClassAccuracy:
    """Fracción de `images` (N, 1, 28, 28) que el clasificador reconoce como su `labels` (N,).

    ValueError si N = 0 o si no hay una etiqueta por imagen.
    """
    if labels.shape != (len(images),):
        raise ValueError(
            f"labels debe tener forma ({len(images)},), una por imagen; se recibió "
            f"{tuple(labels.shape)}."
        )
    labels = labels.cpu()
    right = (_classes(images, classifier).argmax(-1) == labels).double()
    per_class = {int(c): right[labels == c].mean().item() for c in labels.unique()}
    return ClassAccuracy(right.mean().item(), per_class)


def class_shares(images: Tensor, classifier: nn.Module | None = None) -> Tensor:
    """Fracción (K,) float64 de `images` (N, 1, 28, 28) que el clasificador asigna a cada clase.

    K es el número de clases, 10 en el del curso, y la suma es 1. Una clase que el generador ha
    perdido se queda cerca de 0; el suelo es el reparto de imágenes reales, que el clasificador
    tampoco reconoce sin errores. ValueError si N = 0.
    """
    logits = _classes(images, classifier)
    return torch.bincount(logits.argmax(-1), minlength=logits.shape[1]).double() / len(logits)


DISTANCES = {
    "frechet": frechet_distance,
    "kernel": kernel_distance,
    "sliced_wasserstein": sliced_wasserstein,
    "mmd": mmd,
}


@dataclass(frozen=True)
class Comparison:
    """Una distancia entre muestras y datos, y la misma entre datos y datos con iguales tamaños.

    `floor_std`: dispersión del suelo entre subconjuntos disjuntos (NaN si solo cabe uno).
    """

    distance: str
    value: float
    floor: float
    floor_std: float
    n: int

    def __str__(self) -> str:
        spread = "" if math.isnan(self.floor_std) else f" ± {self.floor_std:.2g}"
        return f"{self.distance}: {self.value:.4g} (suelo {self.floor:.4g}{spread}, n = {self.n})"


def _prepare(x: Tensor, classifier: nn.Module | None) -> Tensor:
    return features(x, classifier) if x.ndim == 4 else x


def density_coverage(
    samples: Tensor, real: Tensor, k: int = 5, classifier: nn.Module | None = None
) -> DensityCoverage:
    r"""Densidad y cobertura de `samples` respecto a `real`, con bolas de `k` vecinos.

    Como en `compare`, primero las muestras: imágenes (N, 1, 28, 28), de las que se toman las
    características, o puntos (N, D). Las definiciones, en `coverage_metrics.density_coverage`; el
    techo de la cobertura, en `expected_coverage(len(real), len(samples), k)`.
    Naeem et al. (2020), sec. 3.2.
    """
    samples, real = _prepare(samples, classifier), _prepare(real, classifier)
    return coverage_metrics.density_coverage(samples, real, k)


def _floors(real_a: Tensor, real_b: Tensor, n: int, distance: str) -> Tensor:
    if len(real_b) < n:
        raise ValueError(
            f"real_b debe tener al menos {n} datos, tantos como muestras se miden, y tiene "
            f"{len(real_b)}: con otro tamaño el suelo no sería comparable."
        )
    parts = real_b[: len(real_b) // n * n].split(n)[:8]
    values = [DISTANCES[distance](part, real_a) for part in parts]
    return torch.tensor(values, dtype=torch.float64)


def floor(
    real_a: Tensor,
    real_b: Tensor,
    n: int | None = None,
    distance: str = "frechet",
    classifier: nn.Module | None = None,
) -> float:
    """Suelo de `distance`: su media entre `real_a` y partes de `n` datos de `real_b`, disjuntos."""
    choose("distance", distance, DISTANCES)
    n = positive_int("n", len(real_b) if n is None else n)
    a, b = _prepare(real_a, classifier), _prepare(real_b, classifier)
    return _floors(a, b, n, distance).mean().item()


def compare(
    samples: Tensor,
    real_a: Tensor,
    real_b: Tensor,
    distance: str = "frechet",
    classifier: nn.Module | None = None,
) -> Comparison:
    """`distance` de `samples` a `real_a`, y su suelo: la de tantos datos de `real_b` a `real_a`.

    Imágenes (N, 1, 28, 28), de las que se toman las características, o puntos (N, D). `real_a` y
    `real_b` no deben compartir datos. `distance`: "frechet", "kernel", "sliced_wasserstein", "mmd".
    """
    choose("distance", distance, DISTANCES)
    samples, a, b = (_prepare(x, classifier) for x in (samples, real_a, real_b))
    floors = _floors(a, b, len(samples), distance)
    std = floors.std().item() if len(floors) > 1 else math.nan
    value = DISTANCES[distance](samples, a)
    return Comparison(distance, value, floors.mean().item(), std, len(samples))
