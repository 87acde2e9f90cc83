"""Comprobaciones del capítulo 1: `checks.gaussians.X(f)` dice si `f` es correcta y, si no, por qué."""

from course_lib.checks import (
    gaussians_basics,
    gaussians_bayes,
    gaussians_entropy,
    gaussians_linear,
    gaussians_mixture,
    gaussians_normal,
)
from course_lib.checks.core import Result, check


def bayes_table(f) -> Result:
    r"""`f(prior, likelihood)` → evidencia $P(o)$ (M,) y tabla $P(k\mid o)$ (K, M)."""
    return check(gaussians_basics.BAYES_TABLE, f)


def monte_carlo(f) -> Result:
    r"""`f(values)`, con `values` (R, N) → promedio de cada fila y su error estándar $s/\sqrt N$."""
    return check(gaussians_basics.MONTE_CARLO, f)


def normal_log_prob(f) -> Result:
    r"""`f(x, mean, variance)` → $\log\mathcal N(x;\mu,\sigma^2)$ en nats, elemento a elemento."""
    return check(gaussians_normal.NORMAL_LOG_PROB, f)


def product_1d(f) -> Result:
    r"""`f(mean_1, var_1, mean_2, var_2)` → media, varianza y $\log Z$ del producto de densidades."""
    return check(gaussians_normal.PRODUCT_1D, f)


def max_entropy_gap(f) -> Result:
    r"""`f(x, p)` → (M,): $\tfrac12\log(2\pi e\,\sigma_p^2)-H(p)$ en nats, en la cuadrícula `x`."""
    return check(gaussians_entropy.MAX_ENTROPY_GAP, f)


def sample_gaussian(f) -> Result:
    r"""`f(mean, cov, eps)` → $m+L\varepsilon$ por filas, (N, D), con L el factor de Cholesky."""
    return check(gaussians_linear.SAMPLE_GAUSSIAN, f)


def condition(f) -> Result:
    r"""`f(mean, cov, value)` → media y covarianza dadas las últimas `len(value)` coordenadas."""
    return check(gaussians_linear.CONDITION, f)


def linear_posterior(f) -> Result:
    r"""`f(prior_mean, prior_cov, A, b, noise_cov, y)` → media y covarianza de $p(x\mid y)$."""
    return check(gaussians_bayes.LINEAR_POSTERIOR, f)


def kl_gaussians(f) -> Result:
    r"""`f(mean_p, cov_p, mean_q, cov_q)` → $D_{\rm KL}(p\,\|\,q)$ en nats, un tensor escalar."""
    return check(gaussians_bayes.KL_GAUSSIANS, f)


def mixture_score(f) -> Result:
    r"""`f(x, weights, means, covs)` → $\nabla\log p(x)$ de la mezcla, (N, D)."""
    return check(gaussians_mixture.MIXTURE_SCORE, f)


def diffuse_mixture(f) -> Result:
    r"""`f(means, covs, alpha, sigma)` → medias y covarianzas de la mezcla en $x_t$."""
    return check(gaussians_mixture.DIFFUSE_MIXTURE, f)
