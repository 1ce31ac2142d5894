"""What edits have noted of a layer's points since they were last folded, kept in memory until there is more of it.

Every tile that is kept ready asks for it, and it is the same for all of them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from psycopg.sql import SQL, Literal

from geoserver.filtering import Parts
from geoserver.tiling.packed import choose_noted, delta_table
from geoserver.tiling.unpacking import NOTED, parse_noted, read_raw

if TYPE_CHECKING:
    from geoserver.database.pool import Database
    from geoserver.model import Layer, TilePlan
    from geoserver.tiling.patching import Changes

__all__ = ["Noted", "read_noted"]

# As they are at one moment: the version when the layer was last folded, the one with all that is noted, and the points.
_READ = SQL("""
SELECT folded.version, state.version, noted.*
FROM geoserver.layers AS folded JOIN geoserver.states AS state USING (id)
CROSS JOIN LATERAL (SELECT {arrays} FROM ({noted}) AS points) AS noted
WHERE folded.id = {layer}""")


class Noted(NamedTuple):
    """Points that were added and removed between two versions; None where one is of a time that no calendar has."""

    plan: TilePlan
    folded: int
    version: int
    changes: Changes | None


class _Known(NamedTuple):
    noted: dict[str, Noted]
    reading: defaultdict[str, asyncio.Lock]


_known: WeakKeyDictionary[Database, _Known] = WeakKeyDictionary()


async def read_noted(database: Database, layer: Layer, plan: TilePlan, folded: int, version: int) -> Noted | None:
    """What was noted after version `folded`, up to `version` at least; None where the layer was folded meanwhile."""
    known = _known.setdefault(database, _Known({}, defaultdict(asyncio.Lock)))
    async with known.reading[layer.id]:
        noted = known.noted.get(layer.id)
        if noted is None or noted.plan != plan or noted.folded != folded or noted.version < version:
            if (noted := await _read(database, layer, plan)) is None:
                return None
            known.noted[layer.id] = noted
    return noted if noted.folded == folded else None


async def _read(database: Database, layer: Layer, plan: TilePlan) -> Noted | None:
    statement = _READ.format(
        arrays=NOTED,
        noted=choose_noted(layer, plan, Parts(), delta_table(layer), within=SQL("TRUE")),
        layer=Literal(layer.id),
    )
    folded, version, *raw = await read_raw(database, statement.as_bytes(None), {})
    if folded is None or version is None:
        return None
    changes = await asyncio.to_thread(parse_noted, layer, raw)
    return Noted(plan, int.from_bytes(folded), int.from_bytes(version), changes)
