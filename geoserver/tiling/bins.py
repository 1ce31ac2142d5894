"""Bins: the SQL that counts features in square cells, from the rows or from packed points, and makes a tile of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal
from psycopg.types.numeric import Int4

from geoserver.fieldtypes import FIELD_TYPES
from geoserver.filtering import Where
from geoserver.model import BINS
from geoserver.tiling.packed import MOST_VALUES, build_slot, count_packed, delta_table, pack_table, split_packed
from geoserver.tiling.recipes import escape, plain_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.model import Layer, Tile, TilePlan

__all__ = [
    "CountedTables",
    "Subject",
    "anchor_of",
    "bins_layer",
    "build_bins",
    "build_cells",
    "describe_bins",
    "find_bins",
    "named_values",
    "ready_table",
]

_LONGEST = 63  # bytes of a name in PostgreSQL
_KIND = re.compile(r"^--\s*bins:\s*(points|lines|polygons)\s*$", re.MULTILINE)
_SIZES = {"lines": ("length", "geoserver.true_length"), "polygons": ("area", "geoserver.true_area")}

_FROM_ROWS = SQL("""
SELECT
    (geoserver.cell(ST_X({anchor}), %(level)s) - (%(x)s << %(bits)s)) AS col,
    (geoserver.cell(-ST_Y({anchor}), %(level)s) - (%(y)s << %(bits)s)) AS row,
    {slot} AS slot, count(*)::integer AS n, min({time}) AS first, max({time}) AS last, sum({size}) AS size
FROM {table}
WHERE geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 1.0 / 4096) AND {hidden} AND ({where})
GROUP BY 1, 2, 3""")

# While a layer is prepared: from cells that were counted once, at a finer level.
_FROM_CELLS = SQL("""
SELECT (x >> %(shift)s) - (%(x)s << %(bits)s) AS col, (y >> %(shift)s) - (%(y)s << %(bits)s) AS row,
    slot, sum(n)::integer AS n, min(first) AS first, max(last) AS last, sum(size) AS size
FROM {cells}
WHERE x >> (%(shift)s + %(bits)s) = %(x)s AND y >> (%(shift)s + %(bits)s) = %(y)s AND visible > %(shown)s
GROUP BY 1, 2, 3""")

_COUNT_ROWS = SQL("""
CREATE TEMPORARY TABLE {cells} ON COMMIT DROP AS
SELECT
    geoserver.cell(ST_X({anchor}), {level}) AS x, geoserver.cell(-ST_Y({anchor}), {level}) AS y,
    visible_from AS visible, {slot} AS slot,
    count(*)::integer AS n, min({time}) AS first, max({time}) AS last, sum({size}) AS size
FROM {table}
GROUP BY 1, 2, 3, 4""")

_COUNT_PACKED = SQL("""
CREATE TEMPORARY TABLE {cells} ON COMMIT DROP AS
SELECT
    ((x << {inner}) + (c & 32767)) >> {shift} AS x, ((y << {inner}) + (c >> 15)) >> {shift} AS y,
    14::smallint AS visible, CASE WHEN code BETWEEN 0 AND {last_slot} THEN code ELSE {rest} END AS slot,
    count(*)::integer AS n, min(t) AS first, max(t) AS last, NULL::double precision AS size
FROM (SELECT x, y, code, unnest(c) AS c, unnest(t) AS t FROM {packed}) AS points
GROUP BY 1, 2, 4""")

_COARSEN = SQL("""
CREATE TEMPORARY TABLE {coarse} ON COMMIT DROP AS
SELECT x >> {shift} AS x, y >> {shift} AS y, visible, slot,
    sum(n)::integer AS n, min(first) AS first, max(last) AS last, sum(size) AS size
