"""Places written as numbers, in any common notation: degrees, UTM, MGRS, Plus Codes, geo: URIs, links, metres."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyproj

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

__all__ = ["Spot", "parse_spots"]

type Box = tuple[float, float, float, float]
type Pair = tuple[float, float]  # longitude and latitude

_LONGEST = 2_000  # characters of a link
_FARTHEST = 3e7  # metres
_MARGIN = 1.0  # degrees around the city in which projected coordinates make sense
_WEST_OF = {"fr", "es", "pt", "it", "ca", "gl", "ro"}  # languages in which O is the west; elsewhere it is the east
_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_PAIR = rf"({_NUMBER})\s*[,~]\s*({_NUMBER})"
# Ways in which links say latitude and longitude; what is marked comes before where the map stands.
_LINKS = tuple(
    re.compile(text)
    for text in (
        rf"!3d({_NUMBER})!4d({_NUMBER})",
        rf"[?&]mlat=({_NUMBER})&mlon=({_NUMBER})",
        rf"[?&](?:q|query|ll|daddr|destination|cp|center|sll)=(?:loc:)?{_PAIR}",
        rf"/(?:place|search|dir)/(?:[^/]*/)?{_PAIR}",
        rf"@{_PAIR}",
        rf"#(?:map=|m=)?\d+(?:\.\d+)?/({_NUMBER})/({_NUMBER})",
    )
)
_SIGNS = str.maketrans("−–º˚′’‘´`″”“¨\u00a0\u202f\u2009", "--°°'''''\"\"\"\"   ")  # noqa: RUF001
_SIDES = (
    (r"\bс\.?\s*ш\.?", "N"),  # noqa: RUF001
    (r"\bю\.?\s*ш\.?", "S"),
    (r"\bв\.?\s*д\.?", "E"),
    (r"\bз\.?\s*д\.?", "W"),
    (r"\b(?:lat(?:itude)?|lon(?:g(?:itude)?)?|lng|breite|länge)\b\.?\s*[:=]?", " "),
    (r"\b(?:north|nord|norte|norden)\b", "N"),
    (r"\b(?:south|sud|süd|sur|sul|süden)\b", "S"),
    (r"\b(?:east|est|ost|este|leste|osten)\b", "E"),
    (r"\b(?:west|ouest|oeste|westen)\b", "W"),
)
_DEGREES = re.compile(r"[NSEWO]|[+-]?\d+(?:\.\d+)?|[°'\"]")
_MINUTE = 60
_OPEN_CODE = "23456789CFGHJMPQRVWX"
_CODE = re.compile(rf"([{_OPEN_CODE}]{{4}}(?:[{_OPEN_CODE}]{{2}}){{0,2}})\+([{_OPEN_CODE}]{{2,7}})?")
_UTM = re.compile(rf"(\d{{1,2}})\s*([C-HJ-NP-X])\s+E?\s*({_NUMBER})\s*(?:M?E)?[\s,;/]+N?\s*({_NUMBER})\s*(?:M?N)?")
_MGRS = re.compile(r"(\d{1,2})\s*([C-HJ-NP-X])\s*([A-HJ-NP-Z])\s*([A-HJ-NP-V])\s*(\d{1,5})\s*(\d{1,5})")
_MGRS_TIGHT = re.compile(r"(\d{1,2})([C-HJ-NP-X])([A-HJ-NP-Z])([A-HJ-NP-V])(\d{2,10})")
_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_ZONES = 60


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the earth, and the notation in which it was written: degrees, utm, mgrs, plus, geo, link, EPSG:n."""

    lon: float
    lat: float
    kind: str


