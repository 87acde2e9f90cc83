"""Entrena los pesos que el curso reparte: `ddpm-fashion`, condicionado por clase.

    python scripts/train_ddpm.py --minutes 75        # se puede cortar con Ctrl-C y repetir

Usa la GPU si la hay. Guarda un punto de control cada 500 pasos en `salidas/ddpm-fashion/`; al
terminar, por pasos o por tiempo, escribe `course_lib/weights/ddpm-fashion.safetensors` y su ficha
JSON (con Ctrl-C no los toca). La calidad la mide después `scripts/measure_ddpm.py`, que la añade a
la ficha.
"""

import argparse

import torch
from shipped import fit, load_data, report, stop_after, training_card

from course_lib import weights
from course_lib.diffusion import DDPM, Denoiser
from course_lib.diffusion.losses import Objective
from course_lib.diffusion.times import Uniform
from course_lib.networks import UNet
from course_lib.training import Trainer

NETWORK = {
    "channels": 1,
    "size": 28,
    "base": 32,
    "multipliers": (1, 2, 2),
    "blocks": 1,
    "attention": (7,),
    "num_classes": 10,
}
T, KIND, LABEL_DROP = 1000, "v", 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=75, help="duración máxima en minutos")
    parser.add_argument("--steps", type=int, default=30_000, help="número máximo de pasos")
    parser.add_argument("--folder", default="salidas/ddpm-fashion", help="puntos de control")
    parser.add_argument("--precision", default="bf16", choices=("no", "bf16", "fp16"))
    arguments = parser.parse_args()

    data = load_data()
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(**NETWORK), DDPM.cosine(T), KIND)
    objective = Objective(
        weight=KIND, times=Uniform(stratified=True), label_drop=LABEL_DROP, null_class=10
    )

    trainer = Trainer(
        denoiser,
        objective,
        (data.to_model(), data.labels),
        batch_size=64,
        lr=5e-4,
        warmup=200,
        steps=arguments.steps,
        ema=0.999,
        mixed_precision=arguments.precision,
        channels_last=True,
        checkpoint_dir=arguments.folder,
        checkpoint_every=500,
        callbacks=[stop_after(arguments.minutes), report],
    )
    fit(trainer)
    save(trainer, data.source)


def save(trainer: Trainer, source: str) -> None:
    """Escribe los pesos promediados y su ficha."""
    config = {
        "kind": "denoiser",
        "network": {"class": "UNet", "args": NETWORK},
        "schedule": {"class": "DDPM.cosine", "args": {"T": T}},
        "prediction": KIND,
        "learned_variance": False,
        "training": training_card(
            trainer, source, script="scripts/train_ddpm.py", ema=0.999, label_drop=LABEL_DROP
        ),
        "quality": {},
    }
    weights.save("ddpm-fashion", trainer.ema_model.net, config, dtype=torch.float16)
    print(f"Pesos guardados tras {trainer.step} pasos y {trainer.seconds / 60:.0f} minutos.")


if __name__ == "__main__":
    main()
