"""Qué pérdida es aceptable: un escalar finito, con gradiente finito."""

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from course_lib.training.trainer import Trainer


class DivergenceError(FloatingPointError):
    """La pérdida o el gradiente dejaron de ser finitos; el mensaje dice el paso y qué probar."""


def check_finite(trainer: "Trainer", loss: float) -> None:
    """Lanza `DivergenceError` antes de actualizar los pesos, que conservan el último valor bueno.

    Con fp16 un gradiente infinito es normal: el escalador de Accelerate se salta ese paso.
    """
    rescaled = trainer.accelerator.scaler is not None
    if math.isfinite(loss) and (math.isfinite(trainer.grad_norm) or rescaled):
        return
    what, value = ("La pérdida", loss)
    if math.isfinite(loss):
        what, value = ("El gradiente", trainer.grad_norm)
    folder = trainer.checkpoint_dir
    kept = "No había punto de control en disco."
    if folder is not None and trainer.checkpoint_file.exists():
        kept = f"El último punto de control sigue intacto en {folder}: trainer.resume()."
    raise DivergenceError(
        f"{what} dejó de tener un valor finito en el paso {trainer.step + 1} ({value})."
        f" Los pesos conservan el valor del paso {trainer.step}. {kept} Conviene bajar lr (ahora "
        f"{trainer.lr:g}), alargar warmup (ahora {trainer.warmup}), recortar el gradiente "
        "(grad_clip=1.0) y comprobar que los datos estén en [-1, 1] y sin NaN."
    )


def check_scalar(loss: Any) -> Tensor:
    """Devuelve `loss` con forma () o lanza `ValueError` si no es un tensor de un solo elemento."""
    if isinstance(loss, Tensor) and loss.numel() == 1:
        return loss.reshape(())
    got = f"forma {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
    raise ValueError(
        f"loss debe devolver un tensor escalar y devolvió {got}: ¿falta .mean() sobre el lote?"
    )
