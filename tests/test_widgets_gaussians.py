"""Los widgets de la gaussiana vistos desde Python: rasgos, errores y lo que viaja a la página."""

import json
import re

import numpy as np
import pytest
import torch

from course_lib.widgets import BivariateNormal, CentralLimit, LinearGaussianPosterior
from course_lib.widgets.base import SOURCE_MARGIN

WIDGETS = [BivariateNormal, LinearGaussianPosterior, CentralLimit]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rho": 1.0}, ValueError, r"rho debe estar en \(-1, 1\); se recibió 1"),
        ({"rho": -1.2}, ValueError, r"rho debe estar en \(-1, 1\); se recibió -1\.2"),
        ({"rho": "0.6"}, TypeError, "rho debe ser un número; se recibió '0.6'"),
        ({"std": (1, 0)}, ValueError, r"std\[1\] debe ser mayor que 0; se recibió 0"),
        ({"std": (-2, 1)}, ValueError, r"std\[0\] debe ser mayor que 0; se recibió -2"),
        ({"std": 1.0}, ValueError, r"std debe traer dos números, p\. ej\. \(0, 1\)"),
        ({"mean": (0, 1, 2)}, ValueError, "mean debe traer dos números"),
        ({"mean": "00"}, ValueError, "mean debe traer dos números"),
        ({"mean": (0, torch.nan)}, ValueError, r"mean\[1\] debe ser un número finito"),
        ({"mean": (None, 0)}, TypeError, r"mean\[0\] debe ser un número; se recibió None"),
        ({"cut": torch.inf}, ValueError, "cut debe ser un número finito"),
        ({"samples": 0}, ValueError, "samples debe ser un entero positivo"),
        ({"samples": 5000}, ValueError, "como mucho 2000; se recibió 5000"),
    ],
)
def test_normal_con_opciones_que_no_sirven(options, error, message):
    with pytest.raises(error, match=message):
        BivariateNormal(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prior_std": 0}, ValueError, "prior_std debe ser mayor que 0; se recibió 0"),
        ({"noise_std": -1}, ValueError, "noise_std debe ser mayor que 0; se recibió -1"),
        ({"points": 3}, TypeError, r"lista de parejas \(x, y\); se recibió 3"),
        ({"points": [(1, 2), (3,)]}, ValueError, r"points\[1\] debe traer dos números"),
        ({"points": [(1, torch.nan)]}, ValueError, r"points\[0\]\[1\] debe ser un número finito"),
        ({"points": [(0, 0)] * 41}, ValueError, "hasta 40 datos; se recibieron 41"),
    ],
)
def test_recta_con_opciones_que_no_sirven(options, error, message):
    with pytest.raises(error, match=message):
        LinearGaussianPosterior(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"source": "cauchy"},
            ValueError,
            "source='cauchy' no existe. Opciones válidas: "
            "'uniforme', 'exponencial', 'bernoulli', 'dos picos'",
        ),
        ({"n": 0}, ValueError, "n debe ser un entero positivo; se recibió 0"),
        ({"n": 101}, ValueError, "n debe ser como mucho 100; se recibió 101"),
        ({"n": 2.5}, TypeError, "n debe ser un entero positivo; se recibió 2.5"),
    ],
)
def test_limite_con_opciones_que_no_sirven(options, error, message):
    with pytest.raises(error, match=message):
        CentralLimit(**options)


