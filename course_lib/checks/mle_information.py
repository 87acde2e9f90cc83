"""Ejercicios 2.1, 2.2 y 2.7: la divergencia KL, la NLL de Bernoulli y los bits por dimensión."""

import math

import torch
from torch.nn import functional as F

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal

LOG2 = math.log(2)

# --- 2.1 ----------------------------------------------------------------------------------------


def discrete_kl_oracle(p, q):
    return F.kl_div(q.log(), p, reduction="none").sum(-1)


def _simplex(*shape, seed):
    return normal(*shape, seed=seed).softmax(-1)


def discrete_kl_cases():
    cases = [
        ("B = 5, K = 3", _simplex(5, 3, seed=50), _simplex(5, 3, seed=60)),
        ("B = K = 4", _simplex(4, 4, seed=51), _simplex(4, 4, seed=61)),
        ("B = 2, K = 7", _simplex(2, 7, seed=52), _simplex(2, 7, seed=62)),
    ]
    p = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.0, 0.2, 0.7, 0.1], [0.1, 0.2, 0.3, 0.4]])
    cases.append(("con p = 0 en algún lugar", p.double(), _simplex(3, 4, seed=63)))
    return [Case(label, (p, q)) for label, p, q in cases]


def _terms(p, q):
    return torch.xlogy(p, p) - torch.xlogy(p, q)


DISCRETE_KL = Exercise(
    "2.1",
    "discrete_kl",
    "La divergencia KL de dos vectores",
    discrete_kl_oracle,
    discrete_kl_cases,
    (
        Slip(
            "cero_por_infinito",
            "donde p = 0 sale 0·log 0 = NaN: ese sumando vale 0, y torch.xlogy(p, p) lo sabe.",
            lambda p, q: (p * (p.log() - q.log())).sum(-1),
        ),
        Slip(
            "al_reves",
            "parece KL(q‖p), en el otro sentido: la que multiplica al logaritmo es p.",
            lambda p, q: _terms(q, p).sum(-1),
        ),
        Slip(
            "entropia_cruzada",
            "parece la entropía cruzada −Σ p log q: falta restarle la entropía de p.",
            lambda p, q: -torch.xlogy(p, q).sum(-1),
        ),
        Slip(
            "sin_q",
            "parece Σ p log p, que es la entropía de p cambiada de signo: q no interviene.",
            lambda p, q: torch.xlogy(p, p).sum(-1),
        ),
        Slip(
            "bits",
            "sale en bits (logaritmo en base 2) y se pide en nats (logaritmo natural).",
            lambda p, q: _terms(p, q).sum(-1) / LOG2,
        ),
        Slip(
            "promedio",
            "parece el promedio de los K sumandos: la divergencia es la suma, sin dividir por K.",
            lambda p, q: _terms(p, q).mean(-1),
        ),
        Slip(
            "sin_sumar",
            "salen los K sumandos por separado: falta sumarlos en el último eje.",
            _terms,
        ),
        Slip(
            "otro_eje",
            "se sumó en el primer eje, sobre el lote: las probabilidades van en el último.",
            lambda p, q: _terms(p, q).sum(0),
        ),
        Slip(
            "valor_absoluto",
            "parece Σ |p log(p/q)|: hay sumandos negativos y deben restar.",
            lambda p, q: _terms(p, q).abs().sum(-1),
        ),
    ),
    remark="También con p = 0. Con q = 0 donde p > 0 la divergencia es infinita, y así debe ser.",
)


# --- 2.2 ----------------------------------------------------------------------------------------


