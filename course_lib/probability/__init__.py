"""Distribuciones con densidad, score y denoiser exactos: los oráculos del curso."""

from .gaussians import Gaussian
from .mixtures import GaussianMixture

__all__ = ["Gaussian", "GaussianMixture"]
