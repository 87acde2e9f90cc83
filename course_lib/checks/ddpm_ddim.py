"""Ejercicio 5.8: un paso de DDIM."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.ddpm_sampling import images, library_step
from course_lib.diffusion import DDPM, METHODS


def ddim_oracle(x_t, eps_hat, alpha_bar_t, alpha_bar_s, eta, z):
    """El paso de la biblioteca en una tabla de dos nodos, o de uno si s = 0."""
    betas = [1 - alpha_bar_s, 1 - alpha_bar_t / alpha_bar_s]
    betas = betas[1:] if alpha_bar_s == 1 else betas
    schedule = DDPM(torch.stack(betas))
    s = torch.tensor((len(betas) - 1) / len(betas), dtype=torch.float64)
    one = torch.ones((), dtype=torch.float64)
    return library_step(METHODS["ddim"](eta), schedule, x_t, eps_hat, one, s, z)


def ddim_cases():
    plan = [
        ("η = 0.5", 0.3, 0.8, 0.5),
        ("η = 0, determinista", 0.2, 0.6, 0.0),
        ("η = 1, ancestral", 0.5, 0.7, 1.0),
        ("s = 0, el último paso", 0.9, 1.0, 0.5),
    ]
    cases = []
    for seed, (label, a_t, a_s, eta) in enumerate(plan):
        x, eps, z = images(3, 2, 4, 5, seed=200 + 3 * seed)
        a_t, a_s = (torch.tensor(a, dtype=torch.float64) for a in (a_t, a_s))
        cases.append(Case(label, (x, eps, a_t, a_s, eta, z)))
    return cases


def _variance(a_t, a_s, eta):
    return eta**2 * (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)


def _ddim(x0=None, signal=None, direction=None, noise=None, variance=_variance):
    """El paso con alguno de sus trozos cambiado."""

    def step(x_t, eps_hat, a_t, a_s, eta, z):
        v = variance(a_t, a_s, eta)
        x0_hat = x0(x_t, eps_hat, a_t) if x0 else (x_t - (1 - a_t).sqrt() * eps_hat) / a_t.sqrt()
        on_x0 = signal(a_s) if signal else a_s.sqrt()
        on_eps = direction(a_t, a_s, v) if direction else (1 - a_s - v).sqrt()
        return on_x0 * x0_hat + on_eps * eps_hat + (noise(v) if noise else v.sqrt()) * z

    return step


DDIM_STEP = Exercise(
    "5.8",
    "ddim_step",
    "Un paso de DDIM",
    ddim_oracle,
    ddim_cases,
    (
        Slip(
            "eta_sin_cuadrado",
            "η entra sin cuadrado: en la varianza ς² va η².",
            _ddim(variance=lambda t, s, eta: _variance(t, s, eta**0.5)),
        ),
        Slip(
            "eta_ignorada",
            "η no interviene: parece el paso ancestral, que es el caso η = 1.",
            _ddim(variance=lambda t, s, eta: _variance(t, s, 1)),
        ),
        Slip(
            "sin_descontar",
            "falta descontar ς²: delante de ε̂ va √(1−ᾱ_s−ς²) y parece √(1−ᾱ_s); así sobra ruido.",
            _ddim(direction=lambda t, s, v: (1 - s).sqrt()),
        ),
        Slip(
            "direccion_sin_raiz",
            "delante de ε̂ falta la raíz: va √(1−ᾱ_s−ς²).",
            _ddim(direction=lambda t, s, v: 1 - s - v),
        ),
        Slip(
            "direccion_t",
            "delante de ε̂ parece √(1−ᾱ_t−ς²): se ensucia hasta s, así que va ᾱ_s.",
            _ddim(direction=lambda t, s, v: (1 - t - v).sqrt()),
        ),
        Slip(
            "resta_desviacion",
            "delante de ε̂ parece √(1−ᾱ_s) − ς: se restan las varianzas, dentro de la raíz.",
            _ddim(direction=lambda t, s, v: (1 - s).sqrt() - v.sqrt()),
        ),
        Slip(
            "ruido_sin_raiz",
            "z está multiplicado por la varianza ς²: falta la raíz.",
            _ddim(noise=lambda v: v),
        ),
        Slip(
            "sin_ruido",
            "falta el término ς·z: con η > 0 el paso no es determinista.",
            _ddim(noise=lambda v: 0),
        ),
        Slip(
            "senal_sin_raiz",
            "delante de x̂_0 parece ᾱ_s donde va √ᾱ_s: falta la raíz.",
            _ddim(signal=lambda s: s),
        ),
        Slip(
            "sin_senal",
            "x̂_0 entra entera: falta multiplicarla por √ᾱ_s.",
            _ddim(signal=lambda s: 1),
        ),
        Slip(
            "x0_sin_raiz",
            "al despejar x̂_0 se divide entre ᾱ_t: falta la raíz.",
            _ddim(x0=lambda x, e, t: (x - (1 - t).sqrt() * e) / t),
        ),
        Slip(
            "x0_ruido_sin_raiz",
            "al despejar x̂_0, delante de ε̂ parece 1−ᾱ_t: falta la raíz.",
            _ddim(x0=lambda x, e, t: (x - (1 - t) * e) / t.sqrt()),
        ),
        Slip(
            "x0_signo",
            "al despejar x̂_0 el ruido está sumado: se resta.",
            _ddim(x0=lambda x, e, t: (x + (1 - t).sqrt() * e) / t.sqrt()),
        ),
        Slip(
            "x0_sin_dividir",
            "al despejar x̂_0 falta dividir entre √ᾱ_t.",
            _ddim(x0=lambda x, e, t: x - (1 - t).sqrt() * e),
        ),
        Slip(
            "cociente",
            "en ς² el cociente está al revés: va (1−ᾱ_s)/(1−ᾱ_t), que no pasa de 1.",
            _ddim(variance=lambda t, s, eta: eta**2 * (1 - t) / (1 - s) * (1 - t / s)),
        ),
        Slip(
            "beta_con_barra",
            "en ς² parece 1−ᾱ_t donde va 1−ᾱ_t/ᾱ_s: lo que se ensucia de s a t, no desde 0.",
            _ddim(variance=lambda t, s, eta: eta**2 * (1 - s) / (1 - t) * (1 - t)),
        ),
        Slip(
            "sin_cociente",
            "en ς² falta el cociente (1−ᾱ_s)/(1−ᾱ_t): parece η²·(1−ᾱ_t/ᾱ_s).",
            _ddim(variance=lambda t, s, eta: eta**2 * (1 - t / s)),
        ),
    ),
    remark="Con η = 0 la misma x_T da siempre la misma imagen; con η = 1 es el paso ancestral.",
)
