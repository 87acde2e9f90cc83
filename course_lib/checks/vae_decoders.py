"""Ejercicio 3.8: la pérdida del decodificador gaussiano con varianza aprendida."""

import math

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.latent import GaussianLikelihood

HALF_LOG_2PI = math.log(2 * math.pi) / 2


def decoder_nll_oracle(x, output):
    return -GaussianLikelihood("output", min_std=0.0).log_prob(x, output)


def decoder_nll_cases():
    shapes = [("5×2×4×3", (5, 2, 4, 3)), ("B = W = 4", (4, 3, 2, 4)), ("un canal", (3, 1, 5, 2))]
    shapes += [("una imagen", (1, 4, 2, 3))]
    return [
        Case(
            label,
            (
                normal(*shape, seed=400 + i),
                normal(shape[0], 2 * shape[1], *shape[2:], seed=410 + i),
            ),
        )
        for i, (label, shape) in enumerate(shapes)
    ]


def _split(output):
    return output.chunk(2, dim=1)


def _nll(x, mean, log_std, half=0.5, log_weight=1.0, constant=HALF_LOG_2PI):
    """La suma con sus tres piezas, cada una con su coeficiente."""
    squared = half * ((x - mean) * torch.exp(-log_std)).square()
    return (squared + log_weight * log_std + constant).flatten(1).sum(1)


def _changed(**pieces):
    return lambda x, output: _nll(x, *_split(output), **pieces)


DECODER_NLL = Exercise(
    "3.8",
    "decoder_nll",
    "La pérdida del decodificador gaussiano",
    decoder_nll_oracle,
    decoder_nll_cases,
    (
        Slip(
            "sin_logaritmo",
            "falta + log s: sin él conviene una desviación infinita, que borra el error.",
            _changed(log_weight=0.0),
        ),
        Slip(
            "signo_del_logaritmo",
            "log s entra sumando: en −log p, una campana ancha cuesta.",
            _changed(log_weight=-1.0),
        ),
        Slip(
            "sin_constante",
            "falta la constante ½ log 2π de cada valor: no cambia el gradiente, pero sin ella no "
            "es una log-verosimilitud.",
            _changed(constant=0.0),
        ),
        Slip("sin_un_medio", "falta el ½ del error cuadrático.", _changed(half=1.0)),
        Slip(
            "log_std_como_log_var",
            "la segunda mitad es log s y no log s²: el error se divide entre exp(2 log s).",
            lambda x, output: _nll(x, _split(output)[0], _split(output)[1] / 2),
        ),
        Slip(
            "mitades_cambiadas",
            "las mitades están cambiadas: los primeros C canales son la media.",
            lambda x, output: _nll(x, *reversed(_split(output))),
        ),
        Slip(
            "canales_alternos",
            "los canales no van alternados: las C medias van seguidas y después, los C log s.",
            lambda x, output: _nll(x, output[:, ::2], output[:, 1::2]),
        ),
        Slip(
            "media_de_los_valores",
            "se promediaron los valores de cada imagen: la KL no se promedia, y la cota quedaría "
            "con un peso C·H·W veces mayor en ella. Aquí se suma.",
            lambda x, output: _nll(x, *_split(output)) / x[0].numel(),
        ),
        Slip(
            "log_verosimilitud",
            "el signo está cambiado: es la log-verosimilitud, y la pérdida es su negativo.",
            lambda x, output: -_nll(x, *_split(output)),
        ),
    ),
    shape_tip="output tiene forma (B, 2C, H, W), y el resultado, (B,).",
    remark="Con log s fijo es el error cuadrático; con log s aprendido, cada píxel pone su escala.",
)
