"""City blocks between the streets, and the houses in them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import LineString, Polygon
from shapely.affinity import rotate, translate
from shapely.geometry.base import BaseGeometry

from antillia.field import Field
from antillia.shapes import parts
from antillia.streets import WIDTHS, Edge


@dataclass
class Building:
    shape: Polygon
    kind: str
    levels: int
    year: int
    name: str = ""


def build_blocks(edges: list[Edge], ground: BaseGeometry, greens: BaseGeometry) -> list[Polygon]:
    """The faces of the network, less the streets' own width, water and parks."""
    lines = np.array([edge.line for edge in edges], dtype=object)
    widths = np.array([WIDTHS[edge.kind] / 2 + 2.5 for edge in edges])
    surface = shapely.union_all(shapely.buffer(lines, widths, cap_style="flat", join_style="mitre", mitre_limit=2))
    reach = shapely.union_all(shapely.buffer(lines, 75, quad_segs=3))
    free = reach.intersection(ground.buffer(-9)).difference(surface).difference(greens.buffer(6))
    return [part.simplify(0.8) for part in parts(free) if part.area > 350]


def build_houses(blocks: list[Polygon], field: Field, works: BaseGeometry, seed: int) -> list[Building]:
    """Closed rows around courtyards where it is dense, houses with gardens where it is not."""
    rng = np.random.default_rng(seed)
    houses = []
    for block in blocks:
        middle = block.representative_point()
        density = field.density_at(middle.x, middle.y)
        if works.contains(middle):
            houses += _sheds(block, rng)
            continue
        if density < 0.12:
            continue
        houses += _row(block, density, rng) if density > 0.5 else _detached(block, density, rng)
    return houses


def _row(block: Polygon, density: float, rng: np.random.Generator) -> list[Building]:
    """A ring of depth 11-15 m along the block's edge, cut across every 12-24 m."""
    depth = float(rng.uniform(11, 15))
    outer = block.buffer(-1.0, join_style="mitre")
    houses = []
    for part in parts(outer):
        court = part.buffer(-depth, join_style="mitre")
        ring = part.difference(court)
        cuts = _cuts(part, depth, rng)
        pieces = shapely.get_parts(
            shapely.polygonize([*shapely.get_parts(shapely.node(shapely.union_all([ring.boundary, *cuts])))])
        )
        for piece in pieces:
            if piece.area < 45 or not ring.contains(piece.representative_point()) or rng.random() < 0.05:
                continue
            houses.append(_house(piece, density, rng))
    return houses


def _cuts(part: Polygon, depth: float, rng: np.random.Generator) -> list[LineString]:
    """Party walls: from the street side inwards, square to it."""
    cuts = []
    corners = [tuple(point) for point in part.exterior.coords]
    sign = 1 if part.exterior.is_ccw else -1
    for (ax, ay), (bx, by) in itertools.pairwise(corners):
        length = math.hypot(bx - ax, by - ay)
        if length < 20:
            continue
        ux, uy = (bx - ax) / length, (by - ay) / length
        position = depth + float(rng.uniform(0, 6))
        while position < length - depth * 0.8:
            x, y = ax + ux * position, ay + uy * position
            nx, ny = -uy * sign, ux * sign
            cuts.append(LineString([(x - nx, y - ny), (x + nx * (depth + 3), y + ny * (depth + 3))]))
            position += float(rng.uniform(14, 27))
    return cuts


def _detached(block: Polygon, density: float, rng: np.random.Generator) -> list[Building]:
    """Rectangles along the block's edges, set back from the street, that do not touch each other."""
    houses: list[Building] = []
    taken: list[Polygon] = []
    for part in parts(block.buffer(-float(rng.uniform(2, 5)), join_style="mitre")):
        corners = [tuple(point) for point in part.simplify(2).exterior.coords]
        sign = 1 if part.exterior.is_ccw else -1
        for (ax, ay), (bx, by) in itertools.pairwise(corners):
            length = math.hypot(bx - ax, by - ay)
            position = float(rng.uniform(1, 6))
            while position < length - 8:
                width, deep = float(rng.uniform(10, 18)), float(rng.uniform(9, 13))
                gap = float(rng.uniform(4, 11)) + 18 * max(0.0, 0.35 - density) * float(rng.uniform(0, 3))
                house = _rectangle((ax, ay), (bx, by), position, width, deep, sign=sign)
                position += width + gap
                clear = all(not other.intersects(house) for other in taken)
                if clear and part.buffer(0.3).contains(house) and rng.random() > 0.18:
                    taken.append(house.buffer(2.2, join_style="mitre"))
                    houses.append(_house(house, density, rng))
    return houses


def _sheds(block: Polygon, rng: np.random.Generator) -> list[Building]:
    """Halls and stores of 25-70 m, with yards between them."""
    sheds: list[Building] = []
    taken: list[Polygon] = []
    for part in parts(block.buffer(-7, join_style="mitre")):
        corners = [tuple(point) for point in part.simplify(4).exterior.coords]
        sign = 1 if part.exterior.is_ccw else -1
        for a, b in itertools.pairwise(corners):
            length = math.dist(a, b)
            position = float(rng.uniform(2, 12))
            while position < length - 18:
                width, deep = float(rng.uniform(22, 64)), float(rng.uniform(16, 34))
                shed = _rectangle(a, b, position, width, deep, sign=sign)
                position += width + float(rng.uniform(8, 22))
                if part.buffer(0.3).contains(shed) and all(not other.intersects(shed) for other in taken):
                    taken.append(shed.buffer(6, join_style="mitre"))
                    sheds.append(Building(shed, "industrial", int(rng.integers(2, 5)), int(rng.integers(1948, 2024))))
    return sheds


def _rectangle(
    a: tuple[float, float], b: tuple[float, float], start: float, width: float, deep: float, *, sign: int
) -> Polygon:
    angle = math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))
    box = Polygon([(start, 0), (start + width, 0), (start + width, deep * sign), (start, deep * sign)])
    return translate(rotate(box, angle, origin=(0, 0)), a[0], a[1])


def _house(shape: Polygon, density: float, rng: np.random.Generator) -> Building:
    levels = max(1, round(float(rng.normal(1.2 + 4.2 * density, 0.7 + density))))
    kind = "apartments" if levels > 2 else "house"
    if density > 0.6 and rng.random() < 0.16:
        kind = "commercial"
    year = int(np.clip(rng.normal(1965 - 75 * density, 35), 1540, 2024))
    return Building(shape, kind, levels, year)
