"""Cómo se sortean los instantes t del entrenamiento: cada uno llega con su peso de importancia."""

import torch
from torch import Tensor

from course_lib.diffusion.schedules import Schedule
from course_lib.errors import positive_int


class Uniform:
    """t uniforme: la cadena k/T si el esquema es tabulado, el intervalo (0, 1] si es continuo.

    Con `stratified=True` el lote reparte sus t por igual: el i-ésimo cae en el tramo i de [0, 1],
    todos con el mismo desplazamiento (Kingma et al., 2021, ap. I.1); el peso es 1.
    """

    def __init__(self, stratified: bool = False):
        self.stratified = stratified

    def __call__(self, schedule: Schedule, n: int, generator=None) -> tuple[Tensor, Tensor]:
        if self.stratified:
            shift = torch.rand((), generator=generator, dtype=torch.float64)
            u = (torch.arange(n, dtype=torch.float64) / n + shift) % 1
        else:
            u = torch.rand(n, generator=generator, dtype=torch.float64)
        return schedule.snap(u), torch.ones(n)

    def update(self, schedule: Schedule, t: Tensor, losses: Tensor) -> None:
        """Nada que aprender de las pérdidas."""


class LossAware:
    r"""Muestreo por importancia según las pérdidas vistas: $p_k ∝ \sqrt{\mathbb E[L_k^2]}$.

    Guarda las últimas `history` pérdidas de cada tramo; hasta tenerlas todas sortea uniforme. El
    peso $1/(n\,p_k)$ deja insesgada la media. Fuente: Nichol y Dhariwal (2021), ec. 18.
    """

    def __init__(self, bins: int = 1000, history: int = 10, uniform_share: float = 1e-3):
        self.bins, self.history = positive_int("bins", bins), positive_int("history", history)
        self.uniform_share = uniform_share
        self.losses = torch.zeros(bins, history, dtype=torch.float64)
        self.counts = torch.zeros(bins, dtype=torch.long)

    @property
    def probabilities(self) -> Tensor:
        """La probabilidad de cada tramo, forma (bins,)."""
        flat = torch.full((self.bins,), 1 / self.bins, dtype=torch.float64)
        if (self.counts < self.history).any():
            return flat
        root = self.losses.square().mean(1).sqrt()
        return (1 - self.uniform_share) * root / root.sum() + self.uniform_share * flat

    def __call__(self, schedule: Schedule, n: int, generator=None) -> tuple[Tensor, Tensor]:
        if getattr(schedule, "T", self.bins) < self.bins:
            raise ValueError(
                f"bins={self.bins} supera los {schedule.T} pasos de {schedule!r}: habría tramos sin "
                f"pérdidas y el sorteo nunca dejaría de ser uniforme. Conviene bins={schedule.T}."
            )
        p = self.probabilities
        chosen = torch.multinomial(p, n, replacement=True, generator=generator)
        inside = torch.rand(n, generator=generator, dtype=torch.float64)
        return schedule.snap((chosen + inside) / self.bins), (1 / (self.bins * p[chosen])).float()

    def update(self, schedule: Schedule, t: Tensor, losses: Tensor) -> None:
        """Anota las pérdidas (B,) vistas en los instantes `t` (B,), que sorteó este `schedule`."""
        u = schedule.unsnap(t.detach().cpu().double())
        chosen = (u * self.bins).long().clamp(0, self.bins - 1)
        for k, loss in zip(chosen.tolist(), losses.detach().double().tolist(), strict=True):
            self.losses[k, self.counts[k] % self.history] = loss
            self.counts[k] += 1

    def state_dict(self) -> dict[str, Tensor]:
        """Lo que hay que guardar para continuar."""
        return {"losses": self.losses, "counts": self.counts}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Recupera lo guardado; `ValueError`, sin cambiar nada, si es de otros bins o history."""
        for name, own in self.state_dict().items():
            if name not in state or state[name].shape != own.shape:
                found = tuple(state[name].shape) if name in state else "nada"
                raise ValueError(
                    f"lo guardado no es de un LossAware(bins={self.bins}, history={self.history}): "
                    f"{name} debe tener forma {tuple(own.shape)} y hay {found}. Conviene crearlo "
                    "con los mismos bins y history con que se guardó."
                )
        self.losses, self.counts = state["losses"].clone(), state["counts"].clone()
