"""Ejercicio 6.9: un paso de Langevin y la varianza que deja."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.diffusion import langevin


def _column(values):
    return values.reshape(-1, 1)


def langevin_step_oracle(x, score, z, step, variance):
    moved = langevin.langevin_step(x, score, _column(step), lambda _: z)
    # la recurrencia V ← (1 − δ/v)² V + 2δ, resuelta como ecuación lineal
    return moved, 2 * step / (1 - (1 - step / variance) ** 2)


def langevin_step_cases():
    rows = [("B = 5, D = 3", 5, 3), ("B = D = 4", 4, 4), ("una fila", 1, 6), ("B = 7, D = 2", 7, 2)]
    cases = []
    for seed, (label, B, D) in enumerate(rows):
        x, score, z = (normal(B, D, seed=900 + 10 * seed + i) for i in range(3))
        variance = 0.2 + normal(B, seed=905 + 10 * seed).square()
        share = 0.1 + 1.7 * torch.sigmoid(normal(B, seed=906 + 10 * seed))  # δ/v, menor que 2
        cases.append(Case(label, (x, score, z, share * variance, variance)))
    return cases


def _changed(step=None, variance=None):
    """La respuesta correcta con un paso o una varianza equivocados."""

    def wrong(x, score, z, delta, v):
        moved, stationary = langevin_step_oracle(x, score, z, delta, v)
        if step is not None:
            moved = step(x, score, z, _column(delta))
        return moved, stationary if variance is None else variance(delta, v)

    return wrong


LANGEVIN_STEP = Exercise(
    "6.9",
    "langevin_step",
    "Un paso de Langevin y la varianza que deja",
    langevin_step_oracle,
    langevin_step_cases,
    (
        Slip(
            "ruido_sin_dos",
            "el ruido lleva √δ y le falta el 2: con √δ y una deriva δ·s se muestrea una "
            "distribución más estrecha, la de densidad proporcional a p².",
            _changed(step=lambda x, s, z, d: x + d * s + d.sqrt() * z),
        ),
        Slip(
            "ruido_sin_raiz",
            "el ruido lleva 2δ, su varianza, donde va la desviación, √(2δ).",
            _changed(step=lambda x, s, z, d: x + d * s + 2 * d * z),
        ),
        Slip(
            "mitad_en_la_deriva",
            "se han mezclado dos convenios: δ/2 en la deriva va con √δ en el ruido, y δ va con "
            "√(2δ). Así se muestrea una distribución demasiado ancha, la de √p.",
            _changed(step=lambda x, s, z, d: x + d / 2 * s + (2 * d).sqrt() * z),
        ),
        Slip(
            "convenio_de_la_mitad",
            "es el paso con δ/2 y √δ: es coherente, pero equivale a usar la mitad del δ pedido.",
            _changed(step=lambda x, s, z, d: x + d / 2 * s + d.sqrt() * z),
        ),
        Slip(
            "cuesta_abajo",
            "el score se suma: con el signo menos, las muestras huyen de donde hay densidad.",
            _changed(step=lambda x, s, z, d: x - d * s + (2 * d).sqrt() * z),
        ),
        Slip(
            "sin_ruido",
            "falta el ruido: sin él es un ascenso por el gradiente, que acaba en una moda y no "
            "muestrea.",
            _changed(step=lambda x, s, z, d: x + d * s),
        ),
        Slip(
            "varianza_exacta",
            "la varianza v es la de la SDE, con paso infinitesimal: un paso δ finito deja otra.",
            _changed(variance=lambda d, v: v.clone()),
        ),
        Slip(
            "doble_sesgo",
            "parece v/(1 − δ/v): al desarrollar (1 − δ/v)² sale δ²/v², que dividido entre 2δ/v deja "
            "la mitad.",
            _changed(variance=lambda d, v: v / (1 - d / v)),
        ),
        Slip(
            "sesgo_al_reves",
            "la varianza crece con el paso y diverge en δ = 2v: el denominador es 1 − δ/(2v).",
            _changed(variance=lambda d, v: v / (1 + d / (2 * v))),
        ),
        Slip(
            "primer_orden",
            "v + δ/2 es solo el primer término en δ: la recurrencia se resuelve exactamente.",
            _changed(variance=lambda d, v: v + d / 2),
        ),
    ),
    parts=("el paso", "la varianza estacionaria"),
    shape_tip="un δ por fila, de forma (B,), se lleva a (B, 1) con .reshape(-1, 1).",
    remark="El sesgo relativo solo depende de δ/v: por eso el paso se elige en proporción a la "
    "varianza más pequeña.",
)
