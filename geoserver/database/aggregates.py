"""What a filter leaves of a layer, counted or measured by groups.

The rows are looked through once, by the keys of their groups, and the few that come of it are folded: rare values into
one, areas into their order. All of it is of one moment, and comes as the text of the answer's cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from psycopg.rows import dict_row
from psycopg.sql import SQL, Composable, Composed, Identifier

from geoserver.database.queries import show, table_of
from geoserver.errors import BadParameterError
from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from geoserver.database.axes import Axis, Group, Source
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Field

__all__ = ["MEASURED", "MOST_CELLS", "Aggregate", "Measure", "Measured", "aggregate"]

MOST_CELLS = 100_000
type Measured = Literal["count", "sum", "avg", "min", "max", "median"]
# Rows are found in areas without sorting a million of them, and by several processes where there are some.
_FOR_AREAS = SQL(
    "SELECT set_config('enable_mergejoin', 'off', true), set_config('work_mem', '64MB', true),"
    " set_config('parallel_tuple_cost', '0.01', true), set_config('parallel_setup_cost', '10', true)"
)
MEASURED: tuple[Measured, ...] = ("sum", "avg", "min", "max", "median")  # of a number
# What is kept of the rows of each key, and what is made of that; a median is of the rows themselves.
_KEPT: Mapping[Measured, str] = {
    "count": "",
    "sum": ", sum(x) AS x",
    "avg": ", sum(x) AS x, count(x) AS c",
    "min": ", min(x) AS x",
    "max": ", max(x) AS x",
    "median": ", x",
}
_MADE: Mapping[Measured, str] = {
    "count": "sum(n)",
    "sum": "sum(x)",
    "avg": "(sum(x) / nullif(sum(c), 0))::float8",
    "min": "min(x)",
    "max": "max(x)",
    "median": "percentile_cont(0.5) WITHIN GROUP (ORDER BY x)",
}
_MEDIAN_OF_WHOLE = (
    "trim_scale((percentile_disc(0.5) WITHIN GROUP (ORDER BY x)::numeric"
    " + percentile_disc(0.5) WITHIN GROUP (ORDER BY x DESC)) / 2)"
)


@dataclass(frozen=True, slots=True)
class Measure:
    """What is told of each cell; of a number's finite values, where it is not the count of rows."""

    of: Measured = "count"
    item: Field | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`groups` are without words; `cells` is JSON: arrays of the numbers of the values, and of what was measured."""

    count: int
    groups: list[dict[str, Any]]
    cells: bytes
    overlaps: bool


async def aggregate(database: Database, source: Source, groups: Sequence[Group], measure: Measure) -> Aggregate:
    """Raises BadParameterError for what would be too many cells, buckets or areas, and what the database raises."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        axes = [await group.lay(connection, source, at) for at, group in enumerate(groups)]
        if any(axis.beside is not None for axis in axes):
            await connection.execute(_FOR_AREAS)
        values = {**source.where.params, **{name: value for axis in axes for name, value in axis.params.items()}}
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_build(source, axes, measure), values, prepare=False)
            row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - there is always one
    if row["size"] > MOST_CELLS:
        expected = f"at most {MOST_CELLS:,} cells: a lower limit, longer buckets, fewer bins, or one group"
        raise BadParameterError("group", f"{row['size']:,} cells", expected)
    cells = b"[" + (row["cells"] or "").encode() + b"]"
    return Aggregate(row["count"], [axis.document(row) for axis in axes], cells, row["joined"] > row["count"])


def _build(source: Source, axes: Sequence[Axis], measure: Measure) -> Composed:
    """The statement that gives all of it in one row."""
    keys = [Identifier(f"k{at}") for at in range(len(axes))]
    places = [Identifier(f"c{at}") for at in range(len(axes))]
    areas = [(at, axis.beside) for at, axis in enumerate(axes) if axis.beside is not None]
    told = [axis.told for axis in axes if axis.told is not None]
    listed = [(at, axis.places) for at, axis in enumerate(axes) if axis.places is not None]
    layer, status, where = source
    counted = SQL("SELECT count(*) FROM {} WHERE {}").format(table_of(layer.table), where.sql)
    statement = SQL(
        "WITH rows AS NOT MATERIALIZED ({rows}), cells AS MATERIALIZED ({cells}){places},"
        " folded AS (SELECT {numbers}{made} AS m, sum(n) AS n FROM cells{listed} {by_number})"
        " SELECT (SELECT count(*) FROM folded) AS size, coalesce((SELECT sum(n) FROM folded), 0)::bigint AS joined,"
        " ({count})::bigint AS count,"
        " CASE WHEN (SELECT count(*) FROM folded) <= {most} THEN ("
        "SELECT string_agg('[' || concat_ws(',', {cell}) || ']', ',' ORDER BY {order}) FROM folded WHERE {known}"
        ") END AS cells{told}"
    )
    return statement.format(
        rows=_build_rows(source, axes, measure),
        cells=_build_areas(status, *areas[0])
        if len(axes) == len(areas) == 1 and measure.of == "count"
        else _build_cells(keys, [_build_matched(status, *one) for one in areas], measure),
        places=SQL("").join(SQL(", {} AS ({})").format(Identifier(f"places{at}"), query) for at, query in listed),
        numbers=_list(SQL("{} AS {}").format(axis.place, name) for axis, name in zip(axes, places, strict=True)),
        made=SQL(_MEDIAN_OF_WHOLE if measure.of == "median" and _is_whole(measure.item) else _MADE[measure.of]),
        listed=SQL("").join(
            SQL(" LEFT JOIN {0} ON {0}.k = {1}").format(Identifier(f"places{at}"), keys[at]) for at, _ in listed
        ),
        by_number=_build_grouping(len(axes)),
        count=counted if areas else SQL("SELECT coalesce(sum(n), 0) FROM folded"),
        most=MOST_CELLS,
        cell=SQL(", ").join([*places, SQL("m")]),
        order=SQL(", ").join([*places, SQL("m")]),
        known=SQL("m IS NOT NULL") if _is_whole(measure.item) else SQL("m > '-Infinity' AND m < 'Infinity'"),
        told=SQL("").join(SQL(", ") + one for one in told),
    )


