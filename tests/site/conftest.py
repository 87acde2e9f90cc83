"""Accesorios de las pruebas del sitio: servidor local, navegador real y red cortada.

- `sitio` (sesión): carpeta del sitio construido.
- `base` (sesión): dirección del servidor local que lo publica, sin barra final.
- `abrir(ruta, ancho=1280, alto=900, tema="light", **contexto)`: abre una página ya estable, que
  trae `pagina.peticiones_externas` y `pagina.errores` (consola y excepciones): se van llenando.
- `paginas` (sesión): rutas de todas las páginas de lectura; `capitulos`: las de los capítulos.
"""

import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from apoyo import RAIZ, SITIO, paginas_de_lectura

sys.path.insert(0, str(RAIZ / "scripts"))

from navegador import OPCIONES, buscar_chromium, como_instalarlo, servir  # noqa: E402


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/site" in str(item.path):
            item.add_marker(pytest.mark.sitio)


@pytest.fixture(scope="session")
def sitio() -> Path:
    if not (SITIO / "index.html").is_file():
        pytest.fail(f"No hay sitio en {SITIO}: construirlo antes con `make libro`.", pytrace=False)
    return SITIO


@pytest.fixture(scope="session")
def paginas(sitio) -> list[str]:
    return paginas_de_lectura()


@pytest.fixture(scope="session")
def capitulos(paginas) -> list[str]:
    return [ruta for ruta in paginas if ruta.startswith("notebooks/")]


@pytest.fixture(scope="session")
def base(sitio):
    with servir(sitio) as direccion:
        yield direccion


@pytest.fixture(scope="session")
def navegador():
    ejecutable = buscar_chromium()
    if ejecutable is None:
        pytest.fail(como_instalarlo(), pytrace=False)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=ejecutable, args=OPCIONES, timeout=180_000
        )
        yield chromium
        chromium.close()


def _vigilar(pagina) -> None:
    """Corta la red y apunta cada petición externa y cada error."""
    pagina.peticiones_externas, pagina.errores = [], []

    def encaminar(ruta):
        direccion = urlsplit(ruta.request.url)
        if direccion.scheme in ("http", "https") and direccion.hostname != "127.0.0.1":
            pagina.peticiones_externas.append(ruta.request.url)
            return ruta.abort()
        return ruta.continue_()

    def consola(mensaje):
        if mensaje.type == "error":
            pagina.errores.append(f"consola: {mensaje.text} ({mensaje.location.get('url')})")

    pagina.route("**/*", encaminar)
    pagina.on("console", consola)
    pagina.on("pageerror", lambda error: pagina.errores.append(f"excepción: {error}"))
    pagina.on(
        "response",
        lambda r: r.status >= 400 and pagina.errores.append(f"{r.status}: {r.url}"),
    )


@pytest.fixture
def abrir(navegador, base):
    contextos = []

    def _abrir(ruta, ancho=1280, alto=900, tema="light", **opciones):
        opciones = {"color_scheme": tema, "locale": "es-UY"} | opciones
        contexto = navegador.new_context(viewport={"width": ancho, "height": alto}, **opciones)
        contextos.append(contexto)
        contexto.set_default_timeout(300_000)  # una máquina de pruebas puede estar muy ocupada
        pagina = contexto.new_page()
        _vigilar(pagina)
        pagina.goto(f"{base}/{ruta.lstrip('/')}", wait_until="load")
        pagina.wait_for_function(
            "() => !window.MathJax?.startup?.promise || "
            "window.MathJax.startup.promise.then(() => true)"
        )
        pagina.wait_for_timeout(300)
        return pagina

    yield _abrir
    for contexto in contextos:
        contexto.close()
