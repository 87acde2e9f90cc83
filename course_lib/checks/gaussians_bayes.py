"""Ejercicios 1.8 y 1.9: la regla de Bayes con gaussianas y la divergencia entre dos de ellas."""

import math

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.gaussians_linear import covariance
from course_lib.checks.random_cases import normal
from course_lib.probability import Gaussian, LinearGaussian

# --- 1.8 ----------------------------------------------------------------------------------------


def linear_posterior_oracle(prior_mean, prior_cov, A, b, noise_cov, y):
    law = LinearGaussian(Gaussian(prior_mean, prior_cov), A, b, noise_cov).posterior(y)
    return law.mean, law.cov


def linear_posterior_cases():
    cases = []
    sizes = [("D = 5, E = 3", 5, 3), ("D = E = 2", 2, 2), ("D = 4, E = 1", 4, 1)]
    for s, (label, d, e) in zip([260, 270, 280], sizes, strict=True):
        law = normal(d, seed=s), covariance(d, s + 1)
        noise = normal(e, d, seed=s + 2), normal(e, seed=s + 3), covariance(e, s + 4)
        cases.append(Case(label, (*law, *noise, 2 * normal(e, seed=s + 5))))
    return cases


def _bayes(change_mean=None, change_cov=None):
    """La regla de Bayes con la media o la covarianza que den los cambios."""

    def wrong(m, P, A, b, R, y):
        gain = P @ A.mT @ torch.linalg.inv(A @ P @ A.mT + R)
        mean, cov = m + gain @ (y - A @ m - b), P - gain @ A @ P
        if change_mean:
            mean = change_mean(m, P, A, b, R, y, gain)
        if change_cov:
            cov = change_cov(P, A, R, gain)
        return mean, cov

    return wrong


LINEAR_POSTERIOR = Exercise(
    "1.8",
    "linear_posterior",
    "La regla de Bayes con gaussianas",
    linear_posterior_oracle,
    linear_posterior_cases,
    (
        Slip(
            "sin_b",
            "falta restar b: la sorpresa es y − (Am + b).",
            _bayes(change_mean=lambda m, P, A, b, R, y, K: m + K @ (y - A @ m)),
        ),
        Slip(
            "sin_prediccion",
            "falta restar Am: lo que corrige la media es y menos lo que se predecía.",
            _bayes(change_mean=lambda m, P, A, b, R, y, K: m + K @ (y - b)),
        ),
        Slip(
            "signo",
            "la corrección tiene el signo cambiado: la media se acerca a lo observado.",
            _bayes(change_mean=lambda m, P, A, b, R, y, K: m - K @ (y - A @ m - b)),
        ),
        Slip(
            "sin_ruido",
            "falta R en la ganancia: se invierte APAᵀ + R, la covarianza de y.",
            lambda m, P, A, b, R, y: _bayes()(m, P, A, b, 1e-9 * torch.eye(len(y)).to(y), y),
        ),
        Slip(
            "ruido_al_reves",
            "parece que R se tomó como precisión: es la covarianza del ruido.",
            lambda m, P, A, b, R, y: _bayes()(m, P, A, b, torch.linalg.inv(R), y),
        ),
        Slip(
            "priori_al_reves",
            "parece que la covarianza a priori se tomó como precisión.",
            lambda m, P, A, b, R, y: _bayes()(m, torch.linalg.inv(P), A, b, R, y),
        ),
        Slip(
            "priori",
            "parece P, la covarianza a priori: falta descontar lo que se aprende al observar.",
            _bayes(change_cov=lambda P, A, R, K: P),
        ),
        Slip(
            "precision",
            "parece la precisión P⁻¹ + AᵀR⁻¹A: la covarianza es su inversa.",
            _bayes(
                change_cov=lambda P, A, R, K: torch.linalg.inv(P) + A.mT @ torch.linalg.inv(R) @ A
            ),
        ),
        Slip(
            "suma",
            "el término KAP se resta: observar no aumenta la incertidumbre.",
            _bayes(change_cov=lambda P, A, R, K: P + K @ A @ P),
        ),
    ),
    parts=("la media", "la covarianza"),
    shape_tip="A tiene forma (E, D): AᵀR⁻¹A es (D, D) y APAᵀ + R es (E, E).",
    remark="Con A = √α_k·I y R = β_k·I es el paso inverso de un modelo de difusión.",
)


