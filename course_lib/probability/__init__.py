"""Distribuciones con densidad, score y denoiser exactos: los oráculos del curso."""

from . import divergences
from .em import EMResult, fit_em
from .gaussians import Gaussian
from .linear_gaussian import LinearGaussian
from .mixtures import GaussianMixture

__all__ = [
    "EMResult",
    "Gaussian",
    "GaussianMixture",
    "LinearGaussian",
    "divergences",
    "fit_em",
]
