"""`LatentSpace` y `GradientVariance` vistos desde Python."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from widget_toys import check_bundle

from course_lib import weights
from course_lib.data.images import ImageData, load
from course_lib.latent import (
    VAE,
    BernoulliLikelihood,
    DiscreteLikelihood,
    GaussianLikelihood,
    linear_vae,
    pathwise,
    score_function,
)
from course_lib.networks import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder
from course_lib.widgets import GradientVariance, LatentSpace
from course_lib.widgets.gradient_variance import FUNCTIONS

torch.set_num_threads(1)


def small_vae(likelihood=None, shape=(1, 6, 4), classes=3, hidden=8, **options):
    torch.manual_seed(0)
    likelihood = likelihood or DiscreteLikelihood()
    encoder = MLPEncoder(shape, 2, hidden, num_classes=classes)
    decoder = MLPDecoder(
        2, shape, likelihood.outputs_per_value, hidden, num_classes=classes, **options
    )
    return VAE(encoder, decoder, likelihood, 2)


def pictures(count=40, shape=(1, 6, 4), classes=3):
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
    names = tuple("abcdefghij"[:classes])
    return ImageData(images, torch.arange(count) % classes, names, "prueba")


# --- LatentSpace --------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [None, 3])
@pytest.mark.parametrize("likelihood", [DiscreteLikelihood("output"), GaussianLikelihood(0.5)])
def test_los_pesos_viajan_capa_a_capa_en_float16(classes, likelihood):
    vae = small_vae(likelihood, classes=classes, depth=3)
    widget = LatentSpace(vae)
    net = vae.decoder_net
    assert widget.sizes == [2, 8, 8, 8, 24] and widget.shape == [1, 6, 4]
    sent = np.frombuffer(widget.weights, "<f2")
    layers = [net.first, net.body[1], net.body[3], net.last]
    parts = [part for layer in layers for part in (layer.weight, layer.bias)]
    parts[-2:] = [net.last.weight[:24], net.last.bias[:24]]  # de "output", solo la media
    if classes:
        parts.append(net.label.weight[:3])
    expected = torch.cat([part.detach().flatten() for part in parts])
    np.testing.assert_array_equal(sent, expected.half().numpy())


@pytest.mark.parametrize("classes", [None, 3])
def test_los_codigos_son_las_medias_de_q(classes):
    vae, data = small_vae(classes=classes), pictures()
    widget = LatentSpace(vae, data, points=25)
    sent = np.frombuffer(widget.codes, "<f4").reshape(25, 2)
    with torch.no_grad():
        mean = vae.encode(data.to_model(), data.labels if classes else None)[0].numpy()
    labels = data.labels.numpy()
    rows = [np.abs(mean - code).sum(1).argmin() for code in sent]
    assert len(set(rows)) == 25 and rows != sorted(rows)  # 25 distintas, barajadas
    np.testing.assert_allclose(sent, mean[rows], atol=1e-6)
    assert list(widget.labels) == labels[rows].tolist()
    assert LatentSpace(vae, data, points=25).codes == widget.codes
    assert len(LatentSpace(vae, data, points=600).labels) == 40


def test_con_bernoulli_se_codifican_datos_en_cero_uno():
    vae, data = small_vae(BernoulliLikelihood(), classes=None), pictures()
    widget = LatentSpace(vae, data, points=40)
    with torch.no_grad():
        mean = vae.encode(data.images / 255.0)[0].numpy()
    sent = np.frombuffer(widget.codes, "<f4").reshape(40, 2)
    np.testing.assert_allclose(sorted(sent[:, 0]), sorted(mean[:, 0]), atol=1e-6)


class Normed(nn.Module):
    """Un codificador con memoria: en modo de entrenamiento, la cambia y depende del lote."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.head = nn.BatchNorm1d(24), nn.Linear(24, 4)

    def forward(self, x):
        return self.head(self.norm(x.flatten(1)))


def test_codificar_no_toca_el_vae():
    vae = VAE(Normed(), MLPDecoder(2, (1, 6, 4)), DiscreteLikelihood(), 2).train()
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    codes = LatentSpace(vae, pictures(), points=20).codes
    assert all(torch.equal(before[name], value) for name, value in vae.state_dict().items())
    assert vae.training and vae.encoder.norm.training
    assert LatentSpace(vae.eval(), pictures(), points=20).codes == codes


def lost_encoder():
    vae = small_vae()
    with torch.no_grad():
        vae.encoder.first.bias[0] = math.nan
    return vae


def relabelled(shift, classes=3):
    data = pictures(classes=classes)
    return ImageData(data.images, data.labels + shift, data.class_names, data.source)


def many_classes():
    data = pictures()
    return ImageData(data.images, data.labels, tuple(map(str, range(101))), data.source)


