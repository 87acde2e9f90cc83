"""Ejercicio 6.14: los cuatro coeficientes de EDM."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal


def edm_coefficients_oracle(sigma, sigma_data):
    total = sigma**2 + sigma_data**2
    c_skip = sigma_data**2 / total
    return (
        c_skip,
        sigma * sigma_data / total.sqrt(),
        1 / total.sqrt(),
        1 / (c_skip * sigma**2),
    )


def edm_coefficients_cases():
    plan = [("σ_datos = 0.5", 5, 0.5), ("σ_datos = 1", 4, 1.0), ("σ_datos = 2.3", 3, 2.3)]
    cases = [
        Case(label, (torch.exp(1.5 * normal(B, seed=1400 + i)), sigma_data))
        for i, (label, B, sigma_data) in enumerate(plan)
    ]
    ends = torch.tensor([0.002, 0.5, 80.0], dtype=torch.float64)
    return [*cases, Case("de σ = 0.002 a σ = 80", (ends, 0.5))]


def _changed(change):
    """La respuesta correcta con las salidas que `change(σ, σ_datos, respuesta)` sustituye."""

    def wrong(sigma, sigma_data):
        values = dict(enumerate(edm_coefficients_oracle(sigma, sigma_data)))
        return tuple((values | change(sigma, sigma_data, values)).values())

    return wrong


EDM_COEFFICIENTS = Exercise(
    "6.14",
    "edm_coefficients",
    "Los coeficientes de EDM",
    edm_coefficients_oracle,
    edm_coefficients_cases,
    (
        Slip(
            "salto_contrario",
            "parece 1 − c_skip: con poco ruido la entrada ya es casi la respuesta, así que c_skip "
            "debe acercarse a 1 cuando σ baja.",
            _changed(lambda s, d, v: {0: 1 - v[0]}),
        ),
        Slip(
            "salto_sin_cuadrados",
            "en c_skip van varianzas: faltan los cuadrados.",
            _changed(lambda s, d, v: {0: d / (s + d)}),
        ),
        Slip(
            "salto_con_raiz",
            "parece √c_skip: el cociente de varianzas no lleva raíz.",
            _changed(lambda s, d, v: {0: v[0].sqrt()}),
        ),
        Slip(
            "salida_al_cuadrado",
            "c_out es una desviación y parece su cuadrado, la varianza: falta la raíz.",
            _changed(lambda s, d, v: {1: v[1] ** 2}),
        ),
        Slip(
            "salida_sin_raiz",
            "en c_out el denominador lleva raíz: σσ_datos/√(σ² + σ_datos²).",
            _changed(lambda s, d, v: {1: s * d / (s**2 + d**2)}),
        ),
        Slip(
            "salida_sin_datos",
            "en c_out falta el factor σ_datos: con mucho ruido debe tender a σ_datos.",
            _changed(lambda s, d, v: {1: v[1] / d}),
        ),
        Slip(
            "entrada_sin_raiz",
            "en c_in falta la raíz: se divide por la desviación de la entrada, no por su varianza.",
            _changed(lambda s, d, v: {2: v[2] ** 2}),
        ),
        Slip(
            "entrada_inversa",
            "c_in está invertido: multiplica a la entrada y debe dejarla con varianza 1.",
            _changed(lambda s, d, v: {2: 1 / v[2]}),
        ),
        Slip(
            "entrada_sin_datos",
            "en c_in falta σ_datos: la varianza de la entrada es σ² + σ_datos², señal y ruido.",
            _changed(lambda s, d, v: {2: 1 / s}),
        ),
        Slip(
            "peso_sin_cuadrado",
            "el peso es 1/c_out²: falta el cuadrado.",
            _changed(lambda s, d, v: {3: v[3].sqrt()}),
        ),
        Slip(
            "peso_inverso",
            "el peso está invertido: es 1/c_out², grande donde el objetivo es pequeño.",
            _changed(lambda s, d, v: {3: 1 / v[3]}),
        ),
        Slip(
            "peso_snr",
            "parece la SNR, σ_datos²/σ²: al peso 1/c_out² le falta el 1/σ_datos².",
            _changed(lambda s, d, v: {3: d**2 / s**2}),
        ),
    ),
    parts=("c_skip", "c_out", "c_in", "el peso"),
    remark="Nótese que el peso es 1/σ² + 1/σ_datos²: nunca baja de 1/σ_datos², ni con todo el ruido.",
)
