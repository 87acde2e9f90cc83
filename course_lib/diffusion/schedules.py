r"""El esquema de ruido (*schedule*): dos funciones α(t), σ(t) y todo lo que de ellas se deduce.

La ley de toda la biblioteca es $x_t = α(t)\,x_0 + σ(t)\,ε$, con $t$ de 0 (datos) a 1 (ruido).
"""

from abc import ABC, abstractmethod
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import choose, in_range, positive_int, same_shape
from course_lib.noise import standard_normal

T_EPS = 1e-3  # último instante con ruido en las rejillas que miden en λ
T_TINY = 1e-12  # sustituye a t = 0 donde solo existe el límite por la derecha
T_ROUNDING = 1e-6  # lo que un t = 1 calculado en float32 puede pasarse de 1


def double(t: float | Tensor) -> Tensor:
    """Pasa `t` a float64 (en la CPU si el dispositivo, como MPS, no conoce ese tipo)."""
    if not isinstance(t, Tensor):  # sin pasar por float32: 0.1 llega con todas sus cifras
        return torch.as_tensor(t, dtype=torch.float64)
    return (t.cpu() if t.device.type == "mps" else t).double()


class Schedule(ABC):
    r"""Una ley de ruido; cada subclase escribe solo $α(t)$ y $σ(t)$, en float64.

    Los instantes `t` son números o tensores con valores en [0, 1]; si no, `ValueError` en todo lo
    que se deduce de α y σ (que, como fórmulas, se evalúan donde se les pida).
    """

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        r"""El factor $α(t)$ que multiplica a $x_0$."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        r"""La desviación típica $σ(t)$ del ruido."""

    # --- magnitudes que se deducen de α y σ ------------------------------------------------

    def log_snr(self, t: float | Tensor) -> Tensor:
        r"""Logaritmo de la relación señal-ruido, $\log(α_t^2/σ_t^2) = 2λ(t)$, en nats."""
        t = unit_times(t)
        return 2 * (torch.log(self.alpha(t)) - torch.log(self.sigma(t)))

    def at(self, t: float | Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        r"""Devuelve $(α_t, σ_t)$ con el tipo de `like` y formas que se difunden sobre él.

        `t` es un número o un tensor de forma (B,), con B = `like.shape[0]`; si no, `ValueError`.
        """
        t = times_for(t, like)
        return expand(self.alpha(t), like), expand(self.sigma(t), like)

    def perturb(self, x0: Tensor, t: float | Tensor, eps: Tensor) -> Tensor:
        r"""$x_t = α_t x_0 + σ_t ε$ (Kingma et al., 2021, ec. 1); `x0` y `eps`, de igual forma."""
        same_shape("eps", eps, "x0", x0)
        alpha, sigma = self.at(t, like=x0)
        return alpha * x0 + sigma * eps

    def rates(self, t: float | Tensor) -> tuple[Tensor, Tensor]:
        r"""Derivadas $(\dot α_t, \dot σ_t)$, por diferenciación automática, con la forma de `t`."""
        with torch.inference_mode(False), torch.enable_grad():  # también dentro de inference_mode
            t = unit_times(t).detach().clone().requires_grad_()
            return tuple(  # 0·t: una ley constante, como α = 1, también depende de t
                torch.autograd.grad((law(t) + 0 * t).sum(), t)[0]
                for law in (self.alpha, self.sigma)
            )

    def drift_diffusion(self, t: float | Tensor) -> tuple[Tensor, Tensor]:
        r"""Coeficientes de $dx = f(t)\,x\,dt + g(t)\,dW$: devuelve $(f, g^2)$.

        $f = \dot α/α$ y $g^2 = 2σ(\dot σ - σ\dot α/α)$ (Kingma et al., 2021, ap. A); en t = 0 se
        da el límite por la derecha. Donde α = 0 la SDE es singular y f es infinito.
        """
        t = unit_times(t).clamp(min=T_TINY)
        alpha, sigma = self.alpha(t), self.sigma(t)
        alpha_rate, sigma_rate = self.rates(t)
        f = alpha_rate / alpha
        return f, 2 * sigma * (sigma_rate - sigma * f)

    # --- extremos: la distribución previa y el final de la rejilla -------------------------

    def prior_sample(
        self, shape, generator=None, device=None, dtype=torch.float32, t: float = 1.0
    ) -> Tensor:
        r"""Muestras de $N(0, σ_t^2 I)$, la ley de partida en el instante `t` (1 si no se dice).

        Una semilla entera da aquí un azar distinto del que da en `sample`: se puede repetir.
        """
        like = torch.empty(tuple(shape), device=device, dtype=dtype)
        return self.at(t, like=like)[1] * standard_normal(like, generator, stream=1)

    def prior_log_prob(self, x: Tensor) -> Tensor:
        r"""$\log N(x; 0, σ_1^2 I)$ por ejemplo, en nats; `x` de forma (B, …) → (B,)."""
        sigma = self.at(1.0, like=x)[1]
        return torch.distributions.Normal(0.0, sigma).log_prob(x).flatten(1).sum(1)

    @property
    def end(self) -> str:
        """Dice en qué termina la rejilla: en los datos o en el menor ruido del esquema."""
        sigma = self.sigma(double(0.0)).item()
        if sigma == 0:
            return "σ(0) = 0: la trayectoria termina en x_0"
        return f"σ(0) = {sigma:g}: la trayectoria termina con ese resto de ruido"

    @property
    def finite_range(self) -> tuple[float, float]:
        """Entre qué instantes es finita la log-SNR: [0, 1], menos `T_EPS` donde σ(0) o α(1) son 0."""
        starts, ends = torch.isfinite(self.log_snr(double([0.0, 1.0]))).tolist()
        return 0.0 if starts else T_EPS, 1.0 if ends else 1 - T_EPS

    def grid(self, n: int, spacing: str = "t", t_max: float = 1.0, t_min: float = 0.0) -> Tensor:
        r"""Rejilla decreciente de n + 1 instantes, de `t_max` a `t_min`, en float64.

        `spacing="t"`: uniforme en t; `"lambda"`: uniforme en $λ = \log(α/σ)$ (Lu et al., 2022);
        `"rho"`: uniforme en $(σ/α)^{1/7}$ (Karras et al., 2022, ec. 5). Las dos últimas, si
        terminan donde σ = 0, llegan hasta `T_EPS` con n − 1 pasos y dan el último hasta 0.
        """
        positive_int("n", n)
        choose("spacing", spacing, ["t", "lambda", "rho"])
        in_range("t_max", t_max, 0, 1, open_low=True)
        in_range("t_min", t_min, 0, t_max, open_high=True)
        if spacing == "t" or n == 1:
            return torch.linspace(t_max, t_min, n + 1, dtype=torch.float64)
        ends_clean = self.sigma(double(t_min)).item() == 0
        lowest = min(T_EPS, t_max / 2) if ends_clean else t_min
        highest = min(t_max, self.finite_range[1])
        grid = self.inverse_log_snr(
            spaced_log_snr(self.log_snr(highest), self.log_snr(lowest), n + 1 - ends_clean, spacing)
        )
        grid[0], grid[-1] = t_max, lowest
        return torch.cat([grid, torch.zeros(1, dtype=torch.float64)]) if ends_clean else grid

    def snap(self, u: Tensor) -> Tensor:
        """Lleva `u` de [0, 1) a un instante de entrenamiento: aquí, al intervalo [T_EPS, 1)."""
        return T_EPS + (1 - T_EPS) * u

    def unsnap(self, t: Tensor) -> Tensor:
        """Deshace `snap`: el u del que sale el instante `t` (en una tabla, el centro de los suyos)."""
        return (t - T_EPS) / (1 - T_EPS)

    def inverse_log_snr(self, log_snr: Tensor) -> Tensor:
        """El instante t en que el logaritmo de la SNR (que decrece) vale `log_snr`: bisección."""
        log_snr = double(log_snr)
        low, high = torch.zeros_like(log_snr), torch.ones_like(log_snr)
        for _ in range(60):
            middle = (low + high) / 2
            earlier = self.log_snr(middle) > log_snr
            low, high = torch.where(earlier, middle, low), torch.where(earlier, high, middle)
        return (low + high) / 2

    def __repr__(self) -> str:
        arguments = ", ".join(
            f"{name}={value:g}" if isinstance(value, Real) else f"{name}={value!r}"
            for name, value in vars(self).items()
        )
        return f"{type(self).__name__}({arguments})"


def can_look(t: Tensor) -> bool:
    """Si mirar los valores de `t` no obliga a esperar a la GPU ni parte el grafo al compilar."""
    return not torch.compiler.is_compiling() and t.device.type == "cpu"


def unit_times(t: float | Tensor) -> Tensor:
    """`t` en float64, si cabe en [0, 1]; si no, `ValueError` (solo se mira en la CPU)."""
    t = double(t)
    if can_look(t) and not ((t >= 0) & (t <= 1 + T_ROUNDING)).all():  # un NaN tampoco vale
        raise ValueError(
            f"t debe estar en [0, 1] y se recibieron valores entre {t.min():g} y {t.max():g}. "
            "El paso k de una tabla de T pasos es t = k/T."
        )
    return t


def times_for(t: float | Tensor, like: Tensor) -> Tensor:
    """Los instantes `t` en float64: un escalar o uno por ejemplo de `like`, todos en [0, 1].

    Si no, `ValueError` (los valores solo se miran cuando `t` está en la CPU).
    """
    t = unit_times(t)
    if t.ndim == 0 or (t.ndim == 1 and t.shape[0] == like.shape[0]):
        return t
    raise ValueError(
        f"t debe ser un número o un tensor de forma ({like.shape[0]},), uno por ejemplo; "
        f"se recibió la forma {tuple(t.shape)}."
    )


def instants(argument: str, times, trend: str | None = "decrecer") -> Tensor:
    """Una rejilla (N+1,), en float64 y en la CPU, que crece o decrece estrictamente en [0, 1].

    `trend`: "crecer", "decrecer" o None (cualquiera de las dos cosas, en cualquier intervalo).
    """
    try:
        grid = double(times).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        received = type(times).__name__
        raise TypeError(f"{argument} no se puede leer como instantes; es {received}.") from error
    gaps = grid.diff() if grid.ndim == 1 and len(grid) > 1 else torch.full((1,), torch.nan)
    up, down = bool((gaps > 0).all()), bool((gaps < 0).all())
    allowed = torch.isfinite(grid) if trend is None else (grid >= 0) & (grid <= 1)
    if allowed.all() and {"crecer": up, "decrecer": down, None: up or down}[trend]:
        return grid
    where = "crecer o decrecer estrictamente" if trend is None else f"{trend} estrictamente"
    raise ValueError(
        f"la rejilla de {argument} debe {where}{'' if trend is None else ' dentro de [0, 1]'} y "
        f"tener al menos dos instantes; se recibió {times!r}."
    )


def expand(values: Tensor, like: Tensor) -> Tensor:
    """Pone `values`, escalar o de forma (B,), con el tipo de `like` y unos al final de su forma."""
    not_integer("x", like)  # en uint8, α y σ se redondearían a 0 sin avisar
    values = values.to(device=like.device, dtype=like.dtype)
    return values.reshape(values.shape + (1,) * (like.ndim - 1)) if values.ndim else values


def not_integer(argument: str, x: Tensor) -> Tensor:
    """Devuelve `x` si es de coma flotante; si no, `TypeError` que dice cómo convertirlo."""
    if x.is_floating_point():
        return x
    raise TypeError(
        f"{argument} debe ser de coma flotante; se recibió {x.dtype}. Las imágenes uint8 se "
        "llevan a [-1, 1] con course_lib.data.images.to_model(...)."
    )


def spaced_log_snr(start: Tensor, stop: Tensor, count: int, spacing: str) -> Tensor:
    """`count` valores de log-SNR entre dos extremos, uniformes en λ o en (σ/α)^(1/7)."""
    if spacing == "lambda":
        return torch.from_numpy(np.linspace(start.item(), stop.item(), count))
    rho = 7  # el exponente de Karras et al. (2022)
    noise_to_signal = [torch.exp(-end / (2 * rho)).item() for end in (start, stop)]
    return -2 * rho * torch.log(torch.from_numpy(np.linspace(*noise_to_signal, count)))
