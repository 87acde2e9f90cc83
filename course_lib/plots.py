"""Figuras del curso: un estilo sobrio y mosaicos de imágenes."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.errors import positive_int

# Paleta de Okabe e Ito (2008): se distingue también con daltonismo.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def style() -> None:
    """Fija el estilo de las figuras del cuaderno: letra legible, rejilla tenue, fondo claro."""
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 3.4),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "axes.prop_cycle": plt.cycler(color=COLORS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "axes.titlesize": "medium",
            "legend.frameon": False,
            "image.cmap": "gray",
        }
    )


def image_grid(
    images: Tensor,
    columns: int = 10,
    titles: Sequence[str] | None = None,
    title: str | None = None,
    row_labels: Sequence[str] | None = None,
    scale: float = 0.75,
) -> Figure:
    """Mosaico de imágenes (N, C, H, W) en [-1, 1], con C = 1 o 3; recorta lo que se salga.

    `titles`: un rótulo por imagen; `row_labels`: uno por fila; `scale`: pulgadas por imagen.
    """
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] not in (1, 3):
        shape = tuple(getattr(images, "shape", ())) or type(images).__name__
        raise ValueError(f"images debe tener forma (N, 1 o 3, H, W); se recibió {shape}.")
    columns = min(positive_int("columns", columns), len(images))
    rows = -(-len(images) // columns)
    extra = 0.28 if titles else 0.0
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * scale, rows * (scale + extra) + (0.3 if title else 0)),
        squeeze=False,
    )
    pixels = ((images.detach().cpu().float().clamp(-1, 1) + 1) / 2).permute(0, 2, 3, 1)
    for index, axis in enumerate(axes.flat):
        blank(axis)
        if index < len(pixels):
            axis.imshow(pixels[index], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            if titles:
                axis.set_title(titles[index], fontsize="x-small")
        else:
            axis.set_visible(False)
    for axis, label in zip(axes[:, 0], row_labels or [], strict=False):
        axis.set_ylabel(label, fontsize="small", rotation=0, ha="right", va="center")
    if title:
        figure.suptitle(title, fontsize="medium")
    return figure


def blank(axis: Axes) -> None:
    """Quita marcas, rejilla y marco de unos ejes que solo llevan una imagen."""
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def loss_curve(history: Sequence[tuple[int, float]], window: int = 25, axis: Axes | None = None):
    """La pérdida de cada paso, en tenue, y su media móvil de `window` pasos."""
    axis = axis or plt.subplots()[1]
    steps, losses = zip(*history, strict=True)
    axis.plot(steps, losses, alpha=0.25, lw=0.8)
    window = min(window, len(losses))
    means = torch.tensor(losses, dtype=torch.float64).unfold(0, window, 1).mean(1)
    axis.plot(steps[window - 1 :], means, color=COLORS[0], label=f"media de {window} pasos")
    axis.set(xlabel="paso", ylabel="pérdida", yscale="log")
    axis.legend()
    return axis
