"""`ReverseDenoising`: trayectorias del ruido a la imagen, con x_t y x̂_0 lado a lado."""

import math
from collections.abc import Sequence

import traitlets
from torch import Tensor

from course_lib.errors import in_range, positive_int
from course_lib.widgets.base import CourseWidget, bundle, check_page_weight
from course_lib.widgets.images import captions
from course_lib.widgets.trajectory import Trajectory, pack


class ReverseDenoising(CourseWidget):
    r"""Reproduce trayectorias de `record`: $x_t$ y $\hat x_0(x_t, t)$ de las mismas imágenes.

    `trajectories`: una o varias, todas con igual número y tamaño de imágenes; en la página se
    elige entre sus nombres y sus números de pasos. `labels` (por defecto, las clases grabadas) y
    `class_names` dan los rótulos; `columns`, las columnas de la cuadrícula. Si los cuadros no
    caben en 1 MB, `ValueError`. `selected` y `frame` son rasgos legibles desde Python.
    """

    _esm = bundle("common.js", "reverse_denoising.js")

    data = traitlets.Bytes().tag(sync=True)
    trajectories = traitlets.List().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    captions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    columns = traitlets.Int().tag(sync=True)
    selected = traitlets.Int().tag(sync=True)
    frame = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        trajectories: Trajectory | Sequence[Trajectory],
        labels: Tensor | None = None,
        class_names: Sequence[str] | None = None,
        columns: int | None = None,
    ):
        if isinstance(trajectories, Trajectory):
            trajectories = [trajectories]
        check_trajectories(trajectories)
        shape = list(trajectories[0].x_t.shape[1:])
        columns = default_columns(shape[0]) if columns is None else columns
        labels = trajectories[0].y if labels is None else labels
        data, entries = join(trajectories)
        check_page_weight(
            "trajectories",
            len(data),
            "Conviene grabar menos cuadros (frames), menos imágenes o menos trayectorias.",
        )
        super().__init__(
            data=data,
            trajectories=entries,
            shape=shape,
            captions=captions(shape[0], labels, class_names),
            columns=positive_int("columns", columns),
            selected=0,
            frame=0,
        )

    @traitlets.validate("selected")
    def _valid_selected(self, proposal):
        return in_range("selected", proposal["value"], 0, len(self.trajectories) - 1)

    @traitlets.validate("frame")
    def _valid_frame(self, proposal):
        last = max(len(entry["t"]) for entry in self.trajectories) - 1
        return in_range("frame", proposal["value"], 0, last)

    def description(self) -> str:
        listed = "; ".join(f"{e['label']}, {e['steps']} pasos" for e in self.trajectories)
        count, channels, height, width = self.shape
        return f"ReverseDenoising: {count} imágenes de {channels}×{height}×{width} ({listed})"


def check_trajectories(trajectories: Sequence[Trajectory]) -> None:
    """`ValueError` si no hay, no son de `record`, no son comparables o dos se llaman igual."""
    if len(trajectories) == 0:
        raise ValueError("trajectories está vacía; hace falta al menos una, hecha con record(...).")
    for trajectory in trajectories:
        if not isinstance(trajectory, Trajectory):
            raise TypeError(
                "trajectories debe traer objetos Trajectory, los que devuelve record(...); "
                f"se recibió {type(trajectory).__name__}."
            )
    shapes = {tuple(trajectory.x_t.shape[1:]) for trajectory in trajectories}
    if len(shapes) > 1:
        raise ValueError(
            "trajectories debe traer las mismas imágenes en todas; se recibieron formas "
            f"(N, C, H, W) distintas: {', '.join(map(str, sorted(shapes)))}."
        )
    names = [(trajectory.label, trajectory.steps) for trajectory in trajectories]
    for label, steps in names:
        if names.count((label, steps)) > 1:
            raise ValueError(
                f"trajectories trae dos con el nombre «{label}» y {steps} pasos; se distinguen con "
                "record(..., label=...)."
            )


def join(trajectories: Sequence[Trajectory]) -> tuple[bytes, list[dict]]:
    """Los bytes de todas las trayectorias, seguidos, y dónde está y qué es cada una."""
    data, entries = b"", []
    for trajectory in trajectories:
        packed, bits = pack(trajectory)
        entries.append(
            {
                "label": trajectory.label,
                "steps": trajectory.steps,
                "moments": trajectory.moments,
                "t": trajectory.t,
                "alpha": trajectory.alpha,
                "sigma": trajectory.sigma,
                "bits": bits,
                "from": len(data),
                "to": len(data) + len(packed),
            }
        )
        data += packed
    return data, entries


def default_columns(count: int) -> int:
    """Cinco columnas si las filas quedan llenas; si no, una cuadrícula casi cuadrada."""
    return 5 if count in (5, 10, 15, 20) else math.ceil(math.sqrt(count))
