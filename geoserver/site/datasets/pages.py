"""HTML of the pages: templates around one sheet, in the city's dress, without a script or anything from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from geoserver.catalog.city_words import link_titles, offered_languages, speak
from geoserver.site.phrases import find_phrases
from geoserver.site.rendering import build_policy, dress_sheet, find_template, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geoserver.model import City
    from geoserver.site.datasets.links import Links
    from geoserver.site.phrases import Phrases

__all__ = ["Dress", "prepare_pages", "render_page"]

_NOTHING: Mapping[str, str] = {}


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
        find_template(template)
    for language in languages:
        phrases = find_phrases(language)
        phrases.day(date(2000, 1, 1))
        phrases.number(0)


def render_page(
    template: str, dress: Dress, path: str, query: Mapping[str, str] = _NOTHING, **told: Any
) -> tuple[str, dict[str, str]]:
    """The page at a path, and the headers that go with it; `query` is asked for in other languages, too."""
    sheet, phrases = dress_sheet("datasets.css", dress.city), dress.phrases
    page = render(
        template,
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
    return page, {"Content-Security-Policy": build_policy(sheet, "self")}
