"""La red de densidad de mezcla contra torch.distributions, cuadratura y un problema inverso."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from course_lib.networks import MixtureDensityNetwork
from course_lib.networks.mdn import STD_FLOOR

F64 = torch.float64


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(in_dim=2, out_dim=3, components=4, seed=0, **options) -> MixtureDensityNetwork:
    torch.manual_seed(seed)
    return MixtureDensityNetwork(in_dim, out_dim, components, hidden=16, **options).double()


def reference(net: MixtureDensityNetwork, x: torch.Tensor) -> MixtureSameFamily:
    log_weights, means, stds = net(x)
    return MixtureSameFamily(Categorical(log_weights.exp()), Independent(Normal(means, stds), 1))


@pytest.mark.parametrize("out_dim", [1, 3])
def test_log_prob_coincide_con_la_mezcla_de_torch(out_dim):
    net = build(out_dim=out_dim)
    x = torch.randn(7, 2, dtype=F64, generator=seeded(0))
    y = 2 * torch.randn(7, out_dim, dtype=F64, generator=seeded(1))
    torch.testing.assert_close(
        net.log_prob(x, y), reference(net, x).log_prob(y), rtol=1e-12, atol=0
    )


def test_los_pesos_suman_uno_y_las_formas_son_las_del_contrato():
    log_weights, means, stds = build()(torch.randn(7, 2, dtype=F64))
    assert log_weights.shape == (7, 4) and means.shape == stds.shape == (7, 4, 3)
    torch.testing.assert_close(log_weights.exp().sum(1), torch.ones(7, dtype=F64))
    assert (stds >= STD_FLOOR).all()


def test_la_densidad_integra_uno_en_y():
    net = build(in_dim=1, out_dim=1)
    grid = torch.linspace(-30, 30, 6001, dtype=F64)[:, None]
    for x in (-1.0, 0.4, 3.0):
        density = net.log_prob(torch.full_like(grid, x), grid).exp()
        assert torch.trapezoid(density, grid[:, 0]).item() == pytest.approx(1, rel=1e-8)


def test_cada_fila_depende_solo_de_la_suya():
    net = build()
    x, y = torch.randn(5, 2, dtype=F64), torch.randn(5, 3, dtype=F64)
    apart = torch.cat([net.log_prob(x[i : i + 1], y[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(net.log_prob(x, y), apart, rtol=1e-12, atol=1e-12)


def test_las_muestras_tienen_la_media_y_la_varianza_de_la_mezcla():
    net, n = build(), 40_000
    x = torch.tensor([0.3, -0.8], dtype=F64).expand(n, 2)
    law, y = reference(net, x[:1]), net.sample(x, seeded(0))
    assert y.shape == (n, 3) and not y.requires_grad
    mean, variance = law.mean[0].detach(), law.variance[0].detach()
    assert ((y.mean(0) - mean).abs() < 4 * (variance / n).sqrt()).all()
    squares = (y - mean).square()
    assert ((squares.mean(0) - variance).abs() < 4 * squares.std(0) / math.sqrt(n)).all()
    assert torch.equal(y, net.sample(x, seeded(0)))


def test_cada_muestra_usa_los_parametros_de_su_fila():
    """Con desviaciones casi nulas y una componente, la muestra es la media de su fila."""
    net = build(components=1)
    torch.nn.init.zeros_(net.scales.weight)
    torch.nn.init.constant_(net.scales.bias, -40.0)
    x = torch.randn(6, 2, dtype=F64)
    assert (net.sample(x, seeded(0)) - net(x)[1][:, 0]).abs().max() < 6 * STD_FLOOR


@pytest.mark.parametrize("far", [0.0, 1e4])
def test_los_gradientes_son_finitos_y_correctos_tambien_lejos(far):
    net = build()
    x, y = torch.randn(4, 2, dtype=F64), far + torch.randn(4, 3, dtype=F64)
    with torch.no_grad():
        net.logits.bias[0] = -900.0  # un peso que en la escala natural se redondea a 0
    net.log_prob(x, y).mean().backward()
    gradients = {name: p.grad.clone() for name, p in net.named_parameters()}
    assert all(torch.isfinite(g).all() for g in gradients.values())
    index, step = (1, 3), 1e-5
    weight = net.means.weight
    with torch.no_grad():
        values = []
        for sign in (1, -1):
            weight[index] += sign * step
            values.append(net.log_prob(x, y).mean().item())
            weight[index] -= sign * step
    numeric = (values[0] - values[1]) / (2 * step)
    assert gradients["means.weight"][index].item() == pytest.approx(numeric, rel=1e-4, abs=1e-7)


def inverse_problem(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """x = u + 0.3 sen 2πu + ruido: dado x, hay hasta tres u posibles. Escala cercana a 1."""
    u = torch.rand(n, 1, generator=seeded(seed))
    x = u + 0.3 * (2 * math.pi * u).sin() + 0.05 * torch.randn(n, 1, generator=seeded(seed + 1))
    return 3 * (x - 0.5), 3 * (u - 0.5)


def fitted(components: int, steps: int = 400) -> MixtureDensityNetwork:
    torch.manual_seed(0)
    net = MixtureDensityNetwork(1, 1, components, hidden=32)
    x, y = inverse_problem(1000, 0)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = -net.log_prob(x, y).mean()
        loss.backward()
        optimizer.step()
    return net


def test_en_un_problema_inverso_mejora_a_una_sola_gaussiana_en_datos_nuevos():
    x, y = inverse_problem(1000, 10)
    mixture, single = fitted(5), fitted(1)
    with torch.no_grad():
        gain = mixture.log_prob(x, y) - single.log_prob(x, y)
    error = gain.std().item() / math.sqrt(len(gain))
    assert gain.mean().item() > 0.3 + 4 * error  # en nats por dato


# --- errores ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MixtureDensityNetwork(0, 1), ["in_dim", "0"]),
        (lambda: MixtureDensityNetwork(1, 1, components=0), ["components", "0"]),
        (lambda: build()(torch.zeros(3, 5, dtype=F64)), ["x", "(B, 2)", "(3, 5)"]),
        (lambda: build()(torch.zeros(2, dtype=F64)), ["x", "(B, 2)", "(2,)"]),
        (
            lambda: build().log_prob(torch.zeros(3, 2, dtype=F64), torch.zeros(3, 2, dtype=F64)),
            ["y", "(B, 3)", "(3, 2)"],
        ),
        (
            lambda: build().log_prob(torch.zeros(3, 2, dtype=F64), torch.zeros(1, 3, dtype=F64)),
            ["lote", "3", "1"],
        ),
        (lambda: build()(torch.full((1, 2), math.nan, dtype=F64)), ["x", "NaN"]),
    ],
)
def test_los_errores_dicen_el_argumento_y_lo_recibido(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


def test_los_enteros_y_las_listas_no_valen():
    with pytest.raises(TypeError, match="coma flotante"):
        build()(torch.zeros(1, 2, dtype=torch.int64))
    with pytest.raises(TypeError, match="components"):
        MixtureDensityNetwork(1, 1, components=2.5)
