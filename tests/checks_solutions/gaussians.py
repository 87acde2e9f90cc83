"""Soluciones del capítulo 1 escritas aparte: otra fórmula equivalente, o en otro orden."""

import math

import torch


def bayes_table(prior, likelihood):
    """Con una matriz diagonal en lugar de con logaritmos."""
    joint = torch.diag(prior) @ likelihood
    evidence = prior @ likelihood
    return evidence, joint / evidence


def monte_carlo(values):
    n = values.shape[1]
    mean = values.sum(1) / n
    return mean, ((values - mean[:, None]) ** 2).sum(1).div(n * (n - 1)).sqrt()


def product_1d(mean_1, var_1, mean_2, var_2):
    """Con la ganancia: se corrige la primera media hacia la segunda."""
    total = var_1 + var_2
    gain = var_1 / total
    log_z = -0.5 * (torch.log(2 * math.pi * total) + (mean_1 - mean_2) ** 2 / total)
    return mean_1 + gain * (mean_2 - mean_1), (1 - gain) * var_1, log_z


def max_entropy_gap(x, p):
    dx = (x[-1] - x[0]) / (len(x) - 1)
    mean = (x * p).sum(1) * dx
    variance = (x**2 * p).sum(1) * dx - mean**2
    entropy = -torch.special.xlogy(p, p).sum(1) * dx
    return 0.5 * torch.log(2 * math.pi * math.e * variance) - entropy


def sample_gaussian(mean, cov, eps):
    """Cada muestra por separado, columna a columna del factor."""
    factor = torch.linalg.cholesky(cov)
    return torch.stack([mean + factor @ row for row in eps])


def condition(mean, cov, value):
    """Por la precisión: el bloque aa de la inversa es la inversa de la covarianza condicional."""
    a = len(mean) - len(value)
    precision = torch.linalg.inv(cov)
    new_cov = torch.linalg.inv(precision[:a, :a])
    return mean[:a] - new_cov @ precision[:a, a:] @ (value - mean[a:]), new_cov


def linear_posterior(prior_mean, prior_cov, A, b, noise_cov, y):
    """En forma de información; el oráculo usa la de covarianza."""
    prior_precision, weight = torch.linalg.inv(prior_cov), A.mT @ torch.linalg.inv(noise_cov)
    cov = torch.linalg.inv(prior_precision + weight @ A)
    return cov @ (prior_precision @ prior_mean + weight @ (y - b)), cov


def kl_gaussians(mean_p, cov_p, mean_q, cov_q):
    """Con los valores propios de la covarianza de p vista desde q."""
    factor = torch.linalg.cholesky(cov_q)
    half = torch.linalg.solve_triangular(factor, torch.linalg.cholesky(cov_p), upper=False)
    values = torch.linalg.svdvals(half) ** 2
    gap = torch.linalg.solve_triangular(factor, (mean_p - mean_q)[:, None], upper=False)
    return 0.5 * ((values - 1 - values.log()).sum() + gap.square().sum())


def mixture_score(x, weights, means, covs):
    """Con diferenciación automática."""
    x = x.clone().requires_grad_()
    law = torch.distributions.MultivariateNormal(means, covs)
    log_p = torch.logsumexp(weights.log() + law.log_prob(x[:, None]), -1)
    return torch.autograd.grad(log_p.sum(), x)[0]


def diffuse_mixture(means, covs, alpha, sigma):
    noise = torch.full_like(means, sigma**2).diag_embed()
    return means * alpha, covs * alpha**2 + noise


SOLUTIONS = {
    "bayes_table": bayes_table,
    "monte_carlo": monte_carlo,
    "normal_log_prob": lambda x, mean, variance: (
        -0.5 * (x - mean) ** 2 / variance - 0.5 * torch.log(2 * math.pi * variance)
    ),
    "product_1d": product_1d,
    "max_entropy_gap": max_entropy_gap,
    "sample_gaussian": sample_gaussian,
    "condition": condition,
    "linear_posterior": linear_posterior,
    "kl_gaussians": kl_gaussians,
    "mixture_score": mixture_score,
    "diffuse_mixture": diffuse_mixture,
}
