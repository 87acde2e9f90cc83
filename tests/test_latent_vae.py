"""El VAE: el lineal entrenado contra la PPCA, sus redes, su pérdida y sus errores."""

import functools

import pytest
import torch
from latent_models import F64, exact_model, seeded, vae_of
from torch import nn

from course_lib.latent import (
    PPCA,
    VAE,
    BernoulliLikelihood,
    GaussianLikelihood,
    as_ppca,
    elbo_terms,
    linear_vae,
    objective,
)
from course_lib.networks import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder
from course_lib.training import Trainer

# --- el VAE lineal es la PPCA ---------------------------------------------------------------------

EVIDENCE_TOLERANCE = 1e-3  # nats por dato
COSINE_TOLERANCE = 0.9999  # del mayor ángulo entre los dos subespacios


@pytest.fixture(scope="module")
def trained() -> tuple[torch.Tensor, VAE]:
    W = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, -1.0], [0.5, 0.5], [-1.0, 0.3]], dtype=F64)
    x = PPCA(W, torch.arange(5.0, dtype=F64), 0.25).sample(512, seeded(0))
    torch.manual_seed(0)
    vae = linear_vae(5, 2).double()
    options = {"batch_size": 256, "warmup": 0, "ema": 0.995, "progress": False, "cpu": True}
    trainer = Trainer(vae, VAE.loss, x, lr=1e-2, steps=2000, **options).fit()
    return x, trainer.ema_model


def test_el_vae_lineal_entrenado_llega_a_la_evidencia_de_la_ppca(trained):
    x, vae = trained
    best = PPCA.fit(x, 2).log_prob(x).mean().item()
    reached = as_ppca(vae).log_prob(x).mean().item()
    assert best - EVIDENCE_TOLERANCE < reached <= best + 1e-12


def test_el_vae_lineal_entrenado_halla_su_subespacio_y_su_ruido(trained):
    x, vae = trained
    best, model = PPCA.fit(x, 2), as_ppca(vae)
    bases = [torch.linalg.qr(m.W).Q for m in (best, model)]
    cosines = torch.linalg.svdvals(bases[0].mT @ bases[1])
    assert cosines.min() > COSINE_TOLERANCE
    assert model.sigma2 == pytest.approx(best.sigma2, rel=0.03)


def test_su_codificador_llega_a_la_posteriori_y_la_cota_toca_la_evidencia(trained):
    x, vae = trained
    with torch.no_grad():
        mean, log_var = vae.encode(x)
    model = as_ppca(vae)
    bound = model.elbo(x, mean, log_var[0].exp().diag()).total.mean().item()
    evidence = model.log_prob(x).mean().item()
    assert evidence - EVIDENCE_TOLERANCE < bound <= evidence
    # q es diagonal: al maximizar la ELBO, las columnas de W se vuelven ortogonales
    W = model.W / model.W.norm(dim=0)
    assert abs((W[:, 0] @ W[:, 1]).item()) < 0.02


def test_de_ppca_a_vae_y_vuelta():
    model, x = exact_model(0)
    back = as_ppca(vae_of(model))
    torch.testing.assert_close(back.W, model.W, rtol=0, atol=0)
    assert back.sigma2 == pytest.approx(model.sigma2, rel=1e-12)
    mean, log_var = vae_of(model).encode(x)
    torch.testing.assert_close(mean, model.posterior(x).mean, rtol=1e-10, atol=1e-12)


# --- las redes ------------------------------------------------------------------------------------


def small(law=None, num_classes=None, kind="mlp") -> VAE:
    torch.manual_seed(0)
    law = law or GaussianLikelihood(0.5)
    options = {"num_classes": num_classes, "hidden": 16}
    if kind == "conv":
        encoder = ConvEncoder(3, base=8, **options)
        decoder = ConvDecoder(3, 1, law.outputs_per_value, base=8, **options)
    else:
        encoder = MLPEncoder((1, 28, 28), 3, **options)
        decoder = MLPDecoder(3, (1, 28, 28), law.outputs_per_value, **options)
    return VAE(encoder, decoder, law, 3)


