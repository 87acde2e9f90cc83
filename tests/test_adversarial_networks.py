"""Las redes de la DCGAN, su norma espectral, y los modos que cubre un generador."""

import math

import pytest
import torch
from torch import nn

from course_lib.adversarial import Coverage, expected_good, mode_coverage
from course_lib.data import toy
from course_lib.networks import Discriminator, Generator
from course_lib.networks.dcgan import split_side
from course_lib.probability import Gaussian, GaussianMixture

# --- formas -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (2, 8), (1, 40)])
def test_el_generador_y_el_discriminador_encajan(channels, size):
    torch.manual_seed(0)
    generator = Generator(5, channels, size, base=4)
    x = generator(torch.randn(3, 5))
    assert x.shape == (3, channels, size, size)
    assert x.abs().max() < 1 and generator.latent_dim == 5
    for spectral in (True, False):
        assert Discriminator(channels, size, base=4, spectral=spectral)(x).shape == (3,)


@pytest.mark.parametrize(
    ("size", "expected"), [(8, (4, 1)), (14, (7, 1)), (28, (7, 2)), (32, (4, 3)), (96, (6, 4))]
)
def test_el_lado_inicial_y_los_doblajes(size, expected):
    assert split_side(size) == expected


@pytest.mark.parametrize(
    ("size", "text"), [(30, "28 y 32"), (7, "8 y 10"), (1, "8 y 10"), (27, "24 y 28")]
)
def test_un_lado_imposible_dice_los_cercanos(size, text):
    for make in (lambda: Generator(2, size=size), lambda: Discriminator(size=size)):
        with pytest.raises(ValueError, match=f"size={size} .*{text}"):
            make()


def test_los_canales_no_pasan_de_ocho_veces_la_base():
    layers = [m for m in Discriminator(1, 256, base=2).modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in layers] == [2, 4, 8, 16, 16, 16]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: Generator(0), ValueError, "latent_dim"),
        (lambda: Generator(2, base=0), ValueError, "base"),
        (lambda: Discriminator(channels=0), ValueError, "channels"),
        (lambda: Generator(3, base=4)(torch.zeros(2, 4)), ValueError, r"\(B, 3\).*\(2, 4\)"),
        (
            lambda: Discriminator(base=4)(torch.zeros(2, 1, 32, 32)),
            ValueError,
            r"\(B, 1, 28, 28\).*\(2, 1, 32, 32\)",
        ),
    ],
)
def test_argumentos_incorrectos(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_un_lote_de_uno_se_rechaza_al_entrenar_y_se_admite_al_generar():
    generator, z = Generator(3, base=4), torch.randn(1, 3)
    with pytest.raises(ValueError, match=r"lote de uno.*BatchNorm.*batch_size ≥ 2"):
        generator(z)
    assert generator.eval()(z).shape == (1, 1, 28, 28)
    assert Discriminator(base=4)(torch.zeros(1, 1, 28, 28)).shape == (1,)


def test_el_discriminador_no_mezcla_los_ejemplos_del_lote():
    torch.manual_seed(0)
    net, x = Discriminator(base=4).eval(), torch.randn(4, 1, 28, 28)
    torch.testing.assert_close(torch.cat([net(row[None]) for row in x]), net(x))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())


# --- norma espectral ----------------------------------------------------------------------------


def norms(net):
    """La mayor norma espectral de cada capa, por descomposición en valores singulares."""
    net.eval()
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return [torch.linalg.matrix_norm(m.weight.detach().flatten(1), 2).item() for m in layers]


def test_la_norma_espectral_es_uno_con_la_normalizacion_y_no_sin_ella():
    """Tolerancia declarada: 1 %, tras 50 iteraciones de la potencia."""
    torch.manual_seed(0)
    net = Discriminator(base=8).double()
    free = Discriminator(base=8, spectral=False).double()
    for other in (net, free):  # pesos mayores, como después de entrenar
        for p in other.parameters():
            p.data.mul_(30)
    x = torch.randn(2, 1, 28, 28, dtype=torch.float64)
    for _ in range(50):
        net(x)
    assert all(0.99 < n <= 1.01 for n in norms(net)) and len(norms(net)) == 3
    assert max(norms(free)) > 2


