"""`ParticleFlow` visto desde Python: rasgos, errores y lo que viaja a la página."""

import json
import math

import pytest
import torch
from widget_toys import check_bundle

from course_lib.data import toy
from course_lib.probability import GaussianMixture
from course_lib.widgets import ParticleFlow
from course_lib.widgets.base import PAGE_LIMIT

torch.set_num_threads(1)


def mixture(dim=2, weights=(0.5, 0.5), spread=1.0, std=0.5):
    means = spread * torch.tensor([[-1.0, 0.5, 2.0], [1.0, 2.0, 0.0]], dtype=torch.float64)
    count = len(weights)
    covs = std**2 * torch.eye(dim, dtype=torch.float64).expand(count, dim, dim)
    return GaussianMixture(list(weights), means[:count, :dim], covs)


def test_los_valores_por_omision():
    widget = ParticleFlow()
    assert (widget.schedule, widget.mode, widget.steps, widget.spacing) == (
        "VP", "SDE inversa", 50, "t",
    )  # fmt: skip
    assert (widget.noise, widget.seed, widget.particles, widget.compare) == (1, 0, 400, "no")
    assert (widget.flipped, widget.arrows, widget.density) == (False, True, True)
    assert widget.t == 1 and ParticleFlow(mode="ODE").t == 1
    assert ParticleFlow(mode="SDE directa").t == 0 and ParticleFlow(t=0.3).t == 0.3
    torch.testing.assert_close(widget.mixture.means, toy.eight_gaussians(torch.float64).means)


def test_la_mezcla_viaja_sin_perdida():
    covs = torch.tensor([[[0.5, 0.2], [0.2, 0.3]], [[1.0, -0.4], [-0.4, 0.6]]]).double()
    given = GaussianMixture([0.3, 0.7], [[-1.0, 2.0], [1.5, 0.0]], covs)
    widget = ParticleFlow(given, "VE", 100)
    assert widget.mixture is given and widget.schedule == "VE" and widget.particles == 100
    factors = torch.tensor(widget.law["factors"], dtype=torch.float64)
    torch.testing.assert_close(factors @ factors.mT, covs)
    assert widget.law["weights"] == given.weights.tolist()
    assert widget.law["means"] == given.means.tolist()


WRONG = [
    (
        "mode",
        "inversa",
        ValueError,
        "mode='inversa' no existe.*'SDE directa', 'SDE inversa', 'ODE'",
    ),
    ("schedule", "EDM", ValueError, "schedule='EDM' no existe. Opciones válidas: 'VP', 'SubVP'"),
    ("steps", 4, ValueError, r"steps debe estar en \[5, 200\]; se recibió 4"),
    ("steps", 201, ValueError, r"steps debe estar en \[5, 200\]; se recibió 201"),
    ("steps", 0, ValueError, "steps debe ser un entero positivo; se recibió 0"),
    ("spacing", "rho", ValueError, "spacing='rho' no existe.*'t', 'lambda'"),
    ("noise", 1.1, ValueError, r"noise debe estar en \[0, 1\]; se recibió 1.1"),
    ("noise", math.nan, ValueError, "noise debe ser un número finito; se recibió nan"),
    ("t", -0.1, ValueError, r"t debe estar en \[0, 1\]; se recibió -0.1"),
    ("seed", -1, ValueError, "seed debe estar en.*se recibió -1"),
    ("compare", "juntas", ValueError, "compare='juntas' no existe.*'superpuestas', 'lado a lado'"),
]


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        *WRONG,
        ("mixture", [0.5], TypeError, "mixture debe ser una GaussianMixture.*se recibió list"),
        ("mixture", mixture(1), ValueError, "dimensión 2, porque se dibuja un plano, y es de 1"),
        ("mixture", mixture(3), ValueError, "dimensión 2, porque se dibuja un plano, y es de 3"),
        ("mixture", mixture(weights=(1.0, 0.0)), ValueError, r"peso mayor que 0.*\[1.0, 0.0\]"),
        ("mixture", mixture(spread=20), ValueError, "caber en ±10.*±41.5.*escala"),
        ("mixture", mixture(std=0.01), ValueError, "menor desviación es 0.01.*escala"),
        ("particles", 49, ValueError, r"particles debe estar en \[50, 1000\]; se recibió 49"),
        ("particles", 400.0, TypeError, "particles debe ser un entero positivo; se recibió 400.0"),
        ("steps", 50.5, TypeError, "steps debe ser un entero positivo; se recibió 50.5"),
        ("noise", "a", TypeError, "noise debe ser un número; se recibió 'a'"),
        ("t", "fin", TypeError, "t debe ser un número; se recibió 'fin'"),
        ("seed", 1.0, TypeError, "seed debe ser un entero; se recibió 1.0"),
        ("flipped", 1, TypeError, "flipped debe ser True o False; se recibió 1"),
        ("arrows", "no", TypeError, "arrows debe ser True o False; se recibió 'no'"),
    ],
)
def test_opciones_que_no_sirven(name, value, error, message):
    with pytest.raises(error, match=message):
        ParticleFlow(**{name: value})


@pytest.mark.parametrize(("name", "value", "error", "message"), WRONG)
def test_un_rasgo_imposible_se_rechaza_y_el_anterior_queda(name, value, error, message):
    widget = ParticleFlow(t=0.5)
    before = getattr(widget, name)
    with pytest.raises(error, match=message):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_los_rasgos_se_escriben_desde_python():
    widget = ParticleFlow()
    widget.mode, widget.schedule, widget.steps, widget.noise = "ODE", "Flow", 120, 0
    widget.t, widget.seed, widget.flipped, widget.compare = 0, 4, True, "lado a lado"
    state = widget.get_state()
    assert (state["mode"], state["schedule"], state["steps"]) == ("ODE", "Flow", 120)
    assert (state["noise"], state["t"], state["seed"]) == (0, 0, 4)
    assert (state["flipped"], state["compare"]) == (True, "lado a lado")


def test_descripcion_corta_y_estable_modulo_sin_red_y_peso():
    assert repr(ParticleFlow(noise=0.5)) == (
        "ParticleFlow: SDE inversa con η = 0.5, esquema VP, 50 pasos, 400 partículas"
    )
    assert repr(ParticleFlow(schedule="OU", mode="ODE", particles=100)) == (
        "ParticleFlow: ODE, esquema OU, 50 pasos, 100 partículas"
    )
    first, second = ParticleFlow(), ParticleFlow()
    assert len(json.dumps(first._get_embed_state())) < PAGE_LIMIT / 8
    check_bundle(first, second, source_limit=PAGE_LIMIT / 8)
