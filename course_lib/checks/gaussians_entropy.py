"""Ejercicio 1.5: cuánto le falta a una densidad para tener la máxima entropía."""

import math

import torch
from torch.distributions import Normal

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal


def _step(x):
    return x[1] - x[0]


def _moments(x, p):
    mean = (p * x).sum(-1, keepdim=True) * _step(x)
    return mean, (p * (x - mean) ** 2).sum(-1, keepdim=True) * _step(x)


def max_entropy_gap_oracle(x, p):
    mean, variance = _moments(x, p)
    bell = Normal(mean, variance.sqrt()).log_prob(x)
    return (p * (p.log() - bell)).sum(-1) * _step(x)


def max_entropy_gap_cases():
    cases = []
    for seed, (M, N, low, high) in enumerate([(3, 40, -1, 2), (5, 5, 0, 4), (1, 200, -6, -2)]):
        x = torch.linspace(low, high, N, dtype=torch.float64)
        p = normal(M, N, seed=150 + seed).softmax(-1) / _step(x)
        trap = " (tantas como puntos)" if M == N else ""
        cases.append(Case(f"{M} densidades en {N} puntos{trap}", (x, p)))
    return cases


def _gap(entropy_of_bell=None, entropy_of_p=None):
    """La diferencia de entropías con una de las dos cambiada: `f(x, p, media, varianza)`."""
    bell = entropy_of_bell or (lambda x, p, m, v: _bell(v))
    own = entropy_of_p or (lambda x, p, m, v: -(p * p.log()).sum(-1) * _step(x))

    def wrong(x, p):
        mean, variance = _moments(x, p)
        return bell(x, p, mean, variance[..., 0]) - own(x, p, mean, variance[..., 0])

    return wrong


def _bell(variance):
    return (2 * math.pi * math.e * variance).log() / 2


def _second_moment(x, p):
    return (p * x**2).sum(-1) * _step(x)


def _trapezoid(x, p):
    """Todas las integrales, por la regla del trapecio."""
    mean = torch.trapezoid(p * x, x)
    variance = torch.trapezoid(p * (x - mean[..., None]) ** 2, x)
    return _bell(variance) + torch.trapezoid(p * p.log(), x)


MAX_ENTROPY_GAP = Exercise(
    "1.5",
    "max_entropy_gap",
    "Lo que falta para la máxima entropía",
    max_entropy_gap_oracle,
    max_entropy_gap_cases,
    (
        Slip(
            "entropia_normal",
            "parece la entropía de la normal: falta restar la de p.",
            _gap(entropy_of_p=lambda x, p, m, v: 0),
        ),
        Slip(
            "entropia_propia",
            "parece la entropía de p: se pide lo que le falta para llegar a la de la normal.",
            lambda x, p: -(p * p.log()).sum(-1) * _step(x),
        ),
        Slip(
            "al_reves",
            "el signo está cambiado, como si la resta fuera al revés: la entropía mayor es la de la "
            "normal, y el resultado no puede ser negativo.",
            lambda x, p: -max_entropy_gap_oracle(x, p),
        ),
        Slip(
            "sin_centrar",
            "parece E[x²] donde va la varianza: falta restar el cuadrado de la media.",
            _gap(lambda x, p, m, v: _bell(_second_moment(x, p))),
        ),
        Slip(
            "desviacion",
            "en la entropía de la normal parece ir la desviación: va la varianza, ½ log(2πe σ²).",
            _gap(lambda x, p, m, v: _bell(v.sqrt())),
        ),
        Slip(
            "sin_e",
            "en la entropía de la normal falta la e: es ½ log(2πe σ²) y no ½ log(2πσ²).",
            _gap(lambda x, p, m, v: _bell(v) - 0.5),
        ),
        Slip(
            "sin_medio",
            "en la entropía de la normal falta el ½ delante del logaritmo.",
            _gap(lambda x, p, m, v: 2 * _bell(v)),
        ),
        Slip(
            "sin_paso",
            "falta el paso de la cuadrícula en la entropía de p: una integral es una suma por dx.",
            _gap(entropy_of_p=lambda x, p, m, v: -(p * p.log()).sum(-1)),
        ),
        Slip(
            "discreta",
            "parece la entropía de las probabilidades p·dx: la diferencial usa la densidad dentro "
            "del logaritmo.",
            _gap(entropy_of_p=lambda x, p, m, v: -(p * (p * _step(x)).log()).sum(-1) * _step(x)),
        ),
        Slip(
            "normal_estandar",
            "parece que se compara con la normal de varianza 1: la referencia tiene la varianza "
            "de p.",
            _gap(lambda x, p, m, v: _bell(torch.ones_like(v))),
        ),
        Slip(
            "trapecio",
            "parece la regla del trapecio: aquí las integrales son sumas por dx.",
            _trapezoid,
        ),
        Slip(
            "bits",
            "sale en bits: aquí se piden nats, con el logaritmo natural.",
            lambda x, p: max_entropy_gap_oracle(x, p) / math.log(2),
        ),
    ),
    shape_tip="x es (N,) y p, (M, N): las integrales son sumas sobre el último eje, por dx.",
    remark="Es la divergencia KL de p a la normal con sus mismos media y varianza: nunca negativa.",
)
