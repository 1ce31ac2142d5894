"""Groups that rows can be counted by, and how each finds a row's place: of a value, a time, a number, an area.

A group is laid over the rows that a filter leaves, for buckets and bins follow their range; what comes of it is an
`Axis`, SQL that turns a row into a key and a key into the number of a value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson
from psycopg.rows import dict_row, tuple_row
from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder

from geoserver.database.buckets import choose_unit, lay_edges, number_bucket, start_bucket, write_day, write_moment
from geoserver.database.queries import Condition, show, show_list, table_of
from geoserver.errors import BadParameterError
from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import psycopg

    from geoserver.database.buckets import Unit
    from geoserver.database.status import LayerStatus
    from geoserver.database.summaries import Range
    from geoserver.model import Field, Layer

__all__ = [
    "MOST_AREAS",
    "MOST_BUCKETS",
    "RECURRENCES",
    "Areas",
    "Axis",
    "Category",
    "Group",
    "Numbers",
    "Recurring",
    "Source",
    "Times",
]

MOST_BUCKETS = 10_000
MOST_AREAS = 20_000
OTHERS, NONE = -1, -2  # in place of a value's number
_HOUR, _DAY = 3_600, 86_400
_FIRST = -210_866_803_200  # the first moment that PostgreSQL knows
_LATE = {"date": 185_331_707_078_400, "timestamp with time zone": 9_224_318_016_000}  # the first that it does not know
_INT64 = 2**63

type Recurrence = Literal["hour-of-day", "weekday", "month-of-year"]
type Document = dict[str, Any]
type Connection = psycopg.AsyncConnection[Any]
RECURRENCES: Mapping[Recurrence, tuple[str, range]] = {
    "hour-of-day": ("hour", range(24)),
    "weekday": ("isodow", range(1, 8)),
    "month-of-year": ("month", range(1, 13)),
}


class Source(NamedTuple):
    """What is grouped: rows of a layer under a condition."""

    layer: Layer
    status: LayerStatus
    where: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One group in the statement. `k0` (or `k1`) is its key there, from which its value's number is found."""

    key: Composable  # over the columns of the layer's table; of areas over those of `beside`
    place: Composable  # the number of the value, by the key and by `places`
    document: Callable[[Document], Document]  # the group in the answer, without words, from what the statement gave
    params: Mapping[str, object]
    places: Composable | None = None  # a query for each key's place, where these are not in the key itself
    beside: Composable | None = None  # a table of areas, which is joined to the rows by what touches
    told: Composable | None = None  # what the statement gives of the group beside the cells


@dataclass(frozen=True, slots=True)
class Category:
    """Values of a field, the most frequent `limit` of them, the rest as one."""

    item: Field
    limit: int

    async def lay(self, _: Connection, __: Source, at: int) -> Axis:
        order = SQL('k COLLATE "C"') if FIELD_TYPES[self.item.type].column == "text" else SQL("k")
        names: Mapping[str, Composable] = {"key": _name("k", at), "places": _name("places", at), "order": order}
        names = {**names, "limit": Placeholder(f"limit{at}"), "values": _name("values", at)}
        names = {**names, "distinct": _name("distinct", at)}
        places = SQL(
            "SELECT k, row_number() OVER (ORDER BY n DESC, {order}) - 1 AS place FROM"
            " (SELECT {key} AS k, sum(n) AS n FROM cells WHERE {key} IS NOT NULL GROUP BY 1) AS counted"
        ).format(**names)
        place = SQL(
            "CASE WHEN {places}.place < {limit} THEN {places}.place WHEN {key} IS NULL THEN -2 ELSE -1 END"
        ).format(**names)
        told = SQL(
            "(SELECT json_agg(k ORDER BY place) FROM {places} WHERE place < {limit})::text AS {values},"
            " (SELECT count(*) FROM {places}) AS {distinct}"
        ).format(**names)

        def document(row: Document) -> Document:
            values, distinct = orjson.loads(row[f"values{at}"] or b"[]"), row[f"distinct{at}"]
            return {"kind": "category", "values": values, "distinct": distinct, "others": distinct - len(values)}

        return Axis(
            key=show(self.item.name, self.item.type),
            place=place,
            document=document,
            params={f"limit{at}": self.limit},
            places=places,
            told=told,
        )


