"""Redes adversarias: las pérdidas del juego, sus oráculos exactos y el entrenamiento alternado."""

from course_lib.adversarial import exact, losses
from course_lib.adversarial.coverage import Coverage, expected_good, mode_coverage
from course_lib.adversarial.gan import AdversarialTrainer

__all__ = [
    "AdversarialTrainer",
    "Coverage",
    "exact",
    "expected_good",
    "losses",
    "mode_coverage",
]
