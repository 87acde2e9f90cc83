"""Ejercicios 5.3 y 5.4: la distribución a posteriori y la divergencia entre dos gaussianas."""

import math

import torch
from torch.distributions import Normal, kl_divergence

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import SHAPE_TIP, batches, col, mix, normal
from course_lib.diffusion import DDPM

# --- 5.3 ----------------------------------------------------------------------------------------


def posterior_oracle(x0, x_k, k, betas, alphas_bar):
    return DDPM(betas).posterior(x0, x_k, k)


def posterior_cases():
    return [
        Case(label, (x0, mix(x0, eps, col(ab[k])), k, betas, ab))
        for label, x0, eps, k, betas, ab in batches()
    ]


def _columns(k, betas, ab):
    return col(betas[k - 1]), col(ab[k]), col(ab[k - 1])


def _coefficients(k, betas, ab):
    """Los dos de la media y la varianza, bien escritos."""
    beta, a, before = _columns(k, betas, ab)
    on_x0, on_xk = before.sqrt() * beta / (1 - a), (1 - beta).sqrt() * (1 - before) / (1 - a)
    return on_x0, on_xk, (1 - before) / (1 - a) * beta


def _wrong_mean(change):
    """El posterior con los coeficientes de la media que da `change(β, ᾱ_k, ᾱ_{k−1}, a, b)`."""

    def wrong(x0, x_k, k, betas, ab):
        on_x0, on_xk, variance = _coefficients(k, betas, ab)
        on_x0, on_xk = change(*_columns(k, betas, ab), on_x0, on_xk)
        return on_x0 * x0 + on_xk * x_k, variance

    return wrong


def _wrong_variance(change):
    """El posterior con la varianza que da `change(β, ᾱ_k, ᾱ_{k−1}, varianza)`."""

    def wrong(x0, x_k, k, betas, ab):
        on_x0, on_xk, variance = _coefficients(k, betas, ab)
        return on_x0 * x0 + on_xk * x_k, change(*_columns(k, betas, ab), variance)

    return wrong


def _late_beta(x0, x_k, k, betas, ab):
    beta, a, before = col(betas[k]), col(ab[k]), col(ab[k - 1])
    mean = before.sqrt() * beta / (1 - a) * x0 + (1 - beta).sqrt() * (1 - before) / (1 - a) * x_k
    return mean, (1 - before) / (1 - a) * beta


POSTERIOR = Exercise(
    "5.3",
    "posterior",
    "La distribución a posteriori de un paso",
    posterior_oracle,
    posterior_cases,
    (
        Slip(
            "orden",
            "la pareja está al revés: primero va la media y después la varianza.",
            lambda *args: posterior_oracle(*args)[::-1],
        ),
        Slip(
            "cambiados",
            "los coeficientes están cambiados: el que lleva √ᾱ_{k−1}·β_k multiplica a x0.",
            _wrong_mean(lambda b, a, p, u, v: (v, u)),
        ),
        Slip(
            "indice_senal",
            "delante de x0 parece √ᾱ_k donde va √ᾱ_{k−1}: se mira hacia x_{k−1}.",
            _wrong_mean(lambda b, a, p, u, v: (a.sqrt() * b / (1 - a), v)),
        ),
        Slip(
            "sin_raiz_senal",
            "delante de x0 parece ᾱ_{k−1} donde va √ᾱ_{k−1}: falta la raíz.",
            _wrong_mean(lambda b, a, p, u, v: (p * b / (1 - a), v)),
        ),
        Slip(
            "sin_raiz_alpha",
            "delante de x_k parece 1−β_k donde va √(1−β_k): falta la raíz.",
            _wrong_mean(lambda b, a, p, u, v: (u, (1 - b) * (1 - p) / (1 - a))),
        ),
        Slip(
            "indice_ruido",
            "delante de x_k parece 1−ᾱ_k en el numerador: ahí va 1−ᾱ_{k−1}.",
            _wrong_mean(lambda b, a, p, u, v: (u, (1 - b).sqrt())),
        ),
        Slip(
            "denominador",
            "difiere en un factor √(1−ᾱ_k): en el denominador va 1−ᾱ_k, sin raíz.",
            _wrong_mean(lambda b, a, p, u, v: (u * (1 - a).sqrt(), v * (1 - a).sqrt())),
        ),
        Slip(
            "sin_denominador",
            "falta dividir entre 1−ᾱ_k los dos coeficientes.",
            _wrong_mean(lambda b, a, p, u, v: (u * (1 - a), v * (1 - a))),
        ),
        Slip(
            "resta",
            "los dos términos se suman: x_k aparece restado.",
            _wrong_mean(lambda b, a, p, u, v: (u, -v)),
        ),
        Slip(
            "indice_beta",
            "el índice de β está corrido: betas empieza en β_1, así que β_k es betas[k − 1].",
            _late_beta,
        ),
        Slip(
            "desviacion",
            "parece la desviación √β̃_k: se pide la varianza, sin raíz.",
            _wrong_variance(lambda b, a, p, v: v.sqrt()),
        ),
        Slip(
            "beta",
            "parece β_k, la varianza de un paso de ida; la de la distribución a posteriori es β̃_k, menor.",
            _wrong_variance(lambda b, a, p, v: b),
        ),
        Slip(
            "cociente",
            "el cociente está al revés: va (1−ᾱ_{k−1})/(1−ᾱ_k), que no pasa de 1.",
            _wrong_variance(lambda b, a, p, v: (1 - a) / (1 - p) * b),
        ),
        Slip(
            "sin_dividir",
            "falta dividir entre 1−ᾱ_k.",
            _wrong_variance(lambda b, a, p, v: (1 - p) * b),
        ),
        Slip(
            "raices_dentro",
            "parece √(1−ᾱ_{k−1})/√(1−ᾱ_k)·β_k: ese cociente va sin raíces.",
            _wrong_variance(lambda b, a, p, v: ((1 - p) / (1 - a)).sqrt() * b),
        ),
        Slip(
            "logaritmo",
            "parece el logaritmo de la varianza: se pide la varianza (que en k = 1 es 0).",
            _wrong_variance(lambda b, a, p, v: v.log()),
        ),
    ),
    parts=("la media", "la varianza"),
    broadcast=("la varianza",),
    shape_tip=SHAPE_TIP,
    remark="Es la regla de Bayes del capítulo 1: con k = 1 la varianza es 0 y la media, x0.",
)

