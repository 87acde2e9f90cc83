"""Langevin contra sus distribuciones invariantes, con paso finito y en el límite, y el recocido."""

import math

import pytest
import torch
from bad_input import Same, X, cases, fails, vp
from oracles import DATA, MODES

from course_lib.diffusion import VE, VP, Denoiser
from course_lib.diffusion.integrators import SolverError
from course_lib.diffusion.langevin import annealed, langevin, langevin_step, step_size
from course_lib.diffusion.samplers import predictor_corrector
from course_lib.diffusion.sde import fitted_order
from course_lib.noise import noise_source
from course_lib.probability import GaussianMixture

F64 = torch.float64
FAR = GaussianMixture(
    torch.tensor([0.2, 0.8], dtype=F64),
    torch.tensor([[-6.0], [6.0]], dtype=F64),
    torch.tensor([[[0.25]], [[0.25]]], dtype=F64),
)


# --- el paso y su distribución invariante -------------------------------------------------------


def test_un_paso_es_la_formula():
    """x + δ s(x) + √(2δ) z, con el azar de la semilla, paso a paso."""
    x, step = DATA.sample(3, torch.Generator().manual_seed(0)), 0.05
    path = langevin(DATA.score, x, step, 4, generator=9, keep=True)
    rng, y = noise_source(9), x
    assert path.shape == (5, 3, 2) and torch.equal(path[0], x)
    for state in path[1:]:
        y = y + step * DATA.score(y) + math.sqrt(2 * step) * rng(y)
        torch.testing.assert_close(state, y, rtol=1e-12, atol=1e-12)
    assert torch.equal(langevin(DATA.score, x, step, 4, generator=9), path[-1])


@pytest.mark.parametrize("delta", [0.1, 1.0, 1.9, 3.0])
def test_la_varianza_en_una_gaussiana_es_la_de_la_recurrencia(delta, generator):
    """v ← (1 − δ/σ²)²v + 2δ, que tiende a σ²/(1 − δ/2σ²): con δ = 3 y σ² = 2, cuatro veces σ²."""
    n, steps, sigma2 = 20_000, 60, 2.0
    x = torch.full((n,), 3.0, dtype=F64)
    path = langevin(lambda x: -x / sigma2, x, delta, steps, generator, keep=True)
    pull, mean, var = 1 - delta / sigma2, 3.0, 0.0
    for k, state in enumerate(path[1:], 1):
        mean, var = pull * mean, pull**2 * var + 2 * delta
        if k in (1, 2, 5, 20, steps):
            assert state.mean().item() == pytest.approx(mean, abs=4 * (var / n) ** 0.5)
            assert state.var().item() == pytest.approx(var, rel=4 * (2 / n) ** 0.5)
    if delta >= 1:
        assert var == pytest.approx(sigma2 / (1 - delta / (2 * sigma2)), rel=1e-6)


def invariant_density(delta, nodes):
    """La distribución invariante del paso finito en la mezcla: se itera su núcleo por cuadratura."""
    mean = nodes + delta * MODES.score(nodes[:, None])[:, 0]
    gap = (nodes[:, None] - mean) ** 2 / (4 * delta)
    kernel = torch.exp(-gap) / math.sqrt(4 * math.pi * delta) * (nodes[1] - nodes[0])
    for _ in range(14):  # 2^14 pasos
        kernel = kernel @ kernel
        kernel = kernel / kernel.sum(0)
    return kernel[:, 0] / (nodes[1] - nodes[0])


def test_la_mezcla_es_invariante_cuando_el_paso_tiende_a_cero(generator):
    """El sesgo de la distribución invariante cae como δ, y la simulación llega a ella, no a p."""
    nodes = torch.linspace(-4, 4, 401, dtype=F64)
    exact, deltas = MODES.log_prob(nodes[:, None]).exp(), [0.08, 0.04, 0.02]
    laws = [invariant_density(delta, nodes) for delta in deltas]
    gaps = [torch.trapezoid((law - exact).abs() / 2, nodes).item() for law in laws]
    assert fitted_order(deltas, gaps) == pytest.approx(1.0, abs=0.15), gaps
    n, delta = 20_000, deltas[0]
    x = langevin(MODES.score, MODES.sample(n, generator), delta, 400, generator)[:, 0]
    edges = torch.linspace(-2, 2, 21, dtype=F64)
    counts = torch.histogram(x, edges).hist / n

    def shares(density):
        cumulative = torch.cumulative_trapezoid(density, nodes)
        return (
            cumulative[(edges[1:] / 0.02 + 199).long()]
            - cumulative[(edges[:-1] / 0.02 + 199).long()]
        )

    error = (shares(laws[0]) / n).sqrt()
    assert ((counts - shares(laws[0])).abs() < 4.5 * error).all()
    assert ((counts - shares(exact)).abs() > 4.5 * error).any()


