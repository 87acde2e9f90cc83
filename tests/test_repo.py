"""Reglas del repositorio: cuadernos limpios, archivos cortos y paquete completo."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

RAIZ = Path(__file__).resolve().parents[1]
CUADERNOS = sorted([*RAIZ.glob("notebooks/*.ipynb"), *RAIZ.glob("book/*.ipynb")])
CAPITULOS = sorted(RAIZ.glob("notebooks/*.ipynb"))
CODIGO = {".py", ".js", ".css"}
AJENO = {"__pycache__", ".ipynb_checkpoints"}
MAX_LINEAS = 250
MAX_PESOS = 15 * 2**20

por_cuaderno = pytest.mark.parametrize("ruta", CUADERNOS, ids=lambda r: r.name)


def archivos(carpeta: Path) -> list[Path]:
    return [p for p in carpeta.rglob("*") if p.is_file() and not AJENO.intersection(p.parts)]


def pyproject() -> dict:
    return tomllib.loads((RAIZ / "pyproject.toml").read_text())


def repositorio() -> str:
    return yaml.safe_load((RAIZ / "_config.yml").read_text())["repository"]["url"]


@por_cuaderno
def test_el_cuaderno_no_guarda_imagenes_ni_estado_de_widgets(ruta):
    cuaderno = json.loads(ruta.read_text())
    assert "widgets" not in cuaderno["metadata"]
    tipos = {
        tipo
        for celda in cuaderno["cells"]
        for salida in celda.get("outputs", [])
        for tipo in salida.get("data", {})
    }
    assert not [t for t in tipos if re.match(r"image/|video/|audio/|application/vnd", t)]
    assert not [c["id"] for c in cuaderno["cells"] if c.get("attachments")]


@por_cuaderno
def test_el_cuaderno_no_guarda_errores_ni_celdas_sin_ejecutar(ruta):
    celdas = [c for c in json.loads(ruta.read_text())["cells"] if c["cell_type"] == "code"]
    errores = [c["id"] for c in celdas for s in c["outputs"] if s["output_type"] == "error"]
    permitidos = [c["id"] for c in celdas if "raises-exception" in c["metadata"].get("tags", [])]
    assert set(errores) <= set(permitidos)
    assert not [c["id"] for c in celdas if c["outputs"] and c["execution_count"] is None]


@por_cuaderno
def test_las_celdas_tienen_identificadores_estables(ruta):
    cuaderno = json.loads(ruta.read_text())
    ids = [celda["id"] for celda in cuaderno["cells"]]
    assert (cuaderno["nbformat"], cuaderno["nbformat_minor"]) >= (4, 5)
    assert len(ids) == len(set(ids))
    al_azar = [i for i in ids if re.fullmatch(r"[0-9a-f]{8}|[0-9a-f-]{32,36}", i)]
    assert al_azar == [], "un identificador al azar cambia cada vez que se guarda: darle un nombre"


@por_cuaderno
def test_el_cuaderno_pide_el_nucleo_python3_y_nada_mas(ruta):
    metadatos = json.loads(ruta.read_text())["metadata"]
    assert metadatos["kernelspec"] == {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    assert metadatos.get("language_info", {"name": "python"}) == {"name": "python"}


@pytest.mark.parametrize("ruta", CAPITULOS, ids=lambda r: r.name)
def test_la_primera_celda_instala_la_biblioteca_desde_el_repositorio(ruta):
    codigo = [c for c in json.loads(ruta.read_text())["cells"] if c["cell_type"] == "code"]
    assert f"git+{repositorio()}" in "".join(codigo[0]["source"])


def test_ningun_archivo_de_la_biblioteca_pasa_de_250_lineas():
    largos = {
        str(p.relative_to(RAIZ)): lineas
        for p in archivos(RAIZ / "course_lib")
        if p.suffix in CODIGO and (lineas := len(p.read_text().splitlines())) > MAX_LINEAS
    }
    assert largos == {}


def test_los_pesos_incluidos_no_pasan_de_15_mb_y_cada_uno_tiene_su_ficha():
    pesos = list((RAIZ / "course_lib" / "weights").glob("*.safetensors"))
    assert sum(p.stat().st_size for p in pesos) <= MAX_PESOS
    assert [p.name for p in pesos if not p.with_suffix(".json").is_file()] == []


@pytest.fixture(scope="module")
def rueda(tmp_path_factory) -> Path:
    """La rueda de `course_lib`, construida en una copia para no ensuciar el repositorio."""
    copia = tmp_path_factory.mktemp("rueda")
    for nombre in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(RAIZ / nombre, copia)
    ignorar = shutil.ignore_patterns(*AJENO)
    shutil.copytree(RAIZ / "course_lib", copia / "course_lib", ignore=ignorar)
    orden = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*orden, "-w", copia / "dist", copia], check=True, capture_output=True)
    return next((copia / "dist").glob("*.whl"))


def test_la_rueda_lleva_todos_los_archivos_de_la_biblioteca(rueda):
    esperados = {str(p.relative_to(RAIZ)) for p in archivos(RAIZ / "course_lib")}
    dentro = set(zipfile.ZipFile(rueda).namelist())
    assert esperados - dentro == set()
    ajenos = {n for n in dentro if not n.startswith(("course_lib/", "curso_difusion-"))}
    assert ajenos == set(), "la rueda no debe instalar nada fuera de course_lib"


def test_las_dependencias_no_tienen_cota_superior_y_el_candado_las_cumple():
    bloqueadas = {}
    for linea in (RAIZ / "requirements.txt").read_text().splitlines():
        if linea and not linea.startswith("#"):
            requisito = Requirement(linea)
            assert str(requisito.specifier).startswith("=="), linea
            assert requisito.url is None, linea
            bloqueadas[requisito.name.lower().replace("_", "-")] = requisito
    proyecto = pyproject()["project"]
    for texto in proyecto["dependencies"]:
        requisito = Requirement(texto)
        assert [s.operator for s in requisito.specifier] == [">="], texto
    for texto in [*proyecto["dependencies"], *proyecto["optional-dependencies"]["dev"]]:
        requisito = Requirement(texto)
        version = str(bloqueadas[requisito.name].specifier).removeprefix("==")
        assert requisito.specifier.contains(version, prereleases=True), texto


def test_lo_que_solo_existe_en_linux_lleva_su_marca():
    for linea in (RAIZ / "requirements.txt").read_text().splitlines():
        if re.match(r"nvidia-|cuda-|triton", linea):
            assert str(Requirement(linea).marker) == 'sys_platform == "linux"', linea


def test_el_leeme_cabe_en_una_pantalla_y_dice_lo_necesario():
    leeme = (RAIZ / "README.md").read_text()
    for necesario in ("make libro", "make pruebas", "Colab", "CC BY 4.0", "MIT", "notebooks/"):
        assert necesario in leeme
    imagenes = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", leeme)
    assert imagenes, "falta una imagen con texto alternativo"
    for imagen in imagenes:
        assert (RAIZ / imagen).stat().st_size < 200_000
    assert len(leeme.splitlines()) <= 60
    for destino in re.findall(r"\]\((?!http)([^)#]+)\)", leeme):
        assert (RAIZ / destino).exists(), destino


def test_una_sola_direccion_del_repositorio():
    direccion = repositorio()
    assert pyproject()["project"]["urls"]["Repositorio"] == direccion
    textos = [RAIZ / n for n in ("README.md", "CITATION.cff", "CONTRIBUTING.md")]
    textos += [*CUADERNOS, *RAIZ.glob("book/*.md"), *RAIZ.glob("course_lib/**/*.py")]
    organizacion, nombre = direccion.rsplit("/", 2)[1:]
    otras = {
        hallada
        for ruta in textos
        for hallada in re.findall(r"[\w.-]+/[\w.-]*gaussiana[\w.-]*difusion", ruta.read_text())
        if hallada.removesuffix(".git") != f"{organizacion}/{nombre}"
    }
    assert otras == set()


def test_el_indice_tiene_todos_los_capitulos_y_solo_los_que_existen():
    indice = (RAIZ / "_toc.yml").read_text()
    nombrados = set(re.findall(r"^\s*- file: (notebooks/\S+)", indice, re.M))
    assert nombrados == {str(r.relative_to(RAIZ).with_suffix("")) for r in CAPITULOS}


def test_cada_obra_de_la_bibliografia_tiene_doi_arxiv_o_enlace():
    entradas = re.split(r"\n@\w+\{", (RAIZ / "book" / "referencias.bib").read_text())[1:]
    claves = [entrada.split(",")[0] for entrada in entradas]
    assert len(claves) == len(set(claves)) > 20
    sin_enlace = [e.split(",")[0] for e in entradas if not re.search(r"\b(doi|eprint|url) = ", e)]
    assert sin_enlace == []
    for numero in re.findall(r"eprint = \{([^}]+)\}", "\n".join(entradas)):
        assert re.fullmatch(r"\d{4}\.\d{4,5}", numero), numero


def test_las_ordenes_de_integracion_se_pueden_ejecutar():
    assert os.access(RAIZ / ".ci" / "run", os.X_OK)
    assert "make pruebas" in (RAIZ / ".ci" / "run").read_text()
    for flujo in (RAIZ / ".github" / "workflows").glob("*.yml"):
        assert "jobs" in yaml.safe_load(flujo.read_text()), flujo.name


def test_el_sitio_no_pide_nada_a_otros_servidores_por_configuracion():
    estilos = (RAIZ / "book" / "estaticos" / "curso.css").read_text()
    assert not re.search(r"url\(\s*[\"']?(https?:)?//|@import", estilos)
    ajustes = yaml.safe_load((RAIZ / "_config.yml").read_text())["sphinx"]["config"]
    assert (RAIZ / "book" / "estaticos" / ajustes["mathjax_path"]).is_file()
    for programa in ajustes["nb_ipywidgets_js"]:
        assert (RAIZ / "book" / "estaticos" / programa).is_file()
