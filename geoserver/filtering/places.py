"""Shapes, boxes and coordinate reference systems of a request, brought to a CRS that a geometry column has.

The literal is transformed, never the column. A layer stored in lon/lat, or in the very CRS of the request, is compared
by its own `geom`; any other by `geom_3857`, because web mercator takes every place on earth, whereas the transformation
of a large box into, say, a UTM zone fails in PROJ. Both columns are indexed.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from geoserver.filtering.shapes import ShapeError, is_sound, read_geojson, read_wkt
from geoserver.filtering.syntax import Call, Geometry, Node, Property, wrong

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CRS84",
    "LONLAT",
    "Reference",
    "locate",
    "merge",
    "parse_bbox",
    "parse_box",
    "parse_crs",
    "parse_geojson",
    "parse_wkt",
]

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_CRS_FORMS = f"{CRS84}, http://www.opengis.net/def/crs/EPSG/0/25832 or EPSG:25832"
_LONLAT = 4326
_MERCATOR = 3857
_RADIUS = 6378137.0
_NEAR_POLE = 89.99  # web mercator has no pole; closer than a kilometre is near enough
_STEPS = 64  # pieces into which an edge as long as the whole shape is cut before a transformation bends it
_MAX_PIECES = 5_000  # of all edges together, however many there are
_TINY = 1e-9  # degrees or metres; what is smaller than this bends nowhere


class Reference:
    """A CRS of a request: its code, whether coordinates come as lat/lon, and whether they are degrees."""

    def __init__(self, crs: CRS, srid: int, swapped: bool) -> None:
        self.crs = crs
        self.srid = srid
        self.swapped = swapped
        self.is_lonlat = srid == _LONLAT


def parse_crs(text: str | None, parameter: str) -> Reference:
    """CRS84, or an EPSG code as URI, URN, `EPSG:code` or `[EPSG:code]`; axes in the order that the authority states.

    `CRS84h` and the three-dimensional EPSG codes count as their flat sisters.
    """
    if not text:
        return _read_crs(0)
    bare = text.strip().removeprefix("[").removesuffix("]")
    if re.fullmatch(r"(https?://www\.opengis\.net/def/crs/OGC/[\d.]+/|urn:ogc:def:crs:OGC:[\d.]*:|OGC:)?CRS84h?", bare):
        return _read_crs(0)
    code = re.fullmatch(
        r"(?:https?://www\.opengis\.net/def/crs/EPSG/[\d.]+/|urn:ogc:def:crs:EPSG:[\d.]*:|EPSG:)(\d{4,6})", bare
    )
    if code is None:
        raise wrong(text, f"a CRS such as {_CRS_FORMS}", parameter)
    try:
        return _read_crs(int(code[1]))
    except CRSError as error:
        raise wrong(text, f"a CRS that exists, such as {_CRS_FORMS}", parameter) from error


@lru_cache(maxsize=256)
def _read_crs(code: int) -> Reference:
    if not code:
        return Reference(CRS.from_user_input("OGC:CRS84"), _LONLAT, swapped=False)
    crs = CRS.from_epsg(code)
    if not (crs.is_geographic or crs.is_projected):  # a height, a factory's own grid, metres from the earth's centre
        raise CRSError("not a CRS of places on the earth's surface")
    swapped = crs.axis_info[0].direction.lower() in ("north", "south") and crs.axis_info[1].direction.lower() in (
        "east",
        "west",
    )
    return Reference(crs, code, swapped)


LONLAT = _read_crs(0)


def parse_box(numbers: list[float], parameter: str = "filter") -> Geometry:
    """A box in the order that its CRS states, of 4 or 6 numbers; heights are left aside because layers are flat."""
    _check_finite(numbers, parameter)
    half = len(numbers) // 2
    return _box(numbers[0], numbers[1], numbers[half], numbers[half + 1])


def _box(x1: float, y1: float, x2: float, y2: float) -> Geometry:
    """A box as a line from corner to corner, until its CRS says which way round it is (see `_unfold`)."""
    return Geometry(shapely.to_wkb(shapely.LineString([(x1, y1), (x2, y2)])), srid=-1)


def parse_bbox(text: str, reference: Reference) -> Node:
    """`bbox=west,south,east,north` (or with heights) as a condition on the geometry."""
    parts = text.split(",")
    expected = "4 or 6 numbers with commas between them: west,south,east,north in the order of bbox-crs"
    if len(parts) not in (4, 6) or len(text) > 500:  # noqa: PLR2004 - six long numbers fit well
        raise wrong(text, expected, "bbox")
    try:
        numbers = [float(part) for part in parts]
    except ValueError as error:
        raise wrong(text, expected, "bbox") from error
    box = locate(parse_box(numbers, "bbox"), reference, "bbox")
    return Call("s_intersects", (Property("geometry"), box))


def parse_wkt(text: str) -> Geometry:
    """Well-known text."""
    return _parse(read_wkt, text, text, "well-known text of a geometry")


def parse_geojson(item: dict[str, Any], shown: str) -> Geometry:
    """A GeoJSON geometry; `shown` stands for it in errors."""
    return _parse(read_geojson, item, shown, "a GeoJSON geometry")


def _parse[T](read: Callable[[T], bytes], written: T, shown: str, form: str) -> Geometry:
    try:
        wkb = read(written)
    except ShapeError as error:
        raise wrong(shown, f"{form} ({error})") from error
    shape = shapely.from_wkb(wkb)
    if not shapely.is_valid(shape):
        raise wrong(shown, f"a valid geometry ({shapely.is_valid_reason(shape)})")
    return Geometry(wkb)


def locate(shape: Geometry, reference: Reference, parameter: str = "filter") -> Geometry:
    """The shape with x before y, checked against its CRS; boxes become polygons, two where the antimeridian cuts."""
    geometry = shapely.from_wkb(shape.wkb)
    if reference.swapped:
        geometry = shapely.transform(geometry, lambda points: points[:, ::-1])
    if reference.is_lonlat:
        _check_degrees(geometry, parameter)
    if shape.srid == -1:
        geometry = _unfold(geometry, reference, parameter)
    return Geometry(shapely.to_wkb(geometry), reference.srid)


def to_column(shape: Geometry, reference: Reference, layer_srid: int, parameter: str = "filter") -> Geometry:
    """The located shape in the CRS of the column that it is to be compared with."""
    if shape.srid == layer_srid:
        return Geometry(_normal(shapely.from_wkb(shape.wkb)), layer_srid, "geom")
    geometry = shapely.from_wkb(shape.wkb)
    if reference.srid == _MERCATOR:
        return Geometry(_normal(geometry), _MERCATOR, "geom_3857")
    if not reference.is_lonlat:
        geometry = _to_lonlat(geometry, reference, parameter)
    if layer_srid == _LONLAT:
        return Geometry(_normal(geometry), _LONLAT, "geom")
    return Geometry(_normal(_to_mercator(geometry)), _MERCATOR, "geom_3857")


def _unfold(diagonal: shapely.Geometry, reference: Reference, parameter: str) -> shapely.Geometry:
    (west, south), (east, north) = shapely.get_coordinates(diagonal)
    shown = f"{west:g},{south:g},{east:g},{north:g}"
    if south > north:
        raise wrong(shown, "a southern edge that is not north of the northern one", parameter)
    if reference.crs.is_geographic and west > east:  # the antimeridian has two names
        west, east = (-180.0 if west == 180 else west), (180.0 if east == -180 else east)  # noqa: PLR2004 - degrees
    if west <= east:
        return _rectangle(west, south, east, north)
    if not reference.crs.is_geographic:
        raise wrong(shown, "a western edge that is not east of the eastern one", parameter)
    return shapely.union_all([_rectangle(west, south, 180, north), _rectangle(-180, south, east, north)])


def _rectangle(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    """A polygon; a line or a point where it has no area, because an empty polygon touches nothing."""
    corners = [(west, south), (east, north)]
    if west < east and south < north:
        return shapely.box(west, south, east, north)
    return shapely.Point(west, south) if corners[0] == corners[1] else shapely.LineString(corners)


def _cut(geometry: shapely.Geometry) -> shapely.Geometry:
    """Edges cut finely, because straight lines come out bent; the number of pieces has a limit.

    `segmentize` ends the process where a part is empty, and never returns where the length of a piece is next to none:
    shapes have no empty parts, and the length follows from their extent.
    """
    west, south, east, north = geometry.bounds
    reach = max(east - west, north - south)
    if reach < _TINY:
        return geometry
    return shapely.segmentize(geometry, max(reach / _STEPS, shapely.length(geometry) / _MAX_PIECES))


@lru_cache(maxsize=256)
def _transformer(srid: int) -> Transformer | None:
    """To lon/lat; None where PROJ knows no way, which it takes a second to find out."""
    try:
        return Transformer.from_crs(_read_crs(srid).crs, CRS.from_user_input("OGC:CRS84"), always_xy=True)
    except (CRSError, ProjError):
        return None


def _to_lonlat(geometry: shapely.Geometry, reference: Reference, parameter: str) -> shapely.Geometry:
    """Projected to lon/lat."""
    geometry = _cut(geometry)
    points = shapely.get_coordinates(geometry)
    transformer = _transformer(reference.srid)
    # What cannot be transformed comes out as infinity.
    moved = np.column_stack(transformer.transform(points[:, 0], points[:, 1])) if transformer else points * np.nan
    if not np.isfinite(moved).all():
        raise wrong(_shown(geometry), f"coordinates inside the area of {reference.crs.name}", parameter)
    return shapely.set_coordinates(geometry, moved)


def _to_mercator(geometry: shapely.Geometry) -> shapely.Geometry:
    """Lon/lat to web mercator (EPSG:3857). Parallels and meridians stay straight; other edges are cut finely first."""
    steps = np.diff(shapely.get_coordinates(geometry), axis=0)
    if (steps != 0).all(axis=1).any():
        geometry = _cut(geometry)

    def project(points: np.ndarray) -> np.ndarray:
        latitudes = np.radians(np.clip(points[:, 1], -_NEAR_POLE, _NEAR_POLE))
        return np.column_stack(
            [np.radians(points[:, 0]) * _RADIUS, np.log(np.tan(math.pi / 4 + latitudes / 2)) * _RADIUS]
        )

    return shapely.transform(geometry, project)


def _check_finite(numbers: list[float], parameter: str) -> None:
    if not all(map(is_sound, numbers)):
        raise wrong(",".join(f"{number:g}" for number in numbers), "finite coordinates", parameter)


def _check_degrees(geometry: shapely.Geometry, parameter: str) -> None:
    points = np.abs(shapely.get_coordinates(geometry))
    if (points[:, 0] > 180).any() or (points[:, 1] > 90).any():  # noqa: PLR2004 - degrees
        expected = "longitudes from -180 to 180 and latitudes from -90 to 90, in the axis order of the CRS"
        raise wrong(_shown(geometry), expected, parameter)


def merge(shape: Geometry) -> Geometry:
    """A collection as the one multi-geometry of the same places; PostGIS can only intersect other collections."""
    geometry = shapely.from_wkb(shape.wkb)
    if shapely.get_type_id(geometry) != shapely.GeometryType.GEOMETRYCOLLECTION:
        return shape
    dimensions = {int(shapely.get_dimensions(part)) for part in shapely.get_parts(geometry)}
    if len(dimensions) > 1:
        expected = "a geometry of one kind; only S_INTERSECTS and S_DISJOINT take collections of several"
        raise wrong("GEOMETRYCOLLECTION", expected)
    return replace(shape, wkb=shapely.to_wkb(shapely.union_all(shapely.get_parts(geometry))))


def _normal(geometry: shapely.Geometry) -> bytes:
    wkb: bytes = shapely.to_wkb(shapely.normalize(geometry))
    return wkb


def _shown(geometry: shapely.Geometry) -> str:
    text: str = shapely.to_wkt(geometry, rounding_precision=6)
    return text
