r"""El esquema tabulado de DDPM: β_1, …, β_T y las leyes que de ellas salen.

Los índices son los de los artículos, k = 1..T, y el instante es $t = k/T$: $\barα_k = α(k/T)^2$.
"""

import numpy as np
import torch
from torch import Tensor

from course_lib.diffusion.schedules import Schedule, double, expand
from course_lib.errors import in_range, positive_int, same_shape

BETA_CAP = 0.999  # Nichol y Dhariwal (2021), sec. 3.2
NODE = 1e-4  # redondeo de t·T que aún se lee como «en el nodo»
FLOAT32 = 2.0**-24  # el de un t en float32


class DDPM(Schedule):
    r"""Cadena $x_k = \sqrt{1-β_k}\,x_{k-1} + \sqrt{β_k}\,ε_k$, tabulada en float64.

    Entre dos nodos, $-\log\barα$ se interpola con una recta: es la SDE VP cuya β(t) es constante
    a trozos, así que $f$, $g^2$ y las derivadas existen y en los nodos mandan las β de la tabla.
    """

    def __init__(self, betas: Tensor, name: str | None = None):
        betas = double(betas)
        if betas.ndim != 1 or len(betas) == 0:
            raise ValueError(
                f"betas debe tener forma (T,) con T ≥ 1; se recibió {tuple(betas.shape)}."
            )
        wrong = ~((betas > 0) & (betas < 1))
        if wrong.any():
            k = int(wrong.nonzero()[0, 0])
            raise ValueError(
                f"cada β debe estar en (0, 1) y β_{k + 1} = {betas[k]:g}. {remedy(betas[k])}"
            )
        self.name = name or f"DDPM(T={len(betas)})"
        self.betas = betas
        decay = torch.cat([torch.zeros(1, dtype=torch.float64), -torch.log1p(-betas)])
        self.integral = torch.cumsum(decay, 0)  # B_k = −log ᾱ_k
        self.alphas_bar = torch.exp(-self.integral)

    # --- las tres tablas clásicas ----------------------------------------------------------

    @classmethod
    def linear(cls, T: int = 1000, beta_1: float | None = None, beta_T: float | None = None):
        r"""β de `beta_1` a `beta_T` en línea recta (Ho et al., 2020, sec. 4).

        Si no se dan, $10^{-4}$ y $0.02$ multiplicadas por $1000/T$, para que $\barα_T$ no dependa
        de T; con T < 21 la última pasa de 1 y hay `ValueError`.
        """
        positive_int("T", T)
        if beta_T is None and T < 21:
            raise ValueError(
                f"la tabla lineal con T={T} pasos necesita β_T = {20 / T:g} ≥ 1: es demasiado "
                "corta. Conviene T ≥ 21, o DDPM.cosine(T), o dar beta_T explícita."
            )
        beta_1 = 0.1 / T if beta_1 is None else beta_1
        beta_T = 20 / T if beta_T is None else beta_T
        in_range("beta_1", beta_1, 0, 1, open_low=True, open_high=True)
        in_range("beta_T", beta_T, 0, 1, open_low=True, open_high=True)
        return cls(torch.from_numpy(np.linspace(beta_1, beta_T, T)), f"DDPM.linear(T={T})")

    @classmethod
    def cosine(cls, T: int = 1000, s: float = 0.008):
        r"""$\barα_k ∝ \cos^2\frac{π}{2}\frac{k/T+s}{1+s}$, con β ≤ 0.999.

        Fuente: Nichol y Dhariwal (2021), ec. 17.
        """
        positive_int("T", T)
        in_range("s", s, 0, 1)
        u = np.arange(T + 1) / T
        return cls._from_alphas_bar(
            np.cos(np.pi / 2 * (u + s) / (1 + s)) ** 2, f"DDPM.cosine(T={T})"
        )

    @classmethod
    def sigmoid(cls, T: int = 1000, start: float = -3.0, end: float = 3.0, tau: float = 1.0):
        r"""$\barα_k ∝ S(e/τ) - S((a + \frac kT(e-a))/τ)$, $S$ la logística, $a$ y $e$ sus extremos.

        Fuente: Chen (2023), alg. 1; β ≤ 0.999 como en la tabla coseno.
        """
        positive_int("T", T)
        if not start < end:
            raise ValueError(f"start debe ser menor que end; se recibió {start:g} y {end:g}.")
        in_range("tau", tau, 0, 1e6, open_low=True)
        u = (start + (end - start) * np.arange(T + 1) / T) / tau
        logistic = 1 / (1 + np.exp(-u))
        return cls._from_alphas_bar(logistic[-1] - logistic, f"DDPM.sigmoid(T={T})")

    @classmethod
    def _from_alphas_bar(cls, alphas_bar: np.ndarray, name: str):
        with np.errstate(invalid="ignore"):  # 0/0 da una β que no es un número: la dice __init__
            betas = 1 - alphas_bar[1:] / alphas_bar[:-1]
        return cls(torch.from_numpy(np.minimum(betas, BETA_CAP)), name)

    # --- la ley en tiempo continuo ---------------------------------------------------------

    @property
    def T(self) -> int:
        """Número de pasos de la tabla."""
        return len(self.betas)

    def _minus_log_alpha_bar(self, t: float | Tensor) -> Tensor:
        t = double(t)
        table = self.integral.to(t.device)
        position = t * self.T
        rounding = max(NODE, FLOAT32 * self.T)
        left = torch.ceil(position.detach() - rounding).long() - 1  # en un nodo, el tramo anterior
        left = left.clamp(0, self.T - 1)
        return table[left] + (table[left + 1] - table[left]) * (position - left)

    def alpha(self, t):
        return torch.exp(-self._minus_log_alpha_bar(t) / 2)

    def sigma(self, t):
        return torch.sqrt(-torch.expm1(-self._minus_log_alpha_bar(t)))

    def grid(self, n: int, spacing: str = "t", t_max: float = 1.0, t_min: float = 0.0) -> Tensor:
        """Como en `Schedule.grid`, con cada instante llevado al nodo k/T más cercano y sin repetir.

        Pedir más pasos que los T de la tabla es un `ValueError`.
        """
        positive_int("n", n)
        k_max = round(in_range("t_max", t_max, 0, 1, open_low=True) * self.T)
        room = k_max - round(in_range("t_min", t_min, 0, t_max, open_high=True) * self.T)
        if n > room:
            since = f"de t={t_min:g} " if t_min else ""
            raise ValueError(
                f"steps={n} supera los {room} pasos que tiene {self.name} {since}hasta t={t_max:g}. "
                f"Conviene steps ≤ {room} o una tabla más larga."
            )
        rising = torch.round(super().grid(n, spacing, t_max, t_min) * self.T).flip(0)
        order = torch.arange(n + 1, dtype=torch.float64)
        rising = torch.cummax(rising - order, 0).values + order  # sin repetidos…
        rising = torch.minimum(rising, k_max - n + order)  # …y sin pasar del primero
        return rising.flip(0) / self.T

    def snap(self, u: Tensor) -> Tensor:
        """Lleva `u` de [0, 1) a un nodo k/T con k en 1..T."""
        return (torch.floor(u * self.T) + 1).clamp(max=self.T) / self.T

    def unsnap(self, t: Tensor) -> Tensor:
        return t - 1 / (2 * self.T)

    # --- la cadena de vuelta ---------------------------------------------------------------

    @property
    def posterior_variance(self) -> Tensor:
        r"""$\tildeβ_k = \frac{1-\barα_{k-1}}{1-\barα_k}β_k$, forma (T,); $\tildeβ_1 = 0$."""
        sigma2 = -torch.expm1(-self.integral)
        return sigma2[:-1] / sigma2[1:] * self.betas

    def posterior(self, x0: Tensor, x_t: Tensor, k: int | Tensor) -> tuple[Tensor, Tensor]:
        r"""Media y varianza de $q(x_{k-1}\mid x_k, x_0)$ (Ho et al., 2020, ecs. 6 y 7).

        $\tildeμ = \frac{\sqrt{\barα_{k-1}}β_k}{1-\barα_k}x_0 +
        \frac{\sqrt{1-β_k}(1-\barα_{k-1})}{1-\barα_k}x_k$. `k` es un entero o un tensor (B,) con
        valores en 1..T; las dos salidas se difunden sobre `x_t`.
        """
        same_shape("x0", x0, "x_t", x_t)
        k = torch.as_tensor(k)
        if k.is_floating_point() or ((k < 1) | (k > self.T)).any():
            raise ValueError(f"k debe ser entero y estar en 1..{self.T}; se recibió {k.tolist()}.")
        if k.ndim and k.shape != (len(x_t),):
            raise ValueError(
                f"k debe ser un entero o tener forma ({len(x_t)},); tiene {tuple(k.shape)}."
            )
        k = k.cpu()
        beta, sigma2 = self.betas[k - 1], -torch.expm1(-self.integral)
        on_x0 = torch.sqrt(self.alphas_bar[k - 1]) * beta / sigma2[k]
        on_xt = torch.sqrt(1 - beta) * sigma2[k - 1] / sigma2[k]
        variance = sigma2[k - 1] / sigma2[k] * beta
        mean = expand(on_x0, x_t) * x0 + expand(on_xt, x_t) * x_t
        return mean, expand(variance, x_t)

    def __repr__(self) -> str:
        return self.name


def remedy(beta: Tensor) -> str:
    """Qué conviene hacer con una β que no está en (0, 1)."""
    if beta == 0 or beta.isnan():
        return (
            "Si la tabla es sigmoide, ahí es tan plana que β no cabe en float64: conviene subir "
            "tau, o acercar a 0 start y end."
        )
    return "Si la tabla es lineal, hacen falta más pasos (T) o una β final menor."
