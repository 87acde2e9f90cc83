"""Páginas mínimas con widgets, hechas como las de myst-nb, abiertas en el navegador."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from ipywidgets import Widget
from torch import nn

from course_lib.diffusion import DDPM, VE, Denoiser
from course_lib.widgets import record

torch.set_num_threads(1)
ROOT = Path(__file__).parents[2]
MIME = "application/vnd.jupyter.widget"


def script(kind, content):
    text = json.dumps(content).replace("</script>", r"<\/script>")
    return f'<script type="{MIME}-{kind}+json">{text}</script>'


def widget_page(widgets, attributes="", edit_state=lambda state: None):
    """Una página con una vista por widget, el estado de todos y el cargador del sitio."""
    state = Widget.get_manager_state(widgets=list({w.model_id: w for w in widgets}.values()))
    edit_state(state)
    views = "".join(
        f'<div class="cell_output">{script("view", {"model_id": w.model_id})}</div>'
        for w in widgets
    )
    loader = (ROOT / "book/estaticos/cargador.js").read_text(encoding="utf-8")
    return f"""<!doctype html><html lang="es" {attributes}><head><meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1"><title>Widgets</title>
        <style>body {{ margin: 0 auto; max-width: 760px }}</style></head>
        <body><main><h1>Widgets</h1>{views}</main>{script("state", state)}
        <script type="module">{loader}</script></body></html>"""


@pytest.fixture
def open_widgets(navegador, tmp_path):
    """Abre una página con los widgets dados; al terminar exige que no haya errores ni red."""
    contexts, problems = [], []

    def open_page(*widgets, attributes="", edit_state=lambda state: None, strict=True, **options):
        path = tmp_path / f"pagina{len(contexts)}.html"
        path.write_text(widget_page(widgets, attributes, edit_state), encoding="utf-8")
        contexts.append(
            navegador.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        )
        contexts[-1].set_default_timeout(60_000)  # la máquina puede estar muy ocupada
        page = contexts[-1].new_page()
        page.errors = []
        page.on("console", lambda m: page.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on(
            "request",
            lambda r: None if r.url.startswith(("file:", "blob:")) else problems.append(r.url),
        )
        page.goto(path.as_uri())
        page.wait_for_function(
            "n => document.querySelectorAll('.cw, [role=alert]').length >= n", arg=len(widgets)
        )
        if strict:
            problems.append(page.errors)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [p for p in problems if p] == [], "errores de consola o peticiones a la red"


def stop_clock(page):
    """Para el reloj de la página: desde aquí sólo avanza con `page.clock.run_for(ms)`.

    Así lo que tarda en dibujar una máquina ocupada no cuenta en lo que se mide.
    """
    page.clock.install(time=0)
    page.clock.pause_at(1000)


# --- Datos de juguete y lectura de lo que se ve -------------------------------------------------

PIXELS = """c => Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data)"""
LAWS = {
    "lineal": DDPM.linear,
    "coseno": DDPM.cosine,
    "sigmoide": DDPM.sigmoid,
    "VE": lambda T: VE(),
}


def images(count=3, channels=1, side=12):
    generator = torch.Generator().manual_seed(5)
    coarse = torch.randint(0, 256, (count, channels, side // 4, side // 4), generator=generator)
    return coarse.repeat_interleave(4, 2).repeat_interleave(4, 3) / 127.5 - 1


def pixels(locator, channels=1):
    """Los bytes de un canvas, con forma (C, H, W)."""
    size = locator.evaluate("c => [c.height, c.width]")
    rgba = np.array(locator.evaluate(PIXELS)).reshape(*size, 4)
    assert (rgba[..., 3] == 255).all()
    if channels == 1:
        assert (rgba[..., 0] == rgba[..., 1]).all() and (rgba[..., 0] == rgba[..., 2]).all()
    return rgba[..., :channels].transpose(2, 0, 1)


def to_bytes(x):
    return ((np.clip(np.asarray(x, dtype=float), -1, 1) + 1) * 127.5).round()


def number(text):
    """Lee «1.23·10⁻⁵», «−3.4 dB» o «∞» tal como los escriben los widgets."""
    plain = (
        text.replace("−", "-")
        .replace("∞", "inf")
        .translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
    )
    mantissa, exponent = re.match(r"(-?inf|-?[\d.]+)(?:·10(-?\d+))?", plain).groups()
    return float(mantissa) * 10 ** int(exponent or 0)


def readings(page):
    """Las casillas de lectura del primer widget: {nombre: valor}."""
    pairs = page.locator(".cw-readings").first.evaluate(
        "list => [...list.children].map(e => [...e.children].map(c => c.textContent))"
    )
    return dict(pairs)


def slider(page, label):
    return page.locator(f"input[type=range][aria-label^='{label}']")


def radio(page, name):
    return page.get_by_role("radio", name=name, exact=True)


class Squash(nn.Module):
    """Una red de juguete, que estima x_0 con una tangente hiperbólica."""

    def forward(self, x, t, y=None):
        return torch.tanh((2 - t.reshape(-1, 1, 1, 1)) * x)


def trajectories(channels=1):
    denoiser = Denoiser(Squash(), DDPM.cosine(100), "x0")
    x_T = torch.randn(6, channels, 8, 8, generator=torch.Generator().manual_seed(1))
    kinds = [("ddim", 4), ("ddim", 12), ("ancestral", 12), ("ancestral", 30)]
    return [record(denoiser, x_T, s, m, frames=7, y=torch.arange(6), generator=0) for m, s in kinds]


def announced(page, beginning):
    """Espera el anuncio que empieza así: en una máquina lenta, antes pueden llegar otros."""
    page.wait_for_function(
        "text => document.querySelector('[role=status]').textContent.startsWith(text)",
        arg=beginning,
    )


def ready(page, state):
    page.wait_for_selector(f".cw[data-ready='{state}']")
