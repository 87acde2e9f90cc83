"""`ELBOGap`: lo que le falta a la ELBO para ser log p(x), en un modelo con una sola latente."""

import math

import torch
import traitlets
from torch import Tensor

from course_lib.errors import choose, in_range
from course_lib.widgets.base import CourseWidget, bundle
from course_lib.widgets.values import finite, positive

DECODERS = {
    "lineal": lambda z: z,
    "cuadrado": lambda z: z.square(),
    "tangente": lambda z: 2 * torch.tanh(z),
}
X_RANGE, MEAN_RANGE, STD_RANGE, NOISE_RANGE = (-3.0, 3.5), (-3.5, 3.5), (0.03, 1.5), (0.2, 2.0)
REACH = 18.0  # la integral sobre z abarca de −REACH a REACH: nueve desviaciones de cualquier q
NODES = 14_401  # un nodo cada 0.0025, doce por desviación de la q más estrecha


class ELBOGap(CourseWidget):
    r"""Reparte $\log p(x)$ entre la ELBO y el hueco: $\log p(x)=\mathcal L(q)+\mathrm{KL}(q\|p(z|x))$.

    El modelo: $z\sim\mathcal N(0,1)$ y $x\mid z\sim\mathcal N(f(z),s^2)$, con $s$ = `noise_std` y
    $f$ según `decoder`: «lineal», $z$; «cuadrado», $z^2$, cuya distribución a posteriori puede
    tener dos modos; «tangente», $2\tanh z$. La aproximación es $q(z)=\mathcal N(\mu,\tau^2)$, con
    $\mu$ = `mean` y $\tau$ = `std`. En la página se mueve q a mano o por ascenso de gradiente.

    `x` va de −3 a 3.5, `noise_std` de 0.2 a 2, `mean` de −3.5 a 3.5 y `std` de 0.03 a 1.5; todos, y
    `decoder`, son rasgos: con núcleo se leen y se escriben desde Python. `log_evidence()`,
    `elbo()`, `gap()`, `reconstruction()` y `kl_to_prior()` dan en nats lo que se ve, calculado
    aparte por cuadratura en float64.
    """

    _esm = bundle(
        "common.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js", "elbo_quadrature.js",
        "elbo_verdict.js", "elbo_gap.js",
    )  # fmt: skip

    x = traitlets.Float().tag(sync=True)
    noise_std = traitlets.Float().tag(sync=True)
    mean = traitlets.Float().tag(sync=True)
    std = traitlets.Float().tag(sync=True)
    decoder = traitlets.Unicode().tag(sync=True)
    limits = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        x: float = 2.0,
        noise_std: float = 0.5,
        mean: float = 0.4,
        std: float = 0.8,
        decoder: str = "cuadrado",
    ):
        super().__init__(
            x=check_x(x),
            noise_std=check_noise_std(noise_std),
            mean=check_mean(mean),
            std=check_std(std),
            decoder=choose("decoder", decoder, DECODERS),
            limits={"x": X_RANGE, "mean": MEAN_RANGE, "std": STD_RANGE},
        )

    def log_evidence(self) -> float:
        r"""$\log p(x)=\log\int p(x|z)\,p(z)\,\mathrm dz$, en nats."""
        z, log_h = grid()
        return (self._log_joint(z) + log_h).logsumexp(0).item()

    def gap(self) -> float:
        r"""El hueco $\mathrm{KL}(q\,\|\,p(z|x))=\int q\,(\log q-\log p(z|x))\,\mathrm dz$, en nats."""
        z, log_h = grid()
        log_q = log_normal(z, self.mean, self.std)
        log_posterior = self._log_joint(z) - self.log_evidence()
        return ((log_q + log_h).exp() * (log_q - log_posterior)).sum().item()

    def reconstruction(self) -> float:
        r"""$\E_q[\log p(x|z)]$, en nats."""
        z, log_h = grid()
        weights = (log_normal(z, self.mean, self.std) + log_h).exp()
        return (weights * self._log_likelihood(z)).sum().item()

    def kl_to_prior(self) -> float:
        r"""$\mathrm{KL}(q\,\|\,p(z))=\frac12(v^2+m^2-1)-\log v$, en nats."""
        return 0.5 * (self.std**2 + self.mean**2 - 1) - math.log(self.std)

    def elbo(self) -> float:
        r"""$\mathcal L=\E_q[\log p(x|z)]-\mathrm{KL}(q\,\|\,p(z))$, en nats."""
        return self.reconstruction() - self.kl_to_prior()

    def _log_likelihood(self, z: Tensor) -> Tensor:
        return log_normal(self.x, DECODERS[self.decoder](z), self.noise_std)

    def _log_joint(self, z: Tensor) -> Tensor:
        return self._log_likelihood(z) + log_normal(z, 0.0, 1.0)

    @traitlets.validate("x")
    def _valid_x(self, proposal):
        return check_x(proposal["value"])

    @traitlets.validate("noise_std")
    def _valid_noise_std(self, proposal):
        return check_noise_std(proposal["value"])

    @traitlets.validate("mean")
    def _valid_mean(self, proposal):
        return check_mean(proposal["value"])

    @traitlets.validate("std")
    def _valid_std(self, proposal):
        return check_std(proposal["value"])

    @traitlets.validate("decoder")
    def _valid_decoder(self, proposal):
        return choose("decoder", proposal["value"], DECODERS)

    def description(self) -> str:
        return (
            f"ELBOGap: decodificador {self.decoder}, x = {self.x:g}, "
            f"q = N({self.mean:.3g}, {self.std:.3g}²)"
        )


def check_x(value: float) -> float:
    return in_range("x", finite("x", value), *X_RANGE)


def check_mean(value: float) -> float:
    return in_range("mean", finite("mean", value), *MEAN_RANGE)


def check_std(value: float) -> float:
    return in_range("std", positive("std", value), *STD_RANGE)


def check_noise_std(value: float) -> float:
    return in_range("noise_std", positive("noise_std", value), *NOISE_RANGE)


def grid() -> tuple[Tensor, float]:
    """Los nodos de la cuadratura sobre z y el logaritmo de su separación."""
    z = torch.linspace(-REACH, REACH, NODES, dtype=torch.float64)
    return z, math.log(2 * REACH / (NODES - 1))


def log_normal(x, mean, std: float) -> Tensor:
    """log N(x; mean, std²), en nats."""
    return -0.5 * ((x - mean) / std) ** 2 - math.log(std) - 0.5 * math.log(2 * math.pi)
