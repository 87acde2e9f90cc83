"""Los ejercicios de los cuadernos: celda sin completar, solución y comprobación no se separan."""

import ast
import copy
import inspect
import io
import json
import math
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch
from checks_harness import EXERCISES, public

from course_lib.checks.core import PENDING, RIGHT

ROLES = ["enunciado", "inicio", "pista", "comprobacion", "solucion"]
FOLDED = {"tags": ["hide-input"], "jupyter": {"source_hidden": True}, "cellView": "form"}
MINIMUM = {"00_panorama": 5, "01_gaussianas": 8, "02_mle": 7, "03_elbo_vae": 8, "04_gan": 8}
MINIMUM |= {"05_ddpm": 6, "06_score_sde": 10}


def source(cell) -> str:
    return "".join(cell["source"])


def labels(cell) -> dict:
    return cell["metadata"].get("curso", {})


def exercises_of(cells: list[dict]) -> dict[str, list[int]]:
    """De cada ejercicio, las posiciones de sus celdas."""
    found: dict[str, list[int]] = {}
    for position, cell in enumerate(cells):
        if "ejercicio" in labels(cell):
            found.setdefault(labels(cell)["ejercicio"], []).append(position)
    return found


def function_in(cell, name: str) -> ast.FunctionDef | None:
    """La función `name` que define una celda."""
    for node in ast.parse(source(cell)).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    return None


def judge(cell, name: str, prefix: str) -> str:
    """Ejecuta la celda y devuelve lo que la comprobación dice de la función que define."""
    space: dict = {"math": math, "torch": torch}  # lo que importa la primera celda de todos
    exec(source(cell), space)
    with redirect_stdout(io.StringIO()):
        return public(name)(space[f"{prefix}_{name}"]).state


def problems(cells: list[dict]) -> list[str]:
    """Todo lo que un cuaderno tiene mal en sus ejercicios."""
    found = []
    for name, positions in exercises_of(cells).items():
        found += [f"{name}: {p}" for p in problems_of(name, [cells[i] for i in positions])]
        if positions != list(range(positions[0], positions[0] + len(positions))):
            found.append(f"{name}: sus celdas no van seguidas")
        for position, cell in enumerate(cells):
            if position not in positions and cell["cell_type"] == "code":
                if re.search(rf"\b(mi|solucion)_{name}\b", source(cell)):
                    found.append(f"{name}: otra celda de código usa su función")
    if exercises_of(cells) and not any(source(c).strip() == "checks.progreso()" for c in cells):
        found.append("falta la celda checks.progreso()")
    return found


def problems_of(name: str, cells: list[dict]) -> list[str]:
    """Lo que un ejercicio, con sus cinco celdas, tiene mal."""
    if name not in EXERCISES:
        return ["no está en course_lib.checks"]
    if [labels(cell)["papel"] for cell in cells] != ROLES:
        return ["no tiene las cinco celdas en su orden"]
    statement, start, hint, check, solution = cells
    exercise, found = EXERCISES[name], []
    if f"Ejercicio {exercise.number} · {exercise.title}" not in source(statement).splitlines()[0]:
        found.append("el título no es el de course_lib.checks")
    if not re.match(r"<details>\s*<summary>Pista</summary>\n\n[^<]", source(hint)):
        found.append("la pista no está plegada")
    module = public(name).__module__.split(".")[-1]
    if source(check).strip() != f"checks.{module}.{name}(mi_{name})":
        found.append("la comprobación no llama a la suya")
    if any(solution["metadata"].get(key) != value for key, value in FOLDED.items()):
        found.append("la solución no está plegada en los tres sitios")
    if not source(solution).startswith("# @title "):
        found.append("la solución no tiene título para Colab")
    mine, ours = function_in(start, f"mi_{name}"), function_in(solution, f"solucion_{name}")
    if mine is None or ours is None:
        return [*found, "falta la función de inicio o la de la solución"]
    if ast.dump(mine.args) != ast.dump(ours.args):
        found.append("el inicio y la solución no reciben lo mismo")
    if [a.arg for a in mine.args.args] != list(inspect.signature(exercise.oracle).parameters):
        found.append("los argumentos no son los de course_lib.checks")
    if ast.get_docstring(mine) != ast.get_docstring(ours) or not ast.get_docstring(mine):
        found.append("el inicio y la solución no dicen lo mismo en su docstring")
    if not isinstance(mine.body[-1], ast.Raise) or len(mine.body) != 2:
        found.append("el inicio tiene algo más que raise NotImplementedError")
    if judge(start, name, "mi") != PENDING:
        found.append("el inicio no queda pendiente")
    if judge(solution, name, "solucion") != RIGHT:
        found.append("la solución no es correcta")
    printed = [o["text"] for o in check.get("outputs", []) if o.get("output_type") == "stream"]
    if printed and not "".join(printed[0]).startswith("… Pendiente"):
        found.append("la salida guardada no es la de un ejercicio pendiente")
    return found


