"""Ejercicio 6.5: un paso de la SDE inversa con ruido η."""

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal, uniform


def reverse_step_oracle(x_t, score, z, f, g2, h, eta):
    ode = f[:, None] * x_t - g2[:, None] * score / 2  # η = 0
    langevin = eta**2 * g2[:, None] * score / 2  # lo que compensa el ruido añadido
    return x_t - h * (ode - langevin) + eta * (g2[:, None] * h).sqrt() * z


def reverse_step_cases():
    rows = [("B = 5, D = 3, η = 1", 5, 3, 0.02, 1.0), ("B = 4, D = 2, η = 0.5", 4, 2, 0.1, 0.5)]
    rows += [("η = 0, la ODE", 3, 5, 0.05, 0.0), ("B = D = 4, η = 1.3", 4, 4, 0.2, 1.3)]
    return [
        Case(
            label,
            (
                *(normal(B, D, seed=s + i) for s in (650, 660, 670)),
                -uniform(B, low=0.5, high=3, seed=680 + i),
                uniform(B, low=1.5, high=6, seed=690 + i),
                h,
                eta,
            ),
        )
        for i, (label, B, D, h, eta) in enumerate(rows)
    ]


def _step(
    pull=lambda g2, eta: (1 + eta**2) / 2 * g2,
    kick=lambda g2, h, eta: eta * (g2 * h) ** 0.5,
    back=-1.0,
    reshape=True,
    sign=1,
    on_score=lambda h: h,
):
    """Un paso con piezas cambiables: `pull`, lo que multiplica al score; `kick`, al ruido;
    `sign`, a f x; `on_score`, la duración con que actúa el score."""

    def wrong(x_t, score, z, f, g2, h, eta):
        if reshape:
            f, g2 = f[:, None], g2[:, None]
        drift = h * sign * f * x_t - on_score(h) * pull(g2, eta) * score
        return x_t + back * drift + kick(g2, h, eta) * z

    return wrong


REVERSE_STEP = Exercise(
    "6.5",
    "reverse_step",
    "Un paso hacia atrás con ruido η",
    reverse_step_oracle,
    reverse_step_cases,
    (
        Slip(
            "signo_del_score",
            "el score entra con el signo cambiado: dentro del paréntesis se resta, y al volver "
            "atrás el estado se mueve a favor del score, hacia los datos.",
            _step(pull=lambda g2, eta: -(1 + eta**2) / 2 * g2),
        ),
        Slip(
            "hacia_delante",
            "la deriva se suma, como si se avanzara en el tiempo: hacia atrás dt = −h, y toda la "
            "deriva cambia de signo.",
            _step(back=1.0),
        ),
        Slip(
            "signo_de_f",
            "en f x el signo está cambiado: dentro del paréntesis va f x, que hacia delante "
            "encoge el estado y hacia atrás lo agranda.",
            _step(sign=-1),
        ),
        Slip(
            "h_solo_en_f",
            "h multiplica a toda la deriva, también al término del score: falta un paréntesis.",
            _step(on_score=lambda h: 1),
        ),
        Slip(
            "siempre_anderson",
            "el score lleva g², que es lo que toca con η = 1: con otro η el factor es "
            "(1 + η²)g²/2.",
            _step(pull=lambda g2, eta: g2),
        ),
        Slip(
            "siempre_la_ode",
            "el score lleva g²/2, que es lo que toca sin ruido (η = 0): falta el η² del factor "
            "(1 + η²)/2.",
            _step(pull=lambda g2, eta: g2 / 2),
        ),
        Slip(
            "eta_sin_cuadrado",
            "en el factor del score va η², la varianza relativa del ruido, y no η.",
            _step(pull=lambda g2, eta: (1 + eta) / 2 * g2),
        ),
        Slip(
            "sin_la_mitad",
            "falta el ½: el score lleva (1 + η²)g²/2, que con η = 1 es g².",
            _step(pull=lambda g2, eta: (1 + eta**2) * g2),
        ),
        Slip(
            "g_en_la_deriva",
            "el score va multiplicado por g², no por g: el argumento g2 ya es el cuadrado.",
            _step(pull=lambda g2, eta: (1 + eta**2) / 2 * g2.sqrt()),
        ),
        Slip(
            "ruido_sin_eta",
            "el ruido tiene que llevar η: su desviación es η g √h.",
            _step(kick=lambda g2, h, eta: (g2 * h).sqrt()),
        ),
        Slip(
            "sin_ruido",
            "falta sumar el ruido: η g √h z, que solo desaparece con η = 0.",
            _step(kick=lambda g2, h, eta: 0),
        ),
        Slip(
            "ruido_con_eta2",
            "el ruido lleva η y no η²: η² es su varianza, la que entra en el factor del score.",
            _step(kick=lambda g2, h, eta: eta**2 * (g2 * h).sqrt()),
        ),
        Slip(
            "ruido_con_h",
            "el ruido crece como √h y no como h: la varianza es la que crece como h.",
            _step(kick=lambda g2, h, eta: eta * g2.sqrt() * h),
        ),
        Slip(
            "ruido_con_g2",
            "al sortear se multiplica por la desviación, η g √h, y g es la raíz de g2.",
            _step(kick=lambda g2, h, eta: eta * g2 * h**0.5),
        ),
        Slip(
            "ejes",
            "f y g2 llegan con un valor por fila, forma (B,): sin .reshape(-1, 1) se alinean con "
            "las columnas, y con B = D ni siquiera hay aviso.",
            _step(reshape=False),
        ),
    ),
    shape_tip="un coeficiente por fila, de forma (B,), se lleva a (B, 1) con .reshape(-1, 1).",
    remark="Con η = 0 es un paso de Euler de la ODE; con η = 1, el de la SDE de Anderson.",
)
