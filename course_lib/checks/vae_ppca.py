"""Ejercicios 3.1 y 3.2: la evidencia y la distribución a posteriori de la PPCA."""

import math

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.latent import PPCA


def ppca_cases(sizes, seed):
    """Datos y parámetros al azar: x (N, D), W (D, M), mean (D,) y sigma2."""
    return [
        Case(
            f"N = {N}, D = {D}, M = {M}",
            (
                2 * normal(N, D, seed=seed + i) + 0.5,
                normal(D, M, seed=seed + 10 + i),
                normal(D, seed=seed + 20 + i),
                0.3 + 0.25 * i,
            ),
        )
        for i, (N, D, M) in enumerate(sizes)
    ]


def eye_like(W):
    return torch.eye(W.shape[1], dtype=W.dtype)


# --- 3.1 ----------------------------------------------------------------------------------------


def ppca_log_prob_oracle(x, W, mean, sigma2):
    return PPCA(W, mean, sigma2).log_prob(x)


def _log_prob(
    x, W, mean, sigma2, *, constant=1, times=None, explained=-1, noise=None, scale=None, half=0.5
):
    """La fórmula, con cada pieza cambiable."""
    D, M = W.shape
    G = W.mT @ W + (sigma2 if noise is None else noise) * eye_like(W)
    r = x - mean
    projected = r @ W
    quadratic = (projected * torch.linalg.solve(G, projected.mT).mT).sum(1)
    squares = (r.square().sum(1) + explained * quadratic) / (sigma2 if scale is None else scale)
    log_det = (D - M if times is None else times) * math.log(sigma2) + torch.logdet(G)
    return -half * (constant * D * math.log(2 * math.pi) + log_det + squares)


def _without_log_det(x, W, mean, sigma2):
    G = W.mT @ W + sigma2 * eye_like(W)
    return _log_prob(x, W, mean, sigma2) + torch.logdet(G) / 2


PPCA_LOG_PROB = Exercise(
    "3.1",
    "ppca_log_prob",
    "La evidencia con matrices pequeñas",
    ppca_log_prob_oracle,
    lambda: ppca_cases([(5, 4, 2), (3, 7, 3), (4, 6, 5), (6, 200, 2)], seed=300),
    (
        Slip(
            "sin_constante",
            "falta la constante D·log 2π.",
            lambda *args: _log_prob(*args, constant=0),
        ),
        Slip(
            "todas_las_direcciones",
            "log σ² se cuenta D veces y va D − M: las otras M direcciones ya están en log det G.",
            lambda *args: _log_prob(*args, times=len(args[1])),
        ),
        Slip(
            "sin_log_ruido",
            "falta (D − M)·log σ²: det C = σ^(2(D−M))·det G, y no solo det G.",
            lambda *args: _log_prob(*args, times=0),
        ),
        Slip(
            "sin_log_det",
            "falta log det G: det C = σ^(2(D−M))·det G.",
            _without_log_det,
        ),
        Slip(
            "explicado_sumado",
            "lo que W explica resta de ‖r‖², y aquí suma: un dato en el subespacio debe ser más "
            "probable, no menos.",
            lambda *args: _log_prob(*args, explained=1),
        ),
        Slip(
            "sin_explicado",
            "falta restar r·W·G⁻¹·Wᵀ·r: sin eso la distancia es la de un ruido sin señal.",
            lambda *args: _log_prob(*args, explained=0),
        ),
        Slip(
            "sin_dividir",
            "el paréntesis de los cuadrados se divide entre σ².",
            lambda *args: _log_prob(*args, scale=1),
        ),
        Slip(
            "g_sin_ruido",
            "en G falta σ²·I: es WᵀW + σ²·I.",
            lambda *args: _log_prob(*args, noise=0),
        ),
        Slip(
            "g_con_identidad",
            "en G se sumó I en lugar de σ²·I.",
            lambda *args: _log_prob(*args, noise=1),
        ),
        Slip(
            "sin_centrar",
            "faltó restar mean.",
            lambda x, W, mean, sigma2: _log_prob(x, W, 0 * mean, sigma2),
        ),
        Slip("sin_un_medio", "falta el ½ de fuera.", lambda *args: _log_prob(*args, half=1)),
        Slip(
            "varianza_al_cuadrado",
            "sigma2 ya es la varianza σ²: no se eleva al cuadrado.",
            lambda x, W, mean, sigma2: _log_prob(x, W, mean, sigma2**2),
        ),
    ),
    shape_tip="x - mean tiene forma (N, D) y (x - mean) @ W, (N, M).",
    remark="Con D = 200 y M = 2 basta con invertir una matriz 2 × 2.",
)


# --- 3.2 ----------------------------------------------------------------------------------------


def ppca_posterior_oracle(x, W, mean, sigma2):
    return tuple(PPCA(W, mean, sigma2).posterior(x))


def _posterior(x, W, mean, sigma2, noise=None):
    inverse = torch.linalg.inv(W.mT @ W + (sigma2 if noise is None else noise) * eye_like(W))
    return (x - mean) @ W @ inverse, sigma2 * inverse


def _change_cov(change):
    def wrong(*args):
        mean, cov = _posterior(*args)
        return mean, change(cov, args[3])

    return wrong


PPCA_POSTERIOR = Exercise(
    "3.2",
    "ppca_posterior",
    "La distribución a posteriori de la latente",
    ppca_posterior_oracle,
    lambda: ppca_cases([(5, 4, 2), (3, 7, 3), (4, 6, 4), (6, 9, 1)], seed=330),
    (
        Slip(
            "sin_ruido",
            "falta σ²·I en G: así es la proyección de la PCA, sin encoger hacia cero.",
            lambda *args: _posterior(*args, noise=0),
        ),
        Slip(
            "con_identidad",
            "en G se sumó I en lugar de σ²·I.",
            lambda *args: _posterior(*args, noise=1),
        ),
        Slip(
            "covarianza_sin_sigma2",
            "es G⁻¹ y la covarianza es σ²·G⁻¹: la precisión era I + WᵀW/σ² = G/σ².",
            _change_cov(lambda cov, sigma2: cov / sigma2),
        ),
        Slip(
            "precision",
            "es la precisión G/σ²; se pide su inversa, la covarianza.",
            _change_cov(lambda cov, sigma2: torch.linalg.inv(cov)),
        ),
        Slip(
            "media_por_sigma2",
            "la media lleva un σ² de más: el σ² de la covarianza se cancela con el 1/σ² del "
            "término lineal.",
            lambda *args: (args[3] * _posterior(*args)[0], _posterior(*args)[1]),
        ),
        Slip(
            "media_entre_sigma2",
            "la media está dividida entre σ² de más: el 1/σ² del término lineal se cancela con el "
            "de la covarianza.",
            lambda *args: (_posterior(*args)[0] / args[3], _posterior(*args)[1]),
        ),
        Slip(
            "sin_centrar",
            "faltó restar mean.",
            lambda x, W, mean, sigma2: _posterior(x, W, 0 * mean, sigma2),
        ),
        Slip(
            "sin_invertir",
            "falta G⁻¹: (x − mean)·W es lo que cada columna ve, sin repartirlo entre ellas.",
            lambda x, W, mean, sigma2: ((x - mean) @ W, _posterior(x, W, mean, sigma2)[1]),
        ),
    ),
    parts=("la media", "la covarianza"),
    shape_tip="los datos van por filas: (x - mean) @ W es (N, M), y G es (M, M).",
    remark="La covarianza no depende del dato: en la PPCA, todos informan lo mismo de su z.",
)
