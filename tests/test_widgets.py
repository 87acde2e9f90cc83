"""Los widgets vistos desde Python: lo que viaja a la página y los errores."""

import json
import re

import numpy as np
import pytest
import torch
from torch import nn
from widget_toys import denoiser, images, noise, trajectory

from course_lib.data.images import load
from course_lib.diffusion import DDPM, VE, Denoiser
from course_lib.widgets import (
    ForwardNoising,
    ParticleFlow,
    ReverseDenoising,
    ScheduleExplorer,
    record,
)
from course_lib.widgets.base import PAGE_LIMIT, SOURCE_MARGIN
from course_lib.widgets.trajectory import Trajectory, pack

# --- lo común -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", "x", "steps debe ser un entero; se recibió 'x'"),
        ("steps", 5.5, "steps debe ser un entero; se recibió 5.5"),
        ("noise", None, "noise debe ser un número; se recibió None"),
        ("schedule", 3, "schedule debe ser un texto; se recibió 3"),
        ("arrows", "no", "arrows debe ser True o False; se recibió 'no'"),
        ("law", [1], r"law debe ser un diccionario; se recibió \[1\]"),
    ],
)
def test_un_rasgo_de_otro_tipo_se_rechaza_en_espanol(name, value, message):
    widget = ParticleFlow()
    before = getattr(widget, name)
    with pytest.raises(TypeError, match=message):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


# --- ForwardNoising -----------------------------------------------------------------------------


def test_los_pixeles_de_8_bits_viajan_sin_perdida():
    original = torch.arange(256).reshape(1, 1, 16, 16)
    widget = ForwardNoising(original / 127.5 - 1)
    assert list(widget.pixels) == original.flatten().tolist()


def test_el_ruido_es_el_de_torch_con_esa_semilla():
    widget = ForwardNoising(images(channels=3), seed=7)
    expected = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(7))
    sent = np.frombuffer(widget.epsilon, "<f4").reshape(3, 8, 8)
    np.testing.assert_array_equal(sent, expected.numpy())
    assert torch.equal(widget.noise, expected)


def test_law_es_el_esquema_elegido():
    widget = ForwardNoising(images(), T=200)
    widget.schedule = "coseno"
    assert torch.equal(widget.law.alphas_bar, DDPM.cosine(200).alphas_bar)
    widget.schedule = "VE"
    assert isinstance(widget.law, VE)


def test_los_rotulos_salen_de_las_clases():
    labels = torch.tensor([2, 0, 2])
    assert ForwardNoising(images(), labels, ["a", "b", "c"]).captions == ["c", "a", "c"]
    assert ForwardNoising(images(), labels).captions == ["clase 2", "clase 0", "clase 2"]
    assert ForwardNoising(images()).captions == ["imagen 1", "imagen 2", "imagen 3"]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (images()[0], ValueError, r"images debe tener forma \(N, C, H, W\).*\(1, 8, 8\)"),
        (images(channels=2), ValueError, r"C = 1 o 3; se recibió \(3, 2, 8, 8\)"),
        (images()[:0], ValueError, "de 1 a 64 imágenes; se recibieron 0"),
        (images(65), ValueError, "de 1 a 64 imágenes; se recibieron 65"),
        (images(1, 1, 130), ValueError, "de 2 a 128 píxeles.*130 × 130"),
        ((images() + 1) * 127.5, ValueError, r"\[-1, 1\].*255.*images / 127\.5 - 1"),
        (images() * torch.nan, ValueError, "192 valores NaN"),
        (images() / 0, ValueError, "infinitos"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), TypeError, "coma flotante.*uint8"),
        (np.zeros((1, 1, 8, 8)), TypeError, "tensor de torch; se recibió ndarray"),
        (images(64, 3, 128), ValueError, "4.46 MB.*0.93 MB.*menos imágenes"),
    ],
)
def test_imagenes_que_no_sirven(wrong, error, message):
    with pytest.raises(error, match=message):
        ForwardNoising(wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedules": ("lineal", "cuadrático")}, "schedules='cuadrático' no existe.*'coseno'"),
        ({"schedules": ()}, "lista no vacía"),
        ({"schedules": "lineal"}, "lista no vacía.*'lineal'"),
        ({"T": 0}, "T debe ser un entero positivo; se recibió 0"),
        ({"T": 20_000}, "como mucho 10000"),
        ({"T": 10}, "demasiado corta"),
        ({"t": 1.5}, r"t debe estar en \[0, 1\]; se recibió 1.5"),
        ({"index": 3}, r"index debe estar en \[0, 2\]; se recibió 3"),
        ({"row": 8}, r"row debe estar en \[0, 7\]; se recibió 8"),
        ({"labels": torch.tensor([0, 1])}, "labels debe traer 3 enteros"),
        ({"labels": torch.tensor([0.0, 1.0, 2.0])}, "enteros.*float32"),
        ({"labels": torch.tensor([0, 1, 2]), "class_names": ["a", "b"]}, r"en 0\.\.1"),
    ],
)
def test_opciones_que_no_sirven(options, message):
    with pytest.raises(ValueError, match=message):
        ForwardNoising(images(), **options)


