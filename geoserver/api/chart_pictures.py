"""`/static/chart/{layer}/{w}x{h}.{svg,png}`: the page's chart as a picture, from the same numbers."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from geoserver import styling
from geoserver.access import view_of
from geoserver.api import params
from geoserver.api.aggregate import as_work, name_state, render_aggregate
from geoserver.api.answers import CACHE_CONTROL, UNCHANGED, unchanged
from geoserver.api.chart_choice import choose_chart, name_parameter, parse_chart
from geoserver.api.chart_model import build_drawing
from geoserver.api.chart_svg import draw_chart
from geoserver.api.grouping import Asking
from geoserver.api.pictures.asking import EXPECTED
from geoserver.catalog.languages import in_language, page_words, words_for
from geoserver.database.axes import Source
from geoserver.database.steady import hold
from geoserver.drawing.orders import ChartOrder
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.etags import build_etag
from geoserver.kept import Kept, Made
from geoserver.mapstates import parse_state
from geoserver.turns import client_of

if TYPE_CHECKING:
    from geoserver.questions import Questions

router = APIRouter(prefix="/static/chart", tags=["pictures"])

_SIZE = re.compile(r"(\d{1,4})x(\d{1,4})(?:@([123])x)?", re.ASCII)
_LEAST, _MOST, _SHARPEST = 100, 2_000, 4_000  # pixels of a side; the last are the device's
_MEDIA = {"svg": "image/svg+xml", "png": "image/png"}
_VALUES = 20  # of a field, as the page's chart lists them
Filter = Annotated[str | None, Query(description="CQL2 text.")]
Time = Annotated[str | None, Query(description="First and last day with a slash between; .. is open.")]
Area = Annotated[str | None, Query(description="As in the page's address.")]
Chart = Annotated[str | None, Query(description="Group and measure, as in the page's address.")]
Base = Annotated[str | None, Query(description="light or dark")]
Size = Annotated[str, Path(description="WIDTHxHEIGHT in pixels, with @2x for sharp screens.", examples=["600x400"])]
_OWN = ("filter", "time", "area", "chart", "lang", "base")


@router.get(
    "/{layer_id}/{size}.{ending}",
    summary="A chart as a picture",
    response_class=Response,
    responses={200: {"description": "The picture.", "content": {kind: {} for kind in _MEDIA.values()}}, **UNCHANGED},
)
async def draw(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request,
    layer_id: str,
    size: Size,
    ending: Annotated[str, Path(description="svg or png", examples=["svg"])],
    filter: Filter = None,  # noqa: A002, ARG001 - these stand in the description; `parse_state` takes them
    time: Time = None,  # noqa: ARG001
    area: Area = None,  # noqa: ARG001
    chart: Chart = None,  # noqa: ARG001
    lang: params.Lang = None,  # noqa: ARG001
    base: Base = None,  # noqa: ARG001
) -> Response:
    """The rows that a filter leaves, counted or measured by a group, or by one that another splits, drawn."""
    view = view_of(request.app.state.services, request.scope)
    layer, current = await params.find_rows(view, layer_id)
    status = hold(view.services.database, layer, current)
    width, height, ratio = _parse_size(size)
    if ending not in _MEDIA:
        raise NotFoundError("picture", ending, "svg or png")
    said = params.read_parameters(request, (*_OWN, f"filter.{layer.id}"))
    state = parse_state([(f"filter.{layer.id}" if name == "filter" else name, text) for name, text in said.items()])
    for name, text in state.passed_over:
        if text:
            raise BadParameterError(name, text, EXPECTED.get(name, "what an address of the map says there"))
    languages, vary = params.read_languages(request, said.get("lang"))
    spoken, words = in_language(layer, languages), words_for(layer, languages)
    text = said.get("chart") or await choose_chart(view, spoken, status)
    if not text:
        raise NotFoundError("chart", layer.id, "a layer with a field that a chart could be drawn of")
    groups, measured = await parse_chart(Asking(view, languages, _VALUES), spoken, text)
    questions: Questions = request.app.state.questions
    client, filters = client_of(request.scope), {"filter": state.question(layer)}
    asked = await questions.read(
        client, layer, status, {name: text for name, text in filters.items() if text}, {}, find_shape=view.shape
    )
    theme = state.base or "light"
    stated = (layer.id, status.version, status.loaded_at, asked.where.canonical, *map(name_state, groups), measured)
    # The page's language may be another one than the layer's, where only one of them is offered.
    said_in = (words.code, page_words(languages).code, spoken.title, spoken.attribution)
    tag = build_etag("chart", *stated, size, ending, theme, *said_in, view.scope)
    if (same := unchanged(request, view, tag, vary)) is not None:
        return same

    async def make() -> Made:
        services = request.app.state.services
        async with questions.turn(client, as_work(asked, groups, measured)):
            try:
                body = await render_aggregate(services, Source(layer, status, asked.where), groups, measured, words)
            except BadParameterError as error:
                raise name_parameter(error, text) from error
        legend = styling.build_legend(view.catalog, spoken, words) if len(groups) > 1 else []
        drawing = build_drawing(orjson.loads(body), spoken, legend, ((width, height), theme), languages)
        svg = await asyncio.to_thread(draw_chart, drawing)
        if ending == "svg":
            return Made(svg.encode())
        return Made(await request.app.state.studio.pool.draw("charts", ChartOrder(svg, ratio), client=client))

    computed: Kept[str] = request.app.state.computed
    body, _ = await computed.get(tag, make)
    return Response(body, media_type=_MEDIA[ending], headers={"ETag": tag, **view.headers(CACHE_CONTROL, vary)})


def _parse_size(text: str) -> tuple[int, int, int]:
    found = _SIZE.fullmatch(text)
    width, height, ratio = (int(number or 1) for number in found.groups()) if found else (0, 0, 1)
    if not all(_LEAST <= side <= _MOST and side * ratio <= _SHARPEST for side in (width, height)):
        expected = (
            f"WIDTHxHEIGHT such as 600x400 or 600x400@2x, of {_LEAST} to {_MOST:,} pixels a side, and at most"
            f" {_SHARPEST:,} when multiplied by the number after the @"
        )
        raise BadParameterError("size", text, expected)
    return width, height, ratio
