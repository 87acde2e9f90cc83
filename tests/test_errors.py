"""Entradas equivocadas: cada una tiene su error en español, con el argumento, el valor y la salida."""

import warnings

import numpy as np
import pytest
import torch
from oracles import DATA, MODES
from torch import nn

from course_lib.diffusion import (
    DDPM,
    EDM,
    KINDS,
    METHODS,
    OU,
    VE,
    VP,
    Cosine,
    Denoiser,
    Flow,
    Prediction,
    SubVP,
    sample,
)
from course_lib.diffusion.guidance import Classifier, ClassifierFree, Threshold
from course_lib.diffusion.losses import Objective, dsm, hybrid, simple, vlb
from course_lib.diffusion.noise import noise_source
from course_lib.diffusion.times import LossAware, Uniform
from course_lib.diffusion.vlb import bits_per_dim
from course_lib.errors import choose, floating, in_range, positive_int, same_shape
from course_lib.networks import MLP, TimeEmbedding, UNet

X = torch.zeros(4, 2)
IMAGES = torch.zeros(4, 1, 28, 28)
NET = UNet(base=8, multipliers=(1, 2, 2), blocks=1, num_classes=10)


class Same(nn.Module):
    """Devuelve x: basta para llegar a los errores."""

    def forward(self, x, t, y=None):
        return x


def fails(error, call, *words):
    """El error llega, es de ese tipo y su texto contiene todas las `words`."""
    with pytest.raises(error) as info:
        call()
    for word in words:
        assert str(word) in str(info.value), f"falta «{word}» en: {info.value}"


def cases(*rows):
    """(nombre, tipo, llamada, palabras…) → parámetros de pytest con su nombre."""
    return [pytest.param(error, call, words, id=name) for name, error, call, *words in rows]


