"""Distancias contra formas cerradas, SciPy y la ausencia de sesgo; el clasificador que las mide."""

import math

import numpy as np
import pytest
import torch
from scipy import linalg, stats

from course_lib import metrics
from course_lib.data import images, toy

F64 = torch.float64


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def random_cov(dim: int, seed: int) -> torch.Tensor:
    a = randn(dim, dim, seed=seed)
    return a @ a.T + 0.1 * torch.eye(dim, dtype=F64)


# --- Fréchet ------------------------------------------------------------------------------------


def test_frechet_en_una_dimension_es_la_formula_de_libro():
    """W₂² = (m_a − m_b)² + (s_a − s_b)²."""
    value = metrics.frechet_gaussians(
        torch.tensor([1.0]), torch.tensor([[4.0]]), torch.tensor([-2.0]), torch.tensor([[0.25]])
    )
    assert value == pytest.approx(9 + 1.5**2, rel=1e-6)


def test_frechet_entre_gaussianas_coincide_con_la_raiz_matricial_de_scipy():
    a, b, shift = random_cov(5, 1), random_cov(5, 2), randn(5, seed=3)
    root = linalg.sqrtm(a.numpy() @ b.numpy()).real
    expected = shift.square().sum() + torch.trace(a) + torch.trace(b) - 2 * np.trace(root)
    value = metrics.frechet_gaussians(shift, a, torch.zeros(5, dtype=F64), b)
    assert value == pytest.approx(expected.item(), rel=1e-9)


def test_frechet_con_covarianzas_singulares_es_exacto():
    """Rectas perpendiculares: el término cruzado se anula y quedan las dos trazas."""
    a = torch.diag(torch.tensor([4.0, 0.0], dtype=F64))
    b = torch.diag(torch.tensor([0.0, 9.0], dtype=F64))
    zero = torch.zeros(2, dtype=F64)
    assert metrics.frechet_gaussians(zero, a, zero, b) == pytest.approx(13, rel=1e-12)
    assert metrics.frechet_gaussians(zero, a, zero, a) == pytest.approx(0, abs=1e-12)


def test_frechet_de_un_solo_rasgo():
    """Con características (N, 1), la fórmula de la recta con las medias y varianzas muestrales."""
    a, b = randn(50, 1), 2 * randn(70, 1, seed=1) + 1
    expected = (a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2
    assert metrics.frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-9)


def test_frechet_de_muestras_tiende_al_valor_exacto():
    cov_a, cov_b, shift, n = random_cov(3, 4), random_cov(3, 5), torch.ones(3, dtype=F64), 200_000
    a = randn(n, 3, seed=6) @ torch.linalg.cholesky(cov_a).T
    b = randn(n, 3, seed=7) @ torch.linalg.cholesky(cov_b).T + shift
    exact = metrics.frechet_gaussians(0 * shift, cov_a, shift, cov_b)
    assert metrics.frechet_distance(a, b) == pytest.approx(exact, rel=0.02)


def test_frechet_es_invariante_a_rotaciones_y_cuadratica_en_la_escala():
    a, b = randn(300, 4, seed=8), 2 * randn(250, 4, seed=9) + 1
    rotation = torch.linalg.qr(randn(4, 4, seed=10)).Q
    value = metrics.frechet_distance(a, b)
    assert metrics.frechet_distance(a @ rotation, b @ rotation) == pytest.approx(value, rel=1e-9)
    assert metrics.frechet_distance(3 * a, 3 * b) == pytest.approx(9 * value, rel=1e-9)


# --- núcleos ------------------------------------------------------------------------------------


