"""Vector tiles: `render(database, catalog, layer, status, tile, where)` to bytes. Knows nothing of HTTP."""

from geoserver.tiling.bins import Subject
from geoserver.tiling.build import MAX_TILES, Built, build_archive, count_tiles
from geoserver.tiling.check import check
from geoserver.tiling.compose import BUDGET
from geoserver.tiling.folding import fold, remake_tiles
from geoserver.tiling.preparing import Prepared, look_ahead, prepare
from geoserver.tiling.results import Result, ResultKey, Results, is_dear, read_result, read_rows
from geoserver.tiling.rowless import Rowless, open_layer
from geoserver.tiling.several import find_occupied, render_several
from geoserver.tiling.sources import VECTOR, TileContent, parse_question, render, source_of, tile_content, tile_version
from geoserver.tiling.tilejson import PLAN, build_tilejson, join_bounds, parse_plans

__all__ = [
    "BUDGET",
    "MAX_TILES",
    "PLAN",
    "VECTOR",
    "Built",
    "Prepared",
    "Result",
    "ResultKey",
    "Results",
    "Rowless",
    "Subject",
    "TileContent",
    "build_archive",
    "build_tilejson",
    "check",
    "count_tiles",
    "find_occupied",
    "fold",
    "is_dear",
    "join_bounds",
    "look_ahead",
    "open_layer",
    "parse_plans",
    "parse_question",
    "prepare",
    "read_result",
    "read_rows",
    "remake_tiles",
    "render",
    "render_several",
    "source_of",
    "tile_content",
    "tile_version",
]
