"""Conjuntos de imágenes: dónde buscarlos, cómo comprobarlos y cómo llevarlos a [-1, 1]."""

import os
import warnings
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from course_lib.errors import choose, positive_int

from . import _celeba, _idx
from ._idx import DataError

__all__ = [
    "DataError",
    "ImageData",
    "check_model_range",
    "data_folder",
    "load",
    "to_model",
    "to_uint8",
]

CLASS_NAMES = {
    "fashion-mnist": (
        "camiseta",
        "pantalón",
        "suéter",
        "vestido",
        "abrigo",
        "sandalia",
        "camisa",
        "zapatilla",
        "bolso",
        "botín",
    ),
    "mnist": tuple("0123456789"),
    "celeba": ("sin sonrisa", "con sonrisa"),
}
TITLES = {"fashion-mnist": "Fashion-MNIST", "mnist": "MNIST", "celeba": "CelebA"}
SPLITS = {
    "fashion-mnist": ("train", "test"),
    "mnist": ("train", "test"),
    "celeba": ("train", "valid", "test"),
}
SOURCES = ("auto", "cache", "system", "download", "slice")
SLICE = Path(__file__).parent / "fashion-mnist-muestra.npz"


@dataclass(frozen=True, eq=False)
class ImageData:
    """Imágenes uint8 (N, C, H, W), etiquetas int64 (N,), nombres de las clases y procedencia."""

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = tuple(self.images.shape)
        return f"ImageData({shape}, clases={len(self.class_names)}: {self.source})"

    def to_model(self) -> Tensor:
        """Las imágenes en float32 y en [-1, 1], como las espera la red."""
        return to_model(self.images)

    def select(self, index) -> "ImageData":
        """Subconjunto de las imágenes elegidas por `index` (rebanada, índices o máscara)."""
        return replace(self, images=self.images[index], labels=self.labels[index])


