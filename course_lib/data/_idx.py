"""Archivos IDX de MNIST y Fashion-MNIST: lectura comprobada y descarga por torchvision."""

import gzip
import os
import socket
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor
from torchvision import datasets
from torchvision.datasets.mnist import read_image_file, read_label_file

CLASSES = {"fashion-mnist": datasets.FashionMNIST, "mnist": datasets.MNIST}
COUNTS = {"train": 60_000, "test": 10_000}
SYSTEM = {"fashion-mnist": Path("/usr/share/datasets/fashion-mnist")}
PACKAGES = {"fashion-mnist": "dataset-fashion-mnist"}


class DataError(OSError):
    """Datos que faltan, están dañados o no se pudieron descargar; el mensaje nombra el archivo."""


def file_names(split: str) -> tuple[str, str]:
    """Nombres de los archivos de imágenes y de etiquetas de una partición, sin `.gz`."""
    prefix = {"train": "train", "test": "t10k"}[split]
    return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"


def find_pair(folder: Path, name: str, split: str, flat: bool = False) -> tuple[Path, Path] | None:
    """Imágenes y etiquetas de la partición, o None si no están.

    Se buscan en `folder/name` y donde las deja torchvision, o en la propia `folder` si `flat`: los
    nombres de archivo de MNIST y Fashion-MNIST son los mismos y solo la carpeta los distingue.
    Se prefiere el `.gz`, que trae suma de comprobación, al archivo extraído, que no la trae.
    """
    places = (folder,) if flat else (folder / CLASSES[name].__name__ / "raw", folder / name)
    for place in places:
        for suffix in (".gz", ""):
            pair = tuple(place / (file + suffix) for file in file_names(split))
            if all(path.is_file() for path in pair):
                return pair
    return None


def read_file(path: Path, reader) -> Tensor:
    """Lee un IDX (con o sin `.gz`) con el lector de torchvision; DataError si está dañado."""
    try:
        if path.suffix != ".gz":
            return reader(str(path))
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / path.stem
            plain.write_bytes(gzip.decompress(path.read_bytes()))
            return reader(str(plain))
    except (
        AssertionError,
        EOFError,
        IndexError,
        KeyError,
        RuntimeError,
        TypeError,
        ValueError,
        zlib.error,
        gzip.BadGzipFile,
    ) as error:
        raise DataError(
            f"El archivo de datos {path} está dañado o incompleto "
            f"({type(error).__name__}: {error})."
        ) from error


def read_pair(pair: tuple[Path, Path], count: int | None = None) -> tuple[Tensor, Tensor]:
    """Imágenes (N, 1, 28, 28) uint8 y etiquetas (N,) int64, comprobadas entre sí.

    `count`: número de imágenes que debe haber. DataError, con el archivo, si algo no cuadra.
    """
    images, labels = read_file(pair[0], read_image_file), read_file(pair[1], read_label_file)
    if len(images) == 0 or images.shape[1:] != (28, 28):
        raise DataError(
            f"El archivo de datos {pair[0]} debe tener imágenes de 28 × 28 y su cabecera dice "
            f"{tuple(images.shape)}."
        )
    if len(labels) != len(images):
        raise DataError(
            f"El archivo de datos {pair[1]} tiene {len(labels)} etiquetas y {pair[0].name}, "
            f"{len(images)} imágenes: uno de los dos está incompleto."
        )
    if labels.max() > 9:
        raise DataError(
            f"El archivo de datos {pair[1]} tiene la etiqueta {int(labels.max())}: deben ir "
            "de 0 a 9."
        )
    if count is not None and len(images) != count:
        raise DataError(
            f"El archivo de datos {pair[0]} debe tener {count} imágenes y tiene {len(images)}."
        )
    return images[:, None], labels


@contextmanager
def network_timeout(seconds: float = 15.0):
    """Pone un límite a la espera de la red y restaura el anterior al salir."""
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(previous)


def download(name: str, folder: Path) -> Path:
    """Descarga con torchvision (que comprueba el MD5) y deja en `folder` solo archivos completos.

    Se descarga en una carpeta temporal vecina; cada `.gz` pasa a su sitio de una vez.
    DataError si no hay red o la descarga llega dañada: lo que hubiera antes queda intacto.
    """
    dataset = CLASSES[name]
    target = folder / dataset.__name__ / "raw"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".descarga-") as temporary:
            with network_timeout():
                dataset(temporary, download=True)
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted((Path(temporary) / dataset.__name__ / "raw").glob("*.gz")):
                os.replace(path, target / path.name)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
        raise DataError(f"No se pudo descargar {name} en {folder}: {reason}") from error
    return target
