"""Packed points as they are asked, with what edits noted since: by a filter on the main choice field and on time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal
from psycopg.types.numeric import Int4

from geoserver.fieldtypes import FIELD_TYPES
from geoserver.filtering import Parts, Where, split
from geoserver.tiling.recipes import escape

if TYPE_CHECKING:
    from geoserver.model import Layer, Tile, TilePlan

__all__ = [
    "MOST_VALUES",
    "build_is_lossy",
    "build_slot",
    "choose_noted",
    "choose_packed",
    "count_packed",
    "delta_table",
    "pack_table",
    "place_values",
    "split_packed",
]

MOST_VALUES = 12  # of the main choice field that have a count of their own; all others share one

# What was noted since is counted with it; the span of time stays too wide where a point was removed (`is_lossy`).
_FROM_PACKED = SQL("""
SELECT (x >> %(shift)s) - (%(x)s << %(bits)s) AS col, (y >> %(shift)s) - (%(y)s << %(bits)s) AS row,
    slot, sum(n)::integer AS n, min(t) AS first, max(t) AS last, NULL::double precision AS size
FROM (
    SELECT (x << %(inner)s) + (c & 32767) AS x, (y << %(inner)s) + (c >> 15) AS y,
        CASE WHEN code BETWEEN 0 AND {last_slot} THEN code ELSE {rest} END AS slot, 1 AS n, t
    FROM (
        SELECT x, y, code, unnest({c}) AS c, unnest({t}) AS t
        FROM (
            SELECT x, y, code, c, t {slice}
            FROM {packed}
            WHERE x BETWEEN %(block_x0)s AND %(block_x1)s AND y BETWEEN %(block_y0)s AND %(block_y1)s {chosen}
            OFFSET 0
        ) AS blocks
    ) AS packed
    {noted}
) AS points
GROUP BY 1, 2, 3
HAVING sum(n) > 0""")

# Points that edits have added (n > 0) or removed since, of the same choice.
_NOTED = SQL("SELECT x, y, {slot} AS slot, n, t FROM {delta} WHERE {within} {chosen}")
_IN_BLOCKS = SQL(
    "x >> {inner} BETWEEN %(block_x0)s AND %(block_x1)s AND y >> {inner} BETWEEN %(block_y0)s AND %(block_y1)s"
)
_NOTED_VALUE = SQL(""" AND EXISTS (SELECT FROM (SELECT value::{kind} AS {facet}) AS noted WHERE {where})""")
_IS_LOSSY = SQL("SELECT EXISTS (SELECT FROM ({}) AS noted WHERE n < 0)")

_SLICE = SQL(", width_bucket(%(after)s::{kind}, t) + 1 AS low, width_bucket(%(until)s::{kind}, t) AS high")

# The code has a name here that no field can have, for the field may be called "code".
_CHOSEN = SQL(""" AND code IN (
    SELECT "the code" FROM (
        SELECT code AS "the code", value::{kind} AS {facet} FROM geoserver.facets WHERE layer = {layer}
        UNION ALL SELECT -1, NULL::{kind}
    ) AS known WHERE {where})""")


def pack_table(layer: Layer) -> str:
    return f"{layer.table}__packed"


def delta_table(layer: Layer) -> str:
    return f"{layer.table}__delta"


def place_values(plan: TilePlan, tile: Tile) -> dict[str, Any]:
    """Those values of a tile's statements that depend on where it lies in its zoom."""
    values: dict[str, Any] = {"x": Int4(tile.x), "y": Int4(tile.y)}
    if plan.block >= 0:
        finer = plan.block - tile.z
        for axis, position in (("x", tile.x), ("y", tile.y)):
            first = position << finer if finer >= 0 else position >> -finer
            values[f"block_{axis}0"] = Int4(first)
            values[f"block_{axis}1"] = Int4(first + (1 << finer) - 1 if finer > 0 else first)
    return values


def build_slot(plan: TilePlan, value: Composable | None = None) -> Composable:
    """Which count of a bin a row belongs to, by its main choice field or another `value`.

    For a statement that is run with parameters.
    """
    if not (plan.facet and plan.values):
        return Literal(MOST_VALUES)
    return SQL("coalesce(array_position({}::text[], {}::text) - 1, {})").format(
        escape(Literal(list(plan.values))), value or Identifier(plan.facet), Literal(MOST_VALUES)
    )


