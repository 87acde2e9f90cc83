"""`ModeCoverage` visto desde Python: cuantización, cuentas, peso y errores."""

import math

import numpy as np
import pytest
import torch
from widget_toys import check_bundle

from course_lib.adversarial import mode_coverage
from course_lib.data import toy
from course_lib.probability import GaussianMixture
from course_lib.widgets import ModeCoverage

torch.set_num_threads(1)
EIGHT = toy.eight_gaussians(torch.float64)


def swarm(n=400, seed=0):
    """Tres modos, muestras entre ellos y otras muy lejos del dibujo."""
    generator = torch.Generator().manual_seed(seed)
    near = EIGHT.means[torch.randint(0, 3, (n,), generator=generator)]
    near = near + 0.15 * torch.randn(n, 2, generator=generator)
    far = 30 * torch.randn(n, 2, generator=generator)
    return torch.where(torch.rand(n, 1, generator=generator) < 0.9, near, far)


def runs(count=2, moments=4, n=400):
    return {
        f"juego {r}": [(100 * i, swarm(n, 10 * r + i)) for i in range(moments)]
        for r in range(count)
    }


@pytest.mark.parametrize("mixture", [None, "torcida"])
def test_cuantizar_no_cambia_las_cuentas(mixture):
    generator = torch.Generator().manual_seed(8)
    if mixture:
        factors = torch.tensor([[[0.3, 0.0], [0.25, 0.1]], [[0.05, 0.0], [-0.4, 0.6]]])
        mixture = GaussianMixture([0.3, 0.7], [[-1.0, 0.0], [2.0, 1.0]], factors @ factors.mT)
    law = mixture or EIGHT
    given = [(i, law.sample(500, generator) + 0.1 * i * swarm(500, i)) for i in range(5)]
    widget = ModeCoverage({"uno": given}, mixture, radius=2.345)
    seen = set()
    for radius in [*(k / 10 for k in range(5, 61)), 2.345]:
        widget.radius = radius
        for i, (_, x) in enumerate(given):
            expected = mode_coverage(x, law, radius, widget.minimum)
            assert widget.coverage("uno", i).counts.tolist() == expected.counts.tolist()
            seen.add(tuple(expected.counts.tolist()))
    assert len(seen) > 150


def test_modos_demasiado_estrechos_para_16_bits():
    narrow = GaussianMixture(
        [0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], 1e-10 * torch.eye(2).expand(2, 2, 2)
    )
    x = narrow.sample(50, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="modos demasiado estrechos.*16 bits"):
        ModeCoverage({"a": [(0, x)]}, narrow)


def test_las_muestras_viajan_redondeadas_y_las_lejanas_en_el_borde():
    given = runs()
    widget = ModeCoverage(given)
    (low, high) = (torch.tensor(v, dtype=torch.float64) for v in widget.box)
    half_step = (high - low).max().item() / (2**16 - 1) / 2
    for name, moments in given.items():
        for i, (_, x) in enumerate(moments):
            expected = torch.maximum(torch.minimum(x.double(), high), low)
            sent = widget.samples(name, i)
            assert sent.shape == x.shape
            assert ((sent - expected).abs().amax(1) <= 1.001 * half_step).double().mean() > 0.9
            assert (sent - expected).abs().max() <= 5 * half_step * 1.001
    assert ((swarm() < low) | (swarm() > high)).any()


def test_los_bytes_son_los_niveles_en_orden():
    widget = ModeCoverage({"a": [(0, swarm(3)), (5, swarm(7, 1))], "b": [(2, swarm(4, 2))]})
    levels = np.frombuffer(widget.data, "<u2").reshape(-1, 2)
    assert len(levels) == 14
    (low, high) = (np.array(v) for v in widget.box)
    np.testing.assert_array_equal(
        low + (high - low) * (levels[10:] / 65535), widget.samples("b", 0).numpy()
    )
    assert [e["start"] for e in widget.runs] == [0, 10]
    assert [e["sizes"] for e in widget.runs] == [[3, 7], [4]]


def test_lo_que_se_ve_es_lo_que_cuenta_coverage():
    widget = ModeCoverage(runs(), radius=2.0, minimum=5)
    assert widget.coverage().counts.equal(widget.coverage("juego 0", 0).counts)
    widget.run, widget.frame, widget.minimum, widget.radius = "juego 1", 3, 50, 4.0
    seen = widget.coverage()
    assert seen.minimum == 50
    assert seen.counts.equal(mode_coverage(swarm(400, 13), EIGHT, 4.0).counts)


def test_el_minimo_por_defecto_es_la_quinta_parte_de_lo_que_toca():
    assert ModeCoverage(runs(n=400)).minimum == 10
    assert ModeCoverage(runs(n=30)).minimum == 1
    assert ModeCoverage(runs(n=400), minimum=90).limits == [0.5, 6.0, 90]


