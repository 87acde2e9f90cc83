"""Ejercicios con respuesta inmediata: `checks.ddpm.posterior(mi_posterior)` y `checks.progreso()`.

**Cómo se escribe un ejercicio en un cuaderno.** Son cinco celdas seguidas; todas llevan en sus
metadatos `"curso": {"ejercicio": "posterior", "papel": …}`, y `tests/test_notebook_exercises.py`
las ejecuta:

1. `enunciado` (Markdown): su título contiene «Ejercicio 5.3 · …», como aquí se registra.
2. `inicio` (código): `def mi_posterior(…)` con su docstring y `raise NotImplementedError`.
3. `pista` (Markdown): `<details><summary>Pista</summary>`, línea en blanco, texto, `</details>`; se
   pliega igual en el sitio, en JupyterLab y en Colab.
4. `comprobacion` (código): `checks.ddpm.posterior(mi_posterior)` y nada más.
5. `solucion` (código): `def solucion_posterior(…)`, con los mismos argumentos y el mismo docstring.
   Se pliega con `"tags": ["hide-input"]` (sitio), `"jupyter": {"source_hidden": true}`
   (JupyterLab) y `"cellView": "form"` más una primera línea `# @title …` (Colab). No llama a la
   comprobación, para que `progreso()` cuente solo el trabajo propio.

Ninguna otra celda usa `mi_posterior`: sin completar lanza un error.

**Cómo se añade una comprobación.** Un `Exercise` en el archivo de su capítulo: oráculo, casos al
azar de semilla fija y con ejes de tamaños distintos (más un caso con B = W, donde un coeficiente de
forma (B,) se alinea mal, por *broadcasting*, y sin aviso), y un `Slip` por cada error típico.
`tests/test_checks.py` exige que el oráculo acierte y que cada error reciba su explicación y no la
de otro. Su función pública va en el módulo del capítulo (`CHAPTERS`); el nombre no se repite en todo el curso.
"""

from course_lib.checks import ddpm, gan, gaussians, mle, panorama, sde, vae
from course_lib.checks.core import PENDING, RIGHT, WRONG, Exercise, Result, Slip
from course_lib.checks.progress import progreso

CHAPTERS = {
    0: panorama,
    1: gaussians,
    2: mle,
    3: vae,
    4: gan,
    5: ddpm,
    6: sde,
}  # el módulo de cada capítulo

__all__ = ["CHAPTERS", "PENDING", "RIGHT", "WRONG", "Exercise", "Result", "Slip"]
__all__ += ["ddpm", "gan", "gaussians", "mle", "panorama", "progreso", "sde", "vae"]
