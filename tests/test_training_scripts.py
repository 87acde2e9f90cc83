"""Los guiones que entrenan y miden los pesos repartidos: qué escriben y cuándo no escriben nada."""

import errno
import json
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from course_lib import weights
from course_lib.adversarial import AdversarialTrainer
from course_lib.data import images
from course_lib.diffusion import DDPM, Denoiser
from course_lib.latent import VAE
from course_lib.networks import UNet
from course_lib.training import CheckpointError, Trainer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import measure_ddpm  # noqa: E402
import train_ddpm  # noqa: E402
import train_ddpm_sigma  # noqa: E402
import train_gan  # noqa: E402
import train_vae  # noqa: E402

TINY = {
    "channels": 1,
    "size": 8,
    "base": 8,
    "multipliers": (1,),
    "blocks": 1,
    "attention": (),
    "num_classes": 10,
}
TINY_VAE = {
    "latent_dim": 2,
    "encoder": ("MLPEncoder", {"shape": [1, 8, 8], "latent_dim": 2, "hidden": 8}),
    "decoder": ("MLPDecoder", {"latent_dim": 2, "shape": [1, 8, 8], "hidden": 8}),
    "std": "shared",
    "steps": 3,
}
TINY_GAN = {"channels": 1, "size": 8, "base": 2}
SEEDED = [train_vae, train_gan]  # los que se entrenan con varias semillas
NAMES = {train_vae: "vae-fashion-2d", train_gan: "dcgan-fashion"}


