"""Mide `ddpm-fashion` en tiempo continuo y lo escribe en su ficha: capítulo 6.

    python scripts/measure_sde.py calidad          # unos 45 minutos en un hilo de CPU
    python scripts/measure_sde.py calidad --methods heun ddim   # solo esos; las demás filas se quedan
    python scripts/measure_sde.py verosimilitud    # unos 15 minutos en un hilo de CPU

«calidad»: distancias de Fréchet y de núcleo, y cobertura, de N imágenes sin guía, contra el número
de evaluaciones de la red. Todos los métodos parten de `T_MAX` (en t = 1 la SDE del coseno es
singular) y de las mismas semillas. La rejilla de cada método es la mejor de tres, elegida antes
con otras imágenes y otra semilla a `PILOT_EVALUATIONS` evaluaciones.

«verosimilitud»: bits por dimensión de imágenes de prueba por la ODE de flujo, con descuantización
uniforme y la traza de Hutchinson; y los de otros conjuntos, con las mismas reglas.
"""

import argparse
import math
import time
from collections.abc import Iterable

import torch
from measure_ddpm import write_quality
from torch import Tensor, nn

from course_lib import metrics, weights
from course_lib.data import images
from course_lib.diffusion import likelihood, sample
from course_lib.diffusion.guidance import Threshold

NAME, T_MAX, N, BATCH = "ddpm-fashion", 0.99, 400, 100
PER_STEP = {"heun": 2, "predictor_corrector": 2}  # evaluaciones por paso; los demás, una
EVALUATIONS = {
    "ddim": (10, 20, 40, 80),
    "dpmpp_2m": (10, 20, 40, 80),
    "heun": (10, 20, 40, 80),
    "euler_maruyama": (20, 40, 80),  # con menos, sus pasos no resuelven la SDE
    "predictor_corrector": (20, 40, 80),
}
SPACINGS = ("t", "lambda", "rho")
PILOT_IMAGES, PILOT_EVALUATIONS, PILOT_SEED = 200, 20, 1000
IMAGES, PROBES, FIRST = 200, 1, "prueba, las 50 primeras"
ALTERED = ("prueba, otra clase", "prueba, cabeza abajo", "prueba, píxeles barajados")
STEPS, METHOD, SPACING = 25, "rk4", "lambda"  # Heun pediría 200 pasos para la misma cifra
T_MIN = 1e-3  # el primer nodo de la tabla: por debajo la red no se entrenó


class Counted(nn.Module):
    """Un eliminador de ruido que cuenta cuántas veces se evalúa."""

    def __init__(self, denoiser):
        super().__init__()
        self.denoiser, self.schedule, self.calls = denoiser, denoiser.schedule, 0

    def forward(self, x_t, t, **cond):
        self.calls += 1
        return self.denoiser(x_t, t, **cond)


def draw(denoiser, method: str, spacing: str, steps: int, n: int, seed: int) -> tuple[Tensor, int]:
    """`n` imágenes con las diez clases por igual, y las evaluaciones que costó cada una."""
    grid, counted, parts = denoiser.schedule.grid(steps, spacing, T_MAX), Counted(denoiser), []
    for batch, y in enumerate((torch.arange(n) % 10).split(BATCH)):
        generator = torch.Generator().manual_seed(seed + batch)
        x = denoiser.schedule.prior_sample((len(y), 1, 28, 28), generator, t=T_MAX)
        parts.append(sample(counted, x, grid, method, generator=generator, y=y))
    return torch.cat(parts).clamp(-1, 1), counted.calls // len(parts)


class Judge:
    """Los rasgos de las imágenes reales y las distancias a ellos."""

    def __init__(self):
        self.train = metrics.features(images.load("fashion-mnist", "train").to_model()[:10_000])
        self.test = metrics.features(images.load("fashion-mnist", "test").to_model())

    def measure(self, feats: Tensor) -> dict:
        """Fréchet y núcleo a 10 000 imágenes de entrenamiento; cobertura de otras tantas."""
        return {
            "n": len(feats),
            "frechet": round(metrics.frechet_distance(feats, self.train), 3),
            "kernel": round(metrics.kernel_distance(feats, self.train), 4),
            "coverage": round(metrics.density_coverage(feats, self.train[: len(feats)])[1], 3),
        }


def best_spacing(denoiser, judge: Judge, method: str) -> str:
    """La rejilla con menor distancia de Fréchet en la prueba previa."""
    steps, scores = PILOT_EVALUATIONS // PER_STEP.get(method, 1), {}
    for spacing in SPACINGS:
        samples, _ = draw(denoiser, method, spacing, steps, PILOT_IMAGES, PILOT_SEED)
        value = judge.measure(metrics.features(samples))["frechet"]
        scores[spacing] = value if math.isfinite(value) else math.inf
    print(method, scores, flush=True)
    return min(scores, key=scores.get)


