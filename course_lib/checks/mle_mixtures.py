"""Ejercicios 2.5 y 2.6: los dos pasos del algoritmo EM para mezclas de gaussianas."""

import math

import torch
from torch.nn import functional as F

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.probability import GaussianMixture

# --- 2.5 ----------------------------------------------------------------------------------------


def e_step_oracle(x, weights, means, covs):
    return GaussianMixture(weights, means, covs).responsibilities(x)


def _covariances(K, D, seed):
    base = normal(K, D, D, seed=seed)
    return base @ base.mT + 0.4 * torch.eye(D, dtype=torch.float64)


def e_step_cases():
    sizes = [("N = 7, D = 2, K = 3", 7, 2, 3, 0.0), ("N = 5, D = 3, K = 2", 5, 3, 2, 0.0)]
    sizes += [("N = D = K = 4", 4, 4, 4, 0.0), ("puntos muy lejanos", 6, 2, 3, 200.0)]
    return [
        Case(
            label,
            (
                normal(N, D, seed=140 + i) + away,
                normal(K, seed=150 + i).softmax(0),
                normal(K, D, seed=160 + i),
                _covariances(K, D, 170 + i) if not away else torch.eye(D).double().repeat(K, 1, 1),
            ),
        )
        for i, (label, N, D, K, away) in enumerate(sizes)
    ]


def _log_parts(x, weights, means, covs):
    """Los tres sumandos de log(w_k N(x; m_k, C_k)), cada uno difundible a (N, K)."""
    shift = x[:, None] - means
    squared = torch.einsum("nkd,kde,nke->nk", shift, torch.linalg.inv(covs), shift)
    constant = torch.logdet(covs) + x.shape[1] * math.log(2 * math.pi)
    return weights.log(), -constant / 2, -squared / 2


def _joint(x, weights, means, covs):
    return sum(_log_parts(x, weights, means, covs))


def _direct_quotient(x, weights, means, covs):
    density = _joint(x, weights, means, covs).exp()
    return density / density.sum(1, keepdim=True)


def _without(part):
    """Las responsabilidades sin uno de los tres sumandos."""

    def wrong(*args):
        pieces = _log_parts(*args)
        return sum(p for i, p in enumerate(pieces) if i != part).softmax(1)

    return wrong


def _without_half(*args):
    log_w, log_c, log_e = _log_parts(*args)
    return (log_w + log_c + 2 * log_e).softmax(1)


def _not_inverted(x, weights, means, covs):
    shift = x[:, None] - means
    squared = torch.einsum("nkd,kde,nke->nk", shift, covs, shift)
    log_w, log_c, _ = _log_parts(x, weights, means, covs)
    return (log_w + log_c - squared / 2).softmax(1)


E_STEP = Exercise(
    "2.5",
    "e_step",
    "Las responsabilidades",
    e_step_oracle,
    e_step_cases,
    (
        Slip(
            "cociente_directo",
            "con puntos lejanos sale 0/0 = NaN: las densidades se anulan por subdesbordamiento. Se "
            "trabaja con logaritmos y se normaliza con softmax o logsumexp.",
            _direct_quotient,
        ),
        Slip("sin_pesos", "faltan los pesos w_k: cada componente pesa lo mismo.", _without(0)),
        Slip(
            "sin_determinante",
            "falta el determinante: −½ log det C_k no es igual en todas las componentes.",
            _without(1),
        ),
        Slip("sin_un_medio", "falta el ½ del exponente de la gaussiana.", _without_half),
        Slip(
            "sin_invertir",
            "en el exponente está C_k donde va su inversa.",
            _not_inverted,
        ),
        Slip(
            "sin_normalizar",
            "las filas no suman 1: falta dividir por p(x_i), la suma sobre las componentes.",
            lambda *args: _joint(*args).exp(),
        ),
        Slip(
            "por_columnas",
            "las columnas suman 1 y deben sumarlo las filas: cada dato reparte su unidad entre "
            "las componentes.",
            lambda *args: _joint(*args).softmax(0),
        ),
        Slip(
            "en_logaritmos",
            "son los logaritmos de las responsabilidades: falta la exponencial.",
            lambda *args: _joint(*args).log_softmax(1),
        ),
        Slip(
            "asignacion_dura",
            "cada dato va entero a una componente: eso es k-medias; las responsabilidades reparten.",
            lambda *args: F.one_hot(_joint(*args).argmax(1), len(args[1])).double(),
        ),
    ),
    shape_tip="la resta x[:, None] - means tiene forma (N, K, D).",
    remark="También a 200 unidades de distancia, donde las densidades ya no caben en float64.",
)


