"""Mide la calidad de `ddpm-fashion` (o de su gemela) y la escribe en la ficha de los pesos.

    python scripts/measure_ddpm.py ddpm-fashion            # unos 15 minutos en un hilo de CPU
    python scripts/measure_ddpm.py ddpm-fashion-sigma      # cota variacional en bits/dim

Cada distancia va con su suelo: la de otras tantas imágenes reales de prueba a las mismas 10 000
de entrenamiento. Las distancias se miden sobre los rasgos de `clasificador-fashion`.
"""

import argparse
import json
from pathlib import Path

import torch

from course_lib import metrics, weights
from course_lib.data import images
from course_lib.diffusion import sample
from course_lib.diffusion.guidance import ClassifierFree, Threshold
from course_lib.diffusion.vlb import bits_per_dim
from course_lib.training import checkpoint

RUNS = (  # pasos, método, imágenes
    (10, "dpmpp_2m", 500),
    (10, "ddim", 500),
    (20, "dpmpp_2m", 500),
    (20, "ddim", 500),
    (50, "ddim", 500),
    (50, "ancestral", 500),
    (1000, "ancestral", 100),
)
GUIDANCE = {"scale": 2.0, "steps": 20, "method": "dpmpp_2m", "n": 500}


def draw(denoiser, n: int, steps: int, method: str) -> tuple[torch.Tensor, torch.Tensor]:
    """`n` imágenes con las diez clases por igual, en lotes de 100."""
    labels = torch.arange(n) % 10
    parts = []
    for batch, y in enumerate(labels.split(100)):
        generator = torch.Generator().manual_seed(batch)
        x_T = denoiser.schedule.prior_sample((len(y), 1, 28, 28), generator)
        parts.append(sample(denoiser, x_T, steps, method, generator=generator, y=y))
    return torch.cat(parts).clamp(-1, 1), labels


def distances(samples, real_a, real_b) -> dict:
    """Fréchet y núcleo, cada una con su suelo."""
    result = {}
    for name in ("frechet", "kernel"):
        comparison = metrics.compare(metrics.features(samples), real_a, real_b, name)
        result[name] = round(comparison.value, 3)
        result[f"{name}_floor"] = round(comparison.floor, 3)
    return result


def quality(denoiser) -> dict:
    """La tabla de calidad según el número de pasos, y lo que reconoce el clasificador."""
    real_a = metrics.features(images.load("fashion-mnist", "train").to_model()[:10_000])
    test = images.load("fashion-mnist", "test")
    real_b = metrics.features(test.to_model())
    clipped = Threshold(denoiser)
    guided = Threshold(ClassifierFree(denoiser, GUIDANCE["scale"]))
    samples, labels = draw(guided, GUIDANCE["n"], GUIDANCE["steps"], GUIDANCE["method"])
    accuracy = metrics.class_accuracy(samples, labels)
    recognised = GUIDANCE | distances(samples, real_a, real_b)
    recognised["accuracy"] = round(accuracy.total, 3)
    recognised["per_class"] = {
        test.class_names[c]: round(value, 3) for c, value in accuracy.per_class.items()
    }
    real = metrics.class_accuracy(test.to_model(), test.labels)
    recognised["real_images"] = round(real.total, 3)
    print(recognised, flush=True)
    table = []
    for steps, method, n in RUNS:
        samples, labels = draw(clipped, n, steps, method)
        row = {"steps": steps, "method": method, "n": n, "guidance": 1.0}
        row |= distances(samples, real_a, real_b)
        row["accuracy"] = round(metrics.class_accuracy(samples, labels).total, 3)
        table.append(row)
        print(row, flush=True)
    return {"by_steps": table, "guided": recognised}


def bound(denoiser) -> dict:
    """La cota variacional de 200 imágenes de prueba con varianza fija y, si la hay, aprendida."""
    test = images.load("fashion-mnist", "test")
    x0, y = test.to_model()[:200], test.labels[:200]
    rules = ("small", "large") + (("learned",) if denoiser.learned_variance else ())
    result = {"images": 200, "steps": 50}
    for rule in rules:
        value = bits_per_dim(denoiser, x0, steps=50, variance=rule, generator=0, y=y)
        result[rule] = {
            part: round(getattr(value, part).mean().item(), 4)
            for part in ("prior", "diffusion", "decoder", "total")
        }
        result[rule]["standard_error"] = round(value.total.std().item() / 200**0.5, 4)
        print(rule, result[rule], flush=True)
    return result


def write_quality(name: str, measured: dict, folder: Path = weights.FOLDER) -> Path:
    """Añade `measured` a la ficha de los pesos `name`, de la que depende que se puedan cargar."""
    path = folder / f"{name}.json"
    card = weights.info(name, folder) | {"quality": measured}
    text = json.dumps(card, ensure_ascii=False, indent=2) + "\n"
    checkpoint.write_atomic(path, text.encode())
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=("ddpm-fashion", "ddpm-fashion-sigma"))
    name = parser.parse_args().name
    denoiser = weights.load(name)
    measured = {"bits_per_dim": bound(denoiser)}
    if name == "ddpm-fashion":
        measured |= quality(denoiser)
    print(f"Calidad escrita en {write_quality(name, measured)}.")


if __name__ == "__main__":
    main()
