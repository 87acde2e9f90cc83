"""Velocidad y memoria de la U-Net y los bucles del curso frente a los de diffusers.

    python benchmarks/velocidad.py                          # unos 25 minutos en 2 núcleos
    python benchmarks/velocidad.py --quick --out /tmp/v.json --readme /tmp/README.md

Cada red vive en su subproceso (así el pico de memoria es solo suyo) y las repeticiones se alternan
A, B, B, A…, de modo que una deriva de la máquina afecta a las dos por igual.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from comun import BATCH, LIBRARIES, build, cost, environment, machine, memory, summary
from tabla import FORMATS, README, RESULTS, publish
from trabajos import JOBS, watch

PRECISIONS = ("fp32", "bf16")


def load_everything() -> None:
    """Importa lo de las dos bibliotecas, para que las dos partan de la misma memoria."""
    from diffusers import DDIMPipeline, DDPMScheduler, UNet2DModel  # noqa: F401
    from diffusers.training_utils import EMAModel  # noqa: F401

    import course_lib.training  # noqa: F401


def worker(task: dict) -> None:
    """El subproceso: una repetición por cada línea que llega; al cerrarse la entrada, termina."""
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(task["threads"])
    load_everything()
    base = memory("VmRSS")
    net = build(task["library"])
    if task["format"] == "channels_last":
        net.to(memory_format=torch.channels_last)
    inside = watch(net) if task["job"] == "sample" else []
    run = JOBS[task["job"], task["library"]](net, task)
    run()
    for _ in sys.stdin:
        inside.clear()
        start, cpu = time.perf_counter(), time.process_time()
        run()
        answer = {"total": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        answer |= {"network": sum(inside), "peak": memory(), "added": memory() - base}
        print(json.dumps(answer), file=answers, flush=True)


# --- el proceso que las enfrenta --------------------------------------------------------------


class Worker:
    """Un subproceso que espera, sin gastar CPU, a que se le pida una repetición."""

    def __init__(self, task: dict):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", json.dumps(task)],
            env=environment(task["threads"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def repeat(self) -> dict:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"Un subproceso terminó con código {self.process.wait()}.")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def duel(task: dict, repetitions: int) -> dict:
    """Las dos bibliotecas con la misma tarea, en repeticiones alternadas A, B, B, A…"""
    workers = {library: Worker(task | {"library": library}) for library in LIBRARIES}
    measured = {library: [] for library in LIBRARIES}
    try:
        for i in range(repetitions):
            for library in LIBRARIES[:: 1 if i % 2 == 0 else -1]:
                measured[library].append(workers[library].repeat())
    finally:
        for one in workers.values():
            one.close()
    return task | digest(task, measured)


def digest(task: dict, measured: dict) -> dict:
    """De los segundos de cada repetición a imágenes/s, sobrecarga, memoria y cociente."""
    steps, result = task["steps"], {}
    images = task["batch"] * (steps if task["job"] == "train" else 1)
    for library, runs in measured.items():
        result[library] = {
            "images_per_second": summary([images / run["total"] for run in runs]),
            "peak": runs[-1]["peak"],
            "added": runs[-1]["added"],
            "seconds": [round(run["total"], 5) for run in runs],
            "cpu_seconds": [round(run["cpu"], 5) for run in runs],
        }
        if task["job"] == "sample":
            extra = [(run["total"] - run["network"], run["network"]) for run in runs]
            result[library] |= {
                "overhead_percent": summary([100 * more / net for more, net in extra]),
                "overhead_ms": summary([1000 * more / steps for more, _ in extra]),
                "network_ms": summary([1000 * net / steps for _, net in extra]),
            }
    pairs = zip(*(measured[library] for library in LIBRARIES), strict=True)
    result["ratio"] = summary([theirs["total"] / ours["total"] for ours, theirs in pairs])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS / "velocidad.json")
    parser.add_argument("--readme", type=Path, default=README, help="dónde se pone la tabla")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="lo mínimo, para ver que funciona")
    parser.add_argument("--worker", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return worker(options.worker)

    repetitions = 1 if options.quick else options.repetitions
    train_steps, sample_steps = (1, 2) if options.quick else (4, 20)
    batches = (4, 1) if options.quick else (BATCH, 1)
    result = {"machine": machine(), "batch": batches[0], "steps": sample_steps}
    result |= {"repetitions": repetitions, "cost": {lib: cost(lib) for lib in LIBRARIES}}
    result |= {"train": [], "sample": []}
    for threads, precision, form in itertools.product(
        options.threads, options.precisions, options.formats
    ):
        common = {"threads": threads, "precision": precision, "format": form}
        print(f"{threads} hilo(s), {precision}, {form}", flush=True)
        task = common | {"job": "train", "batch": batches[0], "steps": train_steps}
        result["train"].append(duel(task, repetitions))
        for batch in batches:
            task = common | {"job": "sample", "batch": batch, "steps": sample_steps}
            result["sample"].append(duel(task, repetitions))
        ratio = result["train"][-1]["ratio"]["median"]
        overhead = result["sample"][-2]["curso"]["overhead_percent"]["median"]
        print(f"  entrenamiento ×{ratio:.2f}; sobrecarga {overhead:.2f} %", flush=True)
    publish("velocidad", result, options.out, options.readme)


if __name__ == "__main__":
    main()
