"""Un VAE pequeño y unas imágenes al azar para las pruebas de los widgets."""

import torch

from course_lib.data.images import ImageData
from course_lib.latent import VAE, DiscreteLikelihood
from course_lib.networks import MLPDecoder, MLPEncoder

NAMES = ("abrigo", "botín", "bolso")


def small(likelihood=None, shape=(1, 8, 6), classes=3, **options):
    """Un VAE pequeño con la salida a lo ancho de la escala de gris."""
    torch.manual_seed(1)
    likelihood = likelihood or DiscreteLikelihood()
    encoder = MLPEncoder(shape, 2, 12, num_classes=classes)
    decoder = MLPDecoder(2, shape, likelihood.outputs_per_value, 12, num_classes=classes, **options)
    with torch.no_grad():
        for parameter in [*decoder.parameters(), *encoder.head.mean.parameters()]:
            parameter.mul_(3)
    return VAE(encoder, decoder, likelihood, 2).requires_grad_(False)


def data(shape=(1, 8, 6), count=60):
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
    return ImageData(images, torch.arange(count) % 3, NAMES, "prueba")
