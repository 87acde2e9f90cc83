"""Lo que comparten las pruebas de los ejercicios: nombres, soluciones y veredictos."""

import io
from contextlib import redirect_stdout

from checks_solutions import SOLUTIONS  # noqa: F401

from course_lib import checks
from course_lib.checks.core import REGISTRY
from course_lib.checks.progress import chapter_of

EXERCISES = {exercise.name: exercise for exercise in REGISTRY}
NAMES = [e.name for e in sorted(REGISTRY, key=lambda e: [int(n) for n in e.number.split(".")])]


def public(name):
    """La función pública que comprueba el ejercicio: `checks.ddpm.posterior`, por ejemplo."""
    return getattr(checks.CHAPTERS[chapter_of(EXERCISES[name].number)], name)


def verdict(name, f):
    """El estado y el mensaje en un solo renglón, tras comprobar que lo impreso es el mensaje."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        result = public(name)(f)
    assert printed.getvalue() == result.message + "\n"
    return result.state, " ".join(result.message.split())


def altered(name, change):
    """El oráculo del ejercicio con `change` aplicado a cada una de sus salidas."""

    def wrong(*args):
        out = EXERCISES[name].oracle(*args)
        return tuple(change(part) for part in out) if isinstance(out, tuple) else change(out)

    return wrong
