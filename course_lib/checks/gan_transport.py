"""Ejercicio 4.7: la distancia de Wasserstein en la recta."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal


def empirical_w1_oracle(x, y):
    return (x.sort(-1).values - y.sort(-1).values).abs().mean(-1)


def empirical_w1_cases():
    sizes = [("B = 3, N = 7", 3, 7), ("B = 5, N = 4", 5, 4), ("B = N = 6", 6, 6)]
    sizes += [("una sola pareja de conjuntos", 1, 9)]
    return [
        Case(label, (normal(B, N, seed=400 + i), 0.4 + 1.5 * normal(B, N, seed=410 + i)))
        for i, (label, B, N) in enumerate(sizes)
    ]


def _all_pairs(x, y):
    """Distancias (B, N, N) de cada punto de x a cada punto de y."""
    return torch.abs(x[:, :, None] - y[:, None, :])


def _sorted_gap(x, y):
    return x.sort(-1).values - y.sort(-1).values


EMPIRICAL_W1 = Exercise(
    "4.7",
    "empirical_w1",
    "La distancia de Wasserstein en la recta",
    empirical_w1_oracle,
    empirical_w1_cases,
    (
        Slip(
            "sin_ordenar",
            "los puntos se emparejan en el orden en que llegaron: el transporte óptimo empareja el "
            "menor con el menor, y así hasta el mayor.",
            lambda x, y: (x - y).abs().mean(-1),
        ),
        Slip(
            "al_reves",
            "un conjunto está ordenado de menor a mayor y el otro, de mayor a menor: eso es lo más "
            "caro que se puede transportar.",
            lambda x, y: (x.sort(-1).values - y.sort(-1).values.flip(-1)).abs().mean(-1),
        ),
        Slip(
            "entre_conjuntos",
            "se ordenó el eje de los conjuntos, el 0: cada fila se ordena por su cuenta.",
            lambda x, y: (x.sort(0).values - y.sort(0).values).abs().mean(-1),
        ),
        Slip(
            "cuadratica",
            "es W_2, la raíz de la media de los cuadrados: W_1 es la media de las distancias.",
            lambda x, y: _sorted_gap(x, y).square().mean(-1).sqrt(),
        ),
        Slip(
            "cuadratica_sin_raiz",
            "los desplazamientos van al cuadrado: el coste de W_1 es la distancia misma.",
            lambda x, y: _sorted_gap(x, y).square().mean(-1),
        ),
        Slip(
            "medias",
            "es la diferencia entre las medias: al promediar sin valor absoluto, lo que va a la "
            "derecha compensa lo que va a la izquierda.",
            lambda x, y: _sorted_gap(x, y).mean(-1).abs(),
        ),
        Slip(
            "mas_proximo",
            "cada punto de x va a su vecino más próximo de y: así un mismo punto de y recibe a "
            "varios y otros se quedan sin ninguno.",
            lambda x, y: _all_pairs(x, y).amin(2).mean(1),
        ),
        Slip(
            "todas_las_parejas",
            "es la media de todas las parejas, el coste de emparejar al azar, no el del mejor plan.",
            lambda x, y: _all_pairs(x, y).mean((1, 2)),
        ),
        Slip(
            "suma",
            "es la suma: cada punto pesa 1/N y falta dividir por N.",
            lambda x, y: _sorted_gap(x, y).abs().sum(-1),
        ),
    ),
    remark="Cuesta lo que cuesta ordenar. En más dimensiones no hay orden, y de ahí el crítico.",
)
