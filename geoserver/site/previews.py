"""How a link to a map looks where it is pasted: Open Graph, Twitter's cards, and where oEmbed tells of it."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from geoserver.catalog.city_words import speak
from geoserver.site.city import PREVIEW
from geoserver.site.datasets.newcomers import Followed
from geoserver.site.phrases import find_phrases
from geoserver.site.wording import describe_counts, entitle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import Request

    from geoserver.mapstates import MapState
    from geoserver.model import City
    from geoserver.site.wording import Ask, Shown

__all__ = [
    "KEPT_PICTURE",
    "Page",
    "Picture",
    "draws_maps",
    "find_picture",
    "list_picture",
    "render_discovery",
    "render_head",
]

_TITLED = ("layers", "time", "area")  # beside filters, what gives a map a title of its own
_FOLLOWED = 3  # layers whose feeds a page tells of
_OEMBED = (("json", "application/json+oembed"), ("xml", "text/xml+oembed"))

KEPT_PICTURE = "picture.png"  # of a frozen map, in its folder; of the size of every preview


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG that stands for a page: its address, whole, and its size in pixels."""

    url: str
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Page:
    """The page of a map: `stated` is its state as a query, in the one way in which we write it."""

    site: str
    stated: str
    language: str
    pictured: str  # the layer whose picture stands for the page where there is none of its state; empty for none
    drawn: bool


def draws_maps(request: Request) -> bool:
    """Whether pictures of maps can be drawn here, as far as is known."""
    return not request.app.state.studio.pool.problem


def find_picture(site: str, state: MapState, pictured: str, size: tuple[int, int], *, drawn: bool) -> Picture | None:
    """The picture of this very state; where none is drawn, that of where a layer lies, in whatever size it has."""
    if drawn:
        return Picture(f"{site}/{state.picture(size)}", size)
    return Picture(f"{site}/layers/{quote(pictured)}/map.png", PREVIEW) if pictured else None


async def render_head(page: Page, city: City, state: MapState, shown: Sequence[Shown], ask: Ask) -> list[str]:
    """Lines of the head that tell of a page where it is linked to: this very map, in words and as a picture."""
    city = speak(city, (page.language,))
    title, about = city.title, city.description or city.tagline
    if state.pairs(*_TITLED):
        title = entitle(shown, state, page.language, title)
        counts = await describe_counts(shown, state, page.language, ask)
        about = f"{counts}. {about}" if counts else about
    url = f"{page.site}/{page.stated}"
    said = {
        "og:type": "website",
        "og:title": title,
        "og:description": about,
        "og:site_name": city.publisher or city.title,
        "og:url": url,
        "og:locale": page.language,
    }
    picture = find_picture(page.site, state, page.pictured, PREVIEW, drawn=page.drawn)
    if picture:
        said |= list_picture(picture, title)
    elif city.logo and city.logo.media_type == "image/png":  # previews take no SVG
        said["og:image"] = f"{page.site}/logo?v={city.logo.digest}"
    lines = [f'<meta property="{name}" content="{html.escape(text)}" />' for name, text in said.items() if text]
    card = ['<meta name="twitter:card" content="summary_large_image" />'] if picture else []
    return [*lines, *card, *render_discovery(page.site, url, title), *_render_feeds(page, state, shown)]


def _render_feeds(page: Page, state: MapState, shown: Sequence[Shown]) -> list[str]:
    """Lines that say where the feeds of this map's filters are, for programs that read feeds."""
    if not state.pairs(*_TITLED) or len(shown) > _FOLLOWED:
        return []
    phrases = find_phrases(page.language)
    feeds = []
    for layer, status in shown:
        if layer.has_rows and state.question(layer):
            filters = {name: text for name, text in state.filters.items() if name == layer.id}
            feeds.append(Followed(layer, status, replace(state, layers=(layer.id,), filters=filters)))
    return [
        f'<link rel="alternate" type="application/atom+xml" title="{html.escape(feed.entitle(phrases))}"'
        f' href="{html.escape(feed.address(page.site))}" />'
        for feed in feeds
    ]


def list_picture(picture: Picture, title: str) -> dict[str, str]:
    """What a page's head says of its picture."""
    width, height = picture.size
    return {
        "og:image": picture.url,
        "og:image:type": "image/png",
        "og:image:width": str(width),
        "og:image:height": str(height),
        "og:image:alt": title,
    }


def render_discovery(site: str, url: str, title: str) -> list[str]:
    """Lines of a page's head that say where oEmbed tells of this very page; `url` is its address."""
    asked = f"{site}/oembed?url={quote(url, safe='')}"
    return [
        f'<link rel="alternate" type="{media_type}" title="{html.escape(title)}"'
        f' href="{html.escape(f"{asked}&format={name}")}" />'
        for name, media_type in _OEMBED
    ]
