"""La construcción del libro: qué se ejecuta de nuevo y que ningún fallo se esconde."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

RAIZ = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(RAIZ / "scripts"))

import candado  # noqa: E402
import ejecucion  # noqa: E402
import entorno  # noqa: E402
import guardar_salidas  # noqa: E402
import libro  # noqa: E402
import navegador  # noqa: E402
import versiones_colab  # noqa: E402


def cuaderno(*celdas: str) -> nbformat.NotebookNode:
    """Un cuaderno; las celdas que empiezan por «#» son de texto."""
    v4 = nbformat.v4
    nuevo = v4.new_notebook()
    for n, fuente in enumerate(celdas):
        crear = v4.new_markdown_cell if fuente.startswith("#") else v4.new_code_cell
        nuevo.cells.append(crear(fuente, id=f"celda-{n}"))
    nuevo.metadata["kernelspec"] = dict(guardar_salidas.NUCLEO)
    return nuevo


@pytest.fixture
def proyecto(tmp_path, monkeypatch) -> Path:
    """Un repositorio diminuto con una biblioteca de tres habitaciones."""
    archivos = {
        "course_lib/__init__.py": "",
        "course_lib/difusion/__init__.py": "from course_lib.difusion.esquemas import VP\n",
        "course_lib/difusion/esquemas.py": "from ..base import raiz\nVP = raiz\n",
        "course_lib/difusion/tabla.json": "{}",
        "course_lib/base.py": "def raiz(x):\n    return x\n",
        "course_lib/redes/__init__.py": "x = 1\n",
        "course_lib/redes/pesos.bin": "1",
        "course_lib/raro.py": "import importlib\nm = importlib.import_module('course_lib.redes')\n",
        "requirements.txt": "torch==2.0\n",
    }
    for nombre, texto in archivos.items():
        ruta = tmp_path / nombre
        ruta.parent.mkdir(parents=True, exist_ok=True)
        ruta.write_text(texto)
    monkeypatch.setattr(ejecucion, "RAIZ", tmp_path)
    monkeypatch.setattr(ejecucion, "CACHE", tmp_path / "cache")
    return tmp_path


def nombres(rutas, raiz) -> set[str]:
    return {str(r.relative_to(raiz / "course_lib")) for r in rutas}


def test_las_dependencias_siguen_los_import_y_los_datos_del_paquete(proyecto):
    rutas = ejecucion.dependencias("from course_lib.difusion import VP")
    esperado = {"__init__.py", "base.py", "difusion/__init__.py", "difusion/esquemas.py"}
    assert nombres(rutas, proyecto) == esperado | {"difusion/tabla.json"}


@pytest.mark.parametrize("codigo", ["import course_lib.raro", "esto no es Python", "x = ("])
def test_si_no_se_puede_saber_depende_de_todo(proyecto, codigo):
    assert ejecucion.dependencias(codigo) == ejecucion.archivos(proyecto / "course_lib")


def test_un_cuaderno_sin_la_biblioteca_no_depende_de_ella(proyecto):
    assert ejecucion.dependencias("import math") == []


@pytest.mark.parametrize(
    ("archivo", "cambia"),
    [
        ("course_lib/base.py", True),
        ("course_lib/difusion/tabla.json", True),
        ("requirements.txt", True),
        ("course_lib/redes/__init__.py", False),
        ("course_lib/redes/pesos.bin", False),
    ],
)
def test_solo_lo_que_afecta_al_cuaderno_invalida_su_ejecucion(proyecto, archivo, cambia):
    ejemplo = cuaderno("# Título", "%matplotlib inline\nfrom course_lib.difusion import VP")
    antes = ejecucion.clave(ejemplo)
    (proyecto / archivo).write_text("# otro contenido\n")
    assert (ejecucion.clave(ejemplo) != antes) is cambia


def test_el_texto_no_invalida_y_el_codigo_si(proyecto):
    original = ejecucion.clave(cuaderno("# Título", "x = 1"))
    assert ejecucion.clave(cuaderno("# Otro título", "x = 1")) == original
    assert ejecucion.clave(cuaderno("# Título", "x = 2")) != original


def test_los_datos_disponibles_forman_parte_de_la_clave(proyecto, monkeypatch):
    ejemplo = cuaderno("x = 1")
    monkeypatch.setenv("CURSO_DATOS", str(proyecto / "datos"))
    antes = ejecucion.clave(ejemplo)
    (proyecto / "datos" / "MNIST").mkdir(parents=True)
    assert ejecucion.clave(ejemplo) != antes


