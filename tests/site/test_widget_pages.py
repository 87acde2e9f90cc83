"""Los widgets en la página: cargador, tamaño, temas y accesibilidad."""

import re

import pytest
import torch
from latent_toys import data as pictures
from latent_toys import small
from widget_fixtures import ROOT, images, open_widgets, radio, ready, slider, trajectories  # noqa: F401

from course_lib.widgets import (
    AdversarialGame,
    BivariateNormal,
    CentralLimit,
    ELBOGap,
    ExpectationMaximization,
    ForwardNoising,
    GradientVariance,
    KLDirections,
    LatentSpace,
    LikelihoodSurface,
    LinearGaussianPosterior,
    ModeCoverage,
    ParticleFlow,
    ReverseDenoising,
    SamplerOrder,
    ScheduleExplorer,
)


def all_three():
    return (
        ForwardNoising(images(), torch.arange(3), ["uno", "dos", "tres"]),
        ReverseDenoising(trajectories()),
        ScheduleExplorer(),
    )


def gaussians():
    return (
        BivariateNormal(),
        LinearGaussianPosterior(points=[(-1, 0), (2, 3)]),
        CentralLimit(),
    )


def likelihoods():
    generator = torch.Generator().manual_seed(0)
    return (
        LikelihoodSurface(torch.randn(40, generator=generator)),
        KLDirections(),
        ExpectationMaximization(torch.randn(90, 2, generator=generator), k=6),
    )


def latents():
    vae, data = small(), pictures()
    return (
        LatentSpace(vae, data, y=1),
        GradientVariance("escalón suave", baseline="leave-one-out"),
    )


def gaps_and_modes():
    generator = torch.Generator().manual_seed(0)
    samples = [(100 * i, 1.3 * torch.randn(200, 2, generator=generator)) for i in range(4)]
    runs = {"no saturante": samples, "Wasserstein con penalización": samples[1:]}
    return ModeCoverage(runs, minimum=2), ELBOGap()


def games():
    return AdversarialGame(), AdversarialGame(dim=2)


def continuous():
    return ParticleFlow(compare="superpuestas", t=0.0), SamplerOrder(evaluations=4)


def break_module(state):
    model = next(
        m for m in state["state"].values() if "forward" in m["state"].get("_anywidget_id", "")
    )
    model["state"]["_esm"] = "export default { render() { throw new Error('a propósito'); } };"


def test_el_fallo_de_un_widget_se_ve_y_no_toca_a_los_demas(open_widgets):  # noqa: F811
    page = open_widgets(*all_three(), edit_state=break_module, strict=False)
    message = page.get_by_role("alert").inner_text()
    assert "No se pudo mostrar este widget (a propósito)" in message
    assert page.locator(".cw").count() == 2
    assert any("a propósito" in error for error in page.errors)


def test_sin_estado_hay_un_aviso_en_cada_sitio(open_widgets):  # noqa: F811
    page = open_widgets(*all_three(), edit_state=lambda state: state["state"].clear(), strict=False)
    assert page.get_by_role("alert").count() == 3
    assert "la página no trae su estado" in page.get_by_role("alert").first.inner_text()


TARGETS = (
    "button, select, input[type=range], "
    "label:has(input[type=checkbox]), label:has(input[type=radio])"
)
FONT_SIZES = """() => [...document.querySelectorAll(".cw *:not(sub)")]
    .filter(e => e.checkVisibility())
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => parseFloat(getComputedStyle(e).fontSize))"""


