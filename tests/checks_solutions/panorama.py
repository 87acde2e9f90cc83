"""Soluciones del capítulo 0 escritas aparte: otra fórmula equivalente, o en otro orden."""

SOLUTIONS = {}
