"""La SDE directa de cada esquema: su transición, sus marginales, el olvido de OU y Fokker–Planck."""

import math

import pytest
import torch
from oracles import CONTINUOUS, DATA, MODES, SCHEDULES, cdf, quantiles
from scipy import integrate, stats

from course_lib.diffusion import OU, VP, Flow
from course_lib.diffusion.sde import fitted_order, simulate, transition
from course_lib.distances import wasserstein_1d
from course_lib.probability import Gaussian
from course_lib.probability.divergences import integrated_kl, sampled_kl

F64 = torch.float64


def uniform(n, end=1.0, start=0.0):
    return torch.linspace(start, end, n + 1, dtype=F64)


def t_max(name):
    """Dónde se deja de integrar: antes del punto singular de Flow y del coseno."""
    return 0.9 if name in ("Flow", "Cosine", "cosine", "sigmoid") else 1.0


# --- la transición y la simulación --------------------------------------------------------------


@pytest.mark.parametrize("name", CONTINUOUS)
def test_la_transicion_resuelve_las_ecuaciones_de_los_momentos(name):
    """ṁ = f m y v̇ = 2 f v + g², integradas con SciPy desde (1, 0), dan ratio y std²."""
    schedule, s, t = CONTINUOUS[name], 0.2, 0.85

    def rates(u, state):
        f, g2 = (value.item() for value in schedule.drift_diffusion(u))
        return [f * state[0], 2 * f * state[1] + g2]

    end = integrate.solve_ivp(rates, (s, t), [1.0, 0.0], rtol=1e-9, atol=1e-12).y[:, -1]
    ratio, std = transition(schedule, s, t)
    assert ratio.item() == pytest.approx(end[0], rel=1e-7)
    assert std.item() ** 2 == pytest.approx(end[1], rel=1e-7)


@pytest.mark.parametrize("name", SCHEDULES)
def test_la_transicion_compone(name):
    """Semigrupo: de r a s y de s a t es de r a t; desde 0 sin ruido, es (α, σ)."""
    schedule, (r, s, t) = SCHEDULES[name], (0.1, 0.35, 0.8)
    (a, sa), (b, sb), (c, sc) = (transition(schedule, *p) for p in ((r, s), (s, t), (r, t)))
    assert torch.isclose(a * b, c, rtol=1e-12)
    assert torch.isclose((b * sa).square() + sb**2, sc**2, rtol=1e-9)
    if schedule.sigma(0.0) == 0:
        ratio, std = transition(schedule, 0.0, torch.tensor([0.3, 0.9]))
        torch.testing.assert_close(ratio, schedule.alpha(torch.tensor([0.3, 0.9])))
        torch.testing.assert_close(std, schedule.sigma(torch.tensor([0.3, 0.9])))


def test_la_transicion_de_ou_es_la_de_libro():
    ratio, std = transition(OU(4.0), 0.25, 0.5)  # una unidad de τ
    assert ratio.item() == pytest.approx(math.exp(-1), rel=1e-12)
    assert std.item() == pytest.approx(math.sqrt(1 - math.exp(-2)), rel=1e-12)


