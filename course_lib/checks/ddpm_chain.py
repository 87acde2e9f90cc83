"""Ejercicios 5.1 y 5.2: la tabla ᾱ y el núcleo cerrado."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import (
    SHAPE_TIP,
    batches,
    col,
    mix,
    random_betas,
    signal_and_noise,
    table,
)
from course_lib.diffusion import DDPM

# --- 5.1 ----------------------------------------------------------------------------------------


def alphas_bar_oracle(betas):
    return DDPM(betas).alphas_bar


def alphas_bar_cases():
    return [
        Case(f"T = {T}", (random_betas(T, seed),))
        for seed, T in enumerate([7, 1, 12, 1000], start=40)
    ]


def _one(betas):
    return torch.ones(1, dtype=betas.dtype)


ALPHAS_BAR = Exercise(
    "5.1",
    "alphas_bar",
    "La tabla ᾱ",
    alphas_bar_oracle,
    alphas_bar_cases,
    (
        Slip(
            "sin_el_primero",
            "falta ᾱ_0 = 1 al principio: salen T valores y se esperan T + 1.",
            lambda betas: torch.cumprod(1 - betas, 0),
        ),
        Slip(
            "acumula_beta",
            "parece el producto de las β_j: se multiplican los factores 1 − β_j.",
            lambda betas: torch.cat([_one(betas), torch.cumprod(betas, 0)]),
        ),
        Slip(
            "sin_acumular",
            "parecen los factores sueltos 1 − β_k: falta el producto acumulado.",
            lambda betas: torch.cat([_one(betas), 1 - betas]),
        ),
        Slip(
            "raiz",
            "parece √ᾱ_k: la raíz se toma después, al ensuciar la imagen.",
            lambda betas: torch.cat([_one(betas), torch.cumprod(1 - betas, 0).sqrt()]),
        ),
        Slip(
            "suma",
            "parece 1 − Σ β_j: es la aproximación para β muy pequeñas; hace falta el producto.",
            lambda betas: torch.cat([_one(betas), 1 - torch.cumsum(betas, 0)]),
        ),
        Slip(
            "exponencial",
            "parece exp(−Σ β_j), el límite continuo; en la cadena va el producto de 1 − β_j.",
            lambda betas: torch.cat([_one(betas), torch.exp(-torch.cumsum(betas, 0))]),
        ),
        Slip(
            "uno_al_final",
            "el 1 está al final y va al principio: alphas_bar[0] es ᾱ_0 = 1.",
            lambda betas: torch.cat([torch.cumprod(1 - betas, 0), _one(betas)]),
        ),
        Slip(
            "empieza_en_cero",
            "el primer valor es 0 y debe ser ᾱ_0 = 1: antes de empezar, toda la señal está ahí.",
            lambda betas: torch.cat([0 * _one(betas), torch.cumprod(1 - betas, 0)]),
        ),
    ),
    remark="Con T = 1000 y la tabla lineal, ᾱ_T queda por debajo de 0.0001: casi no queda señal.",
)


# --- 5.2 ----------------------------------------------------------------------------------------


def perturb_oracle(x0, k, eps, alphas_bar):
    schedule = table(alphas_bar)
    return schedule.perturb(x0, k.double() / schedule.T, eps)


def perturb_cases():
    return [Case(label, (x0, k, eps, ab)) for label, x0, eps, k, _, ab in batches()]


PERTURB = Exercise(
    "5.2",
    "perturb",
    "El núcleo cerrado",
    perturb_oracle,
    perturb_cases,
    (
        Slip(
            "sin_raices",
            "faltan las dos raíces: parece ᾱ_k·x0 + (1 − ᾱ_k)·ε.",
            lambda x0, k, eps, ab: col(ab[k]) * x0 + (1 - col(ab[k])) * eps,
        ),
        Slip(
            "sin_raiz_ruido",
            "el ruido difiere en un factor √(1−ᾱ_k): ¿se olvidó la raíz?",
            lambda x0, k, eps, ab: col(ab[k]).sqrt() * x0 + (1 - col(ab[k])) * eps,
        ),
        Slip(
            "sin_raiz_senal",
            "la señal difiere en un factor √ᾱ_k: ¿se olvidó la raíz?",
            lambda x0, k, eps, ab: col(ab[k]) * x0 + (1 - col(ab[k])).sqrt() * eps,
        ),
        Slip(
            "cambiados",
            "los coeficientes están cambiados: parece √(1−ᾱ_k) donde va √ᾱ_k.",
            lambda x0, k, eps, ab: mix(eps, x0, col(ab[k])),
        ),
        Slip(
            "uno_menos_raiz",
            "parece 1 − √ᾱ_k donde va √(1−ᾱ_k): lo que suma 1 son los cuadrados (las varianzas).",
            lambda x0, k, eps, ab: col(ab[k]).sqrt() * x0 + (1 - col(ab[k]).sqrt()) * eps,
        ),
        Slip(
            "signo",
            "el ruido está restado: en el núcleo va sumado.",
            lambda x0, k, eps, ab: mix(x0, -eps, col(ab[k])),
        ),
        Slip(
            "indice",
            "el índice está corrido: parece ᾱ_{k−1} donde va ᾱ_k, que es alphas_bar[k].",
            lambda x0, k, eps, ab: mix(x0, eps, col(ab[k - 1])),
        ),
        Slip(
            "sin_eps",
            "falta ε: se suma √(1−ᾱ_k) a todos los píxeles por igual, y eso no es ruido.",
            lambda x0, k, eps, ab: mix(x0, torch.ones_like(eps), col(ab[k])),
        ),
        Slip(
            "un_solo_paso",
            "parece un solo paso de la cadena: 1 − β_k, sin barra, donde va el producto ᾱ_k.",
            lambda x0, k, eps, ab: mix(x0, eps, col(ab[k] / ab[k - 1])),
        ),
        Slip(
            "sin_reshape",
            "alphas_bar[k], de forma (B,), se alinea con el ancho y no con el lote: " + SHAPE_TIP,
            lambda x0, k, eps, ab: mix(x0, eps, ab[k]),
        ),
        Slip(
            "mismo_k",
            "todas las imágenes usan el k de la primera: cada una tiene el suyo.",
            lambda x0, k, eps, ab: mix(x0, eps, ab[k[0]]),
        ),
        Slip(
            "senal_entera",
            "la señal no se atenúa: falta √ᾱ_k delante de x0.",
            lambda x0, k, eps, ab: x0 + (1 - col(ab[k])).sqrt() * eps,
        ),
    ),
    factors=lambda x0, k, eps, ab: signal_and_noise(k, ab),
    shape_tip=SHAPE_TIP,
    remark="Y cada imagen del lote con su propio k, también cuando B coincide con el ancho.",
)