def test_el_frame_se_ajusta_al_entrenamiento_mas_corto():
    widget = ModeCoverage({"largo": runs(1, 4)["juego 0"], "corto": [(0, swarm(400, 5))]})
    widget.frame = 3
    widget.run = "corto"
    assert widget.coverage().counts.equal(mode_coverage(swarm(400, 5), EIGHT).counts)


def nan_run():
    x = swarm(20)
    x[3, 1] = math.nan
    return {"a": [(0, x)]}


LINE = GaussianMixture([0.5, 0.5], [[0.0], [1.0]], torch.ones(2, 1, 1))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ModeCoverage({}), ValueError, "runs debe traer de 1 a 6 .* y trae 0"),
        (lambda: ModeCoverage(runs(7, 1, 9)), ValueError, "de 1 a 6 entrenamientos y trae 7"),
        (lambda: ModeCoverage([(0, swarm())]), TypeError, "diccionario.*se recibió list"),
        (lambda: ModeCoverage({3: [(0, swarm())]}), TypeError, "nombres.*se recibió 3"),
        (lambda: ModeCoverage({" ": [(0, swarm())]}), TypeError, "nombres.*' '"),
        (lambda: ModeCoverage({"a": []}), ValueError, r"runs\['a'\] está vacío"),
        (lambda: ModeCoverage({"a": 5}), TypeError, r"runs\['a'\] debe ser una lista de parejas"),
        (lambda: ModeCoverage({"a": [swarm()]}), TypeError, "lista de parejas"),
        (lambda: ModeCoverage({"a": [(1.5, swarm())]}), TypeError, "el paso, un entero; trae 1.5"),
        (lambda: ModeCoverage({"a": [(-1, swarm())]}), ValueError, "el paso debe ser 0 o más.* -1"),
        (
            lambda: ModeCoverage({"a": [(4, swarm()), (4, swarm())]}),
            ValueError,
            "en orden y sin repetir: el 4 va después del 4",
        ),
        (
            lambda: ModeCoverage({"a": [(4, swarm()), (2, swarm())]}),
            ValueError,
            "el 2 va después del 4",
        ),
        (
            lambda: ModeCoverage({"a": [(0, torch.ones(5, 3))]}),
            ValueError,
            r"\(N, 2\), y tienen \(5, 3\)",
        ),
        (lambda: ModeCoverage({"a": [(0, torch.ones(0, 2))]}), ValueError, r"\(0, 2\)"),
        (lambda: ModeCoverage(nan_run()), ValueError, r"runs\['a'\], paso 0, .*NaN"),
        (lambda: ModeCoverage({"a": [(0, ["x", "y"])]}), TypeError, r"runs\['a'\], paso 0"),
        (lambda: ModeCoverage(runs(), mixture=[1]), TypeError, "GaussianMixture.*list"),
        (lambda: ModeCoverage(runs(), LINE), ValueError, "dimensión 2.* y es de 1"),
        (
            lambda: ModeCoverage(runs(), GaussianMixture([1.0], [[0.0, 0.0]], torch.eye(2)[None])),
            ValueError,
            "de 2 a 12 modos y tiene 1",
        ),
        (lambda: ModeCoverage(runs(), radius=0), ValueError, r"radius debe estar en \[0.5, 6\]"),
        (lambda: ModeCoverage(runs(), minimum=0), ValueError, "minimum.*positivo"),
        (lambda: ModeCoverage(runs(), minimum=2.5), TypeError, "minimum.*2.5"),
        (lambda: ModeCoverage(runs(6, 25, 1200)), ValueError, "runs añadiría .* MB.*menos"),
        (lambda: ModeCoverage(runs()).coverage("z"), ValueError, "run='z' no existe.*'juego 0'"),
        (lambda: ModeCoverage(runs()).samples("juego 0", 4), ValueError, r"frame .*\[0, 3\]"),
    ],
)
def test_lo_que_no_sirve(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_rasgos_imposibles():
    widget = ModeCoverage(runs())
    for name, value, message in [
        ("radius", 7.0, r"radius debe estar en \[0.5, 6\]"),
        ("minimum", 51, r"minimum debe estar en \[1, 50\]"),
        ("run", "otro", "run='otro' no existe"),
        ("frame", 4, r"frame debe estar en \[0, 3\]"),
    ]:
        before = getattr(widget, name)
        with pytest.raises(ValueError, match=message):
            setattr(widget, name, value)
        assert getattr(widget, name) == before


def test_descripcion_corta_y_estable_modulo_sin_red_y_peso():
    first, second = ModeCoverage(runs(4, 30)), ModeCoverage(runs(4, 30))
    assert 4 * len(first.data) / 3 < 300_000
    check_bundle(first, second)
