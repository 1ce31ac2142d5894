"""The page of a widget: what its address sets up, and what stands in it before, or without, a script."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

import orjson

from geoserver.catalog.languages import in_language, read_first, read_messages
from geoserver.catalog.licences import find_licence
from geoserver.mapstates import Camera, MapState, parse_state
from geoserver.model import Bounds
from geoserver.site.phrases import find_phrases
from geoserver.site.posters import find_sheets, list_posters
from geoserver.site.previews import render_discovery
from geoserver.site.rendering import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from geoserver.database.status import LayerStatus
    from geoserver.model import City, Layer
    from geoserver.site.phrases import Phrases
    from geoserver.site.posters import Place

__all__ = ["Widget", "build_policy", "fill_page", "parse_widget"]

_VIEWS = ("map", "chart", "table")
_OWN = frozenset(("show", "title", "hide", "filters", "gestures", "id", "frozen", "dir"))
_RIGHT_TO_LEFT = frozenset(("ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"))
_HEAD = re.compile(rb"<!-- city.*?<!-- /city -->", re.DOTALL)
_STILL = b"<!-- still -->"
_HTML = b'<html lang="en">'


@dataclass(frozen=True, slots=True)
class Widget:
    """What an address sets up; `title` is None where it leaves it to the layers."""

    state: MapState
    query: str  # all of the address's own, as it was written
    view: str  # which view is open first: map, chart or table
    title: str | None
    hidden: frozenset[str]
    direction: Literal["ltr", "rtl"]

    @property
    def place(self) -> str:
        """The address that tells where it opens; empty where it says so itself, or has no map."""
        if self.state.camera or self.view != "map":
            return ""
        return "static/place.json" + self.state.query("layers", "time", "area", "pin")

    def dress(
        self,
        page: bytes,
        *,
        city: City,
        site: str,
        language: str,
        layers: Sequence[tuple[Layer, LayerStatus]],
        counts: Mapping[str, int],
        place: Place,
    ) -> bytes:
        """The built page for this widget: `layers` are those that it shows, `counts` their rows under its filters, and
        `place` where it opens.
        """
        said = read_messages("embed", language)
        spoken = [(in_language(layer, (language,)), status) for layer, status in layers]
        titles = " · ".join(layer.title for layer, _ in spoken)
        title = self.title if self.title is not None else titles
        phrases = find_phrases(language)
        drawn = self.view == "map" and any(status.bounds for _, status in spoken)
        still = render(
            "embed.html",
            title="" if "title" in self.hidden else title,
            dated="",
            wrong="" if layers else said["nothing"],
            alt=said["picture"].replace("{title}", title or titles),
            layers=[
                {
                    "title": layer.title,
                    "count": _tell_count(said, phrases, layer, status, counts.get(layer.id)) if layer.has_rows else "",
                    "attribution": layer.attribution,
                    "licence": find_licence(layer.license),
                    "page": f"{site}/layers/{quote(layer.id)}?lang={language}",
                    "rows": _find_rows(site, layer, self.state),
                    "format": "CSV",
                }
                for layer, status in spoken
            ],
            hidden=self.hidden,
            narrowed=any(self.state.question(layer) for layer, _ in spoken if layer.has_rows),
            said=said,
            source=phrases["source"],
            whole=f"{site}/{self.state.query()}",
            posters=list_posters(self.state, site, place) if drawn else [],
            placed=isinstance(place, Camera),
            fitted=find_sheets(place),
        )
        name, lines = title or city.title, _list_lines(site, title or city.title, self)
        return fill_page(page, self, city, language, title=name, lines=lines, said=said, still=still, place=place)


def fill_page(
    page: bytes,
    widget: Widget,
    city: City,
    language: str,
    *,
    title: str,
    lines: Iterable[str],
    said: Mapping[str, str],
    still: str,
    place: Place = None,
) -> bytes:
    """The built page with its title and these lines in the head, and with what stands in it before a script runs."""
    told = [
        f"<title>{html.escape(title)}</title>",
        *lines,
        _tell("data-words", said),
        _tell("data-first", read_first(language)),
    ]
    if city.accent:
        told.append(f"<style>html:root{{--accent:light-dark({city.accent},{city.accent_dark})}}</style>")
    head = "\n    ".join(told)
    fitted = ",".join(f"{degrees:.6f}" for degrees in place.as_list()) if isinstance(place, Bounds) else ""
    fit = f' data-fit="{fitted}"' if fitted else ""
    opening = f'<html lang="{language}" dir="{widget.direction}" data-languages="{language}"{fit}>'
    page = _HEAD.sub(lambda _: head.encode(), page, count=1)
    return page.replace(_HTML, opening.encode(), 1).replace(_STILL, still.encode(), 1)


def _tell(name: str, words: Mapping[str, str]) -> str:
    text = orjson.dumps(words).decode().replace("<", "\\u003c")
    return f'<script type="application/json" {name}>{text}</script>'


def parse_widget(pairs: Iterable[tuple[str, str]], query: str, language: str) -> Widget:
    """What makes no sense is passed over, as the page does."""
    given = list(pairs)
    said: dict[str, str] = {}
    for name, text in given:
        said.setdefault(name, text)
    shown = [view for view in said.get("show", "").split(",") if view in _VIEWS] or ["map"]
    tab = said.get("tab", "")
    written = said.get("dir")
    rtl = written == "rtl" if written in ("ltr", "rtl") else language.partition("-")[0] in _RIGHT_TO_LEFT
    return Widget(
        state=parse_state((name, text) for name, text in given if name not in _OWN),
        query=query,
        view=tab if tab in shown else shown[0],
        title=said.get("title"),
        hidden=frozenset(said.get("hide", "").split(",")),
        direction="rtl" if rtl else "ltr",
    )


def build_policy(site: str, ancestors: str) -> str:
    """What the widget may load, and who may frame it.

    In a sandboxed frame its origin is opaque and `'self'` matches nothing, so that the site is named, too; MapLibre
    begins its worker from a `data:` address there.
    """
    parts = urlsplit(site)
    ours = f"'self' {parts.scheme}://{parts.netloc}"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {ours}",
            f"style-src {ours} 'unsafe-inline'",  # MapLibre and Svelte set style attributes
            f"img-src {ours} data: blob:",
            f"font-src {ours}",
            f"connect-src {ours} data:",
            f"worker-src {ours} data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {ancestors}",
        ]
    )


def _tell_count(said: Mapping[str, str], phrases: Phrases, layer: Layer, status: LayerStatus, count: int | None) -> str:
    """ "308 of 60,000 reports"; of a filter whose count is not known nothing."""
    if count is None:
        return ""
    rows = phrases.rows(layer, status.rows)
    if count == status.rows:
        return rows
    return said["of"].replace("{count}", phrases.number(count)).replace("{rows}", rows)


def _find_rows(site: str, layer: Layer, state: MapState) -> str:
    """Where the rows are as a file; empty where there are none."""
    if not layer.has_rows:
        return ""
    question = state.question(layer)
    return f"{site}/download/{quote(layer.id)}.csv" + (f"?filter={quote(question)}" if question else "")


def _list_lines(site: str, title: str, widget: Widget) -> list[str]:
    """For who opens it by itself: it is no page to be found, but a part of the map's."""
    return [
        '<meta name="robots" content="noindex" />',
        f'<link rel="canonical" href="{html.escape(site + "/" + widget.state.query())}" />',
        *render_discovery(site, f"{site}/embed?{widget.query}", title),
    ]
