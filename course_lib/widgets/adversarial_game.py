"""`AdversarialGame`: una GAN que se juega paso a paso en la página, con redes que aprenden allí."""

import torch
import traitlets

from course_lib.data import toy
from course_lib.errors import choose, in_range, positive_int
from course_lib.probability import GaussianMixture
from course_lib.widgets.base import CourseWidget, bundle
from course_lib.widgets.values import finite

LOSSES = ("no saturante", "saturante", "bisagra", "wasserstein")
GENERATOR_LR = {"adam": 0.005, "sgd": 0.05}  # también en adversarial_game.js, como la siguiente
STEPS = {1: 3, 2: 2}  # pasos de D por ronda, en la recta y en el plano
LR = (1e-4, 1.0)
MAX_STEPS = 20
MAX_MODES = 12
MAX_SEED = 2**31 - 1
REACH = 10.0  # hasta dónde pueden llegar los datos
THINNEST = 0.05  # la menor desviación típica
VIEW = 3.75  # desviaciones que se ven a cada lado de los modos


class AdversarialGame(CourseWidget):
    r"""Juega $\min_G\max_D V(G,D)$ con dos perceptrones que se entrenan en el navegador.

    `dim`: 1, la recta, o 2, el plano; `mixture`: los datos, una `GaussianMixture` de esa dimensión
    (si no se da `dim`, la de la mezcla). Por omisión, dos gaussianas en la recta y
    `toy.eight_gaussians()` en el plano. Los datos deben caber en ±10 y sus desviaciones pasar de
    0.05, porque las redes no normalizan.

    - `loss`: «no saturante», «saturante», «bisagra» o «wasserstein», las de `adversarial.losses`.
    - `discriminator_steps`: pasos de D por cada paso de G; por omisión, 3 en la recta y 2 en el
      plano. `generator_lr` y `discriminator_lr`: las dos tasas (TTUR). `optimizer`: el de G, «adam»
      (betas 0.5 y 0.999) o «sgd», el descenso simple; D usa siempre Adam. Sin `generator_lr`, la
      tasa es 0.005 con el primero y 0.05 con el otro.
    - `gradient_penalty`: λ, solo con «wasserstein»; `r1`: γ, de 0 a 1, con cualquier pérdida.
    - `seed`: los pesos iniciales y todo el azar; la misma partida da los mismos números.

    Todos menos `mixture` y `gradient_penalty` son rasgos: con núcleo se leen y se escriben desde
    Python. Cambiar `dim`, `seed` o de familia de pérdida empieza otra partida. En la recta, μ_G, D*
    y la JSD se calculan por cuadratura; en el plano, V es una media de 1000 datos y 1000 muestras
    nuevos, y D* usa la π exacta y una μ_G estimada con un núcleo.
    Goodfellow et al. (2014); Gulrajani et al. (2017), ec. 3; Mescheder et al. (2018), ec. 9.
    """

    _esm = bundle(
        "common.js", "plot.js", "plane.js", "panel.js", "random.js", "tiny_mlp.js",
        "mixture_law.js", "adversarial_step.js", "line_measure.js", "plane_maps.js",
        "adversarial_line.js", "adversarial_plane.js", "adversarial_verdict.js",
        "adversarial_game.js",
    )  # fmt: skip
    _css = bundle("widgets.css", "adversarial_game.css")

    laws = traitlets.Dict().tag(sync=True)
    gradient_penalty = traitlets.Float().tag(sync=True)
    most_seed = traitlets.Int(MAX_SEED).tag(sync=True)
    dim = traitlets.Int().tag(sync=True)
    loss = traitlets.Unicode().tag(sync=True)
    discriminator_steps = traitlets.Int().tag(sync=True)
    generator_lr = traitlets.Float().tag(sync=True)
    discriminator_lr = traitlets.Float().tag(sync=True)
    optimizer = traitlets.Unicode().tag(sync=True)
    r1 = traitlets.Float().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        dim: int | None = None,
        mixture: GaussianMixture | None = None,
        loss: str = "no saturante",
        discriminator_steps: int | None = None,
        generator_lr: float | None = None,
        discriminator_lr: float = 0.01,
        optimizer: str = "adam",
        gradient_penalty: float = 0.1,
        r1: float = 0.0,
        seed: int = 3,
    ):
        if mixture is not None:
            check_mixture(mixture, dim)
        dim = choose("dim", (1 if mixture is None else mixture.dim) if dim is None else dim, (1, 2))
        self._mixtures = {1: two_gaussians(), 2: toy.eight_gaussians(torch.float64)}
        if mixture is not None:
            self._mixtures[dim] = mixture
        usual = GENERATOR_LR[choose("optimizer", optimizer, GENERATOR_LR)]
        super().__init__(
            laws={str(d): law_of(mixture) for d, mixture in self._mixtures.items()},
            gradient_penalty=not_negative("gradient_penalty", gradient_penalty),
            dim=dim,
            loss=choose("loss", loss, LOSSES),
            discriminator_steps=check_steps(
                STEPS[dim] if discriminator_steps is None else discriminator_steps
            ),
            generator_lr=check_lr("generator_lr", usual if generator_lr is None else generator_lr),
            discriminator_lr=check_lr("discriminator_lr", discriminator_lr),
            optimizer=optimizer,
            r1=in_range("r1", finite("r1", r1), 0.0, 1.0),
            seed=check_seed(seed),
        )

    @property
    def mixture(self) -> GaussianMixture:
        """Los datos con los que se juega ahora."""
        return self._mixtures[self.dim]

    @traitlets.validate("dim")
    def _valid_dim(self, proposal):
        return choose("dim", proposal["value"], (1, 2))

    @traitlets.validate("loss")
    def _valid_loss(self, proposal):
        return choose("loss", proposal["value"], LOSSES)

    @traitlets.validate("discriminator_steps")
    def _valid_steps(self, proposal):
        return check_steps(proposal["value"])

    @traitlets.validate("generator_lr", "discriminator_lr")
    def _valid_lr(self, proposal):
        return check_lr(proposal["trait"].name, proposal["value"])

    @traitlets.validate("optimizer")
    def _valid_optimizer(self, proposal):
        return choose("optimizer", proposal["value"], GENERATOR_LR)

    @traitlets.validate("r1")
    def _valid_r1(self, proposal):
        return in_range("r1", proposal["value"], 0.0, 1.0)

    @traitlets.validate("seed")
    def _valid_seed(self, proposal):
        return check_seed(proposal["value"])

    def description(self) -> str:
        place = {1: "en la recta", 2: "en el plano"}[self.dim]
        return f"AdversarialGame: {place}, pérdida {self.loss}, semilla {self.seed}"


