"""Redes adversarias: las pérdidas del juego, sus oráculos exactos y el entrenamiento alternado."""

from course_lib.adversarial import exact, losses
from course_lib.adversarial.coverage import Coverage, expected_good, mode_coverage
from course_lib.adversarial.gan import AdversarialTrainer
from course_lib.adversarial.recording import RecordSamples

__all__ = [
    "AdversarialTrainer",
    "Coverage",
    "RecordSamples",
    "exact",
    "expected_good",
    "losses",
    "mode_coverage",
]
