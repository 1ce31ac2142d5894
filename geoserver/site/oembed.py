"""oEmbed 1.0 (oembed.com): from the address of a map to the widget, title and picture that stand for it elsewhere."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

import orjson
from fastapi import APIRouter, Query, Request, Response

from geoserver.access import view_of
from geoserver.catalog.city_words import offered_languages, speak
from geoserver.catalog.languages import page_language
from geoserver.errors import BadParameterError, NotFoundError, UnofferedError
from geoserver.etags import build_etag, is_known
from geoserver.site.answers import as_nobody, ask_ourselves, site_of
from geoserver.site.city import PREVIEW
from geoserver.site.linked import read_link
from geoserver.site.previews import KEPT_PICTURE, Picture, draws_maps, find_picture
from geoserver.site.wording import entitle, list_shown

if TYPE_CHECKING:
    from geoserver.access import View
    from geoserver.model import City
    from geoserver.services import Services
    from geoserver.site.linked import Linked

__all__ = ["router"]

router = APIRouter()

_CACHED = 3600  # seconds
_USUAL = (800, 500)  # pixels of a widget
_LOWEST = 360  # pixels that a narrow one is high, for a map with its legend below
_LEAST = 16  # pixels of a picture
_LONGEST = 300  # characters of a title that is given
_XML = "text/xml; charset=utf-8"
_CONTROL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 has no place for
_OURS = "the whole address of a page of this site: the map, a widget, a dataset or a frozen map that everybody may see"
_SIZE = "a whole number of pixels from 1 to 100000"

type Most = tuple[int | None, int | None]  # pixels of width and height that there are at most; None for any


@dataclass(frozen=True, slots=True)
class _Told:
    """What there is at an address."""

    title: str
    widget: str  # the whole address
    picture: Picture | None


Side = Annotated[str | None, Query(description="Pixels that there are at most.", examples=["600"])]


@router.get(
    "/oembed",
    tags=["embedding"],
    summary="What stands for an address elsewhere",
    response_class=Response,
    responses={
        200: {"description": "oEmbed 1.0, of type rich.", "content": {"application/json": {}, "text/xml": {}}},
        304: {"description": "The client has it already."},
    },
)
async def oembed(
    request: Request,
    url: Annotated[str | None, Query(description="Whole, of a map, a dataset, a widget or a frozen map.")] = None,
    maxwidth: Side = None,
    maxheight: Side = None,
    format: Annotated[str, Query(description="json or xml")] = "json",  # noqa: A002 - the standard's name
) -> Response:
    """An `<iframe>` with the map that `url` shows, its title and its picture; parameters of others are passed over."""
    if format not in ("json", "xml"):
        raise UnofferedError("format: expected json or xml; oEmbed has no others")
    most = (_read_size("maxwidth", maxwidth), _read_size("maxheight", maxheight))
    if url is None:
        raise BadParameterError("url", "", _OURS)
    site, view = site_of(request), view_of(request.app.state.services, request.scope)
    linked = read_link(url, site)
    if linked is None:
        raise NotFoundError("page", url, _OURS)
    services: Services = request.app.state.services
    stated, accepted = linked.state.language, request.headers.getlist("accept-language")
    language = page_language(stated or None, accepted, offered_languages(services.live.current.city))
    told = await _find(request, view, linked, language, fit(PREVIEW, most, PREVIEW[0]))
    city = speak(view.catalog.city, (language,))
    document = _build(told, city, site, most)
    body = orjson.dumps(document) if format == "json" else _render_xml(document)
    tag = build_etag(body, *([view.scope] if view.scope else []))
    headers = {"ETag": tag, **view.headers(f"public, max-age={_CACHED}", {} if stated else {"Vary": "Accept-Language"})}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json" if format == "json" else _XML)


def _read_size(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,5}", text, re.ASCII) or int(text) > 100_000:  # noqa: PLR2004 - as `_SIZE` says
        raise BadParameterError(name, text, _SIZE)
    return int(text)


def fit(shape: tuple[int, int], most: Most, width: int, lowest: int = 0) -> tuple[int, int]:
    """A size of this shape, at most as wide as `width`; narrow ones are `lowest` high, if there is room."""
    wide = min(width, most[0] or width)
    high = max(round(wide * shape[1] / shape[0]), lowest, 1)
    if most[1] is not None and high > most[1]:
        high = most[1]
        wide = wide if lowest else max(1, min(wide, round(high * shape[0] / shape[1])))
    return wide, high


async def _find(request: Request, view: View, linked: Linked, language: str, size: tuple[int, int]) -> _Told:
    """Raises NotFoundError, in the same words for what is not there and for what is not for the caller."""
    site = site_of(request)
    if linked.kind == "frozen":
        return await _find_frozen(request, linked, language)
    layers = await view.layers()
    await view.ready()
    shown = list_shown(layers, linked.state)
    wanted = linked.state.layers
    if wanted is not None and len(shown) < len(wanted):
        raise NotFoundError("page", f"{site}/?layers={','.join(wanted)}", _OURS)
    named = (linked.title or "")[:_LONGEST] or entitle(
        shown, linked.state, language, speak(view.catalog.city, (language,)).title
    )
    placed = [layer.id for layer, status in shown if status.bounds]
    drawn = draws_maps(request)
    picture = find_picture(site, linked.state, placed[0] if placed else "", size, drawn=drawn)
    return _Told(named, f"{site}/{linked.widget}", picture)


async def _find_frozen(request: Request, linked: Linked, language: str) -> _Told:
    """As its manifest tells everybody of it: a widget, too, is there for all or for none."""
    site, address = site_of(request), f"frozen/{quote(linked.name)}"
    made = await ask_ourselves(as_nobody(request), f"{address}/manifest.json", language)
    if not made.body:
        raise NotFoundError("page", f"{site}/{address}/", _OURS)
    manifest = orjson.loads(made.body)
    kept = Picture(f"{site}/{address}/{KEPT_PICTURE}", PREVIEW) if KEPT_PICTURE in manifest["files"] else None
    return _Told(str(manifest["title"]), f"{site}/{linked.widget}", kept)


def _build(told: _Told, city: City, site: str, most: Most) -> dict[str, Any]:
    width, height = fit(_USUAL, most, _USUAL[0], _LOWEST)
    source, title = html.escape(told.widget), html.escape(told.title)
    frame = (
        f'<iframe src="{source}" title="{title}" width="{width}" height="{height}" loading="lazy" frameborder="0"'
        ' allowfullscreen style="border:0;max-width:100%"></iframe>'
    )
    document: dict[str, Any] = {
        "type": "rich",
        "version": "1.0",
        "title": told.title,
        "author_name": city.publisher or city.title,
        "provider_name": city.title,
        "provider_url": f"{site}/",
        "cache_age": _CACHED,
        "width": width,
        "height": height,
        "html": frame,
    }
    if told.picture and _has_room(told.picture.size, most):
        wide, high = told.picture.size
        document |= {"thumbnail_url": told.picture.url, "thumbnail_width": wide, "thumbnail_height": high}
    return document


def _has_room(size: tuple[int, int], most: Most) -> bool:
    """Whether a picture may be named, which consumers take as large as it is."""
    return min(size) >= _LEAST and all(limit is None or side <= limit for side, limit in zip(size, most, strict=True))


def _render_xml(document: dict[str, Any]) -> bytes:
    root = Element("oembed")
    for name, value in document.items():
        SubElement(root, name).text = _CONTROL.sub("", str(value))
    body: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return body
