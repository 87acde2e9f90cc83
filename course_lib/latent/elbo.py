r"""La ELBO por piezas, la cota ponderada por importancia y la estimación de $\log p(x)$.

Las funciones sirven para cualquier `vae` con `latent_dim`, `encode(x, y)` → (media, log-varianza)
y `log_likelihood(x, z, y)`; $q(z|x)$ es gaussiana diagonal y $p(z)=\mathcal N(0,I)$.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.errors import in_range, positive_int
from course_lib.noise import standard_normal
from course_lib.probability.discretized import bits_per_dim

__all__ = [
    "ELBO",
    "Evidence",
    "bits_per_dim",
    "diagonal_gaussian_kl",
    "elbo_terms",
    "importance_weighted",
    "log_prob",
    "log_weights",
    "objective",
]

DECODE_AT_ONCE = 4096  # imágenes que se decodifican a la vez al ponderar por importancia


class ELBO(NamedTuple):
    r"""Las piezas de $\mathcal L=E_q[\log p(x|z)]-\mathrm{KL}(q(z|x)\,\|\,p(z))$, en nats por dato.

    `reconstruction`: (B,), el primer término; `kl`: (B,), el segundo; `kl_per_dim`: (B, M), lo que
    aporta a `kl` cada variable latente, si q es diagonal. Kingma y Welling (2014), ec. 3.
    """

    reconstruction: Tensor
    kl: Tensor
    kl_per_dim: Tensor | None = None

    @property
    def total(self) -> Tensor:
        """La cota: `reconstruction` − `kl`, (B,)."""
        return self.reconstruction - self.kl

    def __repr__(self) -> str:
        names = ("reconstruction", "kl", "total")
        return f"ELBO({', '.join(f'{n}={getattr(self, n).mean():.2f}' for n in names)} nats)"


class Evidence(NamedTuple):
    r"""Estimación de $\log p(x)$: `nats` (B,), su error estándar `error` (B,) y `ess` (B,).

    `ess` es el número efectivo de muestras, $1/\sum_k\tilde w_k^2$ con los pesos normalizados: si
    es próximo a 1, una sola muestra decide y ni la estimación ni su error son de fiar.
    """

    nats: Tensor
    error: Tensor
    ess: Tensor

    def __repr__(self) -> str:
        total_error = self.error.square().sum().sqrt() / len(self.error)
        return (
            f"Evidence({self.nats.mean():.2f} ± {total_error:.2g} nats, ess {self.ess.mean():.0f})"
        )


def diagonal_gaussian_kl(mean_q: Tensor, log_var_q: Tensor, mean_p=0.0, log_var_p=0.0) -> Tensor:
    r"""KL de dos gaussianas diagonales, por dimensión y en nats; sin p, contra $\mathcal N(0,I)$.

    Con $d=\log v_q-\log v_p$:
    $\frac12\left(e^d-1-d+\frac{(m_q-m_p)^2}{v_p}\right)$, que con $p=\mathcal N(0,1)$ es
    $\frac12(v_q+m_q^2-1-\log v_q)$. $e^d-1$ se calcula sin cancelación, de modo que la KL no pierde
    cifras cerca de 0. Kingma y Welling (2014), apéndice B.
    """
    log_var_p = torch.as_tensor(log_var_p, dtype=mean_q.dtype, device=mean_q.device)
    d = log_var_q - log_var_p
    return (torch.expm1(d) - d + (mean_q - mean_p) ** 2 * torch.exp(-log_var_p)) / 2


def elbo_terms(vae, x: Tensor, samples: int = 1, generator=None, y: Tensor | None = None) -> ELBO:
    r"""Las piezas de la ELBO de `x`, con la KL exacta y la reconstrucción por Monte Carlo.

    $E_q[\log p(x|z)]\approx\frac1S\sum_s\log p(x|\mu+\sigma\varepsilon_s)$, insesgado y derivable
    respecto de los parámetros (trayectoria). Kingma y Welling (2014), ecs. 7 y 10.
    """
    mean, log_var = vae.encode(x, y)
    eps = _noise(positive_int("samples", samples), mean, generator)
    z = mean + torch.exp(log_var / 2) * eps
    reconstruction = vae.log_likelihood(x, z, y).mean(0)
    kl = diagonal_gaussian_kl(mean, log_var)
    return ELBO(reconstruction, kl.sum(1), kl)


def objective(pieces: ELBO, beta: float = 1.0, free_bits: float = 0.0) -> Tensor:
    r"""La pérdida escalar, en nats por dato: $-\bar R+\beta\sum_j\max(\lambda,\overline{\mathrm{KL}}_j)$.

    Las barras son medias del lote y j recorre las variables latentes; con β = 1 y λ = 0 es −ELBO.
    `beta` ≥ 0 (Higgins et al., 2017); `free_bits` es λ ≥ 0, los nats por variable latente
    que no se penalizan (Kingma et al., 2016, apéndice C.8). ValueError si alguno es negativo o si
    con λ > 0 faltan las KL por dimensión.
    """
    in_range("beta", beta, 0, math.inf, open_high=True)
    in_range("free_bits", free_bits, 0, math.inf, open_high=True)
    kl = pieces.kl.mean()
    if free_bits > 0:
        if pieces.kl_per_dim is None:
            raise ValueError("free_bits > 0 necesita kl_per_dim: q(z|x) debe ser diagonal.")
        kl = pieces.kl_per_dim.mean(0).clamp(min=free_bits).sum()
    return beta * kl - pieces.reconstruction.mean()


def log_weights(vae, x: Tensor, samples: int, generator=None, y: Tensor | None = None) -> Tensor:
    r"""$\log w_k=\log p(x|z_k)+\log p(z_k)-\log q(z_k|x)$, con $z_k\sim q(z|x)$; forma (K, B).

    $E[w_k]=p(x)$ con cualquier q. Si q es la distribución a posteriori, $w_k=p(x)$ sin azar.
    """
    mean, log_var = vae.encode(x, y)
    eps = _noise(positive_int("samples", samples), mean, generator)
    z = mean + torch.exp(log_var / 2) * eps
    step = max(1, DECODE_AT_ONCE // max(1, len(x)))
    likelihood = torch.cat([vae.log_likelihood(x, part, y) for part in z.split(step)])
    # en log p(z) − log q(z|x) las constantes (2π) se cancelan
    ratio = (eps.square() + log_var - z.square()).sum(-1) / 2
    return likelihood + ratio


def importance_weighted(
    vae, x: Tensor, samples: int = 10, generator=None, y: Tensor | None = None
) -> Tensor:
    r"""$\mathcal L_K=\log\frac1K\sum_kw_k$ de cada dato, (B,): su media crece con K hacia $\log p(x)$.

    Con K = 1 es la ELBO con la KL también muestreada. Burda et al. (2016), ec. 8.
    """
    return log_weights(vae, x, samples, generator, y).logsumexp(0) - math.log(samples)


@torch.no_grad()
def log_prob(
    vae, x: Tensor, samples: int = 1000, generator=None, y: Tensor | None = None
) -> Evidence:
    r"""Estima $\log p(x)$ de cada dato con K = `samples` muestras de q: `Evidence`.

    Es $\mathcal L_K$: por debajo de $\log p(x)$ en media, con sesgo $\approx-\frac12\text{error}^2$.
    El error es el del método delta, $\mathrm{sd}(w)/(\sqrt K\,\bar w)$.
    """
    if positive_int("samples", samples) < 2:
        raise ValueError("samples debe ser al menos 2: con una sola muestra no hay error estándar.")
    weights = log_weights(vae, x, samples, generator, y)
    concentration = weights.softmax(0).square().sum(0)
    error = ((samples * concentration - 1).clamp(min=0) / (samples - 1)).sqrt()
    return Evidence(weights.logsumexp(0) - math.log(samples), error, 1 / concentration)


def _noise(samples: int, mean: Tensor, generator) -> Tensor:
    """Ruido (S, B, M) del tipo y el dispositivo de `mean`."""
    return standard_normal(mean.detach().expand(samples, *mean.shape), generator)
