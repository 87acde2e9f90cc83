"""Ejercicios 6.12 y 6.13: un paso del integrador exponencial y la rejilla de Karras."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.diffusion import METHODS, VP, Prediction, Schedule

INSTANTS = (1.0, 0.5, 0.25)  # los nombres que la tabla da a los instantes anterior, t y s

# --- 6.12 ---------------------------------------------------------------------------------------


class _Table(Schedule):
    """Un esquema que solo conoce α y σ en tres instantes."""

    def __init__(self, alpha, sigma):
        self.values = {t: (a, s) for t, a, s in zip(INSTANTS, alpha, sigma, strict=True)}

    def alpha(self, t):
        return self.values[float(t)][0]

    def sigma(self, t):
        return self.values[float(t)][1]


def solver_step_oracle(x_t, x0, x0_prev, alpha, sigma):
    schedule = _Table(alpha, sigma)
    before, t, s = (torch.tensor(u, dtype=torch.float64) for u in INSTANTS)

    def fixed(answer):
        def denoiser(x, time, **cond):
            return Prediction.from_output("x0", answer, x, time, schedule)

        denoiser.schedule = schedule
        return denoiser

    first = METHODS["ddim"]()(fixed(x0), x_t, t, s, None)
    step = METHODS["dpmpp_2m"]()
    step(fixed(x0_prev), x_t, before, t, None)
    step.output = x_t  # la salida del paso anterior es el estado de partida de este
    return first, step(fixed(x0), x_t, t, s, None)


def solver_step_cases():
    vp = VP()
    plan = [
        ("pasos que menguan", 5, 3, [0.9, 0.5, 0.3]),
        ("pasos que crecen", 4, 2, [0.62, 0.55, 0.2]),
        ("cerca de los datos", 2, 6, [0.1, 0.05, 0.01]),
        ("una sola fila", 1, 4, [1.0, 0.8, 0.7]),
    ]
    cases = []
    for seed, (label, B, D, instants) in enumerate(plan):
        t = torch.tensor(instants, dtype=torch.float64)
        x, x0, old = (normal(B, D, seed=1200 + 3 * seed + i) for i in range(3))
        cases.append(Case(label, (x, x0, old, vp.alpha(t), vp.sigma(t))))
    return cases


def _solver(ratio=None, first=None, second=None, extrapolate=None):
    """Los dos pasos con alguna pieza cambiada."""

    def step(x_t, x0, x0_prev, alpha, sigma):
        lam = (alpha / sigma).log()
        h, before = lam[2] - lam[1], lam[1] - lam[0]
        scale = ratio(alpha, sigma) if ratio else sigma[2] / sigma[1]
        weight = first(alpha, sigma, h) if first else alpha[2] * (1 - (-h).exp())
        slope = (h / before) if not extrapolate else extrapolate(h, before)
        guess = x0 + slope / 2 * (x0 - x0_prev)
        if second:
            guess = second(x0, x0_prev, h, before)
        return scale * x_t + weight * x0, scale * x_t + weight * guess

    return step


SOLVER_STEP = Exercise(
    "6.12",
    "solver_step",
    "Un paso del integrador exponencial",
    solver_step_oracle,
    solver_step_cases,
    (
        Slip(
            "cociente_de_amplitudes",
            "delante de x_t va σ_s/σ_t; parece α_s/α_t, que es el factor de la otra forma, la que "
            "integra ε̂.",
            _solver(ratio=lambda a, s: a[2] / a[1]),
        ),
        Slip(
            "cociente_al_reves",
            "el cociente σ_s/σ_t está al revés: al quitar ruido es menor que 1.",
            _solver(ratio=lambda a, s: s[1] / s[2]),
        ),
        Slip(
            "sigma_por_alfa",
            "delante de x̂_0 va α_s(1 − e^(−h)); parece σ_s(e^h − 1), que acompaña a ε̂.",
            _solver(first=lambda a, s, h: s[2] * (h.exp() - 1)),
        ),
        Slip(
            "exponente_positivo",
            "la exponencial lleva h con signo menos: α_s(1 − e^(−h)), que no pasa de α_s.",
            _solver(first=lambda a, s, h: a[2] * (h.exp() - 1)),
        ),
        Slip(
            "sin_integrar",
            "delante de x̂_0 parece α_s·h: el integrador exponencial integra e^λ exactamente, y "
            "sale α_s(1 − e^(−h)).",
            _solver(first=lambda a, s, h: a[2] * h),
        ),
        Slip(
            "alfa_t",
            "la amplitud que queda fuera de la integral es la de llegada, α_s, y parece α_t.",
            _solver(first=lambda a, s, h: a[1] * (1 - (-h).exp())),
        ),
        Slip(
            "log_snr_sin_mitad",
            "h está doblado: λ = log(α/σ) es la mitad del logaritmo de la SNR.",
            _solver(first=lambda a, s, h: a[2] * (1 - (-2 * h).exp())),
        ),
        Slip(
            "sin_mitad",
            "falta el ½ de la extrapolación: lo que importa es el punto medio del paso.",
            _solver(extrapolate=lambda h, before: 2 * h / before),
        ),
        Slip(
            "r_al_reves",
            "el cociente de pasos está al revés: la pendiente es (x̂_0 − anterior)/h_ant y se "
            "multiplica por h/2.",
            _solver(extrapolate=lambda h, before: before / h),
        ),
        Slip(
            "pasos_iguales",
            "la extrapolación supone que los dos pasos miden lo mismo en λ: falta h/h_ant.",
            _solver(extrapolate=lambda h, before: torch.ones_like(h)),
        ),
        Slip(
            "hacia_atras",
            "la pendiente tiene el signo cambiado: se extrapola más allá de x̂_0, lejos de la "
            "estimación anterior.",
            _solver(extrapolate=lambda h, before: -h / before),
        ),
        Slip(
            "media",
            "parece la media de las dos estimaciones: no se promedia con la anterior, se "
            "extrapola en sentido contrario.",
            _solver(second=lambda x0, old, h, before: (x0 + old) / 2),
        ),
    ),
    parts=("el paso de orden 1", "el paso de orden 2"),
    remark="El de orden 1 es DDIM; el de orden 2 cuesta lo mismo, porque la estimación anterior ya "
    "estaba pagada.",
)


# --- 6.13 ---------------------------------------------------------------------------------------


def karras_grid_oracle(n, sigma_min, sigma_max, rho):
    ends = torch.tensor([sigma_max, sigma_min], dtype=torch.float64) ** (1 / rho)
    levels = torch.linspace(ends[0].item(), ends[1].item(), n, dtype=torch.float64) ** rho
    return torch.cat([levels, torch.zeros(1, dtype=torch.float64)])


def karras_grid_cases():
    plan = [
        ("n = 8, ρ = 7", 8, 0.002, 80.0, 7),
        ("n = 5, ρ = 3", 5, 0.05, 20.0, 3),
        ("n = 6, ρ = 1, uniforme en σ", 6, 0.1, 10.0, 1),
        ("n = 2, solo los extremos", 2, 0.3, 4.0, 5),
    ]
    return [Case(label, tuple(rest)) for label, *rest in plan]


def _levels(n, low, high, inverse, forward, stop=None, zero=True):
    u = torch.arange(n, dtype=torch.float64) / ((n - 1) if stop is None else stop)
    levels = forward(inverse(high) + u * (inverse(low) - inverse(high)))
    return torch.cat([levels, torch.zeros(1, dtype=torch.float64)]) if zero else levels


def _power(n, low, high, rho, **options):
    return _levels(n, low, high, lambda s: s ** (1 / rho), lambda u: u**rho, **options)


def _logarithmic(n, low, high, rho):
    def log(value):
        return torch.tensor(value, dtype=torch.float64).log()

    return _levels(n, low, high, log, torch.exp)


KARRAS_GRID = Exercise(
    "6.13",
    "karras_grid",
    "La rejilla ρ de Karras",
    karras_grid_oracle,
    karras_grid_cases,
    (
        Slip(
            "sin_cero",
            "faltan los datos: tras σ_min va un nivel más, σ = 0, y son n + 1 en total.",
            lambda n, low, high, rho: _power(n, low, high, rho, zero=False),
        ),
        Slip(
            "entre_n",
            "se divide entre n donde va n − 1: el último nivel con ruido debe ser σ_min.",
            lambda n, low, high, rho: _power(n, low, high, rho, stop=n),
        ),
        Slip(
            "sin_volver",
            "falta elevar a ρ al final: los niveles son uniformes en σ^(1/ρ), y hay que volver a σ.",
            lambda n, low, high, rho: _levels(n, low, high, lambda s: s ** (1 / rho), lambda u: u),
        ),
        Slip(
            "exponentes_cambiados",
            "los exponentes están intercambiados: se interpola σ^(1/ρ) y se eleva a ρ. Así los "
            "pasos pequeños quedan junto al ruido.",
            lambda n, low, high, rho: _power(n, low, high, 1 / rho),
        ),
        Slip(
            "uniforme",
            "parece uniforme en σ: es el caso ρ = 1 y gasta casi todos los niveles en el ruido.",
            lambda n, low, high, rho: _power(n, low, high, 1),
        ),
        Slip(
            "logaritmica",
            "parece uniforme en log σ, el límite de ρ infinito: se interpola σ^(1/ρ).",
            _logarithmic,
        ),
        Slip(
            "creciente",
            "los niveles crecen: el muestreo empieza en σ_max y termina en 0.",
            lambda n, low, high, rho: _power(n, low, high, rho).flip(0),
        ),
    ),
    parts=("los niveles",),
    remark="Con ρ = 7 y σ entre 0.002 y 80, la mitad de los niveles queda por debajo de σ_max/30.",
)
