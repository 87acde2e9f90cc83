"""Ejercicios 3.9 y 3.10: el objetivo con β y bits libres y la cota ponderada."""

import math

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.latent import ELBO, objective

# --- 3.9 ----------------------------------------------------------------------------------------


def beta_objective_oracle(reconstruction, kl_per_dim, beta, free_bits):
    return objective(ELBO(reconstruction, kl_per_dim.sum(1), kl_per_dim), beta, free_bits)


def beta_objective_cases():
    sizes = [("β = 4, λ = 0.3", 6, 3, 4.0, 0.3, 1.0), ("B = M = 4", 4, 4, 0.5, 0.6, 1.0)]
    sizes += [("sin bits libres", 5, 2, 2.0, 0.0, 1.0), ("β = 1, un dato", 1, 5, 1.0, 0.4, 1.0)]
    sizes += [("casi todas apagadas", 3, 4, 3.0, 0.5, 1e-3)]
    return [
        Case(
            label,
            (
                normal(B, seed=430 + i) - 9,
                scale * normal(B, M, seed=440 + i).square() * torch.logspace(-2, 0.3, M).double(),
                beta,
                free,
            ),
        )
        for i, (label, B, M, beta, free, scale) in enumerate(sizes)
    ]


def _loss(combine):
    """β·combine(kl, λ) − R̄, con otra manera de combinar las KL."""
    return lambda reconstruction, kl_per_dim, beta, free_bits: (
        beta * combine(kl_per_dim, free_bits) - reconstruction.mean()
    )


def _beta_on_reconstruction(reconstruction, kl_per_dim, beta, free_bits):
    return kl_per_dim.mean(0).clamp(min=free_bits).sum() - beta * reconstruction.mean()


BETA_OBJECTIVE = Exercise(
    "3.9",
    "beta_objective",
    "El objetivo con β y bits libres",
    beta_objective_oracle,
    beta_objective_cases,
    (
        Slip(
            "dato_a_dato",
            "el máximo se toma dato a dato: primero la media del lote y después el máximo, por "
            "variable latente.",
            _loss(lambda kl, free: kl.clamp(min=free).mean(0).sum()),
        ),
        Slip(
            "maximo_de_la_suma",
            "el máximo se toma en la KL total: λ es por variable latente, y así una sola variable "
            "podría gastarlo todo.",
            _loss(lambda kl, free: kl.sum(1).mean().clamp(min=free)),
        ),
        Slip(
            "recortada_por_arriba",
            "la KL está recortada por arriba: λ es un mínimo gratuito y no un tope.",
            _loss(lambda kl, free: kl.mean(0).clamp(max=free if free else math.inf).sum()),
        ),
        Slip(
            "restada",
            "sale Σ max(0, KL − λ): difiere en la constante β·M·λ. El gradiente es el mismo, pero "
            "ya no es una cota.",
            _loss(lambda kl, free: (kl.mean(0) - free).clamp(min=0).sum()),
        ),
        Slip(
            "sin_bits_libres",
            "faltan los bits libres: por debajo de λ la KL de una variable cuenta como λ.",
            _loss(lambda kl, free: kl.mean(0).sum()),
        ),
        Slip(
            "beta_en_la_reconstruccion",
            "β multiplica a la reconstrucción: va con la KL.",
            _beta_on_reconstruction,
        ),
        Slip(
            "signo",
            "el signo está cambiado: es el objetivo que se maximiza, y la pérdida es su negativo.",
            lambda *args: -beta_objective_oracle(*args),
        ),
        Slip(
            "media_de_las_variables",
            "las KL se promediaron sobre las variables latentes y deben sumarse.",
            _loss(lambda kl, free: kl.mean(0).clamp(min=free).mean()),
        ),
        Slip(
            "por_dato",
            "sale un número por dato y la pérdida es un escalar: la reconstrucción también se "
            "promedia en el lote.",
            lambda reconstruction, kl_per_dim, beta, free_bits: (
                beta * kl_per_dim.mean(0).clamp(min=free_bits).sum() - reconstruction
            ),
        ),
    ),
    shape_tip="kl_per_dim tiene forma (B, M): .mean(0) la deja en (M,), y .sum(), en un escalar.",
    remark="Con β = 1 y λ = 0 es −ELBO.",
)


# --- 3.10 ---------------------------------------------------------------------------------------


def iw_bound_oracle(log_w):
    return log_w.logsumexp(0) - math.log(len(log_w))


def iw_bound_cases():
    sizes = [("K = 7, B = 3", 7, 3, 0.0), ("K = B = 4", 4, 4, -2.0), ("K = 1", 1, 5, 0.0)]
    sizes += [("log-pesos de una imagen, cerca de −2000", 9, 4, -2000.0)]
    return [
        Case(label, (2 * normal(K, B, seed=460 + i) + shift,))
        for i, (label, K, B, shift) in enumerate(sizes)
    ]


IW_BOUND = Exercise(
    "3.10",
    "iw_bound",
    "La cota ponderada por importancia",
    iw_bound_oracle,
    iw_bound_cases,
    (
        Slip(
            "media_de_logaritmos",
            "es la media de los logaritmos, que sigue siendo la ELBO: el promedio va dentro del "
            "logaritmo.",
            lambda log_w: log_w.mean(0),
        ),
        Slip(
            "sin_dividir_por_k",
            "falta dividir por K, es decir, restar log K: sin él la «cota» crece sin fin.",
            lambda log_w: log_w.logsumexp(0),
        ),
        Slip(
            "exponencial_directa",
            "con los log-pesos de una imagen sale log 0 = −∞: exp(−2000) se redondea a 0. Se usa "
            "logsumexp.",
            lambda log_w: log_w.exp().mean(0).log(),
        ),
        Slip(
            "eje_cambiado",
            "se promedió sobre los datos: las K muestras están en el eje 0.",
            lambda log_w: log_w.logsumexp(1) - math.log(log_w.shape[1]),
        ),
        Slip(
            "todo_junto",
            "se promediaron a la vez las muestras y los datos: cada dato tiene su cota.",
            lambda log_w: log_w.flatten().logsumexp(0) - math.log(log_w.numel()),
        ),
        Slip(
            "solo_el_mayor",
            "es el mayor de los log-pesos: se promedian todos, con sus exponenciales.",
            lambda log_w: log_w.max(0).values,
        ),
        Slip(
            "normalizados",
            "es la media de los log-pesos ponderada por los pesos normalizados, que no es log w̄.",
            lambda log_w: (log_w.softmax(0) * log_w).sum(0),
        ),
    ),
    shape_tip="log_w tiene forma (K, B), y el resultado, (B,).",
    remark="También cerca de −2000 nats, donde los pesos ya no caben en float64.",
)
