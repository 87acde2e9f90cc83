"""`LatentSpace` en el navegador: la imagen decodificada es la de torch, y se llega a ella."""

import base64
import copy
import math
import re

import numpy as np
import pytest
import torch
from latent_toys import NAMES, data, small
from widget_fixtures import (  # noqa: F401
    announced,
    number,
    open_widgets,
    pixels,
    radio,
    readings,
    slider,
    stop_clock,
)
from widget_formulas import import_functions

from course_lib import weights
from course_lib.latent import BernoulliLikelihood, DiscreteLikelihood, GaussianLikelihood
from course_lib.widgets import LatentSpace

FILES = (
    "common.js", "random.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js",
    "latent_decoder.js", "latent_map.js",
)  # fmt: skip


def decoded(vae, z, y):
    """E[x|z] de torch con los pesos redondeados a float16."""
    rounded = copy.deepcopy(vae)
    for parameter in rounded.parameters():
        parameter.data = parameter.data.half().float()
    y = None if y is None else torch.tensor([y])
    return rounded.decode(torch.tensor([z], dtype=torch.float32), y)[0].numpy()


@pytest.fixture(scope="module")
def formulas(navegador):
    exported = "readDecoder, decode, halfToNumber, nearest, along, logPrior, destination, sfc32"
    page = import_functions(navegador, FILES, exported)
    yield page
    page.close()


DECODE = """([state, packed, points]) => {
    const raw = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const values = { ...state, weights: new DataView(raw.buffer) };
    const net = readDecoder({ get: (name) => values[name] });
    return points.map(([z, y]) => Array.from(decode(net, z, y)));
}"""
MODELS = {
    "bernoulli": lambda: small(BernoulliLikelihood(), classes=None),
    "bernoulli con clases": lambda: small(BernoulliLikelihood(), depth=3),
    "gaussiana": lambda: small(GaussianLikelihood(0.3), depth=1),
    "gaussiana con dos salidas": lambda: small(GaussianLikelihood("output"), classes=None),
    "discreta en color": lambda: small(DiscreteLikelihood("output"), shape=(3, 8, 6)),
    "la repartida": lambda: weights.load("vae-fashion-2d"),
}


@pytest.mark.parametrize("name", MODELS)
def test_la_imagen_del_navegador_es_la_de_torch(formulas, name):
    vae = MODELS[name]()
    widget = LatentSpace(vae)
    keys = ("sizes", "shape", "law", "conditional", "classes")
    state = {key: getattr(widget, key) for key in keys}
    classes = range(len(widget.classes)) if widget.conditional else [None]
    points = [
        ([float(a), float(b)], y) for y in classes for a, b in [(0, 0), (-3, 2.9), (1.37, -0.61)]
    ]
    packed = base64.b64encode(widget.weights).decode()
    result = np.array(formulas.evaluate(DECODE, [state, packed, points]))
    expected = np.stack([decoded(vae, *point).flatten() for point in points])
    assert expected.std() > 0.1 and np.ptp(expected, axis=0).max() > 0.3
    np.testing.assert_allclose(result, expected, atol=2e-5)
    exact = np.stack(
        [
            vae.decode(torch.tensor([z]), None if y is None else torch.tensor([y]))[0].flatten()
            for z, y in points
        ]
    )
    assert np.abs(result - exact).max() < 0.02  # lo que cuesta el redondeo a float16


def test_los_float16_se_leen_sin_perdida(formulas):
    values = np.array([0, 1, -2.5, 65504, 6e-8, -6.1e-5, 0.1, 3.14159], np.float16)
    bits = values.view(np.uint16).tolist()
    assert formulas.evaluate(f"{bits}.map(halfToNumber)") == values.astype(float).tolist()


