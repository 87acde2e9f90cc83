"""Importa en una página en blanco las funciones de los widgets, para compararlas con torch."""

from course_lib.widgets.base import bundle

IMPORT = """async source => {
    const file = new Blob([source], {type: "text/javascript"});
    Object.assign(globalThis, await import(URL.createObjectURL(file)));
}"""


def import_functions(browser, files, names):
    """Una página con las funciones `names` de esos archivos como variables globales."""
    page = browser.new_page()
    page.evaluate(IMPORT, f"{bundle(*files)}\nexport {{ {names} }};")
    return page
