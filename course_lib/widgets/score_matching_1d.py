"""`ScoreMatching1D`: de un histograma con ruido al score aprendido y a las muestras, en la recta."""

from numbers import Integral

import torch
import traitlets

from course_lib.errors import choose, in_range, positive_int
from course_lib.probability import GaussianMixture
from course_lib.widgets.adversarial_game import check_mixture, law_of
from course_lib.widgets.base import CourseWidget, bundle
from course_lib.widgets.values import positive

LOSSES = ("dsm", "ism")
SIGMA, POINTS, STEPS, SEED = (0.05, 3.0), (50, 5000), (10, 3000), (0, 2**31 - 1)
TAIL = 8.0  # desviaciones que abarca la cuadratura a cada lado
NODES = 20_001


class ScoreMatching1D(CourseWidget):
    r"""Aprende en el navegador el score de $x_\sigma=x+\sigma\varepsilon$ y muestrea con él.

    Tres gráficos cuentan el camino: los datos con ruido y su densidad exacta $p_\sigma$; los
    objetivos $-\varepsilon/\sigma$, su media por casillas, el score exacto y el que aprende un
    perceptrón; y las muestras de Langevin con lo aprendido. Un cuarto dibuja las tres pérdidas,
    exactas por cuadratura: $J_{DSM}-J_{ESM}=\frac12(1/\sigma^2-I)$ y $J_{ISM}-J_{ESM}=-\frac12 I$,
    con $I=\E|\nabla\log p_\sigma|^2$, no cambian al entrenar.

    - `mixture`: los datos, una `GaussianMixture` de dimensión 1 que quepa en ±10, con desviaciones
      de al menos 0.05; por omisión, tres modos desiguales.
    - `sigma`: el ruido, de 0.05 a 3; `points`: N, de 50 a 5000 datos.
    - `loss`: «dsm», $\frac12(s+\varepsilon/\sigma)^2$, o «ism», $\frac12s^2+s'$.
    - `langevin_steps`: de 10 a 3000, cada uno de una décima de la menor varianza de $p_\sigma$.
    - `seed`: los datos, los pesos iniciales y todo el azar.

    Todos menos `mixture` son rasgos: con núcleo se leen y se escriben desde Python. `.diffused` es
    $p_\sigma$, y `constants()` da las dos diferencias, calculadas aparte en float64.
    Vincent (2011), ec. 11; Hyvärinen (2005), ec. 4.
    """

    _esm = bundle(
        "common.js", "plot.js", "plane.js", "panel.js", "random.js", "tiny_mlp.js",
        "mixture_law.js", "mixture_score.js", "score_matching_1d_law.js",
        "score_matching_1d_training.js", "score_matching_1d_charts.js",
        "score_matching_1d_verdict.js", "score_matching_1d.js",
    )  # fmt: skip
    _css = bundle("widgets.css", "score_matching_1d.css")

    law = traitlets.Dict().tag(sync=True)
    limits = traitlets.Dict().tag(sync=True)
    sigma = traitlets.Float().tag(sync=True)
    points = traitlets.Int().tag(sync=True)
    loss = traitlets.Unicode().tag(sync=True)
    langevin_steps = traitlets.Int().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        sigma: float = 0.8,
        points: int = 1000,
        loss: str = "dsm",
        langevin_steps: int = 500,
        seed: int = 0,
    ):
        self.mixture = three_modes() if mixture is None else check_line(mixture)
        super().__init__(
            law=law_of(self.mixture),
            limits={"sigma": SIGMA, "points": POINTS, "langevin_steps": STEPS, "seed": SEED},
            sigma=check_sigma(sigma),
            points=check_points(points),
            loss=choose("loss", loss, LOSSES),
            langevin_steps=check_steps(langevin_steps),
            seed=check_seed(seed),
        )

    @property
    def diffused(self) -> GaussianMixture:
        r"""$p_\sigma$: la mezcla con las varianzas aumentadas en $\sigma^2$."""
        return self.mixture.diffuse(1.0, self.sigma)

    def fisher(self) -> float:
        r"""$I=\E_{p_\sigma}|\nabla\log p_\sigma|^2$, por cuadratura."""
        noisy = self.diffused
        reach = TAIL * noisy.covs.flatten().sqrt()
        low, high = (noisy.means[:, 0] - reach).min(), (noisy.means[:, 0] + reach).max()
        x = torch.linspace(low, high, NODES, dtype=torch.float64)[:, None]
        values = noisy.log_prob(x).exp() * noisy.score(x)[:, 0].square()
        return torch.trapezoid(values, x[:, 0]).item()

    def constants(self) -> tuple[float, float]:
        r"""$J_{DSM}-J_{ESM}$ y $J_{ISM}-J_{ESM}$: las constantes que no dependen de la red."""
        fisher = self.fisher()
        return (1 / self.sigma**2 - fisher) / 2, -fisher / 2

    @traitlets.validate("sigma")
    def _valid_sigma(self, proposal):
        return check_sigma(proposal["value"])

    @traitlets.validate("points")
    def _valid_points(self, proposal):
        return check_points(proposal["value"])

    @traitlets.validate("loss")
    def _valid_loss(self, proposal):
        return choose("loss", proposal["value"], LOSSES)

    @traitlets.validate("langevin_steps")
    def _valid_steps(self, proposal):
        return check_steps(proposal["value"])

    @traitlets.validate("seed")
    def _valid_seed(self, proposal):
        return check_seed(proposal["value"])

    def description(self) -> str:
        return (
            f"ScoreMatching1D: σ = {self.sigma:g}, {self.points} datos, "
            f"pérdida {self.loss.upper()}, semilla {self.seed}"
        )


def three_modes() -> GaussianMixture:
    """Los datos por omisión: tres modos de pesos y anchos desiguales."""
    means = torch.tensor([[-2.5], [0.5], [3.0]], dtype=torch.float64)
    stds = torch.tensor([0.6, 0.3, 0.5], dtype=torch.float64)
    return GaussianMixture([0.7, 0.1, 0.2], means, stds.square()[:, None, None])


def check_line(mixture: GaussianMixture) -> GaussianMixture:
    """La mezcla, si es de dimensión 1 y está en la escala de la red."""
    if isinstance(mixture, GaussianMixture) and mixture.dim != 1:
        raise ValueError(f"mixture debe ser de dimensión 1, y es de {mixture.dim}.")
    check_mixture(mixture, None)
    return mixture


def check_sigma(sigma: float) -> float:
    """`sigma` como `float`, si está entre 0.05 y 3."""
    return in_range("sigma", positive("sigma", sigma), *SIGMA)


def check_points(points: int) -> int:
    """`points` si es un entero de 50 a 5000."""
    return int(in_range("points", positive_int("points", points), *POINTS))


def check_steps(steps: int) -> int:
    """`langevin_steps` si es un entero de 10 a 3000."""
    return int(in_range("langevin_steps", positive_int("langevin_steps", steps), *STEPS))


def check_seed(seed: int) -> int:
    """`seed` si es un entero que sirve de semilla al generador."""
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise TypeError(f"seed debe ser un entero; se recibió {seed!r}.")
    return int(in_range("seed", seed, SEED[0], SEED[1] - 1))
