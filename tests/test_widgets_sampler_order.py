"""`SamplerOrder` visto desde Python: rasgos, errores y lo que viaja a la página."""

import re

import pytest
import torch
from widget_toys import check_bundle

from course_lib.probability import GaussianMixture
from course_lib.widgets import SamplerOrder
from course_lib.widgets.sampler_order import EVALUATIONS

torch.set_num_threads(1)


def pair(dim=1):
    means = torch.tensor([[-1.0, 0.0], [2.0, 1.0]], dtype=torch.float64)[:, :dim]
    return GaussianMixture([0.4, 0.6], means, 0.25 * torch.eye(dim).double().expand(2, dim, dim))


def test_los_valores_por_omision():
    widget = SamplerOrder()
    assert (widget.schedule, widget.spacing, widget.method) == ("VP", "lambda", "dpmpp_2m")
    assert (widget.evaluations, widget.end, widget.mixture.dim) == (16, 0.001, 1)


def test_la_mezcla_viaja_con_la_raiz_de_su_segundo_momento():
    widget = SamplerOrder(pair())
    assert widget.law["means"] == [[-1.0], [2.0]] and widget.law["factors"] == [[[0.5]], [[0.5]]]
    assert widget.spread == pytest.approx((0.4 * 1 + 0.6 * 4 + 0.25) ** 0.5, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mixture": "x"}, TypeError, "mixture debe ser una GaussianMixture.*str"),
        ({"mixture": pair(2)}, ValueError, "mixture debe ser de dimensión 1, y es de 2"),
        ({"schedule": "EDM"}, ValueError, "schedule='EDM' no existe. Opciones válidas: 'VP'"),
        ({"spacing": "log"}, ValueError, "spacing='log' no existe.*'t', 'lambda', 'rho'"),
        ({"method": "rk4"}, ValueError, "method='rk4' no existe.*'euler', 'heun'"),
        ({"evaluations": 5}, ValueError, "evaluations=5 no existe.*4, 6, 8"),
        ({"end": 0.0}, ValueError, "end=0.0 no existe.*0.1, 0.01, 0.001"),
    ],
)
def test_un_argumento_malo_dice_que_se_recibio(options, error, message):
    with pytest.raises(error, match=message):
        SamplerOrder(**options)
    if "mixture" in options:
        return
    widget, (name, value) = SamplerOrder(), *options.items()
    before = getattr(widget, name)
    with pytest.raises(error, match=re.compile(message)):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_la_pagina_y_python_ofrecen_las_mismas_evaluaciones():
    listed = ", ".join(str(n) for n in EVALUATIONS)
    assert f"const BUDGETS = [{listed}];" in SamplerOrder._esm


def test_descripcion_corta_y_estable_y_modulo_sin_red():
    check_bundle(SamplerOrder(), SamplerOrder())
