r"""Las pérdidas del juego, en nats, y las penalizaciones que suavizan al discriminador.

El discriminador da el logit $s=\log\frac{D}{1-D}$, no $D$: así $\log D=\log\sigma(s)$ y
$\log(1-D)=\log\sigma(-s)$ se calculan sin que ningún logaritmo se desborde. `real` son los logits
de los datos, $s(x)$ con $x\sim\pi$, y `fake` los de las muestras, $s(G(z))$. Todo se minimiza.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, relu

from course_lib.errors import choose, same_shape

__all__ = [
    "PAIRS",
    "Pair",
    "gradient_penalty",
    "hinge_discriminator",
    "hinge_generator",
    "logistic_discriminator",
    "non_saturating_generator",
    "pair",
    "r1_penalty",
    "saturating_generator",
    "wasserstein_discriminator",
    "wasserstein_generator",
]


@dataclass(frozen=True)
class Pair:
    """Lo que minimiza cada jugador: `discriminator(real, fake)` y `generator(fake)`, escalares."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


# --- la pareja logística: la divergencia de Jensen–Shannon ---------------------------------------


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""$-V=-\mathbb E_\pi\log D(x)-\mathbb E_z\log(1-D(G(z)))$: una entropía cruzada binaria.

    `real`, `fake`: logits de cualquier forma; da un escalar en nats. Vale $\log4$ si $D=1/2$, y su
    mínimo sobre $D$ es $\log4-2\,\mathrm{JSD}$. Goodfellow et al. (2014), ec. 1 y teorema 1.
    """
    _check_logits(real=real, fake=fake)
    return -logsigmoid(real).mean() - logsigmoid(-fake).mean()


def saturating_generator(fake: Tensor) -> Tensor:
    r"""$\mathbb E_z\log(1-D(G(z)))$: el generador del juego de suma cero.

    Su derivada respecto del logit es $-D$: se apaga justo cuando el discriminador rechaza las
    muestras ($D\approx0$), y de ahí el nombre. Goodfellow et al. (2014), ec. 1.
    """
    _check_logits(fake=fake)
    return logsigmoid(-fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    r"""$-\mathbb E_z\log D(G(z))$: el mismo punto fijo con otro gradiente.

    Su derivada respecto del logit es $-(1-D)$, máxima cuando las muestras se rechazan. La saturante
    es $D/(1-D)=e^{s}$ veces esta, muestra a muestra. Goodfellow et al. (2014), sec. 3.
    """
    _check_logits(fake=fake)
    return -logsigmoid(fake).mean()


# --- las parejas sin logaritmos ------------------------------------------------------------------


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""$\mathbb E_z f(G(z))-\mathbb E_\pi f(x)$: su mínimo sobre las $f$ 1-Lipschitz es $-W_1$.

    Aquí `real` y `fake` son valores del crítico $f$, no logits, en las unidades de x. Hace falta
    acotar la pendiente de f (`gradient_penalty` o normalización espectral): sin eso, el mínimo es
    $-\infty$. Arjovsky, Chintala y Bottou (2017), sec. 3.
    """
    _check_logits(real=real, fake=fake)
    return fake.mean() - real.mean()


def wasserstein_generator(fake: Tensor) -> Tensor:
    r"""$-\mathbb E_z f(G(z))$: la parte de $W_1$ que depende del generador.

    Arjovsky, Chintala y Bottou (2017), teorema 3.
    """
    _check_logits(fake=fake)
    return -fake.mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""$\mathbb E_\pi\max(0,1-f(x))+\mathbb E_z\max(0,1+f(G(z)))$: la pérdida bisagra.

    Solo empujan los puntos que no superan el margen 1. Su mínimo sobre f es $2(1-\mathrm{TV})$, con
    TV la distancia de variación total. Lim y Ye (2017); Miyato et al. (2018), ec. 16.
    """
    _check_logits(real=real, fake=fake)
    return relu(1 - real).mean() + relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    r"""$-\mathbb E_z f(G(z))$: la misma que la de Wasserstein. Miyato et al. (2018), ec. 17."""
    return wasserstein_generator(fake)


PAIRS: dict[str, Pair] = {
    "saturating": Pair(logistic_discriminator, saturating_generator),
    "non-saturating": Pair(logistic_discriminator, non_saturating_generator),
    "wasserstein": Pair(wasserstein_discriminator, wasserstein_generator),
    "hinge": Pair(hinge_discriminator, hinge_generator),
}


def pair(name: str | Pair) -> Pair:
    """La pareja de `PAIRS` con ese nombre, o la que se dé; `ValueError` si el nombre no existe."""
    return name if isinstance(name, Pair) else PAIRS[choose("loss", name, PAIRS)]


# --- penalizaciones ------------------------------------------------------------------------------


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""$\mathbb E_{\hat x}\big(\lVert\nabla f(\hat x)\rVert_2-1\big)^2$, que acerca f a pendiente 1.

    $\hat x=ux+(1-u)G(z)$ con $u\sim U(0,1)$ distinto en cada ejemplo: un punto del segmento entre
    un dato y una muestra. `real`, `fake`: (B, ...) de igual forma. Es un escalar sin el factor λ
    (10 en el artículo), derivable respecto de los pesos. ValueError si las formas no coinciden.
    Gulrajani et al. (2017), ec. 3.
    """
    same_shape("fake", fake, "real", real)
    place = generator.device if generator is not None else real.device
    u = torch.rand(len(real), generator=generator, dtype=real.dtype, device=place)
    u = u.to(real.device).reshape(-1, *[1] * (real.ndim - 1))
    slope = _gradients(critic, torch.lerp(fake.detach(), real.detach(), u))
    return (torch.linalg.vector_norm(slope, dim=1) - 1).square().mean()


def r1_penalty(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    r"""$\tfrac12\,\mathbb E_\pi\lVert\nabla s(x)\rVert_2^2$, solo en los datos: $R_1$ sin el factor γ.

    En el equilibrio $D=1/2$ y esta pendiente es 0: a diferencia de `gradient_penalty`, no empuja
    fuera de él. `real`: (B, ...); da un escalar derivable respecto de los pesos.
    Mescheder, Geiger y Nowozin (2018), ec. 9.
    """
    return _gradients(critic, real.detach()).square().sum(1).mean() / 2


def _gradients(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Gradiente de cada $f(x_i)$ en su $x_i$, (B, D), si f no mezcla los ejemplos del lote."""
    x = x.requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.flatten(1)


def _check_logits(**named: Tensor) -> None:
    """Tensores de coma flotante y no vacíos; si hay NaN, los descubre quien entrena."""
    for name, value in named.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(f"{name} debe ser un tensor de coma flotante; se recibió {kind}.")
        if value.numel() == 0:
            raise ValueError(f"{name} está vacío (forma {tuple(value.shape)}): no tiene media.")