def count_packed(
    layer: Layer, plan: TilePlan, tile: Tile, parts: Parts, *, packed: str, delta: str = ""
) -> tuple[Composed, dict[str, Any]]:
    """What the bins of a tile are counted of: the statement with its values, but for `shift` and `bits`."""
    chosen, values = choose_packed(layer, plan, parts)
    statement = _FROM_PACKED.format(
        packed=Identifier("layers", packed),
        noted=SQL("UNION ALL ") + choose_noted(layer, plan, parts, delta) if delta else SQL(""),
        last_slot=Literal(MOST_VALUES - 1),
        rest=Literal(MOST_VALUES),
        **chosen,
    )
    return statement, values | {"inner": Int4(plan.level - plan.block)} | place_values(plan, tile)


def choose_noted(
    layer: Layer, plan: TilePlan, parts: Parts, delta: str, *, within: Composable | None = None
) -> Composed:
    """What edits have noted since points were packed and a filter leaves: `x`, `y`, `slot`, `n`, `t`.

    With the values of `choose_packed`, and those of `place_values`, in whose blocks it is asked unless `within` is
    another condition on the cell at `x` and `y`.
    """
    chosen: Composable = SQL("")
    if parts.chosen:
        facet = layer.fields[plan.facet]
        kind = SQL(FIELD_TYPES[facet.type].column)
        chosen = _NOTED_VALUE.format(kind=kind, facet=Identifier(facet.name), where=parts.facet)
    if parts.dated:
        kind = SQL(FIELD_TYPES[layer.fields[layer.time].type].column)
        chosen = chosen + SQL(" AND t > %(after)s::{0} AND t <= %(until)s::{0}").format(kind)
    return _NOTED.format(
        slot=build_slot(plan, SQL("value")),
        delta=Identifier("layers", delta),
        within=within or _IN_BLOCKS.format(inner=Literal(plan.level - plan.block)),
        chosen=chosen,
    )


def build_is_lossy(layer: Layer, plan: TilePlan, parts: Parts, tile: Tile) -> tuple[Composed, dict[str, Any]]:
    """Whether points of the choice were removed since they were packed, whose times PostgreSQL cannot take out."""
    values = choose_packed(layer, plan, parts)[1] | place_values(plan, tile)
    return _IS_LOSSY.format(choose_noted(layer, plan, parts, delta_table(layer))), values


def choose_packed(layer: Layer, plan: TilePlan, parts: Parts) -> tuple[dict[str, Composable], dict[str, Any]]:
    """What of packed points a filter leaves, as parts of a statement with their values.

    `chosen` is a condition on blocks behind another one, `slice` the columns from which `c` and `t` are cut.
    """
    values: dict[str, Any] = {}
    chosen: Composable = SQL("")
    if parts.chosen:
        facet = layer.fields[plan.facet]
        chosen = _CHOSEN.format(
            kind=SQL(FIELD_TYPES[facet.type].column),
            facet=Identifier(facet.name),
            layer=Literal(layer.id),
            where=parts.facet,
        )
        values |= parts.params
    c, t = SQL("c"), SQL("t")
    cut: Composable = SQL("")
    if parts.dated:
        kind = SQL(FIELD_TYPES[layer.fields[layer.time].type].column)
        c, t, cut = SQL("c[low:high]"), SQL("t[low:high]"), _SLICE.format(kind=kind)
        chosen = chosen + SQL(" AND t IS NOT NULL")
        values |= {"after": str(parts.after or "-infinity"), "until": str(parts.until or "infinity")}
    return {"c": c, "t": t, "slice": cut, "chosen": chosen}, values


def split_packed(layer: Layer, plan: TilePlan, where: Where) -> Parts | None:
    """The filter's parts where packed points can answer it; None where they cannot."""
    parts = split(where.tree, layer.fields, plan.facet, layer.time) if plan.block >= 0 else None
    return parts if parts is not None and (plan.whole or not parts.chosen) else None
