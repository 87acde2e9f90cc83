r"""Puntos de control: un archivo JSON y otro safetensors, escritos sin estados intermedios.

El JSON dice cómo se llama el archivo de tensores, cuántos bytes tiene y su suma SHA-256. Los dos se
escriben enteros con otro nombre y solo entonces ocupan su sitio, el JSON el último: hasta ese
instante el JSON anterior sigue señalando a los tensores anteriores, completos. Nada se lee con
pickle, así que abrir un archivo ajeno no ejecuta código.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn


class CheckpointError(ValueError):
    """Un punto de control no se pudo escribir, leer o aplicar; el mensaje dice qué hacer."""


def write_atomic(path: str | Path, data: bytes) -> None:
    """Escribe `data` en `path`: o queda completo, o queda lo que había antes.

    Errores: los de `write_all`.
    """
    write_all({Path(path): data})


def write_all(files: Mapping[Path, bytes]) -> None:
    """Escribe cada archivo con un nombre temporal y, ya todos en el disco, los pone en su sitio.

    Errores: `CheckpointError` si el sistema no deja escribir (disco lleno, permisos…); los
    temporales se borran y lo anterior no se toca. Con varios archivos que ya existían queda un
    hueco, un fallo entre dos cambios de nombre: el mensaje dice entonces cuáles cambiaron.
    """
    drafts = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in files}
    existed = [path for path in files if os.path.exists(path)]
    replaced: list[Path] = []
    try:
        for path, draft in drafts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(draft, "wb") as file:
                file.write(files[path])
                file.flush()
                os.fsync(file.fileno())
        for path, draft in drafts.items():
            os.replace(draft, path)
            replaced.append(path)
            _sync_folder(path.parent)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = "no queda espacio" if full else (error.strerror or str(error))
        kept = "Lo anterior sigue intacto." if existed else "No quedó nada a medias."
        for new in replaced:
            if new in existed:
                kept = f"{new.name} ya es el nuevo: hay que repetir el guardado."
            else:
                _discard(new)
        raise CheckpointError(
            f"No se pudo guardar {path} ({len(files[path]) / 1e6:.1f} MB): {reason}. {kept} "
            "Conviene liberar espacio o elegir otra carpeta."
        ) from error
    finally:
        for draft in drafts.values():
            _discard(draft)


def save(
    path: str | Path, tensors: Mapping[str, Tensor], info: Mapping[str, Any], *, versioned=False
) -> Path:
    """Guarda `info` en `path` (JSON) y `tensors` en el safetensors que lo acompaña.

    Con `versioned=False` el par es NOMBRE.json y NOMBRE.safetensors. Con `versioned=True` el nombre
    de los tensores lleva su suma, y los de versiones anteriores se borran solo al terminar: en
    ningún momento falta un par completo. Devuelve la ruta del archivo de tensores.
    """
    path = _json_path(path)
    data = safetensors.torch.save({name: _plain(tensor) for name, tensor in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    suffix = f"-{digest[:12]}" if versioned else ""
    target = path.with_name(f"{path.stem}{suffix}.safetensors")
    pointer = {"tensores": target.name, "bytes": len(data), "sha256": digest}
    text = json.dumps({**info, **pointer}, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    write_all({target: data, path: text.encode()})
    if versioned:
        _remove_stale(path, target)
    return target


def load(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Lee un par escrito por `save`: devuelve los tensores (en CPU) y el contenido del JSON.

    Errores: `CheckpointError` si falta un archivo, si está truncado o si no es el que el JSON dice.
    """
    path = _json_path(path)
    try:
        info = json.loads(_read(path))
    except ValueError as error:
        raise CheckpointError(f"{path} no es JSON válido ({error}). {_RECOVER}") from error
    if not isinstance(info, dict):
        raise CheckpointError(f"{path} no describe un punto de control. {_RECOVER}")
    target = path.with_name(Path(str(info.get("tensores", f"{path.stem}.safetensors"))).name)
    data = _read(target)
    expected = info.get("bytes", len(data))
    if len(data) != expected:
        raise CheckpointError(
            f"{target} está truncado: tiene {len(data)} bytes de {expected}. {_RECOVER}"
        )
    if hashlib.sha256(data).hexdigest() != info.get("sha256", hashlib.sha256(data).hexdigest()):
        raise CheckpointError(
            f"{target} está dañado: su suma SHA-256 no es la que dice {path.name}. {_RECOVER}"
        )
    try:
        return safetensors.torch.load(data), info
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{target} está truncado o no es safetensors ({error}). {_RECOVER}"
        ) from error


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """Tensores de `module` con claves limpias, sin las marcas que añade `torch.compile`."""
    state = module.state_dict()
    return {key.replace("_orig_mod.", ""): v for key, v in state.items() if isinstance(v, Tensor)}


