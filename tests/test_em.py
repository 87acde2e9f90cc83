"""EM contra una implementación con bucles en NumPy, derivadas nulas y formas cerradas."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from course_lib.data import toy
from course_lib.probability import Gaussian, GaussianMixture, fit_em
from course_lib.probability.em import _raise

F64 = torch.float64
TRUE = GaussianMixture(
    torch.tensor([0.2, 0.5, 0.3], dtype=F64),
    torch.tensor([[-3.0, 0.0], [0.0, 1.0], [2.0, -2.0]], dtype=F64),
    torch.tensor([[[1.0, 0.4], [0.4, 0.5]], [[0.3, 0.0], [0.0, 1.5]], [[0.6, -0.2], [-0.2, 0.4]]]),
)
START = GaussianMixture(
    torch.tensor([0.5, 0.3, 0.2], dtype=F64),
    torch.tensor([[-1.0, 0.0], [0.0, 0.5], [1.0, -1.0]], dtype=F64),
    torch.eye(2, dtype=F64).expand(3, 2, 2),
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


X = TRUE.sample(300, seeded(0))


def numpy_em_step(weights, means, covs, x):
    """Una iteración escrita con bucles y densidades de SciPy, sin logaritmos."""
    density = np.array(
        [w * stats.multivariate_normal(m, c).pdf(x) for w, m, c in zip(weights, means, covs)]  # noqa: B905
    )
    r = density / density.sum(0)
    new_means = [sum(r[j, n] * x[n] for n in range(len(x))) / r[j].sum() for j in range(len(means))]
    new_covs = [
        sum(r[j, n] * np.outer(x[n] - m, x[n] - m) for n in range(len(x))) / r[j].sum()
        for j, m in enumerate(new_means)
    ]
    return r.sum(1) / len(x), np.array(new_means), np.array(new_covs)


# --- los pasos ----------------------------------------------------------------------------------


def test_cada_iteracion_coincide_con_la_de_numpy():
    result = fit_em(X, 3, iterations=5, tolerance=0, init=START)
    state = [v.numpy() for v in (START.weights, START.means, START.covs)]
    assert len(result.history) == 6
    for mixture in result.history[1:]:
        state = numpy_em_step(*state, X.numpy())
        for got, expected in zip(
            (mixture.weights, mixture.means, mixture.covs), state, strict=True
        ):
            np.testing.assert_allclose(got.numpy(), expected, rtol=1e-9, atol=1e-11)


def test_la_log_verosimilitud_anotada_es_la_de_cada_mezcla_de_la_historia():
    result = GaussianMixture.fit_em(X, 3, iterations=4, tolerance=0, init=START)
    assert result.iterations == 4 and not result.converged
    assert result.mixture is result.history[-1]
    again = [mixture.log_prob(X).mean().item() for mixture in result.history]
    assert result.log_likelihood == pytest.approx(again, rel=1e-13)


@given(seed=st.integers(0, 10_000), k=st.integers(1, 6), floor=st.sampled_from([1e-6, 1e-2, 1.0]))
@settings(max_examples=40, deadline=None)
def test_la_verosimilitud_no_baja_tampoco_con_el_suelo_activo(seed, k, floor):
    x = torch.randn(40, 2, dtype=F64, generator=seeded(seed)) * torch.tensor([3.0, 0.05])
    result = fit_em(x, k, tolerance=0, iterations=30, floor=floor, generator=seeded(seed))
    assert np.diff(result.log_likelihood).min() > -1e-12
    assert torch.linalg.eigvalsh(result.mixture.covs).min() > floor * (1 - 1e-9)


def test_al_converger_las_derivadas_de_la_verosimilitud_son_nulas():
    """Gradiente por derivación automática respecto a logits, medias y factores de Cholesky."""
    mixture = fit_em(X, 3, tolerance=1e-14, iterations=3000, init=START).mixture
    logits, means = mixture.weights.log().requires_grad_(), mixture.means.clone().requires_grad_()
    factors = torch.linalg.cholesky(mixture.covs).requires_grad_()
    law = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=logits),
        torch.distributions.MultivariateNormal(means, scale_tril=factors),
    )
    d_logits, d_means, d_factors = torch.autograd.grad(
        law.log_prob(X).mean(), (logits, means, factors)
    )
    for gradient in (d_logits, d_means, d_factors.tril()):
        assert gradient.abs().max() < 1e-6


def test_con_una_componente_basta_un_paso_y_es_la_covarianza_entre_n():
    result = fit_em(X, 1, generator=seeded(0))
    mean, cov = X.mean(0), torch.cov(X.T, correction=0)
    torch.testing.assert_close(result.history[1].means[0], mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(result.history[1].covs[0], cov, rtol=1e-12, atol=1e-12)
    assert result.converged and result.iterations == 2  # el segundo paso no mejora


def test_el_sesgo_de_la_covarianza_de_maxima_verosimilitud_es_menos_sigma_entre_n():
    law, n, sets = Gaussian(torch.tensor([1.0, -2.0], dtype=F64), TRUE.covs[0]), 4, 800
    x = law.sample(n * sets, seeded(1)).reshape(sets, n, 2)
    fits = torch.stack([fit_em(s, 1, iterations=1, floor=1e-12).mixture.covs[0] for s in x])
    bias, error = fits.mean(0) - law.cov, fits.std(0) / math.sqrt(sets)
    assert ((bias + law.cov / n).abs() < 4 * error).all()
    assert (bias.diagonal().abs() > 4 * error.diagonal()).all()  # y el sesgo se ve


# --- suelo y partida ----------------------------------------------------------------------------


def test_recortar_los_autovalores_es_el_paso_m_con_la_restriccion():
    """Ninguna C ⪰ suelo·I da mayor −½(log det C + tr C⁻¹S) que S con los autovalores recortados."""
    floor, S = 0.5, TRUE.covs[0] * torch.tensor([[1.0, 0.3], [0.3, 0.2]], dtype=F64)

    def objective(cov):
        return -0.5 * (torch.logdet(cov) + torch.linalg.solve(cov, S).diagonal(0, -2, -1).sum(-1))

    best = _raise(S[None], floor)
    a = torch.randn(5000, 2, 2, dtype=F64, generator=seeded(0))
    size = 10 ** (-4 + 4 * torch.rand(5000, 1, 1, dtype=F64, generator=seeded(1)))
    others = _raise(best + size * (a + a.mT), floor)
    assert torch.linalg.eigvalsh(S).min() < floor
    assert objective(others).max() <= objective(best).item() + 1e-12
    assert objective(others).max() > objective(best).item() - 1e-3  # y hay rivales muy próximos


def test_una_componente_que_se_encoge_sobre_un_dato_se_queda_en_el_suelo():
    x = torch.cat([X, torch.tensor([[50.0, 50.0]], dtype=F64)])
    means = torch.tensor([[0.0, 0.0], [50.0, 50.0]], dtype=F64)
    start = GaussianMixture([0.5, 0.5], means, torch.eye(2).expand(2, 2, 2))
    result = fit_em(x, 2, init=start, floor=1e-4)
    torch.testing.assert_close(result.mixture.covs[1], 1e-4 * torch.eye(2, dtype=F64))
    assert result.mixture.weights[1].item() == pytest.approx(1 / 301, rel=1e-9)


def test_la_partida_por_debajo_del_suelo_se_sube_a_el():
    start = GaussianMixture(START.weights, START.means, 1e-4 * START.covs)
    result = fit_em(X, 3, init=start, floor=0.1)
    torch.testing.assert_close(result.history[0].covs, 0.1 * START.covs)
    assert np.diff(result.log_likelihood).min() > -1e-12


@pytest.mark.parametrize("seed", range(5))
def test_encuentra_las_ocho_gaussianas(seed):
    x, law = toy.load("ocho-gaussianas", 2000, seed), toy.eight_gaussians(F64)
    result = fit_em(x, 8, generator=seeded(seed))
    distance = torch.cdist(law.means, result.mixture.means.double()).amin(1)
    assert distance.max() < 5 * toy.SPREAD / math.sqrt(2000 / 8)
    assert result.converged
    gain = result.log_likelihood[-1] - law.log_prob(x.double()).mean().item()
    assert 0 < gain < 3 * 47 / (2 * 2000)  # χ² de 47 parámetros: 47/2N de media


def test_kmeans_mas_mas_elige_datos_y_prefiere_los_lejanos():
    """Con dos grupos muy separados, los dos centros caen casi siempre en grupos distintos."""
    x = torch.randn(100, 1, dtype=F64, generator=seeded(0)) + 1000 * (
        torch.arange(100)[:, None] >= 50
    )
    for seed in range(20):
        means = fit_em(x, 2, iterations=1, generator=seeded(seed)).history[0].means
        assert (means[:, 0].sort().values > 500).tolist() == [False, True]
        assert all((x == m).any() for m in means)


def test_lejos_del_origen_y_con_escalas_dispares_nada_se_desborda():
    shift, scale = torch.tensor([1e6, -1e6], dtype=F64), torch.tensor([1e3, 1e-2], dtype=F64)
    moved = X * scale + shift
    there = fit_em(
        moved,
        3,
        init=GaussianMixture(
            START.weights, START.means * scale + shift, START.covs * scale[:, None] * scale
        ),
        iterations=10,
        tolerance=0,
        floor=1e-12,
    )
    here = fit_em(X, 3, init=START, iterations=10, tolerance=0, floor=1e-12)
    offset = -scale.log().sum().item()  # el cambio de variable
    expected = np.array(here.log_likelihood) + offset
    np.testing.assert_allclose(there.log_likelihood, expected, rtol=1e-5)
    far = fit_em(torch.tensor([[0.0], [1.0], [1e5], [1e5 + 1]]), 2, generator=seeded(0))
    assert math.isfinite(far.log_likelihood[-1])


def test_la_misma_semilla_repite_y_el_tipo_es_el_de_los_datos():
    a, b = (fit_em(X, 3, generator=seeded(3)) for _ in range(2))
    assert torch.equal(a.mixture.means, b.mixture.means)
    assert a.mixture.sample(2).dtype == F64
    single = fit_em(X.float(), 3, generator=seeded(3)).mixture
    assert single.sample(2).dtype == torch.float32 and single.means.dtype == F64
    assert "nats por dato" in repr(a)


# --- errores ------------------------------------------------------------------------------------

FAR = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1e6, 0.0]], torch.eye(2).expand(2, 2, 2))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: fit_em(X, 0), ["k", "positivo", "0"]),
        (lambda: fit_em(X[:4], 5), ["k=5", "4"]),
        (lambda: fit_em(X[:, 0], 2), ["x", "(N, D)", "(300,)", "x[:, None]"]),
        (lambda: fit_em(X * math.nan, 2), ["x", "NaN"]),
        (lambda: fit_em(torch.ones(5, 2), 2), ["k=2", "1 puntos distintos"]),
        (lambda: fit_em(X, 2, iterations=0), ["iterations", "0"]),
        (lambda: fit_em(X, 2, tolerance=-1), ["tolerance", "-1"]),
        (lambda: fit_em(X, 2, floor=0), ["floor", "0"]),
        (lambda: fit_em(X, 2, init="azar"), ["init", "azar", "kmeans++"]),
        (lambda: fit_em(X, 2, init=START), ["init", "2 componentes", "3"]),
        (lambda: fit_em(X, 2, init=FAR), ["componente 1", "sin datos", "init"]),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(build, words):
    with pytest.raises(ValueError) as caught:
        build()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


def test_k_ha_de_ser_entera():
    with pytest.raises(TypeError, match="k debe ser un entero"):
        fit_em(X, 2.0)


def test_valores_cuyas_distancias_se_desbordan_se_explican():
    x = torch.tensor([[0.0], [1.0], [1e160]], dtype=torch.float64)
    with pytest.raises(ValueError, match="distancias al cuadrado se desbordan"):
        fit_em(x, 2, generator=torch.Generator().manual_seed(0))
