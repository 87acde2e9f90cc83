"""`ScoreMatching1D` en el navegador: sus cuentas contra torch, lo que aprende y lo que dice."""

import math
import re

import numpy as np
import pytest
import torch
from scipy.stats import norm, wasserstein_distance
from test_widget_cleanup import RENDER_AND_REMOVE
from test_widget_pages import FONT_SIZES, TARGETS, no_violations
from torch import nn
from widget_fixtures import announced, number, open_widgets, radio, readings, slider, stop_clock  # noqa: F401
from widget_formulas import import_functions

from course_lib.diffusion import VE, Denoiser, losses
from course_lib.probability import GaussianMixture
from course_lib.widgets import ScoreMatching1D

FILES = (
    "common.js", "plot.js", "plane.js", "panel.js", "random.js", "tiny_mlp.js", "mixture_law.js",
    "mixture_score.js", "score_matching_1d_law.js", "score_matching_1d_training.js",
    "score_matching_1d_charts.js", "score_matching_1d_verdict.js",
)  # fmt: skip
NAMES = (
    "mixtureLaw, tinyMLP, noisyProblem, exactLosses, scoreAt, dsmLoss, ismLoss, newTraining, drawData, "
    "langevin, transportTo, transportFloor, sharesByMode, valleyError, binnedTargets, histogram, verdict"
)
ESM, W1 = "error del score, ESM", "W₁ de las muestras a pσ"


@pytest.fixture(scope="module")
def formulas(navegador):
    page = import_functions(navegador, FILES, NAMES)
    page.evaluate("""() => {
        const list = (v) => (v?.buffer ? [...v] : v);
        globalThis.plainly = (o) => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, list(v)]));
        globalThis.modelOf = (values, [center, width, unit]) => {
            const net = tinyMLP([1, 24, 24, 1]);
            net.values.set(values);
            return { net, center, width, unit };
        };
    }""")
    yield page
    page.close()


def array(values):
    return torch.tensor(values, dtype=torch.float64)


def problem(formulas, widget):
    found = formulas.evaluate(
        "([law, sigma]) => plainly(noisyProblem(mixtureLaw(law), sigma))",
        [widget.law, widget.sigma],
    )
    return {k: np.array(v) if isinstance(v, list) else v for k, v in found.items()}


def narrow():
    means, stds = array([[-6.0], [5.0]]), array([0.06, 1.6])
    return GaussianMixture([0.4, 0.6], means, stds.square()[:, None, None])


SCALES = (0.4, 2.7, 0.6)  # center, width, unit


def torch_score(seed=0):
    """s(x) = F((x − center)/width)/unit en torch, y los pesos de F en el orden de JavaScript."""
    generator = torch.Generator().manual_seed(seed)
    layers = [nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1)]
    net = nn.Sequential(*layers).double()
    for parameter in net.parameters():
        parameter.data = 0.6 * torch.randn(parameter.shape, generator=generator).double()
    center, width, unit = SCALES
    values = torch.cat([p.data.flatten() for p in net.parameters()]).tolist()
    return net, lambda x: net((x - center) / width) / unit, values


# --- la densidad, su score y las tres pérdidas --------------------------------------------------


