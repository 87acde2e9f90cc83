"""El `Denoiser`: una red cualquiera f(x, t, **cond) vestida de predicción."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from course_lib.diffusion.predictions import KINDS, Prediction, check_schedule, check_terminal_snr
from course_lib.diffusion.schedules import Schedule, can_look, not_integer, times_for
from course_lib.errors import choose


class Denoiser(nn.Module):
    r"""Une una red, un esquema y lo que la red predice: `denoiser(x_t, t, **cond) → Prediction`.

    `net(x, t, **cond)` recibe `t` de forma (B,) con valores en [0, 1] y devuelve un tensor como
    `x` (con el doble de canales si `learned_variance`; la segunda mitad es la mezcla v cruda,
    que pasa por $(\tanh+1)/2$ para caer en [0, 1]). `kind`: "eps", "x0", "v", "score", "velocity".
    """

    def __init__(
        self, net: nn.Module, schedule: Schedule, kind: str = "eps", learned_variance: bool = False
    ):
        super().__init__()
        self.net = net
        self.schedule = check_schedule(schedule)
        self.kind = choose("kind", kind, KINDS)
        self.learned_variance = learned_variance

    def forward(self, x_t: Tensor, t: float | Tensor, **cond) -> Prediction:
        times = times_for(t, not_integer("x_t", x_t))
        if can_look(times) and len(x_t):
            check_terminal_snr(self.kind, self.schedule, times.max().item())
        net_time = torch.float64 if x_t.dtype == torch.float64 else torch.float32
        output = self.net(x_t, times.expand(len(x_t)).to(x_t.device, net_time), **cond)
        output, var_mix = self._split(output, x_t)
        prediction = Prediction.from_output(self.kind, output.to(x_t), x_t, times, self.schedule)
        return replace(prediction, var_mix=var_mix)

    def _split(self, output: Tensor, x_t: Tensor) -> tuple[Tensor, Tensor | None]:
        channels = x_t.shape[1] * (2 if self.learned_variance else 1)
        if output.shape != (len(x_t), channels, *x_t.shape[2:]):
            raise ValueError(
                f"la red devolvió la forma {tuple(output.shape)} para una entrada "
                f"{tuple(x_t.shape)}; con learned_variance={self.learned_variance} se esperaban "
                f"{channels} canales y el mismo resto."
            )
        if not self.learned_variance:
            return output, None
        output, raw = output.chunk(2, dim=1)
        return output, (torch.tanh(raw.to(x_t)) + 1) / 2
