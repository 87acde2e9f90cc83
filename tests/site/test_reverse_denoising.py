"""`ReverseDenoising` en el navegador: cada cuadro, contra su trayectoria."""

import numpy as np
import pytest
from widget_fixtures import open_widgets, pixels, ready, slider, trajectories  # noqa: F401

from course_lib.widgets import ReverseDenoising


@pytest.mark.parametrize("channels", [1, 3])
def test_cada_cuadro_es_el_de_su_trayectoria(open_widgets, channels):  # noqa: F811
    recorded = trajectories(channels)
    widget = ReverseDenoising(recorded)
    page = open_widgets(widget)
    choices = [
        ("DDIM", "4 pasos"),
        ("DDIM", "12 pasos"),
        ("DDPM ancestral", "12 pasos"),
        ("DDPM ancestral", "30 pasos"),
    ]
    for index, (method, steps) in enumerate(choices):
        page.get_by_label("Muestreador").select_option(method)
        page.get_by_label("Número de pasos").select_option(steps)
        trajectory = recorded[index]
        for frame in range(len(trajectory.t)):
            slider(page, "Cuadro").fill(str(frame))
            ready(page, f"{index}:{frame}")
            text = slider(page, "Cuadro").get_attribute("aria-valuetext")
            assert f"paso {trajectory.moments[frame]} de {trajectory.steps}" in text
            assert f"t = {trajectory.t[frame]:.3f}" in text
            for kind, frames in enumerate((trajectory.x_t, trajectory.x0)):
                bits = widget.trajectories[index]["bits"]
                last = kind == 1 and frame == len(trajectory.t) - 1
                depth = bits[frame] if kind == 0 or last else bits[len(trajectory.t) + frame]
                grid = page.locator(".cw-grid").nth(kind).locator("canvas")
                for image in (0, 5):
                    error = (
                        pixels(grid.nth(image), channels)
                        - (frames[frame, image].numpy() + 1) * 127.5
                    )
                    assert np.abs(error).max() <= 127.5 / (2**depth - 1) + 0.51


def test_los_botones_recorren_los_cuadros(open_widgets):  # noqa: F811
    page = open_widgets(ReverseDenoising(trajectories()))
    ready(page, "0:0")
    for button, state in [
        ("Cuadro siguiente", "0:1"),
        ("Cuadro siguiente", "0:2"),
        ("Cuadro anterior", "0:1"),
        ("Ir a la imagen final", "0:4"),
        ("Cuadro siguiente", "0:4"),
        ("Ir al ruido inicial", "0:0"),
        ("Cuadro anterior", "0:0"),
    ]:
        page.get_by_role("button", name=button, exact=True).press("Enter")
        ready(page, state)
    page.get_by_label("Velocidad").select_option("4×")
    page.get_by_role("button", name="Reproducir").press("Space")
    ready(page, "0:4")
    page.get_by_role("button", name="Reproducir").wait_for()


def test_al_cambiar_de_muestreador_se_queda_en_el_mismo_instante(open_widgets):  # noqa: F811
    recorded = trajectories()
    page = open_widgets(ReverseDenoising(recorded))
    slider(page, "Cuadro").fill("2")
    ready(page, "0:2")
    page.get_by_label("Número de pasos").select_option("12 pasos")
    nearest = int(np.abs(np.array(recorded[1].t) - recorded[0].t[2]).argmin())
    ready(page, f"1:{nearest}")
    page.get_by_label("Muestreador").select_option("DDPM ancestral")
    ready(page, f"2:{nearest}")
    listed = page.get_by_label("Número de pasos").locator("option").all_inner_texts()
    assert listed == ["12 pasos", "30 pasos"]


def test_datos_danados_dejan_un_aviso_visible(open_widgets):  # noqa: F811
    widget = ReverseDenoising(trajectories())
    widget.data = b"\x00" * len(widget.data)
    page = open_widgets(widget, strict=False)
    page.get_by_role("alert").wait_for()
    assert "No se pudieron leer los cuadros" in page.get_by_role("alert").inner_text()


SLOW = """() => {
    const read = Response.prototype.arrayBuffer;
    Response.prototype.arrayBuffer = async function () {
        await new Promise((done) => setTimeout(done, 500));
        return read.call(this);
    };
}"""


def test_se_elige_otra_vez_sin_esperar_a_que_lleguen_los_cuadros(open_widgets):  # noqa: F811
    """Las listas cambian al elegir, y no al acabar de descomprimir: si no, se elegía en las viejas."""
    page = open_widgets(ReverseDenoising(trajectories()))
    ready(page, "0:0")
    page.evaluate(SLOW)
    page.get_by_label("Muestreador").select_option("DDPM ancestral")
    page.get_by_label("Número de pasos").select_option("12 pasos")
    ready(page, "2:0")  # y no «1:0», el DDIM de 12 pasos
    assert page.get_by_label("Muestreador").input_value() == "DDPM ancestral"
