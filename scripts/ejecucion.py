"""Ejecuta los cuadernos del curso y recuerda el resultado mientras nada que lo afecte cambie.

Un cuaderno se vuelve a ejecutar si cambian sus celdas de código, `requirements.txt`, la versión de
Python, los datos disponibles o uno de los archivos de `course_lib` a los que llegan sus `import`.
Un cambio en el texto no lo ejecuta de nuevo.
"""

import ast
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

RAIZ = Path(__file__).resolve().parent.parent
CACHE = RAIZ / "_build" / "ejecucion"
SEGUNDOS_POR_CELDA = 900  # solo detiene lo que no va a terminar
ENTRADAS_POR_CUADERNO = 3
IGNORADOS = {"__pycache__", ".ipynb_checkpoints", ".ruff_cache", ".pytest_cache"}
FALLOS = (CellExecutionError, CellTimeoutError, DeadKernelError)


def archivos(carpeta: Path) -> list[Path]:
    """Archivos de una carpeta, en orden y sin los que Python o Jupyter crean solos."""
    hallados = (p for p in carpeta.rglob("*") if p.is_file() and p.suffix != ".pyc")
    return sorted(p for p in hallados if not IGNORADOS.intersection(p.parts))


def huella(rutas: list[Path], *textos: str) -> str:
    """SHA-256 de los nombres y contenidos de varios archivos y de algunos textos."""
    suma = hashlib.sha256(json.dumps(textos).encode())
    for ruta in rutas:
        suma.update(f"\0{ruta.relative_to(RAIZ)}\0{ruta.stat().st_size}\0".encode())
        suma.update(ruta.read_bytes())
    return suma.hexdigest()


def origen_de_los_datos() -> str:
    """Qué copias de los datos puede encontrar `course_lib` en esta máquina (cambia las salidas)."""
    cache = Path(os.environ.get("CURSO_DATOS", "~/.cache/curso-difusion")).expanduser()
    sistema = Path("/usr/share/datasets/fashion-mnist")
    return " ".join(sorted(p.name for c in (sistema, cache) if c.is_dir() for p in c.iterdir()))


def _modulos_importados(fuente: str, modulo: str, es_paquete: bool) -> set[str] | None:
    """Nombres `course_lib…` que importa un código; `None` si no se puede saber leyéndolo."""
    nombres: set[str] = set()
    for nodo in ast.walk(ast.parse(fuente)):
        if isinstance(nodo, ast.Import):
            nombres.update(alias.name for alias in nodo.names)
        elif isinstance(nodo, ast.ImportFrom):
            base = nodo.module or ""
            if nodo.level:
                padres = modulo.split(".")
                corte = len(padres) - nodo.level + (1 if es_paquete else 0)
                base = ".".join(padres[:corte] + ([base] if base else []))
            nombres.add(base)
            nombres.update(f"{base}.{alias.name}" for alias in nodo.names)
        elif isinstance(nodo, ast.Call):
            funcion = nodo.func
            nombre = getattr(funcion, "attr", getattr(funcion, "id", ""))
            if nombre in {"import_module", "__import__"}:
                return None
    return {n for n in nombres if n.split(".")[0] == "course_lib"}


def _archivo_de(modulo: str) -> Path | None:
    base = RAIZ.joinpath(*modulo.split("."))
    opciones = (base / "__init__.py", base.with_suffix(".py"))
    return next((ruta for ruta in opciones if ruta.is_file()), None)


def dependencias(codigo: str) -> list[Path]:
    """Archivos de `course_lib` que pueden cambiar el resultado de un código, datos incluidos."""
    biblioteca = archivos(RAIZ / "course_lib")
    vistos: dict[str, Path] = {}
    try:
        pendientes = _modulos_importados(codigo, "", False)
        while pendientes:
            modulo = pendientes.pop()
            padre = modulo.rpartition(".")[0]
            if padre and padre not in vistos:
                pendientes.add(padre)
            ruta = _archivo_de(modulo)
            if ruta is None or modulo in vistos:
                continue
            vistos[modulo] = ruta
            nuevos = _modulos_importados(ruta.read_text(), modulo, ruta.name == "__init__.py")
            if nuevos is None:
                return biblioteca
            pendientes |= nuevos - vistos.keys()
    except SyntaxError:
        return biblioteca
    if pendientes is None:
        return biblioteca
    paquetes = {ruta.parent for ruta in vistos.values()}
    modulos = set(vistos.values())
    return [
        ruta
        for ruta in biblioteca
        if ruta in modulos or (ruta.suffix != ".py" and _paquete_de(ruta) in paquetes)
    ]


