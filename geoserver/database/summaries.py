"""Counts, facets, histograms and the choices and ranges of fields: what filter controls show.

A summary is one scan, however many fields it has: the bins of a histogram are laid over the range of the whole layer,
which is known beforehand, so that they stay where they are when a filter changes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from psycopg.sql import SQL, Composable, Identifier, Placeholder

from geoserver.database.queries import Condition, show, table_of
from geoserver.database.steady import hold
from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.fieldtypes import FieldType
    from geoserver.model import Field, Layer

__all__ = ["MAX_CHOICES", "Range", "know_choices", "read_choices", "read_ranges", "show_range", "summarise"]

BINS = 40
MAX_CHOICES = 100
_YEAR_1, _YEAR_9999 = -62_135_596_800, 253_402_300_799  # what Python's times can hold, in seconds since 1970
_INT64 = 2**63
_KEPT = 512  # answers per database; one is a few kilobytes

type Number = int | float
type Summary = dict[str, Any]
type _Question = tuple[object, ...]  # the layer's id, and what is asked of it
type _State = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """Least and greatest value of a field; times as seconds since 1970 (UTC), whole for timestamps and dates."""

    low: Number
    high: Number


class _Answers:
    """The latest answers for one database, each with the state of the layer that it is about.

    A new answer takes the place of the old one to the same question, so that a layer that changes again and again does
    not push out what is known of others.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[_Question, tuple[_State, Any]] = OrderedDict()

    def get(self, question: _Question, state: _State) -> Any:
        known = self._kept.get(question)
        if known is None or known[0] != state:
            return None
        self._kept.move_to_end(question)
        return known[1]

    def put(self, question: _Question, state: _State, answer: Any) -> Any:
        self._kept[question] = state, answer
        self._kept.move_to_end(question)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return answer


_answers: WeakKeyDictionary[Database, _Answers] = WeakKeyDictionary()


async def summarise(
    database: Database,
    layer: Layer,
    status: LayerStatus,
    where: Condition,
    fields: Sequence[Field],
    *,
    whole: Condition,
    told: bool = False,
) -> Summary:
    """count, facets {field: [{value, count}]} and histograms {field: {min, max, bins: [{from, to, count}]}}.

    Fields with `filter = "range"`, and other numbers and times that are no choice, get a histogram; the rest a facet of
    the most frequent values. What is `told` of each version is kept apart from what is asked for, which may go by one
    that is held.
    """
    names = tuple(item.name for item in fields)
    answers, state = _kept(database), _state(layer, status)
    question = (layer.id, layer.scope, "told" if told else "summary", where.canonical, names)
    if (known := answers.get(question, state)) is not None:
        return known  # type: ignore[no-any-return]  # what `put` was given below
    ranges = await read_ranges(database, layer, status, [item for item in fields if _has_range(item)], whole)
    scales = {item.name: _Scale.over(item, ranges[item.name]) for item in fields if _has_range(item)}
    rows = await _scan(database, layer, where, fields, scales)
    found: dict[str, list[tuple[Any, int]]] = {name: [] for name in names}
    total = 0
    for row in rows:
        if row["field"] is None:
            total = row["count"]
        else:
            name = names[row["field"]]
            found[name].append((row[f"v{row['field']}"], row["count"]))
    facets = {name: _facet(found[name]) for name in names if name not in scales}
    histograms = {name: scale.bins(dict(found[name])) for name, scale in scales.items()}
    answer: Summary = {"count": total, "facets": facets, "histograms": histograms}
    return answers.put(question, state, answer)  # type: ignore[no-any-return]  # `put` gives back what it is given


async def read_choices(
    database: Database,
    layer: Layer,
    status: LayerStatus,
    fields: Sequence[Field],
    whole: Condition,
    *,
    most: int = MAX_CHOICES,
) -> dict[str, list[dict[str, Any]]]:
    """The values of each field with their counts over the whole layer, most frequent first, at most `most` each.

    `whole` leaves the rows that the reader may see.
    """
    answers, names = _kept(database), tuple(item.name for item in fields)
    question, state = (layer.id, layer.scope, "choices", names, most), _state(layer, hold(database, layer, status))
    if (known := answers.get(question, state)) is not None:
        return known  # type: ignore[no-any-return]  # what `put` was given below
    choices: dict[str, list[dict[str, Any]]] = {}
    for item in fields:
        query = SQL(
            "SELECT {column} AS value, count(*) AS count FROM {table} WHERE {whole}"
            " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(limit)s"
        ).format(column=show(item.name, item.type), table=table_of(layer.table), whole=whole.sql)
        choices[item.name] = await database.fetch(query, {**whole.params, "limit": most})
    return answers.put(question, state, choices)  # type: ignore[no-any-return]  # `put` gives back what it is given


