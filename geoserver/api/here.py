"""`/api/here`: what is within so many metres of a place, layer by layer."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from psycopg.sql import SQL

from geoserver.api import params
from geoserver.api.answers import UNCHANGED, answer, unchanged
from geoserver.api.here_documents import Here
from geoserver.catalog.labels import list_fields, title_feature
from geoserver.catalog.languages import in_language
from geoserver.database.nearby import Circle, Place, count_within, find_nearest
from geoserver.errors import BadParameterError, NotFoundError, UnavailableError
from geoserver.etags import build_etag
from geoserver.filtering import build_circle
from geoserver.kept import Kept, Made
from geoserver.questions import read_once
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.access import View
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Layer
    from geoserver.questions import Asked, Questions
    from geoserver.services import Services

router = APIRouter(prefix="/api/here", tags=["here"], responses=UNCHANGED)

RADIUS, MOST_METRES = 500.0, 100_000.0
FAR = 5_000.0  # metres from which on a client's questions wait for each other
_KNOWN = ("at", "radius", "layers", "datetime", "lang")
_OWN_FILTER = "filter."

type Seen = tuple[Layer, LayerStatus]

At = Annotated[str | None, Query(description="The place: longitude,latitude.", examples=["-28.61,45.2"])]
Radius = Annotated[
    str | None, Query(description=f"Metres, 1 to {MOST_METRES:,.0f}; {RADIUS:g} if absent.", examples=["500"])
]
Wanted = Annotated[
    str | None,
    Query(
        description="Ids of layers, with commas between; if absent, all that have features, without the basemap's.",
        examples=["crime,trees"],
    ),
]


@dataclass(frozen=True, slots=True)
class _Part:
    """One layer, and what is asked of it within the circle."""

    layer: Layer
    status: LayerStatus
    asked: Asked
    circle: Circle


@router.get("", summary="What is within so many metres of a place", response_model=Here)
async def read_here(
    request: Request,
    at: At = None,
    radius: Radius = None,
    layers: Wanted = None,
    *,
    datetime: params.Datetime = None,
    lang: params.Lang = None,
) -> Response:
    """For each layer how many of its features the circle touches, and the nearest of them.

    `filter.LAYER` filters that layer alone, in CQL2 text; `datetime` all that have a time.
    """
    values = _read_values(request)
    place = _parse_place(at, radius)
    languages, vary = params.read_languages(request, lang)
    view = params.view_of(request)
    seen = await _find_layers(view, layers)
    filters = _parse_filters(values, seen)
    parts = []
    for layer, status in seen:
        given = {"filter": filters.get(layer.id), "datetime": datetime}
        asked = await _read_question(request, view, (layer, status), {k: v for k, v in given.items() if v})
        parts.append(_narrow(in_language(layer, languages), status, asked, place))
    named = [(p.layer.id, p.status.version, p.status.loaded_at, p.layer.label, p.asked.where.canonical) for p in parts]
    etag = build_etag("here", place, named, languages, view.scope)
    if (same := unchanged(request, view, etag, vary)) is not None:
        return same
    services: Services = request.app.state.services
    questions: Questions = request.app.state.questions

    async def make() -> Made:
        found: list[dict[str, Any]] = []
        left = (
            services.settings.statement_timeout
        )  # seconds for all layers together; what waits for its turn costs none
        for part in parts:
            async with questions.turn(client_of(request.scope), part.asked):
                started = time.monotonic()
                found.append(await _look_in_time(services.database, part, left))
                left -= time.monotonic() - started
        return Made(orjson.dumps({"at": (place.lon, place.lat), "radius": place.metres, "layers": found}))

    computed: Kept[str] = request.app.state.computed
    body, _ = await computed.get(etag, make)
    return answer(request, view, orjson.Fragment(body), etag=etag, vary=vary)


def _read_values(request: Request) -> dict[str, str]:
    values = read_once(request.query_params.multi_items())
    for name, value in values.items():
        if name not in _KNOWN and not name.startswith(_OWN_FILTER):
            raise BadParameterError(name, value, f"one of the parameters {', '.join(_KNOWN)}, {_OWN_FILTER}LAYER")
    return values


def _parse_place(at: str | None, radius: str | None) -> Place:
    number = r"[+-]?\d{1,3}(?:\.\d{1,20})?"
    found = re.fullmatch(rf"\s*({number})\s*,\s*({number})\s*", at or "", re.ASCII)
    lon, lat = (float(found[1]), float(found[2])) if found else (999.0, 999.0)
    if not (abs(lon) <= 180 and abs(lat) <= 90):  # noqa: PLR2004 - degrees
        raise BadParameterError("at", at or "", "longitude and latitude in degrees, as -28.61,45.2")
    metres = RADIUS
    if radius is not None:
        metres = float(radius) if re.fullmatch(r"\d{1,6}(\.\d{1,20})?", radius, re.ASCII) else 0.0
        if not 1 <= metres <= MOST_METRES:
            raise BadParameterError("radius", radius, f"metres, a number from 1 to {MOST_METRES:,.0f}")
    return Place(lon, lat, metres)


async def _find_layers(view: View, text: str | None) -> list[Seen]:
    """Those that are asked for; raises BadParameterError for one that is not there, or has tiles alone."""
    if text is None:
        return [one for one in await view.layers() if one[0].has_rows and not one[0].basemap]
    names = text.split(",")
    if len(set(names)) < len(names):
        raise BadParameterError("layers", text, "different layers, with commas between")
    seen = []
    for name in names:
        try:
            seen.append(await params.find_rows(view, name))
        except NotFoundError as error:
            raise BadParameterError("layers", name, error.expected) from error
    return seen


def _parse_filters(values: Mapping[str, str], seen: list[Seen]) -> dict[str, str]:
    """Filters by layer; raises BadParameterError for one of a layer that is not asked about."""
    ids = [layer.id for layer, _ in seen]
    filters = {}
    for name, value in values.items():
        if not name.startswith(_OWN_FILTER):
            continue
        if (layer_id := name.removeprefix(_OWN_FILTER)) not in ids:
            raise BadParameterError(name, value, f"{_OWN_FILTER} and one of the layers {', '.join(ids) or '(none)'}")
        filters[layer_id] = value
    return filters


async def _read_question(request: Request, view: View, seen: Seen, filters: dict[str, str]) -> Asked:
    questions: Questions = request.app.state.questions
    try:
        return await questions.read(client_of(request.scope), *seen, filters, {}, find_shape=view.shape)
    except BadParameterError as error:
        if error.parameter != "filter":
            raise
        raise BadParameterError(_OWN_FILTER + seen[0].id, error.value, error.expected) from error


def _narrow(layer: Layer, status: LayerStatus, asked: Asked, place: Place) -> _Part:
    circle, column = build_circle(status, place.lon, place.lat, place.metres)
    own = asked.where
    where: Where = replace(
        own,
        sql=SQL("({} AND {})").format(circle.sql, own.sql),
        params={**own.params, **circle.params},
        canonical=f"{own.canonical} {circle.canonical}",
        asked=True,
    )
    return _Part(
        layer,
        status,
        replace(asked, where=where, costly=asked.costly or place.metres > FAR),
        Circle(place, where, column),
    )


async def _look_in_time(database: Database, part: _Part, seconds: float) -> dict[str, Any]:
    try:
        async with asyncio.timeout(seconds):
            return await _look(database, part.layer, part.circle)
    except TimeoutError as error:
        raise UnavailableError("To look around took too long; ask for fewer layers or a smaller radius.") from error


async def _look(database: Database, layer: Layer, circle: Circle) -> dict[str, Any]:
    count = await count_within(database, layer, circle)
    names = {name: layer.fields[name] for name in list_fields(layer.label) if name in layer.fields}
    row = await find_nearest(database, layer, circle, names) if count else None
    nearest = None
    if row is not None:
        nearest = {
            "fid": row["fid"],
            "distance": round(row["metres"], 1),
            "title": title_feature(layer, row["properties"]),
            "at": (round(row["lon"], 7), round(row["lat"], 7)),
        }
    return {"layer": layer.id, "count": count, "nearest": nearest}