def _paquete_de(ruta: Path) -> Path:
    """La carpeta más cercana a un archivo de datos que contiene código."""
    return next(c for c in ruta.parents if c == RAIZ or any(c.glob("*.py")))


def codigo_de(cuaderno: nbformat.NotebookNode) -> str:
    """Todo el código de un cuaderno; las líneas mágicas de IPython se cambian por `pass`."""
    codigo = "\n".join(celda.source for celda in cuaderno.cells if celda.cell_type == "code")
    return re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", codigo)


def clave(cuaderno: nbformat.NotebookNode) -> str:
    """Identifica todo lo que decide las salidas de un cuaderno."""
    celdas = [
        (c.source, c.metadata.get("tags", [])) for c in cuaderno.cells if c.cell_type == "code"
    ]
    rutas = [RAIZ / "requirements.txt", *dependencias(codigo_de(cuaderno))]
    return huella(rutas, json.dumps(celdas), sys.version, origen_de_los_datos())


def preparar_jupyter() -> None:
    """Fija el núcleo `python3` a este intérprete, aunque la máquina tenga otros instalados."""
    destino = RAIZ / "_build" / "jupyter" / "kernels" / "python3"
    destino.mkdir(parents=True, exist_ok=True)
    orden = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    orden += ["--log-level=ERROR"]  # sin el aviso de que el núcleo escucha en la propia máquina
    nucleo = {"argv": orden, "display_name": "Python 3", "language": "python"}
    (destino / "kernel.json").write_text(json.dumps(nucleo))
    os.environ["JUPYTER_PATH"] = str(destino.parent.parent)
    # Los hilos esperan girando muy poco: sin eso se estorban si hay más procesos que núcleos.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    os.environ.pop("MPLBACKEND", None)  # con otro motor gráfico no habría figuras


def ejecutar(ruta: Path, avisar) -> nbformat.NotebookNode:
    """Devuelve el cuaderno con sus salidas, de la caché o recién ejecutado.

    `avisar(celda, total)` se llama al empezar cada celda. Un fallo deja pasar la excepción de
    nbclient y no guarda nada.
    """
    cuaderno = nbformat.read(ruta, as_version=4)
    guardado = CACHE / f"{ruta.stem}-{clave(cuaderno)[:24]}.ipynb"
    if guardado.exists():
        os.utime(guardado)
        return _con_salidas(cuaderno, nbformat.read(guardado, as_version=4))
    inicio = time.time()
    with tempfile.TemporaryDirectory() as carpeta:
        cliente = NotebookClient(
            cuaderno,
            timeout=SEGUNDOS_POR_CELDA,
            startup_timeout=180,
            kernel_name="python3",
            resources={"metadata": {"path": carpeta}},
            on_cell_start=lambda cell, cell_index: avisar(cell_index + 1, len(cuaderno.cells)),
        )
        cliente.execute()
    cuaderno.metadata["segundos"] = round(time.time() - inicio, 1)
    CACHE.mkdir(parents=True, exist_ok=True)
    temporal = guardado.with_suffix(".tmp")
    nbformat.write(cuaderno, temporal)
    temporal.replace(guardado)
    viejos = sorted(CACHE.glob(f"{ruta.stem}-*.ipynb"), key=lambda p: p.stat().st_mtime)
    for viejo in viejos[:-ENTRADAS_POR_CUADERNO]:
        viejo.unlink()
    return cuaderno


def _con_salidas(nuevo, guardado):
    """Pone en el cuaderno de ahora (con su texto) las salidas que se guardaron."""
    codigo = [c for c in guardado.cells if c.cell_type == "code"]
    for celda in nuevo.cells:
        if celda.cell_type == "code":
            vieja = codigo.pop(0)
            celda.outputs, celda.execution_count = vieja.outputs, vieja.execution_count
    for dato in ("widgets", "segundos", "language_info"):
        if dato in guardado.metadata:
            nuevo.metadata[dato] = guardado.metadata[dato]
    return nuevo