def test_un_rasgo_imposible_se_rechaza_y_el_anterior_queda():
    normal, line, limit = BivariateNormal(rho=0.3), LinearGaussianPosterior(), CentralLimit(n=5)
    with pytest.raises(ValueError, match="rho debe estar en"):
        normal.rho = 1.0
    with pytest.raises(ValueError, match=r"std\[0\] debe ser mayor que 0"):
        normal.std = [0.0, 1.0]
    with pytest.raises(ValueError, match="mean debe traer dos"):
        normal.mean = [0.0]
    with pytest.raises(ValueError, match="cut debe ser un número finito"):
        normal.cut = float("nan")
    for name in ("prior_std", "noise_std"):
        with pytest.raises(ValueError, match=f"{name} debe ser mayor que 0"):
            setattr(line, name, 0.0)
    with pytest.raises(ValueError, match=r"points\[0\] debe traer dos números"):
        line.points = [[1.0]]
    with pytest.raises(ValueError, match="source='t' no existe"):
        limit.source = "t"
    with pytest.raises(ValueError, match="n debe ser como mucho 100"):
        limit.n = 1000
    assert (normal.rho, normal.std, normal.mean, normal.cut) == (0.3, [1, 1], [0, 0], 1)
    assert (line.prior_std, line.noise_std, line.points) == (2, 1, [])
    assert (limit.source, limit.n) == ("exponencial", 5)


def test_los_numeros_de_torch_y_de_numpy_valen():
    mean, std = torch.tensor([1.0, -2.0]), np.array([2.0, 0.5])
    widget = BivariateNormal(mean, std, torch.tensor(0.25))
    assert (widget.mean, widget.std, widget.rho) == ([1, -2], [2, 0.5], 0.25)
    assert all(type(v) is float for v in [*widget.mean, *widget.std, widget.rho])
    assert widget.cut == 3
    points = torch.tensor([[0.5, 1.0], [-1.0, 2.0]])
    assert LinearGaussianPosterior(points=points).points == [[0.5, 1], [-1, 2]]


def test_la_ley_y_el_ruido_de_la_normal():
    widget = BivariateNormal((1, 2), (3, 0.5), -0.4, samples=50, seed=9)
    widget.rho = 0.8
    assert widget.law.mean.tolist() == [1, 2]
    torch.testing.assert_close(
        widget.law.cov, torch.tensor([[9, 1.2], [1.2, 0.25]], dtype=torch.float64)
    )
    expected = torch.randn(50, 2, generator=torch.Generator().manual_seed(9))
    sent = np.frombuffer(widget.epsilon, "<f4").reshape(50, 2)
    np.testing.assert_array_equal(sent, expected.numpy())
    assert torch.equal(widget.noise, expected)


def test_los_datos_ocultos_siguen_la_recta_con_su_ruido():
    line = LinearGaussianPosterior(prior_std=0.5, noise_std=0.2, seed=3)
    residual = line.stream[:, 1] - line.weights[0] - line.weights[1] * line.stream[:, 0]
    assert line.stream.shape == (40, 2) and line.stream[:, 0].abs().max() <= 3
    # La suma de 40 cuadrados sobre σ² es χ² con 40 grados: en [17.9, 73.4] el 99.9 % de las veces.
    assert 17.9 < (residual / 0.2).square().sum() < 73.4
    again = LinearGaussianPosterior(prior_std=0.5, noise_std=0.2, seed=3)
    assert again.hidden == line.hidden
    assert LinearGaussianPosterior(seed=4).hidden != LinearGaussianPosterior(seed=5).hidden


@pytest.mark.parametrize("make", WIDGETS)
def test_la_descripcion_es_corta_y_no_cambia_entre_corridas(make):
    first, second = make(), make()
    texts = [w._repr_mimebundle_()[0]["text/plain"] for w in (first, second)]
    assert texts[0] == texts[1] == repr(first)
    assert texts[0].startswith(make.__name__)
    assert "0x" not in texts[0] and "\n" not in texts[0] and len(texts[0]) < 120


@pytest.mark.parametrize("make", WIDGETS)
def test_el_modulo_se_basta_a_si_mismo_y_pesa_poco(make):
    widget = make()
    assert not re.search(
        r"^\s*import\b|\bimport\(|fetch\(|https?://(?!www\.w3\.org/2000/svg)", widget._esm, re.M
    )
    assert widget._esm.count("export default") == 1
    assert len(json.dumps([widget._esm, widget._css])) < SOURCE_MARGIN
    assert len(json.dumps(widget._get_embed_state())) < 100_000
