"""Where the city is dense and which way its streets run: two fields over the plane, on a grid of 50 m.

The directions are a tensor field (Chen et al., "Interactive procedural street modeling", 2008): radial around the old
town, square in the planned quarters, along the shore beside water, and a little restless everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from antillia.shapes import Coordinates

CELL = 50.0
WEST, SOUTH, EAST, NORTH = -9200.0, -5600.0, 8800.0, 6600.0
# x, y, weight, radius (km): the old town, suburbs, villages
_SETTLEMENTS = [
    (-0.35, -0.15, 1.0, 1.25), (0.9, -0.1, 0.55, 1.0), (-2.5, -0.5, 0.42, 0.95), (1.9, 0.9, 0.42, 1.0),
    (-0.3, 1.9, 0.4, 1.0), (3.5, -0.8, 0.36, 0.9), (-3.6, 1.0, 0.26, 0.75), (0.7, 4.9, 0.26, 0.42),
    (-5.3, 3.8, 0.2, 0.35), (-6.2, 1.6, 0.22, 0.4), (4.9, 4.3, 0.22, 0.4), (6.9, 1.9, 0.34, 0.62),
    (6.3, -1.0, 0.22, 0.42), (3.9, -2.9, 0.26, 0.42), (-6.3, -2.1, 0.2, 0.36), (-4.2, -2.8, 0.26, 0.42),
    (0.1, -4.55, 0.16, 0.28), (-2.3, 5.1, 0.18, 0.32), (3.3, 2.9, 0.2, 0.5),
    (2.3, -1.25, 0.3, 0.5), (-2.45, 2.15, 0.17, 0.45),
]  # fmt: skip
# x, y, degrees, radius (km), weight: quarters that were planned on a drawing board
_QUARTERS = [
    (-2.5, -0.5, -24, 1.1, 1.3), (1.9, 0.9, 31, 1.1, 1.3), (-0.4, 2.0, 12, 1.0, 1.1), (3.6, -0.9, -12, 1.1, 1.1),
    (1.3, -0.85, -8, 0.6, 1.5), (-3.7, 1.1, 22, 0.9, 0.8), (6.9, 1.9, -28, 0.9, 0.8), (-1.3, -0.55, 17, 0.4, 0.6),
    (-0.05, -0.75, -14, 0.35, 1.0),
    (-0.75, 0.1, 38, 0.3, 0.8), (0.35, 0.1, 22, 0.35, 0.9),
]  # fmt: skip


@dataclass(frozen=True)
class Field:
    """`cos2` and `sin2` of twice the street direction,
    and `density` from 0 (country) to 1 (old town); row 0 is south."""

    cos2: list[list[float]]
    sin2: list[list[float]]
    density: list[list[float]]

    def angle(self, x: float, y: float) -> float:
        """Direction of the major streets in radians."""
        return round(0.5 * math.atan2(_at(self.sin2, x, y), _at(self.cos2, x, y)), 9)

    def density_at(self, x: float, y: float) -> float:
        return _at(self.density, x, y)


def _at(grid: list[list[float]], x: float, y: float) -> float:
    """Bilinear value; outside the grid the nearest cell's."""
    column = min(max((x - WEST) / CELL, 0), len(grid[0]) - 1.001)
    row = min(max((y - SOUTH) / CELL, 0), len(grid) - 1.001)
    i, j = int(column), int(row)
    u, v = column - i, row - j
    lower, upper = grid[j], grid[j + 1]
    return (lower[i] * (1 - u) + lower[i + 1] * u) * (1 - v) + (upper[i] * (1 - u) + upper[i + 1] * u) * v


def build_field(shore: BaseGeometry) -> Field:
    """`shore` is every line that streets like to follow: coast, river banks, the edges of large parks."""
    x, y = np.meshgrid(np.arange(WEST, EAST + 1, CELL), np.arange(SOUTH, NORTH + 1, CELL))
    cos2, sin2 = np.zeros_like(x), np.zeros_like(x)
    for px, py, degrees, radius, weight in _QUARTERS:
        fall = weight * np.exp(-(((x - px * 1000) ** 2 + (y - py * 1000) ** 2) / (radius * 1000) ** 2))
        cos2 += fall * math.cos(math.radians(2 * degrees))
        sin2 += fall * math.sin(math.radians(2 * degrees))
    for px, py, radius, weight in [(-0.35, -0.2, 0.95, 0.85), (-0.35, -0.2, 9.0, 0.3), (0.7, 4.9, 0.6, 0.5)]:
        dx, dy = x - px * 1000, y - py * 1000
        fall = weight * np.exp(-((dx**2 + dy**2) / (radius * 1000) ** 2))
        angle = np.arctan2(dy, dx)
        cos2 += fall * np.cos(2 * angle)
        sin2 += fall * np.sin(2 * angle)
    along, near = _shore_pull(x, y, shore)
    cos2 += 1.5 * near * np.cos(2 * along)
    sin2 += 1.5 * near * np.sin(2 * along)
    turn = (0.5 * _noise(x * 2.6 + 300, y * 2.6) + 2 * _noise(x, y)) * (
        0.16 + 0.5 * np.clip(1 - _density(x, y) * 2, 0, 1)
    )
    turned = cos2 * np.cos(turn) - sin2 * np.sin(turn), cos2 * np.sin(turn) + sin2 * np.cos(turn)
    return Field(*(np.round(grid, 9).tolist() for grid in (*turned, _density(x, y))))


def _density(x: Coordinates, y: Coordinates) -> Coordinates:
    total = np.zeros_like(x)
    for px, py, weight, radius in _SETTLEMENTS:
        total += weight * np.exp(-(((x - px * 1000) ** 2 + (y - py * 1000) ** 2) / (radius * 1000) ** 2))
    return np.clip(total * (1 + 0.12 * _noise(x * 1.7, y * 1.7)), 0, 1)


def _shore_pull(x: Coordinates, y: Coordinates, shore: BaseGeometry) -> tuple[Coordinates, Coordinates]:
    """Direction along the nearest shore, and how strongly it is felt (1 at the water, fading over 200 m)."""
    shore = shore.simplify(8)
    shapely.prepare(shore)
    steps = shapely.get_coordinates(shapely.shortest_line(shapely.points(x.ravel(), y.ravel()), shore))
    delta = np.round(steps[1::2] - steps[0::2], 3)
    along = np.arctan2(delta[:, 1], delta[:, 0]) + np.pi / 2
    return along.reshape(x.shape), np.exp(-np.hypot(delta[:, 0], delta[:, 1]) / 200).reshape(x.shape)


def _noise(x: Coordinates, y: Coordinates) -> Coordinates:
    """Smooth, between -1 and 1, with waves of 1 to 4 km."""
    waves = [(1.1, 0.7, 0.4), (-0.8, 1.6, 2.1), (2.3, -1.2, 4.0), (3.1, 2.6, 1.3), (-4.4, 2.2, 5.1)]
    return sum(np.sin((a * x + b * y) / 900 + phase) for a, b, phase in waves) / len(waves) * 1.6
