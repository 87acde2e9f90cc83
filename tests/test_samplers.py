r"""Los muestreadores contra leyes exactas: orden de convergencia, media y covarianza finales.

Cada método parte de la ley exacta en t_max (no hay error de partida) y usa el denoiser exacto (no
hay error de red): todo el error es suyo, y debe caer con el orden que promete.
"""

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
    flow_error,
    law_error,
    quantile_flow_error,
    slope,
)
from torch import nn

from course_lib.diffusion import DDPM, METHODS, OU, VP, Denoiser, Flow, sample
from course_lib.diffusion.samplers import bridge
from course_lib.probability import Gaussian

FINE = {"linear": DDPM.linear(4096), "cosine": DDPM.cosine(4096), "sigmoid": DDPM.sigmoid(4096)}
BY_NODES = ("ancestral", "ddim", "dpmpp_2m")  # usan α y σ; los demás, también sus derivadas
N = (64, 128)


def order_grid(name, schedule, method, n):
    """La rejilla con que se mide el orden: sin el punto singular y, en λ, sin el salto hasta 0."""
    in_lambda = method == "dpmpp_2m" or name == "OU"  # OU se decide en una capa delgada junto a 0
    t_max = 0.98 if name in ("Cosine", "Flow", "cosine", "sigmoid") else 1.0
    grid = schedule.grid(n, "lambda" if in_lambda else "t", t_max)
    return grid[:-1] if in_lambda and schedule.sigma(0.0) == 0 else grid


def cases(*methods):
    return [
        (name, method)
        for method in methods
        for name in CONTINUOUS | (FINE if method in BY_NODES else {})
    ]


def measured(error, name, method, **options):
    schedule = (CONTINUOUS | FINE)[name]
    return {
        n: error(DATA, schedule, method, order_grid(name, schedule, method, n), **options)
        for n in N
    }


# --- el orden -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "method"), cases("ddim", "euler"))
def test_las_ode_de_orden_uno(name, method):
    """DDIM y Euler siguen el mapa exacto del flujo de probabilidad con error ∝ 1/n."""
    errors = measured(flow_error, name, method)
    assert 0.9 < slope(errors) < 1.1 and errors[128] < 0.15, errors


@pytest.mark.parametrize(("name", "method"), cases("heun", "dpmpp_2m"))
def test_las_ode_de_orden_dos(name, method):
    """Heun y DPM-Solver++(2M) siguen el mapa exacto con error ∝ 1/n²."""
    errors = measured(flow_error, name, method)
    assert 1.85 < slope(errors) < 2.2 and errors[128] < 3e-3, errors


@pytest.mark.parametrize(("name", "method"), cases("ancestral", "euler_maruyama"))
def test_las_sde_de_orden_debil_uno(name, method):
    """Ancestral y Euler–Maruyama: media y covarianza finales con error ∝ 1/n (o mejor)."""
    errors = measured(law_error, name, method)
    assert 0.7 < slope(errors) and errors[128] < 0.1, errors


@pytest.mark.parametrize(
    ("method", "options"), [("ancestral", {"variance": "large"}), ("ddim", {"eta": 0.5})]
)
@pytest.mark.parametrize("name", CONTINUOUS | FINE)
def test_las_variantes_con_opciones_tambien_convergen(name, method, options):
    """La varianza grande y el DDIM a medias son otros caminos a la misma ley, con error ∝ 1/n."""
    errors = measured(law_error, name, method, **options)
    assert 0.7 < slope(errors) and errors[128] < 0.08, errors


@pytest.mark.parametrize("predictor", ["euler_maruyama", "ancestral", "ddim"])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_predictor_corrector_llega_a_la_ley(name, predictor):
    """Corregir con Langevin no estropea la ley final: no más error que el predictor, o casi nada."""
    schedule = CONTINUOUS[name]
    grid = order_grid(name, schedule, predictor, 64)
    alone = law_error(DATA, schedule, predictor, grid)
    corrected = law_error(DATA, schedule, "predictor_corrector", grid, predictor=predictor)
    assert corrected < max(1.05 * alone, 0.012), (alone, corrected)