FROM {fine}
GROUP BY 1, 2, 3, 4""")


@dataclass(frozen=True, slots=True)
class Subject:
    """What tiles are made of: a layer with its plan, the recipes, and the type of its geometries (POINT, ...).

    `few`: a filter leaves so few of its rows that an index on what it asks for finds them sooner than their place.
    """

    recipes: Mapping[str, str]
    layer: Layer
    plan: TilePlan
    geometry_type: str
    few: bool = False

    @property
    def kind(self) -> str:
        """Which bins the layer has: of points, lines or polygons; empty for none, as under a basemap."""
        return "" if self.layer.basemap else find_bins(self.recipes[self.layer.kind])


@dataclass(frozen=True, slots=True)
class CountedTables:
    """The tables that bins are counted from: rows, packed points with what is noted since, and cells of `level`
    counted before."""

    table: str
    packed: str
    delta: str = ""  # none beside points that were packed just now
    cells: str = ""
    level: int = 0


def find_bins(recipe: str) -> str:
    """Which bins stand beside the features of a recipe: of points, lines or polygons; empty when none do."""
    found = _KIND.search(recipe)
    return found[1] if found else ""


def bins_layer(layer: Layer) -> str:
    """The name of a layer's bins inside a tile; no layer's id has a colon."""
    return f"{layer.id}:{BINS}"


def ready_table(layer: Layer) -> str:
    return f"{layer.table}__bins"


def named_values(plan: TilePlan) -> list[str]:
    """The properties of a bin that count one value each, in the order of their codes, and the one for all the rest."""
    return [f"{plan.facet}:{value}" for value in plan.values] + [f"{plan.facet}:*"] if plan.facet else []


def describe_bins(layer: Layer, plan: TilePlan, kind: str) -> dict[str, str]:
    """Each property of a bin, and what it holds."""
    fields = {"count": "Features in this bin. Integer."}
    fields |= {
        name: f"Those with {plan.facet} = {name[len(plan.facet) + 1 :]}. Integer." for name in named_values(plan)
    }
    if plan.facet:
        fields[named_values(plan)[-1]] = f"Those with any other {plan.facet}, or none. Integer."
    if layer.time:
        fields |= {"first": f"Day of the least {layer.time}.", "last": f"Day of the greatest {layer.time}."}
    if kind in _SIZES:
        fields[_SIZES[kind][0]] = {"lines": "Metres in all. Integer.", "polygons": "Square metres in all. Integer."}[
            kind
        ]
    return fields


def anchor_of(geometry_type: str) -> Composable:
    """The one point of a feature that says in which cell it counts."""
    return SQL("geom_3857") if geometry_type == "POINT" else SQL("ST_Centroid(geom_3857)")


def build_bins(
    subject: Subject,
    tile: Tile,
    where: Where,
    *,
    cells: int,
    shown: int = -1,
    tables: CountedTables | None = None,
) -> tuple[Composed, dict[str, Any]]:
    """The statement that makes a tile's bins with its values: of features not visible at `shown`, `cells` across.

    `tables` names other tables than the layer's own.
    """
    layer, plan = subject.layer, subject.plan
    tables = tables or CountedTables(layer.table, pack_table(layer), delta_table(layer))
    bits = cells.bit_length() - 1
    values: dict[str, Any] = {"z": Int4(tile.z), "x": Int4(tile.x), "y": Int4(tile.y)}
    values |= {"cells": Int4(cells), "bits": Int4(bits)}
    parts = split_packed(layer, plan, where) if shown < 0 else None
    if tables.cells and tables.level >= tile.z + bits:
        counted = _FROM_CELLS.format(cells=Identifier(tables.cells))
        values |= {"shift": Int4(tables.level - tile.z - bits), "shown": Int4(shown)}
    elif parts is not None and plan.level >= tile.z + bits:
        counted, more = count_packed(layer, plan, tile, parts, packed=tables.packed, delta=tables.delta)
        values |= more | {"shift": Int4(plan.level - tile.z - bits)}
    else:
        counted = _FROM_ROWS.format(
            anchor=anchor_of(subject.geometry_type),
            hidden=SQL("visible_from > %(shown)s" if shown >= 0 else "TRUE"),
            where=where.sql,
            **_measures(subject, tables.table),
        )
        values |= where.params | {"level": Int4(tile.z + bits)} | ({"shown": Int4(shown)} if shown >= 0 else {})
    statement = SQL(plain_recipe(subject.recipes[BINS])).format(
        layer=Literal(bins_layer(layer)), counts=_columns(subject), cells=counted
    )
    return statement, values


def build_cells(subject: Subject, tables: CountedTables, cells: str, level: int) -> Composed:
    """Count features in cells of `level` into the temporary table `cells`, to make many tiles from.

    From the cells of `tables` where it has some, else from packed points or rows. It is run with parameters, of which
    it has none.
    """
    if tables.cells:
        return _COARSEN.format(
            coarse=Identifier(cells), fine=Identifier(tables.cells), shift=Literal(tables.level - level)
        )
    plan = subject.plan
    if plan.block >= 0:
        return _COUNT_PACKED.format(
            cells=Identifier(cells),
            packed=Identifier("layers", tables.packed),
            inner=Literal(plan.level - plan.block),
            shift=Literal(plan.level - level),
            last_slot=Literal(MOST_VALUES - 1),
            rest=Literal(MOST_VALUES),
        )
    anchor = anchor_of(subject.geometry_type)
    return _COUNT_ROWS.format(
        cells=Identifier(cells), level=Literal(level), anchor=anchor, **_measures(subject, tables.table)
    )


def _columns(subject: Subject) -> Composed:
    """The properties of a bin beside its count; those that are nothing are null, and so not in the tile."""
    layer, plan, kind = subject.layer, subject.plan, subject.kind
    columns: list[Composable] = [
        SQL("sum(n) FILTER (WHERE slot = {}) AS {}").format(Literal(slot), escape(Identifier(name)))
        for slot, name in _slots(plan)
    ]
    if layer.time:
        # Whole days repeat, so that a tile stays small.
        day = SQL(FIELD_TYPES[layer.fields[layer.time].type].day)
        for which, name in ((SQL("min"), Identifier("first")), (SQL("max"), Identifier("last"))):
            columns.append(day.format(SQL("{}({})").format(which, name)) + SQL(" AS ") + name)
    if kind in _SIZES:
        columns.append(SQL("round(sum(size))::bigint AS {}").format(Identifier(_SIZES[kind][0])))
    return SQL("").join(SQL(", ") + column for column in columns)


def _slots(plan: TilePlan) -> list[tuple[int, str]]:
    """Slots with the name of their property: a value's code, or the one behind them for all the rest."""
    names = named_values(plan)
    return [*enumerate(names[:-1]), (MOST_VALUES, names[-1])] if names else []


def _measures(subject: Subject, table: str) -> dict[str, Composable]:
    """What is counted of each row, and where the rows are."""
    layer, plan, kind = subject.layer, subject.plan, subject.kind
    return {
        "slot": build_slot(plan),
        "time": Identifier(layer.time) if layer.time else SQL("NULL::timestamptz"),
        "size": SQL("{}(geom_3857)").format(SQL(_SIZES[kind][1])) if kind in _SIZES else SQL("NULL::double precision"),
        "table": Identifier("layers", table),
    }
