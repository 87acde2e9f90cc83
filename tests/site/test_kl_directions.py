"""`KLDirections` en el navegador: las dos KL, sus gradientes y dónde acaba cada descenso."""

import re

import numpy as np
import pytest
import torch
from torch.distributions import Normal
from widget_fixtures import number, open_widgets, radio, readings, slider, stop_clock  # noqa: F401
from widget_formulas import import_functions

from course_lib.probability import GaussianMixture
from course_lib.widgets import KLDirections

FILES = ("common.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js", "kl_quadrature.js")
SHOWN = {"directa": "KL(p‖q) (nats)", "inversa": "KL(q‖p) (nats)"}


def three():
    covs = torch.tensor([0.3, 0.5, 1.0], dtype=torch.float64).square()[:, None, None]
    return GaussianMixture([0.5, 0.2, 0.3], [[-1.0], [2.0], [5.0]], covs)


def divergence(p, direction, mean, std):
    """La KL con Gauss-Legendre por trozos, y su gradiente por autograd."""
    point = torch.tensor([mean, std], dtype=torch.float64, requires_grad=True)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    centers, stds = p.means[:, 0], p.covs[:, 0, 0].sqrt()
    low = min((centers - 10 * stds).min().item(), mean - 10 * std)
    high = max((centers + 10 * stds).max().item(), mean + 10 * std)
    edges = torch.linspace(low, high, 301, dtype=torch.float64)
    half = (edges[1:] - edges[:-1])[:, None] / 2
    x = ((edges[1:] + edges[:-1])[:, None] / 2 + half * torch.tensor(nodes)).flatten()
    w = (half * torch.tensor(weights)).flatten()
    log_p, log_q = p.log_prob(x[:, None]), Normal(point[0], point[1]).log_prob(x)
    if direction == "directa":
        value = (w * log_p.exp() * (log_p - log_q)).sum()
    else:
        value = (w * log_q.exp() * (log_q - log_p)).sum()
    value.backward()
    return value.item(), point.grad.tolist()


def point(page):
    return [float(slider(page, label).input_value()) for label in ("μ de", "σ de")]


def check(page, p):
    shown = readings(page)
    for direction, label in SHOWN.items():
        expected = divergence(p, direction, *point(page))[0]
        assert number(shown[label]) == pytest.approx(expected, rel=6e-3, abs=1e-9), direction
    assert [number(shown["μ de q"]), number(shown["σ de q"])] == pytest.approx(
        point(page), rel=6e-3, abs=1e-9
    )
    assert number(shown["media de p"]) == pytest.approx(p.mean.item(), rel=6e-3, abs=1e-9)
    assert number(shown["desviación de p"]) == pytest.approx(p.cov.sqrt().item(), rel=6e-3)


@pytest.fixture(scope="module")
def formulas(navegador):
    page = import_functions(navegador, FILES, "spread, moments, divergences, descend")
    yield page
    page.close()


def plain(p):
    columns = {"weights": p.weights, "means": p.means[:, 0], "stds": p.covs[:, 0, 0].sqrt()}
    return {name: values.tolist() for name, values in columns.items()}


@pytest.mark.parametrize("mixture", [KLDirections().mixture, three()], ids=["dos", "tres"])
@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (-2.4, 0.3), (3.0, 4.0), (6.0, 0.5)])
def test_kl_y_gradientes_contra_otra_cuadratura_y_autograd(formulas, mixture, mean, std):
    q = {"mean": mean, "std": std}
    both = formulas.evaluate("([p, q]) => divergences(p, q)", [plain(mixture), q])
    for direction, result in both.items():
        value, gradient = divergence(mixture, direction, mean, std)
        assert result["value"] == pytest.approx(value, rel=1e-8)
        assert result["gradient"] == pytest.approx(gradient, rel=1e-7, abs=1e-9)


DESCENT = """([p, q, direction]) => {
    const path = [q];
    for (let next = q; next && path.length < 500;) {
        next = descend(p, next, direction, { minStd: 0.05, maxStd: 20 });
        if (next) path.push(next);
    }
    return path;
}"""


@pytest.mark.parametrize("direction", ["directa", "inversa"])
@pytest.mark.parametrize("mean, std", [(0.0, 0.5), (-4.0, 3.0), (4.0, 1.0)])
def test_cada_paso_baja_la_kl_y_se_para_donde_el_gradiente_es_cero(formulas, direction, mean, std):
    mixture = three()
    path = formulas.evaluate(DESCENT, [plain(mixture), {"mean": mean, "std": std}, direction])
    values = [divergence(mixture, direction, q["mean"], q["std"])[0] for q in path]
    assert 5 < len(path) < 500 and (np.diff(values) < 0).all()
    end = path[-1]
    gradient = divergence(mixture, direction, end["mean"], end["std"])[1]
    assert np.abs(gradient).max() * end["std"] < 1e-4


def test_las_lecturas_siguen_a_los_controles(open_widgets):  # noqa: F811
    widget = KLDirections()
    page = open_widgets(widget)
    check(page, widget.mixture)
    for mean, std, separation in [(1.0, 0.5, 1.0), (-3.0, 2.5, 0.4), (0.3, 1.2, 0.0)]:
        slider(page, "Separación").fill(str(separation))
        slider(page, "μ de").fill(str(mean))
        slider(page, "σ de").fill(str(std))
        widget.separation = separation
        check(page, widget.mixture)


