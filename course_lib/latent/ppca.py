r"""PCA probabilística: $x=Wz+m+r$, con $z\sim\mathcal N(0,I)$ y $r\sim\mathcal N(0,\sigma^2I)$."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.errors import in_range, positive_int
from course_lib.probability import Gaussian, LinearGaussian
from course_lib.probability.covariance import as_real, check_covariance, check_points, double_like

from .elbo import ELBO

__all__ = ["PPCA", "PPCAPosterior", "PPCAResult"]


class PPCAPosterior(NamedTuple):
    """Distribución a posteriori por lote: medias `mean` (N, M) y covarianza común `cov` (M, M)."""

    mean: Tensor
    cov: Tensor


@dataclass
class PPCAResult:
    r"""Lo que devuelve `PPCA.fit_em`.

    `model`: el modelo final; `log_likelihood[i]`: $\frac1N\sum_n\log p(x_n)$ tras i iteraciones,
    en nats por dato, con la partida en i = 0; `iterations`: cuántas hubo.
    """

    model: PPCA
    log_likelihood: list[float]
    iterations: int


class PPCA:
    r"""Modelo $p(z)=\mathcal N(0,I_M)$, $p(x|z)=\mathcal N(Wz+m,\sigma^2I_D)$, con densidad en nats.

    `W`: (D, M) con 1 ≤ M < D; `mean`: (D,); `sigma2` > 0, la varianza del ruido (unidades de x al
    cuadrado). Los cálculos se hacen en float64 con matrices (M, M), nunca (D, D). ValueError si las
    formas o los valores no sirven. Tipping y Bishop (1999), § 3; Bishop (2006), § 12.2.
    """

    def __init__(self, W, mean, sigma2: float):
        W, mean = as_real("W", W), as_real("mean", mean)
        if W.ndim != 2 or not 0 < W.shape[1] < len(W):
            raise ValueError(
                f"W debe tener forma (D, M) con 1 ≤ M < D y tiene forma {tuple(W.shape)}."
            )
        if mean.shape != W.shape[:1]:
            raise ValueError(
                f"mean debe tener forma ({len(W)},), una componente por fila de W, "
                f"y tiene forma {tuple(mean.shape)}."
            )
        self.sigma2 = float(in_range("sigma2", float(sigma2), 0, math.inf, open_low=True))
        self.dtype = torch.promote_types(W.dtype, mean.dtype)
        self.W, self.mean = (v.detach().to(double_like(W)) for v in (W, mean))
        gram = self.W.mT @ self.W + self.sigma2 * torch.eye(self.latent_dim).to(self.W)
        self._factor = torch.linalg.cholesky(gram)  # G = WᵀW + σ²I = LLᵀ

    @property
    def dim(self) -> int:
        """Dimensión D de los datos."""
        return self.W.shape[0]

    @property
    def latent_dim(self) -> int:
        """Dimensión M de la variable latente."""
        return self.W.shape[1]

    def __repr__(self) -> str:
        return f"PPCA(dim={self.dim}, latent_dim={self.latent_dim}, sigma2={self.sigma2:.4g})"

    # --- ajuste -------------------------------------------------------------------------------

    @classmethod
    def fit(cls, x, dim: int) -> PPCA:
        r"""Máxima verosimilitud en forma cerrada con `dim` variables latentes; `x`: (N, D).

        Con los autovalores $\lambda_1\ge\dots\ge\lambda_D$ de la covarianza muestral (la de 1/N) y
        sus autovectores $U$,
        $$\hat\sigma^2=\frac1{D-M}\sum_{j>M}\lambda_j,\qquad
        \hat W=U_M(\Lambda_M-\hat\sigma^2I)^{1/2}.$$
        W se determina salvo una rotación: se toma la que deja sus columnas ortogonales, y el signo
        que hace positiva la componente mayor de cada una. ValueError si `dim` no está entre 1 y
        D − 1, si x contiene NaN o no varía, o si los datos caben en un subespacio de dimensión
        `dim` (entonces σ² → 0 y la verosimilitud no tiene máximo).
        Tipping y Bishop (1999), § 3.2; Bishop (2006), § 12.2.1.
        """
        x, dtype = _data(x, dim)
        mean = x.mean(0)
        _, s, vectors = torch.linalg.svd(x - mean, full_matrices=False)
        values = s.square() / len(x)  # los autovalores que faltan, si N < D, son 0
        sigma2 = (values[dim:].sum() / (x.shape[1] - dim)).item()
        _check_noise(sigma2, values.sum().item(), dim)
        W = vectors[:dim].mT * (values[:dim] - sigma2).clamp(min=0).sqrt()
        largest = W.gather(0, W.abs().argmax(0, keepdim=True))
        return cls(W * torch.where(largest < 0, -1.0, 1.0), mean, sigma2)._typed(dtype)

    @classmethod
    def fit_em(cls, x, dim: int, iterations: int = 100, generator=None) -> PPCAResult:
        r"""El mismo ajuste por EM, desde una W al azar (`generator`); la verosimilitud nunca baja.

        Con S la covarianza muestral y $G=W^\top W+\sigma^2I$, una iteración (pasos E y M) es
        $$W'=SW(\sigma^2I+G^{-1}W^\top SW)^{-1},\qquad
        \sigma'^2=\tfrac1D\operatorname{tr}(S-SWG^{-1}W'^\top).$$
        S solo aparece en el producto SW: el coste es N·D·M por iteración. Errores, como en `fit`.
        Tipping y Bishop (1999); Bishop (2006), § 12.2.2.
        """
        x, dtype = _data(x, dim)
        mean, n = x.mean(0), len(x)
        centered = x - mean
        total = centered.square().sum().item() / n  # tr S
        device = "cpu" if generator is None else generator.device
        start = torch.randn(
            x.shape[1], dim, generator=generator, dtype=torch.float64, device=device
        )
        sigma2 = total / x.shape[1]
        model = cls(start.to(x) * math.sqrt(sigma2), mean, sigma2)
        log_likelihood = [model._mean_log_prob(centered)]
        for _ in range(positive_int("iterations", iterations)):
            SW = centered.mT @ (centered @ model.W) / n
            inner = torch.cholesky_solve(model.W.mT @ SW, model._factor)  # G⁻¹WᵀSW
            eye = torch.eye(dim).to(x)
            W = torch.linalg.solve(model.sigma2 * eye + inner, SW, left=False)
            back = torch.cholesky_solve(W.mT, model._factor)  # G⁻¹W'ᵀ
            sigma2 = (total - (SW * back.mT).sum().item()) / x.shape[1]
            _check_noise(sigma2, total, dim)
            model = cls(W, mean, sigma2)
            log_likelihood.append(model._mean_log_prob(centered))
        return PPCAResult(model._typed(dtype), log_likelihood, iterations)

    def _typed(self, dtype: torch.dtype) -> PPCA:
        self.dtype = dtype
        return self

    # --- el modelo ----------------------------------------------------------------------------

    def system(self) -> LinearGaussian:
        r"""El mismo modelo como `LinearGaussian`: $z\sim\mathcal N(0,I)$, $x=Wz+m+r$."""
        eye = torch.eye(self.dim).to(self.W)
        prior = Gaussian(torch.zeros_like(self.W[0]), torch.eye(self.latent_dim).to(self.W))
        return LinearGaussian(prior, self.W, self.mean, self.sigma2 * eye)

    def posterior(self, x) -> PPCAPosterior:
        r"""$p(z|x)=\mathcal N\big(G^{-1}W^\top(x-m),\,\sigma^2G^{-1}\big)$, $G=W^\top W+\sigma^2I$.

        `x`: (N, D) o (D,); las medias tienen forma (N, M) o (M,) y la covarianza, (M, M), la misma
        para todos los datos. Tipping y Bishop (1999), § 3.
        """
        x, centered = self._centered(x)
        projected = (centered @ self.W).reshape(-1, self.latent_dim).mT
        mean = torch.cholesky_solve(projected, self._factor).mT.reshape(*x.shape[:-1], -1)
        cov = self.sigma2 * torch.cholesky_inverse(self._factor)
        return PPCAPosterior(mean.to(x.dtype), cov.to(x.dtype))

    def log_prob(self, x) -> Tensor:
        r"""$\log p(x)=\log\mathcal N(x;m,WW^\top+\sigma^2I)$ en nats; `x`: (..., D), da (...).

        Por Woodbury, $\log\det C=(D-M)\log\sigma^2+\log\det G$ y
        $r^\top C^{-1}r=(\|r\|^2-\|L^{-1}W^\top r\|^2)/\sigma^2$, con $G=LL^\top$.
        Tipping y Bishop (1999), § 3.
        """
        x, centered = self._centered(x)
        return self._log_prob(centered).to(x.dtype)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        r"""`n` muestras $Wz+m+\sigma\varepsilon$; forma (n, D)."""
        positive_int("n", n)
        device = self.W.device if generator is None else generator.device
        size = (n, self.latent_dim + self.dim)
        noise = torch.randn(*size, generator=generator, dtype=self.W.dtype, device=device)
        z, eps = noise.to(self.W.device).split([self.latent_dim, self.dim], dim=1)
        return (z @ self.W.mT + self.mean + math.sqrt(self.sigma2) * eps).to(self.dtype)

    def elbo(self, x, mean, cov) -> ELBO:
        r"""La ELBO exacta de `x` (N, D) con $q(z|x_n)=\mathcal N(\mu_n,\Sigma)$ cualquiera.

        `mean`: (N, M); `cov`: (M, M), o (N, M, M) si cada dato tiene la suya. Las dos piezas son
        $$\log\mathcal N(x;W\mu+m,\sigma^2I)-\frac{\operatorname{tr}(W\Sigma W^\top)}{2\sigma^2},
        \qquad\tfrac12\big(\operatorname{tr}\Sigma+\|\mu\|^2-M-\log\det\Sigma\big),$$
        y su diferencia más $\mathrm{KL}(q\,\|\,p(z|x))$ es $\log p(x)$, sin error de Monte Carlo.
        """
        x, centered = self._centered(x)
        mean = check_points("mean", mean, self.latent_dim).to(self.W)
        cov = as_real("cov", cov).to(self.W)
        if cov.shape[-2:] != (self.latent_dim, self.latent_dim):
            raise ValueError(
                f"cov debe tener forma (..., {self.latent_dim}, {self.latent_dim}) y tiene forma "
                f"{tuple(cov.shape)}."
            )
        factor = check_covariance("cov", cov)
        spread = (self.W @ factor).square().sum((-2, -1))  # tr(WΣWᵀ)
        error = (centered - mean @ self.W.mT).square().sum(-1)
        constant = self.dim * math.log(2 * math.pi * self.sigma2)
        reconstruction = -0.5 * ((error + spread) / self.sigma2 + constant)
        log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        trace = cov.diagonal(dim1=-2, dim2=-1).sum(-1)
        kl = 0.5 * (trace + mean.square().sum(-1) - self.latent_dim - log_det)
        return ELBO(reconstruction.to(x.dtype), kl.to(x.dtype))

    def _centered(self, x) -> tuple[Tensor, Tensor]:
        x = check_points("x", as_real("x", x), self.dim)
        return x, x.to(self.W) - self.mean

    def _log_prob(self, centered: Tensor) -> Tensor:
        projected = (centered @ self.W).reshape(-1, self.latent_dim).mT
        white = torch.linalg.solve_triangular(self._factor, projected, upper=False)
        explained = white.square().sum(0).reshape(centered.shape[:-1])
        mahalanobis = (centered.square().sum(-1) - explained) / self.sigma2
        log_det = (self.dim - self.latent_dim) * math.log(self.sigma2)
        log_det = log_det + 2 * self._factor.diagonal().log().sum()
        return -0.5 * (mahalanobis + log_det + self.dim * math.log(2 * math.pi))

    def _mean_log_prob(self, centered: Tensor) -> float:
        return self._log_prob(centered).mean().item()


def _data(x, dim: int) -> tuple[Tensor, torch.dtype]:
    x = as_real("x", x)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"x debe tener forma (N, D) con N ≥ 2 y tiene forma {tuple(x.shape)}.")
    if positive_int("dim", dim) >= x.shape[1]:
        raise ValueError(
            f"dim={dim} debe ser menor que D = {x.shape[1]}, las columnas de x: el ruido necesita "
            "al menos una dirección propia."
        )
    if (x == x[0]).all():
        raise ValueError("x no tiene varianza: todos los datos son iguales.")
    return x.detach().to(double_like(x)), x.dtype


def _check_noise(sigma2: float, total: float, dim: int) -> None:
    """`ValueError` si no queda varianza fuera del subespacio (salvo redondeo)."""
    if sigma2 <= 1e-13 * total:
        raise ValueError(
            f"x cabe en un subespacio de dimensión {dim}: la varianza del ruido tiende a 0 y la "
            "verosimilitud no tiene máximo. Conviene una dim menor o más datos."
        )
