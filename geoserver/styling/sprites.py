"""Icons of the basemap: drawings in `styles/icons/*.svg` as one picture of distances, which the styles colour.

A picture of distances (SDF) has in its alpha channel how far each of its pixels is from the drawing's edge, so that one
picture serves the light and the dark map, with halos. https://maplibre.org/maplibre-style-spec/sprite/
"""

from __future__ import annotations

import functools
import re
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson
import shapely

from geoserver import assets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["SPRITE", "Sprite", "build_sprite", "parse_icon"]

SPRITE = "icons"
_VIEW = 16  # units of a drawing's sides
_SIZE, _MARGIN = 16, 3  # CSS pixels: of an icon, and around it for the halo
_REACH, _EDGE = 8.0, 0.75  # pixels over which alpha falls from 1 to 0, and its value on the edge, as for glyphs
_STEPS = 8  # straight pieces of a curve
_PATH = re.compile(r'<path d="([^"]*)"')
_TOKEN = re.compile(r"([MLHVCZ])|(-?\d*\.?\d+)")
_TAKES = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "Z": 0}


class Sprite(NamedTuple):
    """The picture, and where on it each icon is."""

    places: bytes  # JSON
    picture: bytes  # PNG


@functools.lru_cache(maxsize=2)
def build_sprite(ratio: int) -> Sprite:
    """All icons in a row; `ratio` is pixels of the picture in a CSS pixel."""
    folder = assets.root("styles") / "icons"
    side = (_SIZE + 2 * _MARGIN) * ratio
    places, pictures = {}, []
    for number, (name, shape) in enumerate(_read_icons(folder)):
        places[name] = {"x": number * side, "y": 0, "width": side, "height": side, "pixelRatio": ratio, "sdf": True}
        pictures.append(_draw(shape, side, ratio))
    return Sprite(orjson.dumps(places), _write_png(np.hstack(pictures)))


def _read_icons(folder: Path) -> Iterator[tuple[str, shapely.Geometry]]:
    for path in sorted(folder.glob("*.svg")):
        yield path.stem, parse_icon(path.read_text(encoding="utf-8"))


def parse_icon(drawing: str) -> shapely.Geometry:
    """The area of an SVG of paths with `M L H V C Z`, each filled by the rule of even and odd.

    Raises ValueError for any other.
    """
    paths = _PATH.findall(drawing)
    if not paths:
        raise ValueError('a drawing of <path d="..."/>')
    return shapely.union_all([_parse_path(path) for path in paths])


def _parse_path(text: str) -> shapely.Geometry:
    if left := _TOKEN.sub("", text).strip(" ,\n"):
        raise ValueError(f"a path of M, L, H, V, C, Z and numbers; got {left[:20]!r}")
    rings: list[list[tuple[float, float]]] = []
    numbers: list[float] = []
    command = ""
    for word, number in _TOKEN.findall(text):
        command = word or command
        numbers = [] if word else [*numbers, float(number)]
        if len(numbers) == _TAKES[command]:
            if command == "M":
                rings.append([])
            if rings and command != "Z":
                rings[-1] += _list_places(command, numbers, rings[-1])
            numbers = []
    return functools.reduce(shapely.symmetric_difference, [shapely.polygons(ring) for ring in rings])


def _list_places(command: str, numbers: list[float], before: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Where a command leads to."""
    match command:
        case "H":
            return [(numbers[0], before[-1][1])]
        case "V":
            return [(before[-1][0], numbers[0])]
        case "C":
            corners = np.array([before[-1], *zip(numbers[::2], numbers[1::2], strict=True)])
            along = np.linspace(0, 1, _STEPS + 1)[1:, None]
            weights = np.hstack([(1 - along) ** 3, 3 * along * (1 - along) ** 2, 3 * along**2 * (1 - along), along**3])
            return [(float(x), float(y)) for x, y in weights @ corners]
    return [(numbers[0], numbers[1])]


def _draw(shape: shapely.Geometry, side: int, ratio: int) -> np.ndarray:
    """Alpha of the icon's square."""
    middles = ((np.arange(side) + 0.5) / ratio - _MARGIN) * _VIEW / _SIZE
    x, y = np.meshgrid(middles, middles)
    points = shapely.points(x, y)
    shapely.prepare(shape)
    far = shapely.distance(points, shapely.boundary(shape)) * _SIZE / _VIEW
    signed = np.where(shapely.contains(shape, points), -far, far)
    alpha: np.ndarray = np.clip(np.round(255 * (_EDGE - signed / _REACH)), 0, 255).astype(np.uint8)
    return alpha


def _write_png(alpha: np.ndarray) -> bytes:
    """A black PNG with that alpha channel."""
    height, width = alpha.shape
    rows = np.zeros((height, 1 + 2 * width), np.uint8)  # each begins with its filter: none
    rows[:, 2::2] = alpha
    head = struct.pack(">IIBBBBB", width, height, 8, 4, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
