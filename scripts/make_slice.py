"""Hace la muestra de Fashion-MNIST que se distribuye con course_lib, siempre idéntica byte a byte.

Uso: python scripts/make_slice.py [--salida ARCHIVO]
Toma las primeras 200 imágenes de entrenamiento y 100 de prueba de cada clase de los datos
completos, en el orden 0, 1, …, 9, 0, 1, …: cualquier comienzo de la muestra está equilibrado.
"""

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
import torch

from course_lib.data import images

PER_CLASS = {"train": 200, "test": 100}


def balanced(data: images.ImageData, per_class: int) -> images.ImageData:
    """Las primeras `per_class` imágenes de cada clase, con las clases alternadas."""
    index = [torch.nonzero(data.labels == c)[:per_class, 0] for c in range(len(data.class_names))]
    return data.select(torch.stack(index, dim=1).flatten())


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Escribe un .npz comprimido con LZMA y con fecha fija."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_LZMA
            archive.writestr(entry, buffer.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--salida", type=Path, default=images.SLICE)
    path = parser.parse_args().salida
    arrays = {}
    for split, per_class in PER_CLASS.items():
        data = images.load("fashion-mnist", split)
        if len(data) < 10_000:
            raise SystemExit(f"Hacen falta los datos completos y se encontró: {data.source}")
        part = balanced(data, per_class)
        arrays[f"{split}_images"] = part.images[:, 0].numpy()
        arrays[f"{split}_labels"] = part.labels.to(torch.uint8).numpy()
    write(path, arrays)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
