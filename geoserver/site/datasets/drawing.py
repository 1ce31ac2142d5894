"""A sketch as SVG, light or dark as the reader's system is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver.colours import HEX, contrast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geoserver.model import City
    from geoserver.site.datasets.sketch import Mark, Sketch

__all__ = ["LIGHT", "Colours", "find_colours", "render_svg"]

type Colours = dict[str, str]

# As in styles/light.json and styles/dark.json.
LIGHT: Colours = {
    "sea": "#d8e5ec", "land": "#f5f4ef", "parks": "#dfe9d2", "streets": "#ddd7cb",
    "data": "#17616a", "edge": "#fff",
}  # fmt: skip
_DARK: Colours = {
    "sea": "#10191f", "land": "#1f2428", "parks": "#222f29", "streets": "#343b40",
    "data": "#6ec2c9", "edge": "#16191c",
}  # fmt: skip
_LEAST = 1.8  # contrast of the data with what is under it
_RULES = (
    ".sea,.water{{fill:{sea}}}.land{{fill:{land}}}.parks{{fill:{parks}}}"
    ".streets{{fill:none;stroke:{streets};stroke-width:.8}}"
    ".areas{{fill:{data};fill-opacity:.3;stroke:{data};stroke-width:1}}"
    ".lines{{fill:none;stroke:{data};stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}}"
    ".marks{{fill:none;stroke:{data};stroke-linecap:round;stroke-opacity:.85}}.edge{{stroke:{edge};stroke-opacity:1}}"
)


def find_colours(sketch: Sketch, city: City) -> tuple[Colours, Colours]:
    """On light ground and on dark: the data in the colour of its style, else of the city, else in ours."""
    light, dark = (*sketch.data.light, city.accent), (*sketch.data.dark, city.accent_dark)
    return LIGHT | {"data": _choose(light, LIGHT)}, _DARK | {"data": _choose(dark, _DARK)}


def _choose(wanted: Iterable[str], ground: Colours) -> str:
    """The first that stands out from land and sea."""
    clear = (
        colour
        for colour in wanted
        if HEX.match(colour) and min(contrast(colour, ground[part]) for part in ("land", "sea")) >= _LEAST
    )
    return next(clear, ground["data"])


def render_svg(sketch: Sketch, city: City) -> bytes:
    """Small: marks of one size are one path, and a mark is a stroke without length."""
    light, dark = find_colours(sketch, city)
    drawn = [f'<path class="{part.kind}" d="{"".join(part.paths)}"/>' for part in sketch.ground if part.paths]
    data = sketch.data
    if data.paths:
        drawn.append(f'<path class="{"areas" if data.areas else "lines"}" d="{"".join(data.paths)}"/>')
    drawn += _draw_marks(data.marks)
    rules = f"{_RULES.format(**light)}@media(prefers-color-scheme:dark){{{_RULES.format(**dark)}}}"
    width, height = sketch.frame.width, sketch.frame.height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<style>{rules}</style><path class="sea" d="M0 0H{width}V{height}H0Z"/>{"".join(drawn)}</svg>'
    ).encode()


def _draw_marks(marks: Sequence[Mark]) -> list[str]:
    drawn = []
    for mark in marks:
        path = "".join(f"M{x} {y}h0" for x, y in mark.places)
        if len(marks) == 1:  # few, which may lie on one another
            drawn.append(f'<path class="marks edge" stroke-width="{mark.size + 2}" d="{path}"/>')
        drawn.append(f'<path class="marks" stroke-width="{mark.size}" d="{path}"/>')
    return drawn