def test_la_densidad_a_priori_y_la_distancia(formulas):
    prior = torch.distributions.Normal(0, 1)
    expected = prior.log_prob(torch.tensor([1.2, -0.7], dtype=torch.float64)).sum().item()
    assert formulas.evaluate("logPrior([1.2, -0.7])") == pytest.approx(expected, rel=1e-12)
    codes = "new Float32Array([0, 0, 1, 1, 2.5, -1])"
    found = formulas.evaluate(f"nearest({codes}, [1.5, 0], (i) => i !== 1)")
    assert found == {"index": 2, "distance": pytest.approx(math.sqrt(2))}
    assert formulas.evaluate(f"nearest({codes}, [0, 0], () => false)") is None


def test_los_caminos(formulas):
    line = "{kind: 'recta', from: [1, -2], to: [0, 2]}"
    assert formulas.evaluate(f"[0, 0.25, 1].map((u) => along({line}, u, 3))") == [
        [1, -2],
        [0.75, -1],
        [0, 2],
    ]
    turn = np.array(
        formulas.evaluate(
            "[0, 0.25, 0.5, 1].map((u) => along({kind: 'círculo', from: [0.6, 0.8]}, u, 3))"
        )
    )
    expected = [[0.6, 0.8], [-0.8, 0.6], [-0.6, -0.8], [0.6, 0.8]]
    np.testing.assert_allclose(turn, expected, atol=1e-12)
    far = formulas.evaluate("along({kind: 'círculo', from: [3, 3]}, 0, 3)")
    assert math.hypot(*far) == pytest.approx(3)
    ends = np.array(
        formulas.evaluate(
            "(u => Array.from({length: 300}, () => destination(u, [0.5, 0], 3)))(sfc32(1))"
        )
    )
    assert (np.abs(ends) < 3).all() and (np.hypot(*(ends - [0.5, 0]).T) > 1).all()
    assert np.abs(ends.mean(0)).max() < 0.3


# --- En la página -------------------------------------------------------------------------------


def large(page):
    return page.locator(".cw-decoded canvas")


def shown(page, vae, z, y, unit=False):
    """Exige que la imagen grande sea la de torch, con un nivel de gris de margen."""
    image = decoded(vae, z, y)
    expected = np.clip(image * 255 if unit else (image + 1) * 127.5, 0, 255)
    assert np.abs(pixels(large(page), len(image)) - expected).max() < 0.6


def where(page):
    return [float(slider(page, f"z{i}").input_value()) for i in (1, 2)]


@pytest.mark.parametrize(
    ("likelihood", "shape"),
    [(BernoulliLikelihood(), (1, 8, 6)), (DiscreteLikelihood("output"), (3, 8, 6))],
)
def test_los_deslizadores_y_la_clase_cambian_la_imagen(open_widgets, likelihood, shape):  # noqa: F811
    vae = small(likelihood, shape)
    page = open_widgets(LatentSpace(vae, data(shape), z=(0.5, -0.25), y=1))
    unit = isinstance(likelihood, BernoulliLikelihood)
    shown(page, vae, [0.5, -0.25], 1, unit)
    slider(page, "z1").fill("-1.4")
    slider(page, "z2").fill("2.2")
    shown(page, vae, [-1.4, 2.2], 1, unit)
    before = page.locator(".cw-plane image").get_attribute("href")
    radio(page, "bolso").check()
    shown(page, vae, [-1.4, 2.2], 2, unit)
    assert page.locator(".cw-plane image").get_attribute("href") != before
    name = large(page).get_attribute("aria-label")
    assert name.startswith("Imagen decodificada: bolso, z = (−1.40, 2.20)")


def test_las_lecturas(open_widgets):  # noqa: F811
    vae = small()
    widget = LatentSpace(vae, data(), y=2)
    page = open_widgets(widget)
    slider(page, "z1").fill("1.1")
    slider(page, "z2").fill("-0.4")
    values = readings(page)
    assert [number(values[name]) for name in ("z1", "z2")] == [1.1, -0.4]
    square = 1.1**2 + 0.4**2
    prior = values["log p(z) (nats)"]
    assert number(prior) == pytest.approx(-math.log(2 * math.pi) - square / 2, abs=6e-3)
    assert f"{100 * math.exp(-square / 2):.1f} %" in prior.replace("\u00a0", " ")
    codes = np.frombuffer(widget.codes, "<f4").reshape(-1, 2)
    mine = codes[np.frombuffer(widget.labels, np.uint8) == 2]
    distance = np.hypot(*(mine - [1.1, -0.4]).T).min()
    assert number(values["distancia a la codificada más próxima"]) == pytest.approx(
        distance, rel=6e-3
    )
    away = (np.abs(mine) > 3).any(1).sum()
    text = page.locator("p.cw-aside").inner_text()
    assert text.startswith("20 imágenes codificadas de esta clase;")
    assert int(re.search(r"; (\d+) cae", text)[1]) == away


