"""Entrena el clasificador de Fashion-MNIST con el que el curso mide la calidad de las muestras.

Uso: python scripts/train_classifier.py [--hilos 2] [--semilla 0] [--solo-pulido]
Usa las 60 000 imágenes de entrenamiento y no mira las 10 000 de prueba hasta el final. Guarda
course_lib/weights/clasificador-fashion.safetensors y .json.
"""

import argparse
import time
from dataclasses import asdict, dataclass
from datetime import date

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import weights
from course_lib.data import images
from course_lib.networks.classifier import Classifier

NAME = "clasificador-fashion"
ARGS = {"channels": 1, "num_classes": 10, "base": 24, "width": 128, "dropout": 0.2}


@dataclass(frozen=True)
class Stage:
    """Una etapa: épocas, tasa máxima y si las imágenes se reflejan y desplazan."""

    epochs: int
    rate: float
    augmented: bool


# Primero con imágenes alteradas; el pulido final las ve tal como son.
STAGES = (Stage(10, 3e-3, True), Stage(3, 5e-4, False))
SHOES = torch.tensor([5, 7, 9])


def augment(x: Tensor, y: Tensor, generator: torch.Generator, shift: int = 2) -> Tensor:
    """Refleja la mitad de las prendas y desplaza cada imagen hasta `shift` píxeles (fondo −1).

    El calzado no se refleja: en Fashion-MNIST mira siempre al mismo lado, y unos rasgos ciegos a
    ello no verían que una muestra mira al otro.
    """
    side = x.shape[-1]
    flip = (torch.rand(len(x), generator=generator) < 0.5) & ~torch.isin(y, SHOES)
    x = torch.where(flip[:, None, None, None], x.flip(-1), x)
    padded = F.pad(x, (shift,) * 4, value=-1.0)[:, 0]
    dy, dx = torch.randint(0, 2 * shift + 1, (2, len(x), 1), generator=generator)
    rows, columns = dy + torch.arange(side), dx + torch.arange(side)
    index = torch.arange(len(x))[:, None, None]
    return padded[index, rows[:, :, None], columns[:, None, :]][:, None]


@torch.no_grad()
def accuracy(net: Classifier, x: Tensor, y: Tensor) -> tuple[float, list[float]]:
    """Exactitud total y por clase."""
    net.eval()
    right = torch.cat([net.predict(part) for part in x.split(1000)]) == y
    return right.float().mean().item(), [right[y == c].float().mean().item() for c in range(10)]


def train(net: Classifier, x: Tensor, y: Tensor, stage: Stage, batch: int, seed: int) -> int:
    """AdamW con OneCycle y etiquetas suavizadas; devuelve el número de pasos."""
    generator = torch.Generator().manual_seed(seed)
    each = len(x) // batch
    optimizer = torch.optim.AdamW(net.parameters(), lr=stage.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, stage.rate, stage.epochs * each, pct_start=0.2
    )
    start = time.perf_counter()
    for epoch in range(stage.epochs):
        net.train()
        total = 0.0
        for index in torch.randperm(len(x), generator=generator).split(batch)[:each]:
            inputs = augment(x[index], y[index], generator) if stage.augmented else x[index]
            logits = net(inputs.to(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits, y[index], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        seconds = time.perf_counter() - start
        print(
            f"época {epoch + 1}/{stage.epochs}  pérdida {total / each:.4f}  {seconds:.0f} s",
            flush=True,
        )
    return stage.epochs * each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lote", type=int, default=128)
    parser.add_argument("--hilos", type=int, default=2)
    parser.add_argument("--semilla", type=int, default=0)
    parser.add_argument("--solo-pulido", action="store_true", help="parte de los pesos guardados")
    options = parser.parse_args()
    torch.set_num_threads(options.hilos)
    torch.manual_seed(options.semilla)

    data, test = images.load("fashion-mnist", "train"), images.load("fashion-mnist", "test")
    print(data.source, test.source, sep="\n", flush=True)
    if len(data) != 60_000:
        raise SystemExit("El clasificador se entrena con las 60 000 imágenes, no con la muestra.")
    net = Classifier(**ARGS).to(memory_format=torch.channels_last)
    stages, steps, seconds = STAGES, 0, 0.0
    if options.solo_pulido:
        net.load_state_dict(weights.load(NAME).state_dict())
        done = weights.info(NAME)["training"]
        stages, steps, seconds = STAGES[1:], done["steps"], done["seconds"]
    start = time.perf_counter()
    x = data.to_model()
    for i, stage in enumerate(stages):
        steps += train(net, x, data.labels, stage, options.lote, options.semilla + i)
    seconds += time.perf_counter() - start
    total, per_class = accuracy(net, test.to_model(), test.labels)
    print(f"exactitud en prueba: {total:.4f}", *(f"{a:.3f}" for a in per_class), flush=True)
    names = zip(test.class_names, per_class, strict=True)
    training = {
        "script": "scripts/train_classifier.py",
        "data": "Fashion-MNIST, 60000 imágenes de entrenamiento",
        "augmentation": "reflejo (1/2, salvo el calzado) y desplazamiento de hasta 2 px",
        "stages": [asdict(stage) for stage in STAGES],
        "steps": steps,
        "batch": options.lote,
        "seed": options.semilla,
        "seconds": round(seconds),
        "date": date.today().isoformat(),
        "device": f"CPU compartida, {options.hilos} hilo(s)",
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in net.parameters()),
    }
    quality = {
        "test_images": len(test),
        "test_accuracy": round(total, 4),
        "per_class_accuracy": {name: round(a, 4) for name, a in names},
    }
    network = {"class": "Classifier", "args": ARGS}
    config = {"kind": "classifier", "network": network, "training": training, "quality": quality}
    weights.save(NAME, net, config)


if __name__ == "__main__":
    main()