def test_los_nombres_de_las_clases():
    assert LatentSpace(small_vae(), pictures()).classes == ["a", "b", "c"]
    assert LatentSpace(small_vae()).classes == ["clase 0", "clase 1", "clase 2"]
    assert LatentSpace(small_vae(classes=None), pictures()).classes == ["a", "b", "c"]
    assert LatentSpace(small_vae(classes=None)).classes == []
    assert LatentSpace(small_vae(), pictures(classes=2)).classes[1] == "clase 1"


class Halved(DiscreteLikelihood):
    """Una ley ajena al curso."""


class Deeper(MLPDecoder):
    """Un decodificador que podría calcular otra cosa."""


def broken(value):
    vae = small_vae()
    with torch.no_grad():
        vae.decoder_net.last.bias[2] = value
    return vae


def three_latents():
    shape = (1, 6, 4)
    return VAE(MLPEncoder(shape, 3), MLPDecoder(3, shape), DiscreteLikelihood(), 3)


def with_decoder(decoder, likelihood=None):
    return VAE(MLPEncoder((1, 6, 4), 2), decoder, likelihood or DiscreteLikelihood(), 2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LatentSpace(nn.Linear(2, 3)), TypeError, "VAE de course_lib.latent.*Linear"),
        (lambda: LatentSpace(three_latents()), ValueError, "latent_dim = 2 y tiene 3"),
        (
            lambda: LatentSpace(VAE(ConvEncoder(2), ConvDecoder(2), DiscreteLikelihood(), 2)),
            TypeError,
            "MLPDecoder.*es ConvDecoder",
        ),
        (lambda: LatentSpace(linear_vae(24, 2)), TypeError, "MLPDecoder.*es Linear"),
        (lambda: LatentSpace(with_decoder(Deeper(2, (1, 6, 4)))), TypeError, "es Deeper"),
        (
            lambda: LatentSpace(with_decoder(MLPDecoder(2, (1, 6, 4)), Halved())),
            TypeError,
            "DiscreteLikelihood; se recibió Halved",
        ),
        (
            lambda: LatentSpace(with_decoder(MLPDecoder(2, 24))),
            ValueError,
            r"imágenes \(C, H, W\).*da \(24,\)",
        ),
        (
            lambda: LatentSpace(with_decoder(MLPDecoder(2, (2, 6, 4)))),
            ValueError,
            r"C = 1 o 3.*\(2, 6, 4\)",
        ),
        (
            lambda: LatentSpace(
                with_decoder(MLPDecoder(2, (3, 6, 4)), DiscreteLikelihood("output"))
            ),
            ValueError,
            r"2 números por valor; da \(3, 6, 4\)",
        ),
        (lambda: LatentSpace(broken(math.nan)), ValueError, "NaN.*float16"),
        (lambda: LatentSpace(broken(1e6)), ValueError, "65504"),
        (
            lambda: LatentSpace(small_vae(shape=(3, 64, 64), hidden=128)),
            ValueError,
            "añadiría 4.* MB.*más estrecho",
        ),
        (lambda: LatentSpace(small_vae(classes=101)), ValueError, "101 clases y caben hasta 100"),
        (
            lambda: LatentSpace(small_vae(), pictures().images),
            TypeError,
            "ImageData.*se recibió Tensor",
        ),
        (
            lambda: LatentSpace(small_vae(), pictures(shape=(1, 4, 6))),
            ValueError,
            r"forma \(1, 6, 4\).*\(40, 1, 4, 6\)",
        ),
        (
            lambda: LatentSpace(small_vae(), pictures(classes=5)),
            ValueError,
            "clase 4 y vae solo tiene las de 0 a 2",
        ),
        (
            lambda: LatentSpace(small_vae(), relabelled(-1)),
            ValueError,
            "clase -1 y vae solo tiene las de 0 a 2",
        ),
        (
            lambda: LatentSpace(small_vae(classes=None), relabelled(254)),
            ValueError,
            "clase 256 y class_names solo tiene las de 0 a 2",
        ),
        (
            lambda: LatentSpace(small_vae(classes=None), many_classes()),
            ValueError,
            "101 clases y caben hasta 100",
        ),
        (lambda: LatentSpace(lost_encoder(), pictures()), ValueError, "medias.*NaN.*encoder"),
        (lambda: LatentSpace(small_vae(), pictures(), points=0), ValueError, "points .*positivo"),
        (lambda: LatentSpace(small_vae(), pictures(), points=2001), ValueError, r"\[1, 2000\]"),
        (lambda: LatentSpace(small_vae(), z=(0, 4)), ValueError, r"z\[1\].*\[-3, 3\].*4"),
        (lambda: LatentSpace(small_vae(), z=(1, 2, 3)), ValueError, "z debe traer dos números"),
        (lambda: LatentSpace(small_vae(), z=(0, math.nan)), ValueError, r"z\[1\].*finito"),
        (lambda: LatentSpace(small_vae(), y=3), ValueError, r"y debe estar en \[0, 2\].*3"),
        (lambda: LatentSpace(small_vae(), y=1.0), TypeError, "y debe ser un entero de 0 a 2.*1.0"),
        (lambda: LatentSpace(small_vae(classes=None), y=1), ValueError, "no tiene clases.*1"),
    ],
)
def test_vae_datos_u_opciones_que_no_sirven(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_rasgos_imposibles_del_plano():
    widget = LatentSpace(small_vae(), z=torch.tensor([0.5, -1.0]), y=2)
    for name, value, message in [
        ("z", [0.0, 3.1], r"z\[1\] debe estar en \[-3, 3\]"),
        ("y", 7, r"y debe estar en \[0, 2\]"),
        ("y", None, "y debe ser un entero"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            setattr(widget, name, value)
    assert (widget.z, widget.y) == ([0.5, -1.0], 2)
    widget.z, widget.y = (1, 2), 0
    assert (widget.z, widget.y) == ([1.0, 2.0], 0)


def test_los_enteros_de_numpy_son_enteros():
    assert LatentSpace(small_vae(), y=np.int64(2)).y == 2
    assert GradientVariance(seed=np.int64(5)).seed == 5


def test_los_pesos_repartidos_pesan_lo_previsto():
    widget = LatentSpace(weights.load("vae-fashion-2d"), load("fashion-mnist", source="slice"))
    assert widget.classes[9] == "botín" and len(widget.labels) == 600
    assert len(json.dumps(widget._get_embed_state())) < 420_000


# --- GradientVariance ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_la_funcion_elegida_sirve_a_los_estimadores(name):
    f = GradientVariance(name).function
    mean, log_std = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    assert score_function(f, mean, log_std, 7, generator).mean.shape == (7, 2)
    if name == "escalón":
        with pytest.raises(ValueError, match="derivable"):
            pathwise(f, mean, log_std, 7, generator)
    else:
        assert pathwise(f, mean, log_std, 7, generator).log_std.shape == (7, 2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"f": "coseno"}, ValueError, "f='coseno' no existe. Opciones válidas: 'cuadrática'"),
        ({"mean": 2.5}, ValueError, r"mean debe estar en \[-2, 2\]; se recibió 2.5"),
        ({"mean": "a"}, TypeError, "mean debe ser un número"),
        ({"std": 0}, ValueError, "std debe ser mayor que 0"),
        ({"std": 2}, ValueError, r"std debe estar en \[0.1, 1.5\]"),
        ({"samples": 1}, ValueError, r"samples debe estar en \[2, 2048\]; se recibió 1"),
        ({"samples": 4096}, ValueError, r"samples debe estar en \[2, 2048\]"),
        ({"samples": 10.0}, TypeError, "samples debe ser un entero"),
        ({"baseline": "media"}, ValueError, "baseline='media' no existe.*'leave-one-out'"),
        ({"component": "std"}, ValueError, "component='std' no existe.*'mean', 'log_std'"),
        ({"seed": -1}, ValueError, "seed debe estar en"),
        ({"seed": 0.5}, TypeError, "seed debe ser un entero; se recibió 0.5"),
    ],
)
def test_opciones_de_los_gradientes_que_no_sirven(options, error, message):
    with pytest.raises(error, match=message):
        GradientVariance(**options)


def test_rasgos_imposibles_de_los_gradientes():
    widget = GradientVariance("seno", 0.5, 0.7, 64, "optimal", "log_std", 3)
    for name, value in [
        ("f", "recta"),
        ("mean", -3.0),
        ("std", 0.05),
        ("samples", 0),
        ("baseline", "otra"),
        ("component", "s"),
        ("seed", -1),
    ]:
        before = getattr(widget, name)
        with pytest.raises(ValueError, match=name):
            setattr(widget, name, value)
        assert getattr(widget, name) == before
    widget.baseline = None
    assert widget.baseline is None


# --- Lo común -----------------------------------------------------------------------------------

WIDGETS = [
    lambda: LatentSpace(small_vae(), pictures()),
    lambda: LatentSpace(small_vae(classes=None)),
    lambda: LatentSpace(weights.load("vae-fashion-2d")),
    lambda: GradientVariance("escalón suave", baseline="leave-one-out"),
]


@pytest.mark.parametrize("make", WIDGETS)
def test_descripcion_corta_y_estable_modulo_sin_red_y_peso(make):
    check_bundle(make(), make())
