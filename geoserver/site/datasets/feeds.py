"""Atom feeds (RFC 4287) of what was updated, and the sitemap for search engines (sitemaps.org)."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from geoserver.site.datasets.links import Links

__all__ = ["Entry", "Feed", "render_feed", "render_sitemap"]


_ATOM = "http://www.w3.org/2005/Atom"
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_XHTML = "http://www.w3.org/1999/xhtml"
_GEORSS = "http://www.georss.org/georss"
register_namespace("xhtml", _XHTML)
register_namespace("georss", _GEORSS)
_UNSPEAKABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML has no way to say


@dataclass(frozen=True, slots=True)
class Entry:
    """One update of one dataset, or a row; `key` tells it from the others, `name` is what it is known by wherever it
    is told of, and `place` where it lies: longitude and latitude.
    """

    key: str
    title: str
    summary: str
    moment: datetime
    url: str
    name: str = ""
    place: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """`url` is the feed's own address, `page` that of the page it belongs to; its words are in one language. `since` is
    when it was changed last where it has no entries.
    """

    title: str
    author: str
    url: str
    page: str
    language: str
    entries: Sequence[Entry]
    since: datetime | None = None


def render_feed(told: Feed) -> bytes:
    feed = Element("feed", {"xmlns": _ATOM, "xml:lang": told.language})
    _add(feed, "id", _name(told.url))
    _add(feed, "title", told.title)
    _add(feed, "updated", _moment(max((entry.moment for entry in told.entries), default=told.since)))
    _add(SubElement(feed, "author"), "name", told.author)
    SubElement(feed, "link", {"rel": "self", "type": "application/atom+xml", "href": told.url})
    SubElement(feed, "link", {"rel": "alternate", "type": "text/html", "href": told.page})
    for one in told.entries:
        entry = SubElement(feed, "entry")
        _add(entry, "id", _name(one.name or f"{one.url}#{one.key}"))
        _add(entry, "title", one.title)
        _add(entry, "updated", _moment(one.moment))
        SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "href": one.url})
        _add(entry, "summary", one.summary)
        if one.place is not None:
            _add(entry, f"{{{_GEORSS}}}point", f"{one.place[1]:.6f} {one.place[0]:.6f}")
    return _render(feed)


def render_sitemap(pages: Iterable[tuple[str, datetime | None]], links: Links, languages: Sequence[str]) -> bytes:
    """Every page by its path with the time of its last change, in all languages."""
    sites = Element("urlset", {"xmlns": _SITEMAP})
    for path, changed in pages:
        found = SubElement(sites, "url")
        _add(found, "loc", links.plain(path))
        if changed is not None:
            _add(found, "lastmod", _moment(changed))
        for language in languages if len(languages) > 1 else ():
            alternate = {"rel": "alternate", "hreflang": language, "href": links.plain(path, lang=language)}
            SubElement(found, f"{{{_XHTML}}}link", alternate)
    return _render(sites)


def _name(url: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, url).urn


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else "1970-01-01T00:00:00Z"


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = _UNSPEAKABLE.sub("\ufffd", text)


def _render(root: Element) -> bytes:
    rendered: Any = tostring(root, encoding="utf-8", xml_declaration=True)
    return bytes(rendered)
