"""What the processes of `pool` are given to draw; it stands apart, as a server imports none of what they draw with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LOCAL", "ChartOrder", "MapOrder"]

LOCAL = "local://"  # begins addresses, in a style, of files that come with it, and of `fonts/`


@dataclass(frozen=True, slots=True)
class MapOrder:
    """`style` is JSON, `files` are tiles and sprites by name, which stands in the style after `LOCAL`; `size` is in CSS
    pixels, `ratio` the device's pixels in one. `over` is an SVG of the same size, or empty; `format` is png, webp or
    jpeg.
    """

    style: bytes
    files: Mapping[str, bytes]
    size: tuple[int, int]
    ratio: int
    lon: float
    lat: float
    zoom: float
    over: str = ""
    format: str = "png"


@dataclass(frozen=True, slots=True)
class ChartOrder:
    """An SVG to be drawn as PNG, with so many of the device's pixels in one."""

    svg: str
    ratio: int = 1
