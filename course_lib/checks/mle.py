"""Comprobaciones del capítulo 2: `checks.mle.X(f)` dice si `f` es correcta y, si no, por qué."""
