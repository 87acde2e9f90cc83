"""La cadena inversa en 1-D y su cota, contra simulación, cuadratura 2-D y formas cerradas."""

import math

import pytest
import torch
from bad_input import Same, cases, fails
from oracles import MODES, final_law

from course_lib.diffusion import OU, VE, VP, Flow, SubVP, sample
from course_lib.diffusion.convergence import (
    bound,
    chain_density,
    marginal,
    score_of,
    total_variation,
)
from course_lib.diffusion.sde import fitted_order, transition
from course_lib.probability import Gaussian
from course_lib.probability.divergences import integrated_kl

F64 = torch.float64
NODES = torch.linspace(-7, 7, 301, dtype=F64)
LAW = Gaussian(torch.tensor([0.7], dtype=F64), torch.tensor([[0.3]], dtype=F64))


def grid(n, start=1.0, end=0.05):
    return torch.linspace(start, end, n + 1, dtype=F64)


def exact_score(schedule, law=MODES):
    return score_of(law.denoiser(schedule))


def shifted(schedule, error):
    exact = exact_score(schedule)
    return lambda x, t: exact(x, t) + error


def true_tv(schedule, score, times, nodes=NODES, start=None, law=MODES):
    density = chain_density(schedule, score, times, nodes, start)[-1]
    return total_variation(density, marginal(law, schedule, times[-1], nodes), nodes)


# --- la densidad --------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [OU(2.0), VP(beta_max=6.0), SubVP(1.0, 6.0), Flow()])
def test_con_datos_gaussianos_es_la_ley_afin_exacta(schedule):
    """La cadena de una gaussiana es gaussiana: media y varianza, las del muestreador recorrido sin azar."""
    times = grid(20, 0.9)
    densities = chain_density(
        schedule, exact_score(schedule, LAW), times, NODES, LAW.diffuse(*pair(schedule, 0.9))
    )
    for k in (1, 10, 20):
        mean, cov = final_law(LAW, schedule, "euler_maruyama", times[: k + 1])
        exact = Gaussian(mean, cov).log_prob(NODES[:, None]).exp()
        assert (densities[k] - exact).abs().max() < 1e-7
        assert torch.trapezoid(densities[k], NODES).item() == pytest.approx(1, abs=1e-7)


def pair(schedule, t):
    return schedule.alpha(t).item(), schedule.sigma(t).item()


@pytest.mark.parametrize("schedule", [OU(2.0), VP()])
def test_coincide_con_el_muestreador(schedule, generator):
    """El histograma de `sample(euler_maruyama)`, desde la previa, tiene las probabilidades calculadas."""
    n, times = 40_000, grid(40)
    x = schedule.prior_sample((n, 1), generator, dtype=F64)
    x = sample(MODES.denoiser(schedule), x, times, "euler_maruyama", generator=generator)[:, 0]
    nodes = torch.linspace(-7, 7, 701, dtype=F64)  # un borde de cada celda es un nodo
    density = chain_density(schedule, exact_score(schedule), times, nodes)[-1]
    cumulative = torch.cat([torch.zeros(1), torch.cumulative_trapezoid(density, nodes)])
    edges = nodes[250:451:10]
    probability = cumulative[250:451:10].diff()
    counts = torch.histogram(x, edges.contiguous()).hist / n
    assert ((counts - probability).abs() < 4.5 * (probability / n).sqrt() + 1e-4).all()
    target = torch.cat(
        [torch.zeros(1), torch.cumulative_trapezoid(marginal(MODES, schedule, 0.05, nodes), nodes)]
    )[250:451:10].diff()
    assert ((counts - target).abs() > 4.5 * (target / n).sqrt() + 1e-4).any()  # no es la exacta


def test_el_inicio_se_puede_elegir():
    """Sin `start` es N(0, σ²); un objeto y sus densidades dan lo mismo; p_T exacta quita el olvido."""
    schedule, times = OU(0.8), grid(30)
    score, sigma = exact_score(schedule), schedule.sigma(1.0)
    default = chain_density(schedule, score, times, NODES)
    law = Gaussian(torch.zeros(1).double(), sigma.square().reshape(1, 1))
    for start in (law, law.log_prob(NODES[:, None]).exp()):
        torch.testing.assert_close(chain_density(schedule, score, times, NODES, start), default)
    perfect = MODES.diffuse(*pair(schedule, 1.0))
    better, usual = (true_tv(schedule, score, times, start=s) for s in (perfect, None))
    assert better < usual - 0.003
    assert bound(MODES, schedule, score, times, NODES, perfect).forgetting == pytest.approx(0)


