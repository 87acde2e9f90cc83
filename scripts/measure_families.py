"""Mide con las mismas reglas las tres familias que el curso reparte y lo escribe en sus fichas.

    python scripts/measure_families.py              # todas; unos 25 minutos en un hilo de CPU
    python scripts/measure_families.py vae dcgan    # solo las que se digan

Cada fila son N imágenes de un modelo (`training_seed`) sorteadas con una semilla (`sample_seed`):
distancias de Fréchet y de núcleo a 10 000 imágenes de entrenamiento, densidad y cobertura frente a
N de ellas, reparto de clases, segundos de CPU por imagen y, si el modelo da una cota de la
verosimilitud, los bits por dimensión de 200 imágenes de prueba, siempre las mismas. El suelo mide
igual N imágenes reales de prueba y va en la ficha del clasificador. «tiempo» copia a la ficha de la
difusión lo que `benchmarks/calidad.py` midió tras los mismos minutos de entrenamiento que las otras.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import fmean

import torch
from measure_ddpm import write_quality
from shipped import SEEDS
from torch import Tensor

from course_lib import metrics, weights
from course_lib.data import images
from course_lib.diffusion import sample
from course_lib.diffusion.guidance import Threshold
from course_lib.latent import bits_per_dim, elbo_terms

N, BATCH, BOUND, PIXELS = 1000, 100, 200, 28 * 28
BENCHMARK = Path(__file__).parents[1] / "benchmarks/resultados/calidad.json"
SAMPLERS = ((20, "dpmpp_2m"), (50, "ddim"))

Draw = Callable[[Tensor, torch.Generator], Tensor]


class Reference:
    """Los datos reales contra los que se mide, y sus rasgos."""

    def __init__(self) -> None:
        train = images.load("fashion-mnist", "train").to_model()[:10_000]
        self.test = images.load("fashion-mnist", "test")
        self.train = metrics.features(train)

    def measure(self, samples: Tensor) -> dict:
        """Las medidas de unas imágenes (N, 1, 28, 28) en [-1, 1]."""
        feats = metrics.features(samples)
        density, coverage = metrics.density_coverage(feats, self.train[: len(samples)])
        return {
            "n": len(samples),
            "frechet": round(metrics.frechet_distance(feats, self.train), 3),
            "kernel": round(metrics.kernel_distance(feats, self.train), 4),
            "density": round(density, 3),
            "coverage": round(coverage, 3),
            "smallest_class": round(metrics.class_shares(samples).min().item(), 3),
        }

    def floor(self) -> dict:
        """La media de las mismas medidas en N imágenes de prueba, repetidas con las disjuntas."""
        rows = [self.measure(part) for part in self.test.to_model().split(N)[:5]]
        return {"n": N} | {
            key: round(fmean(row[key] for row in rows), 4) for key in rows[0] if key != "n"
        }


def draw(one_batch: Draw, seed: int) -> tuple[Tensor, float]:
    """N imágenes con las diez clases por igual, y los segundos de CPU que costó cada una."""
    torch.manual_seed(seed)
    start, parts = time.process_time(), []
    for batch, y in enumerate((torch.arange(N) % 10).split(BATCH)):
        parts.append(one_batch(y, torch.Generator().manual_seed(1000 * seed + batch)))
    return torch.cat(parts).clamp(-1, 1), (time.process_time() - start) / N


def vae_batch(vae, y: Tensor, generator: torch.Generator) -> Tensor:
    """Medias E[x|z] con z ~ N(0, I): la muestra de p(x|z) les sumaría ruido en cada píxel."""
    return vae.sample(len(y), generator, y, mean=True)


def gan_batch(net, y: Tensor, generator: torch.Generator) -> Tensor:
    """La GAN no tiene clases: y solo dice cuántas."""
    with torch.no_grad():
        return net(torch.randn(len(y), net.latent_dim, generator=generator))


def diffusion_batch(steps: int, method: str, model, y: Tensor, generator) -> Tensor:
    """Sin guía, con x̂_0 recortado, como en la tabla del capítulo 5."""
    x_T = model.schedule.prior_sample((len(y), 1, 28, 28), generator)
    return sample(Threshold(model), x_T, steps, method, generator=generator, y=y)


def vae_bound(vae, card: dict, reference: Reference) -> float:
    """Cota de los bits por dimensión: la ELBO con 20 muestras de z por imagen."""
    x, y = reference.test.to_model()[:BOUND], reference.test.labels[:BOUND]
    with torch.no_grad():
        pieces = elbo_terms(vae, x, 20, torch.Generator().manual_seed(0), y)
    return round(bits_per_dim(pieces.total.mean().item(), PIXELS), 3)


def no_bound(net, card: dict, reference: Reference) -> None:
    """Una GAN no da verosimilitud."""


def diffusion_bound(model, card: dict, reference: Reference) -> float:
    """La que `measure_ddpm.py` midió en las mismas imágenes."""
    return round(card["quality"]["bits_per_dim"]["small"]["total"], 3)


def models(name: str) -> Iterator[tuple[int, dict, torch.nn.Module]]:
    """El modelo repartido y los de otras semillas que haya en `salidas/semillas`."""
    for seed in range(10):
        own, folder = (name, weights.FOLDER) if seed == 0 else (f"{name}-{seed}", SEEDS)
        if own in weights.available(folder):
            yield seed, weights.info(own, folder), weights.load(own, folder=folder)


def family(name: str, sampler: str, batch, reference: Reference, bound, seeds: range) -> list:
    """Las filas de una familia: cada modelo entrenado, con cada semilla de muestreo."""
    rows = []
    for training_seed, card, model in models(name):
        bits = bound(model, card, reference)
        for seed in seeds:
            x, seconds = draw(partial(batch, model), seed)
            training = card["training"]
            row = {"model": name, "sampler": sampler, "training_seed": training_seed}
            row |= {"sample_seed": seed} | reference.measure(x) | {"bits_per_dim": bits}
            row["seconds_per_image"] = float(f"{seconds:.2g}")
            row["training_seconds"] = training.get("cpu_seconds") or training["seconds"]
            rows.append(row)
            print(row, flush=True)
    return rows


def equal_time() -> dict:
    """La distancia de Fréchet de la difusión tras unos minutos de CPU, según `benchmarks/`."""
    found = json.loads(BENCHMARK.read_text(encoding="utf-8"))
    mine = [run["frechet"] for run in found["runs"] if run["library"] == "curso"]
    card = {"minutes": found["minutes"], "n": found["samples"], "steps": found["sampling_steps"]}
    return card | {"frechet": mine, "floor": found["floor"]["frechet"]}


def diffusion_rows(reference: Reference) -> list:
    """Las filas de la difusión, con sus dos maneras de muestrear."""
    rows = []
    for steps, method in SAMPLERS:
        batch = partial(diffusion_batch, steps, method)
        sampler = f"{method}, {steps} pasos"
        rows += family("ddpm-fashion", sampler, batch, reference, diffusion_bound, range(3))
    return rows


def vae_rows(name: str, reference: Reference) -> list:
    """Las filas de un VAE."""
    return family(name, "media", vae_batch, reference, vae_bound, range(3))


def gan_rows(reference: Reference) -> list:
    """Las filas de la GAN."""
    return family("dcgan-fashion", "G(z)", gan_batch, reference, no_bound, range(3))


PARTS = {  # qué ficha se escribe, qué campo y cómo se mide
    "suelo": ("clasificador-fashion", "floor", lambda reference: reference.floor()),
    "vae": ("vae-fashion", "comparison", partial(vae_rows, "vae-fashion")),
    "vae-2d": ("vae-fashion-2d", "comparison", partial(vae_rows, "vae-fashion-2d")),
    "dcgan": ("dcgan-fashion", "comparison", gan_rows),
    "ddpm": ("ddpm-fashion", "comparison", diffusion_rows),
    "tiempo": ("ddpm-fashion", "equal_time", lambda reference: equal_time()),
}


def measure(which: str, reference: Reference) -> None:
    """Mide una familia (o el suelo, o el tiempo) y reescribe ese campo de su ficha."""
    name, field, run = PARTS[which]
    write_quality(name, weights.info(name)["quality"] | {field: run(reference)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", nargs="*", choices=(*PARTS, []), default=[])
    chosen = parser.parse_args().which or PARTS
    reference = Reference()
    for which in chosen:
        measure(which, reference)


if __name__ == "__main__":
    main()
