"""`SamplerOrder`: el error de cuatro muestreadores contra sus evaluaciones, con score exacto."""

import traitlets

from course_lib.errors import choose
from course_lib.probability import GaussianMixture
from course_lib.widgets.adversarial_game import law_of
from course_lib.widgets.base import CourseWidget, bundle
from course_lib.widgets.score_matching_1d import check_line, three_modes

SCHEDULES = ("VP", "SubVP", "VE", "OU", "Flow")
SPACINGS = ("t", "lambda", "rho")
METHODS = ("euler", "heun", "ddim", "dpmpp_2m")
ENDS = (0.1, 0.01, 0.001)
EVALUATIONS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


class SamplerOrder(CourseWidget):
    r"""Euler, Heun, DDIM y DPM-Solver++(2M) por la ODE de flujo de una mezcla en la recta.

    A la izquierda, la raíz del error cuadrático medio en $x_t$ al llegar a t = `end` contra el
    número de evaluaciones, en escalas logarítmicas: la pendiente, cambiada de signo, es el orden. La
    referencia son 400 pasos de Runge–Kutta de orden 4, uniformes en λ, desde los mismos 40 puntos.
    A la derecha, ocho caminos del método elegido junto a los exactos.

    - `mixture`: los datos, una `GaussianMixture` de dimensión 1; por omisión, tres modos.
    - `schedule`: «VP», «SubVP», «VE», «OU» o «Flow»; `spacing`: «t», «lambda» o «rho».
    - `method`: «euler», «heun», «ddim» o «dpmpp_2m»; `evaluations`: una de `EVALUATIONS`.
    - `end`: 0.1, 0.01 o 0.001, donde se para: más cerca de los datos hay más rigidez.

    Todos menos `mixture` son rasgos: con núcleo se leen y se escriben desde Python.
    Karras et al. (2022), alg. 1; Lu et al. (2022b), alg. 2.
    """

    _esm = bundle(
        "common.js", "plot.js", "plane.js", "panel.js", "random.js", "continuous_schedules.js",
        "mixture_score.js", "sampler_steps.js", "sampler_order.js",
    )  # fmt: skip
    _css = bundle("widgets.css", "sampler_order.css")

    law = traitlets.Dict().tag(sync=True)
    spread = traitlets.Float().tag(sync=True)
    ends = traitlets.List().tag(sync=True)
    schedule = traitlets.Unicode().tag(sync=True)
    spacing = traitlets.Unicode().tag(sync=True)
    method = traitlets.Unicode().tag(sync=True)
    evaluations = traitlets.Int().tag(sync=True)
    end = traitlets.Float().tag(sync=True)

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        schedule: str = "VP",
        spacing: str = "lambda",
        method: str = "dpmpp_2m",
        evaluations: int = 16,
        end: float = 0.001,
    ):
        self.mixture = three_modes() if mixture is None else check_line(mixture)
        second = self.mixture.cov[0, 0] + self.mixture.mean[0] ** 2
        super().__init__(
            law=law_of(self.mixture),
            spread=second.sqrt().item(),
            ends=list(ENDS),
            schedule=choose("schedule", schedule, SCHEDULES),
            spacing=choose("spacing", spacing, SPACINGS),
            method=choose("method", method, METHODS),
            evaluations=choose("evaluations", evaluations, EVALUATIONS),
            end=choose("end", end, ENDS),
        )

    @traitlets.validate("schedule")
    def _valid_schedule(self, proposal):
        return choose("schedule", proposal["value"], SCHEDULES)

    @traitlets.validate("spacing")
    def _valid_spacing(self, proposal):
        return choose("spacing", proposal["value"], SPACINGS)

    @traitlets.validate("method")
    def _valid_method(self, proposal):
        return choose("method", proposal["value"], METHODS)

    @traitlets.validate("evaluations")
    def _valid_evaluations(self, proposal):
        return choose("evaluations", proposal["value"], EVALUATIONS)

    @traitlets.validate("end")
    def _valid_end(self, proposal):
        return choose("end", proposal["value"], ENDS)

    def description(self) -> str:
        return (
            f"SamplerOrder: {self.schedule}, rejilla {self.spacing}, {self.method} con "
            f"{self.evaluations} evaluaciones hasta t = {self.end:g}"
        )
