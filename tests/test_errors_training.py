"""Entradas equivocadas en pérdidas, guías y redes; y las comprobaciones de `errors.py`."""

import warnings

import numpy as np
import pytest
import torch
from bad_input import IMAGES, NET, Same, X, cases, fails, vp
from torch import nn

from course_lib.diffusion import DDPM, VP, Denoiser, sample
from course_lib.diffusion.guidance import Classifier, ClassifierFree, Threshold
from course_lib.diffusion.losses import Objective, dsm, hybrid, simple
from course_lib.diffusion.times import LossAware, Uniform
from course_lib.diffusion.vlb import bits_per_dim
from course_lib.errors import choose, floating, in_range, positive_int, same_shape
from course_lib.networks import MLP, TimeEmbedding, UNet


def losses_of(loss, **options):
    return lambda: loss(Denoiser(Same(), DDPM.cosine(50)), X, torch.full((4,), 0.5), X, **options)


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("peso", ValueError, losses_of(simple, weight="snr"), "weight", "'snr'", "'min_snr'"),
        ("peso de dsm", ValueError, losses_of(dsm, weight="eps"), "weight", "'sigma2'", "'g2'"),
        ("peso negativo", ValueError, losses_of(hybrid, vlb_weight=-1), "vlb_weight", "-1"),
        ("híbrida sin varianza", ValueError, losses_of(hybrid), "learned_variance=True"),
        (
            "olvido mayor que 1",
            ValueError,
            lambda: Objective(label_drop=2, null_class=3),
            "label_drop",
        ),
        ("olvido sin nula", ValueError, lambda: Objective(label_drop=0.1), "null_class"),
        ("datos enteros", TypeError, lambda: Objective()(vp, X.byte()), "x0", "uint8", "to_model"),
        (
            "datos con NaN",
            ValueError,
            lambda: Objective()(vp, X + torch.nan),
            "x0",
            "8 valores NaN",
        ),
        ("tramos de más", ValueError, lambda: LossAware(9)(DDPM.cosine(8), 3), "bins=9", "8 pasos"),
        ("tramos nulos", ValueError, lambda: LossAware(0), "bins", "0"),
        ("historia", TypeError, lambda: LossAware(history=1.0), "history", "1.0"),
        (
            "imagen sin cuantizar",
            ValueError,
            lambda: bits_per_dim(Denoiser(Same(), DDPM.cosine(9)), IMAGES + 0.1234),
            "256 niveles",
            "0.1234",
        ),
        (
            "imagen en [0, 255]",
            ValueError,
            lambda: bits_per_dim(Denoiser(Same(), DDPM.cosine(9)), IMAGES + 255),
            "[-1, 1]",
            "255",
        ),
        (
            "imagen con NaN",
            ValueError,
            lambda: bits_per_dim(Denoiser(Same(), DDPM.cosine(9)), IMAGES * float("nan")),
            "x0",
            "NaN",
        ),
    ),
)
def test_perdidas_mal_pedidas(error, call, words):
    """Pesos, opciones y datos de las pérdidas."""
    fails(error, call, *words)


def test_avisa_si_las_imagenes_parecen_estar_en_0_255():
    """Con valores de [0, 255] se avisa, y con imágenes de [-1, 1] o puntos cualesquiera, no."""
    with pytest.warns(UserWarning, match=r"llega a 200.*\[0, 255\].*\[-1, 1\].*to_model"):
        Objective()(vp, IMAGES + 200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Objective()(vp, IMAGES + 1)
        Objective()(vp, X + 200)


class Logits(nn.Module):
    def forward(self, x, t):
        return x[:, :2]


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("escala negativa", ValueError, lambda: ClassifierFree(vp, -1), "scale", "-1"),
        ("escala NaN", ValueError, lambda: Classifier(vp, Logits(), float("nan")), "scale", "nan"),
        ("sin y", ValueError, lambda: ClassifierFree(vp, 2)(X, 0.5), "falta y"),
        (
            "sin y, con clasificador",
            ValueError,
            lambda: Classifier(vp, Logits(), 2)(X, 0.5),
            "falta y",
        ),
        (
            "y que no es clase",
            ValueError,
            lambda: Classifier(vp, Logits(), 2)(X, 0.5, y=torch.tensor([0, 1, 2, 0])),
            "entre 0 y 1",
            "[0, 1, 2, 0]",
        ),
        (
            "y negativa",
            ValueError,
            lambda: Classifier(vp, Logits(), 2)(X, 0.5, y=torch.tensor([0, -1, 1, 0])),
            "entre 0 y 1",
        ),
        ("y decimal", ValueError, lambda: Classifier(vp, Logits(), 2)(X, 0.5, y=X[:, 0]), "int64"),
        ("recorte", ValueError, lambda: Threshold(vp, "fixed"), "method", "'fixed'", "'dynamic'"),
        ("cuantil", ValueError, lambda: Threshold(vp, quantile=0), "quantile", "0"),
    ),
)
def test_guias_mal_pedidas(error, call, words):
    """Escalas, clases y recortes."""
    fails(error, call, *words)


