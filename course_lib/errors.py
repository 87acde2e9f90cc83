"""Comprobaciones de argumentos con mensajes en español: qué llegó, por qué no sirve y qué hacer."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeVar

import torch
from torch import Tensor

Option = TypeVar("Option")


def choose(argument: str, value: Option, options: Iterable[Option]) -> Option:
    """Devuelve `value` si está entre `options`; si no, `ValueError` con la lista de las válidas."""
    options = list(options)
    if value in options:
        return value
    listed = ", ".join(repr(option) for option in options)
    raise ValueError(f"{argument}={value!r} no existe. Opciones válidas: {listed}.")


def positive_int(argument: str, value: Any) -> int:
    """Devuelve `value` si es un entero mayor que cero; si no, `TypeError` o `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{argument} debe ser un entero positivo; se recibió {value!r}.")
    if value <= 0:
        raise ValueError(f"{argument} debe ser un entero positivo; se recibió {value}.")
    return int(value)


def in_range(
    argument: str, value: float, low: float, high: float, *, open_low=False, open_high=False
) -> float:
    """Devuelve `value` si está en el intervalo; si no, `ValueError` que dice el intervalo."""
    if isinstance(value, Real) and math.isfinite(value):
        above = value > low if open_low else value >= low
        below = value < high if open_high else value <= high
        if above and below:
            return value
    left, right = "(" if open_low else "[", ")" if open_high else "]"
    raise ValueError(
        f"{argument} debe estar en {left}{low:g}, {high:g}{right}; se recibió {value!r}."
    )


def floating(argument: str, x: Any) -> Tensor:
    """Devuelve `x` si es un tensor de coma flotante sin NaN ni infinitos."""
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{argument} debe ser un tensor de torch; se recibió {type(x).__name__}. "
            "Se convierte con torch.as_tensor(...)."
        )
    if not x.is_floating_point():
        raise TypeError(
            f"{argument} debe ser de coma flotante; se recibió {x.dtype}. Las imágenes uint8 se "
            "llevan a [-1, 1] con course_lib.data.images.to_model(...)."
        )
    if not torch.isfinite(x).all():
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(f"{argument} contiene {bad} valores NaN o infinitos; conviene limpiarlo.")
    return x


def sizes(argument: str, value: Any) -> tuple[int, ...]:
    """Una forma como tupla; un entero vale por la de un eje. Si no lo es, `ValueError`."""
    try:
        return tuple(torch.empty(value, device="meta").shape)
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"{argument} debe ser una tupla de tamaños, como (500,) o x.shape; se recibió {value!r}."
        ) from error


def same_shape(argument: str, x: Tensor, other: str, reference: Tensor) -> Tensor:
    """Devuelve `x` si tiene la forma de `reference`; si no, `ValueError` con las dos formas."""
    for name, value in ((argument, x), (other, reference)):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name} debe ser un tensor de torch; se recibió {type(value).__name__}. "
                "Se convierte con torch.as_tensor(...)."
            )
    if x.shape != reference.shape:
        raise ValueError(
            f"{argument} y {other} deben tener la misma forma; se recibieron "
            f"{tuple(x.shape)} y {tuple(reference.shape)}."
        )
    return x
