"""Qué se guarda de un `Trainer` y cómo se repone."""

import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from course_lib.training.checkpoint import CheckpointError, check_state, load_state, state_of
from course_lib.training.extras import match_layout, pack_extras, restore_extras

if TYPE_CHECKING:
    from course_lib.training.trainer import Trainer

FORMAT = "curso-difusion/entrenamiento/1"
SETTINGS = ("batch_size", "lr", "warmup", "grad_clip", "accumulation", "seed")


def snapshot(trainer: "Trainer") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensores y JSON que bastan para continuar: red, EMA, optimizador, posición e historia."""
    tensors = {f"modelo/{key}": value for key, value in state_of(trainer.model).items()}
    if trainer.ema is not None:
        tensors |= {f"ema/{key}": value for key, value in trainer.ema.state_dict().items()}
    scalars: dict[str, Any] = {}
    for index, state in trainer.optimizer.state_dict()["state"].items():
        for name, value in state.items():
            key = f"optimizador/{index}/{name}"
            (tensors if isinstance(value, Tensor) else scalars)[key] = value
    extra_tensors, extras = pack_extras(trainer.extras)
    tensors |= extra_tensors
    tensors["historia"] = torch.tensor(trainer.history, dtype=torch.float64).reshape(-1, 2)
    scaler = trainer.accelerator.scaler
    info = {
        "formato": FORMAT,
        "modelo": type(trainer.model).__name__,
        "parametros": sum(p.numel() for p in trainer.model.parameters()),
        "optimizador": _optimizer_name(trainer),
        "paso": trainer.step,
        "ejemplos_vistos": trainer.stream.seen,
        "segundos": round(trainer.seconds, 3),
        "guardado": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "torch": str(torch.__version__),
        "ema": None
        if trainer.ema is None
        else {"decay": trainer.ema.decay, "updates": trainer.ema.updates},
        "ajustes": {name: getattr(trainer, name) for name in SETTINGS},
        "escalares": scalars,
        "extras": extras,
        "escalador": None if scaler is None else scaler.state_dict(),
    }
    return tensors, info


def restore(
    trainer: "Trainer", tensors: dict[str, Tensor], info: Mapping[str, Any], source: Path
) -> None:
    """Repone en `trainer` lo que guardó `snapshot`; si algo no encaja, lo dice y no cambia nada.

    Errores: `CheckpointError` con las claves que faltan, las que sobran y las formas distintas.
    """
    needed = ("optimizador", "paso", "ejemplos_vistos", "segundos", "ajustes", "escalares")
    absent = [key for key in needed if key not in info]
    absent += [] if "historia" in tensors else ["historia"]
    if info.get("formato") != FORMAT or absent:
        raise CheckpointError(
            f"{source} no es un punto de control de entrenamiento completo: formato "
            f"{info.get('formato')!r} (se espera {FORMAT!r}), faltan {absent}."
        )
    if info["optimizador"] != _optimizer_name(trainer):
        raise CheckpointError(
            f"{source} se guardó con el optimizador {info['optimizador']} y este Trainer usa "
            f"{_optimizer_name(trainer)}; conviene crearlo con el mismo."
        )
    check_state(trainer.model, _under("modelo/", tensors), source)
    everything = {**tensors, **info["escalares"]}
    ema = _under("ema/", tensors)
    if trainer.ema is not None and not ema:
        raise CheckpointError(
            f"{source} no contiene la EMA y este Trainer la usa; conviene crearlo con ema=None."
        )
    if trainer.ema is not None:
        check_state(trainer.ema.model, ema, source)
    optimizer = _optimizer_state(trainer, _under("optimizador/", everything), source)
    restore_extras(trainer.extras, info.get("extras", {}), tensors, source)
    if trainer.ema is not None:
        load_state(trainer.ema.model, ema, source)
        trainer.ema.updates = (info.get("ema") or {}).get("updates", info["paso"])
    load_state(trainer.model, _under("modelo/", tensors), source)
    trainer.optimizer.load_state_dict(optimizer)
    match_layout(trainer.optimizer)
    if trainer.accelerator.scaler is not None and info.get("escalador"):
        trainer.accelerator.scaler.load_state_dict(info["escalador"])
    trainer.step, trainer.stream.seen = info["paso"], info["ejemplos_vistos"]
    trainer.seconds = info["segundos"]
    trainer.history = [(int(step), loss) for step, loss in tensors["historia"].tolist()]
    _warn_about_changes(trainer, info, source)


def warn_if_replacing(trainer: "Trainer") -> None:
    """Avisa si un entrenamiento que empieza de cero va a pisar el punto de control de otro."""
    if trainer.checkpoint_dir is None or trainer.step > 0 or not trainer.checkpoint_file.exists():
        return
    warnings.warn(
        f"{trainer.checkpoint_file} guarda un entrenamiento anterior, que este reemplazará. Para "
        "continuarlo: trainer.resume() antes de fit().",
        stacklevel=3,
    )


def _optimizer_name(trainer: "Trainer") -> str:
    return type(trainer.optimizer.optimizer).__name__


def _under(prefix: str, entries: Mapping[str, Any]) -> dict[str, Any]:
    return {key[len(prefix) :]: v for key, v in entries.items() if key.startswith(prefix)}


def _optimizer_state(
    trainer: "Trainer", entries: Mapping[str, Any], source: Path
) -> dict[str, Any]:
    """Estado del optimizador con los hiperparámetros actuales y los momentos guardados."""
    current = trainer.optimizer.state_dict()
    shapes = {}
    groups = trainer.optimizer.param_groups
    for saved, group in zip(current["param_groups"], groups, strict=True):
        shapes |= dict(zip(saved["params"], (p.shape for p in group["params"]), strict=True))
    state: dict[int, dict[str, Any]] = {}
    for key, value in entries.items():
        index, name = key.split("/", 1)
        fits = int(index) in shapes and (
            not isinstance(value, Tensor) or value.ndim == 0 or value.shape == shapes[int(index)]
        )
        if not fits:
            raise CheckpointError(
                f"{source}: el estado {key} del optimizador no corresponde a esta red; conviene "
                "crear la red y el optimizador con los mismos argumentos con que se guardó."
            )
        state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": current["param_groups"]}


def _warn_about_changes(trainer: "Trainer", info: Mapping[str, Any], source: Path) -> None:
    saved = info["ajustes"]
    changed = [
        f"{name}: {saved[name]} → {getattr(trainer, name)}"
        for name in SETTINGS
        if name in saved and saved[name] != getattr(trainer, name)
    ]
    if changed:
        warnings.warn(
            f"El entrenamiento continúa con otros ajustes ({'; '.join(changed)}): el resultado no "
            "será idéntico al de una ejecución sin cortes.",
            stacklevel=4,
        )
    if unused := [label for label in info.get("extras", {}) if label not in trainer.extras]:
        warnings.warn(
            f"{source} guarda extras que este Trainer no declara ({', '.join(unused)}): el "
            "entrenamiento continúa sin ellos.",
            stacklevel=4,
        )
