r"""Oráculos de las pruebas: leyes exactas y muestreadores recorridos sin azar.

Con datos gaussianos el denoiser exacto es afín en x, luego todo muestreador lo es en su partida y
en sus ruidos: $x_0 = A x_T + b + \sum_i C_i z_i$. Los vectores de la base, puestos en lugar de x_T
y de cada z_i, dan A, b y C_i, y con ellos la media y la covarianza finales sin Monte Carlo.
"""

import torch
from numpy.polynomial.hermite_e import hermegauss

from course_lib.diffusion import DDPM, EDM, OU, VE, VP, Cosine, Flow, SubVP, sample
from course_lib.diffusion.sde import fitted_order
from course_lib.noise import BatchNoise
from course_lib.probability import Gaussian, GaussianMixture

CONTINUOUS = {
    "VP": VP(),
    "SubVP": SubVP(),
    "VE": VE(),
    "OU": OU(),
    "Cosine": Cosine(),
    "Flow": Flow(),
    "EDM": EDM(),
}
TABULATED = {
    "linear": DDPM.linear(1000),
    "cosine": DDPM.cosine(1000),
    "sigmoid": DDPM.sigmoid(1000),
}
SCHEDULES = CONTINUOUS | TABULATED

DATA = Gaussian(
    torch.tensor([0.5, -1.0], dtype=torch.float64),
    torch.tensor([[0.8, 0.3], [0.3, 0.4]], dtype=torch.float64),
)


class Probe(BatchNoise):
    """Una «fuente de azar» que devuelve, en su i-ésima llamada, la base en sus propias filas."""

    def __init__(self, dim: int, calls: int):
        super().__init__(None)
        self.dim, self.calls, self.used = dim, calls, 0

    @property
    def rows(self) -> int:
        return 1 + self.dim + self.dim * self.calls

    def start(self) -> torch.Tensor:
        x = torch.zeros(self.rows, self.dim, dtype=torch.float64)
        x[1 : 1 + self.dim] = torch.eye(self.dim)
        return x

    def __call__(self, like):
        z = torch.zeros_like(like)
        first = 1 + self.dim + self.dim * self.used
        z[first : first + self.dim] = torch.eye(self.dim)
        self.used += 1
        return z


def affine_run(data: Gaussian, schedule, method, grid, **options):
    r"""$(A, b, \sum_i C_iC_i^\top)$ del muestreador `method` recorrido por `grid`."""
    probe = Probe(data.dim, calls=(1 + options.get("corrections", 1)) * len(grid))
    out = sample(
        data.denoiser(schedule),
        probe.start(),
        steps=grid,
        method=method,
        generator=probe,
        **options,
    )
    b, columns = out[0], out[1:] - out[0]
    A, C = columns[: data.dim].mT, columns[data.dim :]
    return A, b, C.mT @ C


def final_law(data: Gaussian, schedule, method, grid, **options) -> tuple:
    """Media y covarianza finales, partiendo de la ley exacta en grid[0]."""
    A, b, noise = affine_run(data, schedule, method, grid, **options)
    start = data.diffuse(schedule.alpha(grid[0]).item(), schedule.sigma(grid[0]).item())
    return A @ start.mean + b, A @ start.cov @ A.mT + noise


def exact_law(data: Gaussian, schedule, t):
    law = data.diffuse(schedule.alpha(t).item(), schedule.sigma(t).item())
    return law.mean, law.cov


def exact_flow(data: Gaussian, schedule, t, s):
    r"""El mapa exacto de la ODE entre t y s: en cada eje propio, un cociente de desviaciones."""
    values, Q = torch.linalg.eigh(data.cov)
    (a_t, s_t), (a_s, s_s) = ((schedule.alpha(u), schedule.sigma(u)) for u in (t, s))
    ratio = torch.sqrt((a_s**2 * values + s_s**2) / (a_t**2 * values + s_t**2))
    A = Q @ torch.diag(ratio) @ Q.mT
    return A, a_s * data.mean - A @ (a_t * data.mean)


def law_error(data, schedule, method, grid, **options) -> float:
    got, true = (
        final_law(data, schedule, method, grid, **options),
        exact_law(data, schedule, grid[-1]),
    )
    return max((g - e).abs().max().item() for g, e in zip(got, true, strict=True))


def flow_error(data, schedule, method, grid, **options) -> float:
    A, b, _ = affine_run(data, schedule, method, grid, **options)
    start = data.diffuse(schedule.alpha(grid[0]).item(), schedule.sigma(grid[0]).item())
    A_true, b_true = exact_flow(data, schedule, grid[0], grid[-1])
    difference = (A - A_true) @ torch.linalg.cholesky(start.cov)  # en la escala de x_T
    shift = (A - A_true) @ start.mean + b - b_true
    return max(difference.abs().max().item(), shift.abs().max().item())


def slope(errors: dict[int, float]) -> float:
    """Orden de convergencia: pendiente de log(error) frente a log(1/n), entre los dos últimos n."""
    counts = list(errors)[-2:]
    return fitted_order([1 / n for n in counts], [errors[n] for n in counts])


def gauss_pairs(mean, var, n=12):
    """Nodos y pesos de Gauss–Hermite para (x_0, ε) con x_0 ~ N(mean, var): integra sin azar."""
    nodes, weights = (torch.from_numpy(v) for v in hermegauss(n))
    weights = weights / weights.sum()
    x0 = (mean + var**0.5 * nodes).repeat_interleave(n)[:, None]
    return x0, nodes.repeat(n)[:, None], (weights[:, None] * weights).flatten()


# --- una mezcla en 1-D --------------------------------------------------------------------------

MODES = GaussianMixture(
    torch.tensor([0.3, 0.7], dtype=torch.float64),
    torch.tensor([[-1.0], [0.8]], dtype=torch.float64),
    torch.tensor([[[0.09]], [[0.16]]], dtype=torch.float64),
)


def cdf(law: GaussianMixture, x):
    """La función de distribución de una mezcla en 1-D; `x`: (N,)."""
    z = (x[:, None] - law.means[:, 0]) / law.covs[:, 0, 0].sqrt()
    return (law.weights * torch.special.ndtr(z)).sum(1)


def quantiles(law: GaussianMixture, p):
    """La inversa de `cdf`, por bisección."""
    low, high = torch.full_like(p, -1e3), torch.full_like(p, 1e3)
    for _ in range(80):
        middle = (low + high) / 2
        below = cdf(law, middle) < p
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def quantile_flow_error(data: GaussianMixture, schedule, method, grid) -> float:
    """En 1-D la ODE exacta conserva los cuantiles: cuánto se aparta el método de ese mapa."""
    p = torch.linspace(0.01, 0.99, 15, dtype=torch.float64)
    start, end = (
        quantiles(data.diffuse(schedule.alpha(t), schedule.sigma(t)), p)
        for t in (grid[0], grid[-1])
    )
    got = sample(data.denoiser(schedule), start[:, None], steps=grid, method=method)[:, 0]
    return (got - end).abs().max().item()
