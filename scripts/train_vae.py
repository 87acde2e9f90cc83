"""Entrena los VAE que el curso reparte: `vae-fashion` (32 latentes) y `vae-fashion-2d` (dos).

    python scripts/train_vae.py vae-fashion             # unos 10 minutos en un hilo de CPU
    python scripts/train_vae.py vae-fashion --seed 1    # otra semilla: a salidas/semillas/

Los dos llevan la clase como condición y la ley categórica de 256 valores, de modo que su ELBO es
una cota de los bits por dimensión, como la de la difusión. Se puede cortar con Ctrl-C y repetir. La
calidad la mide después `scripts/measure_families.py`.
"""

import argparse
from pathlib import Path

import torch
from shipped import SEEDS, fit, load_data, report, stop_after, training_card

from course_lib import networks, weights
from course_lib.latent import VAE, DiscreteLikelihood
from course_lib.training import Trainer

MODELS = {
    "vae-fashion": {
        "latent_dim": 32,
        "encoder": ("ConvEncoder", {"latent_dim": 32, "base": 32, "hidden": 128}),
        "decoder": ("ConvDecoder", {"latent_dim": 32, "base": 32, "hidden": 128}),
        "std": "shared",
        "steps": 10_000,
    },
    "vae-fashion-2d": {
        "latent_dim": 2,
        "encoder": ("MLPEncoder", {"shape": [1, 28, 28], "latent_dim": 2, "hidden": 256}),
        "decoder": ("MLPDecoder", {"latent_dim": 2, "shape": [1, 28, 28], "hidden": 128}),
        "std": "shared",
        "steps": 20_000,
    },
}


def describe(name: str) -> dict:
    """La parte de la ficha de la que se reconstruye el modelo."""
    model = MODELS[name]
    parts = {}
    for part in ("encoder", "decoder"):
        kind, args = model[part]
        parts[part] = {"class": kind, "args": args | {"num_classes": 10}}
    law = {"class": "DiscreteLikelihood", "args": {"std": model["std"]}}
    return {"kind": "vae", "latent_dim": model["latent_dim"], **parts, "likelihood": law}


def build(name: str) -> VAE:
    """El VAE sin entrenar."""
    model = MODELS[name]
    encoder, decoder = (
        getattr(networks, kind)(**args, num_classes=10)
        for kind, args in (model["encoder"], model["decoder"])
    )
    return VAE(encoder, decoder, DiscreteLikelihood(model["std"]), model["latent_dim"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=tuple(MODELS))
    parser.add_argument("--seed", type=int, default=0, help="solo la semilla 0 se reparte")
    parser.add_argument("--minutes", type=float, default=120, help="duración máxima en minutos")
    parser.add_argument("--folder", default="salidas/puntos", help="puntos de control")
    arguments = parser.parse_args()
    name, seed = arguments.name, arguments.seed

    data = load_data()
    torch.manual_seed(seed)
    trainer = Trainer(
        build(name),
        VAE.loss,
        (data.to_model(), data.labels),
        batch_size=128,
        lr=1e-3,
        warmup=200,
        steps=MODELS[name]["steps"],
        ema=0.999,
        seed=seed,
        checkpoint_dir=Path(arguments.folder) / f"{name}-{seed}",
        checkpoint_every=1000,
        callbacks=[stop_after(arguments.minutes), report],
    )
    cpu_seconds = fit(trainer)
    card = training_card(
        trainer,
        data.source,
        script="scripts/train_vae.py",
        seed=seed,
        ema=0.999,
        cpu_seconds=None if cpu_seconds is None else round(cpu_seconds),
    )
    config = describe(name) | {"training": card, "quality": {}}
    saved, folder = (name, None) if seed == 0 else (f"{name}-{seed}", SEEDS)
    weights.save(saved, trainer.ema_model, config, folder, dtype=torch.float16)
    print(f"Pesos guardados tras {trainer.step} pasos y {trainer.seconds / 60:.0f} minutos.")


if __name__ == "__main__":
    main()
