"""Ejercicios 4.4 y 4.5: las dos pérdidas del generador y un paso del juego de Dirac."""

import torch
from torch.nn.functional import logsigmoid

from course_lib.adversarial import losses
from course_lib.checks.core import Case, Exercise, Slip
from course_lib.checks.random_cases import normal

# --- 4.4 ----------------------------------------------------------------------------------------


def generator_losses_oracle(fake):
    found = []
    for loss in (losses.saturating_generator, losses.non_saturating_generator):
        s = fake.clone().requires_grad_()
        value = loss(s)
        (slope,) = torch.autograd.grad(value, s)
        found.append((value.detach(), slope))
    (saturating, d_saturating), (alternative, d_alternative) = found
    return saturating, alternative, d_saturating, d_alternative


def generator_losses_cases():
    cases = [
        Case(f"N = {N}", (shift + 2 * normal(N, seed=400 + i),))
        for i, (N, shift) in enumerate([(5, 0.0), (4, -4.0), (7, 1.0)])
    ]
    extreme = torch.tensor([800.0, -800.0, 50.0, -50.0, 0.5], dtype=torch.float64)
    return [*cases, Case("logits de ±800", (extreme,))]


def _by_sigmoid(fake):
    D, n = fake.sigmoid(), len(fake)
    return (1 - D).log().mean(), -D.log().mean(), -D / n, -(1 - D) / n


def _changed(change):
    """La respuesta correcta con las salidas que `change` sustituye."""

    def wrong(fake):
        values = dict(enumerate(generator_losses_oracle(fake)))
        return tuple((values | change(fake, fake.sigmoid(), len(fake), values)).values())

    return wrong


GENERATOR_LOSSES = Exercise(
    "4.4",
    "generator_losses",
    "Las dos pérdidas del generador y sus derivadas",
    generator_losses_oracle,
    generator_losses_cases,
    (
        Slip(
            "por_la_sigmoide",
            "con logits de ±800 salen infinitos: la sigmoide se redondea a 0 o a 1 antes del "
            "logaritmo. torch.nn.functional.logsigmoid no pasa por ella.",
            _by_sigmoid,
        ),
        Slip(
            "intercambiadas",
            "las dos pérdidas están intercambiadas: la saturante es la media de log(1 − D).",
            _changed(lambda s, D, n, v: {0: v[1], 1: v[0]}),
        ),
        Slip(
            "signo",
            "el signo está cambiado: log(1 − D) es negativo y −log D positivo, y las dos derivadas "
            "son negativas, porque al generador le conviene que el logit suba.",
            _changed(lambda s, D, n, v: {i: -v[i] for i in range(4)}),
        ),
        Slip(
            "suma",
            "parece la suma sobre las muestras: se pide la media.",
            _changed(lambda s, D, n, v: {0: n * v[0], 1: n * v[1]}),
        ),
        Slip(
            "derivada_sin_media",
            "la pérdida es una media, así que cada derivada lleva un 1/N.",
            _changed(lambda s, D, n, v: {2: -D, 3: -(1 - D)}),
        ),
        Slip(
            "derivadas_intercambiadas",
            "las dos derivadas están intercambiadas: la que se apaga con D = 0 es la saturante.",
            _changed(lambda s, D, n, v: {2: v[3], 3: v[2]}),
        ),
        Slip(
            "derivada_de_la_sigmoide",
            "D(1 − D) es la derivada de la sigmoide; aquí se deriva su logaritmo, y uno de los "
            "dos factores se cancela.",
            _changed(lambda s, D, n, v: {2: -D * (1 - D) / n, 3: -D * (1 - D) / n}),
        ),
        Slip(
            "respecto_de_d",
            "parece la derivada respecto de D; se pide respecto del logit s, con un factor "
            "D(1 − D) más.",
            _changed(lambda s, D, n, v: {2: -1 / (1 - D) / n, 3: -1 / D / n}),
        ),
    ),
    parts=(
        "la saturante",
        "la no saturante",
        "la derivada de la saturante",
        "la derivada de la no saturante",
    ),
    remark="La saturante es e^s veces la no saturante, muestra a muestra: donde el discriminador rechaza, la "
    "saturante casi no empuja.",
)


# --- 4.5 ----------------------------------------------------------------------------------------


def dirac_step_oracle(theta, psi, h, gamma):
    data = torch.zeros_like(theta)[:, None]

    def critic(slope):
        return lambda x: (slope[:, None] * x).sum(1)

    p = psi.clone().requires_grad_()
    s = critic(p)
    value = logsigmoid(s(data)) + logsigmoid(-s(theta[:, None]))
    penalty = losses.r1_penalty(s, data) * len(theta)  # la suma de las de cada juego
    (up,) = torch.autograd.grad(value.sum() - gamma * penalty, p)
    psi_new = psi + h * up
    t = theta.clone().requires_grad_()
    loss = logsigmoid(-critic(psi_new)(t[:, None]))
    (down,) = torch.autograd.grad(loss.sum(), t)
    return t.detach() - h * down, psi_new


