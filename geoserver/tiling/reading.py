"""What a filter leaves of a layer of points, read once into memory: one statement, one row of arrays as they travel.

Texts come joined with their lengths, and everything else as an array of one width without nulls, so that no value
becomes an object of Python.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from geoserver import assets
from geoserver.database.pool import run
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.model import BINS
from geoserver.tiling.cells import LEVEL, NO_DAY, place_points
from geoserver.tiling.held import Points, Shapes
from geoserver.tiling.mvt import Column, build_numbers, build_texts
from geoserver.tiling.packed import build_slot
from geoserver.tiling.plans import MOST_DRAWN
from geoserver.tiling.recipes import build_value, plain_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Field, Layer

__all__ = [
    "DAY",
    "EPOCH",
    "MOST_BYTES",
    "MOST_ROWS",
    "can_hold",
    "can_read",
    "estimate_cost",
    "parse_numbers",
    "parse_points",
    "parse_shapes",
    "read_points",
    "read_shapes",
]

MOST_ROWS = 120_000  # of a filter that is kept in memory
MOST_BYTES = 24_000_000  # of the arrays of one, as they travel
_NUMBER = 12  # bytes of a number that travels in an array, at most
_FAR = 1e8  # metres; the map ends at a fifth of it
_HEAD = 20  # bytes in front of the elements of an array of one dimension
EPOCH = 10_957  # days from 1970, where numpy begins, to 2000, where PostgreSQL does
DAY = 86_400_000_000  # microseconds

# Counted before any array is made: of too much, nothing is.
_READ = SQL("""
WITH found AS MATERIALIZED (
    SELECT fid, {places}, {fits} AS fits {columns}
    FROM (SELECT * FROM {table} WHERE ({where}) AND NOT ST_IsEmpty(geom_3857) LIMIT {limit}) AS chosen
), total AS (
    SELECT count(*)::integer AS n, coalesce(bool_and(fits), TRUE) AND count(*) <= {most}
        AND coalesce(sum({octets}), 0) <= {room} AS fits
    FROM found
)
SELECT total.n, total.fits, arrays.*
FROM total CROSS JOIN LATERAL (SELECT array_agg(fid) {arrays} FROM found WHERE total.fits) AS arrays""")
_POINTS = SQL("ST_X({point}) AS x, ST_Y({point}) AS y, {slot}::smallint AS slot, {at} AS at")
_SHAPES = SQL("""ST_XMin(geom_3857) AS west, ST_YMin(geom_3857) AS south, ST_XMax(geom_3857) AS east,
    ST_YMax(geom_3857) AS north, ST_NPoints(geom_3857) AS vertices,
    ST_Length(geom_3857) + ST_Perimeter(geom_3857) AS length""")
# False for what is not a number, which is above infinity in PostgreSQL's order, and for no place at all.
_INSIDE = SQL("coalesce({low} >= {least} AND {high} <= {greatest}, FALSE)")
_TEXT = SQL(", array_agg(coalesce(octet_length({0}), -1)), string_agg({0}, '')")
_VALUE = SQL(", array_agg(coalesce({0}, {1})), array_agg(({0} IS NULL)::integer::smallint)")


class Answer(NamedTuple):
    """How many rows there are, and their arrays as they travelled."""

    rows: int
    cells: list[bytes | None]

    @property
    def size(self) -> int:
        return sum(len(cell) for cell in self.cells if cell)

    def take(self) -> Iterator[bytes | None]:
        """The arrays one by one, each let go of as soon as it is used: all of them are many megabytes."""
        self.cells.reverse()
        while self.cells:
            yield self.cells.pop()


def can_read(layer: Layer, status: LayerStatus) -> bool:
    """Whether what a tile holds of the layer is known: its columns have the types that a load gives them."""
    if status.loaded is None or status.loaded.columns is None:
        return False
    columns = status.loaded.columns
    names = {*layer.tile_fields, *([layer.time] if layer.time else [])}
    return all(columns.get(name) == FIELD_TYPES[layer.fields[name].type].column for name in names)


def can_hold(recipes: Mapping[str, str], layer: Layer) -> bool:
    """Whether tiles of the layer may be made from memory: our own recipes would make them."""
    return layer.geometry == "points" and all(
        plain_recipe(recipes.get(name, "")) == _own_recipe(own) for name, own in ((layer.kind, "points"), (BINS, BINS))
    )


@functools.cache
def _own_recipe(name: str) -> str:
    return plain_recipe((assets.root("tiles") / f"{name}.sql").read_text(encoding="utf-8"))


async def read_points(database: Database, layer: Layer, status: LayerStatus, where: Where) -> Answer | None:
    """The rows; None for too many or too large ones, and where only PostgreSQL can make tiles of some.

    Raises UnavailableError when the database is away or too slow.
    """
    # PostGIS fails on the place of what is no point.
    one = (
        "geom_3857"
        if status.geometry_type == "POINT"
        else "CASE GeometryType(geom_3857) WHEN 'POINT' THEN geom_3857 END"
    )
    point = SQL(one)
    places = _POINTS.format(point=point, slot=build_slot(status.plan), at=_build_time(layer))
    x, y = (SQL("{}({})").format(SQL(name), point) for name in ("ST_X", "ST_Y"))
    fits = [_inside(x, x), _inside(y, y), *_build_fits(layer)]
    statement = _build_statement(layer, where, MOST_ROWS, places, fits, numbers=("x", "y", "slot", "at"))
    return await _read(database, statement, where)


async def estimate_cost(database: Database, layer: Layer, where: Where) -> float:
    """What PostgreSQL expects of reading the rows, in its own units: some 250 are a millisecond."""
    query = SQL("EXPLAIN (FORMAT JSON) SELECT * FROM {} WHERE {} LIMIT {}").format(
        Identifier("layers", layer.table), where.sql, Literal(MOST_ROWS)
    )
    (plan,) = await database.fetch_value(query, where.params)
    return float(plan["Plan"]["Total Cost"])


async def read_shapes(database: Database, layer: Layer, where: Where) -> Answer | None:
    """Where the rows lie and how large they are; None as above. Raises as `read_points` does."""
    functions = (("ST_XMin", "ST_XMax"), ("ST_YMin", "ST_YMax"))
    fits = [_inside(*(SQL("{}(geom_3857)").format(SQL(name)) for name in pair)) for pair in functions]
    fits.append(SQL("ST_Length(geom_3857) + ST_Perimeter(geom_3857) < 'Infinity'"))
    names = ("west", "south", "east", "north", "vertices", "length")
    return await _read(database, _build_statement(layer, where, MOST_DRAWN, _SHAPES, fits, numbers=names), where)


async def _read(database: Database, statement: Composed, where: Where) -> Answer | None:
    async with database.connection() as connection, connection.cursor(binary=True) as cursor:
        await run(connection, cursor, statement.as_bytes(None), where.params, prepare=False)
        found = cursor.pgresult
        assert found is not None  # noqa: S101 - a SELECT has one
        count, fits, *cells = [found.get_value(0, at) for at in range(found.nfields)]
    return Answer(int.from_bytes(count or b""), cells) if fits == b"\x01" else None


def _build_statement(
    layer: Layer, where: Where, most: int, places: Composable, fits: Sequence[Composable], *, numbers: Sequence[str]
) -> Composed:
    fields = [layer.fields[name] for name in layer.tile_fields]
    names = [Identifier(f"value {at}") for at in range(len(fields))]  # no field has a blank in its name
    columns = [SQL(", {} AS {}").format(build_value(item), name) for item, name in zip(fields, names, strict=True)]
    arrays: list[Composable] = [SQL(", array_agg({})").format(Identifier(name)) for name in numbers]
    octets: list[Composable] = [Literal(_NUMBER * (1 + len(numbers) + 2 * len(fields)))]
    for item, name in zip(fields, names, strict=True):
        kind = FIELD_TYPES[item.type]
        if not kind.travels:
            arrays.append(_TEXT.format(name))
            octets.append(SQL("coalesce(octet_length({}), 0)").format(name))
        else:
            arrays.append(_VALUE.format(name, SQL("'0'::{}").format(SQL(kind.column))))
    return _READ.format(
        places=places,
        fits=SQL(" AND ").join(fits),
        arrays=SQL("").join(arrays),
        octets=SQL(" + ").join(octets),
        columns=SQL("").join(columns),
        table=Identifier("layers", layer.table),
        where=where.sql,
        limit=Literal(most + 1),
        most=Literal(most),
        room=Literal(MOST_BYTES),
    )


def _inside(low: Composable, high: Composable) -> Composable:
    """Whether it is on the map, a metre beside it, or not far: numbers that nothing overflows with."""
    return _INSIDE.format(low=low, high=high, least=Literal(-_FAR), greatest=Literal(_FAR))


def _build_time(layer: Layer) -> Composable:
    return SQL("coalesce({}, 'infinity')").format(Identifier(layer.time)) if layer.time else SQL("0::bigint")


def _build_fits(layer: Layer) -> list[Composable]:
    """Whether a row is at a time that a calendar of four digits has."""
    span = SQL("({0} IS NULL OR ({0} >= '0002-01-01' AND {0} < '9999-12-31'))")
    return [span.format(Identifier(layer.time))] if layer.time else []


def parse_points(layer: Layer, answer: Answer) -> Points:
    """The arrays in the order of the map."""
    cells = answer.take()
    count = answer.rows
    fid, x, y = (parse_numbers(next(cells), kind, count) for kind in (">i8", ">f8", ">f8"))
    slot = parse_numbers(next(cells), ">i2", count).astype(np.uint8)
    day = _days(layer, next(cells), count)
    curve = place_points(x, y)
    order = np.lexsort((fid, curve))
    columns = [_parse_column(layer.fields[name], cells, count, order) for name in layer.tile_fields]
    return Points(
        curve[order], slot[order], day[order], LEVEL, x=x[order], y=y[order], fid=fid[order], columns=tuple(columns)
    )


def parse_shapes(layer: Layer, answer: Answer) -> Shapes:
    """The arrays in the order of the table."""
    cells = answer.take()
    count = answer.rows
    fid = parse_numbers(next(cells), ">i8", count)
    west, south, east, north = (parse_numbers(next(cells), ">f8", count) for _ in range(4))
    vertices, length = parse_numbers(next(cells), ">i4", count), parse_numbers(next(cells), ">f8", count)
    columns = [_parse_column(layer.fields[name], cells, count, np.arange(count)) for name in layer.tile_fields]
    return Shapes(fid, west, south, east, north, vertices, length, tuple(columns))


def _parse_column(field: Field, cells: Any, count: int, order: np.ndarray) -> Column:
    kind = FIELD_TYPES[field.type].travels
    if not kind:
        return _parse_texts(field.name, next(cells), next(cells), count, order)
    values = parse_numbers(next(cells), kind, count)[order]
    held = parse_numbers(next(cells), ">i2", count)[order] == 0
    return build_numbers(field.name, values, held)


def _parse_texts(name: str, sizes: bytes | None, joined: bytes | None, count: int, order: np.ndarray) -> Column:
    lengths = parse_numbers(sizes, ">i4", count)
    held = lengths >= 0
    offsets = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(np.where(held, lengths, 0), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(joined or b"")]
    found = pa.Array.from_buffers(pa.binary(), count, buffers).dictionary_encode()
    codes = np.where(held, found.indices.to_numpy(), -1)[order]
    return build_texts(name, codes, found.dictionary)


def _days(layer: Layer, raw: bytes | None, count: int) -> np.ndarray:
    """Days since 1970 of dates, or of microseconds in UTC; infinity stands for none."""
    if not layer.time:
        return np.full(count, NO_DAY, dtype=np.int32)
    if layer.fields[layer.time].type == "date":
        found = parse_numbers(raw, ">i4", count).astype(np.int64)
        none, days = found == np.iinfo(np.int32).max, found
    else:
        found = parse_numbers(raw, ">i8", count)
        none, days = found == np.iinfo(np.int64).max, found // DAY
    return np.where(none, NO_DAY, days + EPOCH).astype(np.int32)


def parse_numbers(raw: bytes | None, kind: str, count: int) -> np.ndarray:
    """The elements of an array as it travels: behind a head, each with its length in front."""
    if raw is None:
        return np.zeros(0, dtype=np.dtype(kind).newbyteorder("="))
    record = np.dtype([("length", ">i4"), ("value", kind)])
    return np.frombuffer(raw, dtype=record, count=count, offset=_HEAD)["value"].astype(np.dtype(kind).newbyteorder("="))
