"""Los esquemas contra sus fórmulas cerradas, escritas aquí otra vez con 60 cifras de mpmath."""

import math

import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import CONTINUOUS, SCHEDULES, TABULATED
from scipy.integrate import solve_ivp

from course_lib.diffusion import EDM, OU, VE, VP, Cosine, Flow, SubVP
from course_lib.diffusion.schedules import Schedule

mp.mp.dps = 60
TIMES = [1e-9, 1e-6, 1e-3, 0.02, 0.25, 0.5, 0.77, 0.98, 1 - 1e-6]


def laws(name: str, **p):
    """(α, σ, f, g²) de cada esquema, deducidas a mano, con aritmética de mpmath."""
    one = mp.mpf(1)
    if name in ("VP", "SubVP"):
        low, high = mp.mpf(p.get("beta_min", 0.1)), mp.mpf(p.get("beta_max", 20.0))

        def B(t):
            return low * t + (high - low) * t**2 / 2

        def beta(t):
            return low + (high - low) * t

        if name == "VP":
            return (
                lambda t: mp.exp(-B(t) / 2),
                lambda t: mp.sqrt(1 - mp.exp(-B(t))),
                lambda t: -beta(t) / 2,
                beta,
            )
        return (
            lambda t: mp.exp(-B(t) / 2),
            lambda t: 1 - mp.exp(-B(t)),
            lambda t: -beta(t) / 2,
            lambda t: beta(t) * (1 - mp.exp(-2 * B(t))),
        )
    if name == "VE":
        low, high = mp.mpf(p.get("sigma_min", 0.01)), mp.mpf(p.get("sigma_max", 50.0))
        ratio = high / low
        return (
            lambda t: one,
            lambda t: low * ratio**t,
            lambda t: 0 * one,
            lambda t: 2 * mp.log(ratio) * (low * ratio**t) ** 2,
        )
    if name == "OU":
        H = mp.mpf(p.get("horizon", 5.0))
        return (
            lambda t: mp.exp(-H * t),
            lambda t: mp.sqrt(1 - mp.exp(-2 * H * t)),
            lambda t: -H,
            lambda t: 2 * H,
        )
    if name == "Cosine":
        s = mp.mpf(p.get("s", 0.008))

        def angle(t):
            return mp.pi / 2 * (t + s) / (1 + s)

        def alpha(t):
            return mp.cos(angle(t)) / mp.cos(angle(0))

        def f(t):
            return -mp.pi / 2 / (1 + s) * mp.tan(angle(t))

        return alpha, lambda t: mp.sqrt(1 - alpha(t) ** 2), f, lambda t: -2 * f(t)
    if name == "Flow":
        return lambda t: 1 - t, lambda t: t, lambda t: -1 / (1 - t), lambda t: 2 * t / (1 - t)
    low = mp.mpf(p.get("sigma_min", 0.002)) ** (one / 7)
    high = mp.mpf(p.get("sigma_max", 80.0)) ** (one / 7)

    def root(t):
        return low + t * (high - low)

    return (
        lambda t: one,
        lambda t: root(t) ** 7,
        lambda t: 0 * one,
        lambda t: 14 * root(t) ** 13 * (high - low),
    )


def assert_laws(name, schedule, t, **parameters):
    f, g2 = schedule.drift_diffusion(t)
    values = schedule.alpha(t), schedule.sigma(t), f, g2
    for label, value, law in zip("α σ f g²".split(), values, laws(name, **parameters), strict=True):
        exact = float(law(mp.mpf(t)))
        assert value.dtype == torch.float64
        assert abs(value.item() - exact) <= 1e-10 * abs(exact), (
            f"{label}({t}) = {value}, no {exact}"
        )


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("name", CONTINUOUS)
def test_formulas_cerradas(name, t):
    """α, σ, f y g² con diez cifras, también pegados a los extremos."""
    assert_laws(name, CONTINUOUS[name], t)


