"""La U-Net: baja la resolución, la vuelve a subir y conecta los dos caminos a cada altura."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.errors import in_range, positive_int
from course_lib.networks.embeddings import LabelEmbedding, TimeEmbedding, check_times


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm (Wu y He, 2018) con el mayor número de grupos ≤ 8 que divide a los canales."""
    groups = next(g for g in range(8, 0, -1) if channels % g == 0)
    return nn.GroupNorm(groups, channels)


class ResBlock(nn.Module):
    r"""Bloque residual: $x + \mathrm{conv}((1+a)\,\mathrm{norm}(h)+b)$, con a, b según (t, y).

    (B, C_in, H, W), código (B, E) → (B, C_out, H, W). La segunda convolución nace en cero.
    """

    def __init__(self, c_in: int, c_out: int, code: int, dropout: float = 0.0):
        super().__init__()
        self.norm1, self.conv1 = group_norm(c_in), nn.Conv2d(c_in, c_out, 3, padding=1)
        self.modulation = nn.Linear(code, 2 * c_out)
        self.norm2, self.conv2 = group_norm(c_out), nn.Conv2d(c_out, c_out, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()
        nn.init.zeros_(self.conv2.weight), nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.modulation(code)[:, :, None, None].chunk(2, dim=1)
        h = F.silu(self.norm2(h) * (1 + scale) + shift)
        return self.skip(x) + self.conv2(self.dropout(h))


class Attention(nn.Module):
    r"""Autoatención entre los H·W píxeles: $x + W\,\mathrm{softmax}(QK^\top/\sqrt d)V$.

    Cabezas de 32 canales, o de los siguientes que dividan a C (Vaswani et al., 2017, ec. 1);
    (B, C, H, W) → igual.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.heads = next(h for h in range(max(1, channels // 32), 0, -1) if channels % h == 0)
        self.norm, self.qkv = group_norm(channels), nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight), nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).reshape(b, 3, self.heads, c // self.heads, h * w)
        q, k, v = qkv.transpose(-1, -2).unbind(1)  # (B, cabezas, H·W, C/cabezas)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(mixed.transpose(-1, -2).reshape(b, c, h, w))


class Level(nn.Module):
    """Un bloque residual y, si toca, su atención."""

    def __init__(self, c_in: int, c_out: int, code: int, dropout: float, attention: bool):
        super().__init__()
        self.res = ResBlock(c_in, c_out, code, dropout)
        self.attention = Attention(c_out) if attention else nn.Identity()

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        return self.attention(self.res(x, code))


class UNet(nn.Module):
    r"""Red f(x, t, y) para imágenes cuadradas: (B, C, H, H), (B,), (B,) → (B, C, H, H).

    `size`: lado, divisible por 2^(niveles − 1). `multipliers`: canales de cada nivel, en unidades
    de `base`. `blocks`: bloques por nivel. `attention`: lados en que hay autoatención; si hay
    alguno, la hay también en el medio, entre la bajada y la subida.
    `num_classes`: número de clases; `y=None` o y = `num_classes` es la clase nula.
    `learned_variance`: dobla los canales de salida. Fuentes: Ronneberger et al. (2015); Ho et al.
    (2020), ap. B; la modulación de escala y sesgo, Dhariwal y Nichol (2021), sec. 3.1.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 28,
        base: int = 32,
        multipliers: tuple[int, ...] = (1, 2, 2),
        blocks: int = 2,
        attention: tuple[int, ...] = (7,),
        num_classes: int | None = None,
        dropout: float = 0.0,
        learned_variance: bool = False,
    ):
        super().__init__()
        for i, m in enumerate(multipliers):
            positive_int(f"multipliers[{i}]", m)
        sides = check_sides(size, positive_int("len(multipliers)", len(multipliers)), attention)
        positive_int("channels", channels), positive_int("base", base)
        positive_int("blocks", blocks), in_range("dropout", dropout, 0, 1)
        if base % 2:
            raise ValueError(f"base debe ser par (senos y cosenos de t); se recibió {base}.")
        self.channels, self.size, self.num_classes = channels, size, num_classes
        widths = [base * m for m in multipliers]
        code = 4 * base

        self.time = nn.Sequential(
            TimeEmbedding(base), nn.Linear(base, code), nn.SiLU(), nn.Linear(code, code)
        )
        self.label = None if num_classes is None else LabelEmbedding(num_classes, code)
        self.stem = nn.Conv2d(channels, base, 3, padding=1)

        self.down, self.shrink, skips, c = nn.ModuleList(), nn.ModuleList(), [base], base
        for i, (side, width) in enumerate(zip(sides, widths, strict=True)):
            levels = nn.ModuleList()
            for _ in range(blocks):
                levels.append(Level(c, width, code, dropout, side in attention))
                c = width
                skips.append(c)
            self.down.append(levels)
            if i < len(sides) - 1:
                self.shrink.append(nn.Conv2d(c, c, 3, stride=2, padding=1))
                skips.append(c)

        self.middle = nn.ModuleList(
            [Level(c, c, code, dropout, bool(attention)), Level(c, c, code, dropout, False)]
        )

        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for i, (side, width) in enumerate(zip(sides[::-1], widths[::-1], strict=True)):
            levels = nn.ModuleList()
            for _ in range(blocks + 1):
                levels.append(Level(c + skips.pop(), width, code, dropout, side in attention))
                c = width
            self.up.append(levels)
            if i < len(sides) - 1:
                self.grow.append(nn.Conv2d(c, c, 3, padding=1))

        out = channels * (2 if learned_variance else 1)
        self.head = nn.Sequential(group_norm(c), nn.SiLU(), nn.Conv2d(c, out, 3, padding=1))
        nn.init.zeros_(self.head[-1].weight), nn.init.zeros_(self.head[-1].bias)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        self._check(x, t, y)
        code = F.silu(self._code(t, y, x.dtype))
        x = self.stem(x)
        skips = [x]
        for i, levels in enumerate(self.down):
            for level in levels:
                x = level(x, code)
                skips.append(x)
            if i < len(self.shrink):
                x = self.shrink[i](x)
                skips.append(x)
        for level in self.middle:
            x = level(x, code)
        for i, levels in enumerate(self.up):
            for level in levels:
                x = level(torch.cat([x, skips.pop()], dim=1), code)
            if i < len(self.grow):
                x = self.grow[i](F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.head(x)

    def _code(self, t: Tensor, y: Tensor | None, dtype: torch.dtype) -> Tensor:
        code = self.time[0](t).to(dtype)
        for layer in self.time[1:]:
            code = layer(code)
        return code if self.label is None else code + self.label(y, len(t))

    def _check(self, x: Tensor, t: Tensor, y: Tensor | None) -> None:
        expected = (self.channels, self.size, self.size)
        if x.shape[1:] != expected:
            raise ValueError(
                f"la U-Net espera imágenes (B, {self.channels}, {self.size}, {self.size}); "
                f"se recibió {tuple(x.shape)}."
            )
        check_times(t, x)
        weights = self.stem.weight.dtype
        if (x.dtype == torch.float64) != (weights == torch.float64):  # autocast no lo arregla
            raise TypeError(
                f"la red está en {weights} y x en {x.dtype}: conviene x.float(), o net.double()."
            )
        if y is not None and self.label is None:
            raise ValueError("esta U-Net no tiene clases (num_classes=None) y se recibió y.")


def check_sides(size: int, levels: int, attention: tuple[int, ...]) -> list[int]:
    """Los lados de cada nivel; `ValueError` si no son enteros o si una atención no ocurre nunca."""
    positive_int("size", size)
    if isinstance(attention, int):
        raise TypeError(
            f"attention debe ser una tupla de lados; se recibió {attention}: ({attention},)."
        )
    factor = 2 ** (levels - 1)
    if size % factor:
        near = [size // factor * factor or factor, (size // factor + 1) * factor]
        raise ValueError(
            f"size={size} no es divisible por {factor} (hay {levels} niveles); los lados posibles "
            f"más cercanos son {near[0]} y {near[1]}."
        )
    sides = [size // 2**i for i in range(levels)]
    for side in attention:
        if side not in sides:
            raise ValueError(
                f"attention={side} no ocurre nunca: los lados de esta red son {sides}."
            )
    return sides
