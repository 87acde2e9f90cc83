"""Crea `.venv` con las versiones de `requirements.txt` y `course_lib` en modo editable.

Solo usa la biblioteca estándar y se entiende con cualquier Python 3, para poder explicar qué falta.
No hace nada si ni `requirements.txt` ni `pyproject.toml` cambiaron desde la última instalación ni
la carpeta se copió o se movió a otro sitio.
"""

import hashlib
import os
import subprocess
import sys
import time

RAIZ = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(RAIZ, ".venv")
SELLO = os.path.join(VENV, ".instalado")
MINIMO = (3, 11)


def python_del_entorno():
    carpeta = "Scripts" if os.name == "nt" else "bin"
    return os.path.join(VENV, carpeta, "python")


def huella():
    """SHA-256 de lo que decide qué se instala, y de dónde: la instalación editable guarda la ruta."""
    suma = hashlib.sha256(os.path.realpath(RAIZ).encode("utf-8", "surrogateescape"))
    for nombre in ("requirements.txt", "pyproject.toml"):
        with open(os.path.join(RAIZ, nombre), "rb") as archivo:
            suma.update(archivo.read())
    return suma.hexdigest()


def salir(mensaje):
    sys.stderr.write("\n" + mensaje.strip() + "\n\n")
    sys.exit(1)


def comprobar_python():
    if sys.version_info < MINIMO:
        salir(
            "El curso necesita Python {}.{} o posterior y `{}` es Python {}.{}.\n"
            "Indicar otro intérprete, por ejemplo: make libro PYTHON=python3.12".format(
                *MINIMO, sys.executable, *sys.version_info[:2]
            )
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        salir(
            "A este Python le falta el módulo `venv`.\n"
            "En Debian o Ubuntu se instala con: sudo apt install python3-venv"
        )


def funciona(python):
    """¿Hay ahí un intérprete que arranca y tiene pip? (Pudo quedar a medias.)"""
    orden = [python, "-c", f"import sys, pip; sys.exit(sys.version_info < {MINIMO!r})"]
    try:
        return subprocess.call(orden, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def pip(titulo, argumentos):
    """Ejecuta pip mostrando una sola línea que avanza; si falla, muestra lo último que dijo."""
    inicio, ultimas, aviso = time.time(), [], 0.0
    en_terminal = sys.stdout.isatty()
    orden = [python_del_entorno(), "-m", "pip", "install", "--progress-bar", "off"]
    orden += ["--disable-pip-version-check", "--no-input"] + argumentos
    proceso = subprocess.Popen(
        orden, cwd=RAIZ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for linea in proceso.stdout:
        linea = linea.strip()
        ultimas = (ultimas + [linea])[-40:]
        paquete = linea.split()[1][:48] if linea.startswith("Collecting ") else ""
        if linea.startswith("Installing collected"):
            paquete = "instalando lo descargado"
        segundos = time.time() - inicio
        if paquete and en_terminal:
            sys.stdout.write(f"\r\033[K  {titulo} · {segundos:.0f} s · {paquete}")
            sys.stdout.flush()
        elif paquete and segundos - aviso > 15:
            aviso = segundos
            print(f"  {titulo} · {segundos:.0f} s · {paquete}", flush=True)
    if proceso.wait() != 0:
        salir("\n".join(ultimas) + f"\n\nNo se pudo completar: {titulo.lower()}.")
    sys.stdout.write("\r\033[K" if en_terminal else "")
    print(f"  {titulo} · listo en {time.time() - inicio:.0f} s", flush=True)


def main():
    marca, python = huella(), python_del_entorno()
    if not funciona(python):
        comprobar_python()
        import venv

        print("Entorno: {} con Python {}.{}".format(VENV, *sys.version_info[:2]), flush=True)
        venv.EnvBuilder(with_pip=True, clear=True).create(VENV)
    elif os.path.exists(SELLO):
        with open(SELLO) as archivo:
            if archivo.read().strip() == marca:
                return
    pip("Bibliotecas (varios minutos la primera vez)", ["-r", "requirements.txt"])
    pip("course_lib en modo editable", ["--no-deps", "-e", "."])
    with open(SELLO, "w") as archivo:
        archivo.write(marca + "\n")


if __name__ == "__main__":
    main()