def test_los_nodos_no_importan_si_son_bastantes():
    """Duplicar los nodos, o repartirlos mal, no cambia la densidad ni la cota."""
    schedule, times = VP(), grid(40)
    score = exact_score(schedule)
    values = []
    uneven = 7 * torch.sinh(torch.linspace(-1.5, 1.5, 701, dtype=F64)) / math.sinh(1.5)
    for nodes in (NODES, torch.linspace(-7, 7, 601, dtype=F64), uneven):
        result = bound(MODES, schedule, score, times, nodes)
        values.append((true_tv(schedule, score, times, nodes), result.discretisation))
    assert max(v[0] for v in values) - min(v[0] for v in values) < 3e-4
    assert max(v[1] for v in values) - min(v[1] for v in values) < 2e-4 * values[0][1]


def test_la_variacion_total():
    """Entre gaussianas de igual varianza, 2Φ(|m|/2σ) − 1; entre soportes disjuntos, 1; consigo misma, 0."""
    p, q, far = (Gaussian(m, 0.01).log_prob(NODES_FINE[:, None]).exp() for m in (0.0, 0.1, 3.0))
    exact = 2 * torch.special.ndtr(torch.tensor(0.5, dtype=F64)).item() - 1
    assert total_variation(p, q, NODES_FINE) == pytest.approx(exact, abs=1e-5)
    assert total_variation(p, far, NODES_FINE) == pytest.approx(1, abs=1e-6)
    assert total_variation(p, p, NODES_FINE) == 0


NODES_FINE = torch.linspace(-4, 4, 8_001, dtype=F64)


# --- convergencia medida ------------------------------------------------------------------------


def test_la_tv_cae_como_h_y_la_cota_como_su_raiz():
    """Con score exacto, la TV verdadera es de orden 1 y la KL entre cadenas también: su raíz, ½."""
    schedule, counts = OU(3.0), [50, 100, 200]
    score, steps = exact_score(schedule), [1 / n for n in counts]
    tv = [true_tv(schedule, score, grid(n)) for n in counts]
    found = [bound(MODES, schedule, score, grid(n), NODES) for n in counts]
    assert fitted_order(steps, tv) == pytest.approx(1, abs=0.12), tv
    assert fitted_order(steps, [b.discretisation for b in found]) == pytest.approx(1, abs=0.12)
    assert fitted_order(steps, [b.pinsker for b in found]) == pytest.approx(0.5, abs=0.07)


def test_cuando_h_tiende_a_cero_queda_el_olvido():
    """Extrapolada a h = 0, la TV no es 0: es la que deja empezar en la previa en vez de en p_T."""
    schedule = OU(0.8)
    score, (coarse, fine) = exact_score(schedule), (grid(60), grid(120))
    perfect = MODES.diffuse(*pair(schedule, 1.0))
    densities = {}
    for start in (None, perfect):
        a, b = (chain_density(schedule, score, g, NODES, start)[-1] for g in (coarse, fine))
        densities[start] = 2 * b - a  # Richardson
    target = marginal(MODES, schedule, 0.05, NODES)
    forgotten, exact = (total_variation(d, target, NODES) for d in densities.values())
    assert exact < 1e-3 < 0.015 < forgotten
    kl = bound(MODES, schedule, score, fine, NODES).forgetting
    assert forgotten < math.sqrt(kl / 2)


def test_el_olvido_cae_con_el_horizonte_como_e_menos_2t():
    """KL(p_T‖previa) ≤ E x_0² e^(−2T)/(2(1 − e^(−2T))), por convexidad, y con ese ritmo o mejor."""
    second, values, horizons = (MODES.mean.square() + MODES.cov).item(), [], [1.0, 1.5, 2.0, 2.5]
    for horizon in horizons:
        found = bound(MODES, OU(horizon), exact_score(OU(horizon)), grid(4, 1, 0.8), NODES)
        decay = math.exp(-2 * horizon)
        assert 0 < found.forgetting <= second * decay / (2 * (1 - decay))
        values.append(found.forgetting)
    rate = [math.log(a / b) for a, b in zip(values[:-1], values[1:], strict=True)]
    assert all(0.9 < r < 2.1 for r in rate), (
        rate
    )  # por cada 0.5 de horizonte, entre e^(−1) y e^(−2)


