"""`LikelihoodSurface`, `KLDirections` y `ExpectationMaximization` vistos desde Python."""

import math

import numpy as np
import pytest
import torch
from widget_toys import check_bundle

from course_lib.probability import GaussianMixture
from course_lib.widgets import ExpectationMaximization, KLDirections, LikelihoodSurface

torch.set_num_threads(1)


def numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def mixture(weights=(0.5, 0.5), means=(-1.0, 1.0), std=0.5):
    count = len(means)
    return GaussianMixture(
        list(weights), torch.tensor(means)[:, None], torch.full((count, 1, 1), std**2)
    )


# --- LikelihoodSurface --------------------------------------------------------------------------


def test_la_log_verosimilitud_es_la_media_de_log_n():
    x = numbers(30)
    widget = LikelihoodSurface(x, mean=0.4, std=1.3)
    by_hand = [
        -0.5 * math.log(2 * math.pi) - math.log(1.3) - (v - 0.4) ** 2 / (2 * 1.3**2)
        for v in x.tolist()
    ]
    assert widget.log_likelihood == pytest.approx(sum(by_hand) / 30, rel=1e-12)
    widget.mean, widget.std = x.mean().item(), x.std(correction=0).item()
    best = widget.log_likelihood
    for mean, std in [(0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)]:
        moved = LikelihoodSurface(x, widget.mean + mean, widget.std + std)
        assert moved.log_likelihood < best


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_los_datos_pueden_ser_lista_arreglo_o_tensor(kind):
    assert LikelihoodSurface(kind([1.0, 2.5, -3.25])).data == [1.0, 2.5, -3.25]
    assert LikelihoodSurface(kind([1, 2, 4])).data == [1.0, 2.0, 4.0]


