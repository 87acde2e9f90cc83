r"""Comprobaciones del capítulo 2: `checks.mle.X(f)` dice si `f` es correcta y, si no, por qué.

En todas, N datos de dimensión D van por filas, en float64; las probabilidades, en el último eje; y
la información se mide en nats, salvo que se diga bits.
"""

from course_lib.checks import mle_estimators, mle_information, mle_mixtures
from course_lib.checks.core import Result, check


def discrete_kl(f) -> Result:
    r"""`f(p, q)` → (B,): $\sum_k p_k\log(p_k/q_k)$ en nats; `p`, `q`: (B, K), con algún p = 0."""
    return check(mle_information.DISCRETE_KL, f)


def bernoulli_nll(f) -> Result:
    r"""`f(logits, x)` → (B,): $-\log p(x)$ en nats, sumado en D; `logits`, `x`: (B, D)."""
    return check(mle_information.BERNOULLI_NLL, f)


def gaussian_mle(f) -> Result:
    r"""`f(x)` → media (D,) y covarianza (D, D) de máxima verosimilitud; `x`: (N, D)."""
    return check(mle_estimators.GAUSSIAN_MLE, f)


def unbiased_covariance(f) -> Result:
    r"""`f(x)` → (D, D) sin sesgo; `x`: (G, n, D), G grupos con su media y covarianza común."""
    return check(mle_estimators.UNBIASED_COVARIANCE, f)


def e_step(f) -> Result:
    r"""`f(x, weights, means, covs)` → (N, K): las responsabilidades $p(k\mid x_i)$."""
    return check(mle_mixtures.E_STEP, f)


def m_step(f) -> Result:
    """`f(x, r)` → pesos (K,), medias (K, D) y covarianzas (K, D, D); `r`: (N, K)."""
    return check(mle_mixtures.M_STEP, f)


def bits_per_dim(f) -> Result:
    r"""`f(log_prob, dim, width)` → (B,): $-(\log p + d\log w)/(d\log 2)$, en bits."""
    return check(mle_information.BITS_PER_DIM, f)