@pytest.mark.parametrize("method", ["exact", "euler_maruyama"])
@pytest.mark.parametrize("name", ["VP", "SubVP", "VE", "OU", "Flow", "Cosine", "linear"])
def test_los_momentos_de_la_simulacion(name, method, generator):
    """Media ratio·x_0, varianza std² y covarianza entre dos instantes, con su error estándar."""
    schedule, n, exact_run = SCHEDULES[name], 8_000, method == "exact"
    end = 1.0 if exact_run else t_max(name)
    times = torch.tensor([0.0, 0.3, 0.7, end], dtype=F64) if exact_run else uniform(200, end)
    x0 = torch.full((n,), 1.3, dtype=F64)
    path = simulate(schedule, x0, times, method, generator)
    assert path.shape == (len(times), n) and torch.equal(path[0], x0)
    middle, index = times[len(times) // 2].item(), len(times) // 2
    bias = 0.0 if exact_run else 0.03
    for t, x in ((middle, path[index]), (end, path[-1])):
        ratio, std = (v.item() for v in transition(schedule, 0.0, t))
        assert x.mean().item() == pytest.approx(1.3 * ratio, abs=4 * std / n**0.5 + bias * std)
        assert x.std().item() == pytest.approx(std, rel=4 / (2 * n) ** 0.5 + bias)
    ratio, last = (v.item() for v in transition(schedule, middle, end))
    start = transition(schedule, 0.0, middle)[1].item()
    spread = start * transition(schedule, 0.0, end)[1].item()
    got = torch.cov(path[[index, -1]])[0, 1].item()
    assert got == pytest.approx(
        ratio * start**2, abs=4 * spread * 1.42 / n**0.5 + 2 * bias * spread
    )


@pytest.mark.parametrize("name", CONTINUOUS)
def test_euler_maruyama_se_acerca_a_la_exacta(name):
    """Con los mismos normales, la distancia entre los dos caminos cae como h."""
    schedule, gaps, counts = CONTINUOUS[name], [], [64, 128, 256]
    x0 = DATA.sample(100, torch.Generator().manual_seed(0))
    for n in counts:
        times = uniform(n, t_max(name), 0.1)
        exact, euler = (simulate(schedule, x0, times, m, 3) for m in ("exact", "euler_maruyama"))
        gaps.append((exact - euler)[-1].square().mean().sqrt().item())
    assert fitted_order([1 / n for n in counts], gaps) == pytest.approx(1.0, abs=0.2), gaps


def test_la_ley_simulada_de_una_mezcla_es_la_difundida(generator):
    """Kolmogórov–Smirnov contra la función de distribución exacta, y la KL contra la previa."""
    schedule, times = VP(), torch.tensor([0.0, 0.1, 0.4, 1.0], dtype=F64)
    x = simulate(schedule, MODES.sample(5_000, generator), times, generator=generator)
    prior = Gaussian(0.0, 1.0)
    for t, points in zip(times, x, strict=True):
        law = MODES.diffuse(schedule.alpha(t), schedule.sigma(t))
        test = stats.kstest(
            points[:, 0].numpy(), lambda v, law=law: cdf(law, torch.tensor(v)).numpy()
        )
        assert test.pvalue > 1e-3
        exact = integrated_kl(law, prior, uniform(4_000, 8.0, -8.0))
        sampled = sampled_kl(law, prior, points)
        assert abs(sampled.value - exact) < 4 * sampled.error


def test_el_tipo_y_la_semilla_de_simulate():
    x0 = torch.zeros(3, 1, 2, 2)
    first, again = (simulate(VP(), x0, [0.0, 0.5, 1.0], generator=4) for _ in range(2))
    assert first.dtype == torch.float32 and first.shape == (3, 3, 1, 2, 2)
    assert torch.equal(first, again)
    assert torch.isfinite(simulate(Flow(), x0, [0.0, 0.5, 1.0], generator=4)).all()


# --- Ornstein–Uhlenbeck olvida ------------------------------------------------------------------

HORIZON = 3.0
CLOCK = torch.tensor([0.0, 0.05, 0.2, 0.5, 1.0], dtype=F64)
NODES = uniform(6_000, 12.0, -12.0)
NORMAL = Gaussian(0.0, 1.0)


def ou_law(law, t):
    schedule = OU(HORIZON)
    return law.diffuse(schedule.alpha(t), schedule.sigma(t))


def test_el_acoplamiento_sincrono_contrae_en_w2(generator):
    """Con el mismo browniano, dos caminos se acercan exactamente como e^(−τ), y W2 al menos así."""
    x, y = (
        MODES.sample(4_000, generator),
        Gaussian([2.0], [[0.09]]).sample(4_000, generator).double(),
    )
    a, b = (simulate(OU(HORIZON), start, CLOCK, generator=5) for start in (x, y))
    decay = torch.exp(-HORIZON * CLOCK)
    torch.testing.assert_close(a - b, decay[:, None, None] * (x - y), rtol=1e-9, atol=1e-12)
    start = wasserstein_1d(x, y)
    for k in range(1, len(CLOCK)):
        assert wasserstein_1d(a[k], b[k]) <= decay[k] * start * (1 + 1e-9)


def test_w2_de_gaussianas_simuladas_es_la_formula_cerrada(generator):
    """W2² = m²e^(−2τ) + (s_τ − 1)² entre N(me^(−τ), s_τ²) y N(0, 1)."""
    law, n = Gaussian(2.0, 0.25), 20_000
    x = simulate(OU(HORIZON), law.sample(n, generator).double(), CLOCK, generator=generator)
    normal = quantiles(MODES.diffuse(0.0, 1.0), (torch.arange(n, dtype=F64) + 0.5) / n)
    for t, points in zip(CLOCK, x, strict=True):
        at = ou_law(law, t)
        exact = math.sqrt(at.mean.item() ** 2 + (at.cov.item() ** 0.5 - 1) ** 2)
        assert wasserstein_1d(points, normal) == pytest.approx(exact, abs=0.03)
        assert exact <= math.exp(-HORIZON * t) * math.sqrt(4 + 0.25) + 1e-12


@pytest.mark.parametrize("law", [Gaussian(2.0, 0.25), MODES], ids=["gaussiana", "mezcla"])
def test_la_kl_cumple_las_dos_cotas(law):
    """KL(p_τ‖N) ≤ e^(−2τ)KL(p_0‖N) y ≤ W2²(p_0, N)e^(−2τ)/(2(1 − e^(−2τ))); y no de sobra."""
    p = (torch.arange(20_000, dtype=F64) + 0.5) / 20_000
    mixture = law if law is MODES else law._mixture()
    w2 = (quantiles(mixture, p) - quantiles(MODES.diffuse(0.0, 1.0), p)).square().mean().item()
    kl = [integrated_kl(ou_law(law, t), NORMAL, NODES) for t in CLOCK]
    for t, value in zip(CLOCK[1:].tolist(), kl[1:], strict=True):
        decay = math.exp(-2 * HORIZON * t)
        assert value <= kl[0] * decay * (1 + 1e-9)
        assert value <= w2 * decay / (2 * (1 - decay)) * (1 + 1e-9)
        if law is not MODES:
            assert value == pytest.approx(ou_law(law, t).kl(NORMAL), abs=1e-9)
    assert kl[-1] > kl[0] * math.exp(-2 * HORIZON) / 20


# --- Fokker–Planck ------------------------------------------------------------------------------


def mixture_density(schedule, x, t):
    """p_t(x) de la mezcla difundida, escrita aquí para poder derivarla en x y en t."""
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    mean, var = alpha * MODES.means[:, 0], alpha**2 * MODES.covs[:, 0, 0] + sigma**2
    z = (x[:, None] - mean) ** 2 / var
    return (MODES.weights * torch.exp(-z / 2) / (2 * math.pi * var).sqrt()).sum(1)


@pytest.mark.parametrize("t", [0.05, 0.4, 0.9])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_residuo_de_fokker_planck_de_la_mezcla_difundida(name, t):
    """∂_t p = −∂_x(f x p) + ½g²∂²_x p, con todas las derivadas por autograd y f, g² del esquema."""
    schedule = CONTINUOUS[name]
    scale = (schedule.sigma(t) ** 2 + schedule.alpha(t) ** 2).sqrt().item()
    x = uniform(40, 3 * scale, -3 * scale).requires_grad_()
    clock = torch.full((), t, dtype=F64, requires_grad=True)
    rate = torch.autograd.functional.jacobian(
        lambda u: mixture_density(schedule, x.detach(), u), clock
    )
    f, g2 = schedule.drift_diffusion(t)
    p = mixture_density(schedule, x, clock.detach())
    (slope,) = torch.autograd.grad(p.sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    transport, spread = -f * (p + x * slope), g2 / 2 * curvature
    size = torch.stack([rate, transport, spread]).abs().max()
    assert rate.abs().max() > 1e-3 * size / 10
    assert (rate - transport - spread).abs().max() < 1e-9 * size


@pytest.mark.parametrize("name", ["VP", "VE", "OU", "Flow"])
def test_fokker_planck_debil_en_los_caminos_simulados(name, generator):
    """E[φ(x_T) − φ(x_0) − ∫(f xφ' + ½g²φ'')dt] = 0 para φ = cos(kx) y x², con su error estándar."""
    schedule, n = CONTINUOUS[name], 4_000
    times = uniform(300, 0.5, 0.1)
    start = MODES.diffuse(schedule.alpha(0.1), schedule.sigma(0.1)).sample(n, generator)
    x = simulate(schedule, start, times, generator=generator)[..., 0]
    f, g2 = (v[:, None] for v in schedule.drift_diffusion(times))
    k = 1.0 / x.std().item()
    tests = [
        (torch.cos(k * x), -k * torch.sin(k * x), -(k**2) * torch.cos(k * x)),
        (x**2, 2 * x, torch.full_like(x, 2.0)),
    ]
    for phi, first, second in tests:
        generated = torch.trapezoid(f * x * first + g2 / 2 * second, times, dim=0)
        change = phi[-1] - phi[0]
        martingale = change - generated
        error = martingale.std().item() / n**0.5
        assert abs(martingale.mean().item()) < 4 * error
        noise = torch.trapezoid(g2 / 2 * second, times, dim=0).mean().item()
        assert abs(noise) > 5 * error  # olvidar el ½, o el término, se vería
