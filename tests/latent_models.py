"""VAE lineales con parámetros conocidos que comparten las pruebas del paquete `latent`."""

import torch

from course_lib.latent import PPCA, VAE, linear_vae

F64 = torch.float64


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def exact_model(seed: int = 0, dim: int = 5, latent_dim: int = 2) -> tuple[PPCA, torch.Tensor]:
    """Una PPCA con columnas de W ortogonales (su posteriori es diagonal) y 6 datos suyos."""
    W = torch.linalg.qr(torch.randn(dim, latent_dim, dtype=F64, generator=seeded(seed))).Q
    W = W * torch.linspace(1.5, 0.8, latent_dim, dtype=F64)
    model = PPCA(W, torch.linspace(-1, 1, dim, dtype=F64), 0.2)
    return model, model.sample(6, seeded(seed + 1))


@torch.no_grad()
def vae_of(model: PPCA, shift: float = 0.0, stretch: float = 1.0) -> VAE:
    """El VAE lineal de `model`, con q = la posteriori; con `shift` o `stretch`, una q peor."""
    vae = linear_vae(model.dim, model.latent_dim).double()
    x = torch.cat([torch.zeros(1, model.dim, dtype=F64), torch.eye(model.dim, dtype=F64)])
    mean, cov = model.posterior(x)
    vae.encoder.mean.weight.copy_((mean[1:] - mean[0]).mT)
    vae.encoder.mean.bias.copy_(mean[0] + shift)
    vae.encoder.log_var.copy_((cov.diagonal() * stretch).log())
    vae.decoder_net.weight.copy_(model.W)
    vae.decoder_net.bias.copy_(model.mean)
    vae.likelihood.log_std.fill_(model.sigma2).log_().div_(2)
    return vae
