"""`AdversarialGame` en el navegador: sus cuentas contra torch y lo que hace el juego."""

import math
import re

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from torch import nn
from widget_fixtures import number, open_widgets, radio, readings, slider, stop_clock  # noqa: F401
from widget_formulas import import_functions

from course_lib.adversarial import exact, losses, mode_coverage
from course_lib.probability import Gaussian, GaussianMixture
from course_lib.widgets import AdversarialGame

FILES = (
    "common.js", "plot.js", "panel.js", "random.js", "tiny_mlp.js", "mixture_law.js",
    "adversarial_step.js", "line_measure.js", "plane_maps.js",
)  # fmt: skip
NAMES = (
    "sfc32, gauss, tinyMLP, initialize, evaluate, adam, plainDescent, LOSSES, discriminatorLoss, "
    "generatorLoss, slopePenalty, newGame, mixtureLaw, pushforward, tabulateLine, measureLine, "
    "SLICED, smoothedDensity, gridCenters, isoline"
)
PAIRS = {
    "no saturante": "non-saturating",
    "saturante": "saturating",
    "bisagra": "hinge",
    "wasserstein": "wasserstein",
}
COUNTED = "rondas (pasos de G)"


@pytest.fixture(scope="module")
def formulas(navegador):
    page = import_functions(navegador, FILES, NAMES)
    page.evaluate("""() => {
        globalThis.net = (sizes, values) => {
            const made = tinyMLP(sizes);
            made.values.set(values);
            return made;
        };
    }""")
    yield page
    page.close()


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def torch_net(sizes, seed, scale=0.8):
    """La misma red en torch, y sus pesos en el orden de JavaScript: W y b de cada capa."""
    layers = []
    for before, after in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(before, after, dtype=torch.float64), nn.Tanh()]
    net = nn.Sequential(*layers[:-1])
    for i, parameter in enumerate(net.parameters()):
        parameter.data = scale * random(*parameter.shape, seed=100 * seed + i)
    return net, flat(parameter.data for parameter in net.parameters())


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors]).tolist()


def gradients(net, loss):
    return flat(torch.autograd.grad(loss, list(net.parameters())))


def law_of(mixture):
    widget = AdversarialGame(mixture=mixture)
    return widget.laws[str(mixture.dim)]


# --- las redes ----------------------------------------------------------------------------------

D_SIZES, G_SIZES = [2, 5, 4, 1], [3, 6, 4, 2]


@pytest.mark.parametrize("loss", PAIRS)
def test_los_gradientes_de_d_y_de_g_son_los_de_torch(formulas, loss):
    n = 7
    (D, d_values), (G, g_values) = torch_net(D_SIZES, 1), torch_net(G_SIZES, 2)
    x, z, pair = random(n, 2, seed=3), random(n, 3, seed=4), losses.pair(PAIRS[loss])
    result = formulas.evaluate(
        """([loss, dSizes, dValues, gSizes, gValues, x, z, n]) => {
            const [D, G, rule] = [net(dSizes, dValues), net(gSizes, gValues), LOSSES[loss]];
            const [forD, forG] = [D, G].map((one) => new Float64Array(one.values.length));
            const latents = Float64Array.from(z);
            const samples = evaluate(G, latents, n);
            const judged = discriminatorLoss(D, rule, Float64Array.from(x), samples, n, forD);
            const made = generatorLoss(G, D, rule, latents, n, forG);
            return { judged, made: made.value, forD: [...forD], forG: [...forG], pull: [...made.pull] };
        }""",
        [loss, D_SIZES, d_values, G_SIZES, g_values, flat([x]), flat([z]), n],
    )
    samples = G(z)
    loss_d = pair.discriminator(D(x), D(samples.detach()))
    loss_g = pair.generator(D(samples))
    assert [result["judged"], result["made"]] == pytest.approx([loss_d.item(), loss_g.item()])
    (pull,) = torch.autograd.grad(loss_g, samples, retain_graph=True)
    np.testing.assert_allclose(result["pull"], flat([n * pull]), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result["forD"], gradients(D, loss_d), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result["forG"], gradients(G, loss_g), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["lipschitz", "r1"])