@dataclass(frozen=True, slots=True)
class Times:
    """Buckets of time that follow each other; without a unit of the finest of which there are not too many.

    `whole` is the range of all rows that the reader may see, by which a first or last bucket is known as incomplete.
    """

    item: Field
    unit: Unit | None
    whole: Range | None = None

    async def lay(self, connection: Connection, source: Source, at: int) -> Axis:
        ends = await _read_ends(connection, source, self.item)
        column = FIELD_TYPES[self.item.type].column
        if ends is None:
            empty: Document = {"kind": "time", "bucket": self.unit, "values": [], "ends": [], "incomplete": []}
            return _build_steps(self.item, [], at, empty)
        unit = self.unit or choose_unit(*ends, days=column == "date")
        first, last = (number_bucket(unit, end) for end in ends)
        if last - first >= MOST_BUCKETS:
            expected = f"at most {MOST_BUCKETS:,} buckets: longer ones, {self.item.name}:auto, or a filter of less time"
            raise BadParameterError("group", f"{self.item.name}:{unit}", expected)
        starts = [start_bucket(unit, number) for number in range(first, last + 2)]
        write = write_moment if unit == "hour" else write_day
        told = [write(second) for second in starts]
        document = {"kind": "time", "bucket": unit, "values": told[:-1], "ends": told[1:]}
        document["incomplete"] = [told[number] for number in self._find_incomplete(unit, starts)]
        late = _LATE[column]
        edges = ["infinity" if second >= late else write_moment(max(second, _FIRST)) for second in starts]
        return _build_steps(self.item, edges, at, document)

    def _find_incomplete(self, unit: Unit, starts: Sequence[int]) -> list[int]:
        """Numbers of the first and last bucket where all that there is begins later or ends earlier than they do.

        By the minute of hours, by the hour of days, and by the day of whatever is longer.
        """
        if self.whole is None or (unit == "day" and FIELD_TYPES[self.item.type].column == "date"):
            return []
        grain = {"hour": 60, "day": _HOUR}.get(unit, _DAY)
        low, high = math.floor(self.whole.low) // grain * grain, math.floor(self.whole.high) // grain * grain + grain
        last = len(starts) - 2
        cut = [0] if starts[0] < low < starts[1] else []
        return [*cut, last] if starts[last] < high < starts[last + 1] and last not in cut else cut


@dataclass(frozen=True, slots=True)
class Recurring:
    """Hours of the day, days of the week from Monday on, or months of the year, of whatever day or year."""

    item: Field
    unit: Recurrence

    async def lay(self, _: Connection, __: Source, at: int) -> Axis:
        part, values = RECURRENCES[self.unit]
        return Axis(
            key=SQL("extract({} FROM {})::int").format(SQL(part), Identifier(self.item.name)),
            place=SQL("coalesce({} - {}, -2)").format(_name("k", at), values.start),
            document=lambda _: {"kind": "time", "bucket": self.unit, "values": list(values)},
            params={},
        )


@dataclass(frozen=True, slots=True)
class Numbers:
    """At most so many bins of a number, of equal width, on round edges."""

    item: Field
    bins: int

    async def lay(self, connection: Connection, source: Source, at: int) -> Axis:
        ends = await _read_ends(connection, source, self.item)
        whole = bool(FIELD_TYPES[self.item.type].step)
        edges = lay_edges(*ends, self.bins, whole=whole) if ends else []
        bounds: list[float] = list(edges)
        if bounds and not whole:  # what is at the last edge is in the last bin
            bounds[-1] = math.nextafter(bounds[-1], math.inf)
        return _build_steps(self.item, bounds, at, {"kind": "number", "edges": edges})


