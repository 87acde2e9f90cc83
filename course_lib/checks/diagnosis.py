"""Qué tienen de común un resultado equivocado y el esperado, cuando no está en el catálogo.

Las funciones reciben, por caso, el tensor obtenido (o la excepción) y el esperado. `loose` admite
una salida ya difundida: (B, C, H, W) donde se esperaba (B, 1, 1, 1).
"""

import itertools
import math

import torch
from torch import Tensor

EXACT = {"rtol": 1e-8, "atol": 1e-10}
CLOSE = {"rtol": 1e-4, "atol": 1e-6}  # lo que un cálculo en float32 se puede desviar
CONSTANTS = {
    "2": 2.0,
    "1/2": 0.5,
    "4": 4.0,
    "1/4": 0.25,
    "log 2 (nats o bits)": math.log(2),
    "1/log 2 (nats o bits)": 1 / math.log(2),
    "π": math.pi,
    "√2": math.sqrt(2),
    "1/√2": math.sqrt(0.5),
}

Item = Tensor | Exception


def same(got: Item, right: Item, loose: bool, tolerance: dict) -> bool:
    """Si los dos son el mismo tensor, o el mismo tipo de excepción, en un caso."""
    if isinstance(got, Exception) or isinstance(right, Exception):
        return type(got) is type(right)
    if got.shape != right.shape:
        if not (loose and fits(got, right)):
            return False
    got, right = torch.broadcast_tensors(got.double(), right.double())
    return torch.allclose(got, right, equal_nan=True, **tolerance)


def fits(a: Tensor, b: Tensor) -> bool:
    """Si tienen los mismos ejes y cada uno mide lo mismo, o 1 en alguno de los dos."""
    return a.ndim == b.ndim and all(
        1 in p or p[0] == p[1] for p in zip(a.shape, b.shape, strict=True)
    )


def agree(got: list[Item], right: list[Item], loose: bool) -> bool:
    """Si la salida es correcta en todos los casos: mismo tipo, misma forma, mismos valores."""
    pairs = list(zip(got, right, strict=True))
    return all(same(g, r, loose, EXACT) and g.dtype == r.dtype for g, r in pairs)


def alike(got: list[Item], other: list[Item], loose: bool) -> bool:
    """Si dos funciones hacen lo mismo en todos los casos, hasta el redondeo de float32."""
    return all(same(g, o, loose, CLOSE) for g, o in zip(got, other, strict=True))


def precision(got: list[Item], right: list[Item], loose: bool) -> str | None:
    """La frase sobre cifras perdidas, si eso es todo lo que falta."""
    if not alike(got, right, loose):
        return None
    for g, r in zip(got, right, strict=True):
        if g.dtype != r.dtype:
            return (
                f"la fórmula es correcta, pero debía salir {named(r)} y salió {named(g)}: hay una "
                "conversión que cambia el tipo y pierde cifras."
            )
    return (
        "la fórmula es correcta, pero solo coinciden las primeras cifras: algún paso intermedio "
        "pasa por float32 o redondea."
    )


def named(x: Tensor) -> str:
    """El tipo de `x` sin el prefijo de torch."""
    return str(x.dtype).removeprefix("torch.")


def explain(
    got: list[Tensor],
    right: list[Tensor],
    labels: list[str],
    factors: list[dict[str, Tensor]],
    loose: bool,
    shape_tip: str,
) -> str:
    """La mejor frase que se encuentra para un resultado equivocado que no está en el catálogo."""
    for g, r, label in zip(got, right, labels, strict=True):
        if g.shape != r.shape and not (loose and fits(g, r)):
            return wrong_shape(got, right, g, r, label, shape_tip)
    for g, label in zip(got, labels, strict=True):
        if not torch.isfinite(g).all():
            kind = "NaN" if g.isnan().any() else "infinitos"
            return (
                f"aparecen {kind} en el caso «{label}»: ¿una división por 0, o la raíz o el "
                "logaritmo de un número negativo?"
            )
    bad = [i for i in range(len(got)) if not same(got[i], right[i], loose, EXACT)]
    if message := pattern(
        [got[i] for i in bad], [right[i] for i in bad], [factors[i] for i in bad]
    ):
        where = "" if len(bad) == len(got) else f" (solo en {listed(labels, bad)})"
        return message + where + "."
    if len(bad) < len(got):
        return (
            f"está bien en {len(got) - len(bad)} de {len(got)} casos y falla en "
            f"{listed(labels, bad)}: " + example(got[bad[0]], right[bad[0]], labels[bad[0]])
        )
    return "no coincide con el oráculo: " + example(got[0], right[0], labels[0])