# --- 2.6 ----------------------------------------------------------------------------------------


def m_step_oracle(x, r):
    counts = r.sum(0)
    means = r.T @ x / counts[:, None]
    shift = x[:, None] - means
    covs = torch.einsum("nk,nkd,nke->kde", r, shift, shift) / counts[:, None, None]
    return counts / len(x), means, covs


def m_step_cases():
    sizes = [(9, 2, 3), (14, 3, 2), (4, 4, 4), (20, 1, 5)]
    return [
        Case(
            f"N = {N}, D = {D}, K = {K}",
            (1 + normal(N, D, seed=180 + i), normal(N, K, seed=190 + i).softmax(1)),
        )
        for i, (N, D, K) in enumerate(sizes)
    ]


def _around(x, r, centres, divisor):
    """Las covarianzas alrededor de `centres` (K, D), divididas por `divisor` (K,)."""
    shift = x[:, None] - centres
    return torch.einsum("nk,nkd,nke->kde", r, shift, shift) / divisor[:, None, None]


def _wrong_covs(change):
    """Pesos y medias correctos, con las covarianzas de `change(x, r, cuentas, medias)`."""

    def wrong(x, r):
        weights, means, _ = m_step_oracle(x, r)
        return weights, means, change(x, r, r.sum(0), means)

    return wrong


def _counts_as_weights(x, r):
    _, means, covs = m_step_oracle(x, r)
    return r.sum(0), means, covs


def _means_over_n(x, r):
    means = r.T @ x / len(x)
    return r.mean(0), means, _around(x, r, means, r.sum(0))


def _hard(x, r):
    return m_step_oracle(x, F.one_hot(r.argmax(1), r.shape[1]).to(r))


M_STEP = Exercise(
    "2.6",
    "m_step",
    "El paso M",
    m_step_oracle,
    m_step_cases,
    (
        Slip(
            "cuentas",
            "son las cuentas N_k, que suman N: los pesos son N_k/N y suman 1.",
            _counts_as_weights,
        ),
        Slip(
            "medias_entre_n",
            "las medias están divididas por N: cada una se divide por su N_k, la suma de sus "
            "responsabilidades.",
            _means_over_n,
        ),
        Slip(
            "covarianzas_entre_n",
            "divididas por N: cada covarianza se divide por su N_k.",
            _wrong_covs(lambda x, r, n, m: _around(x, r, m, torch.full_like(n, len(x)))),
        ),
        Slip(
            "insesgada",
            "divididas por N_k − 1: el máximo de la verosimilitud divide por N_k.",
            _wrong_covs(lambda x, r, n, m: _around(x, r, m, n - 1)),
        ),
        Slip(
            "sin_centrar",
            "faltó restar la media de cada componente.",
            _wrong_covs(lambda x, r, n, m: _around(x, r, torch.zeros_like(m), n)),
        ),
        Slip(
            "media_comun",
            "se restó la media de todos los datos: cada componente tiene la suya, la recién "
            "calculada.",
            _wrong_covs(lambda x, r, n, m: _around(x, r, x.mean(0).expand_as(m), n)),
        ),
        Slip(
            "solo_varianzas",
            "fuera de la diagonal hay ceros: faltan las covarianzas entre coordenadas.",
            _wrong_covs(lambda x, r, n, m: torch.diag_embed(_around(x, r, m, n).diagonal(0, 1, 2))),
        ),
        Slip(
            "asignacion_dura",
            "cada dato cuenta solo en su componente más probable: eso es k-medias; aquí cuenta "
            "en todas, con peso r.",
            _hard,
        ),
    ),
    parts=("los pesos", "las medias", "las covarianzas"),
    shape_tip="r tiene forma (N, K): r.T @ x es (K, D), y r.sum(0), (K,).",
    remark="Son los estimadores del ejercicio 2.3 con datos que pesan r: nada más.",
)
