"""Ejercicios 0.5 y 0.6: un paso de Adam y la capa que recibe la clase."""

import torch
from torch.nn import functional as F

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal

# --- 0.5 ----------------------------------------------------------------------------------------

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


def adam_step_oracle(theta, grad, m, v, step, lr):
    theta = theta.clone().requires_grad_()
    optimizer = torch.optim.Adam([theta], lr=lr, betas=(BETA1, BETA2), eps=EPS)
    theta.grad = grad.clone()
    optimizer.state[theta] = {
        "step": torch.tensor(float(step - 1)),
        "exp_avg": m.clone(),
        "exp_avg_sq": v.clone(),
    }
    optimizer.step()
    state = optimizer.state[theta]
    return theta.detach(), state["exp_avg"], state["exp_avg_sq"]


def adam_step_cases():
    cases = []
    for seed, (label, shape, step, lr, scale) in enumerate(
        [
            ("primer paso", (3, 2), 1, 0.1, 1.0),
            ("paso 7", (4,), 7, 0.05, 1.0),
            ("gradientes diminutos", (2, 5), 3, 0.1, 1e-8),
            ("paso 2000", (3, 4), 2000, 0.01, 10.0),
        ],
        start=140,
    ):
        theta, grad = normal(*shape, seed=seed), scale * normal(*shape, seed=seed + 10)
        m, v = 0.5 * scale * normal(*shape, seed=seed + 20), normal(*shape, seed=seed + 30) ** 2
        if step == 1:
            m, v = 0 * m, 0 * v
        cases.append(Case(label, (theta, grad, m, scale**2 * v, step, lr)))
    return cases


def adam(theta, grad, m, v, step, lr, correct=(True, True), shift=0, move=None):
    """La solución con sus piezas cambiables."""
    m = BETA1 * m + (1 - BETA1) * grad
    v = BETA2 * v + (1 - BETA2) * grad**2
    m_hat = m / (1 - BETA1 ** (step + shift)) if correct[0] else m
    v_hat = v / (1 - BETA2 ** (step + shift)) if correct[1] else v
    change = m_hat / (v_hat.sqrt() + EPS) if move is None else move(m_hat, v_hat, grad)
    return theta - lr * change, m, v


def wrong(**change):
    return lambda theta, grad, m, v, step, lr: adam(theta, grad, m, v, step, lr, **change)


def swapped(theta, grad, m, v, step, lr):
    new_m = BETA2 * m + (1 - BETA2) * grad
    new_v = BETA1 * v + (1 - BETA1) * grad**2
    change = new_m / (1 - BETA2**step) / ((new_v / (1 - BETA1**step)).sqrt() + EPS)
    return theta - lr * change, new_m, new_v


def whole_gradient(theta, grad, m, v, step, lr):
    m, v = BETA1 * m + grad, BETA2 * v + grad**2
    m_hat, v_hat = m / (1 - BETA1**step), v / (1 - BETA2**step)
    return theta - lr * m_hat / (v_hat.sqrt() + EPS), m, v


def corrected_state(theta, grad, m, v, step, lr):
    theta, m, v = adam(theta, grad, m, v, step, lr)
    return theta, m / (1 - BETA1**step), v / (1 - BETA2**step)


