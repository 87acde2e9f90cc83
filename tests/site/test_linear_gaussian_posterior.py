"""`LinearGaussianPosterior` en el navegador: lecturas y dibujo, contra `LinearGaussian`."""

import re

import numpy as np
import pytest
import torch
from widget_fixtures import announced, number, open_widgets, readings, slider  # noqa: F401

from course_lib.probability import Gaussian, LinearGaussian
from course_lib.widgets import LinearGaussianPosterior


def model(points, prior_std, noise_std):
    """El sistema (w → y) de los datos vistos, y los y."""
    x, y = torch.tensor(points, dtype=torch.float64).T
    eye = torch.eye(2, dtype=torch.float64)
    prior = Gaussian(torch.zeros(2, dtype=torch.float64), prior_std**2 * eye)
    noise = noise_std**2 * torch.eye(len(x), dtype=torch.float64)
    return LinearGaussian(prior, torch.stack([torch.ones_like(x), x], 1), 0.0, noise), y


def check_readings(page, points, prior_std=2.0, noise_std=1.0, rel=6e-3):
    system, y = model(points, prior_std, noise_std)
    law, evidence = system.posterior(y), system.evidence().log_prob(y).item()
    shown = readings(page)
    for i in range(2):
        mean, spread = shown[f"w{i}: media ± desviación"].split(" ± ")
        assert number(mean) == pytest.approx(law.mean[i].item(), rel=rel, abs=rel)
        assert number(spread) == pytest.approx(law.cov[i, i].sqrt().item(), rel=rel)
    assert number(shown["log evidencia"]) == pytest.approx(evidence, rel=rel)
    assert shown["log evidencia"].endswith("1 dato" if len(points) == 1 else f"{len(points)} datos")
    before = 0.0
    if len(points) > 1:
        system, y = model(points[:-1], prior_std, noise_std)
        before = system.evidence().log_prob(y).item()
    assert number(shown["aporte del último dato"]) == pytest.approx(evidence - before, rel=2 * rel)


def button(page, name):
    return page.get_by_role("button", name=name)


def hidden_points(widget, count):
    return [[float(f"{v:.4g}") for v in pair] for pair in widget.stream[:count].tolist()]


def test_cada_dato_actualiza_la_distribucion_a_posteriori(open_widgets):  # noqa: F811
    widget = LinearGaussianPosterior()
    page = open_widgets(widget)
    assert readings(page)["w0: media ± desviación"] == "0 ± 2.00"
    assert readings(page)["log evidencia"].startswith("—")
    for count in range(1, 6):
        button(page, "Añadir dato").click()
        check_readings(page, hidden_points(widget, count))
    slider(page, "τ").fill("0.5")
    slider(page, "σ").fill("1.7")
    check_readings(page, hidden_points(widget, 5), 0.5, 1.7)
    button(page, "Deshacer").click()
    check_readings(page, hidden_points(widget, 4), 0.5, 1.7)
    announced(page, "4 datos: w0 ")
    button(page, "Vaciar").click()
    assert readings(page)["w1: media ± desviación"] == "0 ± 0.500"


def test_con_teclado_y_sin_perder_el_foco(open_widgets):  # noqa: F811
    widget = LinearGaussianPosterior(0.7, 0.3, seed=1)
    page = open_widgets(widget)
    for name in ("Deshacer", "Vaciar"):
        assert button(page, name).get_attribute("aria-disabled") == "true"
    button(page, "Añadir dato").focus()
    for _ in range(45):
        page.keyboard.press("Enter")
    check_readings(page, hidden_points(widget, 40), 0.7, 0.3)
    assert button(page, "Añadir dato").get_attribute("aria-disabled") == "true"
    button(page, "Vaciar").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.textContent") == "Vaciar"
    assert readings(page)["log evidencia"].endswith("0 datos")
    slider(page, "τ").focus()
    page.keyboard.press("ArrowRight")
    assert readings(page)["w0: media ± desviación"] == "0 ± 0.707"


def data_box(page, half=(4, 8)):
    """Esquina y escala del plano de los datos: píxel de (0, 0) y píxeles por unidad."""
    drawing = page.locator(".cw-plane > svg").last
    box = drawing.bounding_box()
    size = min(460, drawing.evaluate("s => s.clientWidth")) - 8 - 46
    return box, (46 + size / 2, 6 + size / 2), (size / (2 * half[0]), size / (2 * half[1]))


