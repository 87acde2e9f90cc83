# De la gaussiana a la difusión. Dos órdenes: `make libro` y `make pruebas`.
PYTHON ?= python3
PY := .venv/bin/python
PUERTO ?= 8000

.PHONY: ayuda libro pruebas servir entorno candado vendor limpiar
.DEFAULT_GOAL := ayuda

ayuda:
	@echo "make libro     instala lo necesario, ejecuta los cuadernos y construye el sitio"
	@echo "make pruebas   lo mismo y, además, todas las pruebas (biblioteca, cuadernos, sitio)"
	@echo "make servir    construye el sitio y lo sirve en http://localhost:$(PUERTO)"
	@echo "make candado   vuelve a calcular requirements.txt con las versiones más recientes"
	@echo "make vendor    vuelve a bajar de npm lo que el sitio lleva dentro (necesita node)"
	@echo "make limpiar   borra _build y los temporales; conserva .venv"
	@echo "Otro intérprete: make libro PYTHON=python3.12"

entorno:
	@$(PYTHON) scripts/entorno.py

libro: entorno
	@$(PY) scripts/libro.py

pruebas: entorno
	@$(PY) scripts/pruebas.py

servir: libro
	@echo "Abrir http://localhost:$(PUERTO) (Ctrl-C para terminar)"
	@$(PY) -m http.server $(PUERTO) --bind 127.0.0.1 --directory _build/html

candado:
	@$(PYTHON) scripts/candado.py

vendor:
	@bash scripts/vendor.sh

limpiar:
	rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
