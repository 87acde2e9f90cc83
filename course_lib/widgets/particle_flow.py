"""`ParticleFlow`: partículas que van de los datos al ruido y vuelven, con el score exacto."""

import torch
import traitlets

from course_lib.data import toy
from course_lib.errors import choose, in_range, positive_int
from course_lib.probability import GaussianMixture
from course_lib.widgets.adversarial_game import MAX_SEED, check_mixture, check_seed, law_of
from course_lib.widgets.base import CourseWidget, bundle
from course_lib.widgets.values import finite

SCHEDULES = ("VP", "SubVP", "VE", "OU", "Flow")
MODES = ("SDE directa", "SDE inversa", "ODE")
SPACINGS = ("t", "lambda")
COMPARISONS = ("no", "superpuestas", "lado a lado")
STEPS = (5, 200)
PARTICLES = (50, 1000)


class ParticleFlow(CourseWidget):
    r"""Mueve partículas de una mezcla difundida con el score exacto $\nabla\log p_t$.

    `mixture`: los datos, una `GaussianMixture` del plano con 1 a 12 componentes, dentro de ±10 y
    con desviaciones de al menos 0.05; si no se da, `toy.eight_gaussians()`. `particles`: cuántas,
    de 50 a 1000.

    - `mode`: «SDE directa» (de los datos al ruido, con su transición exacta), «SDE inversa» u
      «ODE», la ODE de flujo de probabilidad.
    - `noise`: η, de 0 a 1. La SDE inversa tiene deriva $f x - \frac{1+η^2}{2}g^2\nabla\log p_t$ y
      ruido $ηg$; se integra con Euler–Maruyama, sin ruido en el último paso. η = 0 es la ODE.
    - `schedule`: «VP», «SubVP», «VE», «OU» o «Flow», con los parámetros por omisión de
      `course_lib.diffusion`. En «Flow» $f$ y $g^2$ son infinitos en t = 1: se trabaja hasta 0.95.
    - `steps`: de 5 a 200; `spacing`: pasos iguales en «t» o en «lambda», como `Schedule.grid`.
    - `t`: el instante que se ve, de 0 (datos) a 1 (ruido); si no se da, el de partida.
    - `flipped`: si es `True`, el score entra con el signo cambiado; `compare`: «no»,
      «superpuestas» o «lado a lado», la SDE inversa y la ODE desde el mismo ruido; `arrows` y
      `density`: si se dibujan las flechas del score y el mapa de $p_t$.
    - `seed`: todo el azar. La misma semilla da el mismo ruido inicial a la SDE inversa y a la ODE.

    Al final se mide la distancia energía a los datos (a la distribución previa, en la SDE directa), frente
    a la que hay entre dos muestras de ellos, y las partículas de cada modo. Todos menos `mixture`
    y `particles` son rasgos: con núcleo se leen y se escriben desde Python.
    Song et al. (2021b), ecs. 5, 6 y 13.
    """

    _esm = bundle(
        "common.js", "plot.js", "plane.js", "plane_maps.js", "panel.js", "random.js",
        "mixture_law.js", "continuous_schedules.js", "mixture_score.js", "particle_flow_path.js",
        "particle_flow_judge.js", "particle_flow_scene.js", "particle_flow.js",
    )  # fmt: skip
    _css = bundle("widgets.css", "adversarial_game.css", "particle_flow.css")

    law = traitlets.Dict().tag(sync=True)
    particles = traitlets.Int().tag(sync=True)
    most_seed = traitlets.Int(MAX_SEED).tag(sync=True)
    mode = traitlets.Unicode().tag(sync=True)
    schedule = traitlets.Unicode().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    spacing = traitlets.Unicode().tag(sync=True)
    noise = traitlets.Float().tag(sync=True)
    t = traitlets.Float().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    flipped = traitlets.Bool(False).tag(sync=True)
    compare = traitlets.Unicode().tag(sync=True)
    arrows = traitlets.Bool(True).tag(sync=True)
    density = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        schedule: str = "VP",
        particles: int = 400,
        mode: str = "SDE inversa",
        steps: int = 50,
        spacing: str = "t",
        noise: float = 1.0,
        t: float | None = None,
        seed: int = 0,
        flipped: bool = False,
        compare: str = "no",
        arrows: bool = True,
        density: bool = True,
    ):
        self.mixture = plane_mixture(mixture)
        choose("mode", mode, MODES)
        start = 0.0 if mode == "SDE directa" else 1.0
        super().__init__(
            law=law_of(self.mixture),
            particles=in_range("particles", positive_int("particles", particles), *PARTICLES),
            mode=mode,
            schedule=choose("schedule", schedule, SCHEDULES),
            steps=check_steps(steps),
            spacing=choose("spacing", spacing, SPACINGS),
            noise=unit("noise", noise),
            t=unit("t", start if t is None else t),
            seed=check_seed(seed),
            flipped=check_bool("flipped", flipped),
            compare=choose("compare", compare, COMPARISONS),
            arrows=check_bool("arrows", arrows),
            density=check_bool("density", density),
        )

    @traitlets.validate("mode")
    def _valid_mode(self, proposal):
        return choose("mode", proposal["value"], MODES)

    @traitlets.validate("schedule")
    def _valid_schedule(self, proposal):
        return choose("schedule", proposal["value"], SCHEDULES)

    @traitlets.validate("steps")
    def _valid_steps(self, proposal):
        return check_steps(proposal["value"])

    @traitlets.validate("spacing")
    def _valid_spacing(self, proposal):
        return choose("spacing", proposal["value"], SPACINGS)

    @traitlets.validate("noise", "t")
    def _valid_unit(self, proposal):
        return unit(proposal["trait"].name, proposal["value"])

    @traitlets.validate("seed")
    def _valid_seed(self, proposal):
        return check_seed(proposal["value"])

    @traitlets.validate("compare")
    def _valid_compare(self, proposal):
        return choose("compare", proposal["value"], COMPARISONS)

    def description(self) -> str:
        noise = f" con η = {self.noise:g}" if self.mode == "SDE inversa" else ""
        return (
            f"ParticleFlow: {self.mode}{noise}, esquema {self.schedule}, {self.steps} pasos, "
            f"{self.particles} partículas"
        )


def plane_mixture(mixture: GaussianMixture | None) -> GaussianMixture:
    """La mezcla dada, si es del plano y cabe en él; si no se da, `toy.eight_gaussians()`."""
    mixture = toy.eight_gaussians(torch.float64) if mixture is None else mixture
    if isinstance(mixture, GaussianMixture) and mixture.dim != 2:
        raise ValueError(
            f"mixture debe ser de dimensión 2, porque se dibuja un plano, y es de {mixture.dim}."
        )
    check_mixture(mixture, None)
    return mixture


def check_steps(steps: int) -> int:
    """`steps` si es un entero de 5 a 200."""
    return in_range("steps", positive_int("steps", steps), *STEPS)


def unit(argument: str, value: float) -> float:
    """`value` como `float`, si está en [0, 1]."""
    return in_range(argument, finite(argument, value), 0.0, 1.0)


def check_bool(argument: str, value: bool) -> bool:
    """`value`, si es `True` o `False`."""
    if not isinstance(value, bool):
        raise TypeError(f"{argument} debe ser True o False; se recibió {value!r}.")
    return value
