"""Entrena la gemela de varianza aprendida, `ddpm-fashion-sigma`, a partir de `ddpm-fashion`.

    python scripts/train_ddpm_sigma.py --minutes 10

La red copia los pesos de `ddpm-fashion` y dobla los canales de salida: la segunda mitad, que nace
en cero (v = 1/2), aprende la varianza con L_hybrid (Nichol y Dhariwal, 2021).
"""

import argparse

import torch
from shipped import fit, load_data, report, stop_after, training_card
from train_ddpm import KIND, LABEL_DROP, NETWORK, T

from course_lib import weights
from course_lib.diffusion import DDPM, Denoiser, losses
from course_lib.diffusion.times import Uniform
from course_lib.networks import UNet
from course_lib.training import Trainer


def grown_network() -> UNet:
    """La red de `ddpm-fashion` con el doble de canales de salida; los nuevos, en cero."""
    net = UNet(**NETWORK, learned_variance=True)
    state = weights.load("ddpm-fashion").net.state_dict()
    for name in ("head.2.weight", "head.2.bias"):
        state[name] = torch.cat([state[name], torch.zeros_like(state[name])])
    net.load_state_dict(state)
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="duración máxima en minutos")
    parser.add_argument("--folder", default="salidas/ddpm-fashion-sigma", help="puntos de control")
    arguments = parser.parse_args()

    data = load_data()
    torch.manual_seed(0)
    denoiser = Denoiser(grown_network(), DDPM.cosine(T), KIND, learned_variance=True)
    objective = losses.Objective(
        losses.hybrid,
        weight=KIND,
        times=Uniform(stratified=True),
        label_drop=LABEL_DROP,
        null_class=10,
    )

    trainer = Trainer(
        denoiser,
        objective,
        (data.to_model(), data.labels),
        batch_size=64,
        lr=2e-4,
        warmup=100,
        steps=10_000,
        ema=0.995,
        mixed_precision="bf16",
        channels_last=True,
        checkpoint_dir=arguments.folder,
        checkpoint_every=250,
        callbacks=[stop_after(arguments.minutes), report],
        seed=1,
    )
    fit(trainer)
    config = {
        "kind": "denoiser",
        "network": {"class": "UNet", "args": {**NETWORK, "learned_variance": True}},
        "schedule": {"class": "DDPM.cosine", "args": {"T": T}},
        "prediction": KIND,
        "learned_variance": True,
        "training": training_card(
            trainer,
            data.source,
            script="scripts/train_ddpm_sigma.py",
            start="ddpm-fashion",
            ema=0.995,
            label_drop=LABEL_DROP,
        ),
        "quality": {},
    }
    weights.save("ddpm-fashion-sigma", trainer.ema_model.net, config, dtype=torch.float16)
    print(f"Pesos guardados tras {trainer.step} pasos.")


if __name__ == "__main__":
    main()
