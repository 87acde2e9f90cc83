"""`LikelihoodSurface` en el navegador: lecturas, curvas y gestos, contra torch."""

import re

import numpy as np
import pytest
import torch
from torch.distributions import Normal
from widget_fixtures import number, open_widgets, readings, slider  # noqa: F401

from course_lib.widgets import LikelihoodSurface

LABELS = {"value": "log-verosimilitud media, ℓ (nats)", "gap": "diferencia con el máximo (nats)"}


def data(n=40, mean=1.5, std=0.7):
    generator = torch.Generator().manual_seed(3)
    return mean + std * torch.randn(n, generator=generator, dtype=torch.float64)


def likelihood(x, mean, std):
    """ℓ, ℓ − ℓ máxima y el gradiente, por autograd."""
    point = torch.tensor([mean, std], dtype=torch.float64, requires_grad=True)
    value = Normal(point[0], point[1]).log_prob(x).mean()
    best = Normal(x.mean(), x.std(correction=0)).log_prob(x).mean()
    value.backward()
    return value.item(), (value - best).item(), point.grad.tolist()


def point(page):
    """(μ, σ) con todas sus cifras: los deslizadores las guardan."""
    return [float(slider(page, label).input_value()) for label in ("μ, media", "σ, desv")]


def check(page, x):
    shown = readings(page)
    mean, std = point(page)
    value, gap, gradient = likelihood(x, mean, std)
    tiny, places = 1e-8 / x.std().item(), 6e-4 * x.std().item()
    assert number(shown["μ"]) == pytest.approx(mean, rel=1e-12, abs=places)
    assert number(shown["σ"]) == pytest.approx(std, rel=1e-12, abs=places)
    assert number(shown[LABELS["value"]]) == pytest.approx(value, rel=6e-4, abs=1e-8)
    assert number(shown[LABELS["gap"]]) == pytest.approx(gap, rel=6e-3, abs=1e-8)
    assert number(shown["∂ℓ/∂μ"]) == pytest.approx(gradient[0], rel=6e-3, abs=tiny)
    assert number(shown["∂ℓ/∂σ"]) == pytest.approx(gradient[1], rel=6e-3, abs=tiny)


def test_lecturas_contra_autograd(open_widgets):  # noqa: F811
    x = data()
    page = open_widgets(LikelihoodSurface(x))
    check(page, x)
    for mean, std in [(1.0, 0.4), (2.5, 1.7), (-0.2, 0.7), (1.5, 0.7)]:
        slider(page, "μ, media").fill(str(mean))
        slider(page, "σ, desv").fill(str(std))
        assert point(page) == [mean, std]
        check(page, x)


@pytest.mark.parametrize("n, mean, std", [(2, 0.0, 1.0), (500, 1e4, 3.0), (9, -2.0, 1e-4)])
def test_otros_tamanos_y_escalas(open_widgets, n, mean, std):  # noqa: F811
    x = data(n, mean, std)
    page = open_widgets(LikelihoodSurface(x))
    check(page, x)
    page.get_by_role("button", name="Ir al máximo").click()
    check(page, x)


def test_ir_al_maximo_llega_a_la_media_y_a_la_desviacion_con_1_n(open_widgets):  # noqa: F811
    x = data(12)
    page = open_widgets(LikelihoodSurface(x))
    page.get_by_role("button", name="Ir al máximo").click()
    expected = [x.mean().item(), x.std(correction=0).item()]
    assert point(page) == pytest.approx(expected, rel=1e-12)
    shown = readings(page)
    assert [shown[LABELS["gap"]], shown["∂ℓ/∂μ"], shown["∂ℓ/∂σ"]] == ["0", "0", "0"]
    assert "Este es el máximo" in page.locator(".cw-note").inner_text()


def test_un_paso_de_gradiente_suma_eta_por_el_gradiente(open_widgets):  # noqa: F811
    x = data()
    page = open_widgets(LikelihoodSurface(x, mean=0.5, std=1.2))
    slider(page, "η").fill("0.3")
    rate = 0.3 * x.var(correction=0).item()
    assert number(slider(page, "η").get_attribute("aria-valuetext")) == pytest.approx(rate, 6e-3)
    values = [likelihood(x, 0.5, 1.2)[0]]
    for _ in range(5):
        before = point(page)
        gradient = likelihood(x, *before)[2]
        page.get_by_role("button", name="Un paso de gradiente").click()
        expected = [p + rate * g for p, g in zip(before, gradient, strict=True)]
        assert point(page) == pytest.approx(expected, rel=1e-9)
        values.append(likelihood(x, *point(page))[0])
    assert values == sorted(values)
    check(page, x)
    assert page.locator("circle.cw-two").count() == 6


def test_un_paso_que_se_sale_se_recorta_y_se_dice(open_widgets):  # noqa: F811
    x = data()
    page = open_widgets(LikelihoodSurface(x, std=x.std().item() / 4))
    page.get_by_role("button", name="Un paso de gradiente").click()
    assert "se ha recortado" in page.locator(".cw-note.cw-warning").inner_text()
    limits = LikelihoodSurface(x).limits
    assert point(page)[1] == pytest.approx(limits[3])
    check(page, x)
    page.get_by_role("button", name="Ir al máximo").click()
    assert page.locator(".cw-warning").count() == 0