T4 = torch.rand(4)


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("lado no divisible", ValueError, lambda: UNet(size=30), "size=30", "4", "28", "32"),
        ("lado muy corto", ValueError, lambda: UNet(size=2), "size=2", "4"),
        ("lado nulo", ValueError, lambda: UNet(size=0), "size", "0"),
        (
            "atención imposible",
            ValueError,
            lambda: UNet(attention=(16,)),
            "attention=16",
            "[28, 14, 7]",
        ),
        ("atención suelta", TypeError, lambda: UNet(attention=7), "attention", "(7,)"),
        ("canales nulos", ValueError, lambda: UNet(channels=0), "channels", "0"),
        ("base impar", ValueError, lambda: UNet(base=9), "base", "par", "9"),
        ("base decimal", TypeError, lambda: UNet(base=8.0), "base", "8.0"),
        ("sin niveles", ValueError, lambda: UNet(multipliers=(), attention=()), "multipliers", "0"),
        (
            "multiplicador nulo",
            ValueError,
            lambda: UNet(multipliers=(1, 0, 2)),
            "multipliers[1]",
            "0",
        ),
        ("bloques nulos", ValueError, lambda: UNet(blocks=0), "blocks", "0"),
        ("dropout", ValueError, lambda: UNet(dropout=1.5), "dropout", "1.5"),
        ("cero clases", ValueError, lambda: UNet(num_classes=0), "num_classes", "0"),
        (
            "otro lado",
            ValueError,
            lambda: NET(torch.zeros(4, 1, 32, 32), T4),
            "(B, 1, 28, 28)",
            "32",
        ),
        ("otros canales", ValueError, lambda: NET(torch.zeros(4, 3, 28, 28), T4), "(4, 3, 28, 28)"),
        ("sin lote", ValueError, lambda: NET(torch.zeros(1, 28, 28), T4), "(1, 28, 28)"),
        (
            "y mayor",
            ValueError,
            lambda: NET(IMAGES, T4, torch.tensor([0, 1, 11, 2])),
            "y=11",
            "0 a 9",
            "10",
        ),
        (
            "y negativa",
            ValueError,
            lambda: NET(IMAGES, T4, torch.tensor([0, -1, 1, 2])),
            "y=-1",
            "0 a 9",
        ),
        ("y corta", ValueError, lambda: NET(IMAGES, T4, torch.tensor([1])), "(4,)", "(1,)"),
        ("y decimal", ValueError, lambda: NET(IMAGES, T4, torch.zeros(4)), "int64", "float32"),
        (
            "y sin clases",
            ValueError,
            lambda: UNet(base=8, blocks=1)(IMAGES, T4, torch.zeros(4).long()),
            "num_classes=None",
        ),
        (
            "clase al muestrear",
            ValueError,
            lambda: sample(Denoiser(NET, VP()), IMAGES, 2, y=torch.full((4,), 12)),
            "y=12",
            "0 a 9",
        ),
        (
            "MLP sin clases",
            ValueError,
            lambda: MLP(2)(X, T4, torch.zeros(4).long()),
            "num_classes=None",
        ),
        (
            "MLP y",
            ValueError,
            lambda: MLP(2, num_classes=3)(X, T4, torch.full((4,), 4)),
            "y=4",
            "0 a 2",
        ),
        ("MLP capas", ValueError, lambda: MLP(depth=0), "depth", "0"),
        ("código impar", ValueError, lambda: TimeEmbedding(7), "par", "7"),
    ),
)
def test_redes_mal_pedidas(error, call, words):
    """Lados, atención, canales y clases."""
    fails(error, call, *words)


def test_las_comprobaciones_aceptan_lo_valido():
    """Lo válido pasa tal cual, también los números de NumPy."""
    assert choose("x", "a", {"a": 1, "b": 2}) == "a"
    assert positive_int("n", np.int64(3)) == 3 and type(positive_int("n", np.int64(3))) is int
    assert in_range("x", np.float32(0.5), 0, 1) == 0.5
    assert floating("x", X) is X and same_shape("a", X, "b", X) is X
    assert VP().grid(np.int64(4)).shape == (5,)
    assert sample(vp, X, np.int64(3)).shape == X.shape
    assert Uniform()(DDPM.cosine(5), 3)[0].shape == (3,)


@pytest.mark.parametrize("value", [True, "3", None, 2.0])
def test_lo_que_no_es_un_entero(value):
    """Ni lógicos, ni textos, ni None, ni decimales valen por un entero."""
    fails(TypeError, lambda: positive_int("pasos", value), "pasos", repr(value))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.5", None])
def test_lo_que_no_esta_en_el_intervalo(value):
    """El mensaje dice el intervalo, con sus extremos abiertos o cerrados, y el valor."""
    fails(ValueError, lambda: in_range("p", value, 0, 1, open_low=True), "p", "(0, 1]", repr(value))
