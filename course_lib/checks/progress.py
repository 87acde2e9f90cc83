"""La tabla de lo resuelto en esta sesión."""

from course_lib.checks.core import MARKS, PENDING, REGISTRY, RIGHT, STATES, WRONG


def progreso(chapter: int | None = None) -> None:
    """Imprime qué ejercicios están resueltos: los de `chapter` o los de los capítulos empezados.

    Cuenta lo último que dijo cada comprobación desde que arrancó el núcleo del cuaderno. Un
    `chapter` sin ejercicios es un `ValueError`.
    """
    chapters = sorted({chapter_of(exercise.number) for exercise in REGISTRY})
    if chapter is not None and chapter not in chapters:
        listed = ", ".join(map(str, chapters))
        raise ValueError(f"chapter={chapter!r} no tiene ejercicios. Capítulos con ellos: {listed}.")
    started = sorted({chapter_of(number) for number in STATES}) or chapters
    for number in started if chapter is None else [chapter]:
        print(table(number))


def chapter_of(number: str) -> int:
    """El capítulo de un ejercicio: 5 si su número es 5.3."""
    return int(number.split(".")[0])


def table(chapter: int) -> str:
    """La tabla de un capítulo, una línea por ejercicio, y una frase de ánimo."""
    exercises = [e for e in REGISTRY if chapter_of(e.number) == chapter]
    exercises.sort(key=lambda e: int(e.number.split(".")[1]))
    states = [STATES.get(e.number, PENDING) for e in exercises]
    width = max(len(e.title) for e in exercises)
    lines = [f"Ejercicios del capítulo {chapter}"]
    for exercise, state in zip(exercises, states, strict=True):
        lines.append(f"  {MARKS[state]} {exercise.number:<5} {exercise.title:<{width}}  {state}")
    solved = states.count(RIGHT)
    lines.append(f"Resueltos: {solved} de {len(exercises)}. {encouragement(exercises, states)}")
    return "\n".join(lines)


def encouragement(exercises, states) -> str:
    """Una frase que dice por dónde seguir."""
    if all(state == RIGHT for state in states):
        return "¡Están todos! Cada fórmula del capítulo tiene ya su código propio."
    wrong = [e.number for e, state in zip(exercises, states, strict=True) if state == WRONG]
    following = (
        wrong[0]
        if wrong
        else next(e.number for e, state in zip(exercises, states, strict=True) if state == PENDING)
    )
    if wrong:
        return f"El {following} está cerca: la comprobación dice qué le falta."
    if RIGHT not in states:
        return f"Se puede empezar por el {following}: tiene una pista plegada."
    half = "¡Más de la mitad! " if 2 * states.count(RIGHT) > len(states) else "¡Buen comienzo! "
    return f"{half}El siguiente es el {following}."