@pytest.mark.parametrize("dim", [1, 2])
def test_las_penalizaciones_son_las_de_losses(formulas, kind, dim):
    n, sizes = 6, [dim, 5, 4, 1]
    D, values = torch_net(sizes, 5)
    x = random(n, dim, seed=6)
    if kind == "r1":
        expected = losses.r1_penalty(D, x)
    else:  # con los dos extremos iguales, todo punto del segmento es ese
        expected = losses.gradient_penalty(D, x, x)
    result = formulas.evaluate(
        """([kind, sizes, values, x, n]) => {
            const gradient = new Float64Array(values.length);
            const value = slopePenalty(net(sizes, values), kind, Float64Array.from(x), n, 0.7, gradient);
            return { value, gradient: [...gradient] };
        }""",
        [kind, sizes, values, flat([x]), n],
    )
    assert result["value"] == pytest.approx(expected.item(), rel=1e-10)
    found = torch.autograd.grad(0.7 * expected, list(D.parameters()), allow_unused=True)
    slopes = [
        torch.zeros_like(p) if g is None else g for g, p in zip(found, D.parameters(), strict=True)
    ]
    np.testing.assert_allclose(result["gradient"], flat(slopes), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", ["adam", "plainDescent"])
def test_los_optimizadores_son_los_de_torch(formulas, kind):
    start, slopes = random(9), [random(9, seed=i + 1) for i in range(6)]
    slopes[2] = 1e-7 * slopes[2]
    rates = [0.1, 0.1, 0.02, 0.3, 0.1, 0.1]
    result = formulas.evaluate(
        """([kind, start, slopes, rates]) => {
            const values = Float64Array.from(start);
            const step = { adam, plainDescent }[kind](values);
            return slopes.map((slope, i) => { step(Float64Array.from(slope), rates[i]); return [...values]; });
        }""",
        [kind, start.tolist(), [s.tolist() for s in slopes], rates],
    )
    weight = nn.Parameter(start.clone())
    make = torch.optim.SGD if kind == "plainDescent" else torch.optim.Adam
    options = {} if kind == "plainDescent" else {"betas": (0.5, 0.999)}
    optimizer = make([weight], lr=0.1, **options)
    for slope, rate, found in zip(slopes, rates, result, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        weight.grad = slope
        optimizer.step()
        np.testing.assert_allclose(found, weight.tolist(), rtol=1e-9, atol=1e-12)


def test_los_pesos_iniciales_tienen_la_dispersion_que_dicen(formulas):
    found = formulas.evaluate("""() => {
        const [random, made] = [sfc32(1), tinyMLP([4, 300, 300, 50])];
        initialize(made, () => gauss(random), 0.2);
        const std = (v) => Math.sqrt(v.reduce((sum, w) => sum + w * w, 0) / v.length);
        return made.layers.map(({ W, b }) => [std(W), std(b)]);
    }""")
    expected = [[1.5 / 2, 0.5], [1.5 / math.sqrt(300), 0.5], [0.2 / math.sqrt(300), 0]]
    np.testing.assert_allclose(found, expected, rtol=0.08)


# --- la ley de los datos y la del generador -----------------------------------------------------


def two(dim=1):
    if dim == 1:
        covs = torch.tensor([0.5, 0.8], dtype=torch.float64).square()[:, None, None]
        return GaussianMixture([0.3, 0.7], torch.tensor([[-2.0], [1.5]]).double(), covs)
    covs = torch.tensor([[[0.5, 0.2], [0.2, 0.3]], [[1.0, -0.4], [-0.4, 0.6]]]).double()
    return GaussianMixture([0.3, 0.7], torch.tensor([[-1.0, 2.0], [1.5, 0.0]]).double(), covs)


@pytest.mark.parametrize("dim", [1, 2])
def test_la_ley_de_los_datos_es_la_mezcla(formulas, dim):
    mixture = two(dim)
    x = 2 * random(300, dim, seed=8)
    result = formulas.evaluate(
        """([law, x, dim]) => {
            const made = mixtureLaw(law);
            const points = Float64Array.from(x);
            const at = (i) => points.subarray(i * dim, (i + 1) * dim);
            const all = Array.from({ length: x.length / dim }, (_, i) => made.logDensity(at(i)));
            return { all, counts: made.countByMode(points), drawn: [...made.sample(20000, sfc32(5))] };
        }""",
        [law_of(mixture), flat([x]), dim],
    )
    np.testing.assert_allclose(result["all"], mixture.log_prob(x).tolist(), rtol=1e-9, atol=1e-9)
    assert result["counts"] == mode_coverage(x, mixture).counts.tolist()
    drawn = torch.tensor(result["drawn"], dtype=torch.float64).reshape(-1, dim)
    error = (mixture.cov.diagonal() / len(drawn)).sqrt()
    assert ((drawn.mean(0) - mixture.mean).abs() < 4 * error).all()
    torch.testing.assert_close(drawn.T.cov().reshape(dim, dim), mixture.cov, rtol=0.05, atol=0.05)


def line(formulas, law, slope, shift, d_values, loss, width=0.01):
    """La tabla y la medida de la recta con G(z) = slope·z + shift y un D de pesos dados."""
    return formulas.evaluate(
        """([law, slope, shift, dSizes, dValues, loss, width]) => {
            const game = { law: mixtureLaw(law), G: net([1, 1], [slope, shift]), D: net(dSizes, dValues) };
            const table = tabulateLine(game, [-6, 6], width);
            const out = { ...table, ...measureLine(table, LOSSES[loss]) };
            return Object.fromEntries(Object.entries(out).map(([key, v]) => [key, v.length ? [...v] : v]));
        }""",
        [law, slope, shift, [1, 4, 3, 1], d_values, loss, width],
    )


@pytest.mark.parametrize(("slope", "shift"), [(1.3, 0.4), (-0.5, -2.0), (0.2, 1.5)])
def test_d_optimo_v_y_jsd_contra_exact_con_un_generador_lineal(formulas, slope, shift):
    data, model = two(), Gaussian([shift], [[slope**2]])
    D, d_values = torch_net([1, 4, 3, 1], 7)
    found = line(formulas, law_of(data), slope, shift, d_values, "no saturante")
    grid = torch.linspace(-14, 14, 28001, dtype=torch.float64)
    top = exact.optimal_value(data, model, grid)
    assert found["top"] == pytest.approx(top, abs=2e-4)
    assert found["js"] == pytest.approx((top + math.log(4)) / 2, abs=1e-4)
    assert found["goal"] == found["js"]
    value = exact.integrated_value(D, data, model, grid)
    assert found["value"] == pytest.approx(value, abs=2e-4)
    assert found["bound"] == pytest.approx(
        exact.integrated_js_bound(D, data, model, grid), abs=1e-4
    )
    x = torch.tensor(found["x"], dtype=torch.float64)[:, None]
    inside = (x[:, 0] - shift).abs() < 3 * abs(slope)  # donde una casilla es mucho menor que μ_G
    best = torch.tensor(found["best"], dtype=torch.float64)[inside]
    expected = exact.optimal_discriminator(data, model, x[inside])
    torch.testing.assert_close(best.sigmoid(), expected, rtol=0, atol=2e-3)
    np.testing.assert_allclose(found["s"], D(x).detach()[:, 0], rtol=1e-9, atol=1e-12)


def test_la_bisagra_mide_la_variacion_y_wasserstein_w1(formulas):
    data, model = two(), Gaussian([0.4], [[1.3**2]])
    D, d_values = torch_net([1, 4, 3, 1], 7)
    x = torch.linspace(-14, 14, 28001, dtype=torch.float64)
    p, q = (law.log_prob(x[:, None]).exp() for law in (data, model))
    s = D(x[:, None]).detach()[:, 0]
    variation = torch.trapezoid((p - q).abs() / 2, x).item()
    gap = torch.cumulative_trapezoid(q - p, x)
    transport = torch.trapezoid(gap.abs(), x[1:]).item()

    hinge = line(formulas, law_of(data), 1.3, 0.4, d_values, "bisagra")
    assert hinge["goal"] == pytest.approx(variation, abs=1e-4)
    assert hinge["top"] == pytest.approx(2 * variation - 2, abs=2e-4)
    played = torch.trapezoid(p * (1 - s).relu() + q * (1 + s).relu(), x).item()
    assert hinge["value"] == pytest.approx(-played, abs=2e-4)
    earth = line(formulas, law_of(data), 1.3, 0.4, d_values, "wasserstein")
    assert earth["goal"] == earth["top"] == pytest.approx(transport, abs=1e-3)
    assert earth["value"] == pytest.approx(torch.trapezoid((p - q) * s, x).item(), abs=2e-4)
    for found, top in ((hinge, hinge["top"]), (earth, transport)):  # el D óptimo alcanza el máximo
        best, p_c, q_c = (np.array(found[key]) for key in ("best", "p", "q"))
        if found is hinge:
            reached = -(p_c * (1 - best).clip(0) + q_c * (1 + best).clip(0)).sum()
        else:
            reached = (p_c * best - q_c * best).sum()
        assert reached == pytest.approx(top, abs=0.02)


def test_la_ley_de_un_generador_no_monotono_se_reparte_bien(formulas):
    cells = {"from": -0.5, "width": 0.05, "count": 300}
    masses = formulas.evaluate(
        "cells => [...pushforward(SLICED.nodes.map((z) => z * z), cells)]", cells
    )
    edges = -0.5 + 0.05 * np.arange(301)
    expected = np.diff(chi2(1).cdf(edges))
    expected[-1] += 1 - chi2(1).cdf(edges[-1])  # lo de fuera, en la del borde
    np.testing.assert_allclose(masses, expected, atol=2e-4)
    assert sum(masses) == pytest.approx(1)


def test_la_densidad_estimada_es_la_del_nucleo_y_la_isolinea_una_circunferencia(formulas):
    points, side, spread = 0.6 * random(500, 2, seed=9), 48, 1.2
    axes = [{"min": -3, "max": 3}, {"min": -3, "max": 3}]
    density, centers = formulas.evaluate(
        "([points, axes, side, spread]) => [smoothedDensity(Float64Array.from(points), axes, side, spread),"
        " gridCenters(axes, side)].map((v) => [...v])",
        [flat([points]), axes, side, spread],
    )
    width = 6 / side
    centers = np.array(centers).reshape(-1, 2)
    snapped = -3 + width * (np.floor((points.numpy() + 3) / width) + 0.5)  # el histograma
    away = ((centers[:, None] - snapped[None]) ** 2).sum(-1) / (spread * width) ** 2
    kernel = np.exp(-away / 2) / (2 * np.pi * (spread * width) ** 2)
    np.testing.assert_allclose(density, kernel.mean(1), atol=0.003)
    assert np.sum(density) * width**2 == pytest.approx(1, abs=1e-3)

    path = formulas.evaluate(
        """([axes, side]) => {
            const centers = gridCenters(axes, side);
            const away = (_, k) => Math.hypot(centers[2 * k], centers[2 * k + 1]);
            const radius = Float64Array.from({ length: side * side }, away);
            const plain = { x: (v) => 100 * v, y: (v) => 100 * v };
            return isoline(radius, centers, side, 2, plain);
        }""",
        [axes, side],
    )
    ends = np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path), dtype=float) / 100
    assert len(ends) > 100
    np.testing.assert_allclose(np.hypot(*ends.T), 2, atol=0.01)