def _build_rows(source: Source, axes: Sequence[Axis], measure: Measure) -> Composable:
    """The rows with their keys, but for those that areas give."""
    layer, status, where = source
    columns: list[Composable] = [
        SQL("{} AS {}").format(axis.key, Identifier(f"k{at}")) for at, axis in enumerate(axes) if axis.beside is None
    ]
    if measure.item is not None:
        exact = measure.of in ("min", "max") or _is_whole(measure.item)
        columns.append(
            SQL("({}){} AS x").format(show(measure.item.name, measure.item.type), SQL("" if exact else "::float8"))
        )
    if any(axis.beside is not None for axis in axes):
        point = SQL("geom_3857" if status.geometry_type == "POINT" else "ST_PointOnSurface(geom_3857)")
        columns.append(SQL("fid, geom_3857 AS shape, {} AS point").format(point))
    return SQL("SELECT {} FROM {} WHERE {}").format(SQL(", ").join(columns), table_of(layer.table), where.sql)


def _build_matched(status: LayerStatus, at: int, areas: Composable) -> Composable:
    """A join of the rows to the areas that they are in, if any."""
    matched = Identifier(f"matched{at}")
    return SQL(" LEFT JOIN ({}) AS {} ON {}.fid = rows.fid").format(_build_found(status, at, areas), matched, matched)


def _build_found(status: LayerStatus, at: int, areas: Composable) -> Composable:
    """Rows and the areas that they are in: from each area to rows, for those have the index."""
    near = SQL("") if status.geometry_type == "POINT" else SQL("found.shape && area{} AND ").format(SQL(str(at)))
    text = SQL("SELECT found.fid, {} FROM rows AS found JOIN ({}) AS areas ON {}ST_Intersects({}, found.point)")
    return text.format(Identifier(f"k{at}"), areas, near, Identifier(f"area{at}"))


def _build_areas(status: LayerStatus, at: int, areas: Composable) -> Composable:
    """The number of rows in each area and in none: sets of 64 ids tell those in several, without a million of them."""
    return SQL(
        "WITH found AS ({found}), tallied AS MATERIALIZED (SELECT {key}, count(*) AS n, grouping({key}) AS ids,"
        " bit_or(1::bigint << (fid & 63)::int)::bit(64) AS seen FROM found"
        " GROUP BY GROUPING SETS (({key}), (fid >> 6)))"
        " SELECT {key}, n FROM tallied WHERE ids = 0"
        " UNION ALL SELECT NULL, rest FROM (SELECT (SELECT count(*) FROM rows)"
        " - coalesce((SELECT sum(bit_count(seen)) FROM tallied WHERE ids = 1), 0) AS rest) AS none WHERE rest > 0"
    ).format(found=_build_found(status, at, areas), key=Identifier(f"k{at}"))


def _build_cells(keys: Sequence[Composable], matched: Sequence[Composable], measure: Measure) -> Composable:
    """Rows, or what is kept of those of one key, with the number `n` of them."""
    is_whole = measure.of == "median"
    return SQL("SELECT {}{} AS n{} FROM rows{} {}").format(
        _list(keys),
        SQL("1" if is_whole else "count(*)"),
        SQL(_KEPT[measure.of]),
        SQL("").join(matched),
        SQL("") if is_whole else _build_grouping(len(keys)),
    )


def _build_grouping(size: int) -> Composable:
    return SQL("GROUP BY {}").format(SQL(", ").join(SQL(str(at + 1)) for at in range(size))) if size else SQL("")


def _list(columns: Iterable[Composable]) -> Composable:
    """With a comma behind each."""
    return SQL("").join(column + SQL(", ") for column in columns)


def _is_whole(item: Field | None) -> bool:
    return item is None or bool(FIELD_TYPES[item.type].step)
