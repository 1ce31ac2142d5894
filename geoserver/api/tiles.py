"""Tiles over HTTP: what the parameters mean, which errors there are, and ETag, gzip and caching around `tiling.render`.

`answer_tile` takes text and gives status, headers and body, so that whatever stands in front of FastAPI can share it.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, cast
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from isal import isal_zlib

from geoserver import tiling
from geoserver.api.answers import PROBLEMS
from geoserver.api.params import FILTERS, Filters, base_url, split_filters
from geoserver.errors import BadParameterError
from geoserver.filtering import Where
from geoserver.grid import tile_count
from geoserver.model import Tile

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.services import Services

__all__ = ["Answer", "answer_tile", "router"]

router = APIRouter(tags=["tiles"])

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
CACHE_CONTROL = "public, max-age=0, must-revalidate"  # a 304 costs no query, and rows may change at any moment
MAX_LAYERS = 32
_GZIP_LEVEL = 2  # of ISA-L: as small as zlib's level 1 in a fifth of its time
_IN_THREAD = 500_000  # bytes; compressing more than that would hold up the other requests for over a millisecond
_PATIENCE = 0.25  # seconds of rendering after which it is worth to watch whether the client is still there


@dataclass(frozen=True, slots=True)
class Part:
    """One layer of a request, its loaded state, and what the filter leaves of it."""

    layer: Layer
    status: LayerStatus
    where: Where


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer without a library: the body is bytes, compressed when the headers say so."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


Layers = Annotated[str, Path(description="A layer's id, or several with commas between.", examples=["crime"])]


@router.get(
    "/tiles/{layers}.json",
    summary="TileJSON of a layer, or of several in one tile",
    dependencies=FILTERS,
    responses=PROBLEMS,
)
async def tilejson(request: Request, layers: Layers) -> JSONResponse:
    """Bounds, zooms, fields and the tiles' address, which carries the query string of this request."""
    services: Services = request.app.state.services
    query = request.url.query
    parts = build_parts(services, layers, query)
    loaded = [(part.layer, part.status) for part in parts]
    body = tiling.build_tilejson(services.live.current, loaded, base_url(request), query)
    return JSONResponse(body, headers={"Cache-Control": CACHE_CONTROL})


@router.get(
    "/tiles/{layers}/{z}/{x}/{y}.mvt",
    summary="A vector tile",
    response_class=Response,
    dependencies=FILTERS,
    responses=PROBLEMS | {200: {"content": {MEDIA_TYPE: {}}}, 204: {"description": "An empty tile."}},
)
@router.get("/tiles/{layers}/{z}/{x}/{y}.pbf", include_in_schema=False)
async def tile(request: Request, layers: Layers, z: str, x: str, y: str) -> Response:
    """Mapbox Vector Tile 2.1: one layer per id, named by it; 204 when there is nothing, 304 when nothing changed."""
    answer = await _while_connected(
        request,
        answer_tile(
            request.app.state.services,
            (layers, z, x, y),
            query=request.url.query,
            if_none_match=request.headers.get("if-none-match", ""),
            accept_encoding=request.headers.get("accept-encoding", ""),
        ),
    )
    return Response(answer.body, answer.status, answer.headers)


async def answer_tile(
    services: Services, address: tuple[str, str, str, str], *, query: str, if_none_match: str, accept_encoding: str
) -> Answer:
    """The whole answer to a tile request; `address` is layers, zoom, column and row as they stand in the path.

    Raises NotFoundError, BadParameterError and UnavailableError.
    """
    layers, z, x, y = address
    parts = build_parts(services, layers, query)
    wanted = parse_tile(z, x, y, [part.layer for part in parts])
    gzip = _accepts_gzip(accept_encoding)
    etag = _build_etag(services, parts, wanted, gzip=gzip)
    headers = {"ETag": etag, "Cache-Control": CACHE_CONTROL, "Vary": "Accept-Encoding"}
    if _matches(if_none_match, etag):
        return Answer(304, headers)
    body = await _render(services, parts, wanted)
    if not body:
        return Answer(204, headers)
    if gzip:
        headers["Content-Encoding"] = "gzip"
        body = await asyncio.to_thread(_compress, body) if len(body) > _IN_THREAD else _compress(body)
    return Answer(200, headers | {"Content-Type": MEDIA_TYPE}, body)


