"""`ScoreMatching1D` visto desde Python: rasgos, errores, constantes y lo que viaja a la página."""

import json
import math

import numpy as np
import pytest
import torch
from widget_toys import check_bundle

from course_lib.probability import GaussianMixture
from course_lib.widgets import ScoreMatching1D
from course_lib.widgets.base import PAGE_LIMIT

torch.set_num_threads(1)


def mixture(dim=1, weights=(0.5, 0.5), spread=1.0, std=0.5):
    means = spread * torch.tensor([[-1.0, 0.5], [1.0, 2.0]], dtype=torch.float64)
    covs = std**2 * torch.eye(dim, dtype=torch.float64).expand(2, dim, dim)
    return GaussianMixture(list(weights), means[:, :dim], covs)


def test_los_valores_por_omision():
    widget = ScoreMatching1D()
    assert (widget.sigma, widget.points, widget.loss) == (0.8, 1000, "dsm")
    assert (widget.langevin_steps, widget.seed) == (500, 0)
    assert widget.mixture.dim == 1 and len(set(widget.mixture.weights.tolist())) == 3


def test_la_mezcla_viaja_sin_perdida_y_se_difunde_con_sigma():
    given = mixture(weights=(0.3, 0.7), std=0.4)
    widget = ScoreMatching1D(given, sigma=0.3)
    assert widget.mixture is given
    assert widget.law["weights"] == given.weights.tolist()
    assert widget.law["means"] == given.means.tolist()
    np.testing.assert_allclose(widget.law["factors"], [[[0.4]], [[0.4]]])
    np.testing.assert_allclose(widget.diffused.covs.flatten(), [0.25, 0.25])
    widget.sigma = 1.0
    np.testing.assert_allclose(widget.diffused.covs.flatten(), [1.16, 1.16])


@pytest.mark.parametrize(("std", "sigma"), [(0.5, 0.05), (0.05, 0.3), (1.2, 3.0)])
def test_con_una_gaussiana_la_informacion_es_el_inverso_de_la_varianza(std, sigma):
    one = torch.ones(1, 1, dtype=torch.float64)
    widget = ScoreMatching1D(GaussianMixture([1.0], 0.7 * one, std**2 * one[None]), sigma)
    fisher = 1 / (std**2 + sigma**2)
    assert widget.fisher() == pytest.approx(fisher, rel=1e-9)
    dsm, ism = widget.constants()
    assert dsm == pytest.approx((1 / sigma**2 - fisher) / 2, rel=1e-9)
    assert ism == pytest.approx(-fisher / 2, rel=1e-9)


def test_las_constantes_son_las_del_muestreo():
    """DSM − ESM del score nulo es la media de ½ε²/σ² − ½(score)²; con pares al azar, su error."""
    widget = ScoreMatching1D(sigma=0.6)
    generator = torch.Generator().manual_seed(1)
    x = widget.mixture.sample(200_000, generator)
    eps = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    score = widget.diffused.score(x + 0.6 * eps)
    values = (eps / 0.6).square() / 2 - score.square() / 2
    error = values.std().item() / math.sqrt(len(x))
    assert abs(values.mean().item() - widget.constants()[0]) < 4 * error < 0.02


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mixture": [0.5]}, TypeError, "mixture debe ser una GaussianMixture.*list"),
        ({"mixture": mixture(2)}, ValueError, "mixture debe ser de dimensión 1, y es de 2"),
        ({"mixture": mixture(weights=(1.0, 0.0))}, ValueError, r"peso mayor que 0.*\[1.0, 0.0\]"),
        ({"mixture": mixture(spread=20)}, ValueError, r"caber en ±10.*escala"),
        ({"mixture": mixture(std=0.01)}, ValueError, "menor desviación es 0.01.*escala"),
        ({"sigma": 0}, ValueError, "sigma debe ser mayor que 0; se recibió 0"),
        ({"sigma": 0.01}, ValueError, r"sigma debe estar en \[0.05, 3\]; se recibió 0.01"),
        ({"sigma": "a"}, TypeError, "sigma debe ser un número; se recibió 'a'"),
        ({"sigma": math.nan}, ValueError, "sigma debe ser un número finito"),
        ({"points": 10}, ValueError, r"points debe estar en \[50, 5000\]; se recibió 10"),
        ({"points": 100.0}, TypeError, "points debe ser un entero positivo; se recibió 100.0"),
        ({"loss": "esm"}, ValueError, "loss='esm' no existe. Opciones válidas: 'dsm', 'ism'"),
        ({"langevin_steps": 5}, ValueError, r"langevin_steps debe estar en \[10, 3000\]"),
        ({"langevin_steps": True}, TypeError, "langevin_steps debe ser un entero positivo"),
        ({"seed": 1.0}, TypeError, "seed debe ser un entero; se recibió 1.0"),
        ({"seed": -1}, ValueError, "seed debe estar en"),
    ],
)
def test_opciones_que_no_sirven(options, error, message):
    with pytest.raises(error, match=message):
        ScoreMatching1D(**options)


@pytest.mark.parametrize(
    ("name", "value"),
    [("sigma", 5.0), ("points", 1), ("loss", "DSM"), ("langevin_steps", 9999), ("seed", -2)],
)
def test_un_rasgo_imposible_se_rechaza_y_el_anterior_queda(name, value):
    widget = ScoreMatching1D()
    before = getattr(widget, name)
    with pytest.raises(ValueError, match=name):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_descripcion_corta_y_estable_modulo_sin_red_y_peso():
    first, second = ScoreMatching1D(sigma=0.25, loss="ism"), ScoreMatching1D(sigma=0.25, loss="ism")
    assert repr(first) == "ScoreMatching1D: σ = 0.25, 1000 datos, pérdida ISM, semilla 0"
    assert len(json.dumps(first._get_embed_state())) < PAGE_LIMIT / 8
    check_bundle(first, second, source_limit=PAGE_LIMIT / 8)
