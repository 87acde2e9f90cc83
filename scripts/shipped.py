"""Lo común a los guiones que entrenan los pesos que el curso reparte."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from course_lib.data import images
from course_lib.training import Trainer

SEEDS = Path(__file__).parents[1] / "salidas/semillas"  # los modelos que no se reparten


def load_data() -> images.ImageData:
    """Las 60 000 imágenes de entrenamiento."""
    data = images.load("fashion-mnist", "train")
    print(data.source, flush=True)
    if len(data) != 60_000:
        raise SystemExit("Estos pesos se entrenan con las 60 000 imágenes, no con la muestra.")
    return data


def fit(trainer: Trainer) -> float | None:
    """Continúa el entrenamiento hasta el final; con Ctrl-C, el guion acaba aquí.

    Devuelve los segundos de CPU que costó, o `None` si una parte se hizo en otra ejecución.
    """
    trainer.resume()
    first, start = trainer.step, time.process_time()
    trainer.fit()
    if trainer.interrupted:
        raise SystemExit("Cortado con Ctrl-C: queda el punto de control y los pesos no se tocan.")
    return time.process_time() - start if first == 0 else None


def report(trainer: Trainer) -> None:
    """Escribe una línea cada 200 pasos, para los registros en archivo."""
    if trainer.step % 200 == 0:
        recent = [loss for _, loss in trainer.history[-200:]]
        speed = trainer.step * trainer.examples_per_step / max(trainer.seconds, 1e-9)
        print(
            f"paso {trainer.step}: pérdida {sum(recent) / len(recent):.4f}, {speed:.0f} imágenes/s",
            flush=True,
        )


def device_name(trainer: Trainer) -> str:
    """El dispositivo en el que de verdad se entrenó, para la ficha."""
    if trainer.device.type == "cuda":
        return torch.cuda.get_device_name(trainer.device)
    return trainer.device.type.upper()


def stop_after(minutes: float) -> Callable[[Trainer], None]:
    """Un aviso para el `Trainer` que lo para, guardando, cuando ha entrenado `minutes` minutos."""

    def stop_in_time(trainer: Trainer) -> None:
        if trainer.seconds > 60 * minutes:
            trainer.stop()

    return stop_in_time


def training_card(trainer: Trainer, source: str, **more: Any) -> dict[str, Any]:
    """Lo que la ficha dice del entrenamiento: qué datos, cuánto, cómo y en qué máquina."""
    return more | {
        "data": source,
        "steps": trainer.step,
        "images": trainer.step * trainer.examples_per_step,
        "batch_size": trainer.batch_size,
        "lr": trainer.lr,
        "precision": trainer.mixed_precision,
        "seconds": round(trainer.seconds),
        "device": device_name(trainer),
        "torch": torch.__version__,
        "final_loss": round(statistics.fmean(loss for _, loss in trainer.history[-500:]), 4),
    }