def to_model(images: Tensor) -> Tensor:
    r"""Píxeles uint8 en [0, 255] a float32 en [-1, 1]: $x = p/127.5 - 1$; misma forma."""
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(
            f"images debe ser un tensor uint8 con valores en [0, 255]; se recibió {kind}. "
            "Si ya está en [-1, 1], no hace falta convertirlo."
        )
    return images.float() / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    r"""De [-1, 1] a píxeles uint8, con redondeo y recorte: inversa exacta de `to_model`."""
    check_model_range(x, limit=float("inf"))
    return ((x.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def check_model_range(x: Tensor, argument: str = "x", limit: float = 1.5) -> Tensor:
    """Comprueba que `x` sea de coma flotante y sin NaN; avisa si |x| > `limit` (¿[0, 255]?)."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(
            f"{argument} debe ser un tensor de coma flotante en [-1, 1]; se recibió {kind}. "
            "Las imágenes uint8 se convierten con course_lib.data.images.to_model(...)."
        )
    bad = int(x.isnan().sum())
    if bad:
        raise ValueError(f"{argument} contiene {bad} valores NaN: no es una imagen válida.")
    if x.numel() and x.abs().max() > limit:
        warnings.warn(
            f"{argument} llega a {x.abs().max().item():.3g} y se esperan valores en [-1, 1]: ¿son "
            "píxeles en [0, 255]? Se convierten con course_lib.data.images.to_model(...).",
            stacklevel=3,
        )
    return x


def data_folder(root=None) -> Path:
    """Carpeta de datos: `root`, la variable CURSO_DATOS o `~/.cache/curso-difusion`."""
    return Path(root or os.environ.get("CURSO_DATOS") or "~/.cache/curso-difusion").expanduser()


def load(
    name: str = "fashion-mnist",
    split: str = "train",
    root=None,
    size: int | None = None,
    source: str = "auto",
    limit: int | None = None,
) -> ImageData:
    """Carga un conjunto de imágenes y dice de dónde salió (`.source`).

    `name`: "fashion-mnist", "mnist" o "celeba" (64 × 64; la etiqueta dice si sonríe).
    `source`: "auto" busca en la subcarpeta `name` de la de datos (`root`, ver `data_folder`) o
    donde la deja torchvision, en la copia del sistema, en la red (torchvision) y, solo
    Fashion-MNIST, en la muestra incluida; los demás valores se limitan a un lugar. `size`: nuevo
    lado en píxeles; `limit`: las primeras imágenes.
    ValueError si un argumento no existe; DataError (OSError) si faltan datos o están dañados.
    """
    choose("name", name, CLASS_NAMES)
    choose("split", split, SPLITS[name])
    choose("source", source, SOURCES)
    for argument, value in (("size", size), ("limit", limit)):
        if value is not None:
            positive_int(argument, value)
    folder = data_folder(root)
    if name == "celeba":
        images, labels, origin = _load_celeba(folder, split, source, size or 64, limit)
    else:
        images, labels, origin = _load_idx(name, folder, split, source)
        images, labels = images[:limit], labels[:limit]
    if size is not None and images.shape[-2:] != (size, size):
        images = F.resize(images, [size, size], antialias=True)
    return ImageData(images, labels, CLASS_NAMES[name], origin)


def _describe(name: str, split: str, count: int, where: str) -> str:
    whole = name != "celeba" and count == _idx.COUNTS[split]
    part = {"train": "entrenamiento", "valid": "validación", "test": "prueba"}[split]
    number = f"{count:,}".replace(",", "\u202f")
    return f"{TITLES[name]}{' completo' if whole else ''} ({number} imágenes de {part}), {where}"


def _load_idx(name: str, folder: Path, split: str, source: str) -> tuple[Tensor, Tensor, str]:
    pair = _idx.find_pair(folder, name, split) if source in ("auto", "cache") else None
    if pair:
        images, labels = _with_remedy(pair, None, "Hay que borrarlo y repetir la carga con red.")
        where = f"copia local en {pair[0].parent}"
        return images, labels, _describe(name, split, len(images), where)
    if source in ("auto", "system") and name in _idx.SYSTEM:
        pair = _idx.find_pair(_idx.SYSTEM[name], name, split, flat=True)
        if pair:
            package = _idx.PACKAGES[name]
            remedy = f"Se repone con: sudo apt-get install --reinstall {package}"
            images, labels = _with_remedy(pair, _idx.COUNTS[split], remedy)
            where = f"copia del sistema en {pair[0].parent}"
            return images, labels, _describe(name, split, len(images), where)
    reason = ""
    if source in ("auto", "download"):
        try:
            target = _idx.download(name, folder)
            images, labels = _idx.read_pair(_idx.find_pair(folder, name, split))
            return images, labels, _describe(name, split, len(images), f"descargado en {target}")
        except DataError as error:
            if source == "download" or name != "fashion-mnist":
                raise DataError(
                    f"No hay copia local de {TITLES[name]} y falló la descarga. {error} Con red "
                    "basta repetir; sin red, hay que copiar los cuatro archivos .gz en "
                    f"{folder / name}."
                ) from error
            reason = str(error)
    if name == "fashion-mnist" and source in ("auto", "slice"):
        images, labels = _load_slice(split)
        if reason:
            warnings.warn(
                f"Se usa la muestra pequeña de Fashion-MNIST incluida en course_lib ({len(images)} "
                f"imágenes): no hay copia local en {folder / name}. {reason}",
                stacklevel=3,
            )
        return images, labels, _describe(name, split, len(images), "muestra incluida en course_lib")
    place = _idx.SYSTEM.get(name, "el sistema") if source == "system" else folder / name
    raise DataError(
        f"No hay copia de {TITLES[name]} en {place} (source={source!r}). "
        f'Con source="auto" se busca en todas partes y se descarga.'
    )


def _with_remedy(pair, count: int | None, remedy: str) -> tuple[Tensor, Tensor]:
    try:
        return _idx.read_pair(pair, count)
    except DataError as error:
        raise DataError(f"{error} {remedy}") from error


def _load_slice(split: str) -> tuple[Tensor, Tensor]:
    try:
        with np.load(SLICE, allow_pickle=False) as arrays:
            images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"La muestra {SLICE} falta o está dañada ({error}). Se repone al reinstalar course_lib."
        ) from error
    return torch.from_numpy(images)[:, None], torch.from_numpy(labels).long()


def _load_celeba(folder: Path, split: str, source: str, size: int, limit: int | None):
    if source in ("system", "slice"):
        raise DataError(f'source={source!r} no tiene CelebA: sirven "auto", "cache" y "download".')
    place = _celeba.find(folder) if source != "download" else None
    if place is None and source == "cache":
        files = ", ".join(name for name, _ in _celeba.text_files())
        missing = folder / _celeba.CelebA.base_folder
        raise DataError("No hay CelebA. " + _celeba.HELP.format(folder=missing, files=files))
    place = place or _celeba.download(folder)
    images, labels = _celeba.read(folder, split, size, limit)
    return images, labels, _describe("celeba", split, len(images), f"copia local en {place}")
