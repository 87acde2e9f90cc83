"""Ejercicios 4.2 y 4.3: el discriminador óptimo y el valor del juego."""

import math

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal

LOG4 = math.log(4)

# --- 4.2 ----------------------------------------------------------------------------------------


def optimal_discriminator_oracle(log_data, log_model, share):
    return torch.sigmoid(log_data - log_model + math.log(share / (1 - share)))


def optimal_discriminator_cases():
    sizes = [("mitad y mitad", 5, 0.5, 0.0), ("un 20 % de datos", 7, 0.2, 0.0)]
    sizes += [("un 80 % de datos", 3, 0.8, 0.0), ("en las colas", 4, 0.5, -900.0)]
    return [
        Case(label, (tail + 2 * normal(B, seed=310 + i), tail + 2 * normal(B, seed=320 + i), share))
        for i, (label, B, share, tail) in enumerate(sizes)
    ]


def _quotient(log_data, log_model, share):
    data, model = share * log_data.exp(), (1 - share) * log_model.exp()
    return data / (data + model)


OPTIMAL_DISCRIMINATOR = Exercise(
    "4.2",
    "optimal_discriminator",
    "El discriminador óptimo, desde las log-densidades",
    optimal_discriminator_oracle,
    optimal_discriminator_cases,
    (
        Slip(
            "cociente_directo",
            "en las colas las dos densidades se redondean a 0 y sale 0/0 = NaN: la sigmoide de la "
            "diferencia de logaritmos no las necesita.",
            _quotient,
        ),
        Slip(
            "al_reves",
            "es la probabilidad de ser una muestra, 1 − D: D es la de ser un dato.",
            lambda log_data, log_model, share: (
                1 - optimal_discriminator_oracle(log_data, log_model, share)
            ),
        ),
        Slip(
            "sin_proporcion",
            "no interviene la proporción de datos: solo con share = 1/2 desaparece de la cuenta.",
            lambda log_data, log_model, share: torch.sigmoid(log_data - log_model),
        ),
        Slip(
            "proporcion_al_reves",
            "la proporción está cambiada: a más datos en el lote, mayor debe ser D.",
            lambda log_data, log_model, share: optimal_discriminator_oracle(
                log_data, log_model, 1 - share
            ),
        ),
        Slip(
            "proporcion_sin_logaritmo",
            "al logit se le suma el logaritmo de share/(1 − share), no el cociente mismo.",
            lambda log_data, log_model, share: torch.sigmoid(
                log_data - log_model + share / (1 - share)
            ),
        ),
        Slip(
            "logaritmo_de_la_proporcion",
            "se suma el logaritmo de share/(1 − share), y no el de share: importa cuántos datos hay "
            "por cada muestra.",
            lambda log_data, log_model, share: torch.sigmoid(
                log_data - log_model + math.log(share)
            ),
        ),
        Slip(
            "densidades_al_reves",
            "las densidades están cambiadas: donde hay más datos que muestras, D se acerca a 1.",
            lambda log_data, log_model, share: optimal_discriminator_oracle(
                log_model, log_data, share
            ),
        ),
        Slip(
            "logit",
            "es el logit: falta la sigmoide, que lo lleva a (0, 1).",
            lambda log_data, log_model, share: log_data - log_model + math.log(share / (1 - share)),
        ),
        Slip(
            "razon",
            "es el cociente de densidades, que puede pasar de 1: D = r/(1 + r).",
            lambda log_data, log_model, share: torch.exp(
                log_data - log_model + math.log(share / (1 - share))
            ),
        ),
    ),
    remark="Es una sola sigmoide, y vale aunque las dos densidades no quepan en float64.",
)


# --- 4.3 ----------------------------------------------------------------------------------------


def game_value_oracle(s, p, q):
    cost = binary_cross_entropy_with_logits
    ones, zeros = torch.ones_like(s), torch.zeros_like(s)
    value = -cost(s, ones, p, reduction="none") - cost(s, zeros, q, reduction="none")
    return value.sum(1), (value.sum(1) + LOG4) / 2


