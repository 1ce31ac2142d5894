"""Draws a map by MapLibre Native, with what is laid over it. Runs in the processes of `pool`."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pymgl
from PIL import Image
from vl_convert import register_font_directory, svg_to_png

from geoserver import assets
from geoserver.drawing.orders import LOCAL

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.drawing.orders import MapOrder

__all__ = ["draw"]

_RANGES = range(0, 0x10000, 256)
_QUALITY = {"png": {"compress_level": 4}, "webp": {"quality": 90, "method": 2}, "jpeg": {"quality": 88}}


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
        over = Image.open(io.BytesIO(svg_to_png(order.over, scale=order.ratio))).convert("RGBA")
        image.alpha_composite(over.crop((0, 0, *image.size)))
    made = io.BytesIO()
    image.convert("RGB").save(made, order.format, **_QUALITY[order.format])
    return made.getvalue()


def _draw_map(order: MapOrder, folder: Path) -> Image.Image:
    style = order.style.replace(f'"{LOCAL}fonts/'.encode(), f'"file://{folder}/fonts/'.encode())
    style = style.replace(f'"{LOCAL}'.encode(), f'"file://{folder}/order/'.encode())
    width, height = order.size
    with pymgl.Map(style.decode(), width, height, order.ratio, order.lon, order.lat, order.zoom) as drawn:
        if order.ratio > 1:  # the buffer that it gives is cut then
            return Image.open(io.BytesIO(drawn.renderPNG())).convert("RGBA")
        pixels = np.asarray(drawn.renderBuffer(), np.uint8)
    return Image.frombuffer("RGBA", order.size, pixels.tobytes(), "raw", "RGBA", 0, 1)


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
