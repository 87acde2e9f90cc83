"""`SamplerOrder` en el navegador: los pasos, contra la biblioteca; lo que se ve y cómo se maneja."""

import numpy as np
import pytest
import torch
from widget_fixtures import open_widgets, readings, slider  # noqa: F401
from widget_formulas import import_functions

from course_lib.diffusion import OU, VE, VP, Flow, SubVP, sample
from course_lib.widgets import SamplerOrder

FILES = (
    "common.js", "plot.js", "plane.js", "panel.js", "random.js", "continuous_schedules.js",
    "mixture_score.js", "sampler_steps.js", "sampler_order.js",
)  # fmt: skip
NAMES = "continuousLaws, exactModel, stepGrid, samplePath, orderProblem, slopeOf, orderVerdict"
LAWS = {"VP": VP(), "SubVP": SubVP(), "VE": VE(), "OU": OU(), "Flow": Flow()}
METHODS = ("euler", "heun", "ddim", "dpmpp_2m")
PATH = """([mixture, name, method, start, grid]) => {
    const law = continuousLaws[name], model = exactModel(mixture, law);
    return Array.from(samplePath(method, model, law, Float64Array.from(start), grid).at(-1));
}"""


@pytest.fixture(scope="module")
def formulas(navegador):
    # sampler_order.js ya exporta su módulo: solo hace falta el nombre de las funciones
    page = import_functions(navegador, FILES, NAMES)
    yield page
    page.close()


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("method", METHODS)
def test_cada_metodo_da_los_pasos_de_la_biblioteca(formulas, name, method):
    widget, schedule = SamplerOrder(), LAWS[name]
    grid = formulas.evaluate(f"stepGrid(continuousLaws['{name}'], 'rho', 12, 0.01)")
    start = torch.linspace(-2, 2, 9, dtype=torch.float64) * schedule.sigma(torch.tensor(grid[0]))
    found = formulas.evaluate(PATH, [widget.law, name, method, start.tolist(), grid])
    times = torch.tensor(grid, dtype=torch.float64)
    exact = sample(widget.mixture.denoiser(schedule), start[:, None], times, method)[:, 0]
    np.testing.assert_allclose(found, exact, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("n", [1, 2, 5, 50])
@pytest.mark.parametrize("spacing", ["t", "lambda", "rho"])
@pytest.mark.parametrize("name", LAWS)
def test_las_rejillas_son_las_de_la_biblioteca(formulas, name, spacing, n):
    """Hasta t = 0, con el último paso desde 0.001 si σ(0) = 0, y hasta otro final: `Schedule.grid`."""
    t_max = formulas.evaluate(f"continuousLaws['{name}'].tMax")
    for end in (0, 0.001, 0.01):
        found = formulas.evaluate(f"stepGrid(continuousLaws['{name}'], '{spacing}', {n}, {end})")
        expected = LAWS[name].grid(n, spacing, t_max=t_max, t_min=end)
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9, atol=1e-12)


def test_las_pendientes_son_los_ordenes(formulas):
    options = {"schedule": "VP", "spacing": "lambda", "end": 0.01}
    ask = """([law, options]) => {
        const { errors } = orderProblem(law, options);
        return Object.fromEntries(Object.entries(errors).map(([k, v]) => [k, slopeOf(v)]));
    }"""
    slopes = formulas.evaluate(ask, [SamplerOrder().law, options])
    for method, order in {"euler": 1, "heun": 2, "ddim": 1, "dpmpp_2m": 2}.items():
        assert abs(slopes[method] + order) < 0.2, (method, slopes)


@pytest.mark.parametrize("spacing", ["t", "lambda"])
def test_la_referencia_es_mucho_mas_exacta_que_lo_que_se_mide(formulas, spacing):
    """Con Flow, 256 pasos de Heun se apartan 2.8e-5: la referencia no puede apartarse otro tanto."""
    found = formulas.evaluate(
        """([law, spacing]) => {
            const problem = orderProblem(law, { schedule: "Flow", spacing, end: 0.001 });
            const grid = stepGrid(problem.law, "lambda", 6000, 0.001);
            const fine = samplePath("heun", problem.model, problem.law, problem.start, grid).at(-1);
            const gaps = problem.reference.at(-1).map((v, i) => Math.abs(v - fine[i]));
            return { gap: Math.max(...gaps), slope: slopeOf(problem.errors.heun) };
        }""",
        [SamplerOrder().law, spacing],
    )
    assert found["gap"] < 5e-6 and abs(found["slope"] + 2) < 0.05


def test_en_flow_euler_y_ddim_son_el_mismo_metodo(formulas):
    text, errors = formulas.evaluate(
        """(law) => {
            const problem = orderProblem(law, { schedule: "Flow", spacing: "t", end: 0.01 });
            return [orderVerdict(problem, "ddim", 16)[0], problem.errors];
        }""",
        SamplerOrder().law,
    )
    assert "Euler y DDIM son el mismo método" in text
    np.testing.assert_allclose(errors["euler"], errors["ddim"], rtol=1e-6)


def test_lo_dicho_sale_de_las_curvas(formulas):
    say = "([errors, method]) => orderVerdict({ errors, spacing: 't' }, method, 16)"
    line = lambda scale, order: [[n, scale * n**-order] for n in (4, 8, 16, 32)]  # noqa: E731
    errors = {"euler": line(1, 1), "heun": line(1, 2), "ddim": line(2, 1), "dpmpp_2m": line(3, 1)}
    text, warned = formulas.evaluate(say, [errors, "heun"])
    assert text.startswith("Con 16 evaluaciones gana Heun, con error 0.0039.") and not warned
    assert "la pendiente es −2.0: la de su orden, 2." in text
    text, warned = formulas.evaluate(say, [errors, "dpmpp_2m"])
    assert "El error de DPM-Solver++(2M) es 48 veces ese." in text and warned
    assert "su orden, 2, todavía no se ve en esta rejilla" in text


def test_los_controles_cambian_lo_que_se_ve(open_widgets):  # noqa: F811
    page = open_widgets(SamplerOrder())
    key = next(k for k in readings(page) if k.startswith("error"))
    value = lambda: readings(page)[key]  # noqa: E731
    first, note = value(), page.locator(".cw-note").inner_text()
    assert "16 pasos" in first and "Con 16 evaluaciones gana" in note
    budget = slider(page, "Evaluaciones del score")
    budget.focus()
    page.keyboard.press("ArrowRight")
    assert "24 pasos" in value() and "Con 24 evaluaciones" in page.locator(".cw-note").inner_text()
    page.get_by_label("Método").select_option("heun")
    assert "12 pasos" in value()
    before = value()
    page.get_by_label("Rejilla").select_option("t")
    assert value() != before
    before = value()
    page.get_by_label("Esquema").select_option("Flow")
    assert value() != before
    before = value()
    page.get_by_label("Hasta t =").select_option("0.1")
    assert value() != before
    drawn = page.locator(".cw-order-charts path.cw-line")
    assert drawn.count() == 4 + 8 + 8 + 1


def test_a_360_puntos_no_se_sale(open_widgets):  # noqa: F811
    page = open_widgets(SamplerOrder(), viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
