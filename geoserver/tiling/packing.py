"""Packed points: per block of the map and value of the main choice field, all positions and times, sorted by time.

A filter on that field and a stretch of time is then answered from a few arrays, by binary search, and unfiltered bins
from all of them: no row of the layer is visited. A point takes 12 bytes. What is edited since is noted beside them,
point by point (`NAME__delta`), and read with them until the blocks that it touches are packed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Composed, Identifier, Literal

from geoserver.tiling.bins import anchor_of

if TYPE_CHECKING:
    from psycopg.sql import Composable

    from geoserver.model import Layer, TilePlan

__all__ = ["Packing", "build_pack_index", "build_packing"]


# One sort by one number (block, code, and whether there is a time), time and place: sorting each array costs more.
_POINTS = """
SELECT (key >> 40)::integer AS x, (key >> 16 & 16777215)::integer AS y, ((key >> 1 & 32767) - 2)::smallint AS code,
    array_agg(c) AS c, CASE WHEN key & 1 = 1 THEN array_agg(t) END AS t
FROM (
    SELECT
        (geoserver.cell(ST_X({anchor}), {block})::bigint << 40)
            | (geoserver.cell(-ST_Y({anchor}), {block})::bigint << 16)
            | ((coalesce(known.code, CASE WHEN {facet} IS NULL THEN -1 ELSE -2 END) + 2) << 1)
            | ({time} IS NOT NULL)::integer AS key,
        ((geoserver.cell(-ST_Y({anchor}), {level}) & {mask}) << 15)
            | (geoserver.cell(ST_X({anchor}), {level}) & {mask}) AS c,
        {time} AS t
    FROM {rows} LEFT JOIN {known} AS known ON known.value = {facet}
    ORDER BY key, t, c
) AS points
GROUP BY key"""

# As one statement with the table, because PostgreSQL then reads and sorts in several processes.
_PACK = SQL(f"CREATE TABLE {{packed}} AS {_POINTS}")
# Statistics of what is in the arrays are dear and of no use.
_FINISH = SQL("""
ALTER TABLE {packed} ALTER c SET STATISTICS 0, ALTER t SET STATISTICS 0;
CREATE INDEX {index} ON {packed} (x, y);
ANALYZE {packed}""")


def build_pack_index(packed: str) -> Composed:
    """What the table of packed points needs once it is filled."""
    return _FINISH.format(packed=Identifier("layers", packed), index=Identifier(f"{packed}_x_y"))


@dataclass(frozen=True, slots=True)
class Packing:
    """The statement that packs all rows, and how edits note points beside them."""

    fill: Composed
    noted: dict[str, Any]


def build_packing(layer: Layer, plan: TilePlan, geometry_type: str, *, table: str, packed: str) -> Packing:
    """Of the rows of `table`, to be packed by `plan` into `packed`."""
    facet = plan.facet
    values: Composable = SQL("{}::text").format(Identifier("r", facet)) if facet else SQL("NULL::text")
    known = SQL("(SELECT code, value FROM geoserver.facets WHERE layer = {})").format(Literal(layer.id))
    shared: dict[str, Composable] = {
        "anchor": anchor_of(geometry_type),
        "block": Literal(plan.block),
        "level": Literal(plan.level),
        "mask": Literal((1 << plan.level - plan.block) - 1),
        "facet": values,
        "time": Identifier("r", layer.time) if layer.time else SQL("NULL::timestamptz"),
    }
    fill = _PACK.format(
        packed=Identifier("layers", packed),
        rows=SQL("{} AS r").format(Identifier("layers", table)),
        known=known,
        **shared,
    )
    noted = {"level": plan.level, "facet": facet, "time": layer.time or "", "point": geometry_type == "POINT"}
    return Packing(fill, noted)
