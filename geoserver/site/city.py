"""What a city's `city.toml` makes of the page's head, of the manifest and of the API's description."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from geoserver.catalog.city_words import offered_languages, speak

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from geoserver.model import City

__all__ = ["PICTURE", "PREVIEW", "build_manifest", "describe_owner", "dress_page"]

_PLACE = re.compile(rb"<!-- city.*?<!-- /city -->", re.DOTALL)
_HTML = b'<html lang="en">'
_ACCENT, _DARK_PAPER = "#17616a", "#16191c"  # as in web/src/ui/style.css
PREVIEW = (1200, 630)  # pixels of a picture for previews of links, 1.91 to 1
_PRELOAD = {
    "js": '<link rel="modulepreload" crossorigin href="./{}" />',
    "css": '<link rel="preload" as="style" crossorigin href="./{}" />',
}
# A picture is looked at, wherever it is opened: it runs nothing, loads nothing and sees nothing of this site.
PICTURE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def dress_page(
    page: bytes,
    city: City,
    lang: str,
    parts: Sequence[str] = (),
    *,
    previews: Sequence[str] = (),
    signed_in: bool = False,
) -> bytes:
    """The built page with the city's head; it will speak `lang`, and ask for `parts` of the build, which come ahead.

    `previews` are lines of the head that tell of it where it is linked to. To whoever has signed in it shows who that
    is.
    """
    offered = " ".join(offered_languages(city))
    account = " data-account" if signed_in else ""
    opening = f'<html lang="{lang}" data-languages="{offered}"{account}>'.encode()
    named = [_PRELOAD[part.rpartition(".")[2]].format(part) for part in parts]
    head = "\n    ".join([*_list_head(speak(city, (lang,)), lang), *previews, *named]).encode()
    return _PLACE.sub(lambda _: head, page, count=1).replace(_HTML, opening, 1)


def _list_head(city: City, lang: str) -> list[str]:
    quote = html.escape
    lines = [
        f"<title>{quote(city.title)}</title>",
        f'<meta name="description" content="{quote(city.description or city.tagline)}" />',
        f'<meta name="theme-color" content="{city.accent or _ACCENT}" media="(prefers-color-scheme: light)" />',
        f'<meta name="theme-color" content="{_DARK_PAPER}" media="(prefers-color-scheme: dark)" />',
        f'<link rel="manifest" href="./manifest.webmanifest?lang={lang}" />',
        '<link rel="alternate" type="application/atom+xml" href="./layers/feed.atom" />',
    ]
    if city.icon:
        lines.append(f'<link rel="icon" href="./icon?v={city.icon.digest}" type="{quote(city.icon.media_type)}" />')
    else:
        lines.append('<link rel="icon" href="./favicon.svg" type="image/svg+xml" />')
    if city.accent:
        # More exact than the sheet's own, wherever that stands.
        lines.append(f"<style>html:root{{--accent:light-dark({city.accent},{city.accent_dark})}}</style>")
    return lines


def build_manifest(city: City, site: str, languages: Collection[str]) -> dict[str, Any]:
    """A web app manifest (W3C)."""
    spoken = speak(city, languages)
    icon = (
        {"src": f"{site}/icon?v={city.icon.digest}", "type": city.icon.media_type}
        if city.icon
        else {"src": f"{site}/favicon.svg", "type": "image/svg+xml"}
    )
    return {
        "name": spoken.title,
        "short_name": spoken.title,
        "description": spoken.description or spoken.tagline,
        **({"lang": spoken.language} if spoken.language else {}),
        "start_url": f"{site}/",
        "scope": f"{site}/",
        "display": "minimal-ui",
        "theme_color": city.accent or _ACCENT,
        "background_color": "#ffffff",
        "icons": [icon | {"sizes": "any"}],
    }


def describe_owner(info: dict[str, Any], city: City) -> dict[str, Any]:
    """The member `info` of an OpenAPI document, with the city's title, contact and terms."""
    if not city.title:
        return info
    contact = city.links.get("contact", "")
    reached = {"email": contact.removeprefix("mailto:")} if contact.startswith("mailto:") else {"url": contact}
    named = {"name": city.publisher} if city.publisher else {}
    owner = named | (reached if contact else {})
    return {
        **info,
        "title": f"{city.title}: HTTP API",
        **({"contact": owner} if owner else {}),
        **({"termsOfService": city.links["terms"]} if "terms" in city.links else {}),
    }
