"""Ejercicio 6.16: medir el orden de un método y lo que cuesta un error."""

import functools
import math

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.diffusion import VP, sample
from course_lib.diffusion.sde import fitted_order
from course_lib.probability import Gaussian

F64 = torch.float64


def solver_experiment_oracle(solve, truth, budgets, tolerance):
    errors = _rms(torch.stack([solve(n) - truth for n in budgets])).nan_to_num(torch.inf)
    slope, intercept = _line(errors, budgets)
    return errors, -slope, ((math.log(tolerance) - intercept) / slope).exp().ceil()


def _line(errors, budgets):
    """La recta de mínimos cuadrados de log e contra log n, con los errores finitos."""
    n, finite = torch.tensor(budgets, dtype=F64), torch.isfinite(errors)
    n, e = n[finite], errors[finite]
    slope = torch.tensor(fitted_order(n, e), dtype=F64)
    return slope, e.log().mean() - slope * n.log().mean()


# --- los casos: tres métodos del capítulo y un paso explícito que estalla ---------------------------


def _sampler(method: str, width: float):
    """Un muestreador en la ODE de unos datos gaussianos, y su solución exacta."""
    schedule, law = VP(), Gaussian(torch.zeros(2, dtype=F64), width**2 * torch.eye(2, dtype=F64))
    x_T, ends = normal(12, 2, seed=1600), (0.9, 0.05)
    std = [(width**2 * schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2).sqrt() for t in ends]

    def solve(n):
        steps = n // 2 if method == "heun" else n  # dos evaluaciones por paso
        grid = schedule.grid(steps, "lambda", t_max=ends[0], t_min=ends[1])
        return sample(law.denoiser(schedule), x_T, grid, method)

    return _remember(solve), std[1] / std[0] * x_T


def _remember(solve):
    """Cada presupuesto se calcula una vez: en la comprobación se repite para cada error típico."""
    kept = functools.cache(solve)
    return lambda n: kept(int(n)).clone()


def _explicit(x0):
    """Euler en ẋ = −x³ hasta t = 4, que con pasos largos se dispara hasta ∞ − ∞."""

    def solve(n):
        x = x0
        for _ in range(n):
            x = x - 4 / n * x**3
        return x

    return _remember(solve), x0 / (1 + 8 * x0**2).sqrt()


def solver_experiment_cases():
    steep = torch.tensor([[3.0, 1.0], [0.5, 2.0], [1.5, 0.2]], dtype=F64)
    return [
        Case("euler, de orden 1", (*_sampler("euler", 0.6), [16, 32, 64, 128], 2.3e-3)),
        Case("heun, de orden 2", (*_sampler("heun", 0.6), [16, 32, 80, 128], 2.7e-4)),
        Case("dpmpp_2m, de orden 2", (*_sampler("dpmpp_2m", 0.6), [24, 48, 60, 192], 5e-5)),
        Case("los pasos largos estallan", (*_explicit(steep), [8, 12, 64, 100, 256, 500], 1e-3)),
    ]


# --- los errores típicos ----------------------------------------------------------------------------


def _experiment(error=None, fit=None, cost=None):
    """El experimento con alguna pieza cambiada."""

    error, fit, cost = error or _rms, fit or _order, cost or _evaluations

    def run(solve, truth, budgets, tolerance):
        gaps = torch.stack([solve(n) - truth for n in budgets])
        errors = error(gaps).nan_to_num(torch.inf)
        order, log_C = fit(errors, budgets)
        return errors, order, cost(order, log_C, tolerance)

    return run


def _rms(gaps):
    return gaps.square().sum(2).mean(1).sqrt()


def _evaluations(order, log_C, tolerance):
    return ((log_C - math.log(tolerance)) / order).exp().ceil()


def _order(errors, budgets):
    slope, intercept = _line(errors, budgets)
    return -slope, intercept


def _all_points(errors, budgets):
    n = torch.tensor(budgets, dtype=F64).log()
    y = errors.log()
    slope = ((n - n.mean()) * (y - y.mean())).sum() / ((n - n.mean()) ** 2).sum()
    return -slope, y.mean() - slope * n.mean()


