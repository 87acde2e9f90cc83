"""Ejercicio 6.2: la transición exacta entre dos instantes."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal


def transition_moments_oracle(alpha_s, sigma_s, alpha_t, sigma_t):
    ratio = alpha_t / alpha_s
    return ratio, (sigma_t**2 - ratio**2 * sigma_s**2).sqrt()


def transition_moments_cases():
    early, late = (
        torch.linspace(a, b, 5, dtype=torch.float64) for a, b in [(0.9, 0.5), (0.7, 0.1)]
    )
    growing = torch.tensor([0.1, 0.7, 3.0], dtype=torch.float64)
    one, drawn = torch.ones_like(growing), [normal(4, seed=640 + i).abs() for i in range(4)]
    scale, start = 0.3 + drawn[0], 0.2 + drawn[1]
    free = (scale, start, scale * (0.3 + drawn[2]), start * (1.5 + drawn[2]) + drawn[3])
    return [
        Case("VP: α² + σ² = 1", (early, (1 - early**2).sqrt(), late, (1 - late**2).sqrt())),
        Case("VE: α = 1", (one, growing, one, 2 * growing)),
        Case("Flow: α = 1 − t, σ = t", (early, 1 - early, late, 1 - late)),
        Case("α y σ cualesquiera", free),
    ]


def _moments(ratio=None, std=None):
    """La respuesta con una pieza cambiada; un cociente equivocado llega también a la desviación."""

    def wrong(alpha_s, sigma_s, alpha_t, sigma_t):
        right = transition_moments_oracle(alpha_s, sigma_s, alpha_t, sigma_t)
        r = right[0] if ratio is None else ratio(alpha_s, alpha_t)
        rule = std or (lambda r, s, t: (t**2 - r**2 * s**2).sqrt())
        return r, rule(r, sigma_s, sigma_t)

    return wrong


TRANSITION_MOMENTS = Exercise(
    "6.2",
    "transition_moments",
    "La transición entre dos instantes",
    transition_moments_oracle,
    transition_moments_cases,
    (
        Slip(
            "cociente_al_reves",
            "es el cociente contrario: se va de s a t, y lo que queda de x_s es α_t/α_s, que en VP "
            "es menor que 1.",
            _moments(ratio=lambda a, b: a / b),
        ),
        Slip(
            "desde_el_dato",
            "α_t es lo que queda del dato x_0, y aquí se parte de x_s, ya encogido por α_s.",
            _moments(ratio=lambda a, b: b),
        ),
        Slip(
            "cociente_al_cuadrado",
            "el cociente va sin cuadrado: α_t/α_s multiplica al estado; su cuadrado, a la varianza.",
            _moments(ratio=lambda a, b: (b / a) ** 2),
        ),
        Slip(
            "sin_encoger",
            "el ruido que ya había en x_s también se encoge: a σ_t² se le resta (α_t/α_s)²σ_s², y "
            "no σ_s².",
            _moments(std=lambda r, s, t: (t**2 - s**2).sqrt()),
        ),
        Slip(
            "encoger_sin_cuadrado",
            "al multiplicar x_s por α_t/α_s, su varianza se multiplica por el cuadrado.",
            _moments(std=lambda r, s, t: (t**2 - r * s**2).sqrt()),
        ),
        Slip(
            "varianza",
            "parece la varianza: se pide la desviación, su raíz.",
            _moments(std=lambda r, s, t: t**2 - r**2 * s**2),
        ),
        Slip(
            "resta_de_desviaciones",
            "las desviaciones no se restan: con ruidos independientes se suman (y se restan) las "
            "varianzas.",
            _moments(std=lambda r, s, t: t - r * s),
        ),
        Slip(
            "solo_vp",
            "1 − (α_t/α_s)² es la varianza solo si α² + σ² = 1, como en VP: hay que usar las σ.",
            _moments(std=lambda r, s, t: (1 - r**2).sqrt()),
        ),
        Slip(
            "suma",
            "las dos varianzas se restan: σ_t² es lo heredado de x_s más lo nuevo, y se pide lo "
            "nuevo.",
            _moments(std=lambda r, s, t: (t**2 + r**2 * s**2).sqrt()),
        ),
        Slip(
            "desde_el_dato_sigma",
            "σ_t es el ruido acumulado desde el dato: parte de él ya estaba en x_s.",
            _moments(std=lambda r, s, t: t),
        ),
    ),
    parts=("el factor", "la desviación"),
    remark="Con s = 0 y σ_0 = 0 quedan α_t y σ_t: es la misma fórmula que ensucia el dato.",
)
