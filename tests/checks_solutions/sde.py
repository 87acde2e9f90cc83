"""Soluciones del capítulo 6 escritas aparte: otra fórmula equivalente, o en otro orden."""

import math

import numpy as np
import torch


def em_path(drift, diffusion, x0, times, z):
    """Acumula los incrementos del browniano y los resta de dos en dos."""
    W = torch.zeros(len(times), *x0.shape, dtype=x0.dtype)
    for k in range(1, len(times)):
        W[k] = W[k - 1] + (times[k] - times[k - 1]) ** 0.5 * z[k - 1]
    path = x0[None]
    for k in range(len(times) - 1):
        x, t = path[-1], times[k]
        moved = x + (times[k + 1] - t) * drift(x, t) + (W[k + 1] - W[k]) * diffusion(x, t)
        path = torch.cat([path, moved[None]])
    return path


def transition_moments(alpha_s, sigma_s, alpha_t, sigma_t):
    """Con el ruido relativo σ/α, que crece: α_t² (ν_t² − ν_s²)."""
    before, after = sigma_s / alpha_s, sigma_t / alpha_t
    ratio = torch.exp(alpha_t.log() - alpha_s.log())
    return ratio, alpha_t * torch.sqrt((after - before) * (after + before))


def drift_and_diffusion(alpha, sigma, alpha_rate, sigma_rate):
    """Con la derivada de (σ/α)²: g² = α² d(σ²/α²)/dt."""
    relative_rate = (sigma_rate * alpha - sigma * alpha_rate) / alpha**2
    return alpha_rate / alpha, 2 * alpha * sigma * relative_rate


def density_rate(x, p, score, divergence, f, g2):
    """Como ecuación de continuidad: −∇·(p v), con v = f x − ½ g² score."""
    velocity = f * x - g2 / 2 * score
    return -p * (f * x.shape[1] - g2 / 2 * divergence + (velocity * score).sum(1))


def reverse_step(x_t, score, z, f, g2, h, eta):
    """El paso de Anderson, corregido con la diferencia entre las dos derivas."""
    f, g2 = f.reshape(-1, 1), g2.reshape(-1, 1)
    anderson = x_t - h * f * x_t + h * g2 * score
    return anderson + (eta**2 - 1) / 2 * h * g2 * score + eta * math.sqrt(h) * g2.sqrt() * z


def tweedie(x_t, score, divergence, alpha, sigma):
    """Con la covarianza escrita entera: (σ²/α²)(d + σ² ∇·s)."""
    a, s = alpha.reshape(-1, 1, 1, 1), sigma.reshape(-1, 1, 1, 1)
    d = x_t[0].numel()
    return x_t / a + s**2 / a * score, d * (sigma / alpha) ** 2 + sigma**4 / alpha**2 * divergence


def implicit_loss(score_fn, x):
    """Con la derivada hacia delante, una dirección de la base cada vez."""
    total = score_fn(x).square().sum(1) / 2
    for i in range(x.shape[1]):
        e = torch.zeros_like(x)
        e[:, i] = 1
        total = total + torch.autograd.functional.jvp(score_fn, x, e)[1][:, i]
    return total


def importance_times(u, t_min, t_max):
    """Con logits: log SNR = −2 logit t."""
    a, b = math.log(t_min / (1 - t_min)), math.log(t_max / (1 - t_max))
    t = 1 / (1 + torch.exp(-(a + (b - a) * u)))
    return t, (b - a) * (t - t**2)


def solver_step(x_t, x0, x0_prev, alpha, sigma):
    """Con la pareja (x̂_0, ε̂) y la pendiente en λ escrita aparte."""
    lam = alpha.log() - sigma.log()
    ratio = sigma[2] / sigma[1]
    ddim = ratio * x_t + (alpha[2] - ratio * alpha[1]) * x0
    slope = (x0 - x0_prev) / (lam[1] - lam[0])
    return ddim, ddim + (alpha[2] - ratio * alpha[1]) * (lam[2] - lam[1]) / 2 * slope


def karras_grid(n, sigma_min, sigma_max, rho):
    """Nivel a nivel, y el cero al final."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    levels = [((i * low + (n - 1 - i) * high) / (n - 1)) ** rho for i in range(n)]
    return torch.tensor([*levels, 0.0], dtype=torch.float64)


def edm_coefficients(sigma, sigma_data):
    """Con el ángulo cuya tangente es σ/σ_datos."""
    angle = torch.atan(sigma / sigma_data)
    c_out = sigma_data * angle.sin()
    return angle.cos() ** 2, c_out, angle.cos() / sigma_data, 1 / c_out**2


def chain_tv_bound(start, mean, mean_hat, var, var_hat):
    """Con la divergencia entre gaussianas escrita con logaritmos."""
    gap = ((mean - mean_hat) ** 2).mean(1)
    kl = start + ((var_hat / var).log() + (var + gap) / var_hat - 1).sum() / 2
    return kl, torch.minimum((kl / 2) ** 0.5, torch.ones_like(kl))


def solver_experiment(solve, truth, budgets, tolerance):
    """Con `polyfit` de NumPy y un presupuesto cada vez."""
    errors = []
    for n in budgets:
        error = ((solve(n) - truth) ** 2).sum(1).mean() ** 0.5
        errors.append(error.item() if torch.isfinite(error) else math.inf)
    good = [
        (math.log(n), math.log(e)) for n, e in zip(budgets, errors, strict=True) if e < math.inf
    ]
    slope, intercept = np.polyfit(*zip(*good, strict=True), 1)
    needed = math.ceil(math.exp((intercept - math.log(tolerance)) / -slope))
    return tuple(torch.tensor(v, dtype=torch.float64) for v in (errors, -slope, float(needed)))


def langevin_step(x, score, z, step, variance):
    """Con una normal de media x + δ s, y la varianza como suma geométrica."""
    delta = step.reshape(-1, 1)
    ratio = (1 - step / variance) ** 2
    return torch.addcmul(x, delta, score) + math.sqrt(2) * delta.sqrt() * z, 2 * step / (1 - ratio)


def flow_velocity(x, score, score_divergence, f, g2):
    """Con la media de la deriva de la SDE y la de la SDE inversa."""
    forward = f.reshape(-1, 1) * x
    inverse = forward - g2.reshape(-1, 1) * score
    d = x.shape[1]
    return (forward + inverse) / 2, (d * f + d * f - g2 * score_divergence) / 2


def hutchinson(field, x, probes):
    """Con la jacobiana entera de cada fila."""
    rows = [torch.autograd.functional.jacobian(lambda y: field(y[None])[0], row) for row in x]
    return torch.einsum("kbi,bij,kbj->b", probes, torch.stack(rows), probes) / len(probes)


SOLUTIONS = {
    "em_path": em_path,
    "transition_moments": transition_moments,
    "drift_and_diffusion": drift_and_diffusion,
    "density_rate": density_rate,
    "reverse_step": reverse_step,
    "tweedie": tweedie,
    "implicit_loss": implicit_loss,
    "importance_times": importance_times,
    "solver_step": solver_step,
    "karras_grid": karras_grid,
    "edm_coefficients": edm_coefficients,
    "chain_tv_bound": chain_tv_bound,
    "solver_experiment": solver_experiment,
    "langevin_step": langevin_step,
    "flow_velocity": flow_velocity,
    "hutchinson": hutchinson,
}
