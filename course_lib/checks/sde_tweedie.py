"""Ejercicio 6.6: la identidad de Tweedie, de primer y de segundo orden."""

import math

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import SHAPE_TIP, col, normal, uniform


def tweedie_oracle(x_t, score, divergence, alpha, sigma):
    eps = -col(sigma) * score
    error_eps = x_t[0].numel() + sigma**2 * divergence  # E‖ε − ε̂‖² dado x_t
    return (x_t - col(sigma) * eps) / col(alpha), (sigma / alpha) ** 2 * error_eps


def tweedie_cases():
    rows = [("lote 5×3×4×2", (5, 3, 4, 2)), ("B = W = 4", (4, 3, 2, 4))]
    rows += [("VE: α = 1 y σ > 1", (2, 1, 3, 5)), ("una imagen", (1, 2, 3, 4))]
    cases = []
    for i, (label, shape) in enumerate(rows):
        B, d = shape[0], math.prod(shape[1:])
        sigma = uniform(B, low=0.3, high=0.8, seed=720 + i) if i != 2 else normal(B, seed=7).exp()
        alpha = uniform(B, low=0.4, high=1.3, seed=730 + i) if i != 2 else torch.ones_like(sigma)
        divergence = -uniform(B, low=0.2, high=0.9, seed=740 + i) * d / sigma**2
        x_t, score = normal(*shape, seed=700 + i), normal(*shape, seed=710 + i)
        cases.append(Case(label, (x_t, score, divergence, alpha, sigma)))
    return cases


def _pixels(x_t):
    return x_t[0].numel()


def _vp_error(x_t, divergence, alpha, sigma):
    return sigma**2 / (1 - sigma**2).sqrt() ** 2 * (_pixels(x_t) + sigma**2 * divergence)


def _instead(x0=None, error=None):
    """La respuesta correcta con una de sus dos salidas cambiada; `error` recibe x_t entero."""

    def wrong(x_t, score, divergence, alpha, sigma):
        right = tweedie_oracle(x_t, score, divergence, alpha, sigma)
        a, s = col(alpha), col(sigma)
        return (
            right[0] if x0 is None else x0(x_t, score, a, s),
            right[1] if error is None else error(x_t, divergence, alpha, sigma),
        )

    return wrong


TWEEDIE = Exercise(
    "6.6",
    "tweedie",
    "Lo que el score dice del dato",
    tweedie_oracle,
    tweedie_cases,
    (
        Slip(
            "signo",
            "el score se suma: apunta hacia los datos, y quitar ruido es moverse a su favor.",
            _instead(x0=lambda x, v, a, s: (x - s**2 * v) / a),
        ),
        Slip(
            "sigma_sin_cuadrado",
            "el score va multiplicado por σ²: con σ a secas se estaría tratando como un ruido "
            "(σ·score es −ε̂, y aún falta otro σ).",
            _instead(x0=lambda x, v, a, s: (x + s * v) / a),
        ),
        Slip(
            "como_ruido",
            "parece que el score ocupa el lugar de ε̂ en (x_t − σε̂)/α: ε̂ = −σ·score.",
            _instead(x0=lambda x, v, a, s: (x - s * v) / a),
        ),
        Slip(
            "sin_alpha",
            "falta dividir entre α: x_t + σ²·score estima la señal encogida, α x_0.",
            _instead(x0=lambda x, v, a, s: x + s**2 * v),
        ),
        Slip(
            "alpha_solo_en_x",
            "α divide a toda la suma, también al término del score.",
            _instead(x0=lambda x, v, a, s: x / a + s**2 * v),
        ),
        Slip(
            "alpha_de_vp",
            "α se ha deducido de σ con α² + σ² = 1, que solo vale en VP: hay que usar la que llega.",
            _instead(x0=lambda x, v, a, s: (x + s**2 * v) / (1 - s**2).sqrt(), error=_vp_error),
        ),
        Slip(
            "sin_dimension",
            "la traza de la identidad es el número de píxeles, d, y no 1.",
            _instead(error=lambda x, v, a, s: (s / a) ** 2 * (1 + s**2 * v)),
        ),
        Slip(
            "lote_entero",
            "d se ha contado en el lote entero: cada imagen tiene x_t[0].numel() píxeles.",
            _instead(error=lambda x, v, a, s: (s / a) ** 2 * (x.numel() + s**2 * v)),
        ),
        Slip(
            "canales",
            "x_t.shape[1] es el número de canales: d cuenta todos los píxeles de una imagen.",
            _instead(error=lambda x, v, a, s: (s / a) ** 2 * (x.shape[1] + s**2 * v)),
        ),
        Slip(
            "divergencia_restada",
            "la divergencia del score se suma: es negativa donde el dato queda bien determinado, "
            "y resta incertidumbre por sí sola.",
            _instead(error=lambda x, v, a, s: (s / a) ** 2 * (_pixels(x) - s**2 * v)),
        ),
        Slip(
            "divergencia_sin_sigma",
            "la divergencia va multiplicada por σ²: la derivada segunda del logaritmo se mide en "
            "1/σ².",
            _instead(error=lambda x, v, a, s: (s / a) ** 2 * (_pixels(x) + v)),
        ),
        Slip(
            "error_de_eps",
            "eso es el error esperado de ε̂: el de x̂_0 es (σ/α)² veces mayor.",
            _instead(error=lambda x, v, a, s: _pixels(x) + s**2 * v),
        ),
        Slip(
            "error_por_pixel",
            "es el error por píxel: se pide la suma sobre los d píxeles.",
            _instead(error=lambda x, v, a, s: (s / a) ** 2 * (_pixels(x) + s**2 * v) / _pixels(x)),
        ),
        Slip(
            "error_sin_alpha",
            "falta dividir entre α²: el error de α x_0 no es el de x_0.",
            _instead(error=lambda x, v, a, s: s**2 * (_pixels(x) + s**2 * v)),
        ),
        Slip(
            "error_con_raiz",
            "el cociente σ/α va al cuadrado, como corresponde a una varianza.",
            _instead(error=lambda x, v, a, s: s / a * (_pixels(x) + s**2 * v)),
        ),
    ),
    parts=("la estimación de x_0", "el error esperado"),
    shape_tip=SHAPE_TIP,
    remark="El segundo resultado es una vara de medir: dice cuánto se equivoca la mejor red posible "
    "en cada imagen, sin conocer el dato.",
)
