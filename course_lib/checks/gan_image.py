"""Ejercicio 4.1: la densidad de una ley imagen."""

import math

import torch
from torch.distributions import Normal

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal


def _standard(z):
    """log φ(z), la densidad normal estándar."""
    return Normal(torch.zeros_like(z), 1.0).log_prob(z)


def _latent(x, a, b):
    return torch.asinh((x - b) / a)


def _log_slope(z, a):
    """log |G'(z)| con G(z) = b + a senh z."""
    return math.log(abs(a)) + z.cosh().log()


def image_log_density_oracle(x, a, b):
    z = _latent(x, a, b)
    return _standard(z) - _log_slope(z, a)


def image_log_density_cases():
    sizes = [
        ("a = 0.7", 5, 0.7, 1.0),
        ("a = −1.3, decreciente", 6, -1.3, 0.4),
        ("a = 2", 3, 2.0, -1.0),
    ]
    cases = [
        Case(label, (b + 1.5 * normal(B, seed=300 + i), a, b))
        for i, (label, B, a, b) in enumerate(sizes)
    ]
    far = torch.tensor([-1e9, 3e9, -2e10, 1e8], dtype=torch.float64)
    return [*cases, Case("x muy lejanos", (far, 0.5, 0.0))]


def _by_hand(x, a, b):
    u = (x - b) / a
    z = torch.log(u + (u.square() + 1).sqrt())
    return _standard(z) - _log_slope(z, a)


def _signed(x, a, b):
    z = _latent(x, a, b)
    return _standard(z) - torch.log(a * z.cosh())


IMAGE_LOG_DENSITY = Exercise(
    "4.1",
    "image_log_density",
    "La densidad de una distribución imagen",
    image_log_density_oracle,
    image_log_density_cases,
    (
        Slip(
            "sin_derivada",
            "falta dividir entre |G′(z)|: donde G estira, la probabilidad se reparte y la densidad "
            "baja.",
            lambda x, a, b: _standard(_latent(x, a, b)),
        ),
        Slip(
            "multiplicada",
            "está multiplicada por |G′(z)| y debe estar dividida: en logaritmos, log |G′| se resta.",
            lambda x, a, b: _standard(_latent(x, a, b)) + _log_slope(_latent(x, a, b), a),
        ),
        Slip(
            "sin_valor_absoluto",
            "con a < 0 sale NaN: G decrece, y lo que divide es el valor absoluto de la derivada.",
            _signed,
        ),
        Slip(
            "densidad",
            "es la densidad, y se pide su logaritmo: en las colas se redondearía a 0.",
            lambda x, a, b: image_log_density_oracle(x, a, b).exp(),
        ),
        Slip(
            "sin_a",
            "la derivada de G es a·cosh z: falta el factor |a|.",
            lambda x, a, b: _standard(_latent(x, a, b)) - _latent(x, a, b).cosh().log(),
        ),
        Slip(
            "derivada_en_x",
            "la derivada se evalúa en z = G⁻¹(x), no en x.",
            lambda x, a, b: _standard(_latent(x, a, b)) - _log_slope(x, a),
        ),
        Slip(
            "densidad_en_x",
            "la normal estándar se evalúa en z = G⁻¹(x), no en x.",
            lambda x, a, b: _standard(x) - _log_slope(_latent(x, a, b), a),
        ),
        Slip(
            "sin_constante",
            "falta −½ log 2π, la constante de la normal estándar.",
            lambda x, a, b: image_log_density_oracle(x, a, b) + math.log(2 * math.pi) / 2,
        ),
        Slip(
            "asinh_a_mano",
            "con x muy negativo, u + √(u²+1) se redondea a 0 y su logaritmo es −∞: torch.asinh "
            "hace la misma cuenta sin cancelación.",
            _by_hand,
        ),
    ),
    shape_tip="x tiene forma (B,); a y b son números.",
    remark="También con G decreciente y con x a miles de millones, donde la densidad es de cola "
    "pesada: el seno hiperbólico estira mucho lo que cae lejos.",
)
