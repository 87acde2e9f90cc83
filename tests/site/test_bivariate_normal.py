"""`BivariateNormal` en el navegador: lecturas y dibujo, contra `Gaussian.condition`."""

import math
import re

import numpy as np
import pytest
import torch
from widget_fixtures import number, open_widgets, readings, slider  # noqa: F401

from course_lib.probability import Gaussian
from course_lib.widgets import BivariateNormal

CONTROLS = {"mean": ("μ1", "μ2"), "std": ("σ1", "σ2")}


def law(mean, std, rho):
    cross = rho * std[0] * std[1]
    cov = torch.tensor([[std[0] ** 2, cross], [cross, std[1] ** 2]], dtype=torch.float64)
    return Gaussian(torch.tensor(mean, dtype=torch.float64), cov)


def move(page, mean, std, rho, cut):
    for label, value in zip(CONTROLS["mean"] + CONTROLS["std"], (*mean, *std), strict=True):
        slider(page, label).fill(str(value))
    slider(page, "ρ").fill(str(rho))
    slider(page, "c, lugar").fill(str(cut))


class Frame:
    """Las escalas del plano, con las medidas que escribe plane.js."""

    def __init__(self, page, center=(0, 0), half=4):
        width = page.locator(".cw-plane > svg").evaluate("s => s.clientWidth")
        self.end = min(460, width) - 8
        self.left, self.right, self.top = 46, self.end - 68, 6 + 52
        self.size = self.right - self.left
        self.low = np.array(center) - half
        self.unit = self.size / (2 * half)

    def values(self, pixels):
        px, py = np.asarray(pixels, dtype=float).T
        across = (px - self.left) / self.unit
        up = (self.top + self.size - py) / self.unit
        return np.stack([across, up], 1) + self.low


def path(locator):
    return [tuple(map(float, p)) for p in re.findall(r"[ML]([\d.-]+) ([\d.-]+)", locator)]


def samples(page):
    return page.locator(".cw-point:not(.cw-ringed)").evaluate_all(
        "dots => dots.map(d => [Number(d.getAttribute('cx')), Number(d.getAttribute('cy'))])"
    )


CASES = [
    ((0.0, 0.0), (1.0, 1.0), 0.6, 1.0),
    ((-1.2, 0.75), (0.5, 1.6), -0.83, 0.4),
    ((1.5, -1.0), (1.9, 0.35), 0.0, -2.2),
]


def test_las_lecturas_siguen_a_los_controles(open_widgets):  # noqa: F811
    widget = BivariateNormal()
    page = open_widgets(widget)
    norms = widget.noise.double().norm(dim=1)
    for mean, std, rho, cut in CASES:
        move(page, mean, std, rho, cut)
        expected = law(mean, std, rho)
        sliced = expected.condition(0, cut)
        shown = readings(page)
        drawn = mean + widget.noise.double().numpy() @ expected._factor.numpy().T
        found = np.cov(drawn.T, bias=True)
        values = {
            "media de x2 si x1 = c": sliced.mean.item(),
            "desviación de x2 si x1 = c": sliced.cov.sqrt().item(),
            "covarianza ρ σ1 σ2": expected.cov[0, 1].item(),
            "correlación ρ": rho,
            "dentro de la elipse de 1": 100 * (norms <= 1).double().mean().item(),
            "dentro de la elipse de 2": 100 * (norms <= 2).double().mean().item(),
        }
        for label, value in values.items():
            assert number(shown[label]) == pytest.approx(value, rel=6e-3, abs=1e-9), label
        asides = {
            "covarianza ρ σ1 σ2": found[0, 1],
            "correlación ρ": found[0, 1] / math.sqrt(found[0, 0] * found[1, 1]),
            "dentro de la elipse de 1": 100 * (1 - math.exp(-1 / 2)),
            "dentro de la elipse de 2": 100 * (1 - math.exp(-2)),
        }
        for label, value in asides.items():
            text = re.split("muestras: |= ", shown[label])[-1]
            assert number(text) == pytest.approx(value, rel=6e-3, abs=1e-9), label


def test_los_puntos_son_m_mas_L_epsilon_con_el_mismo_epsilon(open_widgets):  # noqa: F811
    widget = BivariateNormal(samples=120, seed=4)
    page = open_widgets(widget)
    for mean, std, rho, cut in CASES[:2]:
        move(page, mean, std, rho, cut)
        factor = law(mean, std, rho)._factor
        noise = np.linalg.solve(factor.numpy(), (Frame(page).values(samples(page)) - mean).T).T
        tolerance = 0.06 / Frame(page).unit / factor.diagonal().min().item() * 2
        np.testing.assert_allclose(noise, widget.noise.numpy(), atol=tolerance)