def _two_points(errors, budgets):
    n, finite = torch.tensor(budgets, dtype=F64), torch.isfinite(errors)
    x, y = n[finite].log(), errors[finite].log()
    order = -(y[-1] - y[0]) / (x[-1] - x[0])
    return order, y[0] + order * x[0]


def _other_axes(errors, budgets):
    """El ajuste con el error sin logaritmo: una recta donde hay una potencia."""
    return _order(errors.exp(), budgets)


SOLVER_EXPERIMENT = Exercise(
    "6.16",
    "solver_experiment",
    "Un experimento: lo que cuesta un error",
    solver_experiment_oracle,
    solver_experiment_cases,
    (
        Slip(
            "sin_raiz",
            "falta la raíz: es la media de los cuadrados, y con ella el orden saldría el doble.",
            _experiment(error=lambda g: g.square().sum(2).mean(1)),
        ),
        Slip(
            "media_de_normas",
            "parece la media de las distancias: el error pedido es cuadrático, la raíz de la media "
            "de sus cuadrados.",
            _experiment(error=lambda g: g.norm(dim=2).mean(1)),
        ),
        Slip(
            "por_coordenada",
            "se promedian también las coordenadas: se suman sus cuadrados, que dan la distancia al "
            "cuadrado de cada ejemplo, y se promedian los ejemplos.",
            _experiment(error=lambda g: g.square().mean((1, 2)).sqrt()),
        ),
        Slip(
            "sin_promediar",
            "se suman los ejemplos: el error no debe crecer con el tamaño del lote.",
            _experiment(error=lambda g: g.square().sum((1, 2)).sqrt()),
        ),
        Slip(
            "el_mayor",
            "parece el mayor error del lote: se pide la raíz de la media de los cuadrados.",
            _experiment(error=lambda g: g.norm(dim=2).amax(1)),
        ),
        Slip(
            "error_debil",
            "se promedia antes de medir la distancia: así los errores de signo contrario se anulan, "
            "y lo que queda es un error débil.",
            _experiment(error=lambda g: g.mean(1).norm(dim=1)),
        ),
        Slip(
            "signo",
            "el signo está cambiado: el error baja al crecer n, la pendiente es negativa y el orden "
            "es la pendiente con el signo contrario.",
            _experiment(fit=_line),
        ),
        Slip(
            "con_los_que_estallan",
            "los presupuestos con los que el método estalla no entran en el ajuste: con un error "
            "infinito no hay recta.",
            _experiment(fit=_all_points),
        ),
        Slip(
            "dos_puntos",
            "la recta pasa por el primer punto y el último: se pide la de mínimos cuadrados, que "
            "los usa todos.",
            _experiment(fit=_two_points),
        ),
        Slip(
            "sin_logaritmo",
            "se ajusta el error, y no su logaritmo: una potencia solo es una recta cuando los dos "
            "ejes son logarítmicos.",
            _experiment(fit=_other_axes),
        ),
        Slip(
            "sin_redondear",
            "falta redondear hacia arriba: no hay fracciones de evaluación.",
            _experiment(cost=lambda p, c, tol: ((c - math.log(tol)) / p).exp()),
        ),
        Slip(
            "redondear_abajo",
            "se redondea hacia abajo, y con una evaluación de menos el error pasa de la tolerancia.",
            _experiment(cost=lambda p, c, tol: ((c - math.log(tol)) / p).exp().floor()),
        ),
        Slip(
            "sin_dividir_por_el_orden",
            "falta el orden: si e = C n^(−p), n = (C/tolerancia)^(1/p).",
            _experiment(cost=lambda p, c, tol: (c - math.log(tol)).exp().ceil()),
        ),
    ),
    parts=("los errores", "el orden", "las evaluaciones"),
    remark="Un error diez veces menor pide diez veces más evaluaciones con orden 1, y √10 ≈ 3.2 "
    "veces más con orden 2.",
)
