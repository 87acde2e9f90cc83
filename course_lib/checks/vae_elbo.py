"""Ejercicios 3.3 y 3.4: la evidencia por Monte Carlo ingenuo y la ELBO de una q gaussiana."""

import math

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.latent import PPCA

# --- 3.3 ----------------------------------------------------------------------------------------


def log_likelihoods(x, decoded, sigma, *, constant=None, half=0.5, reduce=torch.sum):
    """log p(x_n | z_k), de forma (N, K), con cada pieza cambiable."""
    D = x.shape[1] if constant is None else constant
    squares = reduce((x[:, None] - decoded).square(), -1)
    return -half * squares / sigma**2 - D / 2 * math.log(2 * math.pi * sigma**2)


def prior_evidence_oracle(x, decoded, sigma):
    return log_likelihoods(x, decoded, sigma).logsumexp(1) - math.log(len(decoded))


def prior_evidence_cases():
    sizes = [("N = 5, K = 7, D = 3", 5, 7, 3, 0.0), ("N = 4, K = 11, D = 2", 4, 11, 2, 0.0)]
    sizes += [("N = K = D = 4", 4, 4, 4, 0.0), ("un dato muy lejano", 3, 6, 5, 60.0)]
    return [
        Case(
            label,
            (normal(N, D, seed=400 + i) + away, normal(K, D, seed=410 + i), 0.5 + 0.3 * i),
        )
        for i, (label, N, K, D, away) in enumerate(sizes)
    ]


def _variant(**change):
    """La respuesta correcta con otro log p(x | z)."""

    def wrong(x, decoded, sigma):
        table = log_likelihoods(x, decoded, sigma, **change)
        return table.logsumexp(1) - math.log(len(decoded))

    return wrong


PRIOR_EVIDENCE = Exercise(
    "3.3",
    "prior_evidence",
    "Monte Carlo ingenuo, bien calculado",
    prior_evidence_oracle,
    prior_evidence_cases,
    (
        Slip(
            "directo",
            "con un dato lejano sale −∞: las densidades se anulan por subdesbordamiento antes de "
            "promediarlas. Con torch.logsumexp no pasa.",
            lambda *args: log_likelihoods(*args).exp().mean(1).log(),
        ),
        Slip(
            "media_de_logaritmos",
            "es el promedio de los logaritmos, y se pide el logaritmo del promedio. Por Jensen, el "
            "primero es menor.",
            lambda *args: log_likelihoods(*args).mean(1),
        ),
        Slip(
            "sin_log_k",
            "es la suma y no el promedio de las densidades: falta restar log K.",
            lambda *args: log_likelihoods(*args).logsumexp(1),
        ),
        Slip(
            "el_mayor",
            "es el mayor de los K sumandos: falta sumar los demás y dividir entre K.",
            lambda *args: log_likelihoods(*args).amax(1),
        ),
        Slip(
            "sin_constante",
            "falta la constante de la gaussiana, −(D/2)·log 2πσ².",
            _variant(constant=0),
        ),
        Slip(
            "constante_de_una",
            "la constante está una vez y va D veces, una por coordenada.",
            _variant(constant=1),
        ),
        Slip("sin_un_medio", "falta el ½ del exponente de la gaussiana.", _variant(half=1)),
        Slip(
            "media_de_coordenadas",
            "los cuadrados se promedian sobre las coordenadas, y se suman: la densidad conjunta es "
            "el producto de las D.",
            _variant(reduce=torch.mean),
        ),
        Slip(
            "sigma_como_varianza",
            "sigma es la desviación: en la gaussiana va σ².",
            lambda x, decoded, sigma: prior_evidence_oracle(x, decoded, sigma**0.5),
        ),
    ),
    shape_tip="x[:, None] - decoded tiene forma (N, K, D): se suma en D y se promedia en K.",
    remark="También con el dato lejano, donde ninguna densidad cabe en float64.",
)


# --- 3.4 ----------------------------------------------------------------------------------------


def gaussian_elbo_oracle(x, W, mean, sigma2, q_mean, q_cov):
    pieces = PPCA(W, mean, sigma2).elbo(x, q_mean, q_cov)
    return pieces.reconstruction, pieces.kl