eps_flow = Denoiser(Same(), Flow(), "eps")
vp = Denoiser(Same(), VP())


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("T nulo", ValueError, lambda: DDPM.linear(0), "T", "0", "positivo"),
        ("T negativo", ValueError, lambda: DDPM.cosine(-5), "T", "-5"),
        ("T fraccionario", TypeError, lambda: DDPM.sigmoid(10.5), "T", "10.5", "entero"),
        ("beta nula", ValueError, lambda: DDPM(torch.tensor([0.1, 0.0])), "β_2", "(0, 1)"),
        ("beta de 1", ValueError, lambda: DDPM([0.5, 0.9, 1.0]), "β_3", "= 1"),
        ("beta negativa", ValueError, lambda: DDPM([-0.1]), "β_1", "-0.1"),
        ("beta NaN", ValueError, lambda: DDPM([0.1, float("nan")]), "β_2", "nan"),
        ("betas vacías", ValueError, lambda: DDPM([]), "betas", "(0,)"),
        ("betas en matriz", ValueError, lambda: DDPM(torch.full((2, 2), 0.1)), "(2, 2)"),
        ("lineal corta", ValueError, lambda: DDPM.linear(20), "T=20", "T ≥ 21", "cosine"),
        ("lineal de 1", ValueError, lambda: DDPM.linear(1), "T=1", "demasiado corta"),
        ("beta_1 fuera", ValueError, lambda: DDPM.linear(100, beta_1=0), "beta_1", "(0, 1)"),
        ("beta_T fuera", ValueError, lambda: DDPM.linear(100, beta_T=-1), "beta_T", "-1"),
        ("sigmoide al revés", ValueError, lambda: DDPM.sigmoid(9, 3, -3), "start", "3", "-3"),
        ("tau nula", ValueError, lambda: DDPM.sigmoid(9, tau=0), "tau"),
        ("beta_min nula", ValueError, lambda: VP(beta_min=0), "beta_min", "0"),
        ("beta_max menor", ValueError, lambda: SubVP(2, 1), "beta_max", "1"),
        ("sigma_min negativa", ValueError, lambda: VE(sigma_min=-1), "sigma_min", "-1"),
        ("sigma_max menor", ValueError, lambda: EDM(1, 0.5), "sigma_max", "0.5"),
        ("horizonte infinito", ValueError, lambda: OU(float("inf")), "horizon", "inf"),
        ("s mayor que 1", ValueError, lambda: Cosine(s=2), "s debe", "[0, 1]", "2"),
        ("s en texto", ValueError, lambda: Cosine(s="0.1"), "s debe", "'0.1'"),
    ),
)
def test_esquemas_mal_pedidos(error, call, words):
    """T, β y los parámetros de los esquemas."""
    fails(error, call, *words)


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("n nulo", ValueError, lambda: VP().grid(0), "n debe", "0"),
        ("n fraccionario", TypeError, lambda: VP().grid(2.5), "n debe", "2.5"),
        (
            "espaciado",
            ValueError,
            lambda: VP().grid(5, "log"),
            "spacing",
            "'log'",
            "'lambda'",
            "'rho'",
        ),
        ("t_max nulo", ValueError, lambda: VP().grid(5, t_max=0), "t_max", "(0, 1]"),
        ("t_max mayor", ValueError, lambda: DDPM.cosine(9).grid(5, t_max=1.5), "t_max", "1.5"),
        ("más pasos que T", ValueError, lambda: DDPM.cosine(100).grid(101), "101", "100", "T=100"),
        ("más pasos hasta t", ValueError, lambda: DDPM.cosine(100).grid(60, t_max=0.5), "60", "50"),
        ("k = 0", ValueError, lambda: DDPM.cosine(9).posterior(X, X, 0), "1..9", "0"),
        ("k > T", ValueError, lambda: DDPM.cosine(9).posterior(X, X, 10), "1..9", "10"),
        ("k decimal", ValueError, lambda: DDPM.cosine(9).posterior(X, X, 1.5), "entero", "1.5"),
        (
            "k de otra forma",
            ValueError,
            lambda: DDPM.cosine(9).posterior(X, X, torch.tensor([1, 2])),
            "k debe",
            "(4,)",
            "(2,)",
        ),
        (
            "x0 y x_t distintos",
            ValueError,
            lambda: DDPM.cosine(9).posterior(X, X[:1], 1),
            "x0",
            "(1, 2)",
        ),
        ("ε de otra forma", ValueError, lambda: VP().perturb(X, 0.5, X[:, :1]), "eps", "(4, 1)"),
        (
            "t de otra forma",
            ValueError,
            lambda: VP().perturb(X, torch.rand(3), X),
            "t debe",
            "(4,)",
            "(3,)",
        ),
        ("t como columna", ValueError, lambda: VP().perturb(X, torch.rand(4, 1), X), "(4, 1)"),
        ("uint8", TypeError, lambda: VP().perturb(X.byte(), 0.5, X), "uint8", "to_model"),
    ),
)
def test_rejillas_e_instantes(error, call, words):
    """Pasos, nodos, instantes y formas."""
    fails(error, call, *words)


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("método", ValueError, lambda: sample(vp, X, method="ddpm"), "method", "'ddpm'", *METHODS),
        (
            "opción ajena",
            ValueError,
            lambda: sample(vp, X, method="ddim", etta=1),
            "'etta'",
            "eta",
            "ddim",
        ),
        (
            "sin opciones",
            ValueError,
            lambda: sample(vp, X, method="euler", eta=1),
            "'eta'",
            "ninguna",
        ),
        ("opción de un paso", ValueError, lambda: sample(vp, X, method=lambda *a: X, eta=1), "eta"),
        ("eta", ValueError, lambda: sample(vp, X, eta=1.5), "eta", "1.5", "[0, 1]"),
        (
            "varianza",
            ValueError,
            lambda: sample(vp, X, method="ancestral", variance="x"),
            "'learned'",
        ),
        (
            "varianza sin aprender",
            ValueError,
            lambda: sample(vp, X, method="ancestral", variance="learned"),
            "learned_variance=True",
        ),
        (
            "predictor",
            ValueError,
            lambda: METHODS["predictor_corrector"]("otro"),
            "'otro'",
            "'heun'",
        ),
        ("snr", ValueError, lambda: METHODS["predictor_corrector"](snr=0), "snr", "0"),
        (
            "correcciones",
            ValueError,
            lambda: METHODS["predictor_corrector"](corrections=-1),
            "corrections",
            "-1",
        ),
        ("cero pasos", ValueError, lambda: sample(vp, X, 0), "steps", "0"),
        ("pasos negativos", ValueError, lambda: sample(vp, X, -3), "steps", "-3"),
        ("pasos decimales", TypeError, lambda: sample(vp, X, 3.5), "steps", "3.5"),
        (
            "pasos de más",
            ValueError,
            lambda: sample(Denoiser(Same(), DDPM.cosine(10)), X, 11),
            "steps=11",
            "T=10",
        ),
        ("espaciado", ValueError, lambda: sample(vp, X, spacing="x"), "spacing", "'x'"),
        (
            "rejilla creciente",
            ValueError,
            lambda: sample(vp, X, torch.tensor([0.0, 1.0])),
            "decrecer",
        ),
        (
            "rejilla repetida",
            ValueError,
            lambda: sample(vp, X, torch.tensor([1.0, 1.0])),
            "decrecer",
        ),
        ("rejilla fuera", ValueError, lambda: sample(vp, X, torch.tensor([2.0, 0.0])), "[0, 1]"),
        ("rejilla corta", ValueError, lambda: sample(vp, X, torch.tensor([1.0])), "dos instantes"),
        (
            "rejilla NaN",
            ValueError,
            lambda: sample(vp, X, torch.tensor([1.0, torch.nan])),
            "decrecer",
        ),
        ("rejilla 2-D", ValueError, lambda: sample(vp, X, torch.zeros(2, 2)), "rejilla"),
        ("x_T con NaN", ValueError, lambda: sample(vp, X * torch.nan), "x_T", "8", "NaN"),
        ("x_T infinito", ValueError, lambda: sample(vp, X + torch.inf), "x_T", "infinitos"),
        ("x_T entero", TypeError, lambda: sample(vp, X.long()), "x_T", "int64"),
        ("x_T no tensor", TypeError, lambda: sample(vp, [[0.0]]), "x_T", "list"),
        ("semilla", TypeError, lambda: sample(vp, X, generator="0"), "generator", "str"),
        ("semilla lógica", TypeError, lambda: noise_source(True), "generator", "bool"),
        ("y decimal", ValueError, lambda: sample(vp, X, y=torch.zeros(4)), "y debe", "float32"),
        (
            "y int32",
            ValueError,
            lambda: sample(vp, X, y=torch.zeros(4, dtype=torch.int32)),
            "int32",
        ),
        ("y corta", ValueError, lambda: sample(vp, X, y=torch.zeros(3).long()), "(4,)", "(3,)"),
        ("y lista", ValueError, lambda: sample(vp, X, y=[0, 1, 2, 3]), "y debe", "[0, 1, 2, 3]"),
        ("y = clase suelta", ValueError, lambda: sample(vp, X, y=3), "y debe", "3"),
    ),
)
def test_muestreo_mal_pedido(error, call, words):
    """Método, opciones, pasos, rejilla, x_T, semilla y clases."""
    fails(error, call, *words)


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("tipo", ValueError, lambda: Denoiser(Same(), VP(), "noise"), "kind", "'noise'", *KINDS),
        (
            "tipo de salida",
            ValueError,
            lambda: Prediction.from_output("x", X, X, 0.5, VP()),
            "kind",
            "'x'",
            "'velocity'",
        ),
        ("esquema en texto", TypeError, lambda: Denoiser(Same(), "VP"), "schedule", "str"),
        ("esquema sin crear", TypeError, lambda: Denoiser(Same(), VP), "schedule"),
        (
            "red con otros canales",
            ValueError,
            lambda: Denoiser(Same(), VP(), learned_variance=True)(IMAGES, 0.5),
            "(4, 1, 28, 28)",
            "2 canales",
        ),
        ("t de otra longitud", ValueError, lambda: vp(X, torch.rand(2)), "t debe", "(4,)"),
        (
            "SNR nula con ε",
            ValueError,
            lambda: eps_flow(X, 1.0),
            'kind="eps"',
            "t=1",
            "SNR nula",
            "t_max",
        ),
        ("SNR nula al muestrear", ValueError, lambda: sample(eps_flow, X, 5), "Flow()", "α = 0"),
        (
            "SNR nula con score",
            ValueError,
            lambda: sample(Denoiser(Same(), Cosine(), "score"), X, 5),
            'kind="score"',
        ),
        (
            "SDE singular",
            ValueError,
            lambda: sample(DATA.denoiser(Flow()), X, 5, "euler_maruyama"),
            "Flow()",
            "t=1",
            "t_max=0.99",
        ),
        (
            "SDE casi singular",
            ValueError,
            lambda: sample(DATA.denoiser(DDPM.cosine(1000)), X, 50, "euler_maruyama"),
            "t=1",
            "h=0.02",
            "más pasos",
        ),
        (
            "cota en continuo",
            ValueError,
            lambda: vlb(MODES.denoiser(VP()), X[:, :1], torch.full((4,), 0.5), X[:, :1]),
            "DDPM",
            "VP(",
        ),
    ),
)
def test_denoiser_mal_usado(error, call, words):
    """Tipos de predicción, SNR nula, SDE singular y formas de la red."""
    fails(error, call, *words)


def test_lo_que_se_aconseja_funciona():
    """Las salidas que proponen los mensajes (otra rejilla, otro tipo, más pasos) sirven de verdad."""
    cut = Flow().grid(5, t_max=0.99)
    assert torch.isfinite(sample(eps_flow, X + 1, cut)).all()
    assert torch.isfinite(sample(Denoiser(Same(), Flow(), "v"), X + 1, 5)).all()
    for schedule in (Flow(), Cosine(), DDPM.cosine(1000), DDPM.sigmoid(1000)):
        grid = schedule.grid(60, t_max=0.99)
        out = sample(DATA.denoiser(schedule), X.double() + 1, grid, "euler_maruyama", generator=0)
        assert out.abs().max() < 6
    full = DDPM.cosine(300)
    assert sample(DATA.denoiser(full), X + 1, 300, "euler_maruyama", generator=0).abs().max() < 6


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
