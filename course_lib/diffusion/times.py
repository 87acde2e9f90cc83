"""Cómo se sortean los instantes t del entrenamiento: cada uno llega con su peso de importancia."""

import torch
from torch import Tensor

from course_lib.diffusion.schedules import T_EPS, Schedule
from course_lib.errors import in_range, positive_int

MIN_SHARE = 1e-6  # la menor parte de la log-normal que debe caber en el rango del esquema


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


class LikelihoodImportance:
    r"""t con densidad $∝ g^2/σ^2 = -\frac{d}{dt}\log\mathrm{SNR}$: la log-SNR queda uniforme.

    Quita a la pérdida con λ = g² el factor que más varía con t. El peso, (media de la densidad de
    `Uniform`)/(densidad de aquí), deja insesgada la media de cualquier pérdida sobre [0.001, 1]; si
    α(1) = 0, sobre [0.001, 0.999], porque hasta 1 la densidad no se puede normalizar: al tramo que
    falta, (0.999, 1], solo llega `Uniform`. En una tabla, el nodo k sale con probabilidad
    $∝ g^2/σ^2$ en k/T.
    Fuente: Song et al. (2021c), sec. 5.
    """

    def __call__(self, schedule: Schedule, n: int, generator=None) -> tuple[Tensor, Tensor]:
        u = torch.rand(n, generator=generator, dtype=torch.float64)
        if hasattr(schedule, "T"):
            nodes = torch.arange(1, schedule.T + 1, dtype=torch.float64) / schedule.T
            cumulated = snr_decay(schedule, nodes).cumsum(0)
            chosen = torch.searchsorted(cumulated, u * cumulated[-1], right=True)
            t = nodes[chosen.clamp(max=schedule.T - 1)]
            return t, cumulated[-1] / schedule.T / snr_decay(schedule, t)
        low, high = noisy_range(schedule)
        first, last = schedule.log_snr(low), schedule.log_snr(high)
        t = schedule.inverse_log_snr(first + u * (last - first)).clamp(low, high)
        return t, (first - last) / (high - low) / snr_decay(schedule, t)

    def update(self, schedule: Schedule, t: Tensor, losses: Tensor) -> None:
        """Nada que aprender de las pérdidas."""


class LogNormal:
    r"""$\ln(σ/α)\sim N(\mathrm{mean}, \mathrm{std}^2)$, truncada al rango del esquema; peso 1.

    El rango es el de `LikelihoodImportance`; en una tabla, t se lleva al nodo más cercano. Con peso
    1 no estima la pérdida media de `Uniform`: la densidad de t es parte del objetivo. `ValueError`
    si el rango deja fuera casi toda la distribución. Fuente: Karras et al. (2022), tabla 1.
    """

    def __init__(self, mean: float = -1.2, std: float = 1.2):
        self.mean = in_range("mean", mean, -1e3, 1e3)
        self.std = in_range("std", std, 0, 1e3, open_low=True)

    def __call__(self, schedule: Schedule, n: int, generator=None) -> tuple[Tensor, Tensor]:
        u = torch.rand(n, generator=generator, dtype=torch.float64)
        low, high = noisy_range(schedule)
        ends = torch.stack([-schedule.log_snr(low) / 2, -schedule.log_snr(high) / 2])
        first, last = torch.special.ndtr((ends - self.mean) / self.std)
        if last - first < MIN_SHARE:
            raise ValueError(
                f"mean={self.mean:g} y std={self.std:g} casi no tocan el rango de ln(σ/α) de "
                f"{schedule!r}, de {ends[0]:.3g} a {ends[1]:.3g}. Conviene una media de ese rango."
            )
        z = torch.special.ndtri(first + u * (last - first))
        t = schedule.inverse_log_snr(-2 * (self.mean + self.std * z)).clamp(low, high)
        if hasattr(schedule, "T"):
            t = (t * schedule.T).round().clamp(min=1) / schedule.T
        return t, torch.ones(n)

    def update(self, schedule: Schedule, t: Tensor, losses: Tensor) -> None:
        """Nada que aprender de las pérdidas."""


def noisy_range(schedule: Schedule) -> tuple[float, float]:
    """Los instantes entre los que se sortea por log-SNR: de T_EPS a 1, o a 1 − T_EPS si α(1) = 0."""
    return T_EPS, schedule.finite_range[1]


def snr_decay(schedule: Schedule, t: Tensor) -> Tensor:
    r"""$g^2/σ^2 = -\frac{d}{dt}\log\mathrm{SNR}$, en float64."""
    return schedule.drift_diffusion(t)[1] / schedule.sigma(t) ** 2
