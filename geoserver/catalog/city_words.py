"""A city in a reader's language, and what the server says where a city says nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from geoserver.catalog.languages import page_languages, pick_language, read_words
from geoserver.model import City

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["link_titles", "offered_languages", "speak"]

_LINKS = ("imprint", "contact", "terms", "privacy", "accessibility")


def speak(city: City, preferred: Collection[str]) -> City:
    """The city with its words in the language that the reader likes best of those it has; `language` says which."""
    if not city.title:
        language = pick_language(preferred, page_languages()) or "en"
        said = read_words()[language]
        return replace(
            city,
            title=said.map_title,
            tagline=said.map_tagline,
            description=said.map_description,
            language=language,
        )
    picked = pick_language(preferred, [city.language, *city.languages] if city.language else [])
    words = city.languages.get(picked)
    if words is None:
        return city
    return replace(
        city,
        title=words.title or city.title,
        tagline=words.tagline or city.tagline,
        description=words.description or city.description,
        publisher=words.publisher or city.publisher,
        links={**city.links, **words.links},
        language=picked,
    )


def link_titles(preferred: Collection[str]) -> dict[str, str]:
    """What a city's own pages are called in the reader's language."""
    said = read_words()[pick_language(preferred, page_languages()) or "en"]
    return {name: getattr(said, name) for name in _LINKS}


def offered_languages(city: City) -> tuple[str, ...]:
    """The languages of the page that the city wants it in, the first for readers of none of them."""
    return city.page_languages or page_languages()
