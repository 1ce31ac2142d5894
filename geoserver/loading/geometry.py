"""Which positions can be stored, and how: every row is kept, repaired, promoted, or rejected with a reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely import GeometryType

from geoserver.sources.nesting import read_wkb

if TYPE_CHECKING:
    from collections.abc import Callable

    from geoserver.loading.area import Place
    from geoserver.sources import Batch

__all__ = ["Linearise", "Located", "as_multi", "locate"]

type Linearise = Callable[[list[bytes]], list[bytes | None]]

_DIMENSIONS = {"points": 0, "lines": 1, "polygons": 2}  # of geometries
_SINGULAR = ("point", "line", "polygon")
_PLURAL = ("points", "lines", "polygons")
_DIMENSION = np.array([0, 1, 1, 2, 0, 1, 2, -1])  # by GEOS type
_MULTI = (GeometryType.MULTIPOINT, GeometryType.MULTILINESTRING, GeometryType.MULTIPOLYGON)
_BUILD = (shapely.multipoints, shapely.multilinestrings, shapely.multipolygons)  # by dimension
_MERCATOR_EDGE = 85.0511
_POINT_BYTES = 21
_CURVES = np.isin(np.arange(4096) % 1000, [8, 9, 10, 11, 12, 13, 14])

NOWHERE = "no position"
UNREADABLE = "position cannot be read"
INFINITE = "position is not finite"
ZERO = "position is 0, 0"
EMPTY = "empty geometry"
BROKEN = "geometry cannot be repaired"
SWAPPED = "outside the area of {}, but inside with x and y swapped"
OUTSIDE = "outside the area of {}"
MIRRORED = "far from the other rows, but among them with x and y swapped"
TURNED = "far from the other rows, but among them with a sign turned"


@dataclass(slots=True)
class Located:
    """Positions of a batch. `reasons` holds None for a row to store; exactly one of `points` and `shapes` is set."""

    reasons: np.ndarray  # object: None or why the row is rejected
    points: tuple[np.ndarray, np.ndarray] | None = None
    shapes: np.ndarray | None = None
    notes: dict[str, int] = field(default_factory=dict)
    multi: bool = False  # the column must hold multi-geometries

    def reject(self, mask: np.ndarray, reason: str) -> None:
        """Give a reason to rows that have none yet."""
        if mask.any():
            self.reasons[mask & (self.reasons == None)] = reason  # noqa: E711 - compares element by element

    @property
    def kept(self) -> np.ndarray:
        return np.asarray(self.reasons == None)  # noqa: E711 - compares element by element

    def middles(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of what is kept, of a line or polygon the middle of its box."""
        kept = self.kept
        if self.points is not None:
            return self.points[0][kept], self.points[1][kept]
        bounds = shapely.bounds(self.shapes[kept]) if self.shapes is not None else np.empty((0, 4))
        return (bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2

    def note(self, what: str, count: int) -> None:
        if count:
            self.notes[what] = self.notes.get(what, 0) + count


def locate(batch: Batch, geometry: str, place: Place, linearise: Linearise) -> Located:
    """The positions of a batch by the rules of docs/loading.md; `linearise` straightens curves in WKB, or None."""
    points = batch.points
    if points is None and batch.wkb is not None and _DIMENSIONS.get(geometry) == 0:
        points = _read_points(batch)
    located = Located(np.full(len(batch), None, dtype=object))
    if batch.unreadable is not None:
        located.reject(batch.unreadable, UNREADABLE)
    if points is not None and _DIMENSIONS.get(geometry, 0) == 0:
        _locate_points(located, points, place)
    elif points is not None:
        located.reject(np.ones(len(batch), bool), _misfit(0, _DIMENSIONS[geometry]))
    else:
        _locate_shapes(located, batch, _DIMENSIONS.get(geometry), place, linearise)
    return located


def _read_points(batch: Batch) -> tuple[np.ndarray, np.ndarray] | None:
    """x and y out of WKB when all of it is plain points; else None. A null becomes NaN."""
    column = batch.wkb
    assert column is not None  # noqa: S101 - the caller looked
    if len(column) == 0 or column.null_count:
        return None
    _, offsets, data = column.buffers()
    width = np.int64 if str(column.type).startswith("large") else np.int32
    ends = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1]
    if (np.diff(ends) != _POINT_BYTES).any():
        return None
    raw = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]].reshape(-1, _POINT_BYTES)
    if (raw[:, :5] != (1, 1, 0, 0, 0)).any():
        return None
    xy = np.ascontiguousarray(raw[:, 5:]).view("<f8")
    return xy[:, 0], xy[:, 1]


