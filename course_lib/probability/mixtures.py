"""Mezclas de gaussianas: la distribución difundida, su score y su eliminador de ruido, en forma cerrada."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from course_lib.errors import positive_int

from .covariance import as_real, check_covariance, check_points, common_dtype, double_like
from .gaussians import diffused_posterior

if TYPE_CHECKING:
    from .em import EMResult

__all__ = ["GaussianMixture"]


class GaussianMixture:
    r"""Mezcla $p(x)=\sum_k w_k\,\mathcal N(x; m_k, C_k)$ con densidad en nats.

    `weights`: (K,), no negativos y de suma 1; `means`: (K, D); `covs`: (K, D, D) simétricas
    definidas positivas. Los cálculos se hacen en float64; `sample` devuelve el tipo de los
    parámetros y el resto, el de `x`. ValueError si algo de esto no se cumple.
    """

    def __init__(self, weights, means, covs):
        self.dtype = common_dtype(means, covs)
        weights, means = as_real("weights", weights), as_real("means", means)
        covs = as_real("covs", covs)
        if means.ndim != 2 or means.numel() == 0:
            raise ValueError(f"means debe tener forma (K, D) y tiene {tuple(means.shape)}.")
        K, D = means.shape
        if weights.shape != (K,):
            raise ValueError(
                f"weights debe tener forma ({K},), una por fila de means, "
                f"y tiene forma {tuple(weights.shape)}."
            )
        if covs.shape != (K, D, D):
            raise ValueError(
                f"covs debe tener forma ({K}, {D}, {D}) y tiene forma {tuple(covs.shape)}."
            )
        if (weights < 0).any():
            raise ValueError(f"weights no puede tener negativos; el menor es {weights.min():.3g}.")
        precise = double_like(means)
        total = weights.to(precise).sum().item()
        if abs(total - 1) > 1e-5:
            raise ValueError(
                f"weights debe sumar 1 y suma {total:.6g}: se divide entre weights.sum()."
            )
        self.weights = weights.to(precise) / total
        self.means = means.to(precise)
        self._factors = check_covariance("covs", covs.to(precise))
        self.covs = (covs.to(precise) + covs.to(precise).mT) / 2
        self._values, self._vectors = torch.linalg.eigh(self.covs)

    @classmethod
    def fit_em(cls, x, k: int, **options) -> EMResult:
        """Ajusta una mezcla de `k` gaussianas a `x` (N, D) por EM: ver `probability.em.fit_em`.

        Devuelve un EMResult, cuya `.mixture` es la mezcla ajustada.
        """
        from .em import fit_em

        return fit_em(x, k, **options)

    @property
    def dim(self) -> int:
        """Dimensión D del espacio."""
        return self.means.shape[1]

    @property
    def mean(self) -> Tensor:
        r"""Media de la mezcla, $\sum_k w_k m_k$, (D,)."""
        return self.weights @ self.means

    @property
    def cov(self) -> Tensor:
        r"""Covarianza de la mezcla, $\sum_k w_k(C_k+m_km_k^\top)-mm^\top$, (D, D)."""
        shift = self.means - self.mean
        between = torch.einsum("k,ki,kj->ij", self.weights, shift, shift)
        return torch.einsum("k,kij->ij", self.weights, self.covs) + between

    def __repr__(self) -> str:
        return f"GaussianMixture(componentes={len(self.weights)}, dim={self.dim})"

    def _check(self, argument: str, x) -> Tensor:
        return check_points(argument, x, self.dim)

    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        return_labels: bool = False,
    ):
        """`n` muestras (n, D); con `return_labels`, también la componente (n,) de cada una."""
        positive_int("n", n)
        device = self.means.device if generator is None else generator.device
        weights = self.weights.to(device)
        labels = torch.multinomial(weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.dim, generator=generator, dtype=weights.dtype, device=device)
        labels, noise = labels.to(self.means.device), noise.to(self.means.device)
        x = self.means[labels] + torch.einsum("nij,nj->ni", self._factors[labels], noise)
        x = x.to(self.dtype)
        return (x, labels) if return_labels else x

    def _component_log_prob(self, x: Tensor) -> Tensor:
        law = MultivariateNormal(
            self.means.to(x.device), scale_tril=self._factors.to(x.device), validate_args=False
        )
        return law.log_prob(x.to(self.means.dtype)[..., None, :])

    def log_prob(self, x: Tensor) -> Tensor:
        r"""$\log p(x)$ en nats; `x`: (..., D), resultado (...)."""
        x = self._check("x", x)
        joint = self.weights.to(x.device).log() + self._component_log_prob(x)
        return joint.logsumexp(-1).to(x.dtype)

    def responsibilities(self, x: Tensor) -> Tensor:
        r"""$p(k|x)$ de cada componente; `x`: (..., D), resultado (..., K)."""
        x = self._check("x", x)
        joint = self.weights.to(x.device).log() + self._component_log_prob(x)
        return joint.softmax(-1).to(x.dtype)

    def score(self, x: Tensor) -> Tensor:
        r"""$\nabla\log p(x)=-\sum_k p(k|x)\,C_k^{-1}(x-m_k)$; misma forma que `x`."""
        x = self._check("x", x)
        joint = self.weights.to(x.device).log() + self._component_log_prob(x)
        shift = x.to(self.means.dtype)[..., None, :] - self.means.to(x.device)
        pull = torch.cholesky_solve(shift[..., None], self._factors.to(x.device))[..., 0]
        return -(joint.softmax(-1)[..., None] * pull).sum(-2).to(x.dtype)

    def diffuse(self, alpha: float, sigma: float) -> GaussianMixture:
        r"""Da $\alpha x_0+\sigma\varepsilon$: $m_k\to\alpha m_k$; $C_k\to\alpha^2C_k+\sigma^2I$.

        `alpha`, `sigma`: escalares ≥ 0, no los dos 0. Exacta: la convolución de dos gaussianas.
        """
        alpha, sigma = float(alpha), float(sigma)
        if not (alpha >= 0 and sigma >= 0 and alpha + sigma > 0):
            raise ValueError(
                f"Se necesitan alpha ≥ 0 y sigma ≥ 0, no ambos 0; se recibió {alpha} y {sigma}."
            )
        eye = torch.eye(self.dim).to(self.means)
        mixture = GaussianMixture(
            self.weights, alpha * self.means, alpha**2 * self.covs + sigma**2 * eye
        )
        mixture.dtype = self.dtype
        return mixture

    def denoise(self, x_t: Tensor, alpha, sigma, y: Tensor | None = None) -> Tensor:
        r"""$E[x_0|x_t]$ exacta para $x_t=\alpha x_0+\sigma\varepsilon$, también con α = 0 o σ = 0.

        `x_t`: (B, D); α y σ escalares o (B,). Con `y` (B,) int64, se condiciona además a que $x_0$
        venga de la componente y: $E[x_0|x_t,k=y]$. Devuelve la forma y el tipo de `x_t`.
        """
        x_t = self._check("x_t", x_t)
        means, values, vectors, weights = (
            v.to(x_t.device) for v in (self.means, self._values, self._vectors, self.weights)
        )
        x = x_t.to(means.dtype)
        mean, log_prob = diffused_posterior(x, alpha, sigma, means, values, vectors)
        if y is None:
            posterior = (weights.log() + log_prob).softmax(-1)
        else:
            posterior = nn.functional.one_hot(self._component(y, x), len(weights)).to(x)
        return (posterior[..., None] * mean).sum(-2).to(x_t.dtype)

    def _component(self, y, x: Tensor) -> Tensor:
        y = torch.as_tensor(y, device=x.device)
        if y.dtype != torch.int64 or y.shape != x.shape[:-1]:
            raise ValueError(
                f"y debe ser int64 de forma {tuple(x.shape[:-1])}; "
                f"se recibió {y.dtype} de forma {tuple(y.shape)}."
            )
        if y.numel() and (y.min() < 0 or y.max() >= len(self.weights)):
            raise ValueError(f"y debe estar entre 0 y {len(self.weights) - 1}; se recibió {y}.")
        return y

    def denoiser(self, schedule):
        """`Denoiser` exacto (tipo "x0") de esta mezcla; acepta `y` = componente o None."""
        from course_lib.diffusion import Denoiser

        return Denoiser(_ExactMixture(self, schedule), schedule, kind="x0")


class _ExactMixture(nn.Module):
    """Red sin parámetros que devuelve la esperanza exacta de x₀ dado x_t."""

    def __init__(self, mixture: GaussianMixture, schedule):
        super().__init__()
        self.mixture, self.schedule = mixture, schedule

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        t = torch.as_tensor(t, device=x_t.device)
        return self.mixture.denoise(x_t, self.schedule.alpha(t), self.schedule.sigma(t), y)
