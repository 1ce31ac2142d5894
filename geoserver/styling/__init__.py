"""Styles and legends: MapLibre style files -> styles with absolute addresses, and what their classes mean."""

from __future__ import annotations

from geoserver.styling.basemap import describe_basemap
from geoserver.styling.build import build_style, drawn_layers, list_drawn, style_names
from geoserver.styling.check import check
from geoserver.styling.legend import build_legend, describe_bins, list_counts, translate_style
from geoserver.styling.names import translate_labels
from geoserver.styling.narrowing import list_values, narrow_legend
from geoserver.styling.qml import build_qml
from geoserver.styling.sprites import SPRITE, build_sprite

__all__ = [
    "SPRITE",
    "build_legend",
    "build_qml",
    "build_sprite",
    "build_style",
    "check",
    "describe_basemap",
    "describe_bins",
    "drawn_layers",
    "list_counts",
    "list_drawn",
    "list_values",
    "narrow_legend",
    "style_names",
    "translate_labels",
    "translate_style",
]
