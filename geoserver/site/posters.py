"""Pictures of a widget's map that stand in its place until it is drawn, so that nothing moves when it is.

A map that is fitted to an extent has another zoom in each widget. So the picture shows more than the extent, and the
sheet lays it so that the extent in it is as large as the map will draw it, whatever size the widget has (`--sheets` in
web/src/embed/embed.css, which knows the map's margin too).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import mercantile

from geoserver.grid import MAX_LATITUDE, MERCATOR_HALF
from geoserver.mapstates import Camera
from geoserver.model import Bounds

if TYPE_CHECKING:
    from geoserver.mapstates import MapState

__all__ = ["Place", "find_sheets", "list_posters", "parse_place"]

type Place = Bounds | Camera | None  # what a map is fitted to, or where it is; None where that is not known

_MARGIN = 24  # pixels around an extent on the map (web/src/map/MapArea.svelte)
_TILE = 512  # pixels across a tile


@dataclass(frozen=True, slots=True)
class _Kind:
    """Widgets up to so many CSS pixels wide; what their maps are like, and the size of their pictures."""

    name: str
    most: int
    map: tuple[int, int]
    size: tuple[int, int]
    ratios: tuple[int, ...]
    back: int  # zooms that a place in the address is looked at from further away (web/src/embed/options.ts)


_KINDS = (
    _Kind("narrow", 520, (390, 360), (430, 460), (1, 2), 1),
    _Kind("wide", 0, (760, 400), (960, 480), (1, 2), 0),
)


def parse_place(answer: dict[str, list[float] | None]) -> Place:
    """Of the answer of `/static/place.json`."""
    if bounds := answer["bounds"]:
        found = Bounds(*bounds)
        return found if found.west < found.east and found.south < found.north else None
    camera = answer["camera"]
    return Camera(camera[2], camera[1], camera[0]) if camera else None


def list_posters(state: MapState, site: str, place: Place) -> list[dict[str, str]]:
    """Its pictures, each with the media that it is for, the last one for all others, and one of each density."""
    bases = {state.base: ""} if state.base else {"dark": "(prefers-color-scheme: dark)", "light": ""}
    found = []
    for base, preferred in bases.items():
        for kind in _KINDS:
            there = replace(state, camera=_look(place, kind))
            addresses = {
                ratio: f"{site}/{there.picture(kind.size, style=base, ratio=ratio, ending='webp')}"
                for ratio in kind.ratios
            }
            found.append(
                {
                    "media": " and ".join(
                        filter(None, (preferred, f"(max-width: {kind.most}px)" if kind.most else ""))
                    ),
                    "address": addresses[1],
                    "set": ", ".join(f"{address.replace(',', '%2C')} {ratio}x" for ratio, address in addresses.items()),
                }
            )
    return found


def find_sheets(place: Place) -> str:
    """Variables of the sheet: the size of each picture, in multiples of the extent's own width and height."""
    if not isinstance(place, Bounds):
        return ""
    lines = []
    for kind in _KINDS:
        _, (across, down) = _fit(place, kind)
        width, height = kind.size
        lines.append(f"--{kind.name}-w:{width / across:.4f};--{kind.name}-h:{width / down:.4f};")
        lines.append(f"--{kind.name}-r:{width / height:.4f};")
    return "".join(lines)


def _look(place: Place, kind: _Kind) -> Camera | None:
    if isinstance(place, Bounds):
        return _fit(place, kind)[0]
    return place and replace(place, zoom=max(round(place.zoom - kind.back, 3), 0))


def _fit(bounds: Bounds, kind: _Kind) -> tuple[Camera, tuple[float, float]]:
    """The camera of a picture, and the extent's width and height in it, in CSS pixels."""
    left, bottom = mercantile.xy(bounds.west, max(bounds.south, -MAX_LATITUDE))
    right, top = mercantile.xy(bounds.east, min(bounds.north, MAX_LATITUDE))
    across, down = right - left, top - bottom
    room = [side - 2 * _MARGIN for side in kind.map]
    metre = min(room[0] / across, room[1] / down)  # in pixels
    zoom = math.log2(2 * MERCATOR_HALF / _TILE * metre)
    lon, lat = mercantile.lnglat((left + right) / 2, (bottom + top) / 2)
    rounded = Camera(max(round(zoom, 3), 0), lat, lon)
    metre = 2**rounded.zoom * _TILE / 2 / MERCATOR_HALF
    return rounded, (across * metre, down * metre)
