"""Biblioteca del curso «De la gaussiana a la difusión»: lo que los cuadernos importan."""

__version__ = "0.1.0"
