"""How many of a layer's rows a condition leaves, and where they lie: counted anew, where not all rows may be seen."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL
from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError

from geoserver.database.queries import Condition, table_of
from geoserver.model import Bounds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.pool import Database
    from geoserver.model import Layer

__all__ = ["count_readings", "count_rows", "read_bounds", "read_extent"]

_LONLAT = 4326
_READ = SQL("""
    SELECT n, ST_XMin(e) AS west, ST_YMin(e) AS south, ST_XMax(e) AS east, ST_YMax(e) AS north
      FROM (SELECT count(*) AS n, ST_Extent(geom) AS e FROM {} WHERE {}) AS found
""")


def read_extent(database: Database, layer: Layer, srid: int, where: Condition) -> tuple[int, Bounds | None]:
    """The number of rows, and their extent in lon/lat as a load finds it; for threads. Raises UnavailableError."""
    (row,) = database.fetch_sync(_READ.format(table_of(layer.table), where.sql), where.params)
    return row["n"], _bound(row, srid)


async def read_bounds(database: Database, layer: Layer, srid: int, where: Condition) -> Bounds | None:
    """The extent of these rows alone; cancelling the task cancels the query. Raises UnavailableError."""
    (row,) = await database.fetch(_READ.format(table_of(layer.table), where.sql), where.params)
    return await asyncio.to_thread(_bound, row, srid)


def _bound(row: Mapping[str, Any], srid: int) -> Bounds | None:
    if row["west"] is None:
        return None
    box = (row["west"], row["south"], row["east"], row["north"])
    return Bounds(*box) if srid == _LONLAT else _to_lonlat(srid, box)


def count_readings(database: Database, layer: Layer, where: Condition) -> int:
    """The number of readings of those rows; for threads. Raises UnavailableError."""
    if layer.readings is None:
        return 0
    query = SQL("SELECT count(*) AS n FROM {} WHERE fid IN (SELECT fid FROM {} WHERE {})").format(
        table_of(layer.readings_table), table_of(layer.table), where.sql
    )
    (row,) = database.fetch_sync(query, where.params)
    return int(row["n"])


async def count_rows(database: Database, layer: Layer, where: Condition) -> int:
    """The number of rows that a condition leaves. Raises UnavailableError."""
    query = SQL("SELECT count(*) FROM {} WHERE {}").format(table_of(layer.table), where.sql)
    return int(await database.fetch_value(query, where.params))


def _to_lonlat(srid: int, box: tuple[float, float, float, float]) -> Bounds | None:
    """As `loading.area` does it."""
    try:
        west, south, east, north = Transformer.from_crs(srid, _LONLAT, always_xy=True).transform_bounds(
            *box, densify_pts=21
        )
    except (CRSError, ProjError):
        return None
    edges = (max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0))
    return Bounds(*edges) if all(map(math.isfinite, edges)) else None
