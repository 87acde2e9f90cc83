"""Los dos estimadores del gradiente contra esperanzas exactas: sesgo y varianza."""

import math

import pytest
import torch
from latent_models import F64, seeded

from course_lib.latent import pathwise, score_function

MEAN = torch.tensor([0.7, -0.4, 1.5], dtype=F64)
LOG_STD = torch.tensor([-0.5, 0.2, 0.0], dtype=F64)
A, B = torch.tensor([1.0, -0.5, 2.0], dtype=F64), torch.tensor([0.3, 1.0, -1.0], dtype=F64)
BASELINES = [None, 2.0, "leave-one-out", "optimal"]


def quadratic(z: torch.Tensor) -> torch.Tensor:
    return (A * z**2 + B * z).sum(-1)


def wave(z: torch.Tensor) -> torch.Tensor:
    return (A * z.sin()).sum(-1)


def exact_gradient(expectation) -> list[torch.Tensor]:
    mean, log_std = (v.clone().requires_grad_() for v in (MEAN, LOG_STD))
    return torch.autograd.grad(expectation(mean, log_std.exp()), (mean, log_std))


CASES = {
    # E[az² + bz] = a(m² + s²) + bm;  E[sen z] = sen(m) e^{−s²/2}
    "cuadrática": (quadratic, lambda m, s: (A * (m**2 + s**2) + B * m).sum()),
    "seno": (wave, lambda m, s: (A * m.sin() * torch.exp(-(s**2) / 2)).sum()),
}
ESTIMATORS = {"trayectoria": pathwise} | {
    f"puntaje {b}": lambda *args, b=b, **kw: score_function(*args, baseline=b, **kw)
    for b in BASELINES
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_los_estimadores_son_insesgados(case, name):
    f, expectation = CASES[case]
    result = ESTIMATORS[name](f, MEAN, LOG_STD, 40_000, generator=seeded(0))
    for value, error, exact in zip(
        result.estimate(), result.error(), exact_gradient(expectation), strict=True
    ):
        assert value.shape == (3,) and not value.requires_grad
        assert ((value - exact).abs() < 4 * error).all(), (value, exact, error)


@pytest.mark.parametrize("baseline", ["leave-one-out", "optimal"])
def test_con_tres_muestras_la_linea_base_tampoco_sesga(baseline):
    """Con las propias muestras dentro de b, el sesgo sería del orden de 1/S: aquí se vería."""
    runs = [
        torch.stack(
            score_function(
                quadratic, MEAN, LOG_STD, 3, generator=seeded(s), baseline=baseline
            ).estimate()
        )
        for s in range(8000)
    ]
    runs = torch.stack(runs)
    exact = torch.stack(exact_gradient(CASES["cuadrática"][1]))
    error = runs.std(0) / math.sqrt(len(runs))
    assert ((runs.mean(0) - exact).abs() < 4.5 * error).all()
    with_own = 2 / 3  # factor que multiplicaría a la media si b incluyera el propio dato
    assert ((1 - with_own) * exact.abs() > 6 * error).any()


@pytest.mark.parametrize("case", CASES)
def test_la_trayectoria_tiene_menos_varianza_y_la_linea_base_ayuda(case):
    f = CASES[case][0]
    trace = {
        name: torch.stack(estimator(f, MEAN, LOG_STD, 40_000, generator=seeded(1)).variance()).sum()
        for name, estimator in ESTIMATORS.items()
    }
    assert 3 * trace["trayectoria"] < trace["puntaje optimal"]
    assert trace["puntaje optimal"] < 1.01 * trace["puntaje leave-one-out"]
    assert trace["puntaje leave-one-out"] < trace["puntaje None"]


def test_las_varianzas_de_una_recta_son_las_calculadas_a_mano():
    """f(z) = z: por trayectoria, f' = 1 y varianza 0; por puntaje, (m + sε − b)ε/s, de varianza
    (m − b)²/s² + 2."""
    m, s = torch.tensor([3.0], dtype=F64), torch.tensor([0.5], dtype=F64)

    def line(z):
        return z[:, 0]

    assert pathwise(line, m, s.log(), 100).variance()[0].item() == 0
    for baseline, b in [(None, 0.0), (1.0, 1.0), ("leave-one-out", 3.0), ("optimal", 3.0)]:
        result = score_function(line, m, s.log(), 200_000, generator=seeded(0), baseline=baseline)
        expected = (3 - b) ** 2 / 0.25 + 2
        assert result.variance()[0].item() == pytest.approx(expected, rel=0.03), baseline


def test_una_f_con_saltos_solo_admite_la_funcion_de_puntaje():
    def step(z):
        return (z[:, 0] > 0).to(z.dtype)

    m, s = torch.tensor([0.4], dtype=F64), torch.tensor([0.8], dtype=F64)
    with pytest.raises(ValueError, match="derivable"):
        pathwise(step, m, s.log(), 10)
    result = score_function(step, m, s.log(), 40_000, seeded(0), baseline="leave-one-out")
    density = math.exp(-0.125) / math.sqrt(2 * math.pi)  # φ(m/s), con m/s = 1/2
    exact = (density / 0.8, -density / 2)
    for value, error, expected in zip(result.estimate(), result.error(), exact, strict=True):
        assert abs(value.item() - expected) < 4 * error.item()


def test_cada_fila_es_el_gradiente_de_autograd_de_su_muestra():
    result = pathwise(wave, MEAN, LOG_STD, 5, seeded(2))
    mean, log_std = (v.clone().requires_grad_() for v in (MEAN, LOG_STD))
    eps = torch.randn(5, 3, dtype=F64, generator=seeded(2))
    for row, noise in enumerate(eps):
        value = wave(mean + log_std.exp() * noise)
        expected = torch.autograd.grad(value, (mean, log_std))
        torch.testing.assert_close(result.mean[row], expected[0], rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(result.log_std[row], expected[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("estimator", [pathwise, score_function])
@pytest.mark.parametrize(
    ("f", "mean", "log_std", "samples", "words"),
    [
        (quadratic, MEAN, LOG_STD, 0, ["samples", "0"]),
        (quadratic, MEAN, LOG_STD[:2], 5, ["log_std", "mean", "(2,)", "(3,)"]),
        (quadratic, MEAN[None], LOG_STD[None], 5, ["mean", "(M,)", "(1, 3)"]),
        (quadratic, MEAN * math.nan, LOG_STD, 5, ["mean", "NaN"]),
        (lambda z: z**2, MEAN, LOG_STD, 5, ["f", "(5,)", "(5, 3)", ".sum(-1)"]),
        (lambda z: 1.0, MEAN, LOG_STD, 5, ["f", "(5,)", "float"]),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(estimator, f, mean, log_std, samples, words):
    with pytest.raises(ValueError) as caught:
        estimator(f, mean, log_std, samples)
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


@pytest.mark.parametrize("baseline", ["otra", math.nan, True])
def test_una_linea_base_que_no_existe(baseline):
    with pytest.raises(ValueError, match="baseline"):
        score_function(quadratic, MEAN, LOG_STD, 5, baseline=baseline)


def test_dejar_uno_fuera_necesita_dos_muestras():
    with pytest.raises(ValueError, match="samples ≥ 2"):
        score_function(quadratic, MEAN, LOG_STD, 1, baseline="leave-one-out")
