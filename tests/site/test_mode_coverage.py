"""`ModeCoverage` en el navegador: las cuentas son las de `mode_coverage`, y lo que se ve es eso."""

import math
import re

import pytest
import torch
from widget_fixtures import open_widgets, radio, readings, slider, stop_clock  # noqa: F401
from widget_formulas import import_functions

from course_lib.adversarial import expected_good, mode_coverage
from course_lib.data import toy
from course_lib.probability import GaussianMixture
from course_lib.widgets import ModeCoverage

FILES = ("common.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js", "mode_counts.js")
NAMES = "readRuns, countModes, coveredModes, perfectGood"
EIGHT = toy.eight_gaussians(torch.float64)
RADII = [k / 10 for k in range(5, 61)]


def sloppy(law, n, seed, spread):
    """Muestras de `law` desplazadas `spread`: buenas, malas y fuera del dibujo."""
    generator = torch.Generator().manual_seed(seed)
    x = law.sample(n, generator)
    return x + spread * torch.randn(n, 2, generator=generator) * (1 + 5 * torch.rand(n, 1) ** 8)


def swarms():
    """Tres juegos: uno que aprende, uno que pierde modos y uno más corto y con otros pasos."""
    torch.manual_seed(0)
    learns = [(200 * i, sloppy(EIGHT, 300, i, 1.5 / (1 + i) ** 2)) for i in range(6)]
    collapses = []
    for i, (step, x) in enumerate(learns):
        centre = EIGHT.means[torch.arange(len(x)) % max(1, 6 - i)]
        collapses.append((step, centre + 0.08 * torch.randn(len(x), 2)))
    short = [(50, sloppy(EIGHT, 120, 9, 0.2)), (910, sloppy(EIGHT, 80, 10, 0.05))]
    return {"aprende": learns, "colapsa": collapses, "corto": short}


def twisted():
    factors = torch.tensor([[[0.3, 0.0], [0.25, 0.1]], [[0.05, 0.0], [-0.4, 0.6]]])
    return GaussianMixture([0.3, 0.7], [[-1.0, 0.0], [2.0, 1.0]], factors @ factors.mT)


@pytest.fixture(scope="module")
def formulas(navegador):
    page = import_functions(navegador, FILES, NAMES)
    yield page
    page.close()


COUNTS = """([state, packed, radii]) => {
    const data = new DataView(Uint8Array.from(packed).buffer);
    const model = { get: name => name === "data" ? data : state[name] };
    return readRuns(model).map(({ name, steps, moments }) => ({
        name, steps, points: moments.map(m => m.points), outside: moments.map(m => m.outside),
        counts: radii.map(r => moments.map(m => countModes(m, state.means.length, r))),
    }));
}"""


@pytest.mark.parametrize("law", [EIGHT, twisted()], ids=["ocho", "torcida"])
def test_las_cuentas_son_las_de_mode_coverage_con_todos_los_radios(formulas, law):
    generator = torch.Generator().manual_seed(1)
    given = swarms()
    if law is not EIGHT:
        given = {"a": [(i, law.sample(400, generator) * (1 + 0.3 * i)) for i in range(4)]}
    widget = ModeCoverage(given, law)
    state = {name: getattr(widget, name) for name in ("means", "factors", "box", "runs")}
    found = formulas.evaluate(COUNTS, [state, list(widget.data), RADII])
    assert [(run["name"], run["steps"]) for run in found] == [
        (name, [step for step, _ in moments]) for name, moments in given.items()
    ]
    for run in found:
        for i, (_, x) in enumerate(given[run["name"]]):
            assert run["points"][i] == widget.samples(run["name"], i).tolist()
            for j, radius in enumerate(RADII):
                expected = mode_coverage(x, law, radius).counts.tolist()
                assert run["counts"][j][i] == expected, (run["name"], i, radius)


@pytest.mark.parametrize("minimum", [1, 2, 5, 10, 37])
def test_los_modos_cubiertos_son_los_de_mode_coverage(formulas, minimum):
    for moments in swarms().values():
        for _, x in moments:
            expected = mode_coverage(x, EIGHT, 2.0, minimum)
            found = formulas.evaluate(
                "([c, m]) => coveredModes(c, m)", [expected.counts.tolist(), minimum]
            )
            assert found == expected.covered


@pytest.mark.parametrize("radius", [0.5, 1.0, 3.0, 6.0])
def test_el_techo_es_el_teorico(formulas, radius):
    assert formulas.evaluate("perfectGood", radius) == pytest.approx(
        expected_good(2, radius), rel=1e-9
    )


# --- la página ----------------------------------------------------------------------------------


