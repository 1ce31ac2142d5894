"""Geometries on their way from an extract to a file: Web Mercator, areas of rings, what crosses the antimeridian."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Shape",
    "as_line",
    "as_polygon",
    "as_wkb",
    "build_strips",
    "cut_at_edge",
    "measure_hectares",
    "project",
    "read_line_positions",
    "read_shapes",
    "split_at_antimeridian",
    "subdivide",
    "to_mercator",
]

type Shape = bytes | shapely.Geometry
"""A geometry in degrees: as WKB, in which osmium gives most, or built."""

_RADIUS = 6378137.0
_NORTHMOST = 85.0511287  # of Web Mercator
_HALF, _WHOLE = 180.0, 360.0
_HEAD = 5  # bytes of WKB that are byte order and type
_COUNT = 4  # bytes that say how many positions follow
_LINE, _POLYGON = (b"\x01" + kind.to_bytes(4, "little") for kind in (2, 3))  # how WKB begins
_ONE_RING = (1).to_bytes(_COUNT, "little")
_METRES = 111_319.49  # in a degree of latitude


def as_line(positions: np.ndarray) -> bytes:
    """Positions, n x 2, as the WKB of a line."""
    return _LINE + len(positions).to_bytes(_COUNT, "little") + positions.tobytes()


def as_polygon(line: bytes) -> bytes:
    """The WKB of a closed line as that of the area in it."""
    return _POLYGON + _ONE_RING + line[_HEAD:]


def read_line_positions(line: bytes) -> np.ndarray:
    """The positions, n x 2, of the WKB of a line."""
    return np.frombuffer(line, "<f8", offset=_HEAD + _COUNT).reshape(-1, 2)


def as_wkb(shapes: Sequence[Shape]) -> list[bytes]:
    """All of them as WKB."""
    built = [index for index, shape in enumerate(shapes) if not isinstance(shape, bytes)]
    if not built:
        return cast("list[bytes]", shapes)
    written = list(shapes)
    for index, wkb in zip(built, shapely.to_wkb([shapes[index] for index in built]), strict=True):
        written[index] = wkb
    return cast("list[bytes]", written)


def read_shapes(shapes: Sequence[Shape]) -> np.ndarray:
    """All of them built; None for rings of fewer than three corners."""
    built = np.empty(len(shapes), object)
    built[:] = shapes
    written = np.array([isinstance(shape, bytes) for shape in shapes], bool)
    built[written] = shapely.from_wkb(built[written], on_invalid="ignore")
    return built


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


def cut_at_edge(
    shapes: np.ndarray, box: tuple[float, float, float, float], notes: Counter[str]
) -> tuple[np.ndarray, np.ndarray]:
    """What is left of geometries inside a box, and which of them have something left."""
    bounds = shapely.bounds(shapes)
    out = (bounds[:, :2] < box[:2]).any(axis=1) | (bounds[:, 2:] > box[2:]).any(axis=1)
    kept = np.ones(len(shapes), bool)
    if out.any():
        shapes = shapes.copy()
        whole = shapes[out]
        broken = ~shapely.is_valid(whole)
        whole[broken] = shapely.make_valid(whole[broken])
        inside = shapely.intersection(whole, shapely.box(*box))
        shapes[out] = [_keep_dimension(one, before) for one, before in zip(inside, shapes[out], strict=True)]
        kept[out] = ~shapely.is_empty(shapes[out])
        notes["cut at the extract's edge"] += int(kept[out].sum())
        notes["outside of the extract's edge and left out"] += int((~kept[out]).sum())
    return shapes[kept], kept


def _keep_dimension(shape: shapely.Geometry, before: shapely.Geometry) -> shapely.Geometry:
    """Without what only touches the edge."""
    dimension = shapely.get_dimensions(before)
    parts = [part for part in shapely.get_parts(shape) if shapely.get_dimensions(part) == dimension]
    build = (shapely.multipoints, shapely.multilinestrings, shapely.multipolygons)[dimension]
    if not parts:
        return shapely.GeometryCollection()
    return parts[0] if len(parts) == 1 else build(parts)


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
