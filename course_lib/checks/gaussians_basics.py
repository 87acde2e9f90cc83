"""Ejercicios 1.1 y 1.2: la regla de Bayes en una tabla y el error de Monte Carlo."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal

# --- 1.1 ----------------------------------------------------------------------------------------


def bayes_table_oracle(prior, likelihood):
    joint = prior.log()[:, None] + likelihood.log()
    return joint.logsumexp(0).exp(), joint.softmax(0)


def bayes_table_cases():
    cases = []
    for seed, (K, M) in enumerate([(3, 5), (4, 4), (6, 2), (2, 7)]):
        prior = normal(K, seed=100 + seed).softmax(0)
        likelihood = normal(K, M, seed=110 + seed).softmax(1)
        trap = " (tabla cuadrada)" if K == M else ""
        cases.append(Case(f"{K} causas y {M} observaciones{trap}", (prior, likelihood)))
    return cases


def _table(evidence=None, posterior=None):
    """La respuesta con una de las dos salidas, o las dos, cambiadas."""

    def wrong(prior, likelihood):
        right = bayes_table_oracle(prior, likelihood)
        changed = evidence and evidence(prior, likelihood)
        other = posterior and posterior(prior, likelihood)
        return right[0] if changed is None else changed, right[1] if other is None else other

    return wrong


def _row(prior, likelihood):
    joint = prior * likelihood
    return joint.sum(0), joint / joint.sum(0)


BAYES_TABLE = Exercise(
    "1.1",
    "bayes_table",
    "La regla de Bayes en una tabla",
    bayes_table_oracle,
    bayes_table_cases,
    (
        Slip(
            "orden",
            "la pareja está al revés: primero va la evidencia y después la tabla.",
            lambda p, v: bayes_table_oracle(p, v)[::-1],
        ),
        Slip(
            "sin_columna",
            "la distribución a priori se alinea con las observaciones y no con las causas: hay que "
            "llevarla a (K, 1) con prior[:, None].",
            _row,
        ),
        Slip(
            "sin_priori",
            "parece que todas las causas valen lo mismo de antemano: falta la distribución a "
            "priori en la conjunta.",
            _table(posterior=lambda p, v: v / v.sum(0)),
        ),
        Slip(
            "verosimilitud",
            "parece P(o | k), lo que ya se tenía (o una conjunta dividida entre la suma de cada "
            "fila): se divide entre la suma de cada columna.",
            _table(posterior=lambda p, v: v),
        ),
        Slip(
            "conjunta",
            "parece la conjunta P(k, o): falta dividir entre la evidencia.",
            _table(posterior=lambda p, v: p[:, None] * v),
        ),
        Slip(
            "razon",
            "parece P(o | k) / P(o): falta multiplicar por la distribución a priori.",
            _table(posterior=lambda p, v: v / (p @ v)),
        ),
        Slip(
            "evidencia_suma",
            "parece la suma de las verosimilitudes sin pesar: cada una se multiplica por P(k).",
            _table(evidence=lambda p, v: v.sum(0)),
        ),
        Slip(
            "evidencia_media",
            "parece el promedio simple de las verosimilitudes: el promedio se hace con los pesos "
            "P(k).",
            _table(evidence=lambda p, v: v.mean(0)),
        ),
        Slip(
            "logaritmo",
            "parece el logaritmo de la evidencia: se pide la probabilidad.",
            _table(evidence=lambda p, v: (p @ v).log()),
        ),
    ),
    parts=("la evidencia", "la distribución a posteriori"),
    shape_tip="prior es (K,) y likelihood, (K, M): con prior[:, None] se multiplican fila a fila.",
    remark="Cada columna de la tabla suma 1; sus filas, no: la evidencia depende de o y no de k.",
)

# --- 1.2 ----------------------------------------------------------------------------------------


def monte_carlo_oracle(values):
    error, mean = torch.std_mean(values, dim=1)
    return mean, error / values.shape[1] ** 0.5


def monte_carlo_cases():
    def values(rows, columns, seed):
        return 1.5 + 2 * normal(rows, columns, seed=seed)

    return [
        Case("3 experimentos de 7 muestras", (values(3, 7, 120),)),
        Case("tantos experimentos como muestras, 5", (values(5, 5, 121),)),
        Case("2 experimentos de 40 muestras", (values(2, 40, 122),)),
        Case("valores enormes, 4 × 9", (1e7 + values(4, 9, 123),)),
    ]


def _error(change):
    """La media correcta y el error que da `change(valores, N)`."""
    return lambda values: (values.mean(1), change(values, values.shape[1]))


MONTE_CARLO = Exercise(
    "1.2",
    "monte_carlo",
    "El promedio y su error",
    monte_carlo_oracle,
    monte_carlo_cases,
    (
        Slip(
            "orden",
            "la pareja está al revés: primero va el promedio y después su error.",
            lambda values: monte_carlo_oracle(values)[::-1],
        ),
        Slip(
            "dispersion",
            "parece la dispersión de los valores: la del promedio es √N veces menor.",
            _error(lambda v, n: v.std(1)),
        ),
        Slip(
            "entre_N",
            "parece que la desviación se divide entre N: se divide entre √N.",
            _error(lambda v, n: v.std(1) / n),
        ),
        Slip(
            "varianza",
            "parece la varianza del promedio, s²/N: falta la raíz.",
            _error(lambda v, n: v.var(1) / n),
        ),
        Slip(
            "sesgada",
            "la varianza de la muestra se divide entre N: sin sesgo se divide entre N − 1, que es "
            "lo que hace values.std(1).",
            _error(lambda v, n: v.std(1, correction=0) / n**0.5),
        ),
        Slip(
            "raiz_N_menos_1",
            "la corrección N − 1 ya está en la desviación: el segundo divisor es √N.",
            _error(lambda v, n: v.std(1) / (n - 1) ** 0.5),
        ),
        Slip(
            "sin_restar",
            "parece la raíz de la media de los cuadrados: hay que restar antes el promedio.",
            _error(lambda v, n: (v.square().sum(1) / (n - 1) / n) ** 0.5),
        ),
        Slip(
            "cancelacion",
            "parece E[f²] − m̂², que resta dos números enormes y pierde las cifras: primero se "
            "resta la media y después se eleva al cuadrado.",
            _error(lambda v, n: ((v.square().mean(1) - v.mean(1) ** 2) / (n - 1)).sqrt()),
        ),
        Slip(
            "eje",
            "se promedia sobre los experimentos y no sobre las muestras: el eje de las muestras "
            "es el 1.",
            lambda values: monte_carlo_oracle(values.T),
        ),
        Slip(
            "suma",
            "parece la suma de los valores: falta dividir entre N.",
            lambda values: (values.sum(1), monte_carlo_oracle(values)[1]),
        ),
        Slip(
            "error_de_la_suma",
            "parece el error de la suma, s√N: el del promedio es N veces menor.",
            _error(lambda v, n: v.std(1) * n**0.5),
        ),
    ),
    parts=("el promedio", "el error"),
    remark="Para ganar una cifra decimal hacen falta cien veces más muestras.",
)