# --- el juego -----------------------------------------------------------------------------------

PLAY = """([law, hidden, options, rounds, warmup]) => {
    const { seed, discriminator_steps, ...rest } = options;
    const rules = () => rest;
    const game = newGame({ law: mixtureLaw(law), hidden, batch: 128, seed, rules });
    const reach = () => evaluate(game.G, SLICED.nodes, SLICED.nodes.length);
    for (let i = 0; i < warmup; i++) game.stepD();
    const before = law.means[0].length === 1 ? reach() : null;
    for (let r = 0; r < rounds; r++) {
        for (let k = 0; k < discriminator_steps; k++) game.stepD();
        game.stepG();
    }
    const uniform = sfc32(77);
    const z = Float64Array.from({ length: 1000 * law.means[0].length }, () => gauss(uniform));
    const samples = [...evaluate(game.G, z, 1000)];
    if (!before) return { samples };
    const table = tabulateLine(game, [-5, 5], 0.02);
    const moved = Math.max(...reach().map((x, i) => Math.abs(x - before[i])));
    return { samples, moved, ...measureLine(table, LOSSES[rest.loss]) };
}"""


def play(page, widget, rounds, warmup=0):
    options = {
        "seed": widget.seed,
        "discriminator_steps": widget.discriminator_steps,
        "loss": widget.loss,
        "generatorRate": widget.generator_lr,
        "discriminatorRate": widget.discriminator_lr,
        "optimizer": widget.optimizer,
        "penalty": widget.gradient_penalty,
        "r1": widget.r1,
    }
    hidden = {1: [16, 16], 2: [24, 24]}[widget.dim]
    law = widget.laws[str(widget.dim)]
    return page.evaluate(PLAY, [law, hidden, options, rounds, warmup])


