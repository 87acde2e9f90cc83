"""`ParticleFlow` en el navegador: lo que se ve, lo que se dice y cómo se maneja."""

import re

import pytest
import torch
from widget_fixtures import number, open_widgets, radio, readings, slider, stop_clock  # noqa: F401

from course_lib.probability import GaussianMixture
from course_lib.widgets import ParticleFlow

FAR, GOOD = "distancia energía al final", "partículas buenas al final"
SCHEDULES = ("VP", "SubVP", "VE", "OU", "Flow")


def uneven(count=3):
    """Componentes de pesos y covarianzas distintos, una muy alargada."""
    covs = [[[1.0, 0.7], [0.7, 0.5]], [[0.1, 0.0], [0.0, 0.4]], [[0.3, -0.1], [-0.1, 0.1]]]
    means = [[0.0, 0.0], [3.0, 2.0], [-2.0, 3.0]]
    weights = torch.tensor([0.5, 0.3, 0.2])[:count]
    parts = [torch.tensor(part[:count], dtype=torch.float64) for part in (means, covs)]
    return GaussianMixture(weights / weights.sum(), *parts)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def cell(page, name):
    """El texto de una casilla."""
    return readings(page)[name]


def time(page):
    return float(re.match(r"t = ([\d.]+)", cell(page, "instante"))[1])


def note(page):
    return page.locator(".cw-note").inner_text()


def drawn(page):
    """Los puntos que se ven."""
    return page.locator("path.cw-beads").evaluate_all("all => all.map((p) => p.getAttribute('d'))")


def points(page, style, i=0):
    """Cuántas partículas hay dibujadas con ese estilo."""
    stage = page.locator(".cw-map").nth(i)
    paths = stage.locator(f"path.cw-beads.{style}:not(.cw-rim):not(.cw-traced)")
    return sum(
        d.count("M") for d in paths.evaluate_all("all => all.map((p) => p.getAttribute('d'))")
    )


def test_al_llegar_se_mide_y_se_dice_lo_que_pasa(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow())
    assert time(page) == 1 and cell(page, FAR).startswith("—") and points(page, "cw-one") == 400
    assert "ruido de la distribución previa" in note(
        page
    ).lower() and "mismo ruido inicial" in note(page)
    slider(page, "Instante").fill("0.4")
    assert time(page) == 0.4 and "η = 1.00" in note(page)
    press(page, "Ir al final")
    assert time(page) == 0 and "recupera los datos" in note(page)
    assert number(cell(page, FAR)) < number(re.search(r"hasta ([\d.]+)", cell(page, FAR))[1])
    assert number(cell(page, GOOD)) == pytest.approx(98.9, abs=1.5)
    press(page, "Volver a empezar")
    assert time(page) == 1 and cell(page, FAR).startswith("—")


def test_con_el_signo_cambiado_se_dice_que_no_vuelve(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow(t=0.0))
    page.get_by_label("Signo cambiado").check()
    assert "no se vuelve a los datos" in note(page) and page.locator(".cw-warning").count() == 1
    assert "400 de 400" in note(page)
    assert "Fuera del dibujo: 400 de 400" in page.locator(".cw").inner_text()
    assert number(cell(page, GOOD)) == 0 and number(cell(page, FAR)) > 100
    assert page.locator("path.cw-arrows.cw-red").count() > 0
    pixels = [float(v) for path in drawn(page) for v in re.findall(r"-?[\d.]+", path)]
    assert max(map(abs, pixels)) < 10_000  # un trazo enorme atasca al navegador
    radio(page, "ODE de flujo").check()
    assert "no se vuelve a los datos" in note(page)
    page.get_by_label("Signo cambiado").uncheck()
    assert "La ODE de flujo recupera los datos" in note(page)


def test_los_pasos_dados_se_cuentan_sin_error_de_redondeo(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow(steps=10))
    for done in range(11):
        slider(page, "Instante").fill(f"{1 - done / 10:.1f}")
        assert f"paso {done} de 10" in cell(page, "instante")


def test_la_ida_no_promete_entre_dos_pasos_lo_que_solo_pasa_al_final_de_cada_uno(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow(mode="SDE directa", steps=5, t=0.3))
    assert "al final de cada uno" in note(page) and "en línea recta" in note(page)


def test_al_partir_con_el_signo_cambiado_el_aviso_lo_dice(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow(flipped=True))
    assert "El score entrará con el signo cambiado" in page.locator(".cw-warning").inner_text()


def test_pocos_pasos_o_mal_repartidos_no_bastan_y_se_dice(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow(schedule="OU", t=0.0))
    assert "pasa de" in note(page) or "es bueno" in note(page)
    assert "error de discretización de 50 pasos" in note(page)
    assert "con más pasos, con pasos iguales en λ" in note(page)
    before = number(cell(page, GOOD))
    radio(page, "λ = log(α/σ)").check()
    assert number(cell(page, GOOD)) > before + 20
    assert "iguales en λ" not in note(page)
    slider(page, "Número de pasos").fill("5")
    assert "error de discretización de 5 pasos" in note(page)
    assert "con más pasos o con otra semilla" in note(page)


