"""Busca el Chromium con el que se prueba el sitio y sirve el sitio en esta máquina."""

import functools
import http.server
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOMBRES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
EN_MACOS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
OPCIONES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def buscar_chromium() -> str | None:
    """Ruta de Chromium o Chrome; la variable `CURSO_CHROMIUM` tiene prioridad."""
    if indicado := os.environ.get("CURSO_CHROMIUM"):
        return indicado if Path(indicado).is_file() else None
    hallado = next((ruta for n in NOMBRES if (ruta := shutil.which(n))), None)
    return hallado or next((ruta for ruta in EN_MACOS if Path(ruta).is_file()), None)


def como_instalarlo() -> str:
    """Qué hacer cuando no hay navegador."""
    if indicado := os.environ.get("CURSO_CHROMIUM"):
        return f"CURSO_CHROMIUM={indicado} no es un archivo: indicar la ruta de Chromium."
    return (
        "Falta Chromium: las pruebas del sitio lo abren en un navegador de verdad.\n"
        "  Debian:          sudo apt install chromium\n"
        "  Fedora:          sudo dnf install chromium\n"
        "  macOS:           brew install --cask chromium\n"
        "En otros sistemas, indicar dónde está con CURSO_CHROMIUM=/ruta/a/chromium."
    )


class _Silencioso(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".ipynb": "application/json",
        ".woff2": "font/woff2",
    }

    def log_message(self, *_):
        pass


class _Servidor(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):  # una página cerrada a medio cargar
            super().handle_error(request, client_address)


@contextmanager
def servir(carpeta: Path) -> Iterator[str]:
    """Publica `carpeta` en un puerto libre de esta máquina; da su dirección, sin barra final."""
    manejador = functools.partial(_Silencioso, directory=str(carpeta))
    servidor = _Servidor(("127.0.0.1", 0), manejador)
    threading.Thread(target=servidor.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{servidor.server_port}"
    finally:
        servidor.shutdown()
        servidor.server_close()
