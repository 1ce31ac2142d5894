"""A plain look for a layer that names no style, so that one layer file is enough for a map."""

from __future__ import annotations

import zlib
from typing import Any

from geoserver.model import Layer

__all__ = ["plain_fragment"]

# Near to Okabe and Ito's colours that stand out on light and dark alike and differ for colour-blind eyes.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3a97cf")


def plain_fragment(layer: Layer) -> dict[str, Any]:
    """A complete small style for the layer: one colour, chosen by its id so that it stays the same."""
    colour = _COLOURS[zlib.crc32(layer.id.encode()) % len(_COLOURS)]
    source = {"source": layer.id, "source-layer": layer.id}
    return {
        "version": 8,
        "name": layer.title,
        "sources": {layer.id: {"type": "vector", "url": f"/tiles/{layer.id}.json"}},
        "layers": [{**item, **source} for item in _DRAWN.get(layer.geometry, _anything)(layer.id, colour)],
    }


def _points(layer_id: str, colour: str) -> list[dict[str, Any]]:
    radius = ["interpolate", ["linear"], ["zoom"], 9, 3.5, 14, 4.5, 15, 5, 18, 9]  # from afar few are drawn, if any
    paint = {"circle-color": colour, "circle-radius": radius}
    halo = {
        "circle-stroke-color": "#ffffff",
        "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 11, 0.75, 14, 1],
    }
    return [{"id": layer_id, "type": "circle", "paint": paint | halo}]


def _lines(layer_id: str, colour: str) -> list[dict[str, Any]]:
    width = ["interpolate", ["exponential", 1.4], ["zoom"], 9, 1.2, 13, 2, 16, 4, 19, 9]
    layout = {"line-cap": "round", "line-join": "round"}
    return [{"id": layer_id, "type": "line", "layout": layout, "paint": {"line-color": colour, "line-width": width}}]


def _polygons(layer_id: str, colour: str) -> list[dict[str, Any]]:
    outline = {"line-color": colour, "line-width": ["interpolate", ["linear"], ["zoom"], 9, 0.6, 15, 1.8]}
    return [
        {"id": layer_id, "type": "fill", "paint": {"fill-color": colour, "fill-opacity": 0.25}},
        {
            "id": f"{layer_id}-outline",
            "type": "line",
            "metadata": {"geoserver:legend": False},
            "layout": {"line-join": "round"},
            "paint": outline,
        },
    ]


def _anything(layer_id: str, colour: str) -> list[dict[str, Any]]:
    """Tiles of which only the tiles themselves know what shapes they hold."""
    drawn = [(_polygons, "Polygon"), (_lines, "LineString"), (_points, "Point")]
    return [
        {**item, "id": f"{item['id']}-{kind.lower()}", "filter": ["==", ["geometry-type"], kind]}
        for make, kind in drawn
        for item in make(layer_id, colour)
    ]


_DRAWN = {"points": _points, "lines": _lines, "polygons": _polygons}
