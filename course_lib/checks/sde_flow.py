"""Ejercicios 6.10 y 6.11: la velocidad de la ODE de flujo y la traza de Hutchinson."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.diffusion.divergence import divergence

# --- 6.10 ---------------------------------------------------------------------------------------


def _column(values):
    return values.reshape(-1, 1)


def flow_velocity_oracle(x, score, score_divergence, f, g2):
    velocity = _column(f) * x - _column(g2) * score / 2
    return velocity, f * x.shape[1] - g2 * score_divergence / 2


def flow_velocity_cases():
    rows = [("B = 5, D = 3", 5, 3), ("B = D = 4", 4, 4), ("una fila, D = 7", 1, 7)]
    cases = []
    for seed, (label, B, D) in enumerate([*rows, ("VE: f = 0", 3, 2)]):
        x, score = (normal(B, D, seed=930 + 10 * seed + i) for i in range(2))
        div, f, g2 = (normal(B, seed=935 + 10 * seed + i) for i in range(3))
        f = torch.zeros_like(f) if label.startswith("VE") else -f.abs()
        cases.append(Case(label, (x, score, -div.abs() - 1, f, 0.5 + g2.square())))
    return cases


def _velocity(half=0.5, power=1.0, dim=None):
    """La respuesta con otro factor en el score, otra potencia de g o la dimensión olvidada."""

    def wrong(x, score, score_divergence, f, g2):
        strength = half * g2**power
        count = x.shape[1] if dim is None else dim
        velocity = _column(f) * x - _column(strength) * score
        return velocity, f * count - strength * score_divergence

    return wrong


FLOW_VELOCITY = Exercise(
    "6.10",
    "flow_velocity",
    "La velocidad de la ODE de flujo y su divergencia",
    flow_velocity_oracle,
    flow_velocity_cases,
    (
        Slip(
            "sin_el_medio",
            "falta el ½: con g² entero es la deriva de la SDE inversa, que necesita además ruido.",
            _velocity(half=1.0),
        ),
        Slip(
            "signo",
            "el término del score se resta: hacia el ruido, la masa va de donde hay más densidad a "
            "donde hay menos.",
            _velocity(half=-0.5),
        ),
        Slip(
            "g_sin_cuadrado",
            "parece que entra g y no g²: el argumento ya es g², sin raíz.",
            _velocity(power=0.5),
        ),
        Slip(
            "g_a_la_cuarta",
            "g² ya viene elevado al cuadrado: no hace falta volver a hacerlo.",
            _velocity(power=2.0),
        ),
        Slip(
            "divergencia_sin_dimension",
            "la divergencia de f x es la suma de D derivadas iguales: D f, y no f.",
            _velocity(dim=1),
        ),
        Slip(
            "divergencia_sin_deriva",
            "falta la divergencia de la deriva, D f: solo está la del score.",
            _velocity(dim=0),
        ),
    ),
    parts=("la velocidad", "su divergencia"),
    shape_tip="un coeficiente por fila, de forma (B,), se lleva a (B, 1) con .reshape(-1, 1); la "
    "divergencia es un número por fila, (B,).",
    remark="Con la divergencia en la mano, la log-verosimilitud solo pide sumarla por el camino.",
)

# --- 6.11 ---------------------------------------------------------------------------------------


def hutchinson_oracle(field, x, probes):
    return divergence(field, x, probes)[1].detach()


def _field(D: int, seed: int):
    """Un campo no lineal con jacobiana no simétrica; cada fila depende solo de la suya."""
    A, b = normal(D, D, seed=seed), normal(D, seed=seed + 1)

    def field(x):
        return torch.tanh(x @ A.T + b) + 0.3 * x * x.roll(1, 1)

    return field


def hutchinson_cases():
    rows = [("B = 4, D = 3, K = 2", 4, 3, 2), ("B = D = K = 3", 3, 3, 3)]
    rows += [("una fila, K = 5", 1, 6, 5), ("normales, K = 1", 5, 2, 1)]
    cases = []
    for seed, (label, B, D, K) in enumerate(rows):
        probes = normal(K, B, D, seed=962 + 10 * seed)
        if not label.startswith("normales"):
            probes = probes.sign()
        cases.append(
            Case(label, (_field(D, 960 + 10 * seed), normal(B, D, seed=964 + 10 * seed), probes))
        )
    return cases


def _pulled(field, x, probes):
    """Los productos vᵀ∇f de cada dirección, (K, B, D), y f(x)."""
    x = x.detach().clone().requires_grad_()
    value = field(x)
    rows = [torch.autograd.grad(value, x, v, retain_graph=True)[0] for v in probes]
    return torch.stack(rows), value.detach()


def _from_pulled(reduce):
    def wrong(field, x, probes):
        pulled, value = _pulled(field, x, probes)
        return reduce(pulled, probes, value)

    return wrong


def _exact(field, x, probes):
    return divergence(field, x)[1].detach()


HUTCHINSON = Exercise(
    "6.11",
    "hutchinson",
    "La traza de Hutchinson con derivación automática",
    hutchinson_oracle,
    hutchinson_cases,
    (
        Slip(
            "suma_de_direcciones",
            "es la suma sobre las K direcciones: se pide la media.",
            _from_pulled(lambda J, v, f: (J * v).sum((0, 2))),
        ),
        Slip(
            "media_sobre_d",
            "las D componentes de (vᵀ∇f)·v se suman: la media las divide entre D.",
            _from_pulled(lambda J, v, f: (J * v).mean((0, 2))),
        ),
        Slip(
            "sin_la_segunda_v",
            "falta multiplicar otra vez por v: se ha sumado vᵀ∇f, cuya media es 0.",
            _from_pulled(lambda J, v, f: J.sum(2).mean(0)),
        ),
        Slip(
            "norma",
            "es ‖vᵀ∇f‖², que estima la suma de los cuadrados de toda la jacobiana y no su traza.",
            _from_pulled(lambda J, v, f: J.square().sum(2).mean(0)),
        ),
        Slip(
            "campo_por_v",
            "es vᵀf(x), sin derivar: hay que derivar ese escalar respecto de x y multiplicar por v.",
            _from_pulled(lambda J, v, f: (f * v).sum(2).mean(0)),
        ),
        Slip(
            "traza_exacta",
            "es la divergencia exacta, que cuesta D derivaciones: se pide el estimador con las "
            "direcciones recibidas.",
            _exact,
        ),
        Slip(
            "todo_el_lote",
            "hay un solo número para todo el lote, repetido: se suma sobre los ejes de cada dato y "
            "no sobre el lote.",
            _from_pulled(lambda J, v, f: (J * v).sum((1, 2)).mean(0).expand(len(f)).clone()),
        ),
    ),
    shape_tip="el resultado es un número por fila, (B,): se suma sobre las D componentes.",
    remark="Una sola derivación por dirección, sea cual sea D: por eso sirve con imágenes.",
)
