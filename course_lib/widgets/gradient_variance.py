"""`GradientVariance`: los dos estimadores del gradiente de una esperanza y su varianza."""

from collections.abc import Callable
from numbers import Integral

import torch
import traitlets
from torch import Tensor

from course_lib.errors import choose, in_range, positive_int
from course_lib.widgets.base import CourseWidget, bundle
from course_lib.widgets.values import finite, positive

MEAN_LIMITS = (-2.0, 2.0)
STD_LIMITS = (0.1, 1.5)
MAX_SAMPLES = 2048
MAX_SEED = 2**31 - 1
COMPONENTS = ("mean", "log_std")
BASELINES = (None, "leave-one-out", "optimal")

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "cuadrática": lambda z: (z - 2).square().sum(-1),
    "seno": lambda z: torch.sin(3 * z).sum(-1),
    "cuártica": lambda z: (z.square() - 1).square().sum(-1),
    "escalón suave": lambda z: torch.sigmoid(10 * z).sum(-1),
    "escalón": lambda z: (z > 0).to(z.dtype).sum(-1),
}


class GradientVariance(CourseWidget):
    r"""Compara dos estimadores de $\nabla_φ E_q[f(z)]$, con $q=\mathcal N(m,s^2)$ y $z=m+sε$.

    Por trayectoria, $f'(z)\,\partial z/\partial φ$; con la función de puntaje,
    $(f(z)-b)\,\partial\log q/\partial φ$: los de `course_lib.latent.gradients`.

    - `f`: «cuadrática» $(z-2)^2$, «seno» $\sin 3z$, «cuártica» $(z^2-1)^2$, «escalón suave»
      $1/(1+e^{-10z})$ o «escalón» $1\{z>0\}$, en el que la trayectoria no existe;
    - `mean`, de −2 a 2, y `std`, de 0.1 a 1.5: m y s;
    - `samples`: S, de 2 a 2048; `seed`: la semilla del azar, que se genera en el navegador;
    - `baseline`: la línea base b, `None`, "leave-one-out" u "optimal";
    - `component`: φ, "mean" (m) o "log_std" ($\log s$).

    Todos son rasgos: con núcleo se leen y se escriben desde Python. `.function` es la f elegida
    como función de torch, de (S, M) a (S,), la que piden `pathwise` y `score_function`.
    """

    _esm = bundle(
        "common.js", "random.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js",
        "gradient_estimators.js", "gradient_variance.js",
    )  # fmt: skip

    limits = traitlets.Dict({"mean": list(MEAN_LIMITS), "std": list(STD_LIMITS)}).tag(sync=True)
    f = traitlets.Unicode().tag(sync=True)
    mean = traitlets.Float().tag(sync=True)
    std = traitlets.Float().tag(sync=True)
    samples = traitlets.Int().tag(sync=True)
    baseline = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    component = traitlets.Unicode().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        f: str = "cuadrática",
        mean: float = 0.0,
        std: float = 1.0,
        samples: int = 1024,
        baseline: str | None = None,
        component: str = "mean",
        seed: int = 0,
    ):
        super().__init__(
            f=choose("f", f, FUNCTIONS),
            mean=check_mean(mean),
            std=check_std(std),
            samples=check_samples(samples),
            baseline=choose("baseline", baseline, BASELINES),
            component=choose("component", component, COMPONENTS),
            seed=check_seed(seed),
        )

    @property
    def function(self) -> Callable[[Tensor], Tensor]:
        """La f elegida, de (S, M) a (S,)."""
        return FUNCTIONS[self.f]

    @traitlets.validate("f")
    def _valid_f(self, proposal):
        return choose("f", proposal["value"], FUNCTIONS)

    @traitlets.validate("mean")
    def _valid_mean(self, proposal):
        return check_mean(proposal["value"])

    @traitlets.validate("std")
    def _valid_std(self, proposal):
        return check_std(proposal["value"])

    @traitlets.validate("samples")
    def _valid_samples(self, proposal):
        return check_samples(proposal["value"])

    @traitlets.validate("baseline")
    def _valid_baseline(self, proposal):
        return choose("baseline", proposal["value"], BASELINES)

    @traitlets.validate("component")
    def _valid_component(self, proposal):
        return choose("component", proposal["value"], COMPONENTS)

    @traitlets.validate("seed")
    def _valid_seed(self, proposal):
        return check_seed(proposal["value"])

    def description(self) -> str:
        return (
            f"GradientVariance: f {self.f}, q = N({self.mean:.3g}, {self.std:.3g}²), "
            f"S = {self.samples}"
        )


def check_mean(mean: float) -> float:
    """`mean` como `float`, si está en los ejes."""
    return in_range("mean", finite("mean", mean), *MEAN_LIMITS)


def check_std(std: float) -> float:
    """`std` como `float` positivo, si está en los ejes."""
    return in_range("std", positive("std", std), *STD_LIMITS)


def check_samples(samples: int) -> int:
    """`samples` si es un entero de 2 a 2048: con una muestra no hay varianza."""
    return int(in_range("samples", positive_int("samples", samples), 2, MAX_SAMPLES))


def check_seed(seed: int) -> int:
    """`seed` si es un entero de 0 a 2³¹ − 1."""
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise TypeError(f"seed debe ser un entero; se recibió {seed!r}.")
    return int(in_range("seed", seed, 0, MAX_SEED))
