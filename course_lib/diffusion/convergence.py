r"""El teorema de convergencia, visible: la distribución de una cadena inversa en 1-D y su cota.

La cadena es la de `samplers.euler_maruyama`: de $t_k$ a $t_{k+1}<t_k$, con $h=t_k-t_{k+1}$, el núcleo
$\hat p(x_{k+1}\mid x_k)=N(x_k-h(f x_k-g^2s_θ(x_k,t_k)),\,g^2h)$. Todo se calcula por cuadratura en
`nodes`, sin muestrear: la regla del trapecio, muy exacta mientras los nodos disten menos que $g\sqrt h$.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.diffusion.predictions import schedule_of
from course_lib.diffusion.schedules import Schedule, double, instants, unit_times
from course_lib.diffusion.sde import coefficients, kernel
from course_lib.errors import floating, same_shape
from course_lib.probability import Gaussian
from course_lib.probability.divergences import integrated_entropy, integrated_kl

__all__ = ["Bound", "bound", "chain_density", "marginal", "score_of", "total_variation"]

Score = Callable[[Tensor, float], Tensor]
LOST = 1e-3  # masa de la cadena que puede escapar de los nodos antes de que se diga
MISSED = 1e-5  # y de las distribuciones exactas, de cuyas colas depende la KL


@dataclass(frozen=True)
class Bound:
    r"""Cotas de $\mathrm{TV}(p_{t_N},\hat p_N)$ y los sumandos, en nats, de los que salen.

    `per_step`, (N, 3): lo que pone cada paso en `discretisation`, `score` e `interaction`.
    """

    forgetting: float
    per_step: Tensor

    def __repr__(self) -> str:
        return (
            f"Bound(olvido={self.forgetting:.3g}, discretización={self.discretisation:.3g}, "
            f"score={self.score:.3g}, interacción={self.interaction:.3g}; KL={self.kl:.3g} nats; "
            f"TV ≤ {self.pinsker:.3g} ≤ {self.total:.3g})"
        )

    @property
    def discretisation(self) -> float:
        """Lo que cuesta el paso h con el score exacto: ≥ 0."""
        return self.per_step[:, 0].sum().item()

    @property
    def score(self) -> float:
        r"""$\sum_k\frac12g^2h\,E\|s_θ-\nabla\log p\|^2$: el error del score, por sí solo."""
        return self.per_step[:, 1].sum().item()

    @property
    def interaction(self) -> float:
        """El producto cruzado de los dos errores; puede ser negativo y es 0 si uno de ellos lo es."""
        return self.per_step[:, 2].sum().item()

    @property
    def kl(self) -> float:
        """La KL entre las dos cadenas enteras, en nats: la suma de los cuatro términos."""
        return self.forgetting + self.per_step.sum().item()

    @property
    def pinsker(self) -> float:
        r"""$\mathrm{TV}\le\sqrt{\mathrm{KL}/2}$ (Pinsker); por encima de 1 no dice nada."""
        return math.sqrt(max(self.kl, 0.0) / 2)

    @property
    def total(self) -> float:
        r"""Los tres errores por separado: $\mathrm{TV}\le\sqrt{O/2}+\sqrt{D/2}+\sqrt{S/2}$, ≥ `pinsker`.

        O, D y S son `forgetting`, `discretisation` y `score`: por Cauchy–Schwarz `interaction` no
        pasa de $2\sqrt{DS}$, luego $\mathrm{KL}\le O+(\sqrt D+\sqrt S)^2$.
        """
        terms = (self.forgetting, self.discretisation, self.score)
        return sum(math.sqrt(max(term, 0.0) / 2) for term in terms)


def score_of(denoiser) -> Score:
    """El score de un `Denoiser` como función `score(x, t)` de puntos x (N,) de la recta."""
    schedule_of(denoiser)  # una red suelta no tiene score
    return lambda x, t: denoiser(x[:, None], t).score[:, 0]


def marginal(mixture, schedule: Schedule, t: float, nodes: Tensor) -> Tensor:
    r"""La densidad exacta de $x_t=α_tx_0+σ_tε$ en los nodos, (N,); `mixture`: los datos, en 1-D."""
    return _law(mixture, schedule, t).log_prob(_nodes(nodes)[:, None]).exp()


def total_variation(p: Tensor, q: Tensor, nodes: Tensor) -> float:
    r"""$\mathrm{TV}(p,q)=\frac12\int|p-q|\,dx$, entre 0 y 1; `p` y `q`: densidades (N,) en `nodes`."""
    nodes = _nodes(nodes)
    for name, density in (("p", p), ("q", q)):
        _positive(name, same_shape(name, floating(name, density), "nodes", nodes))
    return torch.trapezoid((p - q).abs() / 2, nodes).item()


def chain_density(schedule: Schedule, score: Score, times, nodes: Tensor, start=None) -> Tensor:
    r"""La densidad de la cadena inversa en cada instante de `times`: (len(times), len(nodes)).

    $\hat p_{k+1}(x')=\int N(x';\,x-h(fx-g^2s_θ(x,t_k)),\,g^2h)\,\hat p_k(x)\,dx$, por cuadratura.
    `times`: decreciente en [0, 1]; si llega a 0, el último paso también lleva ruido (en `sample` no,
    así que para comparar con él conviene acabar en un t_min > 0). `score(x, t)`: de x (N,) a (N,).
    `nodes`: (N,), creciente. `start`: la distribución de partida, con `log_prob`, o sus densidades
    (N,); si no se da, $N(0,σ^2)$ con la σ de `times[0]`. ValueError si los nodos son demasiado
    gruesos para el ruido de un paso o si la masa se sale de ellos.
    """
    nodes, times = _nodes(nodes), instants("times", times)
    weights = _trapezoid_weights(nodes)
    density = _density(_start(schedule, times, start), nodes)
    _keeps_mass(density, nodes, times[0])
    densities = [density]
    for t, s in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        mean, std = _reverse_step(schedule, score, t, s, nodes)
        _resolved(nodes, std, t, s)
        z = (nodes[:, None] - mean) / std
        norm = std * math.sqrt(2 * math.pi)
        density = z.square_().mul_(-0.5).exp_() @ (weights * density) / norm
        _keeps_mass(density, nodes, s)
        densities.append(density)
    return torch.stack(densities)


def bound(mixture, schedule: Schedule, score: Score, times, nodes: Tensor, start=None) -> Bound:
    r"""Cota de la TV entre los datos con el ruido de `times[-1]` y lo que da la cadena: un `Bound`.

    Sea q la distribución exacta de $(x_{t_0},\dots,x_{t_N})$, leída hacia atrás, y $\hat p$ la cadena.
    Olvidar todos los estados menos el último no aumenta la KL (procesamiento), Pinsker la convierte
    en TV, y la regla de la cadena la descompone sin error:
    $$\mathrm{KL}(q\|\hat p)=\mathrm{KL}(p_{t_0}\|\hat p_0)
      +\sum_kE_{x_k\sim p_{t_k}}\mathrm{KL}(q(x_{k+1}\mid x_k)\,\|\,\hat p(x_{k+1}\mid x_k)).$$
    El primer término es `forgetting`. En los demás, $\hat p$ es gaussiana, de media
    $m=m^*+hg^2(s_θ-\nabla\log p)$, y solo hacen falta la media y la varianza de q: al abrir el
    cuadrado $E(x_{k+1}-m)^2/(2g^2h)$ salen `discretisation` ($s_θ$ exacto), `score` y su producto
    cruzado, `interaction`. Vale para todo paso y todo score: basta con que $p_{t_N}$ tenga densidad y
    las integrales sean finitas. Argumentos, los de `chain_density`. Cf. Chen et al. (2023), teorema
    2, y De Bortoli et al. (2021), teorema 1.
    """
    nodes, times = _nodes(nodes), instants("times", times)
    laws = [_law(mixture, schedule, t) for t in times.tolist()]
    for law, t in zip(laws, times.tolist(), strict=True):
        _keeps_mass(_density(law, nodes), nodes, t, MISSED)
    forgetting = integrated_kl(laws[0], _start(schedule, times, start), nodes)
    entropies = [integrated_entropy(law, nodes) for law in laws]
    rows = []
    for k, (t, s) in enumerate(zip(times[:-1].tolist(), times[1:].tolist(), strict=True)):
        gained = entropies[k + 1] - entropies[k]
        rows.append(_step_terms(laws[k], gained, schedule, score, t, s, nodes))
    return Bound(forgetting, torch.tensor(rows, dtype=torch.float64))


def _step_terms(law, gained: float, schedule, score: Score, t: float, s: float, nodes: Tensor):
    r"""Los tres sumandos del paso de t a s; `gained` = H(p_s) − H(p_t).

    Con β la varianza de $x_t\mid x_s$: $E\,H(x_s\mid x_t)=\frac12\log(2πeβ)+H(p_s)-H(p_t)$, y Tweedie
    da $E[x_s\mid x_t]=(x_t+β\nabla\log p_t)/r$ y $\mathrm{Var}=\frac β{r^2}(1+β\,∂^2\log p_t)$.
    """
    ratio, beta = (value.item() for value in kernel(schedule, double(s), double(t)))
    exact, slope = _score_and_slope(law, nodes)
    mean, std = _reverse_step(schedule, lambda x, t: exact, t, s, nodes)
    density = _density(law, nodes)
    bias = (nodes + beta * exact) / ratio - mean  # E[x_s|x_t] menos la media del paso
    error = same_shape("score(x, t)", score(nodes, t), "x", nodes).detach() - exact
    spread = beta / ratio**2 * (1 + beta * slope)

    def expect(value: Tensor) -> float:
        return torch.trapezoid(density * value, nodes).item()

    moved = expect(spread + bias**2) / (2 * std**2)
    discretisation = moved - 0.5 + math.log(std**2 / beta) / 2 - gained
    return discretisation, std**2 / 2 * expect(error**2), -expect(bias * error)


def _reverse_step(schedule, score: Score, t: float, s: float, x: Tensor) -> tuple[Tensor, float]:
    r"""La media $x-h(fx-g^2s_θ)$ y la desviación $g\sqrt h$ del paso de t a s."""
    h = t - s
    f, g2 = coefficients(schedule, t, h)
    value = same_shape("score(x, t)", score(x, t), "x", x).detach()
    return x - h * (f * x - g2 * floating("score(x, t)", value)), math.sqrt(g2 * h)


def _score_and_slope(law, x: Tensor) -> tuple[Tensor, Tensor]:
    r"""$\nabla\log p$ y $∂^2\log p$ en x (N,)."""
    with torch.enable_grad():
        place = x.detach().clone().requires_grad_()
        score = law.score(place[:, None])[:, 0]
        (slope,) = torch.autograd.grad(score.sum(), place)
    return score.detach(), slope


def _law(mixture, schedule: Schedule, t: float):
    if getattr(mixture, "dim", None) != 1:
        received = f"D = {mixture.dim}" if hasattr(mixture, "dim") else type(mixture).__name__
        raise ValueError(f"mixture debe vivir en la recta (D = 1); se recibió {received}.")
    t = unit_times(float(t))
    return mixture.diffuse(schedule.alpha(t).item(), schedule.sigma(t).item())


def _start(schedule: Schedule, times: Tensor, start):
    return Gaussian(double(0.0), schedule.sigma(times[0]) ** 2) if start is None else start


def _density(law, nodes: Tensor) -> Tensor:
    if hasattr(law, "log_prob"):
        return law.log_prob(nodes[:, None]).reshape(-1).exp()
    return _positive("start", same_shape("start", floating("start", law).to(nodes), "nodes", nodes))


def _positive(name: str, density: Tensor) -> Tensor:
    if density.min() < -LOST * density.abs().max():  # la extrapolación da −1e-11
        raise ValueError(f"{name} no puede ser negativa; su mínimo es {density.min():.3g}.")
    return density


def _nodes(nodes: Tensor) -> Tensor:
    nodes = floating("nodes", nodes).double()
    if nodes.ndim != 1 or len(nodes) < 2 or (nodes.diff() <= 0).any():
        raise ValueError(
            f"nodes debe ser creciente y de forma (N,) con N ≥ 2; su forma es {tuple(nodes.shape)}."
        )
    return nodes


def _trapezoid_weights(nodes: Tensor) -> Tensor:
    gaps = torch.nn.functional.pad(nodes.diff(), (1, 1))
    return (gaps[1:] + gaps[:-1]) / 2


def _resolved(nodes: Tensor, std: float, t: float, s: float) -> None:
    widest = nodes.diff().max().item()
    if widest > std:
        needed = math.ceil((nodes[-1] - nodes[0]).item() / std) + 1
        raise ValueError(
            f"los nodos son demasiado gruesos: distan hasta {widest:.3g} y el paso de t={t:.4g} a "
            f"s={s:.4g} tiene desviación g√h = {std:.3g}. Hacen falta al menos {needed} nodos "
            "uniformes en ese intervalo, o pasos mayores."
        )


def _keeps_mass(density: Tensor, nodes: Tensor, t: float, tolerance: float = LOST) -> None:
    mass = torch.trapezoid(density, nodes).item()
    if not abs(mass - 1) < tolerance:
        raise ValueError(
            f"en t={float(t):.4g} la densidad integra {mass:.7g} en los nodos, de {nodes[0]:.3g} a "
            f"{nodes[-1]:.3g}, y debe integrar 1: conviene un intervalo más ancho, nodos más finos o "
            "pasos menores (un paso demasiado largo aleja la cadena)."
        )
