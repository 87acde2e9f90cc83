"""Ejercicio 5.7: un paso del algoritmo 2."""

from types import SimpleNamespace

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal, random_betas
from course_lib.diffusion import DDPM, METHODS, Prediction


def library_step(step, schedule, x_t, eps_hat, t, s, z):
    """Un paso de `course_lib` con la predicción y el ruido dados de antemano."""

    class Fixed(SimpleNamespace):
        def __call__(self, x, time):
            return Prediction.from_output("eps", eps_hat, x, time, schedule)

    return step(Fixed(schedule=schedule), x_t, t, s, lambda like: z)


def images(*shape, seed):
    """Imagen, predicción y ruido."""
    return [normal(*shape, seed=seed + i) for i in range(3)]


def ancestral_oracle(x_k, eps_hat, k, betas, alphas_bar, z):
    schedule = DDPM(betas)
    t, s = (torch.tensor(j / schedule.T, dtype=torch.float64) for j in (k, k - 1))
    return library_step(METHODS["ancestral"](), schedule, x_k, eps_hat, t, s, z)


def ancestral_cases():
    cases = []
    plan = [
        ("k = 5, T = 9", 9, 5),
        ("k = 1, el último paso", 9, 1),
        ("k = T = 7", 7, 7),
        ("k = 2", 6, 2),
        ("k = 400, T = 1000", 1000, 400),
    ]
    for seed, (label, T, k) in enumerate(plan, start=70):
        betas = random_betas(T, seed)
        x, eps, z = images(3, 2, 4, 5, seed=100 + 3 * seed)
        cases.append(Case(label, (x, eps, k, betas, DDPM(betas).alphas_bar, z)))
    return cases


def _ancestral(mean=None, std=None):
    """El paso con otra media, `mean(x, ε, β, ᾱ)`, o con otro factor de z, `std(k, β, β̃)`."""

    def step(x_k, eps_hat, k, betas, ab, z):
        beta, a, before = betas[k - 1], ab[k], ab[k - 1]
        variance = (1 - before) / (1 - a) * beta
        right = (x_k - beta / (1 - a).sqrt() * eps_hat) / (1 - beta).sqrt()
        centre = mean(x_k, eps_hat, beta, a) if mean else right
        return centre + (std(k, beta, variance) if std else variance.sqrt()) * z

    return step


def _late_beta(x_k, eps_hat, k, betas, ab, z):
    beta, a = betas[k], ab[k]
    mean = (x_k - beta / (1 - a).sqrt() * eps_hat) / (1 - beta).sqrt()
    return mean + ((1 - ab[k - 1]) / (1 - a) * beta).sqrt() * z


ANCESTRAL_STEP = Exercise(
    "5.7",
    "ancestral_step",
    "Un paso del algoritmo 2",
    ancestral_oracle,
    ancestral_cases,
    (
        Slip(
            "sin_barra",
            "en el denominador parece √(1−α_k) = √β_k donde va √(1−ᾱ_k), con barra.",
            _ancestral(mean=lambda x, e, b, a: (x - b.sqrt() * e) / (1 - b).sqrt()),
        ),
        Slip(
            "beta",
            "parece la varianza β_k y se pide β̃_k = (1−ᾱ_{k−1})/(1−ᾱ_k)·β_k.",
            _ancestral(std=lambda k, b, v: b.sqrt() if k > 1 else 0),
        ),
        Slip(
            "ruido_al_final",
            "se añade ruido en el último paso: la varianza parece β_k y va β̃_k, que en k = 1 es 0.",
            _ancestral(std=lambda k, b, v: b.sqrt()),
        ),
        Slip(
            "sin_raiz",
            "z está multiplicado por la varianza β̃_k: falta la raíz, va la desviación √β̃_k.",
            _ancestral(std=lambda k, b, v: v),
        ),
        Slip(
            "sin_ruido",
            "falta el ruido √β̃_k·z: sale solo la media.",
            _ancestral(std=lambda k, b, v: 0),
        ),
        Slip(
            "ruido_restado",
            "el ruido está restado; en ley da lo mismo, pero aquí se suma √β̃_k·z.",
            _ancestral(std=lambda k, b, v: -v.sqrt()),
        ),
        Slip(
            "ruido_entero",
            "z entra sin escala: va multiplicado por la desviación √β̃_k.",
            _ancestral(std=lambda k, b, v: 1 if k > 1 else 0),
        ),
        Slip(
            "signo",
            "la predicción ε̂ está sumada: para quitar ruido se resta.",
            _ancestral(mean=lambda x, e, b, a: (x + b / (1 - a).sqrt() * e) / (1 - b).sqrt()),
        ),
        Slip(
            "sin_escala",
            "falta dividir la media entre √(1−β_k): la ida encoge y la vuelta agranda.",
            _ancestral(mean=lambda x, e, b, a: x - b / (1 - a).sqrt() * e),
        ),
        Slip(
            "multiplica",
            "la media se multiplica por √(1−β_k) y hay que dividir.",
            _ancestral(mean=lambda x, e, b, a: (x - b / (1 - a).sqrt() * e) * (1 - b).sqrt()),
        ),
        Slip(
            "escala_sin_raiz",
            "la media se divide entre 1−β_k: falta la raíz.",
            _ancestral(mean=lambda x, e, b, a: (x - b / (1 - a).sqrt() * e) / (1 - b)),
        ),
        Slip(
            "escala_con_barra",
            "la media se divide entre √ᾱ_k: en un solo paso va √(1−β_k), sin barra.",
            _ancestral(mean=lambda x, e, b, a: (x - b / (1 - a).sqrt() * e) / a.sqrt()),
        ),
        Slip(
            "coeficiente_sin_raiz",
            "ε̂ difiere en un factor √(1−ᾱ_k): ¿se olvidó la raíz del denominador?",
            _ancestral(mean=lambda x, e, b, a: (x - b / (1 - a) * e) / (1 - b).sqrt()),
        ),
        Slip(
            "quita_todo",
            "se quita todo el ruido, √(1−ᾱ_k)·ε̂, de una vez: en un paso va β_k/√(1−ᾱ_k)·ε̂.",
            _ancestral(mean=lambda x, e, b, a: (x - (1 - a).sqrt() * e) / (1 - b).sqrt()),
        ),
        Slip(
            "indice_beta",
            "el índice de β está corrido: betas empieza en β_1, así que β_k es betas[k − 1].",
            _late_beta,
        ),
    ),
    remark="Repetido de k = T a k = 1 es el algoritmo 2 entero.",
)