def parse_spots(
    text: str,
    *,
    box: Box | None = None,
    crs: Collection[int] = (),
    near: Pair | None = None,
    language: str = "",
) -> list[Spot]:
    """All places that a text may mean, the likeliest first; none where it is no coordinates.

    `box` is the city's, by which two numbers in either order are told apart; `crs` are EPSG codes of its layers; `near`
    completes a short Plus Code.
    """
    text = unquote(text[:_LONGEST]).translate(_SIGNS).strip()
    if not any(sign.isdigit() for sign in text):
        return []
    found = [
        Spot(round(spot.lon, 7), round(spot.lat, 7), spot.kind)
        for spot in _read(text, box, crs, near, language)
        if -180 <= spot.lon <= 180 and -90 <= spot.lat <= 90  # noqa: PLR2004 - the earth
    ]
    return list(dict.fromkeys(found))


def _read(text: str, box: Box | None, crs: Iterable[int], near: Pair | None, language: str) -> Iterator[Spot]:
    if re.match(r"geo:", text, re.IGNORECASE):
        yield from _read_geo(text)
        return
    if re.match(r"https?://", text) or re.match(rf"#\d+(\.\d+)?/{_NUMBER}/{_NUMBER}", text):
        found = next((match for link in _LINKS if (match := link.search(text))), None)
        if found:
            yield Spot(float(found[2]), float(found[1]), "link")
        return
    upper = text.upper()
    if code := _CODE.match(upper):
        yield from _read_plus(code[1], code[2] or "", near)
        return
    if (grid := _MGRS.fullmatch(upper)) and len(grid[5]) == len(grid[6]):
        yield from _read_mgrs(int(grid[1]), grid[2], grid[3] + grid[4], grid[5], grid[6])
    elif (grid := _MGRS_TIGHT.fullmatch(re.sub(r"\s", "", upper))) and not len(grid[5]) % 2:
        half = len(grid[5]) // 2
        yield from _read_mgrs(int(grid[1]), grid[2], grid[3] + grid[4], grid[5][:half], grid[5][half:])
    elif grid := _UTM.fullmatch(upper):
        yield from _read_utm(int(grid[1]), grid[2], float(grid[3]), float(grid[4]))
    else:
        yield from _read_numbers(text, box, crs, language)


def _read_geo(text: str) -> Iterator[Spot]:
    found = re.search(rf"[?&]q={_PAIR}", text) or re.match(rf"(?i)geo:{_PAIR}", text)
    if found:
        yield Spot(float(found[2]), float(found[1]), "geo")


# -- degrees and metres -----------------------------------------------------------------------------------------------


def _read_numbers(text: str, box: Box | None, crs: Iterable[int], language: str) -> Iterator[Spot]:
    tokens = _split(text, language)
    sides = [sign for sign in tokens if sign in "NSEW"]
    numbers = [float(sign) for sign in tokens if sign[-1].isdigit()]
    if any(abs(number) > 360 for number in numbers):  # noqa: PLR2004 - no angle
        if len(numbers) == 2 and max(numbers) < _FARTHEST:  # noqa: PLR2004 - a pair
            first, second = numbers[::-1] if sides and sides[0] in "NS" else numbers
            yield from _read_metres((first, second), box, crs, either=not sides)
        return
    if sides:
        if len(sides) == 2 and (lonlat := _read_sided(tokens, sides)):  # noqa: PLR2004 - a pair
            yield Spot(*lonlat, "degrees")
        return
    pair = [_angle(group) for group in _group(tokens, numbers)]
    if len(pair) != 2 or None in pair:  # noqa: PLR2004 - a pair
        return
    first, second = (value for value in pair if value is not None)
    both = [Spot(second, first, "degrees"), Spot(first, second, "degrees")]
    inside = [spot for spot in both if box and _is_inside((spot.lon, spot.lat), box)]
    bare = all(sign.lstrip("+-").isdigit() for sign in tokens)  # 12 34 may be anything
    yield from inside or ([] if bare and box else both)


