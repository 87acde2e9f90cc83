"""Soluciones del capítulo 3 escritas aparte: otra fórmula equivalente, o en otro orden."""

import torch


def ppca_log_prob(x, W, mean, sigma2):
    """La gaussiana de covarianza WWᵀ + σ²I, sin Woodbury."""
    cov = W @ W.mT + sigma2 * torch.eye(len(W), dtype=W.dtype)
    return torch.distributions.MultivariateNormal(mean, cov).log_prob(x)


def ppca_posterior(x, W, mean, sigma2):
    """La forma de covarianza, con la ganancia Wᵀ C⁻¹."""
    cov = W @ W.mT + sigma2 * torch.eye(len(W), dtype=W.dtype)
    gain = torch.linalg.solve(cov, W).mT
    return (x - mean) @ gain.mT, torch.eye(W.shape[1], dtype=W.dtype) - gain @ W


def prior_evidence(x, decoded, sigma):
    """Dato a dato, con la densidad de torch y el mayor por delante."""
    law = torch.distributions.Normal(decoded, sigma)
    out = []
    for row in x:
        logs = law.log_prob(row).sum(-1)
        out.append(logs.max() + torch.exp(logs - logs.max()).mean().log())
    return torch.stack(out)


def gaussian_elbo(x, W, mean, sigma2, q_mean, q_cov):
    """Esperanza de la forma cuadrática con E[zzᵀ], y la KL de torch."""
    r = x - mean
    second = q_cov + q_mean[:, :, None] * q_mean[:, None]
    cross = (r @ W * q_mean).sum(1)
    squares = r.square().sum(1) - 2 * cross + torch.einsum("dm,nmk,dk->n", W, second, W)
    constant = torch.log(torch.tensor(2 * torch.pi * sigma2, dtype=x.dtype))
    q = torch.distributions.MultivariateNormal(q_mean, q_cov)
    p = torch.distributions.MultivariateNormal(0 * q_mean, torch.eye(W.shape[1], dtype=x.dtype))
    kl = torch.distributions.kl_divergence(q, p)
    return -(x.shape[1] * constant + squares / sigma2) / 2, kl


def ppca_m_step(x, z_mean, z_cov):
    """Mínimos cuadrados con M datos de más, √N·Lᵀ, cuya respuesta es cero."""
    r = x - x.mean(0)
    extra = len(x) ** 0.5 * torch.linalg.cholesky(z_cov).mT
    causes = torch.cat([z_mean, extra])
    answers = torch.cat([r, torch.zeros(len(extra), x.shape[1], dtype=x.dtype)])
    W = torch.linalg.lstsq(causes, answers).solution.mT
    return W, (answers - causes @ W.mT).square().sum() / x.numel()


def reparameterize(mean, log_var, eps, slope):
    """Con la varianza elevada a ½ y la regla de la cadena escrita a mano."""
    noise = eps * torch.exp(log_var) ** 0.5
    return mean + noise, slope.clone(), slope * noise / 2


def kl_per_dim(mean, log_var):
    """Esperanza de log q − log p: −½(1 + log v) más ½(v + m²), término a término."""
    entropy = (1 + log_var).mean(0)
    energy = (torch.exp(log_var) + mean * mean).mean(0)
    return 0.5 * energy - 0.5 * entropy


def decoder_nll(x, output):
    """Con torch.distributions."""
    channels = x.shape[1]
    law = torch.distributions.Normal(output[:, :channels], output[:, channels:].exp())
    return -law.log_prob(x).sum((1, 2, 3))


def beta_objective(reconstruction, kl_per_dim, beta, free_bits):
    """KL media más lo que le falta hasta λ, y la reconstrucción dato a dato."""
    count = len(kl_per_dim)
    kl = kl_per_dim.sum(0) / count
    missing = torch.relu(free_bits - kl)
    return torch.dot(kl + missing, torch.full_like(kl, beta)) - reconstruction.sum() / count


def iw_bound(log_w):
    """El mayor por delante y la media de las exponenciales de lo que queda."""
    top = log_w.max(0).values
    return top + torch.exp(log_w - top).mean(0).log()


SOLUTIONS_A = {
    "ppca_log_prob": ppca_log_prob,
    "ppca_posterior": ppca_posterior,
    "prior_evidence": prior_evidence,
    "gaussian_elbo": gaussian_elbo,
    "ppca_m_step": ppca_m_step,
}
SOLUTIONS_B = {
    "reparameterize": reparameterize,
    "kl_per_dim": kl_per_dim,
    "decoder_nll": decoder_nll,
    "beta_objective": beta_objective,
    "iw_bound": iw_bound,
}
SOLUTIONS = SOLUTIONS_A | SOLUTIONS_B
