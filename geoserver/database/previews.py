"""What a small picture of a layer is drawn of: shapes simplified to its pixels, or how many rows lie in its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg.sql import SQL, Composable

from geoserver.database.queries import Condition, table_of
from geoserver.grid import MERCATOR_HALF

if TYPE_CHECKING:
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["Frame", "read_cells", "read_shapes"]

# What is too small to be seen is left out, the largest come first.
_SHAPES = SQL("""
SELECT ST_AsSVG(shape, 0, 1) AS path
FROM (
    SELECT ST_Affine(
        ST_Simplify(ST_ClipByBox2D(geom_3857, {box}), %(fine)s), %(scale)s, 0, 0, %(scale)s, -%(west)s * %(scale)s,
        -%(north)s * %(scale)s
    ) AS shape
    FROM (
        SELECT geom_3857 FROM {table}
        WHERE geom_3857 && {box} AND visible_from <= %(zoom)s AND ({where})
        ORDER BY visible_from, fid LIMIT %(most)s
    ) AS seen
) AS drawn
WHERE NOT ST_IsEmpty(shape)""")
_CELLS = SQL("""
SELECT floor((x - %(west)s) / %(cell)s)::integer AS col, floor((%(north)s - y) / %(cell)s)::integer AS row,
    sum(n)::bigint AS count
FROM ({}) AS places
WHERE x >= %(west)s AND x < %(east)s AND y > %(south)s AND y <= %(north)s
GROUP BY 1, 2
HAVING sum(n) > 0""")
_PLACES = SQL("SELECT {x} AS x, {y} AS y, 1 AS n FROM {table} WHERE geom_3857 && {box} AND ({where})")
_POINT = SQL("ST_X(geom_3857)"), SQL("ST_Y(geom_3857)")
_MIDDLE = (
    SQL("(ST_XMin(geom_3857) + ST_XMax(geom_3857)) / 2"),
    SQL("(ST_YMin(geom_3857) + ST_YMax(geom_3857)) / 2"),
)
# Packed points (geoserver/tiling/packing.py) are read in a fifth of the time; they lie in the middles of small cells.
_PACKED = SQL("""
SELECT (x + 0.5::float8) * %(side)s - %(half)s AS x, %(half)s - (y + 0.5::float8) * %(side)s AS y, n
FROM (
    SELECT (x << %(inner)s) + (c & 32767) AS x, (y << %(inner)s) + (c >> 15) AS y, 1 AS n
    FROM (SELECT x, y, unnest(c) AS c FROM {packed}) AS points
    UNION ALL SELECT x, y, n FROM {delta}
) AS points""")
_BOX = SQL("ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 3857)")


class Frame(NamedTuple):
    """What is seen, in metres of Web Mercator, on so many pixels across."""

    west: float
    south: float
    east: float
    north: float
    width: int

    @property
    def pixel(self) -> float:
        """Metres of a pixel."""
        return (self.east - self.west) / self.width

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return round((self.north - self.south) / self.pixel)

    def as_values(self) -> dict[str, object]:
        return {"west": self.west, "south": self.south, "east": self.east, "north": self.north}


async def read_shapes(
    database: Database, layer: Layer, where: Condition, frame: Frame, *, zoom: int, most: int, fine: float = 0.5
) -> list[str]:
    """Data of SVG paths of the shapes that can be seen at a zoom, the largest first, at most so many.

    They are simplified to `fine` pixels.
    """
    query = _SHAPES.format(table=table_of(layer.table), box=_BOX, where=where.sql)
    values = {"fine": frame.pixel * fine, "scale": 1 / frame.pixel, "zoom": zoom, "most": most}
    rows = await database.fetch(query, {**where.params, **frame.as_values(), **values})
    return [row["path"] for row in rows if row["path"]]


async def read_cells(
    database: Database, layer: Layer, status: LayerStatus, where: Condition, frame: Frame, *, cell: int
) -> list[tuple[int, int, int]]:
    """Column, row and number of rows of every cell, so many pixels wide, in which there are some: by their middles."""
    values = {**where.params, **frame.as_values(), "cell": cell * frame.pixel}
    if status.plan.block >= 0 and layer.rows is None:
        places: Composable = _PACKED.format(
            packed=table_of(f"{layer.table}__packed"), delta=table_of(f"{layer.table}__delta")
        )
        level = status.plan.level
        values |= {"inner": level - status.plan.block, "side": 2 * MERCATOR_HALF / (1 << level), "half": MERCATOR_HALF}
    else:
        x, y = _POINT if status.geometry_type == "POINT" else _MIDDLE
        places = _PLACES.format(table=table_of(layer.table), box=_BOX, where=where.sql, x=x, y=y)
    rows = await database.fetch(_CELLS.format(places), values)
    return [(row["col"], row["row"], row["count"]) for row in rows]
