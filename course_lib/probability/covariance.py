"""Comprobaciones de los parámetros de una gaussiana: números reales, covarianza y precisión."""

import functools

import numpy as np
import torch
from torch import Tensor


def as_real(argument: str, value) -> Tensor:
    """Convierte `value` en un tensor real de coma flotante y finito; si no se puede, ValueError."""
    tensor = _floating(argument, value)
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{argument} contiene NaN o infinitos: se esperan números finitos.")
    return tensor


def _floating(argument: str, value) -> Tensor:
    try:
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{argument} no se puede leer como una tabla de números.") from error
    if tensor.is_complex():
        raise TypeError(f"{argument} debe ser real y tiene tipo {tensor.dtype}.")
    if not tensor.is_floating_point():
        tensor = tensor.to(torch.get_default_dtype())
    return tensor


def common_dtype(*values) -> torch.dtype:
    """Tipo en que se devuelven las muestras: el de los tensores o arreglos; listas, el de torch."""
    arrays = [v for v in values if isinstance(v, (Tensor, np.ndarray))]
    kinds = [_floating("el argumento", v).dtype for v in arrays]
    return functools.reduce(torch.promote_types, kinds) if kinds else torch.get_default_dtype()


def double_like(x: Tensor) -> torch.dtype:
    """Precisión del cálculo: float64, salvo en dispositivos que no la tienen (MPS)."""
    return torch.float32 if x.device.type == "mps" else torch.float64


def check_covariance(argument: str, cov: Tensor) -> Tensor:
    r"""Comprueba que $C=C^\top\succ0$ y devuelve su factor de Cholesky.

    `cov`: (..., D, D) en float64. Devuelve $L$ triangular inferior con $LL^\top=C$, misma forma.
    ValueError si alguna matriz no es cuadrada, simétrica o definida positiva.
    """
    if cov.ndim < 2 or cov.shape[-1] != cov.shape[-2]:
        raise ValueError(
            f"{argument} debe tener forma (..., D, D) y tiene forma {tuple(cov.shape)}."
        )
    gap = (cov - cov.mT).abs().amax().item()
    scale = cov.abs().amax().item()
    if gap > 1e-5 * scale:
        raise ValueError(
            f"{argument} no es simétrica: |C − Cᵀ| llega a {gap:.3g}. "
            "Si la diferencia es de redondeo, conviene usar (C + Cᵀ)/2."
        )
    factor, info = torch.linalg.cholesky_ex((cov + cov.mT) / 2)
    if (info > 0).any():
        smallest = torch.linalg.eigvalsh(cov).amin(-1)
        if cov.ndim > 2:
            worst = int(smallest.flatten().argmin())
            where = f" en la posición {worst}"
        else:
            where = ""
        raise ValueError(
            f"{argument} no es definida positiva{where}: su menor autovalor es "
            f"{smallest.min().item():.3g}. Hace falta que todos sean mayores que 0."
        )
    return factor


def check_points(argument: str, x, dim: int) -> Tensor:
    """Puntos (..., dim) de coma flotante donde evaluar una ley; los enteros se convierten."""
    x = torch.as_tensor(x)
    if x.is_complex():
        raise TypeError(f"{argument} debe ser real y tiene tipo {x.dtype}.")
    if not x.is_floating_point():
        x = x.to(torch.get_default_dtype())
    if x.ndim == 0 or x.shape[-1] != dim:
        raise ValueError(f"{argument} debe tener forma (..., {dim}) y tiene {tuple(x.shape)}.")
    return x
