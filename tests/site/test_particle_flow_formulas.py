"""Los esquemas continuos, el score y los caminos de `ParticleFlow`, contra la biblioteca."""

from functools import cache

import numpy as np
import pytest
import torch
from widget_formulas import import_functions

from course_lib.adversarial import mode_coverage
from course_lib.data import toy
from course_lib.diffusion import OU, VE, VP, Flow, SubVP, sample, samplers
from course_lib.probability import GaussianMixture

FILES = (
    "common.js", "plot.js", "plane.js", "plane_maps.js", "panel.js", "random.js", "mixture_law.js",
    "continuous_schedules.js", "mixture_score.js", "particle_flow_path.js",
    "particle_flow_judge.js", "particle_flow_scene.js",
)  # fmt: skip
NAMES = (
    "continuousLaws, diffuseMixture, mixtureLaw, sfc32, gauss, SCHEDULES, FLOW_T_MAX, stepGrid, "
    "flowPath, progressAt, timeAt, stateAt, energyJudge, modeJudge, flowVerdict, screenFor, "
    "OTHER_STREAM, REFERENCE"
)
LAWS = {"VP": VP(), "SubVP": SubVP(), "VE": VE(), "OU": OU(), "Flow": Flow()}
EIGHT = toy.eight_gaussians(torch.float64)
COUNT = 400


@pytest.fixture(scope="module")
def formulas(navegador):
    page = import_functions(navegador, FILES, NAMES)
    yield page
    page.close()


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def uneven(dim=2):
    """Tres componentes de pesos y covarianzas distintos, una muy alargada."""
    if dim == 1:
        covs = torch.tensor([0.5, 0.8, 0.1], dtype=torch.float64).square()[:, None, None]
        return GaussianMixture([0.3, 0.5, 0.2], torch.tensor([[-2.0], [1.5], [3.0]]).double(), covs)
    covs = torch.tensor(
        [[[1.0, 0.7], [0.7, 0.5]], [[0.1, 0.0], [0.0, 0.4]], [[0.3, -0.1], [-0.1, 0.1]]]
    ).double()
    means = torch.tensor([[0.0, 0.0], [3.0, 2.0], [-2.0, 3.0]]).double()
    return GaussianMixture([0.5, 0.3, 0.2], means, covs)


UNEVEN = uneven()


def law_of(mixture):
    return {
        "weights": mixture.weights.tolist(),
        "means": mixture.means.tolist(),
        "factors": torch.linalg.cholesky(mixture.covs).tolist(),
    }


# --- los esquemas y el score ----------------------------------------------------------------------


@pytest.mark.parametrize("name", LAWS)
def test_los_esquemas_continuos_son_los_de_la_biblioteca(formulas, name):
    law = LAWS[name]
    t = torch.cat([torch.logspace(-6, -2, 30), torch.linspace(0, 1, 201)]).double().unique()
    t = t[t < 1] if name == "Flow" else t
    found = np.array(
        formulas.evaluate(
            """([name, times]) => {
                const { alpha, sigma, f, g2 } = continuousLaws[name];
                return times.map((t) => [alpha(t), sigma(t), f(t), g2(t)]);
            }""",
            [name, t.tolist()],
        )
    ).T
    expected = [law.alpha(t), law.sigma(t), *law.drift_diffusion(t)]
    for values, reference, label in zip(found, expected, ["α", "σ", "f", "g²"], strict=True):
        np.testing.assert_allclose(
            values, reference.numpy(), rtol=1e-9, atol=1e-9 if label != "σ" else 1e-14,
            err_msg=label,
        )  # fmt: skip
    limits = formulas.evaluate("n => [continuousLaws[n].tMin, continuousLaws[n].tMax]", name)
    assert limits == [0 if name == "VE" else 1e-3, 1 - 1e-3 if name == "Flow" else 1]


