"""Ejercicios 4.10 y 4.11: la distancia de Fréchet entre gaussianas y la MMD² insesgada."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.distances import frechet_gaussians

# --- 4.10 ---------------------------------------------------------------------------------------


def frechet_from_moments_oracle(mean_a, cov_a, mean_b, cov_b):
    return torch.tensor(frechet_gaussians(mean_a, cov_a, mean_b, cov_b), dtype=mean_a.dtype)


def frechet_from_moments_cases():
    def cov(D, seed):
        base = normal(D, D, seed=seed)
        return base @ base.mT + 0.3 * torch.eye(D, dtype=torch.float64)

    cases = [
        Case(
            f"D = {D}",
            (normal(D, seed=530 + i), cov(D, 540 + i), normal(D, seed=550 + i), cov(D, 560 + i)),
        )
        for i, D in enumerate((3, 5, 1))
    ]
    diagonal = [torch.diag(normal(4, seed=570 + i).exp()) for i in range(2)]
    means = normal(2, 4, seed=572)
    return [*cases, Case("covarianzas diagonales", (means[0], diagonal[0], means[1], diagonal[1]))]


def _root(cov):
    values, vectors = torch.linalg.eigh(cov)
    return vectors * values.sqrt() @ vectors.mT


def _spread(cov_a, cov_b, factor=2.0):
    cross = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()
    return cov_a.trace() + cov_b.trace() - factor * cross


def _squared(mean_a, mean_b):
    return (mean_a - mean_b).square().sum()


FRECHET_FROM_MOMENTS = Exercise(
    "4.10",
    "frechet_from_moments",
    "La distancia de Fréchet entre dos gaussianas",
    frechet_from_moments_oracle,
    frechet_from_moments_cases,
    (
        Slip(
            "con_raiz",
            "es la raíz: la distancia de Fréchet que se publica es el valor al cuadrado, W_2².",
            lambda a, A, b, B: (_squared(a, b) + _spread(A, B)).sqrt(),
        ),
        Slip("sin_medias", "falta la parte de las medias.", lambda a, A, b, B: _spread(A, B)),
        Slip(
            "sin_covarianzas",
            "falta la parte de las covarianzas.",
            lambda a, A, b, B: _squared(a, b),
        ),
        Slip(
            "media_sin_cuadrado",
            "la norma de la diferencia de medias va al cuadrado.",
            lambda a, A, b, B: (a - b).norm() + _spread(A, B),
        ),
        Slip(
            "falta_el_dos",
            "la última traza va multiplicada por 2, como en (a − b)² = a² + b² − 2ab.",
            lambda a, A, b, B: _squared(a, b) + _spread(A, B, 1.0),
        ),
        Slip(
            "como_si_conmutaran",
            "es ‖C_a^{1/2} − C_b^{1/2}‖², que solo vale si las dos covarianzas conmutan.",
            lambda a, A, b, B: _squared(a, b) + (_root(A) - _root(B)).square().sum(),
        ),
        Slip(
            "raiz_por_entradas",
            "la raíz está tomada entrada por entrada: es la raíz de la matriz, la que multiplicada "
            "por sí misma la devuelve.",
            lambda a, A, b, B: (
                _squared(a, b) + A.trace() + B.trace() - 2 * (A @ B).diagonal().abs().sqrt().sum()
            ),
        ),
        Slip(
            "sin_raiz_de_fuera",
            "falta la raíz de fuera en el término cruzado: sin ella es tr(C_a C_b).",
            lambda a, A, b, B: _squared(a, b) + A.trace() + B.trace() - 2 * (A @ B).trace(),
        ),
        Slip(
            "raiz_de_la_traza",
            "es la raíz de la traza: primero se saca la raíz de la matriz y después, su traza.",
            lambda a, A, b, B: _squared(a, b) + A.trace() + B.trace() - 2 * (A @ B).trace().sqrt(),
        ),
        Slip(
            "no_simetrica",
            "C_a·C_b no es simétrica, y eigh y eigvalsh solo miran la mitad de la matriz: o se "
            "usan con C_a^{1/2} C_b C_a^{1/2}, que sí lo es, o se usa eigvals.",
            lambda a, A, b, B: (
                _squared(a, b)
                + A.trace()
                + B.trace()
                - 2 * torch.linalg.eigvalsh(A @ B).clamp(min=0).sqrt().sum()
            ),
        ),
    ),
    remark="Solo mira medias y covarianzas: no ve nada más de las dos leyes.",
)


# --- 4.11 ---------------------------------------------------------------------------------------


def _kernel(x, y, bandwidth):
    return torch.exp(-torch.cdist(x, y).square() / (2 * bandwidth**2))


def _mmd2(kernel, x, y, cross=2.0, diagonal=False):
    def within(z):
        K = kernel(z, z)
        return K.mean() if diagonal else (K.sum() - K.trace()) / (len(z) * (len(z) - 1))

    return within(x) + within(y) - cross * kernel(x, y).mean()


def unbiased_mmd2_oracle(x, y, bandwidth):
    return _mmd2(lambda a, b: _kernel(a, b, bandwidth), x, y)


def unbiased_mmd2_cases():
    sizes = [("N = 6, M = 4, D = 2", 6, 4, 2, 0.8), ("N = 3, M = 7, D = 1", 3, 7, 1, 1.5)]
    sizes += [("N = M = D = 4", 4, 4, 4, 2.0), ("N = 2, M = 5, D = 3", 2, 5, 3, 0.5)]
    return [
        Case(label, (normal(N, D, seed=580 + i), 0.5 + normal(M, D, seed=590 + i), bandwidth))
        for i, (label, N, M, D, bandwidth) in enumerate(sizes)
    ]


def _with(kernel=_kernel, **options):
    return lambda x, y, ell: _mmd2(lambda a, b: kernel(a, b, ell), x, y, **options)


def _diagonal_over_all(x, y, ell):
    def within(z):
        K = _kernel(z, z, ell)
        return (K.sum() - K.trace()) / len(z) ** 2

    return within(x) + within(y) - 2 * _kernel(x, y, ell).mean()


def _cross_without_diagonal(x, y, ell):
    K = _kernel(x, y, ell)  # lo que da reutilizar la media de las parejas i ≠ j
    others = (K.sum() - K.diagonal().sum()) / (len(x) * (len(x) - 1))
    return unbiased_mmd2_oracle(x, y, ell) + 2 * K.mean() - 2 * others


UNBIASED_MMD2 = Exercise(
    "4.11",
    "unbiased_mmd2",
    "La MMD² insesgada",
    unbiased_mmd2_oracle,
    unbiased_mmd2_cases,
    (
        Slip(
            "con_la_diagonal",
            "las dos primeras medias incluyen k(x_i, x_i): eso la sesga hacia arriba. Se promedia "
            "sobre las parejas i ≠ j.",
            _with(diagonal=True),
        ),
        Slip(
            "divisor",
            "la diagonal está fuera de la suma, pero se dividió por N²: quedan N(N − 1) parejas.",
            _diagonal_over_all,
        ),
        Slip("cruzado", "el término cruzado va multiplicado por 2.", _with(cross=1.0)),
        Slip("signo", "el término cruzado se resta.", _with(cross=-2.0)),
        Slip(
            "cruzado_sin_diagonal",
            "al término cruzado se le quitó la diagonal: x_i e y_i son puntos distintos, y se "
            "promedian las N·M parejas.",
            _cross_without_diagonal,
        ),
        Slip(
            "nunca_negativa",
            "los valores negativos se cambiaron por 0: el estimador insesgado puede serlo.",
            lambda x, y, ell: unbiased_mmd2_oracle(x, y, ell).clamp(min=0),
        ),
        Slip(
            "sin_un_medio",
            "falta el 2 del exponente: el núcleo es exp(−‖a − b‖²/(2ℓ²)).",
            _with(lambda a, b, ell: torch.exp(-torch.cdist(a, b).square() / ell**2)),
        ),
        Slip(
            "ancho_sin_cuadrado",
            "el ancho ℓ va al cuadrado en el exponente.",
            _with(lambda a, b, ell: torch.exp(-torch.cdist(a, b).square() / (2 * ell))),
        ),
        Slip(
            "distancia_sin_cuadrado",
            "la distancia va al cuadrado en el exponente.",
            _with(lambda a, b, ell: torch.exp(-torch.cdist(a, b) / (2 * ell**2))),
        ),
    ),
    shape_tip="el núcleo entre x e y tiene forma (N, M).",
    remark="Puede salir negativa, y está bien: si nunca lo hiciera, su media no podría ser 0.",
)