def _locate_points(located: Located, points: tuple[np.ndarray, np.ndarray], place: Place) -> None:
    x, y = points
    located.reject(np.isnan(x) | np.isnan(y), NOWHERE)
    located.reject(np.isinf(x) | np.isinf(y), INFINITE)
    located.reject((x == 0) & (y == 0), ZERO)
    _check_area(located, place, (x, y), (x, y))
    located.points = place.stored_as.transform(x, y) if place.stored_as else (x, y)


def _check_area(located: Located, place: Place, *corners: tuple[np.ndarray, np.ndarray]) -> None:
    """Reject what lies outside; corners are (x, y) of the lower left and the upper right of each row."""
    inside = np.logical_and(*(place.holds(x, y) for x, y in corners))
    outside = ~inside & located.kept
    if outside.any():
        swapped = np.logical_and(*(place.holds(y, x) for x, y in corners))
        located.reject(outside & swapped, SWAPPED.format(place.name))
        located.reject(outside, OUTSIDE.format(place.name))
    if place.home:
        _check_home(located, place, corners)


def _check_home(located: Located, place: Place, corners: tuple[tuple[np.ndarray, np.ndarray], ...]) -> None:
    """Reject what is far from the other rows when a usual slip explains it; what is merely far away stays."""
    away = np.logical_and(*(~place.is_home(x, y) for x, y in corners)) & located.kept
    if not away.any():
        return
    located.reject(away & np.logical_and(*(place.is_home(y, x) for x, y in corners)), MIRRORED)
    for turn_x, turn_y in ((-1, 1), (1, -1), (-1, -1)):
        turned = np.logical_and(*(place.is_home(turn_x * x, turn_y * y) for x, y in corners))
        located.reject(away & turned, TURNED)


def _locate_shapes(
    located: Located,
    batch: Batch,
    dimension: int | None,
    place: Place,
    linearise: Linearise,
) -> None:
    shapes = _read_shapes(located, batch, linearise)
    located.reject(shapely.is_missing(shapes), NOWHERE)
    located.reject(shapely.is_empty(shapes), EMPTY)
    shapes = _drop_empty_parts(shapely.force_2d(shapes))
    _check_finite(located, shapes)
    if dimension is not None:
        shapes = _fit(located, shapes, dimension)
    shapes = _repair(located, shapes)
    bounds = shapely.bounds(shapes)
    located.reject((bounds == 0).all(axis=1), ZERO)
    _check_area(located, place, (bounds[:, 0], bounds[:, 1]), (bounds[:, 2], bounds[:, 3]))
    if place.stored_as:
        shapes = shapely.transform(shapes, place.stored_as.transform, interleaved=False)
        bounds = shapely.bounds(shapes)
    located.shapes = shapes
    kept = located.kept
    types = shapely.get_type_id(shapes[kept])
    located.multi = bool(np.isin(types, _MULTI).any())
    if dimension and place.to_lonlat is None and (np.abs(bounds[kept][:, (1, 3)]) > _MERCATOR_EDGE).any():
        located.multi = True  # what is cut at the edge of Web Mercator may fall into several parts


def _read_shapes(located: Located, batch: Batch, linearise: Linearise) -> np.ndarray:
    assert batch.wkb is not None  # noqa: S101 - a source gives points or WKB
    raw = batch.wkb.to_pylist()
    curved = [index for index, value in enumerate(raw) if value is not None and _is_curve(value)]
    if curved:
        straight = linearise([raw[index] for index in curved])
        for index, value in zip(curved, straight, strict=True):
            raw[index] = value or b""
        located.note("curves turned into straight segments", sum(value is not None for value in straight))
    shapes, unreadable = read_wkb(raw)
    located.reject(unreadable, UNREADABLE)
    return shapes


