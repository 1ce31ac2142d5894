"""Layers as readers see them who may see a part: which fields and rows are left, and what is known of those alone.

Whoever sees the same of a layer gets the same objects, as long as its file and its rows stay: caches go by identity.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from geoserver import tiling
from geoserver.catalog.labels import keep_fields
from geoserver.database.extents import count_readings, read_extent
from geoserver.database.status import build_plan
from geoserver.errors import BadParameterError, OvertakenError, UnavailableError, UncountedError
from geoserver.filtering import build, join_rows, parse_rows
from geoserver.turns import Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Node
    from geoserver.model import Field, Grant, Layer, Readings, TilePlan, Words

__all__ = ["Sight", "Sights", "restricted_fields"]

# What is remembered of each layer that there is, used or not; a layer in part takes four places of some 2 kB.
_KEPT_EACH = 32
_LEAST_KEPT = 2_048
_CATALOGS_KEPT = 256  # tables of the layers that are remembered anyway
_AT_ONCE = 8  # filters that are read in one go
_PAUSE = 60.0  # seconds until what took too long to count is counted again

type Seen = tuple[Layer, LayerStatus]


@dataclass(frozen=True, slots=True)
class Sight:
    """How much of one layer someone sees: rows of any of the filters (none: all rows), and these restricted fields."""

    rows: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()


def restricted_fields(layer: Layer) -> frozenset[str]:
    """Names of the fields, of readings too, that are given out under a grant alone."""
    fields = [*layer.fields.values(), *(layer.readings.fields.values() if layer.readings else ())]
    return frozenset(item.name for item in fields if item.restricted)


class Sights:
    """Makes them, and keeps the latest used ones."""

    def __init__(self, database: Database, count_layers: Callable[[], int]) -> None:
        """`count_layers` tells how many there are by now."""
        self._database = database
        self._count_layers = count_layers
        self._reading = asyncio.Lock()
        self._late: dict[tuple[object, ...], float] = {}  # until when what took too long is not counted again
        # With each the objects that it was made of, so that no others can have their identities meanwhile.
        self._kept: OrderedDict[tuple[object, ...], tuple[tuple[object, ...], object]] = OrderedDict()
        self._plans: OrderedDict[tuple[object, ...], tuple[TilePlan, Layer]] = OrderedDict()
        self._catalogs: OrderedDict[tuple[Grant, ...], tuple[Catalog, Catalog]] = OrderedDict()
        self._shared: Shared[tuple[object, ...], Seen] = Shared()

    def find_catalog(self, whole: Catalog, grants: tuple[Grant, ...], build: Callable[[], Catalog]) -> Catalog:
        """The part of a catalogue that is for who has these grants, built by `build` where it is not known yet."""
        known = self._catalogs.get(grants)
        if known is None or known[0] is not whole:
            known = self._catalogs[grants] = whole, build()
            if len(self._catalogs) > _CATALOGS_KEPT:
                self._catalogs.popitem(last=False)
        self._catalogs.move_to_end(grants)
        return known[1]

    def knows_catalog(self, whole: Catalog, grants: tuple[Grant, ...]) -> bool:
        """Whether that part of it has been built."""
        known = self._catalogs.get(grants)
        return known is not None and known[0] is whole

    @property
    def _most(self) -> int:
        return max(_LEAST_KEPT, _KEPT_EACH * self._count_layers())

    async def read_filters(self, wanted: Iterable[tuple[Layer, LayerStatus | None, str]]) -> None:
        """Have these filters of layers' rows at hand. They are read in a thread, for a long one takes its time, and
        other callers' filters in between.
        """
        found = {one.key: one for one in (_Filter(*given) for given in wanted)}
        missing = [one for key, one in found.items() if key not in self._kept]
        for part in batched(missing, _AT_ONCE):
            async with self._reading:
                trees = await asyncio.to_thread(_try_all, part)
                for one, tree in zip(part, trees, strict=True):
                    self._keep(one.key, (one.layer,), tree)

    async def stop(self) -> None:
        """End what is being read."""
        await self._shared.stop()

    def find_misfit(self, layer: Layer, status: LayerStatus | None, rows: str) -> str:
        """Why this filter cannot be one of the layer's rows, for people; empty where it can."""
        found = self._parse(layer, status, rows)
        return found if isinstance(found, str) else ""

    def narrow(self, layer: Layer, fields: frozenset[str]) -> Layer:
        """All rows of the layer, without restricted fields but for these; the same object where that is all of it."""
        restricted = restricted_fields(layer)
        if not restricted and layer.access == "public":
            return layer
        key = ("fields", id(layer), fields & restricted)
        if (known := self._find(key)) is None:
            everybodys = layer.access == "public" and not fields & restricted
            scope = "" if everybodys else _name_scope(layer, Sight(fields=fields & restricted))
            return self._keep(key, (layer,), _leave_out(layer, restricted - fields, scope))
        narrowed: Layer = known
        return narrowed

    async def see(self, recipes: Mapping[str, str], seen: Seen, sight: Sight, maxzoom: int) -> Seen:
        """Layer and status as a sight of some rows has them; `maxzoom` is the layer's as its file says it.

        Raises UnavailableError where rows must be counted and the database is away, UncountedError where that takes
        too long.
        """
        layer, status = seen
        key = ("rows", id(layer), id(status), sight)
        if (known := self._find(key)) is None:
            self._check_patience(layer, sight)
            return await self._shared.get(key, lambda: self._read(key, recipes, seen, sight, maxzoom))
        found: Seen = known
        return found

    async def _read(
        self, key: tuple[object, ...], recipes: Mapping[str, str], seen: Seen, sight: Sight, maxzoom: int
    ) -> Seen:
        layer, status = seen
        trees = [self._parse(layer, status, text) for text in sorted(sight.rows)]
        rows = join_rows([tree for tree in trees if not isinstance(tree, str)])
        restricted = restricted_fields(layer)
        part = replace(
            _leave_out(layer, restricted - sight.fields, _name_scope(layer, sight)), rows=rows, maxzoom=maxzoom
        )
        try:
            part, own = await asyncio.to_thread(self._count, part, status, recipes, layer)
        except UnavailableError as error:
            if isinstance(error, OvertakenError) or not isinstance(error.__cause__, psycopg.errors.QueryCanceled):
                raise
            self._late[layer.id, sight] = time.monotonic() + _PAUSE
            raise UncountedError(str(error), retry_after=int(_PAUSE)) from error
        part = part.deepened(own.plan)
        # The layer stays the same object through edits of its rows.
        before = self._find(("last", id(layer), sight))
        part = before if before == part else part
        self._keep(("last", id(layer), sight), (layer,), part)
        return self._keep(key, seen, (part, own))

    def _check_patience(self, layer: Layer, sight: Sight) -> None:
        """Raises UncountedError while what took too long a moment ago is not tried again."""
        now = time.monotonic()
        self._late = {key: until for key, until in self._late.items() if until > now}
        if (until := self._late.get((layer.id, sight))) is not None:
            detail = f"It takes too long to count what you may see of {layer.id}; try again in a minute."
            raise UncountedError(detail, retry_after=math.ceil(until - now))

    def _count(self, part: Layer, status: LayerStatus, recipes: Mapping[str, str], whole: Layer) -> Seen:
        """Count, bounds and plan of the rows that are left; in a thread."""
        where = build(part, status)
        rows, bounds = read_extent(self._database, part, status.srid, where)
        readings = count_readings(self._database, part, where)
        key = (id(whole), status.loaded_at, status.plan, part.scope)
        known = self._plans.get(key)
        if known is None:
            with self._database.connection_sync() as connection, connection.transaction():
                document = tiling.look_ahead(
                    connection,
                    part,
                    recipes,
                    geometry_type=status.geometry_type,
                    table=part.table,
                    rows=rows,
                    where=where,
                )
            known = self._plans[key] = build_plan(document), whole
            if len(self._plans) > self._most:
                self._plans.popitem(last=False)
        own = replace(status, rows=rows, rejected=0, readings=readings, bounds=bounds, plan=known[0], preparing=None)
        return part, own

    def _parse(self, layer: Layer, status: LayerStatus | None, rows: str) -> Node | str:
        """The filter as a tree, or what is wrong with it."""
        key = _Filter(layer, status, rows).key
        if (known := self._find(key)) is None:
            return self._keep(key, (layer,), _try(layer, status, rows))
        tree: Node | str = known
        return tree

    def _find(self, key: tuple[object, ...]) -> Any:
        known = self._kept.get(key)
        if known is None:
            return None
        self._kept.move_to_end(key)
        return known[1]

    def _keep[T](self, key: tuple[object, ...], made_of: tuple[object, ...], found: T) -> T:
        self._kept[key] = made_of, found
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return found


