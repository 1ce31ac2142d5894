"""A sketch as PNG on light ground, for previews of links, which take no SVG."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw

from geoserver.site.datasets.drawing import find_colours

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geoserver.model import City
    from geoserver.site.datasets.sketch import Drawn, Sketch

__all__ = ["PIXELS", "render_png"]

PIXELS = 2  # of the picture to one of the sketch
_FINER = 2  # it is drawn so much larger, and made smaller at the end: edges are smooth so
_COLOURS = 64  # of the picture as it is stored
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

type Ring = list[tuple[float, float]]


def render_png(sketch: Sketch, city: City) -> bytes:
    """Draws without transparency but for areas of the data."""
    colours, _ = find_colours(sketch, city)
    size = (sketch.frame.width * PIXELS * _FINER, sketch.frame.height * PIXELS * _FINER)
    image = Image.new("RGB", size, colours["sea"])
    for part in sketch.ground:
        colour = colours["sea" if part.kind == "water" else part.kind]
        for path in part.paths:
            if part.kind == "streets":
                _draw_lines(image, _read_rings(path), colour, 0.8)
            else:
                _fill(image, _read_rings(path), colour)
    _draw_data(image, sketch.data, colours["data"], colours["edge"])
    small = image.resize((size[0] // _FINER, size[1] // _FINER), Image.Resampling.BOX)
    packed = small.quantize(_COLOURS, dither=Image.Dither.NONE)
    out = io.BytesIO()
    packed.save(out, "PNG", optimize=True)
    return out.getvalue()


def _draw_data(image: Image.Image, data: Drawn, colour: str, edge: str) -> None:
    shapes = [_read_rings(path) for path in data.paths]
    if data.areas:
        for rings in shapes:
            _fill(image, rings, colour, opacity=0.3)
    for rings in shapes:
        if data.areas:
            _draw_lines(image, [[*ring, ring[0]] for ring in rings], colour, 1.2)
        else:
            _draw_lines(image, rings, colour, 1.8)
    draw = ImageDraw.Draw(image)
    scale = PIXELS * _FINER
    for mark in data.marks:
        for size, fill in (
            ((mark.size + 2, edge), (mark.size, colour)) if len(data.marks) == 1 else ((mark.size, colour),)
        ):
            for x, y in mark.places:
                draw.circle((x * scale, y * scale), size * scale / 2, fill=fill)


def _read_rings(path: str) -> list[Ring]:
    """The parts of an SVG path of absolute moves and lines, in pixels as they are drawn."""
    rings = []
    for part in path.split("M")[1:]:
        numbers = [float(number) * PIXELS * _FINER for number in _NUMBER.findall(part)]
        rings.append(list(zip(numbers[::2], numbers[1::2], strict=False)))
    return [ring for ring in rings if len(ring) > 1]


def _draw_lines(image: Image.Image, rings: Iterable[Ring], colour: str, width: float) -> None:
    draw = ImageDraw.Draw(image)
    for ring in rings:
        draw.line(ring, fill=colour, width=max(round(width * PIXELS * _FINER), 1), joint="curve")


def _fill(image: Image.Image, rings: Sequence[Ring], colour: str, opacity: float = 1.0) -> None:
    """Inside of an odd number of rings, so that holes stay open."""
    rings = [ring for ring in rings if len(ring) > 2]  # noqa: PLR2004 - fewer enclose nothing
    if len(rings) == 1 and opacity == 1.0:
        ImageDraw.Draw(image).polygon(rings[0], fill=colour)
        return
    xs, ys = [x for ring in rings for x, _ in ring], [y for ring in rings for _, y in ring]
    if not xs:
        return
    left, top = max(int(min(xs)), 0), max(int(min(ys)), 0)
    right, bottom = min(int(max(xs)) + 1, image.width), min(int(max(ys)) + 1, image.height)
    if left >= right or top >= bottom:
        return
    mask = Image.new("1", (right - left, bottom - top))
    for ring in rings:
        one = Image.new("1", mask.size)
        ImageDraw.Draw(one).polygon([(x - left, y - top) for x, y in ring], fill=1)
        mask = ImageChops.logical_xor(mask, one)
    image.paste(colour, (left, top), mask.convert("L").point([0] * 255 + [round(255 * opacity)]))
