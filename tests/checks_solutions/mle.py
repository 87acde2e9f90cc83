"""Soluciones del capítulo 2 escritas aparte: otra fórmula equivalente, o en otro orden."""

import math

import torch


def discrete_kl(p, q):
    """Entropía cruzada menos entropía, sumadas solo donde p > 0."""
    safe = torch.where(p > 0, p, torch.ones_like(p))
    return -(p * q.log()).sum(-1) + (p * safe.log()).sum(-1)


def bernoulli_nll(logits, x):
    """log(1 + exp(−s)), con s el logit del valor observado, escrita para que no desborde."""
    s = (2 * x - 1) * logits
    return (s.clamp(max=0).abs() + torch.log1p(torch.exp(-s.abs()))).sum(1)


def gaussian_mle(x):
    """El segundo momento menos el cuadrado de la media."""
    mean = x.sum(0) / len(x)
    return mean, torch.einsum("ni,nj->ij", x, x) / len(x) - torch.outer(mean, mean)


def unbiased_covariance(x):
    """Por diferencias entre pares del mismo grupo: E (x_i − x_j)(x_i − x_j)ᵀ = 2Σ si i ≠ j."""
    groups, n, _ = x.shape
    pairs = x[:, :, None] - x[:, None]
    return torch.einsum("gabi,gabj->ij", pairs, pairs) / (2 * groups * n * (n - 1))


def e_step(x, weights, means, covs):
    """Con el factor de Cholesky, y log-sum-exp a mano."""
    factor = torch.linalg.cholesky(covs)
    shift = (x[None] - means[:, None]).mT  # (K, D, N)
    white = torch.linalg.solve_triangular(factor, shift, upper=False)
    log_det = 2 * factor.diagonal(0, 1, 2).log().sum(1)
    a = (weights.log() - log_det / 2)[:, None] - white.square().sum(1) / 2
    top = a.max(0).values
    return torch.exp(a - top - torch.exp(a - top).sum(0).log()).T


def m_step(x, r):
    """Momentos ponderados, componente a componente."""
    weights, means, covs = [], [], []
    for column in r.T:
        w = column / column.sum()
        mean = (w[:, None] * x).sum(0)
        weights.append(column.mean())
        means.append(mean)
        covs.append((w[:, None] * x).T @ x - torch.outer(mean, mean))
    return torch.stack(weights), torch.stack(means), torch.stack(covs)


def bits_per_dim(log_prob, dim, width):
    return -(log_prob / dim) * math.log2(math.e) - math.log2(width)


SOLUTIONS = {
    "discrete_kl": discrete_kl,
    "bernoulli_nll": bernoulli_nll,
    "gaussian_mle": gaussian_mle,
    "unbiased_covariance": unbiased_covariance,
    "e_step": e_step,
    "m_step": m_step,
    "bits_per_dim": bits_per_dim,
}
