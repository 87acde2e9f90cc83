r"""Comprobaciones del capítulo 6: `checks.sde.X(f)` dice si `f` es correcta y, si no, por qué.

En todas, los datos van por filas y en float64; t sube de los datos (0) al ruido (1).
"""

from course_lib.checks import (
    sde_convergence,
    sde_edm,
    sde_experiment,
    sde_flow,
    sde_forward,
    sde_importance,
    sde_langevin,
    sde_matching,
    sde_paths,
    sde_reversal,
    sde_solvers,
    sde_transition,
    sde_tweedie,
)
from course_lib.checks.core import Result, check


def em_path(f) -> Result:
    r"""`f(drift, diffusion, x0, instants, z)` → (N+1, B, D): el camino, con x0 en primer lugar."""
    return check(sde_paths.EM_PATH, f)


def transition_moments(f) -> Result:
    r"""`f(alpha_s, sigma_s, alpha_t, sigma_t)` → factor y desviación (B,) de x_t dado x_s."""
    return check(sde_transition.TRANSITION_MOMENTS, f)


def drift_and_diffusion(f) -> Result:
    r"""`f(alpha, sigma, alpha_rate, sigma_rate)` → $f$ y $g^2$ (B,), los de la SDE del esquema."""
    return check(sde_forward.DRIFT_AND_DIFFUSION, f)


def density_rate(f) -> Result:
    r"""`f(x, p, score, divergence, f, g2)` → (B,): $\partial_tp_t(x)$, según Fokker–Planck."""
    return check(sde_forward.DENSITY_RATE, f)


def reverse_step(f) -> Result:
    r"""`f(x_t, score, z, f, g2, h, eta)` → (B, D): un paso atrás de la familia de ruido η."""
    return check(sde_reversal.REVERSE_STEP, f)


def tweedie(f) -> Result:
    r"""`f(x_t, score, divergence, alpha, sigma)` → x̂_0 (B, C, H, W) y su error esperado (B,)."""
    return check(sde_tweedie.TWEEDIE, f)


def implicit_loss(f) -> Result:
    r"""`f(score_fn, x)` → (B,): $\frac12\|s\|^2 + \nabla\cdot s$ en cada fila de `x` (B, D)."""
    return check(sde_matching.IMPLICIT_LOSS, f)


def importance_times(f) -> Result:
    r"""`f(u, t_min, t_max)` → t (N,) uniformes en log-SNR con α = 1 − t, σ = t, y 1/p(t) (N,)."""
    return check(sde_importance.IMPORTANCE_TIMES, f)


def solver_step(f) -> Result:
    r"""`f(x_t, x0, x0_prev, alpha, sigma)` → x_s de orden 1 y de orden 2, (B, D).

    `alpha`, `sigma`: (3,), en el instante anterior, en t y en s.
    """
    return check(sde_solvers.SOLVER_STEP, f)


def karras_grid(f) -> Result:
    r"""`f(n, sigma_min, sigma_max, rho)` → (n+1,): los niveles de ruido, de σ_max a σ_min, y 0."""
    return check(sde_solvers.KARRAS_GRID, f)


def edm_coefficients(f) -> Result:
    r"""`f(sigma, sigma_data)` → c_skip, c_out, c_in y el peso de la pérdida, cada uno (B,)."""
    return check(sde_edm.EDM_COEFFICIENTS, f)


def chain_tv_bound(f) -> Result:
    r"""`f(start, mean, mean_hat, var, var_hat)` → la KL entre dos cadenas y su cota de la TV.

    `mean`, `mean_hat`: (n, B), por paso y punto; `var`, `var_hat`: (n,); `start`: escalar.
    """
    return check(sde_convergence.CHAIN_TV_BOUND, f)


def solver_experiment(f) -> Result:
    r"""`f(solve, truth, budgets, tolerance)` → los errores (K,), el orden y las evaluaciones.

    `solve(n)` da el resultado (B, D) con n evaluaciones; `truth`, el exacto, (B, D).
    """
    return check(sde_experiment.SOLVER_EXPERIMENT, f)


def langevin_step(f) -> Result:
    """`f(x, score, z, step, variance)` → el paso (B, D) y la varianza (B,) si p = N(0, v)."""
    return check(sde_langevin.LANGEVIN_STEP, f)


def flow_velocity(f) -> Result:
    """`f(x, score, score_divergence, f, g2)` → la velocidad (B, D) y su divergencia (B,)."""
    return check(sde_flow.FLOW_VELOCITY, f)


def hutchinson(f) -> Result:
    r"""`f(field, x, probes)` → (B,): la media de $v^\top\nabla f\,v$; `probes`: (K, B, D)."""
    return check(sde_flow.HUTCHINSON, f)
