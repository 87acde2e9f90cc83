"""`ModeCoverage`: qué modos de una mezcla alcanza un generador a lo largo de su entrenamiento."""

from collections.abc import Mapping, Sequence
from numbers import Integral

import torch
import traitlets
from torch import Tensor

from course_lib.adversarial import Coverage, mode_coverage
from course_lib.data import toy
from course_lib.errors import choose, in_range, positive_int
from course_lib.probability import GaussianMixture
from course_lib.widgets.base import CourseWidget, bundle, check_page_weight
from course_lib.widgets.point_levels import frame_of, quantise, restore
from course_lib.widgets.samples import real_samples

RADII = (0.5, 6.0)  # desviaciones típicas
TENTHS = torch.arange(5, 61, dtype=torch.float64) / 10  # los radios del deslizador
MAX_MODES = 12
MAX_RUNS = 6


class ModeCoverage(CourseWidget):
    r"""Cuenta, instante a instante, los modos que cubren uno o varios entrenamientos ya hechos.

    `runs`: nombre → lista de pares (paso, muestras (N, 2)), con los pasos en orden, como la que
    deja `adversarial.RecordSamples`. `mixture`: la ley de los datos, una `GaussianMixture` del
    plano con 2 a 12 modos; si no se da, `toy.eight_gaussians()`. `radius` (de 0.5 a 6) y `minimum`
    son los de `adversarial.mode_coverage`; si no se da `minimum`, la quinta parte de las muestras
    que tocan a cada modo. Las cuentas se hacen en el navegador.

    Las muestras viajan con 16 bits por coordenada, redondeadas de modo que ninguna cuenta cambie con
    los radios del deslizador (de 0.1 en 0.1) ni con el `radius` dado. El marco abarca todos los
    modos con seis desviaciones; lo que cae fuera va al borde, donde sigue sin ser de ninguno.
    `samples(run, i)` y `coverage(run, i)` dan lo que se ve. `radius`, `minimum`, `run` (el nombre)
    y `frame` (el instante) son rasgos: con núcleo se leen y se escriben desde Python.
    """

    _esm = bundle(
        "common.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js", "mode_counts.js",
        "mode_coverage.js",
    )  # fmt: skip

    data = traitlets.Bytes().tag(sync=True)
    runs = traitlets.List().tag(sync=True)
    means = traitlets.List().tag(sync=True)
    factors = traitlets.List().tag(sync=True)
    box = traitlets.List().tag(sync=True)
    limits = traitlets.List().tag(sync=True)
    radius = traitlets.Float().tag(sync=True)
    minimum = traitlets.Int().tag(sync=True)
    run = traitlets.Unicode().tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        runs: Mapping[str, Sequence[tuple[int, Tensor]]],
        mixture: GaussianMixture | None = None,
        radius: float = 3.0,
        minimum: int | None = None,
    ):
        mixture = check_mixture(toy.eight_gaussians(torch.float64) if mixture is None else mixture)
        parts = (mixture.weights, mixture.means, mixture.covs)
        self.mixture = GaussianMixture(*(part.cpu() for part in parts))
        checked = check_runs(runs)
        box = frame_of(self.mixture, RADII[1])
        radii = torch.cat([TENTHS, TENTHS.new_tensor([in_range("radius", radius, *RADII)])])
        radii = radii.unique()
        entries, levels, start = [], [], 0
        for name, moments in checked.items():
            sizes = [len(x) for _, x in moments]
            steps = [step for step, _ in moments]
            entries.append({"name": name, "steps": steps, "sizes": sizes, "start": start})
            levels += [quantise(x, box, self.mixture, radii) for _, x in moments]
            start += sum(sizes)
        self._levels = torch.cat(levels)
        data = self._levels.numpy().astype("<u2").tobytes()
        check_page_weight("runs", len(data), "Conviene grabar menos instantes o menos muestras.")
        share = max(1, max(n for entry in entries for n in entry["sizes"]) // len(mixture.means))
        minimum = max(1, share // 5) if minimum is None else positive_int("minimum", minimum)
        super().__init__(
            data=data,
            runs=entries,
            means=self.mixture.means.tolist(),
            factors=torch.linalg.cholesky(self.mixture.covs).tolist(),
            box=box.tolist(),
            limits=[*RADII, max(share, minimum)],
            radius=radius,
            minimum=minimum,
            run=entries[0]["name"],
        )

    def samples(self, run: str, frame: int) -> Tensor:
        """Las muestras (N, 2) en float64 que ve el navegador: las dadas, redondeadas a 16 bits."""
        entry = self._entry(run)
        frame = in_range("frame", frame, 0, len(entry["steps"]) - 1)
        start = entry["start"] + sum(entry["sizes"][:frame])
        levels = self._levels[start : start + entry["sizes"][frame]]
        return restore(levels, torch.tensor(self.box, dtype=torch.float64))

    def coverage(self, run: str | None = None, frame: int | None = None) -> Coverage:
        """`mode_coverage` con el radio y el mínimo de ahora; sin argumentos, de lo que se ve."""
        run = self.run if run is None else run
        last = len(self._entry(run)["steps"]) - 1
        frame = min(self.frame, last) if frame is None else frame
        return mode_coverage(self.samples(run, frame), self.mixture, self.radius, self.minimum)

    def _entry(self, run: str) -> dict:
        entries = {entry["name"]: entry for entry in self.runs}
        return entries[choose("run", run, entries)]

    @traitlets.validate("radius")
    def _valid_radius(self, proposal):
        return in_range("radius", proposal["value"], *RADII)

    @traitlets.validate("minimum")
    def _valid_minimum(self, proposal):
        return in_range("minimum", positive_int("minimum", proposal["value"]), 1, self.limits[2])

    @traitlets.validate("run")
    def _valid_run(self, proposal):
        return choose("run", proposal["value"], [entry["name"] for entry in self.runs])

    @traitlets.validate("frame")
    def _valid_frame(self, proposal):
        last = max(len(entry["steps"]) for entry in self.runs) - 1
        return in_range("frame", proposal["value"], 0, last)

    def description(self) -> str:
        listed = ", ".join(f"{e['name']} ({len(e['steps'])})" for e in self.runs)
        return f"ModeCoverage: {len(self.means)} modos; instantes de {listed}"


def check_mixture(mixture: GaussianMixture) -> GaussianMixture:
    """La mezcla, si es del plano y tiene de 2 a 12 modos."""
    if not isinstance(mixture, GaussianMixture):
        raise TypeError(
            "mixture debe ser una GaussianMixture de course_lib.probability; "
            f"se recibió {type(mixture).__name__}."
        )
    if mixture.dim != 2:
        raise ValueError(f"mixture debe ser del plano (dimensión 2) y es de {mixture.dim}.")
    if not 2 <= len(mixture.weights) <= MAX_MODES:
        raise ValueError(
            f"mixture debe tener de 2 a {MAX_MODES} modos y tiene {len(mixture.weights)}."
        )
    return mixture


def check_runs(runs) -> dict[str, list[tuple[int, Tensor]]]:
    """Los entrenamientos, con sus muestras en float64, si todo lo que traen sirve."""
    if not isinstance(runs, Mapping):
        raise TypeError(
            "runs debe ser un diccionario nombre → lista de (paso, muestras); "
            f"se recibió {type(runs).__name__}."
        )
    if not 1 <= len(runs) <= MAX_RUNS:
        raise ValueError(f"runs debe traer de 1 a {MAX_RUNS} entrenamientos y trae {len(runs)}.")
    return {check_name(name): check_moments(name, moments) for name, moments in runs.items()}


def check_name(name) -> str:
    """El nombre, si es un texto que se puede mostrar."""
    if not isinstance(name, str) or not name.strip():
        raise TypeError(f"Las claves de runs deben ser nombres (texto); se recibió {name!r}.")
    return name


def check_moments(name: str, moments) -> list[tuple[int, Tensor]]:
    """Los pares (paso, muestras) de un entrenamiento: pasos crecientes, muestras (N, 2) finitas."""
    argument = f"runs[{name!r}]"
    try:
        pairs = [(step, x) for step, x in moments]
    except (TypeError, ValueError):
        raise TypeError(f"{argument} debe ser una lista de parejas (paso, muestras).") from None
    if not pairs:
        raise ValueError(
            f"{argument} está vacío: hace falta al menos un instante (paso, muestras)."
        )
    checked: list[tuple[int, Tensor]] = []
    for i, (step, x) in enumerate(pairs):
        if isinstance(step, bool) or not isinstance(step, Integral):
            raise TypeError(f"{argument}[{i}] debe empezar por el paso, un entero; trae {step!r}.")
        if step < 0:
            raise ValueError(f"{argument}[{i}]: el paso debe ser 0 o más, y es {step}.")
        if checked and step <= checked[-1][0]:
            raise ValueError(
                f"{argument} debe traer los pasos en orden y sin repetir: el {step} va después "
                f"del {checked[-1][0]}."
            )
        x = real_samples(f"{argument}, paso {step},", x)
        if x.ndim != 2 or x.shape[1] != 2 or len(x) == 0:
            raise ValueError(
                f"{argument}, paso {step}: las muestras deben tener forma (N, 2), y tienen "
                f"{tuple(x.shape)}."
            )
        checked.append((int(step), x))
    return checked