def gaussian_elbo_cases():
    cases = []
    for i, (N, D, M) in enumerate([(5, 4, 2), (3, 7, 3), (4, 6, 4), (6, 3, 1)]):
        root = normal(N, M, M, seed=440 + i)
        q_cov = root @ root.mT / M + 0.1 * torch.eye(M, dtype=torch.float64)
        x, W, mean = (
            normal(*s, seed=450 + 10 * k + i) for k, s in enumerate([(N, D), (D, M), (D,)])
        )
        q_mean = normal(N, M, seed=480 + i)
        label = f"N = {N}, D = {D}, M = {M}"
        cases.append(Case(label, (x, W, mean, 0.3 + 0.2 * i, q_mean, q_cov)))
    return cases


def _reconstruction(x, W, mean, sigma2, q_mean, q_cov, *, constant=1, spread=1, scale=None):
    error = (x - mean - q_mean @ W.mT).square().sum(1)
    dispersion = spread * (W.mT @ W * q_cov).sum((-2, -1))
    squares = (error + dispersion) / (sigma2 if scale is None else scale)
    return -0.5 * (constant * x.shape[1] * math.log(2 * math.pi * sigma2) + squares)


def _kl(q_mean, q_cov, *, dim=1, log_det=-1, trace=1, half=0.5):
    traces = trace * q_cov.diagonal(dim1=-2, dim2=-1).sum(-1)
    squares = q_mean.square().sum(1)
    return half * (traces + squares - dim * q_mean.shape[1] + log_det * torch.logdet(q_cov))


def _reverse_kl(q_mean, q_cov):
    """KL(p ‖ q), con los papeles cambiados."""
    inverse = torch.linalg.inv(q_cov)
    squares = torch.einsum("nm,nmk,nk->n", q_mean, inverse, q_mean)
    traces = inverse.diagonal(dim1=-2, dim2=-1).sum(-1)
    return 0.5 * (traces + squares - q_mean.shape[1] + torch.logdet(q_cov))


def _diagonal(q_cov):
    return torch.diag_embed(q_cov.diagonal(dim1=-2, dim2=-1))


def _other(reconstruction=_reconstruction, kl=_kl):
    """La pareja, con una de las dos piezas cambiada."""
    return lambda x, W, mean, sigma2, q_mean, q_cov: (
        reconstruction(x, W, mean, sigma2, q_mean, q_cov),
        kl(q_mean, q_cov),
    )


GAUSSIAN_ELBO = Exercise(
    "3.4",
    "gaussian_elbo",
    "La ELBO de una q gaussiana",
    gaussian_elbo_oracle,
    gaussian_elbo_cases,
    (
        Slip(
            "sin_dispersion",
            "es log p(x|z) en la media de q; falta lo que cuesta que z se disperse, tr(WΣWᵀ).",
            _other(lambda *args: _reconstruction(*args, spread=0)),
        ),
        Slip(
            "solo_varianzas",
            "en tr(WΣWᵀ) se usó solo la diagonal de Σ: las covarianzas también cuentan.",
            _other(lambda *args: _reconstruction(*args[:5], _diagonal(args[5]))),
        ),
        Slip(
            "sin_constante",
            "falta la constante D·log 2πσ².",
            _other(lambda *args: _reconstruction(*args, constant=0)),
        ),
        Slip(
            "sin_dividir",
            "los cuadrados y la traza se dividen entre σ².",
            _other(lambda *args: _reconstruction(*args, scale=1)),
        ),
        Slip(
            "sin_centrar",
            "faltó restar mean.",
            _other(lambda x, W, mean, *rest: _reconstruction(x, W, 0 * mean, *rest)),
        ),
        Slip(
            "sin_log_det",
            "falta −log det Σ: sin él, una q sin anchura no costaría nada.",
            _other(kl=lambda m, c: _kl(m, c, log_det=0)),
        ),
        Slip(
            "log_det_sumado",
            "log det Σ va restando: cuanto más estrecha es q, mayor la divergencia.",
            _other(kl=lambda m, c: _kl(m, c, log_det=1)),
        ),
        Slip(
            "sin_m",
            "falta restar M: con q = N(0, I) la divergencia debe ser 0.",
            _other(kl=lambda m, c: _kl(m, c, dim=0)),
        ),
        Slip("sin_un_medio", "falta el ½.", _other(kl=lambda m, c: _kl(m, c, half=1))),
        Slip("sin_traza", "falta tr Σ.", _other(kl=lambda m, c: _kl(m, c, trace=0))),
        Slip("al_reves", "es KL(p ‖ q), con los papeles cambiados.", _other(kl=_reverse_kl)),
    ),
    parts=("la reconstrucción", "la KL"),
    shape_tip="q_cov es (N, M, M): las trazas y determinantes se toman en los dos últimos ejes.",
    remark="Con q igual a la distribución a posteriori, su resta es log p(x).",
)
