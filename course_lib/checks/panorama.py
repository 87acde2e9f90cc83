r"""Comprobaciones del capítulo 0: `checks.panorama.X(f)` dice si `f` es correcta y, si no, por qué.

En todas, un lote de B datos tiene forma (B, D) y las etiquetas `y`, forma (B,) en int64; todo lo
demás es float64.
"""

from course_lib.checks import panorama_models, panorama_networks, panorama_training
from course_lib.checks.core import Result, check


def bayes_classifier(f) -> Result:
    r"""`f(x, means, stds, priors)` → (B, K): $p(y=k\mid x)$ con $p(x\mid k)=\mathcal N(μ_k, σ_k^2I)$."""
    return check(panorama_models.BAYES_CLASSIFIER, f)


def change_of_variables(f) -> Result:
    r"""`f(x, A, b)` → (B,): $\log p(x)$ en nats de $x = Az + b$, con $z\sim\mathcal N(0, I)$."""
    return check(panorama_models.CHANGE_OF_VARIABLES, f)


def softmax_cross_entropy(f) -> Result:
    r"""`f(logits, y)` → (B,): $-\log \mathrm{softmax}(a)_y$ en nats, sin desbordar."""
    return check(panorama_networks.SOFTMAX_CROSS_ENTROPY, f)


def backprop_hidden(f) -> Result:
    """`f(x, y, W1, b1, W2, b2)` → gradientes de la entropía cruzada media respecto de W1 y b1."""
    return check(panorama_networks.BACKPROP_HIDDEN, f)


def adam_step(f) -> Result:
    """`f(theta, grad, m, v, step, lr)` → (theta, m, v) después del paso número `step` ≥ 1."""
    return check(panorama_training.ADAM_STEP, f)


def conditioned_linear(f) -> Result:
    """`f(x, y, W, b)` → (B, O): la capa lineal sobre x con la clase en one-hot pegada detrás."""
    return check(panorama_training.CONDITIONED_LINEAR, f)
