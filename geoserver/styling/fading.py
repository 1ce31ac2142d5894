"""The cross-fade of points: the squares that stand for them go while they come, each from a source of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from geoserver.styling.bins import CASING, FILLED_OPACITY, MARKS, SUFFIX
from geoserver.styling.expressions import are_stops, flat, is_number, pairs, progress, reads_zoom

__all__ = ["FADE", "cross_fade", "fade_in", "fade_out"]

FADES = "geoserver:fades-from"  # in the metadata of what draws features: the zoom at which they begin to show
FADE = 0.7  # zooms above the switch in which the squares of points give way to the points
CROWDED = "-crowded"  # ends the id of what draws the squares of tiles that were to hold points and could not

Style = dict[str, Any]

_FARTHEST = 24  # MapLibre's greatest zoom
_OPACITIES = {
    "circle": ("circle-opacity", "circle-stroke-opacity"),
    "fill": ("fill-opacity",),
    "heatmap": ("heatmap-opacity",),
    "line": ("line-opacity",),
    "symbol": ("icon-opacity", "text-opacity"),
}


def cross_fade(style: Style, starts: Mapping[str, int]) -> None:
    """Let the squares of each layer in `starts` give way to its points over `FADE` zooms from that zoom on.

    A tile holds points or squares, never both, so the layer's source becomes two over the same tiles: one for the
    points, and `NAME:bins`, which ends at the zoom before and is enlarged from there. What draws squares is drawn from
    both: from the second as it fades, from the first where a tile holds squares because its points were too many.
    A layer that shares its source with others is left as it is: it then changes at once.
    """
    for layer_id, start in starts.items():
        source = _own_source(style, layer_id, start)
        if not source:
            continue
        style["sources"][source + SUFFIX] = style["sources"][source] | {"maxzoom": start - 1}
        style["sources"][source] = style["sources"][source] | {"minzoom": start}
        style["layers"] = [part for item in style["layers"] for part in _fade(item, layer_id, source, start)]


def _own_source(style: Style, layer_id: str, start: int) -> str:
    """The one source of the layer's squares and points, and of nothing else; empty when there is none."""
    names = {layer_id, layer_id + SUFFIX}
    sources = {item.get("source") for item in style["layers"] if item.get("source-layer") in names}
    found = sources.pop() if len(sources) == 1 else None
    if not isinstance(found, str) or found not in style["sources"] or found + SUFFIX in style["sources"]:
        return ""
    source = style["sources"][found]
    whole = {item.get("source-layer") for item in style["layers"] if item.get("source") == found} == names
    return found if whole and _least(source) < start <= _most(source) else ""


def _fade(item: Style, layer_id: str, source: str, start: int) -> Iterator[Style]:
    if item.get("source-layer") == layer_id + SUFFIX:
        low, high = _least(item), _most(item)
        end = round(start + FADE, 6)
        if low < end:
            last = {"source": source + SUFFIX, "maxzoom": min(high, end), "paint": _fade_paint(item, start, out=True)}
            yield item | last
        # From there on a square's size is not known, and no mark is drawn in it: the square itself is filled.
        if start < high and FILLED_OPACITY in item.get("metadata", {}):
            paint = item["paint"] | {"fill-opacity": item["metadata"][FILLED_OPACITY]}
            yield item | {"id": item["id"] + CROWDED, "minzoom": max(low, start), "paint": paint}
        elif start < high and not _is_mark(item, layer_id):
            yield item | {"id": item["id"] + CROWDED, "minzoom": max(low, start)}
    elif item.get("source-layer") == layer_id:
        metadata = item.get("metadata", {}) | {FADES: start}
        yield item | {"paint": _fade_paint(item, start, out=False), "metadata": metadata}
    else:
        yield item


def _is_mark(item: Style, layer_id: str) -> bool:
    return bool(item["id"] in [f"{layer_id}{SUFFIX}{ending}" for ending in (MARKS, CASING)])


