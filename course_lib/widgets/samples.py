"""Comprobación de los datos que reciben los widgets: números reales y finitos, en float64."""

from typing import Any

import torch
from torch import Tensor

from course_lib.probability.covariance import as_real


def real_samples(argument: str, values: Any) -> Tensor:
    """`values` (tensor, arreglo o lista) como tensor float64 en la CPU, sin NaN ni infinitos."""
    try:
        return as_real(argument, values).detach().cpu().to(torch.float64)
    except (TypeError, ValueError) as error:
        if str(error).startswith(argument):
            raise
        raise TypeError(
            f"{argument} debe ser un tensor, un arreglo o una lista de números; "
            f"se recibió {type(values).__name__}."
        ) from None


def needs_spread(argument: str, values: Tensor) -> None:
    """`ValueError` si los `values` (N,) son todos iguales, o casi: no habría nada que ajustar."""
    std = values.std(correction=0).item()
    if std <= 1e-9 * max(1e-300, values.abs().max().item()):
        raise ValueError(
            f"{argument} trae {len(values)} valores iguales a {values[0].item():g}: con desviación "
            "0 la verosimilitud crece sin cota. Hacen falta datos distintos."
        )
