r"""Leyes $p(x|z)$ del decodificador: qué significa lo que sale de la red y qué pérdida implica.

Una red da `output`; la ley dice cuántos números por valor necesita (`outputs_per_value`, apilados
en el eje 1: de (B, C, H, W) a (B, 2C, H, W)), y con ellos `log_prob`, `mean` y `sample`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from course_lib.errors import choose, floating, in_range
from course_lib.noise import standard_normal
from course_lib.probability.discretized import LEVELS, discrete_log_prob

__all__ = ["BernoulliLikelihood", "DiscreteLikelihood", "GaussianLikelihood", "Likelihood"]


class Likelihood(nn.Module):
    """Lo común a las leyes: comprobar datos y formas, y sumar los valores de cada dato."""

    outputs_per_value = 1

    def check(self, x: Tensor) -> Tensor:
        """Devuelve `x` si es de coma flotante, finito y está donde la ley lo espera."""
        return floating("x", x)

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        r"""$\log p(x|z)$ en nats, sumada sobre los valores de cada dato: (B,)."""
        expected = (len(x), self.outputs_per_value * x.shape[1], *x.shape[2:])
        if output.shape != expected:
            raise ValueError(
                f"con datos de forma {tuple(x.shape)}, {type(self).__name__} necesita que el "
                f"decodificador dé {expected} ({self.outputs_per_value} por valor, en el eje 1) y "
                f"dio {tuple(output.shape)}."
            )
        return self._log_prob(x, output).flatten(1).sum(1)

    def _log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        raise NotImplementedError

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z], con la forma de los datos."""
        raise NotImplementedError

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Una muestra de p(x|z) por fila de `output`."""
        raise NotImplementedError


class BernoulliLikelihood(Likelihood):
    r"""$\log p(x|z)=\sum_i x_i\log\pi_i+(1-x_i)\log(1-\pi_i)$, con $\pi$ = sigmoide de `output`.

    Su negativo es la entropía cruzada binaria. Datos en [0, 1]; si no, ValueError. Con valores
    intermedios deja de ser una probabilidad (no suma 1) y sus nats no se comparan con los de otras
    leyes: solo con datos binarios es una log-verosimilitud. Kingma y Welling (2014), apéndice C.
    """

    def check(self, x: Tensor) -> Tensor:
        low, high = floating("x", x).amin().item(), x.amax().item()
        if low < 0 or high > 1:
            raise ValueError(
                f"BernoulliLikelihood necesita datos en [0, 1] y x va de {low:g} a {high:g}. "
                "Las imágenes en [-1, 1] se pasan con (x + 1) / 2; para otros datos conviene "
                "GaussianLikelihood."
            )
        return x

    def _log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        return x * logsigmoid(output) + (1 - x) * logsigmoid(-output)

    def mean(self, output: Tensor) -> Tensor:
        r"""$\pi$, en (0, 1)."""
        return torch.sigmoid(output)

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Ceros y unos con probabilidad $\\pi$."""
        device = output.device if generator is None else generator.device
        u = torch.rand(output.shape, generator=generator, dtype=output.dtype, device=device)
        return (u.to(output.device) < torch.sigmoid(output)).to(output.dtype)


class GaussianLikelihood(Likelihood):
    r"""$p(x|z)=\prod_i\mathcal N(x_i;\mu_i,s_i^2)$, con $\mu$ = `output` (o su primera mitad).

    `std` decide la desviación s, en unidades de x:

    - un número positivo: fija. La pérdida es $\|x-\mu\|^2/2s^2$ más una constante, y $2s^2$ hace el
      papel de la β de un error cuadrático sin escala;
    - "shared": un solo parámetro, el mismo en todos los valores, que se aprende (σ² de la PPCA);
    - "output": la segunda mitad de `output` es $\log s_i$, una por valor.

    Las aprendidas valen $s=\sqrt{s_{\min}^2+e^{2\ell}}$: sin `min_std` la verosimilitud crece sin
    cota en los píxeles constantes. Rybkin et al. (2021).
    """

    def __init__(self, std: float | str = 1.0, min_std: float = 1e-3):
        super().__init__()
        self.min_std = in_range("min_std", min_std, 0, math.inf, open_high=True)
        self.kind = choose("std", std, ("shared", "output")) if isinstance(std, str) else "fixed"
        self.outputs_per_value = 2 if self.kind == "output" else 1
        self.log_std = None
        if self.kind == "fixed":
            self.fixed = float(in_range("std", std, 0, math.inf, open_low=True))
        if self.kind == "shared":
            self.log_std = nn.Parameter(torch.zeros(()))

    def extra_repr(self) -> str:
        return f"std={self.fixed if self.kind == 'fixed' else repr(self.kind)}"

    def moments(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """La media (forma de los datos) y la desviación, que puede ser un escalar."""
        if self.kind == "fixed":
            return output, output.new_tensor(self.fixed)
        if self.kind == "shared":
            return output, self._floored(self.log_std).to(output)
        mean, log_std = output.chunk(2, dim=1)
        return mean, self._floored(log_std)

    def _floored(self, log_std: Tensor) -> Tensor:
        return (self.min_std**2 + torch.exp(2 * log_std)).sqrt()

    def _log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        mean, std = self.moments(output)
        return -0.5 * (((x - mean) / std).square() + math.log(2 * math.pi)) - std.log()

    def mean(self, output: Tensor) -> Tensor:
        r"""$\mu$."""
        return self.moments(output)[0]

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        r"""$\mu+s\,\varepsilon$."""
        mean, std = self.moments(output)
        return mean + std * standard_normal(mean, generator)


class DiscreteLikelihood(GaussianLikelihood):
    r"""Ley categórica de 256 valores en [−1, 1]: la gaussiana integrada en la casilla de cada píxel.

    Es la de la cota de DDPM (`probability.discretized.discrete_log_prob`): las casillas extremas llegan hasta
    el infinito, de modo que las probabilidades suman 1 y los nats (o bits/dim) son la longitud de
    un código. `std`, como en `GaussianLikelihood`. ValueError si x no está cuantizada.
    Ho et al. (2020), ec. 13.
    """

    def __init__(self, std: float | str = "shared", min_std: float = 1e-3):
        super().__init__(std, min_std)

    def check(self, x: Tensor) -> Tensor:
        levels = (floating("x", x) + 1) * (LEVELS - 1) / 2
        if x.abs().amax() > 1 + 1e-6 or (levels - levels.round()).abs().amax() > 1e-2:
            raise ValueError(
                "DiscreteLikelihood necesita imágenes cuantizadas (256 niveles en [-1, 1]) y x va "
                f"de {x.min():g} a {x.max():g} sin estarlo. Las uint8 se llevan ahí con "
                "course_lib.data.images.to_model(...)."
            )
        return x

    def _log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        mean, std = self.moments(output)
        return discrete_log_prob(x, mean, std)

    def mean(self, output: Tensor) -> Tensor:
        r"""$\mu$ recortada a [−1, 1]; cerca de los extremos no es la media exacta de la ley."""
        return super().mean(output).clamp(-1, 1)

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """La muestra gaussiana, llevada al centro de su casilla."""
        x = super().sample(output, generator).clamp(-1, 1)
        return ((x + 1) * (LEVELS - 1) / 2).round() * 2 / (LEVELS - 1) - 1
