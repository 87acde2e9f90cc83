r"""Los muestreadores contra leyes exactas: orden de convergencia, media y covarianza finales.

Cada método parte de la ley exacta en t_max (no hay error de partida) y usa el denoiser exacto (no
hay error de red): todo el error es suyo, y debe caer con el orden que promete.
"""

import pytest
import torch
from oracles import (
    CONTINUOUS,
    DATA,
    MODES,
    SCHEDULES,
    exact_law,
    final_law,
    flow_error,
    law_error,
    quantile_flow_error,
    slope,
)

from course_lib.diffusion import DDPM, METHODS, sample

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


@pytest.mark.parametrize("name", ["VP", "VE", "Cosine", "Flow", "EDM"])
def test_dpmpp_de_orden_dos_con_pasos_desiguales(name):
    """Con pasos de λ que cambian de tamaño (r ≠ 1), DPM-Solver++(2M) sigue siendo de orden 2."""
    schedule, errors = CONTINUOUS[name], {}
    for n in N:
        lam = torch.linspace(0, 1, n + 1, dtype=torch.float64) ** 2  # pasos de 1 a 2n − 1
        log_snr = schedule.log_snr(0.98) + lam * (schedule.log_snr(0.02) - schedule.log_snr(0.98))
        errors[n] = flow_error(DATA, schedule, "dpmpp_2m", schedule.inverse_log_snr(log_snr))
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
