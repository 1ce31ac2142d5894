"""Tiles that PostGIS makes: one statement per layer and filter shape, prepared once per connection."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Identifier

from geoserver.errors import OvertakenError
from geoserver.grid import intersects, tile_bounds, tile_count
from geoserver.model import BINS
from geoserver.tasks import do_together
from geoserver.tiling.bins import Subject, ready_table
from geoserver.tiling.compose import BUDGET, build_statements, build_values, list_steps, recipe_digest
from geoserver.tiling.drawing import draw_packed, draw_ready
from geoserver.tiling.packed import build_is_lossy, delta_table, pack_table, place_values, split_packed
from geoserver.tiling.pipeline import fetch_bytes, fetch_together
from geoserver.tiling.plans import lower_plan
from geoserver.tiling.reading import can_hold
from geoserver.tiling.texts import find_texts

if TYPE_CHECKING:
    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Layer, Tile, TilePlan, ZoomPlan

__all__ = ["BUFFER", "EXTENT", "is_wide", "may_hold", "render", "tile_version"]

EXTENT = 4096
BUFFER = 64
_WIDE = 4  # a layer that spans fewer tiles than this is read by large parts


async def render(
    database: Database,
    catalog: Catalog,
    layer: Layer,
    status: LayerStatus,
    tile: Tile,
    *,
    where: Where,
    features_from: int | None = None,
    fits: bool = False,
    few: bool = False,
) -> bytes:
    """The layer's part of a tile as Mapbox Vector Tile, `b""` when it holds nothing.

    By the layer's plan, or with features from an earlier zoom on, it holds features, bins, or both, and no more than
    `BUDGET` bytes. `fits` says that all features do, so that they need not be counted before, and `few` that the filter
    leaves few of the layer.

    Raises UnavailableError when the database is away or too slow. Cancelling the task cancels the query.
    """
    if not may_hold(layer, status, tile):
        return b""
    if features_from is not None:
        status = replace(status, plan=lower_plan(status.plan, features_from, fits=fits))
    try:
        return await _render(database, catalog, layer, status, tile, where=where, few=few)
    except OvertakenError:
        # A load has just taken away what was made ahead for the rows before: counted from the rows, bins are the same.
        plan = replace(status.plan, block=-1, prebuilt=-1)
        return await _render(database, catalog, layer, replace(status, plan=plan), tile, where=where)


async def _render(
    database: Database,
    catalog: Catalog,
    layer: Layer,
    status: LayerStatus,
    tile: Tile,
    *,
    where: Where,
    few: bool = False,
) -> bytes:
    plan = status.plan
    if not where.canonical and (ready := await _find_ready(database, catalog, layer, status, tile)) is not None:
        return ready
    # Where a tile holds a large part of the layer, the plan should follow from the values (which index, how many
    # workers), and its making costs nothing beside the reading. Elsewhere one prepared plan serves every tile.
    prepare = False if few or is_wide(status, tile.z) else None
    body = b""
    subject = Subject(catalog.recipes, layer, plan, status.geometry_type, few)
    packed = True  # until it is known that they are no way to this tile
    for step in list_steps(subject, tile.z):
        if step is None and plan.crowd and await _is_crowded(database, layer, plan, tile, where):
            continue
        if step is not None and packed:
            if (drawn := await draw_packed(database, subject, tile, step, where)) is not None:
                return drawn
            packed = False
            if await _is_lossy(database, subject, tile, where):
                subject = replace(subject, plan=_without_packed(plan))
        body = await _make(database, subject, tile, step, where, prepare=prepare)
        if len(body) <= BUDGET:
            break
    return body


async def _find_ready(
    database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile
) -> bytes | None:
    """The tile, if it is one of those that are kept ready."""
    plan = status.plan
    if tile.z > plan.prebuilt or plan.digest != recipe_digest(catalog.recipes, layer):
        return None
    if plan.block >= 0 and can_hold(catalog.recipes, layer) and tile.z < len(plan.zooms):
        subject = Subject(catalog.recipes, layer, plan, status.geometry_type)
        return await draw_ready(database, subject, tile, status.version)
    values = build_values(tile) | {"layer": layer.id}
    return await _run(database, _build_ready(ready_table(layer)), values, prepare=None) or None


async def _make(
    database: Database, subject: Subject, tile: Tile, step: ZoomPlan | None, where: Where, *, prepare: bool | None
) -> bytes:
    statements = find_texts(build_statements, subject, tile, step, where)
    if where.canonical:  # its turn is for one connection: the others are left to what waits for no turn
        parts = [await _run(database, *statement, prepare=prepare) for statement in statements]
    elif subject.layer.basemap:
        parts = await do_together(*(fetch_together(database, *statement, prepare=prepare) for statement in statements))
    else:
        parts = await do_together(*(_run(database, *statement, prepare=prepare) for statement in statements))
    return b"".join(parts)


@functools.lru_cache(maxsize=512)
def _without_packed(plan: TilePlan) -> TilePlan:
    """The same object for the same plan: statements are kept by it."""
    return replace(plan, block=-1)


async def _is_lossy(database: Database, subject: Subject, tile: Tile, where: Where) -> bool:
    """Whether only the rows tell all of the tile's bins, because points were removed since they were packed."""
    parts = split_packed(subject.layer, subject.plan, where)
    if parts is None:
        return False
    return bool(await database.fetch_value(*build_is_lossy(subject.layer, subject.plan, parts, tile)))