def notebooks() -> list[Path]:
    folder = Path(__file__).parent.parent / "notebooks"
    with_exercises = []
    for path in sorted(folder.glob("*.ipynb")):
        if exercises_of(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            with_exercises.append(path)
    return with_exercises


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_los_ejercicios_del_cuaderno_estan_bien(path):
    assert problems(json.loads(path.read_text(encoding="utf-8"))["cells"]) == []


@pytest.mark.parametrize("chapter", MINIMUM)
def test_el_capitulo_tiene_bastantes_ejercicios(chapter):
    if not notebooks():
        pytest.skip("todavía no hay ningún cuaderno con ejercicios en notebooks/")
    path = next((p for p in notebooks() if p.stem == chapter), None)
    assert path is not None, f"notebooks/{chapter}.ipynb no existe o no tiene ejercicios"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert len(exercises_of(cells)) >= MINIMUM[chapter]


# --- la propia prueba tiene que poder fallar: un cuaderno bueno y sus estropicios ---------------


def cell(role: str, text: str, kind="code", **metadata) -> dict:
    metadata["curso"] = {"ejercicio": "guided_eps", "papel": role}
    return {"cell_type": kind, "metadata": metadata, "source": text, "outputs": []}


GOOD = [
    cell("enunciado", "### Ejercicio 5.9 · La guía sin clasificador\n\nTexto.", "markdown"),
    cell("inicio", 'def mi_guided_eps(eps_y, eps_null, scale):\n    """D."""\n'
         "    raise NotImplementedError"),
    cell("pista", "<details>\n<summary>Pista</summary>\n\nUna recta.\n\n</details>", "markdown"),
    cell("comprobacion", "checks.ddpm.guided_eps(mi_guided_eps)"),
    cell("solucion", "# @title Solución\ndef solucion_guided_eps(eps_y, eps_null, scale):\n"
         '    """D."""\n    return eps_null + scale * (eps_y - eps_null)', **FOLDED),
    {"cell_type": "code", "metadata": {}, "source": "checks.progreso()", "outputs": []},
]  # fmt: skip


def test_un_cuaderno_bueno_no_tiene_problemas():
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("position", "old", "new", "problem"),
    [
        (0, "5.9", "5.8", "el título no es el de course_lib.checks"),
        (1, "eps_null, scale", "eps_nula, scale", "el inicio y la solución no reciben lo mismo"),
        (1, "eps_null, scale", "eps_nula, scale", "los argumentos no son los de course_lib.checks"),
        (1, "D.", "Otra.", "el inicio y la solución no dicen lo mismo en su docstring"),
        (1, "raise NotImplementedError", "return eps_y", "el inicio no queda pendiente"),
        (1, "    raise", "    x = 1\n    raise", "algo más que raise NotImplementedError"),
        (1, "mi_guided_eps", "mi_otra", "falta la función de inicio o la de la solución"),
        (2, "<details>\n", "", "la pista no está plegada"),
        (3, "ddpm.guided_eps(", "ddpm.ema_update(", "la comprobación no llama a la suya"),
        (4, "# @title Solución\n", "", "la solución no tiene título para Colab"),
        (4, "eps_y - eps_null", "eps_null - eps_y", "la solución no es correcta"),
        (5, "checks.progreso()", "mi_guided_eps", "otra celda de código usa su función"),
        (5, "checks.progreso()", "2", "falta la celda checks.progreso()"),
    ],
)
def test_cada_estropicio_se_detecta(position, old, new, problem):
    cells = copy.deepcopy(GOOD)
    assert old in cells[position]["source"]
    cells[position]["source"] = cells[position]["source"].replace(old, new)
    assert any(problem in found for found in problems(cells))


@pytest.mark.parametrize("key", FOLDED)
def test_una_solucion_sin_plegar_se_detecta(key):
    cells = copy.deepcopy(GOOD)
    del cells[4]["metadata"][key]
    assert problems(cells) == ["guided_eps: la solución no está plegada en los tres sitios"]


def test_celdas_de_mas_fuera_de_orden_o_salidas_inventadas():
    assert any("cinco celdas" in p for p in problems(GOOD[:3] + GOOD[4:]))
    assert any("no van seguidas" in p for p in problems([GOOD[0], GOOD[5], *GOOD[1:5]]))
    invented = copy.deepcopy(GOOD)
    invented[3]["outputs"] = [{"output_type": "stream", "text": ["✓ Correcto"]}]
    assert any("salida guardada" in p for p in problems(invented))
    unknown = copy.deepcopy(GOOD)
    for item in unknown[:5]:
        item["metadata"]["curso"]["ejercicio"] = "inventado"
    assert any("no está en course_lib.checks" in p for p in problems(unknown))
