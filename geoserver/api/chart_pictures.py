"""`/static/chart/{layer}/{w}x{h}.{svg,png}`: the page's chart of one group as a picture, from the same numbers."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from babel import Locale
from babel.dates import format_skeleton
from babel.numbers import format_decimal
from fastapi import APIRouter, Path, Query, Request, Response

from geoserver.access import view_of
from geoserver.api import params
from geoserver.api.aggregate import as_work, name_state, render_aggregate
from geoserver.api.answers import CACHE_CONTROL, UNCHANGED, unchanged
from geoserver.api.chart_svg import Drawing, draw_chart
from geoserver.api.grouping import Asking, parse_groups, parse_measure
from geoserver.catalog.languages import in_language, page_words, read_messages, words_for
from geoserver.database.axes import Source
from geoserver.drawing.orders import ChartOrder
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.etags import build_etag
from geoserver.kept import Kept, Made
from geoserver.mapstates import parse_state
from geoserver.turns import client_of

if TYPE_CHECKING:
    from geoserver.model import Layer
    from geoserver.questions import Questions

router = APIRouter(prefix="/static/chart", tags=["pictures"])

_SIZE = re.compile(r"(\d{1,4})x(\d{1,4})(@[23]x)?", re.ASCII)
_LEAST, _MOST = 100, 2_000  # pixels of a side
_MEDIA = {"svg": "image/svg+xml", "png": "image/png"}
_VALUES = 40
Size = Annotated[str, Path(description="WIDTHxHEIGHT in pixels, with @2x for sharp screens.", examples=["600x400"])]
_OWN = ("filter", "time", "area", "chart", "lang", "base")
_STEPS = {"month": "yMMM", "quarter": "yQQQ", "year": "y", "decade": "y", "century": "y", "millennium": "y"}


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
    filter: Annotated[str | None, Query(description="CQL2 text.")] = None,  # noqa: A002, ARG001 - these stand in the
    time: Annotated[str | None, Query(description="First and last day with a slash between; .. is open.")] = None,  # noqa: ARG001 - description;
    area: Annotated[str | None, Query(description="As in the page's address.")] = None,  # noqa: ARG001 - they are
    chart: Annotated[str | None, Query(description="Group and measure, as in the page's address.")] = None,  # noqa: ARG001 - read below
    lang: params.Lang = None,  # noqa: ARG001
    base: Annotated[str | None, Query(description="light or dark")] = None,  # noqa: ARG001
) -> Response:
    """The rows that a filter leaves, counted or measured by one group, drawn."""
    view = view_of(request.app.state.services, request.scope)
    layer, status = await params.find_rows(view, layer_id)
    width, height, ratio = _parse_size(size)
    if ending not in _MEDIA:
        raise NotFoundError("picture", ending, "svg or png")
    said = params.read_parameters(request, (*_OWN, f"filter.{layer.id}"))
    state = parse_state([(f"filter.{layer.id}" if name == "filter" else name, text) for name, text in said.items()])
    for name, text in state.passed_over:
        raise BadParameterError(name, text, "what an address of the map says there")
    languages, vary = params.read_languages(request, said.get("lang"))
    spoken, words = in_language(layer, languages), words_for(layer, languages)
    group, measure = _parse_chart(said.get("chart"), layer)
    groups = await parse_groups(Asking(view, languages, _VALUES), spoken, group)
    if len(groups) != 1:
        raise BadParameterError("chart", group, "one group: this picture shows no second one")
    measured = parse_measure(spoken, measure)
    questions: Questions = request.app.state.questions
    client, filters = client_of(request.scope), {"filter": state.question(layer)}
    asked = await questions.read(
        client, layer, status, {name: text for name, text in filters.items() if text}, {}, find_shape=view.shape
    )
    theme = state.base or "light"
    stated = (layer.id, status.version, status.loaded_at, asked.where.canonical, name_state(groups[0]), measured)
    tag = build_etag("chart", *stated, size, ending, theme, words.code, spoken.title, spoken.attribution, view.scope)
    if (same := unchanged(request, view, tag, vary)) is not None:
        return same

    async def make() -> Made:
        services = request.app.state.services
        async with questions.turn(client, as_work(asked, groups, measured)):
            counted = orjson.loads(
                await render_aggregate(services, Source(layer, status, asked.where), groups, measured, words)
            )
        drawing = _build_drawing(counted, spoken, (width, height), theme, page_words(languages).code)
        svg = draw_chart(drawing)
        if ending == "svg":
            return Made(svg.encode())
        return Made(await request.app.state.studio.pool.draw("charts", ChartOrder(svg, ratio), client=client))

    computed: Kept[str] = request.app.state.computed
    body, _ = await computed.get(tag, make)
    return Response(body, media_type=_MEDIA[ending], headers={"ETag": tag, **view.headers(CACHE_CONTROL, vary)})


def _parse_size(text: str) -> tuple[int, int, int]:
    found = _SIZE.fullmatch(text)
    sides = [int(found[1]), int(found[2])] if found else []
    if not found or not all(_LEAST <= side <= _MOST for side in sides):
        raise BadParameterError("size", text, f"such as 600x400 or 600x400@2x, of {_LEAST} to {_MOST} pixels a side")
    return sides[0], sides[1], int(found[3][1]) if found[3] else 1


def _parse_chart(text: str | None, layer: Layer) -> tuple[str, str | None]:
    """Group and measure, as the page writes them; where it says nothing, what the page draws at first."""
    if text:
        group, _, measure = text.partition("~")
        return group, measure or None
    if layer.time in layer.fields:
        return f"{layer.time}:auto", None
    fields = layer.listed_fields
    for item in (*[one for one in fields if one.filter == "choice"], *[one for one in fields if one.filter == "range"]):
        return item.name, None
    raise NotFoundError("chart", layer.id, "a layer with a field to count by, or say chart=FIELD")


def _build_drawing(counted: dict[str, Any], spoken: Layer, size: tuple[int, int], theme: str, language: str) -> Drawing:
    said, locale = read_messages("charts", language), _find_locale(language)
    (group,), measure = counted["groups"], counted["measure"]
    kind = group.get("kind", "area")
    by = f"by_{group['bucket']}" if kind == "time" and f"by_{group.get('bucket')}" in said else "by"
    noun = spoken.nouns or read_messages("pages", language)["rows"]
    of = (
        said["of_count"].format(noun=noun)
        if measure["of"] == "count"
        else said[f"of_{measure['of']}"].format(field=measure["title"])
    )
    labels = _list_labels(group, kind, locale)
    found = {cell[0]: cell[-1] for cell in counted["cells"]}
    return Drawing(
        size,
        theme,
        said["title"].format(measure=of, by=said[by].format(field=group.get("title", ""))),
        " · ".join(part for part in (spoken.title, spoken.attribution) if part),
        said["empty"],
        labels,
        [found.get(at) for at in range(len(labels))],
        kind in ("time", "number"),
        lambda value: str(format_decimal(float(f"{value:.4g}") if value % 1 else value, locale=locale)),
    )


def _list_labels(group: dict[str, Any], kind: str, locale: Locale) -> list[str]:
    if kind == "number":
        return [str(format_decimal(edge, locale=locale)) for edge in group["edges"][:-1]]
    if kind != "time":
        return [str(label) for label in group["labels"]]
    return [_write_moment(str(value), str(group.get("bucket")), locale) for value in group["values"]]


def _write_moment(text: str, bucket: str, locale: Locale) -> str:
    try:
        day = dt.date.fromisoformat(text[:10])
    except ValueError:
        return text
    if bucket in _STEPS:
        return str(format_skeleton(_STEPS[bucket], dt.datetime(day.year, day.month, day.day), locale=locale))
    return text[:16].replace("T", " ")


def _find_locale(language: str) -> Locale:
    return Locale.parse("en_GB" if language == "en" else language)
