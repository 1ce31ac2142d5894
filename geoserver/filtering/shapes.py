"""Geometries as clients write them, read and checked in plain Python before any library sees them.

GEOS is C++: what it does not expect there ends the process, not the request (`segmentize` of a multi-geometry with an
empty part; a collection a thousand levels deep). So no text of a client is parsed by it. What comes out of here is
well-known binary of a geometry that

- is flat: two dimensions, a collection holds no collection, and no curve or surface other than a polygon
- has no empty part at any level, lines of at least two positions, closed rings of at least four
- has finite coordinates of a size that some CRS has, and no more vertices than `MAX_VERTICES`

which is all that reading it, `is_valid`, `normalize`, `segmentize` and PostGIS' predicates rely on.
"""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MAX_VERTICES", "ShapeError", "is_sound", "read_geojson", "read_wkt"]

MAX_VERTICES = 10_000  # a filter as long as it may be has room for half of them
_LARGEST = 1e12  # beyond any CRS
_DEEPEST = 8  # collections within collections
_COLLECTION = "GeometryCollection"
_CODES = {"Point": 1, "LineString": 2, "Polygon": 3, "MultiPoint": 4, "MultiLineString": 5, "MultiPolygon": 6}
_CODE_OF_COLLECTION = 7
_LEVELS = {"Point": 0, "LineString": 1, "MultiPoint": 1, "Polygon": 2, "MultiLineString": 2, "MultiPolygon": 3}
_PARTS = {"MultiPoint": "Point", "MultiLineString": "LineString", "MultiPolygon": "Polygon"}
_SHORTEST_RING = 4
_NAMES = {name.upper(): name for name in [*_CODES, _COLLECTION]}
_TOKEN = re.compile(
    r"\s*(?:([A-Za-z]+)|([(),])|([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,5})?)(?![\w.]))", re.ASCII
)
_NOT_A_NUMBER = ("NAN", "INF", "INFINITY")
_NOT_EMPTY = "not empty in any part"

type Position = Sequence[float]
type Shape = tuple[str, list[Any]]  # a kind with its coordinates nested as in GeoJSON; a collection with its members


class ShapeError(Exception):
    """What was expected of a geometry."""


def read_wkt(text: str) -> bytes:
    """Well-known text; raises ShapeError."""
    return _write(_WktReader(text).read())


def read_geojson(item: dict[str, Any]) -> bytes:
    """A GeoJSON geometry; raises ShapeError."""
    return _write(_read_geojson(item))


def is_sound(number: float) -> bool:
    """Whether a number can be a coordinate."""
    return math.isfinite(number) and abs(number) < _LARGEST


