"""CelebA (rostros) por la clase de torchvision: recorte central de 140 y reducción."""

import os
import tempfile
from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import CelebA
from torchvision.datasets.utils import check_integrity
from torchvision.transforms import v2

from ._idx import DataError, network_timeout

ATTRIBUTE = "Smiling"
CROP = 140
HELP = (
    "CelebA se obtiene en https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html: en {folder} deben "
    "quedar la carpeta img_align_celeba y los archivos {files}. Con «pip install gdown» y red, "
    'load("celeba") lo intenta por su cuenta.'
)


def text_files() -> list[tuple[str, str]]:
    """Nombre y MD5 de los archivos de texto que la clase de torchvision exige."""
    return [(name, md5) for _, md5, name in CelebA.file_list if name.endswith(".txt")]


def find(folder: Path) -> Path | None:
    """Carpeta `celeba` completa dentro de `folder`, o None; DataError si un archivo está dañado."""
    place = folder / CelebA.base_folder
    if not (place / "img_align_celeba").is_dir():
        return None
    for name, md5 in text_files():
        if not (place / name).is_file():
            return None
        if not check_integrity(place / name, md5):
            raise DataError(
                f"El archivo de datos {place / name} está dañado (su MD5 no es {md5}). "
                "Hay que borrarlo y obtenerlo otra vez."
            )
    return place


def read(folder: Path, split: str, size: int, limit: int | None) -> tuple[Tensor, Tensor]:
    """Rostros (N, 3, size, size) uint8 y el atributo «sonríe» (N,) int64."""
    prepare = v2.Compose(
        [
            v2.PILToTensor(),
            v2.CenterCrop(CROP),
            v2.Resize((size, size), antialias=True),
        ]
    )
    data = CelebA(str(folder), split=split, target_type="attr", transform=prepare)
    column = data.attr_names.index(ATTRIBUTE)
    count = len(data) if limit is None else min(limit, len(data))
    images = torch.empty(count, 3, size, size, dtype=torch.uint8)
    for i in range(count):
        try:
            images[i] = data[i][0]
        except (OSError, SyntaxError, ValueError) as error:
            path = folder / CelebA.base_folder / "img_align_celeba" / data.filename[i]
            raise DataError(
                f"La imagen {path} falta o está dañada ({error}). Hay que borrarla y extraerla "
                "otra vez de img_align_celeba.zip."
            ) from error
    return images, data.attr[:count, column].long()


def download(folder: Path) -> Path:
    """Descarga con torchvision a una carpeta temporal y la mueve a su sitio si está completa."""
    target = folder / CelebA.base_folder
    files = ", ".join(name for name, _ in text_files())
    if target.exists():  # antes de bajar 1.4 GB
        raise DataError(
            f'{target} ya existe. Si está completa, conviene source="cache"; si no, apartarla para '
            f"descargarla otra vez. {HELP.format(folder=target, files=files)}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".descarga-") as temporary:
            with network_timeout():
                CelebA(temporary, download=True)
            os.replace(Path(temporary) / CelebA.base_folder, target)
    except Exception as error:  # gdown tiene sus propias excepciones
        raise DataError(
            f"No hay CelebA en {target} y no se pudo descargar: {error} "
            + HELP.format(folder=target, files=files)
        ) from error
    return target