@dataclass(frozen=True, slots=True)
class Areas:
    """Rows of a layer of polygons, of which the condition leaves those that the reader may see.

    A row of another layer is in all areas that its point, or a point on it, touches in Web Mercator, as maps show it.
    Names of the condition's values are not those of the other layer's condition.
    """

    source: Source
    names: Sequence[Field] = ()  # that title an area

    async def lay(self, connection: Connection, __: Source, at: int) -> Axis:
        layer, _, where = self.source
        named = SQL(", ") + show_list({item.name: item for item in self.names}) if self.names else SQL("")
        query = SQL("SELECT fid{} FROM {} WHERE {} ORDER BY fid LIMIT {}").format(
            named, table_of(layer.table), where.sql, MOST_AREAS + 1
        )
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, where.params, prepare=False)
            found = await cursor.fetchall()
        if len(found) > MOST_AREAS:
            raise BadParameterError("group", f"in:{layer.id}", f"a layer of at most {MOST_AREAS:,} areas")
        fids = [area.pop("fid") for area in found]
        beside = SQL("SELECT fid AS {}, geom_3857 AS {} FROM {} WHERE {}").format(
            _name("k", at), _name("area", at), table_of(layer.table), where.sql
        )
        places = SQL("SELECT k, place - 1 AS place FROM unnest({}::bigint[]) WITH ORDINALITY AS listed (k, place)")
        return Axis(
            key=_name("k", at),
            place=SQL("coalesce({}.place, -2)").format(_name("places", at)),
            document=lambda _: {"kind": "area", "layer": layer.id, "values": fids, "rows": found},
            params={**where.params, f"fids{at}": fids},
            places=places.format(Placeholder(f"fids{at}")),
            beside=beside,
        )


type Group = Category | Times | Recurring | Numbers | Areas


def _name(what: str, at: int) -> Identifier:
    return Identifier(f"{what}{at}")


def _build_steps(item: Field, edges: Sequence[object], at: int, document: Document) -> Axis:
    """Steps from edge to edge, each with its lower end; what is no number or time, or infinite, is in none."""
    column = SQL(FIELD_TYPES[item.type].column)
    held = [edge for edge in edges if not isinstance(edge, int) or edge < _INT64]
    key: Composed = SQL("width_bucket({}, {}::{}[])").format(Identifier(item.name), Placeholder(f"edges{at}"), column)
    place = SQL("CASE WHEN {key} BETWEEN 1 AND {last} THEN {key} - 1 ELSE -2 END")
    return Axis(
        key=key if edges else SQL("NULL::int"),
        place=place.format(key=_name("k", at), last=len(edges) - 1),
        document=lambda _: document,
        params={f"edges{at}": held} if edges else {},
    )


async def _read_ends(connection: Connection, source: Source, item: Field) -> tuple[Any, Any] | None:
    """Least and greatest finite value of the rows; times in whole seconds since 1970, rounded down."""
    kind = FIELD_TYPES[item.type]
    column, shown = Identifier(item.name), SQL("{}")
    finite: Composable = SQL("TRUE")
    if kind.kind == "time" or not kind.step:  # NaN is above infinity in PostgreSQL's order, so this leaves it out too
        finite = SQL("{c} > '-Infinity' AND {c} < 'Infinity'").format(c=column)
    if kind.column == "date":
        shown = SQL("({} - date '1970-01-01') * 86400::bigint")
    elif kind.kind == "time":
        shown = SQL("floor(extract(epoch FROM {}))::bigint")
    elif not kind.step:
        shown = SQL("{}::float8")
    query = SQL(
        "SELECT {low}, {high} FROM (SELECT min({column}) AS low, max({column}) AS high FROM {table}"
        " WHERE {where} AND {finite}) AS ends"
    ).format(
        low=shown.format(SQL("low")),
        high=shown.format(SQL("high")),
        column=column,
        table=table_of(source.layer.table),
        where=source.where.sql,
        finite=finite,
    )
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query, source.where.params, prepare=False)
        low, high = await cursor.fetchone() or (None, None)
    return None if low is None else (low, high)
