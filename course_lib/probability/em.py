"""EM: ajuste de una mezcla de gaussianas por máxima verosimilitud, en logaritmos y en float64."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from course_lib.errors import in_range, positive_int

from .covariance import as_real, common_dtype, double_like
from .mixtures import GaussianMixture

__all__ = ["EMResult", "fit_em"]


@dataclass
class EMResult:
    r"""Lo que devuelve `fit_em`.

    `mixture`: la mezcla final; `iterations`: cuántas veces se actualizó; `converged`: si la última
    mejora quedó por debajo de la tolerancia; `history[i]`: la mezcla tras i actualizaciones, con
    la de partida en i = 0; `log_likelihood[i]`: $\frac1N\sum_n\log p(x_n)$ de `history[i]`, en nats
    por dato. Las dos listas tienen `iterations + 1` elementos.
    """

    mixture: GaussianMixture
    log_likelihood: list[float]
    iterations: int
    converged: bool
    history: list[GaussianMixture] = field(repr=False)

    def __repr__(self) -> str:
        end = "converge" if self.converged else "no converge"
        return (
            f"EMResult({self.mixture!r}, {end} en {self.iterations} iteraciones, "
            f"log-verosimilitud {self.log_likelihood[-1]:.4f} nats por dato)"
        )


def fit_em(
    x,
    k: int,
    iterations: int = 200,
    tolerance: float = 1e-6,
    init: str | GaussianMixture = "kmeans++",
    floor: float = 1e-6,
    generator: torch.Generator | None = None,
) -> EMResult:
    r"""Ajusta $k$ gaussianas a los datos `x` (N, D) alternando los pasos E y M.

    Paso E: $r_{nj}=p(j|x_n)$. Paso M: con $N_j=\sum_n r_{nj}$,
    $$w_j=\frac{N_j}{N},\quad m_j=\frac1{N_j}\sum_n r_{nj}x_n,\quad
    C_j=\frac1{N_j}\sum_n r_{nj}(x_n-m_j)(x_n-m_j)^\top.$$
    La verosimilitud no tiene máximo: crece sin cota si una componente se encoge sobre un dato.
    Por eso los autovalores de $C_j$ menores que `floor` (en unidades de x al cuadrado) se suben a
    `floor`, y **lo que se maximiza es otra cosa**: la verosimilitud entre las mezclas con
    $C_j\succeq\mathrm{floor}\cdot I$. Ese recorte es su paso M exacto y en ninguna iteración baja.
    Solo se llega a un máximo local, que depende de la partida.

    `init`: "kmeans++", que elige centros al azar con `generator`, o una GaussianMixture de k
    componentes. Se detiene cuando la mejora es menor que `tolerance` nats por dato o tras
    `iterations` iteraciones. Memoria: N·k·D números. ValueError o TypeError si `x` no es (N, D)
    finito, si k < 1 o k > N, o si una componente se queda sin datos.
    Bishop (2006), ecs. 9.23–9.28; Dempster, Laird y Rubin (1977).
    """
    dtype = common_dtype(x)
    x = _data(x, positive_int("k", k))
    positive_int("iterations", iterations)
    in_range("tolerance", tolerance, 0, float("inf"), open_high=True)
    in_range("floor", floor, 0, float("inf"), open_low=True, open_high=True)
    mixture = _start(x, k, init, floor, generator)
    mixture.dtype = dtype
    log_r, value = _expectation(mixture, x)
    history, log_likelihood, converged = [mixture], [value], False
    while len(history) <= iterations and not converged:
        mixture = _maximization(x, log_r, floor)
        mixture.dtype = dtype
        log_r, value = _expectation(mixture, x)
        converged = value - log_likelihood[-1] < tolerance
        history.append(mixture)
        log_likelihood.append(value)
    return EMResult(mixture, log_likelihood, len(history) - 1, converged, history)


def _expectation(mixture: GaussianMixture, x: Tensor) -> tuple[Tensor, float]:
    r"""Paso E: $\log r_{nj}$ (N, k) y la log-verosimilitud media, por log-sum-exp."""
    joint = mixture.weights.log() + mixture._component_log_prob(x)
    log_p = joint.logsumexp(1, keepdim=True)
    return joint - log_p, log_p.mean().item()


def _maximization(x: Tensor, log_r: Tensor, floor: float) -> GaussianMixture:
    """Paso M: pesos, medias y covarianzas ponderadas por las responsabilidades."""
    log_count = log_r.logsumexp(0)  # log N_j
    empty = int(log_count.argmin())
    if log_count[empty].exp() < 1e-9:
        raise ValueError(
            f"La componente {empty} se ha quedado sin datos (N_j = {log_count[empty].exp():.1e}). "
            "Remedios: una k menor, otra semilla en generator u otra mezcla de partida en init."
        )
    share = (log_r - log_count).exp().T[..., None]  # r_nj / N_j: (k, N, 1)
    means = (share * x).sum(1)
    shift = x - means[:, None]
    covs = _raise(((share * shift).mT @ shift), floor)
    return GaussianMixture(log_count.softmax(0), means, covs)


def _raise(covs: Tensor, floor: float) -> Tensor:
    """Sube a `floor` los autovalores menores; deja intactas las matrices que no tienen ninguno."""
    covs = (covs + covs.mT) / 2
    values, vectors = torch.linalg.eigh(covs)
    raised = (vectors * values.clamp(min=floor)[..., None, :]) @ vectors.mT
    return torch.where((values.amin(-1) < floor)[..., None, None], (raised + raised.mT) / 2, covs)


def _start(x: Tensor, k: int, init, floor: float, generator) -> GaussianMixture:
    if isinstance(init, GaussianMixture):
        if init.means.shape != (k, x.shape[1]):
            raise ValueError(
                f"init debe tener {k} componentes de dimensión {x.shape[1]}, como piden k y x, "
                f"y tiene {len(init.means)} de dimensión {init.dim}."
            )
        return GaussianMixture(
            *(v.to(x) for v in (init.weights, init.means, _raise(init.covs, floor)))
        )
    if init != "kmeans++":
        raise ValueError(f'init debe ser "kmeans++" o una GaussianMixture; se recibió {init!r}.')
    centers, nearest = _kmeans_plus_plus(x, k, generator)
    variance = max((nearest.mean() / x.shape[1]).item(), floor)  # por coordenada
    eye = torch.eye(x.shape[1]).to(x)
    return GaussianMixture(torch.full((k,), 1 / k).to(x), centers, variance * eye.expand(k, -1, -1))


def _kmeans_plus_plus(x: Tensor, k: int, generator) -> tuple[Tensor, Tensor]:
    r"""`k` datos como centros, sorteados con probabilidad $\propto$ (distancia al más cercano)².

    En cada turno se sortean $2+\lfloor\log k\rfloor$ candidatos y queda el que más reduce la suma
    de esas distancias. Devuelve los centros (k, D) y la distancia al cuadrado de cada dato al suyo
    (N,). Arthur y Vassilvitskii (2007), § 2.2 y, para los candidatos, § 7.
    """
    device = x.device if generator is None else generator.device
    trials, centers = 2 + int(math.log(k)), []
    nearest = torch.full((len(x),), math.inf).to(x)
    for _ in range(k):
        if not (nearest > 0).any():
            raise ValueError(
                f"k={k} es mayor que los {len(centers)} puntos distintos que hay en x: "
                "hace falta una k menor."
            )
        if centers and not nearest.isfinite().all():
            raise ValueError(
                "x tiene valores tan grandes que sus distancias al cuadrado se desbordan: conviene "
                "dividirlo entre su desviación."
            )
        odds = nearest / nearest.max() if centers else torch.ones_like(nearest)
        draws = trials if centers else 1  # el primero, al azar entre todos
        picks = torch.multinomial(odds.to(device), draws, replacement=True, generator=generator)
        candidates = x[picks.to(x.device)]
        gaps = torch.stack([(x - c).square().sum(1) for c in candidates]).minimum(nearest)
        best = gaps.sum(1).argmin()
        centers.append(candidates[best])
        nearest = gaps[best]
    return torch.stack(centers), nearest


def _data(x, k: int) -> Tensor:
    x = as_real("x", x)
    if x.ndim != 2 or x.numel() == 0:
        raise ValueError(
            f"x debe tener forma (N, D) y tiene forma {tuple(x.shape)}. "
            "Los datos de una sola dimensión se pasan como x[:, None]."
        )
    if k > len(x):
        raise ValueError(f"k={k} es mayor que el número de datos, {len(x)}.")
    return x.detach().to(double_like(x))