class _Filter(NamedTuple):
    """A filter of a layer's rows, as text."""

    layer: Layer
    status: LayerStatus | None
    rows: str

    @property
    def key(self) -> tuple[object, ...]:
        return "tree", id(self.layer), self.status.srid if self.status else 0, self.rows


def _try(layer: Layer, status: LayerStatus | None, rows: str) -> Node | str:
    if not layer.has_rows:
        return f"{layer.id} has tiles and no rows, so that no filter can leave some"
    try:
        return parse_rows(layer, status.srid if status else 4326, rows)
    except BadParameterError as error:
        return str(error)


def _try_all(filters: Iterable[_Filter]) -> list[Node | str]:
    return [_try(*one) for one in filters]


def _name_scope(layer: Layer, sight: Sight) -> str:
    """A short text that is the same for all who see the same."""
    said = repr((layer.id, sorted(sight.rows), sorted(sight.fields)))
    return hashlib.blake2b(said.encode(), digest_size=9).hexdigest()


def _leave_out(layer: Layer, names: Collection[str], scope: str) -> Layer:
    """The layer without these fields, and without all that names them."""
    if not names:
        return replace(layer, scope=scope)
    fields = {name: item for name, item in layer.fields.items() if name not in names}
    return replace(
        layer,
        scope=scope,
        fields=fields,
        hidden={name: item for name, item in {**_measured(layer), **layer.fields}.items() if name in names},
        time="" if layer.time in names else layer.time,
        facet="" if layer.facet in names else layer.facet,
        label=keep_fields(layer.label, fields),
        languages={tag: _leave_out_words(words, fields, names) for tag, words in layer.languages.items()},
        readings=_leave_out_readings(layer.readings, names),
        tile_fields=tuple(name for name in layer.tile_fields if name in fields),
    )


def _leave_out_words(words: Words, fields: Mapping[str, Field], names: Collection[str]) -> Words:
    kept = {name: said for name, said in words.fields.items() if name not in names}
    return replace(words, label=keep_fields(words.label, fields), fields=kept)


def _measured(layer: Layer) -> Mapping[str, Field]:
    return layer.readings.fields if layer.readings else {}


def _leave_out_readings(readings: Readings | None, names: Collection[str]) -> Readings | None:
    if readings is None or readings.time in names:
        return None
    fields = {name: item for name, item in readings.fields.items() if name not in names}
    return replace(readings, fields=fields)
