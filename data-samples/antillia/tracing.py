"""Streets as streamlines of the direction field, kept a distance apart from their like."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely import LineString
from shapely.geometry.base import BaseGeometry

from antillia.field import Field
from antillia.shapes import Coordinates

STEP = 12.0
_FINE, _COARSE = 60.0, 300.0  # bucket sizes: for distances below and above 150 m
Point = tuple[float, float]


@dataclass
class Samples:
    """Points along the streets of one family (along or across the field), found by nearness."""

    fine: dict[tuple[int, int], list[Point]] = field(default_factory=dict)
    coarse: dict[tuple[int, int], list[Point]] = field(default_factory=dict)

    def add(self, points: list[Point]) -> None:
        for point in points:
            self.fine.setdefault((int(point[0] // _FINE), int(point[1] // _FINE)), []).append(point)
        for point in [*points[::4], points[-1]]:
            self.coarse.setdefault((int(point[0] // _COARSE), int(point[1] // _COARSE)), []).append(point)

    def is_near(self, x: float, y: float, distance: float) -> bool:
        buckets, size = (self.fine, _FINE) if distance < 150 else (self.coarse, _COARSE)
        reach = int(distance // size) + 1
        column, row = int(x // size), int(y // size)
        limit = distance * distance
        for i in range(column - reach, column + reach + 1):
            for j in range(row - reach, row + reach + 1):
                for px, py in buckets.get((i, j), ()):
                    if (px - x) ** 2 + (py - y) ** 2 < limit:
                        return True
        return False

    def add_line(self, line: LineString) -> None:
        count = max(2, int(line.length / STEP))
        self.add([(p.x, p.y) for p in (line.interpolate(i / count, normalized=True) for i in range(count + 1))])


@dataclass
class Tracer:
    """Draws families of streets; `inside` says where they may run, `apart` how far from each other at a place."""

    field: Field
    families: tuple[Samples, Samples] = field(default_factory=lambda: (Samples(), Samples()))

    def trace_all(
        self, seeds: list[Point], inside: Callable[[float, float], bool], apart: Callable[[float, float], float],
        shortest: float,
    ) -> list[LineString]:  # fmt: skip
        """One street per seed that is far enough from the others, both families in turn."""
        lines = []
        for number, (x, y) in enumerate(seeds):
            across = number % 2
            family = self.families[across]
            if not inside(x, y) or family.is_near(x, y, apart(x, y)):
                continue
            points = self._trace(x, y, across, inside, apart)
            if len(points) * STEP < shortest:
                continue
            family.add(points)
            lines.append(LineString(points).simplify(1.2))
        return lines

    def _trace(
        self, x: float, y: float, across: int, inside: Callable[[float, float], bool],
        apart: Callable[[float, float], float],
    ) -> list[Point]:  # fmt: skip
        angle = self.field.angle(x, y) + across * math.pi / 2
        forward = self._walk(x, y, angle, across=across, inside=inside, apart=apart)
        backward = self._walk(x, y, angle + math.pi, across=across, inside=inside, apart=apart)
        return [*backward[::-1], (x, y), *forward]

    def _walk(
        self, x: float, y: float, angle: float, *, across: int, inside: Callable[[float, float], bool],
        apart: Callable[[float, float], float],
    ) -> list[Point]:  # fmt: skip
        """Follow the field until the zone ends, the bend is too sharp, the line bites its tail, or its like is near."""
        points: list[Point] = []
        family = self.families[across]
        start = (x, y)
        heading = angle
        for count in range(900):
            middle = self._heading(x + STEP / 2 * math.cos(heading), y + STEP / 2 * math.sin(heading), across, heading)
            if abs(math.remainder(middle - heading, math.tau)) > 0.5:
                break
            heading = middle
            x, y = round(x + STEP * math.cos(heading), 2), round(y + STEP * math.sin(heading), 2)
            if not inside(x, y):
                break
            points.append((x, y))
            if family.is_near(x, y, apart(x, y) * 0.55):
                break
            if count > 12 and math.dist((x, y), start) < STEP:
                points.append(start)
                break
        return points

    def _heading(self, x: float, y: float, across: int, before: float) -> float:
        """The field's direction here, of its two senses the one that goes on."""
        angle = self.field.angle(x, y) + across * math.pi / 2
        return angle if abs(math.remainder(angle - before, math.tau)) < math.pi / 2 else angle + math.pi


def join_ends(
    lines: list[LineString], others: list[LineString], reach: Callable[[float, float], float]
) -> list[LineString]:
    """Extend each loose end straight on to the street that it nearly meets, or bend it to the nearest one."""
    network = np.array([*lines, *others], dtype=object)
    tree = shapely.STRtree(network)
    joined = []
    for index, line in enumerate(lines):
        points = [tuple(point) for point in line.coords]
        if points[0] != points[-1]:
            points = _reach_out(points, index, network, tree, reach)
            points = _reach_out(points[::-1], index, network, tree, reach)[::-1]
        joined.append(LineString(points))
    return joined


def _reach_out(
    points: list[Point], index: int, network: Coordinates, tree: shapely.STRtree, reach: Callable[[float, float], float]
) -> list[Point]:
    (bx, by), (ax, ay) = points[-2], points[-1]
    length = math.dist((ax, ay), (bx, by))
    far = reach(ax, ay)
    ray = LineString([(ax, ay), (ax + (ax - bx) / length * far, ay + (ay - by) / length * far)])
    best: tuple[float, Point] | None = None
    for other in sorted(tree.query(ray)):
        if other == index:
            continue
        hit = network[other].intersection(ray)
        if hit.is_empty:
            continue
        point = shapely.get_coordinates(shapely.shortest_line(ray.boundary.geoms[0], hit))[1]
        away = math.dist(point, (ax, ay))
        if best is None or away < best[0]:
            best = (away, (round(float(point[0]), 2), round(float(point[1]), 2)))
    return [*points, best[1]] if best and best[0] > 0.01 else points


def clip(lines: list[LineString], area: BaseGeometry, shortest: float) -> list[LineString]:
    """The parts of the lines inside an area, without crumbs."""
    cut = shapely.intersection(np.array(lines, dtype=object), area)
    merged = shapely.line_merge(cut)
    return [part for part in shapely.get_parts(merged) if isinstance(part, LineString) and part.length >= shortest]
