"""Few features, seen from afar: marks that a style makes small for many are drawn no smaller than the eye wants."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from geoserver.styling.expressions import are_stops, flat, is_number, pairs, reads_zoom
from geoserver.styling.outlines import OUTLINED

__all__ = ["at_least", "make_legible"]

_SIZES: dict[str, dict[str, float]] = {"circle": {"circle-radius": 3.5}, "line": {"line-width": 2}}
_USUAL = {"circle-radius": 5, "line-width": 1}  # where a style says nothing
# Where these differ from feature to feature they say something, and stay.
_STRENGTHS: dict[str, dict[str, float]] = {
    "circle": {"circle-opacity": 0.85, "circle-stroke-width": 0.75},
    "line": {"line-opacity": 0.9},
    "fill": {"fill-opacity": 0.6},
}
_CASING = "circle-stroke-width"
_CASED = "circle-stroke-color"


def make_legible(style: dict[str, Any], layer_ids: Collection[str]) -> None:
    """Raise sizes and opacities of what draws the features of these layers, at every zoom."""
    for item in style["layers"]:
        if item.get("source-layer") in layer_ids and not item.get("metadata", {}).get(OUTLINED):
            item["paint"] = _raise_paint(item["type"], item.get("paint", {}))


def _raise_paint(kind: str, paint: dict[str, Any]) -> dict[str, Any]:
    raised = dict(paint)
    for name, least in _SIZES.get(kind, {}).items():
        raised[name] = at_least(paint.get(name, _USUAL[name]), least)
    for name, least in _STRENGTHS.get(kind, {}).items():
        if name in paint and (name != _CASING or _CASED in paint):
            raised[name] = at_least(paint[name], least, everywhere=False)
    return raised


def at_least(value: Any, least: float, *, everywhere: bool = True) -> Any:
    """A style value that is nowhere below `least`; what depends on a field only when that is to hold `everywhere`.

    What reads the zoom in another way than an outermost `interpolate` or `step` is left as it is.
    """

    def bound(output: Any) -> Any:
        if is_number(output):
            return max(output, least)
        return ["max", least, output] if everywhere and isinstance(output, list) else output

    match value:
        case ["interpolate", kind, ["zoom"], *rest] if are_stops(rest):
            return ["interpolate", kind, ["zoom"], *flat((zoom, bound(output)) for zoom, output in pairs(rest))]
        case ["step", ["zoom"], first, *rest] if are_stops(rest) and not reads_zoom(first):
            return ["step", ["zoom"], bound(first), *flat((zoom, bound(output)) for zoom, output in pairs(rest))]
    return value if reads_zoom(value) else bound(value)
