r"""El modelo lineal gaussiano: $x\sim\mathcal N(m, C)$ e $y\mid x\sim\mathcal N(Ax+b, R)$."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.errors import choose

from .covariance import as_real, check_covariance, common_dtype
from .gaussians import Gaussian

__all__ = ["LinearGaussian"]


class LinearGaussian:
    r"""Distribución a priori `prior` de $x$ y observación $y=Ax+b+r$, con $r\sim\mathcal N(0, R)$.

    `prior`: Gaussian de dimensión D; `A`: (E, D); `b`: (E,) o escalar; `noise_cov`, que es $R$:
    (E, E) simétrica definida positiva. Si D = E = 1, bastan escalares. Los cálculos se hacen en
    float64 por Cholesky. ValueError o TypeError si algo de esto no se cumple.
    Bishop (2006), § 2.3.3; Murphy (2022), § 3.3.
    """

    def __init__(self, prior: Gaussian, A, b, noise_cov):
        if not isinstance(prior, Gaussian):
            raise TypeError(f"prior debe ser una Gaussian; se recibió {type(prior).__name__}.")
        self.dtype = torch.promote_types(prior.dtype, common_dtype(A, b, noise_cov))
        A, b, R = (as_real(n, v) for n, v in (("A", A), ("b", b), ("noise_cov", noise_cov)))
        A = A.reshape(1, 1) if A.ndim == 0 else A
        R = R.reshape(1, 1) if R.ndim == 0 else R
        if A.ndim != 2 or A.shape[1] != prior.dim or len(A) == 0:
            raise ValueError(
                f"A debe tener forma (E, {prior.dim}), con tantas columnas como dimensiones tiene "
                f"prior, y tiene forma {tuple(A.shape)}."
            )
        E = len(A)
        if b.ndim and b.shape != (E,):
            raise ValueError(
                f"b debe ser escalar o tener forma ({E},), una componente por fila de A, "
                f"y tiene forma {tuple(b.shape)}."
            )
        if R.shape != (E, E):
            raise ValueError(
                f"noise_cov debe tener forma ({E}, {E}), con E = {E} las filas de A, "
                f"y tiene forma {tuple(R.shape)}."
            )
        self.prior, self.A = prior, A.to(prior.mean)
        self.b = b.to(prior.mean).expand(E)
        self.noise_cov = R.to(prior.mean)
        self._noise_factor = check_covariance("noise_cov", self.noise_cov)
        self.noise_cov = (self.noise_cov + self.noise_cov.mT) / 2

    def __repr__(self) -> str:
        return f"LinearGaussian(dim_x={self.prior.dim}, dim_y={len(self.A)})"

    def _gaussian(self, mean: Tensor, cov: Tensor) -> Gaussian:
        return self.prior._new(mean, cov)._typed(self.dtype)

    def joint(self) -> Gaussian:
        r"""Distribución conjunta de $(x, y)$, en ese orden: Gaussian de dimensión D + E.

        $$\mathcal N\left(\begin{pmatrix}m\\Am+b\end{pmatrix},
        \begin{pmatrix}C&CA^\top\\AC&ACA^\top+R\end{pmatrix}\right)$$
        Bishop (2006), ecs. 2.105 y 2.108.
        """
        m, C, A = self.prior.mean, self.prior.cov, self.A
        top = torch.cat([C, C @ A.mT], dim=1)
        bottom = torch.cat([A @ C, A @ C @ A.mT + self.noise_cov], dim=1)
        return self._gaussian(torch.cat([m, A @ m + self.b]), torch.cat([top, bottom]))

    def evidence(self) -> Gaussian:
        r"""Evidencia $p(y)=\int p(y|x)\,p(x)\,\mathrm dx=\mathcal N(Am+b,\,ACA^\top+R)$.

        Gaussian de dimensión E; Bishop (2006), ec. 2.115.
        """
        m, C, A = self.prior.mean, self.prior.cov, self.A
        return self._gaussian(A @ m + self.b, A @ C @ A.mT + self.noise_cov)

    def posterior(self, y, form: str = "covariance") -> Gaussian:
        r"""Distribución a posteriori $p(x|y)$ de una observación `y`: (E,), o escalar si E = 1.

        Las dos formas dan la misma ley. `form="covariance"` factoriza una matriz (E, E) y conviene
        con pocas observaciones; `form="information"`, una (D, D), y conviene con pocas incógnitas.
        La igualdad de las dos es la identidad de Woodbury. Bishop (2006), ecs. 2.116 y 2.117.
        ValueError si `form` no existe o si `y` no tiene forma (E,).
        """
        forms = {"covariance": self._by_covariance, "information": self._by_information}
        return forms[choose("form", form, forms)](self._observation(y))

    def _by_covariance(self, y: Tensor) -> Gaussian:
        r"""Con $S=ACA^\top+R$ y la ganancia $K=CA^\top S^{-1}$: $m+K(y-Am-b)$ y $C-KAC$.

        $C-KAC=(I-KA)C(I-KA)^\top+KRK^\top$ (Joseph), suma de dos matrices semidefinidas: el
        redondeo no puede volverla negativa, y la resta sí.
        """
        m, C, A, R = self.prior.mean, self.prior.cov, self.A, self.noise_cov
        factor = torch.linalg.cholesky(A @ C @ A.mT + R)
        gain = torch.cholesky_solve(A @ C, factor).mT
        rest = torch.eye(len(m)).to(m) - gain @ A
        mean = m + gain @ (y - A @ m - self.b)
        return self._gaussian(mean, rest @ C @ rest.mT + gain @ R @ gain.mT)

    def _by_information(self, y: Tensor) -> Gaussian:
        r"""Las precisiones se suman: $\Lambda=C^{-1}+A^\top R^{-1}A$.

        La media es $\Lambda^{-1}\big(C^{-1}m+A^\top R^{-1}(y-b)\big)$ y la covarianza
        $\Lambda^{-1}$.
        """
        m, A = self.prior.mean, self.A
        prior_precision = torch.cholesky_inverse(self.prior._factor)
        weighted = torch.cholesky_solve(A, self._noise_factor).mT  # Aᵀ R⁻¹
        factor = torch.linalg.cholesky(prior_precision + weighted @ A)
        information = prior_precision @ m + weighted @ (y - self.b)
        mean = torch.cholesky_solve(information[:, None], factor)[:, 0]
        return self._gaussian(mean, torch.cholesky_inverse(factor))

    def update(self, y, form: str = "covariance") -> LinearGaussian:
        r"""El mismo modelo con `posterior(y)` como distribución a priori, para la observación siguiente.

        Con observaciones independientes dado $x$, encadenar una a una da la misma ley que todas a
        la vez. `y` y `form`, como en `posterior`.
        """
        return LinearGaussian(self.posterior(y, form), self.A, self.b, self.noise_cov)

    def _observation(self, y) -> Tensor:
        y = as_real("y", y).to(self.prior.mean)
        y = y.reshape(1) if y.ndim == 0 else y
        if y.shape != (len(self.A),):
            raise ValueError(
                f"y debe tener forma ({len(self.A)},), una sola observación, y tiene forma "
                f"{tuple(y.shape)}. Varias se encadenan con update(y), o se apilan en A, b y R."
            )
        return y
