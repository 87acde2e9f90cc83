"""Soluciones del capítulo 0 escritas aparte: otra fórmula equivalente, o en otro orden."""

import math

import torch
from torch.distributions import Normal


def bayes_classifier(x, means, stds, priors):
    """Coordenada a coordenada y, al normalizar, restando el máximo a mano."""
    densities = Normal(means, stds[:, None])
    log_joint = priors.log() + densities.log_prob(x[:, None, :]).sum(2)
    scaled = torch.exp(log_joint - log_joint.amax(1, keepdim=True))
    return scaled / scaled.sum(1, keepdim=True)


def change_of_variables(x, A, b):
    """Con el jacobiano de la inversa, cuyo logaritmo se suma."""
    inverse = torch.linalg.inv(A)
    z = (x - b) @ inverse.T
    volume = torch.linalg.det(inverse).abs().log()
    return -(z**2 + math.log(2 * math.pi)).sum(1) / 2 + volume


def softmax_cross_entropy(logits, y):
    """Una diferencia de logits por clase, con el máximo fuera de la exponencial."""
    gaps = logits - logits[torch.arange(len(y)), y][:, None]
    top = gaps.amax(1)
    return top + torch.exp(gaps - top[:, None]).sum(1).log()


def backprop_hidden(x, y, W1, b1, W2, b2):
    """Dato a dato, con productos externos."""
    dW, db = torch.zeros_like(W1), torch.zeros_like(b1)
    for x_i, y_i in zip(x, y.tolist(), strict=True):
        h = torch.tanh(W1 @ x_i + b1)
        error = torch.softmax(W2 @ h + b2, 0)
        error[y_i] = error[y_i] - 1
        back = (W2.T @ error) / torch.cosh(W1 @ x_i + b1) ** 2
        dW, db = dW + torch.outer(back, x_i), db + back
    return dW / len(x), db / len(x)


def adam_step(theta, grad, m, v, step, lr):
    """Con lerp y la tasa efectiva, como en el algoritmo abreviado del artículo."""
    m, v = torch.lerp(grad, m, 0.9), v + 0.001 * (grad * grad - v)
    root = math.sqrt(1 - 0.999**step)
    return theta - lr * root / (1 - 0.9**step) * m / (v**0.5 + 1e-8 * root), m, v


def conditioned_linear(x, y, W, b):
    """Sin concatenar: dos matrices, y la de la clase se reduce a elegir una columna."""
    dim = x.shape[1]
    return b + (W[:, :dim] @ x.T).T + W[:, dim:].T[y]


SOLUTIONS = {
    "bayes_classifier": bayes_classifier,
    "change_of_variables": change_of_variables,
    "softmax_cross_entropy": softmax_cross_entropy,
    "backprop_hidden": backprop_hidden,
    "adam_step": adam_step,
    "conditioned_linear": conditioned_linear,
}
