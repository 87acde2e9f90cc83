"""Widgets del curso: funcionan igual en JupyterLab, en Colab y en la página, sin núcleo ni red."""

from course_lib.widgets.adversarial_game import AdversarialGame
from course_lib.widgets.bivariate_normal import BivariateNormal
from course_lib.widgets.central_limit import CentralLimit
from course_lib.widgets.elbo_gap import ELBOGap
from course_lib.widgets.expectation_maximization import ExpectationMaximization
from course_lib.widgets.forward_noising import ForwardNoising
from course_lib.widgets.gradient_variance import GradientVariance
from course_lib.widgets.kl_directions import KLDirections
from course_lib.widgets.latent_space import LatentSpace
from course_lib.widgets.likelihood_surface import LikelihoodSurface
from course_lib.widgets.linear_gaussian_posterior import LinearGaussianPosterior
from course_lib.widgets.mode_coverage import ModeCoverage
from course_lib.widgets.particle_flow import ParticleFlow
from course_lib.widgets.reverse_denoising import ReverseDenoising
from course_lib.widgets.sampler_order import SamplerOrder
from course_lib.widgets.schedule_explorer import ScheduleExplorer
from course_lib.widgets.score_matching_1d import ScoreMatching1D
from course_lib.widgets.trajectory import Trajectory, record

__all__ = [
    "AdversarialGame",
    "BivariateNormal",
    "CentralLimit",
    "ELBOGap",
    "ExpectationMaximization",
    "ForwardNoising",
    "GradientVariance",
    "KLDirections",
    "LatentSpace",
    "LikelihoodSurface",
    "LinearGaussianPosterior",
    "ModeCoverage",
    "ParticleFlow",
    "ReverseDenoising",
    "SamplerOrder",
    "ScheduleExplorer",
    "ScoreMatching1D",
    "Trajectory",
    "record",
]
