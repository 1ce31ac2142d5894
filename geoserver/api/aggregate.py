"""`/api/layers/{id}/aggregate`: what a filter leaves of a layer, counted or measured by groups; what charts show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from geoserver.api import params
from geoserver.api.aggregate_documents import AggregateAnswer
from geoserver.api.answers import UNCHANGED, answer, unchanged
from geoserver.api.grouping import AUTO_BINS, MOST_BINS, Asking, parse_groups, parse_measure
from geoserver.catalog.labels import title_feature
from geoserver.catalog.languages import in_language, words_for
from geoserver.database.aggregates import aggregate
from geoserver.database.axes import MOST_AREAS, MOST_BUCKETS, RECURRENCES, Areas, Numbers, Source, Times
from geoserver.database.buckets import AUTO_BUCKETS, UNITS
from geoserver.database.steady import hold
from geoserver.database.summaries import read_ranges
from geoserver.etags import build_etag
from geoserver.filtering import build
from geoserver.kept import Kept, Made
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.catalog.languages import ServerWords
    from geoserver.database.aggregates import Measure
    from geoserver.database.axes import Group
    from geoserver.model import Field
    from geoserver.questions import Asked, Questions
    from geoserver.services import Services

__all__ = ["as_work", "name_state", "render_aggregate", "router"]

router = APIRouter(prefix="/api/layers", tags=["layers"], responses=UNCHANGED)

VALUES, MOST_VALUES = 20, 1_000
_OWN = ("group", "measure", "limit", "lang")

Grouping = Annotated[
    str | None,
    Query(
        description="One group, or two with a comma between. A field with values to choose from, text or boolean:"
        f" `category`. A time in buckets, `reported_at:month` ({', '.join(UNITS)}, or `auto`: the finest of which"
        f" there are at most {AUTO_BUCKETS}; at most {MOST_BUCKETS:,}), or by what comes again, `reported_at:weekday`"
        f" ({', '.join(RECURRENCES)}). A number in at most so many bins on round edges, `height:10` ({AUTO_BINS} if"
        f" absent, at most {MOST_BINS:,}). Or a layer of at most {MOST_AREAS:,} polygons, `in:districts`: rows are"
        " counted where their point, or a point on them, touches an area. Without groups there is one cell.",
        examples=["reported_at:month,category"],
    ),
]
Measuring = Annotated[
    str | None,
    Query(
        description="`count`, the default, or `sum`, `avg`, `min`, `max` or `median` of a number: `avg:height`. What"
        " is null or not finite is left out.",
        examples=["count"],
    ),
]
Values = Annotated[
    str | None,
    Query(
        description=f"How many values of a field are listed; the others count as one. {VALUES} if absent, at most"
        f" {MOST_VALUES:,}.",
        examples=["20"],
    ),
]


@router.get(
    "/{layer_id}/aggregate",
    summary="What a filter leaves of a layer, by groups",
    response_model=AggregateAnswer,
    dependencies=params.FILTERS,
)
async def read_aggregate(
    request: Request,
    layer_id: params.LayerId,
    group: Grouping = None,
    measure: Measuring = None,
    *,
    limit: Values = None,
    lang: params.Lang = None,
) -> Response:
    """Counts, or a measure of a number, for every value, bucket, bin or area, or for each pair of two of them."""
    view = params.view_of(request)
    layer, current = await params.find_rows(view, layer_id)
    status = hold(view.services.database, layer, current)
    asked = await params.read_question(request, view, layer, status, also=_OWN)
    languages, vary = params.read_languages(request, lang)
    spoken = in_language(layer, languages)
    asking = Asking(view, languages, params.parse_limit(limit, VALUES, MOST_VALUES))
    groups = await parse_groups(asking, spoken, group)
    measured, words = parse_measure(spoken, measure), words_for(layer, languages)
    named = [name_state(one) for one in groups]
    state = (layer.id, status.version, status.loaded_at, asked.where.canonical)
    etag = build_etag(*state, named, measured, asking.limit, words.code, view.scope)
    if (same := unchanged(request, view, etag, vary)) is not None:
        return same
    services: Services = request.app.state.services
    questions: Questions = request.app.state.questions

    async def make() -> Made:
        async with questions.turn(client_of(request.scope), as_work(asked, groups, measured)):
            return Made(await render_aggregate(services, Source(layer, status, asked.where), groups, measured, words))

    computed: Kept[str] = request.app.state.computed
    body, _ = await computed.get(etag, make)
    return answer(request, view, orjson.Fragment(body), etag=etag, vary=vary)


def name_state(group: Group) -> object:
    """What the group in an answer is made of: of areas their rows and words, else the field with its words."""
    if not isinstance(group, Areas):
        return group
    layer, status, _ = group.source
    return layer.id, status.version, status.loaded_at, layer.title, layer.label, group.names


def as_work(asked: Asked, groups: Sequence[Group], measure: Measure) -> Asked:
    """What looks through all rows takes its turn, too; areas and medians are dear."""
    dear = asked.costly or measure.of == "median" or any(isinstance(group, Areas) for group in groups)
    return replace(asked, costly=dear)


async def render_aggregate(
    services: Services,
    source: Source,
    groups: Sequence[Group],
    measure: Measure,
    words: ServerWords,
) -> bytes:
    layer, status, _ = source
    times = [group.item for group in groups if isinstance(group, Times)]
    ranges = await read_ranges(services.database, layer, status, times, build(layer, status)) if times else {}
    laid = [replace(group, whole=ranges[group.item.name]) if isinstance(group, Times) else group for group in groups]
    found = await aggregate(services.database, source, laid, measure)
    body = {
        "layer": layer.id,
        "version": status.stamp,
        "count": found.count,
        "measure": _describe_measure(measure),
        "groups": [_describe(group, one, words) for group, one in zip(groups, found.groups, strict=True)],
        **({"overlaps": True} if found.overlaps else {}),
        "cells": orjson.Fragment(found.cells),
    }
    return orjson.dumps(body)


def _describe_measure(measure: Measure) -> dict[str, str]:
    item = measure.item
    return {"of": measure.of} | ({"field": item.name, "title": item.title, "unit": item.unit} if item else {})


def _describe(group: Group, found: dict[str, Any], words: ServerWords) -> dict[str, Any]:
    """The group with its words."""
    if isinstance(group, Areas):
        layer = group.source.layer
        areas = zip(found["values"], found.pop("rows"), strict=True)
        labels = [title_feature(layer, row) or str(fid) for fid, row in areas]
        return found | {"title": layer.title, "labels": labels}
    item = group.item
    entry = {"kind": found.pop("kind"), "field": item.name, "title": item.title, **found}
    if isinstance(group, Numbers):
        entry["unit"] = item.unit
    if entry["kind"] == "category":
        entry["labels"] = [_label(item, value, words) for value in entry["values"]]
    return entry


def _label(item: Field, value: object, words: ServerWords) -> str:
    """What people read for a stored value: the layer file's label, else yes or no, else the value itself."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    plain = (words.yes if value else words.no) if isinstance(value, bool) else text
    return item.labels.get(text, plain)