def bernoulli_nll_oracle(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def bernoulli_nll_cases():
    cases = []
    sizes = [("B = 5, D = 3", 5, 3, 2.0), ("B = D = 4", 4, 4, 2.0), ("B = 2, D = 6", 2, 6, 1.0)]
    for seed, (label, B, D, scale) in enumerate(sizes):
        x = (normal(B, D, seed=80 + seed) > 0).double()
        cases.append(Case(label, (scale * normal(B, D, seed=70 + seed), x)))
    logits = torch.tensor([[50.0, -60.0, 1.0], [-45.0, 55.0, -2.0]], dtype=torch.float64)
    x = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    return [*cases, Case("logits de ±50", (logits, x))]


def _nll(logits, x):
    return F.softplus(logits, threshold=1e9) - x * logits


def _by_probability(p, x):
    return -(x * p.log() + (1 - x) * (1 - p).log()).sum(1)


BERNOULLI_NLL = Exercise(
    "2.2",
    "bernoulli_nll",
    "La NLL de Bernoulli, a partir de los logits",
    bernoulli_nll_oracle,
    bernoulli_nll_cases,
    (
        Slip(
            "por_la_sigmoide",
            "con logits grandes salen infinitos o NaN: la sigmoide redondea a 0 o a 1 antes del "
            "logaritmo. La fórmula con softplus no pasa por la probabilidad.",
            lambda logits, x: _by_probability(logits.sigmoid(), x),
        ),
        Slip(
            "solo_los_unos",
            "solo cuentan los x = 1: falta el sumando de los x = 0.",
            lambda logits, x: (x * F.softplus(-logits)).sum(1),
        ),
        Slip(
            "cambiados",
            "los papeles de 0 y 1 están cambiados: sale la NLL de 1 − x.",
            lambda logits, x: _nll(logits, 1 - x).sum(1),
        ),
        Slip(
            "doble_sigmoide",
            "la sigmoide se aplica dos veces: la función con logits ya la lleva dentro.",
            lambda logits, x: _nll(logits.sigmoid(), x).sum(1),
        ),
        Slip(
            "promedio",
            "parece el promedio sobre las D componentes: son independientes y sus NLL se suman.",
            lambda logits, x: _nll(logits, x).mean(1),
        ),
        Slip(
            "otro_eje",
            "se sumó sobre el lote: se pide un número por fila, la suma en las D componentes.",
            lambda logits, x: _nll(logits, x).sum(0),
        ),
        Slip(
            "bits",
            "sale en bits: con el logaritmo natural se pide en nats.",
            lambda logits, x: _nll(logits, x).sum(1) / LOG2,
        ),
    ),
    remark="Y con logits de ±50 sigue siendo finita: equivocarse con tanta seguridad cuesta 50 "
    "nats, no infinitos.",
)


# --- 2.7 ----------------------------------------------------------------------------------------


def bits_per_dim_oracle(log_prob, dim, width):
    return (-log_prob - dim * math.log(width)) / (dim * LOG2)


def bits_per_dim_cases():
    sizes = [("d = 784, [−1, 1]", 4, 784, 1 / 127.5), ("d = 12, [0, 1]", 3, 12, 1 / 256)]
    sizes += [("d = 3072, [−1, 1]", 2, 3072, 1 / 127.5), ("d = 5, sin escalar", 6, 5, 1.0)]
    return [
        Case(label, (dim * normal(B, seed=90 + seed), dim, width))
        for seed, (label, B, dim, width) in enumerate(sizes)
    ]


BITS_PER_DIM = Exercise(
    "2.7",
    "bits_per_dim",
    "De log-densidad a bits por dimensión",
    bits_per_dim_oracle,
    bits_per_dim_cases,
    (
        Slip(
            "sin_desplazamiento",
            "falta el cambio de escala: −log₂(width) por dimensión.",
            lambda log_prob, dim, width: -log_prob / (dim * LOG2),
        ),
        Slip(
            "desplazamiento_al_reves",
            "el cambio de escala está restado: con casillas más estrechas que 1 debe sumar bits.",
            lambda log_prob, dim, width: (-log_prob / dim + math.log(width)) / LOG2,
        ),
        Slip(
            "desplazamiento_una_vez",
            "el cambio de escala entra una sola vez y no una por dimensión: el jacobiano de "
            "escalar d componentes es width elevado a d.",
            lambda log_prob, dim, width: (-log_prob - math.log(width)) / (dim * LOG2),
        ),
        Slip(
            "sin_dividir",
            "son los bits de la imagen entera: falta dividir por la dimensión.",
            lambda log_prob, dim, width: (-log_prob - dim * math.log(width)) / LOG2,
        ),
        Slip(
            "nats",
            "sale en nats por dimensión: falta dividir por log 2.",
            lambda log_prob, dim, width: -log_prob / dim - math.log(width),
        ),
        Slip(
            "unidades_mezcladas",
            "un sumando está en nats y el otro en bits: los dos se dividen por log 2.",
            lambda log_prob, dim, width: -log_prob / dim - math.log2(width),
        ),
        Slip(
            "sin_el_signo",
            "log_prob entra con su signo: los bits son −log₂ de la probabilidad.",
            lambda log_prob, dim, width: (log_prob / dim - math.log(width)) / LOG2,
        ),
    ),
    remark="En la escala [−1, 1] el desplazamiento es log₂ 127.5 ≈ 6.99 bits; en la [0, 1], 8.",
)
