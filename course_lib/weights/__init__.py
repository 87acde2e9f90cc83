"""Pesos que se distribuyen con el curso: NOMBRE.safetensors y NOMBRE.json, nunca pickle.

El JSON dice cómo reconstruir la red, cómo se entrenó y la calidad medida. Campos: `kind`
("denoiser" o "classifier"), `network` (`class` y `args`), `training`, `quality` y, en los
denoisers, `schedule` (`class` y `args`), `prediction` y `learned_variance`.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_lib import networks
from course_lib.errors import choose
from course_lib.networks.classifier import Classifier
from course_lib.training import checkpoint
from course_lib.training.checkpoint import CheckpointError

__all__ = ["available", "info", "load", "load_classifier", "save"]

FOLDER = Path(__file__).parent
NETWORKS = ("UNet", "MLP", "Classifier")
SCHEDULES = (
    "DDPM.linear",
    "DDPM.cosine",
    "DDPM.sigmoid",
    "VP",
    "SubVP",
    "VE",
    "OU",
    "Cosine",
    "Flow",
    "EDM",
)


def available(folder: Path | None = None) -> list[str]:
    """Nombres de los pesos disponibles, en orden alfabético."""
    return sorted(path.stem for path in Path(folder or FOLDER).glob("*.json"))


def info(name: str, folder: Path | None = None) -> dict[str, Any]:
    """El JSON de unos pesos: red, entrenamiento y calidad. ValueError si `name` no existe."""
    folder = Path(folder or FOLDER)
    choose("name", name, available(folder))
    try:
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{folder / name}.json no es JSON válido: {error}.") from error


def load(name: str, device: str | torch.device = "cpu", folder: Path | None = None) -> nn.Module:
    """Reconstruye la red `name` en modo de evaluación: un `Denoiser`, o el `Classifier`.

    Los parámetros quedan sin gradiente. ValueError si el nombre no existe; CheckpointError si el
    archivo falta, está truncado o es de otra arquitectura.
    """
    folder = Path(folder or FOLDER)
    choose("name", name, available(folder))
    tensors, config = checkpoint.load(folder / f"{name}.json")
    try:
        net = _network(config["network"])
        checkpoint.load_state(net, tensors, folder / f"{name}.safetensors")
        model = _denoiser(net, config) if config["kind"] == "denoiser" else net
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / name}.json no describe bien la red: {error}.") from error
    return model.to(device).eval().requires_grad_(False)


def load_classifier(device: str | torch.device = "cpu") -> Classifier:
    """El clasificador de Fashion-MNIST con el que se mide la calidad."""
    return load("clasificador-fashion", device)


def save(
    name: str,
    model: nn.Module,
    config: dict[str, Any],
    folder: Path | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Escribe `name`.safetensors y `name`.json, o ninguno, y devuelve la ruta de los tensores.

    `model`: la red o un `Denoiser` (se guarda su red). `config`: los campos de arriba.
    `dtype`: precisión en disco (por ejemplo torch.float16); al cargar vuelve a la de la red.
    Antes de escribir comprueba que de `config` se reconstruye esa misma red.
    """
    choose("config['kind']", config.get("kind"), ("denoiser", "classifier"))
    net = getattr(model, "net", model)
    tensors = checkpoint.state_of(net)
    rebuilt = _network(config["network"])
    checkpoint.check_state(rebuilt, tensors, "config['network']")
    if config["kind"] == "denoiser":
        _denoiser(rebuilt, config)
    if dtype is not None:
        tensors = {k: v.to(dtype) if v.is_floating_point() else v for k, v in tensors.items()}
    return checkpoint.save(Path(folder or FOLDER) / f"{name}.json", tensors, config)


def _network(description: dict[str, Any]) -> nn.Module:
    name = choose("network['class']", description["class"], NETWORKS)
    args = {k: tuple(v) if isinstance(v, list) else v for k, v in description["args"].items()}
    return (Classifier if name == "Classifier" else getattr(networks, name))(**args)


def _denoiser(net: nn.Module, config: dict[str, Any]) -> nn.Module:
    from course_lib import diffusion

    description = config["schedule"]
    name, _, method = choose("schedule['class']", description["class"], SCHEDULES).partition(".")
    build = getattr(diffusion, name)
    schedule = (getattr(build, method) if method else build)(**description["args"])
    learned = config.get("learned_variance", False)
    return diffusion.Denoiser(net, schedule, config["prediction"], learned_variance=learned)
