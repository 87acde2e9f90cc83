"""La calidad contra el número de evaluaciones y la verosimilitud: una red diminuta y pocas imágenes."""

import json
import math
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from course_lib import weights
from course_lib.data import images
from course_lib.diffusion import DDPM, Denoiser
from course_lib.networks import UNet

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import measure_ddpm  # noqa: E402
import measure_sde  # noqa: E402

UNET = {"channels": 1, "size": 28, "base": 8, "multipliers": (1,), "blocks": 1, "attention": ()}
UNET |= {"num_classes": 10}
BUDGETS = {"ddim": (2, 4), "heun": (4,), "euler_maruyama": (4,), "predictor_corrector": (4,)}
SMALL = {"N": 8, "BATCH": 5, "PILOT_IMAGES": 6, "PILOT_EVALUATIONS": 4, "T_MAX": 0.8}
SMALL |= {"EVALUATIONS": BUDGETS, "IMAGES": 4, "STEPS": 4, "T_MIN": 0.05, "SPACINGS": ("t", "rho")}
MEASURES = ["n", "frechet", "kernel", "coverage"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Una carpeta con el clasificador de verdad y un `ddpm-fashion` de unas milésimas de segundo."""
    for suffix in ("json", "safetensors"):
        shutil.copy(weights.FOLDER / f"clasificador-fashion.{suffix}", tmp_path)
    config = {
        "kind": "denoiser",
        "network": {"class": "UNet", "args": UNET},
        "schedule": {"class": "DDPM.cosine", "args": {"T": 20}},
        "prediction": "v",
        "quality": {"by_steps": [], "likelihood": "la de antes"},
    }
    torch.manual_seed(0)
    weights.save("ddpm-fashion", Denoiser(UNet(**UNET), DDPM.cosine(20), "v"), config, tmp_path)
    load = images.load
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    monkeypatch.setattr(
        images, "load", lambda name, split: load(name, split, source="slice", limit=60)
    )
    write = partial(measure_ddpm.write_quality, folder=tmp_path)
    monkeypatch.setattr(measure_sde, "write_quality", write)
    for name, value in SMALL.items():
        monkeypatch.setattr(measure_sde, name, value)
    return tmp_path


def run(monkeypatch, *arguments) -> dict:
    """Ejecuta el guion con esos argumentos y devuelve la calidad escrita en la ficha."""
    monkeypatch.setattr(sys, "argv", ["measure_sde.py", *arguments])
    measure_sde.main()
    return json.loads((weights.FOLDER / "ddpm-fashion.json").read_text())["quality"]


def test_cada_fila_dice_lo_que_gasto_y_la_ficha_conserva_lo_demas(folder, monkeypatch):
    quality = run(monkeypatch, "calidad")
    rows = quality["by_evaluations"]
    assert [row["method"] for row in rows] == [name for name, b in BUDGETS.items() for _ in b]
    assert [row["steps"] for row in rows] == [2, 4, 2, 4, 2]
    # el último paso, a σ = 0, de Heun y del predictor–corrector gasta una evaluación menos
    assert [row["evaluations"] for row in rows] == [2, 4, 3, 4, 3]
    assert all(row["n"] == 8 and row["spacing"] in SMALL["SPACINGS"] for row in rows)
    assert all(math.isfinite(row[key]) for row in rows for key in MEASURES)
    assert list(quality["by_evaluations_floor"]) == MEASURES
    assert quality["likelihood"] == "la de antes" and quality["by_steps"] == []
    assert run(monkeypatch, "calidad") == quality  # las mismas semillas dan lo mismo


def test_se_puede_repetir_un_solo_metodo_sin_tocar_las_otras_filas(folder, monkeypatch):
    first = run(monkeypatch, "calidad")["by_evaluations"]
    monkeypatch.setattr(measure_sde, "N", 7)
    rows = run(monkeypatch, "calidad", "--methods", "heun")["by_evaluations"]
    assert [row["n"] for row in rows] == [8, 8, 7, 8, 8]
    assert [row for row in rows if row["method"] != "heun"] == [
        row for row in first if row["method"] != "heun"
    ]


def test_la_rejilla_elegida_es_la_de_menor_distancia(folder, monkeypatch):
    distances = {"t": 3.0, "rho": 2.0, "lambda": math.nan}
    drawn = []

    def draw(denoiser, method, spacing, steps, n, seed):
        drawn.append((spacing, steps, n, seed))
        return spacing, 0

    class Judge:
        def measure(self, spacing):
            return {"frechet": distances[spacing]}

    monkeypatch.setattr(measure_sde, "draw", draw)
    monkeypatch.setattr(measure_sde, "SPACINGS", ("t", "lambda", "rho"))
    monkeypatch.setattr(measure_sde.metrics, "features", lambda samples: samples)
    assert measure_sde.best_spacing(None, Judge(), "heun") == "rho"
    assert drawn == [(spacing, 2, 6, 1000) for spacing in ("t", "lambda", "rho")]


def test_la_verosimilitud_tiene_una_fila_por_conjunto(folder, monkeypatch):
    quality = run(monkeypatch, "verosimilitud")
    measured = quality["likelihood"]
    assert [row["images"] for row in measured["rows"]] == [4] * 6
    assert measured["rows"][0]["set"] == "prueba" and quality["by_steps"] == []
    assert all(math.isfinite(row["bits_per_dim"]) for row in measured["rows"])
    denoiser, (x, y) = weights.load("ddpm-fashion"), measure_sde.sets()["prueba"]
    again = measure_sde.bits(denoiser, x, y, measure_sde.STEPS)
    assert measured["rows"][0]["bits_per_dim"] == round(again.mean().item(), 4)
    assert again.shape == (4,) and again.std() > 0
    altered = [row for row in measured["rows"] if "change" in row]
    assert [row["set"] for row in altered] == list(measure_sde.ALTERED)
    before, after = measured["rows"][1]["bits_per_dim"], altered[2]["bits_per_dim"]
    assert altered[2]["change"] == pytest.approx(after - before, abs=2e-4)
    shuffled = measure_sde.bits(denoiser, measure_sde.shuffled(x), y, measure_sde.STEPS)
    error = (shuffled - again).std().item() / 2
    assert altered[2]["change_error"] == pytest.approx(error, abs=1e-4)


def test_barajar_conserva_los_valores_y_mueve_los_pixeles():
    x = torch.arange(2 * 784.0).view(2, 1, 28, 28)
    moved = measure_sde.shuffled(x)
    assert not torch.equal(moved, x)
    assert torch.equal(moved.flatten(1).sort(1).values, x.flatten(1))
