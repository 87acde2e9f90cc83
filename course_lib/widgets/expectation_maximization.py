"""`ExpectationMaximization`: EM de una mezcla de gaussianas en el plano, paso a paso."""

import torch
import traitlets
from torch import Tensor

from course_lib.errors import in_range, positive_int
from course_lib.probability import GaussianMixture
from course_lib.widgets.base import CourseWidget, bundle
from course_lib.widgets.samples import needs_spread, real_samples

MAX_K = 6
MAX_POINTS = 2000
MAX_SEED = 2**31 - 3
FLOOR = 1e-4  # menor autovalor de una covarianza, en veces la varianza media de los datos


class ExpectationMaximization(CourseWidget):
    r"""Alterna los pasos E y M de una mezcla de `k` gaussianas completas, en el navegador.

    `x`: (N, 2), 6 ≤ N ≤ 2000; `k`: de 1 a 6. La partida es explícita: pesos 1/k, covarianza la de
    los datos (con 1/N) entre k y, como medias, k datos distintos sacados con un generador de
    Lehmer de semilla `seed`; `initial()` la devuelve como `GaussianMixture`. Los autovalores de las
    covarianzas no bajan de `floor`, igual que en `course_lib.probability.em.fit_em`. `k` y `seed`
    son rasgos: con núcleo se leen y se escriben desde Python, y al cambiar se vuelve a empezar.
    """

    _esm = bundle(
        "common.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js", "em.js",
        "expectation_maximization.js",
    )  # fmt: skip

    points = traitlets.Bytes().tag(sync=True)
    floor = traitlets.Float().tag(sync=True)
    choices = traitlets.List(default_value=list(range(1, MAX_K + 1))).tag(sync=True)
    k = traitlets.Int().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)

    def __init__(self, x: Tensor, k: int = 3, seed: int = 0):
        self.x = check_points(x)
        covariance = self.x.T.cov(correction=0)
        super().__init__(
            points=self.x.numpy().astype("<f8").tobytes(),
            floor=FLOOR * covariance.trace().item() / 2,
            k=check_k(k),
            seed=check_seed(seed),
        )

    def initial(self) -> GaussianMixture:
        """La mezcla de la que parte EM con la `k` y la `seed` de ahora."""
        random = lehmer(self.seed)
        order = list(range(len(self.x)))
        for j in range(self.k):
            other = j + int(next(random) * (len(order) - j))
            order[j], order[other] = order[other], order[j]
        values, vectors = torch.linalg.eigh(self.x.T.cov(correction=0) / self.k)
        cov = (vectors * values.clamp(min=self.floor)) @ vectors.T
        weights = torch.full((self.k,), 1 / self.k, dtype=torch.float64)
        return GaussianMixture(weights, self.x[order[: self.k]], cov.expand(self.k, 2, 2))

    @traitlets.validate("k")
    def _valid_k(self, proposal):
        return check_k(proposal["value"])

    @traitlets.validate("seed")
    def _valid_seed(self, proposal):
        return check_seed(proposal["value"])

    def description(self) -> str:
        return f"ExpectationMaximization: {len(self.x)} puntos, k = {self.k}, semilla {self.seed}"


def lehmer(seed: int):
    """Números en (0, 1): $s\\leftarrow 48271\\,s \\bmod (2^{31}-1)$, sin los diez primeros."""
    state, drawn = seed + 1, 0
    while True:
        state, drawn = state * 48271 % 2147483647, drawn + 1
        if drawn > 10:
            yield state / 2147483647


def check_k(k: int) -> int:
    """`k` si es un entero de 1 a 6."""
    return in_range("k", positive_int("k", k), 1, MAX_K)


def check_seed(seed: int) -> int:
    """`seed` si es un entero que sirve de semilla al generador."""
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed debe ser un entero; se recibió {seed!r}.")
    return in_range("seed", seed, 0, MAX_SEED)


def check_points(x) -> Tensor:
    """Los puntos como tensor (N, 2) en float64, si hay de 6 a 2000 y varían en las dos coordenadas."""
    x = real_samples("x", x)
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"x debe tener forma (N, 2) y tiene forma {tuple(x.shape)}.")
    if not MAX_K <= len(x) <= MAX_POINTS:
        raise ValueError(f"x debe traer de {MAX_K} a {MAX_POINTS} puntos; se recibieron {len(x)}.")
    for i in range(2):
        needs_spread(f"x[:, {i}]", x[:, i])
    return x
