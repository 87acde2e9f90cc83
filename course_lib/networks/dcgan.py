"""Las dos redes convolucionales de una GAN: la generadora dobla el lado y la otra lo divide."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from course_lib.errors import positive_int

__all__ = ["Discriminator", "Generator"]

SEEDS = (4, 7)  # lado más pequeño y más grande con que empieza la red


class Generator(nn.Module):
    r"""Red $G:z\mapsto x$ de una DCGAN: (B, latent_dim) → (B, channels, size, size) en (-1, 1).

    Una capa lineal da una imagen de lado $s_0\in\{4,\dots,7\}$ y cada convolución traspuesta de
    4 × 4 y paso 2 dobla el lado hasta `size` $=s_0\,2^k$; los canales se dividen por dos, desde
    `base`$\,2^{k-1}$ (8·`base` como mucho). BatchNorm y ReLU entre capas; tangente hiperbólica al
    final. `latent_dim` dice cuántas normales independientes forman z.

    Errores: `ValueError` si `size` no es de esa forma (dice los lados posibles más cercanos), si z
    no tiene forma (B, latent_dim), o si se entrena con un lote de uno: la media y la varianza de
    BatchNorm serían las de esa sola imagen. Radford, Metz y Chintala (2016), sec. 3.
    """

    def __init__(self, latent_dim: int, channels: int = 1, size: int = 28, base: int = 64):
        super().__init__()
        self.latent_dim = positive_int("latent_dim", latent_dim)
        self.channels, self.size = positive_int("channels", channels), size
        side, doublings = split_side(size)
        widths = _widths(positive_int("base", base), doublings)[::-1]
        self.start = nn.Sequential(
            nn.Linear(latent_dim, widths[0] * side**2, bias=False),
            nn.Unflatten(1, (widths[0], side, side)),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        grow = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            grow += [
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.grow = nn.Sequential(*grow)
        self.end = nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1)
        self.apply(_initialize)

    def forward(self, z: Tensor) -> Tensor:
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(
                f"z debe tener forma (B, {self.latent_dim}); se recibió {tuple(z.shape)}."
            )
        if self.training and len(z) == 1:
            raise ValueError(
                "un lote de uno no sirve para entrenar con BatchNorm: la imagen se compararía "
                "consigo misma. Conviene batch_size ≥ 2 o, si solo se generan muestras, .eval()."
            )
        return torch.tanh(self.end(self.grow(self.start(z))))


class Discriminator(nn.Module):
    r"""Red $x\mapsto s(x)$, el logit de «x es un dato»: (B, channels, size, size) → (B,).

    El camino inverso de `Generator`: convoluciones de 4 × 4 y paso 2 con LeakyReLU de pendiente
    0.2, y una capa lineal. No lleva normalización por lotes: mezclaría los ejemplos, y entonces el
    logit no sería función de x ni las penalizaciones del gradiente valdrían ejemplo a ejemplo.

    Con `spectral` cada peso se usa dividido por su norma espectral, $W/\sigma_1(W)$, que
    `torch.nn.utils.parametrizations.spectral_norm` estima con una iteración de la potencia por cada
    paso en modo entrenamiento. Errores: `ValueError` si `size` no es posible o si x no tiene esa
    forma. Radford, Metz y Chintala (2016), sec. 3; Miyato et al. (2018), ec. 8.
    """

    def __init__(self, channels: int = 1, size: int = 28, base: int = 64, spectral: bool = True):
        super().__init__()
        self.channels, self.size = positive_int("channels", channels), size
        side, doublings = split_side(size)
        widths = [channels, *_widths(positive_int("base", base), doublings)]
        layers = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        layers += [nn.Flatten(), nn.Linear(widths[-1] * side**2, 1)]
        self.layers = nn.Sequential(*layers).apply(_initialize)
        if spectral:
            for i, layer in enumerate(self.layers):
                if hasattr(layer, "weight"):
                    self.layers[i] = spectral_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != (self.channels, self.size, self.size):
            raise ValueError(
                f"x debe tener forma (B, {self.channels}, {self.size}, {self.size}); "
                f"se recibió {tuple(x.shape)}."
            )
        return self.layers(x)[:, 0]


def split_side(size: int) -> tuple[int, int]:
    r"""El lado inicial $s_0\in\{4,\dots,7\}$ y el número k ≥ 1 de doblajes: `size` $=s_0\,2^k$.

    Errores: `ValueError` con los lados posibles más cercanos.
    """
    low, high = SEEDS
    doublings = int(math.log2(positive_int("size", size) / low)) if size >= low else 0
    side, rest = divmod(size, 2**doublings)
    if rest or doublings < 1 or not low <= side <= high:
        possible = sorted(s * 2**k for s in range(low, high + 1) for k in range(1, 12))
        near = sorted(sorted(possible, key=lambda p: abs(p - size))[:2])
        raise ValueError(
            f"size={size} no es s·2^k con s entre {low} y {high} y k ≥ 1; los lados posibles más "
            f"cercanos son {near[0]} y {near[1]}."
        )
    return side, doublings


def _widths(base: int, doublings: int) -> list[int]:
    """Canales de cada nivel, del lado grande al pequeño."""
    return [base * min(2**i, 8) for i in range(doublings)]


def _initialize(layer: nn.Module) -> None:
    """Pesos normales de desviación 0.02, como en la DCGAN; la ganancia de BatchNorm, sobre 1."""
    if isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
    elif hasattr(layer, "weight") and isinstance(layer.weight, Tensor):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    if getattr(layer, "bias", None) is not None:
        nn.init.zeros_(layer.bias)
