"""El browniano y los integradores de SDE contra soluciones exactas, y las entradas equivocadas."""

import math

import pytest
import torch
from bad_input import cases, fails
from oracles import MODES
from scipy import stats

from course_lib.diffusion import OU, VE, VP, Cosine, Flow
from course_lib.diffusion.integrators import SolverError
from course_lib.diffusion.sde import (
    brownian,
    euler_maruyama,
    fitted_order,
    milstein,
    simulate,
    transition,
)
from course_lib.distances import wasserstein_1d
from course_lib.noise import noise_source

F64 = torch.float64
STEPS = torch.tensor([1 / 16, 1 / 32, 1 / 64, 1 / 128])


def uniform(n, end=1.0, start=0.0):
    return torch.linspace(start, end, n + 1, dtype=F64)


# --- el movimiento browniano --------------------------------------------------------------------


@pytest.mark.parametrize("times", [[0.0, 0.1, 0.4, 1.0, 2.5], [2.5, 2.4, 2.1, 1.5, 0.0]])
def test_la_covarianza_es_el_minimo(times, generator):
    """E[W_s W_t] = mín(s, t), medidos desde times[0]; Var(W_s W_t) = st + mín²."""
    n = 40_000
    w = brownian(times, (n,), generator)
    assert w.dtype == F64 and (w[0] == 0).all()
    elapsed = (torch.tensor(times, dtype=F64) - times[0]).abs()
    exact = torch.minimum(elapsed[:, None], elapsed)
    error = ((elapsed[:, None] * elapsed + exact**2) / n).sqrt()
    got = w @ w.T / n
    assert ((got - exact).abs() <= 4 * error).all()
    assert (
        got[-1, 1] < 1.2 * elapsed[1] < elapsed[-1]
    )  # no es, por ejemplo, el producto ni el máximo


def test_los_incrementos_son_normales_e_independientes(generator):
    times = [0.0, 0.3, 0.35, 2.0]
    z = brownian(times, (5_000, 2), generator).diff(dim=0).flatten(1)
    z = z / torch.tensor(times, dtype=F64).diff().sqrt()[:, None]
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > 1e-3
    correlation = torch.corrcoef(z) - torch.eye(3, dtype=F64)
    assert correlation.abs().max() < 4 / 10_000**0.5


def test_la_variacion_cuadratica_tiende_a_t(generator):
    """ΣΔW² tiene media T y desviación T√(2/N): cae como N^(−1/2); la variación total crece."""
    end, spreads, lengths, counts = 2.0, [], [], [16, 64, 256, 1024]
    for n in counts:
        dw = brownian(uniform(n, end), (2_000,), generator).diff(dim=0)
        squares = dw.square().sum(0)
        spread = end * (2 / n) ** 0.5
        assert abs(squares.mean() - end) < 4 * spread / 2_000**0.5
        assert squares.std().item() == pytest.approx(spread, rel=4 * (1 / 2_000) ** 0.5 * 1.3)
        spreads.append(squares.std().item())
        lengths.append(dw.abs().sum(0).mean().item())
    steps = [1 / n for n in counts]
    assert fitted_order(steps, spreads) == pytest.approx(0.5, abs=0.03)
    assert fitted_order(steps, lengths) == pytest.approx(-0.5, abs=0.03)