@pytest.mark.parametrize("spacing", ["t", "lambda"])
@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("n", [5, 50])
def test_la_rejilla_es_la_de_schedule_grid(formulas, name, spacing, n):
    found = formulas.evaluate(
        "([name, n, spacing]) => [...stepGrid(SCHEDULES[name], spacing, n)]", [name, n, spacing]
    )
    t_max = 0.95 if name == "Flow" else 1.0
    assert formulas.evaluate("FLOW_T_MAX") == 0.95
    expected = LAWS[name].grid(n, spacing, t_max=t_max)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize(
    ("alpha", "sigma"), [(1.0, 0.0), (0.9, 0.3), (0.05, 0.95), (0.0, 1.0), (1.0, 50.0), (1.0, 1e-4)]
)
def test_el_score_y_el_eliminador_de_ruido_son_los_de_la_mezcla(formulas, dim, alpha, sigma):
    mixture = uneven(dim)
    x = mixture.diffuse(alpha, sigma).sample(200, torch.Generator().manual_seed(4)).double()
    x = torch.cat([x, 3 * random(50, dim)])
    found = formulas.evaluate(
        """([law, alpha, sigma, x]) => {
            const made = diffuseMixture(law, alpha, sigma);
            const points = Float64Array.from(x);
            return ["logDensity", "score", "denoise"].map((name) => [...made[name](points)]);
        }""",
        [law_of(mixture), alpha, sigma, x.flatten().tolist()],
    )
    diffused = mixture.diffuse(alpha, sigma)
    expected = [diffused.log_prob(x), diffused.score(x), mixture.denoise(x, alpha, sigma)]
    for values, reference in zip(found, expected, strict=True):
        np.testing.assert_allclose(values, reference.flatten().numpy(), rtol=1e-9, atol=1e-9)


# --- los caminos ------------------------------------------------------------------------------------

PATH = """([law, name, options]) => {
    const schedule = SCHEDULES[name];
    const grid = stepGrid(schedule, options.spacing ?? "t", options.steps ?? 50);
    const path = flowPath({ law: mixtureLaw(law), schedule, grid, ...options });
    const states = options.onlyEnd ? path.states.slice(-1) : path.states;
    return { times: [...path.times], states: states.map((state) => [...state]) };
}"""
KICKS = """([seed, count]) => {
    const uniform = sfc32(seed + OTHER_STREAM);
    return Array.from({ length: count }, () => gauss(uniform));
}"""


def run(page, name, mixture=EIGHT, **options):
    options = {"way": "inversa", "eta": 1, "sign": 1, "count": COUNT, "seed": 0} | options
    found = page.evaluate(PATH, [law_of(mixture), name, options])
    states = torch.tensor(found["states"], dtype=torch.float64)
    states = states.reshape(len(found["states"]), options["count"], 2)
    return torch.tensor(found["times"], dtype=torch.float64), states


def kicks(page, seed, steps, count):
    values = page.evaluate(KICKS, [seed, steps * count * 2])
    return iter(torch.tensor(values, dtype=torch.float64).reshape(steps, count, 2))


