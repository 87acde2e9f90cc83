r"""El juego alternado: unos pasos del discriminador, uno del generador, y vuelta a empezar.

Es el `Trainer` del curso con otra pérdida. El generador es su red, de modo que la EMA, la precisión
mixta, los procesos, la barra y los puntos de control son los suyos; el discriminador y su
optimizador viajan como `extras`. Solo se añade lo que el `Trainer` no puede saber: que dentro de un
paso se mueve otra red, y que si el paso falla esa red también tiene que volver atrás.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from course_lib.adversarial.bookkeeping import Before, Ledger, check_batch_norm, frozen, player
from course_lib.adversarial.losses import Pair, gradient_penalty, pair, r1_penalty
from course_lib.errors import in_range, positive_int
from course_lib.training import Trainer
from course_lib.training.divergence import check_finite, check_scalar
from course_lib.training.optimization import DEFAULT_LR, Warmup, make_optimizer

__all__ = ["AdversarialTrainer"]


class AdversarialTrainer(Trainer):
    r"""Juega a $\min_G\max_D V(G,D)$ con pasos alternados de Adam.

    Cada paso: (1) `discriminator_steps` veces, un lote de datos $x_i$, otro de muestras $G(z_i)$ y
    un paso de Adam sobre $L_D+\lambda\,\mathrm{GP}+\gamma\,R_1$; (2) un lote nuevo de $z_i$ y un
    paso sobre $L_G$ con el discriminador quieto; (3) la EMA del generador. Siempre
    $z\sim\mathcal N(0,I)$ en `latent_dim` dimensiones.

    - `generator`: de (B, latent_dim) a lo que sean los datos; `discriminator`: de eso a un número
      por ejemplo, (B,) o (B, 1). Si los datos son una tupla, se usa su primer elemento.
    - `loss`: «saturating», «non-saturating», «wasserstein», «hinge» o una `losses.Pair`.
    - `latent_dim`: por omisión, `generator.latent_dim`.
    - `lr`, `discriminator_lr`: las dos tasas (TTUR); sin la segunda son iguales. `betas`, las de
      los dos Adam: (0.5, 0.999) es de la DCGAN, y (0, 0.9) de WGAN-GP.
    - `gradient_penalty` (λ) y `r1` (γ): pesos de las penalizaciones; 0 las quita.
    - `options`: las demás de `Trainer`. Aquí `warmup=0` y `grad_clip=None` si no se dan; las dos
      valen para ambos jugadores. `compile` compila solo el generador, porque las penalizaciones
      derivan dos veces. No hay `accumulation` ni «fp16».

    `history` es la pérdida del generador; `discriminator_history`, la del discriminador con sus
    penalizaciones. Las dos están en el punto de control, y `resume()` continúa con los mismos bits
    en CPU. Un paso que falla no deja rastro en ninguna de las dos redes.

    Errores: los de `Trainer`; `DivergenceError` dice qué jugador dejó de ser finito.
    Fuentes: Goodfellow et al. (2014), alg. 1; Heusel et al. (2017), sec. 2 (TTUR).
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        data: Any,
        *,
        loss: str | Pair = "non-saturating",
        latent_dim: int | None = None,
        discriminator_steps: int = 1,
        lr: float = DEFAULT_LR,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        gradient_penalty: float = 0.0,
        r1: float = 0.0,
        extras: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        for name, net in (("generator", generator), ("discriminator", discriminator)):
            if not isinstance(net, nn.Module):
                raise TypeError(f"{name} debe ser un nn.Module; se recibió {type(net).__name__}.")
        _check_options(options)
        check_batch_norm(generator, options.get("batch_size"))
        self.latent_dim, self.pair = _latent_dim(generator, latent_dim), pair(loss)
        self.discriminator_steps = positive_int("discriminator_steps", discriminator_steps)
        self.penalty = in_range("gradient_penalty", gradient_penalty, 0.0, inf)
        self.r1 = in_range("r1", r1, 0.0, inf)
        self.discriminator_lr = lr if discriminator_lr is None else discriminator_lr
        for name, rate in (("lr", lr), ("discriminator_lr", self.discriminator_lr)):
            in_range(name, rate, 0.0, inf, open_low=True)
        for i, beta in enumerate(betas):
            in_range(f"betas[{i}]", beta, 0.0, 1.0, open_high=True)

        self.discriminator = discriminator
        adam = partial(torch.optim.Adam, betas=tuple(betas))
        self.discriminator_optimizer = make_optimizer(
            discriminator, partial(adam, lr=self.discriminator_lr), None
        )
        settings = {
            "loss": loss if isinstance(loss, str) else "una Pair propia",
            "discriminator_steps": discriminator_steps,
            "discriminator_lr": self.discriminator_lr,
            "betas": list(betas),
            "gradient_penalty": gradient_penalty,
            "r1": r1,
        }
        self._ledger, self._last = Ledger(settings), float("nan")
        own = {
            "discriminador": discriminator,
            "optimizador del discriminador": self.discriminator_optimizer,
            "juego": self._ledger,
        }
        if repeated := sorted(set(own) & set(extras or {})):
            raise ValueError(f"extras usa nombres que ya son del juego: {', '.join(repeated)}.")
        options = {"warmup": 0, "grad_clip": None, **options, "extras": {**own, **(extras or {})}}
        super().__init__(generator, self._turn, data, optimizer=partial(adam, lr=lr), **options)
        discriminator.to(self.device).eval()
        if options.get("channels_last"):
            discriminator.to(memory_format=torch.channels_last)
        self._share_start()
        self._discriminator_warmup = Warmup(self.discriminator_optimizer, self.warmup)

    @property
    def discriminator_history(self) -> list[tuple[int, float]]:
        """Pares (paso, pérdida del discriminador en su último paso)."""
        return self._ledger.rows

    @property
    def examples_per_step(self) -> int:
        """Datos que se ven en cada paso: un lote por cada paso del discriminador."""
        return super().examples_per_step * self.discriminator_steps

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | int | None = None) -> Tensor:
        """`n` muestras del generador promediado (EMA), en modo evaluación.

        `generator`: un torch.Generator de CPU o una semilla entera.
        """
        if isinstance(generator, int):
            generator = torch.Generator().manual_seed(generator)
        return self.ema_model(self._latents(positive_int("n", n), generator))

    # --- un paso del juego --------------------------------------------------------------------

    def _turn(self, view: nn.Module, batch: Any, rng: torch.Generator) -> Tensor:
        """La «pérdida» que ve el `Trainer`: juega el discriminador y devuelve $L_G$."""
        self.discriminator.train()
        self._discriminator_warmup.set(self.step + 1)
        for i in range(self.discriminator_steps):
            batch = self.stream.next() if i else batch
            real = batch[0] if isinstance(batch, tuple) else batch
            self._discriminator_step(view, real, rng)
        with frozen(self.discriminator):
            return self.pair.generator(self._judge(self._fake(view, real, rng)))

    def _discriminator_step(self, view: nn.Module, real: Tensor, rng: torch.Generator) -> None:
        with torch.no_grad():
            fake = self._fake(view, real, rng)
        real_logits, fake_logits = self._judge(torch.cat([real, fake])).chunk(2)
        loss = self.pair.discriminator(real_logits, fake_logits)
        if self.penalty:
            loss = loss + self.penalty * gradient_penalty(self._judge, real, fake, rng)
        if self.r1:
            loss = loss + self.r1 * r1_penalty(self._judge, real)
        check_scalar(loss).backward()
        self._average_gradients()
        parameters = self.discriminator.parameters()
        self.grad_norm = float(clip_grad_norm_(parameters, self.grad_clip or inf))
        self._last = self.accelerator.reduce(loss.detach().float(), "mean").item()
        with player("el discriminador"):
            check_finite(self, self._last)
        self.discriminator_optimizer.step()
        self.discriminator_optimizer.zero_grad()

    def _fake(self, view: nn.Module, real: Tensor, rng: torch.Generator) -> Tensor:
        """Un lote de muestras del tamaño del de datos."""
        fake = view(self._latents(len(real), rng)).to(real.dtype)
        if fake.shape != real.shape:
            raise ValueError(
                f"generator da muestras de forma {tuple(fake.shape)} y los datos tienen forma "
                f"{tuple(real.shape)}: deben coincidir."
            )
        return fake

    def _judge(self, x: Tensor) -> Tensor:
        """Un número por ejemplo, (B,), con la precisión mixta que se haya pedido."""
        mixed = self.mixed_precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            logits = self.discriminator(x)
        if logits.numel() != len(x):
            raise ValueError(
                f"discriminator debe dar un número por ejemplo, ({len(x)},) o ({len(x)}, 1), y da "
                f"forma {tuple(logits.shape)}."
            )
        return logits.reshape(len(x)).to(x.dtype)

    def _latents(self, n: int, rng: torch.Generator | None) -> Tensor:
        """Latentes normales (n, latent_dim), sorteados en CPU y en el tipo del generador."""
        return torch.randn(n, self.latent_dim, generator=rng).to(next(self.model.parameters()))

    # --- lo que rodea al paso -----------------------------------------------------------------

    def _backward(self) -> float:
        net = self.discriminator
        moving = (*net.parameters(), *net.buffers(), *self.model.buffers())
        self._before = Before(moving, self.discriminator_optimizer)
        try:
            with self._before.restored_on_error():
                return super()._backward()
        finally:
            net.eval()  # quien la mire entre pasos no moverá sus buffers

    def _clip_and_check(self, loss: float) -> None:
        with self._before.restored_on_error(), player("el generador"):
            super()._clip_and_check(loss)
        self.discriminator_history.append((self.step + 1, self._last))

    def _average_gradients(self) -> None:
        """Con varios procesos, la media de sus gradientes (DDP no admite derivar dos veces)."""
        if self.accelerator.num_processes > 1:
            for parameter in self.discriminator.parameters():
                if parameter.grad is not None:
                    parameter.grad = self.accelerator.reduce(parameter.grad, "mean")

    def _share_start(self) -> None:
        """Todos los procesos parten del discriminador del primero, como hace DDP con una red."""
        if self.accelerator.num_processes > 1:
            for tensor in (*self.discriminator.parameters(), *self.discriminator.buffers()):
                torch.distributed.broadcast(tensor.data, src=0)


def _check_options(options: dict[str, Any]) -> None:
    if options.get("accumulation", 1) != 1:
        raise ValueError(
            f"accumulation={options['accumulation']}: el discriminador se actualiza dentro de cada "
            "lote, así que acumular cambiaría el juego. Conviene subir batch_size."
        )
    if options.get("mixed_precision") == "fp16":
        raise ValueError("mixed_precision='fp16' no sirve con dos optimizadores; conviene 'bf16'.")
    if "optimizer" in options:
        raise ValueError("optimizer no se admite: los dos jugadores usan Adam (lr y betas).")


def _latent_dim(generator: nn.Module, given: int | None) -> int:
    own = getattr(generator, "latent_dim", None)
    if given is None and own is None:
        raise ValueError("generator no dice su latent_dim: conviene darlo (latent_dim=2).")
    if None not in (given, own) and given != own:
        raise ValueError(f"latent_dim={given} y el generador espera {own}: deben coincidir.")
    return positive_int("latent_dim", given if own is None else own)
