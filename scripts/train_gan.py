"""Entrena la GAN que el curso reparte: `dcgan-fashion`, el generador promediado de una DCGAN.

    python scripts/train_gan.py             # unos 10 minutos en un hilo de CPU
    python scripts/train_gan.py --seed 1    # otra semilla: a salidas/semillas/

Pérdida no saturante con R1 en el discriminador y dos tasas (TTUR). Se puede cortar con Ctrl-C y
repetir. La calidad la mide después `scripts/measure_families.py`.
"""

import argparse
from pathlib import Path

import torch
from shipped import SEEDS, fit, load_data, report, stop_after, training_card

from course_lib import weights
from course_lib.adversarial import AdversarialTrainer
from course_lib.networks import Discriminator, Generator

NAME, EMA = "dcgan-fashion", 0.999
GENERATOR = {"latent_dim": 64, "channels": 1, "size": 28, "base": 32}
DISCRIMINATOR = {"channels": 1, "size": 28, "base": 32, "spectral": False}
GAME = {"loss": "non-saturating", "r1": 0.5, "lr": 4e-4, "discriminator_lr": 8e-4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="solo la semilla 0 se reparte")
    parser.add_argument("--minutes", type=float, default=120, help="duración máxima en minutos")
    parser.add_argument("--steps", type=int, default=10_000, help="número máximo de pasos")
    parser.add_argument("--folder", default="salidas/puntos", help="puntos de control")
    arguments = parser.parse_args()
    seed = arguments.seed

    data = load_data()
    torch.manual_seed(seed)
    trainer = AdversarialTrainer(
        Generator(**GENERATOR),
        Discriminator(**DISCRIMINATOR),
        data.to_model(),
        **GAME,
        batch_size=64,
        steps=arguments.steps,
        ema=EMA,
        mixed_precision="bf16",
        seed=seed,
        checkpoint_dir=Path(arguments.folder) / f"{NAME}-{seed}",
        checkpoint_every=500,
        callbacks=[stop_after(arguments.minutes), report],
    )
    cpu_seconds = fit(trainer)
    config = {
        "kind": "generator",
        "network": {"class": "Generator", "args": GENERATOR},
        "training": training_card(
            trainer,
            data.source,
            script="scripts/train_gan.py",
            seed=seed,
            ema=EMA,
            cpu_seconds=None if cpu_seconds is None else round(cpu_seconds),
            discriminator=DISCRIMINATOR,
            game=GAME,
        ),
        "quality": {},
    }
    saved, folder = (NAME, None) if seed == 0 else (f"{NAME}-{seed}", SEEDS)
    weights.save(saved, trainer.ema_model, config, folder, dtype=torch.float16)
    print(f"Pesos guardados tras {trainer.step} pasos y {trainer.seconds / 60:.0f} minutos.")


if __name__ == "__main__":
    main()