def dirac_step_cases():
    rows = [("B = 5, γ = 0.5", 5, 0.3, 0.5), ("B = 3, γ = 0", 3, 0.7, 0.0)]
    rows += [("B = 4, γ = 1.2", 4, 0.1, 1.2), ("B = 6, paso grande", 6, 1.0, 0.3)]
    return [
        Case(label, (normal(B, seed=410 + i), normal(B, seed=420 + i), h, gamma))
        for i, (label, B, h, gamma) in enumerate(rows)
    ]


def _turn(theta, psi, h, gamma, d=torch.sigmoid, g=torch.sigmoid, up=1.0, down=1.0, fresh=True):
    """Un paso con piezas cambiables: `d` y `g`, lo que multiplica a θ y a ψ; `up` y `down`, signos."""
    psi_new = psi - up * h * theta * d(psi * theta) - h * gamma * psi
    used = psi_new if fresh else psi
    return theta + down * h * used * g(used * theta), psi_new


def _half(s):
    return torch.full_like(s, 0.5)


def _opposite(s):
    return torch.sigmoid(-s)


def _braked_generator(theta, psi, h, gamma):
    theta_new, psi_new = _turn(theta, psi, h, gamma)
    return theta_new - h * gamma * theta, psi_new


def _stale_sigmoid(theta, psi, h, gamma):
    psi_new = _turn(theta, psi, h, gamma)[1]
    return theta + h * psi_new * torch.sigmoid(psi * theta), psi_new


DIRAC_STEP = Exercise(
    "4.5",
    "dirac_step",
    "Un paso del juego de Dirac con R₁",
    dirac_step_oracle,
    dirac_step_cases,
    (
        Slip(
            "simultaneo",
            "parece el paso simultáneo: en el alternado el generador responde a la ψ recién "
            "movida, no a la vieja.",
            lambda *args: _turn(*args, fresh=False),
        ),
        Slip(
            "discriminador_baja",
            "el discriminador asciende: su derivada de V respecto de ψ es −θ σ(ψθ), y se suma.",
            lambda *args: _turn(*args, up=-1.0),
        ),
        Slip(
            "generador_sube",
            "el generador desciende: la derivada de su pérdida respecto de θ es −ψ σ(ψθ), y se "
            "resta.",
            lambda *args: _turn(*args, down=-1.0),
        ),
        Slip(
            "linealizado",
            "es el juego linealizado, con ½ en lugar de σ(ψθ): solo coincide cerca del equilibrio.",
            lambda *args: _turn(*args, d=_half, g=_half),
        ),
        Slip(
            "sigma_contraria",
            "el discriminador lleva σ(ψθ), lo que cree de la muestra, y no σ(−ψθ).",
            lambda *args: _turn(*args, d=_opposite),
        ),
        Slip(
            "no_saturante",
            "el generador usa la pérdida no saturante, con σ(−ψθ): se pide la saturante.",
            lambda *args: _turn(*args, g=_opposite),
        ),
        Slip(
            "r1_doble",
            "la penalización es ½γψ² y su derivada, γψ: hay un 2 de más.",
            lambda theta, psi, h, gamma: _turn(theta, psi, h, 2 * gamma),
        ),
        Slip(
            "r1_mitad",
            "la derivada de ½γψ² es γψ: sobra el ½.",
            lambda theta, psi, h, gamma: _turn(theta, psi, h, gamma / 2),
        ),
        Slip(
            "sigma_vieja",
            "la ψ recién movida va también dentro de σ: el generador deriva su pérdida en ella.",
            _stale_sigmoid,
        ),
        Slip(
            "r1_sumada",
            "la penalización aumenta ψ en lugar de frenarla: su derivada se resta.",
            lambda theta, psi, h, gamma: _turn(theta, psi, h, -gamma),
        ),
        Slip(
            "sin_r1",
            "falta la penalización R₁, el término −hγψ del discriminador.",
            lambda theta, psi, h, gamma: _turn(theta, psi, h, 0.0),
        ),
        Slip(
            "r1_en_los_dos",
            "R₁ es solo del discriminador: el generador no lleva γ.",
            _braked_generator,
        ),
    ),
    parts=("θ nueva", "ψ nueva"),
    remark="Con γ = 0 gira para siempre; con γ > 0 cada vuelta es más pequeña que la anterior.",
)
