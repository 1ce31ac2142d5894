"""Many tiles of a zoom by one statement: a way there and back costs more than what is read of a small tile.

The recipe is what it is for one tile; where the tile lies are columns instead of values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL, Identifier

from geoserver.database.pool import run
from geoserver.errors import OvertakenError
from geoserver.filtering import Where
from geoserver.tiling.bins import Subject
from geoserver.tiling.build import MARGIN
from geoserver.tiling.compose import BUDGET, build_statements, list_steps
from geoserver.tiling.postgis import is_wide, may_hold
from geoserver.tiling.sources import render
from geoserver.tiling.texts import find_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer, Tile

__all__ = ["find_occupied", "render_several"]

_EVERYTHING = Where(asked=False)
_LEAST = 3  # tiles that are worth a statement of their own: planning it costs as much as making some
_OF = b"the tile"  # no recipe has a table of this name
_OCCUPIED = SQL(
    "SELECT number - 1 AS number FROM unnest(%(xs)s::integer[], %(ys)s::integer[]) WITH ORDINALITY AS t (x, y, number)"
    # The box around a shape may be empty for the most part: around a country beyond the antimeridian it is half a world
    " WHERE EXISTS (SELECT FROM {} WHERE ST_Intersects(geom_3857, ST_TileEnvelope(%(z)s, t.x, t.y, margin => {})))"
)


async def render_several(
    database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tiles: Sequence[Tile]
) -> dict[Tile, bytes]:
    """The layer's part of each tile, all of one zoom, without a filter: the bytes that `render` gives for each.

    Raises UnavailableError when the database is away or too slow. Cancelling the task cancels the query.
    """
    made = dict.fromkeys(tiles, b"")
    waiting = list(tiles)
    if layer.has_rows:
        waiting = [tile for tile in tiles if may_hold(layer, status, tile)]
        if len(waiting) >= _LEAST and _is_plain(status, waiting[0].z):
            found = await _fetch(database, Subject(catalog.recipes, layer, status.plan, status.geometry_type), waiting)
            made |= found
            waiting = [tile for tile in waiting if tile not in found]
    for tile in waiting:
        made[tile] = await render(database, catalog, layer, status, tile, where=_EVERYTHING)
    return made


async def find_occupied(database: Database, layer: Layer, tiles: Sequence[Tile]) -> set[Tile]:
    """Those of these tiles of one zoom that some row touches, or is just beyond the edge of; all for what has no rows.

    Raises UnavailableError.
    """
    if not (tiles and layer.has_rows):
        return set(tiles)
    values = {"z": tiles[0].z, "xs": [tile.x for tile in tiles], "ys": [tile.y for tile in tiles]}
    rows = await database.fetch(_OCCUPIED.format(Identifier("layers", layer.table), MARGIN), values)
    return {tiles[row["number"]] for row in rows}


def _is_plain(status: LayerStatus, zoom: int) -> bool:
    """Whether nothing but the recipes makes the tiles of this zoom, and no tile is so large that it wants a plan."""
    plan = status.plan
    crowded = plan.crowd and zoom >= plan.features_from
    return plan.block < 0 and zoom > plan.prebuilt and not crowded and not is_wide(status, zoom)


async def _fetch(database: Database, subject: Subject, tiles: Sequence[Tile]) -> dict[Tile, bytes]:
    """What the first step of the plan makes, where that fits; nothing where the recipe cannot be asked in this way."""
    step = next(list_steps(subject, tiles[0].z))
    texts = [find_texts(build_statements, subject, tile, step, _EVERYTHING) for tile in tiles]
    parts: list[list[bytes]] = []
    for own in zip(*texts, strict=True):
        try:
            parts.append(await _run(database, own[0][0], [values for _, values in own]))
        except (psycopg.ProgrammingError, OvertakenError):
            return {}
    bodies = [b"".join(found) for found in zip(*parts, strict=True)]
    return {tile: body for tile, body in zip(tiles, bodies, strict=True) if len(body) <= BUDGET}


async def _run(database: Database, statement: bytes, values: Sequence[dict[str, Any]]) -> list[bytes]:
    """The value of one statement for each of these values; what differs among them are integers."""
    places = [name for name in values[0] if any(one[name] != values[0][name] for one in values)]
    given = values[0] | {f"all_{name}": [int(one[name]) for one in values] for name in places}
    text = statement
    for name in places:
        text = re.sub(rb"%%\(%s\)s" % re.escape(name.encode()), rb'"%s"."%s"' % (_OF, name.encode()), text)
    arrays = b", ".join(b"%%(all_%s)s::integer[]" % name.encode() for name in places)
    columns = b", ".join(b'"%s"' % name.encode() for name in (*places, "number"))
    text = (
        b'SELECT made.* FROM unnest(%s) WITH ORDINALITY AS "%s" (%s)'
        b' LEFT JOIN LATERAL (\n%s\n) AS made (body) ON TRUE ORDER BY "%s".number'
    ) % (arrays, _OF, columns, text.rstrip().rstrip(b";"), _OF)
    async with database.connection() as connection, connection.cursor(binary=True) as cursor:
        await run(connection, cursor, text, given)
        rows = await cursor.fetchall()
    return [bytes(row[0]) if row[0] else b"" for row in rows]