# --- 1.9 ----------------------------------------------------------------------------------------


def kl_gaussians_oracle(mean_p, cov_p, mean_q, cov_q):
    kl = Gaussian(mean_p, cov_p).kl(Gaussian(mean_q, cov_q))
    return torch.tensor(kl, dtype=mean_p.dtype)


def kl_gaussians_cases():
    def law(d, seed):
        return normal(d, seed=seed), covariance(d, seed + 1)

    p = law(3, 300)
    return [
        Case("dimensión 3", (*p, *law(3, 310))),
        Case("dimensión 5", (*law(5, 320), *law(5, 330))),
        Case("p = q", (*p, *p)),
        Case("igual covarianza", (*p, law(3, 340)[0], p[1])),
    ]


def _terms(mp, Cp, mq, Cq):
    """Los cuatro sumandos, sin el 1/2: traza, término de las medias, −d y el logaritmo."""
    inverse, gap = torch.linalg.inv(Cq), mp - mq
    logs = torch.logdet(Cq) - torch.logdet(Cp)
    return torch.trace(inverse @ Cp), gap @ inverse @ gap, -len(mp), logs


def _kl(mp, Cp, mq, Cq):
    return sum(_terms(mp, Cp, mq, Cq)) / 2


KL_GAUSSIANS = Exercise(
    "1.9",
    "kl_gaussians",
    "KL entre gaussianas de dimensión d",
    kl_gaussians_oracle,
    kl_gaussians_cases,
    (
        Slip(
            "al_reves",
            "parece KL(q‖p): la divergencia no es simétrica, y la inversa es la de q.",
            lambda mp, Cp, mq, Cq: _kl(mq, Cq, mp, Cp),
        ),
        Slip(
            "sin_medio",
            "sale el doble: falta el factor 1/2.",
            lambda mp, Cp, mq, Cq: 2 * _kl(mp, Cp, mq, Cq),
        ),
        Slip(
            "sin_dimension",
            "falta restar la dimensión d: con p = q debe salir 0 y sale d/2.",
            lambda mp, Cp, mq, Cq: _kl(mp, Cp, mq, Cq) + len(mp) / 2,
        ),
        Slip(
            "menos_uno",
            "se resta 1 en lugar de d: eso vale solo en una dimensión.",
            lambda mp, Cp, mq, Cq: _kl(mp, Cp, mq, Cq) + (len(mp) - 1) / 2,
        ),
        Slip(
            "logaritmo_al_reves",
            "el logaritmo está al revés: va log det Σ_q − log det Σ_p.",
            lambda mp, Cp, mq, Cq: _kl(mp, Cp, mq, Cq) - _terms(mp, Cp, mq, Cq)[3],
        ),
        Slip(
            "sin_logaritmo",
            "falta el término de los determinantes.",
            lambda mp, Cp, mq, Cq: _kl(mp, Cp, mq, Cq) - _terms(mp, Cp, mq, Cq)[3] / 2,
        ),
        Slip(
            "sin_medias",
            "falta el término de las medias.",
            lambda mp, Cp, mq, Cq: _kl(mp, Cp, mq, Cq) - _terms(mp, Cp, mq, Cq)[1] / 2,
        ),
        Slip(
            "distancia_euclidiana",
            "las medias se comparan con la distancia euclidiana: va la de Mahalanobis, con Σ_q⁻¹.",
            lambda mp, Cp, mq, Cq: (
                _kl(mp, Cp, mq, Cq) - (_terms(mp, Cp, mq, Cq)[1] - (mp - mq).square().sum()) / 2
            ),
        ),
        Slip(
            "solo_diagonal",
            "parece que solo se usan las diagonales: faltan las covarianzas.",
            lambda mp, Cp, mq, Cq: _kl(
                mp, Cp.diagonal().diag_embed(), mq, Cq.diagonal().diag_embed()
            ),
        ),
        Slip(
            "bits",
            "sale en bits: aquí se piden nats, con el logaritmo natural.",
            lambda mp, Cp, mq, Cq: _kl(mp, Cp, mq, Cq) / math.log(2),
        ),
    ),
    remark="Con covarianzas v·I es la fórmula del capítulo de DDPM.",
)
