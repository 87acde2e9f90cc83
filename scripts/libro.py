"""Construye el sitio: ejecuta los cuadernos, llama a Jupyter Book en modo estricto y publica.

El sitio se construye en una carpeta nueva y solo si no hubo ni un aviso sustituye al anterior, de
modo que un fallo viejo no puede quedar escondido. Si nada cambió desde la última vez, no hace nada.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import yaml
from ejecucion import (
    FALLOS,
    RAIZ,
    SEGUNDOS_POR_CELDA,
    archivos,
    ejecutar,
    huella,
    origen_de_los_datos,
    preparar_jupyter,
)
from nbclient.exceptions import CellTimeoutError

CONSTRUCCION = RAIZ / "_build"
SITIO = CONSTRUCCION / "html"
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
EN_TERMINAL = sys.stdout.isatty()


def progreso(texto: str, cada: float = 15.0, _ultimo: list = [0.0]) -> None:  # noqa: B006
    """Una línea que se reescribe en la terminal; sin terminal, una cada `cada` segundos."""
    if EN_TERMINAL:
        print(f"\r\033[K  {texto}", end="", flush=True)
    elif time.time() - _ultimo[0] > cada:
        _ultimo[0] = time.time()
        print(f"  {texto}", flush=True)


def hecho(texto: str) -> None:
    print(("\r\033[K" if EN_TERMINAL else "") + f"  {texto}", flush=True)


def marca_del_sitio() -> str:
    """Huella de todo lo que decide el contenido del sitio."""
    rutas = [p for c in ("book", "notebooks", "course_lib") for p in archivos(RAIZ / c)]
    rutas += [RAIZ / n for n in ("_config.yml", "_toc.yml", "requirements.txt", "pyproject.toml")]
    rutas += [RAIZ / "scripts" / n for n in ("libro.py", "ejecucion.py")]
    return huella(rutas, sys.version, origen_de_los_datos())


def paginas() -> list[Path]:
    """Archivos que nombra `_toc.yml`, en su orden."""
    nombres: list[str] = []

    def recorrer(nodo):
        if isinstance(nodo, dict):
            nombres.extend(nodo[c] for c in ("root", "file") if c in nodo)
            for valor in nodo.values():
                recorrer(valor)
        elif isinstance(nodo, list):
            for valor in nodo:
                recorrer(valor)

    recorrer(yaml.safe_load((RAIZ / "_toc.yml").read_text()))
    rutas = []
    for nombre in nombres:
        opciones = [RAIZ / f"{nombre}{s}" for s in ("", ".ipynb", ".md")]
        ruta = next((r for r in opciones if r.is_file()), None)
        if ruta is None:
            sys.exit(f"_toc.yml nombra «{nombre}», pero no existe {nombre}.ipynb ni {nombre}.md.")
        rutas.append(ruta)
    return rutas


def avisos_de(cuaderno) -> str:
    """Lo que un cuaderno escribió en stderr, sin las barras de progreso."""
    textos = [
        s.text
        for celda in cuaderno.cells
        for s in celda.get("outputs", [])
        if s.output_type == "stream" and s.name == "stderr" and "\r" not in s.text
    ]
    return "".join(textos).strip()


def explicar_fallo(nombre: Path, fallo: Exception) -> None:
    if isinstance(fallo, CellTimeoutError):
        fallo = f"Una celda tardó más de {SEGUNDOS_POR_CELDA} s.\n{fallo}"
    texto = str(fallo) if EN_TERMINAL else ANSI.sub("", str(fallo))
    print(f"\n✗ Falló {nombre}:\n\n{texto.strip()}\n", file=sys.stderr, flush=True)


def ejecutar_cuadernos(rutas: list[Path]) -> dict[Path, nbformat.NotebookNode]:
    """Ejecuta los que hagan falta; si alguno falla, muestra todos los fallos y termina con 1."""
    listos, fallidos = {}, 0
    for numero, ruta in enumerate(rutas, 1):
        nombre, inicio = ruta.relative_to(RAIZ), time.time()
        titulo = f"[{numero}/{len(rutas)}] {nombre}"

        def avisar(celda, total, titulo=titulo, inicio=inicio):
            progreso(f"{titulo} · celda {celda}/{total} · {time.time() - inicio:.0f} s")

        try:
            listos[ruta] = ejecutar(ruta, avisar)
        except FALLOS as fallo:
            fallidos += 1
            explicar_fallo(nombre, fallo)
            continue
        transcurrido = time.time() - inicio
        nuevo = transcurrido > 0.9 * listos[ruta].metadata.get("segundos", 0)
        hecho(f"{titulo} · " + (f"ejecutado en {transcurrido:.0f} s" if nuevo else "sin cambios"))
        if avisos_de(listos[ruta]):
            print(f"    avisos del cuaderno:\n{avisos_de(listos[ruta])}", flush=True)
    if fallidos:
        sys.exit(f"El sitio no se construyó: fallaron {fallidos} de {len(rutas)} cuadernos.")
    return listos


def preparar_fuente(destino: Path, ejecutados: dict[Path, nbformat.NotebookNode]) -> None:
    """Copia los textos y los cuadernos ya ejecutados; Sphinx no ejecuta nada."""
    ignorar = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    shutil.copytree(RAIZ / "book", destino / "book", ignore=ignorar)
    shutil.copy(RAIZ / "_toc.yml", destino)
    for ruta, cuaderno in ejecutados.items():
        copia = destino / ruta.relative_to(RAIZ)
        copia.parent.mkdir(parents=True, exist_ok=True)
        cuaderno.metadata.pop("segundos", None)
        nbformat.write(cuaderno, copia)
    ajustes = yaml.safe_load((RAIZ / "_config.yml").read_text())
    ajustes["execute"]["execute_notebooks"] = "off"
    (destino / "_config.yml").write_text(yaml.safe_dump(ajustes, allow_unicode=True))


def construir(fuente: Path, salida: Path) -> Path:
    """Llama a Jupyter Book en modo estricto; devuelve la carpeta con el HTML."""
    llamada = "from jupyter_book.cli.main import main; main()"
    orden = [sys.executable, "-c", llamada, "build", str(fuente)]
    orden += ["--path-output", str(salida), "-W", "--keep-going", "-n"]
    entorno = os.environ | {"PYTHONUTF8": "1", "NO_COLOR": "1"}
    lineas = []
    proceso = subprocess.Popen(
        orden, cwd=fuente, env=entorno, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    for linea in proceso.stdout:
        linea = ANSI.sub("", linea).rstrip()
        lineas.append(linea)
        if avance := re.match(r"(reading sources|writing output)\.\.\. \[ *(\d+)%\]", linea):
            paso = "leyendo" if avance[1].startswith("reading") else "escribiendo"
            progreso(f"Páginas · {paso} {avance[2]} %")
    registro = CONSTRUCCION / "sphinx.log"
    registro.write_text("\n".join(lineas))
    if proceso.wait() != 0:
        graves = [x for x in lineas if re.search(r"WARNING|ERROR|Error|Exception", x)]
        print("\n" + "\n".join(graves or lineas[-40:]), file=sys.stderr)
        sys.exit(f"El sitio no se construyó; el registro completo está en {registro}.")
    return salida / "_build" / "html"


def publicar(nuevo: Path, ejecutados: list[Path], marca: str) -> None:
    """Deja para descargar los cuadernos sin salidas y cambia el sitio viejo por el nuevo."""
    for ruta in ejecutados:
        shutil.copy(ruta, nuevo / "_sources" / ruta.relative_to(RAIZ))
    (nuevo / ".nojekyll").touch()
    (nuevo / ".huella").write_text(marca)
    viejo = CONSTRUCCION / f"html-viejo-{os.getpid()}"
    if SITIO.exists():
        SITIO.rename(viejo)
    nuevo.rename(SITIO)
    shutil.rmtree(viejo, ignore_errors=True)


def despedida() -> None:
    donde = SITIO.relative_to(RAIZ)
    print(
        f"\nEl libro está en {SITIO / 'index.html'}\n"
        f"Para leerlo:  python3 -m http.server 8000 --directory {donde}\n"
        "y abrir       http://localhost:8000\n",
        flush=True,
    )


def main() -> None:
    inicio, marca = time.time(), marca_del_sitio()
    sello = SITIO / ".huella"
    if sello.exists() and sello.read_text() == marca and "--forzar" not in sys.argv:
        print("Nada cambió desde la última construcción.")
        return despedida()
    print("Cuadernos", flush=True)
    CONSTRUCCION.mkdir(exist_ok=True)
    preparar_jupyter()
    cuadernos = [r for r in paginas() if r.suffix == ".ipynb"]
    ejecutados = ejecutar_cuadernos(cuadernos)
    print("Sitio", flush=True)
    with tempfile.TemporaryDirectory(prefix="nuevo-", dir=CONSTRUCCION) as temporal:
        fuente, salida = Path(temporal, "fuente"), Path(temporal, "salida")
        preparar_fuente(fuente, ejecutados)
        publicar(construir(fuente, salida), cuadernos, marca)
    hecho(f"Construido sin avisos en {time.time() - inicio:.0f} s")
    despedida()


if __name__ == "__main__":
    main()
