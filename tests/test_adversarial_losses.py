"""Las pérdidas del juego contra sus fórmulas, sus gradientes y sus mínimos conocidos."""

import math

import pytest
import torch
from scipy.integrate import quad
from torch import nn

from course_lib.adversarial import losses

DOUBLE = {"dtype": torch.float64}


def logits(seed=0, n=7, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, generator=generator, **DOUBLE)


def gradient(function, *arguments, wrt):
    x = arguments[wrt].clone().requires_grad_(True)
    arguments = [*arguments[:wrt], x, *arguments[wrt + 1 :]]
    (found,) = torch.autograd.grad(function(*arguments), x)
    return found


# --- valores y gradientes -----------------------------------------------------------------------


def test_los_valores_son_los_de_las_formulas():
    real, fake = logits(1, n=5), logits(2, n=9)
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    value = d_real.log().mean() + (1 - d_fake).log().mean()
    close = {"rtol": 1e-12, "atol": 1e-14}
    torch.testing.assert_close(losses.logistic_discriminator(real, fake), -value, **close)
    torch.testing.assert_close(
        losses.saturating_generator(fake), (1 - d_fake).log().mean(), **close
    )
    torch.testing.assert_close(losses.non_saturating_generator(fake), -d_fake.log().mean(), **close)
    torch.testing.assert_close(
        losses.wasserstein_discriminator(real, fake), fake.mean() - real.mean(), **close
    )
    hinge = sum(max(0, 1 - r) for r in real.tolist()) / 5
    hinge += sum(max(0, 1 + f) for f in fake.tolist()) / 9
    assert losses.hinge_discriminator(real, fake).item() == pytest.approx(hinge, rel=1e-12)
    for name in ("wasserstein", "hinge"):
        torch.testing.assert_close(losses.PAIRS[name].generator(fake), -fake.mean(), **close)


FORMULAS = [
    # (pérdida, qué argumento, derivada respecto de cada logit, antes de dividir entre N)
    ("logistic_discriminator", 0, lambda s: s.sigmoid() - 1),
    ("logistic_discriminator", 1, lambda s: s.sigmoid()),
    ("saturating_generator", 0, lambda s: -s.sigmoid()),
    ("non_saturating_generator", 0, lambda s: s.sigmoid() - 1),
    ("wasserstein_discriminator", 0, lambda s: -torch.ones_like(s)),
    ("wasserstein_discriminator", 1, torch.ones_like),
    ("wasserstein_generator", 0, lambda s: -torch.ones_like(s)),
    ("hinge_discriminator", 0, lambda s: -(s < 1).double()),
    ("hinge_discriminator", 1, lambda s: (s > -1).double()),
    ("hinge_generator", 0, lambda s: -torch.ones_like(s)),
]


@pytest.mark.parametrize(("name", "index", "formula"), FORMULAS)
def test_los_gradientes_son_los_de_las_formulas(name, index, formula):
    arguments = [logits(3, n=6), logits(4, n=11)]
    arguments = arguments if name.endswith("discriminator") else arguments[:1]
    found = gradient(getattr(losses, name), *arguments, wrt=index)
    s = arguments[index]
    torch.testing.assert_close(found, formula(s) / len(s), rtol=1e-12, atol=1e-15)


def test_la_saturante_es_d_entre_1_menos_d_veces_la_otra():
    """El cociente de gradientes es $e^s$ muestra a muestra, y por eso se apaga si D → 0."""
    fake = torch.linspace(-30, 30, 61, **DOUBLE)
    saturating = gradient(losses.saturating_generator, fake, wrt=0)
    non_saturating = gradient(losses.non_saturating_generator, fake, wrt=0)
    torch.testing.assert_close(saturating / non_saturating, fake.exp(), rtol=1e-12, atol=0)
    rejected = torch.tensor([-20.0], **DOUBLE)  # D = 2e-9
    assert gradient(losses.saturating_generator, rejected, wrt=0).abs() < 1e-8
    assert gradient(losses.non_saturating_generator, rejected, wrt=0).abs() > 0.99


def test_con_logits_enormes_nada_se_desborda():
    for dtype in (torch.float32, torch.float64):
        huge = torch.tensor([-1e4, 1e4], dtype=dtype)
        for pair in losses.PAIRS.values():
            for value in (pair.discriminator(huge, huge), pair.generator(huge)):
                assert value.isfinite() and value.dtype == dtype
    assert losses.logistic_discriminator(huge, huge).item() == pytest.approx(1e4)


def test_minimos_conocidos_de_cada_discriminador():
    """Con dos leyes de tres valores, el mejor logit de cada valor se busca a fuerza bruta."""
    p = torch.tensor([0.5, 0.3, 0.2], **DOUBLE)
    q = torch.tensor([0.1, 0.3, 0.6], **DOUBLE)
    m = (p + q) / 2
    jsd = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
    grid = torch.linspace(-4, 4, 8001, **DOUBLE)
    best_logistic = best_hinge = 0.0
    for a, b in zip(p, q, strict=True):
        each = [(losses.logistic_discriminator, a, b), (losses.hinge_discriminator, a, b)]
        far = {losses.logistic_discriminator: 800.0, losses.hinge_discriminator: 1e3}
        found = []
        for loss, weight_p, weight_q in each:
            off = torch.tensor([far[loss]], **DOUBLE)  # el otro argumento aporta 0
            only_real = torch.stack([loss(s[None], -off) for s in grid[::20]])
            only_fake = torch.stack([loss(off, s[None]) for s in grid[::20]])
            found.append((weight_p * only_real + weight_q * only_fake).min().item())
        best_logistic, best_hinge = best_logistic + found[0], best_hinge + found[1]
    assert best_logistic == pytest.approx(math.log(4) - 2 * jsd.item(), abs=1e-4)
    total_variation = (p - q).abs().sum().item() / 2
    assert best_hinge == pytest.approx(2 * (1 - total_variation), abs=1e-12)
    half = torch.zeros(3, **DOUBLE)
    assert losses.logistic_discriminator(half, half).item() == pytest.approx(math.log(4))


