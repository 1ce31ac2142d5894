"""A resolved tree -> an SQL condition with bound values; no text of a request ever becomes part of a query."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Identifier

from geoserver.fieldtypes import FIELD_TYPES
from geoserver.filtering.resolve import ARITHMETIC
from geoserver.filtering.syntax import (
    INT64,
    SPATIAL,
    TEMPORAL,
    Call,
    Geometry,
    Instant,
    Interval,
    Literal,
    Node,
    Property,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.model import Field

__all__ = ["Compiler", "Open"]


class Open(Enum):
    """The end of a stretch of time that has none there, as PostgreSQL writes it."""

    PAST = SQL("'-infinity'::")
    FUTURE = SQL("'infinity'::")


type End = datetime | Open | Property  # one end of a stretch of time

_COMPARISONS = {sign: SQL(f" {sign} ") for sign in ("=", "<>", "<", ">", "<=", ">=")}
_SPATIAL = {name: SQL(f"ST_{name[2:].capitalize()}") for name in SPATIAL}
_TRUE, _FALSE = SQL("TRUE"), SQL("FALSE")
# Unicode's full case folding, whatever the database's locale makes of letters; "default" leaves the order as it was.
_CASE = SQL(
    "(replace(replace(lower({} COLLATE \"und-x-icu\"), 'ß', 'ss'), 'ς', 'σ') COLLATE \"default\")"  # noqa: RUF001
)
# Letters are taken apart and lose their marks; those that are no letter with a mark have a sister without the stroke.
_ACCENTS = SQL(
    "translate(regexp_replace(normalize({}, NFD), U&'[\\0300-\\036F]', '', 'g'), 'ØøŁłĐđĦħŦŧıŊŋ', 'OoLlDdHhTtiNn')"
)
# NULL where there is no power, or one that would fill pages: 10 ^ 300 is the end. A query of its own names both sides.
_POWER = SQL(
    "(SELECT CASE WHEN a = 0 THEN CASE WHEN b > 0 THEN 0 WHEN b = 0 THEN 1 END"
    " WHEN a < 0 AND b <> trunc(b) THEN NULL WHEN abs(b) > 1e6 OR abs(b * ln(abs(a))) > 690 THEN NULL"
    " ELSE power(a, b) END FROM (SELECT {} AS a, {} AS b OFFSET 0) AS p)"
)
# A day as a moment; days go on for millions of years after the last moment that PostgreSQL knows.
_MIDNIGHT = SQL("(least({}, date '294276-12-31')::timestamp AT TIME ZONE 'UTC')")

# Allen's relations and their unions (OGC 21-065r2, table 8) over the ends of a and b: (end of a, sign, end of b).
_RELATIONS: dict[str, list[tuple[str, str, str]]] = {
    "t_after": [("start", ">", "end")],
    "t_before": [("end", "<", "start")],
    "t_contains": [("start", "<", "start"), ("end", ">", "end")],
    "t_during": [("start", ">", "start"), ("end", "<", "end")],
    "t_equals": [("start", "=", "start"), ("end", "=", "end")],
    "t_finishedby": [("start", "<", "start"), ("end", "=", "end")],
    "t_finishes": [("start", ">", "start"), ("end", "=", "end")],
    "t_intersects": [("start", "<=", "end"), ("end", ">=", "start")],
    "t_meets": [("end", "=", "start")],
    "t_metby": [("start", "=", "end")],
    "t_overlappedby": [("start", ">", "start"), ("start", "<", "end"), ("end", ">", "end")],
    "t_overlaps": [("start", "<", "start"), ("end", ">", "start"), ("end", "<", "end")],
    "t_startedby": [("start", "=", "start"), ("end", ">", "end")],
    "t_starts": [("start", "=", "start"), ("end", "<", "end")],
}


class Compiler:
    """Turns conditions into SQL and gathers their values in `params`, as f0, f1, ... (with another `prefix`, so)."""

    def __init__(self, fields: Mapping[str, Field], prefix: str = "f") -> None:
        self._fields = fields
        self._prefix = prefix
        self.params: dict[str, object] = {}

    def condition(self, node: Node) -> Composable:  # noqa: PLR0911 - one case per operator
        """A boolean expression over the columns of the layer's table."""
        match node:
            case Call("and" | "or" as op, args):
                return SQL("({})").format(SQL(f" {op.upper()} ").join([self.condition(arg) for arg in args]))
            case Call("not", (arg,)):
                return SQL("(NOT {})").format(self.condition(arg))
            case Call("in", (field, *items)):
                return self._membership(field, items)
            case Call("like", (value, pattern)):
                return SQL("({} LIKE {})").format(self._scalar(value), self._scalar(pattern))
            case Call("isNull", (value,)):
                return SQL("({} IS NULL)").format(self._any(value))
            case Call(op, (left, right)) if op in SPATIAL:
                return self._spatial(op, left, right)
            case Call(op, (left, right)) if op in TEMPORAL:
                return self._temporal(op, left, right)
            case Call(op, (left, right)) if op in _COMPARISONS:
                return self._comparison(op, left, right)
        return self._scalar(node)

    def _bind(self, value: object, kind: SQL) -> Composable:
        name = f"{self._prefix}{len(self.params)}"
        self.params[name] = value
        return SQL("%({})s::{}").format(SQL(name), kind)  # the cast keeps one prepared statement for every value

    # -- values ---------------------------------------------------------------------------------------------------

    def _any(self, node: Node) -> Composable:
        if node == Property("geometry"):
            return Identifier("geom")
        if isinstance(node, Instant):
            return self._bind(node.first, SQL("timestamptz"))
        if isinstance(node, Call | Literal | Property):
            return self._scalar(node) if not self._is_condition(node) else self.condition(node)
        return self._shape(node) if isinstance(node, Geometry) else _TRUE

    def _is_condition(self, node: Node) -> bool:
        return isinstance(node, Call) and node.op not in ARITHMETIC | {"casei", "accenti"}

    def _scalar(self, node: Node) -> Composable:  # noqa: PLR0911 - one case per kind of value
        match node:
            case Property(name):
                return Identifier(name)
            case Literal(bool() as value):
                return self._bind(value, SQL("boolean"))
            case Literal(str() as value):
                return self._bind(value, SQL("text"))
            case Literal(int() as value):
                return self._bind(value, SQL("bigint" if -INT64 <= value < INT64 else "numeric"))
            case Literal(value):
                return self._bind(value, SQL("float8"))
            case Call("casei", (Call("accenti", (arg,)),)):  # for which loads make an index
                return SQL("geoserver.fold({})").format(self._scalar(arg))
            case Call("casei", (arg,)):
                return _CASE.format(self._scalar(arg))
            case Call("accenti", (arg,)):
                return _ACCENTS.format(self._scalar(arg))
        return self._number(node)

    def _number(self, node: Node) -> Composable:
        """A number as `numeric`, which neither overflows nor rounds sums; dividing by zero gives NULL.

        At most 50 operations on numbers of at most 310 digits stay far below the 131,072 digits of `numeric`.
        """
        match node:
            case Literal(value):
                return self._bind(Decimal(str(value)), SQL("numeric"))
            case Call("/" | "%" as op, (left, right)):
                sign = SQL("%%") if op == "%" else SQL("/")
                return SQL("({} {} nullif({}, 0))").format(self._number(left), sign, self._number(right))
            case Call("^", (left, right)):
                return _POWER.format(self._number(left), self._number(right))
            case Call("div", (left, right)):
                return SQL("div({}, nullif({}, 0))").format(self._number(left), self._number(right))
            case Call(op, (left, right)):
                return SQL("({} {} {})").format(self._number(left), SQL(op), self._number(right))
        return SQL("{}::numeric").format(self._scalar(node))

    # -- comparisons ----------------------------------------------------------------------------------------------

    def _comparison(self, op: str, left: Node, right: Node) -> Composable:
        if self._is_time(left) or self._is_time(right):
            return self._compare_times(op, left, right)
        exact = any(isinstance(side, Call) and side.op in ARITHMETIC for side in (left, right))
        read = self._number if exact else self._scalar
        return SQL("({}{}{})").format(read(left), _COMPARISONS[op], read(right))

    def _membership(self, field: Node, items: list[Node]) -> Composable:
        values = [item.value for item in items if isinstance(item, Literal)]
        if all(isinstance(value, str) for value in values):
            kind = "text[]"
        elif any(isinstance(value, float) for value in values):
            kind, values = "float8[]", [float(value) for value in values]
        elif all(isinstance(value, int) and -INT64 <= value < INT64 for value in values):
            kind = "bigint[]"
        else:
            kind = "numeric[]"
        return SQL("({} = ANY({}))").format(self._scalar(field), self._bind(values, SQL(kind)))

    def _is_time(self, node: Node) -> bool:
        if isinstance(node, Property):
            return node.name in self._fields and FIELD_TYPES[self._fields[node.name].type].kind == "time"
        return isinstance(node, Instant)

    # -- space ----------------------------------------------------------------------------------------------------

    def _spatial(self, op: str, left: Node, right: Node) -> Composable:
        """PostGIS' own predicate: it brings `&&` on the indexed column along, and then looks exactly."""
        column = right.column if isinstance(right, Geometry) else "geom"
        one, other = (self._shape(side) if isinstance(side, Geometry) else Identifier(column) for side in (left, right))
        return SQL("{}({}, {})").format(_SPATIAL[op], one, other)

    def near(self, node: Node) -> Composable | None:
        """What an index can tell of a spatial condition, which fails for no shape; None where it tells nothing."""
        match node:
            case Call(op, (_, Geometry(_, _, column) as shape)) if op in SPATIAL and op != "s_disjoint" and column:
                return SQL("({} && {})").format(Identifier(column), self._shape(shape))
        return None

    def _shape(self, node: Geometry) -> Composable:
        return SQL("ST_GeomFromWKB({}, {})").format(
            self._bind(node.wkb, SQL("bytea")), self._bind(node.srid, SQL("int"))
        )

    # -- time -----------------------------------------------------------------------------------------------------

    def _compare_times(self, op: str, left: Node, right: Node) -> Composable:
        """A field with a moment or a whole day; `>` means after its end, `>=` from its start on."""
        if not isinstance(right, Instant) or isinstance(left, Instant):
            return self._compare_ends(_first(left), op, _first(right))
        match op:
            case "=" | "<>":
                within = self._all([(left, ">=", right.first), (left, "<=", right.last)])
                if right.first == right.last:
                    within = self._compare_ends(_first(left), "=", right.first)
                return within if op == "=" else SQL("(NOT {})").format(within)
            case "<" | ">=":
                return self._compare_ends(_first(left), op, right.first)
        return self._compare_ends(_first(left), op, right.last)

    def _temporal(self, op: str, left: Node, right: Node) -> Composable:
        if op == "t_disjoint":
            return SQL("(NOT {})").format(self._temporal("t_intersects", left, right))
        if op == "t_equals" and isinstance(left, Instant) != isinstance(right, Instant):
            op = "t_intersects" if not isinstance(left, Interval) and not isinstance(right, Interval) else op
        ends = {"start": (_first(left), _first(right)), "end": (_last(left), _last(right))}
        return self._all([(ends[a][0], sign, ends[b][1]) for a, sign, b in _RELATIONS[op]])

    def _all(self, comparisons: list[tuple[Node | End, str, Node | End]]) -> Composable:
        parts = [self._compare_ends(_first(left), sign, _first(right)) for left, sign, right in comparisons]
        return SQL("({})").format(SQL(" AND ").join(parts))

    def _compare_ends(self, left: End, sign: str, right: End) -> Composable:
        if not isinstance(left, Property) and not isinstance(right, Property):
            return _TRUE if _holds(left, sign, right) else _FALSE
        if not isinstance(left, Property):
            left, sign, right = right, {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(sign, sign), left
        assert isinstance(left, Property)  # noqa: S101 - two moments were compared above
        if isinstance(right, Property):
            return SQL("({}{}{})").format(
                self._time_column(left, right), _COMPARISONS[sign], self._time_column(right, left)
            )
        if self._holds_days(left):
            return self._compare_day(left, sign, right)
        return self._bound(left, sign, right, SQL("timestamptz"))

    def _bound(self, field: Property, sign: str, end: datetime | Open, kind: SQL) -> Composable:
        """A time field beside a moment."""
        return SQL("({}{}{})").format(Identifier(field.name), _COMPARISONS[sign], self._moment(end, kind))

    def _holds_days(self, node: Property) -> bool:
        return FIELD_TYPES[self._fields[node.name].type].column == "date"

    def _compare_day(self, left: Property, sign: str, end: datetime | Open) -> Composable:
        """A date field counts as its first moment (UTC); the bound becomes a date, so that an index serves."""
        if isinstance(end, datetime) and end != end.replace(hour=0, minute=0, second=0, microsecond=0):
            if sign == "=":
                return SQL("({} IS NULL AND NULL)").format(Identifier(left.name))
            sign = {"<": "<=", ">=": ">"}.get(sign, sign)  # what began before a time of the day, began with it
        return self._bound(left, sign, end, SQL("date"))

    def _moment(self, end: datetime | Open, kind: SQL) -> Composable:
        if isinstance(end, Open):
            return end.value + kind
        value: date = end.date() if kind == SQL("date") else end
        return self._bind(value, kind)

    def _time_column(self, field: Property, other: Property) -> Composable:
        if self._holds_days(other) or not self._holds_days(field):
            return Identifier(field.name)
        return _MIDNIGHT.format(Identifier(field.name))


def _first(node: Node | End) -> End:
    return _end(node, "first")


def _last(node: Node | End) -> End:
    return _end(node, "last")


def _end(node: Node | End, side: str) -> End:
    match node:
        case datetime() | Open() | Property():
            return node
        case Instant(first, last):
            return first if side == "first" else last
        case Interval(start, end):
            bound = start if side == "first" else end
            if bound is None:
                return Open.PAST if side == "first" else Open.FUTURE
            return _end(bound, side)
    raise AssertionError(f"{node!r} is no time")


def _holds(left: datetime | Open, sign: str, right: datetime | Open) -> bool:
    one, other = _rank(left), _rank(right)
    order = (one > other) - (one < other)
    return {"=": order == 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0, "<>": order != 0}[sign]


def _rank(end: datetime | Open) -> tuple[int, datetime]:
    """By which ends are compared."""
    if isinstance(end, Open):
        return (-1, datetime.min) if end is Open.PAST else (1, datetime.min)
    return 0, end.replace(tzinfo=None)
