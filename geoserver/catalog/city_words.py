"""A city in a reader's language, and what the server says where a city says nothing."""
# ruff: noqa: RUF001 - apostrophes as they are printed

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from geoserver.catalog.languages import page_languages, pick_language
from geoserver.model import City

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["link_titles", "offered_languages", "speak"]

# Of a map without a `city.toml`: title, tagline, description.
_NAMELESS = {
    "en": (
        "City map",
        "The city’s open data on one map",
        "A map of the city’s open data: switch layers on, filter them, share what you see.",
    ),
    "de": (
        "Stadtkarte",
        "Die offenen Daten der Stadt auf einer Karte",
        "Eine Karte mit den offenen Daten der Stadt: Ebenen einschalten, filtern und teilen, was man sieht.",
    ),
    "es": (
        "Mapa de la ciudad",
        "Los datos abiertos de la ciudad en un mapa",
        "Un mapa con los datos abiertos de la ciudad: activar capas, filtrarlas y compartir lo que se ve.",
    ),
    "fr": (
        "Carte de la ville",
        "Les données ouvertes de la ville sur une carte",
        "Une carte des données ouvertes de la ville : afficher des couches, les filtrer, partager ce que l’on voit.",
    ),
    "pt": (
        "Mapa da cidade",
        "Os dados abertos da cidade num mapa",
        "Um mapa com os dados abertos da cidade: ligar camadas, filtrá-las e partilhar o que se vê.",
    ),
}
_LINK_TITLES = {
    "en": ("Imprint", "Contact", "Terms of use", "Privacy", "Accessibility"),
    "de": ("Impressum", "Kontakt", "Nutzungsbedingungen", "Datenschutz", "Barrierefreiheit"),
    "es": ("Aviso legal", "Contacto", "Condiciones de uso", "Privacidad", "Accesibilidad"),
    "fr": ("Mentions légales", "Contact", "Conditions d’utilisation", "Confidentialité", "Accessibilité"),
    "pt": ("Aviso legal", "Contacto", "Termos de utilização", "Privacidade", "Acessibilidade"),
}
_LINKS = ("imprint", "contact", "terms", "privacy", "accessibility")


def speak(city: City, preferred: Collection[str]) -> City:
    """The city with its words in the language that the reader likes best of those it has; `language` says which."""
    if not city.title:
        language = pick_language(preferred, _NAMELESS) or "en"
        title, tagline, description = _NAMELESS[language]
        return replace(city, title=title, tagline=tagline, description=description, language=language)
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
    return dict(zip(_LINKS, _LINK_TITLES[pick_language(preferred, _LINK_TITLES) or "en"], strict=True))


def offered_languages(city: City) -> tuple[str, ...]:
    """The languages of the page that the city wants it in, the first for readers of none of them."""
    return city.page_languages or page_languages()
