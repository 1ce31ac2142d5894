"""Areas out of lines: rings of multipolygons, and what the extract's edge has cut, closed along that edge."""

from __future__ import annotations

from collections import Counter

import numpy as np
import shapely

from geoserver.basemap.coast import clip

__all__ = ["Cut", "build_area"]

type Box = tuple[float, float, float, float]
type Point = tuple[float, float]

_TRIANGLE = 3
_NEAREST = 20  # ends that one is tried with: all with all of a hostile area would take minutes and all memory
_NEAR = 0.05  # of the box's shorter side: what ends so near to the edge was cut by it


class Cut(Exception):  # noqa: N818 - says what the lines are
    """The lines do not close, so it takes the extract's edge to make an area of them."""


def build_area(lines: list[np.ndarray], box: Box | None) -> shapely.Geometry | None:
    """The area that lines bound, holes by the rule of even and odd; None where there is none.

    Lines that do not close raise Cut without a box. With one, they are cut at it, and closed along its edge by the
    shorter way; ends that are far from the edge are joined by a straight line, the nearest ones first.
    """
    lines = [line for line in lines if len(line) > 1]
    if len(lines) == 1 and len(lines[0]) > _TRIANGLE and (lines[0][0] == lines[0][-1]).all():
        ring: shapely.Geometry = shapely.polygons(lines[0])
        if shapely.is_valid(ring):
            return ring
    if _find_loose(lines):
        if box is None:
            raise Cut
        lines = _close(lines, box)
    if not lines:
        return None
    merged = shapely.geometrycollections([shapely.linestrings(line) for line in lines])
    return _enclose(merged) or _enclose(shapely.unary_union(merged))


def _enclose(lines: shapely.Geometry) -> shapely.Geometry | None:
    """The area; None where there is none, or where lines lie on one another or cross."""
    try:
        area = shapely.build_area(lines)
    except shapely.errors.GEOSException:
        return None
    return None if area.is_empty else area


def _find_loose(lines: list[np.ndarray]) -> list[Point]:
    degree: Counter[Point] = Counter()
    for line in lines:
        degree.update(((float(line[0, 0]), float(line[0, 1])), (float(line[-1, 0]), float(line[-1, 1]))))
    return [point for point, count in degree.items() if count % 2]


def _close(lines: list[np.ndarray], box: Box) -> list[np.ndarray]:
    """Lines within the box, and what closes them."""
    kept = [part for line in lines for part in clip(line, box)]
    ends = _find_loose(kept)
    reach = _NEAR * min(box[2] - box[0], box[3] - box[1])
    joins: list[np.ndarray] = []
    edge: list[Point] = []
    inside: list[Point] = []
    for end in ends:
        gap, foot = min((abs(end[0] - x) + abs(end[1] - y), (x, y)) for x, y in _feet(end, box))
        if gap <= reach:
            edge.append(foot)
            if gap:
                joins.append(np.array([end, foot]))
        else:
            inside.append(end)
    joins += _join_nearest(inside)
    if len(inside) % 2 or len(edge) % 2:
        return []
    return [*kept, *joins, *_walk(edge, box)]


def _feet(point: Point, box: Box) -> list[Point]:
    x, y = min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])
    return [(box[0], y), (box[2], y), (x, box[1]), (x, box[3])]


def _join_nearest(points: list[Point]) -> list[np.ndarray]:
    places = np.array(points).reshape(-1, 2)
    pairs = []
    for index, point in enumerate(points):
        gaps = np.hypot(*(places[index + 1 :] - places[index]).T)
        near = np.argpartition(gaps, _NEAREST)[:_NEAREST] if len(gaps) > _NEAREST else np.arange(len(gaps))
        pairs += [(float(gaps[at]), point, points[index + 1 + int(at)]) for at in near]
    used: set[Point] = set()
    joins = []
    for _, one, other in sorted(pairs):
        if one not in used and other not in used:
            used |= {one, other}
            joins.append(np.array([one, other]))
    return joins


def _walk(points: list[Point], box: Box) -> list[np.ndarray]:
    """Every second stretch of the edge between the points: of the two ways to do so, the shorter."""
    if not points:
        return []
    width, height = box[2] - box[0], box[3] - box[1]
    around = 2 * (width + height)
    corners = [
        (0.0, (box[0], box[1])), (width, (box[2], box[1])), (width + height, (box[2], box[3])),
        (2 * width + height, (box[0], box[3])),
    ]  # fmt: skip
    stops = sorted((_place(point, box), point) for point in points)
    stretches = []
    for (start, begin), (end, finish) in zip(stops, [*stops[1:], (stops[0][0] + around, stops[0][1])], strict=True):
        between = [(at, c) for at, c in [*corners, *((at + around, c) for at, c in corners)] if start < at < end]
        stretches.append((end - start, np.array([begin, *(c for _, c in between), finish])))
    even, odd = stretches[::2], stretches[1::2]
    chosen = even if sum(length for length, _ in even) <= sum(length for length, _ in odd) else odd
    return [line for length, line in chosen if length > 0]


def _place(point: Point, box: Box) -> float:
    """How far along the edge, against the clock from its lower left corner."""
    width, height = box[2] - box[0], box[3] - box[1]
    x, y = point
    if y == box[1]:
        return x - box[0]
    if x == box[2]:
        return width + y - box[1]
    return width + height + box[2] - x if y == box[3] else 2 * width + height + box[3] - y
