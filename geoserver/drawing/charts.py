"""Charts as PNG, inside a process of `pool`: whatever draws an SVG may die of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import vl_convert

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.drawing.orders import ChartOrder

__all__ = ["draw"]


def draw(order: ChartOrder, folder: Path) -> bytes:
    """The PNG of an SVG."""
    del folder
    png: bytes = vl_convert.svg_to_png(order.svg, scale=order.ratio)
    return png