@given(st.floats(0.001, 0.999), st.floats(0.02, 3.0), st.floats(1.5, 40.0))
def test_formulas_cerradas_con_otros_parametros(t, low, factor):
    """Las mismas fórmulas con parámetros cualesquiera: ninguno está escrito a fuego."""
    high = low * factor
    for cls in (VP, SubVP):
        assert_laws(cls.__name__, cls(low, high), t, beta_min=low, beta_max=high)
    for cls in (VE, EDM):
        assert_laws(cls.__name__, cls(low, high), t, sigma_min=low, sigma_max=high)
    assert_laws("OU", OU(low), t, horizon=low)
    assert_laws("Cosine", Cosine(low / 10), t, s=low / 10)


@pytest.mark.parametrize(
    ("schedule", "f", "g2"),
    [
        (VP(), -0.05, 0.1),
        (SubVP(), -0.05, 0.0),
        (OU(3.0), -3.0, 6.0),
        (Flow(), -1.0, 0.0),
        (VE(0.01, 50), 0.0, 2 * math.log(5000) * 1e-4),
    ],
)
def test_limite_por_la_derecha_en_cero(schedule, f, g2):
    """En t = 0 los coeficientes son los del límite, no 0/0."""
    got = schedule.drift_diffusion(0.0)
    assert got[0].item() == pytest.approx(f, rel=1e-9, abs=1e-9)
    assert got[1].item() == pytest.approx(g2, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("schedule", [Cosine(), Cosine(0.0), Flow()])
def test_snr_nula_exacta(schedule):
    """Coseno y Flow acaban en ruido puro: α(1) = 0 exacto y σ(1) = 1."""
    assert schedule.alpha(1.0).item() == 0
    assert schedule.sigma(1.0).item() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_f_y_g2_transportan_la_ley(name):
    """dm/dt = f·m y dv/dt = 2f·v + g², integradas, devuelven α y σ² de otro instante."""
    schedule, (start, stop) = SCHEDULES[name], (0.2, 0.205 if name in TABULATED else 0.9)

    def rhs(t, state):
        f, g2 = (value.item() for value in schedule.drift_diffusion(t))
        return [f * state[0], 2 * f * state[1] + g2]

    begin = [schedule.alpha(start).item(), schedule.sigma(start).item() ** 2]
    options = {"rtol": 1e-8, "atol": 1e-12, "max_step": 2e-4 if name in TABULATED else 0.1}
    alpha, var = solve_ivp(rhs, (start, stop), begin, **options).y[:, -1]
    tolerance = 1e-5 if name in TABULATED else 1e-7  # en la tabla, β(t) salta en cada nodo
    assert alpha == pytest.approx(schedule.alpha(stop).item(), rel=tolerance)
    assert var == pytest.approx(schedule.sigma(stop).item() ** 2, rel=tolerance)


@pytest.mark.parametrize("name", SCHEDULES)
def test_la_snr_decrece_y_se_invierte(name):
    """log-SNR estrictamente decreciente; `inverse_log_snr` deshace `log_snr`."""
    schedule = SCHEDULES[name]
    t = torch.linspace(1e-4, 1 - 1e-4, 301, dtype=torch.float64)
    log_snr = schedule.log_snr(t)
    assert (log_snr.diff() < 0).all()
    assert torch.equal(log_snr, 2 * (schedule.alpha(t).log() - schedule.sigma(t).log()))
    torch.testing.assert_close(schedule.inverse_log_snr(log_snr), t, rtol=0, atol=1e-10)


@given(low=st.floats(0.02, 3.0), factor=st.floats(1.0, 200.0))
@pytest.mark.parametrize("cls", [VP, SubVP])
def test_la_inversa_cerrada_de_la_snr_es_la_de_la_biseccion(cls, low, factor):
    """La fórmula de VP y sub-VP coincide con la bisección de la clase base, y no sale de [0, 1]."""
    schedule = cls(low, low * factor)
    t = torch.cat([torch.logspace(-6, 0, 60), torch.linspace(0.01, 1, 60)]).double()
    log_snr = schedule.log_snr(t).reshape(2, 60)
    got = schedule.inverse_log_snr(log_snr)
    slow = Schedule.inverse_log_snr(schedule, log_snr)
    torch.testing.assert_close(got, slow, rtol=0, atol=1e-14)
    torch.testing.assert_close(got, t.reshape(2, 60), rtol=0, atol=1e-14)
    beyond = schedule.inverse_log_snr(torch.tensor([-math.inf, -1e4, 1e4, math.inf]))
    assert beyond.dtype == torch.float64 and ((beyond >= 0) & (beyond <= 1)).all()
    torch.testing.assert_close(beyond, torch.tensor([1.0, 1, 0, 0]).double(), rtol=0, atol=1e-14)
    assert (
        schedule.inverse_log_snr(1.5).shape == () == schedule.inverse_log_snr(log_snr[0, 0]).shape
    )


@pytest.mark.parametrize("t", [-0.5, 1.5, math.nan, [0.5, -1e-3]])
@pytest.mark.parametrize("name", SCHEDULES)
def test_lo_que_se_deduce_de_la_ley_no_se_extrapola(name, t):
    schedule, t = SCHEDULES[name], torch.tensor(t)
    for quantity in (schedule.log_snr, schedule.rates, schedule.drift_diffusion):
        with pytest.raises(ValueError, match=r"t debe estar en \[0, 1\]"):
            quantity(t)


@pytest.mark.parametrize("name", SCHEDULES)
def test_float32_solo_redondea(name):
    """Se calcula en float64 y se convierte al final: cerca de t = 0 no se pierde ninguna cifra."""
    schedule, t = SCHEDULES[name], 1.3e-3
    for got, exact in zip(
        schedule.at(t, like=torch.empty(1)), (schedule.alpha(t), schedule.sigma(t)), strict=True
    ):
        assert got.dtype == torch.float32
        assert got.item() == exact.float().item()


@pytest.mark.parametrize("name", SCHEDULES)
def test_perturbar_un_lote_es_perturbar_cada_ejemplo(name, generator):
    """x_t = α x_0 + σ ε ejemplo a ejemplo, aunque el lote mida lo mismo que la imagen (B = W)."""
    schedule = SCHEDULES[name]
    x0, eps = torch.randn(2, 4, 3, 4, 4, generator=generator, dtype=torch.float64)
    t = torch.tensor([0.1, 0.4, 0.6, 0.95], dtype=torch.float64)
    x_t = schedule.perturb(x0, t, eps)
    for i, time in enumerate(t.tolist()):
        alone = schedule.alpha(time) * x0[i] + schedule.sigma(time) * eps[i]
        torch.testing.assert_close(x_t[i], alone, rtol=1e-14, atol=1e-14)


# --- rejillas -----------------------------------------------------------------------------------


@given(n=st.integers(1, 60), t_max=st.floats(0.07, 1.0))
@pytest.mark.parametrize("spacing", ["t", "lambda", "rho"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_rejilla(name, spacing, n, t_max):
    """n + 1 instantes en float64, estrictamente decrecientes, de t_max a 0."""
    schedule = SCHEDULES[name]
    grid = schedule.grid(n, spacing, t_max)
    assert grid.shape == (n + 1,) and grid.dtype == torch.float64
    assert (grid.diff() < 0).all()
    assert grid[-1] == 0
    if name in TABULATED:
        assert grid[0] == round(t_max * schedule.T) / schedule.T
        nodes = grid * schedule.T
        assert torch.equal(nodes, nodes.round())
    else:
        assert grid[0] == t_max


@pytest.mark.parametrize("name", CONTINUOUS)
def test_espaciado(name):
    """Cada rejilla es uniforme en lo que promete: t, λ = log(α/σ) o (σ/α)^(1/7)."""
    schedule = CONTINUOUS[name]
    clean = schedule.sigma(0.0) == 0
    measures = {
        "t": lambda t: t,
        "lambda": lambda t: torch.log(schedule.alpha(t) / schedule.sigma(t)),
        "rho": lambda t: (schedule.sigma(t) / schedule.alpha(t)) ** (1 / 7),
    }
    for spacing, measure in measures.items():
        grid = schedule.grid(20, spacing, t_max=0.9)
        if clean and spacing != "t":
            assert grid[-2].item() == pytest.approx(1e-3, rel=1e-6)
            grid = grid[:-1]
        steps = measure(grid).diff()
        torch.testing.assert_close(steps, steps.mean().expand_as(steps), rtol=1e-6, atol=0)


@pytest.mark.parametrize("spacing", ["t", "lambda", "rho"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_rejilla_que_no_llega_a_cero(name, spacing):
    """Con t_min > 0 no hay último paso aparte: los n son de t_max a t_min, con la misma regla."""
    schedule = SCHEDULES[name]
    grid = schedule.grid(12, spacing, 0.9, t_min=0.02)
    assert grid.shape == (13,) and (grid.diff() < 0).all()
    assert grid[0].item() == pytest.approx(0.9) and grid[-1].item() == pytest.approx(0.02)
    measures = {
        "t": lambda t: t,
        "lambda": schedule.log_snr,
        "rho": lambda t: torch.exp(-schedule.log_snr(t) / 14),
    }
    steps = measures[spacing](grid).diff()
    tolerance = 0.1 if name in TABULATED else 1e-6  # en una tabla se redondea al nodo más cercano
    torch.testing.assert_close(steps, steps.mean().expand_as(steps), rtol=tolerance, atol=0)


def test_la_rejilla_de_edm_es_la_de_karras():
    """La rejilla uniforme en t de EDM son los σ_i de Karras et al. (2022), ec. 5."""
    n, rho, low, high = 17, 7, 0.002, 80.0
    i = np.arange(n + 1)
    sigmas = (high ** (1 / rho) + i / n * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    for spacing in ("t", "rho"):
        got = EDM(low, high).sigma(EDM(low, high).grid(n, spacing))
        np.testing.assert_allclose(got, sigmas, rtol=1e-9)


@pytest.mark.parametrize("name", TABULATED)
def test_recorrer_la_tabla_entera(name):
    """Con n = T, cualquier espaciado da todos los nodos, una vez cada uno."""
    schedule = TABULATED[name]
    for spacing in ("t", "lambda", "rho"):
        nodes = schedule.grid(schedule.T, spacing) * schedule.T
        assert nodes.tolist() == list(range(schedule.T, -1, -1))


# --- extremos -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULES)
def test_la_previa_es_normal_de_desviacion_sigma(name, generator):
    """`prior_sample` y `prior_log_prob` describen N(0, σ_1² I); los nats se suman por ejemplo."""
    schedule = SCHEDULES[name]
    sigma = schedule.sigma(1.0).item()
    x = schedule.prior_sample((4000, 1, 2, 2), generator)
    assert x.dtype == torch.float32 and x.shape == (4000, 1, 2, 2)
    assert x.std().item() / sigma == pytest.approx(1, abs=5 / math.sqrt(2 * x.numel()))
    assert x.mean().item() / sigma == pytest.approx(0, abs=5 / math.sqrt(x.numel()))
    x = x[:3].double()
    exact = [
        sum(-0.5 * (v / sigma) ** 2 - math.log(sigma * math.sqrt(2 * math.pi)) for v in row)
        for row in x.flatten(1).tolist()
    ]
    torch.testing.assert_close(schedule.prior_log_prob(x), torch.tensor(exact).double())


def test_el_final_de_la_rejilla_se_dice():
    """`end` distingue los esquemas que llegan a los datos de los que dejan un resto de ruido."""
    assert "termina en x_0" in VP().end
    assert "0.01" in VE().end and "resto de ruido" in VE().end


@pytest.mark.parametrize("t_max", [5e-4, 0.9995, 1 - 1e-16])
@pytest.mark.parametrize("spacing", ["lambda", "rho"])
@pytest.mark.parametrize("name", ["Cosine", "Flow", "VP"])
def test_rejillas_pegadas_a_los_extremos(name, spacing, t_max):
    """Con t_max casi 0 o casi 1 las rejillas en λ siguen decreciendo."""
    grid = CONTINUOUS[name].grid(15, spacing, t_max)
    assert (grid.diff() < 0).all() and grid[0] == t_max and grid[-1] == 0
