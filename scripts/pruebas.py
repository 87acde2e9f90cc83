"""Todas las pruebas del curso, por fases; termina con 1 si alguna falla.

Fases: estilo (ruff), construcción estricta del sitio, pruebas de la biblioteca y de oráculos,
cuadernos con nbval, sitio en un navegador de verdad.
"""

import os
import subprocess
import sys
import time

from ejecucion import RAIZ, preparar_jupyter
from navegador import buscar_chromium, como_instalarlo

NUCLEOS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
PROCESOS = max(2, min(4, NUCLEOS))
PYTEST = [sys.executable, "-m", "pytest", "-n", str(PROCESOS), "--durations=5"]
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval.cfg"]
NBVAL += ["--nbval-cell-timeout", "900", "--nbval-kernel-startup-timeout", "120"]
NBVAL += ["--timeout", "1200", "--dist", "loadfile"]


def cuadernos() -> list[str]:
    """Los cuadernos del libro y de los capítulos, relativos a la raíz."""
    rutas = [*RAIZ.glob("notebooks/*.ipynb"), *RAIZ.glob("book/*.ipynb")]
    return sorted(str(r.relative_to(RAIZ)) for r in rutas)


def fases() -> list[tuple[str, list[str]]]:
    return [
        ("Estilo", [sys.executable, "-m", "ruff", "check", "."]),
        ("Libro", [sys.executable, "scripts/libro.py"]),
        ("Biblioteca", [*PYTEST, "tests", "--ignore=tests/site"]),
        ("Cuadernos", [*PYTEST, *NBVAL, *cuadernos()]),
        ("Sitio", [*PYTEST, "tests/site"]),
    ]


def main() -> int:
    if buscar_chromium() is None:
        print(como_instalarlo(), file=sys.stderr)
        return 1
    preparar_jupyter()
    entorno = os.environ | {"OMP_NUM_THREADS": str(max(1, NUCLEOS // PROCESOS))}
    comienzo, fallidas, todas = time.time(), [], fases()
    for numero, (nombre, orden) in enumerate(todas, 1):
        print(f"\n━━ [{numero}/{len(todas)}] {nombre} ━━", flush=True)
        if nombre == "Sitio" and "Libro" in fallidas:
            print("Sin sitio construido no se puede probar en el navegador.", flush=True)
            fallidas.append(nombre)
            continue
        inicio = time.time()
        # El libro ejecuta los cuadernos con todos los núcleos; las pruebas se los reparten.
        ambiente = None if nombre == "Libro" else entorno
        codigo = subprocess.run(orden, cwd=RAIZ, env=ambiente).returncode
        if codigo != 0:
            fallidas.append(nombre)
        estado = "bien" if codigo == 0 else f"FALLÓ (código {codigo})"
        print(f"   {nombre}: {estado} en {time.time() - inicio:.0f} s", flush=True)
    minutos = (time.time() - comienzo) / 60
    if fallidas:
        print(f"\n✗ Fallaron: {', '.join(fallidas)} ({minutos:.1f} min)")
        return 1
    print(f"\n✓ Todo pasó en {minutos:.1f} min")
    return 0


if __name__ == "__main__":
    sys.exit(main())
