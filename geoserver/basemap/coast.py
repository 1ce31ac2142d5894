"""Coastlines of an extract -> land, closed at the extract's edge. OpenStreetMap draws coasts with land on their left.

What pieces of coast and the edge enclose are faces. Each is land or sea by the greater length of the coast along it, so
that a piece that was turned the wrong way is outvoted by its neighbours, and is counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Coast", "Land", "Run", "assemble", "clip", "cut_at_antimeridian"]

_ROUNDS = 20
_LEAST_EVIDENCE = 20  # houses and streets, before they say that a whole coast is turned
_SHARE = 0.5
_MOST_PAIRS = 20
_HALF = 180.0  # degrees


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of a coastline without gaps: which way it is of, and its positions in degrees, n x 2."""

    way: int
    points: np.ndarray


type Box = tuple[float, float, float, float]
type Point = tuple[float, float]


@dataclass(slots=True)
class Land:
    """Land inside a box, the coast along it, and what had to be repaired, counted."""

    land: np.ndarray = field(default_factory=lambda: np.empty(0, object))
    coast: list[np.ndarray] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Coast:
    """The pieces inside the box, and the segments of all of them: from x y to x y, with the number of their piece."""

    pieces: list[Run]
    segments: np.ndarray
    owners: np.ndarray
    joins: list[np.ndarray]


def assemble(runs: list[Run], box: Box, evidence: np.ndarray) -> Land:
    """Land within the box; `evidence` holds positions of houses and streets, n x 2, which stand on land.

    An extract without any coast inside is land where something stands on it, and else sea.
    """
    edge = shapely.box(*box)
    pieces = [Run(run.way, part) for run in runs for part in clip(run.points, box)]
    within = _count_within(evidence, box)
    if not pieces:
        return Land(np.array([edge], object)) if within else Land()
    made = Land()
    coast = _close(pieces, box, made.notes)
    lines = [shapely.linestrings(piece.points) for piece in coast.pieces]
    lines += [shapely.linestrings(join) for join in coast.joins]
    noded = shapely.unary_union(np.array([*lines, edge.exterior], object))
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    left, right, lengths = _find_sides(faces, coast)
    is_land = _judge(len(faces), left, right, lengths)
    is_land = _ask_evidence(faces, is_land, evidence, made.notes)
    wrong = (left >= 0) & (right >= 0) & (coast.owners >= 0)
    wrong[wrong] = ~is_land[left[wrong]] & is_land[right[wrong]]
    turned = {coast.pieces[owner].way for owner in coast.owners[wrong]}
    made.notes["coastlines turned the wrong way, whose land is taken to be on their right"] += len(turned)
    made.land = faces[is_land]
    made.coast = [piece.points for piece in coast.pieces]
    made.notes += Counter()  # without the zeros
    return made


def _count_within(points: np.ndarray, box: Box) -> int:
    if not len(points):
        return 0
    x, y = points[:, 0], points[:, 1]
    return int(((x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])).sum())


def cut_at_antimeridian(points: np.ndarray) -> list[np.ndarray]:
    """The parts of a line on either side, each up to it: a step of more than half the earth leads over it."""
    parts = []
    rest = points
    while len(over := np.flatnonzero(np.abs(np.diff(rest[:, 0])) > _HALF)):
        last = int(over[0])
        (x, y), (far, beyond) = rest[last], rest[last + 1]
        side = np.copysign(_HALF, x)
        step = far + 2 * side - x
        share = (side - x) / step if step else 0.0
        height = y + share * (beyond - y)
        parts.append(np.vstack([rest[: last + 1], (side, height)]))
        rest = np.vstack([(-side, height), rest[last + 1 :]])
    return [*parts, rest]


