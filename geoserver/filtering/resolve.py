"""Syntax tree + layer -> the same tree, proven and normal: names declared, types fitting, values coerced, order fixed.

Two filters that mean the same in an obvious way (spacing, case of keywords, order of operands, `5 < a` for `a > 5`)
come out equal, so that they share a cache entry and a prepared statement.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NoReturn
from typing import Literal as Choice

import orjson

from geoserver.fieldtypes import FIELD_TYPES
from geoserver.filtering.places import LONLAT, Reference, locate, merge, to_column
from geoserver.filtering.syntax import (
    SPATIAL,
    TEMPORAL,
    Call,
    Feature,
    Geometry,
    Instant,
    Interval,
    Literal,
    Node,
    Property,
    to_json,
    wrong,
)
from geoserver.filtering.times import INSTANT_FORMS, parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.model import Field, Layer

__all__ = ["GEOMETRY_NAMES", "Resolver", "join", "may_fail"]

type Kind = Choice["text", "number", "boolean", "time", "interval", "geometry", "condition"]

GEOMETRY_NAMES = frozenset({"geometry", "geom"})
ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "div", "^"})
_FLIPPED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_NOUNS = {
    "text": "a text in single quotes",
    "number": "a number",
    "boolean": "true or false",
    "time": f"a date or time ({INSTANT_FORMS})",
    "interval": "an interval",
    "geometry": "a geometry",
    "condition": "a condition",
}
_SWAPPED = {"s_contains": "s_within", "s_within": "s_contains"}
_MAX_ARITHMETIC = 50  # operations in one filter, so that no product of fields can outgrow what PostgreSQL computes with
_EXACT = 2**53
_MARKS = re.compile("[\u0300-\u036f]")


class Resolver:
    """Resolves the filters of one request against one layer; errors name the request's parameter."""

    def __init__(
        self, layer: Layer, srid: int, reference: Reference, features: Mapping[Feature, Geometry | None] = {}
    ) -> None:
        """`features` are the shapes of those that the filter names, in a column of this layer; None for no such one."""
        self._layer = layer
        self._srid = srid
        self._reference = reference
        self._features = features
        self._arithmetic = 0

    def condition(self, node: Node) -> Node:  # noqa: C901, PLR0911 - one case per operator
        """A tree that is true, false or unknown for every row; raises BadParameterError for anything else."""
        match node:
            case Call("and" | "or" as op, args):
                return join(op, [self.condition(arg) for arg in args])
            case Call("not", (arg,)):
                inner = self.condition(arg)
                return inner.args[0] if isinstance(inner, Call) and inner.op == "not" else Call("not", (inner,))
            case Call(op) if op in _FLIPPED:
                return self._comparison(node)
            case Call("between", (value, low, high)):
                return join("and", [self._compare(">=", value, low), self._compare("<=", value, high)])
            case Call("in", (value, *items)):
                return self._membership(value, items)
            case Call("like", (value, pattern)):
                return self._like(value, pattern)
            case Call("isNull", (value,)):
                return Call("isNull", (self.value(value)[0],))
            case Call(op, (left, right)) if op in SPATIAL:
                return self._spatial(op, left, right)
            case Call(op, (left, right)) if op in TEMPORAL:
                return self._temporal(op, left, right)
        value, kind = self.value(node)
        if kind != "boolean":
            raise wrong(_shown(node), "a condition, such as a comparison")
        return value

    def value(self, node: Node) -> tuple[Node, Kind]:  # noqa: C901, PLR0911 - one case per kind of value
        """A value with its kind."""
        match node:
            case Property(name) if name in GEOMETRY_NAMES:
                return Property("geometry"), "geometry"
            case Property(name):
                return node, FIELD_TYPES[self._field(name).type].kind
            case Literal(bool()):
                return node, "boolean"
            case Literal(str()):
                return node, "text"
            case Literal(int() | float() as number):
                return Literal(_plain(number)), "number"
            case Instant():
                return node, "time"
            case Interval():
                return self._interval(node), "interval"
            case Geometry():
                return node, "geometry"
            case Feature():
                return self._feature(node), "geometry"
            case Call("casei" | "accenti" as op, (arg,)):
                value, kind = self.value(arg)
                self._need(kind, "text", arg, f"{op.upper()}()")
                return Call(op, (value,)), "text"
            case Call(op, (left, right)) if op in ARITHMETIC:
                return self._calculation(op, left, right), "number"
        return self.condition(node), "condition"

    def _field(self, name: str) -> Field:
        field = self._layer.fields.get(name)
        if field is None:
            raise wrong(name, "one of the queryables " + ", ".join([*self._layer.fields, "geometry"]))
        return field

    # -- comparisons ----------------------------------------------------------------------------------------------

    def _comparison(self, node: Call) -> Node:
        return self._compare(node.op, node.args[0], node.args[1])

    def _compare(self, op: str, left_node: Node, right_node: Node) -> Node:
        left, left_kind = self.value(left_node)
        right, right_kind = self.value(right_node)
        if left_kind == "time" and right_kind == "text":
            right, right_kind = self._as_time(right, left), "time"
        if right_kind == "time" and left_kind == "text":
            left, left_kind = self._as_time(left, right), "time"
        if left_kind == "boolean" and isinstance(right, Literal) and right_kind == "number":
            right, right_kind = _as_truth(right), "boolean"
        if right_kind == "boolean" and isinstance(left, Literal) and left_kind == "number":
            left, left_kind = _as_truth(left), "boolean"
        if left_kind != right_kind:
            self._mismatch(left, left_kind, right, right_kind)
        if left_kind not in ("text", "number", "time", "boolean"):
            noun = _NOUNS[left_kind]
            raise wrong(_shown(left), f"something that {op} can compare; {noun} is not")
        if (_is_constant(left), _key(left)) > (_is_constant(right), _key(right)):
            left, right, op = right, left, _FLIPPED[op]
        return Call(op, (left, right))

    def _mismatch(self, left: Node, left_kind: Kind, right: Node, right_kind: Kind) -> NoReturn:
        """Name the constant of the two, or the right one, and say what the other side asks for."""
        if _is_constant(left) and not _is_constant(right):
            left, left_kind, right = right, right_kind, left
        raise wrong(_shown(right), f"{_NOUNS[left_kind]}, because it is compared with {_shown(left)}")

    def _as_time(self, text: Node, other: Node) -> Instant:
        if not isinstance(text, Literal) or not isinstance(text.value, str):
            raise wrong(_shown(text), f"{_NOUNS['time']}, because it is compared with {_shown(other)}")
        return parse_instant(text.value)

    def _membership(self, value: Node, items: list[Node]) -> Node:
        compared = [self._compare("=", value, item) for item in items]
        field = self.value(value)[0]
        literals = [item.args[1] for item in compared if isinstance(item, Call) and item.args[0] == field]
        plain = [item for item in literals if isinstance(item, Literal) and not isinstance(item.value, bool)]
        if not isinstance(field, Property) or len(plain) < len(items):
            return join("or", compared)
        options = sorted(set(plain), key=_key)
        return compared[0] if len(options) == 1 else Call("in", (field, *options))

    def _like(self, node: Node, pattern_node: Node) -> Node:
        value, kind = self.value(node)
        self._need(kind, "text", node, "LIKE")
        pattern, kind = self.value(pattern_node)
        self._need(kind, "text", pattern_node, "LIKE")
        inner = pattern
        while isinstance(inner, Call):
            inner = inner.args[0]
        if not isinstance(inner, Literal):
            raise wrong(_shown(pattern), "a pattern in single quotes, with % and _ as wildcards")
        plain = _MARKS.sub("", unicodedata.normalize("NFD", str(inner.value)))  # as ACCENTI does
        if (len(plain) - len(plain.rstrip("\\"))) % 2:
            raise wrong(inner.value, "a pattern that does not end in its escape character \\")
        return Call("like", (value, pattern))

    def _calculation(self, op: str, left_node: Node, right_node: Node) -> Node:
        self._arithmetic += 1
        if self._arithmetic > _MAX_ARITHMETIC:
            raise wrong(f"{op} ...", f"at most {_MAX_ARITHMETIC} arithmetic operations")
        left, left_kind = self.value(left_node)
        right, right_kind = self.value(right_node)
        self._need(left_kind, "number", left_node, op)
        self._need(right_kind, "number", right_node, op)
        return Call(op, (left, right))

    def _need(self, kind: Kind, wanted: Kind, node: Node, reader: str) -> None:
        if kind != wanted:
            raise wrong(_shown(node), f"{_NOUNS[wanted]}, because {reader} works on that")

    # -- space and time -------------------------------------------------------------------------------------------

    def _spatial(self, op: str, left_node: Node, right_node: Node) -> Node:
        (left, left_kind), (right, right_kind) = self.value(left_node), self.value(right_node)
        self._need(left_kind, "geometry", left_node, op.upper())
        self._need(right_kind, "geometry", right_node, op.upper())
        if isinstance(left, Geometry):
            left, right, op = right, left, _SWAPPED.get(op, op)
        return Call(op, (self._place(op, left), self._place(op, right)))

    def _place(self, op: str, node: Node) -> Node:
        """A literal in the CRS of the column that it is compared with, unless it is a property or there already."""
        if not isinstance(node, Geometry):
            return node
        shape = node if op in ("s_intersects", "s_disjoint") else merge(node)
        if shape.column:  # a feature's, or a box that came by `bbox`, in a CRS of its own
            return shape
        if shape.srid == LONLAT.srid:  # a circle, whatever the CRS of the filter
            return to_column(shape, LONLAT, self._srid)
        return to_column(locate(shape, self._reference), self._reference, self._srid)

    def _feature(self, node: Feature) -> Geometry:
        """In the same words, whether layer or row is not there or not for whom it is asked."""
        if (shape := self._features.get(node)) is None:
            raise wrong(str(node), "the name of a layer that has rows, and the id of one that has a geometry")
        return shape

    def _temporal(self, op: str, left_node: Node, right_node: Node) -> Node:
        arguments = []
        for node in (left_node, right_node):
            value, kind = self.value(node)
            if kind == "text":
                value, kind = self._as_time(value, Property(op)), "time"
            if kind not in ("time", "interval"):
                raise wrong(
                    _shown(node), f"a date, time, interval or such a field, because {op.upper()} compares those"
                )
            arguments.append(value)
        return Call(op, tuple(arguments))

    def _interval(self, node: Interval) -> Interval:
        for end in (node.start, node.end):
            if isinstance(end, Property) and self.value(end)[1] != "time":
                raise wrong(end.name, "a date or time field as the end of an interval")
        if isinstance(node.start, Instant) and isinstance(node.end, Instant) and node.start.first > node.end.last:
            raise wrong(f"{node.start.first.isoformat()}/{node.end.last.isoformat()}", "a start before the end")
        return node


