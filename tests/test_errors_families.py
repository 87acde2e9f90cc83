"""Entradas equivocadas en los VAE y las GAN: cada una tiene su error en español y su remedio."""

import math

import pytest
import torch
from bad_input import cases, fails
from tiny_training import assert_same_bits, saved_step, un_hilo  # noqa: F401  (se aplica sola)
from torch import nn

from course_lib.adversarial import AdversarialTrainer
from course_lib.latent import (
    PPCA,
    VAE,
    BernoulliLikelihood,
    DiscreteLikelihood,
    GaussianLikelihood,
    linear_vae,
    objective,
)
from course_lib.latent.elbo import ELBO
from course_lib.networks import (
    ConvDecoder,
    ConvEncoder,
    Discriminator,
    Generator,
    LinearEncoder,
    MLPDecoder,
    MLPEncoder,
)
from course_lib.training import DivergenceError, Trainer

SHAPE = (1, 4, 4)


def levels(n: int = 6) -> torch.Tensor:
    """Imágenes (n, 1, 4, 4) cuantizadas: 256 niveles en [-1, 1]."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, *SHAPE), generator=generator) / 127.5 - 1


def vae(law=None, shape=SHAPE, outputs=None, latent_dim=2) -> VAE:
    torch.manual_seed(0)
    law = law or GaussianLikelihood()
    decoder = MLPDecoder(2, shape, outputs or law.outputs_per_value, hidden=8)
    return VAE(MLPEncoder(SHAPE, 2, hidden=8), decoder, law, latent_dim)


# --- latent_dim -----------------------------------------------------------------------------------

BUILDERS = {
    "VAE": lambda m: VAE(nn.Linear(2, 2), nn.Linear(1, 2), GaussianLikelihood(), m),
    "linear_vae": lambda m: linear_vae(3, m),
    "LinearEncoder": lambda m: LinearEncoder(3, m),
    "MLPEncoder": lambda m: MLPEncoder(SHAPE, m),
    "MLPDecoder": lambda m: MLPDecoder(m, SHAPE),
    "ConvEncoder": ConvEncoder,
    "ConvDecoder": ConvDecoder,
    "Generator": Generator,
    "AdversarialTrainer": lambda m: play(latent_dim=m),
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@pytest.mark.parametrize(("bad", "error"), [(0, ValueError), (-2, ValueError), (2.0, TypeError)])
def test_latent_dim_es_un_entero_positivo(build, bad, error):
    fails(error, lambda: build(bad), "latent_dim", "entero positivo", bad)


@pytest.mark.parametrize(("bad", "error"), [(0, ValueError), (-2, ValueError), (2.0, TypeError)])
@pytest.mark.parametrize("fit", [PPCA.fit, PPCA.fit_em])
def test_la_dimension_de_la_ppca_tambien(fit, bad, error):
    fails(error, lambda: fit(torch.randn(9, 4), bad), "dim", "entero positivo", bad)


# --- decodificador y datos que no encajan ---------------------------------------------------------

UNIT = (levels() + 1) / 2


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        (
            "Bernoulli en [-1, 1]",
            ValueError,
            lambda: vae(BernoulliLikelihood()).loss(levels()),
            "BernoulliLikelihood",
            "[0, 1]",
            "(x + 1) / 2",
            "GaussianLikelihood",
        ),
        (
            "Bernoulli un poco fuera",
            ValueError,
            lambda: vae(BernoulliLikelihood()).loss(UNIT * 1.01),
            "[0, 1]",
            f"{UNIT.max() * 1.01:g}",
        ),
        (
            "Bernoulli con enteros",
            TypeError,
            lambda: vae(BernoulliLikelihood()).loss((UNIT > 0.5).byte()),
            "coma flotante",
            "uint8",
        ),
        (
            "Discrete en [0, 1]",
            ValueError,
            lambda: vae(DiscreteLikelihood()).loss(UNIT),
            "DiscreteLikelihood",
            "256 niveles",
            "to_model",
        ),
        (
            "Discrete con ruido",
            ValueError,
            lambda: vae(DiscreteLikelihood()).loss(0.99 * levels()),
            "cuantizadas",
        ),
        (
            "Discrete en [0, 255]",
            ValueError,
            lambda: vae(DiscreteLikelihood()).loss(127.5 * (levels() + 1)),
            "cuantizadas",
            f"a {127.5 * (levels().max() + 1):g}",
        ),
        (
            "datos con NaN",
            ValueError,
            lambda: vae().loss(levels() * math.nan),
            "x",
            "NaN",
        ),
        (
            "otra forma de datos",
            ValueError,
            lambda: vae().loss(torch.zeros(3, 1, 5, 4)),
            "(B, 1, 4, 4)",
            "(3, 1, 5, 4)",
        ),
        (
            "decodificador de otra forma",
            ValueError,
            lambda: vae(shape=(1, 4, 5)).loss(levels()),
            "decodificador",
            "(6, 1, 4, 4)",
            "(6, 1, 4, 5)",
        ),
        (
            "falta la desviación",
            ValueError,
            lambda: vae(DiscreteLikelihood("output"), outputs=1).loss(levels()),
            "2 por valor",
            "(6, 2, 4, 4)",
        ),
        (
            "sobra la desviación",
            ValueError,
            lambda: vae(DiscreteLikelihood("shared"), outputs=2).loss(levels()),
            "1 por valor",
            "(6, 2, 4, 4)",
        ),
        (
            "latent_dim que no es la del codificador",
            ValueError,
            lambda: vae(latent_dim=3).loss(levels()),
            "encoder",
            "latent_dim=3",
            "(6, 2)",
        ),
        ("z de otra dimensión", ValueError, lambda: vae().decode(torch.zeros(1, 3)), "(B, 2)"),
        ("β negativa", ValueError, lambda: vae().loss(levels(), beta=-0.5), "beta", "-0.5"),
        ("β infinita", ValueError, lambda: vae().loss(levels(), beta=math.inf), "beta", "inf"),
        (
            "free_bits negativo",
            ValueError,
            lambda: vae().loss(levels(), free_bits=-1),
            "free_bits",
            "-1",
        ),
        (
            "β negativa en objective",
            ValueError,
            lambda: objective(ELBO(torch.zeros(2), torch.ones(2)), beta=-1),
            "beta",
            "-1",
        ),
    ),
)
def test_decodificador_y_datos_que_no_encajan(error, call, words):
    fails(error, call, *words)


@pytest.mark.parametrize(
    ("law", "good"), [(BernoulliLikelihood, UNIT), (DiscreteLikelihood, levels())]
)
def test_los_datos_buenos_pasan_y_los_malos_no_tocan_los_pesos(law, good):
    """Un `Trainer` con datos que la ley no admite se para antes del primer paso."""
    bad = levels() if law is BernoulliLikelihood else UNIT
    options = {"batch_size": 3, "steps": 2, "progress": False, "cpu": True}
    model = vae(law())
    with pytest.raises(ValueError, match=law.__name__):
        Trainer(model, VAE.loss, bad, **options).fit()
    for ours, fresh in zip(model.parameters(), vae(law()).parameters(), strict=True):
        assert torch.equal(ours, fresh)
    assert Trainer(model, VAE.loss, good, **options).fit().step == 2


# --- una GAN que diverge --------------------------------------------------------------------------


def points(n: int = 40) -> torch.Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(3))


def play(folder=None, generator=None, data=None, discriminator=None, **options):
    torch.manual_seed(1)
    nets = generator or nn.Linear(2, 2), discriminator or nn.Linear(2, 1)
    defaults = {"batch_size": 8, "steps": 12, "lr": 1e-2, "latent_dim": 2, "progress": False}
    defaults |= {"loss": "wasserstein", "checkpoint_dir": folder, "cpu": True}
    return AdversarialTrainer(*nets, points() if data is None else data, **defaults | options)


def runaway(trainer) -> None:
    """En el paso 8 la tasa del discriminador es absurda: sus pesos rondan 1e19, todavía finitos,
    y en el 9 el cuadrado de la pendiente ya no cabe en float32."""
    if trainer.step == 7:
        trainer._discriminator_warmup.base = [1e19]


def test_una_gan_que_diverge_se_para_y_se_retoma_del_ultimo_punto_bueno(tmp_path):
    trainer = play(tmp_path, r1=0.1, checkpoint_every=3, callbacks=[runaway])
    with pytest.raises(DivergenceError) as caught:
        trainer.fit()
    assert trainer.step == 8
    for text in ("Divergió el discriminador", "paso 9", str(tmp_path), "discriminator_lr"):
        assert text in str(caught.value), str(caught.value)
    # En memoria ya hay pesos desbocados; el disco conserva los de antes, completos.
    assert max(p.abs().max().item() for p in trainer.discriminator.parameters()) > 1e18
    assert saved_step(tmp_path) == 6
    again = play(tmp_path, r1=0.1, checkpoint_every=3)
    assert again.resume() and again.step == 6
    again.fit()
    clean = play(r1=0.1).fit()
    assert_same_bits(again, clean)
    assert again.discriminator_history == clean.discriminator_history
    assert all(p.isfinite().all() for p in again.discriminator.parameters())


# --- lotes de uno con BatchNorm -------------------------------------------------------------------


def convolutional(**options):
    images = torch.rand(9, 1, 8, 8, generator=torch.Generator().manual_seed(2)) * 2 - 1
    nets = {
        "generator": Generator(2, size=8, base=2),
        "discriminator": Discriminator(size=8, base=2),
    }
    return play(data=images, latent_dim=None, **nets, **options)


def test_el_generador_no_se_entrena_con_un_lote_de_uno():
    net = Generator(3, size=8, base=2)
    fails(ValueError, lambda: net(torch.zeros(1, 3)), "lote de uno", "BatchNorm", "batch_size ≥ 2")
    assert net(torch.randn(2, 3)).shape == (2, 1, 8, 8)
    assert net.eval()(torch.zeros(1, 3)).shape == (1, 1, 8, 8)


@pytest.mark.parametrize("normalization", [nn.BatchNorm1d, nn.SyncBatchNorm])
def test_el_juego_rechaza_al_empezar_un_lote_de_uno_con_batchnorm(normalization):
    """También con redes propias, cuyo error de torch llegaría tarde y en inglés."""

    def own():
        return nn.Sequential(nn.Linear(2, 4), normalization(4), nn.Linear(4, 2))

    words = "batch_size=1", "lote de uno", "BatchNorm", "batch_size ≥ 2"
    fails(ValueError, lambda: play(generator=own(), batch_size=1), *words)
    fails(ValueError, lambda: convolutional(batch_size=1), *words)
    assert play(generator=own(), batch_size=2).step == 0
    assert play(batch_size=1).fit(3).step == 3  # sin BatchNorm no hay nada que objetar


def test_nunca_hay_un_ultimo_lote_de_uno():
    """Nueve imágenes en lotes de 8 dejarían uno suelto: se completa con la época siguiente."""
    game, seen = convolutional(steps=4), []
    game.model.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    assert game.fit().step == 4
    assert set(seen) == {8} and len(seen) == 8  # dos lotes de muestras por paso