def test_en_float32_con_una_red(generator):
    """El tipo y la forma son los de x; los parámetros de la red no guardan el grafo."""
    net = torch.nn.Linear(2, 2)
    out = langevin(net, torch.zeros(3, 2), 0.01, 5, generator)
    assert out.dtype == torch.float32 and out.shape == (3, 2) and not out.requires_grad


def test_el_recocido_no_registra_el_gradiente():
    """Como `sample`: la red se evalúa sin grafo, que en una U-Net triplica la memoria."""
    seen = []

    class Watching(torch.nn.Module):
        def forward(self, x, t):
            seen.append(torch.is_grad_enabled())
            return x

    annealed(Denoiser(Watching(), VP()), torch.ones(3, 2), [0.9, 0.5], 2, generator=0)
    assert seen == [False] * 4


def test_un_lote_vacio_da_otro():
    assert langevin(lambda x: -x, X[:0], 0.1, 2, generator=0).shape == (0, 2)


def test_la_semilla_da_su_azar_a_cada_ejemplo():
    x = torch.zeros(4, 2, dtype=F64)
    all_four, two = (langevin(DATA.score, v, 0.1, 5, generator=3) for v in (x, x[:2]))
    assert torch.equal(all_four[:2], two)


# --- modos lejanos y recocido -------------------------------------------------------------------


def right_share(x):
    return (x > 0).double().mean().item()


def test_a_secas_no_encuentra_los_pesos_y_recocido_si(generator):
    """Con modos a 12σ, cada punto se queda donde cae; por niveles de ruido, 0.2 y 0.8."""
    schedule, n = VE(0.05, 20.0), 1_500
    start = schedule.prior_sample((n, 1), generator, dtype=F64)
    plain = langevin(FAR.score, start / 20 * 6, 0.05, 300, generator)
    error = 4 * (0.2 * 0.8 / n) ** 0.5
    assert abs(right_share(plain) - 0.5) < 4 * (0.25 / n) ** 0.5
    assert right_share(plain) < 0.8 - 3 * error
    levels = schedule.grid(20)
    x = annealed(FAR.denoiser(schedule), start, levels, 60, 0.3, generator)
    assert abs(right_share(x) - 0.8) < error + 0.02
    side = x[x > 0]
    exact = FAR.covs[0].item() + schedule.sigma(0.0).item() ** 2
    assert side.mean().item() == pytest.approx(6, abs=4 * (exact / len(side)) ** 0.5 + 0.01)
    assert side.var().item() == pytest.approx(exact, rel=4 * (2 / len(side)) ** 0.5 + 0.03)


def test_el_recocido_es_langevin_nivel_a_nivel():
    """Con δ = 2(snr σ_t)² y el score de cada nivel, encadenados con la misma fuente de azar."""
    schedule, levels = VP(), [0.8, 0.4, 0.1]
    denoiser, x = DATA.denoiser(schedule), torch.ones(2, 2, dtype=F64)
    path = annealed(denoiser, x, levels, 3, 0.2, generator=5, keep=True)
    assert path.shape == (10, 2, 2)
    rng = noise_source(5)
    for k, t in enumerate(levels):
        delta = 2 * (0.2 * schedule.sigma(t).item()) ** 2
        score = DATA.diffuse(schedule.alpha(t), schedule.sigma(t)).score
        x = langevin(score, x, delta, 3, rng)
        torch.testing.assert_close(path[3 * k + 3], x, rtol=1e-9, atol=1e-9)
    assert torch.equal(annealed(denoiser, path[0], levels, 3, 0.2, generator=5), path[-1])


