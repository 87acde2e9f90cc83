"""Ejercicios 1.6 y 1.7: muestrear y condicionar una gaussiana de varias dimensiones."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.probability import Gaussian


def covariance(dim: int, seed: int):
    """Una covarianza al azar, bien condicionada y sin simetrías: $MM^T/d + 0.3I$."""
    M = normal(dim, dim, seed=seed)
    return M @ M.mT / dim + 0.3 * torch.eye(dim, dtype=M.dtype)


# --- 1.6 ----------------------------------------------------------------------------------------


def sample_gaussian_oracle(mean, cov, eps):
    return mean + eps @ torch.linalg.cholesky(cov).mT


def sample_gaussian_cases():
    sizes = [("6 muestras en dimensión 3", 6, 3), ("N = D = 4", 4, 4), ("una sola dimensión", 5, 1)]
    return [
        Case(label, (normal(d, seed=s), covariance(d, s + 1), normal(n, d, seed=s + 2)))
        for s, (label, n, d) in zip([200, 210, 220], sizes, strict=True)
    ]


def _symmetric_root(cov):
    values, vectors = torch.linalg.eigh(cov)
    return vectors * values.sqrt() @ vectors.mT


SAMPLE_GAUSSIAN = Exercise(
    "1.6",
    "sample_gaussian",
    "Muestrear con Cholesky",
    sample_gaussian_oracle,
    sample_gaussian_cases,
    (
        Slip(
            "sin_factor",
            "parece m + Σε: su covarianza es Σ², no Σ. Hace falta un factor L con LLᵀ = Σ.",
            lambda mean, cov, eps: mean + eps @ cov,
        ),
        Slip(
            "traspuesta",
            "el factor está traspuesto: con ε por filas, Lε se escribe eps @ L.mT.",
            lambda mean, cov, eps: mean + eps @ torch.linalg.cholesky(cov),
        ),
        Slip(
            "solo_diagonal",
            "solo se usan las varianzas de la diagonal: salen coordenadas sin correlación.",
            lambda mean, cov, eps: mean + eps * cov.diagonal().sqrt(),
        ),
        Slip(
            "varianza_por_desviacion",
            "se multiplica por las varianzas, y por coordenadas: ni la raíz ni la correlación.",
            lambda mean, cov, eps: mean + eps * cov.diagonal(),
        ),
        Slip(
            "raiz_simetrica",
            "es una raíz válida (la simétrica) y da la misma distribución, pero no las mismas "
            "muestras: se pide el factor triangular de Cholesky.",
            lambda mean, cov, eps: mean + eps @ _symmetric_root(cov),
        ),
        Slip(
            "sin_media",
            "falta sumar la media m.",
            lambda mean, cov, eps: eps @ torch.linalg.cholesky(cov).mT,
        ),
        Slip(
            "de_la_precision",
            "parece el factor de Σ⁻¹: ese sirve para deshacer la correlación, no para crearla.",
            lambda mean, cov, eps: mean + eps @ torch.linalg.cholesky(torch.linalg.inv(cov)).mT,
        ),
    ),
    shape_tip="eps lleva una muestra por fila, (N, D): Lε para todas a la vez es eps @ L.mT.",
    remark="Cualquier L con LLᵀ = Σ da la misma distribución; la de Cholesky es la más barata.",
)


# --- 1.7 ----------------------------------------------------------------------------------------


def condition_oracle(mean, cov, value):
    seen = torch.arange(len(mean) - len(value), len(mean))
    law = Gaussian(mean, cov).condition(seen, value)
    return law.mean, law.cov


def condition_cases():
    sizes = [("5 coordenadas, se ven 2", 5, 2), ("4, se ven 2", 4, 2), ("6, se ve 1", 6, 1)]
    return [
        Case(label, (normal(d, seed=s), covariance(d, s + 1), 2 * normal(e, seed=s + 2)))
        for s, (label, d, e) in zip([230, 240, 250], sizes, strict=True)
    ]


def _conditioning(change_mean=None, change_cov=None):
    """La condicional con la media o la covarianza que den los cambios, sobre los bloques."""

    def wrong(mean, cov, value):
        a = len(mean) - len(value)
        aa, ab, bb = cov[:a, :a], cov[:a, a:], cov[a:, a:]
        gain, shift = ab @ torch.linalg.inv(bb), value - mean[a:]
        new_mean, new_cov = mean[:a] + gain @ shift, aa - gain @ ab.mT
        if change_mean:
            new_mean = change_mean(mean[:a], gain, shift, ab, value)
        if change_cov:
            new_cov = change_cov(aa, ab, bb, gain, new_cov)
        return new_mean, new_cov

    return wrong


def _first(mean, cov, value):
    """Condiciona a las primeras coordenadas y no a las últimas."""
    e = len(value)
    gain = cov[e:, :e] @ torch.linalg.inv(cov[:e, :e])
    return mean[e:] + gain @ (value - mean[:e]), cov[e:, e:] - gain @ cov[:e, e:]


CONDITION = Exercise(
    "1.7",
    "condition",
    "Condicionar una gaussiana",
    condition_oracle,
    condition_cases,
    (
        Slip(
            "sin_centrar",
            "falta restar m_b: lo que mueve la media es la sorpresa v − m_b, no v.",
            _conditioning(change_mean=lambda m, K, s, ab, v: m + K @ v),
        ),
        Slip(
            "signo",
            "la corrección tiene el signo cambiado: se suma K(v − m_b).",
            _conditioning(change_mean=lambda m, K, s, ab, v: m - K @ s),
        ),
        Slip(
            "sin_inversa",
            "falta Σ_bb⁻¹ en la media: parece m_a + Σ_ab(v − m_b).",
            _conditioning(change_mean=lambda m, K, s, ab, v: m + ab @ s),
        ),
        Slip(
            "media_marginal",
            "parece la media marginal m_a: lo observado la mueve.",
            _conditioning(change_mean=lambda m, K, s, ab, v: m),
        ),
        Slip(
            "las_primeras",
            "parece que se fijan las primeras coordenadas: lo observado son las últimas.",
            _first,
        ),
        Slip(
            "sin_media",
            "falta sumar m_a a la corrección.",
            _conditioning(change_mean=lambda m, K, s, ab, v: K @ s),
        ),
        Slip(
            "marginal",
            "parece Σ_aa, la covarianza marginal: observar reduce la incertidumbre.",
            _conditioning(change_cov=lambda aa, ab, bb, K, S: aa),
        ),
        Slip(
            "suma",
            "el segundo término se resta: observar no puede aumentar la varianza.",
            _conditioning(change_cov=lambda aa, ab, bb, K, S: aa + K @ ab.mT),
        ),
        Slip(
            "sin_precision",
            "falta la inversa de Σ_bb: parece Σ_aa − Σ_ab Σ_ba.",
            _conditioning(change_cov=lambda aa, ab, bb, K, S: aa - ab @ ab.mT),
        ),
        Slip(
            "precision",
            "parece la precisión: hay que invertir esa matriz.",
            _conditioning(change_cov=lambda aa, ab, bb, K, S: torch.linalg.inv(S)),
        ),
        Slip(
            "lo_restado",
            "es solo la parte que se resta, Σ_ab Σ_bb⁻¹ Σ_ba: falta Σ_aa delante.",
            _conditioning(change_cov=lambda aa, ab, bb, K, S: K @ ab.mT),
        ),
    ),
    parts=("la media", "la covarianza"),
    shape_tip="se observan las últimas len(value) coordenadas: el bloque ab es cov[:a, a:].",
    remark="La covarianza no depende del valor observado: solo de qué coordenadas se observan.",
)
