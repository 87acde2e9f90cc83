"""`AdversarialGame` visto desde Python: rasgos, errores y lo que viaja a la página."""

import json
import math

import numpy as np
import pytest
import torch
from widget_toys import check_bundle

from course_lib.data import toy
from course_lib.probability import GaussianMixture
from course_lib.widgets import AdversarialGame
from course_lib.widgets.base import PAGE_LIMIT

torch.set_num_threads(1)


def mixture(dim=1, weights=(0.5, 0.5), spread=1.0, std=0.5):
    means = spread * torch.tensor([[-1.0, 0.5, 2.0], [1.0, 2.0, 0.0]], dtype=torch.float64)
    count = len(weights)
    covs = std**2 * torch.eye(dim, dtype=torch.float64).expand(count, dim, dim)
    return GaussianMixture(list(weights), means[:count, :dim], covs)


def test_los_valores_por_omision():
    line, plane = AdversarialGame(), AdversarialGame(dim=2)
    assert (line.dim, line.loss, line.optimizer, line.r1) == (1, "no saturante", "adam", 0)
    assert (line.discriminator_steps, plane.discriminator_steps) == (3, 2)
    assert line.generator_lr == 0.005 and AdversarialGame(optimizer="sgd").generator_lr == 0.05
    ring = toy.eight_gaussians(torch.float64)
    torch.testing.assert_close(plane.mixture.means, ring.means)
    assert line.mixture.dim == 1 and line.mixture.means.flatten().tolist() == [-2.5, 2.5]
    line.dim = 2
    torch.testing.assert_close(line.mixture.means, ring.means)


def test_la_mezcla_dice_la_dimension_y_viaja_sin_perdida():
    covs = torch.tensor([[[0.5, 0.2], [0.2, 0.3]], [[1.0, -0.4], [-0.4, 0.6]]]).double()
    given = GaussianMixture([0.3, 0.7], [[-1.0, 2.0], [1.5, 0.0]], covs)
    widget = AdversarialGame(mixture=given)
    assert widget.dim == 2 and widget.mixture is given
    law = widget.laws["2"]
    factors = torch.tensor(law["factors"], dtype=torch.float64)
    torch.testing.assert_close(factors @ factors.mT, covs)
    assert law["weights"] == given.weights.tolist() and law["means"] == given.means.tolist()
    low, high = np.array(law["box"]).reshape(2, 2)
    assert high[0] - low[0] == pytest.approx(high[1] - low[1])
    stds = covs.diagonal(dim1=1, dim2=2).sqrt()
    assert (torch.tensor(low) <= given.means - 3.74 * stds).all()
    assert (torch.tensor(high) >= given.means + 3.74 * stds).all()
    widget.dim = 1  # la otra dimensión conserva la suya
    assert widget.mixture.means.flatten().tolist() == [-2.5, 2.5]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dim": 3}, ValueError, "dim=3 no existe. Opciones válidas: 1, 2"),
        ({"mixture": [0.5]}, TypeError, "mixture debe ser una GaussianMixture.*list"),
        ({"dim": 2, "mixture": mixture(1)}, ValueError, "dimensión 2, la que dice dim, y es de 1"),
        ({"mixture": mixture(3)}, ValueError, "dimensión 1 o 2, y es de 3"),
        ({"mixture": mixture(weights=(1.0, 0.0))}, ValueError, r"peso mayor que 0.*\[1.0, 0.0\]"),
        ({"mixture": mixture(spread=20)}, ValueError, r"caber en ±10.*±21.5.*escala"),
        ({"mixture": mixture(std=0.01)}, ValueError, "menor desviación es 0.01.*escala"),
        ({"loss": "hinge"}, ValueError, "loss='hinge' no existe.*'bisagra', 'wasserstein'"),
        ({"optimizer": "rmsprop"}, ValueError, "optimizer='rmsprop' no existe.*'adam', 'sgd'"),
        ({"discriminator_steps": 0}, ValueError, "discriminator_steps debe ser un entero positivo"),
        ({"discriminator_steps": 21}, ValueError, r"discriminator_steps debe estar en \[1, 20\]"),
        ({"discriminator_steps": 1.5}, TypeError, "discriminator_steps debe ser un entero"),
        ({"generator_lr": 0}, ValueError, r"generator_lr debe estar en \[0.0001, 1\]"),
        ({"generator_lr": "a"}, TypeError, "generator_lr debe ser un número; se recibió 'a'"),
        ({"discriminator_lr": math.nan}, ValueError, "discriminator_lr debe ser un número finito"),
        ({"r1": -0.1}, ValueError, r"r1 debe estar en \[0, 1\]; se recibió -0.1"),
        ({"gradient_penalty": -1}, ValueError, "gradient_penalty no puede ser negativo.*-1"),
        ({"seed": 1.0}, TypeError, "seed debe ser un entero; se recibió 1.0"),
        ({"seed": -1}, ValueError, "seed debe estar en"),
    ],
)
def test_opciones_que_no_sirven(options, error, message):
    with pytest.raises(error, match=message):
        AdversarialGame(**options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dim", 3),
        ("loss", "js"),
        ("discriminator_steps", 0),
        ("generator_lr", 2.0),
        ("discriminator_lr", 0.0),
        ("optimizer", "SGD"),
        ("r1", 3.0),
        ("seed", -2),
    ],
)
def test_un_rasgo_imposible_se_rechaza_y_el_anterior_queda(name, value):
    widget = AdversarialGame()
    before = getattr(widget, name)
    with pytest.raises(ValueError, match=name):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_descripcion_corta_y_estable_modulo_sin_red_y_peso():
    first, second = AdversarialGame(dim=2, loss="bisagra"), AdversarialGame(dim=2, loss="bisagra")
    assert repr(first) == "AdversarialGame: en el plano, pérdida bisagra, semilla 3"
    assert len(json.dumps(first._get_embed_state())) < PAGE_LIMIT / 8
    check_bundle(first, second, source_limit=PAGE_LIMIT / 8)
