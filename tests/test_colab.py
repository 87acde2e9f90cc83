"""Como en Colab: la rueda instalada en un entorno nuevo y el cuaderno en una carpeta vacía."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

RAIZ = Path(__file__).resolve().parents[1]
CAPITULOS = sorted(RAIZ.glob("notebooks/*.ipynb"))
EJECUTAR = """
import sys
import nbformat
from nbclient import NotebookClient
cuaderno = nbformat.read(sys.argv[1], as_version=4)
aviso = nbformat.v4.new_code_cell("import course_lib; print(course_lib.__file__)")
cuaderno.cells.insert(0, aviso)
NotebookClient(cuaderno, timeout=600, startup_timeout=180, kernel_name="python3").execute()
print(cuaderno.cells[0].outputs[0].text.strip())
"""


def orden(*argumentos, **opciones) -> str:
    """Ejecuta y devuelve lo que imprime; si falla, enseña el final de sus mensajes."""
    hecho = subprocess.run(argumentos, capture_output=True, text=True, **opciones)
    assert hecho.returncode == 0, (hecho.stdout + hecho.stderr)[-3000:]
    return hecho.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """El Python de un entorno nuevo con la rueda y, de lo demás, lo que ya está descargado.

    Un `.pth` presta las bibliotecas del entorno de pruebas sin leer los `.pth` de este, de modo que
    la instalación editable del repositorio no se ve.
    """
    carpeta = tmp_path_factory.mktemp("colab")
    copia = carpeta / "copia"
    copia.mkdir()
    shutil.copytree(
        RAIZ / "course_lib", copia / "course_lib", ignore=shutil.ignore_patterns("__pycache__")
    )
    for nombre in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(RAIZ / nombre, copia / nombre)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    orden(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(carpeta), str(copia))
    orden(sys.executable, "-m", "venv", "--without-pip", str(carpeta / "entorno"))
    python = carpeta / "entorno" / "bin" / "python"
    aqui = "import sysconfig; print(sysconfig.get_path('purelib'))"
    destino = Path(orden(str(python), "-c", aqui).strip())
    (rueda,) = carpeta.glob("*.whl")
    orden(*pip, "install", "--no-deps", "--target", str(destino), str(rueda))
    (destino / "prestadas.pth").write_text(sysconfig.get_path("purelib") + "\n")
    nucleo = carpeta / "kernels" / "python3"
    nucleo.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (nucleo / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"})
    )
    return python


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("ruta", CAPITULOS, ids=lambda r: r.name)
def test_el_cuaderno_se_ejecuta_con_la_rueda_y_sin_el_repositorio(ruta, python, tmp_path):
    shutil.copy(ruta, tmp_path / ruta.name)
    ambiente = os.environ | {"JUPYTER_PATH": str(python.parents[2]), "PYTHONPATH": ""}
    salida = orden(str(python), "-c", EJECUTAR, ruta.name, cwd=tmp_path, env=ambiente)
    assert str(python.parents[1]) in salida, "el cuaderno no usó la biblioteca de la rueda"