@pytest.mark.parametrize("spacing", ["t", "lambda"])
@pytest.mark.parametrize("name", LAWS)
def test_la_ode_y_la_sde_inversas_son_euler_y_euler_maruyama(formulas, name, spacing):
    mixture, options = UNEVEN, {"count": 30, "steps": 20, "spacing": spacing, "seed": 5}
    denoiser = mixture.denoiser(LAWS[name])
    times, flow = run(formulas, name, mixture, eta=0, **options)
    expected = sample(denoiser, flow[0], times, method="euler")
    np.testing.assert_allclose(flow[-1], expected, rtol=1e-9, atol=1e-9)

    if name == "Flow" and spacing == "lambda":
        options["steps"] = 60  # con menos, euler_maruyama avisa de que no resuelve la deriva
    times, noisy = run(formulas, name, mixture, eta=1, **options)
    assert torch.equal(noisy[0], flow[0])
    step, noise = samplers.euler_maruyama(), kicks(formulas, 5, options["steps"] - 1, 30)
    x = noisy[0]
    for t, s, state in zip(times[:-1], times[1:], noisy[1:], strict=True):
        x = step(denoiser, x, t, s, lambda x: next(noise))
        np.testing.assert_allclose(state, x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_la_familia_de_ruido_eta_y_el_signo(formulas, eta, sign):
    mixture = UNEVEN
    times, states = run(formulas, "VP", mixture, eta=eta, sign=sign, steps=10, count=20, seed=2)
    noise = kicks(formulas, 2, 10, 20)
    for i, (t, s) in enumerate(zip(times[:-1], times[1:], strict=True)):
        f, g2 = LAWS["VP"].drift_diffusion(t)
        alpha, sigma = LAWS["VP"].alpha(t), LAWS["VP"].sigma(t)
        score = sign * mixture.diffuse(alpha, sigma).score(states[i])
        drift = f * states[i] - (1 + eta**2) / 2 * g2 * score
        expected = states[i] - (t - s) * drift
        if eta > 0 and i < 9:
            expected = expected + eta * (g2 * (t - s)).sqrt() * next(noise)
        np.testing.assert_allclose(states[i + 1], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LAWS)
def test_la_sde_directa_usa_la_transicion_exacta(formulas, name):
    law = LAWS[name]
    times, states = run(formulas, name, way="directa", steps=12, count=2000, seed=3)
    assert times[0] == 0 and (times[1:] > times[:-1]).all()
    noise = kicks(formulas, 3, 12, 2000)
    for i, (t, s) in enumerate(zip(times[:-1], times[1:], strict=True)):
        ratio = law.alpha(s) / law.alpha(t)
        std = (law.sigma(s) ** 2 - (ratio * law.sigma(t)) ** 2).sqrt()
        expected = ratio * states[i] + std * next(noise)
        np.testing.assert_allclose(states[i + 1], expected, rtol=1e-9, atol=1e-9)
    for i in (0, 6, 12):  # y en cada instante, las partículas siguen p_t: media y covarianza
        found = EIGHT.diffuse(law.alpha(times[i]), law.sigma(times[i]))
        scale = found.cov.diagonal().sqrt()
        assert (states[i].mean(0).abs() < 4 * scale / 2000**0.5).all()
        np.testing.assert_allclose(states[i].T.cov() / scale**2, np.eye(2), rtol=0.12, atol=0.1)


@pytest.mark.parametrize("name", LAWS)
def test_la_misma_semilla_da_el_mismo_ruido_inicial(formulas, name):
    starts = [
        run(formulas, name, steps=5, **options)[1][0]
        for options in ({"eta": 1}, {"eta": 0}, {"eta": 0.3, "spacing": "lambda"}, {"sign": -1})
    ]
    assert all(torch.equal(start, starts[0]) for start in starts)
    assert not torch.equal(run(formulas, name, steps=5, seed=1)[1][0], starts[0])
    t_max = 0.95 if name == "Flow" else 1.0
    std = LAWS[name].sigma(torch.tensor(t_max)).item()
    assert starts[0].std().item() == pytest.approx(std, rel=0.08)


def binomial_excess(counts, shares, n):
    """Las cuentas en errores estándar de su binomial."""
    shares = torch.as_tensor(shares, dtype=torch.float64)
    counts = torch.as_tensor(counts, dtype=torch.float64)
    return ((counts - n * shares) / (n * shares * (1 - shares)).sqrt()).abs().max().item()


@cache
def shares_of(mixture):
    """La fracción de datos buenos de cada modo."""
    data = mixture.sample(200_000, torch.Generator().manual_seed(1))
    return mode_coverage(data, mixture).counts.double() / len(data)


RECOVER = {
    "VP": ("t", 100),
    "SubVP": ("t", 100),
    "VE": ("t", 200),
    "OU": ("lambda", 200),
    "Flow": ("t", 100),
}


@pytest.mark.parametrize("mixture", [EIGHT, UNEVEN], ids=["ocho", "desiguales"])
@pytest.mark.parametrize("eta", [0, 0.5, 1])
@pytest.mark.parametrize("name", LAWS)
def test_con_el_signo_bueno_se_vuelve_a_los_datos_y_con_el_otro_no(formulas, name, eta, mixture):
    spacing, steps = RECOVER[name]
    options = {"spacing": spacing, "steps": steps, "count": 1000, "seed": 3, "eta": eta}
    options["onlyEnd"] = True
    _, states = run(formulas, name, mixture, **options)
    expected = shares_of(mixture)
    found = mode_coverage(states[-1], mixture)
    assert binomial_excess(found.counts, expected, 1000) < 4
    assert found.good == pytest.approx(expected.sum().item(), abs=0.02)
    _, wrong = run(formulas, name, mixture, sign=-1, **options)
    lost = mode_coverage(wrong[-1], mixture)
    assert lost.good < 0.2
    assert binomial_excess(lost.counts, expected, 1000) > 8


# --- el instante, el juicio y la escala -------------------------------------------------------------


def test_entre_dos_pasos_se_va_en_linea_recta(formulas):
    found = formulas.evaluate("""() => [1, 0].map((from) => {
        const times = from ? [1, 0.5, 0.1, 0] : [0, 0.1, 0.5, 1];
        const path = { times, states: [0, 10, 20, 40].map((v) => Float64Array.of(v, -v)) };
        const at = [1, 0.75, 0.5, 0.2, 0.1, 0.05, 0].map((t) => progressAt(path, t));
        return { at, back: at.map((u) => timeAt(path, u)), x: at.map((u) => stateAt(path, u)[0]) };
    })""")
    assert found[0]["at"] == pytest.approx([0, 0.5, 1, 1.75, 2, 2.5, 3])
    assert found[1]["at"] == pytest.approx([3, 2.5, 2, 1.25, 1, 0.5, 0])
    for one in found:
        assert one["back"] == pytest.approx([1, 0.75, 0.5, 0.2, 0.1, 0.05, 0])
    assert found[0]["x"] == pytest.approx([0, 5, 10, 17.5, 20, 30, 40])


def test_la_distancia_es_la_distancia_energia_y_el_suelo_la_de_muestras_de_datos(formulas):
    X = random(300, 2, seed=1)
    found = formulas.evaluate(
        """([law, X]) => {
            const { sample } = mixtureLaw(law);
            const made = energyJudge(sample, 300);
            const Y = [...sample(REFERENCE, sfc32(2024))];
            const other = Array.from({ length: 60 }, (_, i) => made.distance(sample(300, sfc32(i))));
            return { ...made, far: made.distance(Float64Array.from(X)), Y, other };
        }""",
        [law_of(EIGHT), X.flatten().tolist()],
    )
    Y = torch.tensor(found["Y"], dtype=torch.float64).reshape(-1, 2)

    def mean(a, b):
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").mean().item()

    expected = 2 * mean(X, Y) - mean(X, X) - mean(Y, Y)
    assert found["far"] == pytest.approx(expected, rel=1e-9)
    other = np.array(found["other"])
    assert other.mean() == pytest.approx(found["usual"], rel=0.4)
    assert (other > found["top"]).mean() < 0.12  # una de cada 41, si el suelo está bien medido
    assert found["usual"] < found["top"]


def test_lo_esperado_en_cada_modo_y_su_error(formulas):
    mixture = UNEVEN
    result = formulas.evaluate(
        """(law) => {
            const made = modeJudge(mixtureLaw(law), 400);
            return { expected: made.expected, good: made.good };
        }""",
        law_of(mixture),
    )
    shares = shares_of(mixture)
    assert result["good"] == pytest.approx(shares.sum().item(), abs=0.006)
    for found, share in zip(result["expected"], shares.tolist(), strict=True):
        error = (400 * share * (1 - share)) ** 0.5
        assert abs(found["mean"] - 400 * share) < error
        assert found["error"] == pytest.approx(error * (1 + 400 / 6000) ** 0.5, rel=0.1)


def test_la_escala_de_la_pantalla_solo_cambia_si_el_ruido_explota(formulas):
    reach = formulas.evaluate(
        """(law) => Object.fromEntries(Object.entries(SCHEDULES).map(([name, schedule]) => {
            const { zooms, axes } = screenFor(law, schedule);
            return [name, { zooms, widths: [0, 0.5, 0.9].map((t) => axes(t)[0].max - axes(t)[0].min) }];
        }))""",
        law_of(EIGHT),
    )
    for name, found in reach.items():
        assert found["zooms"] == (name == "VE")
        assert (len(set(found["widths"])) > 1) == (name == "VE")
    assert reach["VE"]["widths"] == pytest.approx([3.45, 7.4, 142], rel=0.1)
