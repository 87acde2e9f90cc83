"""La difusión: esquemas, predicciones, guías, pérdidas, muestreadores y cota variacional."""

from course_lib.diffusion import (
    convergence,
    guidance,
    langevin,
    likelihood,
    losses,
    sde,
    times,
    vlb,
)
from course_lib.diffusion.continuous import EDM, OU, VE, VP, Cosine, Flow, SubVP
from course_lib.diffusion.ddpm import DDPM
from course_lib.diffusion.denoiser import Denoiser
from course_lib.diffusion.preconditioning import Preconditioned
from course_lib.diffusion.predictions import KINDS, Prediction
from course_lib.diffusion.samplers import METHODS
from course_lib.diffusion.sampling import sample
from course_lib.diffusion.schedules import Schedule

__all__ = [
    "DDPM",
    "EDM",
    "KINDS",
    "METHODS",
    "OU",
    "VE",
    "VP",
    "Cosine",
    "Denoiser",
    "Flow",
    "Preconditioned",
    "Prediction",
    "Schedule",
    "SubVP",
    "convergence",
    "guidance",
    "langevin",
    "likelihood",
    "losses",
    "sample",
    "sde",
    "times",
    "vlb",
]
