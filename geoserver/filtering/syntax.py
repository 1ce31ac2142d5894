"""The syntax tree of a filter, shaped like CQL2 JSON, and the limits that keep a hostile filter cheap.

Property   a declared field, or the geometry
Literal    text, number or truth value
Instant    a moment or a whole day, month or year, as its first and last microsecond in UTC
Interval   two ends, each an Instant, a Property, or None where it is open
Geometry   a shape in the CRS of the filter
Feature    the shape of a row of some layer, until it is looked up
Call       an operator or function over arguments, named as in CQL2 JSON
"""

from __future__ import annotations

import hashlib
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
    "Feature",
    "Geometry",
    "Instant",
    "Interval",
    "Literal",
    "Node",
    "Property",
    "UnknownFeaturesError",
    "check_text",
    "list_features",
    "to_json",
    "wrong",
]

INT64 = 2**63  # the first whole number that is no bigint
MAX_LENGTH = 16_000  # characters of a filter; ten times what a long one of the viewer takes
MAX_DEPTH = 50  # brackets, NOT and functions within each other
MAX_NODES = 3_000  # fields, values and operators
_LONG = 1_000  # bytes of a shape from which on a digest stands for it

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


@dataclass(frozen=True, slots=True)
class Feature:
    layer: str
    fid: int

    def __str__(self) -> str:
        return f"FEATURE('{self.layer}',{self.fid})"


type Node = Property | Literal | Instant | Interval | Geometry | Feature | Call


class UnknownFeaturesError(BadParameterError):
    """A filter names features whose shapes must be looked up first; who can, does, and builds it once more."""

    def __init__(self, features: tuple[Feature, ...]) -> None:
        self.features = features
        super().__init__(
            "filter", str(features[0]), "a filter that names no feature of a layer; here none is looked up"
        )


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


def list_features(node: Node) -> list[Feature]:
    """Every feature that the tree names, as often as it does."""
    found, pending = [], [node]
    while pending:
        match pending.pop():
            case Feature() as feature:
                found.append(feature)
            case Call(_, args):
                pending += args
    return found


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
            shape = wkb.hex() if len(wkb) <= _LONG else "#" + hashlib.blake2b(wkb, digest_size=16).hexdigest()
            return {"geometry": shape, "srid": srid, "column": column}
        case Feature(layer, fid):
            return {"feature": [layer, fid]}
        case Call(op, args):
            return {"op": op, "args": [to_json(arg) for arg in args]}
