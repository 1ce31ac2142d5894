"""A plain look for a layer that names no style, so that one layer file is enough for a map."""

from __future__ import annotations

import zlib
from typing import Any

from geoserver.fieldtypes import FIELD_TYPES
from geoserver.model import Layer
from geoserver.styling.outlines import LEGEND
from geoserver.tiling.sources import rowless_source_of

__all__ = ["plain_fragment"]

# Near to Okabe and Ito's colours that stand out on light and dark alike and differ for colour-blind eyes.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3a97cf")
# Of categories, each on a light and on a dark ground: no two alike for eyes without one kind of cones.
_CATEGORIES = (
    ("#2e5bc8", "#4c89eb"),
    ("#c99410", "#e3b53a"),
    ("#93197b", "#a3518d"),
    ("#15a8e4", "#38b5f9"),
    ("#c94b39", "#f32915"),
    ("#214a21", "#b8edbd"),
)
_REST = ("#8d9492", "#9e9a99")
_CASING = ("#ffffff", "#0d1216")


def plain_fragment(layer: Layer) -> dict[str, Any]:
    """A complete small style for the layer: by category where its file labels a few, else in one colour.

    That one is chosen by the layer's id, so that it stays the same. Tiles that are pictures are shown as they are.
    """
    if not layer.has_rows and rowless_source_of(layer).pictures:
        source = {"type": "raster", "url": f"/tiles/{layer.id}.json", "tileSize": 256}
        shown = {"id": layer.id, "type": "raster", "source": layer.id}
        return {"version": 8, "name": layer.title, "sources": {layer.id: source}, "layers": [shown]}
    light, dark = (_draw(layer, theme) for theme in (0, 1))
    return {
        "version": 8,
        "name": layer.title,
        "metadata": {"geoserver:dark": {item["id"]: {"paint": item["paint"]} for item in dark}},
        "sources": {layer.id: {"type": "vector", "url": f"/tiles/{layer.id}.json"}},
        "layers": light,
    }


def _draw(layer: Layer, theme: int) -> list[dict[str, Any]]:
    source = {"source": layer.id, "source-layer": layer.id}
    drawn = _DRAWN.get(layer.geometry, _anything)(layer.id, _colour_of(layer, theme), _CASING[theme])
    return [{**item, **source} for item in drawn]


def _colour_of(layer: Layer, theme: int) -> Any:
    """One colour, or one for each value of the main choice field that has a label, if they are not too many."""
    choices = [
        item
        for item in layer.fields.values()
        if item.filter == "choice" and not item.restricted and FIELD_TYPES[item.type].kind == "text"
    ]
    main = next((item for item in choices if item.name == layer.facet), next(iter(choices), None))
    if main is None or not 2 <= len(main.labels) <= len(_CATEGORIES):  # noqa: PLR2004 - one alone is no choice
        return _COLOURS[zlib.crc32(layer.id.encode()) % len(_COLOURS)]
    stops = [part for value, colours in zip(main.labels, _CATEGORIES, strict=False) for part in (value, colours[theme])]
    return ["match", ["get", main.name], *stops, _REST[theme]]


def _points(layer_id: str, colour: Any, casing: str) -> list[dict[str, Any]]:
    radius = ["interpolate", ["linear"], ["zoom"], 9, 3.5, 14, 4.5, 15, 5, 18, 9]  # from afar few are drawn, if any
    paint = {"circle-color": colour, "circle-radius": radius}
    halo = {
        "circle-stroke-color": casing,
        "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 11, 0.75, 14, 1],
    }
    return [{"id": layer_id, "type": "circle", "paint": paint | halo}]


def _lines(layer_id: str, colour: Any, casing: str) -> list[dict[str, Any]]:
    def line(ending: str, shade: Any, more: float) -> dict[str, Any]:
        width = ["interpolate", ["exponential", 1.4], ["zoom"], 9, 1.2 + more, 13, 2 + more, 16, 4 + more, 19, 9 + more]
        layout = {"line-cap": "round", "line-join": "round"}
        paint = {"line-color": shade, "line-width": width}
        return {"id": layer_id + ending, "type": "line", "layout": layout, "paint": paint}

    return [line("-casing", casing, 1.6) | {"metadata": {LEGEND: False}}, line("", colour, 0)]


def _polygons(layer_id: str, colour: Any, _: str) -> list[dict[str, Any]]:
    """A thin fill that lets the map be read, and an outline that stands out by itself."""
    fill = {"fill-color": colour, "fill-opacity": 0.25, "fill-outline-color": colour}
    outline = {"line-color": colour, "line-width": ["interpolate", ["linear"], ["zoom"], 9, 1, 15, 2]}
    return [
        {"id": layer_id, "type": "fill", "paint": fill},
        {
            "id": f"{layer_id}-outline",
            "type": "line",
            "metadata": {LEGEND: False},
            "layout": {"line-join": "round"},
            "paint": outline,
        },
    ]


def _anything(layer_id: str, colour: Any, casing: str) -> list[dict[str, Any]]:
    """Tiles of which only the tiles themselves know what shapes they hold."""
    drawn = [(_polygons, "Polygon"), (_lines, "LineString"), (_points, "Point")]
    return [
        {**item, "id": f"{item['id']}-{kind.lower()}", "filter": ["==", ["geometry-type"], kind]}
        for make, kind in drawn
        for item in make(layer_id, colour, casing)
    ]


_DRAWN = {"points": _points, "lines": _lines, "polygons": _polygons}
