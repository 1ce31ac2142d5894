"""What an address of a picture asks for."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoserver.catalog.languages import parse_language
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.mapstates import Camera, parse_state
from geoserver.questions import read_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geoserver.mapstates import MapState

__all__ = ["ENDINGS", "EXPECTED", "MAX_LAYERS", "Picture", "parse_picture"]

MAX_LAYERS = 32
MOST, LEAST = 2_000, 16  # pixels of a side: of the device, and in CSS pixels
RATIOS = (1, 2, 3)
STYLES = ("light", "dark")
ENDINGS = {"png": "png", "webp": "webp", "jpg": "jpeg"}
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})(?:@(\d{1,2})x)?", re.ASCII)
_STATED = ("layers", "time", "area", "pin", "lang")
_OWN = ("legend", "title", "attribution", "marker")
_LONGEST_TITLE = 200
EXPECTED = {  # of what the page's own parameters say
    "base": "light or dark",
    "time": "two days or .. with a slash between, such as 2025-03-01/2025-05-31",
    "area": "west,south,east,north; circle:lon,lat,metres; lon,lat;lon,lat;lon,lat or feature:LAYER/FID",
    "pin": "lon,lat in degrees, and perhaps metres around it",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """`camera` is None for one that is fitted; `size` is in CSS pixels, `marker` a place as (lon, lat)."""

    theme: str
    camera: Camera | None
    size: tuple[int, int]
    ratio: int
    ending: str
    state: MapState
    languages: tuple[str, ...] = ()
    legend: bool = False
    title: str = ""
    attribution: bool = True
    marker: tuple[float, float] | None = None

    @property
    def key(self) -> bytes:
        """The same for the same picture, but for which layers are on where its address does not say that; short, for
        addresses are long.
        """
        state = self.state
        shown = (state.layers, tuple(sorted(state.filters.items())), state.time, state.area, state.pin)
        looks = (self.theme, self.camera, self.size, self.ratio, self.ending)
        also = (self.languages, self.legend, self.title, self.attribution, self.marker)
        return hashlib.blake2b(repr((shown, looks, also)).encode(), digest_size=16).digest()


def parse_picture(path: tuple[str, str, str, str], pairs: Iterable[tuple[str, str]]) -> Picture:
    """The picture of an address; `path` is style, place, size and ending. Raises BadParameterError, NotFoundError."""
    theme, place, size, ending = path
    if theme not in STYLES:
        raise NotFoundError("style of pictures", theme, "light or dark")
    if ending not in ENDINGS:
        raise NotFoundError("picture that ends in", f".{ending}", " or ".join(f".{name}" for name in ENDINGS))
    values = read_once(pairs)
    for name, value in values.items():
        if name not in (*_STATED, *_OWN) and not name.startswith("filter."):
            raise BadParameterError(name, value, f"one of {', '.join((*_STATED, *_OWN))} and filter.LAYER")
    state = parse_state(values.items())
    for name, value in state.passed_over:
        if value:
            raise BadParameterError(name, value, EXPECTED.get(name, "something else"))
    if state.layers and len(state.layers) > MAX_LAYERS:
        raise BadParameterError("layers", values["layers"], f"at most {MAX_LAYERS} layers")
    pixels, ratio = _parse_size(size)
    return Picture(
        theme=theme,
        camera=None if place == "auto" else _parse_camera(place),
        size=pixels,
        ratio=ratio,
        ending=ending,
        state=state,
        languages=parse_language(state.language) if state.language else (),
        legend=_parse_switch(values, "legend", default=False),
        title=values.get("title", "")[:_LONGEST_TITLE],
        attribution=_parse_switch(values, "attribution", default=True),
        marker=_parse_marker(values.get("marker", "")),
    )


def _parse_size(text: str) -> tuple[tuple[int, int], int]:
    found = _SIZE.fullmatch(text)
    width, height, ratio = (int(number or 1) for number in found.groups()) if found else (0, 0, 1)
    fits = all(side >= LEAST and side * ratio <= MOST for side in (width, height))
    if not fits or ratio not in RATIOS:
        expected = (
            f"WIDTHxHEIGHT in pixels, such as 600x400 or 600x400@2x: each at least {LEAST}, and at most {MOST:,} when"
            f" multiplied by the number after the @, which is one of {', '.join(map(str, RATIOS))}"
        )
        raise BadParameterError("size", text, expected)
    return (width, height), ratio


def _parse_camera(text: str) -> Camera:
    expected = "lon,lat,zoom such as -28.6,45.2,12, or auto"
    numbers = _parse_numbers(text)
    if len(numbers) != 3 or not 0 <= numbers[2] <= 24:  # noqa: PLR2004 - longitude, latitude and zoom
        raise BadParameterError("place", text, f"{expected}; zooms are from 0 to 24")
    lon, lat, zoom = numbers
    if abs(lon) > 180 or abs(lat) > 90:  # noqa: PLR2004 - degrees
        raise BadParameterError("place", text, expected)
    return Camera(zoom, lat, lon)


def _parse_marker(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    numbers = _parse_numbers(text)
    if len(numbers) != 2 or abs(numbers[0]) > 180 or abs(numbers[1]) > 85:  # noqa: PLR2004 - degrees that a map has
        raise BadParameterError("marker", text, "lon,lat in degrees, such as -28.6,45.2")
    return numbers[0], numbers[1]


def _parse_numbers(text: str) -> list[float]:
    """Empty where one of them is none."""
    try:
        numbers = [float(part) for part in text.split(",")] if "_" not in text else []
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _parse_switch(values: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = values.get(name, "")
    if text not in ("", "0", "1"):
        raise BadParameterError(name, text, "0 or 1")
    return text == "1" if text else default
