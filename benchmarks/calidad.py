"""Calidad a igual tiempo: la U-Net del curso y la de diffusers, los mismos minutos de CPU.

    python benchmarks/calidad.py --minutes 10               # unos 15 minutos en 2 núcleos
    python benchmarks/calidad.py --minutes 10 --seeds 0 1 2

Las dos redes se entrenan a la vez, cada una en su proceso y con un hilo; datos, objetivo,
entrenador, semilla y muestreo son los mismos. Solo cambia la red.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from comun import BATCH, LIBRARIES, SIDE, T, as_net, environment, machine
from safetensors.torch import load_file, save_file
from tabla import README, RESULTS, publish
from torch.nn import functional as F

from course_lib import metrics
from course_lib.data import images
from course_lib.diffusion import DDPM, Denoiser, sample
from course_lib.diffusion.guidance import Threshold
from course_lib.diffusion.losses import Objective, simple
from course_lib.diffusion.times import Uniform
from course_lib.training import Trainer, every

BORDER = (SIDE - 28) // 2
EVALUATION = 2000  # imágenes de prueba con que se mide la pérdida


def padded(x: torch.Tensor) -> torch.Tensor:
    """De 28 × 28 a 32 × 32 con el valor del fondo."""
    return F.pad(x, (BORDER,) * 4, value=-1.0)


def cropped(x: torch.Tensor) -> torch.Tensor:
    """De 32 × 32 a 28 × 28."""
    return x[..., BORDER:-BORDER, BORDER:-BORDER]


def train(task: dict) -> tuple[Denoiser, dict]:
    """Entrena hasta gastar `minutes` de CPU y devuelve la red promediada y sus cifras."""
    denoiser = Denoiser(as_net(task["library"], task["seed"]), DDPM.linear(T), "eps")
    trainer = Trainer(
        denoiser,
        Objective(weight="eps", times=Uniform(stratified=True)),
        padded(images.load("fashion-mnist", "train").to_model()),
        batch_size=BATCH,
        lr=5e-4,
        warmup=100,
        steps=10**7,
        ema=0.999,
        mixed_precision="bf16" if task["precision"] == "bf16" else "no",
        channels_last=task["format"] == "channels_last",
        seed=task["seed"],
        cpu=True,
        progress=False,
    )
    start, wall = time.process_time(), time.perf_counter()

    def stop_in_time(trainer: Trainer) -> None:
        if time.process_time() - start >= 60 * task["minutes"]:
            trainer.stop()

    def report(trainer: Trainer) -> None:
        recent = [loss for _, loss in trainer.history[-100:]]
        mean, spent = sum(recent) / len(recent), (time.process_time() - start) / 60
        print(
            f"{task['library']}: paso {trainer.step}, pérdida {mean:.4f}, {spent:.1f} min de CPU",
            flush=True,
        )

    trainer.callbacks += [stop_in_time, every(100, report)]
    trainer.fit()
    figures = {
        "steps": trainer.step,
        "images": trainer.step * trainer.examples_per_step,
        "cpu_seconds": round(time.process_time() - start, 1),
        "wall_seconds": round(time.perf_counter() - wall, 1),
    }
    return trainer.ema_model, figures


@torch.no_grad()
def held_out_loss(denoiser: Denoiser, limit: int) -> float:
    """L_simple en imágenes de prueba, con los mismos t y ε para las dos redes."""
    generator, total = torch.Generator().manual_seed(0), 0.0
    x0 = padded(images.load("fashion-mnist", "test").to_model()[:limit])
    for part in x0.split(250):
        t, _ = Uniform(stratified=True)(denoiser.schedule, len(part), generator)
        eps = torch.randn(part.shape, generator=generator)
        total += simple(denoiser, part, t, eps).sum().item()
    return total / len(x0)


def draw(denoiser: Denoiser, n: int, steps: int) -> torch.Tensor:
    """`n` muestras de 28 × 28 con DDIM, desde el mismo ruido para las dos redes."""
    generator, clipped, parts = torch.Generator().manual_seed(0), Threshold(denoiser), []
    for count in [100] * (n // 100) + [n % 100] * bool(n % 100):
        x_T = denoiser.schedule.prior_sample((count, 1, SIDE, SIDE), generator)
        parts.append(sample(clipped, x_T, steps, "ddim"))
    return cropped(torch.cat(parts)).clamp(-1, 1).contiguous()


def worker(task: dict) -> None:
    """El subproceso: entrena, muestrea y guarda las muestras con sus cifras."""
    torch.set_num_threads(1)
    denoiser, figures = train(task)
    figures["test_loss"] = round(held_out_loss(denoiser, task["evaluation"]), 5)
    samples = draw(denoiser, task["samples"], task["sampling_steps"])
    save_file({"samples": samples}, task["file"])
    Path(task["file"]).with_suffix(".json").write_text(json.dumps(figures))


def side_by_side(task: dict, folder: Path) -> list[dict]:
    """Los dos entrenamientos a la vez; devuelve las cifras y el archivo de muestras de cada uno."""
    tasks = [
        task | {"library": name, "file": str(folder / f"{name}-{task['seed']}.safetensors")}
        for name in LIBRARIES
    ]
    command = [sys.executable, __file__, "--worker"]
    processes = [subprocess.Popen([*command, json.dumps(t)], env=environment(1)) for t in tasks]
    try:
        codes = [process.wait() for process in processes]
    finally:  # si uno de los dos no llegó al final, el otro tampoco sigue
        for process in processes:
            process.kill()
    if any(codes):
        raise SystemExit(f"Un entrenamiento terminó mal (códigos {codes}).")
    return [
        {"library": t["library"], "seed": t["seed"], "file": t["file"]}
        | json.loads(Path(t["file"]).with_suffix(".json").read_text())
        for t in tasks
    ]


def measure(runs: list[dict], reference: int) -> dict:
    """Añade a cada entrenamiento sus distancias y devuelve el suelo, común a todos."""
    real_a = metrics.features(images.load("fashion-mnist", "train").to_model()[:reference])
    real_b = metrics.features(images.load("fashion-mnist", "test").to_model()[:reference])
    floor = {}
    for run in runs:
        samples = metrics.features(load_file(run.pop("file"))["samples"])
        for name in ("frechet", "kernel"):
            comparison = metrics.compare(samples, real_a, real_b, name)
            run[name], floor[name] = round(comparison.value, 4), round(comparison.floor, 4)
    return floor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="minutos de CPU de cada red")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="una carrera por semilla")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    formats = ("contiguous", "channels_last")
    parser.add_argument("--format", choices=formats, default="channels_last")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--sampling-steps", type=int, default=50)
    parser.add_argument("--evaluation", type=int, default=EVALUATION, help=argparse.SUPPRESS)
    parser.add_argument("--reference", type=int, default=10_000, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS / "calidad.json")
    parser.add_argument("--readme", type=Path, default=README, help="dónde se pone la tabla")
    parser.add_argument("--folder", type=Path, default=Path("salidas/benchmarks"))
    parser.add_argument("--worker", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return worker(options.worker)

    names = ("minutes", "precision", "format", "samples", "sampling_steps", "evaluation")
    task = {name: getattr(options, name) for name in names}
    options.folder.mkdir(parents=True, exist_ok=True)
    result, runs = {"machine": machine()} | task, []
    for seed in options.seeds:
        runs += side_by_side(task | {"seed": seed}, options.folder)
    result["floor"] = measure(runs, options.reference)
    result["runs"] = runs
    for run in runs:
        print(run)
    publish("calidad", result, options.out, options.readme)


if __name__ == "__main__":
    main()
