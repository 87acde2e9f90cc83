"""Una solución por ejercicio, que no usa ni el oráculo ni el catálogo de errores."""

from . import ddpm, gan, gaussians, mle, panorama, sde, vae

SOLUTIONS = (
    panorama.SOLUTIONS
    | gaussians.SOLUTIONS
    | mle.SOLUTIONS
    | vae.SOLUTIONS
    | gan.SOLUTIONS
    | ddpm.SOLUTIONS
    | sde.SOLUTIONS
)
