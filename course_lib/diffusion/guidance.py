"""Guías: envuelven un `Denoiser` y se llaman igual, así que sirven con todos los muestreadores."""

import torch
from torch import Tensor, nn

from course_lib.diffusion.predictions import Prediction
from course_lib.diffusion.sampling import check_labels
from course_lib.errors import choose, in_range


class _Wrapper(nn.Module):
    """Lo que toda guía hereda del denoiser que envuelve: su esquema."""

    def __init__(self, denoiser: nn.Module):
        super().__init__()
        self.denoiser = denoiser
        self.schedule = denoiser.schedule


class ClassifierFree(_Wrapper):
    r"""Guía sin clasificador: $\hat ε = \hat ε_\varnothing + γ(\hat ε_y - \hat ε_\varnothing)$.

    γ = 1 es la red condicionada sin guía; γ = 0, la incondicional (Ho y Salimans, 2022, ec. 6, con
    $γ = 1 + w$). Se combina $\hat x_0$, que es lo mismo porque depende linealmente de $\hat ε$.
    """

    def __init__(self, denoiser: nn.Module, scale: float):
        super().__init__(denoiser)
        self.scale = in_range("scale", scale, 0, 100)

    def forward(self, x_t: Tensor, t, y: Tensor | None = None, **cond) -> Prediction:
        if y is None:
            raise ValueError(
                "la guía sin clasificador necesita las clases: falta y (int64, forma (B,))."
            )
        conditional = self.denoiser(x_t, t, y=y, **cond)
        if self.scale == 1:
            return conditional
        null = self.denoiser(x_t, t, y=None, **cond)
        return conditional.with_x0(null.x0 + self.scale * (conditional.x0 - null.x0))


class Classifier(_Wrapper):
    r"""Guía con clasificador: $\hat ε - γ\,σ_t\nabla_{x}\log p(y\mid x_t)$.

    `classifier(x_t, t)` da logits (B, clases) para imágenes ruidosas. Fuente: Dhariwal y Nichol
    (2021), ec. 14, que es la regla de Bayes escrita con scores.
    """

    def __init__(self, denoiser: nn.Module, classifier: nn.Module, scale: float):
        super().__init__(denoiser)
        self.classifier = classifier
        self.scale = in_range("scale", scale, 0, 1000)

    def forward(self, x_t: Tensor, t, y: Tensor | None = None, **cond) -> Prediction:
        if y is None:
            raise ValueError("la guía con clasificador necesita las clases: falta y (B,).")
        y = check_labels(y, x_t)
        prediction = self.denoiser(x_t, t, **cond)
        with torch.inference_mode(False), torch.enable_grad():  # también dentro de inference_mode
            x = x_t.detach().clone().requires_grad_()
            times = prediction.t.clone().expand(len(x)).to(x)
            log_prob = self.classifier(x, times).log_softmax(1)
            if (y < 0).any() or (y >= log_prob.shape[1]).any():
                raise ValueError(
                    f"y debe estar entre 0 y {log_prob.shape[1] - 1}, las clases del clasificador; "
                    f"se recibió {y.tolist()}."
                )
            log_prob = log_prob[torch.arange(len(x)), y.clone()].sum()
            gradient = torch.autograd.grad(log_prob, x)[0]
        sigma = self.schedule.at(prediction.t, like=x_t)[1]
        return prediction.with_eps(prediction.eps - self.scale * sigma * gradient)


class Threshold(_Wrapper):
    r"""Recorta $\hat x_0$ y vuelve a deducir $\hat ε$ de él.

    `"static"`: a [-1, 1] (Ho et al., 2020). `"dynamic"`: al cuantil `quantile` de $|\hat x_0|$ de
    cada imagen, si pasa de 1, y divide por él (Saharia et al., 2022, sec. 2.3).
    """

    def __init__(self, denoiser: nn.Module, method: str = "static", quantile: float = 0.995):
        super().__init__(denoiser)
        self.method = choose("method", method, ("static", "dynamic"))
        self.quantile = in_range("quantile", quantile, 0, 1, open_low=True)

    def forward(self, x_t: Tensor, t, **cond) -> Prediction:
        prediction = self.denoiser(x_t, t, **cond)
        if self.method == "static":
            return prediction.with_x0(prediction.x0.clamp(-1, 1))
        magnitude = prediction.x0.abs().flatten(1).float()
        limit = torch.quantile(magnitude, self.quantile, dim=1).clamp(min=1).to(x_t)
        limit = limit.reshape(-1, *[1] * (x_t.ndim - 1))
        return prediction.with_x0(prediction.x0.clamp(-limit, limit) / limit)