def two_gaussians() -> GaussianMixture:
    """Los datos por omisión en la recta: dos gaussianas desiguales, en −2.5 y 2.5."""
    covs = torch.full((2, 1, 1), 0.4**2, dtype=torch.float64)
    return GaussianMixture([0.6, 0.4], torch.tensor([[-2.5], [2.5]], dtype=torch.float64), covs)


def law_of(mixture: GaussianMixture) -> dict:
    """Lo que el navegador necesita de la mezcla: sus parámetros y el marco en el que se dibuja."""
    weights, means, covs = (v.cpu() for v in (mixture.weights, mixture.means, mixture.covs))
    stds = covs.diagonal(dim1=1, dim2=2).sqrt()
    low, high = (means - VIEW * stds).amin(0), (means + VIEW * stds).amax(0)
    if mixture.dim == 2:  # una unidad mide lo mismo en los dos ejes
        center, half = (low + high) / 2, (high - low).max() / 2
        low, high = center - half, center + half
    return {
        "weights": weights.tolist(),
        "means": means.tolist(),
        "factors": torch.linalg.cholesky(covs).tolist(),
        "box": [*low.tolist(), *high.tolist()],
    }


def check_mixture(mixture: GaussianMixture, dim: int | None) -> None:
    """Errores si la mezcla no es de la dimensión que se pide o no está en la escala de las redes."""
    if not isinstance(mixture, GaussianMixture):
        raise TypeError(
            "mixture debe ser una GaussianMixture de course_lib.probability; "
            f"se recibió {type(mixture).__name__}."
        )
    if mixture.dim not in (1, 2) or dim not in (None, mixture.dim):
        wanted = "1 o 2" if dim is None else f"{dim}, la que dice dim"
        raise ValueError(f"mixture debe ser de dimensión {wanted}, y es de {mixture.dim}.")
    if not 1 <= len(mixture.weights) <= MAX_MODES or (mixture.weights <= 0).any():
        raise ValueError(
            f"mixture debe tener de 1 a {MAX_MODES} componentes, todas con peso mayor que 0; sus "
            f"pesos son {mixture.weights.tolist()}."
        )
    stds = mixture.covs.diagonal(dim1=1, dim2=2).sqrt()
    reach = (mixture.means.abs() + 3 * stds).max().item()
    thinnest = torch.linalg.eigvalsh(mixture.covs).min().sqrt().item()
    if reach > REACH or thinnest < THINNEST:
        raise ValueError(
            f"mixture debe caber en ±{REACH:g} con desviaciones de al menos {THINNEST:g}; llega a "
            f"±{reach:.3g} y su menor desviación es {thinnest:.3g}. Conviene cambiar de escala."
        )


def check_steps(steps: int) -> int:
    """`steps` si es un entero de 1 a 20."""
    return in_range("discriminator_steps", positive_int("discriminator_steps", steps), 1, MAX_STEPS)


def check_lr(argument: str, rate: float) -> float:
    """La tasa, si es un número entre 0.0001 y 1."""
    return in_range(argument, finite(argument, rate), *LR)


def not_negative(argument: str, value: float) -> float:
    """`value` como `float`, si no es negativo."""
    number = finite(argument, value)
    if number < 0:
        raise ValueError(f"{argument} no puede ser negativo; se recibió {number:g}.")
    return number


def check_seed(seed: int) -> int:
    """`seed` si es un entero que sirve de semilla al generador."""
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed debe ser un entero; se recibió {seed!r}.")
    return in_range("seed", seed, 0, MAX_SEED - 1)
