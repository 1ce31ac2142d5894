"""Tiles that PostGIS makes: one statement per layer and filter shape, prepared once per connection."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

import psycopg
from psycopg.types.numeric import Float8, Int4

from geoserver.grid import intersects, tile_bounds, tile_count
from geoserver.tiling.recipes import build_statement, pixel_metres

if TYPE_CHECKING:
    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Layer, Tile

__all__ = ["BUFFER", "EXTENT", "build_values", "render", "tile_version"]

EXTENT = 4096
BUFFER = 64
_WIDE = 4  # a layer that spans fewer tiles than this is read by large parts


async def render(
    database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile, *, where: Where
) -> bytes:
    """The layer's part of a tile as Mapbox Vector Tile, `b""` when it holds nothing.

    Raises UnavailableError when the database is away or too slow. Cancelling the task cancels the query.
    """
    if not _may_hold(layer, status, tile):
        return b""
    statement = build_statement(catalog.recipes[layer.kind], layer, where.sql)
    values = build_values(tile) | where.params
    # Where a tile holds a large part of the layer, the plan should follow from the values (which index, how many
    # workers), and its making costs nothing beside the reading. Elsewhere one prepared plan serves every tile.
    prepare = False if _spanned_tiles(status, tile.z) < _WIDE else None
    try:
        return await _fetch_bytes(database, statement, values, prepare=prepare)
    except psycopg.errors.FeatureNotSupported:
        # A load gave the table other columns, and the statement prepared before it is void: ask anew.
        return await _fetch_bytes(database, statement, values, prepare=prepare)


def tile_version(catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
    """A short text that changes when any tile of the layer may: with a load, its fields or its recipe.

    An edit in place leaves it as it is: that touches few tiles, and the notice of the change says which.
    """
    return _digest(catalog.recipes[layer.kind], layer, status)


def build_values(tile: Tile) -> dict[str, object]:
    """The values that a recipe may use; of fixed types, for a statement is prepared for every combination of types."""
    return {"z": Int4(tile.z), "x": Int4(tile.x), "y": Int4(tile.y), "pixel": Float8(pixel_metres(tile.z))}


async def _fetch_bytes(
    database: Database, statement: psycopg.sql.Composed, values: dict[str, object], *, prepare: bool | None
) -> bytes:
    # Binary: as text a bytea would travel as hexadecimal digits, twice as long.
    async with database.connection() as connection, connection.cursor(binary=True) as cursor:
        await cursor.execute(statement, values, prepare=prepare)
        row = await cursor.fetchone()
    return bytes(row[0]) if row and row[0] else b""


def _may_hold(layer: Layer, status: LayerStatus, tile: Tile) -> bool:
    """Whether the tile with its buffer touches the layer's bounds at all; no query is needed where it does not."""
    if status.bounds is None or not layer.minzoom <= tile.z <= layer.maxzoom:
        return False
    return intersects(status.bounds, tile_bounds(tile, margin=2 * BUFFER / EXTENT))


def _spanned_tiles(status: LayerStatus, zoom: int) -> float:
    """How many tiles wide the layer is at this zoom."""
    if (bounds := status.bounds) is None:
        return 0.0
    width = bounds.east - bounds.west if bounds.west <= bounds.east else bounds.east - bounds.west + 360
    return width / 360 * tile_count(zoom)


@functools.lru_cache(maxsize=512)
def _digest_text(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


def _digest(recipe: str, layer: Layer, status: LayerStatus) -> str:
    fields = ",".join(f"{name}:{layer.fields[name].type}" for name in layer.tile_fields)
    loaded = f"{status.loaded_at.isoformat()} {status.plan}"
    return _digest_text(f"{recipe}\n{layer.id} {layer.minzoom} {layer.maxzoom} {fields} {loaded}")
