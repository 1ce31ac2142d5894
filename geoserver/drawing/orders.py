"""What the processes of `pool` are given to draw; it stands apart, as a server imports none of what they draw with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoserver import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LOCAL", "NAME", "ChartOrder", "MapOrder"]

LOCAL = "local://"  # begins addresses, in a style, of files that come with it, and of `fonts/`
NAME = 16  # bytes of an order's name


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

    def name(self) -> bytes:
        """The same for all that is drawn of the same: two drawings of it may differ by a shade here and there."""
        looks = (__version__, self.size, self.ratio, self.lon, self.lat, self.zoom, self.format, sorted(self.files))
        parts = (
            repr(looks).encode(),
            self.over.encode(),
            self.style,
            *(self.files[name] for name in sorted(self.files)),
        )
        digest = hashlib.blake2b(digest_size=NAME)
        for part in parts:
            digest.update(b"%d:" % len(part))
            digest.update(part)
        return digest.digest()


@dataclass(frozen=True, slots=True)
class ChartOrder:
    """An SVG to be drawn as PNG, with so many of the device's pixels in one."""

    svg: str
    ratio: int = 1