def _split(text: str, language: str) -> list[str]:
    """Numbers with a decimal point, signs, and sides N S E W; nothing where there is anything else."""
    for pattern, letter in _SIDES:
        text = re.sub(pattern, f" {letter} ", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<=\d)'(?=\d{3}(?:\D|$))", "", text)  # 2'600'000
    text = text.upper().replace("''", '"')
    if not re.fullmatch(r"[\s\d.,;:/|()\[\]°'\"NSEWO+-]+", text):
        return []
    text = text.replace("O", "W" if language[:2] in _WEST_OF else "E")
    if not re.search(r"\d\.\d", text) and re.search(r"\d,\d", text):
        apart = re.search(r"\d,\d+[°'\"]?\s*[NSEW]?(?:\s*[;/|]|,?\s+|,)\s*[NSEW]?\s*[+-]?\d+", text)
        if apart and (text.count(",") > 1 or re.search(r"[°NSEW;/]", text) or re.search(r"\d,\d+\s+\d", text)):
            text = re.sub(r"(\d),(\d+)", r"\1.\2", text)  # 48,85 2,29
    return _DEGREES.findall(text)


def _group(tokens: list[str], numbers: list[float]) -> list[list[float]]:
    """Numbers by angle: each begins with what a degree sign stands behind, else there are as many in both."""
    if "°" in tokens:
        groups: list[list[float]] = []
        for at, sign in enumerate(tokens):
            if sign[-1].isdigit():
                if tokens[at + 1 : at + 2] == ["°"] or not groups:
                    groups.append([])
                groups[-1].append(float(sign))
        return groups
    half = len(numbers) // 2
    return [numbers[:half], numbers[half:]] if half and len(numbers) % 2 == 0 else []


def _angle(parts: list[float]) -> float | None:
    """Degrees, minutes and seconds as degrees."""
    if not 1 <= len(parts) <= 3 or any(not 0 <= part < _MINUTE for part in parts[1:]):  # noqa: PLR2004 - d, m and s
        return None
    if any(part != int(part) for part in parts[:-1]):
        return None
    size = sum(abs(part) / _MINUTE**at for at, part in enumerate(parts))
    return math.copysign(size, parts[0])


def _read_sided(tokens: list[str], sides: list[str]) -> Pair | None:
    """Of angles that say on which side of the equator and of Greenwich they are."""
    parts: dict[str, list[float]] = {}
    before, side = tokens[0] in "NSEW", ""
    held: list[float] = []
    for sign in tokens:
        if sign in "NSEW":
            if not before:
                parts[sign], held = held, []
            side = sign
        elif sign[-1].isdigit():
            (parts.setdefault(side, []) if before else held).append(float(sign))
    north, east = ([side for side in sides if side in pair] for pair in ("NS", "EW"))
    if len(north) != 1 or len(east) != 1 or held:
        return None
    lat, lon = _angle(parts.get(north[0], [])), _angle(parts.get(east[0], []))
    if lat is None or lon is None:
        return None
    return (-lon if east[0] == "W" else lon), (-lat if north[0] == "S" else lat)


def _read_metres(given: Pair, box: Box | None, crs: Iterable[int], *, either: bool) -> Iterator[Spot]:
    """In the layers' reference systems, where that is in the city."""
    for code in dict.fromkeys([*crs, 3857]):
        for x, y in (given, given[::-1])[: 2 if either else 1]:
            lonlat = _to_lonlat(code, x, y)
            if lonlat and (_is_inside(lonlat, _widen(box)) if box else _is_inside(lonlat, _area_of(code))):
                yield Spot(*lonlat, f"EPSG:{code}")


def _widen(box: Box) -> Box:
    return box[0] - _MARGIN, box[1] - _MARGIN, box[2] + _MARGIN, box[3] + _MARGIN


def _is_inside(at: Pair, box: Box) -> bool:
    across = box[0] <= at[0] <= box[2] if box[0] <= box[2] else at[0] >= box[0] or at[0] <= box[2]
    return across and box[1] <= at[1] <= box[3]


@lru_cache(64)
def _find_way(code: int) -> pyproj.Transformer | None:
    try:
        return pyproj.Transformer.from_crs(code, 4326, always_xy=True)
    except pyproj.exceptions.ProjError:
        return None


