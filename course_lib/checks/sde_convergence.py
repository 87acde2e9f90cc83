"""Ejercicio 6.15: la cota en variación total de una cadena gaussiana."""

import torch
from torch.distributions import Normal, kl_divergence

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal


def chain_tv_bound_oracle(start, mean, mean_hat, var, var_hat):
    std, std_hat = var.sqrt()[:, None], var_hat.sqrt()[:, None]
    steps = kl_divergence(Normal(mean, std), Normal(mean_hat, std_hat)).mean(1)
    kl = start + steps.sum()
    return kl, (kl / 2).sqrt().clamp(max=1)


def chain_tv_bound_cases():
    plan = [
        ("4 pasos, 6 puntos", 4, 6, 0.02, 0.1),
        ("3 pasos, 5 puntos", 3, 5, 0.2, 0.05),
        ("un solo paso", 1, 7, 0.01, 0.3),
        ("una cota mayor que 1", 5, 3, 0.5, 2.0),
    ]
    cases = []
    for seed, (label, n, B, start, gap) in enumerate(plan):
        mean = normal(n, B, seed=1500 + seed)
        mean_hat = mean + gap * normal(n, B, seed=1510 + seed)
        var = 0.3 + normal(n, seed=1520 + seed).abs()
        var_hat = var * (1 + gap * normal(n, seed=1530 + seed).abs())
        start = torch.tensor(start, dtype=torch.float64)
        cases.append(Case(label, (start, mean, mean_hat, var, var_hat)))
    return cases


def _gaussian(m, m_hat, v, v_hat):
    ratio = (v / v_hat)[:, None]
    return (ratio - 1 - ratio.log() + (m - m_hat) ** 2 / v_hat[:, None]) / 2


def _bound(kernel=_gaussian, total=lambda start, k: start + k.mean(1).sum(), tv=None):
    """La cota con otra divergencia, otra suma u otro paso a variación total."""

    def wrong(start, mean, mean_hat, var, var_hat):
        kl = total(start, kernel(mean, mean_hat, var, var_hat))
        return kl, (tv(kl) if tv else (kl / 2).sqrt().clamp(max=1))

    return wrong


CHAIN_TV_BOUND = Exercise(
    "6.15",
    "chain_tv_bound",
    "La cota en variación total",
    chain_tv_bound_oracle,
    chain_tv_bound_cases,
    (
        Slip(
            "sin_partida",
            "falta la divergencia de la partida: la cadena del modelo no empieza en la exacta.",
            _bound(total=lambda start, k: k.mean(1).sum()),
        ),
        Slip(
            "suma_de_puntos",
            "se suman los puntos: en cada paso se pide la media sobre los B puntos, que estima la "
            "esperanza bajo la cadena exacta.",
            _bound(total=lambda start, k: start + k.sum()),
        ),
        Slip(
            "media_de_pasos",
            "se promedian los pasos: por la regla de la cadena, sus divergencias se suman.",
            _bound(total=lambda start, k: start + k.mean()),
        ),
        Slip(
            "al_reves",
            "la divergencia va de la cadena exacta al modelo, y parece la contraria.",
            _bound(kernel=lambda m, a, v, b: _gaussian(a, m, b, v)),
        ),
        Slip(
            "varianza_como_desviacion",
            "var y var_hat son varianzas y parece que se usan como desviaciones.",
            _bound(kernel=lambda m, a, v, b: _gaussian(m, a, v**2, b**2)),
        ),
        Slip(
            "solo_medias",
            "faltan los términos de las varianzas: solo se cuenta la diferencia de medias.",
            _bound(kernel=lambda m, a, v, b: (m - a) ** 2 / (2 * b[:, None])),
        ),
        Slip(
            "log_al_reves",
            "el logaritmo está invertido: es log(v̂/v), y así la KL puede salir negativa.",
            _bound(
                kernel=lambda m, a, v, b: (
                    ((v / b).log()[:, None] + (v[:, None] + (m - a) ** 2) / b[:, None] - 1) / 2
                ),
                tv=lambda kl: (kl.clamp(min=0) / 2).sqrt().clamp(max=1),
            ),
        ),
        Slip(
            "entre_la_exacta",
            "se divide entre v y va v̂, la varianza del modelo.",
            _bound(
                kernel=lambda m, a, v, b: (
                    ((b / v).log()[:, None] + (v[:, None] + (m - a) ** 2) / v[:, None] - 1) / 2
                ),
            ),
        ),
        Slip(
            "sin_medio_de_pinsker",
            "a la cota de Pinsker le falta el ½: TV ≤ √(KL/2).",
            _bound(tv=lambda kl: kl.sqrt().clamp(max=1)),
        ),
        Slip(
            "sin_raiz",
            "a la cota de Pinsker le falta la raíz: TV ≤ √(KL/2).",
            _bound(tv=lambda kl: (kl / 2).clamp(max=1)),
        ),
        Slip(
            "mayor_que_uno",
            "la variación total nunca pasa de 1: falta recortar la cota.",
            _bound(tv=lambda kl: (kl / 2).sqrt()),
        ),
    ),
    parts=("la KL de las historias", "la cota de la variación total"),
    remark="Las divergencias de los pasos se suman, y la raíz se toma una sola vez, al final.",
)
