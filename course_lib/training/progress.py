"""Lo que rodea al bucle: barra de progreso, Ctrl-C y funciones que se llaman cada n pasos."""

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from course_lib.errors import positive_int


def every(n: int, function: Callable[[Any], None]) -> Callable[[Any], None]:
    """Devuelve un `callback` que llama a `function(trainer)` solo en los pasos múltiplos de n."""
    positive_int("n", n)

    def callback(trainer: Any) -> None:
        if trainer.step % n == 0:
            function(trainer)

    return callback


class Bar:
    """Barra con pérdida (media móvil), ejemplos por segundo y tiempo restante."""

    FORMAT = "{desc}: {percentage:3.0f}% |{bar:20}| {n_fmt}/{total_fmt} pasos{postfix}"

    def __init__(self, start: int, total: int, per_step: int, noun: str, enabled: bool) -> None:
        self.per_step, self.noun, self.average = per_step, noun, None
        self.bar = tqdm(
            initial=start,
            total=total,
            desc="Entrenamiento",
            bar_format=self.FORMAT,
            mininterval=0.5 if sys.stderr.isatty() else 5.0,
            dynamic_ncols=True,
            disable=not enabled,
        )

    def advance(self, loss: float) -> None:
        """Anota un paso con su pérdida."""
        self.average = loss if self.average is None else 0.98 * self.average + 0.02 * loss
        if self.bar.disable:
            return
        status = self.bar.format_dict
        done = status["n"] + 1 - status["initial"]
        rate = done / max(status["elapsed"], 1e-9)
        left = tqdm.format_interval((status["total"] - status["n"] - 1) / rate)
        speed = rate * self.per_step
        self.bar.set_postfix_str(
            f"pérdida {self.average:.4f}, {speed:.0f} {self.noun}/s, quedan {left}", refresh=False
        )
        self.bar.update()

    def close(self) -> None:
        """Deja la barra en su último estado."""
        self.bar.close()


class Interruption:
    """Convierte el primer Ctrl-C en una petición de parar al terminar el paso en curso.

    Parar a mitad de un paso dejaría pesos a medio actualizar. El segundo Ctrl-C corta en el acto.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous = None

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, *_: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        try:
            sys.stderr.write("\nCtrl-C: se termina el paso en curso (otro Ctrl-C corta ya).\n")
        except RuntimeError:  # la señal llegó mientras se escribía en el mismo flujo
            pass


def how_to_continue(step: int, target: int, folder: Path | None) -> str:
    """Lo que se dice cuando el entrenamiento se detiene antes de llegar a `target` pasos."""
    where = "Sin checkpoint_dir no se guardó nada en disco; para seguir: trainer.fit()."
    if folder is not None:
        where = (
            f"Guardado en {folder}; para seguir, trainer.fit() o, en otra sesión, "
            "trainer.resume() y trainer.fit()."
        )
    return f"Entrenamiento detenido en el paso {step} de {target}. {where}"