@pytest.mark.parametrize("mixture", [None, narrow()])
@pytest.mark.parametrize("sigma", [0.05, 0.4, 3.0])
def test_la_densidad_el_score_y_lo_que_resume_son_los_de_la_mezcla(formulas, mixture, sigma):
    widget = ScoreMatching1D(mixture, sigma)
    found = problem(formulas, widget)
    x, h, noisy = array(found["x"])[:, None], found["h"], widget.diffused
    density = noisy.log_prob(x).exp()
    np.testing.assert_allclose(found["density"], density, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(found["clean"], widget.mixture.log_prob(x).exp(), rtol=1e-8)
    np.testing.assert_allclose(found["score"], noisy.score(x)[:, 0], rtol=1e-9, atol=1e-9)
    assert found["mean"] == pytest.approx(noisy.mean.item(), abs=1e-9)
    assert found["std"] == pytest.approx(noisy.cov.sqrt().item(), rel=1e-9)
    assert found["fisher"] == pytest.approx(widget.fisher(), rel=1e-6)
    cdf = exact_cdf(noisy, found["x"])
    np.testing.assert_allclose(found["cdf"], cdf, atol=5e-2 * h)
    apart = h * np.abs(cdf - exact_cdf(widget.mixture, found["x"])).sum()
    assert found["blur"] == pytest.approx(apart, abs=2e-3)


def exact_cdf(mixture, x):
    means, stds = mixture.means[:, 0].numpy(), mixture.covs[:, 0, 0].sqrt().numpy()
    return norm.cdf(x[:, None], means, stds) @ mixture.weights.numpy()


@pytest.mark.parametrize("sigma", [0.05, 0.4, 3.0])
def test_la_media_de_los_objetivos_dado_x_es_el_score(formulas, sigma):
    """E[−ε/σ | x_σ] p_σ(x), sumada sobre ε, contra ∇log p_σ · p_σ, en forma cerrada."""
    found = problem(formulas, ScoreMatching1D(sigma=sigma))
    np.testing.assert_allclose(found["mass"], found["density"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        -found["pull"], found["density"] * found["score"], rtol=0, atol=1e-8 / sigma
    )
    assert found["rest"] == pytest.approx(0.5 / sigma**2, rel=1e-9)


@pytest.mark.parametrize("sigma", [0.1, 0.8, 2.0])
def test_las_tres_perdidas_por_cuadratura_y_sus_constantes(formulas, sigma):
    widget = ScoreMatching1D(sigma=sigma)
    _, score, values = torch_score()
    found = formulas.evaluate(
        """([law, sigma, values, scales]) => {
            const problem = noisyProblem(mixtureLaw(law), sigma);
            const { s, slope } = scoreAt(modelOf(values, scales), problem.x);
            return exactLosses(problem, s, slope);
        }""",
        [widget.law, sigma, values, SCALES],
    )
    x = torch.linspace(-30, 30, 6001, dtype=torch.float64)[:, None].requires_grad_()
    s = score(x)
    (slope,) = torch.autograd.grad(s.sum(), x)
    s, x = s.detach()[:, 0], x.detach()
    p = widget.diffused.log_prob(x).exp()
    esm = torch.trapezoid(p * (s - widget.diffused.score(x)[:, 0]).square() / 2, x[:, 0])
    ism = torch.trapezoid(p * (s.square() / 2 + slope[:, 0]), x[:, 0])
    x0 = torch.linspace(-8, 8, 801, dtype=torch.float64)
    eps = torch.linspace(-8, 8, 401, dtype=torch.float64)
    at = (x0[:, None] + sigma * eps).flatten()[:, None]
    miss = score(at).detach().reshape(801, 401) + eps / sigma
    inner = torch.trapezoid(
        torch.exp(-(eps**2) / 2) / math.sqrt(2 * math.pi) * miss.square() / 2, eps
    )
    dsm = torch.trapezoid(widget.mixture.log_prob(x0[:, None]).exp() * inner, x0)
    for name, value in (("esm", esm), ("ism", ism), ("dsm", dsm)):
        assert found[name] == pytest.approx(value.item(), rel=1e-6), name
    over_dsm, over_ism = widget.constants()
    assert found["dsm"] - found["esm"] == pytest.approx(over_dsm, rel=1e-7)
    assert found["ism"] - found["esm"] == pytest.approx(over_ism, rel=1e-7)


@pytest.mark.parametrize("loss", ["dsm", "ism"])
def test_las_perdidas_del_lote_y_su_gradiente_son_las_de_la_biblioteca(formulas, loss):
    sigma, n = 0.5, 40
    net, score, values = torch_score(3)
    generator = torch.Generator().manual_seed(4)
    x0 = 2 * torch.randn(n, 1, generator=generator).double()
    eps = torch.randn(n, 1, generator=generator).double()
    schedule = VE()
    t = torch.full((n,), math.log(sigma / schedule.sigma_min), dtype=torch.float64)
    t = t / math.log(schedule.sigma_max / schedule.sigma_min)

    class Score(nn.Module):
        def forward(self, x, t):
            return score(x)

    each = getattr(losses, loss)(Denoiser(Score(), schedule, "score"), x0, t, eps, "uniform")
    gradient = torch.autograd.grad(each.mean(), list(net.parameters()), allow_unused=True)
    slopes = [
        torch.zeros_like(p) if g is None else g
        for g, p in zip(gradient, net.parameters(), strict=True)
    ]
    found = formulas.evaluate(
        """([loss, values, scales, x, eps, sigma]) => {
            const gradient = new Float64Array(values.length);
            const [model, at, noise] = [modelOf(values, scales), Float64Array.from(x), Float64Array.from(eps)];
            const run = {
                dsm: () => dsmLoss(model, at, noise, sigma, gradient),
                ism: () => ismLoss(model, at, gradient),
            };
            return { value: run[loss](), gradient: [...gradient] };
        }""",
        [loss, values, SCALES, (x0 + sigma * eps)[:, 0].tolist(), eps[:, 0].tolist(), sigma],
    )
    assert found["value"] == pytest.approx(each.mean().item(), rel=1e-9)
    expected = torch.cat([g.flatten() for g in slopes]).numpy()
    np.testing.assert_allclose(found["gradient"], expected, rtol=1e-6, atol=1e-7)


# --- las casillas, las distancias y Langevin ----------------------------------------------------


@pytest.mark.parametrize("sigma", [0.15, 0.8])
def test_la_media_por_casillas_es_el_score_dentro_de_su_error(formulas, sigma):
    widget = ScoreMatching1D(sigma=sigma, seed=5)
    view = {"min": -6, "max": 6}
    bins = formulas.evaluate(
        """([law, sigma, seed, view]) => {
            const { x, eps } = drawData(mixtureLaw(law), 5000, seed);
            return binnedTargets(x.map((v, i) => v + sigma * eps[i]), eps.map((e) => -e / sigma), view);
        }""",
        [widget.law, sigma, widget.seed, view],
    )
    assert sum(b["count"] for b in bins) > 4900 and len(bins) > 25
    big = [b for b in bins if b["count"] >= 30]  # donde la media es casi normal
    z = []
    for b in big:
        left = -6 + 0.25 * math.floor((b["at"] + 6) / 0.25)
        x = torch.linspace(left, left + 0.25, 201, dtype=torch.float64)[:, None]
        p = widget.diffused.log_prob(x).exp()
        exact = (p * widget.diffused.score(x)[:, 0]).sum() / p.sum()
        z.append((b["mean"] - exact.item()) / b["error"])
    assert len(z) > 15 and np.abs(z).max() < 4.5
    assert 0.6 < np.sqrt(np.mean(np.square(z))) < 1.4


def test_w1_y_su_suelo(formulas):
    widget = ScoreMatching1D(sigma=0.5)
    exact = widget.diffused.sample(200_000, torch.Generator().manual_seed(1))[:, 0].numpy()
    batches = [
        widget.diffused.sample(500, torch.Generator().manual_seed(10 + k))[:, 0].tolist()
        for k in range(60)
    ]
    found, floor = formulas.evaluate(
        """([law, sigma, batches]) => {
            const problem = noisyProblem(mixtureLaw(law), sigma);
            return [batches.map((b) => transportTo(problem, b)), transportFloor(problem, 500)];
        }""",
        [widget.law, 0.5, batches],
    )
    for batch, value in zip(batches[:8], found, strict=False):
        assert value == pytest.approx(wasserstein_distance(batch, exact), abs=0.02)
    error = np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found) - floor) < 4 * error < 0.03


