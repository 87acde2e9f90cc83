"""Ejercicios 6.3 y 6.4: la SDE de un esquema y la ecuación de Fokker–Planck de su densidad."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.diffusion import VE, VP, Flow, SubVP
from course_lib.probability import GaussianMixture

# --- 6.3 ----------------------------------------------------------------------------------------


def drift_and_diffusion_oracle(alpha, sigma, alpha_rate, sigma_rate):
    f = alpha_rate / alpha
    return f, 2 * sigma * sigma_rate - 2 * f * sigma**2  # (σ²)′ − 2fσ²


def drift_and_diffusion_cases():
    rows = [("VP", VP(), 5), ("VE", VE(0.1, 20.0), 3), ("sub-VP", SubVP(), 4), ("Flow", Flow(), 6)]
    cases = []
    for label, schedule, B in rows:
        t = torch.linspace(0.07, 0.83, B, dtype=torch.float64)
        cases.append(Case(label, (schedule.alpha(t), schedule.sigma(t), *schedule.rates(t))))
    return cases


def _coefficients(f=None, g2=None, spread=False):
    """La respuesta con una salida cambiada; con `spread`, la f equivocada llega también a g²."""

    def wrong(alpha, sigma, alpha_rate, sigma_rate):
        right = drift_and_diffusion_oracle(alpha, sigma, alpha_rate, sigma_rate)
        first = right[0] if f is None else f(alpha, alpha_rate)
        rule = g2 or (lambda f, s, ds: 2 * s * ds - 2 * f * s**2)
        return first, rule(first if spread else right[0], sigma, sigma_rate)

    return wrong


DRIFT_AND_DIFFUSION = Exercise(
    "6.3",
    "drift_and_diffusion",
    "La SDE de un esquema",
    drift_and_diffusion_oracle,
    drift_and_diffusion_cases,
    (
        Slip(
            "derivada_sin_dividir",
            "f es la derivada del **logaritmo** de α: falta dividir entre α.",
            _coefficients(f=lambda a, da: da, spread=True),
        ),
        Slip(
            "signo_de_f",
            "el signo está cambiado: si α baja, f es negativa y la deriva encoge el estado.",
            _coefficients(f=lambda a, da: -da / a),
        ),
        Slip(
            "f_al_reves",
            "el cociente está al revés: f = α̇/α.",
            _coefficients(f=lambda a, da: a / da, spread=True),
        ),
        Slip(
            "sin_encoger",
            "falta lo que la deriva quita: g² repone también la varianza −2fσ² que se pierde al "
            "encoger, y no solo el aumento de σ².",
            _coefficients(g2=lambda f, s, ds: 2 * s * ds),
        ),
        Slip(
            "encoger_sumado",
            "el término de la deriva entra con el signo cambiado: (σ²)′ = 2fσ² + g², y se despeja g².",
            _coefficients(g2=lambda f, s, ds: 2 * s * ds + 2 * f * s**2),
        ),
        Slip(
            "sin_el_dos",
            "la derivada de σ² es 2σσ̇, y la deriva encoge la varianza con factor 2f: falta un 2.",
            _coefficients(g2=lambda f, s, ds: s * ds - f * s**2),
        ),
        Slip(
            "dos_a_medias",
            "el término de la deriva lleva un 2: la media encoge con f y la varianza, con 2f.",
            _coefficients(g2=lambda f, s, ds: 2 * s * ds - f * s**2),
        ),
        Slip(
            "sigma_en_lugar_de_su_cuadrado",
            "f multiplica a σ², la varianza, y no a σ.",
            _coefficients(g2=lambda f, s, ds: 2 * s * ds - 2 * f * s),
        ),
        Slip(
            "g",
            "parece g: se pide su cuadrado.",
            _coefficients(g2=lambda f, s, ds: (2 * s * ds - 2 * f * s**2).sqrt()),
        ),
        Slip(
            "derivada_de_sigma",
            "se ha derivado σ en lugar de σ²: la varianza, y no la desviación, es la que suma g² por "
            "unidad de tiempo.",
            _coefficients(g2=lambda f, s, ds: ds - 2 * f * s**2),
        ),
    ),
    parts=("f", "g²"),
    remark="Cuatro números por instante bastan para escribir la SDE de cualquier esquema. Si g² "
    "saliera negativa, no la habría: σ/α no puede decrecer.",
)


# --- 6.4 ----------------------------------------------------------------------------------------


def density_rate_oracle(x, p, score, divergence, f, g2):
    d = x.shape[1]
    transport = -f * (d + (x * score).sum(1))
    return p * (transport + g2 / 2 * (divergence + score.square().sum(1)))


def density_rate_cases():
    rows = [("B = 5, D = 3, VP", 5, 3, VP(), 0.3), ("B = D = 4, sub-VP", 4, 4, SubVP(), 0.5)]
    rows += [("en la recta, VP", 6, 1, VP(), 0.15), ("VE: sin deriva", 3, 2, VE(0.1, 5.0), 0.4)]
    cases = []
    for i, (label, B, D, schedule, t) in enumerate(rows):
        means = normal(3, D, seed=760 + i)
        covs = 0.2 * torch.eye(D, dtype=torch.float64).expand(3, D, D)
        law = GaussianMixture(torch.tensor([0.5, 0.2, 0.3]).double(), means, covs)
        law = law.diffuse(schedule.alpha(t), schedule.sigma(t))
        x = law.mean + normal(B, D, seed=770 + i) * law.cov.diagonal().sqrt()
        f, g2 = (value.item() for value in schedule.drift_diffusion(t))
        slope = torch.autograd.functional.jacobian(lambda y, law=law: law.score(y).sum(0), x)
        divergence = slope.diagonal(dim1=0, dim2=2).sum(-1)
        cases.append(Case(label, (x, law.log_prob(x).exp(), law.score(x), divergence, f, g2)))
    return cases


def _rate(
    flow=lambda d, xs: -(d + xs), spread=lambda v, s2: v + s2, half=lambda g2: g2 / 2, by=None
):
    """La derivada con piezas cambiables: transporte, difusión, factor de g² y factor común."""

    def wrong(x, p, score, divergence, f, g2):
        transport = f * flow(x.shape[1], (x * score).sum(1))
        total = transport + half(g2) * spread(divergence, score.square().sum(1))
        return p * total if by is None else by(p, total)

    return wrong


DENSITY_RATE = Exercise(
    "6.4",
    "density_rate",
    "La ecuación de Fokker–Planck",
    density_rate_oracle,
    density_rate_cases,
    (
        Slip(
            "sin_p",
            "es la derivada de log p: para la de p falta multiplicar por p.",
            _rate(by=lambda p, total: total),
        ),
        Slip(
            "signo_de_la_deriva",
            "el transporte entra con el signo cambiado: la ecuación es ∂p = −∇·(f x p) + …",
            _rate(flow=lambda d, xs: d + xs),
        ),
        Slip(
            "sin_la_divergencia",
            "∇·(x p) tiene dos sumandos, d p y x·∇p: falta el primero, el que concentra la "
            "densidad cuando el flujo encoge.",
            _rate(flow=lambda d, xs: -xs),
        ),
        Slip(
            "divergencia_de_uno",
            "la divergencia de x es d, el número de coordenadas, y no 1.",
            _rate(flow=lambda d, xs: -(1 + xs)),
        ),
        Slip(
            "filas",
            "len(x) es el número de filas: d es el de columnas, x.shape[1].",
            _rate(flow=lambda d, xs: -(len(xs) + xs)),
        ),
        Slip(
            "producto_sin_eje",
            "x·score se ha sumado sobre todo el lote: el producto escalar es por filas, con "
            ".sum(1).",
            _rate(flow=lambda d, xs: -(d + xs.sum())),
        ),
        Slip(
            "sin_el_transporte",
            "de ∇·(x p) falta x·∇p, lo que la densidad se desplaza.",
            _rate(flow=lambda d, xs: -d + 0 * xs),
        ),
        Slip(
            "sin_el_cuadrado_del_score",
            "Δp/p no es Δ log p: al derivar p·score dos veces aparece también ‖score‖².",
            _rate(spread=lambda v, s2: v),
        ),
        Slip(
            "norma_sin_cuadrado",
            "la norma del score va al cuadrado: ‖score‖², sin la raíz de .norm().",
            _rate(spread=lambda v, s2: v + s2.sqrt()),
        ),
        Slip(
            "sin_el_laplaciano",
            "falta la divergencia del score: Δp/p = ∇·score + ‖score‖².",
            _rate(spread=lambda v, s2: s2),
        ),
        Slip(
            "cuadrado_restado",
            "los dos sumandos de Δp/p van con el mismo signo: ∇·score + ‖score‖².",
            _rate(spread=lambda v, s2: v - s2),
        ),
        Slip(
            "sin_la_mitad",
            "el término de la difusión lleva ½ g²: falta el ½, que viene de la fórmula de Itô.",
            _rate(half=lambda g2: g2),
        ),
        Slip(
            "g_sin_cuadrado",
            "la difusión lleva ½ g² y g2 ya es el cuadrado: no se le saca la raíz.",
            _rate(half=lambda g2: g2**0.5 / 2),
        ),
        Slip(
            "g_a_la_cuarta",
            "el argumento g2 ya es g²: elevado otra vez, queda g⁴.",
            _rate(half=lambda g2: g2**2 / 2),
        ),
        Slip(
            "difusion_negativa",
            "el término de la difusión se suma: el ruido rellena los valles y rebaja las cumbres.",
            _rate(half=lambda g2: -g2 / 2),
        ),
    ),
    remark="Solo hacen falta el score y su divergencia: quien conoce el score en todo instante sabe "
    "cómo se mueve la densidad.",
)