# --- la cota ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [0.0, 0.1, 0.5, -1.0])
@pytest.mark.parametrize("n", [12, 50])
@pytest.mark.parametrize("schedule", [OU(0.5), OU(3.0), VP(), SubVP(), Flow()], ids=repr)
def test_la_cota_no_falla_nunca(schedule, n, error):
    """TV ≤ √(KL/2) ≤ √(O/2) + √(D/2) + √(S/2), para varios T, pasos y errores de score."""
    times, score = grid(n, 0.9), shifted(schedule, error)
    found = bound(MODES, schedule, score, times, NODES)
    tv = true_tv(schedule, score, times)
    assert tv <= found.pinsker <= found.total
    assert min(found.forgetting, found.discretisation, found.score) >= 0
    assert abs(found.interaction) <= 2 * math.sqrt(found.discretisation * found.score) + 1e-12
    if error == 0:
        assert found.score == pytest.approx(0, abs=1e-12)
        assert found.interaction == pytest.approx(0, abs=1e-12)
    parts = (found.forgetting, found.discretisation, found.score, found.interaction)
    assert found.kl == pytest.approx(sum(parts))


@pytest.mark.parametrize("error", [0.0, 0.6])
@pytest.mark.parametrize("schedule", [OU(2.0), VP(), VE(0.2, 3.0)], ids=repr)
def test_cada_paso_es_la_kl_entre_nucleos_por_cuadratura_doble(schedule, error):
    """E_x KL(q(·|x) ‖ N(m(x), g²h)), con q(y|x) = p_s(y) N(x; ratio·y, std²)/p_t(x) en una malla."""
    times = grid(8, 0.9)
    nodes = torch.linspace(-9, 9, 1_001, dtype=F64) * (2 if isinstance(schedule, VE) else 1)
    score = shifted(schedule, error)
    found = bound(MODES, schedule, score, times, nodes)
    for k in (0, 4, 7):
        t, s = times[k].item(), times[k + 1].item()
        ratio, std = (v.item() for v in transition(schedule, s, t))
        f, g2 = (v.item() for v in schedule.drift_diffusion(t))
        x, y, h = nodes[:, None], nodes[None, :], t - s
        joint = MODES.diffuse(*pair(schedule, s)).log_prob(nodes[:, None]) + log_normal(
            x, ratio * y, std**2
        )
        inverse = joint - MODES.diffuse(*pair(schedule, t)).log_prob(nodes[:, None])[:, None]
        model = log_normal(y, (nodes - h * (f * nodes - g2 * score(nodes, t)))[:, None], g2 * h)
        inner = torch.trapezoid(joint.exp() * (inverse - model), nodes, dim=1)
        exact = torch.trapezoid(inner, nodes).item()
        assert found.per_step[k].sum().item() == pytest.approx(exact, rel=1e-5, abs=1e-8)


def log_normal(x, mean, var):
    return -((x - mean) ** 2) / (2 * var) - math.log(2 * math.pi * var) / 2


def test_el_termino_del_score_es_el_peso_de_verosimilitud():
    """Un error constante M da Σ ½ g²h M², y el término crece como M²."""
    schedule, times = VP(), grid(30)
    g2 = schedule.drift_diffusion(times[:-1])[1]
    exact = (g2 * (times[:-1] - times[1:])).sum().item() / 2
    for size in (0.2, 0.4):
        found = bound(MODES, schedule, shifted(schedule, size), times, NODES)
        assert found.score == pytest.approx(exact * size**2, rel=1e-6)
    assert found.per_step.shape == (30, 3)


def test_un_error_de_score_se_paga_en_la_densidad():
    """La TV verdadera crece con M y, para M pequeña, en proporción a M."""
    schedule, times = OU(3.0), grid(100)
    base = chain_density(schedule, exact_score(schedule), times, NODES)[-1]
    sizes = [0.05, 0.1, 0.2]
    moved = [
        total_variation(
            chain_density(schedule, shifted(schedule, m), times, NODES)[-1], base, NODES
        )
        for m in sizes
    ]
    assert fitted_order(sizes, moved) == pytest.approx(1, abs=0.05)


def test_hasta_los_datos():
    """Con datos que tienen densidad, la rejilla puede acabar en 0: la cota es contra los datos mismos."""
    schedule, times = OU(3.0), grid(100, 1.0, 0.0)
    score = exact_score(schedule)
    tv = true_tv(schedule, score, times)
    found = bound(MODES, schedule, score, times, NODES)
    assert marginal(MODES, schedule, 0.0, NODES).allclose(MODES.log_prob(NODES[:, None]).exp())
    assert 0.01 < tv < found.pinsker < 0.25


