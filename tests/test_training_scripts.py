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
from course_lib.data import images
from course_lib.diffusion import DDPM, Denoiser
from course_lib.networks import UNet
from course_lib.training import CheckpointError, Trainer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import measure_ddpm  # noqa: E402
import train_ddpm  # noqa: E402
import train_ddpm_sigma  # noqa: E402

TINY = {
    "channels": 1,
    "size": 8,
    "base": 8,
    "multipliers": (1,),
    "blocks": 1,
    "attention": (),
    "num_classes": 10,
}


class Data(SimpleNamespace):
    """Dice tener `n` imágenes, pero solo entrega las primeras 64, de 8 × 8."""

    source = "Fashion-MNIST de prueba"
    labels = torch.arange(64) % 10

    def __len__(self):
        return self.n

    def to_model(self):
        return torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Ejecuta un guion con una red diminuta y devuelve lo que entregó a `weights.save`."""
    saved = []

    def run(module, n=60_000, steps=3, at=None):
        """`at`: qué hacer, como un `callback` más, después del segundo paso."""
        network = UNet(**TINY, learned_variance=module is train_ddpm_sigma)
        monkeypatch.setattr(images, "load", lambda *_: Data(n=n))
        monkeypatch.setattr(train_ddpm, "NETWORK", TINY)
        monkeypatch.setattr(train_ddpm_sigma, "NETWORK", TINY)
        monkeypatch.setattr(train_ddpm_sigma, "grown_network", lambda: network)
        monkeypatch.setattr(weights, "save", lambda name, net, config, **_: saved.append(config))

        def small(*positional, **options):
            extra = [] if at is None else [lambda t: at(t) if t.step == 2 else None]
            callbacks = [*options.pop("callbacks"), *extra]
            options |= {"steps": steps, "batch_size": 8, "progress": False, "cpu": True}
            return Trainer(*positional, **options, callbacks=callbacks)

        monkeypatch.setattr(module, "Trainer", small)
        monkeypatch.setattr(sys, "argv", ["guion", "--folder", str(tmp_path / "puntos")])
        module.main()
        return saved

    run.saved = saved
    return run


both = pytest.mark.parametrize("module", [train_ddpm, train_ddpm_sigma], ids=lambda m: m.__name__)


@both
def test_ctrl_c_no_toca_los_pesos_repartidos_y_se_puede_seguir(script, module, tmp_path):
    with pytest.raises(SystemExit, match="Ctrl-C.*los pesos no se tocan"):
        script(module, steps=4, at=lambda t: signal.raise_signal(signal.SIGINT))
    assert script.saved == []
    assert json.loads((tmp_path / "puntos" / "entrenamiento.json").read_text())["paso"] == 2
    (config,) = script(module, steps=4)
    assert config["training"]["steps"] == 4


@both
def test_la_ficha_dice_lo_que_de_verdad_se_hizo(script, module):
    trainers = []
    (config,) = script(module, at=trainers.append)
    training, trainer = config["training"], trainers[0]
    assert training["device"] == "CPU" and training["precision"] == "bf16"
    assert (training["steps"], training["images"]) == (3, 24)
    losses = [loss for _, loss in trainer.history]
    if module is train_ddpm:
        assert training["final_loss"] == pytest.approx(sum(losses) / 3, abs=1e-4)


@both
def test_parar_por_el_tiempo_si_guarda(script, module):
    (config,) = script(module, steps=9, at=lambda t: t.stop())
    assert config["training"]["steps"] == 2


@both
def test_la_precision_es_la_de_ese_entrenamiento(script, module):
    """Aunque se cree otro `Trainer` por el camino: Accelerate comparte su estado."""

    def another(trainer):
        Trainer(torch.nn.Linear(1, 1), lambda m, b, g: m(b).mean(), torch.ones(3, 1), cpu=True)

    (config,) = script(module, at=another)
    assert config["training"]["precision"] == "bf16"


@both
def test_con_la_muestra_no_se_entrena(script, module):
    with pytest.raises(SystemExit, match="60 000 imágenes, no con la muestra"):
        script(module, n=2000)
    assert script.saved == []


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
