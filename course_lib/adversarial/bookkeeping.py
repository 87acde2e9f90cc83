"""Lo que rodea a un paso del juego: deshacerlo, congelar a un jugador y llevar la cuenta."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.training import DivergenceError

__all__ = ["Before", "Ledger", "check_batch_norm", "frozen", "player"]


class Before:
    """Copia de unos tensores y de un `optimizer` para deshacer un paso que no llegó al final."""

    def __init__(self, tensors: Iterable[Tensor], optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.tensors = [t.detach() for t in tensors]
        self.values = [t.clone() for t in self.tensors]
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.moments = {
            parameter: {name: _copy(value) for name, value in state.items()}
            for parameter, state in optimizer.state.items()
        }

    @contextmanager
    def restored_on_error(self) -> Iterator[None]:
        """Si lo de dentro falla, los tensores, los momentos y las tasas vuelven a ser los copiados."""
        try:
            yield
        except BaseException:
            for tensor, value in zip(self.tensors, self.values, strict=True):
                tensor.copy_(value)
            self.optimizer.zero_grad()
            self.optimizer.state.clear()
            self.optimizer.state.update(self.moments)
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate
            raise


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def check_batch_norm(generator: nn.Module, batch_size: Any) -> None:
    """`ValueError` si el generador normalizaría por lotes con un lote de uno."""
    normalized = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in generator.modules())
    if normalized and batch_size == 1:
        raise ValueError(
            "batch_size=1: un lote de uno no sirve con BatchNorm en el generador, porque cada "
            "muestra se normalizaría consigo misma. Conviene batch_size ≥ 2."
        )


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Dentro, los pesos de `module` no reciben gradiente; el que pasa a su entrada, sí."""
    learning = [p for p in module.parameters() if p.requires_grad]
    try:
        for parameter in learning:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


@contextmanager
def player(name: str) -> Iterator[None]:
    """Añade a una divergencia qué jugador la sufrió y qué ayuda en un juego."""
    try:
        yield
    except DivergenceError as error:
        raise DivergenceError(
            f"Divergió {name}. {error} En un juego también ayuda bajar discriminator_lr o frenar "
            "al discriminador: r1=1.0 o normalización espectral."
        ) from None


class Ledger:
    """Historia del discriminador y ajustes del juego, como un `extra` del `Trainer`.

    `rows`: pares (paso, pérdida en nats del último paso del discriminador). Al reponer un punto de
    control hecho con otros ajustes, avisa: la continuación no sería la misma.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)
        self.rows: list[tuple[int, float]] = []

    def state_dict(self) -> dict[str, Any]:
        rows = torch.tensor(self.rows, dtype=torch.float64).reshape(-1, 2)
        return {"ajustes": dict(self.settings), "filas": rows}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.rows = [(int(step), loss) for step, loss in state["filas"].tolist()]
        saved = state["ajustes"]
        changed = [
            f"{name}: {saved[name]} → {value}"
            for name, value in self.settings.items()
            if name in saved and saved[name] != value
        ]
        if changed:
            warnings.warn(
                f"El juego continúa con otros ajustes ({'; '.join(changed)}): el resultado no será "
                "idéntico al de una ejecución sin cortes.",
                stacklevel=6,
            )