def check_state(module: nn.Module, tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """Comprueba que `tensors` tenga justo las claves y las formas de `module`.

    Errores: `CheckpointError` que enumera las claves que faltan, las que sobran y las formas que
    no coinciden.
    """
    own = state_of(module)
    missing = [f"falta {key}" for key in own if key not in tensors]
    extra = [f"sobra {key}" for key in tensors if key not in own]
    shapes = [
        f"{key} tiene forma {tuple(tensors[key].shape)} y la red espera {tuple(own[key].shape)}"
        for key in own
        if key in tensors and tensors[key].shape != own[key].shape
    ]
    if problems := missing + extra + shapes:
        shown = "; ".join(problems[:8]) + ("; …" if len(problems) > 8 else "")
        raise CheckpointError(
            f"{source} es de otra arquitectura que {type(module).__name__} "
            f"({len(problems)} diferencias): {shown}. Conviene crear la red con los mismos "
            "argumentos con los que se guardó."
        )


@torch.no_grad()
def load_state(module: nn.Module, tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """Copia `tensors` en los parámetros y buffers de `module`, en su dispositivo y precisión.

    Errores: los de `check_state`; en ese caso `module` no cambia.
    """
    check_state(module, tensors, source)
    for key, tensor in state_of(module).items():
        tensor.copy_(tensors[key])


_RECOVER = "Conviene volver a obtenerlo (otra copia, otra descarga o un nuevo entrenamiento)."


def _json_path(path: str | Path) -> Path:
    path = Path(path)
    return path.with_suffix(".json") if path.suffix == ".safetensors" else path


def _sync_folder(folder: Path) -> None:
    """Lleva al disco el cambio de nombre; donde no se puede (Windows, red), no hace nada."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # el archivo ya está en su sitio: no hay que deshacer nada
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_stale(path: Path, target: Path) -> None:
    """Borra las versiones de `path` que ya no son `target` y los temporales de procesos muertos."""
    name = re.escape(path.stem)
    version = re.compile(rf"{name}-[0-9a-f]{{12}}\.safetensors")
    draft = re.compile(rf"\.{name}(-[0-9a-f]{{12}}\.safetensors|\.json)\.(\d+)\.tmp")
    for old in path.parent.iterdir():
        abandoned = (match := draft.fullmatch(old.name)) and not _alive(int(match[2]))
        if abandoned or (version.fullmatch(old.name) and old.name != target.name):
            _discard(old)


def _alive(pid: int) -> bool:
    """¿Existe el proceso `pid`? En Windows no se pregunta: un archivo abierto no se deja borrar."""
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # existe y es de otra persona
        return True
    return True


def _discard(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _plain(tensor: Tensor) -> Tensor:
    """Copia contigua en CPU: safetensors no admite memoria compartida ni formatos permutados."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format).contiguous()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = "no existe" if isinstance(error, FileNotFoundError) else error.strerror
        raise CheckpointError(f"No se pudo leer {path}: {reason}. {_RECOVER}") from error
