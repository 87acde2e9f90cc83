"""D*, V y JSD contra integrales independientes, y un discriminador entrenado contra ellos."""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import nn

from course_lib.adversarial import exact, losses
from course_lib.data import toy
from course_lib.probability import Gaussian, GaussianMixture
from course_lib.probability.divergences import sampled_js
from course_lib.training import Trainer

GRID = torch.linspace(-14, 14, 4001, dtype=torch.float64)
DATA, MODEL = Gaussian([0.8], [[1.0]]), Gaussian([-0.5], [[2.25]])


def two_modes(dtype=torch.float64):
    means = torch.tensor([[-2.0], [1.5]], dtype=dtype)
    covs = torch.tensor([[[0.5]], [[0.8]]], dtype=dtype)
    return GaussianMixture(torch.tensor([0.4, 0.6], dtype=dtype), means, covs)


def quadrature(function):
    return quad(function, -14, 14, limit=400, epsabs=1e-12, points=[-2, 0, 2])[0]


# --- el óptimo ----------------------------------------------------------------------------------


def test_el_discriminador_optimo_es_el_cociente_de_densidades():
    x = torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None]
    p, q = norm(0.8, 1.0).pdf(x[:, 0]), norm(-0.5, 1.5).pdf(x[:, 0])
    expected = torch.as_tensor(p / (p + q))
    found = exact.optimal_discriminator(DATA, MODEL, x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    logit = exact.optimal_logit(DATA, MODEL, x)
    torch.testing.assert_close(logit, torch.as_tensor(p / q).log(), rtol=1e-10, atol=1e-12)
    far = torch.tensor([[-60.0], [60.0]], dtype=torch.float64)  # las dos densidades son 0 en float
    assert exact.optimal_discriminator(DATA, MODEL, far).isfinite().all()
    same = exact.optimal_discriminator(DATA, DATA, x)
    assert torch.equal(same, torch.full_like(same, 0.5))


@pytest.mark.parametrize(
    ("data", "model"), [(DATA, MODEL), (two_modes(), MODEL), (DATA, two_modes())]
)
def test_v_en_el_optimo_es_2_jsd_menos_log_4(data, model):
    def densities(x):
        point = torch.tensor([[x]], dtype=torch.float64)
        return data.log_prob(point).exp().item(), model.log_prob(point).exp().item()

    def js(x):
        p, q = densities(x)
        return sum(a * math.log(2 * a / (p + q)) / 2 for a in (p, q) if a > 0)

    jsd = quadrature(js)
    value = exact.integrated_value(exact.Ratio(data, model), data, model, GRID)
    assert value == pytest.approx(2 * jsd - math.log(4), abs=1e-6)
    assert exact.optimal_value(data, model, GRID) == pytest.approx(value, abs=1e-9)


def test_v_de_un_discriminador_cualquiera_contra_una_integral_independiente():
    def logit(x):
        return 0.7 * x - 0.2 * x.square()

    def integrand(x):
        s = 0.7 * x - 0.2 * x**2
        d = 1 / (1 + math.exp(-s))
        return norm.pdf(x, 0.8, 1.0) * math.log(d) + norm.pdf(x, -0.5, 1.5) * math.log(1 - d)

    value = exact.integrated_value(logit, DATA, MODEL, GRID)
    assert value == pytest.approx(quadrature(integrand), abs=1e-6)
    assert value < exact.optimal_value(DATA, MODEL, GRID) - 0.01
    blind = exact.integrated_value(lambda x: 0 * x, DATA, MODEL, GRID)
    assert blind == pytest.approx(-math.log(4), abs=1e-9)


def test_leyes_alejadas_dan_jsd_log_2_y_leyes_iguales_0():
    far = Gaussian([9.0], [[0.01]])
    assert exact.optimal_value(far, Gaussian([-9.0], [[0.01]]), GRID) == pytest.approx(0, abs=1e-6)
    assert exact.optimal_value(DATA, DATA, GRID) == pytest.approx(-math.log(4), abs=1e-9)


def test_v_y_la_cota_con_muestras_caen_dentro_de_su_error(generator):
    ratio, value = exact.Ratio(DATA, MODEL), exact.optimal_value(DATA, MODEL, GRID)
    errors = []
    for _ in range(30):
        x, y = DATA.sample(400, generator), MODEL.sample(700, generator)
        estimate = exact.sampled_value(ratio, x, y)
        errors.append((estimate.value - value) / estimate.error)
        bound = exact.sampled_js_bound(ratio, x, y)
        assert bound.value == pytest.approx((estimate.value + math.log(4)) / 2, rel=1e-12)
        assert bound.error == pytest.approx(estimate.error / 2, rel=1e-12)
    spread = torch.tensor(errors)
    assert spread.mean().abs() < 4 / math.sqrt(30) and 0.6 < spread.std() < 1.5
    js = sampled_js(DATA, MODEL, x, y)  # con D*, la cota es el estimador de Monte Carlo de la JSD
    assert bound.value == pytest.approx(js.value, abs=1e-6)


# --- un discriminador entrenado -----------------------------------------------------------------


def train(data, model, hidden, steps, seed=0):
    """El discriminador de dos muestras fijas, con el `Trainer` de siempre."""
    generator = torch.Generator().manual_seed(seed)
    x, y = (law.sample(40_000, generator).float() for law in (data, model))
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Linear(x.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(),
        nn.Linear(hidden, 1),
    )  # fmt: skip

    def loss(net, batch, generator):
        return losses.logistic_discriminator(net(batch[0]), net(batch[1]))

    options = {"batch_size": 1024, "lr": 3e-3, "ema": 0.99, "progress": False, "warmup": 0}
    return Trainer(net, loss, (x, y), **options).fit(steps).ema_model


@pytest.fixture(scope="module")
def trained():
    return train(two_modes(torch.float32), MODEL, 32, 1200)


def test_el_discriminador_entrenado_en_1d_es_el_optimo(trained):
    """Tolerancia declarada: 0.05 en D donde la densidad media pasa de 0.02."""
    data = two_modes()
    x = torch.linspace(-5, 4, 181, dtype=torch.float64)[:, None]
    weight = (data.log_prob(x).exp() + MODEL.log_prob(x).exp()) / 2
    with torch.no_grad():
        found = trained(x.float())[:, 0].sigmoid().double()
    gap = (found - exact.optimal_discriminator(data, MODEL, x)).abs()
    assert (weight > 0.02).sum() > 120
    assert gap[weight > 0.02].max() < 0.05
    assert exact.optimal_discriminator(data, MODEL, x).std() > 0.15  # no es una constante


def test_la_jsd_estimada_no_pasa_de_la_exacta_y_queda_cerca(trained, generator):
    data = two_modes()
    jsd = (exact.optimal_value(data, MODEL, GRID) + math.log(4)) / 2
    bound = exact.integrated_js_bound(trained, data, MODEL, GRID)
    assert jsd - 0.005 < bound <= jsd
    x, y = data.sample(20_000, generator), MODEL.sample(20_000, generator)
    estimate = exact.sampled_js_bound(trained, x, y)
    assert abs(estimate.value - bound) < 4 * estimate.error
    torch.manual_seed(0)
    raw = nn.Linear(1, 1)
    assert exact.integrated_js_bound(raw, data, MODEL, GRID) < bound  # sin entrenar, peor


def test_el_discriminador_entrenado_en_2d_es_el_optimo():
    """Ocho gaussianas frente a una normal: 0.1 de media, ponderada por la densidad, en D."""
    data, model = toy.eight_gaussians(), Gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])
    net = train(data, model, 64, 600)
    side = torch.linspace(-2.5, 2.5, 61, dtype=torch.float64)
    x = torch.cartesian_prod(side, side)
    weight = data.log_prob(x).exp() + model.log_prob(x).exp()
    best = exact.optimal_discriminator(data, model, x)
    with torch.no_grad():
        gap = (net(x.float())[:, 0].sigmoid().double() - best).abs()
    assert (weight * gap).sum() / weight.sum() < 0.1
    assert (weight * (best - 0.5).abs()).sum() / weight.sum() > 0.25  # decir siempre ½ no basta


# --- argumentos y efectos -----------------------------------------------------------------------


def test_evaluar_no_cambia_la_red_ni_su_modo():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    exact.integrated_value(net, DATA, MODEL, GRID)
    assert net.training
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: exact.optimal_logit(torch.ones(3), MODEL, GRID[:, None]), TypeError, "data.*log"),
        (lambda: exact.optimal_value(DATA, MODEL, GRID[:2000]), ValueError, "integrar 1"),
        (
            lambda: exact.integrated_value(lambda x: x.expand(-1, 2), DATA, MODEL, GRID),
            ValueError,
            r"\(4001, 1\).*\(4001, 2\)",
        ),
        (
            lambda: exact.sampled_value(lambda x: x, torch.ones(1, 1), torch.ones(5, 1)),
            ValueError,
            "x_data.*2 muestras",
        ),
    ],
)
def test_argumentos_incorrectos(call, error, text):
    with pytest.raises(error, match=text):
        call()