async def _is_crowded(database: Database, layer: Layer, plan: TilePlan, tile: Tile, where: Where) -> bool:
    """Whether more features than fit would be drawn; found sooner than the tile that could not be sent.

    What is packed over the tile are all of its points, or more, and their number is known without reading them.
    """
    most = plan.crowd
    if plan.block >= 0 and not where.canonical:
        query = SQL(
            "SELECT coalesce(sum(cardinality(c)), 0) + (SELECT count(*) FROM {} WHERE n > 0) AS packed FROM {}"
            " WHERE x BETWEEN %(block_x0)s AND %(block_x1)s AND y BETWEEN %(block_y0)s AND %(block_y1)s"
        ).format(Identifier("layers", delta_table(layer)), Identifier("layers", pack_table(layer)))
        if await database.fetch_value(query, place_values(plan, tile)) <= most:
            return False
    query = SQL(
        "SELECT count(*) FROM (SELECT FROM {} WHERE geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s) AND"
        " CASE WHEN {} THEN TRUE END LIMIT %(most)s) AS found"
    ).format(Identifier("layers", layer.table), where.sql)
    return bool(await database.fetch_value(query, build_values(tile) | where.params | {"most": most + 1}) > most)


@functools.lru_cache(maxsize=512)
def _build_ready(table: str) -> bytes:
    where = SQL(
        "SELECT tile FROM {} WHERE z = %(z)s AND x = %(x)s AND y = %(y)s AND NOT EXISTS ("
        " SELECT FROM geoserver.edits AS e, jsonb_array_elements(e.tiles) AS r WHERE e.layer = %(layer)s"
        " AND geoserver.is_touched(%(z)s, %(x)s, %(y)s, (r->>0)::integer, (r->>1)::bigint, (r->>2)::bigint,"
        " (r->>3)::bigint, (r->>4)::bigint))"
    )
    return where.format(Identifier("layers", table)).as_bytes(None)


def tile_version(catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
    """A short text that changes when any tile of the layer may: with a load, its fields or its recipe.

    An edit in place leaves it as it is: that touches few tiles, and the notice of the change says which.
    """
    return _digest(catalog.recipes[layer.kind] + catalog.recipes.get(BINS, ""), layer, status)


async def _run(database: Database, statement: bytes, values: dict[str, Any], *, prepare: bool | None) -> bytes:
    (body,) = await fetch_bytes(database, [statement], values, prepare=prepare)
    return body


def may_hold(layer: Layer, status: LayerStatus, tile: Tile) -> bool:
    """Whether the tile with its buffer touches the layer's bounds at all; no query is needed where it does not."""
    if status.bounds is None or not layer.minzoom <= tile.z <= layer.maxzoom:
        return False
    return intersects(status.bounds, tile_bounds(tile, margin=2 * BUFFER / EXTENT))


def is_wide(status: LayerStatus, zoom: int) -> bool:
    """Whether a tile of this zoom holds a large part of the layer."""
    if (bounds := status.bounds) is None:
        return True
    width = bounds.east - bounds.west if bounds.west <= bounds.east else bounds.east - bounds.west + 360
    return width / 360 * tile_count(zoom) < _WIDE


@functools.lru_cache(maxsize=512)
def _digest_text(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


def _digest(recipe: str, layer: Layer, status: LayerStatus) -> str:
    fields = ",".join(f"{name}:{layer.fields[name].type}:{layer.tile_zooms.get(name, 0)}" for name in layer.tile_fields)
    loaded = f"{status.loaded_at.isoformat()} {status.plan}"
    return _digest_text(f"{recipe}\n{layer.id} {layer.minzoom} {layer.maxzoom} {fields} {loaded}")