def clip(points: np.ndarray, box: Box) -> list[np.ndarray]:
    """The parts of a line inside a box, each in the line's own direction (Liang and Barsky, 1984)."""
    inside = (points[:, 0] >= box[0]) & (points[:, 0] <= box[2]) & (points[:, 1] >= box[1]) & (points[:, 1] <= box[3])
    if inside.all():
        return [points]
    start, end = points[:-1], points[1:]
    step = end - start
    enter, leave = np.zeros(len(start)), np.ones(len(start))
    keep = np.ones(len(start), bool)
    for axis, low, high in ((0, box[0], box[2]), (1, box[1], box[3])):
        flat = step[:, axis] == 0
        keep &= ~flat | ((start[:, axis] >= low) & (start[:, axis] <= high))
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (low - start[:, axis]) / step[:, axis], (high - start[:, axis]) / step[:, axis]
        enter = np.where(flat, enter, np.maximum(enter, np.minimum(first, second)))
        leave = np.where(flat, leave, np.minimum(leave, np.maximum(first, second)))
    keep &= enter < leave
    parts: list[list[np.ndarray]] = []
    before = -2
    for index in np.flatnonzero(keep):
        begin = _put(start[index], step[index], enter[index], 0.0, box)
        finish = _put(start[index], step[index], leave[index], 1.0, box)
        if index == before + 1 and enter[index] == 0:
            parts[-1].append(finish)
        else:
            parts.append([begin, finish])
        before = int(index)
    return [np.array(part) for part in parts]


def _put(start: np.ndarray, step: np.ndarray, at: float, whole: float, box: Box) -> np.ndarray:
    """A position along a segment: exactly its end where it is that, and exactly on the edge where it is cut."""
    if at == whole:
        return start + step if whole else start
    point = start + at * step
    sides = np.array([abs(point[0] - box[0]), abs(point[1] - box[1]), abs(point[0] - box[2]), abs(point[1] - box[3])])
    side = int(sides.argmin())
    point[side % 2] = box[side]
    return point


def _close(pieces: list[Run], box: Box, notes: Counter[str]) -> Coast:
    """Join ends that hang in the air, with each other or straight to the edge, whichever is shorter."""
    begins, ends = _find_loose(pieces, box)
    joins: list[np.ndarray] = []
    used: set[Point] = set()
    for _, end, begin in sorted(_find_pairs(begins, ends, box)):
        if end not in used and begin not in used:
            used |= {end, begin}
            joins.append(np.array([end, begin]))
    notes["gaps in the coast closed by a straight line"] += len(joins)
    onward = [np.array([end, _to_edge(end, box)[1]]) for end in ends if end not in used]
    onward += [np.array([_to_edge(begin, box)[1], begin]) for begin in begins if begin not in used]
    notes["ends of coastlines led straight on to the extract's edge"] += len(onward)
    joins += onward
    lines = [piece.points for piece in pieces] + joins
    segments = np.concatenate([np.hstack([line[:-1], line[1:]]) for line in lines])
    owners = np.repeat(np.arange(len(lines)), [len(line) - 1 for line in lines])
    owners[owners >= len(pieces)] = -1
    return Coast(pieces, np.ascontiguousarray(segments), owners, joins)


def _find_loose(pieces: list[Run], box: Box) -> tuple[list[Point], list[Point]]:
    """Where coasts begin, and where they end, other than at another coast and at the edge."""
    balance: Counter[Point] = Counter()
    degree: Counter[Point] = Counter()
    for piece in pieces:
        first, last = _as_point(piece.points[0]), _as_point(piece.points[-1])
        balance[first] += 1
        balance[last] -= 1
        degree.update((first, last))
    loose = [point for point, count in degree.items() if count % 2 and not _is_on_edge(point, box)]
    return [point for point in loose if balance[point] > 0], [point for point in loose if balance[point] < 0]


def _find_pairs(begins: list[Point], ends: list[Point], box: Box) -> Iterator[tuple[float, Point, Point]]:
    """Ends and beginnings that are nearer to each other than both to the edge, with their distance."""
    if not begins:
        return
    others = np.array(begins)
    reach = np.array([_to_edge(begin, box)[0] for begin in begins])
    for end in ends:
        gaps = np.hypot((others[:, 0] - end[0]) * np.cos(np.radians(end[1])), others[:, 1] - end[1])
        near = np.flatnonzero(gaps < reach + _to_edge(end, box)[0])
        for index in near[np.argsort(gaps[near])[:_MOST_PAIRS]]:
            yield float(gaps[index]), end, begins[index]