def test_un_rasgo_imposible_se_rechaza_y_el_anterior_queda():
    widget = ForwardNoising(images(), t=0.25)
    with pytest.raises(ValueError, match="schedule='sub-VP' no existe"):
        widget.schedule = "sub-VP"
    with pytest.raises(ValueError, match="t debe estar en"):
        widget.t = -0.1
    assert (widget.schedule, widget.t) == ("lineal", 0.25)


# --- ReverseDenoising ---------------------------------------------------------------------------


def test_demasiados_cuadros_dicen_cuanto_pesan():
    generator = torch.Generator().manual_seed(0)
    many = torch.rand(40, 64, 1, 28, 28, generator=generator) * 2 - 1
    heavy = Trajectory(
        "ruido", 39, list(range(40)), [0.5] * 40, [0.1] * 40, [0.01] * 40, many, many, None
    )
    with pytest.raises(ValueError, match=r"añadiría \d\.\d\d MB.*límite es 0\.93 MB.*frames"):
        ReverseDenoising(heavy)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: [], ValueError, "trajectories está vacía"),
        (lambda: [noise()], TypeError, r"record\(...\); se recibió Tensor"),
        (
            lambda: [trajectory(), trajectory()],
            ValueError,
            "trajectories trae dos.*«DDIM» y 6 pasos",
        ),
        (
            lambda: [trajectory(), record(denoiser(), noise(2), 3)],
            ValueError,
            r"\(2, 1, 8, 8\), \(3, 1, 8, 8\)",
        ),
    ],
)
def test_trayectorias_que_no_sirven(make, error, message):
    with pytest.raises(error, match=message):
        ReverseDenoising(make())


def test_los_trozos_de_cada_trayectoria_se_recuperan():
    both = [trajectory(), trajectory(steps=9, method="ancestral")]
    widget = ReverseDenoising(both, columns=2)
    for entry, recorded in zip(widget.trajectories, both, strict=True):
        packed, bits = pack(recorded)
        assert widget.data[entry["from"] : entry["to"]] == packed
        assert entry["bits"] == bits and entry["t"] == recorded.t
    assert widget.columns == 2


# --- ScheduleExplorer y lo común ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"T": 0}, "T debe ser un entero positivo"),
        ({"T": 5000}, "múltiplo de 10 entre 10 y 2000; se recibió 5000"),
        ({"T": 105}, "múltiplo de 10"),
        ({"schedule": "VE"}, "schedule='VE' no existe. Opciones válidas: 'lineal'"),
    ],
)
def test_explorador_con_opciones_que_no_sirven(options, message):
    with pytest.raises(ValueError, match=message):
        ScheduleExplorer(**options)


WIDGETS = [
    lambda: ForwardNoising(images(10, 1, 28)),
    lambda: ReverseDenoising(trajectory()),
    lambda: ScheduleExplorer(),
]


@pytest.mark.parametrize("make", WIDGETS)
def test_la_descripcion_es_corta_y_no_cambia_entre_corridas(make):
    first, second = make(), make()
    texts = [w._repr_mimebundle_()[0]["text/plain"] for w in (first, second)]
    assert texts[0] == texts[1] == repr(first)
    assert "0x" not in texts[0] and "\n" not in texts[0] and len(texts[0]) < 200


@pytest.mark.parametrize("make", WIDGETS)
def test_el_modulo_se_basta_a_si_mismo(make):
    source = make()._esm
    assert not re.search(
        r"^\s*import\b|\bimport\(|fetch\(|https?://(?!www\.w3\.org/2000/svg)", source, re.M
    )
    assert source.count("export default") == 1


@pytest.mark.parametrize("make", WIDGETS)
def test_codigo_y_estilo_caben_en_lo_reservado(make):
    widget = make()
    assert len(json.dumps([widget._esm, widget._css])) < SOURCE_MARGIN
    assert len(json.dumps(widget._get_embed_state())) < PAGE_LIMIT


class NearestGarments(nn.Module):
    """El denoiser exacto de las primeras prendas de la muestra incluida, por clases."""

    def __init__(self, schedule):
        super().__init__()
        self.schedule = schedule
        data = load("fashion-mnist", source="slice")
        self.pixels, self.labels = data.to_model().flatten(1), data.labels

    def forward(self, x, t, y):
        alpha, sigma = self.schedule.at(t, like=x.flatten(1))
        means = []
        for i, label in enumerate(y):
            garments = self.pixels[self.labels == label][:60]
            distance = (x[i].flatten() - alpha[i] * garments).square().sum(1)
            means.append(torch.softmax(-distance / (2 * sigma[i] ** 2), 0) @ garments)
        return torch.stack(means).reshape(x.shape)


def test_seis_trayectorias_de_veinte_prendas_caben_en_la_pagina():
    schedule = DDPM.cosine(1000)
    exact = Denoiser(NearestGarments(schedule), schedule, "x0")
    kinds = [
        ("ancestral", 50),
        *[(m, s) for m in ("ddim", "dpmpp_2m") for s in (10, 20)],
        ("ddim", 50),
    ]
    options = {"y": torch.arange(10).repeat(2), "generator": 0}
    recorded = [
        record(exact, noise(20, 1, 28), steps, method, **options) for method, steps in kinds
    ]
    assert len(json.dumps(ReverseDenoising(recorded)._get_embed_state())) < PAGE_LIMIT
