"""La ELBO y la cota ponderada por importancia contra la evidencia exacta de un VAE lineal."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latent_models import F64, exact_model, seeded, vae_of
from torch.distributions import Normal, kl_divergence

from course_lib.latent import (
    ELBO,
    bits_per_dim,
    diagonal_gaussian_kl,
    elbo_terms,
    importance_weighted,
    log_prob,
    log_weights,
    objective,
)
from course_lib.probability import Gaussian

# --- la KL --------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_la_kl_cerrada_es_la_de_torch(seed):
    m_q, l_q, m_p, l_p = 2 * torch.randn(4, 3, 4, dtype=F64, generator=seeded(seed))
    q, p = Normal(m_q, (l_q / 2).exp()), Normal(m_p, (l_p / 2).exp())
    standard = Normal(torch.zeros_like(m_q), torch.ones_like(m_q))
    options = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(
        diagonal_gaussian_kl(m_q, l_q, m_p, l_p), kl_divergence(q, p), **options
    )
    torch.testing.assert_close(
        diagonal_gaussian_kl(m_q, l_q), kl_divergence(q, standard), **options
    )


def test_la_kl_no_pierde_cifras_cerca_de_cero():
    """Con log v = d pequeño, la KL es d²/4 (1 + d/3 + …)."""
    d = torch.tensor([1e-3, 1e-5, 1e-7], dtype=F64)
    expected = d**2 / 4 * (1 + d / 3)
    torch.testing.assert_close(
        diagonal_gaussian_kl(torch.zeros(3).double(), d), expected, rtol=1e-5, atol=0
    )


# --- identidades exactas --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_con_q_igual_a_la_posteriori_cada_peso_es_la_evidencia(seed):
    model, x = exact_model(seed)
    weights = log_weights(vae_of(model), x, 7, seeded(0))
    evidence = model.log_prob(x)
    torch.testing.assert_close(weights, evidence.expand(7, -1), rtol=1e-10, atol=1e-10)
    for samples in (1, 5):
        bound = importance_weighted(vae_of(model), x, samples, seeded(1))
        torch.testing.assert_close(bound, evidence, rtol=1e-10, atol=1e-10)


@given(shift=st.floats(-2, 2), stretch=st.floats(0.2, 5), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_la_elbo_exacta_mas_la_kl_es_la_evidencia_en_el_vae_lineal(shift, stretch, seed):
    model, x = exact_model(seed)
    vae = vae_of(model, shift, stretch)
    mean, log_var = (v.detach() for v in vae.encode(x))
    cov = log_var[0].exp().diag()
    pieces = model.elbo(x, mean, cov)
    gap = [
        Gaussian(m, cov).kl(model.system().posterior(row)) for m, row in zip(mean, x, strict=True)
    ]
    evidence = model.log_prob(x)
    assert (pieces.total <= evidence + 1e-10).all()
    torch.testing.assert_close(
        pieces.total + torch.tensor(gap, dtype=F64), evidence, rtol=1e-10, atol=1e-10
    )
    # la KL del VAE es la misma, y su reconstrucción es esa en media
    torch.testing.assert_close(elbo_terms(vae, x).kl, pieces.kl, rtol=1e-10, atol=1e-10)


def test_la_reconstruccion_por_monte_carlo_es_insesgada():
    model, x = exact_model(1)
    vae, n = vae_of(model, 0.5, 2.0), 4000
    mean, log_var = (v.detach() for v in vae.encode(x))
    exact = model.elbo(x, mean, log_var[0].exp().diag()).reconstruction
    z = mean + (log_var / 2).exp() * torch.randn(n, *mean.shape, dtype=F64, generator=seeded(3))
    spread = vae.log_likelihood(x, z).detach().std(0)
    pieces = elbo_terms(vae, x, n, seeded(2))
    assert ((pieces.reconstruction - exact).abs() < 4.5 * spread / math.sqrt(n)).all()
    torch.testing.assert_close(pieces.total, pieces.reconstruction - pieces.kl, rtol=0, atol=0)
    torch.testing.assert_close(pieces.kl_per_dim.sum(1), pieces.kl, rtol=1e-12, atol=0)


# --- importancia ----------------------------------------------------------------------------------


@torch.no_grad()
def test_la_cota_ponderada_crece_con_k_y_no_pasa_de_la_evidencia():
    model, x = exact_model(2)
    vae, repeats = vae_of(model, 0.7, 1.5), 400
    evidence = model.log_prob(x).mean()
    groups = {}
    for K in (1, 4, 16, 64):
        weights = log_weights(vae, x, K * repeats, seeded(K)).reshape(K, repeats, len(x))
        groups[K] = (weights.logsumexp(0) - math.log(K)).mean(1)  # (repeats,), independientes
    means = torch.stack([g.mean() for g in groups.values()])
    errors = torch.stack([g.std() for g in groups.values()]) / math.sqrt(repeats)
    assert (means < evidence + 4 * errors).all()
    steps, noise = means.diff(), (errors[1:] ** 2 + errors[:-1] ** 2).sqrt()
    assert (steps > 4 * noise).all(), (means, errors)  # crece, y no por azar
    mean, log_var = vae.encode(x)
    exact = model.elbo(x, mean, log_var[0].exp().diag()).total.mean()
    assert abs(means[0] - exact) < 4 * errors[0]  # con K = 1 es la ELBO
    assert evidence - means[-1] < (evidence - exact) / 5


@torch.no_grad()
def test_los_pesos_son_estimaciones_insesgadas_de_la_evidencia():
    model, x = exact_model(3)
    ratio = (log_weights(vae_of(model, 0.3, 1.5), x, 20_000, seeded(0)) - model.log_prob(x)).exp()
    error = ratio.std(0) / math.sqrt(len(ratio))
    assert ((ratio.mean(0) - 1).abs() < 4.5 * error).all() and (error < 0.02).all()


def test_log_prob_estima_la_evidencia_y_su_error_es_el_que_dice():
    model, x = exact_model(4)
    vae, truth = vae_of(model, 0.5, 1.8), model.log_prob(x)
    runs = [log_prob(vae, x, 500, seeded(s)) for s in range(40)]
    scores = torch.stack([(r.nats - truth) / r.error for r in runs])
    assert scores.abs().max() < 5 and 0.8 < scores.std().item() < 1.25
    assert ((runs[0].ess > 1) & (runs[0].ess < 500)).all()
    assert "±" in repr(runs[0]) and not runs[0].nats.requires_grad
    exact = log_prob(vae_of(model), x, 10)
    assert (exact.error < 1e-7).all() and (exact.ess > 9.999).all()


def test_decodificar_por_partes_no_cambia_nada(monkeypatch):
    model, x = exact_model(5)
    vae = vae_of(model, 0.5)
    whole = log_weights(vae, x, 11, seeded(0))
    monkeypatch.setattr("course_lib.latent.elbo.DECODE_AT_ONCE", 4 * len(x))
    sizes = []
    vae.decoder_net.register_forward_hook(lambda net, args, output: sizes.append(len(output)))
    torch.testing.assert_close(log_weights(vae, x, 11, seeded(0)), whole, rtol=1e-13, atol=1e-13)
    assert sizes == [24, 24, 18]  # 11 muestras de 6 datos, de 4 en 4


def test_el_gradiente_de_la_cota_ponderada_llega_a_las_dos_redes():
    model, x = exact_model(6)
    vae = vae_of(model, 0.5)
    importance_weighted(vae, x, 5, seeded(0)).mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in vae.parameters())


# --- la pérdida y las unidades --------------------------------------------------------------------


def pieces() -> ELBO:
    kl = torch.tensor([[0.1, 2.0], [0.5, 1.0]], dtype=F64, requires_grad=True)
    return ELBO(torch.tensor([-3.0, -5.0], dtype=F64), kl.sum(1), kl)


def test_la_perdida_a_mano():
    assert objective(pieces()).item() == pytest.approx(4 + 1.8)
    assert objective(pieces(), beta=4).item() == pytest.approx(4 + 4 * 1.8)
    assert objective(pieces(), free_bits=0.5).item() == pytest.approx(4 + 0.5 + 1.5)  # 0.3 → 0.5
    # la media del lote va dentro del máximo: dato a dato saldría 0.425 y no 0.35
    assert objective(pieces(), free_bits=0.35).item() == pytest.approx(4 + 0.35 + 1.5)
    assert objective(pieces(), beta=2, free_bits=2).item() == pytest.approx(4 + 2 * 4)
    assert objective(pieces(), beta=0).item() == pytest.approx(4)


def test_los_nats_libres_no_tienen_gradiente():
    value = pieces()
    objective(value, free_bits=0.5).backward()
    expected = torch.tensor([[0.0, 0.5], [0.0, 0.5]], dtype=F64)
    torch.testing.assert_close(value.kl_per_dim.grad, expected)


def test_bits_por_dimension():
    assert bits_per_dim(-784 * math.log(256), 784) == pytest.approx(8)  # 256 valores equiprobables
    density = -784 * math.log(2)  # uniforme en [-1, 1]: 256 casillas de ancho 2/256
    assert bits_per_dim(density, 784, bin_width=2 / 256) == pytest.approx(8)
    assert bits_per_dim(torch.full((3,), -math.log(2)), 1).tolist() == pytest.approx([1, 1, 1])


# --- errores --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda vae, x: objective(pieces(), beta=-1.0), ["beta", "-1"]),
        (lambda vae, x: objective(pieces(), beta=math.nan), ["beta", "nan"]),
        (lambda vae, x: objective(pieces(), free_bits=-0.1), ["free_bits", "-0.1"]),
        (lambda vae, x: objective(ELBO(x, x), free_bits=0.1), ["free_bits", "kl_per_dim"]),
        (lambda vae, x: elbo_terms(vae, x, samples=0), ["samples", "0"]),
        (lambda vae, x: log_weights(vae, x, -2), ["samples", "-2"]),
        (lambda vae, x: log_prob(vae, x, 1), ["samples", "2"]),
        (lambda vae, x: elbo_terms(vae, x * math.nan), ["x", "NaN"]),
        (lambda vae, x: elbo_terms(vae, x[:, :3]), ["x", "(B, 5)", "(6, 3)"]),
        (lambda vae, x: bits_per_dim(x, 5, bin_width=0.0), ["bin_width", "0"]),
        (lambda vae, x: bits_per_dim(x, 0), ["dim", "0"]),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(call, words):
    model, x = exact_model()
    with pytest.raises(ValueError) as caught:
        call(vae_of(model), x)
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))
