"""Vector tiles: `render(database, catalog, layer, status, tile, where)` to bytes. Knows nothing of HTTP."""

from geoserver.tiling.check import check
from geoserver.tiling.compose import BUDGET
from geoserver.tiling.postgis import render, tile_version
from geoserver.tiling.preparing import Prepared, prepare
from geoserver.tiling.tilejson import build_tilejson

__all__ = ["BUDGET", "Prepared", "build_tilejson", "check", "prepare", "render", "tile_version"]