@pytest.mark.parametrize("touch", [False, True])
def test_pulsar_en_el_plano_anade_ese_punto(open_widgets, touch):  # noqa: F811
    page = open_widgets(LinearGaussianPosterior(), has_touch=touch)
    box, origin, unit = data_box(page)
    corner = np.array([box["x"], box["y"]])
    press = page.touchscreen.tap if touch else page.mouse.click
    points = []
    for point in [(1.5, 4.0), (-2.0, -3.0)]:
        # El navegador da los clics en píxeles enteros.
        pixel = np.rint(corner + origin + np.array(point) * unit * (1, -1))
        press(*pixel.tolist())
        points.append(tuple((pixel - corner - origin) / unit * (1, -1)))
    check_readings(page, points, rel=0.01)
    press(box["x"] + 20, box["y"] + origin[1])  # en los rótulos del eje, fuera del marco
    check_readings(page, points, rel=0.01)


def path(locator):
    text = locator.get_attribute("d")
    return np.array(re.findall(r"[ML]([\d.-]+) ([\d.-]+)", text), dtype=float)


def test_la_banda_las_elipses_y_las_rectas_son_las_exactas(open_widgets):  # noqa: F811
    points = [(-1.0, 0.5), (0.5, 1.0), (2.0, 4.0)]
    page = open_widgets(LinearGaussianPosterior(points=points))
    system, y = model(points, 2.0, 1.0)
    law = system.posterior(y)
    left, right = page.locator(".cw-plane").all()
    _, origin, unit = data_box(page)
    band = (path(right.locator(".cw-area")) - origin) / unit * (1, -1)
    features = torch.tensor([[1.0, x] for x in band[:, 0]], dtype=torch.float64)
    center = features @ law.mean
    spread = ((features @ law.cov) * features).sum(1).add(1).sqrt()
    side = torch.tensor([1.0] * 61 + [-1.0] * 61)
    np.testing.assert_allclose(band[:, 1], center + 2 * side * spread, atol=0.02)

    lines = [(path(p) - origin) / unit * (1, -1) for p in right.locator(".cw-thin").all()]
    assert len(lines) == 12
    weights = [((a[1] + b[1]) / 2, (b[1] - a[1]) / (b[0] - a[0])) for a, b in lines]
    half = 5.0
    size = unit[0] * 8
    dots = left.locator(".cw-three").evaluate_all(
        "dots => dots.map(d => [Number(d.getAttribute('cx')), Number(d.getAttribute('cy'))])"
    )
    seen = (np.array(dots) - origin) / size * 2 * half * (1, -1)
    np.testing.assert_allclose(weights, seen, atol=0.05)
    whitened = torch.linalg.solve_triangular(
        torch.linalg.cholesky(law.cov),
        (torch.tensor(weights, dtype=torch.float64) - law.mean).mT,
        upper=False,
    )
    directions = torch.tensor(LinearGaussianPosterior().hidden["directions"], dtype=torch.float64)
    np.testing.assert_allclose(whitened.mT, directions, atol=0.1)
    for radius, outline in zip((1, 2), left.locator("path.cw-line.cw-main").all(), strict=True):
        shift = torch.from_numpy((path(outline) - origin) / size * 2 * half * (1, -1)) - law.mean
        distance = torch.linalg.solve_triangular(
            torch.linalg.cholesky(law.cov), shift.mT, upper=False
        ).norm(dim=0)
        assert distance.numpy() == pytest.approx(radius, abs=0.05)


def test_la_recta_oculta_solo_se_ve_si_se_pide_y_el_plano_se_acerca(open_widgets):  # noqa: F811
    widget = LinearGaussianPosterior(points=[(-1, 0), (1, 2), (2, 3)])
    page = open_widgets(widget)
    left, right = page.locator(".cw-plane").all()
    assert right.locator(".cw-dashed").count() == 0
    assert not page.get_by_text("recta oculta", exact=True).is_visible()
    page.get_by_label("Mostrar la recta oculta").check()
    assert page.get_by_text("recta oculta", exact=True).is_visible()
    _, origin, unit = data_box(page)
    a, b = (path(right.locator(".cw-dashed")) - origin) / unit * (1, -1)
    expected = widget.weights.numpy()
    assert ((a[1] + b[1]) / 2, (b[1] - a[1]) / 8) == pytest.approx(expected, abs=0.03)
    widths = [left.locator(".cw-area").evaluate("p => p.getBBox().width")]
    page.get_by_label("Acercar el plano de los pesos").check()
    widths.append(left.locator(".cw-area").evaluate("p => p.getBBox().width"))
    assert widths[1] > 1.5 * widths[0]
