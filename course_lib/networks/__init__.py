"""Redes: módulos de PyTorch que nada saben de difusión."""

from course_lib.networks.classifier import Classifier
from course_lib.networks.dcgan import Discriminator, Generator
from course_lib.networks.embeddings import TimeEmbedding
from course_lib.networks.mdn import MixtureDensityNetwork
from course_lib.networks.mlp import MLP
from course_lib.networks.unet import UNet
from course_lib.networks.vae import (
    ConvDecoder,
    ConvEncoder,
    LinearEncoder,
    MLPDecoder,
    MLPEncoder,
)

__all__ = [
    "MLP",
    "Classifier",
    "ConvDecoder",
    "ConvEncoder",
    "Discriminator",
    "Generator",
    "LinearEncoder",
    "MLPDecoder",
    "MLPEncoder",
    "MixtureDensityNetwork",
    "TimeEmbedding",
    "UNet",
]
