r"""La cota variacional de DDPM por términos: $L_T + \sum_{k>1}L_{k-1} + L_0$ (Ho et al., 2020)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.diffusion.predictions import Prediction
from course_lib.diffusion.samplers import bridge, reverse_std
from course_lib.errors import floating, positive_int
from course_lib.noise import noise_source
from course_lib.probability.discretized import check_quantised, discrete_log_prob


@dataclass(frozen=True)
class VLB:
    """Los términos de la cota en bits por dimensión, forma (B,), y los de cada paso k evaluado."""

    prior: Tensor
    diffusion: Tensor
    decoder: Tensor
    per_step: dict[int, float]

    @property
    def total(self) -> Tensor:
        """La cota entera: una cota superior de −log₂ p(x_0) por dimensión."""
        return self.prior + self.diffusion + self.decoder

    def __repr__(self) -> str:
        names = ("prior", "diffusion", "decoder", "total")
        parts = ", ".join(f"{name}={getattr(self, name).mean():.3f}" for name in names)
        return f"VLB({parts}) bits/dim"


def gaussian_kl(mean_q: Tensor, var_q: Tensor, mean_p: Tensor, var_p: Tensor) -> Tensor:
    r"""$\frac12\left(\log\frac{v_p}{v_q} + \frac{v_q + (m_q-m_p)^2}{v_p} - 1\right)$, en nats."""
    return (torch.log(var_p / var_q) + (var_q + (mean_q - mean_p) ** 2) / var_p - 1) / 2


def term(
    denoiser,
    x0: Tensor,
    t: Tensor,
    eps: Tensor,
    variance: str = "small",
    prediction: Prediction | None = None,
    detach_mean: bool = False,
    **cond,
) -> Tensor:
    r"""$L_{k-1}$ de cada ejemplo, en nats: KL del posterior al modelo o, si k = 1, −log p(x_0|x_1).

    `t`: (B,) con valores k/T. La varianza del modelo sigue la regla `variance` de `ancestral`; en
    k = 1, donde $\tildeβ_1 = 0$, se usa $\tildeβ_2$ (como el código de Nichol y Dhariwal, 2021).
    """
    schedule = tabulated(denoiser.schedule)
    k = torch.round(t * schedule.T).long()
    x_t = schedule.perturb(x0, t, eps)
    if prediction is None:
        prediction = denoiser(x_t, t, **cond)
    x0_hat = prediction.x0.detach() if detach_mean else prediction.x0
    mean_q, var_q = schedule.posterior(x0, x_t, k)
    mean_p, _ = schedule.posterior(x0_hat, x_t, k)
    beta = bridge(schedule, t, (k - 1).double() / schedule.T, x_t).beta
    floor = schedule.posterior_variance[min(1, schedule.T - 1)].item() or schedule.betas[0].item()
    var_tilde = torch.where(var_q == 0, floor, var_q)
    std_p = reverse_std(variance, beta, var_tilde, prediction.var_mix)
    kl = gaussian_kl(mean_q, var_tilde, mean_p, std_p**2)
    decoder = -discrete_log_prob(x0, mean_p, std_p)
    first = (k == 1).to(x0.device).reshape(-1, *[1] * (x0.ndim - 1))
    return torch.where(first, decoder, kl).flatten(1).sum(1)


def prior_term(schedule, x0: Tensor) -> Tensor:
    r"""$L_T = \mathrm{KL}(q(x_T\mid x_0)\,\|\,N(0, I))$ de cada ejemplo, en nats."""
    alpha, sigma = schedule.at(1.0, like=x0)
    zero, one = torch.zeros_like(x0), torch.ones_like(x0)
    return gaussian_kl(alpha * x0, sigma**2 * one, zero, one).flatten(1).sum(1)


@torch.no_grad()
def bits_per_dim(
    denoiser, x0: Tensor, steps: int | None = None, variance: str = "small", generator=None, y=None
) -> VLB:
    r"""La cota en bits por dimensión de las imágenes `x0`, cuantizadas en [-1, 1].

    Evalúa los T pasos o, con `steps`, esa cantidad repartida por igual (con un desplazamiento al
    azar por ejemplo), multiplicando por (T-1)/steps: un estimador insesgado de la suma sobre k > 1.
    """
    floating("x0", x0)
    check_quantised(x0)
    schedule, rng = tabulated(denoiser.schedule), noise_source(generator)
    to_bits = 1 / (x0[0].numel() * math.log(2))
    cond = {} if y is None else {"y": y}

    def at(k: Tensor) -> Tensor:
        return term(denoiser, x0, k / schedule.T, rng(x0), variance, **cond) * to_bits

    decoder = at(torch.ones(len(x0), dtype=torch.float64))
    inner = schedule.T - 1  # los pasos k = 2..T
    steps = inner if steps is None else min(positive_int("steps", steps), inner)
    shift = torch.zeros(len(x0)) if steps == inner else uniform_shift(rng, x0)
    diffusion, per_step = torch.zeros_like(decoder), {}
    for i in range(steps):
        k = 2 + torch.floor((i + shift.double()) * inner / steps).clamp(max=inner - 1)
        value = at(k)
        diffusion += value * inner / steps
        per_step[int(k.double().mean().round())] = value.mean().item()
    return VLB(prior_term(schedule, x0) * to_bits, diffusion, decoder, per_step)


def uniform_shift(rng, x0: Tensor) -> Tensor:
    """Un número uniforme en (0, 1) por ejemplo, sacado de la misma fuente que el ruido."""
    return torch.special.ndtr(rng(x0[:, :1].flatten(1)[:, :1]).double())[:, 0].cpu()


def tabulated(schedule):
    """El propio esquema si es una tabla de DDPM; si no, `ValueError`."""
    if not hasattr(schedule, "betas"):
        raise ValueError(
            "la cota L_VLB es de la cadena discreta: hace falta un esquema DDPM y se recibió "
            f"{schedule!r}."
        )
    return schedule
