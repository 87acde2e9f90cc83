"""Datos del curso: conjuntos 2-D (`toy`) e imágenes (`images`)."""

from . import images, toy
from .images import DataError, ImageData

__all__ = ["DataError", "ImageData", "images", "toy"]
