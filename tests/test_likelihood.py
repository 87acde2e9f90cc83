"""La log-verosimilitud por la ODE de flujo contra densidades exactas, y sus integradores."""

import math

import pytest
import torch
from oracles import DATA

from course_lib.diffusion import OU, VE, VP, Denoiser, Flow, SubVP
from course_lib.diffusion.divergence import divergence, probes_for
from course_lib.diffusion.likelihood import (
    SolverError,
    bits_per_dim,
    flow,
    log_prob,
    start_time,
)
from course_lib.noise import noise_source
from course_lib.probability import Gaussian, GaussianMixture

F64 = torch.float64
SCHEDULES = [VP(), SubVP(), VE(), Flow()]


def mixture():
    covs = torch.tensor([[[0.2, 0.1], [0.1, 0.3]], [[0.4, 0.0], [0.0, 0.1]]], dtype=F64)
    return GaussianMixture([0.6, 0.4], [[-1.0, 0.5], [1.0, -0.5]], covs)


def at(law, schedule, t):
    """La ley exacta de x_t."""
    t = torch.tensor(t, dtype=F64)
    return law.diffuse(schedule.alpha(t).item(), schedule.sigma(t).item())


@pytest.mark.parametrize("law", [DATA, mixture()], ids=["gaussiana", "mezcla"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_es_la_densidad_exacta(schedule, law, generator):
    """Con la previa exacta, a 1e-5; con la del esquema difiere en lo que p_1 tarda en olvidar."""
    x = law.sample(6, generator)
    exact = at(law, schedule, start_time(schedule, None)).log_prob(x)
    prior = at(law, schedule, 1.0).log_prob
    options = {"method": "dop853", "tolerance": 1e-8}
    got = log_prob(law.denoiser(schedule), x, prior=prior, **options)
    assert (got - exact).abs().max() < 1e-5
    rough = log_prob(law.denoiser(schedule), x, **options)
    assert (rough - exact).abs().max() < 0.05
    assert (rough - exact).abs().max() > 1e-7 or isinstance(schedule, Flow)


@pytest.mark.parametrize(("method", "order"), [("heun", 2), ("rk4", 4)])
def test_orden_de_convergencia(method, order, generator):
    """El error cae como h^p: se mide la pendiente al duplicar los pasos."""
    schedule, law = VP(beta_max=5.0), mixture()
    x = law.sample(5, generator)
    exact = at(law, schedule, 0.01).log_prob(x)
    errors = []
    for steps in (20, 40, 80):
        options = {"steps": steps, "method": method, "t_min": 0.01}
        prior = at(law, schedule, 1.0).log_prob
        got = log_prob(law.denoiser(schedule), x, prior=prior, **options)
        errors.append((got - exact).abs().max().item())
    slopes = [math.log2(a / b) for a, b in zip(errors[:-1], errors[1:], strict=True)]
    assert all(abs(slope - order) < 0.6 for slope in slopes), slopes


def field(x):
    """Un campo no lineal cuya jacobiana se conoce por autograd."""
    return torch.stack([x[:, 0] ** 2 * x[:, 1], torch.sin(x[:, 0]) + x[:, 1] ** 3], 1)


def test_la_divergencia_exacta_es_la_traza_de_la_jacobiana(generator):
    x = torch.randn(4, 2, generator=generator, dtype=F64)
    value, div = divergence(field, x)
    traces = [
        torch.autograd.functional.jacobian(lambda y: field(y[None])[0], row).trace() for row in x
    ]
    assert torch.equal(value, field(x))
    assert torch.allclose(div, torch.stack(traces), atol=1e-12)


def test_la_divergencia_se_puede_derivar(generator):
    """Con create_graph su gradiente en los parámetros es el analítico: d/da ∇·(a x³) = 3Σx²."""
    x, a = torch.randn(3, 2, generator=generator, dtype=F64), torch.tensor(0.7, dtype=F64)
    a.requires_grad_(True)
    _, div = divergence(lambda y: a * y**3, x, create_graph=True)
    div.sum().backward()
    assert torch.isclose(a.grad, 3 * x.square().sum())


def test_hutchinson_es_insesgado(generator):
    x = torch.randn(1, 2, generator=generator, dtype=F64)
    exact = divergence(field, x)[1].item()
    rng = noise_source(generator)
    each = torch.stack(
        [divergence(field, x, probes_for(x, "hutchinson", 1, rng, 1))[1] for _ in range(2000)]
    )
    error = each.std().item() / len(each) ** 0.5
    assert error > 1e-3, "el campo debe tener jacobiana con parte fuera de la diagonal"
    assert abs(each.mean().item() - exact) < 4 * error


def test_la_verosimilitud_con_hutchinson_tambien(generator):
    law, schedule = DATA, VP(beta_max=5.0)
    x = law.sample(1, generator).expand(400, 2)
    options = {"steps": 20, "method": "rk4", "t_min": 0.01}
    exact = log_prob(law.denoiser(schedule), x[:1], **options)
    each = log_prob(law.denoiser(schedule), x, trace="hutchinson", generator=generator, **options)
    error = each.std().item() / 20
    assert error > 1e-3
    assert abs(each.mean().item() - exact.item()) < 4 * error
    once = {"trace": "hutchinson", "generator": 3} | options
    a, b = (log_prob(law.denoiser(schedule), x[:5], **once) for _ in range(2))
    assert torch.equal(a, b)


def test_la_ode_va_y_vuelve(generator):
    law, schedule = mixture(), VP()
    x = law.sample(5, generator)
    times = torch.linspace(1e-3, 1, 3, dtype=F64)
    there = flow(law.denoiser(schedule), x, times, "dop853", tolerance=1e-9)
    back = flow(law.denoiser(schedule), there.states[-1], times.flip(0), "dop853", tolerance=1e-9)
    assert (back.states[-1] - x).abs().max() < 1e-6
    assert there.times[0] == pytest.approx(1e-3) and there.times[-1] == 1.0
    assert there.evaluations > len(there.times)


def test_bits_por_dimension_de_una_gaussiana_ancha(generator):
    """Con casillas mucho más estrechas que la ley, −log₂ P ≈ −log₂(p Δ), por dato."""
    law = Gaussian(torch.zeros(2, dtype=F64), 0.09 * torch.eye(2, dtype=F64))
    levels = (law.sample(40, generator).clamp(-1, 1) * 127.5 + 127.5).round() / 127.5 - 1
    prior = at(law, VP(), 1.0).log_prob
    got = bits_per_dim(
        law.denoiser(VP()), levels, generator=generator, method="dop853", prior=prior
    )
    exact = -(law.log_prob(levels) / 2 + math.log(2 / 255)) / math.log(2)
    assert (got - exact).abs().max() < 0.05
    assert abs((got - exact).mean()) < 0.01


# --- entradas que no sirven ----------------------------------------------------------------------


def test_traza_exacta_en_dimension_alta():
    x = torch.zeros(2, 1, 28, 28)
    with pytest.raises(ValueError, match=r"784.*hutchinson"):
        log_prob(Denoiser(torch.nn.Identity(), VP()), x)


def test_score_en_sigma_cero():
    with pytest.raises(ValueError, match=r"t_min=0.*σ\(0\) = 0"):
        log_prob(DATA.denoiser(VP()), torch.zeros(1, 2, dtype=F64), t_min=0)
    assert start_time(VE(), None) == 0.0
    assert start_time(OU(), None) == 1e-5


@pytest.mark.parametrize("t_min", [-0.1, 1.0, float("nan")])
def test_t_min_fuera_del_intervalo(t_min):
    with pytest.raises(ValueError, match="t_min"):
        log_prob(DATA.denoiser(VP()), torch.zeros(1, 2, dtype=F64), t_min=t_min)


def test_el_integrador_que_no_llega_dice_donde_y_guarda_el_camino():
    x = torch.zeros(1, 2, dtype=F64)
    with pytest.raises(SolverError, match=r"RK45 se paró en t=.*40 evaluaciones") as caught:
        log_prob(mixture().denoiser(VP()), x, method="rk45", tolerance=1e-10, max_evaluations=40)
    path = caught.value.trajectory
    assert 0 < path.times[-1] < 1 and len(path.states) == len(path.times) > 1
    assert path.evaluations >= 40 - 6


def test_un_campo_que_se_dispara_tambien():
    class Explodes(torch.nn.Module):
        def forward(self, x, t):
            return 1e200 * (1 + x**3)

    with pytest.raises(SolverError, match="heun se paró en t=.*finito") as caught:
        log_prob(Denoiser(Explodes(), Flow(), "velocity"), torch.ones(1, 2, dtype=F64), steps=5)
    assert len(caught.value.trajectory.times) >= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "euler"}, "'heun', 'rk4', 'rk45', 'dop853'"),
        ({"trace": "media"}, "'exact', 'hutchinson'"),
        ({"steps": 0}, "steps"),
        ({"trace": "hutchinson", "probes": 0}, "probes"),
        ({"method": "rk45", "tolerance": 0.0}, "tolerance"),
    ],
)
def test_opciones_que_no_sirven(options, message):
    with pytest.raises(ValueError, match=message):
        log_prob(DATA.denoiser(VP()), torch.zeros(1, 2, dtype=F64), **options)