def test_el_corrector_da_los_mismos_pasos():
    """Un paso del predictor–corrector es el predictor y, después, un nivel de `annealed`."""
    schedule, x = VP(), torch.ones(2, 2, dtype=F64)
    denoiser, t, s = DATA.denoiser(schedule), *torch.tensor([0.5, 0.4], dtype=F64)
    got = predictor_corrector("ddim", snr=0.2, corrections=1)(denoiser, x, t, s, noise_source(1))
    predicted = predictor_corrector("ddim", snr=1e-12)(denoiser, x, t, s, noise_source(1))
    delta = torch.as_tensor(step_size(0.2, schedule.sigma(s)))
    expected = langevin_step(predicted, denoiser(predicted, s).score, delta, noise_source(1))
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def test_los_niveles_aceptan_clases(generator):
    """`y` llega al denoiser: con la clase 1 todos acaban en su modo."""
    schedule = VE(0.05, 20.0)
    start = schedule.prior_sample((50, 1), generator, dtype=F64)
    y = torch.ones(50, dtype=torch.int64)
    x = annealed(FAR.denoiser(schedule), start, schedule.grid(10), 20, 0.3, generator, y=y)
    assert right_share(x) == 1.0


# --- entradas equivocadas -----------------------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False])
def test_un_paso_demasiado_largo_dice_donde_estallo(keep):
    """Con δ > 2σ² la cadena crece sin límite: el error trae el paso y lo recorrido, finito."""
    x = torch.ones(3, dtype=F64)
    with pytest.raises(SolverError, match="paso .*finito.*δ=5.*menor que") as info:
        langevin(lambda x: -x / 0.01, x, 5.0, 500, 0, keep)
    trajectory = info.value.trajectory
    assert len(trajectory.states) == len(trajectory.times) and trajectory.evaluations > 50
    assert (len(trajectory.states) > 50) == keep and trajectory.times[-1] == trajectory.evaluations
    assert all(torch.isfinite(state).all() for state in trajectory.states)


def run(**changes):
    options = {"score": lambda x: -x, "x": X, "step": 0.1, "n": 2} | changes
    return lambda: langevin(**options)


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("paso nulo", ValueError, run(step=0), "step", "(0, inf)", "0"),
        ("paso negativo", ValueError, run(step=-0.1), "step", "-0.1"),
        ("paso NaN", ValueError, run(step=math.nan), "step", "nan"),
        ("n nulo", ValueError, run(n=0), "n debe", "0"),
        ("n decimal", TypeError, run(n=1.5), "n debe", "1.5"),
        ("x entero", TypeError, run(x=X.long()), "x debe", "int64"),
        ("x con NaN", ValueError, run(x=X * math.nan), "x contiene", "8"),
        ("x lista", TypeError, run(x=[0.0]), "x debe", "list"),
        ("score de otra forma", ValueError, run(score=lambda x: x[:1]), "score(x)", "(1, 2)"),
        ("score en una lista", TypeError, run(score=lambda x: [0.0]), "score(x)", "list"),
        (
            "red sin esquema",
            TypeError,
            lambda: annealed(Same(), X, [0.9, 0.1]),
            "Same",
            "Denoiser(net, schedule, kind)",
        ),
        ("semilla", TypeError, run(generator="a"), "generator", "str"),
        (
            "niveles crecientes",
            ValueError,
            lambda: annealed(vp, X, [0.1, 0.9]),
            "times",
            "decrecer",
        ),
        ("niveles fuera", ValueError, lambda: annealed(vp, X, [2.0, 0.1]), "[0, 1]", "2.0"),
        (
            "niveles hasta 0",
            ValueError,
            lambda: annealed(vp, X, VP().grid(4)),
            "t=0",
            "σ = 0",
            "0.001",
        ),
        ("snr nula", ValueError, lambda: annealed(vp, X, [0.9, 0.1], snr=0), "snr", "(0, 1]"),
        ("sin pasos", ValueError, lambda: annealed(vp, X, [0.9, 0.1], 0), "per_level", "0"),
    ),
)
def test_entradas_equivocadas(error, call, words):
    """Pasos, niveles, formas y semillas."""
    fails(error, call, *words)