def test_la_sde_y_la_ode_superpuestas_y_lado_a_lado(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow(noise=0.8))
    radio(page, "Superpuestas").check()
    assert (points(page, "cw-one"), points(page, "cw-two")) == (400, 400)

    def starts(style):
        return page.locator(f"path.cw-traced.{style}:not(.cw-rim)").first.get_attribute("d")

    assert starts("cw-one") == starts("cw-two")  # el mismo ruido inicial
    slider(page, "Instante").fill("0.5")
    assert "caminos quebrados y la ODE, lisos" in note(page)
    press(page, "Ir al final")
    assert starts("cw-one") != starts("cw-two")
    assert "iguales en distribución, no en caminos" in note(page)
    assert re.match(r"SDE [\d.]+ · ODE [\d.]+", cell(page, FAR))
    slider(page, "Ruido η").fill("0")
    assert starts("cw-one") == starts("cw-two") and "es la misma ODE" in note(page)
    slider(page, "Instante").fill("0.5")
    assert starts("cw-one") == starts("cw-two") and "los dos caminos coinciden" in note(page)
    radio(page, "Lado a lado").check()
    assert page.locator(".cw-map").count() == 2
    assert points(page, "cw-one", 0) == points(page, "cw-two", 1) == 400
    assert points(page, "cw-two", 0) == points(page, "cw-one", 1) == 0
    boxes = [page.locator(".cw-map").nth(i).bounding_box() for i in range(2)]
    assert boxes[0]["y"] == pytest.approx(boxes[1]["y"], abs=1)
    radio(page, "SDE directa").check()
    assert page.locator(".cw-map").count() == 1
    assert not radio(page, "Lado a lado").is_visible()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_la_sde_directa_olvida_los_datos(open_widgets, schedule):  # noqa: F811
    page = open_widgets(ParticleFlow(mode="SDE directa", schedule=schedule))
    assert time(page) == 0 and "muestra de los datos" in note(page)
    press(page, "Ir al final")
    assert time(page) == (0.95 if schedule == "Flow" else 1)
    assert "no se distinguen de una muestra de la distribución previa" in note(page)
    assert ("t = 0.95" in note(page)) == (schedule == "Flow")
    radio(page, "SDE inversa").check()  # el final de la ida es la partida de la vuelta
    assert "Ruido de la distribución previa" in note(page)
    press(page, "Ir al final")
    assert time(page) == 0
    assert ("La escala sigue al ruido" in page.locator(".cw").inner_text()) == (schedule == "VE")


def test_una_mezcla_desigual_de_tres_componentes(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow(uneven(), mode="ODE", steps=100, t=0.0, particles=600))
    assert "recupera los datos" in note(page) and points(page, "cw-two") == 600
    name = page.locator("svg[role=img][aria-label^='Partículas buenas de cada modo']")
    counts = re.search(r"ODE de flujo: (\d+), (\d+), (\d+)", name.get_attribute("aria-label"))
    assert [int(c) for c in counts.groups()] == pytest.approx([300, 180, 120], abs=45)


def test_una_sola_componente(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow(uneven(1), t=0.0, mode="ODE"))
    assert "recupera los datos" in note(page) and "NaN" not in page.locator(".cw").inner_html()


def test_con_el_teclado_se_llega_a_todo(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow())
    radio(page, "SDE inversa").focus()
    page.keyboard.press("ArrowRight")
    assert radio(page, "ODE de flujo").is_checked() and not slider(page, "Ruido η").is_visible()
    page.keyboard.press("ArrowLeft")
    instant = slider(page, "Instante")
    instant.focus()
    page.keyboard.press("ArrowLeft")
    assert time(page) == 0.99
    page.keyboard.press("Home")
    assert time(page) == 0 and "paso 50 de 50" in cell(page, "instante")
    steps = slider(page, "Número de pasos")
    steps.focus()
    page.keyboard.press("ArrowRight")
    assert "paso 51 de 51" in cell(page, "instante")
    box = page.get_by_label("Flechas del score")
    box.focus()
    page.keyboard.press("Space")
    assert not box.is_checked() and page.locator(".cw-map path.cw-arrows").count() == 0
    page.get_by_label("Densidad").focus()
    page.keyboard.press("Space")
    assert not page.locator(".cw-map > canvas").is_visible()
    before = drawn(page)
    page.get_by_role("button", name="Otra semilla").press("Enter")
    assert "semilla 1" in cell(page, "instante") and drawn(page) != before
    page.get_by_role("button", name="Volver a empezar").press("Enter")
    assert time(page) == 1


def test_reproducir_llega_al_final_se_pausa_y_vuelve_a_empezar(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow())
    stop_clock(page)
    press(page, "Reproducir el camino")
    page.clock.run_for(1000)
    press(page, "Pausar")
    stopped = time(page)
    page.clock.run_for(3000)
    assert time(page) == stopped and 0 < stopped < 0.9
    press(page, "Reproducir el camino")
    page.clock.run_for(10_000)
    page.get_by_role("button", name="Reproducir el camino", exact=True).wait_for()
    assert time(page) == 0 and "recupera los datos" in note(page)
    live = page.locator("[role=status]")
    assert "distancia energía" in live.inner_text()
    press(page, "Reproducir el camino")
    assert time(page) > 0.9, "desde el final, vuelve a empezar"


def test_con_menos_movimiento_avanza_a_saltos(open_widgets):  # noqa: F811
    page = open_widgets(ParticleFlow(), reduced_motion="reduce")
    stop_clock(page)
    press(page, "Reproducir el camino")
    for tenths in (9, 8, 7):
        assert time(page) == tenths / 10
        page.clock.run_for(999)
        assert time(page) == tenths / 10
        page.clock.run_for(1)


@pytest.mark.parametrize("compare", ["superpuestas", "lado a lado"])
def test_a_360_pixeles_no_desborda(open_widgets, compare):  # noqa: F811
    widget = ParticleFlow(compare=compare, schedule="VE", t=0.0)
    page = open_widgets(widget, viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_label("Signo cambiado").check()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator(".cw-map > svg").first.bounding_box()["width"] >= 250