@pytest.mark.parametrize(
    ("make", "drawing"),
    [
        (all_three, ".cw-large canvas"),
        (gaussians, ".cw-plane > svg"),
        (likelihoods, ".cw-plane > svg"),
        (gaps_and_modes, ".cw-plane > svg"),
        (latents, ".cw-plane > svg"),
        (games, ".cw-chart > svg"),
        (continuous, ".cw-map > svg"),
    ],
)
@pytest.mark.parametrize("width", [360, 1280])
def test_nada_se_sale_de_la_pantalla_y_todo_se_puede_tocar(
    open_widgets,  # noqa: F811
    width,
    make,
    drawing,
):
    page = open_widgets(*make(), viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(drawing).first.bounding_box()["width"] >= 200
    for target in page.locator(TARGETS).all():
        box = target.bounding_box()
        if box:
            assert min(box["width"], box["height"]) >= 40, target.evaluate("e => e.outerHTML")
    sizes = page.evaluate(FONT_SIZES)
    assert min(sizes) >= 11


DARK = [
    {"attributes": 'data-theme="dark"', "color_scheme": "light"},
    {"attributes": 'theme="dark"', "color_scheme": "light"},
    {"color_scheme": "dark"},
]
LIGHT = [{"attributes": 'data-theme="light"', "color_scheme": "dark"}, {"color_scheme": "light"}]


@pytest.mark.parametrize("options", DARK + LIGHT)
def test_sigue_el_tema_de_la_pagina_y_si_no_lo_hay_el_del_sistema(open_widgets, options):  # noqa: F811
    page = open_widgets(ScheduleExplorer(), **options)
    background, ink = page.locator(".cw").evaluate(
        "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
    )
    dark = [sum(map(int, re.findall(r"\d+", colour)[:3])) < 250 for colour in (background, ink)]
    assert dark == ([True, False] if options in DARK else [False, True])


def test_sigue_el_tema_de_jupyterlab(open_widgets):  # noqa: F811
    page = open_widgets(ScheduleExplorer())
    background = "getComputedStyle(document.querySelector('.cw')).backgroundColor"
    before = page.evaluate(background)
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    assert page.evaluate(background) != before


def no_violations(page, state):
    """Exige que axe-core no encuentre ninguna falta en la página, tal como está."""
    if not page.evaluate("'axe' in window"):
        dark = "html[data-theme=dark] body { background: #14181e; color: white }"
        page.add_style_tag(content=dark)
        page.add_script_tag(path=ROOT / "tests/site/vendor/axe.min.js")
    report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    found = [(v["id"], v["nodes"][0]["html"][:200]) for v in report["violations"]]
    assert found == [], state


@pytest.mark.parametrize("attributes", ['data-theme="light"', 'data-theme="dark"'])
def test_axe_no_encuentra_faltas_de_accesibilidad(open_widgets, attributes):  # noqa: F811
    page = open_widgets(*all_three(), attributes=attributes)
    ready(page, "0:0")
    no_violations(page, "al abrir")
    page.get_by_label("Multiplicar β por 1000/T").uncheck()
    slider(page, "T, número").fill("100")
    radio(page, "VE").check()
    radio(page, "sigmoide").last.check()
    no_violations(page, "con otras opciones")


@pytest.mark.parametrize("attributes", ['data-theme="light"', 'data-theme="dark"'])
def test_axe_tampoco_en_los_widgets_de_la_gaussiana(open_widgets, attributes):  # noqa: F811
    page = open_widgets(*gaussians(), attributes=attributes)
    no_violations(page, "al abrir")
    page.get_by_role("button", name="Deshacer").click()
    page.get_by_label("Mostrar la recta oculta").check()
    slider(page, "n, número").fill("100")
    no_violations(page, "con otras opciones")


@pytest.mark.parametrize("attributes", ['data-theme="light"', 'data-theme="dark"'])
def test_axe_tampoco_en_los_de_verosimilitud_kl_y_em(open_widgets, attributes):  # noqa: F811
    page = open_widgets(*likelihoods(), attributes=attributes)
    no_violations(page, "al abrir")
    page.get_by_role("button", name="Un paso de gradiente").click()
    radio(page, "KL(q‖p), inversa").check()
    page.get_by_role("button", name="Un paso", exact=True).click()
    page.get_by_role("button", name="Paso E").press("Enter")
    no_violations(page, "con otras opciones")


@pytest.mark.parametrize("attributes", ['data-theme="light"', 'data-theme="dark"'])
def test_axe_tampoco_en_el_plano_latente_y_los_gradientes(open_widgets, attributes):  # noqa: F811
    page = open_widgets(*latents(), attributes=attributes)
    no_violations(page, "al abrir")
    radio(page, "botín").check()
    radio(page, "vuelta al origen").check()
    page.get_by_label("Mosaico de imágenes").uncheck()
    radio(page, "escalón").check()
    radio(page, "log s").check()
    page.get_by_role("button", name="Otra muestra").click()
    no_violations(page, "con otras opciones")


@pytest.mark.parametrize("attributes", ['data-theme="light"', 'data-theme="dark"'])
def test_axe_tampoco_en_el_hueco_de_la_elbo_y_los_modos(open_widgets, attributes):  # noqa: F811
    page = open_widgets(*gaps_and_modes(), attributes=attributes)
    no_violations(page, "al abrir")
    radio(page, "Wasserstein con penalización").check()
    slider(page, "Radio").fill("1.5")
    page.get_by_role("button", name="Último instante").click()
    radio(page, "lineal, f(z) = z").check()
    page.get_by_role("button", name="Hasta el máximo").press("Enter")
    no_violations(page, "con otras opciones")


@pytest.mark.parametrize("attributes", ['data-theme="light"', 'data-theme="dark"'])
def test_axe_tampoco_en_el_juego_de_la_gan(open_widgets, attributes):  # noqa: F811
    page = open_widgets(*games(), attributes=attributes)
    no_violations(page, "al abrir")
    radio(page, "Saturante").first.check()
    page.get_by_role("button", name="200 pasos de D").first.click()
    page.get_by_role("button", name="Una ronda").last.click()
    radio(page, "D* estimado").check()
    radio(page, "Bisagra").last.check()
    no_violations(page, "con otras opciones")


@pytest.mark.parametrize("attributes", ['data-theme="light"', 'data-theme="dark"'])
def test_axe_tampoco_en_los_del_tiempo_continuo(open_widgets, attributes):  # noqa: F811
    page = open_widgets(*continuous(), attributes=attributes)
    no_violations(page, "al abrir")
    page.get_by_label("Signo cambiado").check()
    radio(page, "VE").first.check()
    radio(page, "Lado a lado").check()
    no_violations(page, "con el signo cambiado")
    radio(page, "SDE directa").check()
    page.get_by_role("button", name="Ir al final").click()
    no_violations(page, "con la SDE directa")