class _WktReader:
    """One token after the other; only collections nest, and those to a stated depth."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._word = self._sign = self._number = ""
        self._advance()

    def read(self) -> Shape:
        shape = self._shape(0)
        if self._word or self._sign or self._number:
            self._stumble("the end")
        return shape

    def _advance(self) -> None:
        match = _TOKEN.match(self._text, self._at)
        if match is None and self._text[self._at :].strip():
            self._stumble("words, numbers, commas and brackets")
        word, self._sign, self._number = match.groups("") if match else ("", "", "")
        self._word = word.upper()
        self._at = match.end() if match else len(self._text)

    def _shape(self, depth: int) -> Shape:
        kind = _NAMES.get(self._word)
        if kind is None:
            self._stumble("one of " + ", ".join(_NAMES))
        self._advance()
        if self._word in ("Z", "M", "ZM"):
            self._advance()
        if self._word == "EMPTY":
            raise ShapeError(_NOT_EMPTY)
        if kind == _COLLECTION:
            _check_depth(depth)
            return kind, self._list(lambda: self._shape(depth + 1))
        return kind, self._coordinates(kind, _LEVELS[kind])

    def _coordinates(self, kind: str, level: int) -> list[Any]:
        """Lists nested `level` deep around positions."""
        if self._word == "EMPTY":
            raise ShapeError(_NOT_EMPTY)
        if level == 0:
            self._expect("(")
            position = self._position()
            self._expect(")")
            return position
        if kind == "MultiPoint":  # each point may stand in brackets of its own, or not
            return self._list(lambda: self._coordinates("Point", 0) if self._sign or self._word else self._position())
        return self._list(self._position if level == 1 else lambda: self._coordinates(kind, level - 1))

    def _list[T](self, item: Callable[[], T]) -> list[T]:
        """What stands in brackets, separated by commas."""
        self._expect("(")
        items = [item()]
        while self._sign == ",":
            self._advance()
            items.append(item())
        self._expect(")")
        return items

    def _position(self) -> list[float]:
        numbers: list[float] = []
        while self._number:
            numbers.append(float(self._number))
            self._advance()
        if self._word in _NOT_A_NUMBER:
            raise ShapeError("finite coordinates")
        if not 2 <= len(numbers) <= 4:  # noqa: PLR2004 - x, y, and perhaps a height and a measure
            self._stumble("2 to 4 numbers for each position")
        return numbers

    def _expect(self, sign: str) -> None:
        if self._sign != sign:
            self._stumble(repr(sign))
        self._advance()

    def _stumble(self, expected: str) -> NoReturn:
        raise ShapeError(f"{expected} at character {self._at + 1}")


def _read_geojson(item: object, depth: int = 0) -> Shape:
    match item:
        case {"type": str(kind), "coordinates": list(coordinates)} if kind in _LEVELS:
            _check_nesting(coordinates, _LEVELS[kind])
            return kind, coordinates
        case {"type": "GeometryCollection", "geometries": list(members)}:
            _check_depth(depth)
            return _COLLECTION, [_read_geojson(member, depth + 1) for member in members]
    known = ", ".join(_LEVELS)
    raise ShapeError(f"one of {known} with coordinates, or a {_COLLECTION} with geometries")


def _check_nesting(node: object, level: int) -> None:
    """Lists `level` deep around positions of 2 to 4 numbers."""
    if not isinstance(node, list):
        raise ShapeError(f"a list of coordinates in place of {str(node)[:40]!r}")
    if level:
        for part in node:
            _check_nesting(part, level - 1)
    elif not node:
        raise ShapeError(_NOT_EMPTY)
    elif not 2 <= len(node) <= 4 or not all(type(number) in (int, float) for number in node):  # noqa: PLR2004
        raise ShapeError("2 to 4 numbers for each position")


def _check_depth(depth: int) -> None:
    if depth >= _DEEPEST:
        raise ShapeError(f"at most {_DEEPEST} collections within each other")


def _write(shape: Shape) -> bytes:
    """Well-known binary, little-endian, of a shape that is checked on the way."""
    kind, parts = shape
    if kind != _COLLECTION:
        written = _write_plain(kind, parts)
    else:
        members = [_write_plain(*member) for member in _flatten(shape)]
        written = struct.pack("<BII", 1, _CODE_OF_COLLECTION, len(_filled(members))) + b"".join(members)
    if len(written) > MAX_VERTICES * 16:
        raise ShapeError(f"at most {MAX_VERTICES:,} vertices")
    return written


def _flatten(shape: Shape) -> list[Shape]:
    """The members of a collection and of those in it: the same places, whichever of them names them."""
    kind, parts = shape
    return [shape] if kind != _COLLECTION else [member for part in _filled(parts) for member in _flatten(part)]


def _write_plain(kind: str, coordinates: Sequence[Any]) -> bytes:
    head = struct.pack("<BI", 1, _CODES[kind])
    if kind == "Point":
        return head + _write_positions([coordinates])
    if kind == "LineString":
        return head + _count(_filled(coordinates, 2)) + _write_positions(coordinates)
    if kind == "Polygon":
        return head + _count(_filled(coordinates)) + b"".join(map(_write_ring, coordinates))
    return head + _count(_filled(coordinates)) + b"".join(_write_plain(_PARTS[kind], part) for part in coordinates)


def _write_ring(ring: list[Any]) -> bytes:
    if len(_filled(ring)) < _SHORTEST_RING or ring[0][:2] != ring[-1][:2]:
        raise ShapeError(f"rings that end where they begin, of {_SHORTEST_RING} positions or more")
    return _count(ring) + _write_positions(ring)


def _write_positions(positions: Sequence[Position]) -> bytes:
    numbers = [float(number) for position in positions for number in position[:2]]
    if not all(map(is_sound, numbers)):
        raise ShapeError("finite coordinates")
    return struct.pack(f"<{len(numbers)}d", *numbers)


def _filled(parts: Sequence[Any], least: int = 1) -> Sequence[Any]:
    if not parts:
        raise ShapeError(_NOT_EMPTY)
    if len(parts) < least:
        raise ShapeError(f"lines of {least} positions or more")
    return parts


def _count(parts: Sequence[Any]) -> bytes:
    return struct.pack("<I", len(parts))
