"""Un intento: llamar a la función de quien estudia sin que nada se rompa, y contar qué pasó."""

import inspect
import linecache
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Outcome:
    """Lo que hizo una función en un caso: devolvió `value` o lanzó `error`."""

    value: object = None
    error: Exception | None = None
    modified: tuple[str, ...] = ()


def run(f: Callable, given: tuple, names: list[str]) -> Outcome:
    """Llama a `f` con copias de los argumentos y un azar propio, sin tocar el del cuaderno."""
    args = [a.clone() if isinstance(a, Tensor) else a for a in given]
    value = error = None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            value = f(*args)
        except Exception as caught:
            error = caught
    changed = tuple(
        name
        for name, before, after in zip(names, given, args, strict=True)
        if isinstance(before, Tensor)
        and not (before.shape == after.shape and torch.equal(before, after))
    )
    return Outcome(value, error, changed)


def part_of(outcomes: list[Outcome], index: int) -> list[Tensor | Exception]:
    """La salida número `index` de cada caso, o la excepción que hubo en su lugar."""
    return [o.error or as_tuple(o.value)[index].detach() for o in outcomes]


def as_tuple(value) -> tuple:
    """La tupla de salidas, aunque la función devuelva una sola."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def is_stub(f: Callable, error: Exception | None) -> bool:
    """Si `error` es el `raise NotImplementedError` de la celda sin completar, y no uno de torch."""
    if not isinstance(error, NotImplementedError):
        return False
    code = getattr(f, "__code__", None)
    return not error.args or (code is not None and "NotImplementedError" in code.co_names)


def not_callable(f, names: list[str]) -> str | None:
    """La frase que explica por qué `f` no se puede llamar con los argumentos del ejercicio."""
    wanted = ", ".join(names)
    if not callable(f):
        return (
            f"se esperaba una función de ({wanted}) y llegó {type(f).__name__}. Se pasa la "
            "función, sin paréntesis."
        )
    try:
        inspect.signature(f).bind(*names)
    except TypeError:
        received = inspect.signature(f)
        return f"la función debe recibir ({wanted}), en ese orden; ahora recibe {received}."
    except ValueError:  # sin firma conocida: se prueba a llamarla
        return None
    return None


def malformed(value, parts: tuple[str, ...]) -> str | None:
    """La frase que explica por qué `value` no tiene el tipo que el ejercicio pide."""
    if value is None:
        return "la función no devuelve nada (None): ¿falta el return?"
    if len(parts) > 1 and not isinstance(value, (tuple, list)):
        return f"se espera la pareja ({', '.join(parts)}) y llegó un solo {type(value).__name__}."
    values = as_tuple(value)
    if len(values) != len(parts):
        expected = "un tensor" if len(parts) == 1 else f"{len(parts)} tensores ({', '.join(parts)})"
        return f"se espera {expected} y llegaron {len(values)}."
    for part, item in zip(parts, values, strict=True):
        if not isinstance(item, Tensor):
            return f"{part} debe ser un tensor de torch y es {type(item).__name__}."
        if not item.is_floating_point():
            kind = str(item.dtype).removeprefix("torch.")
            return f"{part} debe ser de coma flotante y es {kind}: ¿se perdieron los decimales?"
    return None


AUTOGRAD = {  # lo que dice torch y lo que falta
    "second time": "falta retain_graph=True mientras queden derivadas por pedir",
    "does not require grad": "falta `x = x.detach().requires_grad_()` antes de derivar",
}


def describe_error(f: Callable, error: Exception, label: str, shape_tip: str) -> str:
    """La excepción en una línea, con el renglón de la función en que ocurrió."""
    text = str(error).strip() or "sin explicación"
    text = re.sub(r"0x[0-9a-f]+", "0x…", text.splitlines()[0])
    where = f"en el caso «{label}» " if label else ""
    message = f"{where}la función falla: {type(error).__name__}: {text[:160]}"
    code = getattr(f, "__code__", None)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if code and (frame.filename, frame.name) == (code.co_filename, code.co_name)
    ]
    if frames:
        source = linecache.getline(frames[-1].filename, frames[-1].lineno).strip()
        line = f"línea {frames[-1].lineno - code.co_firstlineno + 1} de {code.co_name}"
        message += f" ({line}: {source})" if source else f" ({line})"
    if isinstance(error, RuntimeError) and "size" in text and shape_tip:
        message += f". Las formas no encajan: {shape_tip}"
    tips = [tip for words, tip in AUTOGRAD.items() if words in str(error)]
    return f"{message}: {tips[0]}." if isinstance(error, RuntimeError) and tips else message
