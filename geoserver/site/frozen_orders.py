"""From what somebody wants frozen to an order: read, checked against what they may see and do, and given its id."""

from __future__ import annotations

import hashlib
import logging
import mimetypes
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from geoserver import __version__, mapstates, tiling
from geoserver.access import view_of
from geoserver.catalog.city_words import offered_languages
from geoserver.database.extents import count_rows
from geoserver.errors import (
    BadParameterError,
    ForbiddenError,
    NotFoundError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
)
from geoserver.freezing import Order, Shown
from geoserver.freezing.seeing import remember
from geoserver.site.answers import as_nobody, ask_ourselves, site_of
from geoserver.site.city import PREVIEW
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.access import Access, View
    from geoserver.database.status import LayerStatus
    from geoserver.freezing import Making, Sight, Store
    from geoserver.mapstates import MapState
    from geoserver.model import City, Layer
    from geoserver.questions import Questions
    from geoserver.services import Services
    from geoserver.settings import Settings

log = logging.getLogger("geoserver")

__all__ = ["FreezeWish", "begin", "check_rights", "check_rows", "name_client", "name_order", "read_order"]

_LONGEST = 20_000  # characters of a link, as long as pages may be asked for
_MOST_LAYERS = 32
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # which pages have no place for, and terminals obey
# What the address of the page says besides what is on the map, which the frozen page takes over.
_PAGES = ("select", "tab", "of", "chart", "sort", "columns", "compare")
_EXPECTED = {
    "time": "two days as 2026-01-01/2026-02-01, or .. for an end that is open",
    "area": "an area as the page writes it: a box, a circle or a polygon in degrees",
    "pin": "a place as longitude,latitude",
    "base": "light or dark",
    "map": "a place as zoom/latitude/longitude",
    "lang": "a language",
}


class FreezeWish(BaseModel):
    """A map to be frozen."""

    model_config = ConfigDict(extra="forbid")

    link: str = Field(
        description="The address of the map, or what stands in it from `?` on.",
        max_length=_LONGEST,
        examples=["?layers=crime&filter.crime=category%20=%20'burglary'"],
    )
    title: str = Field(default="", description="What it is called; else the titles of its layers.", max_length=200)
    everybody: bool = Field(
        default=False, description="Keep what everybody may see alone, whatever you may see, so that all may see it."
    )


async def read_order(request: Request, wish: FreezeWish) -> Order:
    """Raises BadParameterError that names the parameter of the link at fault, UnavailableError."""
    services: Services = request.app.state.services
    asker = as_nobody(request) if wish.everybody else request
    state = mapstates.parse_link(wish.link)
    for name, value in state.passed_over:
        raise BadParameterError(name, value, _EXPECTED.get(name, "what the page writes there"))
    on = _list_on(state, await view_of(services, asker.scope).layers())
    asking = view_of(services, asker.scope)  # looks at the layers alone of which something is asked
    shown = [await _ask(request, asking, state, layer_id) for layer_id in on]
    for name in sorted(state.filters.keys() - set(on)):
        await _find(asking, f"filter.{name}", name)
    if not asking.scope:  # it is for everybody, and so is all that lies around it and is said of it
        asker = as_nobody(request)
    view = view_of(services, asker.scope)
    seen = await view.layers()
    base = [(layer, status) for layer, status in seen if layer.basemap and _is_vector(layer, status)]
    catalog, site = view.catalog, site_of(request)
    languages = offered_languages(catalog.city)
    language = state.language if state.language in languages else languages[0]
    told = mapstates.parse_state([*state.pairs(*mapstates.STATED), ("layers", ",".join(on))])
    given = parse_qsl(mapstates.split_link(wish.link)[0])
    query = told.query(also=[pair for pair in given if pair[0] in _PAGES])
    return Order(
        title=" ".join(_CONTROL.sub(" ", wish.title).split()) or ", ".join(one.layer.title for one in shown),
        query=query,
        original=f"{site}/{query}",
        address="",
        site=site,
        catalog=catalog,
        shown=tuple(shown),
        base=tuple(base),
        state=told,
        language=language,
        languages=languages,
        most_bytes=services.settings.frozen_map_mb << 20,
        ask=lambda address, spoken: _answer(asker, address, spoken),
        draw=lambda sight: _draw(asker, sight, told, language),
        pictures=_name_logo(catalog.city),
        private={
            "layers": remember([layer for layer, _ in await _looked_at(asking)]),
            "base": remember([layer for layer, _ in base]),
            "shown": on,
            "query": query,
        },
    )


def check_rights(settings: Settings, access: Access, order: Order) -> None:
    """Raises ForbiddenError or UnauthorizedError for who may not freeze this."""
    if settings.freeze == "off":
        raise ForbiddenError("No maps are frozen here: GEOSERVER_FREEZE is off.")
    if access.read_only:
        raise ForbiddenError("A key in the address is for reading alone; send it as Authorization: Bearer KEY.")
    missing = [one.layer.id for one in order.shown if not access.may("manage", one.layer.id)]
    if settings.freeze == "anyone" or not missing:
        return
    if access.kind == "nobody":
        raise UnauthorizedError("This needs a key that may manage: Authorization: Bearer KEY.")
    raise ForbiddenError(f"This needs a key that may manage the layers {', '.join(missing)}.")


