"""Lo que se cronometra: entrenar y muestrear con el curso y con diffusers.

Cada trabajo recibe la red y la tarea, prepara lo necesario y devuelve la repetición.
"""

import time
from contextlib import nullcontext

import torch
from comun import SIDE, T
from torch.nn import functional as F


def precision_context(precision: str):
    """El contexto de precisión de las dos bibliotecas: nada o autocast a bf16."""
    return torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()


def data() -> torch.Tensor:
    """Imágenes sintéticas en [-1, 1]: el tiempo no depende de lo que muestran."""
    return torch.rand(1024, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1


def train_curso(net, task: dict):
    """El `Trainer` con su EMA, recorte, calentamiento y sorteo de t y ε."""
    from course_lib.diffusion import DDPM, Denoiser
    from course_lib.diffusion.losses import Objective
    from course_lib.training import Trainer

    trainer = Trainer(
        Denoiser(net, DDPM.linear(T)),
        Objective(),
        data(),
        batch_size=task["batch"],
        mixed_precision="bf16" if task["precision"] == "bf16" else "no",
        channels_last=task["format"] == "channels_last",
        cpu=True,
        progress=False,
    )
    return lambda: trainer.fit(task["steps"])


def train_diffusers(net, task: dict):
    """El mismo paso con las piezas de diffusers: `DDPMScheduler`, `EMAModel` y Adam."""
    from diffusers import DDPMScheduler
    from diffusers.training_utils import EMAModel

    images, scheduler = data(), DDPMScheduler(num_train_timesteps=T)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-4)
    ema = EMAModel(net.parameters(), decay=0.999, use_ema_warmup=True)
    channels_last = task["format"] == "channels_last"

    def step():
        x0 = images[torch.randint(len(images), (task["batch"],))]
        x0 = x0.contiguous(memory_format=torch.channels_last) if channels_last else x0
        eps, k = torch.randn_like(x0), torch.randint(T, (len(x0),))
        with precision_context(task["precision"]):
            output = net(scheduler.add_noise(x0, eps, k), k).sample
        loss = F.mse_loss(output.float(), eps)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.step(net.parameters())
        return loss.item()

    def run():
        net.train()
        for _ in range(task["steps"]):
            step()

    return run


def sample_curso(net, task: dict):
    """`sample(method="ddim")`, con el sorteo de x_T incluido."""
    from course_lib.diffusion import DDPM, Denoiser, sample

    denoiser = Denoiser(net.eval(), DDPM.linear(T))
    generator = torch.Generator().manual_seed(0)
    shape = (task["batch"], 1, SIDE, SIDE)

    def run():
        with precision_context(task["precision"]):
            x_T = denoiser.schedule.prior_sample(shape, generator)
            sample(denoiser, x_T, task["steps"], "ddim", generator=generator)

    return run


def sample_diffusers(net, task: dict):
    """`DDIMPipeline` sin barra y sin pasar a PIL."""
    from diffusers import DDIMPipeline, DDIMScheduler

    scheduler = DDIMScheduler(num_train_timesteps=T, clip_sample=False)
    pipeline = DDIMPipeline(net.eval(), scheduler)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    options = {"batch_size": task["batch"], "num_inference_steps": task["steps"]}

    def run():
        with precision_context(task["precision"]):
            pipeline(**options, generator=generator, output_type="pt")

    return run


JOBS = {
    ("train", "curso"): train_curso,
    ("train", "diffusers"): train_diffusers,
    ("sample", "curso"): sample_curso,
    ("sample", "diffusers"): sample_diffusers,
}


def watch(net) -> list[float]:
    """Cronometra cada evaluación de `net`: la lista devuelta crece con sus segundos."""
    seconds, forward = [], net.forward

    def timed(*args, **kwargs):
        start = time.perf_counter()
        output = forward(*args, **kwargs)
        seconds.append(time.perf_counter() - start)
        return output

    net.forward = timed
    return seconds
