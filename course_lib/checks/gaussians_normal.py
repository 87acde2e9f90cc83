"""Ejercicios 1.3, 1.4 y 1.5: densidad normal, producto de densidades y máxima entropía."""

import math

import torch
from torch.distributions import Normal

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal

LOG_2PI = math.log(2 * math.pi)


def _variance(*shape, seed):
    return 0.2 + normal(*shape, seed=seed).square()


# --- 1.3 ----------------------------------------------------------------------------------------


def normal_log_prob_oracle(x, mean, variance):
    return Normal(mean, variance.sqrt(), validate_args=False).log_prob(x)


def normal_log_prob_cases():
    x, mean = normal(6, seed=130), normal(6, seed=131)
    far = 60 * torch.ones(1, dtype=torch.float64)
    return [
        Case("seis puntos", (x, mean, _variance(6, seed=132))),
        Case(
            "3 normales en 5 puntos",
            (normal(5, seed=133), normal(3, 1, seed=134), _variance(3, 1, seed=135)),
        ),
        Case("en la media", (mean, mean, _variance(6, seed=136))),
        Case("muy lejos, a 60 desviaciones", (far, 0 * far, far / far)),
    ]


def _quadratic(x, m, v):
    return (x - m) ** 2 / v


def _log_prob(x, m, v):
    return -(_quadratic(x, m, v) + v.log() + LOG_2PI) / 2


NORMAL_LOG_PROB = Exercise(
    "1.3",
    "normal_log_prob",
    "El logaritmo de la densidad normal",
    normal_log_prob_oracle,
    normal_log_prob_cases,
    (
        Slip(
            "desviacion",
            "parece que variance se eleva al cuadrado, como si fuera la desviación: ya es σ².",
            lambda x, m, v: _log_prob(x, m, v**2),
        ),
        Slip(
            "densidad",
            "parece la densidad: se pide su logaritmo.",
            lambda x, m, v: _log_prob(x, m, v).exp(),
        ),
        Slip(
            "logaritmo_tardio",
            "se calcula la densidad y después su logaritmo: a 60 desviaciones la densidad se "
            "redondea a 0 y el logaritmo es −∞. Conviene escribir el logaritmo desde el principio.",
            lambda x, m, v: (torch.exp(-_quadratic(x, m, v) / 2) / (2 * math.pi * v).sqrt()).log(),
        ),
        Slip(
            "sin_medio",
            "falta el 1/2 que multiplica al cuadrado.",
            lambda x, m, v: _log_prob(x, m, v) - _quadratic(x, m, v) / 2,
        ),
        Slip(
            "signo",
            "el cuadrado está sumado y va restado: lejos de la media la densidad baja.",
            lambda x, m, v: _log_prob(x, m, v) + _quadratic(x, m, v),
        ),
        Slip(
            "sin_cuadrado",
            "falta elevar al cuadrado la distancia a la media.",
            lambda x, m, v: -((x - m) / v + v.log() + LOG_2PI) / 2,
        ),
        Slip(
            "sin_pi",
            "falta la constante −½ log(2π): la densidad no integraría 1.",
            lambda x, m, v: _log_prob(x, m, v) + LOG_2PI / 2,
        ),
        Slip(
            "sin_log_varianza",
            "falta −½ log σ²: las normales anchas son también más bajas.",
            lambda x, m, v: _log_prob(x, m, v) + v.log() / 2,
        ),
        Slip(
            "log_varianza",
            "se resta log σ² entero: es ½ log σ², o bien log σ.",
            lambda x, m, v: _log_prob(x, m, v) - v.log() / 2,
        ),
        Slip(
            "normalizacion",
            "el ½ falta delante de log(2πσ²): en la densidad la constante lleva una raíz.",
            lambda x, m, v: _log_prob(x, m, v) - (v.log() + LOG_2PI) / 2,
        ),
        Slip(
            "sin_media",
            "falta restar la media.",
            lambda x, m, v: _log_prob(x, 0 * m, v),
        ),
    ),
    shape_tip="mean y variance se difunden contra x: con (3, 1) y (5,) sale (3, 5).",
    remark="También en la cola, donde la densidad ya no cabe en un número de coma flotante.",
)

# --- 1.4 ----------------------------------------------------------------------------------------


