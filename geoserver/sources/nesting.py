"""Geometries out of foreign bytes and texts. GEOS calls itself for each collection inside a collection, and a deep
enough nest of them ends the process; so what is nested deeply is found first and never handed over.
"""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEEPEST", "read_texts", "read_wkb"]

DEEPEST = 16  # collections inside collections; real data has one
_LEAST_LEVEL = 9  # bytes of WKB that a level of nesting takes
_SINGLE = (1, 2, 3, 8, 17)  # types of WKB without parts of their own: point, line, polygon, arc, triangle
_SRID, _Z, _M = 0x20000000, 0x80000000, 0x40000000


def read_texts(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Shapes out of WKT or GeoJSON; and which texts were written but cannot be read."""
    texts = pc.utf8_trim_whitespace(texts)
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    written = texts.is_valid().to_numpy(zero_copy_only=False)
    deep = _are_deep(texts)
    values = np.array(pc.if_else(pa.array(deep), None, texts).to_pylist(), dtype=object)
    json = pc.fill_null(pc.starts_with(texts, "{"), fill_value=False).to_numpy(zero_copy_only=False)
    shapes = np.full(len(values), None, dtype=object)
    shapes[json] = _read(shapely.from_geojson, values[json])
    plain = pc.replace_substring_regex(pa.array(values[~json], pa.string()), r"^SRID=\d+;", "")
    shapes[~json] = _read(shapely.from_wkt, np.array(plain.to_pylist(), dtype=object))
    return shapes, written & shapely.is_missing(shapes)


def _read(read: Callable[..., Any], values: np.ndarray) -> np.ndarray:
    """Shapes, None for what is none; value by value where one of them is a curve, which shapely raises for."""
    try:
        with np.errstate(invalid="ignore"):  # NaN among coordinates is the caller's to find
            return np.asarray(read(values, on_invalid="ignore"))
    except (NotImplementedError, ValueError, TypeError, shapely.errors.ShapelyError):
        shapes = np.full(len(values), None, dtype=object)
        for index, value in enumerate(values):
            with contextlib.suppress(NotImplementedError, ValueError, TypeError, shapely.errors.ShapelyError):
                shapes[index] = read(value, on_invalid="ignore")
        return shapes


def _are_deep(texts: pa.Array) -> np.ndarray:
    """Which texts nest too deeply, by the brackets that are open at once; a look at few, as most have few brackets."""
    deep = np.zeros(len(texts), dtype=bool)
    brackets = pc.count_substring_regex(texts, r"\{|COLLECTION|CURVE|SURFACE|\[\s*\[\s*\[\s*\[\s*\[", ignore_case=True)
    many = pc.fill_null(pc.greater(brackets, DEEPEST), fill_value=False)
    for index in np.flatnonzero(many.to_numpy(zero_copy_only=False)):
        deep[index] = _count_open(texts[index].as_py()) > 2 * DEEPEST + 8
    return deep


def _count_open(text: str) -> int:
    """The most brackets that are open at once."""
    codes = np.frombuffer(text.encode(), np.uint8)
    steps = np.isin(codes, np.frombuffer(b"([{", np.uint8)).astype(np.int32)
    steps -= np.isin(codes, np.frombuffer(b")]}", np.uint8))
    return int(np.cumsum(steps).max(initial=0))


def read_wkb(values: list[bytes | None]) -> tuple[np.ndarray, np.ndarray]:
    """Shapes out of WKB; and which values were there but cannot be read."""
    raw = np.empty(len(values), dtype=object)
    raw[:] = [b"" if value is not None and _is_dangerous(value) else value for value in values]
    shapes = _read(shapely.from_wkb, raw)
    return shapes, shapely.is_missing(shapes) & np.array([value is not None for value in values], dtype=bool)


def _is_dangerous(wkb: bytes) -> bool:
    return len(wkb) > _LEAST_LEVEL * DEEPEST and _has_parts(wkb) and _is_deep(wkb)


def _has_parts(wkb: bytes) -> bool:
    kind = int.from_bytes(wkb[1:5], "little" if wkb[0] else "big") & 0xFFFFFFF
    return kind % 1000 not in _SINGLE


def _is_deep(wkb: bytes) -> bool:
    """Whether geometries are nested too deeply; what is broken is left to GEOS, which refuses it unharmed."""
    coming: list[int] = []  # how many parts are still to come of each geometry that is open
    place = 0
    try:
        while True:
            parts, place = _read_header(wkb, place)
            if parts is not None:
                coming.append(parts + 1)
                if len(coming) > DEEPEST:
                    return True
            while coming:
                coming[-1] -= 1
                if coming[-1]:
                    break
                coming.pop()
            if not coming:
                return False
    except (struct.error, IndexError):
        return False


def _read_header(wkb: bytes, place: int) -> tuple[int | None, int]:
    """The number of parts of the geometry that begins there, None if it has none; and where the next one begins."""
    order = "<" if wkb[place] == 1 else ">"

    def read_count(at: int) -> int:
        return int(struct.unpack_from(f"{order}I", wkb, at)[0])

    kind = read_count(place + 1)
    place += 9 if kind & _SRID else 5
    plain = kind & 0xFFFFFFF
    size = 16 + 8 * bool(kind & _Z) + 8 * bool(kind & _M) + 8 * (0, 1, 1, 2)[plain // 1000 % 4]
    match plain % 1000:
        case 1:
            return None, place + size
        case 2 | 8:
            return None, place + 4 + size * read_count(place)
        case 3 | 17:
            rings, place = read_count(place), place + 4
            for _ in range(rings):
                place += 4 + size * read_count(place)
            return None, place
    return read_count(place), place + 4