def _drop_empty_parts(shapes: np.ndarray) -> np.ndarray:
    """Without parts and holes that have no points, over which GEOS and PostGIS stumble."""
    multi = np.flatnonzero(np.isin(shapely.get_type_id(shapes), _MULTI))
    parts, index = shapely.get_parts(shapes[multi], return_index=True)
    damaged = set(multi[index[shapely.is_empty(parts)]])
    owners = np.concatenate([multi[index], np.flatnonzero(shapely.get_type_id(shapes) == GeometryType.POLYGON)])
    polygons = np.concatenate([parts, shapes[shapely.get_type_id(shapes) == GeometryType.POLYGON]])
    holed = shapely.get_num_interior_rings(polygons) > 0
    rings, index = shapely.get_rings(polygons[holed], return_index=True)
    damaged |= set(owners[holed][index[shapely.is_empty(rings)]])
    for number in damaged:
        parts = shapely.get_parts(shapes[number])
        parts = parts[~shapely.is_empty(parts)]
        if not len(parts):
            continue  # it is empty as a whole, and rejected
        for at in np.flatnonzero(shapely.get_type_id(parts) == GeometryType.POLYGON):
            shell, *holes = shapely.get_rings(parts[at])
            parts[at] = shapely.Polygon(shell, [hole for hole in holes if not hole.is_empty])
        kind = shapely.get_type_id(shapes[number])
        shapes[number] = _BUILD[int(_DIMENSION[kind])](parts) if kind in _MULTI else parts[0]
    return shapes


def _is_curve(wkb: bytes) -> bool:
    kind = int.from_bytes(wkb[1:5], "little" if wkb[0] else "big") & 0x0FFFFFFF
    return kind < len(_CURVES) and bool(_CURVES[kind])


def _check_finite(located: Located, shapes: np.ndarray) -> None:
    coordinates, index = shapely.get_coordinates(shapes, return_index=True)
    finite = np.isfinite(coordinates).all(axis=1)
    if not finite.all():
        infinite = np.zeros(len(shapes), bool)
        infinite[index[~finite]] = True
        located.reject(infinite, INFINITE)
        shapes[infinite] = None


def _fit(located: Located, shapes: np.ndarray, dimension: int) -> np.ndarray:
    """Only geometries of one family: parts of collections are taken out, a multipoint of one becomes a point."""
    types = shapely.get_type_id(shapes)
    for index in np.flatnonzero(types == GeometryType.GEOMETRYCOLLECTION):
        shapes[index] = _collect(shapes[index], dimension)
        if shapes[index] is not None:
            located.note(f"{_PLURAL[dimension]} taken out of a collection", 1)
        elif located.reasons[index] is None:
            located.reasons[index] = f"collection without {_PLURAL[dimension]}"
    types = shapely.get_type_id(shapes)
    for other in range(3):
        if other != dimension:
            located.reject((types >= 0) & (_DIMENSION[types] == other), _misfit(other, dimension))
    lone = (types == GeometryType.MULTIPOINT) & (shapely.get_num_geometries(shapes) == 1)
    shapes[lone] = shapely.get_geometry(shapes[lone], 0)
    return shapes


def _misfit(found: int, wanted: int) -> str:
    return f"is a {_SINGULAR[found]}; the layer holds {_PLURAL[wanted]}"


def _collect(shape: shapely.Geometry, dimension: int) -> shapely.Geometry | None:
    """The parts of one dimension in a collection, however nested, as one geometry."""
    parts = shapely.get_parts(shape)
    while (shapely.get_type_id(parts) >= GeometryType.MULTIPOINT).any():
        parts = shapely.get_parts(parts)
    parts = parts[(_DIMENSION[shapely.get_type_id(parts)] == dimension) & ~shapely.is_empty(parts)]
    if len(parts) == 0:
        return None
    if len(parts) == 1:
        return parts[0]
    return _BUILD[dimension](parts)


def _repair(located: Located, shapes: np.ndarray) -> np.ndarray:
    """Make invalid geometries valid and keep what is of their own family; reject what collapses."""
    wrong = located.kept & ~shapely.is_valid(shapes)
    for index in np.flatnonzero(wrong):
        dimension = int(_DIMENSION[shapely.get_type_id(shapes[index])])
        repaired = shapely.make_valid(shapes[index])
        kept = _collect(repaired, dimension) if dimension >= 0 else repaired
        if kept is None or kept.is_empty:
            located.reasons[index] = BROKEN
        else:
            shapes[index] = kept
            located.note("invalid geometry repaired", 1)
    return shapes


def as_multi(shapes: np.ndarray, geometry: str) -> np.ndarray:
    """Single geometries as multi-geometries of one part; others as they are."""
    single = np.flatnonzero(~np.isin(shapely.get_type_id(shapes), _MULTI))
    build = _BUILD[_DIMENSIONS[geometry]]
    if len(single):
        shapes = shapes.copy()
        shapes[single] = build(shapes[single], indices=np.arange(len(single)))
    return shapes
