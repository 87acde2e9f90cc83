"""Lo que comparten las mediciones: las dos redes, sus operaciones, la memoria y la máquina."""

import os
import platform
import resource
import statistics
import sys
from datetime import date
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib.networks import UNet

SIDE, T, BATCH = 32, 1000, 64
LIBRARIES = ("curso", "diffusers")
OURS = {"size": SIDE, "base": 32, "multipliers": (1, 2, 2), "blocks": 1, "attention": (8,)}
THEIRS = {
    "sample_size": SIDE,
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": (32, 64, 64),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    "norm_num_groups": 8,
    "attention_head_dim": 32,
}


class FromDiffusers(nn.Module):
    """Una red de diffusers con la firma del curso: t = k/T pasa a su índice k − 1."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.unet(x, t * T - 1).sample


def build(library: str, seed: int = 0) -> nn.Module:
    """La red de `library`: las dos con la misma anchura, niveles, bloques, atención y cabezas."""
    torch.manual_seed(seed)
    if library == "curso":
        return UNet(**OURS)
    from diffusers import UNet2DModel

    return UNet2DModel(**THEIRS)


def as_net(library: str, seed: int = 0) -> nn.Module:
    """La red de `library` con la firma f(x, t), t en [0, 1]."""
    net = build(library, seed)
    return net if library == "curso" else FromDiffusers(net)


def count_flops(function) -> int:
    """Operaciones en coma flotante de `function()`; multiplicar y sumar cuenta como dos."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def cost(library: str) -> dict:
    """Parámetros y operaciones por imagen: una evaluación y un paso (ida y vuelta)."""
    net = as_net(library)
    x, t = torch.zeros(1, 1, SIDE, SIDE), torch.full((1,), 0.5)

    def evaluate():
        with torch.no_grad():
            net(x, t)

    return {
        "parameters": sum(p.numel() for p in net.parameters()),
        "flops_forward": count_flops(evaluate),
        "flops_step": count_flops(lambda: net(x, t).square().mean().backward()),
    }


def summary(values: list[float]) -> dict:
    """Mediana y extremos de las repeticiones."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def memory(field: str = "VmHWM") -> float:
    """MiB residentes de este proceso: el pico (`VmHWM`) o los de ahora (`VmRSS`).

    Se lee de /proc porque `ru_maxrss` hereda el pico del proceso padre; sin /proc, se usa ese.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith(field))
        return int(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def machine() -> dict:
    """La máquina, las versiones, la fecha y la carga que había al empezar."""
    from importlib.metadata import version

    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.exists() else []
    model = next((row.split(":")[1].strip() for row in names if row.startswith("model name")), "")
    return {
        "date": date.today().isoformat(),
        "cpu": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": version("diffusers"),
    }


def environment(threads: int) -> dict:
    """El entorno de un subproceso con `threads` hilos de cálculo."""
    return os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