def screen(page, limits):
    """Función que lleva (μ, σ) a su sitio en la pantalla."""
    box = page.locator(".cw-movable .cw-box").bounding_box()

    def place(mean, std):
        u = (mean - limits[0]) / (limits[1] - limits[0])
        v = (std - limits[2]) / (limits[3] - limits[2])
        return box["x"] + u * box["width"], box["y"] + (1 - v) * box["height"]

    return place


def test_se_arrastra_con_el_raton_y_no_sale_de_los_ejes(open_widgets):  # noqa: F811
    x = data()
    widget = LikelihoodSurface(x)
    page = open_widgets(widget)
    tolerance = 0.01 * (widget.limits[1] - widget.limits[0])
    place = screen(page, widget.limits)
    page.mouse.move(*place(widget.mean, widget.std))
    page.mouse.down()
    for mean, std in [(1.0, 1.0), (1.9, 0.6)]:
        page.mouse.move(*place(mean, std), steps=3)
        assert point(page) == pytest.approx([mean, std], abs=tolerance)
    page.mouse.move(5, 5)
    page.mouse.up()
    assert point(page) == pytest.approx([widget.limits[0], widget.limits[3]])
    page.mouse.move(*place(1.5, 1.0))  # ya suelto: no se mueve
    assert point(page) == pytest.approx([widget.limits[0], widget.limits[3]])
    check(page, x)


def test_se_arrastra_con_el_dedo(open_widgets):  # noqa: F811
    widget = LikelihoodSurface(data())
    page = open_widgets(widget, viewport={"width": 360, "height": 740}, has_touch=True)
    touch = page.context.new_cdp_session(page)

    place = screen(page, widget.limits)

    def send(kind, *points):
        touches = [dict(zip("xy", place(*p), strict=True)) for p in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    send("touchStart", (widget.mean, widget.std))
    for target in [(0.9, 1.0), (1.4, 0.9), (2.0, 0.5)]:
        send("touchMove", target)
    send("touchEnd")
    page.wait_for_function(
        "Math.abs(document.querySelector('.cw input[type=range]').value - 2) < 0.2"
    )
    tolerance = 0.02 * (widget.limits[1] - widget.limits[0])
    assert point(page) == pytest.approx([2.0, 0.5], abs=tolerance)
    assert page.evaluate("scrollY") == 0  # el gesto mueve el punto, no la página


def test_las_flechas_mueven_el_punto_y_el_foco_se_ve(open_widgets):  # noqa: F811
    widget = LikelihoodSurface(data())
    page = open_widgets(widget)
    page.keyboard.press("Tab")
    plane = page.locator(".cw-movable")
    assert plane.evaluate("e => e === document.activeElement")
    assert plane.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    assert "flechas" in plane.get_attribute("aria-label")
    across = 0.01 * (widget.limits[1] - widget.limits[0])
    upward = 0.01 * (widget.limits[3] - widget.limits[2])
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expected = [widget.mean + 7 * across, widget.std - 4 * upward]
    assert point(page) == pytest.approx(expected)
    check(page, data())


def test_las_curvas_de_nivel_pierden_los_nats_que_dicen(open_widgets):  # noqa: F811
    x = data()
    widget = LikelihoodSurface(x)
    page = open_widgets(widget)
    left, right, top, bottom = page.locator(".cw-movable .cw-box").evaluate(
        "e => [e.x, e.x, e.y, e.y].map((v, i) => v.baseVal.value + "
        "[0, e.width.baseVal.value, 0, e.height.baseVal.value][i])"
    )
    paths = page.locator(".cw-movable path.cw-level").evaluate_all(
        "l => l.map(p => p.getAttribute('d'))"
    )
    drops = [0.02, 0.1, 0.25, 0.5, 1, 2, 4, 8]
    for path, drop in zip(paths, drops, strict=True):
        pairs = np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path), dtype=float)
        mean = widget.limits[0] + (pairs[:, 0] - left) / (right - left) * (
            widget.limits[1] - widget.limits[0]
        )
        std = widget.limits[2] + (bottom - pairs[:, 1]) / (bottom - top) * (
            widget.limits[3] - widget.limits[2]
        )
        seen = std > 0.4 * x.std(correction=0).item()  # más abajo, un píxel son muchos nats
        assert len(pairs) == 180 and seen.sum() > 40
        gaps = [likelihood(x, m, s)[1] for m, s in zip(mean[seen], std[seen], strict=True)]
        np.testing.assert_allclose(gaps, -drop, rtol=0.02, atol=2e-3)
    labels = page.locator(".cw-movable .cw-tag").all_text_contents()
    assert {"−0.1", "−0.5", "−2"} <= set(labels)


def test_el_histograma_es_una_densidad(open_widgets):  # noqa: F811
    x = data(200)
    page = open_widgets(LikelihoodSurface(x))
    heights = page.locator(".cw-bar").evaluate_all(
        "l => l.map(b => Number(b.getAttribute('height')))"
    )
    expected, _ = np.histogram(x.numpy(), bins=len(heights), density=True)
    np.testing.assert_allclose(
        np.array(heights) / max(heights), expected / expected.max(), atol=1e-6
    )
