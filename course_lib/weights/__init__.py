"""Pesos que se distribuyen con el curso: NOMBRE.safetensors y NOMBRE.json, nunca pickle.

El JSON dice cómo reconstruir el modelo, cómo se entrenó y la calidad medida. Todos tienen `kind`,
`training` y `quality`; lo demás depende de `kind`, y cada pieza se describe con `class` y `args`:

- "classifier" y "generator" (una GAN sin su discriminador): `network`;
- "denoiser": `network`, `schedule`, `prediction` y `learned_variance`;
- "vae": `encoder`, `decoder`, `likelihood` y `latent_dim`.
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
NETWORKS = (
    "UNet",
    "MLP",
    "Classifier",
    "Generator",
    "MLPEncoder",
    "MLPDecoder",
    "ConvEncoder",
    "ConvDecoder",
)
LIKELIHOODS = ("BernoulliLikelihood", "GaussianLikelihood", "DiscreteLikelihood")
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
        raise CheckpointError(
            f"{folder / name}.json no es JSON válido: {error}. Conviene volver a obtenerlo."
        ) from error


def load(name: str, device: str | torch.device = "cpu", folder: Path | None = None) -> nn.Module:
    """Reconstruye el modelo `name` en modo de evaluación: `Denoiser`, `VAE`, `Generator`…

    Los parámetros quedan sin gradiente. ValueError si el nombre no existe; CheckpointError si el
    archivo falta, está truncado o es de otra arquitectura.
    """
    folder = Path(folder or FOLDER)
    choose("name", name, available(folder))
    tensors, config = checkpoint.load(folder / f"{name}.json")
    try:
        model = _build(config)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"falta {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise CheckpointError(f"{folder / name}.json no describe bien la red: {reason}.") from error
    checkpoint.load_state(_stored(model), tensors, folder / f"{name}.safetensors")
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

    `model`: la red, un `VAE` o un `Denoiser` (se guarda su red). `config`: los campos de arriba.
    `dtype`: precisión en disco (por ejemplo torch.float16); al cargar vuelve a la de la red.
    Antes de escribir comprueba que la red que describe `config` tiene las mismas claves y formas,
    y que todos los pesos son finitos también en `dtype`: si no, CheckpointError.
    """
    tensors = checkpoint.state_of(_stored(model))
    checkpoint.check_state(_stored(_build(config)), tensors, "config")
    if dtype is not None:
        tensors = {k: v.to(dtype) if v.is_floating_point() else v for k, v in tensors.items()}
    if bad := [k for k, v in tensors.items() if not torch.isfinite(v).all()]:
        raise CheckpointError(
            f"{name} no se guardó: {', '.join(bad[:3])} trae NaN, infinitos o números que no caben "
            f"en {dtype or 'su tipo'}. Conviene revisar el entrenamiento o guardar en float32."
        )
    return checkpoint.save(Path(folder or FOLDER) / f"{name}.json", tensors, config)


def _stored(model: nn.Module) -> nn.Module:
    """Lo que se guarda de un modelo: de un `Denoiser`, solo su red."""
    return getattr(model, "net", model)


def _build(config: dict[str, Any]) -> nn.Module:
    """El modelo que describe el JSON, con los pesos sin entrenar."""
    return KINDS[choose("config['kind']", config.get("kind"), KINDS)](config)


def _network(description: dict[str, Any]) -> nn.Module:
    name = choose("la clase de una red", description["class"], NETWORKS)
    args = {k: tuple(v) if isinstance(v, list) else v for k, v in description["args"].items()}
    return getattr(networks, name)(**args)


def _plain(config: dict[str, Any]) -> nn.Module:
    return _network(config["network"])


def _denoiser(config: dict[str, Any]) -> nn.Module:
    from course_lib import diffusion

    description = config["schedule"]
    name, _, method = choose("schedule['class']", description["class"], SCHEDULES).partition(".")
    build = getattr(diffusion, name)
    schedule = (getattr(build, method) if method else build)(**description["args"])
    learned = config.get("learned_variance", False)
    net = _network(config["network"])
    return diffusion.Denoiser(net, schedule, config["prediction"], learned_variance=learned)


def _vae(config: dict[str, Any]) -> nn.Module:
    from course_lib import latent

    description = config["likelihood"]
    name = choose("likelihood['class']", description["class"], LIKELIHOODS)
    likelihood = getattr(latent, name)(**description["args"])
    encoder, decoder = _network(config["encoder"]), _network(config["decoder"])
    for part in ("encoder", "decoder"):
        own = config[part]["args"]["latent_dim"]
        if own != config["latent_dim"]:
            raise ValueError(
                f"latent_dim={config['latent_dim']} y {part} tiene latent_dim={own}: deben "
                "coincidir."
            )
    outputs = config["decoder"]["args"].get("outputs_per_value", 1)
    if outputs != likelihood.outputs_per_value:
        raise ValueError(
            f"decoder da outputs_per_value={outputs} y {likelihood!r} necesita "
            f"{likelihood.outputs_per_value}."
        )
    return latent.VAE(encoder, decoder, likelihood, config["latent_dim"])


KINDS = {"classifier": _plain, "generator": _plain, "denoiser": _denoiser, "vae": _vae}
