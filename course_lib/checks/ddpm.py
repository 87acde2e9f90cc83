r"""Comprobaciones del capítulo 5: `checks.ddpm.X(f)` dice si `f` es correcta y, si no, por qué.

En todas, `alphas_bar` tiene forma (T+1,) con `alphas_bar[0]` = 1; `betas`, forma (T,) con
`betas[k-1]` = β_k; `k` es un tensor int64 (B,) con valores en 1..T, salvo que se diga otra cosa; y
las imágenes, forma (B, C, H, W), en float64.
"""

from course_lib.checks import (
    ddpm_chain,
    ddpm_ddim,
    ddpm_learning,
    ddpm_posterior,
    ddpm_sampling,
    ddpm_weights,
)
from course_lib.checks.core import Result, check


def alphas_bar(f) -> Result:
    r"""`f(betas)` → (T+1,): $\barα_0 = 1$, $\barα_k = \prod_{j\le k}(1-β_j)$."""
    return check(ddpm_chain.ALPHAS_BAR, f)


def perturb(f) -> Result:
    r"""`f(x0, k, eps, alphas_bar)` → $x_k = \sqrt{\barα_k}\,x_0 + \sqrt{1-\barα_k}\,ε$."""
    return check(ddpm_chain.PERTURB, f)


def posterior(f) -> Result:
    r"""`f(x0, x_k, k, betas, alphas_bar)` → media y varianza de $q(x_{k-1}\mid x_k, x_0)$."""
    return check(ddpm_posterior.POSTERIOR, f)


def gaussian_kl(f) -> Result:
    """`f(mean_q, var_q, mean_p, var_p)` → KL(q‖p) en nats, elemento a elemento."""
    return check(ddpm_posterior.GAUSSIAN_KL, f)


def x0_from_eps(f) -> Result:
    r"""`f(x_k, eps, k, alphas_bar)` → $(x_k - \sqrt{1-\barα_k}\,ε)/\sqrt{\barα_k}$."""
    return check(ddpm_learning.X0_FROM_EPS, f)


def simple_loss(f) -> Result:
    """`f(net, x0, k, eps, alphas_bar)` → (B,): error cuadrático medio de `net(x_k, k)` ante ε."""
    return check(ddpm_learning.SIMPLE_LOSS, f)


def ancestral_step(f) -> Result:
    r"""`f(x_k, eps_hat, k, betas, alphas_bar, z)` → x_{k−1}; k entero, varianza $\tildeβ_k$."""
    return check(ddpm_sampling.ANCESTRAL_STEP, f)


def ddim_step(f) -> Result:
    """`f(x_t, eps_hat, alpha_bar_t, alpha_bar_s, eta, z)` → x_s, el paso de DDIM."""
    return check(ddpm_ddim.DDIM_STEP, f)


def guided_eps(f) -> Result:
    r"""`f(eps_y, eps_null, scale)` → $ε_\varnothing + γ(ε_y - ε_\varnothing)$."""
    return check(ddpm_weights.GUIDED_EPS, f)


def ema_update(f) -> Result:
    r"""`f(average, new, decay)` → $d\,\barθ + (1-d)\,θ$, sin tocar los argumentos."""
    return check(ddpm_weights.EMA_UPDATE, f)