def product_1d_oracle(mean_1, var_1, mean_2, var_2):
    variance = 1 / (1 / var_1 + 1 / var_2)
    log_z = Normal(mean_2, (var_1 + var_2).sqrt()).log_prob(mean_1)
    return variance * (mean_1 / var_1 + mean_2 / var_2), variance, log_z


def product_1d_cases():
    def four(*shape, seed):
        mean_1, mean_2 = normal(*shape, seed=seed), 2 + normal(*shape, seed=seed + 1)
        return mean_1, _variance(*shape, seed=seed + 2), mean_2, _variance(*shape, seed=seed + 3)

    mean_1, var_1, mean_2, _ = four(3, 4, seed=148)
    return [
        Case("cinco parejas", four(5, seed=140)),
        Case("tabla de 2 × 3", four(2, 3, seed=144)),
        Case("varianzas iguales, 3 × 4", (mean_1, var_1, mean_2, var_1)),
    ]


def _product(index, change):
    """La respuesta con la salida `index` cambiada por `change(m1, v1, m2, v2)`."""

    def wrong(m1, v1, m2, v2):
        out = list(product_1d_oracle(m1, v1, m2, v2))
        out[index] = change(m1, v1, m2, v2)
        return tuple(out)

    return wrong


PRODUCT_1D = Exercise(
    "1.4",
    "product_1d",
    "El producto de dos campanas",
    product_1d_oracle,
    product_1d_cases,
    (
        Slip(
            "media_simple",
            "parece el punto medio: cada media pesa según su precisión, 1/σ².",
            _product(0, lambda m1, v1, m2, v2: (m1 + m2) / 2),
        ),
        Slip(
            "pesos_cruzados",
            "cada media pesa con su propia varianza: pesa más la menos dispersa.",
            _product(0, lambda m1, v1, m2, v2: (m1 * v1 + m2 * v2) / (v1 + v2)),
        ),
        Slip(
            "desviaciones",
            "las medias se pesan con 1/σ: los pesos son las precisiones, 1/σ².",
            _product(
                0,
                lambda m1, v1, m2, v2: (
                    (m1 / v1.sqrt() + m2 / v2.sqrt()) / (1 / v1.sqrt() + 1 / v2.sqrt())
                ),
            ),
        ),
        Slip(
            "sin_dividir",
            "falta multiplicar por la varianza del producto: parece m₁/σ₁² + m₂/σ₂².",
            _product(0, lambda m1, v1, m2, v2: m1 / v1 + m2 / v2),
        ),
        Slip(
            "suma",
            "parece la suma de dos variables, donde se suman las varianzas: en el producto de "
            "densidades se suman las precisiones.",
            _product(1, lambda m1, v1, m2, v2: v1 + v2),
        ),
        Slip(
            "precision",
            "parece la precisión: falta invertirla para tener la varianza.",
            _product(1, lambda m1, v1, m2, v2: 1 / v1 + 1 / v2),
        ),
        Slip(
            "media_armonica",
            "sobra un 2: la varianza es la mitad de la media armónica de las dos.",
            _product(1, lambda m1, v1, m2, v2: 2 * v1 * v2 / (v1 + v2)),
        ),
        Slip(
            "raiz",
            "parece la desviación: se pide la varianza, sin raíz.",
            _product(1, lambda m1, v1, m2, v2: (v1 * v2 / (v1 + v2)).sqrt()),
        ),
        Slip(
            "sin_logaritmo",
            "parece Z: se pide su logaritmo.",
            _product(2, lambda m1, v1, m2, v2: product_1d_oracle(m1, v1, m2, v2)[2].exp()),
        ),
        Slip(
            "normalizado",
            "parece que el producto ya integra 1: Z vale N(m₁; m₂, σ₁² + σ₂²).",
            _product(2, lambda m1, v1, m2, v2: torch.zeros_like(m1)),
        ),
        Slip(
            "varianza_del_producto",
            "en Z parece ir la varianza del producto: va la suma σ₁² + σ₂².",
            _product(2, lambda m1, v1, m2, v2: _log_prob(m1, m2, v1 * v2 / (v1 + v2))),
        ),
        Slip(
            "sin_constante",
            "en Z falta el factor 1/√(2π(σ₁² + σ₂²)): queda solo la exponencial.",
            _product(2, lambda m1, v1, m2, v2: -_quadratic(m1, m2, v1 + v2) / 2),
        ),
    ),
    parts=("la media", "la varianza", "el logaritmo de Z"),
    remark="La varianza siempre baja: dos informaciones independientes nunca estorban.",
)
