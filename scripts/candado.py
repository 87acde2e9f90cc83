"""Vuelve a calcular `requirements.txt`: entorno nuevo, `pip install .[dev]`, versiones exactas.

El resultado es el conjunto completo, con marcas para lo que solo existe en Linux (CUDA y Triton).
Después de usarlo hay que pasar `make pruebas` antes de confirmar el cambio.
"""

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

RAIZ = Path(__file__).resolve().parent.parent
SOLO_LINUX = re.compile(r"^(nvidia-|cuda-|triton\b)", re.IGNORECASE)
CABECERA = """\
# Versiones exactas con las que se construye y se prueba el curso (Python 3.11 o posterior).
# Archivo generado por `make candado` a partir de pyproject.toml: no conviene editarlo a mano.
# Para usar la biblioteca en Colab no hace falta: pyproject.toml solo pide versiones mínimas.
"""


def con_marca(linea: str) -> str:
    """Añade la marca de sistema a los paquetes que solo se publican para Linux."""
    return f'{linea} ; sys_platform == "linux"' if SOLO_LINUX.match(linea) else linea


def candado(congelado: str) -> str:
    """Texto de `requirements.txt` a partir de la salida de `pip freeze --all`."""
    lineas = []
    for linea in congelado.splitlines():
        nombre = linea.split("==")[0].strip().lower()
        if "==" in linea and nombre not in {"pip", "curso-difusion"}:
            lineas.append(con_marca(re.sub(r"\+[\w.]+$", "", linea.strip())))
    return CABECERA + "\n".join(sorted(lineas, key=str.lower)) + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as carpeta:
        venv.create(carpeta, with_pip=True)
        python = Path(carpeta) / "bin" / "python"
        print("Instalando las versiones más recientes que admite pyproject.toml…", flush=True)
        subprocess.run([python, "-m", "pip", "install", "-q", f"{RAIZ}[dev]"], check=True)
        orden = [python, "-m", "pip", "freeze", "--all"]
        texto = candado(subprocess.run(orden, check=True, capture_output=True, text=True).stdout)
    (RAIZ / "requirements.txt").write_text(texto)
    print("requirements.txt escrito; falta pasar `make pruebas`.")


if __name__ == "__main__":
    sys.exit(main())
