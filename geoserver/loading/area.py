"""Where a source's positions may lie: its CRS as PostGIS knows it, and the area in which that CRS is used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pyproj import CRS, Transformer
from pyproj.enums import WktVersion
from pyproj.exceptions import CRSError, ProjError

from geoserver.errors import LoadError
from geoserver.model import Bounds

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LONLAT", "MANY", "Place", "find_place"]

LONLAT = 4326
_MARGIN = 0.1  # of the area's width and height
_LEAST_MARGIN = 1.0  # degrees; cities use a neighbour's zone
_TOLERANCE = 1e-6  # degrees; files write 180.0000001
_CONFIDENCE = 70
MANY = 20  # rows from which on it is known where a layer lies
_FEW = 10  # percent of rows that may lie anywhere
_HOME_MARGIN = 0.25  # degrees

type Mask = np.ndarray


@dataclass(frozen=True, slots=True)
class Place:
    """A CRS in use: `srid` of the stored geometry, and what leads to longitude and latitude (None: it is that)."""

    name: str
    srid: int
    west: float
    south: float
    east: float
    north: float
    to_lonlat: Transformer | None = None
    home: tuple[float, float, float, float] | None = (
        None  # where nearly all rows lie, when its mirror image is elsewhere
    )
    geographic: bool = True  # its numbers are degrees
    stored_as: Transformer | None = None  # for a CRS that PostGIS does not know: rows are stored as lon/lat

    def holds(self, x: np.ndarray, y: np.ndarray) -> Mask:
        """Which positions lie in the area; not the infinite ones and those that cannot be transformed."""
        lon, lat = (x, y) if self.to_lonlat is None else self.to_lonlat.transform(x, y)
        with np.errstate(invalid="ignore"):
            inside = (lat >= self.south) & (lat <= self.north)
            if self.west <= self.east:
                return inside & (lon >= self.west) & (lon <= self.east)
            return inside & ((lon >= self.west) | (lon <= self.east))

    def settle(self, x: np.ndarray, y: np.ndarray) -> Place:
        """The same with a home, found from many rows in degrees, so that single rows with swapped axes show."""
        if self.to_lonlat is not None or len(x) < MANY:
            return self
        low, high = np.percentile(np.stack([x, y]), [_FEW, 100 - _FEW], axis=1)
        margin = np.maximum(high - low, _HOME_MARGIN)
        west, south = low - margin
        east, north = high + margin
        apart = east < south or north < west
        return replace(self, home=(west, south, east, north)) if apart else self

    def is_home(self, x: np.ndarray, y: np.ndarray) -> Mask:
        """Which positions lie where nearly all rows do; none while that is not known."""
        if self.home is None:
            return np.zeros(len(x), dtype=bool)
        west, south, east, north = self.home
        return (x >= west) & (x <= east) & (y >= south) & (y <= north)

    def read_bounds(self, box: np.ndarray) -> Bounds | None:
        """A box in stored coordinates as lon/lat; None when nothing was put into it."""
        if not np.isfinite(box).all():
            return None
        if self.to_lonlat is None or self.stored_as is not None:
            return Bounds(*(float(edge) for edge in box))
        try:
            west, south, east, north = self.to_lonlat.transform_bounds(box[0], box[1], box[2], box[3], densify_pts=21)
        except ProjError:
            return None
        edges = (max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0))
        return Bounds(*edges) if np.isfinite(edges).all() else None


def find_place(crs: str, name: str, knows: Callable[[str, str], int | None], own: int | None = None) -> Place:
    """The place of a CRS; `knows(authority, code)` is its srid in PostGIS or None, `own` that of a CRS without a code.

    LoadError for what is no CRS.
    """
    try:
        found = _flat(CRS.from_user_input(crs))
    except CRSError as error:
        raise LoadError(f"{name}: the CRS is not understood; set crs in the layer file ({error})") from error
    if not (found.is_geographic or found.is_projected):
        raise LoadError(f"{name}: the CRS {found.name!r} does not lie on the earth; set crs in the layer file")
    authority = None if own else found.to_authority(min_confidence=_CONFIDENCE)
    srid = own
    if authority:
        found = CRS.from_authority(*authority)
        srid = LONLAT if authority in (("OGC", "CRS84"), ("EPSG", "4326")) else knows(*authority)
    plain = _is_plain_lonlat(found)
    transformer = None if plain else Transformer.from_crs(found, LONLAT, always_xy=True)
    stored = transformer if srid is None else None
    if plain and srid is None:
        transformer = stored = Transformer.from_crs(found, LONLAT, always_xy=True)
    label = f"{authority[0]}:{authority[1]}" if authority else f"SRID {own}" if own else "its own CRS"
    return Place(
        label,
        srid or LONLAT,
        *_area(found, whole=plain),
        to_lonlat=transformer,
        stored_as=stored,
        geographic=found.is_geographic,
    )


def _flat(crs: CRS) -> CRS:
    """Without heights: the horizontal part of a compound CRS, the 2D form of a 3D one."""
    if crs.is_bound and crs.source_crs:
        crs = crs.source_crs
    if crs.is_compound:
        crs = crs.sub_crs_list[0]
    if len(crs.axis_info) > 2:  # noqa: PLR2004 - x and y
        crs = crs.to_2d()
    if crs.to_authority(min_confidence=_CONFIDENCE) is None:
        crs = CRS.from_wkt(crs.to_wkt(WktVersion.WKT2_2019))
    return crs


def _is_plain_lonlat(crs: CRS) -> bool:
    """Degrees from Greenwich."""
    if not crs.is_geographic:
        return False
    meridian = crs.prime_meridian
    degrees = all(axis.unit_name == "degree" for axis in crs.axis_info)
    return degrees and (meridian is None or meridian.longitude == 0)


def _area(crs: CRS, *, whole: bool) -> tuple[float, float, float, float]:
    """West, south, east, north of the area of use with its margin; west > east when it crosses the antimeridian."""
    use = crs.area_of_use
    if use is None or (whole and use.east - use.west >= 360):  # noqa: PLR2004 - degrees around the earth
        return (-180 - _TOLERANCE, -90 - _TOLERANCE, 180 + _TOLERANCE, 90 + _TOLERANCE)
    width = use.east - use.west + (360 if use.west > use.east else 0)
    aside = max(_LEAST_MARGIN, _MARGIN * width)
    up = max(_LEAST_MARGIN, _MARGIN * (use.north - use.south))
    south, north = max(use.south - up, -90 - _TOLERANCE), min(use.north + up, 90 + _TOLERANCE)
    if width + 2 * aside >= 360:  # noqa: PLR2004 - degrees around the earth
        return (-180 - _TOLERANCE, south, 180 + _TOLERANCE, north)
    return ((use.west - aside + 180) % 360 - 180, south, (use.east + aside + 180) % 360 - 180, north)
