"""Ejercicios 0.3 y 0.4: la entropía cruzada desde los logits y la retropropagación."""

import math

import torch
from torch.nn import functional as F

from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal

# --- 0.3 ----------------------------------------------------------------------------------------


def softmax_cross_entropy_oracle(logits, y):
    return F.cross_entropy(logits, y, reduction="none")


def softmax_cross_entropy_cases():
    far = torch.tensor([[1000.0], [-1000.0], [0.0]], dtype=torch.float64)
    return [
        Case("B = 5, K = 3", (2 * normal(5, 3, seed=1), torch.tensor([0, 2, 1, 2, 0]))),
        Case("B = K = 4", (normal(4, 4, seed=2), torch.tensor([3, 1, 0, 2]))),
        Case("logits de ±1000", (far + 4 * normal(3, 6, seed=3), torch.tensor([5, 0, 4]))),
        Case(
            "±1000 en la misma fila",
            (1000 * normal(4, 3, seed=5).sign(), torch.tensor([2, 0, 1, 2])),
        ),
        Case("un solo dato, K = 10", (normal(1, 10, seed=4), torch.tensor([7]))),
    ]


def pick(values, y):
    """El valor de la clase y de cada dato."""
    return values.gather(1, y[:, None])[:, 0]


def naive(logits, y):
    e = logits.exp()
    return -pick(e / e.sum(1, keepdim=True), y).log()


SOFTMAX_CROSS_ENTROPY = Exercise(
    "0.3",
    "softmax_cross_entropy",
    "La entropía cruzada, desde los logits",
    softmax_cross_entropy_oracle,
    softmax_cross_entropy_cases,
    (
        Slip(
            "desborda",
            "con logits de ±1000 la exponencial desborda y salen NaN o infinitos: antes se resta "
            "el máximo de cada fila, o se usa logsumexp.",
            naive,
        ),
        Slip(
            "softmax_y_log",
            "softmax y después log: una probabilidad menor que 1e-324 se redondea a cero y sale "
            "infinito. Las dos se hacen juntas: log_softmax, o logsumexp menos el logit.",
            lambda a, y: -pick(a.softmax(1), y).log(),
        ),
        Slip(
            "doble_softmax",
            "hay dos softmax seguidas: la pérdida se queda en una franja estrecha y aprende mal.",
            lambda a, y: F.cross_entropy(a.softmax(1), y, reduction="none"),
        ),
        Slip(
            "solo_el_logit",
            "parece −a_y: falta sumar log Σ exp(a_k).",
            lambda a, y: -pick(a, y),
        ),
        Slip(
            "probabilidad",
            "sale la probabilidad de la clase correcta: falta −log.",
            lambda a, y: pick(a.softmax(1), y),
        ),
        Slip(
            "complemento",
            "parece 1 − p_y, la probabilidad de fallar: la pérdida es −log p_y.",
            lambda a, y: 1 - pick(a.softmax(1), y),
        ),
        Slip(
            "otro_eje",
            "la softmax se aplica entre los datos (dim=0) y va entre las clases (dim=1).",
            lambda a, y: -pick(a.log_softmax(0), y),
        ),
        Slip(
            "todas_las_clases",
            "se suman los −log p_k de todas las clases: solo cuenta la de la etiqueta.",
            lambda a, y: -a.log_softmax(1).sum(1),
        ),
        Slip(
            "promedio",
            "sale la media del lote, un solo número: se pide una pérdida por dato, (B,).",
            lambda a, y: F.cross_entropy(a, y),
        ),
        Slip(
            "bits",
            "sale en bits: el logaritmo es el natural y la unidad, el nat.",
            lambda a, y: F.cross_entropy(a, y, reduction="none") / math.log(2),
        ),
    ),
    shape_tip="logits tiene forma (B, K); y y el resultado, (B,).",
    remark="También con logits de ±1000, donde exp(1000) no cabe en ningún float.",
)

# --- 0.4 ----------------------------------------------------------------------------------------


def backprop_hidden_oracle(x, y, W1, b1, W2, b2):
    W1, b1 = W1.detach().requires_grad_(), b1.detach().requires_grad_()
    with torch.enable_grad():
        logits = torch.tanh(x @ W1.T + b1) @ W2.T + b2
        return torch.autograd.grad(F.cross_entropy(logits, y), (W1, b1))


