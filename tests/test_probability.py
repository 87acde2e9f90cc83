"""Gaussianas y mezclas contra SciPy, derivación automática, cuadratura y Monte Carlo."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from course_lib.diffusion import VE, VP
from course_lib.probability import Gaussian, GaussianMixture

F64 = torch.float64


def random_cov(dim: int, rng: np.random.Generator) -> torch.Tensor:
    a = rng.standard_normal((dim, dim))
    return torch.from_numpy(a @ a.T + 0.1 * np.eye(dim))


def random_mixture(seed: int, k: int = 3, dim: int = 2) -> GaussianMixture:
    rng = np.random.default_rng(seed)
    weights = torch.from_numpy(rng.dirichlet(np.ones(k)))
    means = torch.from_numpy(2 * rng.standard_normal((k, dim)))
    return GaussianMixture(weights, means, torch.stack([random_cov(dim, rng) for _ in range(k)]))


def random_gaussian(seed: int, dim: int = 3) -> Gaussian:
    rng = np.random.default_rng(seed)
    return Gaussian(torch.from_numpy(rng.standard_normal(dim)), random_cov(dim, rng))


# --- densidad y score ---------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_log_prob_de_la_mezcla_coincide_con_scipy(dim):
    mixture = random_mixture(0, 3, dim)
    x = 3 * torch.randn(40, dim, dtype=F64, generator=torch.Generator().manual_seed(1))
    density = sum(
        w * stats.multivariate_normal(m, c).pdf(x.numpy()).reshape(-1)
        for w, m, c in zip(
            mixture.weights.numpy(), mixture.means.numpy(), mixture.covs.numpy(), strict=True
        )
    )
    np.testing.assert_allclose(mixture.log_prob(x).numpy(), np.log(density), rtol=1e-10)


@given(seed=st.integers(0, 10_000), dim=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_score_es_el_gradiente_de_log_prob(seed, dim):
    mixture = random_mixture(seed, 3, dim)
    x = torch.randn(7, dim, dtype=F64, generator=torch.Generator().manual_seed(seed))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(mixture.log_prob(x).sum(), x)
    torch.testing.assert_close(mixture.score(x), gradient, rtol=1e-8, atol=1e-8)


def test_lejos_de_todo_la_densidad_y_el_score_siguen_siendo_finitos():
    mixture = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], 0.01 * torch.ones(2, 1, 1, dtype=F64))
    x = torch.tensor([[1e4]], dtype=F64)
    expected = math.log(0.5) + stats.norm(1, 0.1).logpdf(1e4)
    assert mixture.log_prob(x).item() == pytest.approx(expected, rel=1e-12)
    assert mixture.score(x).item() == pytest.approx(-(1e4 - 1) / 0.01, rel=1e-6)


def test_las_muestras_tienen_la_media_y_la_covarianza_exactas_de_la_mezcla():
    mixture, n = random_mixture(3), 200_000
    x, labels = mixture.sample(n, torch.Generator().manual_seed(0), return_labels=True)
    error = 5 * (mixture.cov.diagonal() / n).sqrt()
    assert ((x.mean(0) - mixture.mean).abs() < error).all()
    spread = (x - mixture.mean)[:, :, None] * (x - mixture.mean)[:, None, :]
    error = 5 * spread.std(0) / math.sqrt(n)
    assert ((spread.mean(0) - mixture.cov).abs() < error).all()
    frequency = torch.bincount(labels, minlength=3) / n
    assert ((frequency - mixture.weights).abs() < 5 / math.sqrt(n)).all()


def test_el_mismo_generador_da_las_mismas_muestras():
    mixture = random_mixture(4)
    a, b = (mixture.sample(5, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(a, b)


def test_sample_conserva_el_tipo_de_los_parametros_y_lo_demas_el_de_x():
    single = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    assert single.sample(2).dtype == torch.float32
    assert single.log_prob(torch.zeros(1, 1, dtype=F64)).dtype == F64
    assert random_mixture(0).sample(2).dtype == F64
    assert random_mixture(0).score(torch.zeros(1, 2)).dtype == torch.float32


# --- difusión y denoiser exacto -----------------------------------------------------------------


GRID = torch.linspace(-20, 20, 8001, dtype=F64)  # la regla del trapecio es espectral aquí


@pytest.mark.parametrize("x", [-2.0, 0.3, 1.7])
def test_difundir_y_denoise_son_las_integrales_de_bayes_hechas_por_cuadratura(x):
    mixture, alpha, sigma = random_mixture(5, 3, 1), 0.6, 0.8
    joint = mixture.log_prob(GRID[:, None]).exp().numpy()
    joint = joint * stats.norm(alpha * GRID.numpy(), sigma).pdf(x)
    evidence = np.trapezoid(joint, GRID.numpy())
    mean = np.trapezoid(joint * GRID.numpy(), GRID.numpy()) / evidence
    point = torch.tensor([[x]], dtype=F64)
    value = mixture.diffuse(alpha, sigma).log_prob(point).exp().item()
    assert value == pytest.approx(evidence, rel=1e-10)
    assert mixture.denoise(point, alpha, sigma).item() == pytest.approx(mean, rel=1e-10)


def test_denoise_es_la_esperanza_posterior_por_monte_carlo_en_dos_dimensiones():
    mixture, alpha, sigma = random_mixture(7), 0.8, 0.6
    x_t = torch.tensor([0.4, -0.9], dtype=F64)
    x0 = mixture.sample(200_000, torch.Generator().manual_seed(0))
    weight = (-((x_t - alpha * x0) ** 2).sum(1) / (2 * sigma**2)).exp()
    weight = weight / weight.sum()
    estimate = (weight[:, None] * x0).sum(0)
    error = 5 * (weight[:, None] ** 2 * (x0 - estimate) ** 2).sum(0).sqrt()
    exact = mixture.denoise(x_t[None], alpha, sigma)[0]
    assert (error < 0.1).all()
    assert ((estimate - exact).abs() < error).all()


@given(seed=st.integers(0, 10_000), alpha=st.floats(0.01, 1), sigma=st.floats(0.01, 50))
@settings(max_examples=40, deadline=None)
def test_identidad_de_tweedie(seed, alpha, sigma):
    r"""α E[x₀|x_t] = x_t + σ² ∇log p_t(x_t): dos cálculos que no comparten código."""
    mixture = random_mixture(seed)
    x_t = mixture.diffuse(alpha, sigma).sample(6, torch.Generator().manual_seed(seed))
    left = alpha * mixture.denoise(x_t, alpha, sigma)
    right = x_t + sigma**2 * mixture.diffuse(alpha, sigma).score(x_t)
    torch.testing.assert_close(left, right, rtol=1e-8, atol=1e-8 * (1 + sigma))


def test_denoise_en_alfa_cero_es_la_media_y_en_sigma_cero_es_x():
    mixture = random_mixture(8)
    x = torch.randn(5, 2, dtype=F64)
    torch.testing.assert_close(mixture.denoise(x, 0.0, 1.0), mixture.mean.expand(5, 2))
    torch.testing.assert_close(mixture.denoise(x, 1.0, 0.0), x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mixture.denoise(x, 0.5, 0.0), 2 * x, rtol=1e-12, atol=1e-12)


def test_denoise_es_continuo_en_los_dos_extremos():
    mixture = random_mixture(9)
    x = torch.randn(5, 2, dtype=F64)
    near, at = mixture.denoise(x, 1e-9, 1.0), mixture.denoise(x, 0.0, 1.0)
    torch.testing.assert_close(near, at, rtol=0, atol=1e-7)
    near, at = mixture.denoise(x, 1.0, 1e-7), mixture.denoise(x, 1.0, 0.0)
    torch.testing.assert_close(near, at, rtol=0, atol=1e-7)


def test_alfa_y_sigma_por_muestra_equivalen_a_una_a_una_aunque_b_sea_igual_a_d():
    mixture = random_mixture(10)
    x = torch.randn(2, 2, dtype=F64)  # B = D = 2: un mal reparto de α pasaría sin error
    alpha, sigma = torch.tensor([0.9, 0.1], dtype=F64), torch.tensor([0.2, 3.0], dtype=F64)
    together = mixture.denoise(x, alpha, sigma)
    apart = torch.cat([mixture.denoise(x[i : i + 1], alpha[i], sigma[i]) for i in range(2)])
    torch.testing.assert_close(together, apart, rtol=1e-12, atol=1e-12)
    column = mixture.denoise(x, alpha[:, None], sigma[:, None])
    torch.testing.assert_close(together, column, rtol=0, atol=0)


def test_denoise_condicionado_a_la_componente_es_el_de_esa_gaussiana():
    mixture = random_mixture(11)
    x, y = torch.randn(6, 2, dtype=F64), torch.tensor([0, 1, 2, 2, 1, 0])
    together = mixture.denoise(x, 0.7, 0.4, y)
    for i, k in enumerate(y):
        alone = Gaussian(mixture.means[k], mixture.covs[k]).denoise(x[i : i + 1], 0.7, 0.4)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("schedule", [VP(), VE()], ids=["VP", "VE"])
def test_el_denoiser_da_el_score_de_la_mezcla_difundida(schedule):
    mixture = random_mixture(12)
    denoiser = mixture.denoiser(schedule)
    x = torch.randn(4, 2, dtype=F64)
    for t in (0.1, 0.5, 0.9):
        prediction = denoiser(x, t)
        diffused = mixture.diffuse(schedule.alpha(t).item(), schedule.sigma(t).item())
        torch.testing.assert_close(prediction.score, diffused.score(x), rtol=1e-7, atol=1e-8)


# --- álgebra de una gaussiana -------------------------------------------------------------------


def test_gaussiana_log_prob_entropia_y_score_contra_scipy():
    p = random_gaussian(0)
    law = stats.multivariate_normal(p.mean.numpy(), p.cov.numpy())
    x = torch.randn(9, 3, dtype=F64)
    np.testing.assert_allclose(p.log_prob(x).numpy(), law.logpdf(x.numpy()), rtol=1e-11)
    assert p.entropy() == pytest.approx(law.entropy(), rel=1e-11)
    expected = -np.linalg.solve(p.cov.numpy(), (x - p.mean).numpy().T).T
    np.testing.assert_allclose(p.score(x).numpy(), expected, rtol=1e-9)


def test_kl_coincide_con_monte_carlo_dentro_de_su_error():
    p, q, n = random_gaussian(1), random_gaussian(2), 100_000
    x = p.sample(n, torch.Generator().manual_seed(0))
    log_ratio = p.log_prob(x) - q.log_prob(x)
    error = 5 * log_ratio.std().item() / math.sqrt(n)
    assert error < 0.1 * p.kl(q)
    assert abs(log_ratio.mean().item() - p.kl(q)) < error
    assert p.kl(p) == pytest.approx(0, abs=1e-12)


def test_condicionar_por_marginalizar_es_la_conjunta():
    """p(x) = p(x_b) p(x_a | x_b) en puntos al azar."""
    p = random_gaussian(3, 4)
    x = torch.randn(4, dtype=F64)
    b, a = [2, 0], [1, 3]
    split = p.marginal(b).log_prob(x[b]) + p.condition(b, x[b]).log_prob(x[a])
    assert split.item() == pytest.approx(p.log_prob(x).item(), rel=1e-10)


def test_marginal_respeta_el_orden_de_los_indices():
    p = random_gaussian(4, 3)
    torch.testing.assert_close(p.marginal([2, 0]).cov[0, 1], p.cov[2, 0])
    torch.testing.assert_close(p.marginal([2, 0]).mean, p.mean[[2, 0]])


def test_afin_contra_el_cambio_de_variable():
    p = random_gaussian(5, 2)
    A, b = torch.tensor([[2.0, 1.0], [0.0, -3.0]], dtype=F64), torch.tensor([1.0, 2.0], dtype=F64)
    x = torch.randn(6, 2, dtype=F64)
    expected = p.log_prob(x) - math.log(abs(torch.linalg.det(A).item()))
    torch.testing.assert_close(p.affine(A, b).log_prob(x @ A.T + b), expected)


def test_el_producto_es_proporcional_al_producto_de_densidades():
    p, q = random_gaussian(6, 2), random_gaussian(7, 2)
    x = torch.randn(8, 2, dtype=F64)
    gap = p.log_prob(x) + q.log_prob(x) - p.product(q).log_prob(x)
    torch.testing.assert_close(gap, gap[0].expand(8), rtol=1e-9, atol=1e-9)


def test_denoise_de_una_gaussiana_es_la_posterior_condicionada():
    """(x₀, x_t) es conjuntamente gaussiana: E[x₀|x_t] sale de `condition`."""
    p, alpha, sigma = random_gaussian(8, 2), 0.6, 0.9
    eye = torch.eye(2, dtype=F64)
    top = torch.cat([p.cov, alpha * p.cov], 1)
    bottom = torch.cat([alpha * p.cov, alpha**2 * p.cov + sigma**2 * eye], 1)
    joint = Gaussian(torch.cat([p.mean, alpha * p.mean]), torch.cat([top, bottom]))
    x = torch.tensor([0.3, -1.2], dtype=F64)
    expected = joint.condition([2, 3], x).mean
    torch.testing.assert_close(p.denoise(x[None], alpha, sigma)[0], expected)
    torch.testing.assert_close(p.diffuse(alpha, sigma).cov, joint.marginal([2, 3]).cov)


# --- errores ------------------------------------------------------------------------------------

EYE = torch.eye(2)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Gaussian([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]]), ["cov", "simétrica", "0.5"]),
        (lambda: Gaussian([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), ["cov", "positiva", "-1"]),
        (lambda: Gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 0.0]]), ["cov", "positiva"]),
        (lambda: Gaussian([0.0, 0.0], torch.eye(3)), ["cov", "(2, 2)", "(3, 3)"]),
        (lambda: Gaussian([[0.0, 0.0]], EYE), ["mean", "(D,)", "(1, 2)"]),
        (lambda: Gaussian([0.0, math.nan], EYE), ["mean", "NaN"]),
        (lambda: GaussianMixture([0.6, 0.6], EYE, EYE.expand(2, 2, 2)), ["weights", "1.2"]),
        (lambda: GaussianMixture([1.5, -0.5], EYE, EYE.expand(2, 2, 2)), ["weights", "negativ"]),
        (lambda: GaussianMixture([1.0], EYE, EYE.expand(2, 2, 2)), ["weights", "(2,)", "(1,)"]),
        (lambda: GaussianMixture([0.5, 0.5], EYE, EYE), ["covs", "(2, 2, 2)"]),
        (
            lambda: GaussianMixture([0.5, 0.5], EYE, torch.stack([EYE, -EYE])),
            ["covs", "positiva", "posición 1"],
        ),
        (lambda: random_mixture(0).denoise(torch.zeros(3, 4), 1, 1), ["x_t", "(3, 4)"]),
        (lambda: random_mixture(0).denoise(torch.zeros(3, 2), torch.ones(2), 1), ["alpha", "(2,)"]),
        (lambda: random_mixture(0).denoise(torch.zeros(3, 2), 0, 0), ["alpha", "sigma", "0"]),
        (lambda: random_mixture(0).denoise(torch.zeros(3, 2), 1, -1), ["sigma", "-1"]),
        (
            lambda: random_mixture(0).denoise(torch.zeros(1, 2), 1, 1, torch.tensor([9])),
            ["y", "entre 0 y 2"],
        ),
        (lambda: random_mixture(0).diffuse(0, 0), ["alpha", "sigma"]),
        (lambda: random_gaussian(0).condition([0, 1, 2], [0.0] * 3), ["idx", "todas"]),
        (lambda: random_gaussian(0).condition([0], [0.0, 1.0]), ["value", "1", "2"]),
        (lambda: random_gaussian(0).marginal([0, 3]), ["idx", "entre 0 y 2"]),
        (lambda: random_gaussian(0).kl(random_gaussian(0, 2)), ["dimensiones", "3 y 2"]),
        (lambda: random_gaussian(0).affine(torch.eye(2)), ["A", "(E, 3)", "(2, 2)"]),
        (lambda: random_gaussian(0).affine(torch.ones(2, 3)), ["A", "rango 2", "rango 1"]),
        (lambda: random_gaussian(0).marginal([True, False, True]), ["idx", "enteros"]),
        (lambda: random_gaussian(0).diffuse(-1, 1), ["alpha", "-1"]),
        (lambda: random_gaussian(0).diffuse(0, 0), ["alpha", "sigma", "0"]),
        (lambda: random_gaussian(0).sample(0), ["n", "positivo", "0"]),
        (lambda: random_mixture(0).sample(-2), ["n", "positivo", "-2"]),
        (lambda: random_gaussian(0).log_prob(torch.zeros(3, 4)), ["x", "(..., 3)", "(3, 4)"]),
        (lambda: Gaussian(torch.tensor([0.0, math.nan]), EYE), ["mean", "NaN"]),
        (lambda: GaussianMixture([1.0], EYE[:1] * math.inf, EYE[None]), ["means", "infinitos"]),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(build, words):
    with pytest.raises(ValueError) as caught:
        build()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Gaussian([[1.0, 2.0], [3.0]], EYE), "mean no se puede leer"),
        (lambda: Gaussian([1j, 0.0], EYE), "mean debe ser real"),
        (lambda: random_gaussian(0).kl(random_mixture(0, dim=3)), "other debe ser una Gaussian"),
        (lambda: random_gaussian(0).product(3.0), "other debe ser una Gaussian"),
        (lambda: random_gaussian(0).log_prob(torch.zeros(3) * 1j), "x debe ser real"),
    ],
)
def test_lo_que_no_es_del_tipo_esperado_da_type_error(build, words):
    with pytest.raises(TypeError, match=words):
        build()


def test_los_puntos_enteros_no_truncan_la_densidad():
    p, mixture = random_gaussian(0), random_mixture(0, dim=3)
    whole, real = torch.tensor([[1, 0, -2]]), torch.tensor([[1.0, 0.0, -2.0]])
    for function in (p.log_prob, p.score, mixture.log_prob, mixture.responsibilities):
        torch.testing.assert_close(function(whole), function(real), rtol=0, atol=0)


@pytest.mark.parametrize("law", [random_gaussian(0), random_mixture(0, dim=3)])
def test_las_evaluaciones_en_lote_son_las_de_punto_a_punto(law):
    x = torch.randn(2, 4, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    assert law.log_prob(x).shape == (2, 4) and law.score(x).shape == (2, 4, 3)
    for i, j in ((0, 3), (1, 0)):
        torch.testing.assert_close(law.log_prob(x)[i, j], law.log_prob(x[i, j]))
        torch.testing.assert_close(law.score(x)[i, j], law.score(x[i, j]))