def test_la_pendiente_del_discriminador_espectral_esta_acotada():
    """Con ‖W‖ = 1 en cada matriz, una convolución 4 × 4 de paso 2 tiene norma ≤ 2: en total, 2²."""
    torch.manual_seed(0)
    net = Discriminator(base=8).double()
    x = torch.randn(16, 1, 28, 28, dtype=torch.float64)
    for _ in range(50):
        net(x)
    x.requires_grad_(True)
    (slope,) = torch.autograd.grad(net.eval()(x).sum(), x)
    assert slope.flatten(1).norm(dim=1).max() <= 4 * 1.03


# --- cobertura ----------------------------------------------------------------------------------


def test_muestras_de_la_propia_mezcla_cubren_todo(generator):
    mixture = toy.eight_gaussians()
    found = mode_coverage(mixture.sample(4000, generator), mixture, minimum=50)
    assert found.covered == 8 and found.missing == []
    ceiling = expected_good(2)
    assert ceiling == pytest.approx(1 - math.exp(-4.5), rel=1e-12)
    assert abs(found.good - ceiling) < 4 * math.sqrt(ceiling * (1 - ceiling) / 4000)
    assert found.counts.sum() == round(found.good * 4000)
    assert expected_good(1) == pytest.approx(0.9973002, abs=1e-7)


def test_un_generador_colapsado_se_ve():
    mixture = toy.eight_gaussians(torch.float64)
    x = mixture.means[[2, 2, 2, 5]]
    found = mode_coverage(x, mixture)
    assert found.counts.tolist() == [0, 0, 3, 0, 0, 1, 0, 0]
    assert (found.covered, found.missing, found.good) == (2, [0, 1, 3, 4, 6, 7], 1.0)
    assert mode_coverage(x, mixture, minimum=2).covered == 1
    assert repr(found) == "Coverage(2 de 8 modos, 100.0 % buenas)"
    nowhere = mode_coverage(torch.zeros(5, 2), mixture)
    assert (nowhere.covered, nowhere.good) == (0, 0.0)


def test_la_distancia_se_mide_en_desviaciones_de_cada_modo():
    """Un modo alargado: la misma distancia euclídea es buena a lo largo y mala a lo ancho."""
    cov = torch.tensor([[4.0, 0.0], [0.0, 0.01]])
    mixture = GaussianMixture([1.0], torch.zeros(1, 2), cov[None])
    x = torch.tensor([[5.9, 0.0], [6.1, 0.0], [0.0, 0.29], [0.0, 0.31]])
    assert [mode_coverage(row[None], mixture).good for row in x] == [1.0, 0.0, 1.0, 0.0]
    tilted = torch.tensor([[2.0, 1.9], [1.9, 2.0]])
    mixture = GaussianMixture([1.0], torch.zeros(1, 2), tilted[None])
    along, across = torch.tensor([[3.0, 3.0]]), torch.tensor([[3.0, -3.0]])
    assert mode_coverage(along, mixture).good == 1.0
    assert mode_coverage(across, mixture).good == 0.0


def test_cada_muestra_cuenta_en_el_modo_mas_proximo_en_desviaciones():
    """A medio camino de dos modos, gana el ancho, del que dista menos desviaciones."""
    means = torch.tensor([[0.0], [2.0]])
    mixture = GaussianMixture([0.5, 0.5], means, torch.tensor([[[0.04]], [[1.0]]]))
    assert mode_coverage(torch.tensor([[0.9]]), mixture).counts.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("x", "options", "text"),
    [
        (torch.zeros(3, 5), {}, r"\(N, 2\).*\(3, 5\)"),
        (torch.zeros(0, 2), {}, r"\(0, 2\)"),
        (torch.tensor([[math.nan, 0.0]]), {}, "NaN"),
        (torch.zeros(3, 2), {"radius": 0.0}, "radius"),
        (torch.zeros(3, 2), {"minimum": 0}, "minimum"),
    ],
)
def test_cobertura_con_argumentos_incorrectos(x, options, text):
    with pytest.raises(ValueError, match=text):
        mode_coverage(x, toy.eight_gaussians(), **options)


def test_la_fraccion_esperada_es_la_de_una_normal(generator):
    law = Gaussian(torch.zeros(4), torch.eye(4))
    inside = (law.sample(20_000, generator).norm(dim=1) < 2.0).float().mean().item()
    assert expected_good(4, 2.0) == pytest.approx(inside, abs=4 * 0.5 / math.sqrt(20_000))
    assert isinstance(mode_coverage(torch.zeros(1, 2), toy.eight_gaussians()), Coverage)
