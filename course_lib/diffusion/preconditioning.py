r"""El preacondicionamiento de EDM: que la red reciba y deba dar siempre números de varianza 1.

Karras et al. (2022), tabla 1 y ap. B.6, con sus variables: $\bar x=x_t/α_t=x_0+\barσε$ y
$\barσ=σ_t/α_t$, así que sirve a cualquier esquema.
"""

import math
from numbers import Real

import torch
from torch import Tensor, nn

from course_lib.diffusion.predictions import check_noise, check_same_law, check_schedule
from course_lib.diffusion.schedules import Schedule, expand, times_for, unit_times
from course_lib.errors import same_shape

__all__ = ["Preconditioned", "edm"]


class Preconditioned(nn.Module):
    r"""$\hat x_0 = c_{skip}\,\bar x + c_{out}\,F(c_{in}\,\bar x, c_{noise})$, con la red F = `net`.

    Es una red f(x, t, **cond) más: `Denoiser(Preconditioned(net, schedule), schedule, "x0")`. `net`
    recibe $c_{in}\bar x$, de varianza 1, y $c_{noise}$, (B,), en lugar de t. `sigma_data`: la
    desviación típica de los datos, por coordenada y con media 0. `ValueError` si no es positiva;
    `TypeError` si `schedule` no es un `Schedule`. Karras et al. (2022), ec. 7.
    """

    def __init__(self, net: nn.Module, schedule: Schedule, sigma_data: float = 0.5):
        super().__init__()
        if not (isinstance(sigma_data, Real) and 0 < sigma_data < math.inf):
            raise ValueError(
                f"sigma_data debe ser un número positivo y se recibió {sigma_data!r}: es la "
                "desviación típica de los datos, que se mide con x0.std().item()."
            )
        self.net, self.schedule = net, check_schedule(schedule)
        self.sigma_data = float(sigma_data)
        self.low, self.high = schedule.finite_range

    @property
    def num_classes(self) -> int | None:
        """Las clases de la red de dentro; sin el atributo, si ella no lo tiene."""
        return self.net.num_classes

    def coefficients(self, t: float | Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        r"""$(c_{skip}, c_{out}, c_{in}, c_{noise})$ en `t`, en float64 y con su forma.

        $c_{skip}=\frac{σ_d^2}{\barσ^2+σ_d^2}$, $c_{out}=\frac{\barσσ_d}{\sqrt{\barσ^2+σ_d^2}}$,
        $c_{in}=\frac1{\sqrt{\barσ^2+σ_d^2}}$ y $c_{noise}=\frac14\ln\barσ$. Son finitos también con
        σ = 0 y con α = 0: donde $\ln\barσ$ es infinito se usa el de t = 0.001 o 0.999. Karras et
        al. (2022), tabla 1.
        """
        t = unit_times(t)
        alpha, sigma, total = self._laws(t)
        c_skip, c_out = (alpha * self.sigma_data / total) ** 2, sigma * self.sigma_data / total
        c_noise = -self.schedule.log_snr(t.clamp(self.low, self.high)) / 8
        return c_skip, c_out, alpha / total, c_noise

    def forward(self, x: Tensor, t: float | Tensor, **cond) -> Tensor:
        t = times_for(t, x)
        alpha, _, total = self._laws(t)
        _, c_out, _, c_noise = self.coefficients(t)
        inside = x / expand(total, x)  # c_in·x̄, sin dividir entre α
        precise = torch.float64 if x.dtype == torch.float64 else torch.float32
        output = self.net(inside, c_noise.expand(len(x)).to(x.device, precise), **cond)
        same_shape("la salida de la red de Preconditioned", output, "x", x)
        skip = expand(alpha * self.sigma_data**2 / total, x) * inside  # c_skip·x̄
        return skip + expand(c_out, x) * output.to(x)

    def _laws(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""α, σ y $\sqrt{σ^2+α^2σ_d^2}$, la desviación típica de x_t."""
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return alpha, sigma, torch.sqrt(sigma**2 + (alpha * self.sigma_data) ** 2)


def edm(denoiser, x0: Tensor, t: Tensor, eps: Tensor, **cond) -> Tensor:
    r"""$\|\hat x_0-x_0\|^2/c_{out}(t)^2$, media sobre los píxeles: peso 1 sobre lo que dice F, (B,).

    El peso es $\frac{\barσ^2+σ_d^2}{(\barσσ_d)^2}$, y el blanco de F, de varianza 1. Con
    `times.LogNormal`, el entrenamiento de EDM. `ValueError` si la red no es un `Preconditioned` o si
    σ(t) = 0, donde F no cuenta. Karras et al. (2022), ec. 8 y tabla 1.
    """
    net = preconditioned(denoiser)
    check_same_law("la red Preconditioned", net.schedule, denoiser.schedule, t)
    check_noise("la pérdida edm", net.schedule, t)
    prediction = denoiser(denoiser.schedule.perturb(x0, t, eps), t, **cond)
    c_out = expand(net.coefficients(t)[1], x0)
    return ((prediction.x0 - x0) / c_out).square().flatten(1).mean(1)


def preconditioned(denoiser) -> Preconditioned:
    """El `Preconditioned` de un eliminador de ruido, aunque esté compilado o repartido."""
    modules = denoiser.modules() if isinstance(denoiser, nn.Module) else ()
    found = next((module for module in modules if isinstance(module, Preconditioned)), None)
    if found is not None and getattr(denoiser, "kind", "x0") == "x0":
        return found
    raise ValueError(
        f"la pérdida edm necesita una red con preacondicionamiento y se recibió {described(denoiser)}"
        '. Conviene Denoiser(Preconditioned(red, esquema), esquema, kind="x0").'
    )


def described(denoiser) -> str:
    """Qué eliminador de ruido es: su red y lo que predice."""
    net = type(getattr(denoiser, "net", denoiser)).__name__
    return f"{net} con kind={getattr(denoiser, 'kind', None)!r}"