def pattern(got: list[Tensor], right: list[Tensor], factors: list[dict[str, Tensor]]) -> str | None:
    """Reconoce un signo, un factor o un sumando que vale en todos los casos de la lista."""

    def everywhere(change) -> bool:
        return all(
            same(g, change(r, f), True, EXACT) for g, r, f in zip(got, right, factors, strict=True)
        )

    if everywhere(lambda r, f: -r):
        return "el signo está cambiado: sale el resultado correcto multiplicado por −1"
    for name in factors[0]:
        if everywhere(lambda r, f, name=name: r * f[name]):
            return f"difiere en un factor {name}: está multiplicado por él de más"
        if everywhere(lambda r, f, name=name: r / f[name]):
            return f"difiere en un factor {name}: está dividido por él, o falta multiplicar"
    reference = got[0] / right[0].expand_as(got[0])
    ratio = reference[torch.isfinite(reference)].median().item() if reference.numel() else math.nan
    if math.isfinite(ratio) and everywhere(lambda r, f: ratio * r):
        name = next((n for n, v in CONSTANTS.items() if math.isclose(v, ratio)), f"{ratio:.4g}")
        return f"difiere en un factor constante {name}"
    offset = (got[0] - right[0]).median().item()
    if everywhere(lambda r, f: r + offset):
        return f"difiere en una constante sumada, {offset:.4g}"
    return None


def wrong_shape(got, right, g: Tensor, r: Tensor, label: str, shape_tip: str) -> str:
    """La frase sobre la forma: ejes cambiados, sobrantes, promediados o difundidos."""
    sizes = f"forma {tuple(g.shape)} y se espera {tuple(r.shape)} (caso «{label}»)"
    pairs = list(zip(got, right, strict=True))
    if all(a.ndim == b.ndim for a, b in pairs):
        for axes in itertools.permutations(range(r.ndim)):
            if all(same(a.permute(axes), b, False, EXACT) for a, b in pairs):
                return f"los valores están bien, pero los ejes salen en otro orden: {sizes}."
    if all(
        a.numel() == b.numel() and same(a.flatten(), b.flatten(), False, EXACT) for a, b in pairs
    ):
        return f"los valores están bien, pero no la forma: sale {sizes}. Se arregla con reshape."
    if g.ndim == 0:
        return f"sale un solo número y se espera {tuple(r.shape)}: ¿se sumó o promedió de más?"
    if all(same(a.mean(), b.mean(), False, EXACT) for a, b in pairs) and g.numel() < r.numel():
        return f"sale {sizes}: se promedió un eje de más o uno distinto."
    return f"sale {sizes}." + (f" {shape_tip[0].upper()}{shape_tip[1:]}" if shape_tip else "")


def example(got: Tensor, right: Tensor, label: str) -> str:
    """El elemento que más difiere, con los dos valores."""
    got, right = torch.broadcast_tensors(got, right)
    worst = int((got - right).abs().flatten().argmax())
    position = tuple(int(i) for i in torch.unravel_index(torch.tensor(worst), got.shape))
    return (
        f"en el caso «{label}», la posición {list(position)} vale "
        f"{got.flatten()[worst].item():.4g} y se esperaba {right.flatten()[worst].item():.4g}."
    )


def listed(labels: list[str], chosen: list[int]) -> str:
    """Los nombres de los casos elegidos, entre comillas."""
    return ", ".join(f"«{labels[i]}»" for i in chosen)
