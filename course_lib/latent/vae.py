r"""El autocodificador variacional: $p(z)=\mathcal N(0,I)$, $p(x|z)$ y $q(z|x)$ dados por redes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.errors import floating, positive_int
from course_lib.networks.vae import LinearEncoder

from .decoders import GaussianLikelihood, Likelihood
from .elbo import ELBO, elbo_terms, objective
from .ppca import PPCA

__all__ = ["VAE", "as_ppca", "linear_vae"]


class VAE(nn.Module):
    r"""Un VAE con $q(z|x)=\mathcal N(\mu(x),\operatorname{diag}\sigma^2(x))$.

    - `encoder`: cualquier módulo de x a $(\mu,\log\sigma^2)$, dos tensores (B, M), o uno solo
      (B, 2M) con los dos seguidos;
    - `decoder_net`: cualquier módulo de z (B, M) a lo que pide `likelihood`;
    - `likelihood`: la ley $p(x|z)$, un objeto de `latent.decoders`;
    - `latent_dim`: M ≥ 1.

    Si las redes reciben la clase, `y` (B,) es su segundo argumento. ValueError o TypeError si algo
    no encaja: lo comprueba la primera llamada. Kingma y Welling (2014).
    """

    def __init__(
        self, encoder: nn.Module, decoder_net: nn.Module, likelihood: Likelihood, latent_dim: int
    ):
        super().__init__()
        for name, module in (("encoder", encoder), ("decoder_net", decoder_net)):
            if not isinstance(module, nn.Module):
                raise TypeError(
                    f"{name} debe ser un nn.Module; se recibió {type(module).__name__}."
                )
        if not isinstance(likelihood, Likelihood):
            raise TypeError(
                "likelihood debe ser una ley de course_lib.latent, como BernoulliLikelihood(); "
                f"se recibió {likelihood!r}."
            )
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.encoder, self.decoder_net, self.likelihood = encoder, decoder_net, likelihood

    # --- las dos direcciones ------------------------------------------------------------------

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        r"""Parámetros de $q(z|x)$: $\mu$ y $\log\sigma^2$, de forma (B, M) y del tipo de `x`."""
        if floating("x", x).ndim < 2 or len(x) == 0:
            raise ValueError(
                f"x debe tener forma (B, …), un lote con B ≥ 1, y tiene forma {tuple(x.shape)}."
            )
        code = _call(self.encoder, x, y)
        if isinstance(code, Tensor):
            code = code.chunk(2, dim=1)
        expected = (len(x), self.latent_dim)
        if len(code) != 2 or any(part.shape != expected for part in code):
            shapes = ", ".join(str(tuple(part.shape)) for part in code)
            raise ValueError(
                f"encoder debe dar la media y la log-varianza, de forma {expected} cada una "
                f"(latent_dim={self.latent_dim}), y dio {shapes}."
            )
        return code[0].to(x.dtype), code[1].to(x.dtype)

    def decoder_output(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Lo que da `decoder_net` en `z` (B, M): los parámetros de p(x|z)."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(
                f"z debe tener forma (B, {self.latent_dim}) y tiene forma {tuple(z.shape)}."
            )
        return _call(self.decoder_net, z, y).to(z.dtype)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """E[x|z], con la forma de los datos; `z`: (B, M)."""
        return self.likelihood.mean(self.decoder_output(z, y))

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        r"""$\log p(x|z)$ en nats. `x`: (B, …); `z`: (B, M) → (B,), o (K, B, M) → (K, B)."""
        if not torch.compiler.is_compiling():
            self.likelihood.check(x)  # mirar los valores de un tensor parte el grafo
        if z.ndim == 2:
            return self.likelihood.log_prob(x, self.decoder_output(z, y))
        repeated = x.expand(len(z), *x.shape).flatten(0, 1)
        y = None if y is None else y.repeat(len(z))
        output = self.decoder_output(z.flatten(0, 1), y)
        return self.likelihood.log_prob(repeated, output).reshape(z.shape[:2])

    # --- entrenar y generar -------------------------------------------------------------------

    def forward(
        self, x: Tensor, y: Tensor | None = None, generator: torch.Generator | None = None
    ) -> ELBO:
        """Las piezas de la ELBO de `x` con una muestra de z por dato."""
        return elbo_terms(self, x, generator=generator, y=y)

    def loss(
        self,
        x: Tensor | tuple[Tensor, ...],
        generator: torch.Generator | None = None,
        *,
        beta: float = 1.0,
        free_bits: float = 0.0,
    ) -> Tensor:
        r"""La pérdida escalar, en nats por dato: $-\bar R+\beta\sum_j\max(\lambda,\overline{\mathrm{KL}}_j)$.

        `x` es el lote o (lote, clases). Es la pérdida que espera el `Trainer`:
        `Trainer(vae, VAE.loss, datos)` o, con otra β, `functools.partial(VAE.loss, beta=4)`.
        `beta` ≥ 0 y `free_bits` = λ ≥ 0 (nats por variable latente) se dan por nombre: `objective`.
        """
        if generator is not None and not isinstance(generator, torch.Generator):
            raise TypeError(
                f"generator debe ser None o un torch.Generator; se recibió {generator!r}. "
                "beta y free_bits se dan por nombre: loss(x, beta=4)."
            )
        x, y = (*x, None)[:2] if isinstance(x, (tuple, list)) else (x, None)
        # a través de forward: así valen la precisión mixta y los varios procesos del Trainer
        return objective(self(x, y, generator), beta, free_bits)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        y: Tensor | None = None,
        mean: bool = False,
    ) -> Tensor:
        """`n` muestras: z ~ N(0, I) y x ~ p(x|z), o la media E[x|z] si `mean=True`."""
        positive_int("n", n)
        like = next(self.decoder_net.parameters(), torch.zeros(()))
        device = like.device if generator is None else generator.device
        z = torch.randn(n, self.latent_dim, generator=generator, dtype=like.dtype, device=device)
        output = self.decoder_output(z.to(like.device), y)
        return self.likelihood.mean(output) if mean else self.likelihood.sample(output, generator)


def _call(net: nn.Module, x: Tensor, y: Tensor | None):
    return net(x) if y is None else net(x, y)


# --- el VAE lineal --------------------------------------------------------------------------------


def linear_vae(dim: int, latent_dim: int) -> VAE:
    r"""El VAE lineal: codificador y decodificador lineales y $p(x|z)=\mathcal N(Wz+m,\sigma^2I)$.

    Su modelo es el de la PPCA, y su q contiene la distribución a posteriori exacta si las columnas
    de W son ortogonales: el máximo de la ELBO es el de la verosimilitud. Lucas et al. (2019).
    """
    likelihood = GaussianLikelihood("shared", min_std=0.0)
    return VAE(LinearEncoder(dim, latent_dim), nn.Linear(latent_dim, dim), likelihood, latent_dim)


def as_ppca(vae: VAE) -> PPCA:
    """El modelo p(x) de un VAE lineal, como `PPCA`; TypeError si no lo es."""
    net, likelihood = vae.decoder_net, vae.likelihood
    linear = isinstance(net, nn.Linear) and net.bias is not None
    gaussian = type(likelihood) is GaussianLikelihood and likelihood.kind != "output"
    if not (linear and gaussian):
        raise TypeError(
            "as_ppca necesita un decodificador nn.Linear con sesgo y una GaussianLikelihood de "
            f"varianza común; se recibió {type(net).__name__} y {likelihood!r}."
        )
    std = likelihood.moments(net.bias)[1].item()
    return PPCA(net.weight, net.bias, std**2)
