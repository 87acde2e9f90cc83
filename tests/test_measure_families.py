"""La tabla de las tres familias: familias diminutas, el clasificador de verdad y veinte imágenes."""

import json
import math
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from course_lib import metrics, weights
from course_lib.adversarial import AdversarialTrainer
from course_lib.data import images
from course_lib.diffusion import DDPM, Denoiser
from course_lib.latent import VAE, DiscreteLikelihood
from course_lib.networks import Generator, MLPDecoder, MLPEncoder, UNet

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import measure_ddpm  # noqa: E402
import measure_families  # noqa: E402

SIZE = (1, 28, 28)
ENCODER = {"shape": list(SIZE), "latent_dim": 2, "hidden": 8, "num_classes": 10}
GAN = {"latent_dim": 4, "channels": 1, "size": 28, "base": 2}
UNET = {"channels": 1, "size": 28, "base": 8, "multipliers": (1,), "blocks": 1, "attention": ()}
UNET |= {"num_classes": 10}
KEYS = ["model", "sampler", "training_seed", "sample_seed", "n", "frechet", "kernel", "density"]
KEYS += ["coverage", "smallest_class", "bits_per_dim", "seconds_per_image", "training_seconds"]


def save_vae(name, folder, seed, training):
    torch.manual_seed(seed)
    encoder, decoder = MLPEncoder(**ENCODER), MLPDecoder(**ENCODER)
    config = {
        "kind": "vae",
        "latent_dim": 2,
        "encoder": {"class": "MLPEncoder", "args": ENCODER},
        "decoder": {"class": "MLPDecoder", "args": ENCODER},
        "likelihood": {"class": "DiscreteLikelihood", "args": {"std": "shared"}},
        "training": training,
        "quality": {"nota": "la de antes"},
    }
    weights.save(name, VAE(encoder, decoder, DiscreteLikelihood("shared"), 2), config, folder)


def save_gan(folder):
    torch.manual_seed(0)
    config = {"kind": "generator", "network": {"class": "Generator", "args": GAN}}
    config |= {"training": {"seconds": 7, "cpu_seconds": None}, "quality": {}}
    weights.save("dcgan-fashion", Generator(**GAN), config, folder)


def save_ddpm(folder):
    torch.manual_seed(0)
    config = {
        "kind": "denoiser",
        "network": {"class": "UNet", "args": UNET},
        "schedule": {"class": "DDPM.cosine", "args": {"T": 20}},
        "prediction": "v",
        "training": {"seconds": 9},
        "quality": {"bits_per_dim": {"small": {"total": 3.37349}}, "by_steps": []},
    }
    weights.save("ddpm-fashion", Denoiser(UNet(**UNET), DDPM.cosine(20), "v"), config, folder)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """Una carpeta de pesos diminutos, con el clasificador de verdad, y otra con otra semilla."""
    folder, seeds = tmp_path_factory.mktemp("pesos"), tmp_path_factory.mktemp("semillas")
    for suffix in ("json", "safetensors"):
        shutil.copy(weights.FOLDER / f"clasificador-fashion.{suffix}", folder)
    save_vae("vae-fashion", folder, 0, {"seconds": 30, "cpu_seconds": 12})
    save_vae("vae-fashion-1", seeds, 1, {"seconds": 31, "cpu_seconds": 13})
    save_gan(folder)
    save_ddpm(folder)
    return folder, seeds


@pytest.fixture
def folder(shipped, monkeypatch):
    folder, seeds = shipped
    load = images.load
    monkeypatch.setattr(weights, "FOLDER", folder)
    monkeypatch.setattr(measure_families, "SEEDS", seeds)
    monkeypatch.setattr(
        images, "load", lambda name, split: load(name, split, source="slice", limit=400)
    )
    write = partial(measure_ddpm.write_quality, folder=folder)
    monkeypatch.setattr(measure_families, "write_quality", write)
    for name, value in {"N": 20, "BATCH": 8, "BOUND": 3, "SAMPLERS": ((2, "ddim"),)}.items():
        monkeypatch.setattr(measure_families, name, value)
    return folder