@pytest.mark.parametrize("method", ["euler", "heun", "euler_maruyama"])
@pytest.mark.parametrize(("table", "limit"), [("linear", "VP"), ("cosine", "Cosine")])
def test_en_la_tabla_las_derivadas_son_las_del_limite(table, limit, method):
    """En una tabla fina los métodos que usan f, g² o α̇, σ̇ hacen lo que en su límite continuo."""
    grid = FINE[table].grid(32, t_max=0.98)
    for got, exact in zip(
        final_law(DATA, FINE[table], method, grid),
        final_law(DATA, CONTINUOUS[limit], method, grid),
        strict=True,
    ):
        assert (got - exact).abs().max() < 20 / 4096


# --- la ley, en cualquier esquema de fábrica ----------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_media_y_covarianza_finales(name, method):
    """Cada muestreador × cada esquema con sus parámetros de fábrica, 100 pasos: la ley de los datos."""
    schedule = SCHEDULES[name]
    t_max = 0.98 if name in ("Cosine", "Flow", "cosine", "sigmoid") else 1.0
    grid = schedule.grid(100, "lambda" if method == "dpmpp_2m" else "rho", t_max)
    mean, cov = final_law(DATA, schedule, method, grid)
    exact_mean, exact_cov = exact_law(DATA, schedule, grid[-1])
    tolerance = 0.25 if method == "euler" else 0.1  # Euler en VE y EDM: α̇ = 0 y σ̇ enorme
    assert (mean - exact_mean).abs().max() < tolerance / 2
    assert (cov - exact_cov).abs().max() < tolerance


@pytest.mark.parametrize("method", ["ddim", "euler", "heun", "dpmpp_2m"])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_mezcla_el_mapa_entre_cuantiles(name, method):
    """En 1-D el flujo exacto lleva cuantil a cuantil: con una mezcla (denoiser no lineal), el orden."""
    schedule, order = CONTINUOUS[name], 2 if method in ("heun", "dpmpp_2m") else 1
    errors = {
        n: quantile_flow_error(MODES, schedule, method, order_grid(name, schedule, method, n))
        for n in (N if order == 2 else (128, 256))
    }
    assert slope(errors) > order - 0.3 and min(errors.values()) < (0.3 if order == 1 else 0.08), (
        errors
    )


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("ancestral", {}),
        ("ancestral", {"variance": "large"}),
        ("ddim", {"eta": 0.5}),
        ("euler_maruyama", {}),
        ("predictor_corrector", {}),
    ],
)
@pytest.mark.parametrize("name", SCHEDULES)
def test_mezcla_por_monte_carlo(name, method, options, generator):
    """Con ruido y una mezcla: media, varianza y peso de cada modo, con sus barras de error."""
    schedule, n = SCHEDULES[name], 2000
    t_max = 0.98 if name in ("Cosine", "Flow", "cosine", "sigmoid") else 1.0
    grid = schedule.grid(60, "rho", t_max)
    start = MODES.diffuse(schedule.alpha(grid[0]), schedule.sigma(grid[0]))
    x = sample(
        MODES.denoiser(schedule),
        start.sample(n, generator),
        grid,
        method,
        generator=generator,
        **options,
    )[:, 0]
    exact = MODES.diffuse(schedule.alpha(0.0), schedule.sigma(0.0))
    variance = exact.cov.item()
    kurtosis_bound = 4  # E[(x−m)⁴]/var² < 4 en esta mezcla
    assert x.mean().item() == pytest.approx(exact.mean.item(), abs=4 * (variance / n) ** 0.5 + 0.02)
    assert x.var().item() == pytest.approx(
        variance, abs=4 * variance * (kurtosis_bound / n) ** 0.5 + 0.03
    )
    for mode, weight in enumerate(MODES.weights.tolist()):
        share = (MODES.responsibilities(x[:, None]).argmax(1) == mode).double().mean().item()
        assert share == pytest.approx(weight, abs=4 * (weight * (1 - weight) / n) ** 0.5 + 0.01)


# --- identidades exactas, a la última cifra -----------------------------------------------------


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
    sample(denoiser, -3 * x, 8, step, spacing="lambda")
    torch.testing.assert_close(
        sample(denoiser, x, 8, step, spacing="lambda"), first, rtol=0, atol=0
    )