def test_solo_se_destaca_la_clase_elegida(open_widgets):  # noqa: F811
    page = open_widgets(LatentSpace(small(), data()))
    for k, name in enumerate(NAMES):
        radio(page, name).check()
        assert page.locator(f"circle.cw-code.cw-c{k}").count() == 20
        assert page.locator("circle.cw-code.cw-other").count() == 40
    page.get_by_label("Imágenes codificadas").uncheck()
    assert page.locator("circle.cw-code").count() == 0
    page.get_by_label("Mosaico").uncheck()
    assert page.locator(".cw-plane image").count() == 0


def test_sin_clases_hay_leyenda_y_sin_datos_no_hay_puntos(open_widgets):  # noqa: F811
    vae = small(classes=None)
    page = open_widgets(LatentSpace(vae, data()))
    assert page.locator(".cw-legend li").all_inner_texts() == list(NAMES)
    assert [page.locator(f"circle.cw-code.cw-c{k}").count() for k in range(3)] == [20] * 3
    assert "60 imágenes codificadas;" in page.locator("p.cw-aside").inner_text()
    nearest = readings(page)["distancia a la codificada más próxima"]
    assert any(nearest.endswith(name) for name in NAMES)
    page = open_widgets(LatentSpace(vae))
    assert page.locator("circle.cw-code, p.cw-aside, .cw-legend").count() == 0
    assert set(readings(page)) == {"z1", "z2", "log p(z) (nats)"}
    shown(page, vae, [0, 0], None)


MOSAIC = """async () => {
    const image = new Image();
    image.src = document.querySelector(".cw-plane image").getAttribute("href");
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const red = context.getImageData(0, 0, image.width, image.height).data.filter((_, i) => i % 4 === 0);
    return [image.width, image.height, Array.from(red)];
}"""


def test_cada_casilla_del_mosaico_es_la_imagen_de_su_centro(open_widgets):  # noqa: F811
    vae = small()
    page = open_widgets(LatentSpace(vae, y=1))
    width, height, red = page.evaluate(MOSAIC)
    assert (width, height) == (15 * 8, 15 * 8)
    sheet = np.array(red).reshape(15, 8, 15, 8).transpose(0, 2, 1, 3)
    assert (sheet[..., [0, 7]] == 0).all()  # 6 columnas centradas en casillas de 8
    centers = np.linspace(-2.8, 2.8, 15)
    for row, column in [(0, 0), (0, 14), (14, 3), (7, 7)]:
        image = decoded(vae, [centers[column], centers[14 - row]], 1)[0]
        expected = np.clip((image + 1) * 127.5, 0, 255)
        assert np.abs(sheet[row, column][:, 1:7] - expected).max() < 0.6


def test_se_arrastra_el_punto_con_el_raton(open_widgets):  # noqa: F811
    vae = small()
    page = open_widgets(LatentSpace(vae, data(), y=0))
    box = page.locator(".cw-plane rect.cw-box").bounding_box()

    def screen(z):
        u, v = (z[0] + 3) / 6, (3 - z[1]) / 6
        return box["x"] + u * box["width"], box["y"] + v * box["height"]

    page.mouse.move(*screen([0, 0]))
    page.mouse.down()
    page.mouse.move(*screen([1.5, -2]), steps=4)
    page.mouse.up()
    assert where(page) == pytest.approx([1.5, -2], abs=0.03)
    knob = page.locator(".cw-plane .cw-knob").bounding_box()
    center = [knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2]
    assert center == pytest.approx(list(screen([1.5, -2])), abs=1.5)
    page.mouse.move(*screen([1, 1]))
    page.mouse.down()
    page.mouse.move(box["x"] + 2 * box["width"], box["y"] - 50)
    page.mouse.up()
    assert where(page) == [3, 3]
    shown(page, vae, [3, 3], 0)


