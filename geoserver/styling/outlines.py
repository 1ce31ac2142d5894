"""Areas under other data: outlined in the colours that they would be filled with, so that no colours lie on others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geoserver.model import BINS
from geoserver.styling.expressions import flat

__all__ = ["BAND", "LEGEND", "OUTLINED", "areas_in", "outline_areas"]

LEGEND = "geoserver:legend"  # in a style layer's metadata: false hides it, a text or mapping titles its entries
# In a style's metadata: ids of the layers whose areas are not filled; and true in the metadata of what draws them.
OUTLINED = "geoserver:outlined"
BAND = "-band"  # ends the id of the line along the inside of each area

Style = dict[str, Any]

_WIDTHS = ((9, 1.5), (12, 3.0), (16, 6.0))  # pixels of the band, by zoom
_GAP = 1.0  # pixels between the bands of neighbours
_KEPT = ("source", "source-layer", "filter", "minzoom", "maxzoom")


def areas_in(fragment: Mapping[str, Any]) -> set[str]:
    """Ids of the layers whose areas it fills."""
    return {str(item.get("source-layer", "")) for item in fragment["layers"] if _is_area(item)}


def outline_areas(fragment: Style) -> None:
    """Draw a band along the inside of each area instead of filling it; neighbours then show a colour each.

    The areas are still there to be clicked. A line around them that explains nothing is left out: beside other layers
    it would look like one of theirs. One that the legend explains goes where the band goes.
    """
    layers: list[Style] = []
    names = areas_in(fragment)
    for item in fragment["layers"]:
        if _is_area(item):
            layers += [_hide(item), _band(item)]
        elif item["type"] == "line" and item.get("source-layer") in names:
            layers += [_note(item)] if item.get("metadata", {}).get(LEGEND) is not False else []
        else:
            layers.append(item)
    fragment["layers"] = layers


def _is_area(item: Mapping[str, Any]) -> bool:
    """Whether it fills areas with a colour; a pattern is no fill that hides what is below."""
    bins = str(item.get("source-layer", "")).endswith(f":{BINS}")
    return bool(item["type"] == "fill" and not bins and "fill-pattern" not in item.get("paint", {}))


def _hide(item: Style) -> Style:
    return _note(item) | {"paint": item.get("paint", {}) | {"fill-opacity": 0}}


def _note(item: Style) -> Style:
    return item | {"metadata": item.get("metadata", {}) | {OUTLINED: True}}


def _band(item: Style) -> Style:
    """The line in the area's own colour; the area is on the right of its outline in a tile, so it lies inside."""
    kept: Style = {name: item[name] for name in _KEPT if name in item}
    paint = {
        "line-color": item.get("paint", {}).get("fill-color", "#000000"),
        "line-width": _by_zoom(1),
        "line-offset": _by_zoom(0.5, _GAP / 2),
    }
    return kept | {
        "id": item["id"] + BAND,
        "type": "line",
        "metadata": {OUTLINED: True},
        "layout": {"line-join": "round"},
        "paint": paint,
    }


def _by_zoom(part: float, more: float = 0) -> list[Any]:
    return ["interpolate", ["linear"], ["zoom"], *flat((zoom, part * width + more) for zoom, width in _WIDTHS)]
