"""Las leyes del decodificador contra torch.distributions y contra sumas exactas."""

import math

import pytest
import torch
from latent_models import F64, seeded
from torch import nn
from torch.distributions import Bernoulli, Normal

from course_lib.latent import (
    VAE,
    BernoulliLikelihood,
    DiscreteLikelihood,
    GaussianLikelihood,
)
from course_lib.networks import MLPDecoder, MLPEncoder

SHAPE = (3, 1, 4, 5)
LEVELS = torch.linspace(-1, 1, 256, dtype=F64)


def noise(seed: int, channels: int = 1) -> torch.Tensor:
    return torch.randn(3, channels, 4, 5, dtype=F64, generator=seeded(seed))


def test_bernoulli_es_la_de_torch_y_no_se_desborda():
    logits, law = 3 * noise(0), BernoulliLikelihood()
    x = (noise(1) > 0).double()
    expected = Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(law.log_prob(law.check(x), logits), expected, rtol=1e-12, atol=0)
    gray = torch.sigmoid(noise(2))
    bce = nn.functional.binary_cross_entropy_with_logits(logits, gray, reduction="none")
    torch.testing.assert_close(law.log_prob(gray, logits), -bce.flatten(1).sum(1))
    extreme = law.log_prob(1 - x, (2 * x - 1) * 1e4)
    torch.testing.assert_close(extreme, torch.full((3,), -20e4, dtype=F64))
    torch.testing.assert_close(law.mean(logits), torch.sigmoid(logits))


def test_las_muestras_de_bernoulli_tienen_su_media():
    logits, n = noise(3)[:1], 20_000
    x = BernoulliLikelihood().sample(logits.expand(n, -1, -1, -1), seeded(0))
    p = torch.sigmoid(logits[0])
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert ((x.mean(0) - p).abs() < 4.5 * (p * (1 - p) / n).sqrt()).all()


def test_gaussiana_fija_comun_y_por_valor_contra_torch():
    x, mean = noise(0), noise(1)
    fixed, shared = GaussianLikelihood(0.3), GaussianLikelihood("shared").double()
    with torch.no_grad():
        shared.log_std.fill_(-0.7)
    own = GaussianLikelihood("output", min_std=0.2)
    log_std = noise(2)
    cases = [
        (fixed, mean, torch.tensor(0.3, dtype=F64)),
        (shared, mean, torch.tensor(1e-6 + math.exp(-1.4), dtype=F64).sqrt()),
        (own, torch.cat([mean, log_std], 1), (0.04 + (2 * log_std).exp()).sqrt()),
    ]
    for law, output, std in cases:
        expected = Normal(mean, std).log_prob(x).flatten(1).sum(1)
        torch.testing.assert_close(law.log_prob(x, output), expected, rtol=1e-12, atol=1e-12)
        assert torch.equal(law.mean(output), mean)
    assert [len(list(law.parameters())) for law, *_ in cases] == [0, 1, 0]
    assert [law.outputs_per_value for law, *_ in cases] == [1, 1, 2]


def test_las_muestras_gaussianas_tienen_su_desviacion():
    n, law = 20_000, GaussianLikelihood("output")
    output = torch.cat([noise(0), noise(1)], 1)[:1]
    x = law.sample(output.expand(n, -1, -1, -1), seeded(0))
    mean, std = law.moments(output)
    assert ((x.mean(0) - mean[0]).abs() < 4.5 * std[0] / math.sqrt(n)).all()
    assert ((x.std(0) / std[0] - 1).abs() < 4.5 / math.sqrt(2 * n)).all()


def test_el_suelo_impide_que_la_verosimilitud_crezca_sin_cota():
    x, law = torch.zeros(1, 1, dtype=F64), GaussianLikelihood("output", min_std=0.01)
    values = [law.log_prob(x, torch.tensor([[0.0, s]], dtype=F64)).item() for s in (-5, -50, -500)]
    top = -math.log(0.01) - 0.5 * math.log(2 * math.pi)
    assert values[1] == pytest.approx(top, rel=1e-12) == values[2] and values[0] < top