class Data(SimpleNamespace):
    """Dice tener `n` imágenes, pero solo entrega las primeras 64, de 8 × 8."""

    source = "Fashion-MNIST de prueba"
    labels = torch.arange(64) % 10

    def __len__(self):
        return self.n

    def to_model(self):
        generator = torch.Generator().manual_seed(0)
        return torch.randint(0, 256, (64, 1, 8, 8), generator=generator) / 127.5 - 1


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Ejecuta un guion con una red diminuta y devuelve lo que entregó a `weights.save`."""
    saved, write = [], weights.save
    monkeypatch.setattr(weights, "FOLDER", tmp_path / "repartidos")
    monkeypatch.setattr(train_vae, "SEEDS", tmp_path / "semillas")
    monkeypatch.setattr(train_gan, "SEEDS", tmp_path / "semillas")
    monkeypatch.setattr(train_vae, "MODELS", {"vae-fashion-2d": TINY_VAE})
    monkeypatch.setattr(train_gan, "GENERATOR", TINY_GAN | {"latent_dim": 4})
    monkeypatch.setattr(train_gan, "DISCRIMINATOR", TINY_GAN)

    def save(name, net, config, folder=None, dtype=None):
        saved.append(config)
        if not name.startswith("ddpm"):  # las redes de los otros guiones no son las de su ficha
            write(name, net, config, folder, dtype)

    def run(module, n=60_000, steps=3, at=None, seed=None):
        """`at`: qué hacer, como un `callback` más, después del segundo paso."""
        network = UNet(**TINY, learned_variance=module is train_ddpm_sigma)
        monkeypatch.setattr(images, "load", lambda *_: Data(n=n))
        monkeypatch.setattr(train_ddpm, "NETWORK", TINY)
        monkeypatch.setattr(train_ddpm_sigma, "NETWORK", TINY)
        monkeypatch.setattr(train_ddpm_sigma, "grown_network", lambda: network)
        monkeypatch.setattr(weights, "save", save)
        engine = "AdversarialTrainer" if module is train_gan else "Trainer"
        original = AdversarialTrainer if module is train_gan else Trainer

        def small(*positional, **options):
            extra = [] if at is None else [lambda t: at(t) if t.step == 2 else None]
            callbacks = [*options.pop("callbacks"), *extra]
            options |= {"steps": steps, "batch_size": 8, "progress": False, "cpu": True}
            return original(*positional, **options, callbacks=callbacks)

        monkeypatch.setattr(module, engine, small)
        name = ["vae-fashion-2d"] if module is train_vae else []
        choice = [] if seed is None else ["--seed", str(seed)]
        folder = ["--folder", str(tmp_path / "puntos")]
        monkeypatch.setattr(sys, "argv", ["guion", *name, *choice, *folder])
        module.main()
        return saved

    run.saved = saved
    return run


ALL = [train_ddpm, train_ddpm_sigma, train_vae, train_gan]
every_script = pytest.mark.parametrize("module", ALL, ids=lambda m: m.__name__)
precision = {train_ddpm: "bf16", train_ddpm_sigma: "bf16", train_vae: "no", train_gan: "bf16"}


@every_script
def test_ctrl_c_no_toca_los_pesos_repartidos_y_se_puede_seguir(script, module, tmp_path):
    with pytest.raises(SystemExit, match="Ctrl-C.*los pesos no se tocan"):
        script(module, steps=4, at=lambda t: signal.raise_signal(signal.SIGINT))
    assert script.saved == [] and not (tmp_path / "repartidos").exists()
    (point,) = (tmp_path / "puntos").rglob("entrenamiento.json")
    assert json.loads(point.read_text())["paso"] == 2
    (config,) = script(module, steps=4)
    assert config["training"]["steps"] == 4
    if module in SEEDED:  # una parte se hizo en otra ejecución: no se sabe lo que costó
        assert config["training"]["cpu_seconds"] is None


@every_script
def test_la_ficha_dice_lo_que_de_verdad_se_hizo(script, module):
    trainers = []
    (config,) = script(module, at=trainers.append)
    training, trainer = config["training"], trainers[0]
    assert training["device"] == "CPU" and training["precision"] == precision[module]
    assert (training["steps"], training["images"]) == (3, 24)
    assert training["script"] == f"scripts/{module.__name__}.py"
    assert training["data"] == Data.source and training["batch_size"] == 8
    if module in SEEDED:
        assert isinstance(training["cpu_seconds"], int) and training["cpu_seconds"] >= 0
    losses = [loss for _, loss in trainer.history]
    assert training["final_loss"] == pytest.approx(sum(losses) / 3, abs=1e-4)


@every_script
def test_parar_por_el_tiempo_si_guarda(script, module):
    (config,) = script(module, steps=9, at=lambda t: t.stop())
    assert config["training"]["steps"] == 2


@every_script
def test_la_precision_es_la_de_ese_entrenamiento(script, module):
    """Aunque se cree otro `Trainer` por el camino: Accelerate comparte su estado."""

    def another(trainer):
        other = "no" if precision[module] == "bf16" else "bf16"
        options = {"cpu": True, "mixed_precision": other}
        Trainer(torch.nn.Linear(1, 1), lambda m, b, g: m(b).mean(), torch.ones(3, 1), **options)

    (config,) = script(module, at=another)
    assert config["training"]["precision"] == precision[module]


@every_script
def test_con_la_muestra_no_se_entrena(script, module):
    with pytest.raises(SystemExit, match="60 000 imágenes, no con la muestra"):
        script(module, n=2000)
    assert script.saved == []


@pytest.mark.parametrize("module", SEEDED, ids=lambda m: m.__name__)
def test_solo_la_semilla_cero_va_a_los_pesos_repartidos(script, module, tmp_path):
    shipped, seeds, name = tmp_path / "repartidos", tmp_path / "semillas", NAMES[module]
    script(module, seed=1)
    assert not shipped.exists() and weights.available(seeds) == [f"{name}-1"]
    script(module)
    assert weights.available(shipped) == [name]
    assert weights.available(seeds) == [f"{name}-1"]
    zero, one = weights.load(name, folder=shipped), weights.load(f"{name}-1", folder=seeds)
    assert weights.info(name, shipped)["training"]["seed"] == 0
    assert weights.info(f"{name}-1", seeds)["training"]["seed"] == 1
    pairs = zip(zero.parameters(), one.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)  # otra semilla, otros pesos
    points = sorted(path.parent.name for path in (tmp_path / "puntos").rglob("entrenamiento.json"))
    assert points == [f"{name}-0", f"{name}-1"]  # ninguna continúa el entrenamiento de la otra


@pytest.mark.parametrize("module", SEEDED, ids=lambda m: m.__name__)
def test_lo_que_se_reparte_es_la_red_promediada(script, module, tmp_path):
    trainers = []
    script(module, at=trainers.append)
    loaded = weights.load(NAMES[module], folder=tmp_path / "repartidos")
    assert isinstance(loaded, VAE if module is train_vae else train_gan.Generator)
    averaged, last = trainers[0].ema_model.state_dict(), trainers[0].model.state_dict()
    for key, value in loaded.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(value, averaged[key].half().float()), key
    assert any(not torch.equal(averaged[key], last[key]) for key in averaged)


def test_la_calidad_se_escribe_sin_estados_intermedios(tmp_path, monkeypatch):
    config = {
        "kind": "denoiser",
        "network": {"class": "UNet", "args": TINY},
        "schedule": {"class": "DDPM.cosine", "args": {"T": 20}},
        "prediction": "v",
        "training": {"steps": 1},
        "quality": {},
    }
    weights.save("prueba", Denoiser(UNet(**TINY), DDPM.cosine(20), "v"), config, tmp_path)
    path = tmp_path / "prueba.json"
    measure_ddpm.write_quality("prueba", {"frechet": 1.5, "nota": "año"}, tmp_path)
    assert weights.info("prueba", tmp_path)["quality"] == {"frechet": 1.5, "nota": "año"}
    assert weights.load("prueba", folder=tmp_path).kind == "v"
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="no queda espacio"):
        measure_ddpm.write_quality("prueba", {"frechet": 2.5}, tmp_path)
    assert path.read_bytes() == before
