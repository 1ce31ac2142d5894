"""The catalogue for other catalogues, which harvest it: `/catalog.jsonld`, `/catalog.ttl`, `/data.json`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Request, Response

from geoserver.access import view_of
from geoserver.catalog.languages import choose_languages, in_language
from geoserver.etags import build_etag, is_known
from geoserver.formats.listing import list_downloads
from geoserver.site.answers import site_of, stated_language
from geoserver.site.dcat import Distribution, build_data_json, build_dcat, render_turtle
from geoserver.site.kept import Kept, Made, Same

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from geoserver.database.status import LayerStatus
    from geoserver.model import City, Layer

__all__ = ["build_documents", "router"]

router = APIRouter(tags=["catalogue"])

CHECKED = "public, max-age=0, must-revalidate"
_KEPT, _ROOM = 3_600.0, 16 * 2**20  # seconds and bytes of documents: of the same layers the same is made


def build_documents() -> Kept[Hashable]:
    """Where they are kept, one per process."""
    return Kept(_KEPT, _ROOM)


@router.get(
    "/catalog.jsonld",
    summary="The catalogue as DCAT-AP 3 in JSON-LD",
    response_class=Response,
    responses={200: {"description": "A `dcat:Catalog`.", "content": {"application/ld+json": {}}}},
)
async def catalog_json(request: Request) -> Response:
    """Every dataset with its distributions, in all languages that the layer files have."""
    return await _answer(request, "application/ld+json", lambda city, found: build_dcat(city, found, site_of(request)))


@router.get(
    "/catalog.ttl",
    summary="The catalogue as DCAT-AP 3 in Turtle",
    response_class=Response,
    responses={200: {"description": "A `dcat:Catalog`.", "content": {"text/turtle": {}}}},
)
async def catalog_turtle(request: Request) -> Response:
    """The same graph as `/catalog.jsonld`."""
    return await _answer(
        request,
        "text/turtle",
        lambda city, found: build_dcat(city, found, site_of(request)),
        then=render_turtle,
    )


@router.get("/data.json", summary="The catalogue as DCAT-US 1.1 (Project Open Data)")
async def data_json(request: Request, lang: str | None = None) -> Response:
    """Every dataset with its distributions, in one language."""
    languages, vary = choose_languages(stated_language(request) or lang, request.headers.getlist("accept-language"))

    def build(city: City, found: list[Any]) -> dict[str, Any]:
        spoken = [(in_language(layer, languages), *rest) for layer, *rest in found]
        return build_data_json(city, spoken, site_of(request), languages)

    return await _answer(request, "application/json", build, vary=vary, languages=languages)


async def _answer(
    request: Request,
    media_type: str,
    build: Callable[[City, list[Any]], dict[str, Any]],
    *,
    then: Callable[[bytes], bytes] = bytes,
    vary: dict[str, str] | None = None,
    languages: tuple[str, ...] = (),
) -> Response:
    """A document about what the caller sees."""
    view = view_of(request.app.state.services, request.scope)
    await view.ready()
    seen = [(layer, status) for layer, status in await view.layers() if not layer.basemap]
    city, site = view.services.live.current.city, site_of(request)

    def render() -> bytes:
        found = [(layer, status, _list_distributions(layer, status, site)) for layer, status in seen]
        return then(orjson.dumps(build(city, found)))

    async def make() -> Made:
        return Made(await asyncio.to_thread(render))  # with hundreds of layers it takes a while

    documents: Kept[Hashable] = request.app.state.documents
    same = Same((city, *(part for pair in seen for part in pair)))
    body = (await documents.get((request.url.path, site, languages, view.grants, same), make)).body
    tag = build_etag(body, *([view.scope] if view.scope else []))
    headers = {"ETag": tag, **view.headers(CHECKED, vary or {})}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def _list_distributions(layer: Layer, status: LayerStatus, site: str) -> list[Distribution]:
    """The ways to have a dataset, files first."""
    found = [Distribution(one.title, one.media_type, one.href) for one in list_downloads(layer, status, site)]
    if layer.has_rows:
        items = f"{site}/ogc/collections/{layer.id}/items"
        found.append(Distribution("OGC API Features", "application/geo+json", items, is_file=False))
    tiles = f"{site}/tiles/{layer.id}.json"
    found.append(Distribution("Vector tiles (TileJSON)", "application/json", tiles, is_file=False))
    return found
