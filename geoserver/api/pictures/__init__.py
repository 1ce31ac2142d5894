"""`/static`: pictures of the map, drawn from the same styles and tiles as the live one."""

from __future__ import annotations

from geoserver.api.pictures.routes import router

__all__ = ["router"]