# --- penalizaciones -----------------------------------------------------------------------------


def test_gradiente_penalizado_nulo_si_la_pendiente_es_uno():
    direction = torch.tensor([0.6, -0.8], **DOUBLE)
    real, fake = torch.randn(5, 2, **DOUBLE), torch.randn(5, 2, **DOUBLE)
    assert losses.gradient_penalty(lambda x: x @ direction, real, fake).item() < 1e-30
    steep = losses.gradient_penalty(lambda x: 3 * x @ direction, real, fake)
    assert steep.item() == pytest.approx((3 - 1) ** 2, rel=1e-12)


def test_gradiente_penalizado_en_los_puntos_intermedios():
    """Con f(x) = x²/2 la pendiente en x̂ es |x̂|: la esperanza sobre u es una integral."""
    real, fake = torch.full((200_000, 1), 2.0, **DOUBLE), torch.full((200_000, 1), 0.5, **DOUBLE)
    generator = torch.Generator().manual_seed(0)
    found = losses.gradient_penalty(lambda x: x.square().sum(1) / 2, real, fake, generator)
    exact = quad(lambda u: (abs(2.0 * u + 0.5 * (1 - u)) - 1) ** 2, 0, 1)[0]
    assert found.item() == pytest.approx(exact, abs=4 * 0.3 / math.sqrt(200_000))


def test_el_punto_intermedio_es_uno_por_ejemplo_y_se_repite_con_la_semilla():
    seen = []

    def critic(x):
        seen.append(x.detach().clone())
        return x.flatten(1).sum(1)

    real, fake = torch.ones(6, 1, 4, 4), torch.zeros(6, 1, 4, 4)
    for _ in range(2):
        losses.gradient_penalty(critic, real, fake, torch.Generator().manual_seed(3))
    assert torch.equal(seen[0], seen[1])
    each = seen[0].flatten(1)
    assert torch.equal(each, each[:, :1].expand_as(each)) and len(each[:, 0].unique()) == 6
    assert not real.requires_grad and not fake.requires_grad


def test_r1_de_un_discriminador_cuadratico():
    """Con s(x) = xᵀAx/2 + bᵀx el gradiente es Ax + b: R₁ = ½ E‖Ax + b‖²."""
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(3, 3, generator=generator, **DOUBLE)
    a, b = a + a.T, torch.randn(3, generator=generator, **DOUBLE)
    x = torch.randn(8, 3, generator=generator, **DOUBLE)
    found = losses.r1_penalty(lambda x: (x @ a * x).sum(1) / 2 + x @ b, x)
    expected = (x @ a + b).square().sum(1).mean() / 2
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    assert losses.r1_penalty(lambda x: 0 * x.sum(1), x).item() == 0.0


def test_las_penalizaciones_se_derivan_respecto_de_los_pesos():
    """Con s(x) = wᵀx: dR₁/dw = w y d(‖w‖−1)²/dw = 2(‖w‖−1)·w/‖w‖."""
    critic = nn.Linear(3, 1, bias=False).double()
    w = critic.weight.detach().clone()
    x = torch.randn(4, 3, **DOUBLE)
    losses.r1_penalty(critic, x).backward()
    torch.testing.assert_close(critic.weight.grad, w, rtol=1e-12, atol=1e-15)
    critic.zero_grad()
    losses.gradient_penalty(critic, x, -x).backward()
    expected = 2 * (w.norm() - 1) * w / w.norm()
    torch.testing.assert_close(critic.weight.grad, expected, rtol=1e-12, atol=1e-14)


def test_un_critico_plano_no_da_nan():
    critic = nn.Linear(3, 1).double()
    nn.init.zeros_(critic.weight)
    penalty = losses.gradient_penalty(
        critic, torch.randn(4, 3, **DOUBLE), torch.ones(4, 3, **DOUBLE)
    )
    penalty.backward()
    assert penalty.item() == 1.0 and critic.weight.grad.isfinite().all()


def test_las_penalizaciones_admiten_un_lote_de_uno_y_no_gradiente_de_fuera():
    critic = nn.Linear(2, 1)
    with torch.no_grad():
        assert losses.r1_penalty(critic, torch.ones(1, 2)).isfinite()
        assert losses.gradient_penalty(critic, torch.ones(1, 2), torch.zeros(1, 2)).isfinite()


# --- argumentos ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: losses.pair("bisagra"), ValueError, "loss='bisagra'.*'hinge'"),
        (lambda: losses.saturating_generator(torch.ones(3, dtype=torch.long)), TypeError, "int64"),
        (lambda: losses.hinge_generator([1.0]), TypeError, "fake.*list"),
        (lambda: losses.logistic_discriminator(torch.ones(0), torch.ones(2)), ValueError, "real"),
        (
            lambda: losses.gradient_penalty(nn.Linear(2, 1), torch.ones(3, 2), torch.ones(4, 2)),
            ValueError,
            r"\(4, 2\) y \(3, 2\)",
        ),
    ],
)
def test_argumentos_incorrectos(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_una_pareja_propia_se_admite():
    own = losses.Pair(losses.hinge_discriminator, losses.non_saturating_generator)
    assert losses.pair(own) is own and losses.pair("hinge") is losses.PAIRS["hinge"]
