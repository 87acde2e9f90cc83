"""`ELBOGap` en el navegador: la suma que no cambia, los gradientes y dónde acaba el ascenso."""

import math
import re

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence
from widget_fixtures import number, open_widgets, radio, slider, stop_clock  # noqa: F401
from widget_formulas import import_functions

from course_lib.probability import Gaussian, LinearGaussian
from course_lib.widgets import ELBOGap

FILES = ("common.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js", "elbo_quadrature.js")
NAMES = "logEvidence, posteriorGap, lowerBound, ascend, posteriorModes, shareOf, DECODERS"
LIMITS = {"mean": [-3.5, 3.5], "std": [0.03, 1.5]}
PROBLEMS = [
    ("lineal", 3.5, 0.2),
    ("lineal", -3.0, 2.0),
    ("cuadrado", 2.0, 0.5),
    ("cuadrado", -3.0, 0.2),
    ("cuadrado", 3.5, 0.2),
    ("tangente", 1.2, 0.3),
    ("tangente", 3.5, 0.2),
]
POINTS = [(0.4, 0.8), (-3.5, 0.03), (3.5, 1.5), (-1.3, 0.2)]


@pytest.fixture(scope="module")
def formulas(navegador):
    page = import_functions(navegador, FILES, NAMES)
    yield page
    page.close()


def plain(decoder, x, noise):
    return {"decoder": decoder, "x": x, "noise": noise}


@pytest.mark.parametrize("mean, std", POINTS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_la_suma_no_cambia_y_cada_parte_es_la_de_python(formulas, problem, mean, std):
    result = formulas.evaluate(
        """([problem, q]) => {
            const evidence = logEvidence(problem);
            return { evidence, gap: posteriorGap(problem, q, evidence), ...lowerBound(problem, q) };
        }""",
        [plain(*problem), {"mean": mean, "std": std}],
    )
    decoder, x, noise = problem
    widget = ELBOGap(x, noise, mean, std, decoder)
    scale = max(1, abs(result["elbo"]) / 1e3)  # hasta 10⁵ nats: ahí, cifras significativas
    assert result["elbo"] + result["gap"] == pytest.approx(result["evidence"], abs=1e-6 * scale)
    expected = {
        "evidence": widget.log_evidence(),
        "gap": widget.gap(),
        "elbo": widget.elbo(),
        "reconstruction": widget.reconstruction(),
        "prior": widget.kl_to_prior(),
    }
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, rel=1e-9, abs=1e-8), name


DECODERS = {"lineal": lambda z: z, "cuadrado": torch.square, "tangente": lambda z: 2 * z.tanh()}


