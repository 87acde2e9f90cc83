"""`ForwardNoising` en el navegador: lo que pinta, contra lo que calcula Python."""

import re

import numpy as np
import pytest
import torch
from widget_fixtures import (  # noqa: F401
    LAWS,
    images,
    number,
    open_widgets,
    pixels,
    radio,
    readings,
    slider,
    stop_clock,
    to_bytes,
)

from course_lib.diffusion import DDPM
from course_lib.widgets import ForwardNoising


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", LAWS)
def test_x_t_es_alpha_x0_mas_sigma_epsilon(open_widgets, name, channels):  # noqa: F811
    widget = ForwardNoising(
        images(channels=channels), torch.arange(3), ["uno", "dos", "tres"], seed=4
    )
    page = open_widgets(widget)
    radio(page, name).check()
    radio(page, "dos").check()
    law, x0, eps = LAWS[name](1000), images(channels=channels)[1:2], widget.noise[None]
    for k in (0, 137, 500, 1000):
        slider(page, "Instante").fill(str(k))
        alpha, sigma = (float(f(k / 1000)) for f in (law.alpha, law.sigma))
        x_t = law.perturb(x0, k / 1000, eps)[0] / max(1.0, (alpha**2 + sigma**2) ** 0.5)
        assert np.abs(pixels(page.locator(".cw-large canvas"), channels) - to_bytes(x_t)).max() <= 1
        snr = float(torch.exp(law.log_snr(k / 1000)))
        shown = readings(page)
        assert number(shown["SNR = α² / σ²"]) == pytest.approx(snr, rel=6e-3)
        log_snr = float(law.log_snr(k / 1000))
        assert number(shown["log SNR = 2λ"]) == pytest.approx(log_snr, rel=6e-3, abs=1e-3)
        assert number(shown["SNR en decibelios"]) == pytest.approx(log_snr * 4.342944819, abs=0.06)
        tags = page.locator(".cw-term strong").all_inner_texts()
        assert [number(tag) for tag in tags] == pytest.approx([alpha, sigma], rel=6e-3)
    assert (pixels(page.locator(".cw-small canvas").first, channels) == to_bytes(x0[0])).all()
    assert (
        np.abs(
            pixels(page.locator(".cw-small canvas").last, channels) - to_bytes(widget.noise)
        ).max()
        <= 1
    )


def bars(page):
    """Las alturas del histograma, como densidades, leídas del SVG."""
    rows = page.locator(".cw-bar").evaluate_all(
        "bars => bars.map(b => Number(b.getAttribute('height')))"
    )
    return np.array(rows) / (190 - 6 - 36) * 0.9


def test_histograma_y_perfil_son_los_de_la_fila_elegida(open_widgets):  # noqa: F811
    widget = ForwardNoising(images(), seed=2, T=100, t=0.6)
    page = open_widgets(widget)
    x_t = DDPM.linear(100).perturb(images()[:1], 0.6, widget.noise[None])[0, 0].numpy()
    edges = np.linspace(-4, 4, 33)
    for row in (0, 7):
        slider(page, "Fila").fill(str(row))
        np.testing.assert_allclose(
            bars(page), np.histogram(x_t[row], edges, density=True)[0], atol=1e-5
        )
        line = page.locator(".cw-chart").first.locator("path.cw-main").get_attribute("d")
        heights = [float(y) for y in re.findall(r"[ML][\d.]+ (-?[\d.]+)", line)]
        values = 3 - 6 * (np.array(heights) - 6) / (190 - 6 - 36)
        np.testing.assert_allclose(values, x_t[row], atol=3e-3)
    page.get_by_label("Histograma de toda la imagen").check()
    np.testing.assert_allclose(bars(page), np.histogram(x_t, edges, density=True)[0], atol=1e-5)


