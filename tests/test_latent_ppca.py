"""La PCA probabilística contra un óptimo numérico, EM, NumPy y el modelo lineal gaussiano."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal

from course_lib.latent import PPCA
from course_lib.probability import Gaussian

F64 = torch.float64


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_ppca(seed: int = 0, dim: int = 5, latent_dim: int = 2, sigma2: float = 0.3) -> PPCA:
    W = torch.randn(dim, latent_dim, dtype=F64, generator=seeded(seed))
    return PPCA(W, torch.linspace(-1, 2, dim, dtype=F64), sigma2)


def data(seed: int = 0, n: int = 300, **options) -> torch.Tensor:
    return random_ppca(seed, **options).sample(n, seeded(seed + 1))


def projector(W: torch.Tensor) -> torch.Tensor:
    """La proyección ortogonal sobre las columnas de W: identifica el subespacio."""
    q = torch.linalg.qr(W).Q
    return q @ q.mT


# --- el ajuste ----------------------------------------------------------------------------------


def numeric_maximum(x: torch.Tensor, latent_dim: int) -> tuple[float, torch.Tensor, float]:
    """L-BFGS sobre (W, m, log σ²) con la densidad de torch: verosimilitud, W y σ²."""
    W = torch.randn(x.shape[1], latent_dim, dtype=F64, generator=seeded(7)).requires_grad_()
    mean = torch.zeros(x.shape[1], dtype=F64, requires_grad=True)
    log_sigma2 = torch.zeros((), dtype=F64, requires_grad=True)
    options = {"max_iter": 500, "tolerance_grad": 1e-10, "tolerance_change": 1e-15}
    optimizer = torch.optim.LBFGS([W, mean, log_sigma2], line_search_fn="strong_wolfe", **options)

    def loss():
        optimizer.zero_grad()
        cov = W @ W.mT + log_sigma2.exp() * torch.eye(x.shape[1], dtype=F64)
        value = -MultivariateNormal(mean, cov).log_prob(x).mean()
        value.backward()
        return value

    optimizer.step(loss)
    return -loss().item(), W.detach(), log_sigma2.exp().item()


@pytest.mark.parametrize(("dim", "latent_dim"), [(3, 1), (5, 2), (6, 4)])
def test_la_forma_cerrada_es_el_maximo_numerico(dim, latent_dim):
    x = data(3, dim=dim, latent_dim=latent_dim)
    model = PPCA.fit(x, latent_dim)
    value, W, sigma2 = numeric_maximum(x, latent_dim)
    assert model.log_prob(x).mean().item() == pytest.approx(value, abs=1e-9)
    assert model.sigma2 == pytest.approx(sigma2, rel=1e-5)
    torch.testing.assert_close(projector(model.W), projector(W), rtol=0, atol=1e-4)
    torch.testing.assert_close(model.W @ model.W.mT, W @ W.mT, rtol=0, atol=1e-3)


def test_la_forma_cerrada_son_los_autovalores_de_la_covarianza_de_numpy():
    x = data(1, dim=6, latent_dim=2)
    values, vectors = np.linalg.eigh(np.cov(x.numpy().T, bias=True))
    model = PPCA.fit(x, 2)
    assert model.sigma2 == pytest.approx(values[:4].mean(), rel=1e-12)
    W = vectors[:, :-3:-1] * np.sqrt(values[:-3:-1] - values[:4].mean())
    np.testing.assert_allclose(np.abs(model.W.numpy()), np.abs(W), rtol=1e-9)


def test_el_signo_de_cada_columna_no_depende_de_la_factorizacion():
    for seed in range(8):
        W = PPCA.fit(data(seed), 3).W
        assert (W.gather(0, W.abs().argmax(0, keepdim=True)) > 0).all()


def test_em_llega_al_mismo_subespacio_y_a_la_misma_verosimilitud_sin_bajar_nunca():
    x = data(2)
    closed, fitted = PPCA.fit(x, 2), PPCA.fit_em(x, 2, iterations=400, generator=seeded(0))
    values = np.array(fitted.log_likelihood)
    assert len(values) == 401 == fitted.iterations + 1
    assert np.diff(values).min() > -1e-12 and values[-1] > values[0] + 0.1
    assert values[-1] == pytest.approx(closed.log_prob(x).mean().item(), abs=1e-10)
    assert fitted.model.sigma2 == pytest.approx(closed.sigma2, rel=1e-6)
    torch.testing.assert_close(projector(fitted.model.W), projector(closed.W), rtol=0, atol=1e-6)


def test_un_paso_de_em_es_el_de_las_esperanzas():
    """El paso M escrito con E[z] y E[zzᵀ] dato a dato: Bishop (2006), ecs. 12.54–12.57."""
    x = data(4, n=40)
    first = PPCA.fit_em(x, 2, iterations=1, generator=seeded(5)).model
    total = (x - x.mean(0)).square().sum() / len(x)
    sigma2 = (total / 5).item()
    start = torch.randn(5, 2, generator=seeded(5), dtype=F64) * math.sqrt(sigma2)
    old, r = PPCA(start, x.mean(0), sigma2), x - x.mean(0)
    z, cov = old.posterior(x)
    zz = len(x) * cov + z.mT @ z
    W = (r.mT @ z) @ torch.linalg.inv(zz)
    noise = (r.square().sum() - 2 * (z * (r @ W)).sum() + (W.mT @ W * zz).sum()) / r.numel()
    torch.testing.assert_close(first.W, W, rtol=1e-10, atol=1e-12)
    assert first.sigma2 == pytest.approx(noise.item(), rel=1e-10)


def test_con_mas_dimensiones_que_datos_tambien_se_ajusta():
    x = torch.randn(12, 40, dtype=F64, generator=seeded(0))
    model = PPCA.fit(x, 3)
    values = np.linalg.eigvalsh(np.cov(x.numpy().T, bias=True))
    assert model.sigma2 == pytest.approx(values[:-3].sum() / 37, rel=1e-10)
    evidence = model.system().evidence()
    torch.testing.assert_close(model.log_prob(x), evidence.log_prob(x), rtol=1e-10, atol=1e-9)


def test_recupera_el_modelo_del_que_salen_los_datos():
    true = random_ppca(0, sigma2=0.3)
    model = PPCA.fit(true.sample(50_000, seeded(1)), 2)
    assert model.sigma2 == pytest.approx(0.3, rel=0.02)
    torch.testing.assert_close(projector(model.W), projector(true.W), rtol=0, atol=0.02)


# --- el modelo ----------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000), latent_dim=st.integers(1, 4), extra=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_posteriori_y_evidencia_son_las_del_sistema_lineal_gaussiano(seed, latent_dim, extra):
    model = random_ppca(seed, dim=latent_dim + extra, latent_dim=latent_dim)
    x, system = model.sample(3, seeded(seed)), model.system()
    posterior = model.posterior(x)
    assert posterior.mean.shape == (3, latent_dim)
    for row, mean in zip(x, posterior.mean, strict=True):
        law = system.posterior(row)
        torch.testing.assert_close(mean, law.mean, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(posterior.cov, law.cov, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(
        model.log_prob(x), system.evidence().log_prob(x), rtol=1e-10, atol=1e-9
    )
    torch.testing.assert_close(model.posterior(x[0]).mean, posterior.mean[0], rtol=1e-12, atol=0)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_la_elbo_mas_la_kl_a_la_posteriori_es_la_evidencia_con_cualquier_q(seed):
    model = random_ppca(seed)
    x, system = model.sample(4, seeded(seed)), model.system()
    means = torch.randn(4, 2, dtype=F64, generator=seeded(seed + 1))
    root = torch.randn(4, 2, 2, dtype=F64, generator=seeded(seed + 2))
    covs = root @ root.mT + 0.1 * torch.eye(2, dtype=F64)
    pieces = model.elbo(x, means, covs)
    gaps = [Gaussian(m, c).kl(system.posterior(r)) for m, c, r in zip(means, covs, x, strict=True)]
    gap, evidence = torch.tensor(gaps, dtype=F64), model.log_prob(x)
    assert (gap > 0).all() and (pieces.total < evidence).all()
    torch.testing.assert_close(pieces.total + gap, evidence, rtol=1e-10, atol=1e-10)


def test_con_q_igual_a_la_posteriori_la_elbo_es_la_evidencia():
    model = random_ppca(3)
    x = model.sample(6, seeded(0))
    pieces = model.elbo(x, *model.posterior(x))
    torch.testing.assert_close(pieces.total, model.log_prob(x), rtol=1e-10, atol=1e-10)


def test_las_muestras_tienen_la_ley_del_modelo():
    model, n = random_ppca(1), 40_000
    x = model.sample(n, seeded(0))
    cov = model.W @ model.W.mT + model.sigma2 * torch.eye(5, dtype=F64)
    error = (cov.diagonal() / n).sqrt()
    assert ((x.mean(0) - model.mean).abs() < 4.5 * error).all()
    spread = ((cov.square() + cov.diagonal()[:, None] * cov.diagonal()) / n).sqrt()
    assert ((x.T.cov() - cov).abs() < 4.5 * spread).all()
    assert torch.equal(x, model.sample(n, seeded(0)))


def test_los_tipos_se_respetan():
    x = data().float()
    model = PPCA.fit(x, 2)
    assert model.sample(2).dtype == model.log_prob(x).dtype == torch.float32
    assert model.posterior(x).mean.dtype == torch.float32 and model.W.dtype == F64
    assert PPCA.fit_em(x, 2, 3).model.sample(2).dtype == torch.float32


# --- errores ------------------------------------------------------------------------------------

X = data(n=20)


@pytest.mark.parametrize("fit", [PPCA.fit, lambda x, dim: PPCA.fit_em(x, dim, 50)])
@pytest.mark.parametrize(
    ("x", "dim", "words"),
    [
        (X, 0, ["dim", "0"]),
        (X, 5, ["dim=5", "D = 5"]),
        (X, 9, ["dim=9", "D = 5"]),
        (torch.where(X > 2, math.nan, X), 2, ["x", "NaN"]),
        (X[0], 2, ["x", "(N, D)", "(5,)"]),
        (X[:1], 2, ["x", "(1, 5)"]),
        (torch.ones(7, 5), 2, ["x", "varianza"]),
        (X[:, :1] * torch.arange(1.0, 6.0, dtype=F64), 2, ["subespacio", "dimensión 2"]),
    ],
)
def test_los_datos_que_no_sirven(fit, x, dim, words):
    with pytest.raises(ValueError) as caught:
        fit(x, dim)
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: PPCA(torch.ones(2, 2), torch.zeros(2), 1.0), ["W", "M < D", "(2, 2)"]),
        (lambda: PPCA(torch.ones(3, 0), torch.zeros(3), 1.0), ["W", "(3, 0)"]),
        (lambda: PPCA(torch.ones(3, 1), torch.zeros(2), 1.0), ["mean", "(3,)", "(2,)"]),
        (lambda: PPCA(torch.ones(3, 1), torch.zeros(3), 0.0), ["sigma2", "0"]),
        (lambda: random_ppca().log_prob(torch.zeros(3, 4)), ["x", "(..., 5)", "(3, 4)"]),
        (lambda: random_ppca().posterior(torch.full((5,), math.nan)), ["x", "NaN"]),
        (lambda: random_ppca().sample(0), ["n", "0"]),
        (
            lambda: random_ppca().elbo(X, torch.zeros(20, 2), torch.eye(3)),
            ["cov", "(..., 2, 2)", "(3, 3)"],
        ),
        (lambda: random_ppca().elbo(X, torch.zeros(20, 2), -torch.eye(2)), ["cov", "positiva"]),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(build, words):
    with pytest.raises(ValueError) as caught:
        build()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


def test_la_dimension_latente_es_un_entero():
    with pytest.raises(TypeError, match="dim debe ser un entero"):
        PPCA.fit(X, 2.0)