@pytest.mark.parametrize("mean, std", POINTS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_el_gradiente_es_el_de_autograd_con_otra_cuadratura(formulas, problem, mean, std):
    decoder, x, noise = problem
    point = torch.tensor([mean, math.log(std)], dtype=torch.float64, requires_grad=True)
    nodes, weights = np.polynomial.hermite_e.hermegauss(150)
    z = point[0] + point[1].exp() * torch.tensor(nodes)
    log_p = Normal(DECODERS[decoder](z), noise).log_prob(torch.tensor(x))
    reconstruction = (torch.tensor(weights) * log_p).sum() / math.sqrt(2 * math.pi)
    prior = Normal(torch.zeros((), dtype=torch.float64), 1.0)
    (reconstruction - kl_divergence(Normal(point[0], point[1].exp()), prior)).backward()
    q = {"mean": mean, "std": std}
    found = formulas.evaluate("([p, q]) => lowerBound(p, q).gradient", [plain(*problem), q])
    assert found == pytest.approx(point.grad.tolist(), rel=2e-5, abs=1e-6)


CLIMB = """([problem, q, limits]) => {
    const path = [q];
    for (let next = q; next && path.length < 900;) {
        next = ascend(problem, next, limits);
        if (next) path.push(next);
    }
    return path;
}"""


@pytest.mark.parametrize("mean, std", [(0.4, 0.8), (-3.0, 0.1), (3.4, 1.5)])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_el_ascenso_nunca_baja_y_acaba_donde_no_se_puede_subir(formulas, problem, mean, std):
    decoder, x, noise = problem
    path = formulas.evaluate(CLIMB, [plain(*problem), {"mean": mean, "std": std}, LIMITS])
    assert 10 < len(path) < 800
    values = [ELBOGap(x, noise, q["mean"], q["std"], decoder).elbo() for q in path[::-1]]
    assert (np.diff(values[::-1]) > -1e-9 * np.abs(values[:0:-1])).all()
    end = path[-1]
    for dm, dv in [(0.01, 1), (-0.01, 1), (0, 1.01), (0, 0.99)]:
        std_near = end["std"] * dv
        near = {"mean": end["mean"] + dm * end["std"], "std": std_near}
        if LIMITS["mean"][0] <= near["mean"] <= LIMITS["mean"][1] and 0.03 <= std_near <= 1.5:
            assert ELBOGap(x, noise, **near, decoder=decoder).elbo() < values[0] + 1e-9
    if decoder == "lineal":
        exact = linear_posterior(x, noise)
        assert end["mean"] == pytest.approx(exact.mean.item(), abs=1e-4)
        assert end["std"] == pytest.approx(exact.cov.sqrt().item(), rel=1e-4)
        assert values[0] == pytest.approx(
            ELBOGap(x, noise, decoder=decoder).log_evidence(), abs=1e-6
        )


def linear_posterior(x, noise):
    one = torch.ones(1, dtype=torch.float64)
    return LinearGaussian(Gaussian(0 * one, one[None]), 1.0, 0.0, noise**2).posterior(x)


@pytest.mark.parametrize(
    ("problem", "count"),
    [(("cuadrado", 2.0, 0.5), 2), (("cuadrado", -1.0, 0.5), 1), (("lineal", 2.0, 0.5), 1)],
)
def test_los_modos_y_su_probabilidad(formulas, problem, count):
    modes = formulas.evaluate("p => posteriorModes(p, logEvidence(p))", plain(*problem))
    assert len(modes) == count
    assert sum(mode["weight"] for mode in modes) == pytest.approx(1, abs=1e-3)
    if problem[0] == "cuadrado":  # máximo de −(x − z²)²/2s² − z²/2
        top = math.sqrt(max(0, problem[1] - problem[2] ** 2 / 2))
        assert [m["at"] for m in modes] == pytest.approx([-top, top][-count:], abs=0.002)
        assert modes[0]["weight"] == pytest.approx(1 / count, abs=2e-3)
    share = formulas.evaluate(
        "m => shareOf({mean: 0.5, std: 0.7}, m)", {"from": -0.4, "to": 1.1, "at": 0, "weight": 1}
    )
    q = Normal(0.5, 0.7)
    both = q.cdf(torch.tensor(1.1)) - q.cdf(torch.tensor(-0.4))
    assert share == pytest.approx(both.item(), abs=1e-5)


# --- la página ----------------------------------------------------------------------------------


def read(page):
    """Las dos sumas escritas junto a las barras: [(total, sumando, sumando), …]."""
    texts = page.locator(".cw-bar-row .cw-row > :last-child").all_inner_texts()
    return [[number(n) for n in re.findall(r"[−\d.]+", re.sub(r" [+−] ", " ", t))] for t in texts]


def point(page):
    return [float(slider(page, label).input_value()) for label in ("μ, media", "τ, desv")]


def check(page, widget):
    widget.mean, widget.std = point(page)
    widget.x = float(slider(page, "x, el dato").input_value())
    (total, elbo, gap), (same, reconstruction, prior) = read(page)
    half = 1.01e-3
    assert total == pytest.approx(widget.log_evidence(), abs=half)
    assert elbo == same == pytest.approx(widget.elbo(), abs=half)
    assert gap == pytest.approx(widget.gap(), abs=half)
    assert reconstruction == pytest.approx(widget.reconstruction(), abs=half)
    assert prior == pytest.approx(widget.kl_to_prior(), abs=half)
    assert total == pytest.approx(elbo + gap, abs=1e-9)
    assert elbo == pytest.approx(reconstruction - prior, abs=1e-9)


def bars(page):
    """Dónde empieza y acaba cada trozo de las barras, y la raya de log p(x), en píxeles."""
    boxes = {}
    for style in ("cw-elbo", "cw-rest", "cw-cost", "cw-firm"):
        box = page.locator(f".cw-bar-row .{style}").first.bounding_box()
        boxes[style] = (box["x"], box["x"] + box["width"])
    return boxes


def test_al_mover_q_cambia_el_reparto_y_no_la_suma(open_widgets):  # noqa: F811
    widget = ELBOGap()
    page = open_widgets(widget)
    check(page, widget)
    total, end = read(page)[0][0], bars(page)["cw-firm"]
    seen = set()
    for mean, std in [(1.3, 0.2), (1.3, 0.5), (-1.0, 0.3), (0.0, 1.0), (-3.5, 0.1), (1.4, 1.5)]:
        slider(page, "μ, media").fill(str(mean))
        slider(page, "τ, desv").fill(str(std))
        check(page, widget)
        shown = bars(page)
        assert read(page)[0][0] == total and shown["cw-firm"] == pytest.approx(end, abs=0.1)
        assert shown["cw-elbo"][1] == pytest.approx(shown["cw-rest"][0], abs=1)
        assert shown["cw-rest"][1] == pytest.approx(sum(end) / 2, abs=2)
        seen.add(read(page)[0][1])
    assert len(seen) == 6
    for decoder, x in [("tangente", "3.2"), ("lineal", "-1.1"), ("cuadrado", "0.25")]:
        radio(page, page.locator(f"label:has(input[value={decoder}])").inner_text()).check()
        slider(page, "x, el dato").fill(x)
        widget.decoder = decoder
        check(page, widget)


def to_the_top(page):
    page.get_by_role("button", name="Hasta el máximo").click()
    return page.locator(".cw-note").inner_text()


def test_con_el_lineal_el_hueco_se_cierra_en_la_distribucion_a_posteriori(open_widgets):  # noqa: F811
    widget = ELBOGap(x=1.5, noise_std=0.7, mean=-2.0, std=1.4, decoder="lineal")
    page = open_widgets(widget)
    note = to_the_top(page)
    assert "el hueco es 0" in note and "posteriori exacta" in note
    exact = linear_posterior(1.5, 0.7)
    assert point(page) == pytest.approx([exact.mean.item(), exact.cov.sqrt().item()], abs=1e-4)
    total, elbo, gap = read(page)[0]
    assert (elbo, gap) == (total, 0)
    check(page, widget)


def test_con_dos_modos_q_cubre_el_que_tiene_mas_cerca(open_widgets):  # noqa: F811
    widget = ELBOGap()
    page = open_widgets(widget)
    ends = []
    for start in ("-0.5", "0.5"):
        slider(page, "μ, media").fill(start)
        note = to_the_top(page)
        ends.append(point(page)[0])
        assert "deja fuera" in note and "50.0\u00a0%" in note and "= 0.693" in note
        check(page, widget)
        assert math.log(2) < widget.gap() < 0.75
    assert ends[0] == pytest.approx(-ends[1], abs=1e-3) and ends[1] > 1.2


def test_las_otras_notas(open_widgets):  # noqa: F811
    page = open_widgets(ELBOGap(mean=0.0, std=0.5))
    assert "Al mover q cambia el reparto" in page.locator(".cw-note").inner_text()
    assert "Desde otro inicio" in to_the_top(page) and abs(point(page)[0]) < 1e-9
    slider(page, "x, el dato").fill("-1")
    assert "un solo modo, pero no es gaussiana" in to_the_top(page)
    slider(page, "x, el dato").fill("0.3")
    slider(page, "μ, media").fill("0.1")
    assert "abarca los dos modos" in to_the_top(page)
    radio(page, "tangente, f(z) = 2·tanh z").check()
    slider(page, "x, el dato").fill("3")
    assert "un solo modo, pero no es gaussiana" in to_the_top(page)


def test_paso_a_paso_reproducir_y_reiniciar(open_widgets):  # noqa: F811
    page = open_widgets(ELBOGap())
    start, elbo = point(page), read(page)[0][1]
    summary = page.locator(".cw-chart > svg").last
    for i in range(1, 6):
        page.get_by_role("button", name="Subir la ELBO un paso").press("Enter")
        assert f"tras {i} pasos" in summary.get_attribute("aria-label")
        assert read(page)[0][1] >= elbo
        elbo = read(page)[0][1]
    page.get_by_role("button", name="Reiniciar").click()
    assert point(page) == start
    page.get_by_role("button", name="Reproducir el ascenso").click()
    page.wait_for_function("document.querySelector('.cw-note').textContent.includes('Queda')")
    page.get_by_role("button", name="Reproducir el ascenso").wait_for()
    radio(page, "lineal, f(z) = z").check()
    assert point(page) == start and "tras 0 pasos" in summary.get_attribute("aria-label")


def test_lo_que_cambia_otra_vista_borra_la_historia_y_la_nota(open_widgets):  # noqa: F811
    """Dos vistas del mismo modelo: lo que hace una llega a la otra como si viniera de Python."""
    widget = ELBOGap()
    page = open_widgets(widget, widget)
    one, other = page.locator(".cw").all()
    note, summary = one.locator(".cw-note"), one.locator(".cw-chart > svg").last
    for label, value in [("μ, media", "-1"), ("x, el dato", "1.25")]:
        one.get_by_role("button", name="Hasta el máximo").click()
        assert "Queda un hueco" in note.inner_text()
        slider(other, label).fill(value)
        assert note.inner_text().startswith("El hueco es lo que le falta")
        assert "tras 0 pasos" in summary.get_attribute("aria-label")
        assert slider(one, label).input_value() == value
    stop_clock(page)
    one.get_by_role("button", name="Reproducir el ascenso").click()
    slider(other, "τ, desv").fill("0.5")
    one.get_by_role("button", name="Reproducir el ascenso").wait_for()
    assert slider(one, "τ, desv").input_value() == "0.5"
    one.get_by_role("button", name="Reiniciar").click()
    assert slider(one, "τ, desv").input_value() == "0.5"


def test_con_menos_movimiento_avanza_a_saltos(open_widgets):  # noqa: F811
    page = open_widgets(ELBOGap(), reduced_motion="reduce")
    stop_clock(page)
    page.get_by_role("button", name="Reproducir el ascenso").click()
    page.clock.run_for(899)
    summary = page.locator(".cw-chart > svg").last
    assert "tras 15 pasos" in summary.get_attribute("aria-label")
    page.clock.run_for(1)
    assert "tras 30 pasos" in summary.get_attribute("aria-label")


def test_se_arrastran_q_y_x_y_las_flechas_mueven_m_v_y_x(open_widgets):  # noqa: F811
    widget = ELBOGap()
    page = open_widgets(widget)
    laws = page.locator(".cw-chart > svg").nth(2)
    box = laws.bounding_box()

    def across(z):
        return box["x"] + 46 + (z + 4) / 8 * (box["width"] - 46 - 14)

    page.mouse.move(across(0), box["y"] + 80)
    page.mouse.down()
    page.mouse.move(across(-2), box["y"] + 80, steps=4)
    page.mouse.up()
    assert point(page) == pytest.approx([-2, 0.8], abs=0.03)
    check(page, widget)
    frame = page.locator(".cw-plane .cw-box").bounding_box()
    page.mouse.click(frame["x"] + 40, frame["y"] + frame["height"] * (5 - 3) / 9)
    check(page, widget)
    assert widget.x == pytest.approx(3, abs=0.1)
    for label in ("μ, media", "τ, desv", "x, el dato"):
        control = slider(page, label)
        before = float(control.input_value())
        control.press("ArrowRight")
        assert float(control.input_value()) > before
    check(page, widget)


def test_el_area_del_producto_es_p_de_x_tambien_si_es_diminuta(open_widgets):  # noqa: F811
    widget = ELBOGap(x=-3.0, noise_std=0.2)
    page = open_widgets(widget)
    title = page.locator(".cw-chart figcaption").nth(1).inner_text()
    shown = number(title.split("=")[-1].strip())
    assert math.log(shown) == pytest.approx(widget.log_evidence(), abs=0.01)
    power = number("1·10" + re.search(r"×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", title)[1])
    figure = page.locator(".cw-chart").nth(1)
    labels = figure.locator(".cw-axes text[text-anchor=end]").evaluate_all(
        "l => l.map(t => [Number(t.getAttribute('y')) - 4, t.textContent])"
    )
    (y0, v0), (y1, v1) = [(y, number(text)) for y, text in (labels[0], labels[-1])]
    width = figure.locator("> svg").evaluate("s => s.clientWidth")
    path = figure.locator("path.cw-filled").get_attribute("d")
    pairs = np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path), dtype=float)
    z = -4 + (pairs[:, 0] - 46) / (width - 46 - 14) * 8
    values = v0 + (pairs[:, 1] - y0) / (y1 - y0) * (v1 - v0)
    assert power * np.trapezoid(values, z) == pytest.approx(shown, rel=0.03)