def know_choices(
    database: Database, layer: Layer, status: LayerStatus, fields: Sequence[Field], most: int = MAX_CHOICES
) -> dict[str, list[dict[str, Any]]] | None:
    """What `read_choices` gives, where it was asked before; None where it was not."""
    known: dict[str, list[dict[str, Any]]] | None = _kept(database).get(
        (layer.id, layer.scope, "choices", tuple(item.name for item in fields), most),
        _state(layer, hold(database, layer, status)),
    )
    return known


async def read_ranges(
    database: Database, layer: Layer, status: LayerStatus, fields: Sequence[Field], whole: Condition
) -> dict[str, Range | None]:
    """Least and greatest finite value of each field over the whole layer; None for a field without any.

    `whole` leaves the rows that the reader may see.
    """
    answers = _kept(database)
    question, state = (layer.id, layer.scope, "ranges"), _state(layer, hold(database, layer, status))
    ranges: dict[str, Range | None] = answers.get(question, state) or {}
    if missing := [item for item in fields if item.name not in ranges]:
        columns = [
            SQL("({}) AS {}, ({}) AS {}").format(
                _extreme("min", item, layer, whole),
                Identifier(f"l{i}"),
                _extreme("max", item, layer, whole),
                Identifier(f"h{i}"),
            )
            for i, item in enumerate(missing)
        ]
        row = await database.fetch_row(SQL("SELECT {}").format(SQL(", ").join(columns)), whole.params or None) or {}
        ranges = ranges | {item.name: _range(item, row[f"l{i}"], row[f"h{i}"]) for i, item in enumerate(missing)}
        answers.put(question, state, ranges)
    return {item.name: ranges[item.name] for item in fields}


def show_range(item: Field, extent: Range | None) -> dict[str, Any]:
    """`min` and `max` of a field for people: numbers, or ISO 8601 texts; null when the layer has no value."""
    if extent is None:
        return {"min": None, "max": None}
    return {"min": _shown(item.type, extent.low), "max": _shown(item.type, extent.high)}


async def _scan(
    database: Database, layer: Layer, where: Condition, fields: Sequence[Field], scales: dict[str, _Scale]
) -> list[dict[str, Any]]:
    """One row per value of each field, and one with `field` null for the whole.

    The rows are first counted by all fields together, which PostgreSQL does in parallel and which leaves few of them;
    then these counts are added up per field.
    """
    values = [_value(item, scales) for item in fields]
    names = [SQL(f"v{i}") for i in range(len(fields))]
    inner = SQL("SELECT {values}count(*) AS n FROM {table} WHERE {condition} {group}").format(
        values=SQL("").join([SQL("{} AS {}, ").format(value, name) for value, name in zip(values, names, strict=True)]),
        table=table_of(layer.table),
        condition=where.sql,
        group=SQL("GROUP BY {}").format(SQL(", ").join([SQL(str(i + 1)) for i in range(len(names))]))
        if names
        else SQL(""),
    )
    which = [SQL("WHEN grouping({}) = 0 THEN {}").format(name, i) for i, name in enumerate(names)]
    outer = SQL(
        "SELECT {field} AS field, {names}coalesce(sum(n), 0)::bigint AS count FROM ({inner}) AS groups"
        " GROUP BY GROUPING SETS (({sets}))"
    ).format(
        field=SQL("CASE {} END").format(SQL(" ").join(which)) if which else SQL("NULL::int"),
        names=SQL("").join([SQL("{}, ").format(name) for name in names]),
        inner=inner,
        sets=SQL("), (").join([SQL(""), *names]),
    )
    edges = {f"edges_{name}": scale.edges() for name, scale in scales.items() if scale.size}
    return await database.fetch(outer, {**where.params, **edges})


def _kept(database: Database) -> _Answers:
    return _answers.setdefault(database, _Answers())


def _state(layer: Layer, status: LayerStatus) -> _State:
    """Changes with the rows, and with the types and controls of the fields, which need no load to change."""
    controls = tuple((item.name, item.type, item.filter) for item in layer.fields.values())
    return status.version, status.loaded_at, controls


def _has_range(item: Field) -> bool:
    return item.filter == "range" or (item.filter != "choice" and FIELD_TYPES[item.type].has_range)


def _is_time(item: Field) -> bool:
    return FIELD_TYPES[item.type].kind == "time"


