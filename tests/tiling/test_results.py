"""Tiles made from memory are those that PostGIS makes of the same rows: features, and bins."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import numpy as np
import psycopg
import pytest
import shapely
from known_shapes import EXTENT, Shapes, tile_of
from random_rows import SOUTH, WEST, draw_filter, draw_place, draw_row

from geoserver.filtering import build
from geoserver.model import Tile
from geoserver.tiling import read_result, reading, render
from geoserver.tiling.packed import split_packed
from geoserver.tiling.unpacking import build_read, parse_cells, read_blocks

if TYPE_CHECKING:
    from geoserver.filtering import Where
    from geoserver.tiling import Result
    from geoserver.tiling.cells import Cells

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
        ODD[n] if n < len(ODD) else draw_row(draw) | {"weight": draw.choice([None, 0.0, -0.0, draw.random()])}
        for n in range(900)
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


def check_tile(shapes: Shapes, layer_id: str, held: Cells, tile: Tile, **view: Any) -> set[str]:
    """Compare one tile made in both ways; gives its layers."""
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    by_rows = replace(status, plan=replace(status.plan, block=-1))
    asked, made = (
        shapes.runner.run(render(shapes.database, shapes.catalog, layer, state, tile, **view, points=points))
        for state, points in ((by_rows, None), (status, held))
    )
    expected = decode(asked)
    assert decode(made) == expected, (view, tile)
    return set(expected)


def check_alike(shapes: Shapes, layer_id: str, cases: int, seed: str) -> None:
    draw = random.Random(seed)
    kinds: set[str] = set()
    for _ in range(cases):
        where = build(shapes.layers[layer_id], shapes.statuses[layer_id], filter=draw_filter(draw))
        held = read(shapes, layer_id, where).held
        assert held is not None
        tile = tile_of(*draw_place(draw), draw.randrange(23))
        kinds |= check_tile(shapes, layer_id, held, tile, where=where, features_from=draw.randrange(14))
    assert kinds == {layer_id, f"{layer_id}:bins"}


def test_memory_and_postgis_make_the_same_tile_under_any_filter_zoom_and_plan(shapes: Shapes, points: str) -> None:
    check_alike(shapes, points, 60, "alike")


@pytest.mark.slow
def test_memory_and_postgis_make_the_same_tile_under_thousands_of_filters(shapes: Shapes, points: str) -> None:
    check_alike(shapes, points, int(os.environ.get("GEOSERVER_PLAN_CASES", "2000")), "thousands alike")


def test_every_value_of_every_type_is_the_same_from_memory(shapes: Shapes, points: str) -> None:
    where = build(shapes.layers[points], shapes.statuses[points], filter="size IS NULL OR size IS NOT NULL")
    held = read(shapes, points, where).held
    assert held is not None
    assert len(held) == len(shapes.shapes[points])
    for fid, place in enumerate(shapes.shapes[points][: len(ODD)], 1):
        for zoom, start in ((0, 0), (11, 0), (11, 13), (22, 0)):
            tile = tile_of(place.x, place.y, zoom)
            assert check_tile(shapes, points, held, tile, where=where, features_from=start), fid


def test_the_ends_of_the_map_and_the_edges_of_tiles_are_the_same_from_memory(shapes: Shapes) -> None:
    draw = random.Random("edges")
    places = [
        (179.999999, 10),
        (-179.999999, 10),
        (0, 85.0511),
        (0, -85.0511),
        (180, -10),
        (-180, -10),
        (0, 89.9),
        (0, 0),
    ]
    unit = 360 / 2**16 / EXTENT
    for _ in range(300):
        corner = mercantile.ul(mercantile.tile(draw.uniform(-1, 1), draw.uniform(-1, 1), 16))
        east, north = (draw.randrange(-140, 140) * unit / 2 for _ in range(2))
        places.append((corner.lng + east, corner.lat + north))
    shapes.make("edges", "points", [shapely.Point(place) for place in places], features_from=3)
    where = build(shapes.layers["edges"], shapes.statuses["edges"], filter="name IS NULL")
    held = read(shapes, "edges", where).held
    assert held is not None
    for place in places[:40]:
        for zoom in (0, 1, 16, 22):
            check_tile(shapes, "edges", held, tile_of(*place, zoom), where=where, features_from=0)
            check_tile(shapes, "edges", held, tile_of(*place, min(zoom, 2)), where=where, features_from=3)


def test_points_in_groups_and_columns_of_other_types_are_left_to_postgis(shapes: Shapes) -> None:
    several = shapely.MultiPoint([(WEST, SOUTH), (WEST + 0.01, SOUTH)])
    shapes.make("groups", "points", [several, shapely.Point(WEST, SOUTH)], features_from=5)
    where = build(shapes.layers["groups"], shapes.statuses["groups"], filter="name IS NULL")
    found = read(shapes, "groups", where)
    assert (found.held, found.features_from) == (None, 0)
    shapes.make("numbers", "points", [shapely.Point(WEST, SOUTH)], features_from=5)
    with psycopg.connect(shapes.url) as connection:
        connection.execute("ALTER TABLE layers.numbers ALTER size TYPE numeric")
    shapes.refresh()
    found = read(shapes, "numbers", where)
    assert (found.held, found.features_from) == (None, 5)


def test_packed_points_are_counted_in_memory_as_postgis_counts_them(shapes: Shapes, points: str) -> None:
    layer, status = shapes.layers[points], shapes.statuses[points]
    assert status.plan.weight > 20
    draw = random.Random("unpacked")
    counted = 0
    for _ in range(100):
        where = build(layer, status, filter=draw_filter(draw))
        parts = split_packed(layer, status.plan, where)
        if parts is None:
            continue
        statement, values = build_read(layer, status.plan, parts)
        blocks = shapes.runner.run(read_blocks(shapes.database, statement.as_bytes(None), values))
        rows = read(shapes, points, where).held
        assert rows is not None
        assert blocks.total == len(rows)
        if not blocks.total:
            continue
        cells = parse_cells(layer, status.plan, blocks)
        assert cells is not None
        tile = tile_of(*draw_place(draw), draw.randrange(13))
        counted += bool(check_tile(shapes, points, cells, tile, where=where, features_from=13))
        for zoom in (0, 9, 12):
            tiles = [np.unique(held.spread(zoom)[0], return_counts=True) for held in (rows, cells)]
            exact, rough = (dict(zip(*one, strict=True)) for one in tiles)
            assert all(rough[tile] >= count for tile, count in exact.items())
            assert cells.densest(zoom) == rows.densest(zoom) <= max(exact.values())
    assert counted > 20


def test_rows_without_a_place_on_the_map_are_left_to_postgis(shapes: Shapes) -> None:
    shapes.make("nowhere", "points", [shapely.Point(WEST, SOUTH)] * 3, [{"size": 1}] * 3, features_from=5)
    where = build(shapes.layers["nowhere"], shapes.statuses["nowhere"], filter="size = 1")
    assert read(shapes, "nowhere", where).held is not None
    with psycopg.connect(shapes.url) as connection:  # as they may be there from before such were refused
        connection.execute('ALTER TABLE layers.nowhere DROP CONSTRAINT "geom has finite coordinates"')
        connection.execute(
            "INSERT INTO layers.nowhere (fid, size, geom) SELECT 10 + n, 1, ST_SetSRID(place, 4326) FROM (VALUES"
            " (1, 'POINT EMPTY'::geometry), (2, ST_MakePoint('NaN', 1)), (3, ST_MakePoint('Infinity', 1)),"
            " (4, 'MULTIPOINT(1 1, 2 2)')) AS odd (n, place)"
        )
    shapes.refresh()
    found = read(shapes, "nowhere", where)
    assert (found.held, found.features_from) == (None, 5)
    plan = {"where": where, "features_from": 5}
    layer, status = shapes.layers["nowhere"], shapes.statuses["nowhere"]
    body = shapes.runner.run(render(shapes.database, shapes.catalog, layer, status, Tile(0, 0, 0), **plan))
    assert sum(item["properties"]["count"] for item in decode(body)["nowhere:bins"][1]) >= 3


def test_texts_are_bounded_by_their_bytes_before_they_are_joined(
    shapes: Shapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"name": "x" * 20_000, "size": number % 2} for number in range(40)]
    shapes.make("long", "points", [shapely.Point(WEST, SOUTH)] * 40, rows, features_from=5)
    where = build(shapes.layers["long"], shapes.statuses["long"], filter="size = 1")
    assert read(shapes, "long", where).held is not None
    monkeypatch.setattr(reading, "MOST_BYTES", 20 * 20_000)
    found = read(shapes, "long", where)
    assert (found.held, found.features_from, found.few) == (None, 5, False)
    layer = replace(shapes.layers["long"], kind="lines")
    shaped = reading.read_shapes(shapes.database, layer, where)
    assert shapes.runner.run(shaped) is None
    monkeypatch.setattr(reading, "MOST_BYTES", 30 * 20_000)
    assert read(shapes, "long", where).held is not None
