"""Ejercicio 6.1: un camino de Euler–Maruyama."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.diffusion import sde


def em_path_oracle(drift, diffusion, x0, instants, z):
    steps = instants.diff().sqrt().reshape(-1, *[1] * x0.ndim)
    path = torch.cat([torch.zeros_like(x0)[None], (steps * z).cumsum(0)])
    return sde.euler_maruyama(drift, diffusion, x0, instants, path)


def _pull(x, t):
    return (1 + t) * (0.5 - x)


def _wave(x, t):
    return torch.sin(2 * x) - 3 * t


def _proportional(x, t):
    return (0.3 + t) * x


def _curved(x, t):
    return 0.2 + 0.5 * t + 0.3 * x**2 / (1 + x**2)


def em_path_cases():
    rows = [("5 pasos, B = 3, D = 2", 5, 3, 2, _pull, _curved)]
    rows += [("B = D = 4, ruido multiplicativo", 6, 4, 4, _wave, _proportional)]
    rows += [("un paso", 1, 2, 5, _wave, _curved), ("40 pasos", 40, 2, 3, _pull, _proportional)]
    cases = []
    for i, (label, N, B, D, drift, diffusion) in enumerate(rows):
        widths = normal(N, seed=610 + i).abs() + 0.2
        instants = 0.1 + torch.cat([widths.new_zeros(1), widths.cumsum(0)]) / widths.sum()
        x0, z = normal(B, D, seed=620 + i), normal(N, B, D, seed=630 + i)
        cases.append(Case(label, (drift, diffusion, x0, instants, z)))
    return cases


def _march(
    push=lambda b, h: b * h,
    kick=lambda g, h, z, s: g * h.sqrt() * z,
    at=lambda t, s, k: t,
    where=lambda x, x0: x,
    width=lambda h, steps: h,
    noise=lambda z, k: z[k],
    keep=1,
):
    """Un camino con piezas cambiables: lo que empuja, lo que sacude, dónde y cuándo se evalúan."""

    def wrong(drift, diffusion, x0, instants, z):
        path, steps = [x0], instants.diff()
        for k, (t, s) in enumerate(zip(instants[:-1], instants[1:], strict=True)):
            h, x = width(steps[k], steps), path[-1]
            b, g = (law(where(x, x0), at(t, s, k)) for law in (drift, diffusion))
            path.append(keep * x + push(b, h) + kick(g, h, noise(z, k), s))
        return torch.stack(path)

    return wrong


def _in_two_halves(drift, diffusion, x0, instants, z):
    path = [x0]
    for k, h in enumerate(instants.diff()):
        moved = path[-1] + drift(path[-1], instants[k]) * h
        path.append(moved + diffusion(moved, instants[k]) * h.sqrt() * z[k])
    return torch.stack(path)


EM_PATH = Exercise(
    "6.1",
    "em_path",
    "Un camino de Euler–Maruyama",
    em_path_oracle,
    em_path_cases,
    (
        Slip(
            "ruido_con_h",
            "el ruido se multiplica por h: la varianza de ΔW es h, así que ΔW = √h z. Con h, al "
            "afinar los pasos el azar desaparecería.",
            _march(kick=lambda g, h, z, s: g * h * z),
        ),
        Slip(
            "ruido_sin_h",
            "falta el √h del ruido: z tiene varianza 1 y el incremento del browniano, varianza h.",
            _march(kick=lambda g, h, z, s: g * z),
        ),
        Slip(
            "raiz_en_la_deriva",
            "la deriva se multiplica por h; la raíz de h es solo para el ruido.",
            _march(push=lambda b, h: b * h.sqrt()),
        ),
        Slip(
            "g_al_cuadrado",
            "el ruido lleva g, y no g²: la que se suma con g² es la varianza.",
            _march(kick=lambda g, h, z, s: g**2 * h.sqrt() * z),
        ),
        Slip(
            "paso_constante",
            "los pasos no son todos iguales: h es instants[k+1] − instants[k] y no el promedio.",
            _march(width=lambda h, steps: steps.mean()),
        ),
        Slip(
            "instante_final",
            "los coeficientes se evalúan en el instante en que empieza el paso, instants[k], y no en "
            "el que acaba.",
            _march(at=lambda t, s, k: s),
        ),
        Slip(
            "estado_congelado",
            "los coeficientes se evalúan siempre en x0: hay que usar el último estado del camino.",
            _march(where=lambda x, x0: x0),
        ),
        Slip(
            "mismo_ruido",
            "todos los pasos usan z[0]: cada uno necesita un ruido nuevo, z[k].",
            _march(noise=lambda z, k: z[0]),
        ),
        Slip(
            "raiz_del_instante",
            "la raíz es la de la duración del paso, h = instants[k+1] − instants[k], y no la "
            "del instante en que acaba.",
            _march(kick=lambda g, h, z, s: g * s.sqrt() * z),
        ),
        Slip(
            "indice",
            "drift y diffusion reciben el número del paso, k: el segundo argumento es el "
            "instante, instants[k].",
            _march(at=lambda t, s, k: k),
        ),
        Slip(
            "deriva_restada",
            "en la deriva el signo está cambiado: aquí se avanza en el tiempo, y b·h se suma.",
            _march(push=lambda b, h: -b * h),
        ),
        Slip(
            "sin_el_estado",
            "falta el estado de partida: cada paso da el incremento, y se suma a lo que ya "
            "había, x.",
            _march(keep=0),
        ),
        Slip(
            "ruido_tras_la_deriva",
            "g se evalúa después de mover el estado con la deriva: los dos coeficientes miran el "
            "estado del principio del paso.",
            _in_two_halves,
        ),
        Slip(
            "sin_el_comienzo",
            "faltan estados: el camino tiene N + 1, y el primero es x0.",
            lambda *args: _march()(*args)[1:],
        ),
        Slip(
            "solo_el_final",
            "parece solo el último estado: se pide el camino entero, con torch.stack.",
            lambda *args: _march()(*args)[-1],
        ),
    ),
    remark="Con g = 0 es el método de Euler. Todo lo nuevo cabe en un √h.",
)
