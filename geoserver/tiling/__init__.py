"""Vector tiles: `render(database, catalog, layer, status, tile, where)` to bytes. Knows nothing of HTTP."""

from geoserver.tiling.check import check
from geoserver.tiling.postgis import render, tile_version
from geoserver.tiling.recipes import features_from
from geoserver.tiling.tilejson import build_tilejson

__all__ = ["build_tilejson", "check", "features_from", "render", "tile_version"]
