"""El punto de contacto con Accelerate: crear el acelerador y preparar la red."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from torch import nn

from course_lib.errors import choose


def make_accelerator(
    mixed_precision: str, compile: bool | str, accumulation: int, cpu: bool
) -> Accelerator:
    """Crea el `Accelerator`: dispositivo, precisión, compilación, acumulación y procesos.

    Accelerate guarda su estado por proceso de Python; aquí se renueva, de modo que en un mismo
    cuaderno pueden convivir entrenamientos con precisiones distintas.
    """
    choose("mixed_precision", mixed_precision, ("no", "bf16", "fp16"))
    if mixed_precision == "fp16" and (cpu or not torch.cuda.is_available()):
        raise ValueError("mixed_precision='fp16' necesita una GPU; en CPU conviene 'bf16' o 'no'.")
    alone = not PartialState._shared_state or PartialState().num_processes == 1
    AcceleratorState._reset_state(reset_partial_state=alone)
    backend = "inductor" if compile is True else compile or "no"
    return Accelerator(
        mixed_precision=mixed_precision,
        dynamo_backend=backend,
        gradient_accumulation_steps=accumulation,
        cpu=cpu,
    )


def accelerated_view(model: nn.Module, accelerator: Accelerator) -> tuple[nn.Module, nn.Module]:
    """Devuelve (vista de `model` para la pérdida, red preparada por Accelerate).

    La vista comparte los parámetros con `model`, pero solo ella lleva la precisión mixta, la
    compilación y la sincronización entre procesos: `model` conserva sus claves y su `forward`. Si
    `model` tiene una red `.net` con todos sus parámetros (un `Denoiser`), se prepara solo esa red y
    la vista mantiene los demás atributos, como `schedule`.
    """
    net = getattr(model, "net", None)
    if not isinstance(net, nn.Module) or _ids(net.parameters()) != _ids(model.parameters()):
        prepared = accelerator.prepare_model(copy.copy(model))
        return prepared, prepared
    view = copy.copy(model)
    view._modules = dict(model._modules)
    view.net = accelerator.prepare_model(copy.copy(net))
    return view, view.net


def _ids(parameters: Iterator[Any]) -> set[int]:
    return {id(p) for p in parameters}
