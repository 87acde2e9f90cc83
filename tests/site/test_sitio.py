"""El sitio construido, abierto en un navegador de verdad y sin red."""

import json
import re
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
import yaml
from apoyo import RAIZ, SITIO, paginas_de_lectura
from bs4 import BeautifulSoup

sys.path.insert(0, str(RAIZ / "book" / "_ext"))

from busqueda_es import BusquedaSinTildes  # noqa: E402

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
PAGINAS = paginas_de_lectura() or ["book/portada.html"]
CAPITULOS = [p for p in PAGINAS if p.startswith("notebooks/")]
REPOSITORIO = yaml.safe_load((RAIZ / "_config.yml").read_text())["repository"]

# Restos de la interfaz en inglés: se buscan como palabras completas en todo lo que se lee o se oye.
INGLES = """
    Link to this|Permalink|Show code|Hide code|Show cell|Hide cell|Toggle|Click to|Search the docs
    Search Results|Searching|Search this book|Skip to main|Back to top|On this page|Contents
    Next|Previous|next page|previous page|Repository|Source repository|Suggest edit|Open issue
    Open an issue|Launch|Download|Print to PDF|Fullscreen|Color mode|System Settings|Light|Dark
    Site navigation|Section Navigation|Breadcrumb|Built with|Created using|Last updated|By the
    Theme by|Proof|Theorem|Definition|Lemma|Corollary|Remark|Example|Exercise|Solution|Algorithm
    Figure|Table|Chapter|Appendix|Bibliography|editors|Copied|Copy to clipboard|Main|Logo image
    Table of Contents|Home|Binder|Live Code|Warning|Note|Tip|Important|Hint
"""
INGLES = re.compile(r"(?<![\w-])(" + "|".join(INGLES.split("\n")[1:-1]).replace(" " * 4, "") +
                    r")(?![\w-])")  # fmt: skip

# Lo que axe-core encuentra y causa el propio tema, no el curso (regla → selector que lo delata).
DEL_TEMA = {}


@cache
def sopa(ruta: str) -> BeautifulSoup:
    """El HTML de una página, sin el estado de los widgets (megas de JSON)."""
    html = (SITIO / ruta).read_text(encoding="utf-8")
    estado = r'<script type="application/vnd.jupyter.widget-state[^<]*</script>'
    return BeautifulSoup(re.sub(estado, "", html, flags=re.S), "html.parser")


@cache
def anclas(ruta: str) -> set[str]:
    return {etiqueta["id"] for etiqueta in sopa(ruta).select("[id]")}


@pytest.mark.parametrize("ruta", PAGINAS)
def test_abre_sin_red_y_sin_errores(abrir, ruta):
    pagina = abrir(ruta)
    pagina.evaluate("document.querySelectorAll('details').forEach(d => (d.open = true))")
    pagina.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    pagina.wait_for_timeout(500)
    assert pagina.peticiones_externas == []
    assert pagina.errores == []


@pytest.mark.parametrize("ruta", PAGINAS)
def test_a_360_puntos_nada_se_sale(abrir, ruta):
    pagina = abrir(ruta, ancho=360, alto=740)
    pagina.evaluate("document.querySelectorAll('details').forEach(d => (d.open = true))")
    sobra = pagina.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    culpables = pagina.evaluate(
        """() => [...document.querySelectorAll('.bd-article *')]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .filter(e => { for (let p = e.parentElement; p; p = p.parentElement)
                if (getComputedStyle(p).overflowX !== "visible") return false;
                return true; })
            .slice(0, 5).map(e => e.outerHTML.slice(0, 160))"""
    )
    assert sobra <= 0 and culpables == []


@pytest.mark.parametrize("ruta", PAGINAS)
def test_las_formulas_se_componen(abrir, ruta):
    pagina = abrir(ruta)
    malas = pagina.locator("mjx-merror, .math:not(:has(mjx-container))")
    assert [m.inner_text() for m in malas.all()] == []


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("tema", ["light", "dark"])
@pytest.mark.parametrize("ruta", [*PAGINAS, "search.html"])
def test_accesibilidad(abrir, ruta, tema):
    pagina = abrir(ruta, tema=tema, reduced_motion="reduce")
    pagina.evaluate("document.fonts.ready.then(() => true)")
    pagina.wait_for_timeout(700)
    pagina.add_script_tag(path=str(AXE))
    hallazgos = pagina.evaluate("axe.run({resultTypes: ['violations']}).then(r => r.violations)")
    graves = [
        (h["id"], nodo["html"][:200], nodo["failureSummary"][:300])
        for h in hallazgos
        for nodo in h["nodes"]
        if nodo["impact"] in ("serious", "critical")
        and not re.search(DEL_TEMA.get(h["id"], r"$^"), nodo["html"])
    ]
    assert graves == []


