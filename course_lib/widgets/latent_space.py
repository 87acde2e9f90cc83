"""`LatentSpace`: el plano latente de un VAE, decodificado en el navegador."""

from numbers import Integral

import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from course_lib.data.images import ImageData
from course_lib.errors import in_range, positive_int
from course_lib.evaluation import evaluating
from course_lib.latent import (
    VAE,
    BernoulliLikelihood,
    DiscreteLikelihood,
    GaussianLikelihood,
)
from course_lib.networks.vae import MLPDecoder
from course_lib.widgets.base import CourseWidget, bundle, check_page_weight
from course_lib.widgets.values import pair

LIMIT = 3.0  # el plano es [-3, 3]²
MAX_POINTS = 2000
MAX_CLASSES = 100
LAWS = {
    BernoulliLikelihood: "bernoulli",
    GaussianLikelihood: "gaussian",
    DiscreteLikelihood: "discrete",
}


class ClassIndex(traitlets.Int):
    """Un entero o `None`, que también pasa por su validador (traitlets lo da por bueno sin mirar)."""

    def _validate(self, obj, value):
        value = super()._validate(obj, value)
        if value is None and not obj._cross_validation_lock:
            value = self._cross_validate(obj, value)
        return value


class LatentSpace(CourseWidget):
    r"""El plano latente $[-3,3]^2$ de un VAE: al mover z se ve $E[x|z]$, calculada en el navegador.

    - `vae`: un `course_lib.latent.VAE` con `latent_dim` = 2, un `MLPDecoder` de imágenes de 1 o 3
      canales y una ley de `course_lib.latent`. Sus pesos viajan en float16;
    - `data`: un `ImageData` con imágenes de la misma forma; se muestran las medias de $q(z|x)$ de
      `points` de ellas (hasta 2000, elegidas con semilla fija), con su clase si el VAE es
      condicional;
    - `z`: el punto de partida; `y`: la clase de partida, la 0 si no se da. Sin clases, `None`.

    `z` e `y` son rasgos: con núcleo se leen y se escriben desde Python. La escala de gris es
    [0, 1] con `BernoulliLikelihood` y [−1, 1] con las demás. ValueError o TypeError si el VAE o los
    datos no son así, o si los pesos no caben en la página.
    """

    _esm = bundle(
        "common.js", "random.js", "plot.js", "plane.js", "gaussian2d.js", "panel.js",
        "latent_decoder.js", "latent_map.js", "latent_space.js",
    )  # fmt: skip
    _css = bundle("widgets.css", "latent_space.css")

    weights = traitlets.Bytes().tag(sync=True)
    sizes = traitlets.List(traitlets.Int()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    law = traitlets.Unicode().tag(sync=True)
    conditional = traitlets.Bool().tag(sync=True)
    classes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    codes = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    limit = traitlets.Float(LIMIT).tag(sync=True)
    z = traitlets.List().tag(sync=True)
    y = ClassIndex(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        vae: VAE,
        data: ImageData | None = None,
        points: int = 600,
        z: tuple[float, float] = (0.0, 0.0),
        y: int | None = None,
    ):
        decoder, law, shape = check_vae(vae)
        weights, sizes = export(decoder, shape)
        count = 0 if decoder.label is None else decoder.label.num_embeddings - 1
        codes, labels = np.zeros((0, 2), "<f4"), np.zeros(0, np.uint8)
        if data is not None:
            data = check_data(data, shape, count)
            codes, labels = encode(vae, data, points, conditional=count > 0)
        check_page_weight(
            "LatentSpace", len(weights) + codes.nbytes, "Conviene un MLPDecoder más estrecho."
        )
        super().__init__(
            weights=weights,
            sizes=sizes,
            shape=list(shape),
            law=law,
            conditional=count > 0,
            classes=class_names(data, count),
            codes=codes.tobytes(),
            labels=labels.tobytes(),
            z=check_point(z),
            y=check_class(0 if y is None and count else y, count),
        )

    @traitlets.validate("z")
    def _valid_z(self, proposal):
        return check_point(proposal["value"])

    @traitlets.validate("y")
    def _valid_y(self, proposal):
        return check_class(proposal["value"], len(self.classes) if self.conditional else 0)

    def description(self) -> str:
        shape = " × ".join(map(str, self.shape))
        name = f", clase {self.classes[self.y]}" if self.conditional else ""
        return f"LatentSpace: imágenes {shape}, {len(self.labels)} codificadas{name}"


# --- Comprobaciones -------------------------------------------------------------------------------


def check_vae(vae: VAE) -> tuple[MLPDecoder, str, tuple[int, int, int]]:
    """El decodificador, el nombre de la ley y la forma de las imágenes, si se pueden dibujar."""
    if not isinstance(vae, VAE):
        raise TypeError(f"vae debe ser un VAE de course_lib.latent; se recibió {_kind(vae)}.")
    if vae.latent_dim != 2:
        raise ValueError(
            f"LatentSpace dibuja un plano: vae debe tener latent_dim = 2 y tiene {vae.latent_dim}."
        )
    decoder, likelihood = vae.decoder_net, vae.likelihood
    if type(decoder) is not MLPDecoder:
        raise TypeError(
            "LatentSpace solo sabe decodificar en el navegador un MLPDecoder de "
            f"course_lib.networks; el decoder_net de vae es {_kind(decoder)}."
        )
    if type(likelihood) not in LAWS:
        names = ", ".join(law.__name__ for law in LAWS)
        raise TypeError(f"la ley de vae debe ser {names}; se recibió {_kind(likelihood)}.")
    per_value = likelihood.outputs_per_value
    shape = (decoder.shape[0] // per_value, *decoder.shape[1:])
    if decoder.shape[0] % per_value or len(shape) != 3 or shape[0] not in (1, 3):
        raise ValueError(
            "el decoder_net de vae debe dar imágenes (C, H, W) con C = 1 o 3 y "
            f"{per_value} números por valor; da {decoder.shape}."
        )
    if decoder.label is not None and decoder.label.num_embeddings - 1 > MAX_CLASSES:
        raise ValueError(
            f"vae tiene {decoder.label.num_embeddings - 1} clases y caben hasta {MAX_CLASSES}."
        )
    return decoder, LAWS[type(likelihood)], shape


def check_data(data: ImageData, shape: tuple[int, int, int], num_classes: int) -> ImageData:
    """Los datos, si tienen la forma y las clases del VAE."""
    if not isinstance(data, ImageData):
        raise TypeError(
            f"data debe ser un ImageData de course_lib.data.images; se recibió {_kind(data)}."
        )
    if tuple(data.images.shape[1:]) != shape or len(data) == 0:
        raise ValueError(
            f"data debe traer imágenes de forma {shape}, las de vae; se recibió "
            f"{tuple(data.images.shape)}."
        )
    low, top = data.labels.min().item(), data.labels.max().item()
    owner, count = ("vae", num_classes) if num_classes else ("class_names", len(data.class_names))
    if low < 0 or top >= count:
        wrong = low if low < 0 else top
        raise ValueError(f"data trae la clase {wrong} y {owner} solo tiene las de 0 a {count - 1}.")
    if count > MAX_CLASSES:
        raise ValueError(f"data tiene {count} clases y caben hasta {MAX_CLASSES}.")
    return data


def check_point(z) -> list[float]:
    """`z` como dos números dentro del plano."""
    z = z.tolist() if isinstance(z, Tensor) else z
    return [in_range(f"z[{i}]", v, -LIMIT, LIMIT) for i, v in enumerate(pair("z", z))]


def check_class(y: int | None, num_classes: int) -> int | None:
    """`y`, si es una clase del VAE; `None`, si no las tiene."""
    if not num_classes:
        if y is not None:
            raise ValueError(f"vae no tiene clases: y debe ser None y se recibió {y!r}.")
        return None
    if isinstance(y, bool) or not isinstance(y, Integral):
        raise TypeError(f"y debe ser un entero de 0 a {num_classes - 1}; se recibió {y!r}.")
    return int(in_range("y", y, 0, num_classes - 1))


def _kind(value) -> str:
    return type(value).__name__


# --- Lo que viaja a la página -----------------------------------------------------------------------


def export(decoder: MLPDecoder, shape: tuple[int, int, int]) -> tuple[bytes, list[int]]:
    """Los pesos en float16 y los anchos de las capas.

    Por cada capa, W (salidas, entradas) y b; después, el vector de cada clase. De la última solo
    van las salidas de la media.
    """
    outputs = shape[0] * shape[1] * shape[2]
    body = [layer for layer in decoder.body.modules() if isinstance(layer, nn.Linear)]
    layers = [(layer.weight, layer.bias) for layer in (decoder.first, *body)]
    layers.append((decoder.last.weight[:outputs], decoder.last.bias[:outputs]))
    tensors = [tensor for layer in layers for tensor in layer]
    if decoder.label is not None:
        tensors.append(decoder.label.weight[:-1])  # la última fila es la clase nula
    flat = torch.cat([tensor.detach().cpu().flatten() for tensor in tensors]).to(torch.float16)
    if not torch.isfinite(flat).all():
        raise ValueError(
            "los pesos del decoder_net de vae traen NaN, infinitos o números que no caben en "
            "float16 (más de 65504): conviene revisar el entrenamiento."
        )
    sizes = [decoder.first.in_features, *(len(bias) for _, bias in layers)]
    return flat.numpy().astype("<f2").tobytes(), sizes


def encode(vae: VAE, data: ImageData, points: int, conditional: bool):
    """Las medias de q(z|x) de `points` imágenes, (N, 2) en float32, y sus clases, (N,) en uint8."""
    in_range("points", positive_int("points", points), 1, MAX_POINTS)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:points]
    chosen = data.select(order)
    x = chosen.to_model()
    if isinstance(vae.likelihood, BernoulliLikelihood):
        x = (x + 1) / 2
    weight = vae.decoder_net.last.weight
    y = chosen.labels.to(weight.device) if conditional else None
    with evaluating(vae):
        mean, _ = vae.encode(x.to(weight), y)
    codes = mean.float().cpu().numpy().astype("<f4")
    if not np.isfinite(codes).all():
        raise ValueError(
            "las medias de q(z|x) traen NaN o infinitos: conviene revisar el encoder de vae."
        )
    return codes, chosen.labels.cpu().numpy().astype(np.uint8)


def class_names(data: ImageData | None, num_classes: int) -> list[str]:
    """Los nombres de las clases: los de los datos o, si no los hay, «clase 3»."""
    if data is not None and (not num_classes or len(data.class_names) == num_classes):
        return list(data.class_names)
    return [f"clase {k}" for k in range(num_classes)]
