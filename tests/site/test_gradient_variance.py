"""`GradientVariance` en el navegador, contra los estimadores de `course_lib.latent.gradients`."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from widget_fixtures import number, open_widgets, radio, readings, slider  # noqa: F401
from widget_formulas import import_functions

from course_lib.latent import pathwise, score_function
from course_lib.widgets import GradientVariance
from course_lib.widgets.gradient_variance import BASELINES, COMPONENTS, FUNCTIONS

FILES = (
    "common.js", "random.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js",
    "gradient_estimators.js",
)  # fmt: skip
F64 = torch.float64
SMOOTH = [name for name in FUNCTIONS if name != "escalón"]
PLACES = [(0.0, 1.0), (-1.3, 0.4), (0.7, 1.5)]


@pytest.fixture(scope="module")
def formulas(navegador):
    names = "FUNCTIONS, sampled, scoreGradients, describe, exactMoments, measuredDeviation, sfc32, gauss"
    page = import_functions(navegador, FILES, names)
    yield page
    page.close()


def parameters(mean, std):
    return torch.tensor([mean], dtype=F64), torch.tensor([std], dtype=F64).log()


def exact(formulas, name, component, mean, std, baseline=None):
    """El gradiente, la línea base y las varianzas según la cuadratura del navegador."""
    return formulas.evaluate(
        "([f, side, q, b]) => exactMoments(FUNCTIONS[f], side, q, b)",
        [name, component, {"mean": mean, "std": std}, baseline],
    )


# --- Las fórmulas -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_las_funciones_y_sus_derivadas_son_las_de_torch(formulas, name):
    z = torch.linspace(-4, 4, 41, dtype=F64)[:, None].requires_grad_()
    values = FUNCTIONS[name](z)
    points = z.detach().flatten().tolist()
    f = f"FUNCTIONS['{name}']"
    np.testing.assert_allclose(
        formulas.evaluate(f"p => p.map({f}.value)", points), values.detach(), rtol=1e-10, atol=1e-14
    )
    if name == "escalón":
        assert formulas.evaluate(f"{f}.slope") is None
        return
    (slope,) = torch.autograd.grad(values.sum(), z)
    np.testing.assert_allclose(
        formulas.evaluate(f"p => p.map({f}.slope)", points),
        slope.flatten(),
        rtol=1e-9,
        atol=1e-14,
    )


GRADIENTS = """([f, side, q, eps, baseline]) => {
    const all = sampled(FUNCTIONS[f], side, q, Float64Array.from(eps));
    return [Array.from(scoreGradients(all, baseline)), all.path && Array.from(all.path)];
}"""


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_muestra_a_muestra_son_los_de_la_biblioteca(formulas, name, component):
    mean, log_std = parameters(0.6, 0.8)
    eps = torch.randn(9, 1, dtype=F64, generator=torch.Generator().manual_seed(5))
    q = {"mean": 0.6, "std": 0.8}
    for baseline in BASELINES:
        score, path = formulas.evaluate(
            GRADIENTS, [name, component, q, eps.flatten().tolist(), baseline]
        )
        generator = torch.Generator().manual_seed(5)
        expected = score_function(FUNCTIONS[name], mean, log_std, 9, generator, baseline)
        np.testing.assert_allclose(
            score, getattr(expected, component).flatten(), rtol=1e-9, atol=1e-12
        )
    if name == "escalón":
        assert path is None
        return
    expected = pathwise(FUNCTIONS[name], mean, log_std, 9, torch.Generator().manual_seed(5))
    np.testing.assert_allclose(path, getattr(expected, component).flatten(), rtol=1e-9, atol=1e-12)


def integral(h, name, mean, std):
    """E[h(z, ε)] con la cuadratura adaptativa de scipy, partida en 0."""
    cut = -mean / std
    total = 0.0
    for low, high in itertools.pairwise([-11, min(max(cut, -11), 11), 11]):
        f = lambda e: h(mean + std * e, e) * stats.norm.pdf(e)  # noqa: E731
        total += integrate.quad(f, low, high, limit=400, epsabs=1e-11, epsrel=1e-11)[0]
    return total


def value(name, z):
    return FUNCTIONS[name](torch.tensor([[z]], dtype=F64)).item()


@pytest.mark.parametrize("mean, std", PLACES)
@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_el_gradiente_exacto_es_el_de_scipy(formulas, name, component, mean, std):
    score = {"mean": lambda e: e / std, "log_std": lambda e: e * e - 1}[component]
    expected = integral(lambda z, e: value(name, z) * score(e), name, mean, std)
    result = exact(formulas, name, component, mean, std)
    assert result["gradient"] == pytest.approx(expected, rel=1e-8, abs=1e-9)


def test_el_gradiente_de_la_cuadratica_y_el_del_escalon_se_saben(formulas):
    for mean, std in PLACES:
        assert exact(formulas, "cuadrática", "mean", mean, std)["gradient"] == pytest.approx(
            2 * (mean - 2), rel=1e-10
        )
        assert exact(formulas, "cuadrática", "log_std", mean, std)["gradient"] == pytest.approx(
            2 * std**2, rel=1e-10
        )
        density = stats.norm.pdf(mean / std)
        assert exact(formulas, "escalón", "mean", mean, std)["gradient"] == pytest.approx(
            density / std, rel=1e-9, abs=1e-12
        )
        assert exact(formulas, "escalón", "log_std", mean, std)["gradient"] == pytest.approx(
            -mean / std * density, rel=1e-9, abs=1e-12
        )


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_medias_y_varianzas_contra_muchas_muestras_de_la_biblioteca(formulas, name, component):
    mean, log_std = parameters(-0.4, 0.7)
    runs = {
        ("score", b): score_function(
            FUNCTIONS[name], mean, log_std, 200_000, torch.Generator().manual_seed(1), b
        )
        for b in BASELINES
    }
    if name in SMOOTH:
        runs["path", None] = pathwise(
            FUNCTIONS[name], mean, log_std, 200_000, torch.Generator().manual_seed(2)
        )
    for (kind, baseline), run in runs.items():
        moments = exact(formulas, name, component, -0.4, 0.7, baseline)
        g = getattr(run, component).flatten().numpy()
        error = g.std() / np.sqrt(len(g))
        assert g.mean() == pytest.approx(moments["gradient"], abs=4.5 * error)
        squares = (g - moments["gradient"]) ** 2
        error = squares.std() / np.sqrt(len(g))
        assert squares.mean() == pytest.approx(moments[kind], abs=4.5 * error), (kind, baseline)
        assert error < 0.2 * moments[kind]  # la cuártica tiene colas largas


@pytest.mark.parametrize("mean, std", PLACES)
@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_la_linea_base_optima_es_la_de_menor_varianza(formulas, name, component, mean, std):
    best = exact(formulas, name, component, mean, std, "optimal")
    others = [exact(formulas, name, component, mean, std, b) for b in BASELINES[:2]]
    for other in others:
        assert other["gradient"] == pytest.approx(best["gradient"], rel=1e-12)
        assert best["score"] <= other["score"] * (1 + 1e-12)
        # V(b) es una parábola de coeficiente E[g²], con el mínimo en la óptima
        curvature = 1 / std**2 if component == "mean" else 2.0
        gap = curvature * (other["baseline"] - best["baseline"]) ** 2
        assert other["score"] - best["score"] == pytest.approx(gap, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("mean", [1.5, 2.0])
@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("name", ["escalón suave", "escalón"])
def test_las_varianzas_no_pierden_las_cifras_donde_f_apenas_cambia(formulas, name, component, mean):
    """Lejos del escalón, con s = 0.1, los momentos sin centrar se cancelan."""
    loo, best = (exact(formulas, name, component, mean, 0.1, b) for b in BASELINES[1:])
    assert 0 <= best["score"] <= loo["score"]
    if name == "escalón":
        assert loo["score"] < 1e-25
        return

    def score(e):
        return e / 0.1 if component == "mean" else e * e - 1

    def tail(z, e=0.0):  # f − 1, con todas sus cifras y a escala de 1
        return -1e8 / (1 + math.exp(10 * z))

    average = integral(tail, name, mean, 0.1)
    gradient = integral(lambda z, e: (tail(z) - average) * score(e), name, mean, 0.1)
    squares = integral(
        lambda z, e: ((tail(z) - average) * score(e) - gradient) ** 2, name, mean, 0.1
    )
    assert loo["gradient"] == pytest.approx(gradient * 1e-8, rel=1e-4)
    assert loo["score"] == pytest.approx(squares * 1e-16, rel=1e-4)


MEASURED = """([f, side, q, baseline]) => {
    const uniform = sfc32(7);
    const eps = Float64Array.from({ length: 200 * 512 }, () => gauss(uniform));
    const all = sampled(FUNCTIONS[f], side, q, eps);
    const { gradient } = exactMoments(FUNCTIONS[f], side, q, baseline);
    return [2, 32, 512].map((count) => measuredDeviation(all, baseline, gradient, count, Infinity));
}"""


@pytest.mark.parametrize("name", ["seno", "escalón suave"])
@pytest.mark.parametrize("baseline", BASELINES)
def test_la_desviacion_medida_baja_como_la_raiz_de_s(formulas, name, baseline):
    q = {"mean": 0.3, "std": 0.8}
    moments = exact(formulas, name, "mean", 0.3, 0.8, baseline)
    measured = formulas.evaluate(MEASURED, [name, "mean", q, baseline])
    for count, found in zip((2, 32, 512), measured, strict=True):
        assert found["path"] == pytest.approx((moments["path"] / count) ** 0.5, rel=0.15)
        if count == 512 or baseline is None:
            assert found["score"] == pytest.approx((moments["score"] / count) ** 0.5, rel=0.15)
    if baseline == "leave-one-out":  # con pocas muestras, b también es azar: la varianza exacta es
        # E[(f−Ef)²g²]/S + Var f·E[g²]/(S(S−1)) − (S−2)/(S(S−1))·cov², la de la covarianza muestral
        var_f = (
            integral(lambda z, e: value(name, z) ** 2, name, 0.3, 0.8) - moments["baseline"] ** 2
        )
        fourth = moments["score"] + moments["gradient"] ** 2
        expected = (fourth + var_f / 0.8**2) / 2
        assert measured[0]["score"] == pytest.approx(expected**0.5, rel=0.03)
        assert measured[0]["score"] > 1.1 * (moments["score"] / 2) ** 0.5


# --- En la página -------------------------------------------------------------------------------

OPTIONS = {
    "cuadrática": "(z − 2)²",
    "seno": "sen 3z",
    "cuártica": "(z² − 1)²",
    "escalón suave": "escalón suave",
    "escalón": "escalón",
}
CHOICES = {None: "ninguna", "leave-one-out": "media de las otras", "optimal": "óptima"}
SIDES = {"mean": "m", "log_std": "log s"}
PATH, SCORE = "trayectoria, media ± error", "función de puntaje, media ± error"
RATIO = "cociente de varianzas, puntaje / trayectoria"


def cells(page):
    """Las lecturas, con las dos varianzas por separado."""
    pairs = page.locator(".cw-readings").first.evaluate(
        "list => [...list.children].map(e => [...e.children].map(c => c.textContent))"
    )
    names = ["exact", "ratio", "path", "pathVariance", "score", "scoreVariance"]
    return dict(zip(names, [text for _, text in pairs], strict=True))


def estimate(text):
    return [number(part) for part in text.split(" ± ")]


def aside(text):
    return number(text.split("por cuadratura: ")[1])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_las_lecturas_siguen_a_los_controles(open_widgets, formulas, name):  # noqa: F811
    page = open_widgets(GradientVariance(samples=2048))
    radio(page, OPTIONS[name]).check()
    slider(page, "m, media").fill("0.35")
    slider(page, "s, desv").fill("0.6")
    for component, baseline in itertools.product(COMPONENTS, BASELINES):
        radio(page, SIDES[component]).check()
        radio(page, CHOICES[baseline]).check()
        moments = exact(formulas, name, component, 0.35, 0.6, baseline)
        shown = cells(page)
        gradient = pytest.approx(moments["gradient"], rel=6e-3)
        assert number(shown["exact"]) == gradient and shown["exact"].endswith("por cuadratura")
        assert aside(shown["scoreVariance"]) == pytest.approx(moments["score"], rel=6e-3)
        value_, error = estimate(shown["score"])
        assert abs(value_ - moments["gradient"]) < 5 * error
        assert error == pytest.approx((moments["score"] / 2048) ** 0.5, rel=0.45)
        if name == "escalón":
            assert shown["path"] == "no existe" and shown["ratio"] == "—"
            continue
        value_, error = estimate(shown["path"])
        assert abs(value_ - moments["gradient"]) < 5 * error
        assert aside(shown["pathVariance"]) == pytest.approx(moments["path"], rel=6e-3)
        ratio = moments["score"] / moments["path"]
        assert aside(shown["ratio"]) == pytest.approx(ratio, rel=6e-3)
        assert number(shown["ratio"]) == pytest.approx(ratio, rel=0.5)


def test_el_escalon_avisa_y_las_demas_dicen_quien_gana(open_widgets):  # noqa: F811
    page = open_widgets(GradientVariance("escalón", 0.4, 0.8))
    note = page.locator(".cw-note")
    assert "cw-warning" in note.get_attribute("class")
    text = note.inner_text()
    assert "no es derivable" in text and "Solo queda la función de puntaje" in text
    gradient = stats.norm.pdf(0.5) / 0.8
    assert number(re.search(r"exacto es ([\d.]+)", text)[1][:-1]) == pytest.approx(
        gradient, rel=6e-3
    )
    assert page.locator(".cw-legend", has_text="trayectoria").count() == 0
    radio(page, OPTIONS["cuadrática"]).check()
    assert "cw-warning" not in note.get_attribute("class")
    assert "la función de puntaje necesita" in note.inner_text()
    radio(page, OPTIONS["escalón suave"]).check()
    radio(page, CHOICES["optimal"]).check()
    assert "Aquí gana la función de puntaje" in note.inner_text()


def test_lejos_del_escalon_no_hay_varianzas_negativas_ni_ejes_rotos(open_widgets):  # noqa: F811
    page = open_widgets(GradientVariance("escalón", 2.0, 0.1, baseline="leave-one-out"))
    assert cells(page)["scoreVariance"] == "0 por cuadratura: 0"
    drawn = page.locator(".cw-chart > svg").evaluate_all("l => l.map((s) => s.outerHTML).join()")
    assert "NaN" not in drawn
    radio(page, OPTIONS["escalón suave"]).check()
    radio(page, CHOICES["optimal"]).check()
    value_, error = estimate(cells(page)["path"])
    assert 0 < error < value_ == pytest.approx(3.4e-8, rel=0.1)


def test_otra_muestra_cambia_el_azar_y_se_repite(open_widgets):  # noqa: F811
    page = open_widgets(GradientVariance(seed=4))
    first = cells(page)
    page.get_by_role("button", name="Otra muestra").click()
    second = cells(page)
    assert second["score"] != first["score"] and second["path"] != first["path"]
    assert second["exact"] == first["exact"]
    again = open_widgets(GradientVariance(seed=5))
    assert cells(again) == second


def test_la_curva_dibuja_la_teoria_y_lo_medido(open_widgets, formulas):  # noqa: F811
    page = open_widgets(GradientVariance("cuártica", 0.2, 0.7, baseline="leave-one-out"))
    figure = page.locator(".cw-chart").nth(2)
    labels = figure.locator(".cw-axes text").evaluate_all(
        "l => l.filter(t => t.getAttribute('text-anchor') === 'end')"
        ".map(t => [Number(t.getAttribute('y')) - 4, t.textContent])"
    )
    (y0, v0), (y1, v1) = [(y, np.log10(number(t.replace("10", "1·10")) if "⁻" in t else float(t)))
                          for y, t in (labels[0], labels[-1])]  # fmt: skip

    def read(style):
        path = figure.locator(f"path.{style}").first.get_attribute("d")
        heights = np.array(re.findall(r"[ML]-?[\d.]+ (-?[\d.]+)", path), dtype=float)
        return 10 ** (v0 + (heights - y0) / (y1 - y0) * (v1 - v0))

    moments = exact(formulas, "cuártica", "mean", 0.2, 0.7, "leave-one-out")
    for style, kind in [("cw-one", "path"), ("cw-two:not(.cw-dashed)", "score")]:
        theory = read(f"{style}:not(.cw-beads)")
        expected = (moments[kind] / np.array([2, 2048])) ** 0.5
        np.testing.assert_allclose(theory, expected, rtol=0.02)
        measured = read(f"{style}.cw-beads")[::2]
        assert len(measured) == 11
        line = (moments[kind] / 2.0 ** np.arange(1, 12)) ** 0.5
        np.testing.assert_allclose(measured[5:], line[5:], rtol=0.25)
    plain = exact(formulas, "cuártica", "mean", 0.2, 0.7)
    np.testing.assert_allclose(
        read("cw-two.cw-dashed"), (plain["score"] / np.array([2, 2048])) ** 0.5, rtol=0.02
    )


def test_el_numero_de_muestras_y_m_se_mueven_con_teclado_y_raton(open_widgets):  # noqa: F811
    page = open_widgets(GradientVariance(samples=1000))
    samples = slider(page, "S, número")
    assert samples.get_attribute("aria-valuetext") == "1\u00a0000"
    samples.fill("3")
    assert samples.get_attribute("aria-valuetext") == "8"
    samples.press("ArrowRight")
    assert samples.get_attribute("aria-valuetext") == "16"
    box = page.locator(".cw-chart > svg").first.bounding_box()
    x = box["x"] + 46 + (1.5 + 4) / 8 * (box["width"] - 46 - 14)
    page.mouse.click(x, box["y"] + 80)
    assert float(slider(page, "m, media").input_value()) == pytest.approx(1.5, abs=0.05)
    page.mouse.click(box["x"] + box["width"] - 20, box["y"] + 80)
    assert slider(page, "m, media").input_value() == "2"
    page.wait_for_function("() => document.querySelector('[role=status]').textContent")
    assert page.get_by_role("status").inner_text().startswith("Gradiente exacto")
