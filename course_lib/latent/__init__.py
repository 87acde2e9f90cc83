"""Variables latentes: PCA probabilística, ELBO, VAE y estimadores del gradiente."""

from .decoders import BernoulliLikelihood, DiscreteLikelihood, GaussianLikelihood, Likelihood
from .elbo import (
    ELBO,
    Evidence,
    bits_per_dim,
    diagonal_gaussian_kl,
    elbo_terms,
    importance_weighted,
    log_prob,
    log_weights,
    objective,
)
from .gradients import GradientSamples, pathwise, score_function
from .ppca import PPCA, PPCAPosterior, PPCAResult
from .vae import VAE, as_ppca, linear_vae

__all__ = [
    "ELBO",
    "PPCA",
    "VAE",
    "BernoulliLikelihood",
    "DiscreteLikelihood",
    "Evidence",
    "GaussianLikelihood",
    "GradientSamples",
    "Likelihood",
    "PPCAPosterior",
    "PPCAResult",
    "as_ppca",
    "bits_per_dim",
    "diagonal_gaussian_kl",
    "elbo_terms",
    "importance_weighted",
    "linear_vae",
    "log_prob",
    "log_weights",
    "objective",
    "pathwise",
    "score_function",
]
