"""Soluciones del capítulo 4 escritas aparte: otra fórmula equivalente, o en otro orden."""

import math

import torch


def image_log_density(x, a, b):
    """Con G′(G⁻¹(x)) = ±√(a² + (x − b)²), sin pasar por el coseno hiperbólico."""
    z = torch.asinh((x - b) / a)
    slope = torch.hypot(torch.full_like(x, a), x - b)
    return -(z.square() + math.log(2 * math.pi)) / 2 - slope.log()


def optimal_discriminator(log_data, log_model, share):
    """Una softmax de dos clases, con sus probabilidades a priori."""
    both = torch.stack([log_data + math.log(share), log_model + math.log(1 - share)])
    return (both - both.logsumexp(0)).exp()[0]


def game_value(s, p, q):
    """Con log D = −log(1 + e^(−s)) y log(1 − D) = log D − s."""
    log_d = -torch.logaddexp(torch.zeros_like(s), -s)
    value = torch.einsum("bk,bk->b", p + q, log_d) - torch.einsum("bk,bk->b", q, s)
    return value, value / 2 + math.log(2)


def generator_losses(fake):
    """Con logaddexp, y las derivadas por la tangente hiperbólica."""
    zero = torch.zeros_like(fake)
    D = (1 + torch.tanh(fake / 2)) / 2
    n = len(fake)
    saturating = -torch.logaddexp(zero, fake).sum() / n
    return saturating, torch.logaddexp(zero, -fake).sum() / n, -D / n, (D - 1) / n


def dirac_step(theta, psi, h, gamma):
    """Las derivadas escritas a mano."""
    psi_new = (1 - h * gamma) * psi - h * theta / (1 + torch.exp(-psi * theta))
    return theta + h * psi_new / (1 + torch.exp(-psi_new * theta)), psi_new


def covered_modes(x, means, std, minimum):
    """Con restas explícitas y una matriz de pertenencia."""
    squared = (x[:, None] - means).square().sum(-1)
    nearest = squared == squared.min(1, keepdim=True).values
    counts = (nearest & (squared < (3 * std) ** 2)).double().sum(0)
    return counts, (counts >= minimum).double().sum(), counts.sum() / x.shape[0]


def empirical_w1(x, y):
    """∫ |F − G| dt, con las funciones de distribución escalonadas."""
    t = torch.cat([x, y], 1).sort(1).values
    F, G = ((z[:, None] <= t[..., None]).double().mean(-1) for z in (x, y))
    return ((F - G).abs()[:, :-1] * t.diff(dim=1)).sum(1)


def gradient_penalty(critic, real, fake, u):
    """Con la jacobiana entera, de la que solo sobreviven los bloques diagonales."""
    x = torch.lerp(fake, real, u.reshape(-1, 1))
    jacobian = torch.autograd.functional.jacobian(critic, x)  # (B, B, D)
    squares = torch.einsum("iid,iid->i", jacobian, jacobian)
    return (1 + squares - 2 * squares.sqrt()).sum() / len(x)


def power_iteration(W, u, steps):
    """Con la matriz WWᵀ: ‖Wᵀu‖ antes y después dan el mismo cociente."""
    gram = W @ W.T
    u = torch.linalg.matrix_power(gram, steps - 1) @ (u / u.norm())
    u = u / u.norm()
    return (gram @ u).norm() / (W.T @ u).norm()


def frechet_from_moments(mean_a, cov_a, mean_b, cov_b):
    """Las raíces de los autovalores de C_a C_b son los valores singulares del producto de raíces."""
    roots = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt()
    gap = mean_a - mean_b
    return gap @ gap + (cov_a + cov_b).trace() - 2 * roots.sum()


def unbiased_mmd2(x, y, bandwidth):
    """Parejas distintas con torch.pdist."""

    def k(distance):
        return (-(distance**2) / (2 * bandwidth**2)).exp()

    cross = k((x[:, None] - y).norm(dim=-1)).mean()
    return k(torch.pdist(x)).mean() + k(torch.pdist(y)).mean() - 2 * cross


SOLUTIONS = {
    "image_log_density": image_log_density,
    "optimal_discriminator": optimal_discriminator,
    "game_value": game_value,
    "generator_losses": generator_losses,
    "dirac_step": dirac_step,
    "covered_modes": covered_modes,
    "empirical_w1": empirical_w1,
    "gradient_penalty": gradient_penalty,
    "power_iteration": power_iteration,
    "frechet_from_moments": frechet_from_moments,
    "unbiased_mmd2": unbiased_mmd2,
}
