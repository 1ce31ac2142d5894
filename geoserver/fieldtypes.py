"""What a type of field is: one entry each, from which columns, files, filters, tiles and documents follow.

A new type is its name in `FieldType` and an entry in `FIELD_TYPES`. SQL is text here, with `{0}` for a column.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal, LiteralString

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FIELD_TYPES", "MAX_TEXT", "FieldType", "Kind", "Scalar", "TypeOf", "type_of_column"]

FieldType = Literal["text", "integer", "number", "boolean", "date", "timestamp"]
type Kind = Literal["text", "number", "boolean", "time"]
type Scalar = str | int | float | bool

MAX_TEXT = 1_000  # characters of a text that a request gives


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeOf:
    """What the house needs to know of one type."""

    kind: Kind  # what its values are to a filter, and which controls fit
    column: LiteralString  # the type of its columns, as PostgreSQL's `format_type` names it
    also: tuple[str, ...] = ()  # other types of columns that are served as this one
    arrow: str  # Arrow's name of the type of its values in files; times are in UTC
    schema: Mapping[str, str]  # JSON Schema of a value in an answer
    json: LiteralString = "{0}"  # a column as JSON can hold it
    tile: LiteralString = ""  # a column as a tile holds it; empty: as it is
    travels: str = ""  # numpy's name of a value on the way into a tile; empty for what is text there
    day: LiteralString = ""  # a time's day as text, in UTC
    seconds: LiteralString = "{0}"  # a value as a number; of times seconds since 1970
    step: int = 0  # between two values that follow each other, in that number; 0 where there is always one between
    cursor: re.Pattern[str]  # a value as PostgreSQL writes it
    expected: str  # of a value in a request
    described: str = ""  # how a tile holds it, for people; empty: the name of the type
    parse: Callable[[str], Scalar]  # a value in a request, as JSON holds it; raises ValueError or OverflowError

    @property
    def has_range(self) -> bool:
        """There is a least and a greatest, and what lies between."""
        return self.kind in ("number", "time")


def type_of_column(name: str, declared: FieldType) -> FieldType | None:
    """The type as which a column of this type is served: the declared one where it fits, else the first that does.

    None where the column cannot be served.
    """
    fitting = [kind for kind, entry in FIELD_TYPES.items() if name in (entry.column, *entry.also)]
    return declared if declared in fitting else next(iter(fitting), None)


_INTEGER = re.compile(r"[+-]?\d{1,15}", re.ASCII)  # a JSON number that every reader takes exactly
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_ENDLESS = "-?infinity"


def _parse_text(text: str) -> str:
    if len(text) > MAX_TEXT or "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError(text)
    return text


def _parse_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _parse_number(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) and len(text) <= MAX_TEXT else math.nan
    if not math.isfinite(value):
        raise ValueError(text)
    return value + 0.0  # -0 and 0 are one value


def _parse_boolean(text: str) -> bool:
    """GDAL writes truth as a number."""
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")


def _parse_date(text: str) -> str:
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text).isoformat()


def _parse_timestamp(text: str) -> str:
    """A time without an offset is UTC, as everywhere here."""
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text.upper())
    in_utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return in_utc.isoformat().replace("+00:00", "Z")


# Rows that other programs wrote may hold NaN, and times that have no place in Python: infinity, or a year 20000.
FIELD_TYPES: Mapping[FieldType, TypeOf] = {
    "text": TypeOf(
        kind="text",
        column="text",
        also=("character varying",),
        arrow="string",
        schema={"type": "string"},
        cursor=re.compile(r"[^\0]*"),
        expected=f"text of at most {MAX_TEXT:,} characters",
        parse=_parse_text,
    ),
    "integer": TypeOf(
        kind="number",
        column="bigint",
        also=("integer", "smallint"),
        arrow="int64",
        schema={"type": "integer"},
        travels=">i8",
        step=1,
        cursor=re.compile(r"-?\d{1,19}", re.ASCII),
        expected="a whole number of at most 15 digits",
        parse=_parse_integer,
    ),
    "number": TypeOf(
        kind="number",
        column="double precision",
        also=("real",),
        arrow="double",
        schema={"type": "number"},
        # NaN is above infinity in PostgreSQL's order.
        json="CASE WHEN {0} > '-Infinity' AND {0} < 'Infinity' THEN {0} END",
        travels=">f8",
        cursor=re.compile(r"-?(\d{1,17}(\.\d{1,25})?(e[+-]\d{1,3})?|Infinity)|NaN", re.ASCII),
        expected="a number",
        parse=_parse_number,
    ),
    "boolean": TypeOf(
        kind="boolean",
        column="boolean",
        arrow="bool",
        schema={"type": "boolean"},
        travels="?",
        cursor=re.compile("true|false"),
        expected="true or false",
        parse=_parse_boolean,
    ),
    "date": TypeOf(
        kind="time",
        column="date",
        arrow="date32[day]",
        schema={"type": "string", "format": "date"},
        json="CASE WHEN isfinite({0}) THEN to_json({0}) #>> '{{}}' END",
        # Every connection writes dates as ISO 8601 does; beyond what `to_char` can write, too.
        tile="CASE WHEN isfinite({0}) THEN {0}::text END",
        day="{0}::text",
        seconds="({0} - date '1970-01-01') * 86400.0::float8",  # the last days that PostgreSQL knows have no time
        step=86_400,
        cursor=re.compile(rf"\d{{4,7}}-\d\d-\d\d( BC)?|{_ENDLESS}", re.ASCII),
        expected="a day such as 2024-05-31",
        described="date as ISO 8601 text",
        parse=_parse_date,
    ),
    "timestamp": TypeOf(
        kind="time",
        column="timestamp with time zone",
        arrow="timestamp[us]",
        schema={"type": "string", "format": "date-time"},
        json="CASE WHEN isfinite({0}) THEN (to_json({0} AT TIME ZONE 'UTC') #>> '{{}}') || 'Z' END",
        # Seconds without fractions and always in UTC: such texts compare as the times do.
        tile="""to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')""",
        day="CASE WHEN isfinite({0}) THEN ({0} AT TIME ZONE 'UTC')::date::text END",
        seconds="date_part('epoch', {0})",
        step=1,
        cursor=re.compile(rf"\d{{4,6}}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{{1,6}})?\+00( BC)?|{_ENDLESS}", re.ASCII),
        expected="a time such as 2024-05-31T12:00:00Z",
        described="timestamp as ISO 8601 text in UTC",
        parse=_parse_timestamp,
    ),
}
