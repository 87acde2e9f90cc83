"""Densidad y cobertura contra casos a mano, la definición con bucles y sus esperanzas exactas."""

import math

import pytest
import torch

from course_lib import coverage_metrics, metrics
from course_lib.data import images

F64 = torch.float64


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)[:, None]


def test_caso_a_mano_con_cuatro_datos():
    """Radios de 0, 1, 3, 7 con k = 1: 1, 1, 2, 4. La muestra 0.5 cae en las dos primeras bolas;
    la 5.5, en la última (dista 2.5 de la de radio 2); la 20, en ninguna."""
    result = metrics.density_coverage(column(0.5, 5.5, 20.0), column(0.0, 1.0, 3.0, 7.0), k=1)
    assert result.density == pytest.approx(3 / 3, rel=1e-12)
    assert result.coverage == pytest.approx(3 / 4, rel=1e-12)


def test_la_bola_es_abierta_y_k_cuenta_sin_el_propio_dato():
    """Con k = 2 los radios son 3, 2, 3, 6: la muestra 3 dista justo 3 de 0, y no entra."""
    result = metrics.density_coverage(column(3.0, 3.0), column(0.0, 1.0, 3.0, 7.0), k=2)
    assert result.density == pytest.approx((0 + 0 + 2 + 2) / (2 * 2), rel=1e-12)
    assert result.coverage == 0.5


def by_definition(samples, real, k):
    radii = [sorted((a - b).norm().item() for b in real)[k] for a in real]
    inside = [
        [(y - x).norm().item() < r for y in samples] for x, r in zip(real, radii, strict=True)
    ]
    density = sum(map(sum, inside)) / (k * len(samples))
    return density, sum(map(any, inside)) / len(real)


@pytest.mark.parametrize(("n", "m", "dim", "k"), [(30, 17, 3, 5), (12, 40, 1, 2), (9, 8, 6, 8)])
def test_es_la_definicion_con_dos_bucles(n, m, dim, k):
    real, samples = randn(n, dim), 1.3 * randn(m, dim, seed=1) + 0.3
    result = metrics.density_coverage(samples, real, k)
    assert tuple(result) == pytest.approx(by_definition(samples, real, k), rel=1e-12)
    assert result.density not in (0, 1)


def test_los_bloques_no_cambian_el_resultado(monkeypatch):
    real, samples = randn(50, 4), randn(33, 4, seed=1)
    whole = metrics.density_coverage(samples, real, 3)
    sizes = []

    def blocks(x, columns):
        sizes.append(columns)
        return x.split(7)

    monkeypatch.setattr(coverage_metrics, "_blocks", blocks)
    assert metrics.density_coverage(samples, real, 3) == whole
    assert sizes == [50, 33, 33]


def test_un_bloque_no_pasa_de_128_mib():
    parts = coverage_metrics._blocks(torch.zeros(60_000, 1), 60_000)
    assert max(map(len, parts)) * 60_000 * 8 <= 2**27
    assert sum(map(len, parts)) == 60_000


@pytest.mark.parametrize(("n", "m", "dim", "k"), [(40, 25, 2, 5), (25, 60, 8, 3), (20, 20, 1, 1)])
def test_con_la_misma_ley_las_esperanzas_son_las_exactas(n, m, dim, k):
    """La densidad vale 1 y la cobertura la del lema 2, sea cual sea la ley y la dimensión."""
    runs = torch.tensor(
        [
            metrics.density_coverage(randn(m, dim, seed=2 * i), randn(n, dim, seed=2 * i + 1), k)
            for i in range(600)
        ]
    ).double()
    mean, error = runs.mean(0), runs.std(0) / math.sqrt(len(runs))
    assert error[0] < 0.02 and error[1] < 0.01
    assert abs(mean[0] - 1) < 4 * error[0]
    assert abs(mean[1] - metrics.expected_coverage(n, m, k)) < 4 * error[1]


def test_la_cobertura_esperada_en_casos_que_se_cuentan_a_mano():
    """Dos datos y una muestra, k = 1: el vecino más cercano es la muestra con probabilidad 1/2."""
    assert metrics.expected_coverage(2, 1, 1) == pytest.approx(1 / 2, rel=1e-12)
    # Cinco datos, tres muestras, k = 2: 1 − (4/7)(3/6).
    assert metrics.expected_coverage(5, 3, 2) == pytest.approx(1 - 4 / 7 * 3 / 6, rel=1e-12)
    # Con n = m grande tiende a 1 − 2^{−k}.
    assert metrics.expected_coverage(10**6, 10**6, 5) == pytest.approx(1 - 2**-5, rel=1e-4)


def test_un_generador_que_pierde_uno_de_dos_modos():
    """Las bolas de los datos del modo perdido se quedan vacías, y la cobertura baja a la mitad; la
    densidad no lo delata: las muestras del otro modo caen en tantas bolas como debían."""
    real = torch.cat([randn(400, 2), randn(400, 2, seed=1) + 100])
    both = torch.cat([randn(400, 2, seed=2), randn(400, 2, seed=3) + 100])
    whole, lost = (metrics.density_coverage(x, real) for x in (both, randn(800, 2, seed=4)))
    assert whole.coverage == pytest.approx(metrics.expected_coverage(800, 800), abs=0.02)
    # Dentro del modo que queda hay 400 datos y 800 muestras.
    assert lost.coverage == pytest.approx(metrics.expected_coverage(400, 800) / 2, abs=0.01)
    assert lost.coverage <= 0.5 < whole.coverage
    assert whole.density == pytest.approx(1, abs=0.1)
    assert lost.density == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("std", [1e-2, 1e-4, 1e-6])
