r"""Comprobaciones del capítulo 4: `checks.gan.X(f)` dice si `f` es correcta y, si no, por qué.

En todas, los datos van por filas y en float64; los logits se llaman s y D es su sigmoide.
"""

from course_lib.checks import (
    gan_coverage,
    gan_critic,
    gan_game,
    gan_image,
    gan_losses,
    gan_metrics,
    gan_transport,
)
from course_lib.checks.core import Result, check


def image_log_density(f) -> Result:
    r"""`f(x, a, b)` → (B,): $\log p(x)$ en nats de $x=b+a\,\mathrm{senh}\,z$, con $z\sim N(0,1)$."""
    return check(gan_image.IMAGE_LOG_DENSITY, f)


def optimal_discriminator(f) -> Result:
    r"""`f(log_data, log_model, share)` → (B,): $D^*$, con una proporción `share` de datos."""
    return check(gan_game.OPTIMAL_DISCRIMINATOR, f)


def game_value(f) -> Result:
    r"""`f(s, p, q)` → $V(G,D)$ y $\frac12(V+\log4)$, (B,); logits y probabilidades: (B, K)."""
    return check(gan_game.GAME_VALUE, f)


def generator_losses(f) -> Result:
    """`f(fake)` → las dos pérdidas (escalares) y sus derivadas (N,); `fake`: (N,) logits."""
    return check(gan_losses.GENERATOR_LOSSES, f)


def dirac_step(f) -> Result:
    r"""`f(theta, psi, h, gamma)` → θ y ψ (B,) tras un paso alternado: primero D, luego G."""
    return check(gan_losses.DIRAC_STEP, f)


def covered_modes(f) -> Result:
    """`f(x, means, std, minimum)` → cuentas (K,), modos cubiertos y fracción de buenas."""
    return check(gan_coverage.COVERED_MODES, f)


def empirical_w1(f) -> Result:
    r"""`f(x, y)` → (B,): $W_1$ entre las dos nubes de puntos de cada fila; `x`, `y`: (B, N)."""
    return check(gan_transport.EMPIRICAL_W1, f)


def gradient_penalty(f) -> Result:
    r"""`f(critic, real, fake, u)` → escalar: la media de $(\lVert\nabla f(\hat x)\rVert-1)^2$."""
    return check(gan_critic.GRADIENT_PENALTY, f)


def power_iteration(f) -> Result:
    r"""`f(W, u, steps)` → escalar: $u^\top Wv$ tras `steps` iteraciones de la potencia."""
    return check(gan_critic.POWER_ITERATION, f)


def frechet_from_moments(f) -> Result:
    """`f(mean_a, cov_a, mean_b, cov_b)` → escalar: la distancia de Fréchet, ya al cuadrado."""
    return check(gan_metrics.FRECHET_FROM_MOMENTS, f)


def unbiased_mmd2(f) -> Result:
    r"""`f(x, y, bandwidth)` → escalar: la MMD² insesgada con núcleo gaussiano."""
    return check(gan_metrics.UNBIASED_MMD2, f)
