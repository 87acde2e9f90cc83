"""Soluciones del capítulo 1 escritas aparte: otra fórmula equivalente, o en otro orden."""

SOLUTIONS = {}
