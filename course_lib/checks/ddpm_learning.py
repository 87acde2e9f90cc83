"""Ejercicios 5.5 y 5.6: despejar x_0 de la predicción y la pérdida simple."""

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import SHAPE_TIP, batches, col, mix, signal_and_noise, table
from course_lib.diffusion import Denoiser, Prediction, losses

# --- 5.5 ----------------------------------------------------------------------------------------


def x0_from_eps_oracle(x_k, eps, k, alphas_bar):
    schedule = table(alphas_bar)
    return Prediction.from_output("eps", eps, x_k, k.double() / schedule.T, schedule).x0


def x0_from_eps_cases():
    return [
        Case(label, (mix(x0, eps, col(ab[k])), eps.flip(0), k, ab))
        for label, x0, eps, k, _, ab in batches()
    ]


def _solve(x_k, eps, a):
    return (x_k - (1 - a).sqrt() * eps) / a.sqrt()


def _reverse_mean(x_k, eps, k, ab, divisor):
    """(x_k − (1−α_k)/√(1−ᾱ_k)·ε)/√divisor, con α_k = ᾱ_k/ᾱ_{k−1}."""
    ratio, a = col(ab[k] / ab[k - 1]), col(ab[k])
    return (x_k - (1 - ratio) / (1 - a).sqrt() * eps) / (ratio if divisor == "α" else a).sqrt()


X0_FROM_EPS = Exercise(
    "5.5",
    "x0_from_eps",
    "De ε a x₀",
    x0_from_eps_oracle,
    x0_from_eps_cases,
    (
        Slip(
            "sin_raiz_ruido",
            "el ruido difiere en un factor √(1−ᾱ_k): ¿se olvidó la raíz?",
            lambda x, e, k, ab: (x - (1 - col(ab[k])) * e) / col(ab[k]).sqrt(),
        ),
        Slip(
            "sin_raiz_senal",
            "difiere en un factor √ᾱ_k: se divide entre ᾱ_k y falta la raíz.",
            lambda x, e, k, ab: (x - (1 - col(ab[k])).sqrt() * e) / col(ab[k]),
        ),
        Slip(
            "sin_raices",
            "faltan las dos raíces: parece (x_k − (1−ᾱ_k)·ε)/ᾱ_k.",
            lambda x, e, k, ab: (x - (1 - col(ab[k])) * e) / col(ab[k]),
        ),
        Slip(
            "signo",
            "el ruido está sumado: para quitarlo se resta.",
            lambda x, e, k, ab: _solve(x, -e, col(ab[k])),
        ),
        Slip(
            "parentesis",
            "√ᾱ_k divide solo a x_k: debe dividir también al ruido (¿faltan paréntesis?).",
            lambda x, e, k, ab: x / col(ab[k]).sqrt() - (1 - col(ab[k])).sqrt() * e,
        ),
        Slip(
            "multiplica",
            "se multiplica por √ᾱ_k donde hay que dividir.",
            lambda x, e, k, ab: _solve(x, e, col(ab[k])) * col(ab[k]),
        ),
        Slip(
            "sin_dividir",
            "difiere en un factor √ᾱ_k: falta dividir entre lo que multiplicaba a x0.",
            lambda x, e, k, ab: x - (1 - col(ab[k])).sqrt() * e,
        ),
        Slip(
            "cambiados",
            "los coeficientes están cambiados: √(1−ᾱ_k) multiplica a ε y √ᾱ_k divide.",
            lambda x, e, k, ab: _solve(x, e, 1 - col(ab[k])),
        ),
        Slip(
            "indice",
            "el índice está corrido: parece ᾱ_{k−1} donde va ᾱ_k, que es alphas_bar[k].",
            lambda x, e, k, ab: (x - (1 - col(ab[k - 1])).sqrt() * e) / col(ab[k - 1]).sqrt(),
        ),
        Slip(
            "coeficiente_inverso",
            "delante de ε parece (1−α_k)/√(1−ᾱ_k), el coeficiente del paso inverso; va √(1−ᾱ_k).",
            lambda x, e, k, ab: _reverse_mean(x, e, k, ab, "ᾱ"),
        ),
        Slip(
            "media_inversa",
            "parece la media del paso inverso, que lleva a x_{k−1}; aquí se salta hasta x0.",
            lambda x, e, k, ab: _reverse_mean(x, e, k, ab, "α"),
        ),
        Slip(
            "directo",
            "parece que se vuelve a ensuciar la imagen: hay que despejar x0, no aplicar el núcleo.",
            lambda x, e, k, ab: mix(x, e, col(ab[k])),
        ),
        Slip(
            "sin_reshape",
            "alphas_bar[k], de forma (B,), se alinea con el ancho y no con el lote: " + SHAPE_TIP,
            lambda x, e, k, ab: _solve(x, e, ab[k]),
        ),
    ),
    factors=lambda x_k, eps, k, ab: signal_and_noise(k, ab),
    shape_tip=SHAPE_TIP,
    remark="Cerca del ruido √ᾱ_k es pequeña: dividir por ella agranda los errores de la red.",
)

