"""What requests ask of layers: read where it holds nobody up, and answered in turns.

A short filter is read at once, in less than a millisecond. A longer one, or one with a geometry or in a CRS that has to
be looked up, is read in a process of its own (`filtering.apart`), client after client. Filtered work in the database
goes in turns too, and of costly questions each client has one at a time; what is not filtered finds connections that
those leave free.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, cast

from geoserver import tiling
from geoserver.errors import BadParameterError
from geoserver.filtering import UnknownFeaturesError, Where
from geoserver.filtering.apart import Apart
from geoserver.turns import Shared, Turns, outlast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Feature, Geometry
    from geoserver.model import Layer
    from geoserver.settings import Settings

__all__ = ["COSTLY", "FILTERS", "Asked", "Filters", "Questions", "count_characters", "read_once", "split_filters"]

FILTERS = ("filter", "filter-lang", "filter-crs", "bbox", "bbox-crs", "datetime")
SHORT = 300  # characters that are read in half a millisecond
COSTLY = 1_000  # characters from which on a client's questions wait for each other
_KEPT = 8 * 2**20  # bytes, roughly, of filters that were read apart and may be asked again at once: a map asks by tiles
_LONGEST_REST = 0.05  # seconds; after a reading comes a rest as long as it, so that a crowd leaves half of the time
_PER_CHARACTER = 12  # bytes of what is made of one character
_NAMED = 1_000  # filters of which it is remembered which features they name
_GEOMETRY = (
    "POINT",
    "LINESTRING",
    "POLYGON",
    "COLLECTION",
    "CURVE",
    "SURFACE",
    "BBOX",
    "ENVELOPE",
    "COORDINATES",
    "CIRCLE",
    "FEATURE",
    "\\",
)

_CODE = re.compile(r"\d{4,6}(?=\]?\s*$)", re.ASCII)  # at the end of a CRS' name; what has none is CRS84 or nothing
_AT_HAND = (4326, 3857)

type Key = tuple[object, ...]
type FindShape = Callable[[Feature, int], Awaitable[Geometry | None]]
type Shapes = dict[Feature, Geometry | None]


class Filters(TypedDict, total=False):
    """Arguments of `filtering.build`."""

    filter: str
    filter_lang: str
    filter_crs: str
    bbox: str
    bbox_crs: str
    datetime: str


def read_once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Parameters by name; one that is given twice raises BadParameterError, as either value could be meant."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise BadParameterError(name, value, "this parameter only once")
        values[name] = value
    return values


def split_filters(values: Mapping[str, str]) -> tuple[Filters, dict[str, str]]:
    """Parameters as arguments of `filtering.build` by name, and the rest, which is `field=value`."""
    arguments = {name.replace("-", "_"): values[name] for name in FILTERS if name in values}
    return cast("Filters", arguments), {name: value for name, value in values.items() if name not in FILTERS}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request leaves of a layer, and whether finding it is costly; `elsewhere` says that rows of other layers
    have a say in it.
    """

    where: Where
    costly: bool = False
    elsewhere: bool = False


