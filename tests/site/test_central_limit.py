"""`CentralLimit` en el navegador: las medias simuladas y sus medidas, contra scipy."""

import numpy as np
import pytest
from scipy import integrate, stats
from widget_fixtures import number, open_widgets, radio, readings, slider, stop_clock  # noqa: F401

from course_lib.widgets import CentralLimit
from course_lib.widgets.central_limit import SOURCES

NAMES = {"uniforme": "Uniforme", "exponencial": "Exponencial"}
NAMES |= {"bernoulli": "Bernoulli(0.2)", "dos picos": "Dos picos"}
PEAKS = ((0.7, -1.0), (0.3, 1.0))  # pesos y medias; las dos desviaciones son 0.3


def peaks(v, kind="pdf"):
    return sum(w * getattr(stats.norm(m, 0.3), kind)(v) for w, m in PEAKS)


def peak_moments():
    def moment(f):
        return integrate.quad(lambda v: f(v) * peaks(v), -4, 4, limit=200)[0]

    mean = moment(lambda v: v)
    variance = moment(lambda v: (v - mean) ** 2)
    return mean, variance**0.5, moment(lambda v: (v - mean) ** 3) / variance**1.5


MOMENTS = {
    "uniforme": (0.5, 12**-0.5, 0.0),
    "exponencial": (1.0, 1.0, 2.0),
    "bernoulli": (0.2, 0.4, 1.5),
    "dos picos": peak_moments(),
}


@pytest.fixture(scope="module")
def formulas(navegador):
    """Las funciones de central_limit.js, importadas en una página en blanco."""
    page = navegador.new_page()
    names = "SOURCES, simulate, standardized, normalCdf, firstOrder, bars"
    page.evaluate(
        """async source => {
            const file = new Blob([source], {type: "text/javascript"});
            Object.assign(globalThis, await import(URL.createObjectURL(file)));
        }""",
        f"{CentralLimit._esm}\nexport {{ {names} }};",
    )
    for name in SOURCES:
        page.evaluate(f"(globalThis.terms ??= {{}})['{name}'] = simulate(SOURCES['{name}'], 100)")
    yield page
    page.close()


def means(formulas, name, n):
    call = f"Array.from(standardized(terms['{name}'], SOURCES['{name}'], {n}))"
    return np.array(formulas.evaluate(call))


@pytest.mark.parametrize("name", SOURCES)
def test_los_momentos_de_cada_fuente_son_los_exactos(formulas, name):
    source = formulas.evaluate(
        f"(({{mean, std, skewness}}) => [mean, std, skewness])(SOURCES['{name}'])"
    )
    assert source == pytest.approx(MOMENTS[name], abs=1e-9)


EXACT = [
    ("uniforme", 1, stats.uniform().cdf),
    ("uniforme", 8, stats.irwinhall(8).cdf),
    ("exponencial", 1, stats.gamma(1).cdf),
    ("exponencial", 30, stats.gamma(30).cdf),
    ("exponencial", 100, stats.gamma(100).cdf),
    ("dos picos", 1, lambda v: peaks(v, "cdf")),
]


@pytest.mark.parametrize(("name", "n", "cdf"), EXACT)
def test_la_suma_sigue_su_ley_exacta(formulas, name, n, cdf):
    mean, std, _ = MOMENTS[name]
    total = means(formulas, name, n) * std * np.sqrt(n) + n * mean
    assert len(total) == 10_000 and stats.kstest(total, cdf).pvalue > 0.01


@pytest.mark.parametrize("n", [1, 10, 100])
def test_la_suma_de_bernoulli_es_binomial(formulas, n):
    total = np.rint(means(formulas, "bernoulli", n) * 0.4 * np.sqrt(n) + 0.2 * n).astype(int)
    expected = 10_000 * stats.binom(n, 0.2).pmf(np.arange(n + 1))
    common = expected > 5
    counts = np.bincount(total, minlength=n + 1)
    seen = np.append(counts[common], counts[~common].sum())
    wanted = np.append(expected[common], expected[~common].sum())
    keep = wanted > 1
    assert (
        stats.chisquare(seen[keep], wanted[keep] * seen[keep].sum() / wanted[keep].sum()).pvalue
        > 0.01
    )


def test_la_funcion_de_distribucion_normal(formulas):
    z = np.linspace(-6, 6, 201)
    values = formulas.evaluate("z => z.map(normalCdf)", z.tolist())
    np.testing.assert_allclose(values, stats.norm.cdf(z), atol=1.5e-7)


