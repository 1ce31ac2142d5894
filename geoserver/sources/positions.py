"""Which columns of a plain table hold the position, and what the texts in them say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geoserver.sources.nesting import read_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from geoserver.sources.base import Request

__all__ = ["PositionColumns", "find_positions", "parse_numbers", "parse_pairs", "parse_shapes"]

# Names are compared in lower case without accents and signs. Earlier ones are preferred.
_X = (
    *("lon", "long", "lng", "longitude", "longitud", "longitudine", "longitudedd", "londd", "wgs84lon"),
    *("laengengrad", "langengrad", "lengdegrad", "pituus", "x", "xcoord", "coordx", "coordenadax", "pointx"),
    *("easting", "eastings", "este", "rechtswert", "ostwert", "utmx", "xutm", "coordxl93", "geopoint2"),
)
_Y = (
    *("lat", "latitude", "latitud", "latitudine", "latitudedd", "latdd", "wgs84lat"),
    *("breitengrad", "breite", "breddegrad", "leveys", "y", "ycoord", "coordy", "coordenaday", "pointy"),
    *("northing", "northings", "norte", "hochwert", "nordwert", "utmy", "yutm", "coordyl93", "geopoint1"),
)
_POINT = (
    *("geopoint2d", "geopoint", "geopunto", "latlon", "latlng", "latlong", "lonlat", "coordonnees"),
    *("coordonneesgeographiques", "coordinates", "coordenadas", "koordinaten", "coordinate", "location"),
    *("position", "point"),
)
_SHAPE = ("geometry", "geom", "wkt", "thegeom", "wkbgeometry", "geojson", "geoshape", "shape", "wktgeom")

_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_PAIR = re.compile(rf"^\s*[\[(]?\s*(?P<a>{_NUMBER})\s*[,; ]\s*(?P<b>{_NUMBER})\s*[\])]?\s*$")
_WKT = re.compile(r"^\s*(SRID=\d+;)?\s*(MULTI)?(POINT|LINESTRING|POLYGON|GEOMETRYCOLLECTION)\b", re.IGNORECASE)
_ACCENTS = str.maketrans("äöüàâáãçéèêëíîïñóôõúùû", "aouaaaaceeeeiiinooouuu")


@dataclass(frozen=True, slots=True)
class PositionColumns:
    """Either x and y, or one column with a pair of numbers, or one with WKT or GeoJSON."""

    x: str = ""
    y: str = ""
    point: str = ""
    shape: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.x, self.y, self.point, self.shape) if name)


def find_positions(request: Request, columns: Sequence[str], samples: Mapping[str, list[str]]) -> PositionColumns:
    """What the layer file says, else the column names and the look of the values; LoadError when there are none."""
    csv = request.csv
    for name in (csv.x, csv.y, csv.point, csv.geometry):
        if name and name not in columns:
            raise request.fail(f"has no column {name!r} for the position; there are {', '.join(columns)}")
    if csv.geometry or csv.point or (csv.x and csv.y):
        return PositionColumns(csv.x, csv.y, csv.point, csv.geometry)
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(_plain(column), column)

    def first(names: Sequence[str], fits: Callable[[list[str]], bool]) -> str:
        found = [by_name[name] for name in names if name in by_name]
        return next((column for column in found if fits(samples.get(column, []))), "")

    if shape := first(_SHAPE, _look_like_shapes):
        return PositionColumns(shape=shape)
    x, y = csv.x or first(_X, _look_like_numbers), csv.y or first(_Y, _look_like_numbers)
    if x and y:
        return PositionColumns(x=x, y=y)
    if point := first(_POINT, _look_like_pairs):
        return PositionColumns(point=point)
    raise request.fail(
        "no columns with coordinates were found; name them under [csv] as x and y, point or geometry."
        f" There are {', '.join(columns)}"
    )


def parse_numbers(texts: pa.Array, decimal: str) -> tuple[np.ndarray, np.ndarray]:
    """Texts as float64, NaN where empty; and which of them were written but are no number."""
    texts = pc.utf8_trim_whitespace(texts)
    if decimal == ",":
        texts = pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", ".")
    try:
        return pc.fill_null(pc.cast(texts, pa.float64()), np.nan).to_numpy(), np.zeros(len(texts), bool)
    except pa.ArrowInvalid:
        good = pc.match_substring_regex(texts, r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
        numbers = pc.cast(pc.if_else(good, pc.replace_substring_regex(texts, r"^\+", ""), None), pa.float64())
        written = pc.fill_null(pc.and_(pc.invert(good), pc.not_equal(texts, "")), fill_value=False)
        return pc.fill_null(numbers, np.nan).to_numpy(), written.to_numpy(zero_copy_only=False)


def parse_pairs(texts: pa.Array, *, latitude_first: bool) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Texts such as "48.85, 2.35" or "(48.85, 2.35)" as x and y; and which were written but cannot be read."""
    parts = pc.extract_regex(texts, _PAIR.pattern)
    first, second = (pc.cast(pc.struct_field(parts, index), pa.float64()) for index in (0, 1))
    written = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(texts), ""), fill_value=False)
    unreadable = pc.and_(written, pc.is_null(parts)).to_numpy(zero_copy_only=False)
    a, b = (pc.fill_null(part, np.nan).to_numpy() for part in (first, second))
    return ((b, a) if latitude_first else (a, b)), unreadable


def parse_shapes(texts: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Texts in WKT or GeoJSON as WKB; and which were written but cannot be read."""
    shapes, unreadable = read_texts(texts)
    return pa.array(shapely.to_wkb(shapes), pa.binary()), unreadable


def latitude_comes_first(column: str) -> bool:
    """Pairs are "lat, lon" as people and exports write them, unless the column's name says otherwise."""
    return not _plain(column).startswith(("lon", "lng", "x"))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().translate(_ACCENTS))


def _share(values: list[str], good: Callable[[str], object]) -> bool:
    """Whether most of the values that are there are good; no values at all speak against nothing."""
    filled = [value for value in values if value.strip() and value.strip() not in ("NA", "None", "NULL", "null")]
    return not filled or sum(bool(good(value)) for value in filled) > 0.5 * len(filled)


def _look_like_numbers(values: list[str]) -> bool:
    return _share(values, re.compile(r"^\s*[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?\s*$").match)


def _look_like_pairs(values: list[str]) -> bool:
    return _share(values, _PAIR.match)


def _look_like_shapes(values: list[str]) -> bool:
    return _share(values, lambda value: _WKT.match(value) or value.lstrip().startswith("{"))