@pytest.fixture
def run(folder, monkeypatch):
    """Ejecuta el guion con esos argumentos y devuelve las filas de la ficha `name`."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", ["measure_families.py", *arguments])
        measure_families.main()
        return weights.info(name)["quality"]["comparison"]

    return run


def without_time(rows):
    return [{k: v for k, v in row.items() if k != "seconds_per_image"} for row in rows]


def test_la_familia_tiene_una_fila_por_modelo_y_semilla_y_la_ficha_conserva_lo_demas(run, folder):
    before, tensors = weights.info("vae-fashion"), weights.load("vae-fashion").state_dict()
    others = {p: p.read_bytes() for p in folder.iterdir() if not p.name == "vae-fashion.json"}
    rows = run("vae-fashion", "vae")
    seeds = [(row["training_seed"], row["sample_seed"]) for row in rows]
    assert seeds == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert all(list(row) == KEYS and row["n"] == 20 for row in rows)
    assert {(row["model"], row["sampler"]) for row in rows} == {("vae-fashion", "media")}
    assert [row["training_seconds"] for row in rows] == 3 * [12] + 3 * [13]
    numbers = [row[key] for row in rows for key in KEYS[5:]]
    assert all(math.isfinite(number) for number in numbers)
    after = weights.info("vae-fashion")
    quality = after["quality"]
    assert quality.pop("comparison") == rows and quality == {"nota": "la de antes"}
    assert {**after, "quality": 0} == {**before, "quality": 0}
    loaded = weights.load("vae-fashion").state_dict()
    assert all(torch.equal(tensors[key], value) for key, value in loaded.items())
    assert others == {path: path.read_bytes() for path in others}


def test_las_mismas_semillas_dan_lo_mismo_y_otras_otra_cosa(run):
    first, second = (run("vae-fashion", "vae") for _ in range(2))
    assert without_time(first) == without_time(second)
    assert len({row["frechet"] for row in first}) == 6
    assert len({row["bits_per_dim"] for row in first}) == 2  # la cota es del modelo, no del sorteo


def test_las_medidas_son_las_de_metrics_con_las_imagenes_de_esas_semillas(run):
    row = run("vae-fashion", "vae")[1]
    vae, parts = weights.load("vae-fashion"), []
    for batch, y in enumerate(([0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 0, 1, 2, 3, 4, 5], [6, 7, 8, 9])):
        generator = torch.Generator().manual_seed(1000 + batch)
        parts.append(vae.sample(len(y), generator, torch.tensor(y), mean=True))
    x = torch.cat(parts).clamp(-1, 1)
    real = images.load("fashion-mnist", "train").to_model()
    coverage = metrics.density_coverage(x, real[:20])
    expected = {
        "frechet": round(metrics.frechet_distance(metrics.features(x), metrics.features(real)), 3),
        "density": round(coverage.density, 3),
        "coverage": round(coverage.coverage, 3),
        "smallest_class": round(metrics.class_shares(x).min().item(), 3),
    }
    assert {key: row[key] for key in expected} == pytest.approx(expected)
    kernel = metrics.kernel_distance(metrics.features(x), metrics.features(real))
    assert row["kernel"] == pytest.approx(kernel, abs=6e-5)


def test_la_cota_del_vae_es_la_elbo_de_las_primeras_imagenes_de_prueba(run):
    rows = run("vae-fashion", "vae")
    test, vae = images.load("fashion-mnist", "test"), weights.load("vae-fashion")
    x, y, generator = test.to_model()[:3], test.labels[:3], torch.Generator().manual_seed(1)
    with torch.no_grad():
        each = torch.stack([vae(x, y, generator).total.mean() for _ in range(200)])
    bits = -each.mean().item() / 784 / math.log(2)
    assert rows[0]["bits_per_dim"] == pytest.approx(bits, rel=0.01)


def test_la_gan_no_tiene_cota_y_la_difusion_lleva_la_de_su_ficha(run):
    gan = run("dcgan-fashion", "dcgan")
    assert [row["bits_per_dim"] for row in gan] == [None] * 3
    assert {row["training_seconds"] for row in gan} == {7}  # sin segundos de CPU, los de reloj
    assert json.dumps(gan)  # con null, no con NaN
    ddpm = run("ddpm-fashion", "ddpm")
    assert [row["sampler"] for row in ddpm] == ["ddim, 2 pasos"] * 3
    assert {row["bits_per_dim"] for row in ddpm} == {3.373}
    assert weights.info("ddpm-fashion")["quality"]["by_steps"] == []
    assert len({row["frechet"] for row in gan}) == len({row["frechet"] for row in ddpm}) == 3


def test_el_suelo_es_la_media_de_las_partes_disjuntas(folder, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["measure_families.py", "suelo"])
    before = weights.info("clasificador-fashion")["quality"]
    measure_families.main()
    after = weights.info("clasificador-fashion")["quality"]
    floor = after.pop("floor")
    assert after == {key: value for key, value in before.items() if key != "floor"}
    assert floor["n"] == 20
    real = metrics.features(images.load("fashion-mnist", "train").to_model())
    parts = images.load("fashion-mnist", "test").to_model()[:100].split(20)
    distances = [metrics.frechet_distance(metrics.features(part), real) for part in parts]
    assert floor["frechet"] == pytest.approx(sum(distances) / 5, abs=2e-3)
    assert weights.load_classifier() is not None


def test_el_sorteo_reparte_las_clases_y_no_repite_semillas(folder):
    seen, seeds = [], []

    def batch(y, generator):
        seen.append(y)
        seeds.append(generator.initial_seed())
        return torch.full((len(y), *SIZE), 3.0)

    x, seconds = measure_families.draw(batch, 1)
    measure_families.draw(batch, 2)
    assert x.shape == (20, *SIZE) and (x == 1).all() and seconds >= 0
    assert torch.bincount(torch.cat(seen[:3])).tolist() == [2] * 10
    assert len(set(seeds)) == len(seeds) == 6


def test_la_gan_se_muestrea_como_se_entreno(folder):
    """Con los z de N(0, I), como `AdversarialTrainer.sample`."""
    net = weights.load("dcgan-fashion")
    found = measure_families.gan_batch(net, torch.arange(5), torch.Generator().manual_seed(3))
    options = {"batch_size": 4, "ema": None, "progress": False, "cpu": True}
    critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 1))
    trainer = AdversarialTrainer(Generator(**GAN), critic, torch.zeros(8, *SIZE), **options)
    trainer.model.load_state_dict(net.state_dict())
    assert torch.equal(found, trainer.sample(5, 3)) and not found.requires_grad


def test_una_familia_que_no_existe(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["measure_families.py", "flujo"])
    with pytest.raises(SystemExit):
        measure_families.main()
    assert "flujo" in capsys.readouterr().err
