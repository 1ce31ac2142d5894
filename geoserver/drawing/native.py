"""A style as MapLibre Native draws it like MapLibre GL JS, for which ours are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geoserver.model import BINS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MARK", "MARK_SIDE", "adapt"]

MARK = "geoserver:mark"  # name of the picture of a square whose corners are rounded by a quarter of its side
MARK_SIDE = 24  # pixels of the square
_UNKNOWN = ("font-faces", "metadata")  # what it has no use for


def adapt(style: Mapping[str, Any]) -> dict[str, Any]:
    """The style without what Native does not know, and with marks that it draws as a browser does."""
    kept = {name: value for name, value in style.items() if name not in _UNKNOWN}
    return kept | {"layers": [_adapt_layer(item) for item in style["layers"]]}


def _adapt_layer(item: Mapping[str, Any]) -> dict[str, Any]:
    """The outline of a bin, moved inwards and half as wide as what is left, is a mark with rounded corners. Native
    draws its joins as rays; the same mark is a picture in the middle, twice as large as the line is wide.
    """
    layer = {name: value for name, value in item.items() if name != "metadata"}
    rounded = "line-offset" in item.get("paint", {}) and item.get("layout", {}).get("line-join") == "round"
    if not rounded or not item.get("source-layer", "").endswith(f":{BINS}"):  # outlines of areas are moved inwards, too
        return layer
    paint = item["paint"]
    layer["type"] = "symbol"
    layer["layout"] = {
        "icon-image": MARK,
        "icon-size": _scale(paint["line-width"], 2 / MARK_SIDE),
        "icon-allow-overlap": True,
        "icon-ignore-placement": True,
        "icon-padding": 0,
    }
    layer["paint"] = {"icon-color": paint["line-color"], "icon-opacity": paint.get("line-opacity", 1)}
    return layer


def _scale(value: Any, factor: float) -> Any:
    """A number, or what an expression of stops gives, so many times as large."""
    match value:
        case int() | float():
            return round(value * factor, 4)
        case ["interpolate", kind, target, *stops]:
            return ["interpolate", kind, target, *_scale_every_other(stops, 1, factor)]
        case ["step", target, *stops]:
            return ["step", target, *_scale_every_other(stops, 0, factor)]
    return ["*", value, factor]


def _scale_every_other(parts: list[Any], first: int, factor: float) -> list[Any]:
    return [_scale(part, factor) if at % 2 == first else part for at, part in enumerate(parts)]