def quality(methods: Iterable[str] = tuple(EVALUATIONS)) -> dict:
    """La tabla de calidad contra el número de evaluaciones, con su suelo.

    Se miden los `methods`; las filas de los demás son las que ya estaban en la ficha.
    """
    denoiser, judge = Threshold(weights.load(NAME)), Judge()
    known = weights.info(NAME)["quality"].get("by_evaluations", [])
    rows = []
    for method, budgets in EVALUATIONS.items():
        if method not in methods:
            rows += [row for row in known if row["method"] == method]
            continue
        spacing = best_spacing(denoiser, judge, method)
        for evaluations in budgets:
            steps = evaluations // PER_STEP.get(method, 1)
            samples, spent = draw(denoiser, method, spacing, steps, N, seed=0)
            row = {"method": method, "spacing": spacing, "steps": steps, "evaluations": spent}
            row |= {"t_max": T_MAX} | judge.measure(metrics.features(samples))
            rows.append(row)
            print(row, flush=True)
    return {"by_evaluations": rows, "by_evaluations_floor": judge.measure(judge.test[:N])}


def shuffled(x: Tensor) -> Tensor:
    """Cada imagen con sus píxeles en otro orden: los mismos valores, sin prenda."""
    order = torch.randperm(x[0].numel(), generator=torch.Generator().manual_seed(0))
    return x.flatten(1)[:, order].view_as(x)


def sets() -> dict[str, tuple[Tensor, Tensor]]:
    """Los conjuntos que se miden: imágenes y clases."""
    test, train = images.load("fashion-mnist", "test"), images.load("fashion-mnist", "train")
    x, y = test.to_model()[:IMAGES], test.labels[:IMAGES]
    altered = (x[:50], (y[:50] + 1) % 10), (x[:50].flip(2), y[:50]), (shuffled(x[:50]), y[:50])
    return {
        "prueba": (x, y),
        FIRST: (x[:50], y[:50]),
        "entrenamiento": (train.to_model()[:IMAGES], train.labels[:IMAGES]),
    } | dict(zip(ALTERED, altered, strict=True))


def bits(denoiser, x: Tensor, y: Tensor, steps: int) -> Tensor:
    """Los bits por dimensión de cada imagen, con el azar que fija su lugar en el conjunto."""
    parts = enumerate(zip(x.split(50), y.split(50), strict=True))
    options = {"method": METHOD, "steps": steps, "spacing": SPACING, "t_min": T_MIN}
    options |= {"trace": "hutchinson", "probes": PROBES}
    return torch.cat(
        [likelihood.bits_per_dim(denoiser, a, generator=i, y=b, **options) for i, (a, b) in parts]
    )


def paired(value: Tensor, unaltered: Tensor) -> dict:
    """Lo que cambian unas imágenes al alterarlas, y su error estándar, imagen a imagen."""
    change = value - unaltered
    error = change.std().item() / len(change) ** 0.5
    return {"change": round(change.mean().item(), 4), "change_error": round(error, 4)}


def likelihoods() -> dict:
    """Los bits por dimensión de cada conjunto, y cuánto cambian con el doble de pasos."""
    denoiser, rows, measured = weights.load(NAME), [], {}
    for name, (x, y) in sets().items():
        value = measured[name] = bits(denoiser, x, y, STEPS)
        error = round(value.std().item() / len(value) ** 0.5, 4)
        row = {"set": name, "images": len(x), "bits_per_dim": round(value.mean().item(), 4)}
        row["standard_error"] = error
        rows.append(row | paired(value, measured[FIRST]) if name in ALTERED else row)
        print(rows[-1], flush=True)
    change = (bits(denoiser, *sets()[FIRST], 2 * STEPS) - measured[FIRST]).mean().item()
    print("doble de pasos:", change, flush=True)
    return {
        "likelihood": {
            "images": IMAGES,
            "steps": STEPS,
            "method": METHOD,
            "spacing": SPACING,
            "t_min": T_MIN,
            "probes": PROBES,
            "change_with_twice_the_steps": round(change, 4),
            "rows": rows,
        }
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="+", choices=("calidad", "verosimilitud"))
    parser.add_argument("--methods", nargs="+", choices=EVALUATIONS, default=EVALUATIONS)
    arguments = parser.parse_args()
    for what in arguments.what:
        start = time.process_time()
        measured = quality(arguments.methods) if what == "calidad" else likelihoods()
        card = weights.info(NAME)["quality"] | measured
        path = write_quality(NAME, card)
        print(f"{what}: escrita en {path} tras {time.process_time() - start:.0f} s de CPU.")


if __name__ == "__main__":
    main()
