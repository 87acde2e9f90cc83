"""Gaussianas multivariadas: álgebra exacta en float64 por factorización de Cholesky."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from course_lib.errors import positive_int

from .covariance import as_real, check_covariance, check_points, common_dtype, double_like

__all__ = ["Gaussian"]


def leading(argument: str, value, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Alinea α o σ con las dimensiones de lote de `x` (..., D): escalar, (B,), (B, 1)…"""
    if not isinstance(value, Tensor):
        value = torch.as_tensor(value, dtype=dtype)
    value = value.to(x.device, dtype)
    if value.ndim == x.ndim and value.shape[-1] == 1:
        value = value[..., 0]
    batch = x.shape[:-1]
    extra = len(batch) - value.ndim
    if extra < 0 or any(v not in (1, b) for v, b in zip(value.shape, batch, strict=False)):
        raise ValueError(
            f"{argument} debe ser escalar o tener forma (B,) con B = el lote de x, "
            f"pero tiene forma {tuple(value.shape)} y x tiene forma {tuple(x.shape)}."
        )
    if not torch.isfinite(value).all() or (value < 0).any():
        raise ValueError(f"{argument} debe ser finito y no negativo; se recibió {value}.")
    return value.reshape(value.shape + (1,) * extra)


def diffused_posterior(x_t: Tensor, alpha, sigma, means: Tensor, values: Tensor, vectors: Tensor):
    r"""Distribución a posteriori, por componente, de $x_0$ dado $x_t=\alpha x_0+\sigma\varepsilon$.

    Con $C_k=Q\Lambda Q^\top$ y $z=Q^\top(x_t-\alpha m_k)$,
    $E[x_0|x_t,k]=m_k+Q\,\frac{\alpha\lambda}{\alpha^2\lambda+\sigma^2}\,z$,
    sin dividir nunca por α ni por σ: es exacta en α = 0 y en σ = 0.
    `x_t`: (..., D); `means`, `values`: (K, D); `vectors`: (K, D, D).
    Devuelve las medias (..., K, D) y $\log p(x_t|k)$ (..., K).
    """
    alpha = leading("alpha", alpha, x_t, means.dtype)[..., None, None]
    sigma = leading("sigma", sigma, x_t, means.dtype)[..., None, None]
    if ((alpha == 0) & (sigma == 0)).any():
        raise ValueError("alpha y sigma no pueden ser 0 a la vez: x_t no tendría densidad.")
    residual = x_t[..., None, :] - alpha * means
    z = torch.einsum("kde,...kd->...ke", vectors, residual)
    variance = alpha**2 * values + sigma**2
    mean = means + torch.einsum("kde,...ke->...kd", vectors, alpha * values / variance * z)
    log_prob = -0.5 * (z**2 / variance + variance.log() + math.log(2 * math.pi)).sum(-1)
    return mean, log_prob