# --- 5.4 ----------------------------------------------------------------------------------------


def gaussian_kl_oracle(mean_q, var_q, mean_p, var_p):
    return kl_divergence(Normal(mean_q, var_q.sqrt()), Normal(mean_p, var_p.sqrt()))


def gaussian_kl_cases():
    def law(*shape, seed):
        return normal(*shape, seed=seed), 0.2 + normal(*shape, seed=seed + 1).square()

    q, p = law(3, 2, 4, 5, seed=60), law(3, 2, 4, 5, seed=62)
    return [
        Case("tensores 3×2×4×5", (*q, *p)),
        Case("q = p", (*q, *q)),
        Case("varianzas iguales", (q[0], q[1], p[0], q[1])),
        Case("formas que se difunden", (*law(3, 1, 4, seed=64), *law(2, 1, seed=66))),
    ]


def _kl(mq, vq, mp, vp):
    return (torch.log(vp / vq) + (vq + (mq - mp) ** 2) / vp - 1) / 2


GAUSSIAN_KL = Exercise(
    "5.4",
    "gaussian_kl",
    "La divergencia entre dos gaussianas",
    gaussian_kl_oracle,
    gaussian_kl_cases,
    (
        Slip(
            "sin_medio",
            "sale el doble: falta el factor 1/2 delante de todo.",
            lambda mq, vq, mp, vp: 2 * _kl(mq, vq, mp, vp),
        ),
        Slip(
            "sin_menos_uno",
            "falta el −1 del paréntesis: con q = p debe salir 0 y sale 1/2.",
            lambda mq, vq, mp, vp: _kl(mq, vq, mp, vp) + 0.5,
        ),
        Slip(
            "al_reves",
            "parece KL(p‖q): la divergencia no es simétrica y quien divide es la varianza de p.",
            lambda mq, vq, mp, vp: _kl(mp, vp, mq, vq),
        ),
        Slip(
            "desviaciones",
            "parece que var_q y var_p se elevan al cuadrado, como desviaciones: ya son varianzas.",
            lambda mq, vq, mp, vp: _kl(mq, vq**2, mp, vp**2),
        ),
        Slip(
            "sin_cuadrado",
            "falta el cuadrado en la diferencia de medias.",
            lambda mq, vq, mp, vp: (torch.log(vp / vq) + (vq + mq - mp) / vp - 1) / 2,
        ),
        Slip(
            "logaritmo_al_reves",
            "el logaritmo está al revés: va log(v_p/v_q), con v_p arriba.",
            lambda mq, vq, mp, vp: _kl(mq, vq, mp, vp) - torch.log(vp / vq),
        ),
        Slip(
            "divide_q",
            "parece que se divide entre v_q: divide v_p, la varianza del segundo argumento.",
            lambda mq, vq, mp, vp: (torch.log(vp / vq) + (vq + (mq - mp) ** 2) / vq - 1) / 2,
        ),
        Slip(
            "bits",
            "sale en bits (logaritmo en base 2 o división entre log 2): aquí se piden nats.",
            lambda mq, vq, mp, vp: _kl(mq, vq, mp, vp) / math.log(2),
        ),
        Slip(
            "solo_medias",
            "parece (m_q−m_p)²/(2v_p): eso basta solo cuando las dos varianzas son iguales.",
            lambda mq, vq, mp, vp: (mq - mp) ** 2 / (2 * vp),
        ),
        Slip(
            "suma",
            "el resultado está sumado: se pide un valor por elemento.",
            lambda mq, vq, mp, vp: _kl(mq, vq, mp, vp).sum(),
        ),
        Slip(
            "promedio",
            "el resultado está promediado: se pide un valor por elemento.",
            lambda mq, vq, mp, vp: _kl(mq, vq, mp, vp).mean(),
        ),
    ),
    remark="Nunca es negativa, y vale 0 solo si las dos leyes son la misma.",
)
