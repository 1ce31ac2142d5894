"""Kinds of pictures of a dataset, by the ending of their address."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from geoserver.site.city import PREVIEW
from geoserver.site.datasets.drawing import render_svg
from geoserver.site.datasets.raster import PIXELS, render_png
from geoserver.site.datasets.sketch import SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geoserver.model import City
    from geoserver.site.datasets.sketch import Sketch

__all__ = ["PICTURES", "Kind"]


class Kind(NamedTuple):
    """Its size in pixels, and what makes it of a sketch in the city's colours."""

    media_type: str
    size: tuple[int, int]
    sharpness: int  # pixels of the picture to one of the sketch
    render: Callable[[Sketch, City], bytes]


PICTURES: Mapping[str, Kind] = {
    "svg": Kind("image/svg+xml", SIZE, 1, render_svg),
    "png": Kind("image/png", (PREVIEW[0] // PIXELS, PREVIEW[1] // PIXELS), PIXELS, render_png),
}