@pytest.mark.parametrize(
    ("name", "cdf", "left"),
    [
        ("exponencial", stats.gamma(400).cdf, stats.gamma(400).cdf),
        (
            "bernoulli",
            lambda s: stats.binom(400, 0.2).cdf(s),
            lambda s: stats.binom(400, 0.2).cdf(np.ceil(s) - 1),
        ),
    ],
)
def test_el_primer_orden_de_la_distancia_es_el_de_la_ley_exacta(formulas, name, cdf, left):
    mean, std, _ = MOMENTS[name]
    total = np.arange(0, 801) if name == "bernoulli" else np.linspace(300, 500, 4001)
    phi = stats.norm.cdf((total - 400 * mean) / (20 * std))
    exact = max(np.abs(cdf(total) - phi).max(), np.abs(left(total) - phi).max())
    predicted = formulas.evaluate(f"firstOrder(SOURCES['{name}'], 400)")
    assert predicted == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("name", SOURCES)
def test_las_lecturas_son_las_de_scipy(open_widgets, formulas, name):  # noqa: F811
    page = open_widgets(CentralLimit())
    radio(page, NAMES[name]).check()
    for n in (1, 4, 30):
        slider(page, "n, número").fill(str(n))
        z = means(formulas, name, n)
        shown = readings(page)
        distance = stats.kstest(z, "norm").statistic
        assert number(shown["distancia de Kolmogorov–Smirnov"]) == pytest.approx(distance, rel=6e-3)
        skewness, predicted = shown["asimetría de Zn"].split(" predicha, γ/√n: ")
        assert number(skewness) == pytest.approx(stats.skew(z), abs=6e-4)
        assert number(predicted) == pytest.approx(MOMENTS[name][2] / n**0.5, abs=6e-4)
        note = page.locator(".cw-note").inner_text()
        assert ("ya no se distingue" in note) == (distance < stats.kstwobign.ppf(0.95) / 100)


def test_las_barras_son_un_histograma_que_suma_uno(open_widgets, formulas):  # noqa: F811
    for name, n in [("exponencial", 6), ("bernoulli", 25)]:
        bars = np.array(
            formulas.evaluate(
                f"bars(standardized(terms['{name}'], SOURCES['{name}'], {n}), SOURCES['{name}'], {n})"
            )
        )
        assert ((bars[:, 1] - bars[:, 0]) * bars[:, 2]).sum() == pytest.approx(1)
        z = means(formulas, name, n)
        for low, high, height in bars:
            inside = ((z >= low - 1e-7) & (z < high - 1e-7)).mean()
            assert height * (high - low) == pytest.approx(inside)
    page = open_widgets(CentralLimit("bernoulli", 25))
    assert page.locator(".cw-bar").count() == len(
        np.unique(np.rint(means(formulas, "bernoulli", 25) * 2))
    )
    assert page.locator(".cw-bar").count() == len(bars)


def test_senalar_la_segunda_grafica_y_el_teclado_cambian_n(open_widgets):  # noqa: F811
    page = open_widgets(CentralLimit())
    box = page.locator(".cw-chart > svg").last.bounding_box()
    page.mouse.click(box["x"] + 46 + (box["width"] - 46 - 14) / 2, box["y"] + 60)
    assert slider(page, "n, número").input_value() == "10"
    slider(page, "n, número").press("ArrowRight")
    assert slider(page, "n, número").input_value() == "11"
    page.wait_for_function("() => document.querySelector('[role=status]').textContent")
    assert page.get_by_role("status").inner_text().startswith("Exponencial, n 11: distancia 0.0")


def test_reproducir_sube_n_y_se_detiene_en_100(open_widgets):  # noqa: F811
    page = open_widgets(CentralLimit(n=96))
    stop_clock(page)
    n = slider(page, "n, número")
    page.get_by_role("button", name="Reproducir").click()
    page.clock.run_for(90 * 4)
    assert n.input_value() == "100"
    page.get_by_role("button", name="Reproducir").click()  # desde el final, vuelve a empezar
    page.clock.run_for(350 * 3)
    page.get_by_role("button", name="Pausar").click()
    stopped = n.input_value()
    page.clock.run_for(5000)
    assert n.input_value() == stopped == "4"


def test_con_menos_movimiento_va_a_saltos(open_widgets):  # noqa: F811
    page = open_widgets(CentralLimit(n=20), reduced_motion="reduce")
    stop_clock(page)
    page.get_by_role("button", name="Reproducir").click()
    page.clock.run_for(1199)
    assert slider(page, "n, número").input_value() == "28"
    page.clock.run_for(1)
    assert slider(page, "n, número").input_value() == "40"