def shown(page):
    """Lo que se ve: cuentas por modo, veredictos, casillas y marcas del plano."""
    columns = page.locator(".cw-tally > div:not(.cw-least)")
    rings = page.locator(".cw-plane path.cw-line")
    return {
        "counts": [int(t) for t in columns.locator("b").all_inner_texts()],
        "verdicts": columns.locator(".cw-verdict").all_inner_texts(),
        "tags": page.locator(".cw-plane text.cw-tag").all_text_contents(),
        "dashed": [c > 0 for c in rings.evaluate_all("l => l.map(p => p.matches('.cw-dashed'))")],
        "good dots": page.locator(".cw-plane svg svg .cw-point.cw-main").count(),
        "other dots": page.locator(".cw-plane svg svg .cw-point.cw-hollow").count(),
        **readings(page),
    }


def check(page, widget, x):
    """Todo lo que se ve es lo que dice el oráculo de las muestras dadas."""
    expected = mode_coverage(x, EIGHT, widget.radius, widget.minimum)
    seen, total = shown(page), int(expected.counts.sum())
    assert seen["counts"] == expected.counts.tolist()
    covered = [k not in expected.missing for k in range(8)]
    assert seen["verdicts"] == ["✓" if c else "✗" for c in covered]
    assert seen["tags"] == [f"{k + 1} {'✓' if c else '✗'}" for k, c in enumerate(covered)]
    assert seen["dashed"] == [not c for c in covered]
    assert (seen["good dots"], seen["other dots"]) == (total, len(x) - total)
    assert seen["Modos cubiertos"].startswith(f"{expected.covered} de 8")
    assert seen["Muestras buenas"].startswith(f"{100 * expected.good:.1f}\u00a0%")
    ceiling = f"{100 * expected_good(2, widget.radius):.1f}\u00a0%"
    assert seen["Muestras buenas"].endswith(f"un generador perfecto: {ceiling}")
    assert seen["Muestras de ningún modo"].startswith(f"{len(x) - total} de {len(x)}")
    for k in expected.missing:
        assert re.search(rf"\b{k + 1}\b", seen["Modos cubiertos"].split(" de 8")[1])


def test_lo_que_se_ve_sigue_a_los_controles(open_widgets):  # noqa: F811
    given = swarms()
    widget = ModeCoverage(given)
    page = open_widgets(widget)
    check(page, widget, given["aprende"][0][1])
    visited = [("aprende", 3, 3.0, 6), ("colapsa", 5, 1.2, 20), ("colapsa", 2, 6.0, 1)]
    for name, i, radius, minimum in [*visited, ("corto", 1, 2.3, 7), ("corto", 0, 0.5, 2)]:
        radio(page, name).check()
        slider(page, "Instante").fill(str(i))
        slider(page, "Radio").fill(str(radius))
        slider(page, "Mínimo").fill(str(minimum))
        widget.radius, widget.minimum = radius, minimum
        check(page, widget, given[name][i][1])


def test_la_curva_trae_los_modos_de_cada_instante_y_entrenamiento(open_widgets):  # noqa: F811
    given = swarms()
    page = open_widgets(ModeCoverage(given, radius=2.0, minimum=8))
    figure = page.locator(".cw-chart").last
    labels = figure.locator(".cw-axes text").evaluate_all(
        "l => l.filter(t => t.getAttribute('text-anchor') === 'end')"
        ".map(t => [Number(t.getAttribute('y')) - 4, Number(t.textContent)])"
    )
    (y0, v0), (y1, v1) = labels[0], labels[-1]
    paths = [figure.locator(f"path.{style}").first for style in ("cw-one", "cw-two", "cw-three")]
    for path, moments in zip(paths, given.values(), strict=True):
        points = re.findall(r"[ML]([\d.]+) ([\d.]+)", path.get_attribute("d"))
        covered = [round(v0 + (float(y) - y0) / (y1 - y0) * (v1 - v0)) for _, y in points]
        assert covered == [mode_coverage(x, EIGHT, 2.0, 8).covered for _, x in moments]
    names = page.locator(".cw-legend").last.locator("li").all_inner_texts()
    assert names == list(given)


def test_un_nombre_con_barra_se_lee_entero(open_widgets):  # noqa: F811
    """En la leyenda, las barras marcan símbolos: la de un nombre no es de esas."""
    page = open_widgets(ModeCoverage({"G|D": swarms()["corto"], "otro": swarms()["corto"]}))
    assert page.locator(".cw-legend").last.locator("li").first.inner_text() == "G∣D"
    assert page.locator(".cw-legend i").count() == 0