def test_la_semilla_fija_el_camino():
    """Con una semilla entera, el camino i no depende de cuántos caminos se pidan ni de su nombre."""
    times = uniform(8)
    many, few = brownian(times, (5, 2), 7), brownian(times, (2, 2), 7)
    assert torch.equal(many[:, :2], few) and not torch.equal(many[:, 0], many[:, 1])
    assert not torch.equal(many, brownian(times, (5, 2), 8))
    first, again = (brownian(times, (3,), torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    reverse = noise_source(7)(
        torch.zeros(5, 8, 2, dtype=F64)
    )  # el azar de `sample` con esa semilla
    assert not torch.isclose(many.diff(dim=0) * 8**0.5, reverse.movedim(1, 0)).any()
    start = VP().prior_sample((100, 32), 7, dtype=F64).flatten()  # y el del punto de partida
    for dw in brownian(times, (100, 32), 7).diff(dim=0):
        assert torch.corrcoef(torch.stack([start, dw.flatten()]))[0, 1].abs() < 5 / 3_200**0.5
    assert torch.equal(brownian(times, 3, 1), brownian(times, (3,), 1))  # un entero es un eje
    assert brownian(times, (0, 2), 3).shape == (9, 0, 2)
    assert brownian(times, (), 3).shape == (9,) and brownian(times.tolist()).shape == (9,)
    assert brownian(times, (4, 1, 2, 3), 0).shape == (9, 4, 1, 2, 3)


# --- Euler–Maruyama y Milstein ------------------------------------------------------------------


def strong_error(method, drift, diffusion, exact, fine, path, x0):
    """E|x_T − exacto| con pasos cada vez mayores sobre el mismo camino browniano."""
    errors = []
    for h in STEPS.tolist():
        k = round((len(fine) - 1) * h / (fine[-1] - fine[0]).item())
        end = method(drift, diffusion, x0, fine[::k], path[::k])[-1]
        errors.append((end - exact).abs().mean().item())
    return errors


@pytest.mark.parametrize(("method", "order"), [(euler_maruyama, 0.5), (milstein, 1.0)])
def test_orden_fuerte_con_ruido_multiplicativo(method, order, generator):
    """Movimiento browniano geométrico: x_T = x_0 exp((a − b²/2)T + bW_T)."""
    a, b, fine, x0 = 0.5, 0.8, uniform(128), torch.ones(4_000, dtype=F64)
    path = brownian(fine, x0.shape, generator)
    exact = torch.exp((a - b**2 / 2) + b * path[-1])
    errors = strong_error(method, lambda x, t: a * x, lambda x, t: b * x, exact, fine, path, x0)
    assert fitted_order(STEPS, errors) == pytest.approx(order, abs=0.08), errors


@pytest.mark.parametrize("name", ["OU", "VP"])
def test_orden_fuerte_uno_con_ruido_aditivo(name, generator):
    """x_T = α_T x_0 + ∫ (α_T/α_u) g_u dW_u, con la integral sobre una rejilla mucho más fina."""
    schedule = {"OU": OU(1.0), "VP": VP(beta_max=3.0)}[name]
    fine, x0 = uniform(128 * 16), torch.full((2_000,), 1.5, dtype=F64)
    path = brownian(fine, x0.shape, generator)
    middle = (fine[1:] + fine[:-1]) / 2
    end = schedule.alpha(1.0)
    weight = end / schedule.alpha(middle) * schedule.drift_diffusion(middle)[1].sqrt()
    exact = end * x0 + weight @ path.diff(dim=0)
    table = {t: [v.item() for v in schedule.drift_diffusion(t)] for t in fine[::16].tolist()}
    drift, diffusion = (lambda x, t: table[t][0] * x), (lambda x, t: table[t][1] ** 0.5)
    errors = strong_error(euler_maruyama, drift, diffusion, exact, fine, path, x0)
    assert fitted_order(STEPS, errors) == pytest.approx(1.0, abs=0.08), errors
    same = milstein(drift, diffusion, x0, fine[::16], path[::16])
    assert torch.equal(same, euler_maruyama(drift, diffusion, x0, fine[::16], path[::16]))


@pytest.mark.parametrize("power", [1, 2])
def test_orden_debil_uno(power, generator):
    """E[x^p] de Euler–Maruyama en el geométrico: el valor de su recurrencia, y error ∝ h."""
    a, b, fine, x0 = 1.0, 0.4, uniform(128), torch.ones(20_000, dtype=F64)
    path = brownian(fine, x0.shape, generator)
    exact = torch.exp((a - b**2 / 2) + b * path[-1]) ** power
    biases = []
    for h in STEPS.tolist():
        k = round(128 * h)
        end = euler_maruyama(lambda x, t: a * x, lambda x, t: b * x, x0, fine[::k], path[::k])[-1]
        gap = end**power - exact  # muestras pareadas: la varianza de la diferencia es pequeña
        error = gap.std().item() / len(gap) ** 0.5
        growth = 1 + a * h if power == 1 else (1 + a * h) ** 2 + b**2 * h
        true = growth ** round(1 / h) - math.exp(a if power == 1 else 2 * a + b**2)
        assert abs(gap.mean().item() - true) < 4 * error and error < abs(true) / 5
        biases.append(abs(gap.mean().item()))
    assert fitted_order(STEPS, biases) == pytest.approx(1.0, abs=0.1), biases


def test_hacia_atras_la_sde_inversa_recupera_los_datos(generator):
    """Con times decreciente: deriva fx − (1+η²)/2 g²∇log p y ruido ηg, para varios η; −g² no vale."""
    schedule, n = OU(2.0), 2_000
    times = 1 - (uniform(80) * 0.99)
    laws = {t: MODES.diffuse(schedule.alpha(t), schedule.sigma(t)) for t in times.tolist()}
    f, g2 = (v.item() for v in schedule.drift_diffusion(0.5))
    x = laws[1.0].sample(n, generator)
    exact = laws[times[-1].item()].sample(n, generator)
    floor = wasserstein_1d(exact, laws[times[-1].item()].sample(n, generator))

    def distance(eta, sign):
        path = brownian(times, x.shape, generator)
        drift = lambda x, t: f * x - sign * (1 + eta**2) / 2 * g2 * laws[t].score(x)  # noqa: E731
        ends = euler_maruyama(drift, lambda x, t: eta * g2**0.5, x, times, path)
        return wasserstein_1d(ends[-1], exact)

    assert max(distance(eta, 1) for eta in (0.0, 0.5, 1.0)) < 3 * floor + 0.02
    assert distance(1.0, -1) > 1


def test_milstein_hacia_atras_tambien_es_de_orden_uno(generator):
    """Con Δt < 0 la corrección resta |Δt|, la varianza de ΔW: la solución es el geométrico al revés."""
    a, b, fine, x0 = 0.5, 0.8, uniform(128).flip(0), torch.ones(2_000, dtype=F64)
    path = brownian(fine, x0.shape, generator)
    exact = torch.exp((a - b**2 / 2) + b * path[-1])
    run = (lambda x, t: -a * x), (lambda x, t: b * x)
    errors = [
        (milstein(*run, x0, fine[::k], path[::k])[-1] - exact).abs().mean().item()
        for k in (8, 4, 2, 1)
    ]
    assert fitted_order(STEPS, errors) == pytest.approx(1.0, abs=0.08), errors


def test_milstein_no_pierde_su_correccion_en_modo_de_inferencia():
    """La derivada de b se calcula también dentro de `inference_mode`: el camino es el mismo."""
    times, x0 = uniform(4), torch.ones(3, dtype=F64)
    run = (lambda x, t: 0.1 * x), (lambda x, t: 0.8 * x), x0, times, brownian(times, (3,), 0)
    with torch.inference_mode():
        inside = milstein(*run)
    assert torch.equal(inside, milstein(*run)) and not torch.equal(inside, euler_maruyama(*run))


def test_los_coeficientes_pueden_ser_numeros_o_tensores():
    """Escalar, columna o forma completa dan el mismo camino, con el tipo de x0."""
    times, x0 = uniform(4), torch.ones(3, 2)
    path = brownian(times, x0.shape, 0)
    forms = [0.5, torch.tensor(0.5), torch.full((3, 1), 0.5), torch.full((3, 2), 0.5)]
    runs = [
        method(lambda x, t, v=v: v, lambda x, t, v=v: v, x0, times, path)
        for v in forms
        for method in (euler_maruyama, milstein)
    ]
    assert all(torch.equal(run, runs[0]) for run in runs)
    assert runs[0].dtype == torch.float32 and runs[0].shape == (5, 3, 2)
    expected = 1 + 0.5 * times[:, None, None] + 0.5 * path
    torch.testing.assert_close(runs[0].double(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", [euler_maruyama, milstein])
def test_si_estalla_dice_donde_y_da_el_tramo(method):
    """ẋ = x³ con pasos largos deja de ser finito: el error trae t y el camino finito recorrido."""
    times, x0 = uniform(20, 10.0), torch.full((2,), 3.0)
    path = brownian(times, x0.shape, 0)
    with pytest.raises(
        SolverError, match=f"{method.__name__} se paró en t=.*finito.*más pasos"
    ) as e:
        method(lambda x, t: x**3, lambda x, t: 1.0, x0, times, path)
    trajectory = e.value.trajectory
    assert 1 < len(trajectory.times) == len(trajectory.states) < 21
    assert torch.isfinite(torch.stack(trajectory.states)).all()
    stopped = times[len(trajectory.times)].item()
    assert f"t={stopped:g}:" in str(e.value)


def test_fitted_order():
    h = torch.tensor([0.1, 0.05, 0.025], dtype=F64)
    assert fitted_order(h, 3 * h**1.5) == pytest.approx(1.5, abs=1e-12)
    assert fitted_order([0.1, 0.05], [1e-60, 2.5e-61]) == pytest.approx(2)  # float32 daría error 0
    assert fitted_order([1, 2, 4, 8], [2, 1, 1 / 2, 1]) == pytest.approx(-0.4)  # mínimos cuadrados


# --- entradas equivocadas -----------------------------------------------------------------------

X, T2 = torch.zeros(4), [0.0, 0.5, 1.0]


def still(x, t):
    return 0.0


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("times repetidos", ValueError, lambda: brownian([0.0, 0.0]), "times", "crecer o decrecer"),
        ("times en zigzag", ValueError, lambda: brownian([0.0, 1.0, 0.5]), "times", "crecer"),
        ("un solo instante", ValueError, lambda: brownian([0.3]), "dos instantes", "0.3"),
        ("times NaN", ValueError, lambda: brownian([0.0, math.nan]), "times"),
        ("times infinitos", ValueError, lambda: brownian([0.0, math.inf]), "times", "inf"),
        ("sin times", TypeError, lambda: brownian(None), "times", "instantes", "NoneType"),
        ("forma negativa", ValueError, lambda: brownian(T2, (-1,)), "shape", "(-1,)", "tupla"),
        ("forma decimal", ValueError, lambda: brownian(T2, 2.5), "shape", "2.5"),
        ("semilla", TypeError, lambda: brownian(T2, (2,), "0"), "generator", "str"),
        (
            "camino en una lista",
            TypeError,
            lambda: euler_maruyama(still, still, X, T2, [0.0]),
            "path",
            "list",
        ),
        (
            "camino NaN",
            ValueError,
            lambda: milstein(still, still, X, T2, torch.full((3, 4), math.nan)),
            "path",
            "12 valores NaN",
        ),
        (
            "deriva sin valor",
            TypeError,
            lambda: euler_maruyama(lambda x, t: None, still, X, T2, torch.zeros(3, 4)),
            "drift(x, t)",
            "NoneType",
        ),
        ("formas de s y t", ValueError, lambda: transition(VP(), X[:2], X + 1), "(4,)", "(2,)"),
        ("esquema sin crear", TypeError, lambda: transition(VP, 0.1, 0.5), "schedule", "VP()"),
        ("esquema por su nombre", TypeError, lambda: simulate("VP", X, T2), "schedule", "str"),
        (
            "camino de otra forma",
            ValueError,
            lambda: euler_maruyama(still, still, X, T2, torch.zeros(3, 5)),
            "path",
            "(3, 4)",
            "(3, 5)",
            "brownian",
        ),
        (
            "deriva de otra forma",
            ValueError,
            lambda: euler_maruyama(lambda x, t: x[:2], still, X, T2, torch.zeros(3, 4)),
            "drift(x, t)",
            "(4,)",
            "(2,)",
        ),
        (
            "ruido matricial",
            ValueError,
            lambda: milstein(still, lambda x, t: torch.eye(4), X, T2, torch.zeros(3, 4)),
            "diffusion(x, t)",
            "(4, 4)",
        ),
        (
            "x0 entero",
            TypeError,
            lambda: euler_maruyama(still, still, X.long(), T2, torch.zeros(3, 4)),
            "x0",
            "int64",
        ),
        ("un solo error", ValueError, lambda: fitted_order([0.1], [0.2]), "dos pasos distintos"),
        ("error nulo", ValueError, lambda: fitted_order([1, 2], [0.1, 0.0]), "positivos", "0.0"),
        ("longitudes", ValueError, lambda: fitted_order([1, 2], [1, 2, 3]), "(2,)", "(3,)"),
        ("s = t", ValueError, lambda: transition(VP(), 0.5, 0.5), "s < t", "s=0.5"),
        ("hacia atrás", ValueError, lambda: transition(VP(), 0.9, 0.5), "s < t", "t=0.5"),
        ("t > 1", ValueError, lambda: transition(VP(), 0.5, 1.5), "≤ 1", "1.5"),
        ("s < 0", ValueError, lambda: transition(VP(), -0.5, 0.5), "0 ≤ s", "-0.5"),
        ("método", ValueError, lambda: simulate(VP(), X, T2, "heun"), "method", "'exact'"),
        ("times al revés", ValueError, lambda: simulate(VP(), X, T2[::-1]), "times", "crecer"),
        ("times fuera", ValueError, lambda: simulate(VP(), X, [0.0, 2.0]), "[0, 1]", "2.0"),
        ("x0 NaN", ValueError, lambda: simulate(VP(), X * math.nan, T2), "x0", "4", "NaN"),
        (
            "Flow hasta 1",
            ValueError,
            lambda: simulate(Flow(), X, uniform(50), "euler_maruyama"),
            "Flow()",
            "singular",
            "t=1",
            "method='exact'",
        ),
        (
            "coseno hasta 1",
            ValueError,
            lambda: simulate(Cosine(), X, uniform(50), "euler_maruyama"),
            "Cosine",
            "t=1",
        ),
    ),
)
def test_entradas_equivocadas(error, call, words):
    """Instantes, formas, semillas y esquemas singulares."""
    fails(error, call, *words)


def test_ve_no_es_singular_en_t_1():
    """El aviso es para α = 0: en VE, Euler–Maruyama llega hasta t = 1."""
    assert torch.isfinite(simulate(VE(), X, uniform(50), "euler_maruyama", 0)).all()