def test_un_cuaderno_se_ejecuta_con_este_python_y_se_recuerda(proyecto, monkeypatch):
    """Aunque la máquina tenga otro núcleo `python3` roto en la carpeta del usuario."""
    ajeno = proyecto / "casa" / "kernels" / "python3"
    ajeno.mkdir(parents=True)
    argumentos = ["/no/existe/python", "-f", "{connection_file}"]
    (ajeno / "kernel.json").write_text(
        json.dumps({"argv": argumentos, "display_name": "Python 3", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(ajeno.parents[1]))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(ajeno.parents[1]))
    ejecucion.preparar_jupyter()
    ruta = proyecto / "prueba.ipynb"
    nbformat.write(cuaderno("# Uno", "import sys, os\nprint(sys.executable)\nos.getcwd()"), ruta)
    avisos = []
    primero = ejecucion.ejecutar(ruta, lambda *celda: avisos.append(celda))
    assert primero.cells[1].outputs[0].text.strip() == sys.executable
    assert str(RAIZ) not in primero.cells[1].outputs[1].data["text/plain"]
    assert avisos[-1][1] == 2

    nbformat.write(cuaderno("# Otro texto", primero.cells[1].source), ruta)
    segundo = ejecucion.ejecutar(ruta, lambda *_: pytest.fail("no debía ejecutarse de nuevo"))
    assert segundo.cells[0].source == "# Otro texto"
    assert segundo.cells[1].outputs == primero.cells[1].outputs


def test_un_cuaderno_que_falla_no_se_recuerda(proyecto, capsys):
    ejecucion.preparar_jupyter()
    ruta = proyecto / "malo.ipynb"
    nbformat.write(cuaderno("raise RuntimeError('a propósito')"), ruta)
    for _ in range(2):
        with pytest.raises(CellExecutionError, match="a propósito"):
            ejecucion.ejecutar(ruta, lambda *_: None)
    assert not list((proyecto / "cache").glob("*"))


def test_un_aviso_de_sphinx_detiene_la_construccion_las_dos_veces(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(libro, "CONSTRUCCION", tmp_path)
    fuente = tmp_path / "fuente"
    fuente.mkdir()
    (fuente / "_config.yml").write_text("title: Prueba\nexecute: {execute_notebooks: 'off'}\n")
    (fuente / "_toc.yml").write_text("format: jb-book\nroot: inicio\n")
    (fuente / "inicio.md").write_text("# Inicio\n\n{ref}`no-existe`\n")
    for intento in ("a", "b"):
        with pytest.raises(SystemExit, match="no se construyó"):
            libro.construir(fuente, tmp_path / intento)
        assert "no-existe" in capsys.readouterr().err
    (fuente / "inicio.md").write_text("# Inicio\n\nHola.\n")
    assert (libro.construir(fuente, tmp_path / "c") / "inicio.html").is_file()


def test_el_sitio_nuevo_sustituye_al_viejo_entero(tmp_path, monkeypatch):
    monkeypatch.setattr(libro, "CONSTRUCCION", tmp_path)
    monkeypatch.setattr(libro, "SITIO", tmp_path / "html")
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "pagina-vieja.html").write_text("vieja")
    nuevo = tmp_path / "nuevo"
    nuevo.mkdir()
    (nuevo / "index.html").write_text("nueva")
    libro.publicar(nuevo, [], "huella")
    hallados = {p.name for p in (tmp_path / "html").iterdir()}
    assert hallados == {"index.html", ".nojekyll", ".huella"}
    assert [p.name for p in tmp_path.iterdir()] == ["html"]


def test_cualquier_cambio_en_el_libro_cambia_su_marca(monkeypatch):
    antes = libro.marca_del_sitio()
    assert libro.marca_del_sitio() == antes
    originales = ejecucion.archivos
    falso = RAIZ / "Makefile"
    monkeypatch.setattr(libro, "archivos", lambda c: [*originales(c), falso])
    assert libro.marca_del_sitio() != antes


def test_un_indice_con_un_capitulo_inexistente_se_explica(tmp_path, monkeypatch):
    monkeypatch.setattr(libro, "RAIZ", tmp_path)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: no_esta\n")
    with pytest.raises(SystemExit, match="no existe no_esta.ipynb"):
        libro.paginas()


def test_python_demasiado_viejo_se_explica(monkeypatch, capsys):
    monkeypatch.setattr(entorno, "MINIMO", (9, 9))
    with pytest.raises(SystemExit):
        entorno.comprobar_python()
    aviso = capsys.readouterr().err
    assert "Python 9.9" in aviso and "make libro PYTHON=" in aviso


def test_un_entorno_roto_no_sirve(tmp_path):
    assert entorno.funciona(sys.executable)
    assert not entorno.funciona(str(tmp_path / "python"))


def test_un_entorno_copiado_a_otra_carpeta_se_vuelve_a_instalar(tmp_path, monkeypatch):
    """La instalación editable de `course_lib` guarda la ruta de la carpeta original."""
    aqui, copia = entorno.huella(), tmp_path / "copia"
    copia.mkdir()
    for nombre in ("requirements.txt", "pyproject.toml"):
        shutil.copy(RAIZ / nombre, copia)
    (copia / "sello").write_text(aqui + "\n")
    monkeypatch.setattr(entorno, "RAIZ", str(copia))
    monkeypatch.setattr(entorno, "SELLO", str(copia / "sello"))
    monkeypatch.setattr(entorno, "funciona", lambda _: True)
    instalado = []
    monkeypatch.setattr(entorno, "pip", lambda titulo, _: instalado.append(titulo))
    entorno.main()
    assert [titulo.split()[0] for titulo in instalado] == ["Bibliotecas", "course_lib"]
    entorno.main()
    assert len(instalado) == 2  # y una sola vez


@pytest.mark.skipif(os.name != "posix", reason="es un guion de bash")
def test_sin_red_para_apt_las_pruebas_se_lanzan_igual(tmp_path):
    """`apt-get` falla siempre, como sin conexión; lo necesario ya puede estar instalado."""
    ordenes = {
        "apt-get": "exit 100",
        "sudo": '"$@"',
        "google-chrome": "true",
        "make": 'echo "make $*"',
    }
    for nombre, texto in ordenes.items():
        ruta = tmp_path / nombre
        ruta.write_text(f"#!/bin/sh\n{texto}\n")
        ruta.chmod(0o755)
    ejecutado = subprocess.run(
        [RAIZ / ".ci" / "run"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHON": "python3"},
        capture_output=True,
        text=True,
    )
    assert ejecutado.returncode == 0, ejecutado
    assert ejecutado.stdout.strip() == "make pruebas PYTHON=python3"
    assert "Aviso: apt-get update falló" in ejecutado.stderr
    assert "Aviso: no se pudo instalar make" in ejecutado.stderr


def test_sin_chromium_se_dice_como_instalarlo(monkeypatch):
    monkeypatch.setattr(navegador.shutil, "which", lambda _: None)
    monkeypatch.setattr(navegador, "EN_MACOS", ())
    monkeypatch.delenv("CURSO_CHROMIUM", raising=False)
    assert navegador.buscar_chromium() is None
    assert "apt install chromium" in navegador.como_instalarlo()
    monkeypatch.setenv("CURSO_CHROMIUM", "/no/existe")
    assert navegador.buscar_chromium() is None
    assert "/no/existe" in navegador.como_instalarlo()


def test_el_candado_marca_linux_y_omite_lo_propio():
    congelado = "torch==2.9+cu130\nnvidia-nccl-cu13==2\npip==26\ncurso-difusion==0.1\n-e x\nA==1\n"
    lineas = candado.candado(congelado).splitlines()
    lineas = [x for x in lineas if not x.startswith("#")]
    assert lineas == ["A==1", 'nvidia-nccl-cu13==2 ; sys_platform == "linux"', "torch==2.9"]


def test_las_versiones_de_colab_se_leen_aunque_vengan_de_otra_direccion():
    congelado = (
        "torch @ https://download.pytorch.org/whl/cu126/torch-2.9.0%2Bcu126-cp312-linux.whl\n"
        "torchvision==0.24.0+cu126\nnumpy==2.0.2\nnumpyro==0.1\npandas==2.2\n"
    )
    lineas = versiones_colab.versiones(congelado, {"torch", "torchvision", "numpy"})
    assert lineas == ["numpy==2.0.2", "torch==2.9.0", "torchvision==0.24.0"]


def test_guardar_salidas_deja_solo_texto():
    v4 = nbformat.v4
    ejemplo = cuaderno("# Uno", "x")
    celda = ejemplo.cells[1]
    celda.execution_count = 17
    celda.metadata["execution"] = {"iopub.status.busy": "ahora"}
    vista = "application/vnd.jupyter.widget-view+json"
    celda.outputs = [
        v4.new_output("display_data", {"image/png": "AAAA", "text/plain": "<Figure size 1x1>"}),
        v4.new_output("execute_result", {vista: {}, "text/plain": "Widget()"}, execution_count=17),
        v4.new_output("display_data", {"image/png": "AAAA"}),
        v4.new_output("stream", name="stderr", text="\r 1%|  |\r 99%"),
        v4.new_output("stream", name="stderr", text="|##|\nfin\n"),
        v4.new_output("stream", name="stdout", text="aparte\n"),
    ]
    ejemplo.metadata["widgets"] = {"estado": 1}
    limpio = guardar_salidas.limpiar(ejemplo)
    nbformat.validate(limpio)
    salidas = limpio.cells[1].outputs
    assert [s.get("data", s.get("text")) for s in salidas] == [
        {"text/plain": "<Figure size 1x1>"},
        {"text/plain": "Widget()"},
        " 99%|##|\nfin\n",
        "aparte\n",
    ]
    assert limpio.cells[1].execution_count == salidas[1].execution_count == 1
    assert "widgets" not in limpio.metadata and "execution" not in limpio.cells[1].metadata
