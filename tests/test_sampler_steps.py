"""Cada paso de los muestreadores, por dentro: identidades exactas que no dependen de la rejilla."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    CONTINUOUS,
    DATA,
    MODES,
    SCHEDULES,
    TABULATED,
    Probe,
    affine_run,
    exact_flow,
    exact_law,
    final_law,
)
from torch import nn

from course_lib.diffusion import METHODS, OU, VP, Denoiser, Flow, sample
from course_lib.diffusion.samplers import bridge
from course_lib.probability import Gaussian


class Point(nn.Module):
    """El denoiser exacto de unos datos que son un solo punto."""

    def __init__(self, point):
        super().__init__()
        self.point = point

    def forward(self, x, t):
        return self.point.expand_as(x)


@pytest.mark.parametrize(
    ("method", "options"),
    [("ancestral", {})] + [("ddim", {"eta": eta}) for eta in (0.0, 0.3, 1.0)] + [("dpmpp_2m", {})],
)
@pytest.mark.parametrize("name", SCHEDULES)
def test_con_un_solo_dato_la_ley_es_exacta_en_cualquier_rejilla(name, method, options):
    """Si los datos son un punto x_0, cada paso conserva q(x_s|x_0) = N(α x_0, σ² I) sin error."""
    schedule, point = SCHEDULES[name], torch.tensor([0.6, -0.2], dtype=torch.float64)
    start = Gaussian(point, 1e-30 * torch.eye(2, dtype=torch.float64))
    start.denoiser = lambda schedule: Denoiser(Point(point), schedule, "x0")
    full = schedule.grid(7)
    for grid in (full[:2], full[:5]):  # de un salto y en varios, sin llegar al final
        mean, cov = final_law(start, schedule, method, grid, **options)
        torch.testing.assert_close(mean, schedule.alpha(grid[-1]) * point, rtol=1e-9, atol=1e-9)
        exact = schedule.sigma(grid[-1]) ** 2 * torch.eye(2, dtype=torch.float64)
        torch.testing.assert_close(cov, exact, rtol=1e-9, atol=1e-9)
    mean, cov = final_law(start, schedule, method, full, **options)
    torch.testing.assert_close(mean, point, rtol=1e-9, atol=1e-9)
    assert cov.abs().max() <= schedule.sigma(0.0) ** 2 * (1 + 1e-9)


@pytest.mark.parametrize("spacing", ["t", "lambda"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_ddim_con_eta_uno_es_el_ancestral(name, spacing, generator):
    """Con el mismo azar, DDIM(η = 1) y el ancestral dan la misma muestra (denoiser no lineal)."""
    schedule = SCHEDULES[name]
    x = schedule.prior_sample((50, 1), generator, dtype=torch.float64)
    run = {"steps": schedule.grid(23, spacing), "generator": 11}
    ancestral = sample(MODES.denoiser(schedule), x, method="ancestral", **run)
    ddim = sample(MODES.denoiser(schedule), x, method="ddim", eta=1.0, **run)
    torch.testing.assert_close(ddim, ancestral, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("eta", [0.2, 0.7])
@pytest.mark.parametrize("name", SCHEDULES)
def test_el_ruido_de_ddim_es_eta_veces_el_ancestral(name, eta):
    """La desviación del ruido de DDIM es η·√β̃: η veces la del paso ancestral."""
    schedule = SCHEDULES[name]
    grid = schedule.grid(9)[2:4]
    ddim = affine_run(DATA, schedule, "ddim", grid, eta=eta)[2]
    ancestral = affine_run(DATA, schedule, "ancestral", grid)[2]
    torch.testing.assert_close(ddim, eta**2 * ancestral, rtol=1e-10, atol=1e-14)


@given(
    t=st.floats(0.02, 0.98), cut=st.floats(0.02, 0.98), x0=st.floats(-1, 1), x_t=st.floats(-2, 2)
)
@pytest.mark.parametrize("name", SCHEDULES)
def test_el_puente_es_la_regla_de_bayes(name, t, cut, x0, x_t):
    """`bridge` entre dos instantes cualesquiera es la conjunta de (x_s, x_t), condicionada."""
    schedule, s = SCHEDULES[name], t * cut
    a_t, v_t = schedule.alpha(t).item(), schedule.sigma(t).item() ** 2
    a_s, v_s = schedule.alpha(s).item(), schedule.sigma(s).item() ** 2
    cross = a_t / a_s * v_s  # cov(x_s, x_t | x_0)
    joint = Gaussian(
        torch.tensor([a_s * x0, a_t * x0], dtype=torch.float64),
        torch.tensor([[v_s, cross], [cross, v_t]], dtype=torch.float64),
    )
    exact = joint.condition([1], [x_t])
    b = bridge(schedule, t, s, torch.zeros(1, 1, dtype=torch.float64))
    assert (b.on_xt * x_t + b.on_x0 * x0).item() == pytest.approx(
        exact.mean.item(), rel=1e-7, abs=1e-8
    )
    assert b.beta_tilde.item() == pytest.approx(exact.cov.item(), rel=1e-6, abs=1e-12)
    assert b.beta.item() == pytest.approx(v_t - (a_t / a_s) ** 2 * v_s, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["VP", "VE", "linear"])
def test_sin_ruido_en_el_ultimo_paso(name, method):
    """El ruido se suma en todos los pasos menos el que llega a t = 0; si no se llega, en todos."""
    schedule, n = SCHEDULES[name], 6
    per_step = {"ancestral": 1, "euler_maruyama": 1, "predictor_corrector": 2}.get(method, 0)
    for grid, noisy in ((schedule.grid(n), n - 1), (schedule.grid(n)[:-1], n - 1)):
        probe = Probe(DATA.dim, calls=2 * n)
        sample(DATA.denoiser(schedule), probe.start(), grid, method, generator=probe)
        assert probe.used == per_step * noisy


@pytest.mark.parametrize(("v", "same_as"), [(0.0, "small"), (1.0, "large"), (0.3, None)])
def test_varianza_aprendida(v, same_as):
    """exp(v log β + (1 − v) log β̃): v = 0 es la pequeña, v = 1 la grande, y en medio su media geométrica."""
    schedule, grid = TABULATED["linear"], torch.tensor([0.5, 0.3], dtype=torch.float64)

    raw = torch.atanh(torch.tensor(2 * v - 1, dtype=torch.float64))

    class Net(nn.Module):
        def forward(self, x, t):
            x0 = DATA.denoise(x, schedule.alpha(t), schedule.sigma(t))
            return torch.cat([x0, raw.expand_as(x)], 1)

    data = Gaussian(DATA.mean, DATA.cov)
    data.denoiser = lambda schedule: Denoiser(Net(), schedule, "x0", learned_variance=True)
    A, b, noise = affine_run(data, schedule, "ancestral", grid, variance="learned")
    beta, tilde = (
        affine_run(DATA, schedule, "ancestral", grid, variance=rule)[2]
        for rule in ("large", "small")
    )
    exact = beta[0, 0] ** v * tilde[0, 0] ** (1 - v)
    torch.testing.assert_close(
        noise, exact * torch.eye(2, dtype=torch.float64), rtol=1e-9, atol=1e-12
    )
    if same_as:
        exact_run = affine_run(DATA, schedule, "ancestral", grid, variance=same_as)
        torch.testing.assert_close((A, b, noise), exact_run, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("corrections", [1, 3])
@pytest.mark.parametrize("name", ["VP", "VE", "Flow", "linear"])
def test_el_corrector_es_langevin_en_s(name, corrections):
    """Tras el predictor, x ← x + δ∇log p_s + √(2δ) z con δ = 2(snr·σ_s)², las veces pedidas."""
    schedule, grid = SCHEDULES[name], torch.tensor([0.5, 0.4], dtype=torch.float64)
    A, b, noise = affine_run(DATA, schedule, "ddim", grid)
    mean, cov = exact_law(DATA, schedule, 0.4)
    delta = 2 * (0.2 * schedule.sigma(0.4).item()) ** 2
    eye = torch.eye(2, dtype=torch.float64)
    pull = eye - delta * torch.linalg.inv(cov)
    for _ in range(corrections):
        A, b = pull @ A, pull @ b + delta * torch.linalg.solve(cov, mean)
        noise = pull @ noise @ pull.mT + 2 * delta * eye
    got = affine_run(
        DATA,
        schedule,
        "predictor_corrector",
        grid,
        predictor="ddim",
        snr=0.2,
        corrections=corrections,
    )
    torch.testing.assert_close(got, (A, b, noise), rtol=1e-9, atol=1e-9)


def test_el_corrector_cura_una_ley_equivocada():
    """Quien parte de una ley falsa llega, con muchas correcciones, mucho más cerca de los datos."""
    schedule = VP()
    grid = schedule.grid(40, t_max=0.15)
    wrong = 3 * torch.eye(2, dtype=torch.float64)
    _, exact = exact_law(DATA, schedule, 0.0)
    errors = {}
    for corrections in (1, 20):
        A, _, noise = affine_run(
            DATA, schedule, "predictor_corrector", grid, predictor="ddim", corrections=corrections
        )
        errors[corrections] = (A @ wrong @ A.mT + noise - exact).abs().max().item()
    assert errors[20] < 0.1 < 0.5 < errors[1]


@pytest.mark.parametrize(("name", "last_is_euler"), [("VP", True), ("Flow", True), ("VE", False)])
def test_heun_evalua_dos_veces_salvo_donde_no_hay_ruido(name, last_is_euler):
    """Donde σ_s = 0 Heun se queda en Euler; con un resto de ruido, corrige también al final."""
    schedule, calls = CONTINUOUS[name], []
    denoiser = DATA.denoiser(schedule)
    denoiser.register_forward_hook(lambda *_: calls.append(1))
    sample(denoiser, torch.zeros(2, 2, dtype=torch.float64), 5, "heun")
    assert len(calls) == (9 if last_is_euler else 10)


@pytest.mark.parametrize("schedule", [VP(), OU(), Flow()])
def test_el_salto_final_de_dpmpp_es_despreciable(schedule):
    """De T_EPS a 0 DPM-Solver++ da x̂_0: se aparta del flujo exacto en menos de σ²(T_EPS)·cte."""
    A, b, _ = affine_run(DATA, schedule, "dpmpp_2m", schedule.grid(200, "lambda"))
    A_true, b_true = exact_flow(DATA, schedule, 1.0, 0.0)
    limit = 10 * schedule.sigma(1e-3).item() ** 2 + 1e-3
    assert (A - A_true).abs().max() < limit and (b - b_true).abs().max() < limit


def test_dpmpp_no_mezcla_dos_muestreos(generator):
    """La memoria de DPM-Solver++ muere con cada llamada: dos muestreos seguidos son iguales."""
    denoiser = MODES.denoiser(VP())
    x = torch.randn(5, 1, generator=generator, dtype=torch.float64)
    first = sample(denoiser, x, 8, "dpmpp_2m")
    step = METHODS["dpmpp_2m"]()
    sample(denoiser, -3 * x, VP().grid(8, "lambda")[:5], step)  # a medias: deja memoria
    torch.testing.assert_close(
        sample(denoiser, x, 8, step, spacing="lambda"), first, rtol=0, atol=0
    )


def test_dpmpp_no_arrastra_la_prediccion_de_otra_imagen(generator):
    """Reutilizado desde un t intermedio con otra imagen, empieza de nuevo; con la suya, continúa."""
    denoiser, grid = MODES.denoiser(VP()), VP().grid(8, "lambda")
    x, other = torch.randn(2, 5, 1, generator=generator, dtype=torch.float64)
    step = METHODS["dpmpp_2m"]()
    middle = sample(denoiser, x, grid[:4], step)
    assert torch.equal(
        sample(denoiser, middle, grid[3:], step), sample(denoiser, x, grid, "dpmpp_2m")
    )
    for start in (other, other[:3]):
        sample(denoiser, x, grid[:4], step)
        expected = sample(denoiser, start, grid[3:], "dpmpp_2m")
        assert torch.equal(sample(denoiser, start, grid[3:], step), expected)


def test_predictor_corrector_con_dpmpp_sigue_siendo_de_orden_dos(generator):
    """Un corrector que casi no mueve x deja el DPM-Solver++ de dos pasos, no el de uno."""
    denoiser, grid = MODES.denoiser(VP()), VP().grid(8, "lambda")
    x = torch.randn(5, 1, generator=generator, dtype=torch.float64)
    alone = sample(denoiser, x, grid, "dpmpp_2m")
    options = {"predictor": "dpmpp_2m", "snr": 1e-13}
    both = sample(denoiser, x, grid, "predictor_corrector", generator=0, **options)
    torch.testing.assert_close(both, alone, rtol=0, atol=1e-10)
    fresh = x
    for pair in zip(grid[:-1], grid[1:], strict=True):  # de orden uno: un paso nuevo cada vez
        fresh = sample(denoiser, fresh, torch.stack(pair), "dpmpp_2m")
    assert (fresh - alone).abs().max() > 1e-3
