"""Ejercicios 4.8 y 4.9: los frenos del crítico, la penalización y la norma espectral."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal

# --- 4.8 ----------------------------------------------------------------------------------------


def _slopes(critic, x):
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(critic(x).sum(), x)
    return gradient


def _between(real, fake, u):
    return u[:, None] * real + (1 - u[:, None]) * fake


def gradient_penalty_oracle(critic, real, fake, u):
    return (_slopes(critic, _between(real, fake, u)).norm(dim=1) - 1).square().mean()


def _critic(dim, seed):
    """Un crítico curvo: su pendiente cambia de un punto a otro."""
    a, b = normal(dim, dim, seed=seed), normal(dim, seed=seed + 5)
    return lambda x: (torch.tanh(x @ a) * x).sum(1) + x @ b


def gradient_penalty_cases():
    sizes = [("B = 5, D = 2", 5, 2), ("B = 3, D = 7", 3, 7), ("B = D = 4", 4, 4)]
    sizes += [("un solo ejemplo", 1, 3)]
    return [
        Case(
            label,
            (
                _critic(D, 420 + i),
                1 + normal(B, D, seed=430 + i),
                normal(B, D, seed=440 + i),
                normal(B, seed=450 + i).sigmoid(),
            ),
        )
        for i, (label, B, D) in enumerate(sizes)
    ]


def _penalty(points=_between, measure=lambda g: (g.norm(dim=1) - 1).square().mean()):
    """La penalización con otros puntos u otra medida del gradiente."""
    return lambda critic, real, fake, u: measure(_slopes(critic, points(real, fake, u)))


GRADIENT_PENALTY = Exercise(
    "4.8",
    "gradient_penalty",
    "La penalización de gradiente",
    gradient_penalty_oracle,
    gradient_penalty_cases,
    (
        Slip(
            "u_por_columnas",
            "u se alineó con las columnas: cada ejemplo lleva su propio u, y para eso tiene que "
            "tener forma (B, 1).",
            _penalty(lambda real, fake, u: u * real + (1 - u) * fake),
        ),
        Slip(
            "u_cambiada",
            "u multiplica a la muestra: es igual en ley, pero aquí u va con el dato y 1 − u con la "
            "muestra.",
            _penalty(lambda real, fake, u: _between(fake, real, u)),
        ),
        Slip(
            "en_los_datos",
            "el gradiente está tomado en los datos: se pide en el punto intermedio.",
            _penalty(lambda real, fake, u: real),
        ),
        Slip(
            "en_las_muestras",
            "el gradiente está tomado en las muestras: se pide en el punto intermedio.",
            _penalty(lambda real, fake, u: fake),
        ),
        Slip(
            "por_coordenada",
            "se resta 1 a cada derivada parcial: lo que debe valer 1 es la norma del gradiente.",
            _penalty(measure=lambda g: (g - 1).square().mean()),
        ),
        Slip(
            "norma_del_lote",
            "es la norma de todo el lote junto: hay una por ejemplo (dim=1).",
            _penalty(measure=lambda g: (g.norm() - 1).square()),
        ),
        Slip(
            "norma_al_cuadrado",
            "la norma está al cuadrado antes de restar 1: falta la raíz.",
            _penalty(measure=lambda g: (g.square().sum(1) - 1).square().mean()),
        ),
        Slip(
            "hacia_cero",
            "falta restar 1: así se empuja la pendiente a 0, como hace R₁.",
            _penalty(measure=lambda g: g.norm(dim=1).square().mean()),
        ),
        Slip(
            "sin_cuadrado",
            "falta el cuadrado: pendientes mayores y menores que 1 se compensarían.",
            _penalty(measure=lambda g: (g.norm(dim=1) - 1).mean()),
        ),
        Slip(
            "de_la_media",
            "se derivó la media del lote y cada gradiente sale dividido por B: se deriva la suma.",
            _penalty(measure=lambda g: (g.norm(dim=1) / len(g) - 1).square().mean()),
        ),
        Slip(
            "norma_por_columnas",
            "la norma está tomada a lo largo del lote (dim=0): es de cada ejemplo, dim=1.",
            _penalty(measure=lambda g: (g.norm(dim=0) - 1).square().mean()),
        ),
        Slip(
            "media_de_las_normas",
            "se promediaron las normas antes de restar 1: primero el cuadrado y después la media.",
            _penalty(measure=lambda g: (g.norm(dim=1).mean() - 1).square()),
        ),
        Slip(
            "suma_final",
            "es la suma de los B ejemplos: se pide la media.",
            _penalty(measure=lambda g: (g.norm(dim=1) - 1).square().sum()),
        ),
    ),
    shape_tip="u tiene forma (B,): con u[:, None] multiplica filas.",
    remark="Para entrenar con ella hace falta además create_graph=True: se deriva dos veces.",
)


# --- 4.9 ----------------------------------------------------------------------------------------


def power_iteration_oracle(W, u, steps):
    for _ in range(steps):
        v = torch.nn.functional.normalize(W.T @ u, dim=0)
        u = torch.nn.functional.normalize(W @ v, dim=0)
    return u @ W @ v


def power_iteration_cases():
    sizes = [("5 × 3, 2 iteraciones", 5, 3, 2), ("2 × 6, una iteración", 2, 6, 1)]
    sizes += [("4 × 4, 3 iteraciones", 4, 4, 3), ("3 × 7, 60 iteraciones", 3, 7, 60)]
    return [
        Case(label, (normal(m, n, seed=460 + i), normal(m, seed=470 + i), steps))
        for i, (label, m, n, steps) in enumerate(sizes)
    ]


def _without_normalizing(W, u, steps):
    for _ in range(steps):
        v = W.T @ u
        u = W @ v
    return u @ W @ v


def _only_u_normalized(W, u, steps):
    for _ in range(steps):
        v = W.T @ u
        u = torch.nn.functional.normalize(W @ v, dim=0)
    return u @ W @ v


def _square_case_only(W, u, steps):
    for _ in range(steps):
        u = torch.nn.functional.normalize(W @ u, dim=0)
    return u @ W @ u


POWER_ITERATION = Exercise(
    "4.9",
    "power_iteration",
    "La norma espectral por iteración de la potencia",
    power_iteration_oracle,
    power_iteration_cases,
    (
        Slip(
            "sin_normalizar",
            "los vectores no se normalizan: el resultado crece en cada vuelta. Se dividen por su "
            "norma los dos, v y u.",
            _without_normalizing,
        ),
        Slip(
            "sin_traspuesta",
            "falta la traspuesta: v = Wᵀu y u = Wv; con W sola salen autovalores, no valores "
            "singulares, y además solo si es cuadrada.",
            _square_case_only,
        ),
        Slip(
            "cuadrado",
            "es el cuadrado, un autovalor de WᵀW: o sobra elevar al cuadrado o falta normalizar u "
            "después de u = Wv.",
            lambda W, u, steps: power_iteration_oracle(W, u, steps) ** 2,
        ),
        Slip(
            "v_sin_normalizar",
            "falta normalizar v después de v = Wᵀu: en uᵀWv los dos tienen que ser unitarios.",
            _only_u_normalized,
        ),
        Slip(
            "una_mas",
            "hay una iteración de más.",
            lambda W, u, steps: power_iteration_oracle(W, u, steps + 1),
        ),
        Slip(
            "exacta",
            "es el mayor valor singular exacto: se pide la estimación tras `steps` iteraciones.",
            lambda W, u, steps: torch.linalg.svdvals(W)[0],
        ),
        Slip(
            "frobenius",
            "es la norma de Frobenius: la raíz de la suma de los cuadrados de todos los valores "
            "singulares, no el mayor.",
            lambda W, u, steps: W.norm(),
        ),
        Slip(
            "menor",
            "es el menor valor singular.",
            lambda W, u, steps: torch.linalg.svdvals(W)[-1],
        ),
    ),
    shape_tip="W es (m, n); u, (m,), y v, (n,).",
    remark="Con una sola vuelta por paso de entrenamiento basta: los pesos apenas se mueven.",
)