# --- 5.6 ----------------------------------------------------------------------------------------


def toy_net(x, k):
    """Una «red» que depende de la imagen, de sus vecinas y de k, distinta en cada píxel."""
    k = torch.as_tensor(k).reshape(-1, 1, 1, 1)
    return torch.tanh(0.8 * x + 0.1 * k) + 0.3 * x.roll(1, -1)


def simple_loss_oracle(net, x0, k, eps, alphas_bar):
    schedule = table(alphas_bar)
    denoiser = Denoiser(lambda x, t: net(x, torch.round(t * schedule.T).long()), schedule)
    return losses.simple(denoiser, x0, k.double() / schedule.T, eps)


def simple_loss_cases():
    return [Case(label, (toy_net, x0, k, eps, ab)) for label, x0, eps, k, _, ab in batches()]


def _error(net, x0, k, eps, ab):
    return net(mix(x0, eps, col(ab[k])), k) - eps


def _mean(error):
    return error.square().flatten(1).mean(1)


SIMPLE_LOSS = Exercise(
    "5.6",
    "simple_loss",
    "La pérdida simple",
    simple_loss_oracle,
    simple_loss_cases,
    (
        Slip(
            "suma",
            "los píxeles de cada imagen están sumados: se pide la media (sobra un factor C·H·W).",
            lambda *args: _error(*args).square().flatten(1).sum(1),
        ),
        Slip(
            "promedio_lote",
            "sale un solo número: el lote también está promediado y se pide un valor por imagen.",
            lambda *args: _error(*args).square().mean(),
        ),
        Slip(
            "suma_total",
            "sale un solo número, la suma de todo: se pide la media de cada imagen.",
            lambda *args: _error(*args).square().sum(),
        ),
        Slip(
            "sin_reducir",
            "falta promediar los píxeles de cada imagen: .flatten(1).mean(1).",
            lambda *args: _error(*args).square(),
        ),
        Slip(
            "eje",
            "está promediado el lote y no los píxeles: el eje 0 es el de las imágenes.",
            lambda *args: _error(*args).square().mean(0),
        ),
        Slip(
            "imagen_limpia",
            "la red está mirando la imagen limpia: debe recibir x_k, la ruidosa.",
            lambda net, x0, k, eps, ab: _mean(net(x0, k) - eps),
        ),
        Slip(
            "objetivo",
            "la red se compara con x0: lo que predice es el ruido ε.",
            lambda net, x0, k, eps, ab: _mean(net(mix(x0, eps, col(ab[k])), k) - x0),
        ),
        Slip(
            "valor_absoluto",
            "parece el error absoluto: se pide el cuadrático.",
            lambda *args: _error(*args).abs().flatten(1).mean(1),
        ),
        Slip(
            "sin_cuadrado",
            "falta elevar al cuadrado: los errores de signo contrario se cancelan.",
            lambda *args: _error(*args).flatten(1).mean(1),
        ),
        Slip(
            "raiz",
            "sobra la raíz: es la norma o el error cuadrático medio con raíz, y se pide sin ella.",
            lambda *args: _mean(_error(*args)).sqrt(),
        ),
        Slip(
            "norma",
            "parece la norma ‖ε − ε_θ‖: va al cuadrado y dividida entre el número de píxeles.",
            lambda *args: _error(*args).flatten(1).norm(dim=1),
        ),
        Slip(
            "tiempo",
            "la red recibe k/T y en este ejercicio espera el entero k.",
            lambda net, x0, k, eps, ab: _mean(
                net(mix(x0, eps, col(ab[k])), k / (len(ab) - 1)) - eps
            ),
        ),
        Slip(
            "indice",
            "la red recibe k − 1: aquí los pasos se cuentan desde 1.",
            lambda net, x0, k, eps, ab: _mean(net(mix(x0, eps, col(ab[k])), k - 1) - eps),
        ),
        Slip(
            "sin_raices",
            "la imagen ruidosa está mal hecha: faltan las raíces de ᾱ_k y 1−ᾱ_k (ejercicio 5.2).",
            lambda net, x0, k, eps, ab: _mean(
                net(col(ab[k]) * x0 + (1 - col(ab[k])) * eps, k) - eps
            ),
        ),
        Slip(
            "medio",
            "sale la mitad: L_simple no lleva el factor 1/2.",
            lambda *args: _mean(_error(*args)) / 2,
        ),
    ),
    factors=lambda net, x0, k, eps, ab: {
        "B (el tamaño del lote)": torch.tensor(float(len(x0))),
        "C·H·W": torch.tensor(float(x0[0].numel())),
    },
    shape_tip=SHAPE_TIP,
    remark="Con un valor por imagen se puede ver qué k cuestan más y pesarlos.",
)
