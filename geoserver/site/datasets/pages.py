"""HTML of the pages: templates around one sheet, in the city's dress, without a script or anything from elsewhere."""

from __future__ import annotations

import base64
import functools
import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from geoserver.catalog.city_words import link_titles, offered_languages, speak
from geoserver.site.datasets.phrases import find_phrases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geoserver.model import City
    from geoserver.site.datasets.links import Links
    from geoserver.site.datasets.phrases import Phrases

__all__ = ["Dress", "prepare_pages", "render_page"]

_NOTHING: Mapping[str, str] = {}
_TEMPLATES = Path(__file__).parent.parent / "templates"


@dataclass(frozen=True, slots=True)
class Dress:
    """What stands around every page: whose it is, in which language, and where it leads."""

    city: City  # in the reader's language
    phrases: Phrases
    links: Links
    languages: tuple[str, ...]
    signin: bool

    @classmethod
    def of(cls, city: City, language: str, links: Links, *, signin: bool) -> Dress:
        return cls(speak(city, (language,)), find_phrases(language), links, offered_languages(city), signin)


def prepare_pages(languages: Sequence[str]) -> None:
    """Read what pages are made of: templates are compiled once, and a language's dates and numbers take a while."""
    for template in ("catalogue.html", "dataset.html"):
        _environment().get_template(template)
    for language in languages:
        phrases = find_phrases(language)
        phrases.day(date(2000, 1, 1))
        phrases.number(0)


def render_page(
    template: str, dress: Dress, path: str, query: Mapping[str, str] = _NOTHING, **told: Any
) -> tuple[str, dict[str, str]]:
    """The page at a path, and the headers that go with it; `query` is asked for in other languages, too."""
    sheet, phrases = _dress_sheet(dress.city), dress.phrases
    page = (
        _environment()
        .get_template(template)
        .render(
            dress=dress,
            city=dress.city,
            p=phrases,
            link=dress.links,
            path=path,
            query=query,
            sheet=sheet,
            languages=[(code, find_phrases(code).title) for code in dress.languages],
            footer=[(link_titles((phrases.language,))[name], url) for name, url in dress.city.links.items()],
            **told,
        )
    )
    return page, {"Content-Security-Policy": _build_policy(sheet)}


def _dress_sheet(city: City) -> str:
    accent = f":root {{ --accent: light-dark({city.accent}, {city.accent_dark}); }}\n" if city.accent else ""
    return _read_sheet() + accent


@functools.lru_cache(4)
def _build_policy(sheet: str) -> str:
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src 'sha256-{digest}'",
            "img-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        ]
    )


@functools.cache
def _read_sheet() -> str:
    return (_TEMPLATES / "datasets.css").read_text(encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # an upgrade under a running server does not change half of it
        trim_blocks=True,
        lstrip_blocks=True,
    )