def test_la_densidad_exacta_es_la_mezcla_de_normales(open_widgets):  # noqa: F811
    page = open_widgets(ForwardNoising(images(), T=100, t=0.4, row=5))
    alpha, sigma = (float(f(0.4)) for f in (DDPM.linear(100).alpha, DDPM.linear(100).sigma))
    line = page.locator(".cw-chart").last.locator("path.cw-main").get_attribute("d")
    heights = np.array([float(y) for y in re.findall(r"[ML][\d.]+ (-?[\d.]+)", line)])
    density = (190 - 36 - heights) / (190 - 6 - 36) * 0.9
    grid = torch.linspace(-4, 4, len(heights), dtype=torch.float64)[:, None]
    exact = (
        torch.distributions.Normal(alpha * images()[0, 0, 5].double(), sigma)
        .log_prob(grid)
        .exp()
        .mean(1)
    )
    np.testing.assert_allclose(density, exact.numpy(), atol=1e-3)


def test_se_maneja_con_el_teclado(open_widgets):  # noqa: F811
    page = open_widgets(ForwardNoising(images(), torch.arange(3), ["uno", "dos", "tres"], t=0.5))
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert radio(page, "dos").is_checked()
    assert (pixels(page.locator(".cw-small canvas").first) == to_bytes(images()[1])).all()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(
        "Reproducir"
    )
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert slider(page, "Instante").input_value() == "501"
    page.keyboard.press("End")
    assert "k = 1000 de 1000" in slider(page, "Instante").get_attribute("aria-valuetext")
    page.keyboard.press("Home")
    assert slider(page, "Instante").input_value() == "0"
    focus = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert focus == "3px"


def test_el_anuncio_llega_al_soltar_el_deslizador(open_widgets):  # noqa: F811
    page = open_widgets(ForwardNoising(images(), t=0.5))
    assert page.get_by_role("status").inner_text() == ""
    slider(page, "Instante").press("ArrowRight")
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.includes('k 501 de 1000')"
    )


def test_tocar_la_imagen_elige_la_fila(open_widgets):  # noqa: F811
    page = open_widgets(ForwardNoising(images()), has_touch=True)
    box = page.locator(".cw-frame").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] * 3.5 / 12)
    assert slider(page, "Fila").input_value() == "3"


def test_no_arranca_sola_y_se_reproduce_hasta_el_final(open_widgets):  # noqa: F811
    page = open_widgets(ForwardNoising(images(), t=0.9, T=100))
    stop_clock(page)
    page.clock.run_for(3000)
    assert slider(page, "Instante").input_value() == "90"
    page.get_by_role("button", name="Reproducir").click()
    page.get_by_role("button", name="Pausar").wait_for()
    page.clock.run_for(40 * 15)
    assert slider(page, "Instante").input_value() == "100"
    page.get_by_role("button", name="Reproducir").click()
    assert slider(page, "Instante").input_value() == "0", "desde el final, vuelve a empezar"
    page.clock.run_for(40 * 15)
    page.get_by_role("button", name="Pausar").click()
    page.clock.run_for(3000)
    assert slider(page, "Instante").input_value() == "15", "quince cuadros, con T menor que 150"


def test_con_movimiento_reducido_avanza_a_pasos_sueltos(open_widgets):  # noqa: F811
    page = open_widgets(ForwardNoising(images(), t=0.0), reduced_motion="reduce")
    stop_clock(page)
    page.get_by_role("button", name="Reproducir").click()
    page.clock.run_for(1200)
    assert slider(page, "Instante").input_value() == "200", "dos pasos de T/10 en 1.2 s"


def test_dos_vistas_del_mismo_modelo_se_mueven_juntas(open_widgets):  # noqa: F811
    widget = ForwardNoising(images())
    page = open_widgets(widget, widget)
    slider(page, "Instante").first.fill("640")
    assert slider(page, "Instante").last.input_value() == "640"
    shown = page.locator(".cw-large canvas")
    assert (pixels(shown.first) == pixels(shown.last)).all()
