"""El bucle de entrenamiento: pérdida → gradiente → recorte → paso → EMA → avisos."""

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.errors import in_range, positive_int
from course_lib.training import checkpoint
from course_lib.training.acceleration import accelerated_view, make_accelerator
from course_lib.training.divergence import check_finite, check_scalar
from course_lib.training.ema import EMA
from course_lib.training.extras import pack_extras
from course_lib.training.optimization import Warmup, make_optimizer
from course_lib.training.progress import Bar, Interruption, how_to_continue
from course_lib.training.snapshot import restore, snapshot, warn_if_replacing
from course_lib.training.stream import Stream

Loss = Callable[[nn.Module, Any, torch.Generator], Tensor]


class Trainer:
    r"""Entrena `model` minimizando la media de `loss(model, batch, generator)`.

    Cada paso usa `batch_size × accumulation × procesos` ejemplos. La tasa de aprendizaje del paso k
    (desde 1) es $\eta_k = \eta\,\min(1, k/\text{warmup})$; el gradiente se recorta a norma
    `grad_clip`: $g \leftarrow g\,\min(1, c/\lVert g\rVert)$.

    - `model`: cualquier `nn.Module`; si es un `Denoiser`, se acelera su `.net`. El módulo recibido
      nunca se envuelve: sus claves no cambian con `compile` ni con varios procesos.
    - `loss(model, batch, generator)`: tensor escalar; `generator` es de CPU.
    - `data`: un tensor, una tupla de tensores o un `Dataset`; el lote tiene su misma estructura.
    - `lr`: la tasa de Adam, 2e-4 si no se da. Con `optimizer` (uno ya creado o una función
      `parámetros → optimizador`) la tasa es la suya y no se da `lr`.
    - `ema`: decaimiento de la media móvil de pesos, o `None`. `compile`: `True` o un backend.
    - `extras`: objetos con `state_dict()` y `load_state_dict()` que se guardan con lo demás: otra
      red, su optimizador…
    - `checkpoint_dir`: carpeta del punto de control; se guarda cada `checkpoint_every` pasos, al
      terminar y con Ctrl-C. Ctrl-C no lanza excepción: `fit` vuelve y deja `interrupted = True`
      (tras `stop()` es `False`).

    El orden de los datos y el azar de cada lote dependen solo de `seed` y de la posición, de modo
    que `resume()` continúa con los mismos bits en CPU (con igual número de hilos). La precisión, la
    compilación, la acumulación y los procesos son de Accelerate (`accelerate launch`).

    Errores: `DivergenceError` con pérdida no finita (antes de tocar los pesos), `CheckpointError`
    al guardar o leer, `ValueError`/`TypeError` si un argumento no sirve.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        data: Any,
        *,
        batch_size: int = 64,
        lr: float | None = None,
        warmup: int = 100,
        steps: int = 1000,
        grad_clip: float | None = 1.0,
        ema: float | None = 0.999,
        optimizer: torch.optim.Optimizer | Callable | None = None,
        mixed_precision: str = "no",
        compile: bool | str = False,
        accumulation: int = 1,
        channels_last: bool = False,
        seed: int = 0,
        workers: int = 0,
        cpu: bool = False,
        checkpoint_dir: str | Path | None = None,
        checkpoint_every: int | None = None,
        callbacks: Iterable[Callable[["Trainer"], None]] = (),
        extras: dict[str, Any] | None = None,
        progress: bool = True,
    ) -> None:
        if not isinstance(model, nn.Module) or not callable(loss):
            raise TypeError(
                "model debe ser un nn.Module y loss una función (model, batch, generator); "
                f"se recibieron {type(model).__name__} y {type(loss).__name__}."
            )
        self.batch_size = positive_int("batch_size", batch_size)
        self.warmup = warmup and positive_int("warmup", warmup)
        self.steps = positive_int("steps", steps)
        if grad_clip is not None:
            in_range("grad_clip", grad_clip, 0.0, math.inf, open_low=True)
        self.grad_clip = grad_clip
        self.accumulation = positive_int("accumulation", accumulation)
        self.checkpoint_every = checkpoint_every and positive_int(
            "checkpoint_every", checkpoint_every
        )
        self.checkpoint_dir = None if checkpoint_dir is None else Path(checkpoint_dir)
        if self.checkpoint_every and self.checkpoint_dir is None:
            raise ValueError(
                f"checkpoint_every={checkpoint_every} necesita checkpoint_dir, la carpeta donde "
                "guardar; conviene darla o no pedir checkpoint_every."
            )
        self.seed, self.loss = seed, loss
        self.callbacks, self.extras = list(callbacks), dict(extras or {})
        pack_extras(self.extras)  # si algo no se puede guardar, mejor saberlo antes de entrenar

        self.accelerator = make_accelerator(mixed_precision, compile, self.accumulation, cpu)
        self.device, self.mixed_precision = self.accelerator.device, mixed_precision
        self.progress = progress and self.accelerator.is_main_process
        options = {"seed": seed, "workers": workers, "channels_last": channels_last}
        self.stream = Stream(data, batch_size, self.accelerator, **options)
        self.model = model.to(self.device)
        if channels_last:
            self.model.to(memory_format=torch.channels_last)
        optimizer = make_optimizer(self.model, optimizer, lr)
        self.optimizer = self.accelerator.prepare_optimizer(optimizer)
        self.lr = float(optimizer.param_groups[0]["lr"])
        self._warmup = Warmup(optimizer, self.warmup)
        self._view, self._net = accelerated_view(self.model, self.accelerator)
        self.ema = None if ema is None else EMA(self.model, ema)
        self.step, self.seconds = 0, 0.0
        self.history: list[tuple[int, float]] = []
        self.grad_norm = math.nan
        self.interrupted = self._stop = False

    @property
    def examples_per_step(self) -> int:
        """Ejemplos que entran en cada actualización de los pesos."""
        return self.batch_size * self.accumulation * self.accelerator.num_processes

    @property
    def ema_model(self) -> nn.Module:
        """La red con los pesos promediados (o la propia red si `ema=None`), en modo evaluación."""
        return self.model.eval() if self.ema is None else self.ema.model

    def fit(self, steps: int | None = None) -> "Trainer":
        """Entrena `steps` pasos más o, sin argumento, hasta completar los `steps` del constructor.

        Devuelve el propio `Trainer`. Con Ctrl-C termina el paso en curso, guarda y vuelve.
        """
        target = self.steps if steps is None else self.step + positive_int("steps", steps)
        warn_if_replacing(self)
        self.interrupted = self._stop = False
        bar = Bar(self.step, target, self.examples_per_step, self.stream.noun, self.progress)
        self.accelerator.gradient_accumulation_steps = self.accumulation
        self.accelerator.step = 0  # un fit anterior pudo cortarse a media acumulación
        try:
            with Interruption() as interruption, self.stream.open():
                while self.step < target and not self._must_stop(interruption):
                    started = time.perf_counter()
                    with self.stream.undo_on_error():
                        loss = self._backward()
                        self._clip_and_check(loss)
                    self._warmup.set(self.step + 1)
                    self.optimizer.step()
                    self.optimizer.zero_grad()
                    self.step += 1
                    if self.ema is not None:
                        self.ema.update(self.model)
                    self.history.append((self.step, loss))
                    self.seconds += time.perf_counter() - started
                    bar.advance(loss)
                    for callback in self.callbacks:
                        callback(self)
                    due = self.checkpoint_every and self.step % self.checkpoint_every == 0
                    if due and self.step < target:  # el último lo guarda _finish
                        self.save()
        finally:
            bar.close()
            self.optimizer.optimizer.zero_grad()  # el de Accelerate no actúa a media acumulación
            self.model.eval()
        return self._finish(target)

    def stop(self) -> None:
        """Pide que `fit` termine después del paso en curso (para llamarla desde un `callback`)."""
        self._stop = True

    def save(self) -> None:
        """Guarda el punto de control en `checkpoint_dir`; el anterior se borra al final."""
        if self.checkpoint_dir is None:
            raise ValueError("checkpoint_dir=None: no hay carpeta donde guardar; conviene darla.")
        if self.accelerator.is_main_process:
            checkpoint.save(self.checkpoint_file, *snapshot(self), versioned=True)
        self.accelerator.wait_for_everyone()

    def resume(self) -> bool:
        """Continúa desde `checkpoint_dir`; devuelve `False` si todavía no hay nada guardado.

        Errores: `CheckpointError` si el punto de control está dañado o es de otra arquitectura.
        """
        if self.checkpoint_dir is None:
            raise ValueError("checkpoint_dir=None: no hay carpeta de la que continuar.")
        if not self.checkpoint_file.exists():
            if self.progress:
                print(f"No hay punto de control en {self.checkpoint_dir}; se empieza de cero.")
            return False
        restore(self, *checkpoint.load(self.checkpoint_file), self.checkpoint_file)
        if self.progress:
            print(f"Se continúa desde el paso {self.step} ({self.checkpoint_file}).")
        return True

    # --- las piezas del bucle -----------------------------------------------------------------

    def _backward(self) -> float:
        """Acumula el gradiente de un paso y devuelve la pérdida media entre todos los procesos."""
        self._view.train()
        total = torch.zeros((), device=self.device)
        for _ in range(self.accumulation):
            batch = self.stream.next()
            with self.accelerator.accumulate(self._net):
                loss = check_scalar(self.loss(self._view, batch, self.stream.generator))
                self.accelerator.backward(loss)
            total += loss.detach().float() / self.accumulation
        return self.accelerator.reduce(total, "mean").item()

    def _clip_and_check(self, loss: float) -> None:
        """Recorta el gradiente y se detiene si la pérdida o la norma no son finitas."""
        limit, parameters = self.grad_clip or math.inf, self.model.parameters()
        self.grad_norm = float(self.accelerator.clip_grad_norm_(parameters, limit))
        check_finite(self, loss)

    def _must_stop(self, interruption: Interruption) -> bool:
        """¿Pidió parar Ctrl-C o `stop()`? Con varios procesos basta con que lo pida uno."""
        wants = [float(self._stop), float(interruption.requested)]
        if self.accelerator.num_processes > 1:
            wants = self.accelerator.reduce(torch.tensor(wants, device=self.device)).tolist()
        self.interrupted = wants[1] > 0
        return max(wants) > 0

    # --- el punto de control y el final -------------------------------------------------------

    @property
    def checkpoint_file(self) -> Path:
        """JSON del punto de control dentro de `checkpoint_dir`."""
        return self.checkpoint_dir / "entrenamiento.json"

    def _finish(self, target: int) -> "Trainer":
        """Guarda, si hay dónde, y cuenta cómo seguir si el entrenamiento se detuvo antes."""
        if self.checkpoint_dir is not None:
            self.save()
        if self.step < target and self.accelerator.is_main_process:
            print(how_to_continue(self.step, target, self.checkpoint_dir))
        return self
