"""The addresses of pictures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from geoserver.api.answers import UNCHANGED
from geoserver.api.params import Lang, view_of
from geoserver.api.pictures.asking import ENDINGS, parse_picture
from geoserver.api.pictures.scene import compose, find_drawn, find_view
from geoserver.drawing.orders import NAME
from geoserver.etags import build_etag, is_known
from geoserver.kept import Made, Same
from geoserver.turns import client_of

if TYPE_CHECKING:
    from geoserver.api.pictures.studio import Studio
    from geoserver.api.tile_server import TileServer

__all__ = ["router"]

router = APIRouter(tags=["pictures"])

_TYPES = {ending: f"image/{kind}" for ending, kind in ENDINGS.items()}
Style = Annotated[str, Path(description="light or dark", examples=["light"])]
Place = Annotated[
    str,
    Path(
        description="lon,lat,zoom as the live map has them; or auto, which fits what filters leave.",
        examples=["auto", "-28.6,45.2,12"],
    ),
]
Size = Annotated[
    str,
    Path(description="WIDTHxHEIGHT in CSS pixels, with @2x or @3x for sharp screens.", examples=["600x400@2x"]),
]
Layers = Annotated[str | None, Query(description="Ids of layers with commas between; those that the page opens with.")]
Time = Annotated[str | None, Query(description="First and last day with a slash between; .. is open.")]
Area = Annotated[str | None, Query(description="As in the page's address; it is outlined.")]
Pin = Annotated[str | None, Query(description="lon,lat of a place that is marked, and perhaps metres around it.")]
Legend = Annotated[str | None, Query(description="1 for a legend of the layers.")]
Title = Annotated[str | None, Query(description="A line over the map.")]
Attribution = Annotated[
    str | None, Query(description="0 leaves out whose data it is: then it has to stand beside the picture.")
]
Marker = Annotated[str | None, Query(description="lon,lat of a drop.")]


@router.get("/static/place.json", summary="Where a map opens that says no place", responses=UNCHANGED)
async def place(
    request: Request,
    layers: Layers = None,  # noqa: ARG001 - as below
    time: Time = None,  # noqa: ARG001
    area: Area = None,  # noqa: ARG001
    pin: Pin = None,  # noqa: ARG001
) -> Response:
    """What a picture at `auto` shows: `bounds` (west, south, east, north) of what filters leave, or of the city; or a
    `camera` (lon, lat, zoom) where the city says one.
    """
    picture = parse_picture(("light", "auto", "600x400", "png"), request.query_params.multi_items())
    studio: Studio = request.app.state.studio
    tiles: TileServer = request.app.state.tiles
    view = view_of(request)
    await view.ready()
    drawn = await find_drawn(view, picture)

    async def find() -> Made:
        return Made(orjson.dumps(await find_view(request, view, drawn, picture)))

    seen = view.of(drawn.layers)
    body, _ = await studio.styles.get((Same(drawn.made_of), (seen.scope, "place", picture.key)), find)
    return Response(body, headers=seen.headers(tiles.headers.fresh), media_type="application/json")


@router.get(
    "/static/{style}/{place}/{size}.{ending}",
    summary="A picture of the map",
    response_class=Response,
    responses={200: {"description": "The picture.", "content": {kind: {} for kind in _TYPES.values()}}, **UNCHANGED},
)
async def map_picture(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request,
    style: Style,
    place: Place,
    size: Size,
    ending: str,
    layers: Layers = None,  # noqa: ARG001 - these stand in the description; `parse_picture` takes them
    time: Time = None,  # noqa: ARG001
    area: Area = None,  # noqa: ARG001
    pin: Pin = None,  # noqa: ARG001
    lang: Lang = None,  # noqa: ARG001
    legend: Legend = None,  # noqa: ARG001
    title: Title = None,  # noqa: ARG001
    attribution: Attribution = None,  # noqa: ARG001
    marker: Marker = None,  # noqa: ARG001
) -> Response:
    """The map as the page draws it, by its own parameters (`filter.LAYER` too): for articles, mails and previews."""
    picture = parse_picture((style, place, size, ending), request.query_params.multi_items())
    studio: Studio = request.app.state.studio
    tiles: TileServer = request.app.state.tiles
    view, client = view_of(request), client_of(request.scope)
    await view.ready()
    drawn = await find_drawn(view, picture)

    async def draw() -> Made:
        order, lasting = await compose(request, view, drawn, picture)
        name = await asyncio.to_thread(order.name)
        return Made(name + await studio.pool.draw("maps", order, client=client), lasting)

    seen = view.of(drawn.layers)
    made, lasting = await studio.kept.get((Same(drawn.made_of), (seen.scope, picture.key)), draw)
    name, body = made[:NAME], made[NAME:]
    tag = f"W/{build_etag(name, *([seen.scope] if seen.scope else []))}"  # weak: it names what is drawn, not its bytes
    headers = {"ETag": tag, **seen.headers(tiles.headers.fresh if lasting else "public, max-age=0")}
    if is_known(request.headers.get("if-none-match", ""), tag):
        # With its type, so that it is known to be no text, which would vary by encodings.
        return Response(status_code=304, headers=headers, media_type=_TYPES[ending])
    return Response(body, headers=headers, media_type=_TYPES[ending])