@lru_cache(64)
def _area_of(code: int) -> Box:
    area = pyproj.CRS.from_epsg(code).area_of_use
    return (area.west, area.south, area.east, area.north) if area else (-180, -90, 180, 90)


def _to_lonlat(code: int, x: float, y: float) -> Pair | None:
    if (way := _find_way(code)) is None:
        return None
    lon, lat = way.transform(x, y)
    return (lon, lat) if math.isfinite(lon) and math.isfinite(lat) else None


# -- grids ------------------------------------------------------------------------------------------------------------


def _read_utm(zone: int, band: str, east: float, north: float) -> Iterator[Spot]:
    """The letter is a band of latitudes; N and S may also be the halves of the earth."""
    if not 1 <= zone <= _ZONES:
        return
    if ((spot := _from_utm(zone, east, north, south=band < "N")) and _in_band(spot[1], band)) or (
        band in "NS" and (spot := _from_utm(zone, east, north, south=band == "S"))
    ):
        yield Spot(*spot, "utm")


def _from_utm(zone: int, east: float, north: float, *, south: bool) -> Pair | None:
    if not (1e5 <= east < 1e6 and 0 <= north <= 1e7):  # noqa: PLR2004 - where a zone has its places
        return None
    return _to_lonlat((32700 if south else 32600) + zone, east, north)


def _in_band(lat: float, band: str) -> bool:
    low = 8 * (_BANDS.index(band) - 10)
    return low - 0.5 <= lat <= low + (12 if band == "X" else 8) + 0.5


def _read_mgrs(zone: int, band: str, square: str, easting: str, northing: str) -> Iterator[Spot]:
    """The middle of the square that the digits leave."""
    columns = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")[(zone - 1) % 3]
    if not 1 <= zone <= _ZONES or square[0] not in columns:
        return
    size = 10.0 ** (5 - len(easting))
    east = (columns.index(square[0]) + 1) * 1e5 + (int(easting) + 0.5) * size
    rows = "ABCDEFGHJKLMNPQRSTUV"
    row = (rows.index(square[1]) - (0 if zone % 2 else 5)) % 20
    north = row * 1e5 + (int(northing) + 0.5) * size
    for turn in range(5):  # letters of rows come again after 2,000 km
        spot = _from_utm(zone, east, north + turn * 2e6, south=band < "N")
        if spot and _in_band(spot[1], band):
            yield Spot(*spot, "mgrs")
            return


def _read_plus(code: str, rest: str, near: Pair | None) -> Iterator[Spot]:
    """The middle of a Plus Code's area; a short one is completed by the place near which it is meant."""
    full = 8
    if len(code) < full:
        if near is None:
            return
        missing = full - len(code)
        lon, lat = _decode_plus(_encode_plus(*near)[:missing] + code + rest)
        size = 20.0 ** (2 - missing // 2)  # degrees of what the missing signs tell apart
        lon -= size * round((lon - near[0]) / size)
        lat -= size * round((lat - near[1]) / size)
        yield Spot(lon, lat, "plus")
        return
    yield Spot(*_decode_plus(code + rest), "plus")


def _encode_plus(lon: float, lat: float) -> str:
    code, y, x, size = "", lat + 90, lon + 180, 20.0
    for _ in range(4):
        code += _OPEN_CODE[int(y // size) % 20] + _OPEN_CODE[int(x // size) % 20]
        y, x, size = y % size, x % size, size / 20
    return code


def _decode_plus(code: str) -> Pair:
    lat, lon, size = -90.0, -180.0, 20.0
    for at in range(0, min(len(code), 10) - 1, 2):
        lat += _OPEN_CODE.index(code[at]) * size
        lon += _OPEN_CODE.index(code[at + 1]) * size
        size /= 20
    height = width = size * 20
    for sign in code[10:]:  # then a grid of four columns and five rows
        height, width = height / 5, width / 4
        number = _OPEN_CODE.index(sign)
        lat, lon = lat + number // 4 * height, lon + number % 4 * width
    return lon + width / 2, lat + height / 2
