"""Lo común a los widgets: juntar su JavaScript, su hoja de estilo y su descripción."""

from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent
PAGE_LIMIT = 1_000_000  # bytes que un widget puede añadir a una página
SOURCE_MARGIN = 70_000  # bytes que se reservan en esa cuenta para el código y el estilo
KINDS = (  # lo que admite un rasgo, dicho en español
    (traitlets.Bool, "True o False"),
    (traitlets.Int, "un entero"),
    (traitlets.Float, "un número"),
    (traitlets.Unicode, "un texto"),
    (traitlets.Bytes, "una tira de bytes"),
    (traitlets.List, "una lista"),
    (traitlets.Dict, "un diccionario"),
)


def bundle(*names: str) -> str:
    """Une archivos de esta carpeta en un solo módulo de JavaScript, sin importaciones."""
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


class CourseWidget(anywidget.AnyWidget):
    """Un anywidget con el estilo del curso y una descripción corta que no cambia entre corridas."""

    _css = bundle("widgets.css")

    def description(self) -> str:
        """Una línea de texto: lo que ven los lugares que no pueden mostrar el widget."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.description()

    def __setattr__(self, name: str, value) -> None:
        """Un valor del tipo equivocado es un `TypeError` en español, y el anterior queda."""
        try:
            super().__setattr__(name, value)
        except traitlets.TraitError as error:
            trait = self.traits().get(name)
            kind = next((kind for cls, kind in KINDS if isinstance(trait, cls)), None)
            if kind is None:
                raise
            raise TypeError(f"{name} debe ser {kind}; se recibió {value!r}.") from error


def check_page_weight(name: str, data_bytes: int, advice: str) -> None:
    """`ValueError` si `data_bytes`, ya en base64, no caben en lo que un widget puede añadir."""
    encoded = 4 * ((data_bytes + 2) // 3)
    if encoded > PAGE_LIMIT - SOURCE_MARGIN:
        raise ValueError(
            f"{name} añadiría {encoded / 1e6:.2f} MB a la página y el límite es "
            f"{(PAGE_LIMIT - SOURCE_MARGIN) / 1e6:.2f} MB. {advice}"
        )