def play(page):
    """Reproduce hasta que el descenso se para; devuelve (μ, σ) y la nota."""
    page.get_by_role("button", name="Reproducir el descenso").click()
    page.wait_for_function("document.querySelector('.cw-note').textContent.includes('ha parado')")
    page.get_by_role("button", name="Reproducir el descenso").wait_for()
    return point(page), page.locator(".cw-note").inner_text()


def test_la_directa_acaba_en_la_media_y_la_desviacion_desde_cualquier_inicio(open_widgets):  # noqa: F811
    mixture = three()
    page = open_widgets(KLDirections(mixture))
    expected = [mixture.mean.item(), mixture.cov.sqrt().item()]
    for mean, std in [(-2.0, 0.5), (5.5, 1.5)]:
        slider(page, "μ de").fill(str(mean))
        slider(page, "σ de").fill(str(std))
        end, note = play(page)
        assert end == pytest.approx(expected, rel=1e-4)
        assert "cubre toda la mezcla" in note
        check(page, mixture)


def test_la_inversa_elige_el_pico_segun_el_inicio(open_widgets):  # noqa: F811
    widget = KLDirections(direction="inversa")
    page = open_widgets(widget)
    ends = []
    for start in (-1.0, 1.0):
        slider(page, "μ de").fill(str(start))
        slider(page, "σ de").fill("0.8")
        (mean, std), note = play(page)
        ends.append(mean)
        assert "sobre el pico de" in note and f"{abs(mean):.2f}" in note
        gradient = divergence(widget.mixture, "inversa", mean, std)[1]
        assert np.abs(gradient).max() < 1e-4
    assert ends == pytest.approx([-2.5, 2.5], abs=0.05)
    slider(page, "Separación").fill("0.3")
    assert "abarca más de uno" in play(page)[1]


def test_reiniciar_y_cambiar_de_sentido_vuelven_al_inicio(open_widgets):  # noqa: F811
    page = open_widgets(KLDirections())
    slider(page, "μ de").fill("1.5")
    start = point(page)
    step = page.get_by_role("button", name="Un paso")
    for back in (
        page.get_by_role("button", name="Reiniciar").click,
        radio(page, "KL(q‖p), inversa").check,
    ):
        for _ in range(3):
            step.click()
        assert point(page) != start
        back()
        assert point(page) == start
        assert page.locator(".cw-chart").first.locator("path.cw-dashed").count() == 0


def test_se_arrastra_q_con_el_raton_y_con_el_teclado(open_widgets):  # noqa: F811
    widget = KLDirections()
    page = open_widgets(widget)
    box = page.locator(".cw-chart > svg").first.bounding_box()
    low, high = widget.limits[:2]

    def across(mean):
        return box["x"] + 46 + (mean - low) / (high - low) * (box["width"] - 46 - 14)

    page.mouse.move(across(0), box["y"] + 80)
    page.mouse.down()
    page.mouse.move(across(-2), box["y"] + 80, steps=4)
    page.mouse.up()
    assert point(page) == pytest.approx([-2, widget.std], abs=0.03)
    slider(page, "μ de").focus()
    before = point(page)[0]
    page.keyboard.press("ArrowRight")
    assert point(page)[0] > before
    check(page, widget.mixture)


def test_el_area_del_integrando_es_la_kl(open_widgets):  # noqa: F811
    widget = KLDirections(mean=0.5, std=0.9)
    page = open_widgets(widget)
    for direction, option in [("directa", "KL(p‖q), directa"), ("inversa", "KL(q‖p), inversa")]:
        radio(page, option).check()
        figure = page.locator(".cw-chart").nth(1)
        labels = figure.locator(".cw-axes text").evaluate_all(
            "l => l.filter(t => t.getAttribute('text-anchor') === 'end')"
            ".map(t => [Number(t.getAttribute('y')) - 4, t.textContent])"
        )
        (y0, v0), (y1, v1) = [(y, number(text)) for y, text in (labels[0], labels[-1])]
        width = figure.locator("> svg").evaluate("s => s.clientWidth")
        path = figure.locator("path.cw-filled").get_attribute("d")
        pairs = np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path), dtype=float)
        low, high = widget.limits[:2]
        x = low + (pairs[:, 0] - 46) / (width - 46 - 14) * (high - low)
        y = v0 + (pairs[:, 1] - y0) / (y1 - y0) * (v1 - v0)
        expected = divergence(widget.mixture, direction, 0.5, 0.9)[0]
        assert np.trapezoid(y, x) == pytest.approx(expected, rel=0.02)


def test_con_menos_movimiento_avanza_a_saltos(open_widgets):  # noqa: F811
    page = open_widgets(KLDirections(), reduced_motion="reduce")
    stop_clock(page)
    page.get_by_role("button", name="Reproducir el descenso").click()
    page.clock.run_for(899)
    summary = page.locator(".cw-chart > svg").last
    assert "tras 15 pasos" in summary.get_attribute("aria-label")
    page.clock.run_for(1)
    assert "tras 30 pasos" in summary.get_attribute("aria-label")
