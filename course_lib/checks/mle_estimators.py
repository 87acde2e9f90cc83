"""Ejercicios 2.3 y 2.4: el estimador de una gaussiana y una covarianza sin sesgo."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal

# --- 2.3 ----------------------------------------------------------------------------------------


def gaussian_mle_oracle(x):
    D = x.shape[1]
    return x.mean(0), torch.cov(x.T, correction=0).reshape(D, D)


def gaussian_mle_cases():
    sizes = [(7, 3), (40, 2), (5, 5), (12, 1)]
    return [
        Case(
            f"N = {N}, D = {D}",
            (2 + normal(N, D, seed=100 + i) @ (1 + normal(D, D, seed=110 + i)),),
        )
        for i, (N, D) in enumerate(sizes)
    ]


def _wrong_cov(change):
    """La media correcta y la covarianza que da `change(x, desvíos de la media)`."""

    def wrong(x):
        return x.mean(0), change(x, x - x.mean(0))

    return wrong


GAUSSIAN_MLE = Exercise(
    "2.3",
    "gaussian_mle",
    "Media y covarianza de máxima verosimilitud",
    gaussian_mle_oracle,
    gaussian_mle_cases,
    (
        Slip(
            "insesgada",
            "está dividida por N − 1: esa es la covarianza sin sesgo, y el máximo de la "
            "verosimilitud divide por N.",
            _wrong_cov(lambda x, c: c.T @ c / (len(x) - 1)),
        ),
        Slip(
            "sin_centrar",
            "faltó restar la media: parece XᵀX/N, el segundo momento.",
            _wrong_cov(lambda x, c: x.T @ x / len(x)),
        ),
        Slip(
            "sin_dividir",
            "falta dividir por N: parece la suma de los productos, y crece con los datos.",
            _wrong_cov(lambda x, c: c.T @ c),
        ),
        Slip(
            "solo_varianzas",
            "fuera de la diagonal hay ceros: faltan las covarianzas entre coordenadas.",
            _wrong_cov(lambda x, c: torch.diag((c**2).mean(0))),
        ),
        Slip(
            "media_de_todo",
            "se restó la media de todos los números, y cada columna tiene la suya: x.mean(0).",
            _wrong_cov(lambda x, c: (x - x.mean()).T @ (x - x.mean()) / len(x)),
        ),
        Slip(
            "correlacion",
            "parece la matriz de correlaciones: no se divide por las desviaciones.",
            _wrong_cov(lambda x, c: c.T @ c / len(x) / torch.outer(*[(c**2).mean(0).sqrt()] * 2)),
        ),
        Slip(
            "por_filas",
            "se promedió a lo largo de cada fila: los datos son las filas y las coordenadas, las "
            "columnas.",
            lambda x: (x.mean(1), torch.cov(x, correction=0)),
        ),
    ),
    parts=("la media", "la covarianza"),
    remark="Con N datos divide por N, y por eso se queda corta: es el sesgo del ejercicio 2.4.",
)


# --- 2.4 ----------------------------------------------------------------------------------------


def unbiased_covariance_oracle(x):
    D = x.shape[2]
    return torch.stack([torch.cov(group.T).reshape(D, D) for group in x]).mean(0)


def unbiased_covariance_cases():
    sizes = [(6, 2, 3), (3, 5, 2), (4, 4, 4), (1, 6, 2)]
    return [
        Case(
            f"G = {G}, n = {n}, D = {D}",
            (3 * normal(G, 1, D, seed=120 + i) + normal(G, n, D, seed=130 + i),),
        )
        for i, (G, n, D) in enumerate(sizes)
    ]


def _scatter(x, centre):
    c = (x - centre).flatten(0, 1)
    return c.T @ c


def _within(x):
    return _scatter(x, x.mean(1, keepdim=True))


def _count(x):
    return x.shape[0] * x.shape[1]


UNBIASED_COVARIANCE = Exercise(
    "2.4",
    "unbiased_covariance",
    "Una covarianza común, sin sesgo",
    unbiased_covariance_oracle,
    unbiased_covariance_cases,
    (
        Slip(
            "maxima_verosimilitud",
            "está dividida por G·n: es el estimador de máxima verosimilitud y se queda corto en "
            "un factor (n − 1)/n, por muchos grupos que haya.",
            lambda x: _within(x) / _count(x),
        ),
        Slip(
            "un_solo_grado",
            "está dividida por G·n − 1: se estimaron G medias, no una, y cada una gasta un dato.",
            lambda x: _within(x) / (_count(x) - 1),
        ),
        Slip(
            "media_comun",
            "se restó la media de todos los datos: cada grupo tiene la suya, y la distancia entre "
            "grupos no es parte de Σ.",
            lambda x: _scatter(x, x.mean((0, 1))) / (_count(x) - 1),
        ),
        Slip(
            "sin_centrar",
            "faltó restar la media de cada grupo.",
            lambda x: _scatter(x, 0.0) / _count(x),
        ),
        Slip(
            "sin_promediar_grupos",
            "sale una covarianza por grupo: falta el promedio sobre los G grupos.",
            lambda x: torch.stack([_within(g[None]) / (len(g) - 1) for g in x]),
        ),
        Slip(
            "suma_de_grupos",
            "las covarianzas de los grupos están sumadas: hay que dividir además por G.",
            lambda x: _within(x) / (x.shape[1] - 1),
        ),
        Slip(
            "solo_el_primero",
            "parece la covarianza del primer grupo: los otros también informan sobre Σ.",
            lambda x: _within(x[:1]) / (x.shape[1] - 1),
        ),
    ),
    remark="Con n = 2 el estimador de máxima verosimilitud daría la mitad, con un grupo o con mil.",
)