@pytest.mark.parametrize("ruta", [*PAGINAS, "search.html"])
def test_interfaz_sin_restos_de_ingles(abrir, ruta):
    pagina = abrir(ruta)  # el título de una cita es el de la obra, en su idioma: no es interfaz
    rotulos = pagina.evaluate(
        """() => [...document.querySelectorAll('*:not(a[href*="bibliografia.html#"])')].flatMap(e =>
            ['aria-label', 'title', 'alt', 'placeholder', 'data-bs-title', 'data-tooltip']
                .map(a => e.getAttribute(a)).filter(Boolean))"""
    )
    textos = pagina.evaluate(
        """() => { const ajeno = 'pre, code, script, style, em, svg, .citation, mjx-container';
            const paseo = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const textos = [];
            while (paseo.nextNode())
                if (!paseo.currentNode.parentElement.closest(ajeno))
                    textos.push(paseo.currentNode.data.trim());
            return textos.filter(Boolean); }"""
    )
    restos = [t for t in {*rotulos, *textos} if INGLES.search(t)]
    assert restos == []
    assert pagina.locator("html").get_attribute("lang") == "es"


def resultados(pagina, base, consulta) -> list[tuple[str, str]]:
    pagina.goto(f"{base}/search.html?q={consulta}")
    pagina.wait_for_function("() => /\\d|ninguna/.test(document.querySelector('.search-summary')"
                             "?.innerText ?? '')")  # fmt: skip
    enlaces = pagina.locator("#search-results ul.search > li > a")
    return [(e.get_attribute("href"), e.inner_text()) for e in enlaces.all()]


@pytest.mark.parametrize(
    ("sin", "con"),
    [("notacion", "notación"), ("clasica", "clásica"), ("DISTRIBUCION", "Distribución")],
)
def test_la_busqueda_no_distingue_tildes(abrir, base, sin, con):
    pagina = abrir("search.html")
    encontradas = resultados(pagina, base, sin)
    assert encontradas == resultados(pagina, base, con)
    if sin != "clasica":
        assert encontradas, f"no se encontró «{con}», que está en el libro"


def test_el_indice_y_el_navegador_reducen_igual_las_palabras(abrir):
    """Si no, se busca una raíz que el índice no tiene (pasaba con «distribución»)."""
    busqueda = BusquedaSinTildes({})
    palabras = sorted({p for ruta in PAGINAS for p in re.findall(r"\w{2,}", sopa(ruta).text)})
    pagina = abrir("search.html")
    raices = pagina.evaluate("ps => ps.map(p => new Stemmer().stemWord(p))", palabras)
    assert len(palabras) > 500
    assert raices == [busqueda.stem(palabra) for palabra in palabras]


@pytest.mark.parametrize(
    ("una", "otra"),
    [("ecuación", "ecuaciones"), ("gaussiana", "gaussianos"), ("matriz", "matrices")],
)
def test_genero_y_numero_son_la_misma_palabra(una, otra):
    busqueda = BusquedaSinTildes({})
    assert busqueda.stem(una) == busqueda.stem(otra)


def test_teoria_y_teoria_con_tilde_encuentran_lo_mismo(abrir, base):
    pagina = abrir("search.html")
    sin, con = resultados(pagina, base, "teoria"), resultados(pagina, base, "teoría")
    assert sin == con and len(sin) > 0
    rutas = {urldefrag(href)[0].split("?")[0] for href, _ in sin}
    escrita = {p for p in PAGINAS if re.search("teoría", sopa(p).select_one("article").text, re.I)}
    assert escrita <= rutas


def test_la_busqueda_dice_que_no_hay_nada(abrir, base):
    pagina = abrir("search.html")
    assert resultados(pagina, base, "xilofonista") == []
    assert "No hay ninguna página" in pagina.locator(".search-summary").inner_text()


@pytest.mark.parametrize("ruta", [*PAGINAS, "index.html"])
def test_los_enlaces_internos_llevan_a_algun_sitio(ruta):
    rotos = []
    for enlace in sopa(ruta).select("a[href], img[src], link[href], script[src]"):
        destino = enlace.get("href") or enlace.get("src")
        partes = urlsplit(destino)
        if partes.scheme or partes.netloc:
            continue
        archivo, ancla = urldefrag(unquote(destino))
        archivo = archivo.split("?")[0]
        completa = (SITIO / ruta).parent / archivo if archivo else SITIO / ruta
        if not completa.resolve().is_file():
            rotos.append(destino)
        elif ancla and completa.suffix == ".html":
            if ancla not in anclas(str(completa.resolve().relative_to(SITIO.resolve()))):
                rotos.append(destino)
    assert rotos == []


