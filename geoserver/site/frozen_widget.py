"""`/embed?frozen=ID`: the widget over a frozen map, told by its manifest, which is all that there is to know of it."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from geoserver.catalog.languages import read_messages
from geoserver.catalog.licences import find_licence
from geoserver.mapstates import parse_link
from geoserver.site.phrases import find_phrases
from geoserver.site.previews import KEPT_PICTURE, render_discovery
from geoserver.site.rendering import render
from geoserver.site.widget import fill_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.model import City
    from geoserver.site.phrases import Phrases
    from geoserver.site.widget import Widget

__all__ = ["dress_frozen", "dress_missing"]

_SCRIPT = re.compile(rb'\s*<(?:script type="module"[^>]*></script>|link rel="modulepreload"[^>]*>)')


def dress_frozen(
    page: bytes, widget: Widget, manifest: Mapping[str, Any], *, city: City, site: str, lang: str
) -> bytes:
    """The built page for a frozen map: its title, rows, source, licence and picture, and of when they are."""
    told = _tell(manifest, lang)
    here = f"{site}/frozen/{manifest['id']}/"
    stated = widget.state.layers or parse_link(manifest["query"]).layers or tuple(told["details"])
    layers = [told["details"][name] for name in stated if name in told["details"]]
    titles = " · ".join(layer["title"] for layer in layers)
    title = widget.title if widget.title is not None else manifest["title"]
    said, phrases = read_messages("embed", lang), find_phrases(lang)
    asked = widget.state.query()  # where it narrows what was frozen, how many that leaves is not known here
    still = render(
        "embed.html",
        title="" if "title" in widget.hidden else title,
        alt=said["picture"].replace("{title}", title or titles),
        dated=read_messages("frozen", lang)["of"].replace("{date}", _say_day(phrases, manifest["frozen"])),
        wrong="",
        layers=[
            {
                "title": layer["title"],
                "count": "" if _narrows(widget) else _tell_rows(phrases, layer, manifest["rows"].get(layer["id"])),
                "attribution": layer["attribution"],
                "licence": find_licence(layer["license"]),
                "page": f"{here}{asked}",
                "rows": here + rows["file"] if (rows := manifest["rows"].get(layer["id"])) else "",
                "format": "GeoParquet",
            }
            for layer in layers
        ],
        hidden=widget.hidden,
        said=said,
        source=phrases["source"],
        whole=f"{here}{asked}",
        posters=[{"media": "", "address": here + KEPT_PICTURE, "set": here + KEPT_PICTURE}]
        if widget.view == "map" and KEPT_PICTURE in manifest["files"]
        else [],
        narrowed=_narrows(widget),
        placed=False,
        fitted="",
    )
    lines = ['<meta name="robots" content="noindex" />', f'<link rel="canonical" href="{html.escape(here)}" />']
    lines += render_discovery(site, f"{site}/embed?{widget.query}", title or titles)
    return fill_page(page, widget, city, lang, title=title or titles, lines=lines, said=said, still=still)


def dress_missing(page: bytes, widget: Widget, city: City, lang: str, deleted: str | None) -> bytes:
    """The page for a frozen map that is not there or not for everybody, of which nothing is said; or that was `deleted`
    at this moment. No script runs in it.
    """
    words, said, phrases = read_messages("frozen", lang), read_messages("embed", lang), find_phrases(lang)
    wrong = words["deleted"].replace("{date}", _say_day(phrases, deleted)) if deleted else words["unknown"]
    still = render(
        "embed.html",
        title="",
        alt="",
        dated="",
        wrong=wrong,
        layers=[],
        hidden=widget.hidden | {"open"},
        said=said,
        source="",
        whole="",
        posters=[],
        narrowed=False,
        placed=False,
        fitted="",
    )
    lines = ['<meta name="robots" content="noindex" />']
    return _SCRIPT.sub(b"", fill_page(page, widget, city, lang, title=wrong, lines=lines, said=said, still=still))


def _tell(manifest: Mapping[str, Any], lang: str) -> dict[str, Any]:
    """Its documents in a language, or in the one that it was frozen in."""
    languages: dict[str, dict[str, Any]] = manifest["languages"]
    return languages.get(lang) or languages.get(manifest["language"]) or next(iter(languages.values()))


def _say_day(phrases: Phrases, moment: str) -> str:
    return phrases.when(moment[:10])


def _narrows(widget: Widget) -> bool:
    return bool(widget.state.filters or widget.state.time or widget.state.area)


def _tell_rows(phrases: Phrases, layer: Mapping[str, Any], rows: Mapping[str, Any] | None) -> str:
    """ "308 reports" """
    if rows is None:
        return ""
    names = layer.get("nouns")
    return phrases.amount(rows["count"], (names["one"], names["many"]) if names else None)
