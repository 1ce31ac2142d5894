"""Which CRSs a collection speaks, by OGC URI, and how its geometries get there (OGC API Features part 2)."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyproj
from pyproj.exceptions import CRSError

from geoserver.errors import BadParameterError
from geoserver.filtering.places import parse_crs

if TYPE_CHECKING:
    from geoserver.database.status import LayerStatus

__all__ = ["CRS84", "Crs", "list_crs", "pick_crs", "storage_crs"]

_PREFIX = "http://www.opengis.net/def/crs"
_DEGREE_DIGITS = 8  # about a millimetre
_LENGTH_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Crs:
    """A CRS of the API: its URI, the SRID that PostGIS knows it by, and whether its first axis points north."""

    uri: str
    srid: int
    flip: bool = False
    digits: int = _DEGREE_DIGITS


CRS84 = Crs(f"{_PREFIX}/OGC/1.3/CRS84", 4326)
_WGS84 = Crs(f"{_PREFIX}/EPSG/0/4326", 4326, flip=True)
_MERCATOR = Crs(f"{_PREFIX}/EPSG/0/3857", 3857, digits=_LENGTH_DIGITS)


def storage_crs(status: LayerStatus) -> Crs:
    """The CRS that the rows are stored in; lon/lat is CRS84, whose axes are as stored."""
    if status.srid == CRS84.srid:
        return CRS84
    return _from_srid(status.srid) or CRS84


def list_crs(status: LayerStatus) -> dict[str, Crs]:
    """Every CRS that the collection can be asked for, by URI; the default first."""
    return {crs.uri: crs for crs in (CRS84, storage_crs(status), _WGS84, _MERCATOR)}


def pick_crs(parameter: str, text: str | None, status: LayerStatus) -> Crs:
    """The CRS that a parameter names, in any form that filters take, CRS84 where it is absent; raises BadParameterError
    that lists those there are.
    """
    if text is None:
        return CRS84
    known = list_crs(status)
    if text in known:
        return known[text]
    with contextlib.suppress(BadParameterError):  # it says what forms there are, and not which CRSs
        reference = parse_crs(text or "no CRS", parameter)
        for crs in known.values():
            if (crs.srid, crs.flip) == (reference.srid, reference.swapped):
                return crs
    raise BadParameterError(parameter, text, "one of " + ", ".join(known))


@functools.cache
def _from_srid(srid: int) -> Crs | None:
    for authority in ("EPSG", "ESRI"):
        try:
            known = pyproj.CRS.from_authority(authority, srid)
        except CRSError:
            continue
        directions = [axis.direction for axis in known.axis_info[:2]]
        digits = _DEGREE_DIGITS if known.is_geographic else _LENGTH_DIGITS
        return Crs(f"{_PREFIX}/{authority}/0/{srid}", srid, directions == ["north", "east"], digits)
    return None
