"""Ejercicios 0.1 y 0.2: el clasificador de Bayes y el cambio de variable."""

import math

import torch

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal
from course_lib.probability import Gaussian, GaussianMixture

# --- 0.1 ----------------------------------------------------------------------------------------


def bayes_classifier_oracle(x, means, stds, priors):
    eye = torch.eye(means.shape[1], dtype=means.dtype)
    return GaussianMixture(priors, means, stds[:, None, None] ** 2 * eye).responsibilities(x)


def bayes_classifier_cases():
    sizes = [
        ("B = 5, D = 3, K = 4", 5, 3, 4, 1.0),
        ("B = K = 3, D = 2", 3, 2, 3, 1.0),
        ("x muy lejos de las medias", 4, 6, 3, 40.0),
        ("una dimensión, dos clases", 6, 1, 2, 1.0),
    ]
    cases = []
    for seed, (label, B, D, K, scale) in enumerate(sizes):
        x, means = scale * normal(B, D, seed=seed), normal(K, D, seed=10 + seed)
        stds = torch.linspace(0.6, 1.5, K, dtype=torch.float64)
        priors = torch.arange(1, K + 1, dtype=torch.float64).flip(0)
        cases.append(Case(label, (x, means, stds, priors / priors.sum())))
    return cases


def squares(x, means):
    return (x[:, None] - means).square().sum(-1)


def joint(x, means, stds, priors):
    """log p(x, k) = log π_k + log N(x; μ_k, σ_k² I), forma (B, K)."""
    log_norm = means.shape[1] * (stds.log() + 0.5 * math.log(2 * math.pi))
    return priors.log() - squares(x, means) / (2 * stds**2) - log_norm


def without_logs(x, m, s, pi):
    density = joint(x, m, s, pi).exp()
    return density / density.sum(1, keepdim=True)


BAYES_CLASSIFIER = Exercise(
    "0.1",
    "bayes_classifier",
    "Clasificar con la regla de Bayes",
    bayes_classifier_oracle,
    bayes_classifier_cases,
    (
        Slip(
            "sin_a_priori",
            "faltan las probabilidades a priori π_k: parece que todas las clases pesan igual.",
            lambda x, m, s, pi: (joint(x, m, s, pi) - pi.log()).softmax(1),
        ),
        Slip(
            "sin_normalizar",
            "falta dividir entre p(x): las filas no suman 1.",
            lambda x, m, s, pi: joint(x, m, s, pi).exp(),
        ),
        Slip(
            "logaritmo",
            "sale el logaritmo de las probabilidades: falta la exponencial.",
            lambda x, m, s, pi: joint(x, m, s, pi).log_softmax(1),
        ),
        Slip(
            "sin_constante",
            "falta la constante de cada gaussiana, −D log σ_k: solo se cancela si todas las σ_k "
            "son iguales.",
            lambda x, m, s, pi: (pi.log() - squares(x, m) / (2 * s**2)).softmax(1),
        ),
        Slip(
            "una_sola_dimension",
            "parece −log σ_k donde va −D log σ_k: hay una por dimensión.",
            lambda x, m, s, pi: (joint(x, m, s, pi) + (m.shape[1] - 1) * s.log()).softmax(1),
        ),
        Slip(
            "desviacion_sin_cuadrado",
            "parece que la distancia se divide entre 2σ_k: va entre 2σ_k², la varianza.",
            lambda x, m, s, pi: (pi.log() - squares(x, m) / (2 * s) - m.shape[1] * s.log()).softmax(
                1
            ),
        ),
        Slip(
            "otro_eje",
            "se normaliza entre los datos del lote (dim=0) y va entre las clases (dim=1).",
            lambda x, m, s, pi: joint(x, m, s, pi).softmax(0),
        ),
        Slip(
            "desborda",
            "lejos de las medias sale 0/0 = NaN: las densidades se redondean a cero. Se suman "
            "logaritmos y al final se aplica softmax.",
            without_logs,
        ),
    ),
    remark="Aun lejos de las medias: sumar logaritmos y acabar con softmax nunca da 0/0.",
)

# --- 0.2 ----------------------------------------------------------------------------------------


def change_of_variables_oracle(x, A, b):
    return Gaussian(b, A @ A.T).log_prob(x)


def change_of_variables_cases():
    cases = []
    for seed, (B, D) in enumerate([(4, 3), (3, 3), (5, 2), (2, 1)], start=20):
        A = 1.4 * torch.eye(D, dtype=torch.float64) + 0.35 * normal(D, D, seed=seed)
        if seed in (21, 23):  # con determinante negativo
            A[0] = -A[0]
        label = f"B = {B}, D = {D}" + (", det A < 0" if torch.det(A) < 0 else "")
        cases.append(Case(label, (normal(B, D, seed=30 + seed), A, normal(D, seed=60 + seed))))
    return cases


def base(z):
    return -0.5 * z.square().sum(-1) - 0.5 * z.shape[-1] * math.log(2 * math.pi)


def back(x, A, b):
    return torch.linalg.solve(A, (x - b).T).T


def logdet(A):
    return torch.linalg.slogdet(A)[1]


CHANGE_OF_VARIABLES = Exercise(
    "0.2",
    "change_of_variables",
    "El cambio de variable",
    change_of_variables_oracle,
    change_of_variables_cases,
    (
        Slip(
            "signo",
            "el logaritmo del determinante está sumado: al estirar el espacio la densidad baja, "
            "así que se resta.",
            lambda x, A, b: base(back(x, A, b)) + logdet(A),
        ),
        Slip(
            "sin_determinante",
            "falta −log |det A|: es la densidad de z y no la de x.",
            lambda x, A, b: base(back(x, A, b)),
        ),
        Slip(
            "sin_valor_absoluto",
            "con det A < 0 sale NaN: el logaritmo es el del valor absoluto (slogdet lo da).",
            lambda x, A, b: base(back(x, A, b)) - torch.logdet(A),
        ),
        Slip(
            "hacia_delante",
            "parece z = A x + b: de x se vuelve a z con la inversa, z = A⁻¹(x − b).",
            lambda x, A, b: base(x @ A.T + b) - logdet(A),
        ),
        Slip(
            "traspuesta",
            "parece que se invierte Aᵀ: con los datos en filas, solve(A, (x − b).T).T.",
            lambda x, A, b: base(back(x, A.T, b)) - logdet(A),
        ),
        Slip(
            "sin_b",
            "falta restar b antes de invertir.",
            lambda x, A, b: base(back(x, A, 0 * b)) - logdet(A),
        ),
        Slip(
            "sin_constante",
            "falta la constante −(D/2) log 2π de la normal estándar.",
            lambda x, A, b: -0.5 * back(x, A, b).square().sum(-1) - logdet(A),
        ),
        Slip(
            "covarianza",
            "el determinante parece el de la covarianza AAᵀ, que es (det A)²: le falta el ½.",
            lambda x, A, b: base(back(x, A, b)) - 2 * logdet(A),
        ),
        Slip(
            "por_coordenada",
            "sale un valor por coordenada: los logaritmos de las D coordenadas se suman.",
            lambda x, A, b: -0.5 * back(x, A, b).square() - 0.5 * math.log(2 * math.pi) - logdet(A),
        ),
    ),
    shape_tip="x tiene forma (B, D) y el resultado, (B,).",
    remark="El mismo número por dos caminos: el de los flujos y el de la gaussiana N(b, AAᵀ).",
)