ADAM_STEP = Exercise(
    "0.5",
    "adam_step",
    "Un paso de Adam",
    adam_step_oracle,
    adam_step_cases,
    (
        Slip(
            "sin_correccion",
            "falta corregir el arranque: m/(1 − β₁ᵏ) y v/(1 − β₂ᵏ).",
            wrong(correct=(False, False)),
        ),
        Slip(
            "solo_m_corregida",
            "falta corregir el arranque de v: v/(1 − β₂ᵏ).",
            wrong(correct=(True, False)),
        ),
        Slip(
            "solo_v_corregida",
            "falta corregir el arranque de m: m/(1 − β₁ᵏ).",
            wrong(correct=(False, True)),
        ),
        Slip(
            "paso_de_mas",
            "el exponente es k + 1 y va k: step empieza en 1.",
            wrong(shift=1),
        ),
        Slip(
            "sin_raiz",
            "se divide entre v̂ y va entre su raíz, √v̂: así el cociente no tiene unidades.",
            wrong(move=lambda m, v, g: m / (v + EPS)),
        ),
        Slip(
            "eps_dentro",
            "parece √(v̂ + ε): aquí ε se suma fuera de la raíz, √v̂ + ε.",
            wrong(move=lambda m, v, g: m / (v + EPS).sqrt()),
        ),
        Slip(
            "sin_eps",
            "falta ε en el denominador: con gradientes diminutos se nota.",
            wrong(move=lambda m, v, g: m / v.sqrt()),
        ),
        Slip(
            "gradiente_suelto",
            "en el numerador está el gradiente de este paso y va su media m̂.",
            wrong(move=lambda m, v, g: g / (v.sqrt() + EPS)),
        ),
        Slip(
            "asciende",
            "el paso está sumado: para bajar por la pérdida se resta.",
            wrong(move=lambda m, v, g: -m / (v.sqrt() + EPS)),
        ),
        Slip(
            "betas_cambiadas",
            "las β están cambiadas: β₁ = 0.9 va con m y β₂ = 0.999, con v.",
            swapped,
        ),
        Slip(
            "gradiente_entero",
            "el gradiente entra entero en las medias: falta el factor 1 − β.",
            whole_gradient,
        ),
        Slip(
            "devuelve_corregidas",
            "se devuelven m̂ y v̂, ya corregidas: lo que se guarda son las medias m y v.",
            corrected_state,
        ),
    ),
    parts=("theta", "m", "v"),
    remark="En el primer paso cada parámetro se mueve lr, sea cual sea el tamaño del gradiente.",
)

# --- 0.6 ----------------------------------------------------------------------------------------


def conditioned_linear_oracle(x, y, W, b):
    classes = W.shape[1] - x.shape[1]
    return F.linear(torch.cat([x, F.one_hot(y, classes).to(x)], 1), W, b)


def conditioned_linear_cases():
    cases = []
    for seed, (B, D, K, out) in enumerate([(4, 5, 3, 2), (3, 3, 3, 3), (6, 4, 2, 5), (1, 7, 6, 4)]):
        y = (torch.arange(B) * 2 + 1) % K
        W, b = normal(out, D + K, seed=180 + seed), normal(out, seed=190 + seed)
        label = f"B = {B}, D = {D}, K = {K}, O = {out}"
        cases.append(Case(label, (normal(B, D, seed=170 + seed), y, W, b)))
    return cases


def split(x, W):
    return W[:, : x.shape[1]], W[:, x.shape[1] :]


CONDITIONED_LINEAR = Exercise(
    "0.6",
    "conditioned_linear",
    "Concatenar la clase",
    conditioned_linear_oracle,
    conditioned_linear_cases,
    (
        Slip(
            "sin_clase",
            "la clase no interviene: falta la columna de W que le toca a cada dato.",
            lambda x, y, W, b: x @ split(x, W)[0].T + b,
        ),
        Slip(
            "sin_sesgo",
            "falta el sesgo b.",
            lambda x, y, W, b: x @ split(x, W)[0].T + split(x, W)[1].T[y],
        ),
        Slip(
            "clase_delante",
            "parece que la clase se pegó delante de x: va detrás, en las últimas columnas.",
            lambda x, y, W, b: F.linear(
                torch.cat([F.one_hot(y, W.shape[1] - x.shape[1]).to(x), x], 1), W, b
            ),
        ),
        Slip(
            "columna_de_x",
            "parece la columna y de W, que multiplica a x: la de la clase es la D + y.",
            lambda x, y, W, b: x @ split(x, W)[0].T + W.T[y] + b,
        ),
        Slip(
            "clase_como_numero",
            "la clase entra como número, y multiplica a una columna: va en one-hot, porque las "
            "clases no tienen orden.",
            lambda x, y, W, b: x @ split(x, W)[0].T + y[:, None] * split(x, W)[1].T[0] + b,
        ),
        Slip(
            "todas_las_columnas",
            "se suman las columnas de todas las clases: solo va la de la etiqueta.",
            lambda x, y, W, b: x @ split(x, W)[0].T + split(x, W)[1].sum(1) + b,
        ),
        Slip(
            "misma_clase",
            "todos los datos usan la clase del primero: cada uno tiene la suya.",
            lambda x, y, W, b: x @ split(x, W)[0].T + split(x, W)[1].T[y[0]] + b,
        ),
    ),
    shape_tip="x es (B, D); W, (O, D + K); el resultado, (B, O).",
    remark="W_c.T[y], la columna elegida, es lo mismo que nn.Embedding: un sesgo para cada clase.",
)
