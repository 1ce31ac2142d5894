"""TileJSON and tiles in the API's description, and what the parts of a tile's address and its question mean.

`tile_requests` answers tiles before FastAPI sees them, by what is read here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from geoserver import tiling
from geoserver.api.answers import CACHE_CONTROL, UNCHANGED
from geoserver.api.params import FILTERS, Lang, base_url, read_languages, view_of
from geoserver.api.schemas import TileJson
from geoserver.catalog.languages import in_language
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.grid import tile_count
from geoserver.model import Tile
from geoserver.questions import Asked, Filters, read_once, split_filters
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.access import View
    from geoserver.api.tile_server import TileServer
    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Layer
    from geoserver.questions import Questions
    from geoserver.tiling import TileContent

__all__ = ["Part", "build_parts", "parse_content", "parse_query", "parse_tile", "router"]

router = APIRouter(tags=["tiles"])

MAX_LAYERS = 32


@dataclass(frozen=True, slots=True)
class Part:
    """One layer of a request, its loaded state, what the filter leaves of it, and from which zoom on as features.

    `whole` is what it is of: layer and state as they were served when the caller's part of it was looked up.
    """

    layer: Layer
    status: LayerStatus
    asked: Asked
    features_from: int
    whole: tuple[Layer, LayerStatus]

    @property
    def where(self) -> Where:
        return self.asked.where


FeaturesFrom = Annotated[
    str | None,
    Query(
        alias=tiling.PLAN,
        description="Zoom from which on features are drawn rather than counted in bins, as TileJSON plans it for the"
        " filter; of several layers with commas between, empty for a layer's own plan.",
        examples=["0"],
    ),
]


def _declare_plan(*, features_from: FeaturesFrom = None) -> None:
    """Say in the API's description that there is this parameter; `build_parts` takes it."""


Layers = Annotated[str, Path(description="A layer's id, or several with commas between.", examples=["crime"])]


@router.get(
    "/tiles/{layers}.json",
    summary="TileJSON of a layer, or of several in one tile",
    response_model=TileJson,
    dependencies=FILTERS,
)
async def tilejson(request: Request, layers: Layers, lang: Lang = None) -> JSONResponse:
    """Bounds, zooms, fields and the tiles' address, which carries the query string of this request.

    `features_from` is planned for what the filter leaves: few points are drawn at every zoom. The tiles' address
    carries it as `features-from`, so that all tiles of a map follow one plan.
    """
    view = view_of(request)
    tiles: TileServer = request.app.state.tiles
    languages, vary = read_languages(request, lang)
    await view.ready()
    client, query = client_of(request.scope), _without_language(view.catalog, layers, request.url.query)
    parts = await build_parts(view, request.app.state.questions, client, layers, query)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(tiles.find_plan(part, client)) for part in parts]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    plans = [task.result() for task in tasks]
    loaded = [(in_language(part.layer, languages), part.status) for part in parts]
    body = tiling.build_tilejson(view.catalog, loaded, base_url(request), _without_plan(query), plans)
    return JSONResponse(body, headers=view.headers(CACHE_CONTROL, vary))


@router.get(
    "/tiles/{layers}/{z}/{x}/{y}.mvt",
    summary="A vector tile",
    response_class=Response,
    dependencies=[*FILTERS, Depends(_declare_plan)],
    responses={
        200: {
            "description": "The tile.",
            "content": {tiling.VECTOR.media_type: {"schema": {"type": "string", "format": "binary"}}},
        },
        204: {"description": "An empty tile."},
        **UNCHANGED,
    },
)
@router.get("/tiles/{layers}/{z}/{x}/{y}.{ending}", include_in_schema=False)
async def tile(layers: Layers, z: str, x: str, y: str) -> None:  # noqa: ARG001 - they stand in the description
    """Mapbox Vector Tile 2.1: one layer per id, named by it; 204 when there is nothing, 304 when nothing changed."""
    raise AssertionError("tile_requests answers these addresses before they are routed")


async def build_parts(view: View, questions: Questions, client: str, layers: str, query: str) -> list[Part]:
    """The layers of a request with their filters; a filter applies to each of them and must fit each."""
    ids = layers.split(",")
    if len(ids) > MAX_LAYERS or len(set(ids)) < len(ids):
        raise BadParameterError("layers", layers, f"at most {MAX_LAYERS} different layers")
    found = [await view.layer(layer_id) for layer_id in ids]
    arguments, properties = parse_query(query)
    plans = tiling.parse_plans(properties.pop(tiling.PLAN, ""), ids)
    filters = cast("dict[str, str]", arguments)
    asked = [await questions.read(client, *one, filters, properties, find_shape=view.shape) for one in found]
    return [
        Part(layer, status, what, _choose_plan(layer, status, what, plan), view.whole[layer.id])
        for (layer, status), what, plan in zip(found, asked, plans, strict=True)
    ]


def _choose_plan(layer: Layer, status: LayerStatus, asked: Asked, plan: int | None) -> int:
    """Without a filter a layer has its own plan, and a filter can only let features begin earlier."""
    own = status.plan.features_from
    filtered = layer.has_rows and asked.where.canonical and asked.where.asked
    return min(own, plan) if filtered and plan is not None else own


def _without_plan(query: str) -> str:
    """The query string as it came, but for the plan of another answer."""
    return _without(query, tiling.PLAN)


def _without_language(catalog: Catalog, layers: str, query: str) -> str:
    """The query string without `lang`, which tiles know nothing of, unless a layer's function takes it."""
    known = [catalog.layers[name] for name in layers.split(",") if name in catalog.layers]
    taken = any("lang" in layer.parameters for layer in known)
    return query if taken else _without(query, "lang")


def _without(query: str, name: str) -> str:
    return "&".join(part for part in query.split("&") if unquote_plus(part.partition("=")[0]) != name)


def parse_query(query: str) -> tuple[Filters, dict[str, str]]:
    """The query string as arguments of `build` by name, and as `field=value`; raises BadParameterError."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise BadParameterError("query", query, "at most 100 parameters, percent-encoded UTF-8") from error
    return split_filters(read_once(pairs))


def parse_content(ending: str, parts: Sequence[Part]) -> TileContent:
    """What the tiles are; raises NotFoundError for an ending that stands for something else."""
    content = tiling.tile_content([(part.layer, part.status) for part in parts])
    if ending not in content.endings:
        raise NotFoundError("tile that ends in", f".{ending}", " or ".join(f".{name}" for name in content.endings))
    return content


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
