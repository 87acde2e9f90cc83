"""Soluciones del capítulo 5 escritas aparte: otra fórmula equivalente, o en otro orden."""

import torch


def col(values):
    return values.reshape(-1, 1, 1, 1)


def perturb(x0, k, eps, alphas_bar):
    a = col(alphas_bar[k])
    return a**0.5 * x0 + (1 - a) ** 0.5 * eps


def posterior(x0, x_k, k, betas, alphas_bar):
    """La regla de Bayes por precisiones: 1/v = α/β + 1/(1−ᾱ_{k−1}); en k = 1 queda x0."""
    alpha, beta = col(1 - betas[k - 1]), col(betas[k - 1])
    before = col(alphas_bar[k - 1])
    variance = beta * (1 - before) / (alpha * (1 - before) + beta)
    mean = (alpha**0.5 * (1 - before) * x_k + beta * before**0.5 * x0) / (
        alpha * (1 - before) + beta
    )
    return mean, variance


def gaussian_kl(mean_q, var_q, mean_p, var_p):
    return (var_p.log() - var_q.log()) / 2 + (var_q + (mean_q - mean_p) ** 2) / (2 * var_p) - 0.5


def simple_loss(net, x0, k, eps, alphas_bar):
    return ((eps - net(perturb(x0, k, eps, alphas_bar), k)) ** 2).mean(dim=(1, 2, 3))


def ancestral_step(x_k, eps_hat, k, betas, alphas_bar, z):
    """Por el posterior con x̂_0, y no con la fórmula de ε."""
    x0 = (x_k - (1 - alphas_bar[k]) ** 0.5 * eps_hat) / alphas_bar[k] ** 0.5
    mean, variance = posterior(x0, x_k, torch.tensor([k]), betas, alphas_bar)
    return mean + variance**0.5 * z if k > 1 else mean


def ddim_step(x_t, eps_hat, alpha_bar_t, alpha_bar_s, eta, z):
    x0 = (x_t - (1 - alpha_bar_t) ** 0.5 * eps_hat) / alpha_bar_t**0.5
    ratio = (1 - alpha_bar_s) / (1 - alpha_bar_t)
    sigma = eta * (ratio * (1 - alpha_bar_t / alpha_bar_s)) ** 0.5
    direction = (1 - alpha_bar_s - sigma**2) ** 0.5
    return alpha_bar_s**0.5 * x0 + direction * eps_hat + sigma * z


SOLUTIONS = {
    "alphas_bar": lambda betas: torch.cat([torch.ones_like(betas[:1]), (1 - betas).cumprod(0)]),
    "perturb": perturb,
    "posterior": posterior,
    "gaussian_kl": gaussian_kl,
    "x0_from_eps": lambda x_k, eps, k, alphas_bar: (
        (x_k - (1 - col(alphas_bar[k])) ** 0.5 * eps) / col(alphas_bar[k]) ** 0.5
    ),
    "simple_loss": simple_loss,
    "ancestral_step": ancestral_step,
    "ddim_step": ddim_step,
    "guided_eps": lambda eps_y, eps_null, scale: (1 - scale) * eps_null + scale * eps_y,
    "ema_update": lambda average, new, decay: new + decay * (average - new),
}