def game_value_cases():
    cases = []
    for i, (B, K) in enumerate([(4, 3), (3, 6), (5, 5)]):
        p, q = (normal(B, K, seed=seed + i).softmax(1) for seed in (330, 340))
        cases.append(Case(f"B = {B}, K = {K}", (2 * normal(B, K, seed=350 + i), p, q)))
    s = torch.tensor([[50.0, -45.0, 1.0], [-60.0, 55.0, 0.0]], dtype=torch.float64)
    p = torch.tensor([[0.7, 0.0, 0.3], [0.0, 0.6, 0.4]], dtype=torch.float64)
    q = torch.tensor([[0.1, 0.5, 0.4], [0.8, 0.2, 0.0]], dtype=torch.float64)
    return [*cases, Case("logits de ±50 y ceros", (s, p, q))]


def _both(value):
    """El valor y la cota que le corresponde."""
    return value, (value + LOG4) / 2


def _value(s, p, q):
    return (p * logsigmoid(s) + q * logsigmoid(-s)).sum(1)


def _wrong_bound(change):
    """El valor correcto con la cota `change(valor)`."""

    def wrong(s, p, q):
        value = _value(s, p, q)
        return value, change(value)

    return wrong


def _by_sigmoid(s, p, q):
    D = s.sigmoid()
    return _both((p * D.log() + q * (1 - D).log()).sum(1))


GAME_VALUE = Exercise(
    "4.3",
    "game_value",
    "El valor del juego y la cota de la JSD",
    game_value_oracle,
    game_value_cases,
    (
        Slip(
            "por_la_sigmoide",
            "con logits de ±50 salen infinitos o NaN: 1 − D se redondea a 0 antes del logaritmo. "
            "Como 1 − σ(s) = σ(−s), basta logsigmoid(s) y logsigmoid(−s).",
            _by_sigmoid,
        ),
        Slip(
            "cambiados",
            "p y q están cambiadas: log D se promedia sobre los datos, p.",
            lambda s, p, q: _both(_value(s, q, p)),
        ),
        Slip(
            "perdida",
            "el signo está cambiado: −V es la pérdida que el discriminador minimiza; se pide V, que "
            "es negativo, y la cota que sale de él.",
            lambda s, p, q: tuple(-part for part in _both(_value(s, p, q))),
        ),
        Slip(
            "no_saturante",
            "el segundo término es log(1 − D) sobre las muestras, y no −log D.",
            lambda s, p, q: _both(((p - q) * logsigmoid(s)).sum(1)),
        ),
        Slip(
            "promedio",
            "parece el promedio de los K puntos: las probabilidades ya pesan, y solo se suma.",
            lambda s, p, q: _both(_value(s, p, q) / s.shape[1]),
        ),
        Slip(
            "sin_mitad",
            "falta la mitad: V + log 4 acota 2·JSD, no la JSD.",
            _wrong_bound(lambda value: value + LOG4),
        ),
        Slip(
            "sin_log_4",
            "falta sumar log 4 antes de dividir: con D = 1/2 la cota debe dar 0.",
            _wrong_bound(lambda value: value / 2),
        ),
        Slip(
            "log_4_restado",
            "log 4 se suma: V(G, D*) = 2·JSD − log 4, y se despeja la JSD.",
            _wrong_bound(lambda value: (value - LOG4) / 2),
        ),
        Slip(
            "log_2",
            "se sumó log 2 donde va log 4, uno por cada uno de los dos términos.",
            _wrong_bound(lambda value: (value + math.log(2)) / 2),
        ),
    ),
    parts=("el valor", "la cota"),
    shape_tip="s, p y q tienen forma (B, K); se suma en el último eje.",
    remark="La cota puede salir negativa: si D es peor que responder siempre ½, sigue "
    "siendo cierta, pero no dice nada.",
)
