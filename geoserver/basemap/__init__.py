"""OpenStreetMap -> a city's basemap: an extract becomes layers like the sample city's, drawn by the same styles."""

from __future__ import annotations

from geoserver.basemap.making import Made, make_basemap

__all__ = ["Made", "make_basemap"]
