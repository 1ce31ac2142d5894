"""Tiles made from memory are those that PostGIS makes of the same rows: features, and bins."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import numpy as np
import pytest
import shapely
from known_shapes import Shapes
from random_rows import draw_filter, draw_place, draw_row

from geoserver.filtering import build
from geoserver.model import Tile
from geoserver.tiling import read_result, render
from geoserver.tiling.bins import split_packed
from geoserver.tiling.unpacking import parse_cells, read_blocks

if TYPE_CHECKING:
    from geoserver.filtering import Where
    from geoserver.tiling import Result

ODD = [  # values that are easily told wrong
    {"name": "", "size": -1, "weight": 0.1, "good": False, "day": "0044-03-15", "at": "1969-12-31T23:59:59.5Z"},
    {"name": "Brücke \"Ost\" 'Ⅱ' \n\U0001f333", "size": -(2**63), "weight": -1e300, "good": True, "day": "2024-02-29"},
    {"name": "x" * 40_000, "size": 2**63 - 1, "weight": "NaN", "day": "12024-01-01", "at": "2024-06-30T23:30:00-01:00"},
    {"name": "oak", "size": 0, "weight": "Infinity", "day": "infinity", "at": "9998-12-31T23:59:59Z"},
    {"name": None, "size": 127, "weight": -0.0, "good": None, "day": None, "at": None},
    {},
]


@pytest.fixture(scope="session")
def points(shapes: Shapes) -> str:
    """A layer of random and odd points with every type of field; in bins below zoom 13."""
    draw = random.Random("in memory")
    rows = [
        ODD[n] if n < len(ODD) else draw_row(draw) | {"weight": draw.choice([None, draw.random()])} for n in range(900)
    ]
    places = [shapely.Point(draw_place(draw)) for _ in rows]
    return shapes.make("held", "points", places, rows, facet="name", features_from=13)


def read(shapes: Shapes, layer_id: str, where: Where) -> Result:
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    return shapes.runner.run(read_result(shapes.database, shapes.catalog, layer, status, where))


def decode(body: bytes) -> dict[str, Any]:
    """Layers of a tile with their extent, and features in their order: NaN and -0.0 as texts, so that they compare."""
    decoded = mapbox_vector_tile.decode(body, default_options={"y_coord_down": True}) if body else {}
    for content in decoded.values():
        for item in content["features"]:
            told = {
                key: repr(value) if isinstance(value, float) else value for key, value in item["properties"].items()
            }
            item["properties"] = told
    return {name: (content["extent"], content["features"]) for name, content in decoded.items() if content["features"]}


def check_alike(shapes: Shapes, layer_id: str, cases: int, seed: str) -> None:
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    draw = random.Random(seed)
    kinds = set()
    for _ in range(cases):
        where = build(layer, status, filter=draw_filter(draw))
        result = read(shapes, layer_id, where)
        assert result.held is not None
        zoom, start = draw.randrange(23), draw.randrange(14)
        lon, lat = draw_place(draw)
        found = mercantile.tile(lon, lat, zoom)
        tile = Tile(found.z, found.x, found.y)
        options = {"where": where, "features_from": start}
        asked, made = (
            shapes.runner.run(render(shapes.database, shapes.catalog, layer, status, tile, **options, points=points))
            for points in (None, result.held)
        )
        expected = decode(asked)
        if zoom == start > 0:
            expected.pop(f"{layer_id}:bins", None)  # those that fade
        assert decode(made) == expected, (where.canonical, tile, start)
        kinds |= expected.keys()
    assert kinds == {layer_id, f"{layer_id}:bins"}


def test_memory_and_postgis_make_the_same_tile_under_any_filter_zoom_and_plan(shapes: Shapes, points: str) -> None:
    check_alike(shapes, points, 60, "alike")


def test_packed_points_are_counted_in_memory_as_postgis_counts_them(shapes: Shapes, points: str) -> None:
    layer, status = shapes.layers[points], shapes.statuses[points]
    draw = random.Random("unpacked")
    counted = 0
    for _ in range(100):
        where = build(layer, status, filter=draw_filter(draw))
        parts = split_packed(layer, status.plan, where)
        if parts is None:
            continue
        blocks = shapes.runner.run(read_blocks(shapes.database, layer, status, parts))
        rows = read(shapes, points, where).held
        assert rows is not None
        assert blocks.total == len(rows)
        if not blocks.total:
            continue
        cells = parse_cells(layer, status, blocks)
        assert cells is not None
        lon, lat = draw_place(draw)
        found = mercantile.tile(lon, lat, draw.randrange(13))
        what = (shapes.database, shapes.catalog, layer, status, Tile(found.z, found.x, found.y))
        asked, made = (shapes.runner.run(render(*what, where=where, points=held)) for held in (None, cells))
        assert decode(made) == decode(asked), where.canonical
        counted += bool(made)
        for zoom in (0, 9, 12):
            tiles = [np.unique(held.spread(zoom)[0], return_counts=True) for held in (rows, cells)]
            exact, rough = (dict(zip(*one, strict=True)) for one in tiles)
            assert all(rough[tile] >= count for tile, count in exact.items())
            assert cells.densest(zoom) == rows.densest(zoom) <= max(exact.values())
    assert counted > 20