LANGEVIN = """([law, sigma, options]) => {
    const problem = noisyProblem(mixtureLaw(law), sigma);
    const samples = langevin(problem, problem.score, options);
    return { samples: [...samples], w1: transportTo(problem, samples), shares: sharesByMode(problem, samples),
        floor: transportFloor(problem, options.count) };
}"""


def test_langevin_con_una_gaussiana_tiene_la_varianza_que_deja_su_paso(formulas):
    """x ← x − ηx/v + √(2η)z es un AR(1): su varianza es v/(1 − η/2v)."""
    one = torch.ones(1, 1, dtype=torch.float64)
    widget = ScoreMatching1D(GaussianMixture([1.0], one, one[None]), sigma=1.0)
    options = {"count": 20_000, "steps": 60, "size": 0.4, "seed": 3}
    samples = np.array(formulas.evaluate(LANGEVIN, [widget.law, 1.0, options])["samples"])
    expected = 2 / (1 - 0.4 / (2 * 2))
    assert samples.var() == pytest.approx(expected, rel=4 * math.sqrt(2 / 20_000))
    assert samples.var() > 2 * (1 + 4 * math.sqrt(2 / 20_000))  # el sesgo se ve
    assert samples.mean() == pytest.approx(1, abs=4 * math.sqrt(expected / 20_000))