def _fade_paint(item: Style, start: int, *, out: bool) -> Style:
    paint: Style = item.get("paint", {})
    fade = fade_out if out else fade_in
    return paint | {name: fade(paint.get(name, 1), start) for name in _OPACITIES.get(item["type"], ())}


def _least(limited: Mapping[str, Any]) -> float:
    return limited["minzoom"] if is_number(limited.get("minzoom")) else 0


def _most(limited: Mapping[str, Any]) -> float:
    return limited["maxzoom"] if is_number(limited.get("maxzoom")) else _FARTHEST


# MapLibre takes `zoom` only as the input of an outermost `interpolate` or `step`, so a fade becomes the first or the
# last of its stops. What reads the zoom in any other way is left as it is: it then comes and goes without a fade.


def fade_in(value: Any, start: float) -> Any:
    """An opacity that is nothing at zoom `start` and as `value` says from `start + FADE` on."""
    end = round(start + FADE, 6)
    match value:
        case ["interpolate", [str(), *_] as kind, ["zoom"], *rest] if are_stops(rest):
            stops = pairs(rest)
            later = [(zoom, output) for zoom, output in stops if zoom > end]
            return ["interpolate", kind, ["zoom"], start, 0, end, _output_at(kind, stops, end), *flat(later)]
        case ["step", ["zoom"], first, *rest] if are_stops(rest) and not reads_zoom(first):
            return ["interpolate", ["linear"], ["zoom"], start, 0, end, *_steps(first, pairs(rest), end)]
    if _is_beyond(value):
        return value
    return ["interpolate", ["linear"], ["zoom"], start, 0, end, value]


def fade_out(value: Any, start: float) -> Any:
    """An opacity that is as `value` says up to zoom `start`, and nothing from `start + FADE` on."""
    end = round(start + FADE, 6)
    match value:
        case ["interpolate", [str(), *_] as kind, ["zoom"], *rest] if are_stops(rest):
            stops = pairs(rest)
            earlier = [(zoom, output) for zoom, output in stops if zoom < start]
            return ["interpolate", kind, ["zoom"], *flat(earlier), start, _output_at(kind, stops, start), end, 0]
        case ["step", ["zoom"], first, *rest] if are_stops(rest) and not reads_zoom(first):
            stops = [(zoom, output) for zoom, output in pairs(rest) if zoom <= start]
            last = [first, *(output for _, output in stops)][-1]
            until = [] if stops and stops[-1][0] == start else [start, last]
            return ["interpolate", ["linear"], ["zoom"], -1, *_steps(first, stops, -1), *until, end, 0]
    if _is_beyond(value):
        return value
    return ["interpolate", ["linear"], ["zoom"], start, value, end, 0]


def _is_beyond(value: Any) -> bool:
    return isinstance(value, Mapping) or reads_zoom(value)  # a mapping is a function of the older specification


def _steps(first: Any, stops: list[tuple[float, Any]], begin: float) -> Iterator[Any]:
    """Outputs from `begin` on, the first without its zoom, with each step as a very short slope."""
    before = [first, *(output for zoom, output in stops if zoom <= begin)][-1]
    yield before
    for zoom, output in stops:
        if zoom > begin:
            if zoom - 0.01 > begin:
                yield from (zoom - 0.01, before)
            yield from (zoom, output)
            before = output


def _output_at(kind: list[Any], stops: list[tuple[float, Any]], zoom: float) -> Any:
    """What the stops make of a zoom: a number, or a sum where the outputs depend on the feature."""
    if zoom <= stops[0][0]:
        return stops[0][1]
    for (low, before), (high, after) in pairwise(stops):
        if zoom < high:
            part = round(progress(kind, zoom, low, high), 4)
            if before == after:
                return before
            if is_number(before) and is_number(after):
                return round(before + (after - before) * part, 4)
            return ["+", ["*", round(1 - part, 4), before], ["*", part, after]]
    return stops[-1][1]