def join(op: str, nodes: list[Node]) -> Node:
    """AND or OR over nodes in a fixed order, without repetition, taking in operands that are joined the same way."""
    flat: dict[str, Node] = {}
    for node in nodes:
        parts = node.args if isinstance(node, Call) and node.op == op else (node,)
        flat |= {_key(part): part for part in parts}
    ordered = [flat[key] for key in sorted(flat)]
    return ordered[0] if len(ordered) == 1 else Call(op, tuple(ordered))


def may_fail(node: Node) -> bool:
    """Whether the database may give up computing it for some values: arithmetic beyond its numbers, invalid shapes."""
    return isinstance(node, Call) and (node.op in ARITHMETIC or node.op in SPATIAL or any(map(may_fail, node.args)))


def _key(node: Node) -> str:
    return orjson.dumps(to_json(node)).decode()


def _as_truth(number: Literal) -> Literal:
    """GDAL writes truth as a number."""
    if number.value not in (0, 1):
        raise wrong(_shown(number), "true or false, because it is compared with one of them")
    return Literal(number.value == 1)


def _is_constant(node: Node) -> bool:
    return all(map(_is_constant, node.args)) if isinstance(node, Call) else not isinstance(node, Property)


def _plain(number: float) -> int | float:
    """1.0 as 1, so that both are one filter; big floats stay, because they are not exact."""
    return int(number) if isinstance(number, float) and number.is_integer() and abs(number) < _EXACT else number


def _shown(node: Node) -> str:
    """A node for an error message: short, and as people write it."""
    match node:
        case Property(name):
            return name
        case Literal(value):
            return repr(value) if isinstance(value, str) else str(value).lower()
        case Instant(first):
            return first.isoformat()
        case Call(op):
            return f"{op}(...)" if op[0].isalpha() else f"... {op} ..."
    return type(node).__name__.upper()
