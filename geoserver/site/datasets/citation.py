"""How a dataset is cited: as text, as BibTeX and as CSL-JSON, which reference managers read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geoserver.catalog.licences import find_licence

if TYPE_CHECKING:
    from datetime import datetime

    from geoserver.database.status import LayerStatus
    from geoserver.model import City, Layer
    from geoserver.site.phrases import Phrases

__all__ = ["Citation", "build_citation"]

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


@dataclass(frozen=True, slots=True)
class Citation:
    """What all forms are made of."""

    id: str
    author: str
    title: str
    publisher: str
    moment: datetime
    url: str
    license: str
    language: str

    def as_text(self, phrases: Phrases) -> str:
        """One line for people."""
        day = phrases.say("as_of", date=phrases.day(self.moment.date()))
        parts = [f"{self.author} ({self.moment.year}): {self.title} [{phrases['dataset']}], {day}"]
        if self.publisher and self.publisher != self.author:
            parts.append(self.publisher)
        return ". ".join([*parts, self.url, find_licence(self.license).title]) + "."

    def as_bibtex(self) -> str:
        """An entry of type misc, which every style knows; names in braces stay as they are written."""
        entry = {
            "author": f"{{{_escape(self.author)}}}",
            "title": f"{{{_escape(self.title)}}}",
            "year": str(self.moment.year),
            "publisher": _escape(self.publisher),
            "version": self.moment.date().isoformat(),
            "url": self.url,
            "note": _escape(find_licence(self.license).title),
        }
        lines = [f"  {name} = {{{text}}}" for name, text in entry.items() if text]
        return f"@misc{{{self.id}-{self.moment.year},\n" + ",\n".join(lines) + "\n}\n"

    def as_csl(self) -> list[dict[str, Any]]:
        """Citation Style Language's JSON."""
        day = self.moment.date()
        entry = {
            "id": self.id,
            "type": "dataset",
            "title": self.title,
            "author": [{"literal": self.author}],
            "publisher": self.publisher,
            "issued": {"date-parts": [[day.year, day.month, day.day]]},
            "version": day.isoformat(),
            "URL": self.url,
            "note": find_licence(self.license).title,
            "language": self.language,
        }
        return [{name: value for name, value in entry.items() if value}]


def build_citation(layer: Layer, status: LayerStatus, city: City, url: str) -> Citation:
    """Of a layer and a city in the reader's language; `url` is the address of the page, which stays."""
    publisher = city.publisher or city.title
    author = _line(layer.attribution) or publisher
    title = _line(layer.title)
    return Citation(layer.id, author, title, publisher, status.changed_at, url, layer.license, layer.spoken)


def _line(text: str) -> str:
    return " ".join(text.split())


def _escape(text: str) -> str:
    return re.sub(r"[\\{}&%$#_~^]", lambda found: _LATEX[found[0]], text)
