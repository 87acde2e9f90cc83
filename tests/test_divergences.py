"""Entropías y divergencias contra SciPy, formas cerradas, cuadratura y simulación con su error."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats
from scipy.spatial import distance

from course_lib.probability import Gaussian, GaussianMixture, divergences

F64 = torch.float64
LOG2 = math.log(2)
GRID = torch.linspace(-25, 25, 20_001, dtype=F64)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def simplex(seed: int, n: int = 5, batch: tuple = ()) -> torch.Tensor:
    """Probabilidades al azar, algunas muy pequeñas."""
    logits = 3 * torch.randn(*batch, n, dtype=F64, generator=seeded(seed))
    return logits.softmax(-1)


def random_gaussian(seed: int, dim: int = 2) -> Gaussian:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((dim, dim))
    cov = torch.from_numpy(a @ a.T / dim + 0.5 * np.eye(dim))
    return Gaussian(torch.from_numpy(0.7 * rng.standard_normal(dim)), cov)


def closed_kl(p: Gaussian, q: Gaussian) -> float:
    """KL de dos gaussianas con inversas y determinantes de NumPy."""
    C, D, shift = p.cov.numpy(), q.cov.numpy(), (q.mean - p.mean).numpy()
    trace = np.trace(np.linalg.inv(D) @ C) + shift @ np.linalg.inv(D) @ shift - len(shift)
    return 0.5 * (trace + np.log(np.linalg.det(D) / np.linalg.det(C)))


# --- vectores de probabilidad -------------------------------------------------------------------


@given(seed=st.integers(0, 10_000), n=st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_vectores_contra_scipy_e_identidades(seed, n):
    p, q = simplex(seed, n), simplex(seed + 1, n)
    assert divergences.entropy(p).item() == pytest.approx(stats.entropy(p.numpy()), abs=1e-12)
    exact = special.rel_entr(p.numpy(), q.numpy()).sum()
    assert divergences.kl(p, q).item() == pytest.approx(exact, rel=1e-9, abs=1e-12)
    crossed = divergences.entropy(p) + divergences.kl(p, q)
    assert divergences.cross_entropy(p, q).item() == pytest.approx(crossed.item(), abs=1e-12)
    root = distance.jensenshannon(p.numpy(), q.numpy())
    assert divergences.js(p, q).item() == pytest.approx(root**2, rel=1e-9, abs=1e-12)
    assert divergences.js(p, q).item() == pytest.approx(divergences.js(q, p).item(), abs=1e-14)


def test_los_ceros_valen_cero_o_infinito_segun_de_quien_sean():
    p, q = torch.tensor([0.5, 0.5, 0.0], dtype=F64), torch.tensor([0.25, 0.25, 0.5], dtype=F64)
    assert divergences.entropy(p).item() == pytest.approx(LOG2, rel=1e-14)
    assert divergences.kl(p, q).item() == pytest.approx(LOG2, rel=1e-14)
    assert divergences.kl(q, p).item() == math.inf
    assert divergences.cross_entropy(q, p).item() == math.inf
    assert divergences.kl(p, p).item() == 0
    assert 0 < divergences.js(p, q).item() < LOG2


def test_leyes_disjuntas_estan_a_un_bit_y_las_iguales_a_cero():
    p, q = [1.0, 0.0, 0.0], [0.0, 0.3, 0.7]
    assert divergences.js(p, q).item() == pytest.approx(LOG2, rel=1e-14)
    assert divergences.js(p, q, base=2).item() == pytest.approx(1, rel=1e-14)
    assert divergences.js(q, q).item() == 0
    assert divergences.entropy([0.25] * 4, base=2).item() == pytest.approx(2, rel=1e-14)


def test_en_lote_es_lo_mismo_que_fila_a_fila():
    p, q = simplex(0, 4, (2, 3)), simplex(1, 4, (2, 3))
    for function in (divergences.kl, divergences.js, divergences.cross_entropy):
        together = function(p, q)
        assert together.shape == (2, 3)
        apart = [function(a, b) for a, b in zip(p.reshape(6, 4), q.reshape(6, 4), strict=True)]
        torch.testing.assert_close(together.flatten(), torch.stack(apart), rtol=1e-13, atol=0)
    assert divergences.entropy(p.float()).dtype == torch.float32
    assert divergences.entropy(p).shape == (2, 3)


# --- gaussianas: formas cerradas ----------------------------------------------------------------


@given(seed=st.integers(0, 10_000), dim=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_la_kl_y_la_entropia_cerradas_contra_numpy_torch_y_scipy(seed, dim):
    p, q = random_gaussian(seed, dim), random_gaussian(seed + 1, dim)
    assert p.kl(q) == pytest.approx(closed_kl(p, q), rel=1e-9)
    laws = [torch.distributions.MultivariateNormal(g.mean, g.cov) for g in (p, q)]
    assert p.kl(q) == pytest.approx(torch.distributions.kl_divergence(*laws).item(), rel=1e-9)
    exact = stats.multivariate_normal(p.mean.numpy(), p.cov.numpy()).entropy()
    assert p.entropy() == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("dim", [1, 3])
def test_las_cerradas_caen_dentro_de_cuatro_errores_de_monte_carlo(dim):
    p, q = random_gaussian(10, dim), random_gaussian(11, dim)
    x = p.sample(50_000, seeded(0))
    for estimate, exact in [
        (divergences.sampled_entropy(p, x), p.entropy()),
        (divergences.sampled_kl(p, q, x), closed_kl(p, q)),
        (divergences.sampled_cross_entropy(q, x), p.entropy() + closed_kl(p, q)),
    ]:
        assert estimate.error < 0.05 * abs(exact)
        assert abs(estimate.value - exact) < 4 * estimate.error


def test_la_gaussiana_tiene_la_mayor_entropia_entre_leyes_de_igual_varianza():
    laws = {
        "uniforme": stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
        "laplace": stats.laplace(scale=1 / math.sqrt(2)),
        "logística": stats.logistic(scale=math.sqrt(3) / math.pi),
        "triangular": stats.triang(0.5, -math.sqrt(6), 2 * math.sqrt(6)),
        "exponencial": stats.expon(),
        "gumbel": stats.gumbel_r(scale=math.sqrt(6) / math.pi),
        "t de Student": stats.t(5, scale=math.sqrt(3 / 5)),
        "arcoseno": stats.arcsine(scale=2 * math.sqrt(2)),
    }
    highest = Gaussian(0.0, 1.0).entropy()
    for name, law in laws.items():
        assert law.var() == pytest.approx(1, rel=1e-9), name
        assert law.entropy() < highest - 0.005, name
    modes = torch.tensor([[-0.8], [0.8]], dtype=F64)
    mixture = GaussianMixture([0.5, 0.5], modes, torch.full((2, 1, 1), 1 - 0.8**2, dtype=F64))
    assert mixture.cov.item() == pytest.approx(1)
    assert divergences.integrated_entropy(mixture, GRID) < highest - 0.005


# --- cuadrícula ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "law", [stats.norm(0.3, 1.2), stats.logistic(), stats.laplace(), stats.gumbel_r(0.5, 0.8)]
)
def test_la_entropia_integrada_de_una_tabla_coincide_con_scipy(law):
    value = divergences.integrated_entropy(law.pdf(GRID.numpy()), GRID)
    assert value == pytest.approx(float(law.entropy()), rel=1e-5)


def test_las_integrales_de_gaussianas_coinciden_con_las_formas_cerradas():
    p, q = Gaussian(torch.tensor([0.5], dtype=F64), [[0.8]]), Gaussian([-0.3], [[2.0]])
    assert divergences.integrated_entropy(p, GRID) == pytest.approx(p.entropy(), rel=1e-10)
    assert divergences.integrated_kl(p, q, GRID) == pytest.approx(closed_kl(p, q), rel=1e-6)
    assert divergences.integrated_kl(q, p, GRID) == pytest.approx(closed_kl(q, p), rel=1e-6)
    normal = torch.distributions.Normal(p.mean, p.cov.sqrt()[0])  # vale otra ley con log_prob
    assert divergences.integrated_kl(normal, p, GRID) == pytest.approx(0, abs=1e-12)


def test_js_integrada_contra_la_cuadratura_de_scipy_y_dos_leyes_lejanas():
    p, q = stats.norm(0, 1), stats.norm(1, 2)

    def integrand(x):
        m = (p.pdf(x) + q.pdf(x)) / 2
        return (special.rel_entr(p.pdf(x), m) + special.rel_entr(q.pdf(x), m)) / 2

    exact, _ = integrate.quad(integrand, -20, 20, epsabs=1e-12)
    laws = Gaussian(0.0, 1.0), Gaussian(1.0, 4.0)
    assert divergences.integrated_js(*laws, GRID) == pytest.approx(exact, rel=1e-8)
    tables = [torch.from_numpy(law.pdf(GRID.numpy())) for law in (p, q)]
    assert divergences.integrated_js(*tables, GRID) == pytest.approx(exact, rel=1e-8)
    far = Gaussian(-12.0, 0.25), Gaussian(12.0, 0.25)
    assert divergences.integrated_js(*far, GRID) == pytest.approx(LOG2, rel=1e-9)


def test_la_kl_integrada_es_infinita_donde_q_se_anula():
    wide, narrow = ((GRID.abs() <= a).double() for a in (2.0, 1.0))
    wide, narrow = (v / torch.trapezoid(v, GRID) for v in (wide, narrow))
    assert divergences.integrated_kl(narrow, wide, GRID) == pytest.approx(LOG2, rel=5e-3)
    assert divergences.integrated_kl(wide, narrow, GRID) == math.inf


# --- muestras con densidades --------------------------------------------------------------------


def test_la_js_de_muestras_contra_la_integrada():
    p, q = Gaussian(0.0, 1.0), Gaussian(1.0, 4.0)
    x_p, x_q = p.sample(40_000, seeded(0)), q.sample(20_000, seeded(1))
    estimate = divergences.sampled_js(p, q, x_p, x_q)
    exact = divergences.integrated_js(p, q, GRID)
    assert estimate.error < 0.02 * exact
    assert abs(estimate.value - exact) < 4 * estimate.error
    assert divergences.sampled_js(p, p, x_p, x_p).value == pytest.approx(0, abs=1e-12)


def test_el_error_declarado_es_la_dispersion_real_de_los_estimadores():
    p, q = Gaussian(torch.tensor([0.0], dtype=F64), [[1.0]]), Gaussian([1.0], [[4.0]])
    exact = {"kl": closed_kl(p, q), "js": divergences.integrated_js(p, q, GRID)}
    generator, z = seeded(0), {"kl": [], "js": []}
    for _ in range(400):
        x_p, x_q = p.sample(300, generator), q.sample(100, generator)
        for name, estimate in [
            ("kl", divergences.sampled_kl(p, q, x_p)),
            ("js", divergences.sampled_js(p, q, x_p, x_q)),
        ]:
            z[name].append((estimate.value - exact[name]) / estimate.error)
    for values in z.values():
        assert abs(np.mean(values)) < 4 / math.sqrt(400)
        assert np.std(values) == pytest.approx(1, abs=4 / math.sqrt(2 * 400))


def test_una_muestra_fuera_del_soporte_da_kl_infinita():
    uniform = torch.distributions.Uniform(0.0, 1.0, validate_args=False)
    estimate = divergences.sampled_kl(torch.distributions.Normal(0.0, 1.0), uniform, [0.5, 2.0])
    assert estimate.value == math.inf


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.12345, 0.0042, "0.123 ± 0.004 nats"),
        (-1.5, 0.26, "-1.5 ± 0.3 nats"),
        (123.4, 12.0, "123 ± 12 nats"),
        (0.5, 0.0, "0.5 ± 0 nats"),
        (math.inf, math.nan, "inf ± nan nats"),
    ],
)
def test_la_estimacion_se_lee_con_las_cifras_que_permite_su_error(value, error, text):
    estimate = divergences.Estimate(value, error)
    assert repr(estimate) == f"{estimate}" == text
    assert estimate.value is value and tuple(estimate)[1] is error


# --- solo muestras ------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_la_entropia_por_vecinos_de_gaussianas_es_la_exacta_dentro_de_su_error(dim):
    law, generator = random_gaussian(20 + dim, dim), seeded(0)
    values = [divergences.neighbor_entropy(law.sample(1000, generator)) for _ in range(20)]
    error = np.std(values, ddof=1) / math.sqrt(20)
    assert error < 0.02
    assert abs(np.mean(values) - law.entropy()) < 4 * error + 0.01  # 0.01: sesgo admitido


def test_la_kl_por_vecinos_de_gaussianas_es_la_exacta_dentro_de_su_error():
    p = Gaussian(torch.tensor([0.0, 0.0], dtype=F64), [[1.0, 0.3], [0.3, 0.8]])
    q = Gaussian(torch.tensor([0.5, -0.5], dtype=F64), [[2.0, 0.0], [0.0, 1.5]])
    generator = seeded(0)
    values = [
        divergences.neighbor_kl(p.sample(1000, generator), q.sample(1500, generator))
        for _ in range(20)
    ]
    error = np.std(values, ddof=1) / math.sqrt(20)
    assert error < 0.02
    assert abs(np.mean(values) - closed_kl(p, q)) < 4 * error + 0.01
    same = divergences.neighbor_kl(p.sample(1000, generator), p.sample(1500, generator))
    assert abs(same) < 5 * np.std(values)


@pytest.mark.parametrize("k", [1, 4])
def test_los_vecinos_contra_una_cuenta_directa_en_numpy(k):
    x, y = (torch.randn(n, 3, dtype=F64, generator=seeded(n)) for n in (30, 40))
    to_x = np.sort(np.linalg.norm(x[:, None] - x[None], axis=-1), axis=1)[:, k]
    to_y = np.sort(np.linalg.norm(x[:, None] - y[None], axis=-1), axis=1)[:, k - 1]
    expected = 3 * np.log(to_y / to_x).mean() + math.log(40 / 29)
    assert divergences.neighbor_kl(x, y, k) == pytest.approx(expected, rel=1e-10)
    volume = 4 / 3 * math.pi * to_x**3
    expected = special.digamma(30) - special.digamma(k) + np.log(volume).mean()
    assert divergences.neighbor_entropy(x, k) == pytest.approx(expected, rel=1e-10)


def test_los_vecinos_y_los_cambios_de_escala():
    """Exacto con cualquier muestra: H(ax + b) = H(x) + D log a, y la KL no cambia."""
    x, y = (torch.randn(200, 2, dtype=F64, generator=seeded(n)) for n in (1, 2))
    entropy = divergences.neighbor_entropy(x) + 2 * math.log(5)
    assert divergences.neighbor_entropy(5 * x + 3) == pytest.approx(entropy, rel=1e-10)
    kl = divergences.neighbor_kl(x, y)
    assert divergences.neighbor_kl(5 * x + 3, 5 * y + 3) == pytest.approx(kl, abs=1e-10)


# --- errores ------------------------------------------------------------------------------------

P, X = Gaussian([0.0, 0.0], torch.eye(2)), torch.randn(10, 2)
ONE = Gaussian(0.0, 1.0)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: divergences.entropy([0.5, 0.6]), ["p", "suma 1", "1.1"]),
        (lambda: divergences.entropy([[0.5, 0.5], [0.5, 0.2]]), ["p", "0.7"]),
        (lambda: divergences.entropy([1.5, -0.5]), ["p", "negativos", "-0.5"]),
        (lambda: divergences.entropy([math.nan, 1.0]), ["p", "NaN"]),
        (lambda: divergences.entropy(1.0), ["p", "(..., n)", "()"]),
        (lambda: divergences.entropy([0.5, 0.5], base=1), ["base", "1"]),
        (lambda: divergences.kl([0.5, 0.5], [0.2, 0.2]), ["q", "0.4"]),
        (lambda: divergences.kl([0.5, 0.5], [0.2, 0.3, 0.5]), ["misma forma", "(2,)", "(3,)"]),
        (lambda: divergences.js([[0.5, 0.5]], [0.5, 0.5]), ["misma forma", "(1, 2)", "(2,)"]),
        (lambda: divergences.sampled_entropy(P, X[:, :1]), ["x", "(..., 2)", "(10, 1)"]),
        (lambda: divergences.sampled_entropy(P, X[0]), ["x", "(2,)", "()"]),
        (lambda: divergences.sampled_entropy(P, X[:1]), ["x", "2 muestras", "(1, 2)"]),
        (lambda: divergences.sampled_entropy(P, X * math.inf), ["x", "infinitos"]),
        (lambda: divergences.integrated_entropy(ONE, GRID[:10_000]), ["p", "0.49", "amplia"]),
        (lambda: divergences.integrated_entropy(ONE, GRID.flip(0)), ["grid", "creciente"]),
        (lambda: divergences.integrated_entropy(GRID, GRID), ["p", "negativa", "-25"]),
        (lambda: divergences.integrated_entropy([1.0, 1.0], GRID), ["p", "(20001,)", "(2,)"]),
        (lambda: divergences.neighbor_entropy(X[:, 0]), ["x", "(N, D)", "x[:, None]"]),
        (lambda: divergences.neighbor_entropy(X, k=10), ["x", "11", "10"]),
        (lambda: divergences.neighbor_entropy(X, k=0), ["k", "0"]),
        (lambda: divergences.neighbor_entropy(torch.zeros(9, 2)), ["9", "repetidas"]),
        (lambda: divergences.neighbor_kl(X, X[:, :1]), ["dimensión", "(10, 2)", "(10, 1)"]),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(build, words):
    with pytest.raises(ValueError) as caught:
        build()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


def test_un_vector_no_es_una_ley_con_densidad():
    with pytest.raises(TypeError, match="p debe tener un método log_prob"):
        divergences.sampled_entropy(torch.tensor([0.5, 0.5]), X)
