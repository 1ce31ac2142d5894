"""Layers as readers see them who may see a part: which fields and rows are left, and what is known of those alone.

Whoever sees the same of a layer gets the same objects, as long as its file and its rows stay: caches go by identity.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from geoserver import tiling
from geoserver.catalog.labels import keep_fields
from geoserver.database.extents import read_extent
from geoserver.database.status import build_plan
from geoserver.errors import BadParameterError
from geoserver.filtering import build, join_rows, parse_rows
from geoserver.turns import Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Node
    from geoserver.model import Field, Grant, Layer, Readings, TilePlan, Words

__all__ = ["Sight", "Sights", "restricted_fields"]

_KEPT = 2_048  # layers in part that are remembered; a few kilobytes each
_PLANS_KEPT = 2_048
_CATALOGS_KEPT = 64

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

    def __init__(self, database: Database) -> None:
        self._database = database
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
        """Layer and status as that sight has them; `maxzoom` is the layer's as its file says it.

        Raises UnavailableError where rows must be counted and the database is away.
        """
        layer, status = seen
        if not sight.rows:
            return self.narrow(layer, sight.fields), status
        key = ("rows", id(layer), id(status), sight)
        if (known := self._find(key)) is None:
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
        part, own = await asyncio.to_thread(self._count, part, status, recipes, layer)
        part = part.deepened(own.plan)
        # The layer stays the same object through edits of its rows.
        before = self._find(("last", id(layer), sight))
        part = before if before == part else part
        self._keep(("last", id(layer), sight), (layer,), part)
        return self._keep(key, seen, (part, own))

    def _count(self, part: Layer, status: LayerStatus, recipes: Mapping[str, str], whole: Layer) -> Seen:
        """Count, bounds and plan of the rows that are left; in a thread."""
        where = build(part, status)
        rows, bounds = read_extent(self._database, part, status.srid, where)
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
            if len(self._plans) > _PLANS_KEPT:
                self._plans.popitem(last=False)
        own = replace(status, rows=rows, rejected=0, bounds=bounds, plan=known[0], preparing=None)
        return part, own

    def _parse(self, layer: Layer, status: LayerStatus | None, rows: str) -> Node | str:
        """The filter as a tree, or what is wrong with it."""
        key = ("tree", id(layer), status.srid if status else 0, rows)
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
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found


def _try(layer: Layer, status: LayerStatus | None, rows: str) -> Node | str:
    if not layer.has_rows:
        return f"{layer.id} has tiles and no rows, so that no filter can leave some"
    try:
        return parse_rows(layer, status.srid if status else 4326, rows)
    except BadParameterError as error:
        return str(error)


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
