"""Shapes, boxes and coordinate reference systems of a request, brought to a CRS that a geometry column has.

The literal is transformed, never the column. A layer stored in lon/lat, or in the very CRS of the request, is compared
by its own `geom`; any other by `geom_3857`, because web mercator takes every place on earth, whereas the transformation
of a large box into, say, a UTM zone fails in PROJ. Both columns are indexed.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from geoserver.filtering.syntax import Call, Geometry, Node, Property, wrong

__all__ = [
    "CRS84",
    "Reference",
    "is_collection",
    "locate",
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
_STEPS = 64  # pieces into which the edges of a shape are cut before they are bent by a transformation
_MAX_VERTICES = 100_000


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
    if len(crs.axis_info) < 2:  # noqa: PLR2004 - a height alone is no place
        raise CRSError("not a horizontal CRS")
    swapped = crs.axis_info[0].direction.lower() in ("north", "south") and crs.axis_info[1].direction.lower() in (
        "east",
        "west",
    )
    return Reference(crs, code, swapped)


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
    try:
        shape = shapely.from_wkt(text)
    except shapely.GEOSException as error:
        raise wrong(text, f"well-known text of a geometry ({_reason(error)})") from error
    return _checked(shape, text)


def parse_geojson(text: str) -> Geometry:
    """A GeoJSON geometry."""
    try:
        shape = shapely.from_geojson(text)
    except shapely.GEOSException as error:
        raise wrong(text, f"a GeoJSON geometry ({_reason(error)})") from error
    return _checked(shape, text)


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


def _to_lonlat(geometry: shapely.Geometry, reference: Reference, parameter: str) -> shapely.Geometry:
    """Projected to lon/lat; edges are cut finely first, because straight lines come out bent."""
    west, south, east, north = geometry.bounds
    reach = max(east - west, north - south)
    if reach > 0:
        geometry = shapely.segmentize(geometry, reach / _STEPS)
    transformer = Transformer.from_crs(reference.crs, CRS.from_user_input("OGC:CRS84"), always_xy=True)
    points = shapely.get_coordinates(geometry)
    try:
        x, y = transformer.transform(points[:, 0], points[:, 1])
    except ProjError:
        x = y = np.full(len(points), np.nan)
    moved = np.column_stack([x, y])
    if not np.isfinite(moved).all():
        raise wrong(shapely.to_wkt(geometry), f"coordinates inside the area of {reference.crs.name}", parameter)
    return shapely.set_coordinates(geometry, moved)


def _to_mercator(geometry: shapely.Geometry) -> shapely.Geometry:
    """Lon/lat to web mercator (EPSG:3857). Parallels and meridians stay straight; other edges are cut finely first."""
    west, south, east, north = geometry.bounds
    reach = max(east - west, north - south)
    steps = np.diff(shapely.get_coordinates(geometry), axis=0)
    if reach > 0 and (steps != 0).all(axis=1).any():
        geometry = shapely.segmentize(geometry, max(reach / _STEPS, 1e-6))

    def project(points: np.ndarray) -> np.ndarray:
        latitudes = np.radians(np.clip(points[:, 1], -_NEAR_POLE, _NEAR_POLE))
        return np.column_stack(
            [np.radians(points[:, 0]) * _RADIUS, np.log(np.tan(math.pi / 4 + latitudes / 2)) * _RADIUS]
        )

    return shapely.transform(geometry, project)


def _checked(shape: shapely.Geometry | None, text: str) -> Geometry:
    if shape is None or shapely.is_empty(shape):
        raise wrong(text, "a geometry that is not empty")
    if shapely.get_num_coordinates(shape) > _MAX_VERTICES:
        raise wrong(text, f"at most {_MAX_VERTICES:,} vertices")
    _check_finite(shapely.get_coordinates(shape).ravel().tolist(), "filter", text)
    if not shapely.is_valid(shape):
        raise wrong(text, f"a valid geometry ({shapely.is_valid_reason(shape)})")
    return Geometry(shapely.to_wkb(shapely.force_2d(shape)))


def _check_finite(numbers: list[float], parameter: str, shown: str = "") -> None:
    if not all(math.isfinite(number) and abs(number) < 1e12 for number in numbers):  # noqa: PLR2004 - beyond any CRS
        raise wrong(shown or ",".join(f"{number:g}" for number in numbers), "finite coordinates", parameter)


def _check_degrees(geometry: shapely.Geometry, parameter: str) -> None:
    points = np.abs(shapely.get_coordinates(geometry))
    if (points[:, 0] > 180).any() or (points[:, 1] > 90).any():  # noqa: PLR2004 - degrees
        expected = "longitudes from -180 to 180 and latitudes from -90 to 90, in the axis order of the CRS"
        raise wrong(shapely.to_wkt(geometry, rounding_precision=6), expected, parameter)


def is_collection(shape: Geometry) -> bool:
    """Whether the shape is a GEOMETRYCOLLECTION, which PostGIS can only intersect."""
    return bool(shapely.get_type_id(shapely.from_wkb(shape.wkb)) == shapely.GeometryType.GEOMETRYCOLLECTION)


def _normal(geometry: shapely.Geometry) -> bytes:
    wkb: bytes = shapely.to_wkb(shapely.normalize(geometry))
    return wkb


def _reason(error: Exception) -> str:
    return str(error).split(":", 1)[-1].strip()[:100]
