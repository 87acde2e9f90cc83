"""Comprobaciones del capítulo 1: `checks.gaussians.X(f)` dice si `f` es correcta y, si no, por qué."""
