"""`ScheduleExplorer` en el navegador: lecturas y curvas, contra las tablas de DDPM."""

import re

import numpy as np
import pytest
import torch
from widget_fixtures import number, open_widgets, radio, readings, slider  # noqa: F401

from course_lib.diffusion import DDPM
from course_lib.widgets import ScheduleExplorer


def check_readings(page, table, k):
    t = torch.tensor(k / table.T, dtype=torch.float64)
    expected = {
        "βk": table.betas[k - 1],
        "ᾱk": table.alphas_bar[k],
        "SNR": torch.exp(table.log_snr(t)),
        "β̃k": table.posterior_variance[k - 1],
    }
    shown = readings(page)
    for label, value in expected.items():
        assert number(shown[label]) == pytest.approx(float(value), rel=6e-3), label


def test_las_lecturas_siguen_a_los_parametros(open_widgets):  # noqa: F811
    page = open_widgets(ScheduleExplorer())
    check_readings(page, DDPM.linear(1000), 500)
    slider(page, "k, paso").fill("37")
    slider(page, "β1").fill("0.002")
    slider(page, "βT").fill("0.035")
    check_readings(page, DDPM.linear(1000, 0.002, 0.035), 37)
    slider(page, "T, número").fill("200")
    slider(page, "k, paso").fill("150")
    check_readings(page, DDPM.linear(200, 0.01, 0.175), 150)
    page.get_by_label("Multiplicar β por 1000/T").uncheck()
    check_readings(page, DDPM.linear(200, 0.002, 0.035), 150)
    radio(page, "coseno").check()
    slider(page, "s, desplazamiento").fill("0.05")
    check_readings(page, DDPM.cosine(200, s=0.05), 150)
    radio(page, "sigmoide").check()
    slider(page, "inicio").fill("-1")
    slider(page, "fin").fill("4")
    slider(page, "τ, temperatura").fill("0.5")
    check_readings(page, DDPM.sigmoid(200, -1.0, 4.0, 0.5), 150)
    page.get_by_role("button", name="Valores de los artículos").click()
    check_readings(page, DDPM.sigmoid(200), 150)


@pytest.mark.parametrize("T", [50, 1000])
def test_las_curvas_dibujadas_son_las_de_la_tabla(open_widgets, T):  # noqa: F811
    page = open_widgets(ScheduleExplorer(T=T, schedule="coseno"))
    table = DDPM.cosine(T)
    t = torch.arange(T + 1, dtype=torch.float64) / T
    columns = [
        (torch.cat([torch.ones(1), table.betas]), -5, 0, np.log10),
        (table.alphas_bar, 0, 1, np.asarray),
        (torch.exp(table.log_snr(t)), -6, 5, np.log10),
        (torch.cat([torch.ones(1), table.posterior_variance]), -5, 0, np.log10),
    ]
    for figure, (column, low, high, scale) in zip(
        page.locator(".cw-chart").all(), columns, strict=True
    ):
        width = figure.locator("> svg").evaluate("s => s.clientWidth")
        points = re.findall(
            r"[ML]([\d.-]+) ([\d.-]+)", figure.locator("path.cw-thick").get_attribute("d")
        )
        assert len(points) >= min(T, 400) - 2
        for px, py in np.array(points, dtype=float):
            k = round((px - 46) / (width - 46 - 14) * T)
            expected = (scale(column[k].numpy()) - low) / (high - low)
            assert (176 - 36 - py) / (176 - 36 - 6) == pytest.approx(expected, abs=2e-3)


def test_avisa_cuando_la_cadena_no_llega_al_ruido_o_no_existe(open_widgets):  # noqa: F811
    page = open_widgets(ScheduleExplorer(T=100))
    note = page.locator(".cw-note")
    assert "es, en la práctica, ruido" in note.inner_text()
    page.get_by_label("Multiplicar β por 1000/T").uncheck()
    assert "todavía queda imagen" in note.inner_text()
    assert number(note.inner_text().split("= ")[1]) == pytest.approx(
        DDPM.linear(100, 1e-4, 0.02).alpha(1.0).item(), rel=6e-3
    )
    page.get_by_label("Multiplicar β por 1000/T").check()
    slider(page, "T, número").fill("10")
    assert "no está entre 0 y 1" in note.inner_text()
    assert readings(page)["βk"] == "—"
    assert "Hacen falta más pasos" in note.inner_text()
    slider(page, "T, número").fill("1000")
    radio(page, "coseno").check()
    assert "la SNR final es casi cero" in note.inner_text()


def test_el_remedio_de_una_tabla_sigmoide_imposible_la_arregla(open_widgets):  # noqa: F811
    page = open_widgets(ScheduleExplorer(schedule="sigmoide"))
    note = page.locator(".cw-note")
    for place, value in (("inicio", "-6"), ("fin", "6")):
        page.get_by_role("button", name="Valores de los artículos").click()
        slider(page, place).fill(value)
        slider(page, "τ, temperatura").fill("0.1")
        assert "no está entre 0 y 1" in note.inner_text()
        assert "subir τ" in note.inner_text() and "más pasos" not in note.inner_text()
        slider(page, "τ, temperatura").fill("1")
        assert "no está entre 0 y 1" not in note.inner_text()


def test_senalar_un_grafico_mueve_el_cursor(open_widgets):  # noqa: F811
    page = open_widgets(ScheduleExplorer())
    box = page.locator(".cw-chart > svg").first.bounding_box()
    page.mouse.click(box["x"] + 46 + (box["width"] - 46 - 14) * 0.25, box["y"] + 60)
    assert abs(int(slider(page, "k, paso").input_value()) - 250) <= 3
