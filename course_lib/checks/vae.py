r"""Comprobaciones del capítulo 3: `checks.vae.X(f)` dice si `f` es correcta y, si no, por qué.

En todas, los datos van por filas y en float64; la información se mide en nats, salvo que se diga
bits.
"""

from course_lib.checks import vae_decoders, vae_elbo, vae_em, vae_gradients, vae_objective, vae_ppca
from course_lib.checks.core import Result, check


def ppca_log_prob(f) -> Result:
    r"""`f(x, W, mean, sigma2)` → (N,): la log-evidencia de la PPCA en nats; `W`: (D, M)."""
    return check(vae_ppca.PPCA_LOG_PROB, f)


def ppca_posterior(f) -> Result:
    r"""`f(x, W, mean, sigma2)` → medias (N, M) y covarianza (M, M) de $p(z\mid x)$."""
    return check(vae_ppca.PPCA_POSTERIOR, f)


def prior_evidence(f) -> Result:
    r"""`f(x, decoded, sigma)` → (N,): $\log\frac1K\sum_kp(x\mid z_k)$; `decoded`: (K, D)."""
    return check(vae_elbo.PRIOR_EVIDENCE, f)


def gaussian_elbo(f) -> Result:
    """`f(x, W, mean, sigma2, q_mean, q_cov)` → reconstrucción (N,) y KL (N,), en nats."""
    return check(vae_elbo.GAUSSIAN_ELBO, f)


def ppca_m_step(f) -> Result:
    r"""`f(x, z_mean, z_cov)` → $W'$ (D, M) y $\sigma'^2$; `z_cov` (M, M) es común a los datos."""
    return check(vae_em.PPCA_M_STEP, f)


def reparameterize(f) -> Result:
    r"""`f(mean, log_var, eps, slope)` → z y los gradientes de la media y de log v; todos (B, M)."""
    return check(vae_gradients.REPARAMETERIZE, f)


def kl_per_dim(f) -> Result:
    r"""`f(mean, log_var)` → (M,): $\mathrm{KL}(q\,\|\,\mathcal N(0,1))$ media de cada latente."""
    return check(vae_gradients.KL_PER_DIM, f)


def decoder_nll(f) -> Result:
    """`f(x, output)` → (B,): −log p(x|z) en nats; `output` (B, 2C, H, W): medias y log s."""
    return check(vae_decoders.DECODER_NLL, f)


def beta_objective(f) -> Result:
    """`f(reconstruction, kl_per_dim, beta, free_bits)` → la pérdida escalar, en nats por dato."""
    return check(vae_objective.BETA_OBJECTIVE, f)


def iw_bound(f) -> Result:
    """`f(log_w)` → (B,): la cota ponderada de cada dato, en nats; `log_w`: (K, B)."""
    return check(vae_objective.IW_BOUND, f)
