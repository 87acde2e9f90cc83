r"""La divergencia $\nabla\cdot f(x)=\sum_i\partial f_i/\partial x_i$: exacta o estimada con Hutchinson.

`f` va de (B, …) a (B, …) y su fila b solo depende de la fila b de x: así una derivación sirve para
todo el lote.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.errors import choose, positive_int

__all__ = ["MAX_EXACT_DIM", "check_trace_cost", "divergence", "probes_for"]

MAX_EXACT_DIM = 128  # la traza exacta deriva una vez por dimensión: 784 veces en una imagen
TRACES = ("exact", "hutchinson")

Field = Callable[[Tensor], Tensor]


def divergence(
    f: Field, x: Tensor, probes: Tensor | None = None, create_graph: bool = False
) -> tuple[Tensor, Tensor]:
    r"""$f(x)$, con la forma de x, y su divergencia, (B,).

    Sin `probes`, la traza exacta: D derivaciones hacia atrás. Con `probes`, de forma (K, *x.shape)
    y $E[vv^\top]=I$, el estimador de Hutchinson $\frac1K\sum_kv_k^\top\nabla f\,v_k$, insesgado y
    con K derivaciones. `create_graph` deja derivar los dos resultados respecto de los parámetros de
    f, y de x si x ya pedía gradiente; sin él, ninguno se puede derivar.
    Hutchinson (1989); Grathwohl et al. (2019), ec. 7.
    """
    with torch.inference_mode(False), torch.enable_grad():  # también dentro de inference_mode
        x = x if x.requires_grad else x.detach().clone().requires_grad_(True)
        value = f(x)
        if not value.requires_grad:  # un campo constante
            return value, x.new_zeros(len(x))
        directions = _basis(x) if probes is None else probes
        total, last = 0.0, (x.shape[1:].numel() if probes is None else len(probes)) - 1
        for i, v in enumerate(directions):
            again = {"create_graph": create_graph, "retain_graph": create_graph or i < last}
            (pulled,) = torch.autograd.grad(value, x, v, **again, materialize_grads=True)
            total = total + (pulled * v).flatten(1).sum(1)
    scale = 1 if probes is None else len(probes)
    return (value, total / scale) if create_graph else (value.detach(), total / scale)


def probes_for(x: Tensor, trace: str, probes: int, rng, max_exact_dim: int) -> Tensor | None:
    """Las direcciones de `divergence`: ninguna si `trace="exact"`; si no, K signos al azar (±1).

    `ValueError` si la traza exacta pide más de `max_exact_dim` derivaciones: dice cuántas.
    """
    if choose("trace", trace, TRACES) == "exact":
        cheap = 'trace="hutchinson", que con probes=1 cuesta una y es insesgada'
        check_trace_cost('trace="exact"', x, max_exact_dim, cheap)
        return None
    like = x.expand(positive_int("probes", probes), *x.shape)
    signs = torch.stack([rng(part) for part in like])
    return torch.where(signs > 0, 1.0, -1.0).to(x)


def check_trace_cost(what: str, x: Tensor, max_exact_dim: int, cheap: str) -> None:
    """`ValueError` si la traza exacta de `what` pasa de `max_exact_dim`; ofrece `cheap`."""
    dim = x.shape[1:].numel()
    if dim > max_exact_dim:
        raise ValueError(
            f"{what} deriva una vez por dimensión, y x tiene {dim}: cada evaluación costaría {dim} "
            f"derivaciones. Conviene {cheap}; o aceptar el coste con max_exact_dim={dim}."
        )


def _basis(x: Tensor):
    """Los vectores de la base, uno por dimensión, repetidos en todo el lote."""
    for i in range(x.shape[1:].numel()):
        v = x.new_zeros(len(x), x.shape[1:].numel())
        v[:, i] = 1.0
        yield v.view(x.shape)
