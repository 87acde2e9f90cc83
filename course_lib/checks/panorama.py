"""Comprobaciones del capítulo 0: `checks.panorama.X(f)` dice si `f` es correcta y, si no, por qué."""