def test_las_elipses_estan_a_1_2_y_3_desviaciones_de_mahalanobis(open_widgets):  # noqa: F811
    page = open_widgets(BivariateNormal((0.5, -0.5), (1.0, 0.6), -0.7))
    expected = law((0.5, -0.5), (1.0, 0.6), -0.7)
    outlines = page.locator(".cw-plane path.cw-main").evaluate_all(
        "paths => paths.map(p => p.getAttribute('d'))"
    )
    frame = Frame(page, center=(0.5, -0.5))
    for radius, outline in zip((1, 2, 3), outlines, strict=True):
        shift = torch.from_numpy(frame.values(path(outline))) - expected.mean
        whitened = torch.linalg.solve_triangular(expected._factor, shift.mT, upper=False)
        assert whitened.norm(dim=0).numpy() == pytest.approx(radius, abs=0.01)


def test_la_curva_del_lado_es_la_densidad_condicional(open_widgets):  # noqa: F811
    page = open_widgets(BivariateNormal((0, 0), (1, 1.2), 0.5, cut=-1.5))
    sliced = law((0, 0), (1, 1.2), 0.5).condition(0, -1.5)
    frame = Frame(page, half=4.8)
    curve = path(page.locator(".cw-plane path.cw-line.cw-two").last.get_attribute("d"))
    height = frame.values(curve)[:, 1]
    peak = sliced.log_prob(sliced.mean).exp()
    density = sliced.log_prob(torch.from_numpy(height)[:, None]).exp() / peak
    drawn = (np.array(curve)[:, 0] - frame.right) / (frame.end - 4 - frame.right)
    np.testing.assert_allclose(drawn, density.numpy(), atol=4e-3)


def test_el_corte_se_arrastra_con_el_raton(open_widgets):  # noqa: F811
    page = open_widgets(BivariateNormal())
    box, frame = page.locator(".cw-plane > svg").bounding_box(), Frame(page)
    place = [box["x"] + frame.left + frame.unit * (4 + c) for c in (1.0, -2.0)]
    height = box["y"] + frame.top + 40
    page.mouse.move(place[0], height)
    page.mouse.down()
    page.mouse.move(place[1], height, steps=4)
    page.mouse.up()
    cut = float(slider(page, "c, lugar").input_value())
    assert cut == pytest.approx(-2, abs=0.04)
    assert number(readings(page)["media de x2 si x1 = c"]) == pytest.approx(0.6 * cut, rel=6e-3)
    page.mouse.move(place[0], height)
    assert float(slider(page, "c, lugar").input_value()) == cut
    page.wait_for_function("() => document.querySelector('[role=status]').textContent")
    status = page.get_by_role("status").inner_text()
    assert f"x1 = {cut:.2f}".replace("-", "−") in status and "desviación 0.800" in status


def test_el_corte_se_mueve_con_el_dedo_y_con_el_teclado(open_widgets):  # noqa: F811
    page = open_widgets(BivariateNormal(), viewport={"width": 360, "height": 800}, has_touch=True)
    box, frame = page.locator(".cw-plane > svg").bounding_box(), Frame(page)
    page.touchscreen.tap(box["x"] + frame.left + frame.unit * 5.5, box["y"] + frame.top + 20)
    assert float(slider(page, "c, lugar").input_value()) == pytest.approx(1.5, abs=0.06)
    slider(page, "c, lugar").fill("0.5")
    slider(page, "c, lugar").press("ArrowRight")
    assert float(slider(page, "c, lugar").input_value()) == pytest.approx(0.51)
    assert number(readings(page)["media de x2 si x1 = c"]) == pytest.approx(0.306)


def test_los_limites_siguen_a_parametros_grandes_y_no_pierden_cifras(open_widgets):  # noqa: F811
    page = open_widgets(BivariateNormal((120, -40.5), (25, 4), 0.9987, cut=131))
    shown = {
        c: page.locator(f"label:has([aria-label^='{c}']) output")
        for c in ("μ1", "μ2", "σ2", "ρ", "c,")
    }
    texts = [locator.inner_text() for locator in shown.values()]
    assert texts == ["120.0", "−40.5", "4.0", "0.9987", "131.0"]
    assert slider(page, "ρ").get_attribute("aria-valuetext") == "0.9987"
    sliced = law((120, -40.5), (25, 4), 0.9987).condition(0, 131)
    values = readings(page)
    assert number(values["media de x2 si x1 = c"]) == pytest.approx(sliced.mean.item(), rel=6e-3)
    spread = sliced.cov.sqrt().item()
    assert number(values["desviación de x2 si x1 = c"]) == pytest.approx(spread, rel=6e-3)
    slider(page, "μ1").fill("170")
    assert number(readings(page)["media de x2 si x1 = c"]) == pytest.approx(
        law((170, -40.5), (25, 4), 0.9987).condition(0, 131).mean.item(), rel=6e-3
    )