def backprop_hidden_cases():
    sizes = [("B = 5, D = 3, H = 4, K = 2", 5, 3, 4, 2), ("B = D = H = K = 3", 3, 3, 3, 3)]
    sizes += [("un solo dato", 1, 2, 5, 4), ("B = 6, D = 4, H = 2, K = 3", 6, 4, 2, 3)]
    cases = []
    for seed, (label, B, D, H, K) in enumerate(sizes, start=100):
        weights = normal(H, D, seed=seed), normal(H, seed=seed + 10)
        weights += normal(K, H, seed=seed + 20), normal(K, seed=seed + 30)
        y = torch.arange(B) * 2 % K
        cases.append(Case(label, (normal(B, D, seed=seed + 40), y, *weights)))
    return cases


def backprop(x, y, W1, b1, W2, b2, slope=None, delta=None, mean=True):
    """La solución con sus dos piezas cambiables: la derivada de tanh y el error en los logits."""
    u = x @ W1.T + b1
    h = torch.tanh(u)
    p = (h @ W2.T + b2).softmax(1)
    hot = F.one_hot(y, p.shape[1]).to(p)
    error = (p - hot if delta is None else delta(p, hot)) / (len(x) if mean else 1)
    back = (error @ W2) * (1 - h**2 if slope is None else slope(u, h))
    return back.T @ x, back.sum(0)


def transposed(*args):
    dW, db = backprop(*args)
    return dW.T, db


def averaged_bias(*args):
    dW, db = backprop(*args)
    return dW, db / len(args[0])


def wrong(**change):
    return lambda x, y, W1, b1, W2, b2: backprop(x, y, W1, b1, W2, b2, **change)


BACKPROP_HIDDEN = Exercise(
    "0.4",
    "backprop_hidden",
    "Retropropagar por la capa oculta",
    backprop_hidden_oracle,
    backprop_hidden_cases,
    (
        Slip(
            "sin_tanh",
            "falta la derivada de la tangente hiperbólica, 1 − h².",
            wrong(slope=lambda u, h: torch.ones_like(h)),
        ),
        Slip(
            "derivada_en_h",
            "parece 1 − tanh(h)²: h ya es la tangente hiperbólica, así que va 1 − h².",
            wrong(slope=lambda u, h: 1 - torch.tanh(h) ** 2),
        ),
        Slip(
            "sin_cuadrado",
            "parece 1 − h donde va 1 − h².",
            wrong(slope=lambda u, h: 1 - h),
        ),
        Slip(
            "logistica",
            "parece h(1 − h), la derivada de la función logística: la de tanh es 1 − h².",
            wrong(slope=lambda u, h: h * (1 - h)),
        ),
        Slip(
            "relu",
            "parece la derivada de ReLU (0 o 1): la de tanh es 1 − h².",
            wrong(slope=lambda u, h: (u > 0).to(h)),
        ),
        Slip(
            "sin_etiqueta",
            "falta restar la etiqueta en one-hot: el error en los logits es p − e_y.",
            wrong(delta=lambda p, hot: p),
        ),
        Slip(
            "solo_etiqueta",
            "parece que el error en los logits es −e_y: falta sumar las probabilidades p.",
            wrong(delta=lambda p, hot: -hot),
        ),
        Slip(
            "suma",
            "es el gradiente de la suma de las pérdidas: falta dividir entre B.",
            wrong(mean=False),
        ),
        Slip(
            "sesgo_promediado",
            "el sesgo está promediado dos veces: B ya dividió al error en los logits.",
            averaged_bias,
        ),
        Slip(
            "traspuesta",
            "el gradiente sale traspuesto, (D, H): debe tener la forma de W1, (H, D).",
            transposed,
        ),
    ),
    parts=("el gradiente de W1", "el gradiente de b1"),
    shape_tip="W1 tiene forma (H, D); el error en la capa oculta, (B, H).",
    remark="Es lo que hace loss.backward(): la regla de la cadena, de la salida hacia la entrada.",
)
