"""`ExpectationMaximization` en el navegador: los pasos E y M, contra torch y `fit_em`."""

import re

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal
from widget_fixtures import number, open_widgets, radio, readings, stop_clock  # noqa: F401
from widget_formulas import import_functions

from course_lib.probability.em import fit_em
from course_lib.widgets import ExpectationMaximization

FILES = ("common.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js", "em.js")
NAMES = "initialMixture, expectation, maximization, logLikelihood, lowerBound, raise"
LL = "log-verosimilitud media, ℓ"


def clusters(n=60, seed=2):
    generator = torch.Generator().manual_seed(seed)
    shear = torch.tensor([[1.0, 0.6], [0.0, 0.4]])
    centers = torch.tensor([[-3.0, 0.0], [2.0, 2.0], [2.0, -2.0]])
    noise = torch.randn(3, n, 2, generator=generator) @ shear
    return (noise + centers[:, None]).reshape(-1, 2).double()


def one_iteration(mixture, x):
    """Paso E y paso M escritos aparte, con MultivariateNormal y einsum."""
    laws = MultivariateNormal(mixture.means, mixture.covs)
    resp = (mixture.weights.log() + laws.log_prob(x[:, None])).softmax(1)
    count = resp.sum(0)
    means = resp.T @ x / count[:, None]
    shift = x[:, None] - means
    covs = torch.einsum("nk,nki,nkj->kij", resp, shift, shift) / count[:, None, None]
    return resp, count / len(x), means, covs


def as_dict(mixture):
    packed = torch.stack([mixture.covs[:, 0, 0], mixture.covs[:, 0, 1], mixture.covs[:, 1, 1]], 1)
    columns = {"weights": mixture.weights, "means": mixture.means, "covs": packed}
    return {name: values.tolist() for name, values in columns.items()}


def assert_same(result, expected, rtol=1e-9):
    for name, values in expected.items():
        np.testing.assert_allclose(result[name], values, rtol=rtol, atol=1e-12, err_msg=name)


@pytest.fixture(scope="module")
def formulas(navegador):
    page = import_functions(navegador, FILES, NAMES)
    yield page
    page.close()


@pytest.mark.parametrize("k, seed", [(1, 0), (3, 0), (3, 1), (6, 12345), (4, 2**31 - 3)])
def test_la_partida_es_la_de_python(formulas, k, seed):
    widget = ExpectationMaximization(clusters(), k, seed)
    arguments = [widget.x.tolist(), k, seed, widget.floor]
    result = formulas.evaluate("a => initialMixture(...a)", arguments)
    assert_same(result, as_dict(widget.initial()))
    distinct = {tuple(mean) for mean in result["means"]}
    assert len(distinct) == k and distinct <= {tuple(row) for row in widget.x.tolist()}


def test_una_iteracion_contra_torch(formulas):
    widget = ExpectationMaximization(clusters(), 3, 5)
    start, points = widget.initial(), widget.x.tolist()
    resp, weights, means, covs = one_iteration(start, widget.x)
    result = formulas.evaluate("([m, x]) => expectation(m, x)", [as_dict(start), points])
    np.testing.assert_allclose(result, resp, rtol=1e-9, atol=1e-15)
    updated = formulas.evaluate(
        "([m, x, r, f]) => maximization(m, x, r, f)", [as_dict(start), points, result, widget.floor]
    )
    packed = torch.stack([covs[:, 0, 0], covs[:, 0, 1], covs[:, 1, 1]], 1)
    assert_same(updated, {"weights": weights, "means": means, "covs": packed})


RUN = """([start, x, floor, count]) => {
    let m = start;
    const values = [logLikelihood(m, x)], bounds = [];
    for (let i = 0; i < count; i++) {
        const r = expectation(m, x);
        const tight = lowerBound(m, x, r);
        m = maximization(m, x, r, floor);
        values.push(logLikelihood(m, x));
        bounds.push([tight, lowerBound(m, x, r)]);
    }
    return { mixture: m, values, bounds };
}"""


@pytest.mark.parametrize("k, seed", [(2, 0), (3, 1), (6, 4)])
def test_muchas_iteraciones_contra_fit_em(formulas, k, seed):
    widget = ExpectationMaximization(clusters(), k, seed)
    fitted = fit_em(widget.x, k, 25, 0.0, widget.initial(), widget.floor)
    steps = fitted.iterations
    arguments = [as_dict(widget.initial()), widget.x.tolist(), widget.floor, steps]
    result = formulas.evaluate(RUN, arguments)
    np.testing.assert_allclose(result["values"], fitted.log_likelihood, rtol=1e-9)
    assert_same(result["mixture"], as_dict(fitted.mixture), rtol=1e-6)
    values, bounds = np.array(result["values"]), np.array(result["bounds"])
    np.testing.assert_allclose(bounds[:, 0], values[:-1], rtol=1e-10)  # el paso E iguala la cota
    assert (bounds[:, 1] >= bounds[:, 0] - 1e-12).all()  # el paso M la sube
    assert (values[1:] >= bounds[:, 1] - 1e-12).all()  # y ℓ sube al menos lo mismo


