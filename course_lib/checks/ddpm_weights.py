"""Ejercicios 5.9 y 5.10: la guía sin clasificador y la media móvil de los pesos."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.diffusion import Cosine, Denoiser, guidance

# --- 5.9 ----------------------------------------------------------------------------------------


def guided_eps_oracle(eps_y, eps_null, scale):
    denoiser = Denoiser(lambda x, t, y=None: eps_null if y is None else eps_y, Cosine())
    labels = torch.zeros(len(eps_y), dtype=torch.int64)
    return guidance.ClassifierFree(denoiser, scale)(torch.zeros_like(eps_y), 0.5, y=labels).eps


def guided_eps_cases():
    return [
        Case(f"γ = {scale:g}", (*(normal(3, 2, 4, 5, seed=seed + i) for seed in (90, 95)), scale))
        for i, scale in enumerate([3.0, 0.0, 1.0, 0.25])
    ]


GUIDED_EPS = Exercise(
    "5.9",
    "guided_eps",
    "La guía sin clasificador",
    guided_eps_oracle,
    guided_eps_cases,
    (
        Slip(
            "al_reves",
            "las predicciones están cambiadas: con γ = 0 sale la de sin clase; con γ = 1, la otra.",
            lambda y, n, s: y + s * (n - y),
        ),
        Slip(
            "convencion_w",
            "parece la convención w = γ − 1, en la que w = 0 es no guiar; aquí eso es γ = 1.",
            lambda y, n, s: y + s * (y - n),
        ),
        Slip(
            "sin_restar",
            "falta restar ε̂ sin clase dentro del paréntesis: se suma γ·ε̂_y entera.",
            lambda y, n, s: n + s * y,
        ),
        Slip(
            "signo",
            "la diferencia está al revés y aleja de la clase: va ε̂ con clase menos ε̂ sin clase.",
            lambda y, n, s: n + s * (n - y),
        ),
        Slip(
            "solo_diferencia",
            "falta sumar ε̂ sin clase: sale solo γ por la diferencia.",
            lambda y, n, s: s * (y - n),
        ),
        Slip(
            "solo_clase",
            "parece γ·ε̂_y: la predicción sin clase no interviene.",
            lambda y, n, s: s * y,
        ),
        Slip(
            "promedio",
            "parece el promedio de las dos: la escala γ no interviene.",
            lambda y, n, s: (y + n) / 2,
        ),
        Slip(
            "clase_restada",
            "ε̂ con clase está restada: parece (1 − γ)·ε̂ sin clase − γ·ε̂ con clase; va sumada.",
            lambda y, n, s: (1 - s) * n - s * y,
        ),
    ),
    remark="Con γ > 1 se sigue por la misma recta, más allá: más fidelidad y menos variedad.",
)

# --- 5.10 ---------------------------------------------------------------------------------------


def ema_update_oracle(average, new, decay):
    return torch.lerp(average, new, 1 - decay)


def ema_update_cases():
    shapes = [(3, 4), (5,), (2, 3, 4), (4, 3)]
    return [
        Case(f"d = {decay:g}", (normal(*shape, seed=80 + i), normal(*shape, seed=85 + i), decay))
        for i, (decay, shape) in enumerate(zip([0.9, 0.999, 0.5, 0.0], shapes, strict=True))
    ]


EMA_UPDATE = Exercise(
    "5.10",
    "ema_update",
    "La media móvil de los pesos",
    ema_update_oracle,
    ema_update_cases,
    (
        Slip(
            "cambiados",
            "los pesos están cambiados: d va con la media vieja y 1 − d con los pesos nuevos.",
            lambda m, n, d: (1 - d) * m + d * n,
        ),
        Slip(
            "sin_complemento",
            "los pesos nuevos entran enteros: falta el factor 1 − d.",
            lambda m, n, d: d * m + n,
        ),
        Slip(
            "media_entera",
            "la media vieja entra entera: falta el factor d, y así la media crece sin fin.",
            lambda m, n, d: m + (1 - d) * n,
        ),
        Slip(
            "resta",
            "los pesos nuevos están restados: los dos términos se suman.",
            lambda m, n, d: d * m - (1 - d) * n,
        ),
        Slip(
            "diferencia",
            "la diferencia está al revés: la media se aleja de los pesos nuevos.",
            lambda m, n, d: m + (1 - d) * (m - n),
        ),
        Slip(
            "promedio",
            "parece el promedio simple: d no interviene.",
            lambda m, n, d: (m + n) / 2,
        ),
        Slip(
            "sin_actualizar",
            "sale la media vieja sin cambios: faltan los pesos nuevos.",
            lambda m, n, d: m.clone(),
        ),
        Slip(
            "solo_nuevos",
            "salen los pesos nuevos sin promediar.",
            lambda m, n, d: n.clone(),
        ),
    ),
    remark="Con d = 0.999 la media recuerda unas 1000 actualizaciones.",
)
