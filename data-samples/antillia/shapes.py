"""Curves and noise: small geometric helpers over metres in the local plane (origin: the city's centre).

Everything that comes out of a transcendental function is rounded: its last bit differs between processors, and the
files must not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Transformer
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

Coordinates = npt.NDArray[np.float64]

CENTRE = (-28.6, 45.2)  # lon, lat of the local plane's origin
UTM = "EPSG:32626"
_TO_UTM = Transformer.from_crs("OGC:CRS84", UTM, always_xy=True)
_TO_LONLAT = Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True)
ORIGIN = tuple(round(value) for value in _TO_UTM.transform(*CENTRE))


def to_lonlat(geometries: object, digits: int = 7) -> object:
    """Local metres -> lon/lat degrees, rounded; takes a geometry or an array of them."""

    def move(points: Coordinates) -> Coordinates:
        lon, lat = _TO_LONLAT.transform(points[:, 0] + ORIGIN[0], points[:, 1] + ORIGIN[1])
        return np.round(np.column_stack([lon, lat]), digits)

    return shapely.transform(geometries, move)


def to_lonlat_valid(shapes: list[BaseGeometry], digits: int = 7) -> Coordinates:
    """Polygons in lon/lat; where rounding makes one touch itself, its largest sound part on the same grid."""
    moved = np.array(to_lonlat(np.array(shapes, dtype=object), digits))
    for index in np.flatnonzero(~shapely.is_valid(moved)):
        sound = shapely.set_precision(shapely.make_valid(moved[index]), 10.0**-digits)
        largest = max(parts(sound), key=lambda part: part.area)
        moved[index] = shapely.transform(largest, lambda points: np.round(points, digits))
    return moved


def to_utm(geometries: object) -> object:
    """Local metres -> EPSG:32626, rounded to centimetres."""
    return shapely.transform(geometries, lambda points: np.round(points + np.array(ORIGIN), 2))


def spline(points: list[tuple[float, float]], *, closed: bool = False, step: float = 60.0) -> Coordinates:
    """A centripetal-like Catmull-Rom curve through control points in km; out come metres, about `step` apart."""
    control = np.array(points, dtype=float) * 1000
    around = np.vstack([control[-1], control, control[:2]]) if closed else _mirror_ends(control)
    parts = []
    for i in range(1, len(around) - 2):
        a, b, c, d = around[i - 1 : i + 3]
        n = max(2, int(np.hypot(*(c - b)) / step))
        t = (np.arange(n) / n)[:, None]
        parts.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    if not closed:
        parts.append(control[-1:])
    return np.round(np.vstack(parts), 2)


def _mirror_ends(control: Coordinates) -> Coordinates:
    return np.vstack([2 * control[0] - control[1], control, 2 * control[-1] - control[-2]])


def roughen(ring: Coordinates, amplitude: float, calm: Coordinates, seed: int) -> Coordinates:
    """Push a closed ring in and out by noise of several wavelengths; quiet within 1-2 km of the `calm` points."""
    rng = np.random.default_rng(seed)
    n = len(ring)
    shift = np.zeros(n)
    t = np.arange(n) / n
    longest = max(2, round(float(np.hypot(*(np.roll(ring, -1, axis=0) - ring).T).sum()) / 2400))
    for octave in range(6):
        for frequency in rng.integers(longest * 2**octave, longest * 2 ** (octave + 1), 3):
            phase = rng.random() * 2 * np.pi
            shift += np.sin(2 * np.pi * frequency * t + phase) / 2.25**octave / 1.8
    away = np.min(np.hypot(*(ring[:, None, :] - calm[None, :, :]).transpose(2, 0, 1)), axis=1)
    shift *= amplitude * np.clip((away - 900) / 1400, 0.04, 1)
    tangent = np.roll(ring, -1, axis=0) - np.roll(ring, 1, axis=0)
    normal = np.column_stack([tangent[:, 1], -tangent[:, 0]]) / np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    return np.round(ring + normal * shift[:, None], 2)


def ribbon(line: Coordinates, start: float, end: float) -> BaseGeometry:
    """A river's surface: the line widened from `start` to `end` metres."""
    widths = np.linspace(start, end, len(line)) / 2
    tangent = np.gradient(line, axis=0)
    normal = np.column_stack([tangent[:, 1], -tangent[:, 0]]) / np.hypot(*tangent.T)[:, None]
    sides = np.vstack([line + normal * widths[:, None], (line - normal * widths[:, None])[::-1]])
    return Polygon(np.round(sides, 2)).buffer(0.5).buffer(-0.5)


def parts(geometry: BaseGeometry, kind: type[BaseGeometry] = Polygon) -> list[BaseGeometry]:
    """The single geometries of one kind inside a geometry, in a stable order."""
    found = [part for part in shapely.get_parts(geometry) if isinstance(part, kind) and not part.is_empty]
    if len(found) < 2:
        return found
    corners = shapely.bounds(np.array(found, dtype=object))
    return [found[i] for i in np.lexsort(np.round(corners.T, 3))]
