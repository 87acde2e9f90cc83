"""Una red de densidad de mezcla: la ley de y dado x es una mezcla de gaussianas que da la red."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from course_lib.errors import floating, positive_int

STD_FLOOR = 1e-3  # en unidades de y: sin él, la verosimilitud crece sin cota


class MixtureDensityNetwork(nn.Module):
    r"""$p(y|x)=\sum_k w_k(x)\,\mathcal N\big(y;\,m_k(x),\,\mathrm{diag}\,s_k(x)^2\big)$.

    `layers` capas SiLU de `hidden` unidades dan, para cada x de `in_dim` componentes, los pesos
    (softmax), las medias y las desviaciones (softplus más `STD_FLOOR`) de `components` gaussianas
    en dimensión `out_dim`. Conviene que x e y estén centradas y con desviación cercana a 1.
    No usa la `MLP` del curso porque aquí no hay tiempo t. Bishop (2006), ecs. 5.148–5.153.
    """

    def __init__(
        self, in_dim: int, out_dim: int, components: int = 5, hidden: int = 64, layers: int = 2
    ):
        super().__init__()
        self.in_dim, self.out_dim = positive_int("in_dim", in_dim), positive_int("out_dim", out_dim)
        self.components = positive_int("components", components)
        widths = [in_dim] + [positive_int("hidden", hidden)] * positive_int("layers", layers)
        body = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            body += [nn.Linear(before, after), nn.SiLU()]
        self.body = nn.Sequential(*body)
        self.logits = nn.Linear(hidden, components)
        self.means = nn.Linear(hidden, components * out_dim)
        self.scales = nn.Linear(hidden, components * out_dim)
        nn.init.normal_(self.means.bias)  # medias separadas desde el principio

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""De `x` (B, in_dim), $\log w_k$ (B, K), las medias y las desviaciones (B, K, D)."""
        h = self.body(self._check("x", x, self.in_dim))
        shape = (len(x), self.components, self.out_dim)
        stds = softplus(self.scales(h)).reshape(shape) + STD_FLOOR
        return self.logits(h).log_softmax(-1), self.means(h).reshape(shape), stds

    def log_prob(self, x: Tensor, y: Tensor) -> Tensor:
        r"""$\log p(y|x)$ en nats, por log-sum-exp; `x` (B, in_dim), `y` (B, out_dim), da (B,)."""
        y = self._check("y", y, self.out_dim)
        if len(x) != len(y):
            raise ValueError(f"x e y deben tener el mismo lote; se recibió {len(x)} y {len(y)}.")
        log_weights, means, stds = self(x)
        z = (y[:, None] - means) / stds
        log_normal = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1) - stds.log().sum(-1)
        return (log_weights + log_normal).logsumexp(-1)

    @torch.no_grad()
    def sample(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Una muestra de y por cada fila de `x` (B, in_dim); forma (B, out_dim)."""
        log_weights, means, stds = self(x)
        device = x.device if generator is None else generator.device
        weights = log_weights.exp().to(device)
        chosen = torch.multinomial(weights, 1, generator=generator)[:, 0].to(x.device)
        rows = torch.arange(len(x), device=x.device)
        noise = torch.randn(
            len(x), self.out_dim, generator=generator, dtype=means.dtype, device=device
        )
        return means[rows, chosen] + stds[rows, chosen] * noise.to(x.device)

    @staticmethod
    def _check(argument: str, value: Tensor, dim: int) -> Tensor:
        value = floating(argument, value)
        if value.ndim != 2 or value.shape[1] != dim:
            raise ValueError(
                f"{argument} debe tener forma (B, {dim}) y tiene forma {tuple(value.shape)}."
            )
        return value