def test_una_componente_no_se_encoge_hasta_un_punto(formulas):
    x = clusters(2)  # seis puntos y seis componentes
    widget = ExpectationMaximization(x, 6, 0)
    arguments = [as_dict(widget.initial()), x.tolist(), widget.floor, 60]
    result = formulas.evaluate(RUN, arguments)
    assert np.isfinite(result["values"]).all() and (np.diff(result["values"]) > -1e-10).all()
    covs = np.array(result["mixture"]["covs"])
    lowest = [np.linalg.eigvalsh([[a, b], [b, c]])[0] for a, b, c in covs]
    assert min(lowest) == pytest.approx(widget.floor, rel=1e-6)


@pytest.mark.parametrize("cov", [[1e-9, 0, 2.0], [1.0, 0.99999, 1.0], [1e-9, 0, 1e-9], [2, 1, 2]])
def test_recortar_autovalores(formulas, cov):
    a, b, c = formulas.evaluate("([c, f]) => raise(c, f)", [cov, 1e-3])
    values, vectors = np.linalg.eigh([[cov[0], cov[1]], [cov[1], cov[2]]])
    expected = vectors @ np.diag(values.clip(1e-3)) @ vectors.T
    np.testing.assert_allclose([[a, b], [b, c]], expected, rtol=1e-9, atol=1e-12)


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def weights(page):
    cells = page.locator(".cw-weights dd").all_text_contents()
    return [number(text) for text in cells]


def test_paso_e_y_paso_m_por_separado(open_widgets):  # noqa: F811
    widget = ExpectationMaximization(clusters(), 3, 1)
    fitted = fit_em(widget.x, 3, 4, 0.0, widget.initial(), widget.floor)
    page = open_widgets(widget)
    assert readings(page)["cota inferior"] == "—"
    for i in range(4):
        assert readings(page)["iteración"] == str(i)
        assert number(readings(page)[LL]) == pytest.approx(fitted.log_likelihood[i], rel=6e-5)
        assert weights(page) == pytest.approx(fitted.history[i].weights.tolist(), rel=6e-3)
        button(page, "Paso M").click(force=True)  # todavía no toca: no hace nada
        assert readings(page)["iteración"] == str(i)
        assert button(page, "Paso M").get_attribute("aria-disabled") == "true"
        button(page, "Paso E").press("Enter")
        assert readings(page)["cota inferior"] == readings(page)[LL]
        assert button(page, "Paso E").get_attribute("aria-disabled") == "true"
        button(page, "Paso M").press("Space")
        bound = number(readings(page)["cota inferior"])
        assert fitted.log_likelihood[i] - 1e-3 < bound <= fitted.log_likelihood[i + 1] + 1e-3
    button(page, "Reiniciar").click()
    assert readings(page)["iteración"] == "0" and readings(page)["cota inferior"] == "—"
    assert number(readings(page)[LL]) == pytest.approx(fitted.log_likelihood[0], rel=6e-5)


def test_reproducir_llega_a_un_maximo_local_por_una_curva_que_no_baja(open_widgets):  # noqa: F811
    widget = ExpectationMaximization(clusters(), 3, 1)
    fitted = fit_em(widget.x, 3, 300, 1e-6, widget.initial(), widget.floor)
    page = open_widgets(widget)
    page.get_by_role("button", name="Reproducir EM").click()
    page.wait_for_function(
        "document.querySelector('.cw-note').textContent.includes('máximo local')"
    )
    page.get_by_role("button", name="Reproducir EM").wait_for()
    assert readings(page)["iteración"] == str(fitted.iterations)
    assert number(readings(page)[LL]) == pytest.approx(fitted.log_likelihood[-1], rel=6e-5)
    line = page.locator(".cw-chart").last.locator("path.cw-thick").get_attribute("d")
    heights = [float(y) for y in re.findall(r"[ML]-?[\d.]+ (-?[\d.]+)", line)]
    assert len(heights) == fitted.iterations + 1 and heights == sorted(heights, reverse=True)
    stop_clock(page)
    page.get_by_role("button", name="Reproducir EM").click()  # acabado: vuelve a empezar
    page.get_by_role("button", name="Pausar").click()
    assert int(readings(page)["iteración"]) == 0


