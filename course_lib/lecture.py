"""Lo que usan todos los cuadernos: enseñar código, comprobar un resultado y fijar el azar."""

import inspect
import textwrap

import torch
from IPython.display import Markdown, display

__all__ = ["seeded", "show_source", "verify"]


def show_source(thing) -> None:
    """Enseña el código fuente de una función, un método o una propiedad de la biblioteca."""
    function = thing.fget if isinstance(thing, property) else thing
    code = textwrap.dedent(inspect.getsource(function)).rstrip()
    path = inspect.getmodule(function).__name__.replace(".", "/") + ".py"
    display(Markdown(f"`{path}`\n```python\n{code}\n```"))


def verify(what: str, value, expected, tolerance: float) -> None:
    """Compara con un resultado independiente; si no coinciden, la celda falla.

    Con una tolerancia amplia se imprime además el error medido, si no es despreciable.
    """
    error = torch.as_tensor(value - expected, dtype=torch.float64).abs().max().item()
    assert error <= tolerance, f"{what}: el error es {error:.2e} y se esperaba ≤ {tolerance:g}"
    loose = tolerance >= 1e-3 and error > tolerance / 50
    measured = f"{error:.1g}, se admitía " if loose else "≤ "
    print(f"✓ {what}: coinciden (error {measured}{tolerance:g})")


def seeded(seed: int) -> torch.Generator:
    """Un generador de números al azar que siempre da los mismos."""
    return torch.Generator().manual_seed(seed)
