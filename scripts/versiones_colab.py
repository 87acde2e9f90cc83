"""De la lista de paquetes de Colab, los que usa `course_lib`, en versión instalable desde PyPI.

Uso: python scripts/versiones_colab.py pip-freeze.txt > versiones.txt
Colab instala PyTorch desde una dirección propia (`torch @ https://…/torch-2.9.0+cu126-…`): de ahí
solo interesa el número de versión.
"""

import re
import sys
import tomllib
from pathlib import Path

RAIZ = Path(__file__).resolve().parent.parent


def versiones(congelado: str, nombres: set[str]) -> list[str]:
    """Líneas `paquete==versión` de los paquetes pedidos, sin la etiqueta local (`+cu126`)."""
    halladas = {}
    for linea in congelado.splitlines():
        nombre = re.split(r"==| @ ", linea.strip())[0].lower().replace("_", "-")
        version = re.search(rf"(?:==|/{nombre}-)(\d[\w.]*)", linea.replace("%2B", "+"), re.I)
        if nombre in nombres and version:
            halladas[nombre] = f"{nombre}=={version[1]}"
    return [halladas[n] for n in sorted(halladas)]


def main() -> None:
    proyecto = tomllib.loads((RAIZ / "pyproject.toml").read_text())["project"]
    nombres = {re.split(r"[<>=]", d)[0].strip() for d in proyecto["dependencies"]}
    print("\n".join(versiones(Path(sys.argv[1]).read_text(), nombres | {"ipython", "ipykernel"})))


if __name__ == "__main__":
    main()
