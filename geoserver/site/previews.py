"""How a link to a map looks where it is pasted: Open Graph, Twitter's cards, and where oEmbed tells of it."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from geoserver.site.city import PREVIEW

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from geoserver.mapstates import MapState

__all__ = ["Picture", "Preview", "draws_maps", "find_picture", "render_discovery", "render_preview"]

_OEMBED = (("json", "application/json+oembed"), ("xml", "text/xml+oembed"))


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG that stands for a page: its address, whole, and its size in pixels."""

    url: str
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Preview:
    """What is told of a page where it is linked to; `url` is its address in the one way in which we write it."""

    title: str
    description: str
    url: str
    publisher: str
    language: str
    picture: Picture | None = None
    logo: str = ""  # a small picture, for want of one


def draws_maps(routes: list[BaseRoute]) -> bool:
    """Whether there is a way to a picture of any map."""
    return any(str(getattr(route, "path", "")).startswith("/static/") for route in routes)


def find_picture(site: str, state: MapState, pictured: str, size: tuple[int, int], *, drawn: bool) -> Picture | None:
    """The picture of this very state; where none is drawn, that of where a layer lies, in whatever size it has."""
    if drawn:
        return Picture(f"{site}/{state.picture(size)}", size)
    return Picture(f"{site}/layers/{quote(pictured)}/map.png", PREVIEW) if pictured else None


def render_preview(told: Preview) -> list[str]:
    """Lines of a page's head."""
    said = {
        "og:type": "website",
        "og:title": told.title,
        "og:description": told.description,
        "og:site_name": told.publisher,
        "og:url": told.url,
        "og:locale": told.language,
    }
    if told.picture:
        width, height = told.picture.size
        said |= {
            "og:image": told.picture.url,
            "og:image:type": "image/png",
            "og:image:width": str(width),
            "og:image:height": str(height),
            "og:image:alt": told.title,
        }
    elif told.logo:
        said["og:image"] = told.logo
    lines = [f'<meta property="{name}" content="{html.escape(text)}" />' for name, text in said.items() if text]
    return lines + (['<meta name="twitter:card" content="summary_large_image" />'] if told.picture else [])


def render_discovery(site: str, url: str, title: str) -> list[str]:
    """Lines of a page's head that say where oEmbed tells of this very page; `url` is its address."""
    asked = f"{site}/oembed?url={quote(url, safe='')}"
    return [
        f'<link rel="alternate" type="{media_type}" title="{html.escape(title)}"'
        f' href="{html.escape(f"{asked}&format={name}")}" />'
        for name, media_type in _OEMBED
    ]
