"""Ejercicio 3.5: el paso M de la PPCA."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal


def ppca_m_step_oracle(x, z_mean, z_cov):
    return _m_step(x, z_mean, z_cov)


def m_step_cases():
    sizes = [(9, 4, 2), (14, 3, 1), (12, 6, 4), (30, 5, 3)]
    cases = []
    for i, (N, D, M) in enumerate(sizes):
        root = normal(M, M, seed=380 + i)
        cov = root @ root.mT / M + 0.2 * torch.eye(M, dtype=torch.float64)
        x, z_mean = 1 + 2 * normal(N, D, seed=360 + i), normal(N, M, seed=370 + i)
        x = x + z_mean @ normal(M, D, seed=390 + i)  # que z diga algo de x
        cases.append(Case(f"N = {N}, D = {D}, M = {M}", (x, z_mean, cov)))
    return cases


def _m_step(x, z_mean, z_cov, *, covs=None, centre=True, noise=None, divisor=None):
    """El paso M, con cuántas covarianzas entran en B, centrado, suma de cuadrados y divisor."""
    N, D = x.shape
    r = x - x.mean(0) if centre else x
    A, second = r.mT @ z_mean, z_mean.mT @ z_mean
    W = torch.linalg.solve((N if covs is None else covs) * z_cov + second, A.mT).mT
    total = r.square().sum()
    explained = (W * A).sum()
    squares = total - explained if noise is None else noise(r, z_mean, z_cov, W)
    return W, squares / (N * D if divisor is None else divisor(N, D, W.shape[1]))


def _single_spread(x, z_mean, z_cov):
    def noise(r, z, cov, W):
        return (r - z @ W.mT).square().sum() + torch.trace(W @ cov @ W.mT)

    return _m_step(x, z_mean, z_cov, noise=noise)


PPCA_M_STEP = Exercise(
    "3.5",
    "ppca_m_step",
    "El paso M de la PPCA",
    ppca_m_step_oracle,
    m_step_cases,
    (
        Slip(
            "sin_covarianza",
            "en B falta N·Σ: E[zzᵀ] es Σ + μμᵀ. Sin ella se trata la causa como si se hubiera "
            "observado.",
            lambda *args: _m_step(*args, covs=0),
        ),
        Slip(
            "una_covarianza",
            "en B la covarianza se sumó una sola vez: va una por dato, N·Σ.",
            lambda *args: _m_step(*args, covs=1),
        ),
        Slip(
            "sin_centrar",
            "faltó centrar los datos: r es x menos su media.",
            lambda *args: _m_step(*args, centre=False),
        ),
        Slip(
            "entre_n",
            "la suma se divide entre N·D, y está dividida solo entre N: el ruido es el mismo en "
            "las D coordenadas.",
            lambda *args: _m_step(*args, divisor=lambda N, D, M: N),
        ),
        Slip(
            "entre_d",
            "la suma se divide entre N·D, y está dividida solo entre D: falta promediar los datos.",
            lambda *args: _m_step(*args, divisor=lambda N, D, M: D),
        ),
        Slip(
            "entre_d_menos_m",
            "dividida entre N·(D − M): ese es el promedio de la forma cerrada; aquí el ruido está "
            "en las D coordenadas.",
            lambda *args: _m_step(*args, divisor=lambda N, D, M: N * (D - M)),
        ),
        Slip(
            "residuo_de_la_media",
            "es el residuo con z = μ, y falta lo que añade no conocer z, N·tr(WΣWᵀ).",
            lambda *args: _m_step(*args, noise=lambda r, z, cov, W: (r - z @ W.mT).square().sum()),
        ),
        Slip(
            "una_dispersion",
            "tr(WΣWᵀ) se sumó una sola vez: va una por dato, N·tr(WΣWᵀ).",
            _single_spread,
        ),
        Slip(
            "sin_termino_cuadratico",
            "se restó 2·tr(WᵀA) y falta sumar tr(WBWᵀ), que aquí vale tr(WᵀA).",
            lambda *args: _m_step(
                *args, noise=lambda r, z, cov, W: r.square().sum() - 2 * (W * (r.mT @ z)).sum()
            ),
        ),
        Slip(
            "sin_explicado",
            "es la varianza total de los datos: falta restar lo que W explica, tr(WᵀA).",
            lambda *args: _m_step(*args, noise=lambda r, z, cov, W: r.square().sum()),
        ),
    ),
    parts=("W′", "σ′²"),
    shape_tip="r.mT @ z_mean es (D, M); z_mean.mT @ z_mean y z_cov, (M, M).",
    remark="Es una regresión de los datos sobre sus causas, con N·Σ como penalización.",
)