def test_el_juego_por_omision_converge_en_la_recta(formulas):
    assert play(formulas, AdversarialGame(), 0)["js"] > 0.69
    assert play(formulas, AdversarialGame(), 400)["js"] < 0.05


def test_el_juego_por_omision_cubre_los_ocho_modos(formulas):
    widget = AdversarialGame(dim=2)
    start, end = (
        mode_coverage(
            torch.tensor(play(formulas, widget, rounds)["samples"]).reshape(-1, 2),
            widget.mixture,
            minimum=25,
        )
        for rounds in (0, 400)
    )
    assert start.covered == 0
    assert end.covered == 8 and end.good > 0.85


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_con_un_d_muy_entrenado_la_saturante_no_mueve_al_generador(formulas, seed):
    saturating, other = (
        play(formulas, AdversarialGame(loss=loss, optimizer="sgd", seed=seed), 50, warmup=200)
        for loss in ("saturante", "no saturante")
    )
    assert saturating["js"] > 0.69 and saturating["moved"] < 0.3
    assert other["js"] < 0.6 and other["moved"] > 1


def test_la_misma_semilla_da_los_mismos_numeros(formulas):
    first, again, other = (
        play(formulas, AdversarialGame(seed=seed, loss="wasserstein", r1=0.2), 5)
        for seed in (1, 1, 2)
    )
    assert first["samples"] == again["samples"] != other["samples"]