class Questions:
    """One per process: reads questions, and says when it is whose turn."""

    def __init__(self, settings: Settings) -> None:
        pool = settings.pool_size
        self.apart = Apart()
        self.reading = Turns(1)
        self.costly = Turns(max(1, pool // 4), each=1)
        self.filtered = Turns(max(1, pool - pool // 4 - 1))
        self.searching = Turns(max(1, pool // 4), each=2)
        self.ogc = Turns(settings.ogc_threads)
        self._known: OrderedDict[Key, tuple[Layer, Where, int]] = OrderedDict()
        self._named: OrderedDict[Key, tuple[Feature, ...]] = OrderedDict()  # features by the filters that name them
        self._room = _KEPT
        self._rested = 0.0  # when the next filter may be read apart
        self._shared: Shared[Key, Where] = Shared()

    @property
    def all_turns(self) -> tuple[Turns, ...]:
        return self.reading, self.costly, self.filtered, self.searching, self.ogc

    async def stop(self) -> None:
        """End what is being read."""
        await self._shared.stop()
        await self.apart.stop()
        self._known.clear()
        self._named.clear()
        self._room = _KEPT

    async def read(
        self,
        client: str,
        layer: Layer,
        status: LayerStatus,
        filters: Mapping[str, str],
        properties: Mapping[str, str] | None,
        *,
        find_shape: FindShape,
    ) -> Asked:
        """What is asked: `filters` are arguments of `filtering.build` by name, `properties` are `field=value`, and
        `find_shape` looks a feature up as the caller may see it, for a layer in a CRS.

        Raises BadParameterError, UnavailableError when too many wait to be read.
        """
        size = _size(filters, properties)
        if not layer.has_rows or not _is_slow(size, filters, status.srid):
            return Asked(tiling.parse_question(layer, status, filters, properties or {}), size >= COSTLY)
        given = tuple(sorted(filters.items())), tuple(sorted((properties or {}).items()))
        key = (layer.id, id(layer), status.srid, *given)
        arguments = {**filters, "properties": dict(properties or {})}
        written = filters.get("filter"), filters.get("filter_lang")
        shapes = await _find_all(self._named.get(written, ()), find_shape, status.srid)
        try:
            where = await self._find(client, (layer, status), arguments, key, shapes)
        except UnknownFeaturesError as error:
            self._name(written, error.features)
            shapes = await _find_all(error.features, find_shape, status.srid)
            where = await self._find(client, (layer, status), arguments, key, shapes)
        return Asked(where, size >= COSTLY, bool(shapes))

    def turn(self, client: str, asked: Asked) -> AbstractAsyncContextManager[None]:
        """The time to ask the database; what is not filtered waits for nobody."""
        if asked.costly:
            return self.costly.turn(client)
        return self.filtered.turn(client) if asked.where.canonical else contextlib.nullcontext()

    async def _find(
        self, client: str, seen: tuple[Layer, LayerStatus], arguments: Mapping[str, Any], asked: Key, shapes: Shapes
    ) -> Where:
        key = (*asked, *shapes.values())
        if (known := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            return known[1]
        more = {**arguments, "features": shapes} if shapes else arguments
        where = await self._shared.get(key, lambda: self._read(client, *seen, more))
        self._keep(key, seen[0], where, _weigh(arguments, shapes))
        return where

    async def _read(self, client: str, layer: Layer, status: LayerStatus, arguments: Mapping[str, Any]) -> Where:
        loop = asyncio.get_running_loop()
        async with self.reading.turn(client):
            await asyncio.sleep(self._rested - loop.time())
            started = loop.time()
            try:
                return await outlast(self.apart.build(layer, status, arguments))
            finally:
                self._rested = loop.time() + min(loop.time() - started, _LONGEST_REST)

    def _name(self, written: Key, features: tuple[Feature, ...]) -> None:
        """Remember which features a filter names, so that the next question looks them up at once."""
        self._named[written] = features
        if len(self._named) > _NAMED:
            self._named.popitem(last=False)

    def _keep(self, key: Key, layer: Layer, where: Where, weight: int) -> None:
        """Keep what was read for the next tile; with the layer, so that no other one can have its identity."""
        if key in self._known or weight > _KEPT:
            return
        self._known[key] = layer, where, weight
        self._room -= weight
        while self._room < 0:
            _, (_, _, freed) = self._known.popitem(last=False)
            self._room += freed


async def _find_all(features: Iterable[Feature], find_shape: FindShape, srid: int) -> Shapes:
    return {feature: await find_shape(feature, srid) for feature in features}


def _weigh(arguments: Mapping[str, Any], shapes: Shapes) -> int:
    """Bytes, roughly, of what was read."""
    texts = [value for value in arguments.values() if isinstance(value, str)]
    size = _size({"": "".join(texts)}, arguments["properties"])
    return _PER_CHARACTER * size + 2 * sum(len(shape.wkb) for shape in shapes.values() if shape)


def _size(filters: Mapping[str, str], properties: Mapping[str, str] | None) -> int:
    return count_characters(filters.values()) + count_characters((properties or {}).values())


def count_characters(texts: Iterable[str | None]) -> int:
    return sum(len(text) for text in texts if text)


def _is_slow(size: int, filters: Mapping[str, str], srid: int) -> bool:
    """Whether it may take longer than half a millisecond, or bring foreign geometry into a library."""
    text = filters.get("filter", "").upper()
    if size > SHORT or any(word in text for word in _GEOMETRY):
        return True
    return not all(_is_at_hand(filters.get(name, ""), srid) for name in ("filter_crs", "bbox_crs"))


def _is_at_hand(crs: str, srid: int) -> bool:
    """Whether a box in it is brought to the layer's at once; to find the way takes 50 ms, and for a few a second."""
    found = _CODE.search(crs)
    return found is None or int(found[0]) in (srid, *_AT_HAND)
