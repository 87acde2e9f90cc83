"""La log-verosimilitud por la ODE de flujo contra densidades exactas, y sus integradores."""

import math

import pytest
import torch
from oracles import DATA

from course_lib.diffusion import DDPM, EDM, OU, VE, VP, Denoiser, Flow, SubVP
from course_lib.diffusion.divergence import divergence, probes_for
from course_lib.diffusion.likelihood import (
    SolverError,
    bits_per_dim,
    flow,
    log_prob,
    start_time,
    upward,
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


@pytest.mark.parametrize("schedule", [*SCHEDULES, OU(), DDPM.cosine(1000)], ids=repr)
@pytest.mark.parametrize(("method", "tolerance"), [("heun", 0.1), ("rk4", 0.01)])
def test_por_omision_resuelve_datos_casi_planos(schedule, method, tolerance):
    """Con una dirección estrecha, como en las imágenes, casi todo ocurre cerca de t = 0.

    La rejilla uniforme en t lo salta y no avisa; la de omisión da los pasos donde hacen falta.
    """
    law = Gaussian(torch.zeros(2, dtype=F64), torch.diag(torch.tensor([1, 0.02**2], dtype=F64)))
    x = torch.tensor([[0.0, 0.0], [1.0, -0.02], [-2.0, 0.04]], dtype=F64)  # a 0, 1 y 2 desviaciones
    exact = at(law, schedule, start_time(schedule, None)).log_prob(x)
    options = {"method": method, "prior": at(law, schedule, 1.0).log_prob}
    error = (log_prob(law.denoiser(schedule), x, **options) - exact).abs().max()
    assert error < tolerance
    if isinstance(schedule, OU):
        uniform = log_prob(law.denoiser(schedule), x, spacing="t", **options)
        assert (uniform - exact).abs().max() > 5


def test_la_rejilla_empieza_donde_se_pide_y_da_los_pasos_que_se_piden():
    """También entre dos nodos de una tabla: el primer paso no salta de t_min al primer nodo."""
    for schedule in (VP(), Flow(), EDM(), DDPM.cosine(100)):
        for spacing in ("t", "lambda", "rho"):
            grid = upward(schedule, 7, spacing, 4e-3)
            assert len(grid) == 8 and (grid.diff() > 0).all()
            assert grid[0].item() == pytest.approx(4e-3) and grid[-1] == 1.0
    assert start_time(DDPM.cosine(100), None) == 0.01


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


def test_la_divergencia_no_depende_de_como_esta_x_en_la_memoria(generator):
    """Con canales al final, aplanar x copia: la base no debe perderse en la copia."""
    x = torch.randn(2, 3, 2, 2, generator=generator, dtype=F64)
    for layout in (torch.contiguous_format, torch.channels_last):
        _, div = divergence(lambda y: y**3, x.to(memory_format=layout))
        torch.testing.assert_close(div, (3 * x**2).flatten(1).sum(1))


def test_la_divergencia_de_un_campo_constante_es_cero():
    x, b = torch.zeros(3, 2, dtype=F64), torch.ones(2, dtype=F64, requires_grad=True)
    for constant in (b.detach(), b):  # con parámetros y sin ellos
        value, div = divergence(lambda y: constant.expand_as(y), x)  # noqa: B023
        assert torch.equal(value, torch.ones_like(x)) and torch.equal(div, torch.zeros(3).to(x))


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


def test_la_descuantizacion_es_un_ruido_del_ancho_de_la_casilla(generator):
    """Con casillas anchas el ruido añade Δ²/(24v) nats a cada dimensión; promediar K sorteos divide la
    varianza entre K. La referencia es E_u[log N(x + u; 0, v)], exacta."""
    v, levels = 0.02, 8
    width = 2 / (levels - 1)
    law = Gaussian(torch.zeros(2, dtype=F64), v * torch.eye(2, dtype=F64))
    x = torch.full((400, 2), 1 / 7, dtype=F64)
    options = {"levels": levels, "method": "rk4", "steps": 60}
    options |= {"prior": at(law, VP(), 1.0).log_prob, "generator": generator}
    nats = math.log(2 * math.pi * v) / 2 + ((1 / 7) ** 2 + width**2 / 12) / (2 * v)
    exact = (nats - math.log(width)) / math.log(2)
    one, four = (
        bits_per_dim(law.denoiser(VP()), x, dequantisations=count, **options) for count in (1, 4)
    )
    for got in (one, four):
        assert abs(got.mean() - exact) < 4 * got.std() / len(x) ** 0.5
    assert four.std() / one.std() == pytest.approx(0.5, abs=0.1)


class Smooth(torch.nn.Module):
    """Una red de verdad, con parámetros, que cambia despacio con t."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layers = torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)
        self.body = torch.nn.Sequential(*layers)

    def forward(self, x, t):
        return self.body(torch.cat([x, t[:, None].to(x)], 1))


def small_net(dtype):
    return Denoiser(Smooth().to(dtype), VP(beta_max=5.0), "v")


@pytest.mark.parametrize("method", ["heun", "dop853"])
@pytest.mark.parametrize("x_type", [torch.float32, F64])
def test_sirve_con_redes_en_float32(x_type, method, generator):
    """La red se evalúa en su tipo, la integral va en float64 y el resultado, en el de x."""
    x = torch.randn(4, 2, generator=generator).to(x_type)
    options = {"method": method, "tolerance": 1e-6, "steps": 20, "t_min": 0.01}
    exact = log_prob(small_net(F64), x.double(), **options)
    got = log_prob(small_net(torch.float32), x, **options)
    assert got.dtype == x_type and (got - exact).abs().max() < 1e-4
    assert exact.std() > 0.5
    path = flow(small_net(torch.float32), x, torch.linspace(0.01, 1, 5), method)
    assert path.states[-1].dtype == F64
    pixels = ((x.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1
    bits = bits_per_dim(small_net(torch.float32), pixels, generator=0, **options)
    assert bits.dtype == x_type and bits.isfinite().all()


def test_no_finge_un_gradiente_y_sirve_sin_modo_de_gradiente(generator):
    """Derivar solo el camino de x, sin el del campo, daría un gradiente falso en silencio."""
    x = DATA.sample(3, generator).requires_grad_()
    denoiser = DATA.denoiser(VP())
    results = [log_prob(denoiser, x, steps=10, method=m) for m in ("heun", "rk45")]
    assert not any(result.requires_grad for result in results)
    assert not flow(denoiser, x, [0.1, 1.0]).states[-1].requires_grad
    with torch.inference_mode():
        again = log_prob(denoiser, x.detach(), steps=10)
    assert torch.equal(again, results[0])


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


@pytest.mark.parametrize("method", ["heun", "rk45"])
@pytest.mark.parametrize("schedule", [VP(), OU(), Flow()])
def test_la_ode_hasta_sigma_cero_se_rechaza_antes_de_recorrerla(schedule, method):
    calls = []
    denoiser = DATA.denoiser(schedule)

    def counted(x, t, **cond):
        calls.append(t)
        return denoiser(x, t, **cond)

    counted.schedule = schedule
    x = torch.ones(1, 2, dtype=F64)
    with pytest.raises(ValueError, match=r"la velocidad no existe en t=0.*σ = 0.*0\.001"):
        flow(counted, x, [1.0, 0.0], method)
    assert len(calls) == 1
    assert flow(DATA.denoiser(VE()), x, [1.0, 0.0], method).times[-1] == 0  # aquí sí la hay


def test_una_red_de_velocidad_si_la_tiene_en_los_datos():
    """Con Flow y kind="velocity" no se divide entre σ: la ODE empieza en t = 0."""

    class Grows(torch.nn.Module):
        def forward(self, x, t):
            return x

    denoiser, x = Denoiser(Grows(), Flow(), "velocity"), torch.ones(3, 2, dtype=F64)
    assert torch.equal(denoiser(x, 0.0).velocity, x)
    end = flow(denoiser, x, torch.linspace(0, 1, 33), "rk4").states[-1]
    torch.testing.assert_close(end, math.e * x, rtol=1e-6, atol=0)


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
    assert "subir max_evaluations" in str(caught.value)


def test_un_campo_que_se_dispara_tambien():
    class Explodes(torch.nn.Module):
        def forward(self, x, t):
            return 1e200 * (1 + x**3)

    with pytest.raises(SolverError, match="heun se paró en t=.*finito") as caught:
        flow(Denoiser(Explodes(), Flow(), "velocity"), torch.ones(1, 2, dtype=F64), [0.1, 0.2, 0.3])
    path = caught.value.trajectory
    assert path.times == [pytest.approx(0.1)] and path.evaluations == 2
    assert torch.equal(path.states[0], torch.ones(1, 2, dtype=F64)), "lo recorrido es finito"
    assert "dar más pasos" in str(caught.value)


class Nowhere(torch.nn.Module):
    def forward(self, x, t):
        return x * math.nan


@pytest.mark.parametrize("method", ["heun", "rk4", "rk45", "dop853"])
def test_un_campo_sin_valor_lo_dice(method):
    """SciPy, con la primera pendiente NaN, seguiría con un instante NaN."""
    denoiser = Denoiser(Nowhere(), Flow(), "velocity")
    with pytest.raises(SolverError, match="se paró en t=.*finito.*t_min o times"):
        log_prob(denoiser, torch.ones(1, 2), steps=5, method=method)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda d: log_prob(d, torch.ones(2)), ValueError, r"x0 .*\(B, …\).*\(2,\)"),
        (lambda d: log_prob(d, torch.ones(0, 2)), ValueError, r"x0 .*B ≥ 1.*\(0, 2\)"),
        (lambda d: flow(d, torch.ones(2), [0, 1]), ValueError, r"x debe tener forma"),
        (lambda d: flow(d, torch.ones(1, 2), []), ValueError, r"times .*dos instantes.*\[\]"),
        (lambda d: flow(d, torch.ones(1, 2), [0.5]), ValueError, r"times .*dos instantes.*0\.5"),
        (lambda d: flow(d, torch.ones(1, 2), [0.1, 0.9, 0.5]), ValueError, "times .*estrictamente"),
        (lambda d: flow(d, torch.ones(1, 2), [0.1, 0.1]), ValueError, "times .*estrictamente"),
        (lambda d: flow(d, torch.ones(1, 2), [0.5, 1.5]), ValueError, r"\[0, 1\].*1\.5"),
        (lambda d: bits_per_dim(d, torch.ones(1, 2), levels=1), ValueError, "levels .*2.*es 1"),
        (lambda d: bits_per_dim(d, torch.full((1, 2), 0.3)), ValueError, "256 niveles.*0.3"),
        (lambda d: bits_per_dim(d, torch.full((1, 2), 255.0)), ValueError, "256 niveles.*255"),
        (lambda d: bits_per_dim(d, torch.zeros(1, 2), levels=8), ValueError, "8 niveles"),
        (lambda d: bits_per_dim(d, torch.full((1, 2), math.nan)), ValueError, "x0 .*2 valores NaN"),
        (
            lambda d: bits_per_dim(d, torch.ones(1, 2, dtype=torch.uint8)),
            TypeError,
            "x0 .*uint8.*to_model",
        ),
        (lambda d: log_prob(d, torch.ones(1, 2), steps=2.5), TypeError, "steps .*2.5"),
    ],
)
def test_datos_que_no_sirven(use, error, message):
    with pytest.raises(error, match=message):
        use(DATA.denoiser(VP()))


@pytest.mark.filterwarnings("error")
def test_una_tolerancia_diminuta_no_llena_la_pantalla_de_avisos():
    with pytest.raises(SolverError, match="50 evaluaciones"):
        options = {"method": "rk45", "tolerance": 1e-20, "max_evaluations": 50}
        log_prob(DATA.denoiser(VP()), torch.ones(1, 2, dtype=F64), **options)


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
