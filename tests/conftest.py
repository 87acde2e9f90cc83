"""Lo que comparten todas las pruebas: un solo hilo de cálculo y ejemplos de hypothesis fijos."""

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "curso",
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("curso")


@pytest.fixture(scope="session", autouse=True)
def un_solo_hilo():
    """Con tensores diminutos, varios hilos solo se estorban."""
    torch.set_num_threads(1)


@pytest.fixture
def generator() -> torch.Generator:
    """Un generador de CPU con semilla fija."""
    return torch.Generator().manual_seed(20240607)