# --- la página ----------------------------------------------------------------------------------


def press(page, name, times=1):
    for _ in range(times):
        page.get_by_role("button", name=name, exact=True).click()


def counted(page):
    """Las rondas que dice la página."""
    cell = page.locator(".cw-readings.cw-columns dd").first
    return int(cell.evaluate("e => e.firstChild.data").replace("\u00a0", ""))


def shown(page):
    pairs = page.locator(".cw-readings.cw-columns").first.evaluate(
        "list => [...list.children].map(e => [e.children[0].textContent, e.children[1].textContent])"
    )
    return dict(pairs)


def played(page, rounds):
    """Reproduce hasta esa ronda, por lo menos."""
    press(page, "Reproducir el juego")
    page.wait_for_function(
        "n => parseInt(document.querySelector('.cw-readings.cw-columns dd').firstChild.data) >= n",
        arg=rounds,
    )
    press(page, "Pausar")


def test_los_botones_juegan_la_misma_partida_que_las_funciones(open_widgets, formulas):  # noqa: F811
    widget = AdversarialGame(seed=8, discriminator_steps=2)
    page = open_widgets(widget)
    assert "Nadie ha jugado todavía" in page.locator(".cw-note").inner_text()
    press(page, "Una ronda", 3)
    press(page, "Paso de D", 2)
    press(page, "Paso de G")  # en total, cuatro rondas de dos pasos
    expected = play(formulas, widget, 4)
    found = shown(page)
    assert counted(page) == 4 and "8 pasos de D" in found[COUNTED]
    assert number(found["V(G, D) = −LD"]) == pytest.approx(expected["value"], rel=0.01)
    assert number(found["su máximo sobre D"]) == pytest.approx(expected["top"], rel=0.02, abs=1e-5)
    assert number(found["JSD (nats)"]) == pytest.approx(expected["js"], rel=6e-3)
    press(page, "Reiniciar")
    assert counted(page) == 0
    press(page, "Una ronda", 4)
    assert shown(page) == found
    press(page, "Otra semilla")
    assert shown(page)["semilla"] == "9" and counted(page) == 0
    press(page, "Una ronda", 4)
    assert shown(page)["V(G, D) = −LD"] != found["V(G, D) = −LD"]