def test_los_ejes_se_ensanchan_hasta_el_punto_de_partida():
    x = torch.tensor([-1.0, 1.0])
    assert LikelihoodSurface(x).limits == [-3, 3, 0.25, 3]
    assert LikelihoodSurface(x, mean=8, std=0.1).limits == [-3, 8, 0.1, 3]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LikelihoodSurface([1.0, math.nan]), ValueError, "data .*NaN"),
        (lambda: LikelihoodSurface([1.0, math.inf]), ValueError, "data .*infinit"),
        (lambda: LikelihoodSurface(numbers(4, 1)), ValueError, r"\(n,\).*\(4, 1\).*flatten"),
        (lambda: LikelihoodSurface([1.0]), ValueError, "de 2 a 500 números; se recibieron 1"),
        (lambda: LikelihoodSurface(numbers(501)), ValueError, "de 2 a 500.*501"),
        (lambda: LikelihoodSurface([2.0, 2.0, 2.0]), ValueError, "3 valores iguales a 2.*distint"),
        (lambda: LikelihoodSurface(["a", "b"]), TypeError, "data"),
        (lambda: LikelihoodSurface(numbers(5), std=0), ValueError, "std debe ser mayor que 0.*0"),
        (lambda: LikelihoodSurface(numbers(5), std=-1), ValueError, "std debe ser mayor.*-1"),
        (lambda: LikelihoodSurface(numbers(5), mean=math.nan), ValueError, "mean.*finito.*nan"),
        (lambda: LikelihoodSurface(numbers(5), mean="a"), TypeError, "mean.*número.*'a'"),
    ],
)
def test_datos_o_puntos_que_no_sirven(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_un_punto_fuera_de_los_ejes_se_rechaza_y_el_anterior_queda():
    widget = LikelihoodSurface([-1.0, 1.0], mean=0.5, std=1.5)
    with pytest.raises(ValueError, match=r"mean debe estar en \[-3, 3\]; se recibió 9"):
        widget.mean = 9.0
    with pytest.raises(ValueError, match="std debe ser mayor que 0"):
        widget.std = -0.5
    assert (widget.mean, widget.std) == (0.5, 1.5)


# --- KLDirections -------------------------------------------------------------------------------


def test_la_separacion_mueve_los_picos_y_no_la_media():
    given = mixture((0.2, 0.3, 0.5), (-2.0, 0.0, 3.0))
    widget = KLDirections(given)
    torch.testing.assert_close(widget.mixture.means, given.means)
    torch.testing.assert_close(widget.mixture.covs, given.covs)
    widget.separation = 0.5
    torch.testing.assert_close(widget.mixture.mean, given.mean)
    gaps = widget.mixture.means.diff(dim=0)
    torch.testing.assert_close(gaps, 0.5 * given.means.diff(dim=0))


def test_la_mezcla_por_defecto_tiene_dos_picos_separados():
    p = KLDirections().mixture
    assert p.means.flatten().tolist() == [-2.5, 2.5]
    grid = torch.linspace(-5, 5, 1001, dtype=torch.float64)[:, None]
    density = p.log_prob(grid).exp()
    peaks = (density[1:-1] > density[:-2]) & (density[1:-1] > density[2:])
    assert peaks.sum() == 2


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: KLDirections([0.5, 0.5]), TypeError, "GaussianMixture.*se recibió list"),
        (
            lambda: KLDirections(GaussianMixture([1.0], [[0.0, 0.0]], torch.eye(2)[None])),
            ValueError,
            "una dimensión y es de 2",
        ),
        (lambda: KLDirections(mixture((1.0,), (0.0,))), ValueError, "dos o tres.*tiene 1"),
        (
            lambda: KLDirections(mixture((0.25,) * 4, (0.0, 1.0, 2.0, 3.0))),
            ValueError,
            "dos o tres.*tiene 4",
        ),
        (lambda: KLDirections(mixture((1.0, 0.0))), ValueError, "peso 0.*quitarla"),
        (lambda: KLDirections(std=0), ValueError, "std debe ser mayor que 0"),
        (lambda: KLDirections(mean=math.inf), ValueError, "mean.*finito"),
        (lambda: KLDirections(direction="ambas"), ValueError, "direction='ambas' no existe"),
    ],
)
def test_mezclas_o_partidas_que_no_sirven(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_rasgos_imposibles_de_kl():
    widget = KLDirections()
    for name, value, message in [
        ("direction", "p", "direction='p' no existe. Opciones válidas: 'directa', 'inversa'"),
        ("separation", 2.0, r"separation debe estar en \[0, 1.2\]; se recibió 2.0"),
        ("std", 0.0, "std debe ser mayor que 0"),
        ("mean", 1e3, "mean debe estar en"),
    ]:
        before = getattr(widget, name)
        with pytest.raises(ValueError, match=message):
            setattr(widget, name, value)
        assert getattr(widget, name) == before


# --- ExpectationMaximization --------------------------------------------------------------------


def test_la_partida_es_explicita():
    x = numbers(50, 2)
    widget = ExpectationMaximization(x, k=4, seed=9)
    start = widget.initial()
    assert start.weights.tolist() == [0.25] * 4
    rows = {tuple(row) for row in x.tolist()}
    assert {tuple(mean) for mean in start.means.tolist()} <= rows
    torch.testing.assert_close(start.covs, (x.T.cov(correction=0) / 4).expand(4, 2, 2))
    again = ExpectationMaximization(x, k=4, seed=9).initial()
    assert torch.equal(start.means, again.means)
    others = [ExpectationMaximization(x, 4, seed).initial().means for seed in range(20)]
    assert len({tuple(means.flatten().tolist()) for means in others}) == 20


def test_los_puntos_viajan_sin_perdida():
    x = numbers(7, 2)
    sent = np.frombuffer(ExpectationMaximization(x, 2).points, "<f8").reshape(7, 2)
    np.testing.assert_array_equal(sent, x.numpy())


LINE = torch.stack([torch.arange(8.0), torch.zeros(8)], 1)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ExpectationMaximization(numbers(9)), ValueError, r"\(N, 2\).*\(9,\)"),
        (lambda: ExpectationMaximization(numbers(9, 3)), ValueError, r"\(N, 2\).*\(9, 3\)"),
        (lambda: ExpectationMaximization(numbers(5, 2)), ValueError, "de 6 a 2000.*recibieron 5"),
        (lambda: ExpectationMaximization(numbers(2001, 2)), ValueError, "de 6 a 2000.*2001"),
        (lambda: ExpectationMaximization(numbers(9, 2) * math.nan), ValueError, "x .*NaN"),
        (lambda: ExpectationMaximization(LINE), ValueError, r"x\[:, 1\].*8 valores iguales a 0"),
        (lambda: ExpectationMaximization(numbers(9, 2), k=0), ValueError, "k debe ser.*positivo"),
        (lambda: ExpectationMaximization(numbers(9, 2), k=7), ValueError, r"k .*\[1, 6\].*7"),
        (lambda: ExpectationMaximization(numbers(9, 2), k=2.0), TypeError, "k debe ser un entero"),
        (lambda: ExpectationMaximization(numbers(9, 2), seed=-1), ValueError, "seed .*-1"),
        (lambda: ExpectationMaximization(numbers(9, 2), seed=1.5), TypeError, "seed .*1.5"),
    ],
)
def test_puntos_u_opciones_que_no_sirven(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_rasgos_imposibles_de_em():
    widget = ExpectationMaximization(numbers(9, 2), k=2, seed=3)
    with pytest.raises(ValueError, match=r"k debe estar en \[1, 6\]"):
        widget.k = 9
    with pytest.raises(ValueError, match="seed debe estar en"):
        widget.seed = -4
    assert (widget.k, widget.seed) == (2, 3)


# --- Lo común -----------------------------------------------------------------------------------

WIDGETS = [
    lambda: LikelihoodSurface(numbers(500)),
    lambda: KLDirections(mixture((0.2, 0.3, 0.5), (-2.0, 0.0, 3.0))),
    lambda: ExpectationMaximization(numbers(2000, 2), k=6),
]


@pytest.mark.parametrize("make", WIDGETS)
def test_descripcion_corta_y_estable_modulo_sin_red_y_peso(make):
    check_bundle(make(), make())