def test_copiar_dos_modos_muy_estrechos_tambien_da_densidad_1(std):
    """En el plano las distancias no salen de restar cuadrados, que aquí se parecen demasiado."""
    near = std * randn(400, 2)
    real = torch.cat([near[:200] - 1, near[200:] + 1])
    assert metrics.density_coverage(real.flip(0), real) == (1.0, 1.0)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_copiar_los_datos_los_cubre_todos_y_da_densidad_1(offset):
    """De las copias entran en cada bola la del dato y las de sus k − 1 primeros vecinos, nunca la
    del k-ésimo, que está en el borde: sin margen, el redondeo metería alguna. Lejos del origen los
    cuadrados pierden cifras si no se centran."""
    for seed in range(6):
        real = offset + randn(97, 33, seed=seed)
        order = torch.randperm(97, generator=torch.Generator().manual_seed(seed))
        assert metrics.density_coverage(real[order], real) == (1.0, 1.0)
    assert metrics.density_coverage(real + 100, real) == (0.0, 0.0)


def test_no_depende_de_rotaciones_traslaciones_ni_escalas():
    real, samples = randn(60, 4), randn(50, 4, seed=1) + 0.2
    rotation = torch.linalg.qr(randn(4, 4, seed=2)).Q
    moved = [5 * x @ rotation - 3 for x in (samples, real)]
    assert metrics.density_coverage(*moved) == metrics.density_coverage(samples, real)


# --- imágenes y clases --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def garments():
    return images.load("fashion-mnist", "test", source="slice")


def test_con_imagenes_toma_las_caracteristicas_del_clasificador(garments):
    x = garments.to_model()
    samples, real = x[:150], x[150:400]
    expected = metrics.density_coverage(metrics.features(samples), metrics.features(real), 3)
    assert metrics.density_coverage(samples, real, 3) == expected
    assert 0.3 < expected.coverage < 1


def test_las_imagenes_reales_llegan_al_techo_y_una_clase_sola_no(garments):
    x, labels = garments.to_model(), garments.labels
    half = len(x) // 2
    ceiling = metrics.expected_coverage(half, len(x) - half)
    assert metrics.density_coverage(x[half:], x[:half]).coverage == pytest.approx(ceiling, abs=0.05)
    one = x[half:][labels[half:] == 1]
    assert metrics.density_coverage(one, x[:half]).coverage < 0.2


class Fixed(torch.nn.Module):
    """La clase de una imagen es el valor, de −1 a 1, de su primer píxel: 0, 1 o 2."""

    def __init__(self):
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return torch.nn.functional.one_hot((x[:, 0, 0, 0] + 1).long(), 3).float()


def test_el_reparto_de_clases_cuenta_bien_con_un_clasificador_conocido():
    x = torch.zeros(1000, 1, 8, 8)
    x[:700, 0, 0, 0] = 1.0
    x[700:, 0, 0, 0] = -1.0
    shares = metrics.class_shares(x, Fixed())
    assert shares.dtype == F64
    assert shares.tolist() == pytest.approx([0.3, 0.0, 0.7], rel=1e-12)


def test_el_reparto_de_la_muestra_de_prueba_es_casi_uniforme(garments):
    shares = metrics.class_shares(garments.images)
    assert shares.shape == (10,) and shares.sum().item() == pytest.approx(1, rel=1e-12)
    true = torch.bincount(garments.labels, minlength=10).double() / len(garments.labels)
    assert (shares - true).abs().max() < 0.05
    shirts = metrics.class_shares(garments.images[garments.labels == 9])
    assert shirts.argmax() == 9 and shirts[9] > 0.9


# --- errores ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: metrics.density_coverage(randn(5, 2), randn(9, 3)), ["samples", "real", "2 y 3"]),
        (lambda: metrics.density_coverage(randn(5), randn(9, 3)), ["samples", "(N, D)", "(5,)"]),
        (lambda: metrics.density_coverage(randn(5, 2) * math.nan, randn(9, 2)), ["samples", "NaN"]),
        (lambda: metrics.density_coverage(randn(9, 2), randn(5, 2)), ["k=5", "6", "hay 5"]),
        (lambda: metrics.density_coverage(randn(9, 2), randn(9, 2), 0), ["k", "positivo", "0"]),
        (lambda: metrics.expected_coverage(3, 10, 3), ["k=3", "4", "hay 3"]),
        (lambda: metrics.expected_coverage(10, 0), ["m", "positivo"]),
        (lambda: metrics.class_shares(torch.zeros(0, 1, 28, 28)), ["images", "ninguna"]),
        (
            lambda: metrics.class_accuracy(torch.zeros(0, 1, 28, 28), torch.zeros(0).long()),
            ["images", "ninguna"],
        ),
        (lambda: metrics.class_shares(torch.zeros(2, 3, 28, 28)), ["(B, 1, H, W)"]),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(build, words):
    with pytest.raises(ValueError) as caught:
        build()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))
