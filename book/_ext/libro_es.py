"""Ajustes del sitio: interfaz en español, búsqueda, bibliografía, botones y números de capítulo."""

import json
import re
from pathlib import Path

import pybtex.plugin
from bibliografia_es import CitasEs, EstiloEs
from busqueda_es import BusquedaSinTildes, plegar_en_el_navegador
from docutils import nodes
from sphinx.locale import translators
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx_external_toc.collectors import TocTreeCollectorWithStyles
from sphinx_proof.nodes import proof_node
from sphinxcontrib.bibtex.plugin import register_plugin
from textos_es import CATALOGOS, EN_HTML, EN_JS, MENSAJES_JS

registro = logging.getLogger(__name__)
CAPITULO = re.compile(r"^notebooks/(\d+)_")


def traducir(app, config) -> None:
    """Completa los catálogos de gettext que ya cargaron Sphinx y las extensiones."""
    for catalogo, textos in CATALOGOS.items():
        traductor = translators.get(("general", catalogo))
        if not hasattr(traductor, "_catalog"):
            registro.warning("falta el catálogo de textos en español de «%s»", catalogo)
            continue
        traductor._catalog.update(textos)


def numerar_capitulos() -> None:
    """Da a cada capítulo el número de su archivo, aunque falten los anteriores."""
    original = TocTreeCollectorWithStyles.assign_section_numbers

    def con_numero_de_archivo(self, env):
        reescritos = original(self, env)
        for documento, numeros in env.toc_secnumbers.items():
            if not (hallado := CAPITULO.match(documento)):
                continue
            capitulo = int(hallado[1])
            for ancla, numero in numeros.items():
                numeros[ancla] = (capitulo, *numero[1:])
            titulo = env.titles[documento]
            if "secnumber" in titulo:
                titulo["secnumber"] = (capitulo, *titulo["secnumber"][1:])
            for enlace in env.tocs[documento].findall(nodes.reference):
                if "secnumber" in enlace:
                    enlace["secnumber"] = (capitulo, *enlace["secnumber"][1:])
        return reescritos

    TocTreeCollectorWithStyles.assign_section_numbers = con_numero_de_archivo


class Demostraciones(SphinxTransform):
    """Escribe «Demostración» (sphinx-proof pone «Proof. ») y deja plegar las que lo piden."""

    default_priority = 400

    def apply(self, **_) -> None:
        for numero, nodo in enumerate(self.document.findall(proof_node), 1):
            caja = nodo[0]
            caja["ids"] = [f"demostracion-{numero}"]
            parrafo = caja[0]
            primero = parrafo[0]
            parrafo.replace(primero, nodes.Text(primero.astext().removeprefix("Proof. ")))
            if "dropdown" in caja["classes"]:
                caja.insert(0, nodes.title("", "Demostración"))
            else:
                parrafo.insert(0, nodes.strong("", "Demostración. "))


def boton(url: str, texto: str, ayuda: str, icono: str, etiqueta: str) -> dict:
    """Un enlace de la cabecera, a la vista y no dentro de un menú."""
    return {
        "type": "link",
        "url": url,
        "text": texto,
        "tooltip": ayuda,
        "icon": icono,
        "label": etiqueta,
    }


def ajustar_pagina(app, pagina, plantilla, contexto, doctree) -> None:
    """Quita los programas que no se usan y pone a la vista los botones de los cuadernos."""
    programas = contexto.get("script_files", [])
    sobran = [p for p in programas if "thebe" in f"{p} {getattr(p, 'attributes', '')}"]
    contexto["script_files"] = [p for p in programas if p not in sobran]
    estilos = contexto.get("css_files", [])
    contexto["css_files"] = [e for e in estilos if "thebe" not in str(e)]

    botones = contexto.get("header_buttons")
    if not botones:
        return
    nuevos = []
    for grupo in botones:
        if grupo.get("label") == "launch-buttons":
            for uno in grupo["buttons"]:
                ayuda = "Abrir este cuaderno en Google Colab"
                nuevos.append(boton(uno["url"], "Abrir en Colab", ayuda, uno["icon"], "colab"))
        elif grupo.get("label") == "download-buttons":
            if str(contexto.get("sourcename", "")).endswith(".ipynb"):
                url = f"{contexto['pathto']('_sources', 1)}/{contexto['sourcename']}"
                ayuda = "Descargar el cuaderno (.ipynb)"
                nuevos.append(boton(url, "", ayuda, "fas fa-download", "descargar"))
        else:
            nuevos.append(grupo)
    botones[:] = nuevos


def repasar(app, fallo) -> None:
    """Con el sitio ya escrito, sustituye los textos ingleses que no pasan por gettext."""
    if fallo or app.builder.format != "html":
        return
    salida = Path(app.outdir)
    for archivo in salida.rglob("*.html"):
        texto = original = archivo.read_text(encoding="utf-8")
        for ingles, espanol in EN_HTML.items():
            texto = texto.replace(ingles, espanol)
        if texto != original:
            archivo.write_text(texto, encoding="utf-8")
    for nombre, cambios in EN_JS.items():
        texto = (salida / nombre).read_text(encoding="utf-8")
        for ingles, espanol in cambios.items():
            if ingles not in texto:
                registro.warning("no está «%s» en %s", ingles, nombre)
            texto = texto.replace(ingles, espanol)
        (salida / nombre).write_text(texto, encoding="utf-8")
    with (salida / "_static" / "translations.js").open("a", encoding="utf-8") as archivo:
        mensajes = json.dumps(MENSAJES_JS, ensure_ascii=False)
        archivo.write(f"\nObject.assign(Documentation.TRANSLATIONS, {mensajes});\n")
    plegar_en_el_navegador(salida / "_static", registro.warning)


def setup(app):
    pybtex.plugin.register_plugin("pybtex.style.formatting", "es", EstiloEs)
    register_plugin("sphinxcontrib.bibtex.style.referencing", "es", CitasEs)
    app.add_search_language(BusquedaSinTildes)
    numerar_capitulos()
    app.add_transform(Demostraciones)
    app.connect("config-inited", traducir, priority=900)
    app.connect("html-page-context", ajustar_pagina, priority=900)
    app.connect("build-finished", repasar, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