def test_al_cambiar_de_entrenamiento_se_va_al_paso_mas_proximo(open_widgets):  # noqa: F811
    given = swarms()
    page = open_widgets(ModeCoverage(given))
    page.get_by_role("button", name="Último instante").click()
    assert readings(page)["Instante"].startswith("paso 1000")
    radio(page, "corto").check()
    assert readings(page)["Instante"] == "paso 910 2 de 2"
    page.get_by_role("button", name="Instante anterior").press("Enter")
    assert readings(page)["Instante"] == "paso 50 1 de 2"
    radio(page, "aprende").check()
    assert readings(page)["Instante"] == "paso 0 1 de 6"


def test_se_reproduce_y_se_elige_el_instante_en_la_curva(open_widgets):  # noqa: F811
    given = swarms()
    widget = ModeCoverage(given)
    page = open_widgets(widget)
    page.get_by_role("button", name="Reproducir el entrenamiento").click()
    page.wait_for_function("document.querySelector('.cw').textContent.includes('6 de 6')")
    page.get_by_role("button", name="Reproducir el entrenamiento").wait_for()
    check(page, widget, given["aprende"][5][1])
    chart = page.locator(".cw-chart > svg").last
    box = chart.bounding_box()
    pad = 0.02 * 1000
    at = 46 + (430 + pad) / (1000 + 2 * pad) * (box["width"] - 46 - 14)
    chart.click(position={"x": at, "y": 60})
    assert readings(page)["Instante"].startswith("paso 400")
    slider(page, "Instante").press("ArrowRight")
    assert readings(page)["Instante"].startswith("paso 600")


def test_las_notas_dicen_que_pasa(open_widgets):  # noqa: F811
    given = swarms()
    page = open_widgets(ModeCoverage(given))
    note = page.locator(".cw-note")
    assert re.match(r"No llega a los modos .*, y el .* no es de ninguno", note.inner_text())
    slider(page, "Radio").fill("6")
    assert "no cae en ninguno; a un generador perfecto" in note.inner_text()
    slider(page, "Instante").fill("5")
    slider(page, "Radio").fill("6")
    assert note.inner_text().startswith("Alcanza todos los modos y casi todas")
    slider(page, "Radio").fill("0.5")
    slider(page, "Mínimo").fill("1")
    radio(page, "colapsa").check()
    slider(page, "Radio").fill("3")
    assert note.inner_text().startswith("Colapso de modos")
    assert "a los modos 2, 3, 4, 5, 6, 7 y 8" in note.inner_text()


def test_lo_que_cae_fuera_se_dice(open_widgets):  # noqa: F811
    x = EIGHT.means.repeat(5, 1)
    x[:3] = torch.tensor([[30.0, 0.0], [0.0, -9.0], [-1e6, 1e6]])
    page = open_widgets(ModeCoverage({"uno": [(7, x)]}, minimum=5))
    stray = readings(page)["Muestras de ningún modo"]
    assert stray == "3 de 40 3 fuera del dibujo, llevadas al borde"
    assert readings(page)["Modos cubiertos"] == "5 de 8 faltan 1, 2 y 3"


@pytest.mark.parametrize(("motion", "period"), [("reduce", 1350), ("no-preference", 450)])
def test_con_menos_movimiento_la_reproduccion_es_mas_lenta(open_widgets, motion, period):  # noqa: F811
    page = open_widgets(ModeCoverage(swarms()), reduced_motion=motion)
    stop_clock(page)
    page.get_by_role("button", name="Reproducir el entrenamiento").click()
    for moment in (2, 3, 4):  # al pulsar pasa del primero al segundo
        assert f"{moment} de 6" in readings(page)["Instante"]
        page.clock.run_for(period - 1)
        assert f"{moment} de 6" in readings(page)["Instante"]
        page.clock.run_for(1)


def test_la_raya_del_minimo_esta_a_su_altura(open_widgets):  # noqa: F811
    page = open_widgets(ModeCoverage(swarms(), minimum=20))
    slider(page, "Instante").fill("4")
    columns = page.locator(".cw-tally > div:not(.cw-least)")
    counts = [int(t) for t in columns.locator("b").all_inner_texts()]
    line = page.locator(".cw-least i").bounding_box()["y"]
    tops = [columns.nth(k).locator("i").bounding_box()["y"] for k in range(8)]
    bottom = page.locator(".cw-column").first.bounding_box()
    floor, k = bottom["y"] + bottom["height"], max(range(8), key=counts.__getitem__)
    slope = (floor - tops[k]) / counts[k]
    assert floor - line == pytest.approx(20 * slope, abs=2.5)
    assert not math.isclose(slope, 0)