def images(n: int = 5) -> torch.Tensor:
    return torch.rand(n, 1, 28, 28, generator=seeded(0))


@pytest.mark.parametrize("kind", ["mlp", "conv"])
@pytest.mark.parametrize("std", [0.5, "shared", "output"])
def test_las_formas_de_principio_a_fin(kind, std):
    vae, x = small(GaussianLikelihood(std), kind=kind), images()
    mean, log_var = vae.encode(x)
    assert mean.shape == log_var.shape == (5, 3) and (log_var == 0).all()
    assert vae.decode(mean).shape == x.shape
    assert vae.log_likelihood(x, mean).shape == (5,)
    assert vae.sample(2, seeded(0)).shape == (2, 1, 28, 28)
    vae.loss(x, seeded(0)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in vae.parameters())
    vae(x[:1])  # un lote de uno también sirve


def test_con_varias_muestras_de_z_es_lo_mismo_que_una_a_una():
    vae, x, y = small(num_classes=4), images(), torch.tensor([0, 1, 2, 3, 4])
    z = torch.randn(7, 5, 3, generator=seeded(1))
    together = vae.log_likelihood(x, z, y)
    apart = torch.stack([vae.log_likelihood(x, part, y) for part in z])
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-3)


def test_la_clase_cambia_las_dos_redes_y_la_nula_es_none():
    vae, x = small(num_classes=4, kind="conv"), images()
    z = torch.randn(5, 3, generator=seeded(1))
    null, zero = torch.full((5,), 4), torch.zeros(5, dtype=torch.int64)
    assert torch.equal(vae.encode(x)[0], vae.encode(x, null)[0])
    assert not torch.equal(vae.encode(x)[0], vae.encode(x, zero)[0])
    assert not torch.equal(vae.decode(z), vae.decode(z, zero))
    assert vae.loss((x, zero), seeded(0)) != vae.loss(x, seeded(0))


def test_cualquier_modulo_sirve_de_codificador():
    """Un nn.Sequential que da (B, 2M): la media y la log-varianza seguidas."""
    torch.manual_seed(0)
    net = nn.Linear(4, 6)
    vae = VAE(net, nn.Linear(3, 4), GaussianLikelihood(), 3)
    x = torch.randn(5, 4)
    mean, log_var = vae.encode(x)
    torch.testing.assert_close(torch.cat([mean, log_var], 1), net(x))


# --- la pérdida -----------------------------------------------------------------------------------


def test_la_perdida_es_el_objetivo_de_las_piezas():
    model, x = exact_model(1)
    vae = vae_of(model, 0.5)
    pieces = elbo_terms(vae, x, generator=seeded(4))
    for options in ({}, {"beta": 3.0}, {"beta": 0.5, "free_bits": 0.7}):
        torch.testing.assert_close(
            vae.loss(x, seeded(4), **options), objective(pieces, **options), rtol=0, atol=0
        )
    torch.testing.assert_close(vae.loss(x, seeded(4)), -pieces.total.mean())
    assert vae.loss((x,), seeded(4)) == vae.loss(x, seeded(4))


@pytest.mark.parametrize("mixed_precision", ["no", "bf16"])
def test_el_trainer_la_usa_tal_cual_y_con_clases(mixed_precision):
    x, y = images(64), torch.arange(64) % 4
    options = {"batch_size": 16, "warmup": 0, "cpu": True, "progress": False, "lr": 3e-3}
    loss = functools.partial(VAE.loss, beta=2.0, free_bits=0.01)
    vae = small(BernoulliLikelihood(), num_classes=4)
    trainer = Trainer(vae, loss, (x, y), mixed_precision=mixed_precision, **options).fit(40)
    values = [value for _, value in trainer.history]
    assert sum(values[-5:]) < sum(values[:5])
    assert vae.encode(x)[0].dtype == torch.float32