def build_parts(services: Services, layers: str, query: str) -> list[Part]:
    """The layers of a request with their filters; a filter applies to each of them and must fit each."""
    ids = layers.split(",")
    if len(ids) > MAX_LAYERS or len(set(ids)) < len(ids):
        raise BadParameterError("layers", layers, f"at most {MAX_LAYERS} different layers")
    found = [services.layer(layer_id) for layer_id in ids]
    arguments, properties = parse_query(query)
    return [
        Part(layer, status, tiling.parse_question(layer, status, cast("dict[str, str]", arguments), properties))
        for layer, status in found
    ]


def parse_query(query: str) -> tuple[Filters, dict[str, str]]:
    """The query string as arguments of `build` by name, and as `field=value`; raises BadParameterError."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise BadParameterError("query", query, "at most 100 parameters, percent-encoded UTF-8") from error
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise BadParameterError(name, value, "this parameter only once")
        given[name] = value
    return split_filters(given)


def parse_tile(z: str, x: str, y: str, layers: Sequence[Layer]) -> Tile:
    """The tile of that address; raises BadParameterError when it is none, or when no layer has tiles at its zoom."""
    zoom = _parse_number("z", z, min(layer.minzoom for layer in layers), max(layer.maxzoom for layer in layers))
    last = tile_count(zoom) - 1
    return Tile(zoom, _parse_number("x", x, 0, last), _parse_number("y", y, 0, last))


def _parse_number(name: str, text: str, lowest: int, highest: int) -> int:
    digits = text.isascii() and text.isdigit() and len(text) < 12  # noqa: PLR2004 - longer than any tile's number
    if not digits or not lowest <= int(text) <= highest:
        raise BadParameterError(name, text, f"a whole number from {lowest} to {highest}")
    return int(text)


async def _render(services: Services, parts: Sequence[Part], wanted: Tile) -> bytes:
    """Every layer for itself, one after the other: a tile of several layers is the bytes of its parts in a row."""
    catalog = services.live.current
    return b"".join(
        [
            await tiling.render(services.database, catalog, part.layer, part.status, wanted, where=part.where)
            for part in parts
        ]
    )


def _build_etag(services: Services, parts: Sequence[Part], wanted: Tile, *, gzip: bool) -> str:
    """Made of what the bytes follow from, so that a tile that did not change is a 304 without a query."""
    catalog = services.live.current
    what = [f"{tiling.tile_version(catalog, part.layer, part.status)} {part.where.canonical}" for part in parts]
    text = "\n".join([f"{wanted.z}/{wanted.x}/{wanted.y}", *what])
    digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    return f'"{digest}-gzip"' if gzip else f'"{digest}"'


def _matches(if_none_match: str, etag: str) -> bool:
    """Whether the client has these bytes already (RFC 9110, 13.1.2: weak comparison)."""
    given = (item.strip().removeprefix("W/") for item in if_none_match.split(","))
    return any(item in (etag, "*") for item in given)


def _accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is among the encodings and is not refused by `q=0`."""
    for item in accept_encoding.split(","):
        name, _, parameters = item.partition(";")
        if name.strip().lower() in ("gzip", "*"):
            weight = parameters.strip().lower().removeprefix("q=")
            return not weight or weight.strip("0.") != ""
    return False


def _compress(body: bytes) -> bytes:
    return isal_zlib.compress(body, _GZIP_LEVEL, wbits=31)


async def _while_connected(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do the work, but cancel it (and with it the query) when it takes long and the client has left meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait([task], timeout=_PATIENCE)
        if not done:
            watcher = asyncio.ensure_future(_disconnected(request))
            await asyncio.wait([task, watcher], return_when=asyncio.FIRST_COMPLETED)
            watcher.cancel()
    finally:
        left = not task.done()
        if left:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    return Answer(499) if left else task.result()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