async def check_rows(request: Request, order: Order) -> None:
    """Raises BadParameterError where it shows too many rows."""
    services: Services = request.app.state.services
    settings = services.settings
    rows = 0
    questions: Questions = request.app.state.questions
    for one in order.shown:
        if one.layer.has_rows and one.where.asked:
            async with questions.filtered.turn(client_of(request.scope)):
                rows += await count_rows(services.database, one.layer, one.where)
        else:
            rows += one.status.rows
    if rows > settings.frozen_rows:
        expected = f"at most {settings.frozen_rows:,} rows; narrow the filter or the area, or show fewer layers"
        raise BadParameterError("link", f"{rows:,} rows", expected)


def begin(store: Store, frozen_id: str, order: Order, settings: Settings) -> Making | None:
    """Begin to make it; None while somebody does. In a thread, for there may be many to be looked at.

    Raises TooManyError where there are too many already, OSError for a full disk.
    """
    with store.alone():
        store.sweep()
        told = store.status(frozen_id)
        if told is None or told["state"] == "failed":
            _check_room(store, order, settings)
        return store.begin(frozen_id, dict(order.private))


def _check_room(store: Store, order: Order, settings: Settings) -> None:
    day = time.time() - 86_400
    if store.count_since(day, order.private["client"]) >= settings.frozen_daily:
        detail = f"You have frozen {settings.frozen_daily:,} maps within a day, which is as many as one may."
        raise TooManyError(detail, 3_600)
    if store.size(order.most_bytes) + order.most_bytes > settings.frozen_mb << 20:
        raise TooManyError("There is no room for one more frozen map; whoever manages them may delete some.", 3_600)


def name_client(request: Request, access: Access) -> str:
    """Who asks, so that it can be counted and not be read."""
    return hashlib.blake2b(f"{access.subject}|{client_of(request.scope)}".encode(), digest_size=9).hexdigest()


async def name_order(order: Order) -> bytes:
    """All that the frozen map follows from: the same for the same state of the same data."""
    details = [await order.ask(f"api/layers/{one.layer.id}", order.language) for one in order.shown]
    for detail in details:
        if detail is not None:
            detail.pop("downloads", None)  # with sizes that statistics guess
    parts = {
        "program": __version__,
        "title": order.title,
        "query": order.query,
        "languages": order.languages,
        "details": details,
        "shown": [
            (one.layer.id, one.layer.scope, one.where.canonical, *_version(order, one.layer, one.status))
            for one in order.shown
        ],
        "base": [(layer.id, layer.scope, *_version(order, layer, status)) for layer, status in order.base],
    }
    return orjson.dumps(parts).replace(order.site.encode(), b"")


def _version(order: Order, layer: Layer, status: LayerStatus) -> tuple[object, ...]:
    return tiling.tile_version(order.catalog, layer, status), status.version, status.loaded_at


def _list_on(state: MapState, seen: Sequence[tuple[Layer, LayerStatus]]) -> list[str]:
    """The layers that are on, as the page decides it; raises BadParameterError for too many, or none."""
    data = [layer for layer, _ in seen if not layer.basemap]
    on = state.layers
    if on is None:
        on = tuple(layer.id for layer in data if layer.visible) or tuple(layer.id for layer in data[:1])
    if not 0 < len(on) <= _MOST_LAYERS:
        raise BadParameterError(
            "layers", ",".join(on), f"1 to {_MOST_LAYERS} layers, for an empty map needs no freezing"
        )
    return list(on)


async def _find(view: View, parameter: str, layer_id: str) -> tuple[Layer, LayerStatus]:
    try:
        return await view.layer(layer_id)
    except NotFoundError as error:
        raise BadParameterError(parameter, layer_id, error.expected) from error


async def _ask(request: Request, view: View, state: MapState, layer_id: str) -> Shown:
    layer, status = await _find(view, "layers", layer_id)
    if layer.basemap or not _is_vector(layer, status):
        raise BadParameterError("layers", layer_id, "layers of data that have rows or vector tiles: no pictures")
    questions: Questions = request.app.state.questions
    filters = {"filter": text} if (text := state.question(layer)) else {}
    try:
        asked = await questions.read(client_of(request.scope), layer, status, filters, None, find_shape=view.shape)
    except BadParameterError as error:
        raise BadParameterError(f"filter.{layer_id}", error.value, error.expected) from error
    return Shown(layer, status, asked.where)


def _is_vector(layer: Layer, status: LayerStatus) -> bool:
    return tiling.tile_content([(layer, status)]) == tiling.VECTOR


async def _looked_at(view: View) -> list[tuple[Layer, LayerStatus]]:
    """The layers that were asked, and those whose features a filter names."""
    return [await view.layer(layer_id) for layer_id in list(view.whole)]


def _name_logo(city: City) -> dict[str, bytes]:
    """The city's logo, by its name in the folder."""
    if city.logo is None:
        return {}
    return {f"logo{mimetypes.guess_extension(city.logo.media_type) or '.png'}": city.logo.body}


async def _answer(request: Request, address: str, language: str) -> dict[str, Any] | None:
    """Our own answer in a language; None where there is none."""
    joint = "&" if "?" in address else "?"
    made = await ask_ourselves(request, f"{address}{joint}lang={language}", language)
    return orjson.loads(made.body) if made.body else None


async def _draw(request: Request, sight: Sight, state: MapState, language: str) -> bytes:
    """The picture of what was frozen; nothing where none can be had."""
    made = request.app.state
    view = view_of(made.services, request.scope)
    try:
        picture: bytes = await made.draw_frozen(made.studio, view, sight, state, size=PREVIEW, language=language)
    except UnavailableError as error:
        log.warning("A frozen map has no picture: %s", error)
        return b""
    return picture
