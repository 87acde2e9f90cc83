"""Ejercicio 6.7: la pérdida implícita."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.diffusion.divergence import divergence


def implicit_loss_oracle(score_fn, x):
    value, trace = divergence(score_fn, x)
    return value.square().sum(1) / 2 + trace


def _field(D: int, seed: int):
    """Un campo (B, D) → (B, D), fila a fila, cuyo jacobiano está lleno y no es simétrico."""
    first, second = normal(D, D + 2, seed=seed), normal(D + 2, D, seed=seed + 1)
    return lambda x: torch.tanh(x @ first + 0.3) @ second - x


def implicit_loss_cases():
    rows = [("B = 5, D = 3", 5, 3), ("B = D = 4", 4, 4), ("D = 1", 6, 1), ("B = 2, D = 5", 2, 5)]
    return [
        Case(label, (_field(D, 760 + 2 * i), normal(B, D, seed=780 + i)))
        for i, (label, B, D) in enumerate(rows)
    ]


def _jacobian(score_fn, x):
    """El jacobiano de cada fila: (B, D, D), con [b, i, j] = ∂s_i/∂x_j."""
    x = x.detach().clone().requires_grad_()
    value = score_fn(x)
    rows = [
        torch.autograd.grad(value[:, i].sum(), x, retain_graph=True)[0] for i in range(len(x.T))
    ]
    return value.detach(), torch.stack(rows, 1)


def _from_jacobian(formula):
    """Una respuesta escrita con s y su jacobiano J."""

    def wrong(score_fn, x):
        return formula(*_jacobian(score_fn, x))

    return wrong


def _trace(J):
    return J.diagonal(dim1=1, dim2=2).sum(1)


IMPLICIT_LOSS = Exercise(
    "6.7",
    "implicit_loss",
    "La pérdida implícita",
    implicit_loss_oracle,
    implicit_loss_cases,
    (
        Slip(
            "sin_la_mitad",
            "falta el ½ delante de ‖s‖²: sin él el mínimo sería la mitad del score.",
            _from_jacobian(lambda s, J: s.square().sum(1) + _trace(J)),
        ),
        Slip(
            "divergencia_restada",
            "la divergencia se suma: el signo menos de la integración por partes ya se gastó en "
            "−s_θ·∇log p. Restada, la red aprendería el score con el signo cambiado.",
            _from_jacobian(lambda s, J: s.square().sum(1) / 2 - _trace(J)),
        ),
        Slip(
            "jacobiano_entero",
            "se han sumado todas las entradas del jacobiano: al derivar s.sum() se mezclan las "
            "componentes. La divergencia es solo la diagonal, ∂s_i/∂x_i.",
            _from_jacobian(lambda s, J: s.square().sum(1) / 2 + J.sum((1, 2))),
        ),
        Slip(
            "suma_del_lote",
            "la divergencia se ha sumado también sobre las filas: cada una tiene la suya, y la "
            "derivada se toma con [:, i], sin .sum().",
            _from_jacobian(lambda s, J: s.square().sum(1) / 2 + _trace(J).sum()),
        ),
        Slip(
            "una_sola_derivada",
            "solo está la derivada de la primera componente: la divergencia suma las D.",
            _from_jacobian(lambda s, J: s.square().sum(1) / 2 + J[:, 0, 0]),
        ),
        Slip(
            "mitad_de_todo",
            "el ½ es solo de ‖s‖²: la divergencia va entera.",
            _from_jacobian(lambda s, J: (s.square().sum(1) + _trace(J)) / 2),
        ),
        Slip(
            "norma_sin_cuadrado",
            "la norma va al cuadrado: ½‖s‖².",
            _from_jacobian(lambda s, J: s.norm(dim=1) / 2 + _trace(J)),
        ),
        Slip(
            "media",
            "es la media sobre las componentes: se pide la suma, en la norma y en la divergencia.",
            _from_jacobian(lambda s, J: (s.square().sum(1) / 2 + _trace(J)) / s.shape[1]),
        ),
        Slip(
            "deriva_la_norma",
            "se ha derivado ½‖s‖² en lugar de s: la divergencia es la suma de las ∂s_i/∂x_i.",
            _from_jacobian(lambda s, J: s.square().sum(1) / 2 + torch.einsum("bi,bij->b", s, J)),
        ),
        Slip(
            "sin_divergencia",
            "falta la divergencia: sin ella la mejor red sería la que responde siempre cero.",
            _from_jacobian(lambda s, J: s.square().sum(1) / 2),
        ),
    ),
    remark="Ningún término conoce el score verdadero, ni x_0, ni ε: bastan las muestras.",
)
