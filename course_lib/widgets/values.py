"""Comprobaciones de los números que reciben los widgets: se devuelven como `float` de Python."""

import math
from collections.abc import Sequence
from typing import Any


def finite(argument: str, value: Any) -> float:
    """`value` como `float` finito; si no lo es, `TypeError` o `ValueError`."""
    if isinstance(value, (str, bytes, bool)):
        raise TypeError(f"{argument} debe ser un número; se recibió {value!r}.")
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{argument} debe ser un número; se recibió {value!r}.") from None
    if not math.isfinite(number):
        raise ValueError(f"{argument} debe ser un número finito; se recibió {value!r}.")
    return number


def positive(argument: str, value: Any) -> float:
    """`value` como `float` mayor que cero; si no lo es, `TypeError` o `ValueError`."""
    number = finite(argument, value)
    if number <= 0:
        raise ValueError(f"{argument} debe ser mayor que 0; se recibió {number:g}.")
    return number


def pair(argument: str, values: Sequence, check=finite) -> list[float]:
    """Los dos números de `values`, revisados uno a uno con `check`."""
    try:
        items = list(values)
    except TypeError:
        items = []
    if isinstance(values, str) or len(items) != 2:
        raise ValueError(
            f"{argument} debe traer dos números, p. ej. (0, 1); se recibió {values!r}."
        )
    return [check(f"{argument}[{i}]", value) for i, value in enumerate(items)]
