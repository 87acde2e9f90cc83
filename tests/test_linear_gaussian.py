"""El modelo lineal gaussiano contra inversas por bloques, cuadratura, Monte Carlo y sí mismo."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from course_lib.probability import Gaussian, LinearGaussian

F64 = torch.float64
SIZES = [(1, 1), (2, 3), (3, 2), (4, 1), (1, 5)]


def random_cov(dim: int, rng: np.random.Generator) -> torch.Tensor:
    a = rng.standard_normal((dim, dim))
    return torch.from_numpy(a @ a.T / dim + 0.3 * np.eye(dim))


def random_model(seed: int, dim: int = 3, observed: int = 2) -> tuple[LinearGaussian, torch.Tensor]:
    """Un modelo al azar y una observación posible."""
    rng = np.random.default_rng(seed)
    prior = Gaussian(torch.from_numpy(rng.standard_normal(dim)), random_cov(dim, rng))
    A, b, y = (
        torch.from_numpy(rng.standard_normal(s))
        for s in [(observed, dim), (observed,), (observed,)]
    )
    return LinearGaussian(prior, A, b, random_cov(observed, rng)), y


def assert_same_law(p: Gaussian, q: Gaussian, tolerance: float = 1e-10):
    torch.testing.assert_close(p.mean, q.mean, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(p.cov, q.cov, rtol=tolerance, atol=tolerance)


# --- identidades --------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000), dim=st.integers(1, 5), observed=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_las_dos_formas_son_la_misma_ley_y_la_de_condicionar_la_conjunta(seed, dim, observed):
    model, y = random_model(seed, dim, observed)
    covariance, information = model.posterior(y), model.posterior(y, form="information")
    assert_same_law(covariance, information)
    assert_same_law(covariance, model.joint().condition(range(dim, dim + observed), y))


@pytest.mark.parametrize(("dim", "observed"), SIZES)
def test_la_posteriori_sale_de_la_inversa_por_bloques_de_la_conjunta(dim, observed):
    """Con la precisión conjunta Λ: covarianza Λxx⁻¹ y media m − Λxx⁻¹ Λxy (y − E y), en NumPy."""
    model, y = random_model(1, dim, observed)
    joint = model.joint()
    precision = np.linalg.inv(joint.cov.numpy())
    cov = np.linalg.inv(precision[:dim, :dim])
    surprise = y.numpy() - joint.mean.numpy()[dim:]
    mean = joint.mean.numpy()[:dim] - cov @ precision[:dim, dim:] @ surprise
    for form in ("covariance", "information"):
        law = model.posterior(y, form=form)
        np.testing.assert_allclose(law.mean.numpy(), mean, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(law.cov.numpy(), cov, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("dim", "observed"), SIZES)
def test_la_evidencia_es_la_marginal_de_la_conjunta(dim, observed):
    model, y = random_model(2, dim, observed)
    assert_same_law(model.evidence(), model.joint().marginal(range(dim, dim + observed)), 1e-12)
    assert_same_law(model.prior, model.joint().marginal(range(dim)), 1e-12)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_bayes_punto_a_punto(seed):
    """log p(x) + log p(y|x) = log p(y) + log p(x|y), y también la densidad conjunta."""
    model, y = random_model(seed)
    x = torch.randn(3, dtype=F64, generator=torch.Generator().manual_seed(seed))
    center = (model.A @ x + model.b).numpy()
    likelihood = stats.multivariate_normal(center, model.noise_cov.numpy()).logpdf(y.numpy())
    left = model.prior.log_prob(x).item() + likelihood
    right = model.evidence().log_prob(y).item() + model.posterior(y).log_prob(x).item()
    assert left == pytest.approx(right, rel=1e-9, abs=1e-9)
    assert left == pytest.approx(model.joint().log_prob(torch.cat([x, y])).item(), abs=1e-9)


@pytest.mark.parametrize("form", ["covariance", "information"])
def test_los_datos_uno_a_uno_y_todos_a_la_vez_dan_lo_mismo(form):
    model, _ = random_model(3, dim=3, observed=2)
    data = torch.randn(6, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    chained = model
    for y in data:
        chained = chained.update(y, form=form)
    stacked = LinearGaussian(
        model.prior,
        model.A.repeat(6, 1),
        model.b.repeat(6),
        torch.block_diag(*[model.noise_cov] * 6),
    )
    assert_same_law(chained.prior, stacked.posterior(data.flatten(), form=form))
    evidence, current = 0.0, model  # log p(y₁…y₆) por la regla de la cadena
    for y in data:
        evidence += current.evidence().log_prob(y).item()
        current = current.update(y)
    assert evidence == pytest.approx(stacked.evidence().log_prob(data.flatten()).item(), rel=1e-10)


# --- oráculos que no son álgebra de gaussianas --------------------------------------------------


def test_un_escalar_contra_la_formula_de_la_suma_de_precisiones():
    model = LinearGaussian(Gaussian(1.0, 4.0), A=1.0, b=0.0, noise_cov=0.25)
    law = model.posterior(3.0)
    assert law.cov.item() == pytest.approx(1 / (1 / 4 + 4), rel=1e-12)
    assert law.mean.item() == pytest.approx((1 / 4 + 4 * 3) / (1 / 4 + 4), rel=1e-12)
    assert model.evidence().cov.item() == pytest.approx(4.25, rel=1e-12)


def test_evidencia_y_media_por_cuadratura():
    model, y = random_model(4, dim=1, observed=2)
    grid = torch.linspace(-30, 30, 20_001, dtype=F64)
    centers = grid[:, None] * model.A[:, 0] + model.b
    noise = stats.multivariate_normal([0, 0], model.noise_cov.numpy())
    joint = noise.pdf((y - centers).numpy()) * model.prior.log_prob(grid[:, None]).exp().numpy()
    evidence = np.trapezoid(joint, grid.numpy())
    mean = np.trapezoid(joint * grid.numpy(), grid.numpy()) / evidence
    assert model.evidence().log_prob(y).exp().item() == pytest.approx(evidence, rel=1e-9)
    assert model.posterior(y).mean.item() == pytest.approx(mean, rel=1e-9)


def test_la_posteriori_esta_calibrada_en_datos_simulados():
    """Si (x, y) sale del modelo, la distancia de Mahalanobis de x a p(x|y) es χ² con D grados."""
    model, _ = random_model(5, dim=3, observed=2)
    generator, distances = torch.Generator().manual_seed(0), []
    noise = Gaussian(torch.zeros(2, dtype=F64), model.noise_cov)
    for x, r in zip(
        model.prior.sample(1500, generator), noise.sample(1500, generator), strict=True
    ):
        law = model.posterior(model.A @ x + model.b + r)
        shift = x - law.mean
        distances.append((shift @ torch.linalg.solve(law.cov, shift)).item())
    error = math.sqrt(2 * 3 / len(distances))  # Var χ²_D = 2D
    assert abs(np.mean(distances) - 3) < 4 * error
    assert stats.kstest(distances, "chi2", args=(3,)).pvalue > 1e-3


def test_con_ruido_diminuto_la_forma_de_covarianza_no_pierde_la_varianza():
    """C − KAC daría 0 en float64: 1e8 − 1e8·(1 − 1e-16)."""
    model = LinearGaussian(Gaussian(0.0, 1e8), A=1.0, b=0.0, noise_cov=1e-8)
    for form in ("covariance", "information"):
        law = model.posterior(2.0, form=form)
        assert law.cov.item() == pytest.approx(1e-8, rel=1e-6)
        assert law.mean.item() == pytest.approx(2.0, rel=1e-12)


def test_observar_sin_ver_x_no_cambia_nada():
    prior = random_model(6)[0].prior
    law = LinearGaussian(prior, torch.zeros(2, 3), 0.0, torch.eye(2)).posterior([5.0, -5.0])
    assert_same_law(law, prior, 1e-12)


def test_el_tipo_de_las_muestras_es_el_de_los_parametros():
    prior = Gaussian(torch.zeros(2), torch.eye(2))
    model = LinearGaussian(prior, torch.ones(1, 2), torch.zeros(1), torch.eye(1))
    assert model.posterior([1.0]).sample(3).dtype == torch.float32
    assert model.posterior([1.0]).mean.dtype == F64
    assert random_model(0)[0].joint().sample(3).dtype == F64


# --- errores ------------------------------------------------------------------------------------

PRIOR, EYE = Gaussian([0.0, 0.0], torch.eye(2)), torch.eye(2)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: LinearGaussian(PRIOR, torch.ones(2, 3), 0.0, EYE), ["A", "(E, 2)", "(2, 3)"]),
        (lambda: LinearGaussian(PRIOR, [1.0, 2.0], 0.0, EYE), ["A", "(E, 2)", "(2,)"]),
        (lambda: LinearGaussian(PRIOR, EYE, [1.0], EYE), ["b", "(2,)", "(1,)"]),
        (lambda: LinearGaussian(PRIOR, EYE, 0.0, torch.eye(3)), ["noise_cov", "(2, 2)", "(3, 3)"]),
        (lambda: LinearGaussian(PRIOR, EYE, 0.0, -EYE), ["noise_cov", "positiva"]),
        (
            lambda: LinearGaussian(PRIOR, EYE, 0.0, [[1.0, 0.5], [0.0, 1.0]]),
            ["noise_cov", "simétr"],
        ),
        (lambda: LinearGaussian(PRIOR, EYE * math.nan, 0.0, EYE), ["A", "NaN"]),
        (lambda: LinearGaussian(PRIOR, EYE, 0.0, EYE).posterior([1.0]), ["y", "(2,)", "(1,)"]),
        (lambda: LinearGaussian(PRIOR, EYE, 0.0, EYE).posterior(EYE), ["y", "update"]),
        (lambda: LinearGaussian(PRIOR, EYE, 0.0, EYE).posterior([1.0, math.inf]), ["y", "infinit"]),
        (
            lambda: LinearGaussian(PRIOR, EYE, 0.0, EYE).posterior([1.0, 1.0], form="otra"),
            ["form", "otra", "covariance", "information"],
        ),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(build, words):
    with pytest.raises(ValueError) as caught:
        build()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


def test_la_ley_a_priori_ha_de_ser_una_gaussiana():
    with pytest.raises(TypeError, match="prior debe ser una Gaussian"):
        LinearGaussian(torch.zeros(2), EYE, 0.0, EYE)
