"""Areas as filters name them: `CIRCLE(lon, lat, metres)` and `FEATURE('layer', fid)`, wherever a shape may stand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import shapely
from pyproj import Geod

from geoserver.filtering.syntax import INT64, Feature, Geometry, Literal, Node, wrong

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FUNCTIONS", "MAX_RADIUS", "Function", "draw_circle", "parse_function"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of filters for people and programs; `arguments` are name, kind and what it is. It gives a geometry."""

    written: str
    description: str
    arguments: tuple[tuple[str, str, str], ...]


FUNCTIONS = {
    "circle": Function(
        "CIRCLE(longitude, latitude, metres)",
        "All places on the earth's surface within so many metres of one.",
        (
            ("longitude", "number", "Degrees, -180 to 180, whatever filter-crs says."),
            ("latitude", "number", "Degrees, so that the circle stays between 85 degrees south and north."),
            ("metres", "number", "The radius, above 0 and up to 1,000,000."),
        ),
    ),
    "feature": Function(
        "FEATURE('layer', id)",
        "The geometry of one feature of a layer, the same or another.",
        (
            ("layer", "string", "The id of a layer or collection that has features."),
            ("id", "integer", "The id of the feature."),
        ),
    ),
}
MAX_RADIUS = 1_000_000.0  # metres
_LAST = 85.0  # degrees north and south; a little farther the map ends
_CORNERS = 256
# Halfway between the circle through the corners and the one that the edges touch, so that both are half as far away.
_EVEN = 2 / (1 + math.cos(math.pi / _CORNERS))
_LONLAT = 4326
_EARTH = Geod(ellps="WGS84")


def parse_function(name: str, arguments: Sequence[Node]) -> Node:
    """One of FUNCTIONS with its arguments; raises BadParameterError."""
    if name == "feature":
        return _parse_feature(arguments)
    numbers = [_number(argument) for argument in arguments]
    if len(numbers) != 3:  # noqa: PLR2004 - a place and a radius
        raise wrong("CIRCLE", f"3 numbers and not {len(numbers)}: {FUNCTIONS['circle'].written}")
    return Geometry(draw_circle(numbers[0], numbers[1], numbers[2]), _LONLAT)


def draw_circle(lon: float, lat: float, metres: float, parameter: str = "filter") -> bytes:
    """The circle on the ellipsoid of WGS 84 as well-known binary in lon/lat: a polygon, or two where the antimeridian
    cuts it, whose edge is off by at most 0.02 % of the radius. Raises BadParameterError.
    """
    shown = f"CIRCLE({lon:g},{lat:g},{metres:g})"
    if not (abs(lon) <= 180 and abs(lat) <= 90):  # noqa: PLR2004 - degrees; what is no number is neither
        raise wrong(shown, "a longitude from -180 to 180 and a latitude from -90 to 90", parameter)
    if not 0 < metres <= MAX_RADIUS:
        raise wrong(shown, f"a radius above 0 and up to {MAX_RADIUS:,.0f} metres", parameter)
    return _draw(float(lon), float(lat), float(metres), shown, parameter)


@lru_cache(64)
def _draw(lon: float, lat: float, metres: float, shown: str, parameter: str) -> bytes:
    azimuths = np.arange(_CORNERS) * (360 / _CORNERS)
    centre = np.full(_CORNERS, lon), np.full(_CORNERS, lat)
    lons, lats, _ = _EARTH.fwd(*centre, azimuths, np.full(_CORNERS, metres * _EVEN))
    if abs(lat) > _LAST or np.abs(lats).max() > _LAST:
        raise wrong(shown, f"a circle between {_LAST:g} degrees south and north, where the map ends", parameter)
    whole = shapely.Polygon(np.column_stack([lon + (lons - lon + 180) % 360 - 180, lats]))
    shape = whole
    west, _, east, _ = whole.bounds
    if west < -180 or east > 180:  # noqa: PLR2004 - degrees
        world = shapely.box(-180, -90, 180, 90)
        turn = np.array([360 if west < -180 else -360, 0])  # noqa: PLR2004 - degrees
        turned = shapely.transform(whole, lambda points: points + turn)
        shape = shapely.union_all([shapely.intersection(part, world) for part in (whole, turned)])
    wkb: bytes = shapely.to_wkb(shapely.normalize(shape))
    return wkb


def _parse_feature(arguments: Sequence[Node]) -> Feature:
    match arguments:
        case [Literal(str() as layer), Literal(bool())]:
            pass
        case [Literal(str() as layer), Literal(int() as fid)] if -INT64 <= fid < INT64:
            return Feature(layer, fid)
    raise wrong(
        "FEATURE", f"a layer's name in quotes and the whole number of a feature: {FUNCTIONS['feature'].written}"
    )


def _number(node: Node) -> float:
    if isinstance(node, Literal) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        try:
            return float(node.value)
        except OverflowError:
            return math.inf
    raise wrong("CIRCLE", f"3 numbers: {FUNCTIONS['circle'].written}")
