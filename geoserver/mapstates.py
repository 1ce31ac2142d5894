"""What a map shows, as an address of the page states it (web/src/state/address.ts): read here for pictures, widgets and
previews of links, which are asked for by the same parameters.

What an address says wrongly is passed over, as the page does; whoever wants it refused asks `MapState.passed_over`.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from geoserver.model import Layer

__all__ = ["STATED", "Camera", "MapState", "parse_link", "parse_state", "split_link"]

_FILTER = "filter."
_SHOWN = ("layers", "time", "area", "pin", "lang")  # what a picture shows besides filters, and where and how large
STATED = (*_SHOWN, "base", "map")
_FARTHEST = 100_000  # metres of a circle
_LAST_DAY = dt.date.max
_KEPT = "/:,=@!$'()*;~"  # signs that need no escape in a query, so that it can be read


@dataclass(frozen=True, slots=True)
class Camera:
    """Where a map is: a zoom of tiles of 512 pixels, and the middle in degrees."""

    zoom: float
    lat: float
    lon: float

    def __str__(self) -> str:
        return "/".join(self.numbers)

    @property
    def numbers(self) -> tuple[str, str, str]:
        """Zoom, latitude and longitude as addresses have them: to a centimetre, wherever on earth that is."""
        return _write_number(self.zoom, 3), _write_number(self.lat, 7), _write_number(self.lon, 7)


@dataclass(frozen=True, slots=True)
class MapState:
    """`layers` is None where the catalogue decides; `time`, `area` and `pin` are empty or well-formed texts."""

    layers: tuple[str, ...] | None
    filters: Mapping[str, str]  # by layer, CQL2 text
    time: str
    area: str
    pin: str
    base: str  # light, dark, or empty: as its reader's system is
    language: str
    camera: Camera | None
    passed_over: tuple[tuple[str, str], ...] = ()  # of the parameters named here, what made no sense

    def question(self, layer: Layer) -> str:
        """All that narrows a layer as one CQL2 text, as the page asks it; empty where nothing does."""
        own = self.filters.get(layer.id, "").strip()
        shared = [part for part in (self._write_time(layer), self._write_area()) if part]
        if not own or not shared:
            return " AND ".join([part for part in (own, *shared) if part])
        return " AND ".join([f"({own})", *shared]) if _is_whole(own) else own

    def _write_time(self, layer: Layer) -> str:
        field = layer.fields.get(layer.time) if self.time else None
        if field is None:
            return ""
        start, end = ("" if text == ".." else text for text in self.time.split("/"))
        if field.type == "timestamp":
            after = _next_day(end)
            parts = [f"{field.name} >= TIMESTAMP('{start}T00:00:00Z')"] if start else []
            parts += [f"{field.name} < TIMESTAMP('{after}T00:00:00Z')"] if after else []
        else:
            parts = [f"{field.name} >= DATE('{start}')"] if start else []
            parts += [f"{field.name} <= DATE('{end}')"] if end else []
        return " AND ".join(parts)

    def _write_area(self) -> str:
        return f"S_INTERSECTS(geometry,{_write_shape(self.area)})" if self.area else ""

    def pairs(self, *names: str) -> list[tuple[str, str]]:
        """The parameters of these names, filters included, in the order in which the page writes them."""
        said = {"layers": None if self.layers is None else ",".join(self.layers)}
        said |= {"time": self.time or None, "area": self.area or None, "pin": self.pin or None}
        said |= {"base": self.base or None, "lang": self.language or None}
        said["map"] = str(self.camera) if self.camera else None
        filters = [(_FILTER + name, text) for name, text in sorted(self.filters.items())]
        before = [("layers", said["layers"])] if "layers" in names else []
        rest = [(name, said[name]) for name in STATED if name in names and name != "layers"]
        return [(name, text) for name, text in (*before, *filters, *rest) if text is not None]

    def query(self, *names: str, also: Iterable[tuple[str, str]] = ()) -> str:
        """The same as a query, with a question mark where there is something to say; by default all of `STATED`."""
        pairs = [*self.pairs(*(names or STATED)), *also]
        text = "&".join(f"{quote(name, safe='.')}={quote(value, safe=_KEPT)}" for name, value in pairs)
        return f"?{text}" if text else ""

    def picture(
        self,
        size: tuple[int, int],
        *,
        style: str = "",
        ratio: int = 1,
        ending: str = "png",
        also: Iterable[tuple[str, str]] = (),
    ) -> str:
        """The address of its picture, relative to the site: `size` in CSS pixels; `also` are parameters of pictures,
        such as `("legend", "1")`.
        """
        place = ",".join(reversed(self.camera.numbers)) if self.camera else "auto"
        sharp = f"@{ratio}x" if ratio > 1 else ""
        address = f"static/{style or self.base or 'light'}/{place}/{size[0]}x{size[1]}{sharp}.{ending}"
        return address + self.query(*_SHOWN, also=also)


def parse_state(pairs: Iterable[tuple[str, str]], fragment: str = "") -> MapState:
    """The state that a query and what stands after its `#` ask for; of what is given twice the first holds, as in the
    page, and lists of layers are joined.
    """
    given = list(pairs)
    said: dict[str, str] = {}
    passed_over: list[tuple[str, str]] = []
    filters: dict[str, str] = {}
    for name, text in given:
        if name.startswith(_FILTER) and len(name) > len(_FILTER):
            filters.setdefault(name.removeprefix(_FILTER), text)
        elif name in _CHECKS and name not in said:
            if _CHECKS[name](text):
                said[name] = text
            else:
                passed_over.append((name, text))
    layers = [text for name, text in given if name == "layers"]
    stated = tuple(dict.fromkeys(part for part in ",".join(layers).split(",") if part)) if layers else None
    return MapState(
        layers=stated,
        filters={name: text for name, text in filters.items() if text.strip()},
        time=said.get("time", ""),
        area=said.get("area", ""),
        pin=said.get("pin", ""),
        base=said.get("base", ""),
        language=said.get("lang", ""),
        camera=_parse_camera(fragment) or _parse_camera(said.get("map", "")),
        passed_over=tuple(passed_over),
    )


def parse_link(link: str) -> MapState:
    """The state of a whole address of the page."""
    query, fragment = split_link(link)
    return parse_state(parse_qsl(query, keep_blank_values=True), fragment)


def split_link(link: str) -> tuple[str, str]:
    """Query and fragment of an address, whatever stands before them."""
    address, _, fragment = link.partition("#")
    return address.partition("?")[2], fragment


def _parse_camera(text: str) -> Camera | None:
    numbers = [_parse_number(part) for part in text.split("/")]
    if len(numbers) != 3 or None in numbers:  # noqa: PLR2004 - zoom, latitude and longitude
        return None
    zoom, lat, lon = (number for number in numbers if number is not None)
    if abs(lat) > 90 or abs(lon) > 180:  # noqa: PLR2004 - degrees
        return None
    return Camera(min(max(zoom, 0), 24), lat, lon)


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _parse_numbers(text: str) -> list[float]:
    """Empty where one of them is none."""
    numbers = [_parse_number(part) for part in text.split(",")]
    return [number for number in numbers if number is not None] if None not in numbers else []


def _is_place(numbers: list[float]) -> bool:
    return len(numbers) == 2 and abs(numbers[0]) <= 180 and abs(numbers[1]) <= 90  # noqa: PLR2004 - degrees


def _is_window(text: str) -> bool:
    ends = text.split("/")
    if len(ends) != 2 or not all(end == ".." or _parse_day(end) for end in ends):  # noqa: PLR2004
        return False
    start, end = (_parse_day(end) for end in ends)
    return (start or end) is not None and not (start and end and start > end)


def _parse_day(text: str) -> dt.date | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _next_day(text: str) -> str:
    """Empty after the last day of four digits, which nothing follows."""
    day = _parse_day(text)
    return "" if day is None or day == _LAST_DAY else (day + dt.timedelta(days=1)).isoformat()


def _is_area(text: str) -> bool:
    if re.fullmatch(r"feature:[^/]+/\d{1,15}", text, re.ASCII):
        return True
    if found := re.fullmatch(r"circle:(.+),(\d{1,6})", text, re.ASCII):
        return _is_place(_parse_numbers(found[1])) and 0 < int(found[2]) <= _FARTHEST
    corners = [_parse_numbers(part) for part in text.split(";")]
    if len(corners) == 1:
        box = corners[0]
        return len(box) == 4 and _is_place(box[:2]) and _is_place(box[2:]) and box[1] <= box[3]  # noqa: PLR2004
    return len(corners) >= 3 and all(_is_place(corner) for corner in corners)  # noqa: PLR2004


def _write_shape(area: str) -> str:
    if found := re.fullmatch(r"feature:([^/]+)/(\d+)", area):
        layer = found[1].replace("'", "''")
        return f"FEATURE('{layer}',{found[2]})"
    if area.startswith("circle:"):
        lon, lat, metres = area.removeprefix("circle:").split(",")
        return f"CIRCLE({_degrees(lon)},{_degrees(lat)},{metres})"
    corners = [[_degrees(number) for number in corner.split(",")] for corner in area.split(";")]
    if len(corners) == 1:
        return f"BBOX({','.join(corners[0])})"
    ring = ",".join(" ".join(corner) for corner in (*corners, corners[0]))
    return f"POLYGON(({ring}))"


def _degrees(text: str) -> str:
    """Six decimals are a tenth of a metre."""
    return _write_number(float(text), 6)


def _write_number(number: float, decimals: int) -> str:
    return f"{number:.{decimals}f}".rstrip("0").rstrip(".")


def _is_whole(text: str) -> bool:
    """Whether every bracket and quotation mark of a text is closed within it; in brackets another could come to mean
    something else.
    """
    bare = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "", text)
    depth = 0
    for sign in bare:
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return False
    return depth == 0 and not set(bare) & {"'", '"'}


def _is_pin(text: str) -> bool:
    found = re.fullmatch(r"([^,]+,[^,]+)(?:,[1-9]\d{0,4})?", text, re.ASCII)
    return bool(found and _is_place(_parse_numbers(found[1])))


def _is_base(text: str) -> bool:
    return text in ("light", "dark")


def _is_camera(text: str) -> bool:
    return _parse_camera(text) is not None


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "time": _is_window,
    "area": _is_area,
    "pin": _is_pin,
    "base": _is_base,
    "lang": bool,
    "map": _is_camera,
}
