"""Ejecuta cuadernos y guarda en ellos solo sus salidas de texto, listas para nbval.

Uso: python scripts/guardar_salidas.py notebooks/05_ddpm.ipynb [otro.ipynb …]
Quita imágenes, estado de widgets y datos de la ejecución; conserva los identificadores de celda.
"""

import sys
from pathlib import Path

import nbformat
from ejecucion import ejecutar, preparar_jupyter

NUCLEO = {"display_name": "Python 3", "language": "python", "name": "python3"}
NO_TEXTO = ("image/", "application/vnd.jupyter.widget", "video/", "audio/")


def solo_texto(salida: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """La salida sin imágenes ni vistas de widgets; `None` si no queda nada que comparar.

    De una figura queda su texto («<Figure size …>») y de una barra de progreso, su último estado:
    nbval necesita que existan, aunque no compara las imágenes ni los números de la barra.
    """
    if salida.output_type == "stream":
        lineas = salida.text.split("\n")
        salida.text = "\n".join(linea.rstrip("\r").rpartition("\r")[2] for linea in lineas)
    elif "data" in salida:
        salida.data = {t: v for t, v in salida.data.items() if not t.startswith(NO_TEXTO)}
        if not salida.data:
            return None
    return salida


def unidas(salidas: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Junta lo impreso que llegó en varios trozos: dónde se corta depende de la máquina."""
    juntas = []
    for salida in salidas:
        anterior = juntas[-1] if juntas else {}
        if salida.output_type == "stream" and salida.name == anterior.get("name"):
            anterior.text += salida.text
        else:
            juntas.append(salida)
    return juntas


def limpiar(cuaderno: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Deja el cuaderno como se guarda en el repositorio."""
    numero = 0
    for celda in cuaderno.cells:
        celda.metadata.pop("execution", None)
        if celda.cell_type == "code":
            numero += 1
            celda.execution_count = numero
            for salida in celda.outputs:
                if "execution_count" in salida:
                    salida["execution_count"] = numero
            limpias = (solo_texto(salida) for salida in unidas(celda.outputs))
            celda.outputs = [salida for salida in limpias if salida is not None]
    cuaderno.metadata = nbformat.from_dict(
        {"kernelspec": NUCLEO, "language_info": {"name": "python"}}
    )
    return cuaderno


def main() -> None:
    preparar_jupyter()
    for nombre in sys.argv[1:] or sys.exit(__doc__):
        ruta = Path(nombre).resolve()
        cuaderno = limpiar(ejecutar(ruta, lambda *_: None))
        nbformat.validate(cuaderno)
        nbformat.write(cuaderno, ruta)
        print(f"{nombre}: guardado con sus salidas de texto")


if __name__ == "__main__":
    main()
