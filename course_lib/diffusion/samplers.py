r"""Los muestreadores: cada uno es UN paso, de $x_t$ a $x_s$ con s < t.

Cada función de aquí recibe las opciones del método y devuelve el paso
`step(denoiser, x_t, t, s, rng, **cond) → x_s`; `rng(x)` da ruido normal con la forma de x.
El bucle, único, está en `sampling.py`. Ninguno mira qué esquema ni qué predicción tiene delante.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.diffusion.langevin import langevin_step, step_size
from course_lib.diffusion.schedules import Schedule, expand, times_for
from course_lib.diffusion.sde import coefficients, kernel
from course_lib.errors import choose, in_range, positive_int

VARIANCES = ("small", "large", "learned")


@dataclass(frozen=True)
class Bridge:
    r"""Los coeficientes de $q(x_s\mid x_t, x_0)$, con s < t, listos para multiplicar imágenes."""

    alpha_s: Tensor
    sigma_s: Tensor
    on_xt: Tensor
    on_x0: Tensor
    beta: Tensor
    beta_tilde: Tensor


def bridge(schedule: Schedule, t, s, like: Tensor) -> Bridge:
    r"""Bayes entre dos instantes: $q(x_s\mid x_t,x_0) ∝ q(x_t\mid x_s)\,q(x_s\mid x_0)$.

    $α_{t|s} = α_t/α_s$, $β = σ_t^2 - α_{t|s}^2σ_s^2$; la media es
    $\frac{α_{t|s}σ_s^2}{σ_t^2}x_t + \frac{α_sβ}{σ_t^2}x_0$ y la varianza $\tildeβ = βσ_s^2/σ_t^2$
    (Kingma et al., 2021, ecs. 15, 27 y 28). Se calcula en float64 y se convierte al final.
    """
    t, s = times_for(t, like), times_for(s, like)
    sigma_t, alpha_s, sigma_s = schedule.sigma(t), schedule.alpha(s), schedule.sigma(s)
    ratio, beta = kernel(schedule, s, t)
    on_xt, on_x0 = ratio * sigma_s**2 / sigma_t**2, alpha_s * beta / sigma_t**2
    values = (alpha_s, sigma_s, on_xt, on_x0, beta, beta * sigma_s**2 / sigma_t**2)
    return Bridge(*[expand(value, like) for value in values])


def ancestral(variance: str = "small"):
    r"""Algoritmo 2 de DDPM: muestrea $q(x_s\mid x_t, \hat x_0)$, la regla de Bayes con $\hat x_0$.

    La media y $β, \tildeβ$ son las de `bridge`; `variance` es `"small"`: $\tildeβ$; `"large"`: β;
    `"learned"`:
    $\exp(v\logβ + (1-v)\log\tildeβ)$. Sin ruido en el último paso. Fuentes: Ho et al. (2020),
    ecs. 6–7; Nichol y Dhariwal (2021), ec. 15.
    """
    choose("variance", variance, VARIANCES)

    def step(denoiser, x_t, t, s, rng, **cond):
        prediction = denoiser(x_t, t, **cond)
        b = bridge(denoiser.schedule, t, s, x_t)
        mean = b.on_xt * x_t + b.on_x0 * prediction.x0
        if s == 0:
            return mean
        return mean + reverse_std(variance, b.beta, b.beta_tilde, prediction.var_mix) * rng(x_t)

    return step


def reverse_std(variance: str, beta: Tensor, beta_tilde: Tensor, var_mix: Tensor | None) -> Tensor:
    """La desviación del paso hacia atrás según la regla `variance` de `ancestral`."""
    choose("variance", variance, VARIANCES)
    if variance == "small":
        return beta_tilde.sqrt()
    if variance == "large":
        return beta.sqrt()
    if var_mix is None:
        raise ValueError(
            'variance="learned" pide una red con varianza aprendida '
            "(Denoiser(..., learned_variance=True)); esta no la tiene."
        )
    return torch.exp((var_mix * beta.log() + (1 - var_mix) * beta_tilde.log()) / 2)


def ddim(eta: float = 0.0):
    r"""DDIM: $x_s = α_s\hat x_0 + \sqrt{σ_s^2 - η^2\tildeβ}\,\hat ε + η\sqrt{\tildeβ}\,z$.

    η = 0 es determinista; η = 1, el paso ancestral. Fuente: Song et al. (2021a), ecs. 12 y 16.
    """
    in_range("eta", eta, 0, 1)

    def step(denoiser, x_t, t, s, rng, **cond):
        prediction = denoiser(x_t, t, **cond)
        b = bridge(denoiser.schedule, t, s, x_t)
        variance = eta**2 * b.beta_tilde
        x_s = (
            b.alpha_s * prediction.x0
            + (b.sigma_s**2 - variance).clamp(min=0).sqrt() * prediction.eps
        )
        return x_s + variance.sqrt() * rng(x_t) if eta > 0 and s > 0 else x_s

    return step


def euler_maruyama():
    r"""Euler–Maruyama de la SDE inversa: $x_s = x_t - h(f x_t - g^2\nabla\log p_t) + g\sqrt h\,z$.

    Con h = t − s; sin ruido en el último paso. Fuente: Song et al. (2021b), ec. 6.
    """

    def step(denoiser, x_t, t, s, rng, **cond):
        h = float(t - s)
        f, g2 = coefficients(denoiser.schedule, t, h)
        x_s = x_t - h * (f * x_t - g2 * denoiser(x_t, t, **cond).score)
        return x_s + (g2 * h) ** 0.5 * rng(x_t) if s > 0 else x_s

    return step


def euler():
    r"""Euler de la ODE de flujo de probabilidad: $x_s = x_t + (s-t)(\dot α\hat x_0+\dot σ\hat ε)$.

    Orden 1. Fuente: Song et al. (2021b), ec. 13, escrita con la velocidad de Lipman et al. (2023).
    """

    def step(denoiser, x_t, t, s, rng, **cond):
        return x_t + float(s - t) * denoiser(x_t, t, **cond).velocity

    return step


def heun():
    r"""Heun: promedia la velocidad en t y la que se encuentra tras un paso de Euler en s. Orden 2.

    Donde σ_s = 0 se queda en Euler. Fuente: Karras et al. (2022), alg. 1.
    """

    def step(denoiser, x_t, t, s, rng, **cond):
        h = float(s - t)
        first = denoiser(x_t, t, **cond).velocity
        x_s = x_t + h * first
        if denoiser.schedule.at(s, x_t)[1] == 0:
            return x_s
        return x_t + h * (first + denoiser(x_s, s, **cond).velocity) / 2

    return step


def dpmpp_2m():
    r"""DPM-Solver++(2M): extrapola $\hat x_0$ en λ con la evaluación anterior. Orden 2.

    $x_s = \frac{σ_s}{σ_t}x_t - α_s(e^{-h}-1)D$, $h = λ_s - λ_t$,
    $D = (1+\frac{1}{2r})\hat x_0 - \frac{1}{2r}\hat x_0^{ant}$, $r = h_{ant}/h$; el primer paso y
    el que llega a σ = 0 usan $D = \hat x_0$. Fuente: Lu et al. (2022b), alg. 2.

    El paso recuerda su última salida, `step.output`: si x_t es otro tensor, empieza de nuevo.
    """
    previous = {}

    def step(denoiser, x_t, t, s, rng, **cond):
        x0 = denoiser(x_t, t, **cond).x0
        alpha_s, sigma_s = denoiser.schedule.at(s, x_t)
        sigma_t = denoiser.schedule.at(t, x_t)[1]
        h = ((denoiser.schedule.log_snr(s) - denoiser.schedule.log_snr(t)) / 2).item()
        estimate = x0
        if step.output is x_t and previous["s"] == float(t) and sigma_s > 0:
            inverse_2r = h / (2 * previous["h"])
            estimate = (1 + inverse_2r) * x0 - inverse_2r * previous["x0"]
        previous.update(x0=x0, h=h, s=float(s))
        step.output = sigma_s / sigma_t * x_t - alpha_s * math.expm1(-h) * estimate
        return step.output

    step.output = None
    return step


def predictor_corrector(predictor: str = "euler_maruyama", snr: float = 0.16, corrections: int = 1):
    r"""Un paso de `predictor` y `corrections` de Langevin: $x ← x + δ\nabla\log p_s + \sqrt{2δ}z$.

    δ = 2 (`snr`·σ_s)² es el de `langevin.step_size`. Fuente: Song et al. (2021b), alg. 4–5.
    """
    choose("predictor", predictor, [name for name in METHODS if name != "predictor_corrector"])
    in_range("snr", snr, 0, 1, open_low=True), positive_int("corrections", corrections)
    predict = METHODS[predictor]()

    def step(denoiser, x_t, t, s, rng, **cond):
        x_s = predict(denoiser, x_t, t, s, rng, **cond)
        sigma_s = denoiser.schedule.at(s, x_t)[1]
        if sigma_s == 0 or s == 0:
            return x_s
        delta = step_size(snr, sigma_s)
        for _ in range(corrections):
            x_s = langevin_step(x_s, denoiser(x_s, s, **cond).score, delta, rng)
        predict.output = x_s  # para dpmpp_2m, lo corregido es la continuación de su salida
        return x_s

    return step


METHODS = {
    "ancestral": ancestral,
    "ddim": ddim,
    "euler_maruyama": euler_maruyama,
    "euler": euler,
    "heun": heun,
    "dpmpp_2m": dpmpp_2m,
    "predictor_corrector": predictor_corrector,
}