def test_cambiar_de_perdida_sigue_la_partida_solo_dentro_de_la_familia(open_widgets):  # noqa: F811
    page = open_widgets(AdversarialGame())
    press(page, "200 pasos de D")
    push = [number(shown(page)["empuje ‖∂LG/∂x‖"])]
    note = page.locator(".cw-note")
    assert "sigue" in note.inner_text() or "rechaza" in note.inner_text()
    radio(page, "Saturante").check()
    push.append(number(shown(page)["empuje ‖∂LG/∂x‖"]))
    assert "200 pasos de D" in shown(page)[COUNTED]
    assert push[1] < 0.1 < 1 < push[0]
    assert "El gradiente se apaga" in note.inner_text() and "Adam lo disimula" in note.inner_text()
    radio(page, "Descenso simple").check()
    assert "Adam" not in note.inner_text()
    assert slider(page, "Tasa de G").get_attribute("aria-valuetext") == "0.050"
    radio(page, "Bisagra").check()
    assert "0 pasos de D" in shown(page)[COUNTED] and "2 TV − 2" in shown(page)["su máximo sobre D"]
    radio(page, "Wasserstein").check()
    assert "W₁" in shown(page)["su máximo sobre D"]
    press(page, "Una ronda")
    radio(page, "No saturante").check()
    assert counted(page) == 0


def test_en_el_plano_se_pintan_los_dos_mapas_y_se_cuentan_los_modos(open_widgets):  # noqa: F811
    page = open_widgets(AdversarialGame(dim=2))
    canvas = page.locator(".cw-map > canvas")
    colours = "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].join()"
    modes = readings(page)
    assert modes["modos cubiertos"].startswith("0 de 8")
    played(page, 30)
    learned = canvas.evaluate(colours)
    radio(page, "D* estimado").check()
    assert canvas.evaluate(colours) != learned
    assert "4\u00a0000 muestras" in page.locator(".cw-stack .cw-aside").first.inner_text()
    assert "μG no se conoce" in shown(page)["su máximo sobre D"]
    assert shown(page)["JSD (nats)"].startswith("≥ ")
    box, frame = canvas.bounding_box(), page.locator(".cw-map .cw-box").bounding_box()
    for key, value in frame.items():
        assert box[key] == pytest.approx(value, abs=1.5)
    radio(page, "Recta").check()
    assert page.locator(".cw-map").count() == 0 and counted(page) == 0
    assert slider(page, "Pasos de D").input_value() == "3"


@pytest.mark.parametrize("dim", [1, 2])
def test_todas_las_perdidas_se_juegan_sin_numeros_rotos(open_widgets, dim):  # noqa: F811
    page = open_widgets(AdversarialGame(dim=dim, discriminator_lr=1.0, generator_lr=1.0, r1=1.0))
    for loss in ("No saturante", "Saturante", "Bisagra", "Wasserstein"):
        radio(page, loss).check()
        press(page, "Una ronda", 3)
        assert "NaN" not in page.locator(".cw").inner_html()
        assert math.isfinite(number(shown(page)["V(G, D) = −LD"]))


def test_se_juega_con_el_teclado(open_widgets):  # noqa: F811
    page = open_widgets(AdversarialGame())
    page.get_by_role("button", name="Una ronda").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert counted(page) == 2
    steps = slider(page, "Pasos de D")
    steps.focus()
    page.keyboard.press("ArrowRight")
    assert steps.input_value() == "4"
    page.get_by_role("button", name="Una ronda").press("Enter")
    assert "10 pasos de D" in shown(page)[COUNTED]
    radio(page, "No saturante").focus()
    page.keyboard.press("ArrowRight")
    assert radio(page, "Saturante").is_checked()


def test_reproducir_avanza_varias_rondas_por_dibujo_y_se_pausa(open_widgets):  # noqa: F811
    page = open_widgets(AdversarialGame())
    stop_clock(page)
    press(page, "Reproducir el juego")
    page.clock.run_for(30 * 9)  # el primer dibujo, al pulsar; y nueve más
    press(page, "Pausar")
    assert counted(page) == 10 * int(slider(page, "Rondas entre").input_value()) > 10
    stopped = counted(page)
    page.clock.run_for(3000)
    assert counted(page) == stopped
    assert "JSD exacta" in page.locator(".cw").inner_text()


def test_con_menos_movimiento_dibuja_una_vez_por_segundo(open_widgets):  # noqa: F811
    page = open_widgets(AdversarialGame(), reduced_motion="reduce")
    stop_clock(page)
    each = 10 * int(slider(page, "Rondas entre").input_value())
    press(page, "Reproducir el juego")
    for drawn in (1, 2, 3):
        assert counted(page) == each * drawn
        page.clock.run_for(999)
        assert counted(page) == each * drawn
        page.clock.run_for(1)
