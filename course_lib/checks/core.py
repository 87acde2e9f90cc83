"""La maquinaria de los ejercicios: ejecuta la función de quien estudia y dice qué le pasa.

Un ejercicio compara con un oráculo sobre entradas al azar (semilla fija) y lleva un catálogo de
respuestas equivocadas típicas. Si la respuesta coincide con una, se dice cuál; si no, `diagnosis`
busca lo que tienen de común el resultado y el esperado (signo, factor, ejes, precisión…).
"""

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field

from course_lib.checks import diagnosis
from course_lib.checks.attempt import (
    Outcome,
    describe_error,
    is_stub,
    malformed,
    not_callable,
    part_of,
    run,
)

PENDING, RIGHT, WRONG = "pendiente", "correcto", "incorrecto"
MARKS = {PENDING: "…", RIGHT: "✓", WRONG: "✗"}
REGISTRY: list["Exercise"] = []
STATES: dict[str, str] = {}  # lo último que dijo cada comprobación en esta sesión


@dataclass(frozen=True)
class Case:
    """Un juego de argumentos y cómo nombrarlo en un mensaje."""

    label: str
    args: tuple


@dataclass(frozen=True)
class Slip:
    """Un error típico: su nombre, lo que se dice a quien lo comete y la función que lo comete."""

    name: str
    hint: str
    wrong: Callable


@dataclass(frozen=True)
class Exercise:
    """Un ejercicio: oráculo, casos y catálogo de errores.

    `parts`: el nombre de cada salida (una sola, o las de una tupla); `broadcast`: las que valen
    también ya difundidas sobre las imágenes; `factors(*args)`: cantidades cuyo olvido se reconoce;
    `shape_tip`: qué hacer cuando las formas no encajan; `remark`: lo que se dice al acertar.
    """

    number: str
    name: str
    title: str
    oracle: Callable
    cases: Callable[[], list[Case]]
    slips: tuple[Slip, ...]
    parts: tuple[str, ...] = ("el resultado",)
    broadcast: tuple[str, ...] = ()
    factors: Callable | None = None
    shape_tip: str = ""
    remark: str = ""

    def __post_init__(self):
        REGISTRY.append(self)


@dataclass(frozen=True)
class Result:
    """Lo que dijo una comprobación: `state` (pendiente, correcto o incorrecto) y `message`."""

    state: str
    message: str = field(repr=False)

    def _ipython_display_(self) -> None:
        """No muestra nada en el cuaderno: el mensaje ya está impreso."""


def check(exercise: Exercise, f: Callable) -> Result:
    """Comprueba `f`, imprime el veredicto, lo anota para `progreso` y lo devuelve."""
    state, lines = evaluate(exercise, f)
    name = f"{exercise.number} ({exercise.title})"
    head = {
        PENDING: f"Pendiente: ejercicio {name}. Falta escribir la función y volver a ejecutar "
        "su celda y esta.",
        RIGHT: f"Correcto: ejercicio {name}.",
        WRONG: f"Todavía no: ejercicio {name}.",
    }[state]
    message = "\n".join([wrapped(f"{MARKS[state]} {head}"), *(wrapped(f"  · {s}") for s in lines)])
    STATES[exercise.number] = state
    print(message)
    return Result(state, message)


def wrapped(text: str) -> str:
    """El texto en renglones cortos, para que se lea en un teléfono sin desplazarlo."""
    return textwrap.fill(text, 80, subsequent_indent="    ", break_on_hyphens=False)


def evaluate(exercise: Exercise, f: Callable) -> tuple[str, list[str]]:
    """El estado de `f` y las frases que lo explican."""
    names = list(inspect.signature(exercise.oracle).parameters)
    cases = exercise.cases()
    if problem := not_callable(f, names):
        return WRONG, [problem]
    outcomes = [run(f, case.args, names) for case in cases]
    if any(is_stub(f, outcome.error) for outcome in outcomes):
        return PENDING, []
    if modified := next((o.modified for o in outcomes if o.modified), ()):
        which = " y ".join(modified)
        return WRONG, [
            f"la función modifica {which}, que es de quien la llama: conviene crear un tensor "
            "nuevo (sin +=, ni asignar a posiciones, ni métodos terminados en «_»)."
        ]
    for outcome in outcomes:
        if outcome.error is None and (problem := malformed(outcome.value, exercise.parts)):
            return WRONG, [problem]
    expected = [Outcome(exercise.oracle(*case.args)) for case in cases]
    found = [
        explain_part(exercise, index, cases, outcomes, expected, f)
        for index in range(len(exercise.parts))
    ]
    lines = list(dict.fromkeys(line for line in found if line))
    return (WRONG, lines) if lines else (RIGHT, [exercise.remark] if exercise.remark else [])


def explain_part(exercise, index, cases, outcomes, expected, f) -> str | None:
    """Qué le pasa a la salida número `index`, o `None` si está bien."""
    part = exercise.parts[index]
    loose = part in exercise.broadcast
    got, right = part_of(outcomes, index), part_of(expected, index)
    if diagnosis.agree(got, right, loose):
        return None
    prefix = f"{part}: " if len(exercise.parts) > 1 else ""
    if message := diagnosis.precision(got, right, loose):
        return prefix + message
    names = list(inspect.signature(exercise.oracle).parameters)
    for slip in exercise.slips:
        wrong = part_of([run(slip.wrong, case.args, names) for case in cases], index)
        if not diagnosis.alike(wrong, right, loose) and diagnosis.alike(got, wrong, loose):
            return prefix + slip.hint
    for case, outcome in zip(cases, outcomes, strict=True):
        if outcome.error is not None:
            everywhere = all(o.error is not None for o in outcomes)
            label = "" if everywhere else case.label
            return describe_error(f, outcome.error, label, exercise.shape_tip)
    factors = [exercise.factors(*case.args) if exercise.factors else {} for case in cases]
    labels = [case.label for case in cases]
    return prefix + diagnosis.explain(got, right, labels, factors, loose, exercise.shape_tip)