def test_vale_para_una_gaussiana_y_coincide_con_su_kl():
    """Con un solo paso y datos gaussianos todo es cerrado: KL de la conjunta gaussiana de dos estados."""
    schedule, (t, s) = OU(1.0), (0.5, 0.3)
    score = exact_score(schedule, LAW)
    found = bound(LAW, schedule, score, [t, s], NODES)
    (at, st), (a_s, ss) = pair(schedule, t), pair(schedule, s)
    var_t, var_s = (a**2 * 0.3 + v**2 for a, v in ((at, st), (a_s, ss)))
    cross = transition(schedule, s, t)[0].item() * var_s
    exact = Gaussian([0.7 * at, 0.7 * a_s], [[var_t, cross], [cross, var_s]])
    h, f, g2 = t - s, -1.0, 2.0
    slope = 1 - h * f - h * g2 / var_t
    shift = h * g2 * 0.7 * at / var_t
    cov = [[st**2, slope * st**2], [slope * st**2, slope**2 * st**2 + g2 * h]]
    assert found.kl == pytest.approx(exact.kl(Gaussian([0.0, shift], cov)), abs=1e-5)
    assert found.forgetting == pytest.approx(
        integrated_kl(LAW.diffuse(at, st), Gaussian(0.0, st**2), NODES), abs=1e-6
    )


# --- entradas equivocadas -----------------------------------------------------------------------

OU3 = OU(3.0)
EXACT = exact_score(OU3)
START = Gaussian(0.0, 1.0).log_prob(NODES[:, None]).exp()
BENT = START * (1 + 2 * torch.sin(NODES))  # integra 1, con tramos negativos


def run(**changes):
    options = {"schedule": OU3, "score": EXACT, "times": grid(10), "nodes": NODES} | changes
    return lambda: chain_density(**options)


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("times crecientes", ValueError, run(times=[0.1, 0.9]), "times", "decrecer"),
        ("times fuera", ValueError, run(times=[1.5, 0.9]), "[0, 1]", "1.5"),
        (
            "nodos gruesos",
            ValueError,
            run(nodes=torch.linspace(-7, 7, 15)),
            "gruesos",
            "distan hasta 1",
            "g√h = 0.755",
            "al menos 20 nodos",
            "pasos mayores",
        ),
        (
            "nodos estrechos",
            ValueError,
            run(nodes=torch.linspace(-1, 1, 99)),
            "integra 0.68",
            "ancho",
        ),
        ("nodos al revés", ValueError, run(nodes=NODES.flip(0)), "nodes", "creciente", "(301,)"),
        ("nodos en columna", ValueError, run(nodes=NODES[:, None]), "nodes", "(301, 1)"),
        ("nodos enteros", TypeError, run(nodes=torch.arange(9)), "nodes", "int64"),
        ("score de otra forma", ValueError, run(score=lambda x, t: x[:3]), "score", "(3,)"),
        ("score NaN", ValueError, run(score=lambda x, t: x * math.nan), "score(x, t)", "NaN"),
        ("inicio de otra forma", ValueError, run(start=NODES[:5]), "start", "(5,)"),
        ("inicio sin normalizar", ValueError, run(start=torch.ones(301)), "integra 14"),
        (
            "Flow desde t = 1",
            ValueError,
            run(schedule=Flow(), score=exact_score(Flow())),
            "Flow()",
            "singular",
            "t_max=0.99",
        ),
        (
            "un denoiser por mezcla",
            ValueError,
            lambda: marginal(MODES.denoiser(OU3), OU3, 0.5, NODES),
            "mixture",
            "D = 1",
        ),
        ("t fuera", ValueError, lambda: marginal(MODES, OU3, 1.5, NODES), "[0, 1]", "1.5"),
        ("red sin esquema", TypeError, lambda: score_of(Same()), "Same", "Denoiser(net"),
        ("inicio negativo", ValueError, run(start=BENT), "start", "negativa"),
        (
            "logaritmos por densidades",
            ValueError,
            lambda: total_variation(START, MODES.log_prob(NODES[:, None]), NODES),
            "q no puede ser negativa",
        ),
        (
            "densidades NaN",
            ValueError,
            lambda: total_variation(START * math.nan, START, NODES),
            "p contiene",
            "NaN",
        ),
        (
            "densidades en una lista",
            TypeError,
            lambda: total_variation(START, [0.0], NODES),
            "q debe ser",
            "list",
        ),
        (
            "mezcla en el plano",
            ValueError,
            lambda: marginal(Gaussian([0.0, 0.0], torch.eye(2)), OU3, 0.5, NODES),
            "D = 1",
            "D = 2",
        ),
        (
            "densidades de otra forma",
            ValueError,
            lambda: total_variation(START, START[:4], NODES),
            "q y nodes",
            "(4,)",
        ),
        (
            "nodos que no cubren la masa",
            ValueError,
            lambda: bound(MODES, OU3, EXACT, grid(10), torch.linspace(-1, 1, 99)),
            "integra 0.68",
            "más ancho",
        ),
    ),
)
def test_entradas_equivocadas(error, call, words):
    """Instantes, nodos, formas, masa perdida y esquemas singulares."""
    fails(error, call, *words)
