"""Soluciones del capítulo 2 escritas aparte: otra fórmula equivalente, o en otro orden."""

SOLUTIONS = {}
