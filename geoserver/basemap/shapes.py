"""Geometries on their way from an extract to a file: Web Mercator, areas of rings, what crosses the antimeridian."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "as_polygon",
    "build_strips",
    "measure_hectares",
    "project",
    "read_shapes",
    "split_at_antimeridian",
    "subdivide",
    "to_mercator",
]

_RADIUS = 6378137.0
_NORTHMOST = 85.0511287  # of Web Mercator
_HALF, _WHOLE = 180.0, 360.0
_HEAD = 10  # hexadecimal digits of WKB before a line's positions: byte order and type
_METRES = 111_319.49  # in a degree of latitude


def as_polygon(line: str) -> str:
    """The WKB (hexadecimal) of a closed line as that of the area in it."""
    return "010300000001000000" + line[_HEAD:]


def read_shapes(texts: Sequence[str]) -> np.ndarray:
    """Geometries in degrees; None for rings of fewer than three corners."""
    shapes: np.ndarray = shapely.from_wkb(np.array(texts, object), on_invalid="ignore")
    return shapes


def split_at_antimeridian(shapes: np.ndarray, notes: Counter[str]) -> np.ndarray:
    """What is wider than half the earth crosses the antimeridian, and is cut there."""
    bounds = shapely.bounds(shapes)
    wide = np.flatnonzero(bounds[:, 2] - bounds[:, 0] > _HALF)
    if len(wide):
        shapes = shapes.copy()
        shapes[wide] = [_split(shape) for shape in shapes[wide]]
        notes["cut at the antimeridian"] += len(wide)
    return shapes


def _split(shape: shapely.Geometry) -> shapely.Geometry:
    east = shapely.transform(
        shape, lambda xy: np.column_stack([np.where(xy[:, 0] < 0, xy[:, 0] + _WHOLE, xy[:, 0]), xy[:, 1]])
    )
    if not shapely.is_valid(east):
        east = shapely.make_valid(east)
    here = shapely.intersection(east, shapely.box(0, -90, _HALF, 90))
    there = shapely.intersection(east, shapely.box(_HALF, -90, _WHOLE, 90))
    there = shapely.transform(there, lambda xy: xy - [_WHOLE, 0])
    dimension = shapely.get_dimensions(shape)
    parts = [part for half in (here, there) for part in shapely.get_parts(half)]
    parts = [part for part in parts if shapely.get_dimensions(part) == dimension and not part.is_empty]
    build = shapely.multipolygons if dimension == 2 else shapely.multilinestrings  # noqa: PLR2004 - areas
    return build(parts) if len(parts) > 1 else parts[0] if parts else shape


def project(xy: np.ndarray) -> np.ndarray:
    """Degrees -> metres of EPSG:3857, n x 2; what lies beyond its northern and southern edge is put on it."""
    latitude = np.radians(np.clip(xy[:, 1], -_NORTHMOST, _NORTHMOST))
    return np.column_stack([np.radians(xy[:, 0]) * _RADIUS, np.log(np.tan(np.pi / 4 + latitude / 2)) * _RADIUS])


def to_mercator(shapes: np.ndarray) -> np.ndarray:
    """Geometries in EPSG:3857."""
    moved: np.ndarray = shapely.transform(shapes, project)
    return moved


def measure_hectares(shapes: np.ndarray) -> np.ndarray:
    """Of areas in degrees, good to a few thousandths where they are no larger than a city."""
    middle = np.nan_to_num(shapely.bounds(shapes)[:, [1, 3]].mean(axis=1))
    areas: np.ndarray = shapely.area(shapes) * np.cos(np.radians(middle)) * _METRES**2 / 10_000
    return areas


def build_strips(lines: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Areas of that width in metres around lines in degrees."""
    latitudes = np.nan_to_num(shapely.bounds(lines)[:, [1, 3]].mean(axis=1))
    strips = []
    for line, width, latitude in zip(lines, widths, latitudes, strict=True):
        stretch = np.array([np.cos(np.radians(latitude)), 1.0]) * _METRES
        flat = shapely.transform(line, lambda xy, by=stretch: xy * by)
        strip = shapely.buffer(flat, width / 2, quad_segs=2, cap_style="flat", join_style="mitre")
        strips.append(shapely.transform(strip, lambda xy, by=stretch: xy / by))
    return np.array(strips, object)


def subdivide(shape: shapely.Geometry, most: int) -> list[shapely.Geometry]:
    """Pieces of at most so many corners: a tile takes as long as the largest that reaches into it."""
    if shapely.get_num_coordinates(shape) <= most:
        return [shape]
    west, south, east, north = shapely.bounds(shape)
    if east - west > north - south:
        middle = (west + east) / 2
        halves = [(west, south, middle, north), (middle, south, east, north)]
    else:
        middle = (south + north) / 2
        halves = [(west, south, east, middle), (west, middle, east, north)]
    parts = [part for half in halves for part in shapely.get_parts(shapely.intersection(shape, shapely.box(*half)))]
    kind = shapely.get_dimensions(shape)
    return [piece for part in parts if shapely.get_dimensions(part) == kind for piece in subdivide(part, most)]