@pytest.mark.parametrize(("mean", "std"), [(0.2, 0.1), (-1.3, 0.4), (0.99, 0.002), (5.0, 2.0)])
def test_las_256_probabilidades_de_la_discreta_suman_uno(mean, std):
    law = DiscreteLikelihood(std)
    x = law.check(LEVELS[:, None])
    log_p = law.log_prob(x, torch.full_like(x, mean))
    assert log_p.exp().sum().item() == pytest.approx(1, rel=1e-9)
    # dentro, la masa de la casilla; en los extremos, la cola entera
    edges = torch.cat([LEVELS - 1 / 255, LEVELS[-1:] + 1 / 255])
    edges[0], edges[-1] = -math.inf, math.inf
    mass = torch.special.ndtr((edges - mean) / std).diff()
    big = mass > 1e-9
    torch.testing.assert_close(log_p.exp()[big], mass[big], rtol=1e-5, atol=0)


@pytest.mark.parametrize("std", ["shared", "output"])
def test_el_gradiente_de_la_discreta_es_finito_en_los_extremos_y_el_numerico(std):
    law = DiscreteLikelihood(std).double()
    x = torch.tensor([[-1.0, 1.0, LEVELS[130], LEVELS[7]]], dtype=F64)
    output = 0.5 * torch.randn(1, 4 * law.outputs_per_value, dtype=F64, generator=seeded(1))
    output.requires_grad_()
    assert torch.autograd.gradcheck(lambda o: law.log_prob(x, o), output, eps=1e-6, atol=1e-5)
    law.log_prob(x, output).sum().backward()
    assert torch.isfinite(output.grad).all()
    assert all(torch.isfinite(p.grad) for p in law.parameters())


def test_las_muestras_discretas_estan_en_la_red_de_256_valores():
    law = DiscreteLikelihood(0.5)
    x = law.sample(noise(0), seeded(0))
    assert torch.equal(law.check(x), x) and x.shape == SHAPE
    assert x.min() == -1 and x.max() == 1  # con s = 0.5, algunas colas
    assert law.mean(5 * noise(0)).abs().max() == 1


@pytest.mark.parametrize(
    "law",
    [BernoulliLikelihood(), GaussianLikelihood("output"), DiscreteLikelihood("output")],
    ids=lambda law: type(law).__name__,
)
def test_cada_ley_se_ajusta_dentro_de_un_vae(law):
    x = torch.where(noise(0) > 0, 1.0, 0.0).float()
    torch.manual_seed(0)
    decoder = MLPDecoder(2, SHAPE[1:], law.outputs_per_value, hidden=16)
    vae = VAE(MLPEncoder(SHAPE[1:], 2, hidden=16), decoder, law, 2)
    if isinstance(law, DiscreteLikelihood):
        x = 2 * x - 1
    optimizer, generator, losses = torch.optim.Adam(vae.parameters(), 1e-2), seeded(0), []
    for _ in range(60):
        optimizer.zero_grad()
        loss = vae.loss(x, generator)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1
    assert vae.sample(4, seeded(0)).shape == vae.sample(4, mean=True).shape == (4, *SHAPE[1:])
    law.check(vae.sample(4, seeded(0)))


# --- errores --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: BernoulliLikelihood().check(noise(0)), ["[0, 1]", "(x + 1) / 2"]),
        (lambda: BernoulliLikelihood().check(torch.tensor([[1.01]])), ["[0, 1]", "1.01"]),
        (lambda: BernoulliLikelihood().check(torch.tensor([[math.nan]])), ["x", "NaN"]),
        (lambda: DiscreteLikelihood().check(noise(0)), ["256", "to_model"]),
        (lambda: DiscreteLikelihood().check(torch.tensor([[0.0]])), ["256"]),
        (lambda: GaussianLikelihood(0.0), ["std", "0"]),
        (lambda: GaussianLikelihood(-1.0), ["std", "-1"]),
        (lambda: GaussianLikelihood("otra"), ["std", "otra", "shared", "output"]),
        (lambda: GaussianLikelihood("shared", min_std=-1.0), ["min_std", "-1"]),
        (
            lambda: GaussianLikelihood("output").log_prob(noise(0), noise(1)),
            ["(3, 2, 4, 5)", "(3, 1, 4, 5)", "2 por valor"],
        ),
        (
            lambda: BernoulliLikelihood().log_prob(noise(0), noise(1, 2)),
            ["(3, 1, 4, 5)", "(3, 2, 4, 5)"],
        ),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


def test_los_enteros_no_son_datos():
    with pytest.raises(TypeError, match="coma flotante"):
        BernoulliLikelihood().check(torch.ones(2, 3, dtype=torch.uint8))