@pytest.mark.parametrize("ruta", CAPITULOS)
def test_boton_de_colab_y_descarga(abrir, base, ruta):
    pagina = abrir(ruta)
    colab = pagina.get_by_role("link", name="Abrir en Colab")
    cuaderno = ruta.replace(".html", ".ipynb")
    dueno = REPOSITORIO["url"].removeprefix("https://github.com/")
    assert colab.get_attribute("href") == (
        f"https://colab.research.google.com/github/{dueno}/blob/{REPOSITORIO['branch']}/{cuaderno}"
    )
    descarga = pagina.locator(".btn-descargar").get_attribute("href")
    respuesta = pagina.request.get(f"{base}/{ruta.rsplit('/', 1)[0]}/{descarga}")
    assert json.loads(respuesta.text()) == json.loads((RAIZ / cuaderno).read_text())


@pytest.mark.parametrize("ruta", CAPITULOS)
def test_formulas_y_teoremas_llevan_el_numero_del_capitulo(ruta):
    pagina = sopa(ruta)
    capitulo = int(re.search(r"/(\d+)_", ruta)[1])
    assert (
        pagina.select_one("article h1").select_one(".section-number").text.strip() == f"{capitulo}."
    )
    ecuaciones = [e.text.strip("#") for e in pagina.select(".eqno")]
    assert ecuaciones == [f"({capitulo}.{n})" for n in range(1, len(ecuaciones) + 1)]
    assert ecuaciones, "un capítulo tiene fórmulas numeradas"
    teoremas = pagina.select("div.theorem .caption-number, div.proposition .caption-number")
    for rotulo in teoremas:
        assert re.fullmatch(rf"(Teorema|Proposición) {capitulo}\.\d+ ", rotulo.text)


@pytest.mark.parametrize("ruta", CAPITULOS)
def test_las_soluciones_estan_plegadas(abrir, ruta):
    pagina = abrir(ruta)
    abiertas = pagina.evaluate(
        """() => [...document.querySelectorAll('details, .admonition.dropdown')]
            .filter(d => /soluci|pista|demostraci/i.test(
                d.querySelector('summary, .admonition-title')?.innerText ?? ''))
            .filter(d => d.open || (d.matches('.dropdown') && !d.matches('.toggle-hidden')))
            .map(d => d.innerText.slice(0, 60))"""
    )
    assert abiertas == []


def test_la_portada_tiene_un_widget_vivo(abrir):
    pagina = abrir("book/portada.html")
    lienzos = "() => [...document.querySelectorAll('canvas')].map(c => c.toDataURL()).join()"
    control = pagina.locator(".cell_output input[type=range]").first
    control.wait_for()
    antes = pagina.evaluate(lienzos)
    control.focus()
    for _ in range(5):
        pagina.keyboard.press("ArrowRight")
    pagina.wait_for_timeout(400)
    assert len(antes) > 1000 and pagina.evaluate(lienzos) != antes


def test_el_indice_lleva_a_la_portada(abrir):
    pagina = abrir("index.html")
    pagina.wait_for_url("**/book/portada.html")
    assert pagina.locator("article h1").inner_text().startswith("De la gaussiana a la difusión")


def test_a_360_puntos_las_tablas_impresas_conservan_sus_columnas(abrir):
    """Una fila es una línea; la caja se desplaza, con el teclado también, y no pierde texto."""
    pagina = abrir("notebooks/06_score_sde.html", ancho=360, alto=740)
    pagina.wait_for_timeout(700)
    filas = pagina.locator(".cell_output pre > .fila")
    altos = filas.evaluate_all("todas => todas.map(f => f.getClientRects()[0].height)")
    assert len(altos) > 100 and max(altos) < 1.5 * min(a for a in altos if a)
    caja = pagina.locator(".cell_output pre:has(> .fila)", has_text="predictor_corrector").first
    assert caja.evaluate("e => e.scrollWidth > e.clientWidth && e.tabIndex === 0")
    assert "heun                 t" in caja.inner_text()
    frases = pagina.locator(".cell_output pre > .frase").evaluate_all(
        "todas => todas.filter(f => f.getBoundingClientRect().width > f.parentElement.clientWidth)"
    )
    assert frases == []


def test_lo_que_se_desplaza_se_alcanza_con_el_teclado(abrir):
    pagina = abrir("book/notacion.html", ancho=360, alto=740)
    pagina.wait_for_function("document.querySelector('.bd-article [tabindex=\"0\"]')")
    sin_foco = pagina.evaluate(
        """() => [...document.querySelectorAll('.bd-article *')]
            .filter(e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX))
            .filter(e => e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0)
            .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert sin_foco == []