def test_otra_semilla_y_otra_k_vuelven_a_empezar(open_widgets):  # noqa: F811
    widget = ExpectationMaximization(clusters(), 3, 0)
    page = open_widgets(widget)
    button(page, "Paso E").click()
    button(page, "Paso M").click()
    button(page, "Otra semilla").click()
    radio(page, "3").focus()
    page.keyboard.press("ArrowRight")
    widget.k, widget.seed = 4, 1
    start = fit_em(widget.x, 4, 1, 0.0, widget.initial(), widget.floor).log_likelihood[0]
    shown = readings(page)
    assert [shown["semilla"], shown["iteración"]] == ["1", "0"] and len(weights(page)) == 4
    assert number(shown[LL]) == pytest.approx(start, rel=6e-5)
    radio(page, "1").check()
    button(page, "Paso E").click()
    button(page, "Paso M").click()
    assert weights(page) == [1]


COLOUR = "e => getComputedStyle(e).color.match(/[\\d.]+/g).slice(0, 3).map(Number)"


def test_cada_punto_lleva_el_color_de_sus_responsabilidades(open_widgets):  # noqa: F811
    widget = ExpectationMaximization(clusters(10), 3, 1)
    page = open_widgets(widget)
    dots = page.locator("circle.cw-datum")
    assert dots.count() == 30
    assert len({tuple(c) for c in dots.evaluate_all(f"l => l.map({COLOUR})")}) == 1
    button(page, "Paso E").click()
    swatches = page.locator(".cw-weights .cw-dot").evaluate_all(f"l => l.map({COLOUR})")
    resp = one_iteration(widget.initial(), widget.x)[0].numpy()
    expected = resp @ np.array(swatches) / 255
    shown = np.array(dots.evaluate_all(f"l => l.map({COLOUR})"))
    shown = np.where(shown.max(1, keepdims=True) > 1, shown / 255, shown)
    np.testing.assert_allclose(shown, expected, atol=0.02)


def test_las_elipses_estan_a_una_y_dos_desviaciones(open_widgets):  # noqa: F811
    widget = ExpectationMaximization(clusters(), 2, 3)
    page = open_widgets(widget)
    mixture = widget.initial()
    places = page.locator("circle.cw-datum").evaluate_all(
        "l => l.map(c => [Number(c.getAttribute('cx')), Number(c.getAttribute('cy'))])"
    )
    design = np.column_stack([np.array(places), np.ones(len(places))])
    to_data = np.linalg.lstsq(design, widget.x.numpy(), rcond=None)[0]  # de píxeles a datos
    assert to_data[0, 0] == pytest.approx(-to_data[1, 1], rel=1e-3)  # las mismas unidades
    paths = page.locator(".cw-plane path.cw-line").evaluate_all(
        "l => l.map(p => p.getAttribute('d'))"
    )
    for i, path in enumerate(paths):
        pairs = np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path), dtype=float)
        points = np.column_stack([pairs, np.ones(len(pairs))]) @ to_data
        shift = points - mixture.means[i // 2].numpy()
        precision = np.linalg.inv(mixture.covs[i // 2].numpy())
        radius = np.sqrt(np.einsum("ni,ij,nj->n", shift, precision, shift))
        np.testing.assert_allclose(radius, 1 + i % 2, rtol=0.02)
    assert len(paths) == 4


def test_con_menos_movimiento_da_una_iteracion_entera_cada_vez(open_widgets):  # noqa: F811
    page = open_widgets(ExpectationMaximization(clusters(), 3, 1), reduced_motion="reduce")
    stop_clock(page)
    page.get_by_role("button", name="Reproducir EM").click()
    page.clock.run_for(1499)
    assert readings(page)["iteración"] == "1"
    page.clock.run_for(1)
    assert readings(page)["iteración"] == "2"
    page.get_by_role("button", name="Pausar").click()
    assert button(page, "Paso E").get_attribute("aria-disabled") == "false"


def test_dos_mil_puntos_van_con_soltura(open_widgets):  # noqa: F811
    widget = ExpectationMaximization(clusters(666), 6, 0)
    page = open_widgets(widget)
    fitted = fit_em(widget.x, 6, 1, 0.0, widget.initial(), widget.floor)
    button(page, "Paso E").click()
    button(page, "Paso M").click()
    assert number(readings(page)[LL]) == pytest.approx(fitted.log_likelihood[1], rel=6e-5)
    assert page.locator("circle.cw-datum").count() == 1998
