"""Entradas equivocadas: cada una tiene su error en español, con el argumento, el valor y la salida."""

import pytest
import torch
from bad_input import IMAGES, NET, Same, Twice, X, cases, eps_flow, fails, vp
from oracles import DATA, MODES

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
from course_lib.diffusion.losses import simple, vlb
from course_lib.diffusion.vlb import bits_per_dim
from course_lib.networks import MLP
from course_lib.noise import noise_source


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
        (
            "beta_T de 1.5",
            ValueError,
            lambda: DDPM.linear(100, beta_T=1.5),
            "beta_T",
            "1.5",
            "(0, 1)",
        ),
        (
            "sigmoide de principio plano",
            ValueError,
            lambda: DDPM.sigmoid(1000, start=-6, tau=0.1),
            "β_1 = 0",
            "subir tau",
            "start",
        ),
        (
            "sigmoide de final plano",
            ValueError,
            lambda: DDPM.sigmoid(1000, end=6, tau=0.1),
            "β_710 = 0",
            "subir tau",
            "end",
        ),
        ("sigmoide 0/0", ValueError, lambda: DDPM.sigmoid(5, end=6, tau=0.1), "nan", "subir tau"),
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
        (
            "más pasos desde t",
            ValueError,
            lambda: DDPM.cosine(100).grid(60, t_max=0.8, t_min=0.25),
            "60",
            "55",
            "de t=0.25 hasta t=0.8",
        ),
        ("t_min mayor", ValueError, lambda: VP().grid(5, t_max=0.2, t_min=0.3), "t_min", "0.3"),
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
        (
            "k en vez de t",
            ValueError,
            lambda: VP().perturb(X, torch.tensor([1.0, 30.0, 60.0, 100.0]), X),
            "[0, 1]",
            "100",
            "k/T",
        ),
        ("t = 500", ValueError, lambda: DDPM.cosine(1000).at(500, X), "500", "k/T"),
        ("t negativo", ValueError, lambda: Flow().perturb(X, -0.1, X), "t debe", "-0.1"),
        ("t NaN", ValueError, lambda: VP().at(float("nan"), X), "t debe", "nan"),
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
            "varianza de la cota",
            ValueError,
            lambda: vlb(
                Denoiser(Same(), DDPM.cosine(9)), X, torch.full((4,), 1 / 3), X, variance="peque"
            ),
            "variance='peque'",
            "'small'",
        ),
        (
            "varianza de bits_per_dim",
            ValueError,
            lambda: bits_per_dim(
                Denoiser(Twice(), DDPM.cosine(9), learned_variance=True),
                2 * X - 1,
                variance="Small",
            ),
            "variance='Small'",
            "'small'",
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
            "rejilla y espaciado",
            ValueError,
            lambda: sample(vp, X, VP().grid(4), spacing="lambda"),
            "spacing='lambda'",
            "rejilla",
            "grid(n, spacing)",
        ),
        ("red suelta", TypeError, lambda: sample(Same(), X), "denoiser", "Same", "Denoiser(net,"),
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
        ("el paso k", ValueError, lambda: vp(X, 50), "t debe", "50", "k/T"),
        (
            "el paso k en la pérdida",
            ValueError,
            lambda: simple(vp, X, torch.tensor([1, 30, 60, 100]), X),
            "t debe",
            "100",
        ),
        ("imagen uint8", TypeError, lambda: vp(X.byte(), 0.5), "x_t", "uint8", "to_model"),
        (
            "SNR nula en un ejemplo",
            ValueError,
            lambda: eps_flow(X, torch.tensor([0.5, 1.0, 0.2, 0.3])),
            'kind="eps"',
            "t=1",
        ),
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


@pytest.mark.parametrize(
    ("error", "call", "words"),
    cases(
        ("t escalar", ValueError, lambda: NET(IMAGES, torch.tensor(0.5)), "t debe", "(4,)", "()"),
        ("t de uno", ValueError, lambda: NET(IMAGES, torch.ones(1)), "t debe", "(4,)", "(1,)"),
        ("t en la MLP", ValueError, lambda: MLP()(X, torch.ones(1)), "t debe", "(4,)", "(1,)"),
        (
            "float64 en una red float32",
            TypeError,
            lambda: NET(IMAGES.double(), torch.ones(4)),
            "float64",
            "float32",
            "x.float()",
        ),
    ),
)
def test_redes_mal_llamadas(error, call, words):
    """Un instante por ejemplo y la precisión de los pesos."""
    fails(error, call, *words)


def test_un_esquema_propio_se_nombra_en_los_errores():
    """Un atributo que no es un número no tapa el error verdadero."""

    class Named(Flow):
        def __init__(self):
            self.label, self.scale, self.table = "mío", 2.0, torch.ones(2)

    fails(ValueError, lambda: Denoiser(Same(), Named())(X, 1.0), "label='mío'", "scale=2", "SNR")


def test_lo_que_se_aconseja_funciona():
    """Las salidas que proponen los mensajes (otra rejilla, otro tipo, más pasos) sirven de verdad."""
    cut = Flow().grid(5, t_max=0.99)
    assert torch.isfinite(sample(eps_flow, X + 1, cut)).all()
    assert torch.isfinite(sample(Denoiser(Same(), Flow(), "v"), X + 1, 5)).all()
    for schedule in (Flow(), Cosine(), DDPM.cosine(1000), DDPM.sigmoid(1000)):
        grid = schedule.grid(60, t_max=0.99)
        out = sample(DATA.denoiser(schedule), X.double() + 1, grid, "euler_maruyama", generator=0)
        assert out.abs().max() < 6
    assert DDPM.sigmoid(1000, start=-6, end=6, tau=1).T == 1000
    full = DDPM.cosine(300)
    assert sample(DATA.denoiser(full), X + 1, 300, "euler_maruyama", generator=0).abs().max() < 6