def test_langevin_reparte_los_modos_con_ruido_y_no_sin_el(formulas):
    def run(sigma, steps, seed):
        widget = ScoreMatching1D(sigma=sigma)
        size = 0.1 * (0.3**2 + sigma**2)
        options = {"count": 2000, "steps": steps, "size": size, "seed": seed}
        return formulas.evaluate(LANGEVIN, [widget.law, sigma, options])

    for seed in range(3):
        mild, sharp = run(0.8, 500, seed), run(0.1, 500, seed)
        assert mild["w1"] < 2 * mild["floor"]
        assert sharp["w1"] > 5 * sharp["floor"]
        exact, found = zip(*sharp["shares"], strict=True)
        assert exact == pytest.approx((0.7, 0.1, 0.2), abs=0.01)
        assert sum(found) == pytest.approx(1) and found[1] > 0.13
        assert sharp["w1"] == pytest.approx(run(0.1, 500, seed)["w1"])


# --- lo que aprende -----------------------------------------------------------------------------

TRAIN = """([law, options, blocks]) => {
    const { sigma, points, seed, loss, langevin_steps: steps } = options;
    const problem = noisyProblem(mixtureLaw(law), sigma);
    const training = newTraining({ x: drawData(mixtureLaw(law), points, seed).x, sigma, seed, loss });
    let learned;
    const measures = blocks.map((block) => {
        for (let i = 0; i < block; i++) training.step();
        learned = scoreAt(training.model, problem.x);
        return exactLosses(problem, learned.s, learned.slope);
    });
    const samples = langevin(problem, learned.s, { count: 2000, steps, size: 0.1 * (0.09 + sigma ** 2), seed });
    const floor = transportFloor(problem, 1 / (1 / 2000 + 1 / points));
    const valley = valleyError(problem, learned.s, measures.at(-1).esm);
    return { measures, w1: transportTo(problem, samples), floor, valley };
}"""


def train(formulas, widget, blocks):
    names = ("sigma", "points", "seed", "loss", "langevin_steps")
    options = {name: getattr(widget, name) for name in names}
    return formulas.evaluate(TRAIN, [widget.law, options, blocks])


