"""Imágenes para los widgets: comprobación y rótulos."""

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.errors import floating

MAX_IMAGES = 64
MAX_SIDE = 128
TOLERANCE = 1e-3  # lo que los redondeos pueden sacar a un píxel de [-1, 1]


def check_images(argument: str, images: Tensor, check_range: bool = True) -> Tensor:
    """Devuelve `images` si es un lote (N, C, H, W) que un widget puede mostrar.

    N de 1 a 64, C = 1 o 3, H y W de 2 a 128 y, con `check_range`, valores en [-1, 1]. Si no,
    `TypeError` o `ValueError`.
    """
    floating(argument, images)
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] not in (1, 3):
        raise ValueError(
            f"{argument} debe tener forma (N, C, H, W) con C = 1 o 3; se recibió {shape}. "
            "Un lote (N, H, W) se arregla con images[:, None]."
        )
    if not 1 <= shape[0] <= MAX_IMAGES:
        raise ValueError(
            f"{argument} debe traer de 1 a {MAX_IMAGES} imágenes; se recibieron {shape[0]}."
        )
    if not all(2 <= side <= MAX_SIDE for side in shape[2:]):
        raise ValueError(
            f"{argument} debe medir de 2 a {MAX_SIDE} píxeles por lado; se recibió "
            f"{shape[2]} × {shape[3]}. Conviene reducirlas antes."
        )
    if check_range and images.abs().max() > 1 + TOLERANCE:
        low, high = images.min().item(), images.max().item()
        raise ValueError(
            f"{argument} debe tener valores en [-1, 1]; se recibió el intervalo "
            f"[{low:g}, {high:g}]. Los de [0, 255] se llevan con images / 127.5 - 1."
        )
    return images


def captions(count: int, labels: Tensor | None, class_names: Sequence[str] | None) -> list[str]:
    """El rótulo de cada imagen: el nombre de su clase, «clase 3» o, sin clases, «imagen 1»."""
    if labels is None:
        return [f"imagen {i + 1}" for i in range(count)]
    labels = torch.as_tensor(labels)
    if labels.shape != (count,) or labels.is_floating_point():
        raise ValueError(
            f"labels debe traer {count} enteros, uno por imagen; se recibió "
            f"{labels.dtype} de forma {tuple(labels.shape)}."
        )
    if class_names is None:
        return [f"clase {label}" for label in labels.tolist()]
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise ValueError(
            f"labels debe estar en 0..{len(class_names) - 1}, porque class_names trae "
            f"{len(class_names)} nombres; se recibió de {labels.min()} a {labels.max()}."
        )
    return [str(class_names[label]) for label in labels.tolist()]
