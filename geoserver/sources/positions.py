"""Which columns of a plain table hold the position, and what the texts in them say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geoserver.sources.names import suggest
from geoserver.sources.nesting import read_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from geoserver.sources.base import Request

__all__ = ["PositionColumns", "find_positions", "parse_numbers", "parse_pairs", "parse_shapes"]

# Words for the two axes. A column is one of them when its name says nothing else, or when it has a twin: a name that
# differs in that word alone, as stop_lon and stop_lat do.
_LON = (
    *("longitude", "longitud", "longitudine", "laengengrad", "langengrad", "lengdegrad", "pituus", "lon", "long"),
    *("lng", "longitudewgs84", "geopoint2"),
)
_LAT = (
    *("latitude", "latitud", "latitudine", "breitengrad", "breite", "breddegrad", "leveys", "lat", "lat", "lat"),
    *("latitudewgs84", "geopoint1"),
)
_EAST = ("easting", "eastings", "este", "east", "rechtswert", "ostwert", "x")
_NORTH = ("northing", "northings", "norte", "north", "hochwert", "nordwert", "y")
# What may stand beside x and y, so that size_x and speed_y are no position. Beside lon and lat anything may.
_BESIDE = frozenset(
    (
        *("coord", "coords", "coordinate", "coordinates", "coordenada", "coordonnee", "koordinate", "point", "pt"),
        *("pos", "position", "loc", "location", "geo", "geom", "gps", "utm", "map", "center", "centre", "centroid"),
        *("wgs", "wgs84", "etrs", "etrs89", "nad", "nad83", "ed50", "l93", "lambert", "lambert93", "rd", "osgb"),
        *("bng", "site", "station", "stop", "address", "addr", "block", "building", "tree", "object", "feature"),
        *("dd", "deg", "degrees", "epsg", "proj", "projected", "web", "mercator", "m", "ft", "utm32", "utm33"),
        *("xy", "gis", "lv95", "lv03", "gk", "gauss", "krueger", "sweref99", "tm", "zone", "the", "of", "in", "84"),
        *("89", "93", "83", "32", "33", "34", "31", "30", "29"),
    )
)
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_POINT = (
    *("geopoint2d", "geopoint", "geopunto", "latlon", "latlng", "latlong", "lonlat", "coordonnees"),
    *("coordonneesgeographiques", "coordinates", "coordenadas", "koordinaten", "coordinate", "location"),
    *("position", "point"),
)
_SHAPE = ("geometry", "geom", "wkt", "thegeom", "wkbgeometry", "geojson", "geoshape", "shape", "wktgeom")

_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_PLAIN_NUMBER = re.compile(r"^\s*[-+]?(\d+([.,]\d+)?([eE][-+]?\d+)?|\d{1,3}(\.\d{3})+,\d+)\s*$")
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
            raise request.fail(f"has no column {name!r} for the position{suggest(name, columns)}")
    if csv.geometry or csv.point or (csv.x and csv.y):
        return PositionColumns(csv.x, csv.y, csv.point, csv.geometry)
    numbers = [column for column in columns if _look_like_numbers(samples.get(column, []))]
    if csv.x or csv.y:
        return _find_other(request, numbers)
    if shape := _find_named(_SHAPE, columns, samples, _look_like_shapes):
        return PositionColumns(shape=shape)
    pairs = _find_pairs(numbers)
    if len(pairs) == 1 or (pairs and pairs[0][0] < pairs[1][0]):
        return PositionColumns(x=pairs[0][1], y=pairs[0][2])
    if point := _find_named(_POINT, columns, samples, _look_like_pairs):
        return PositionColumns(point=point)
    if pairs:
        raise request.fail(
            "has several columns with coordinates; name two of them under [csv] as x and y: "
            + " or ".join(f"{x!r} and {y!r}" for _, x, y in pairs)
        )
    if written := _find_pairs(columns):
        _, x, y = written[0]
        example = next((value for value in (*samples.get(x, ()), *samples.get(y, ())) if value.strip()), "")
        raise request.fail(
            f"the columns {x!r} and {y!r} hold no plain numbers, such as 13.405, but {example!r};"
            " name others under [csv] as x and y, point or geometry"
        )
    raise request.fail(
        "no columns with coordinates were found; name them under [csv] as x and y, point or geometry."
        f" There are {', '.join(columns)}"
    )


def _find_named(
    names: Sequence[str],
    columns: Sequence[str],
    samples: Mapping[str, list[str]],
    fits: Callable[[list[str]], bool],
) -> str:
    """The first of some usual names that a column has whose values look the part."""
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(_plain(column), column)
    found = [by_name[name] for name in names if name in by_name]
    return next((column for column in found if fits(samples.get(column, []))), "")


def _find_other(request: Request, columns: Sequence[str]) -> PositionColumns:
    """The twin of the one axis that the layer file names."""
    csv = request.csv
    for _, x, y in _find_pairs(columns):
        if csv.x in ("", x) and csv.y in ("", y):
            return PositionColumns(x=x, y=y)
    missing = "y" if csv.x else "x"
    raise request.fail(f"[csv] names {csv.x or csv.y!r} and no column for {missing}; there are {', '.join(columns)}")


def _find_pairs(columns: Sequence[str]) -> list[tuple[int, str, str]]:
    """Pairs of columns for x and y with a rank, best first: named for nothing else, then lon and lat, then x and y."""
    found: list[tuple[int, str, str]] = []
    words: dict[tuple[int, tuple[str, ...]], str] = {}
    for column in columns:
        for kind, rest in _find_axes(column):
            words.setdefault((kind, rest), column)
    for (kind, rest), column in words.items():
        if kind % 2 or (other := words.get((kind + 1, rest))) is None or other == column:
            continue
        told = set(rest) <= _BESIDE
        if kind == 2 and not told:  # noqa: PLR2004 - x and y
            continue
        found.append(((0 if not rest else 1 if told else 2) + (3 if kind == 2 else 0), column, other))  # noqa: PLR2004
    return sorted(dict.fromkeys(found))


def _find_axes(column: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """As what a name can be read: 0 longitude, 1 latitude, 2 x, 3 y; each with the other words in the name."""
    parts = [part.lower() for part in _SPLIT.findall(column.translate(_ACCENTS))]
    for kind, axis in enumerate((_LON, _LAT, _EAST, _NORTH)):
        for index, part in enumerate(parts):
            if part in axis:
                yield kind, tuple(sorted([*parts[:index], *parts[index + 1 :]]))
        # Run together, as in xcoord, intptlat and BLOCKXCOORD: at an end, or between words that are known.
        whole = "".join(parts)
        if whole in axis:
            yield kind, ()
        for word in sorted(set(axis), key=len, reverse=True):
            for start in (found.start() for found in re.finditer(word, whole)):
                before, after = whole[:start], whole[start + len(word) :]
                rest = tuple(sorted(text for text in (before, after) if text))
                known = set(rest) <= _BESIDE
                at_end = len(word) > 2 and len(parts) == 1 and bool(rest) and not (before and after)  # noqa: PLR2004
                if rest and (known or at_end):
                    yield kind, rest


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
    return _share(values, _PLAIN_NUMBER.match)


def _look_like_pairs(values: list[str]) -> bool:
    return _share(values, _PAIR.match)


def _look_like_shapes(values: list[str]) -> bool:
    return _share(values, lambda value: _WKT.match(value) or value.lstrip().startswith("{"))
