"""Textos de la interfaz: los que las extensiones no traducen o traducen mal."""

SOLUCION = "Solución"

# Catálogos de gettext que se completan o corrigen (nombre del catálogo → textos).
CATALOGOS = {
    "sphinx": {
        "Link to this code": "Enlace a este código",
        "Link to this definition": "Enlace a esta definición",
        "Link to this equation": "Enlace a esta ecuación",
        "Link to this heading": "Enlace a esta sección",
        "Link to this image": "Enlace a esta imagen",
        "Link to this table": "Enlace a esta tabla",
        "Link to this term": "Enlace a este término",
        "Link to this toctree": "Enlace a este índice",
        "Permalink to this heading": "Enlace a esta sección",
        "Section Navigation": "Navegación de la sección",
        "Site navigation": "Navegación del sitio",
        "Color mode": "Tema de color",
        "Search": "Buscar",
        "\N{COPYRIGHT SIGN} Copyright %(copyright)s.": "\N{COPYRIGHT SIGN} %(copyright)s",
        "Please activate JavaScript to enable the search functionality.": (
            "La búsqueda necesita JavaScript."
        ),
        "Skip to main content": "Ir al contenido",
        "Back to top": "Volver arriba",
        "next page": "página siguiente",
        "previous page": "página anterior",
        "Breadcrumb": "Ruta de navegación",
    },
    "booktheme": {
        "By": "Por",
        "Contents": "Contenido",
        "Copyright": "Derechos de autor",
        "Download notebook file": "Descargar el cuaderno",
        "Download source file": "Descargar la fuente de esta página",
        "Download this page": "Descargar esta página",
        "Fullscreen mode": "Pantalla completa",
        "Launch interactive content": "Abrir en la nube",
        "Launch on": "Abrir en",
        "Launch": "Abrir",
        "Live Code": "Código en vivo",
        "Open an issue": "Avisar de un problema",
        "Open issue": "Avisar de un problema",
        "Print to PDF": "Imprimir o guardar en PDF",
        "Repository": "Repositorio",
        "Search": "Buscar",
        "Show source": "Ver la fuente",
        "Source repositories": "Repositorio",
        "Source repository": "Repositorio del curso",
        "Suggest edit": "Proponer un cambio",
        "Toggle navigation": "Mostrar u ocultar el índice",
        "next page": "página siguiente",
        "previous page": "página anterior",
        "logo": "",
        "Colab": "Colab",
        "Abrir este cuaderno en Google Colab": "Abrir este cuaderno en Google Colab",
    },
    "proof": {"Proof": "Demostración", "Remark": "Observación"},
    "exercise": {"Solution to": "Solución de", "Solution": SOLUCION, "Exercise": "Ejercicio"},
    "togglebutton": {"Click to hide": "Ocultar", "Click to show": "Mostrar"},
}

# Textos escritos a mano en las plantillas del tema (se sustituyen en el HTML ya generado).
EN_HTML = {
    '<nav aria-label="Page">': '<nav aria-label="Índice de la página">',
    'aria-label="Main"': 'aria-label="Índice del curso"',
    '="Toggle primary sidebar"': '="Mostrar u ocultar el índice del curso"',
    '="Toggle secondary sidebar"': '="Mostrar u ocultar el índice de esta página"',
    'aria-label="On this page"': 'aria-label="En esta página"',
    'aria-label="Back to top"': 'aria-label="Volver arriba"',
    'alt="Logo image"': 'alt="Portada"',
    ' role="doc-biblioentry"': ' role="listitem"',
    # Nombres accesibles que no coincidían con lo que se lee.
    'pst-js-only" title="Buscar" aria-label="Buscar" data': 'pst-js-only" title="Buscar" data',
    'data-mode="light" title="Claro"': 'data-mode="light" aria-hidden="true"',
    'data-mode="dark"  title="Oscuro"': 'data-mode="dark" aria-hidden="true"',
    'data-mode="auto"  title="Sistema"': 'data-mode="auto" aria-hidden="true"',
    'alt="Abrir en Colab "': 'alt=""',
    ' aria-label="Toggle hidden content"': "",
    ">Mostrar source<": ">Mostrar el código<",
    ">Ocultar source<": ">Ocultar el código<",
    ">Mostrar outputs<": ">Mostrar los resultados<",
    ">Ocultar outputs<": ">Ocultar los resultados<",
    ">Mostrar output<": ">Mostrar el resultado<",
    ">Ocultar output<": ">Ocultar el resultado<",
    ">Mostrar content<": ">Mostrar código y resultado<",
    ">Ocultar content<": ">Ocultar código y resultado<",
}

# Mensajes de los programas del buscador (Sphinx los traduce con `translations.js`).
MENSAJES_JS = {
    "Search Results": "Resultados de la búsqueda",
    "Searching": "Buscando",
    "Preparing search...": "Preparando la búsqueda…",
    "Search finished, found ${resultCount} page(s) matching the search query.": (
        "Resultados encontrados: ${resultCount}."
    ),
    "Your search did not match any documents. Please make sure that all words are spelled "
    "correctly and that you've selected enough categories.": (
        "No hay ninguna página con esas palabras (no se distinguen tildes ni mayúsculas)."
    ),
}

# Lo mismo en los programas del sitio: archivo → sustituciones. Si un texto desaparece en otra
# versión de la biblioteca, la construcción avisa (y falla, porque es estricta).
EN_JS = {
    "_static/togglebutton.js": {
        'aria-label="Toggle hidden content"': 'aria-label="Mostrar u ocultar"',
    },
}