def brute_force_kid(a: torch.Tensor, b: torch.Tensor) -> float:
    def k(u, v):
        return (float(u @ v) / len(u) + 1) ** 3

    n, m = len(a), len(b)
    aa = sum(k(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    bb = sum(k(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    ab = sum(k(u, v) for u in a for v in b) / (n * m)
    return aa + bb - 2 * ab


def test_kernel_distance_es_la_definicion_con_dos_bucles():
    a, b = randn(7, 3, seed=1), randn(5, 3, seed=2) + 0.5
    assert metrics.kernel_distance(a, b) == pytest.approx(brute_force_kid(a, b), rel=1e-10)


def test_los_bloques_no_cambian_el_valor():
    a, b = randn(1500, 2, seed=3), randn(1100, 2, seed=4)
    gram = lambda u, v: (u @ v.T / 2 + 1) ** 3  # noqa: E731
    off = gram(a, a).sum() - gram(a, a).diagonal().sum()
    other = gram(b, b).sum() - gram(b, b).diagonal().sum()
    expected = off / (1500 * 1499) + other / (1100 * 1099) - 2 * gram(a, b).mean()
    assert metrics.kernel_distance(a, b) == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("distance", [metrics.kernel_distance, metrics.mmd])
def test_las_distancias_de_nucleo_son_insesgadas(distance):
    """Con la misma ley la media es 0; la V-estadística (con diagonal) saldría a > 5 errores."""
    values = torch.tensor(
        [distance(randn(20, 2, seed=2 * i), randn(20, 2, seed=2 * i + 1)) for i in range(400)]
    )
    error = values.std() / math.sqrt(len(values))
    assert values.mean().abs() < 4 * error
    assert (values < 0).any()


def test_mmd_entre_gaussianas_coincide_con_su_forma_cerrada():
    r"""E k(x,y) = (ℓ²/(ℓ²+2))^{D/2} exp(−|δ|²/2(ℓ²+2)) para x, y ~ N(·, I), y−x de media δ."""
    ell, delta, n = 0.8, torch.tensor([1.0, -0.5], dtype=F64), 4000
    factor = ell**2 / (ell**2 + 2)
    exact = 2 * factor * (1 - math.exp(-delta.square().sum().item() / (2 * (ell**2 + 2))))
    values = torch.tensor(
        [
            metrics.mmd(
                randn(n // 8, 2, seed=2 * i), randn(n // 8, 2, seed=2 * i + 1) + delta, (ell,)
            )
            for i in range(40)
        ]
    )
    error = values.std().item() / math.sqrt(len(values))
    assert error < 0.05 * exact
    assert abs(values.mean().item() - exact) < 4 * error


# --- Wasserstein por rebanadas ------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_sw_de_una_traslacion_es_el_desplazamiento_entre_raiz_de_d(dim):
    x, delta = randn(50, dim), randn(dim, seed=9)
    value = metrics.sliced_wasserstein(x, x + delta, projections=4000)
    tolerance = 1e-9 if dim <= 2 else 0.05
    assert value == pytest.approx(delta.norm().item() / math.sqrt(dim), rel=tolerance)


def test_sw_en_una_dimension_es_la_distancia_exacta_con_tamanos_distintos():
    """Contra el plan de transporte óptimo resuelto como programa lineal."""
    from scipy.optimize import linprog

    x, y = randn(4, 1, seed=1), 2 * randn(6, 1, seed=2) + 1
    cost = torch.cdist(x, y).square().numpy()
    rows = np.kron(np.eye(4), np.ones(6))
    columns = np.kron(np.ones(4), np.eye(6))
    plan = linprog(cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=[1 / 4] * 4 + [1 / 6] * 6)
    value = metrics.sliced_wasserstein(x, y, projections=3)
    assert value == pytest.approx(math.sqrt(plan.fun), rel=1e-8)


def test_sw_entre_gaussianas_de_distinta_escala():
    r"""Para N(0, I) y N(0, s²I) toda rebanada da |1 − s|."""
    n = 20_001
    quantiles = torch.from_numpy(stats.norm.ppf((np.arange(n) + 0.5) / n))[:, None]
    assert metrics.sliced_wasserstein(quantiles, 3 * quantiles, 1) == pytest.approx(2, rel=1e-3)
    x, y = randn(10_000, 2, seed=1), 3 * randn(10_000, 2, seed=2)
    assert metrics.sliced_wasserstein(x, y, 16) == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_w_en_la_recta_empareja_por_orden(p):
    """Igual tamaño: el mejor emparejamiento, buscado por asignación; también con (N, 1)."""
    from scipy.optimize import linear_sum_assignment

    x, y = randn(7, seed=1), 2 * randn(7, seed=2) + 1
    cost = (x[:, None] - y).abs().numpy() ** p
    exact = cost[linear_sum_assignment(cost)].mean() ** (1 / p)
    assert metrics.wasserstein_1d(x, y, p) == pytest.approx(exact, rel=1e-12)
    assert metrics.wasserstein_1d(x[:, None], y.flip(0)[:, None], p) == pytest.approx(exact)
    assert metrics.wasserstein_1d(x.float(), x.flip(0).float(), p) == 0


def test_w_en_la_recta_con_tamanos_distintos():
    """W₁ contra SciPy y W₂ contra la distancia por cortes, que en una dimensión es la misma."""
    x, y = randn(30, seed=1), 2 * randn(47, seed=2) + 1
    exact = stats.wasserstein_distance(x.numpy(), y.numpy())
    assert metrics.wasserstein_1d(x, y, 1) == pytest.approx(exact, rel=1e-12)
    sliced = metrics.sliced_wasserstein(x[:, None], y[:, None], 1)
    assert metrics.wasserstein_1d(x, y) == pytest.approx(sliced, rel=1e-12)
    assert metrics.wasserstein_1d(x, x + 0.3, 1.7) == pytest.approx(0.3, rel=1e-12)
    for gap in (0.1, 100.0):  # 0.1^2000 es 0 y 100^400, infinito
        assert metrics.wasserstein_1d(x, x + gap, 2000) == pytest.approx(gap, rel=1e-9)
    assert metrics.wasserstein_1d(torch.full((3,), 5.0), torch.full((4,), 5.0)) == 0


def test_sw_distingue_las_leyes_de_juguete_de_su_suelo():
    base = toy.load("lunas", 3000, 0)
    result = metrics.compare(
        toy.load("espiral", 1000, 1), base, toy.load("lunas", 4000, 2), "sliced_wasserstein"
    )
    assert result.value > result.floor + 5 * result.floor_std
    same = metrics.compare(
        toy.load("lunas", 1000, 3), base, toy.load("lunas", 4000, 2), "sliced_wasserstein"
    )
    assert abs(same.value - same.floor) < 4 * same.floor_std


# --- comparación y suelo ------------------------------------------------------------------------


@pytest.mark.parametrize("distance", ["frechet", "kernel", "sliced_wasserstein", "mmd"])
def test_compare_da_el_valor_de_la_distancia_y_el_suelo_con_iguales_tamanos(distance):
    samples, a, b = randn(50, 3, seed=1) + 1, randn(80, 3, seed=2), randn(120, 3, seed=3)
    function = metrics.DISTANCES[distance]
    result = metrics.compare(samples, a, b, distance)
    parts = torch.tensor([function(b[:50], a), function(b[50:100], a)], dtype=F64)
    assert result.value == pytest.approx(function(samples, a), rel=1e-12)
    assert result.floor == pytest.approx(parts.mean().item(), rel=1e-12)
    assert result.floor_std == pytest.approx(parts.std().item(), rel=1e-12)
    assert metrics.floor(a, b, 50, distance) == pytest.approx(result.floor, rel=1e-12)
    assert f"suelo {result.floor:.4g}" in str(result)


def test_el_suelo_de_frechet_baja_al_crecer_n():
    """El sesgo de la distancia es ~1/n: comparar con un suelo de otro tamaño engañaría."""
    a, b = randn(5000, 20, seed=1), randn(5000, 20, seed=2)
    small, large = metrics.floor(a, b, 100), metrics.floor(a, b, 1000)
    assert small > 5 * large > 0


# --- el clasificador y sus características ------------------------------------------------------


@pytest.fixture(scope="module")
def test_images():
    return images.load("fashion-mnist", "test", source="slice")


def test_el_clasificador_reconoce_la_muestra_de_prueba(test_images):
    result = metrics.class_accuracy(test_images.images, test_images.labels)
    assert result.total > 0.90
    assert float(result) == result.total
    assert np.mean(list(result.per_class.values())) == pytest.approx(result.total)
    wrong = metrics.class_accuracy(test_images.images, (test_images.labels + 1) % 10)
    assert wrong.total < 0.1


def test_la_exactitud_por_clase_cuenta_bien_con_un_clasificador_conocido():
    class Fixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.anchor = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return torch.nn.functional.one_hot(x[:, 0, 0, 0].long(), 3).float()

    x = torch.zeros(5, 1, 8, 8)
    x[:, 0, 0, 0] = torch.tensor([0.0, 0.0, 1.0, 1.0, 1.0])
    result = metrics.class_accuracy(x, torch.tensor([0, 1, 1, 1, 2]), Fixed())
    assert result.per_class == {0: 1.0, 1: pytest.approx(2 / 3), 2: 0.0}
    assert result.total == pytest.approx(3 / 5)


def test_las_caracteristicas_no_dependen_del_lote_ni_de_la_forma_de_dar_las_imagenes(test_images):
    part = test_images.images[:30]
    together = metrics.features(part)
    assert together.shape == (30, 128) and together.dtype == F64
    one = torch.cat([metrics.features(image[None]) for image in part])
    torch.testing.assert_close(together, one, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together, metrics.features(images.to_model(part)))


class NoDouble(torch.Tensor):
    """Hace de tensor de un dispositivo que, como MPS, no conoce float64."""

    def cpu(self):
        return self.as_subclass(torch.Tensor)

    def double(self):
        raise TypeError("este dispositivo no conoce float64")


class Flat(torch.nn.Module):
    """Un clasificador cuyas características son los píxeles; apunta en qué modo se le usa."""

    def __init__(self):
        super().__init__()
        self.seen, self.drop = set(), torch.nn.Dropout(0.5)
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def features(self, x):
        self.seen.add((self.training, self.drop.training))
        return self.drop(x.flatten(1)).as_subclass(NoDouble)

    def forward(self, x):
        return self.features(x)[:, :3]


def test_se_mide_en_modo_de_evaluacion_y_cada_modulo_vuelve_al_suyo():
    """También en un dispositivo sin float64: se pasa a la CPU antes de convertir."""
    classifier = Flat().train()
    classifier.drop.eval()
    x = 2 * torch.rand(7, 1, 4, 4) - 1
    found = metrics.features(x, classifier)
    assert found.dtype == torch.float64 and torch.equal(found, x.flatten(1).double())
    metrics.class_shares(x, classifier)
    metrics.class_accuracy(x, torch.zeros(7).long(), classifier)
    with pytest.raises(RuntimeError):
        metrics.features(torch.zeros(2, 1, 4, 4), Broken(classifier))
    assert classifier.seen == {(False, False)}
    assert classifier.training and not classifier.drop.training


class Broken(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def features(self, x):
        raise RuntimeError("no cabe en la memoria")


def test_frechet_con_caracteristicas_crece_con_el_ruido(test_images):
    x = test_images.to_model()
    real_a, real_b = x[:500], x[500:]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(real_b.shape, generator=generator)
    values = [
        metrics.compare((real_b + s * noise).clamp(-1, 1), real_a, real_b) for s in (0, 0.2, 0.5)
    ]
    assert values[0].value == pytest.approx(values[0].floor, rel=1e-6)
    assert values[2].value > 1.5 * values[1].value > 2 * values[0].value


# --- errores ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: metrics.frechet_distance(randn(5, 2), randn(5, 3)), ["feats_b", "2 y 3"]),
        (lambda: metrics.frechet_distance(randn(1, 2), randn(5, 2)), ["feats_a", "al menos 2"]),
        (lambda: metrics.mmd(randn(5), randn(5, 2)), ["x", "(N, D)", "(5,)"]),
        (lambda: metrics.mmd(randn(5, 2), randn(5, 2) * math.nan), ["y", "NaN"]),
        (lambda: metrics.mmd(randn(5, 2), randn(5, 2), (0.0,)), ["bandwidths"]),
        (lambda: metrics.sliced_wasserstein(randn(5, 2), randn(5, 2), 0), ["projections", "0"]),
        (lambda: metrics.wasserstein_1d(randn(5), randn(5), 0.5), ["p debe", "[1, inf)", "0.5"]),
        (lambda: metrics.wasserstein_1d(randn(5, 2), randn(5)), ["la recta", "(5, 2)", "sliced"]),
        (lambda: metrics.wasserstein_1d(randn(5), randn(5) * math.nan), ["y contiene", "NaN"]),
        (lambda: metrics.wasserstein_1d([0.0], randn(5)), ["x debe", "list"]),
        (lambda: metrics.compare(randn(9, 2), randn(5, 2), randn(5, 2)), ["real_b", "9", "5"]),
        (lambda: metrics.compare(*[randn(5, 2)] * 3, "fid"), ["distance", "fid", "frechet"]),
        (lambda: metrics.class_accuracy(torch.zeros(3, 1, 28, 28), torch.zeros(2)), ["labels"]),
        (lambda: metrics.features(torch.zeros(2, 3, 28, 28)), ["(B, 1, H, W)", "(2, 3, 28, 28)"]),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(build, words):
    with pytest.raises(ValueError) as caught:
        build()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


def test_imagenes_en_0_255_avisan():
    with pytest.warns(UserWarning, match=r"\[0, 255\]"):
        metrics.features(torch.full((2, 1, 28, 28), 200.0))
