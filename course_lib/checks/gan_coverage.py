"""Ejercicio 4.6: contar los modos que cubre un generador."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal


def _count(x, means, radius, minimum, strict=False):
    """(cuentas por modo, modos cubiertos, fracción de buenas) con un radio en unidades de x."""
    distance, mode = torch.cdist(x, means).min(1)
    counts = torch.bincount(mode[distance < radius], minlength=len(means)).to(x)
    reached = counts > minimum if strict else counts >= minimum
    return counts, reached.sum().to(x), counts.sum() / len(x)


def covered_modes_oracle(x, means, std, minimum):
    return _count(x, means, 3 * std, minimum)


def covered_modes_cases():
    """Al penúltimo modo le falta una muestra (al final, ninguna); el último solo tiene lejanas."""
    sizes = [("K = 5, D = 2", 60, 5, 2, 0.5, 6), ("K = 4, D = 3", 90, 4, 3, 0.4, 4)]
    sizes += [("K = 6, D = 1", 40, 6, 1, 0.1, 3), ("K = D = 4", 4, 4, 4, 0.8, 1)]
    cases = []
    for i, (label, N, K, D, std, minimum) in enumerate(sizes):
        means = normal(K, D, seed=500 + i)
        means[-2] += 12
        means[-1] -= 12
        near = means[torch.arange(N) % (K - 2)] + std * normal(N, D, seed=510 + i)
        few = means[-2:-1].expand(minimum - (i < 3), D)
        outside = means[-1].repeat(minimum, 1)
        outside[:, 0] += 4.5 * std
        far = 4 * normal(N, D, seed=520 + i)
        cases.append(Case(label, (torch.cat([near, few, outside, far]), means, std, minimum)))
    return cases


def _all_within(x, means, std, minimum):
    counts = (torch.cdist(x, means) < 3 * std).sum(0).to(x)
    return counts, (counts >= minimum).sum().to(x), counts.sum() / len(x)


def _everything(x, means, std, minimum):
    counts, covered, _ = _count(x, means, torch.inf, minimum)
    return counts, covered, torch.ones((), dtype=x.dtype)


def _squared(x, means, std, minimum):
    """Compara la distancia al cuadrado con 3·std."""
    distance, mode = torch.cdist(x, means).square().min(1)
    counts = torch.bincount(mode[distance < 3 * std], minlength=len(means)).to(x)
    return counts, (counts >= minimum).sum().to(x), counts.sum() / len(x)


def _changed(index, change):
    """La respuesta correcta con una de sus tres partes cambiada."""

    def wrong(*args):
        parts = list(covered_modes_oracle(*args))
        parts[index] = change(parts, *args)
        return tuple(parts)

    return wrong


COVERED_MODES = Exercise(
    "4.6",
    "covered_modes",
    "Contar los modos cubiertos",
    covered_modes_oracle,
    covered_modes_cases,
    (
        Slip(
            "sin_radio",
            "cuentan también las muestras que no están cerca de ningún modo: solo valen las que "
            "distan menos de 3·std del más próximo.",
            _everything,
        ),
        Slip(
            "radio_sin_std",
            "el radio es 3 en unidades de x, y debe ser 3 desviaciones típicas: 3·std.",
            lambda x, means, std, minimum: _count(x, means, 3.0, minimum),
        ),
        Slip(
            "una_desviacion",
            "el radio es de una desviación típica: en el enunciado son tres.",
            lambda x, means, std, minimum: _count(x, means, std, minimum),
        ),
        Slip(
            "distancia_al_cuadrado",
            "la distancia está al cuadrado y el radio no: se compara ‖x − m‖ con 3·std.",
            _squared,
        ),
        Slip(
            "a_varios_modos",
            "una muestra cerca de dos modos se cuenta dos veces: va solo al más próximo.",
            _all_within,
        ),
        Slip(
            "estricto",
            "un modo con exactamente `minimum` muestras está cubierto: es ≥, no >.",
            _changed(1, lambda p, x, means, std, minimum: (p[0] > minimum).sum().to(x)),
        ),
        Slip(
            "sin_minimo",
            "cuenta como cubierto cualquier modo con una muestra: hacen falta `minimum`.",
            _changed(1, lambda p, x, *rest: (p[0] > 0).sum().to(x)),
        ),
        Slip(
            "fraccion_de_modos",
            "es la fracción de modos cubiertos: la de muestras buenas divide su número por N.",
            _changed(2, lambda p, x, means, *rest: p[1] / len(means)),
        ),
        Slip(
            "por_modo",
            "se dividió por el número de modos: la fracción se toma sobre las N muestras.",
            _changed(2, lambda p, x, means, *rest: p[0].sum() / len(means)),
        ),
    ),
    parts=("las cuentas", "los modos cubiertos", "la fracción de buenas"),
    shape_tip="hay una cuenta por modo, K en total, también si la del último es 0 (minlength).",
    remark="Un modelo perfecto tampoco tiene todas las muestras buenas: el techo es expected_good.",
)
