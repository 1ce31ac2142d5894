"""CQL2 JSON -> syntax tree (OGC 21-065r2)."""

from __future__ import annotations

from typing import Any

import orjson

from geoserver.filtering.areas import FUNCTIONS, parse_function
from geoserver.filtering.cql2_text import interval_end
from geoserver.filtering.places import parse_box, parse_geojson
from geoserver.filtering.syntax import (
    MAX_DEPTH,
    MAX_NODES,
    SPATIAL,
    TEMPORAL,
    Call,
    Geometry,
    Instant,
    Interval,
    Literal,
    Node,
    Property,
    check_text,
    wrong,
)
from geoserver.filtering.times import parse_instant

__all__ = ["parse"]

# The names of the standard; in lower case, as the text has them, they are understood, too.
_CAMEL = ("t_finishedBy", "t_metBy", "t_overlappedBy", "t_startedBy")
_OPERATORS = {name: name.lower() for name in _CAMEL}
_COUNTS: dict[str, tuple[int, int]] = (  # operator -> fewest and most arguments
    dict.fromkeys(("and", "or"), (2, MAX_NODES))
    | dict.fromkeys(("not", "isNull", "casei", "accenti"), (1, 1))
    | dict.fromkeys(("=", "<>", "<", ">", "<=", ">=", "like", "in"), (2, 2))
    | dict.fromkeys(("+", "-", "*", "/", "%", "div", "^"), (2, 2))
    | dict.fromkeys(SPATIAL | TEMPORAL, (2, 2))
    | {"between": (3, 3)}
)


def parse(text: str) -> Node:
    """The tree of a filter in CQL2 JSON; raises BadParameterError that names what is wrong."""
    try:
        document = orjson.loads(check_text(text, "filter"))
    except orjson.JSONDecodeError as error:
        raise wrong(text, f"JSON ({error})") from error
    return _Reader().read(document)


class _Reader:
    def __init__(self) -> None:
        self._nodes = 0

    def read(self, item: Any, depth: int = 0) -> Node:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise wrong("{...}", f"at most {MAX_DEPTH} levels")
        if self._nodes > MAX_NODES:
            raise wrong("{...}", f"at most {MAX_NODES:,} fields, values and operators")
        match item:
            case bool() | int() | float():
                return Literal(item)
            case str():
                return Literal(check_text(item, "filter"))
            case {"op": str(op), "args": list(arguments)}:
                return self._call(op, arguments, depth + 1)
            case {"property": str(name)}:
                return Property(check_text(name, "filter"))
            case dict():
                return self._value(item, depth + 1)
        raise wrong(_shown(item), "an operator, a property or a value of CQL2 JSON")

    def _call(self, written: str, arguments: list[Any], depth: int) -> Node:
        op = _OPERATORS.get(written, written)
        if op in FUNCTIONS:
            return parse_function(op, [self.read(argument, depth) for argument in arguments])
        if op not in _COUNTS:
            names = [name for name in _COUNTS if name not in _OPERATORS.values()]
            raise wrong(op, "one of the operators " + ", ".join([*names, *_OPERATORS, *FUNCTIONS]))
        fewest, most = _COUNTS[op]
        if not fewest <= len(arguments) <= most:
            raise wrong(
                _shown({"op": op, "args": arguments}), f"{fewest}{' or more' if most > fewest else ''} arguments"
            )
        if op == "in":
            if not isinstance(arguments[1], list) or not arguments[1]:
                raise wrong(_shown(arguments[1]), "a list of values as the second argument of in")
            arguments = [arguments[0], *arguments[1]]
        return Call(op, tuple(self.read(argument, depth) for argument in arguments))

    def _value(self, item: dict[str, Any], depth: int) -> Instant | Interval | Geometry:
        match item:
            case {"date": str(text)} | {"timestamp": str(text)}:
                return parse_instant(text)
            case {"interval": [start, end]}:
                return Interval(interval_end(self.read(start, depth)), interval_end(self.read(end, depth)))
            case {"bbox": list(numbers)}:
                if len(numbers) not in (4, 6) or not all(type(number) in (int, float) for number in numbers):
                    raise wrong(_shown(numbers), "4 or 6 numbers")
                return parse_box([float(number) for number in numbers])
            case {"type": str(), "coordinates": _} | {"type": str(), "geometries": _}:
                return parse_geojson(item, _shown(item))
        raise wrong(_shown(item), "a date, timestamp, interval, bbox, property, operator or GeoJSON geometry")


def _shown(item: Any) -> str:
    """The item as JSON, for errors; they are as deep as a client likes, and orjson writes no more than 254 levels."""
    try:
        return orjson.dumps(item).decode()
    except orjson.JSONEncodeError:
        return "[...]" if isinstance(item, list) else "{...}"
