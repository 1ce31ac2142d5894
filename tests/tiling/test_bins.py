"""Bins tell the truth: every feature counts once at every zoom under every filter, and no tile grows too large."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import psycopg
import pytest
import shapely
from counting import count_tiles
from decoded import said
from known_shapes import Shapes
from psycopg.sql import SQL, Identifier
from random_rows import SIDE, SOUTH, WEST, draw_filter, draw_row, draw_shape
from shapely.geometry import shape

from geoserver import tiling
from geoserver.filtering import build, split
from geoserver.model import Tile, ZoomPlan
from geoserver.tiling import BUDGET, drawing, preparing, read_result, render

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("points", "lines", "polygons")
ZOOMS = range(17)


@pytest.fixture(scope="session")
def rows_of(shapes: Shapes) -> Callable[[str], str]:
    """The id of a layer of random rows of a kind; points are in bins below zoom 12."""
    made: dict[str, str] = {}

    def make(kind: str) -> str:
        if kind not in made:
            draw = random.Random(kind)
            count = 1500 if kind == "points" else 250
            drawn = [draw_shape(draw, kind) for _ in range(count)]
            keys: dict[str, Any] = {"facet": "name", "tile_fields": ("name",)}
            keys |= {"features_from": 12} if kind == "points" else {}
            made[kind] = shapes.make(f"random-{kind}", kind, drawn, [draw_row(draw) for _ in drawn], **keys)
        return made[kind]

    return make


def count_rows(shapes: Shapes, layer_id: str, text: str) -> int:
    layer = shapes.layers[layer_id]
    where = build(layer, shapes.statuses[layer_id], filter=text)
    query = SQL("SELECT count(*) FROM {} WHERE {}").format(Identifier("layers", layer.table), where.sql)
    with psycopg.connect(shapes.url, options="-c timezone=UTC") as connection:
        row = connection.execute(query, where.params).fetchone()
    return int(row[0]) if row else 0


def check_counts(shapes: Shapes, layer_id: str, filters: int, seed: str) -> None:
    draw = random.Random(seed)
    counts = set()
    for _ in range(filters):
        text = draw_filter(draw)
        expected = count_rows(shapes, layer_id, text)
        many = [*range(13), draw.randrange(13, 17)]  # of the hundreds of tiles of the last zooms one set is enough
        for zoom in many if filters > 100 else [0, *draw.sample(ZOOMS, 3)]:
            assert shapes.runner.run(count_tiles(shapes, layer_id, text, zoom)) == expected, (text, zoom)
        counts.add(expected)
    assert len(counts) > filters // 3  # the filters do select


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_of_any_zoom_add_up_to_what_the_filter_leaves(
    shapes: Shapes, rows_of: Callable[[str], str], kind: str
) -> None:
    check_counts(shapes, rows_of(kind), 12, f"some {kind}")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "filters"), [("points", 300), ("lines", 101), ("polygons", 101)])
def test_tiles_of_all_zooms_add_up_under_500_filters(
    shapes: Shapes, rows_of: Callable[[str], str], kind: str, filters: int
) -> None:
    check_counts(shapes, rows_of(kind), filters, f"many {kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_values_with_signs_that_mean_something_in_statements_are_counted_like_any(shapes: Shapes, kind: str) -> None:
    names = ["%_\\", "50% x", "%s", "%(x)s", "%%", "{}", "{where}", 'it\'s "so"', "a:b", "plain"]
    draw = random.Random(kind)
    rows = [{"name": name, "at": "2024-05-01T00:00:00Z"} for name in names for _ in range(20)]
    keys: dict[str, Any] = {"facet": "name"} | ({"features_from": 12} if kind == "points" else {})
    layer_id = shapes.make(f"signs-{kind}", kind, [draw_shape(draw, kind) for _ in rows], rows, heavy=50, **keys)
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    assert set(status.plan.values) == set(names)
    assert kind != "points" or status.plan.weight
    for text in ("", "size IS NULL", "at > TIMESTAMP('2024-01-01T00:00:00Z')", "name LIKE '50%'"):
        where = build(layer, status, filter=text)
        result = shapes.runner.run(read_result(shapes.database, shapes.catalog, layer, status, where))
        for held in [result.held, None] if kind == "points" and text else [None]:
            options: dict[str, Any] = {"where": where, "features_from": status.plan.features_from, "points": held}
            what = (shapes.database, shapes.catalog, layer, status, Tile(0, 0, 0))
            counted: Counter[str] = Counter()
            body = shapes.runner.run(tiling.render(*what, **options))
            for item in mapbox_vector_tile.decode(body).get(f"{layer_id}:bins", {}).get("features", ()):
                found = item["properties"]
                counted.update({key: count for key, count in found.items() if key.startswith("name:")})
            expected = {f"name:{name}": 20 for name in names if "LIKE" not in text or name == "50% x"}
            assert (counted == expected) if kind == "points" else counted.keys() <= expected.keys()


def test_packed_points_and_rows_give_the_same_tile(
    shapes: Shapes, rows_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer_id = rows_of("points")
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    by_rows = replace(status, plan=replace(status.plan, block=-1))
    draw = random.Random("packed")
    packed = 0
    for text in ["", *(draw_filter(draw) for _ in range(120))]:
        where = build(layer, status, filter=text)
        packed += split(where.tree, layer.fields, "name", "at") is not None
        middle = mercantile.tile(WEST + SIDE / 2, SOUTH + SIDE / 2, draw.randrange(12))
        tile = Tile(middle.z, middle.x, middle.y)
        what = (shapes.database, shapes.catalog, layer)
        in_memory = shapes.runner.run(render(*what, status, tile, where=where))
        with monkeypatch.context() as patch:
            patch.setattr(drawing, "_MOST", -1)  # too many for the memory, however few
            one, other = (shapes.runner.run(render(*what, state, tile, where=where)) for state in (status, by_rows))
        assert said(one) == said(other), text
        assert said(in_memory) == said(one), text
    assert packed > 30


@pytest.mark.parametrize("time", ["at", "day"])
def test_packed_points_count_the_first_and_the_last_day_of_the_calendar_as_rows_do(shapes: Shapes, time: str) -> None:
    draw = random.Random("never")
    days = ["0001-01-01", "2024-05-31", "9999-06-01", "9999-12-30", "9999-12-31", None]
    rows = [{"name": "oak", "at": day and f"{day}T00:00:00Z", "day": day} for day in days for _ in range(20)]
    drawn = [draw_shape(draw, "points") for _ in rows]
    keys: dict[str, Any] = {"facet": "name", "features_from": 12, "time": time}
    layer_id = shapes.make(f"never-{time}", "points", drawn, rows, **keys)
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    assert status.plan.block >= 0
    for text, count, packed in [
        (f"{time} < DATE('9999-12-31')", 80, True),
        (f"{time} >= DATE('9999-12-31')", 20, True),
        (f"{time} = DATE('9999-12-31')", 20, True),
        (f"{time} <= TIMESTAMP('9999-12-31T00:00:00Z')", 100, True),
        (f"{time} >= TIMESTAMP('9999-12-31T00:00:01Z')", 0, True),
        (f"T_INTERSECTS({time}, INTERVAL('2024-01-01', '9999-06-01'))", 40, True),
        (f"T_FINISHES({time}, INTERVAL('2024-01-01', '..'))", 0, False),
        (f"{time} >= DATE('0001-01-01')", 100, False),
        (f"{time} < DATE('0001-01-01')", 0, False),
        (f"{time} > DATE('0001-01-01')", 80, True),
    ]:
        where = build(layer, status, filter=text)
        assert (split(where.tree, layer.fields, "name", time) is not None) is packed, text
        assert count_rows(shapes, layer_id, text) == count, text
        for zoom in (9, 13):
            assert shapes.runner.run(count_tiles(shapes, layer_id, text, zoom, features_from=12)) == count, (text, zoom)


def test_a_bin_says_how_many_of_each_frequent_value_and_from_when_to_when(
    shapes: Shapes, rows_of: Callable[[str], str]
) -> None:
    layer_id = rows_of("points")
    (first,) = shapes.bins(layer_id, Tile(0, 0, 0))
    plan = shapes.statuses[layer_id].plan
    assert len(plan.values) == 12
    with psycopg.connect(shapes.url, options="-c timezone=UTC") as connection:
        rows = connection.execute(
            "SELECT name, count(*) FROM layers.random_points GROUP BY 1 ORDER BY 2 DESC"
        ).fetchall()
        ends = connection.execute(
            "SELECT min(at)::date::text, max(at)::date::text FROM layers.random_points"
        ).fetchone()
    named = {f"name:{name}": count for name, count in rows if name in plan.values}
    assert {key: value for key, value in first.items() if key in named} == named
    assert first["name:*"] == sum(count for name, count in rows if name not in plan.values)
    assert (first["first"], first["last"]) == ends
    assert set(plan.values) == {name for name, _ in sorted(rows, key=lambda row: -row[1]) if name} - {
        name for name, _ in [row for row in rows if row[0]][12:]
    }


def test_a_bin_is_a_square_of_the_grid_that_turns_the_right_way(shapes: Shapes, rows_of: Callable[[str], str]) -> None:
    layer_id = rows_of("points")
    tile = mercantile.tile(WEST + SIDE / 2, SOUTH + SIDE / 2, 11)
    body = shapes.render(layer_id, Tile(tile.z, tile.x, tile.y))
    (content,) = mapbox_vector_tile.decode(body, default_options={"y_coord_down": True}).values()
    places = set()
    for item in content["features"]:
        ring = item["geometry"]["coordinates"][0]
        assert sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) == 2  # an outer ring where y is down
        assert shape(item["geometry"]).area == 1
        places.add(tuple(min(ring)))
    assert len(places) == len(content["features"])
    assert content["extent"] in (32, 64)


def test_a_tile_of_points_holds_bins_or_points_and_never_both(shapes: Shapes, rows_of: Callable[[str], str]) -> None:
    layer_id = rows_of("points")
    start = shapes.statuses[layer_id].plan.features_from
    assert start > 0
    for zoom, held in ((start - 1, f"{layer_id}:bins"), (start, layer_id), (start + 1, layer_id)):
        tile = mercantile.tile(WEST + SIDE / 2, SOUTH + SIDE / 2, zoom)
        assert shapes.decode_layers(layer_id, Tile(tile.z, tile.x, tile.y)).keys() == {held}


@pytest.fixture(scope="session")
def heap(shapes: Shapes) -> str:
    """So many points on one street corner that no zoom could draw them all."""
    draw = random.Random("heap")
    places = [shapely.Point(WEST + draw.gauss(0, 1e-4), SOUTH + draw.gauss(0, 1e-4)) for _ in range(30_000)]
    rows = [{"name": "x" * 30 + str(number)} for number in range(len(places))]
    return shapes.make("heap", "points", places, rows, maxzoom=16, tile_fields=("name",))


@pytest.mark.parametrize("zoom", [0, 9, 14, 16])
def test_a_tile_that_would_grow_too_large_goes_to_bins_and_never_to_a_sample(
    shapes: Shapes, heap: str, zoom: int
) -> None:
    bins = 0
    for tile in mercantile.tiles(WEST - 0.01, SOUTH - 0.01, WEST + 0.01, SOUTH + 0.01, zooms=zoom):
        body = shapes.render(heap, Tile(tile.z, tile.x, tile.y))
        assert len(body) <= BUDGET
        bins += sum(item["count"] for item in shapes.bins(heap, Tile(tile.z, tile.x, tile.y)))
    assert bins == 30_000


def test_a_plan_draws_everything_where_it_fits(shapes: Shapes, heap: str) -> None:
    assert shapes.statuses[heap].plan.features_from == 16
    assert 0 < shapes.statuses[heap].plan.crowd < 30_000
    shapes.make("few", "points", [shapely.Point(WEST, SOUTH)] * 100)
    assert shapes.statuses["few"].plan.features_from == shapes.statuses["few"].plan.crowd == 0
    assert shapes.decode("few", Tile(0, 0, 0)).keys() == set(range(1, 101))


def test_points_are_drawn_from_where_most_of_them_fit_though_some_never_do(
    shapes: Shapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "ROOM", 1_500)  # as if a tile could hold some 130 points
    draw = random.Random("roomy")
    for share, layer_id in ((0.05, "nearly-all"), (0.5, "half")):
        heap = [shapely.Point(WEST, SOUTH)] * round(4_000 * share)  # that no zoom can draw
        spread = [shapely.Point(WEST + draw.random() * SIDE, SOUTH + draw.random() * SIDE) for _ in range(4_000)]
        shapes.make(layer_id, "points", [*heap, *spread], maxzoom=11, tile_fields=())
        plan = shapes.statuses[layer_id].plan
        assert 0 < plan.crowd < 200
        fits = []
        for zoom in range(11, 19):
            full = Counter(mercantile.tile(point.x, point.y, zoom) for point in [*heap, *spread])
            if sum(count for count in full.values() if count > plan.crowd) <= 0.1 * full.total():
                fits.append(zoom)
        assert plan.features_from == min([*fits, 18] if layer_id == "nearly-all" else [11])
        assert (layer_id == "nearly-all") == (11 < plan.features_from < 18)
        for zoom in (9, 11):
            assert shapes.runner.run(count_tiles(shapes, layer_id, "", zoom)) == len(heap) + len(spread)


def test_packed_blocks_are_no_larger_than_the_last_tiles_of_bins_where_they_hold_enough(
    shapes: Shapes, rows_of: Callable[[str], str]
) -> None:
    draw = random.Random("blocks")
    places = [shapely.Point(WEST + draw.random() * SIDE, SOUTH + draw.random() * SIDE) for _ in range(3_000)]
    shapes.make("dense", "points", places, features_from=12)
    assert shapes.statuses["dense"].plan.block == 11
    shapes.make("sparse", "points", places, features_from=18, maxzoom=18)
    assert shapes.statuses["sparse"].plan.block == 16
    for zoom in (9, 11, 12):
        assert shapes.runner.run(count_tiles(shapes, "dense", "", zoom)) == 3_000


def test_large_shapes_are_drawn_while_small_ones_are_still_counted(
    shapes: Shapes, rows_of: Callable[[str], str]
) -> None:
    layer_id = rows_of("polygons")
    plan = shapes.statuses[layer_id].plan
    assert all(isinstance(zoom, ZoomPlan) and zoom.shown <= number for number, zoom in enumerate(plan.zooms))
    tile = mercantile.tile(WEST + SIDE / 2, SOUTH + SIDE / 2, 11)
    decoded = shapes.decode_layers("random-polygons", Tile(tile.z, tile.x, tile.y))
    assert decoded.keys() == {"random-polygons", "random-polygons:bins"}