def test_se_mueve_con_el_teclado_y_se_anuncia(open_widgets):  # noqa: F811
    vae = small()
    page = open_widgets(LatentSpace(vae, data(), y=0))
    page.locator(".cw-plane > svg").focus()
    for key in ("ArrowRight", "ArrowUp", "Shift+ArrowUp", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    assert where(page) == pytest.approx([0.06 - 0.3, 0.06 + 0.3], abs=0.006)
    shown(page, vae, [-0.24, 0.36], 0)
    announced(page, "abrigo, z = (−0.24, 0.36), log p(z)")


def strip(page):
    return [pixels(cell) for cell in page.locator(".cw-strip canvas").all()]


def test_el_paseo_va_y_vuelve_y_la_tira_es_su_camino(open_widgets):  # noqa: F811
    vae = small()
    page = open_widgets(LatentSpace(vae, z=(2.0, 1.0), y=0), reduced_motion="reduce")
    first = strip(page)
    play = page.get_by_role("button", name="Reproducir el paseo")
    stop_clock(page)
    play.click()
    for _ in range(9):
        page.clock.run_for(900)
    play.wait_for()
    end = where(page)
    assert math.dist(end, [2, 1]) > 1
    # tras llegar, la tira se recorre al revés: empieza donde z está y acaba donde empezó
    for cell, image in zip(strip(page), reversed(first), strict=True):
        assert np.abs(cell.astype(int) - image.astype(int)).max() <= 1
    assert np.abs(pixels(large(page)) - first[-1]).max() <= 1
    play.click()
    for _ in range(9):
        page.clock.run_for(900)
    play.wait_for()
    assert where(page) == pytest.approx([2, 1], abs=0.01)


def test_la_vuelta_al_origen_acaba_donde_empezo(open_widgets):  # noqa: F811
    page = open_widgets(LatentSpace(small(), z=(0.0, 1.5)), reduced_motion="reduce")
    radio(page, "vuelta al origen").check()
    stop_clock(page)
    page.get_by_role("button", name="Reproducir el paseo").click()
    radii, places = [], set()
    for _ in range(9):
        radii.append(math.hypot(*where(page)))
        places.add(tuple(where(page)))
        page.clock.run_for(900)
    page.get_by_role("button", name="Reproducir el paseo").wait_for()
    assert radii == pytest.approx([1.5] * 9, abs=0.01) and len(places) == 9
    assert where(page) == pytest.approx([0, 1.5], abs=0.01)


def test_sin_prisa_el_paseo_avanza_paso_a_paso_y_se_pausa(open_widgets):  # noqa: F811
    page = open_widgets(LatentSpace(small(), z=(2.0, 1.0)))
    other = page.get_by_role("button", name="Otro destino")
    ends = set()
    for _ in range(3):
        ends.add(page.locator(".cw-plane circle.cw-ringed").get_attribute("cx"))
        other.click()
    assert len(ends) == 3
    stop_clock(page)
    page.get_by_role("button", name="Reproducir el paseo").click()
    page.clock.run_for(60 * 20)
    page.get_by_role("button", name="Pausar").click()
    stopped = where(page)
    page.clock.run_for(3000)
    assert where(page) == stopped and 0.2 < math.dist(stopped, [2, 1])


def test_muchas_clases_se_eligen_en_una_lista(open_widgets):  # noqa: F811
    vae = small(classes=13)
    page = open_widgets(LatentSpace(vae))
    page.get_by_role("combobox", name="Clase").select_option("clase 12")
    shown(page, vae, [0, 0], 12)