def _as_point(position: np.ndarray) -> Point:
    return float(position[0]), float(position[1])


def _is_on_edge(point: Point, box: Box) -> bool:
    return point[0] in (box[0], box[2]) or point[1] in (box[1], box[3])


def _distance(one: Point, other: Point) -> float:
    stretch = np.cos(np.radians(one[1]))
    return float(np.hypot((one[0] - other[0]) * stretch, one[1] - other[1]))


def _to_edge(point: Point, box: Box) -> tuple[float, Point]:
    """How far the nearest edge is, and where."""
    x, y = point
    across = [(box[0], y), (box[2], y), (x, box[1]), (x, box[3])]
    return min((_distance(point, other), other) for other in across)


def _find_sides(faces: np.ndarray, coast: Coast) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each segment of coast the face on its left and on its right (-1: unknown), and its length."""
    rings, owner = shapely.get_rings(faces, return_index=True)
    is_hole = np.concatenate([[False], owner[1:] == owner[:-1]])
    turn = shapely.is_ccw(rings) == is_hole  # faces have to lie on the left
    rings = np.where(turn, shapely.reverse(rings), rings)
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    along = np.hstack([corners[:-1], corners[1:]])[same]
    face = owner[ring[:-1][same]]
    keys = _as_keys(along)
    order = np.argsort(keys, kind="stable")
    keys, face = keys[order], face[order]
    forward = coast.segments
    backward = np.ascontiguousarray(forward[:, [2, 3, 0, 1]])
    stretch = np.cos(np.radians(forward[:, 1]))
    lengths = np.hypot((forward[:, 2] - forward[:, 0]) * stretch, forward[:, 3] - forward[:, 1])
    return _look_up(keys, face, forward), _look_up(keys, face, backward), lengths


def _as_keys(segments: np.ndarray) -> np.ndarray:
    """One number for each segment; two that differ have the same by chance of one in 10^19."""
    bits = np.ascontiguousarray(segments + 0.0).view(np.uint64).reshape(-1, 4)
    key = np.zeros(len(bits), np.uint64)
    for column, factor in enumerate((0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5)):
        key = (key ^ (key >> np.uint64(29)) ^ bits[:, column]) * np.uint64(factor)
    return key ^ (key >> np.uint64(32))


def _look_up(keys: np.ndarray, face: np.ndarray, segments: np.ndarray) -> np.ndarray:
    wanted = _as_keys(segments)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, face[at], -1)


def _judge(count: int, left: np.ndarray, right: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Land or sea, by the greater length; then a face that agrees with most of its neighbours, and must not, turns."""
    votes = np.zeros(count)
    np.add.at(votes, left[left >= 0], lengths[left >= 0])
    np.subtract.at(votes, right[right >= 0], lengths[right >= 0])
    is_land = votes > 0
    between = (left >= 0) & (right >= 0) & (left != right)
    one, other, length = left[between], right[between], lengths[between]
    for _ in range(_ROUNDS):
        equal = is_land[one] == is_land[other]
        strain = np.zeros(count)
        for side in (one, other):
            np.add.at(strain, side, np.where(equal, length, -length))
        if not (strain > 0).any():
            break
        # Of two neighbours that both should, only the less sure one turns: else they would agree again.
        turning = strain > 0
        both = turning[one] & turning[other]
        first, second = one[both], other[both]
        surer = np.abs(votes[first]) + first * 1e-12 > np.abs(votes[second]) + second * 1e-12
        turning[np.where(surer, first, second)] = False
        is_land[turning] = ~is_land[turning]
    return is_land


def _ask_evidence(faces: np.ndarray, is_land: np.ndarray, evidence: np.ndarray, notes: Counter[str]) -> np.ndarray:
    """Turn all round where most of what stands on land stands in the sea."""
    if not len(evidence):
        return is_land
    tree = shapely.STRtree(faces)
    _, found = tree.query(shapely.points(evidence), predicate="within")
    dry = float(is_land[found].mean()) if len(found) else 1.0
    if len(found) >= _LEAST_EVIDENCE and dry < _SHARE:
        notes["coasts turned as a whole, because most houses and streets would stand in the sea"] += 1
        return ~is_land
    return is_land