def _extreme(which: Literal["min", "max"], item: Field, layer: Layer, whole: Condition) -> Composable:
    """The least or greatest finite value, by the field's index where it has one; times as seconds since 1970."""
    column, table = Identifier(item.name), table_of(layer.table)
    found = SQL("{}({})").format(SQL(which), column)
    kind = FIELD_TYPES[item.type]
    if kind.step and kind.kind == "number":  # whole numbers are all finite
        return SQL("SELECT {} FROM {} WHERE {}").format(found, table, whole.sql)
    # NaN is above infinity in PostgreSQL's order, so this leaves it out too.
    finite = SQL("{c} > '-Infinity' AND {c} < 'Infinity'").format(c=column)
    shown = SQL(kind.seconds).format(found)
    return SQL("SELECT {} FROM {} WHERE {} AND {}").format(shown, table, finite, whole.sql)


def _range(item: Field, low: Number | None, high: Number | None) -> Range | None:
    if low is None or high is None:
        return None
    return Range(math.floor(low), math.ceil(high)) if _is_time(item) else Range(low, high)


def _value(item: Field, scales: dict[str, _Scale]) -> Composable:
    """What a field is counted by: its value, or the number of the histogram's bin, counted from 1."""
    if item.name not in scales:
        return show(item.name, item.type)
    if not scales[item.name].size:
        return SQL("NULL::int")
    edges = SQL("{}::{}[]").format(Placeholder(f"edges_{item.name}"), SQL(FIELD_TYPES[item.type].column))
    return SQL("width_bucket({}, {})").format(Identifier(item.name), edges)


def _facet(counts: list[tuple[Any, int]]) -> list[dict[str, Any]]:
    ordered = sorted(counts, key=lambda pair: (-pair[1], pair[0] is None, str(pair[0])))
    return [{"value": value, "count": number} for value, number in ordered[:MAX_CHOICES]]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Bins of equal width: `size` of them, `step` wide, from `low`; whole numbers, seconds and days stay whole."""

    type: FieldType
    low: Number
    high: Number
    step: Number
    size: int

    @classmethod
    def over(cls, item: Field, extent: Range | None) -> _Scale:
        if extent is None:
            return cls(item.type, 0, 0, 1, 0)
        low, high = extent.low, extent.high
        unit = FIELD_TYPES[item.type].step
        if not unit:
            step = (high - low) / BINS
            # A range too narrow or too wide for doubles to divide is one bin.
            return cls(item.type, low, high, step, BINS) if 0 < step < math.inf else cls(item.type, low, high, 1, 1)
        count = (high - low) // unit + 1
        step = -(-count // BINS) * unit
        return cls(item.type, low, high, step, int(-(-(high - low + unit) // step)))

    def edges(self) -> list[Any]:
        """The lower ends of the bins, and what lies just above the last one, as values of the field's type.

        Above the last whole number that PostgreSQL holds there is nothing to be told apart from it.
        """
        above = math.nextafter(self.high, math.inf) if not FIELD_TYPES[self.type].step else self._edge(self.size)
        edges = [*map(self._edge, range(self.size)), above]
        return [_moment(self.type, value) for value in edges if value < _INT64 or not FIELD_TYPES[self.type].step]

    def bins(self, counts: dict[int | None, int]) -> dict[str, Any]:
        """The histogram from counts by bin (1 is the first); an empty one has no bins and null as its ends."""
        if not self.size:
            return {"min": None, "max": None, "bins": []}
        ends = [_shown(self.type, self._edge(i)) for i in range(self.size + 1)]
        bins = [{"from": ends[i], "to": ends[i + 1], "count": counts.get(i + 1, 0)} for i in range(self.size)]
        return {"min": _shown(self.type, self.low), "max": _shown(self.type, self.high), "bins": bins}

    def _edge(self, i: int) -> Number:
        edge = self.low + i * self.step
        return self.high if not FIELD_TYPES[self.type].step and i == self.size else edge


def _moment(kind: FieldType, value: Number) -> Number | date | datetime:
    """A number as it is, seconds since 1970 as a date or time; beyond Python's years 1 to 9999, the nearest of them."""
    if FIELD_TYPES[kind].kind != "time":
        return value
    moment = datetime.fromtimestamp(min(max(value, _YEAR_1), _YEAR_9999), UTC)
    return moment.date() if FIELD_TYPES[kind].column == "date" else moment


def _shown(kind: FieldType, value: Number) -> Number | str:
    """A value for people: numbers as they are, dates and times as ISO 8601."""
    moment = _moment(kind, value)
    return moment if isinstance(moment, int | float) else moment.isoformat().replace("+00:00", "Z")
