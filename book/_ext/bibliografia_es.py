"""Citas y bibliografía en español: «Ho y Salimans (2022)», «En …», DOI y arXiv enlazados."""

from dataclasses import dataclass, field

from pybtex.richtext import Text
from pybtex.style.formatting import toplevel
from pybtex.style.formatting.unsrt import Style as Unsrt
from pybtex.style.template import field as campo
from pybtex.style.template import (
    first_of,
    href,
    join,
    names,
    optional,
    optional_field,
    sentence,
    tag,
    words,
)
from sphinxcontrib.bibtex.style.referencing import BracketStyle, PersonStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

Y = Text(" y ")


class EstiloEs(Unsrt):
    """Autores. Título. Dónde, año. Editorial. arXiv. DOI. Enlace."""

    default_sorting_style = "author_year_title"
    default_label_style = "alpha"

    def format_names(self, role, as_sentence=True):
        nombres = names(role, sep=", ", sep2=" y ", last_sep=" y ")
        return sentence[nombres] if as_sentence else nombres

    def format_title(self, e, which_field, as_sentence=True):
        titulo = campo(which_field)
        return sentence[titulo] if as_sentence else titulo

    def format_web_refs(self, e):
        arxiv = join["arXiv:", self._enlace("https://arxiv.org/abs/", "eprint")]
        doi = join["DOI:", self._enlace("https://doi.org/", "doi")]
        url = href[campo("url", raw=True), "en línea"]
        partes = [optional[doi], optional[arxiv]]
        if "doi" not in e.fields and "eprint" not in e.fields:
            partes.append(optional[url])
        return sentence[tuple(partes)]

    @staticmethod
    def _enlace(prefijo, nombre):
        return href[join[prefijo, campo(nombre, raw=True)], campo(nombre, raw=True)]

    def _plantilla(self, e, lugar):
        return toplevel[
            self.format_names("author"),
            self.format_title(e, "title"),
            sentence[optional[lugar], campo("year")],
            sentence[optional_field("note")],
            self.format_web_refs(e),
        ]

    def get_article_template(self, e):
        paginas = first_of[optional[join[":", campo("pages")]], ""]
        numero = optional[join[" ", campo("volume"), optional["(", campo("number"), ")"], paginas]]
        return self._plantilla(e, join[tag("em")[campo("journal")], numero])

    def get_inproceedings_template(self, e):
        return self._plantilla(e, words["En", tag("em")[campo("booktitle")]])

    def get_misc_template(self, e):
        return self._plantilla(e, campo("howpublished"))

    def get_phdthesis_template(self, e):
        return self._plantilla(e, join["Tesis de doctorado, ", campo("school")])

    def get_mastersthesis_template(self, e):
        return self._plantilla(e, join["Tesis de maestría, ", campo("school")])

    def get_book_template(self, e):
        return self._plantilla(e, campo("publisher"))


def _parentesis() -> BracketStyle:
    return BracketStyle(left="(", right=")")


@dataclass
class CitasEs(AuthorYearReferenceStyle):
    """Citas por autor y año, con paréntesis y en español."""

    bracket_textual: BracketStyle = field(default_factory=_parentesis)
    bracket_parenthetical: BracketStyle = field(default_factory=_parentesis)
    bracket_author: BracketStyle = field(default_factory=_parentesis)
    bracket_label: BracketStyle = field(default_factory=_parentesis)
    bracket_year: BracketStyle = field(default_factory=_parentesis)
    person: PersonStyle = field(
        default_factory=lambda: PersonStyle(style="last", sep2=Y, last_sep=Y, other=" et al.")
    )
