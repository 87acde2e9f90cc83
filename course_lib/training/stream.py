"""Lotes en un orden que es función pura de la semilla: retomar es ponerse en la posición justa."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import recursively_apply, send_to_device
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


def derive_seed(*parts: object) -> int:
    """Semilla de 63 bits que depende de todas las `parts` (un resumen BLAKE2b de su texto)."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class Tensors(Dataset):
    """Tensores de igual longitud vistos como conjunto de datos; un lote es una sola indexación."""

    def __init__(self, data: Tensor | tuple[Tensor, ...]) -> None:
        self.single = isinstance(data, Tensor)
        self.tensors = (data,) if self.single else tuple(data)
        lengths = [len(t) for t in self.tensors]
        if len(set(lengths)) != 1:
            raise ValueError(f"Los tensores de data deben tener igual longitud; tienen {lengths}.")
        for i, t in enumerate(self.tensors):
            if t.is_floating_point() and t.numel():
                _check_values(f"data[{i}]", t)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> Any:
        item = tuple(t[index] for t in self.tensors)
        return item[0] if self.single else item

    def __getitems__(self, indices: list[int]) -> Any:
        return self[torch.as_tensor(indices)]


def _check_values(name: str, t: Tensor) -> None:
    if not torch.isfinite(t).all():
        bad = int((~torch.isfinite(t)).sum())
        raise ValueError(f"{name} contiene {bad} valores NaN o infinitos; conviene limpiarlo.")
    low, high = t.min().item(), t.max().item()
    if t.ndim == 4 and max(-low, high) > 10:
        warnings.warn(
            f"{name} tiene valores entre {low:g} y {high:g}, y las imágenes se esperan en [-1, 1]: "
            "de [0, 255] se pasa con x / 127.5 - 1.",
            stacklevel=6,
        )


def as_dataset(data: Any) -> Dataset:
    """`data` como conjunto indexable: un tensor, una tupla de tensores o un `Dataset` de torch."""
    if isinstance(data, Tensor):
        data = Tensors(data)
    elif isinstance(data, (tuple, list)) and data and all(isinstance(t, Tensor) for t in data):
        data = Tensors(tuple(data))
    indexable = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    if not indexable or isinstance(data, (str, bytes, dict)):
        raise TypeError(
            "data debe ser un tensor, una tupla de tensores o un Dataset con longitud; "
            f"se recibió {type(data).__name__}."
        )
    if len(data) == 0:
        raise ValueError("data está vacío: no hay ejemplos con los que entrenar.")
    return data


class Order:
    """Permutaciones de 0…n−1, una por época, enlazadas en una sucesión sin fin.

    El ejemplo que ocupa la posición p es el p mod n de la permutación de la época ⌊p/n⌋.
    """

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed = n, seed
        self._epoch, self._permutation = -1, None

    def permutation(self, epoch: int) -> Tensor:
        """Permutación de la época `epoch`: solo depende de (seed, epoch)."""
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "orden", epoch))
            self._epoch, self._permutation = epoch, torch.randperm(self.n, generator=generator)
        return self._permutation

    def indices(self, start: int, count: int) -> list[int]:
        """Índices de los ejemplos que ocupan las posiciones start … start+count−1."""
        found: list[int] = []
        while len(found) < count:
            epoch, offset = divmod(start + len(found), self.n)
            found += self.permutation(epoch)[offset : offset + count - len(found)].tolist()
        return found

    def batches(self, start: int, size: int, stride: int) -> Iterator[list[int]]:
        """Lotes de `size` índices desde la posición `start`, avanzando `stride` cada vez."""
        while True:
            yield self.indices(start, size)
            start += stride


class Stream:
    """Reparte los lotes entre procesos, los lleva al dispositivo y fija el azar de cada uno.

    El único estado es `seen`, los ejemplos ya servidos: el orden depende de (seed, época) y el azar
    de un lote de (seed, posición de su primer ejemplo).
    """

    def __init__(
        self,
        data: Any,
        batch_size: int,
        accelerator: Accelerator,
        *,
        seed: int = 0,
        workers: int = 0,
        channels_last: bool = False,
    ) -> None:
        self.data, self.batch_size = as_dataset(data), batch_size
        self.device, self.rank = accelerator.device, accelerator.process_index
        self.stride = batch_size * accelerator.num_processes
        self.seed, self.workers, self.channels_last = seed, workers, channels_last
        self.generator = torch.Generator()
        self.seen = 0
        self._batches: Iterator[Any] = iter(())

    @property
    def position(self) -> int:
        """Posición, en el orden de los datos, del primer ejemplo del próximo lote del proceso."""
        return self.seen + self.rank * self.batch_size

    @property
    def noun(self) -> str:
        """Cómo se llaman los ejemplos en la barra de progreso."""
        item = self.data[0]
        first = item[0] if isinstance(item, (tuple, list)) else item
        return "imágenes" if isinstance(first, Tensor) and first.ndim == 3 else "ejemplos"

    @contextmanager
    def open(self) -> Iterator[None]:
        """Lee desde la posición actual; al salir, el azar global vuelve a estar como antes."""
        order = Order(len(self.data), self.seed)
        loader = DataLoader(
            self.data,
            batch_sampler=order.batches(self.position, self.batch_size, self.stride),
            num_workers=self.workers,
            collate_fn=_unchanged if isinstance(self.data, Tensors) else None,
            pin_memory=self._pins_memory(),
            generator=torch.Generator().manual_seed(derive_seed(self.seed, "procesos")),
        )
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            self._batches = iter(loader)
            try:
                yield
            finally:
                self._batches = iter(())

    @contextmanager
    def undo_on_error(self) -> Iterator[None]:
        """Si lo de dentro falla, los lotes que sirvió no cuentan: volverán a servirse."""
        start = self.seen
        try:
            yield
        except BaseException:
            self.seen = start
            raise

    def next(self) -> Any:
        """El próximo lote, ya en el dispositivo, con `generator` y el azar global en su punto."""
        batch = self._to_device(next(self._batches))
        self.generator.manual_seed(derive_seed(self.seed, "ruido", self.position))
        implicit = derive_seed(self.seed, "global", self.position)
        torch.default_generator.manual_seed(implicit)
        if self.device.type != "cpu":
            getattr(torch, self.device.type).manual_seed(implicit)
        self.seen += self.stride
        return batch

    def _pins_memory(self) -> bool:
        """Fijar la memoria acelera la copia a CUDA, y solo se puede con tensores de la CPU."""
        if self.device.type != "cuda":
            return False
        places: list[str] = []
        recursively_apply(lambda t: places.append(t.device.type), self.data[0])
        return set(places) <= {"cpu"}

    def _to_device(self, batch: Any) -> Any:
        batch = tuple(batch) if isinstance(batch, list) else batch
        batch = send_to_device(batch, self.device, non_blocking=True)
        return recursively_apply(_channels_last, batch) if self.channels_last else batch


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _unchanged(batch: Any) -> Any:
    return batch
