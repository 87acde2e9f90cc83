r"""Los esquemas de tiempo continuo: cada clase es la pareja de fórmulas $α(t)$, $σ(t)$."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from course_lib.diffusion.schedules import Schedule, double
from course_lib.errors import in_range


class _LinearBeta(Schedule):
    r"""Lo común a VP y sub-VP: $B(t) = \int_0^t β = β_{min}t + (β_{max}-β_{min})t^2/2$."""

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0):
        self.beta_min = in_range("beta_min", beta_min, 0, 1e6, open_low=True)
        self.beta_max = in_range("beta_max", beta_max, beta_min, 1e6)

    def integral(self, t: Tensor) -> Tensor:
        return self.beta_min * t + (self.beta_max - self.beta_min) * t**2 / 2

    def alpha(self, t):
        return torch.exp(-self.integral(double(t)) / 2)

    def time_at(self, integral: Tensor) -> Tensor:
        r"""El instante de [0, 1] en que $B(t)$ vale `integral`: la raíz positiva de la cuadrática.

        $t = 2B/(β_{min} + \sqrt{β_{min}^2 + 2(β_{max}-β_{min})B})$, sin cancelaciones.
        """
        integral = integral.clamp(max=self.integral(1.0))  # con ∞ saldría ∞/∞
        root = torch.sqrt(self.beta_min**2 + 2 * (self.beta_max - self.beta_min) * integral)
        return (2 * integral / (self.beta_min + root)).clamp(0, 1)


class VP(_LinearBeta):
    r"""Varianza preservada: $α = e^{-B(t)/2}$, $σ = \sqrt{1-e^{-B(t)}}$, $g^2 = β(t)$.

    Fuente: Song et al. (2021), ecs. 11 y 29, con $β(t)$ lineal.
    """

    def sigma(self, t):
        return torch.sqrt(-torch.expm1(-self.integral(double(t))))

    def inverse_log_snr(self, log_snr):
        r"""En forma cerrada: $B = \log(1+e^{-\mathrm{log\,SNR}})$, porque $α^2+σ^2 = 1$."""
        return self.time_at(-logsigmoid(double(log_snr)))  # softplus redondea a partir de 20


class SubVP(_LinearBeta):
    r"""Sub-VP: $α = e^{-B(t)/2}$, $σ = 1-e^{-B(t)}$, $g^2 = β(t)(1-e^{-2B(t)})$.

    Fuente: Song et al. (2021), ecs. 12 y 29.
    """

    def sigma(self, t):
        return -torch.expm1(-self.integral(double(t)))

    def inverse_log_snr(self, log_snr):
        r"""En forma cerrada: $B = 2\,\mathrm{asinh}(\frac σ{2α})$, con $σ/α = 2\sinh(B/2)$."""
        return self.time_at(2 * torch.asinh(torch.exp(-double(log_snr) / 2) / 2))


class VE(Schedule):
    r"""Varianza que explota: $α = 1$, $σ = σ_{min}(σ_{max}/σ_{min})^t$.

    Fuente: Song et al. (2021), ec. 30. Termina en σ_min, no en 0.
    """

    def __init__(self, sigma_min: float = 0.01, sigma_max: float = 50.0):
        self.sigma_min = in_range("sigma_min", sigma_min, 0, 1e6, open_low=True)
        self.sigma_max = in_range("sigma_max", sigma_max, sigma_min, 1e9, open_low=True)

    def alpha(self, t):
        return torch.ones_like(double(t))

    def sigma(self, t):
        return self.sigma_min * torch.exp(double(t) * math.log(self.sigma_max / self.sigma_min))


class OU(Schedule):
    r"""Ornstein–Uhlenbeck $dX = -X\,dτ + \sqrt 2\,dW$ hasta τ = `horizon`, con $τ = t·$`horizon`.

    $α = e^{-τ}$, $σ = \sqrt{1-e^{-2τ}}$; en el reloj t, $f = -$`horizon` y $g^2 = 2·$`horizon`.
    """

    def __init__(self, horizon: float = 5.0):
        self.horizon = in_range("horizon", horizon, 0, 1e3, open_low=True)

    def alpha(self, t):
        return torch.exp(-self.horizon * double(t))

    def sigma(self, t):
        return torch.sqrt(-torch.expm1(-2 * self.horizon * double(t)))


class Cosine(Schedule):
    r"""Coseno: $α = \cos\frac{π}{2}\frac{t+s}{1+s}\,/\cos\frac{π}{2}\frac{s}{1+s}$ y $σ^2 = 1-α^2$.

    Se escribe con senos para que α(1) sea 0 exacto y σ no se cancele cerca de t = 0:
    $α = \sin(u(1-t))/\sin u$ y $σ^2 = \sin(ut)\sin(u(2-t))/\sin^2 u$, con $u = π/(2(1+s))$.
    Fuente: Nichol y Dhariwal (2021), ec. 17.
    """

    def __init__(self, s: float = 0.008):
        self.s = in_range("s", s, 0, 1)

    def alpha(self, t):
        u = math.pi / 2 / (1 + self.s)
        return torch.sin(u * (1 - double(t))) / math.sin(u)

    def sigma(self, t):
        u, t = math.pi / 2 / (1 + self.s), double(t)
        return torch.sqrt(torch.sin(u * t) * torch.sin(u * (2 - t))) / math.sin(u)


class Flow(Schedule):
    r"""Interpolación recta del emparejamiento de flujos: $α = 1-t$, $σ = t$ (Lipman et al., 2023).

    Aquí t sube de los datos al ruido, al revés que en ese artículo.
    """

    def alpha(self, t):
        return 1 - double(t)

    def sigma(self, t):
        return double(t) * 1.0


class EDM(Schedule):
    r"""EDM: $α = 1$, $σ = (σ_{min}^{1/7} + t(σ_{max}^{1/7} - σ_{min}^{1/7}))^7$.

    Fuente: Karras et al. (2022), ec. 5, con ρ = 7: la rejilla uniforme en t es la suya.
    """

    def __init__(self, sigma_min: float = 0.002, sigma_max: float = 80.0):
        self.sigma_min = in_range("sigma_min", sigma_min, 0, 1e6, open_low=True)
        self.sigma_max = in_range("sigma_max", sigma_max, sigma_min, 1e9, open_low=True)

    def alpha(self, t):
        return torch.ones_like(double(t))

    def sigma(self, t):
        low, high = self.sigma_min ** (1 / 7), self.sigma_max ** (1 / 7)
        return (low + double(t) * (high - low)) ** 7
