"""The syntax tree of a filter, shaped like CQL2 JSON, and the limits that keep a hostile filter cheap.

Property   a declared field, or the geometry
Literal    text, number or truth value
Instant    a moment or a whole day, month or year, as its first and last microsecond in UTC
Interval   two ends, each an Instant, a Property, or None where it is open
Geometry   a shape in the CRS of the filter
Call       an operator or function over arguments, named as in CQL2 JSON
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from geoserver.errors import BadParameterError

__all__ = [
    "INT64",
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_NODES",
    "SPATIAL",
    "TEMPORAL",
    "Call",
    "Geometry",
    "Instant",
    "Interval",
    "Literal",
    "Node",
    "Property",
    "check_text",
    "to_json",
    "wrong",
]

INT64 = 2**63  # the first whole number that is no bigint
MAX_LENGTH = 16_000  # characters of a filter; ten times what a long one of the viewer takes
MAX_DEPTH = 50  # brackets, NOT and functions within each other
MAX_NODES = 3_000  # fields, values and operators

SPATIAL = frozenset(
    ["s_contains", "s_crosses", "s_disjoint", "s_equals", "s_intersects", "s_overlaps", "s_touches", "s_within"]
)
TEMPORAL = frozenset(
    ["t_after", "t_before", "t_contains", "t_disjoint", "t_during", "t_equals", "t_finishedby", "t_finishes"]
) | frozenset(["t_intersects", "t_meets", "t_metby", "t_overlappedby", "t_overlaps", "t_startedby", "t_starts"])


@dataclass(frozen=True, slots=True)
class Property:
    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Instant:
    """A stretch of time, both ends included; a moment has equal ends."""

    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Interval:
    start: Instant | Property | None
    end: Instant | Property | None


@dataclass(frozen=True, slots=True)
class Geometry:
    """Well-known binary; `column` says which geometry column it is meant for, once that is known."""

    wkb: bytes
    srid: int = 0
    column: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    op: str
    args: tuple[Node, ...]


type Node = Property | Literal | Instant | Interval | Geometry | Call


def wrong(value: object, expected: str, parameter: str = "filter") -> BadParameterError:
    """The 400 that names the parameter, the value and what was expected instead."""
    return BadParameterError(parameter, value, expected)


def check_text(text: str, parameter: str, length: int = MAX_LENGTH) -> str:
    """The text itself; raises BadParameterError when it is too long or holds what PostgreSQL cannot store."""
    if len(text) > length:
        raise wrong(text, f"at most {length:,} characters; this has {len(text):,}", parameter)
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise wrong(text, "text without NUL characters and lone surrogates", parameter)
    return text


def to_json(node: Node) -> Any:  # noqa: PLR0911 - one case per kind of node
    """The tree as plain lists and values that serialise to the same bytes for the same meaning."""
    match node:
        case Property(name):
            return {"property": name}
        case Literal(int() as value) if abs(value) >= INT64:
            return {"number": str(value)}  # JSON as written here ends at 64 bits
        case Literal(value):
            return value
        case Instant(first, last):
            return {"instant": [first.isoformat(), last.isoformat()]}
        case Interval(start, end):
            return {"interval": [to_json(start) if start else "..", to_json(end) if end else ".."]}
        case Geometry(wkb, srid, column):
            return {"geometry": wkb.hex(), "srid": srid, "column": column}
        case Call(op, args):
            return {"op": op, "args": [to_json(arg) for arg in args]}
