"""Los `extras` de un `Trainer`: su `state_dict()` como tensores y JSON, y de vuelta."""

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_lib.training.checkpoint import CheckpointError


def pack_extras(extras: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Los tensores de todos los extras y, por etiqueta, la estructura JSON que los señala.

    Errores: `TypeError` si un extra no tiene los dos métodos o guarda algo que no cabe en un JSON.
    """
    tensors: dict[str, Tensor] = {}
    described = {}
    for label, extra in extras.items():
        if not (hasattr(extra, "state_dict") and hasattr(extra, "load_state_dict")):
            raise TypeError(
                f"extras[{label!r}] debe tener state_dict() y load_state_dict(); se recibió "
                f"{type(extra).__name__}."
            )
        try:
            described[label] = pack(extra.state_dict(), f"extras/{label}", tensors)
        except TypeError as error:
            raise TypeError(f"extras[{label!r}] no se puede guardar: {error}") from None
    return tensors, described


def restore_extras(
    extras: Mapping[str, Any],
    described: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    source: Path,
) -> None:
    """Repone todos los extras; si uno no admite lo guardado, los deja a todos como estaban.

    Errores: `CheckpointError` si falta un extra o no encaja.
    """
    for label in extras:
        if label not in described:
            raise CheckpointError(
                f"{source} no guarda el extra «{label}»; conviene crear el Trainer sin él."
            )
    before = {label: copy.deepcopy(extra.state_dict()) for label, extra in extras.items()}
    touched = []
    for label, extra in extras.items():
        try:
            state = unpack(described[label], tensors)
            touched.append(label)
            extra.load_state_dict(state)
        except Exception as error:  # cada clase protesta a su manera
            for other in touched:
                extras[other].load_state_dict(before[other])
            raise CheckpointError(
                f"{source}: el extra «{label}» no admite lo guardado ({type(error).__name__}: "
                f"{error}). Conviene crearlo con los mismos argumentos con que se guardó."
            ) from error
        if isinstance(extra, torch.optim.Optimizer):
            match_layout(extra)


def match_layout(optimizer: torch.optim.Optimizer) -> None:
    """Da a los momentos el orden en memoria de su parámetro, como antes de guardarlos."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """`value` como JSON. Cada tensor va a `tensors` con su ruta («estado/0/exp_avg») por nombre.

    Un objeto JSON tiene una sola clave, que dice qué es: «tensor» (su nombre), «dict» (pares, para
    que una clave entera siga siéndolo), «tuple» o «float» (±inf o NaN, que el JSON no admite).
    """
    if isinstance(value, Tensor):
        name = path if path not in tensors else f"{path}#{len(tensors)}"
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str | int):
                raise TypeError(f"{path} tiene la clave {key!r}; solo valen textos y enteros.")
        return {"dict": [[key, pack(v, f"{path}/{key}", tensors)] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        items = [pack(v, f"{path}/{i}", tensors) for i, v in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"{path} es un {type(value).__name__}; solo valen tensores, números, textos, None, y "
        "listas, tuplas o diccionarios de ellos."
    )


def unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Lo que `pack` convirtió en `value` y `tensors`."""
    if isinstance(value, list):
        return [unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "float":
        return float(content)
    if kind == "tuple":
        return tuple(unpack(content, tensors))
    return {key: unpack(item, tensors) for key, item in content}