def test_con_la_misma_semilla_los_mismos_bits():
    vae, x = small(), images()
    assert torch.equal(vae.loss(x, seeded(3)), vae.loss(x, seeded(3)))
    assert not torch.equal(vae.loss(x, seeded(3)), vae.loss(x, seeded(4)))
    assert torch.equal(vae.sample(3, seeded(3)), vae.sample(3, seeded(3)))


def test_las_muestras_del_vae_lineal_tienen_la_ley_de_la_ppca():
    model, _ = exact_model(2)
    n = 40_000
    x = vae_of(model).sample(n, seeded(0))
    cov = model.W @ model.W.mT + model.sigma2 * torch.eye(5, dtype=F64)
    spread = ((cov.square() + cov.diagonal()[:, None] * cov.diagonal()) / n).sqrt()
    assert ((x.mean(0) - model.mean).abs() < 4.5 * (cov.diagonal() / n).sqrt()).all()
    assert ((x.T.cov() - cov).abs() < 4.5 * spread).all()
    z = torch.randn(3, 2, dtype=F64, generator=seeded(1))
    torch.testing.assert_close(vae_of(model).decode(z), z @ model.W.mT + model.mean)


# --- errores --------------------------------------------------------------------------------------

LAW = GaussianLikelihood()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: VAE(nn.Linear(2, 2), nn.Linear(1, 2), LAW, 0), ["latent_dim", "0"]),
        (lambda: MLPEncoder(4, 0), ["latent_dim", "0"]),
        (lambda: MLPDecoder(0, 4), ["latent_dim", "0"]),
        (lambda: ConvEncoder(0), ["latent_dim", "0"]),
        (lambda: linear_vae(3, 0), ["latent_dim", "0"]),
        (lambda: MLPEncoder((), 2), ["shape", "vacía"]),
        (lambda: small().encode(torch.zeros(2, 1, 32, 32)), ["(B, 1, 28, 28)", "(2, 1, 32, 32)"]),
        (lambda: small().decode(torch.zeros(2, 4)), ["z", "(B, 3)", "(2, 4)"]),
        (lambda: small(BernoulliLikelihood()).loss(images() * 2 - 1), ["[0, 1]", "(x + 1) / 2"]),
        (lambda: small().loss(images(), beta=-1.0), ["beta", "-1"]),
        (lambda: small().loss(images(), free_bits=-1.0), ["free_bits", "-1"]),
        (lambda: small().loss((images(), torch.zeros(5).long())), ["num_classes=None", "y"]),
        (lambda: small(num_classes=4).encode(images(), torch.full((5,), 7)), ["y=7"]),
        (
            lambda: VAE(nn.Linear(2, 5), nn.Linear(3, 2), LAW, 3).encode(torch.zeros(4, 2)),
            ["encoder", "(4, 3)", "latent_dim=3"],
        ),
        (
            lambda: VAE(nn.Linear(2, 6), nn.Linear(3, 7), LAW, 3).loss(torch.zeros(4, 2)),
            ["(4, 2)", "(4, 7)", "decodificador"],
        ),
        (lambda: small().sample(0), ["n", "0"]),
        (lambda: small().loss(torch.zeros(4)), ["x", "(B, …)", "(4,)"]),
        (lambda: small().loss(images()[:0]), ["x", "(0, 1, 28, 28)"]),
        (lambda: linear_vae(4, 1).loss((torch.zeros(2, 4), torch.zeros(2).long())), ["y"]),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: VAE(lambda x: x, nn.Linear(1, 2), LAW, 1), ["encoder", "function"]),
        (lambda: VAE(nn.Linear(2, 2), None, LAW, 1), ["decoder_net", "NoneType"]),
        (lambda: VAE(nn.Linear(2, 2), nn.Linear(1, 2), "bernoulli", 1), ["likelihood"]),
        (lambda: small().loss(images(), 4), ["generator", "beta=4"]),
        (lambda: as_ppca(small()), ["as_ppca", "MLPDecoder"]),
    ],
)
def test_los_tipos_equivocados(call, words):
    with pytest.raises(TypeError) as caught:
        call()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))
