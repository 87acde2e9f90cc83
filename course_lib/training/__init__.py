"""Entrenamiento: un bucle para todos los capítulos, media móvil de pesos y puntos de control."""

from course_lib.training.checkpoint import CheckpointError
from course_lib.training.divergence import DivergenceError
from course_lib.training.ema import EMA
from course_lib.training.progress import every
from course_lib.training.trainer import Trainer

__all__ = ["EMA", "CheckpointError", "DivergenceError", "Trainer", "every"]