class Gaussian:
    r"""Gaussiana $\mathcal N(m, C)$ de dimensión D, con densidad en nats.

    `mean`: (D,); `cov`: (D, D) simétrica definida positiva (un escalar vale para D = 1). Los
    cálculos se hacen en float64; `sample` devuelve el tipo de los parámetros y el resto, el de `x`.
    """

    def __init__(self, mean, cov):
        self.dtype = common_dtype(mean, cov)
        mean, cov = as_real("mean", mean), as_real("cov", cov)
        mean = mean.reshape(1) if mean.ndim == 0 else mean
        cov = cov.reshape(1, 1) if cov.ndim == 0 else cov
        if mean.ndim != 1 or mean.numel() == 0:
            raise ValueError(f"mean debe tener forma (D,) y tiene forma {tuple(mean.shape)}.")
        if cov.shape != (len(mean), len(mean)):
            raise ValueError(
                f"cov debe tener forma ({len(mean)}, {len(mean)}), como pide mean, "
                f"y tiene forma {tuple(cov.shape)}."
            )
        precise = double_like(mean)
        self.mean, self.cov = mean.to(precise), cov.to(precise)
        self._factor = check_covariance("cov", self.cov)
        self.cov = (self.cov + self.cov.mT) / 2

    @property
    def dim(self) -> int:
        """Dimensión D del espacio."""
        return len(self.mean)

    def __repr__(self) -> str:
        if self.dim > 4:
            return f"Gaussian(dim={self.dim})"
        return f"Gaussian(mean={self.mean.tolist()}, cov={self.cov.tolist()})"

    def _law(self, x: Tensor) -> MultivariateNormal:
        return MultivariateNormal(
            self.mean.to(x.device), scale_tril=self._factor.to(x.device), validate_args=False
        )

    def _check(self, argument: str, x) -> Tensor:
        return check_points(argument, x, self.dim)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        r"""`n` muestras $m+L\varepsilon$, con $LL^\top=C$; forma (n, D)."""
        positive_int("n", n)
        device = self.mean.device if generator is None else generator.device
        noise = torch.randn(n, self.dim, generator=generator, dtype=self.mean.dtype, device=device)
        return (self.mean + noise.to(self.mean.device) @ self._factor.mT).to(self.dtype)

    def log_prob(self, x: Tensor) -> Tensor:
        r"""$\log p(x)$ en nats; `x`: (..., D), resultado (...)."""
        x = self._check("x", x)
        return self._law(x).log_prob(x.to(self.mean.dtype)).to(x.dtype)

    def score(self, x: Tensor) -> Tensor:
        r"""$\nabla_x\log p(x)=-C^{-1}(x-m)$; misma forma que `x`."""
        x = self._check("x", x)
        shift = (x.to(self.mean.dtype) - self.mean.to(x.device))[..., None]
        factor = self._factor.to(x.device)
        return -torch.cholesky_solve(shift, factor)[..., 0].to(x.dtype)

    def entropy(self) -> float:
        r"""Entropía $\frac12\log\det(2\pi e\,C)$ en nats."""
        return self._law(self.mean).entropy().item()

    def kl(self, other: Gaussian) -> float:
        r"""$\mathrm{KL}(p\,\|\,q)$ en nats, con $q$ = `other`."""
        self._same_dim(other)
        return kl_divergence(self._law(self.mean), other._law(self.mean)).item()

    def _same_dim(self, other):
        if not isinstance(other, Gaussian):
            raise TypeError(f"other debe ser una Gaussian; se recibió {type(other).__name__}.")
        if self.dim != other.dim:
            raise ValueError(f"Las dimensiones no coinciden: {self.dim} y {other.dim}.")

    def _indices(self, idx) -> Tensor:
        idx = torch.as_tensor(idx).reshape(-1)
        integers = not idx.is_floating_point() and idx.dtype != torch.bool
        if not integers or idx.numel() == 0 or idx.unique().numel() != idx.numel():
            raise ValueError(f"idx debe tener índices enteros distintos; se recibió {idx}.")
        if idx.min() < 0 or idx.max() >= self.dim:
            raise ValueError(f"idx debe estar entre 0 y {self.dim - 1}; se recibió {idx}.")
        return idx.long().to(self.mean.device)

    def _new(self, mean: Tensor, cov: Tensor) -> Gaussian:
        return Gaussian(mean.to(self.mean.dtype), (cov + cov.mT) / 2)._typed(self.dtype)

    def _typed(self, dtype: torch.dtype) -> Gaussian:
        self.dtype = dtype
        return self

    def marginal(self, idx) -> Gaussian:
        """Distribución de las coordenadas `idx`, en ese orden."""
        idx = self._indices(idx)
        return self._new(self.mean[idx], self.cov[idx][:, idx])

    def condition(self, idx, value) -> Gaussian:
        r"""Distribución de las demás coordenadas dado $x_{\rm idx}$ = `value` (complemento de Schur).

        $m_a+C_{ab}C_{bb}^{-1}(v-m_b)$ y $C_{aa}-C_{ab}C_{bb}^{-1}C_{ba}$;
        Bishop (2006), ecs. 2.81 y 2.82.
        """
        b = self._indices(idx)
        known = set(b.tolist())
        a = torch.tensor([i for i in range(self.dim) if i not in known])
        if a.numel() == 0:
            raise ValueError("idx contiene todas las coordenadas: no queda ninguna que describir.")
        value = as_real("value", value).to(self.mean).reshape(-1)
        if value.shape != b.shape:
            raise ValueError(f"value debe tener {len(b)} componentes y tiene {len(value)}.")
        factor = torch.linalg.cholesky(self.cov[b][:, b])
        gain = torch.cholesky_solve(self.cov[b][:, a], factor).mT
        mean = self.mean[a] + gain @ (value - self.mean[b])
        return self._new(mean, self.cov[a][:, a] - gain @ self.cov[b][:, a])

    def affine(self, A, b=0.0) -> Gaussian:
        r"""Distribución de $Ax+b$: $\mathcal N(Am+b, ACA^\top)$; `A`: (E, D) de rango E, `b`: (E,)."""
        A, b = as_real("A", A).to(self.mean), as_real("b", b).to(self.mean)
        if A.ndim != 2 or A.shape[1] != self.dim:
            raise ValueError(f"A debe tener forma (E, {self.dim}); tiene {tuple(A.shape)}.")
        if b.ndim and b.shape != (A.shape[0],):
            raise ValueError(f"b debe tener forma ({A.shape[0]},); tiene {tuple(b.shape)}.")
        rank = int(torch.linalg.matrix_rank(A))
        if rank < len(A):
            raise ValueError(
                f"A debe tener rango {len(A)}, sus filas, y tiene rango {rank}: la ley de Ax + b "
                "no tendría densidad."
            )
        return self._new(A @ self.mean + b, A @ self.cov @ A.mT)

    def product(self, other: Gaussian) -> Gaussian:
        r"""Producto normalizado de densidades: $C=(C_1^{-1}+C_2^{-1})^{-1}$, $m=C\sum C_i^{-1}m_i$.

        Con $G=C_1(C_1+C_2)^{-1}$: media $m_1+G(m_2-m_1)$ y covarianza $C_1-GC_1$.
        """
        self._same_dim(other)
        factor = torch.linalg.cholesky(self.cov + other.cov)
        gain = torch.cholesky_solve(self.cov, factor).mT
        return self._new(self.mean + gain @ (other.mean - self.mean), gain @ other.cov)

    def diffuse(self, alpha: float, sigma: float) -> Gaussian:
        r"""Distribución de $\alpha x_0+\sigma\varepsilon$: $\mathcal N(\alpha m, \alpha^2C+\sigma^2I)$."""
        alpha, sigma = float(alpha), float(sigma)
        if not (alpha >= 0 and sigma >= 0 and alpha + sigma > 0):
            raise ValueError(
                f"Se necesitan alpha ≥ 0 y sigma ≥ 0, no ambos 0; se recibió {alpha} y {sigma}."
            )
        eye = torch.eye(self.dim).to(self.mean)
        return self._new(alpha * self.mean, alpha**2 * self.cov + sigma**2 * eye)

    def _mixture(self):
        from .mixtures import GaussianMixture

        return GaussianMixture(torch.ones(1).to(self.mean), self.mean[None], self.cov[None])

    def denoise(self, x_t: Tensor, alpha, sigma) -> Tensor:
        r"""$E[x_0|x_t]$ exacta, también con α = 0 o σ = 0; α y σ escalares o (B,)."""
        return self._mixture().denoise(x_t, alpha, sigma)

    def denoiser(self, schedule):
        """`Denoiser` exacto (tipo "x0") de esta gaussiana bajo el esquema de ruido `schedule`."""
        return self._mixture().denoiser(schedule)