@pytest.mark.parametrize("loss", ["dsm", "ism"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_aprende_las_constantes_no_cambian_y_las_muestras_llegan_a_su_suelo(formulas, loss, seed):
    widget = ScoreMatching1D(loss=loss, seed=seed)
    found = train(formulas, widget, [0, 20, 80, 900 if loss == "dsm" else 500])
    start, *_, end = (m["esm"] for m in found["measures"])
    assert start > 0.9 * widget.fisher() / 2
    assert end < 0.03 * widget.fisher() / 2
    over_dsm, over_ism = widget.constants()
    for measure in found["measures"]:
        assert measure["dsm"] - measure["esm"] == pytest.approx(over_dsm, rel=1e-6)
        assert measure["ism"] - measure["esm"] == pytest.approx(over_ism, rel=1e-6)
    assert found["w1"] < 2 * found["floor"]


def test_con_poco_ruido_dsm_aprende_mal_ism_mejor_y_los_valles_peor(formulas):
    dsm, ism = (
        train(formulas, ScoreMatching1D(sigma=0.1, loss=loss), [800]) for loss in ("dsm", "ism")
    )
    null = ScoreMatching1D(sigma=0.1).fisher() / 2
    assert dsm["measures"][-1]["esm"] > 0.2 * null > 0.15 * null > ism["measures"][-1]["esm"]
    for found in (dsm, ism):
        valley = found["valley"]
        assert valley["share"] < 0.03 and valley["width"] > 1
        assert valley["error"] > 2 * valley["typical"]
        assert found["w1"] > 2 * found["floor"]


# --- la página ----------------------------------------------------------------------------------


def press(page, name, times=1):
    for _ in range(times):
        page.get_by_role("button", name=name, exact=True).click()


def step_of(page):
    return int(re.search(r"en el paso ([\d\u00a0]+)", readings(page)[ESM])[1].replace("\u00a0", ""))


def test_los_botones_hacen_lo_mismo_que_las_funciones(open_widgets, formulas):  # noqa: F811
    widget = ScoreMatching1D(seed=4, sigma=0.6)
    page = open_widgets(widget)
    note = page.locator(".cw-note").inner_text()
    assert "varianza de los objetivos −ε/σ es 1/σ² = 2.78" in note
    assert f"{100 * widget.fisher() * 0.36:.1f}\u00a0% es score" in note
    assert readings(page)[W1].startswith("—") and step_of(page) == 0
    press(page, "100 pasos", 2)
    press(page, "Un paso", 2)
    expected, found = train(formulas, widget, [202]), readings(page)
    assert step_of(page) == 202
    assert number(found[ESM]) == pytest.approx(expected["measures"][0]["esm"], rel=0.01)
    assert number(found[W1]) == pytest.approx(expected["w1"], rel=0.01)
    assert number(found[W1].split("datos: ")[1]) == pytest.approx(expected["floor"], rel=0.01)
    press(page, "Reiniciar")
    assert step_of(page) == 0
    press(page, "100 pasos", 2)
    press(page, "Un paso", 2)
    assert readings(page) == found
    press(page, "Otra muestra")
    assert step_of(page) == 0
    press(page, "100 pasos")
    again = open_widgets(ScoreMatching1D(seed=5, sigma=0.6))
    press(again, "100 pasos")
    assert readings(again) == readings(page)


@pytest.mark.parametrize("sigma", [0.1, 0.8, 3.0])
def test_las_constantes_escritas_no_cambian_al_entrenar(open_widgets, sigma):  # noqa: F811
    widget = ScoreMatching1D(sigma=sigma)
    page = open_widgets(widget)
    for _ in range(3):
        found = readings(page)
        over_dsm, over_ism = widget.constants()
        assert number(found["DSM − ESM"]) == pytest.approx(over_dsm, rel=6e-4)
        assert number(found["ISM − ESM"]) == pytest.approx(over_ism, rel=6e-4)
        assert number(found["varianza de los objetivos, 1/σ²"]) == pytest.approx(
            1 / sigma**2, rel=6e-3
        )
        assert number(found["W₁ de pσ a p0"]) > 0
        press(page, "Un paso", 2)


def test_el_veredicto_dice_lo_que_pasa_en_cada_caso(open_widgets):  # noqa: F811
    page = open_widgets(ScoreMatching1D(sigma=0.8))
    note = page.locator(".cw-note")
    press(page, "100 pasos", 5)
    text = note.inner_text()
    assert "aprendido donde hay datos" in text and "siguen a pσ" in text
    assert "pσ no es p0" in text and "cw-warning" not in note.get_attribute("class")
    shown = readings(page)
    assert f"{number(shown['W₁ de pσ a p0']):.2f}" in text
    noise = slider(page, "σ, el ruido")
    noise.fill("8")
    assert noise.get_attribute("aria-valuetext") == "0.10" and step_of(page) == 0
    assert "hacen falta muchos" in note.inner_text()
    press(page, "100 pasos", 2)
    assert "no está aprendido" in note.inner_text() and "Faltan pasos" in note.inner_text()
    radio(page, "ISM, implícita").check()
    assert step_of(page) == 0
    press(page, "100 pasos", 8)
    text = note.inner_text()
    assert "aprendido donde hay datos" in text and "En los valles entre los modos" in text
    assert re.search(r"donde pσ pone 70.\d\u00a0%, 10.\d\u00a0% y 19.\d|20.\d", text)
    assert "todavía no cruza bastante los valles" in text
    assert "cw-warning" in note.get_attribute("class")


def test_con_pocos_datos_la_red_se_ajusta_a_ellos(open_widgets):  # noqa: F811
    page = open_widgets(ScoreMatching1D(points=50, sigma=0.5))
    press(page, "100 pasos", 10)
    text = page.locator(".cw-note").inner_text()
    assert "se ha ajustado a sus 50 datos y no a pσ" in text


def test_si_el_error_sube_no_se_piden_mas_pasos(open_widgets):  # noqa: F811
    """Con 50 datos y σ = 0.1, el error del score baja al principio y después crece."""
    means = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    covs = torch.tensor([[[0.04]], [[0.09]]], dtype=torch.float64)
    page = open_widgets(ScoreMatching1D(GaussianMixture([0.7, 0.3], means, covs), 0.1, 50))
    press(page, "100 pasos", 3)
    text = page.locator(".cw-note").inner_text()
    assert "Ya no baja: llegó a" in text and "Faltan pasos" not in text
    press(page, "100 pasos", 7)
    text = page.locator(".cw-note").inner_text()
    assert "ha vuelto a subir" in text and "se ha ajustado a sus 50 datos" in text
    assert "Baja despacio" not in text


def test_ism_no_habla_de_los_objetivos_y_la_cercania_no_depende_de_los_datos(open_widgets):  # noqa: F811
    page = open_widgets(ScoreMatching1D(sigma=1.0, points=50))
    press(page, "100 pasos", 3)
    assert "pσ no es p0" in page.locator(".cw-note").inner_text()
    radio(page, "ISM, implícita").check()
    assert "la pérdida ISM no usa los objetivos" in page.locator(".cw-note").inner_text()


def test_los_pasos_de_langevin_no_reinician_el_entrenamiento(open_widgets):  # noqa: F811
    page = open_widgets(ScoreMatching1D(sigma=2.0))
    press(page, "100 pasos", 3)
    close = number(readings(page)[W1])
    slider(page, "Pasos de Langevin").fill("0")
    assert step_of(page) == 300
    assert number(readings(page)[W1]) > 3 * close
    assert "olvida de dónde partió" in page.locator(".cw-note").inner_text()


def test_todo_se_mueve_con_el_teclado_y_cada_salto_cambia_el_valor(open_widgets):  # noqa: F811
    page = open_widgets(ScoreMatching1D())
    for label, first, last in (
        ("σ, el ruido", "0.050", "3.0"),
        ("N, los datos", "50", "5\u00a0000"),
        ("Pasos de Langevin", "10", "3\u00a0000"),
    ):
        control = slider(page, label)
        control.focus()
        page.keyboard.press("Home")
        seen = [control.get_attribute("aria-valuetext")]
        for _ in range(int(control.get_attribute("max"))):
            page.keyboard.press("ArrowRight")
            seen.append(control.get_attribute("aria-valuetext"))
        assert (seen[0], seen[-1]) == (first, last)
        assert len(set(seen)) == len(seen)
    slider(page, "σ, el ruido").fill("30")
    page.get_by_role("button", name="Un paso").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert step_of(page) == 2
    radio(page, "DSM, con ruido").focus()
    page.keyboard.press("ArrowRight")
    assert radio(page, "ISM, implícita").is_checked() and step_of(page) == 0
    announced(page, "Paso 0: ESM")


def test_reproducir_avanza_y_al_pausar_dice_lo_de_ese_paso(open_widgets):  # noqa: F811
    page = open_widgets(ScoreMatching1D())
    stop_clock(page)
    press(page, "Reproducir el entrenamiento")
    page.clock.run_for(30 * 6)  # el primer dibujo, al pulsar; y seis más, de diez pasos cada uno
    press(page, "Pausar")
    stopped = readings(page)
    page.clock.run_for(3000)
    assert readings(page) == stopped and step_of(page) == 70
    assert f"ESM = {stopped[ESM].split(' ')[0]}" in page.locator(".cw-note").inner_text()


def test_con_menos_movimiento_dibuja_una_vez_por_segundo(open_widgets):  # noqa: F811
    page = open_widgets(ScoreMatching1D(), reduced_motion="reduce")
    stop_clock(page)
    press(page, "Reproducir el entrenamiento")
    for drawn in (1, 2, 3):
        assert step_of(page) == 150 * drawn
        page.clock.run_for(999)
        assert step_of(page) == 150 * drawn
        page.clock.run_for(1)


@pytest.mark.parametrize("loss", ["dsm", "ism"])
@pytest.mark.parametrize(
    "options",
    [
        {"sigma": 0.05, "points": 50},
        {"sigma": 3.0, "points": 5000},
        {"mixture": narrow(), "sigma": 0.05},
    ],
)
def test_en_los_extremos_no_hay_numeros_rotos(open_widgets, loss, options):  # noqa: F811
    page = open_widgets(ScoreMatching1D(loss=loss, langevin_steps=3000, **options))
    press(page, "100 pasos")
    assert "NaN" not in page.locator(".cw").inner_html()
    assert "undefined" not in page.locator(".cw").inner_text()
    assert all(math.isfinite(number(value)) for value in readings(page).values())


def test_cada_dibujo_tiene_su_texto(open_widgets):  # noqa: F811
    page = open_widgets(ScoreMatching1D())
    press(page, "Un paso")
    labels = page.locator(".cw-chart > svg[role=img]").evaluate_all(
        "l => l.map((s) => s.getAttribute('aria-label'))"
    )
    assert len(labels) == 4
    for label, text in zip(
        labels,
        ["1\u00a0000 datos con ruido", "Los objetivos se desvían 1.25", "W₁ hasta pσ: ", "DSM = "],
        strict=True,
    ):
        assert text in label and "|" not in label and "NaN" not in label


@pytest.mark.parametrize("width", [360, 1280])
def test_nada_se_sale_y_todo_se_puede_tocar(open_widgets, width):  # noqa: F811
    page = open_widgets(ScoreMatching1D(sigma=0.1), viewport={"width": width, "height": 800})
    press(page, "Un paso")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".cw-chart > svg").first.bounding_box()["width"] >= 200
    for target in page.locator(TARGETS).all():
        box = target.bounding_box()
        if box:
            assert min(box["width"], box["height"]) >= 40, target.evaluate("e => e.outerHTML")
    assert min(page.evaluate(FONT_SIZES)) >= 11


@pytest.mark.parametrize("attributes", ['data-theme="light"', 'data-theme="dark"'])
def test_axe_no_encuentra_faltas(open_widgets, attributes):  # noqa: F811
    page = open_widgets(ScoreMatching1D(), attributes=attributes)
    no_violations(page, "al abrir")
    press(page, "100 pasos")
    slider(page, "σ, el ruido").fill("4")
    radio(page, "ISM, implícita").check()
    press(page, "Un paso")
    no_violations(page, "con otras opciones")


def test_al_quitarlo_no_queda_nada(open_widgets):  # noqa: F811
    found = open_widgets(ScoreMatching1D()).evaluate(RENDER_AND_REMOVE)
    assert sum(found["during"]) > 0 and found["played"]
    assert (found["after"], found["writes"]) == ([0, 0], 0)
