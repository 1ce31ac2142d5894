"""Draws a map by MapLibre Native, with what is laid over it. Runs in the processes of `pool`."""

from __future__ import annotations

import functools
import io
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pymgl
from PIL import Image
from vl_convert import register_font_directory, svg_to_png

from geoserver import assets
from geoserver.drawing.native import MARK, MARK_SIDE
from geoserver.drawing.orders import LOCAL

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.drawing.orders import MapOrder

__all__ = ["draw"]

_MARGIN, _REACH, _EDGE = (
    6,
    8.0,
    0.75,
)  # pixels around a picture of distances, over which alpha falls, and it on the edge
_RANGES = range(0, 0x10000, 256)
_QUALITY = {"png": {"compress_level": 4}, "webp": {"quality": 75, "method": 4}, "jpeg": {"quality": 88}}


def draw(order: MapOrder, folder: Path) -> bytes:
    """The picture's bytes. Raises RuntimeError for a style that MapLibre refuses."""
    _lay_out_fonts(folder / "fonts")
    place = folder / "order"
    try:
        place.mkdir()
        for name, body in order.files.items():
            (place / name).write_bytes(body)
        image = _draw_map(order, folder)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if order.over:
        image = _lay_over(image, svg_to_png(order.over, scale=order.ratio))
    made = io.BytesIO()
    image.convert("RGB").save(made, order.format, **_QUALITY[order.format])
    return made.getvalue()


def _draw_map(order: MapOrder, folder: Path) -> Image.Image:
    style = order.style.replace(f'"{LOCAL}fonts/'.encode(), f'"file://{folder}/fonts/'.encode())
    style = style.replace(f'"{LOCAL}'.encode(), f'"file://{folder}/order/'.encode())
    width, height = order.size
    with pymgl.Map(style.decode(), width, height, order.ratio, order.lon, order.lat, order.zoom) as drawn:
        side = MARK_SIDE + 2 * _MARGIN
        drawn.addImage(MARK, _draw_mark(), side, side, 1, True)
        if order.ratio > 1:  # the buffer that it gives is cut then
            return Image.open(io.BytesIO(drawn.renderPNG())).convert("RGBA")
        pixels = np.asarray(drawn.renderBuffer(), np.uint8)
    return Image.frombuffer("RGBA", order.size, pixels.tobytes(), "raw", "RGBA", 0, 1)


@functools.cache
def _draw_mark() -> bytes:
    """The square of `native` as a picture of distances: alpha says how far from its edge each pixel is."""
    middles = np.abs(np.arange(MARK_SIDE + 2 * _MARGIN) + 0.5 - MARK_SIDE / 2 - _MARGIN)
    radius = MARK_SIDE / 4
    beyond = middles - (MARK_SIDE / 2 - radius)
    x, y = np.meshgrid(beyond, beyond)
    far = np.hypot(np.maximum(x, 0), np.maximum(y, 0)) + np.minimum(np.maximum(x, y), 0) - radius
    pixels = np.zeros((*far.shape, 4), np.uint8)
    pixels[..., 3] = np.clip(np.round(255 * (_EDGE - far / _REACH)), 0, 255)
    return pixels.tobytes()


def _lay_over(image: Image.Image, over: bytes) -> Image.Image:
    """The map with a picture on it whose colours have been multiplied with how opaque they are."""
    upper = np.asarray(Image.open(io.BytesIO(over)).convert("RGBA").crop((0, 0, *image.size)), np.uint16)
    lower = np.asarray(image.convert("RGB"), np.uint16)
    mixed = upper[..., :3] + (lower * (255 - upper[..., 3:]) + 127) // 255
    return Image.fromarray(np.minimum(mixed, 255).astype(np.uint8))


def _lay_out_fonts(folder: Path) -> None:
    """A file for every range of every font, empty where the font has no letters: a missing one ends the picture."""
    if folder.is_dir():
        return
    built = assets.root("web") / "fonts"
    folder.mkdir()
    register_font_directory(str(built))
    for font in built.iterdir() if built.is_dir() else ():
        if not font.is_dir():
            continue
        (folder / font.name).mkdir()
        for first in _RANGES:
            name = f"{font.name}/{first}-{first + 255}.pbf"
            known = built / name
            (folder / name).write_bytes(known.read_bytes() if known.is_file() else b"")
