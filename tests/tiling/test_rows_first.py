"""Rows in service before their tiles are prepared: right meanwhile, and not one edit lost when that is done."""

from __future__ import annotations

import random
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mercantile
import psycopg
import pytest
import shapely
from counting import count_tiles
from known_shapes import Shapes
from psycopg.types.json import Jsonb
from random_rows import SOUTH, WEST, draw_row, draw_shape
from test_edits import ADDED, EMPTY, MORE, check_against_rebuild, edit

from geoserver.loading.behind import prepare_behind
from geoserver.model import Tile
from geoserver.tiling import BUDGET, density, look_ahead, preparing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def connection(shapes: Shapes) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shapes.url, options="-c timezone=UTC -c search_path=public", autocommit=True) as opened:
        yield opened


@pytest.fixture
def unprepared(shapes: Shapes, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes a layer of random rows as a load leaves it between the swap and the end; gives its id."""
    monkeypatch.setattr(preparing, "_HEAVY", 200)  # so that some tiles are kept ready

    def make(kind: str) -> str:
        draw = random.Random(kind)
        drawn = [draw_shape(draw, kind) for _ in range(900 if kind == "points" else 150)]
        keys: dict[str, Any] = {"facet": "name", "tile_fields": ("name",)}
        keys |= {"features_from": 12} if kind == "points" else {}
        layer_id = f"first-{len(shapes.layers)}-{kind}"
        shapes.make(layer_id, kind, drawn, [draw_row(draw) for _ in drawn], **keys)
        return undo(shapes, connection, layer_id)

    return make


def undo(shapes: Shapes, connection: psycopg.Connection, layer_id: str) -> str:
    """Take away what was prepared for a layer, and give it the plan that it goes into service with."""
    layer, rows = shapes.layers[layer_id], shapes.statuses[layer_id].rows
    recipes = shapes.catalog.recipes
    plan = look_ahead(connection, layer, recipes, geometry_type="GEOMETRY", table=layer.table, rows=rows)
    for name in ("packed", "delta", "bins"):
        connection.execute(f"DROP TABLE IF EXISTS layers.{layer.table}__{name}")
    connection.execute(f"SELECT geoserver.follow_edits('layers.{layer.table}', %s)", [layer_id])
    connection.execute("DELETE FROM geoserver.facets WHERE layer = %s", [layer_id])
    connection.execute("UPDATE geoserver.layers SET plan = %s, preparing = 0 WHERE id = %s", [Jsonb(plan), layer_id])
    shapes.refresh()
    return layer_id


def prepare(shapes: Shapes, layer_id: str, progress: Callable[[float], None] = lambda _: None) -> None:
    options = "-c timezone=UTC -c search_path=public"
    with (
        psycopg.connect(shapes.url, options=options) as one,
        psycopg.connect(shapes.url, options=options, autocommit=True) as helper,
    ):
        prepare_behind(one, helper, shapes.layers[layer_id], shapes.catalog.recipes, progress)
    shapes.refresh()


@pytest.mark.parametrize("sample", [100, 100_000])
@pytest.mark.parametrize("kind", ["points", "lines", "polygons"])
def test_tiles_of_rows_without_anything_prepared_add_up(
    shapes: Shapes, unprepared: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, kind: str, sample: int
) -> None:
    monkeypatch.setattr(density, "_SAMPLE", sample)
    layer = unprepared(kind)
    rows = shapes.statuses[layer].rows
    for zoom in (0, 8, 11, 12, 14):
        assert shapes.runner.run(count_tiles(shapes, layer, "", zoom)) == rows
        named = shapes.runner.run(count_tiles(shapes, layer, "name = 'oak'", zoom))
        assert named == shapes.runner.run(count_tiles(shapes, layer, "name = 'oak'", 13))
        assert 0 < named < rows


def test_a_crowd_without_anything_prepared_keeps_to_the_budget(shapes: Shapes, connection: psycopg.Connection) -> None:
    draw = random.Random("crowd")
    places = [shapely.Point(WEST + draw.gauss(0, 1e-3), SOUTH + draw.gauss(0, 1e-3)) for _ in range(20_000)]
    rows = [{"name": "x" * 30 + str(number)} for number in range(len(places))]
    layer = undo(shapes, connection, shapes.make("first-crowd", "points", places, rows, tile_fields=("name",)))
    assert shapes.statuses[layer].plan.features_from > 12
    for zoom in (0, 9, 13, 15):
        around = mercantile.tiles(WEST - 0.01, SOUTH - 0.01, WEST + 0.01, SOUTH + 0.01, zooms=zoom)
        tiles = [Tile(tile.z, tile.x, tile.y) for tile in around]
        assert max(len(shapes.render(layer, tile)) for tile in tiles) <= BUDGET
        if zoom < shapes.statuses[layer].plan.features_from:
            assert sum(item["count"] for tile in tiles for item in shapes.bins(layer, tile)) == 20_000


@pytest.mark.parametrize("kind", ["points", "lines", "polygons"])
def test_what_is_edited_while_tiles_are_prepared_is_neither_lost_nor_counted_twice(
    shapes: Shapes, unprepared: Callable[[str], str], connection: psycopg.Connection, kind: str
) -> None:
    layer = unprepared(kind)
    table = shapes.layers[layer].table
    draw = random.Random(f"meanwhile {kind}")
    steps: list[float] = []

    def progress(share: float) -> None:
        steps.append(share)
        for number in range(3):
            edit(draw, connection, table, 50_000 + 10 * len(steps) + number)

    edit(draw, connection, table, 49_000)
    prepare(shapes, layer, progress)
    assert len(steps) > 3
    assert shapes.statuses[layer].preparing is None
    for zoom in (0, 9, 11, 13):
        assert shapes.runner.run(count_tiles(shapes, layer, "", zoom)) == shapes.statuses[layer].rows
    if kind == "points":
        check_against_rebuild(shapes, connection, layer)
        edit(draw, connection, table, 90_000)
        check_against_rebuild(shapes, connection, layer)


def test_a_value_that_comes_after_values_have_codes_has_one_when_points_are_packed(
    shapes: Shapes, unprepared: Callable[[str], str], connection: psycopg.Connection
) -> None:
    layer = unprepared("points")
    table = shapes.layers[layer].table

    def progress(share: float) -> None:
        if share == 0.1:  # values have just been given codes
            connection.execute(f"UPDATE layers.{table} SET name = 'cypress' WHERE fid % 10 = 0")

    prepare(shapes, layer, progress)
    check_against_rebuild(shapes, connection, layer)
    for statement in (
        "UPDATE layers.{} SET name = 'cypress' WHERE fid % 10 = 1",
        "DELETE FROM layers.{} WHERE name = 'cypress' AND fid % 20 < 10",
    ):
        connection.execute(statement.format(table))
        shapes.refresh()
        named = connection.execute(f"SELECT count(*) FROM layers.{table} WHERE name = 'cypress'").fetchone()
        assert named == (shapes.runner.run(count_tiles(shapes, layer, "name = 'cypress'", 5)),)
        check_against_rebuild(shapes, connection, layer)


def test_a_table_emptied_while_tiles_are_prepared_holds_what_came_after(
    shapes: Shapes, unprepared: Callable[[str], str], connection: psycopg.Connection
) -> None:
    layer = unprepared("points")
    table = shapes.layers[layer].table

    def progress(share: float) -> None:
        if share == 0.4:  # what was packed has just been committed
            for statement in (ADDED, EMPTY, MORE):
                connection.execute(statement.format(table))

    prepare(shapes, layer, progress)
    assert shapes.statuses[layer].rows == 1
    check_against_rebuild(shapes, connection, layer)


def test_a_table_emptied_when_tiles_have_been_counted_leaves_no_tile_of_what_was_in_it(
    shapes: Shapes, unprepared: Callable[[str], str], connection: psycopg.Connection
) -> None:
    layer = unprepared("points")
    table = shapes.layers[layer].table
    waits = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
    with psycopg.connect(shapes.url, autocommit=True) as other, ThreadPoolExecutor(1) as pool:
        emptied: list[Future[object]] = []

        def progress(share: float) -> None:
            if share == 0.8:  # they are counted, and not kept yet
                emptied.append(pool.submit(other.execute, EMPTY.format(table)))
                while not emptied[0].done() and not connection.execute(waits, [other.info.backend_pid]).fetchone():
                    pass

        prepare(shapes, layer, progress)
        emptied[0].result()
    shapes.refresh()
    assert shapes.statuses[layer].rows == 0
    check_against_rebuild(shapes, connection, layer)
    assert connection.execute(f"SELECT FROM layers.{table}__bins WHERE counted IS NOT NULL").fetchone() is None


def test_who_edits_when_points_begin_to_be_noted_is_waited_for(
    shapes: Shapes, unprepared: Callable[[str], str], connection: psycopg.Connection
) -> None:
    layer = unprepared("points")
    query = "SELECT proname FROM pg_proc WHERE proname = %s AND prosrc LIKE '%%__delta%%'"
    with ThreadPoolExecutor(1) as pool:
        with connection.transaction():
            connection.execute(ADDED.format(shapes.layers[layer].table))
            prepared = pool.submit(prepare, shapes, layer)
            with psycopg.connect(shapes.url, autocommit=True) as other:
                while not other.execute(query, [f"{shapes.layers[layer].table}__note"]).fetchone():
                    assert not prepared.done()
                other.execute(MORE.format(shapes.layers[layer].table))  # nobody else waits
            assert not prepared.done()
        prepared.result()
    check_against_rebuild(shapes, connection, layer)
    assert shapes.statuses[layer].rows == 902


def test_a_table_that_is_being_emptied_when_tiles_are_ready_keeps_nobody_from_ending(
    shapes: Shapes, unprepared: Callable[[str], str], connection: psycopg.Connection
) -> None:
    layer = unprepared("points")
    table = shapes.layers[layer].table
    options = "-c timezone=UTC -c search_path=public"
    with (
        psycopg.connect(shapes.url, options=options) as one,
        psycopg.connect(shapes.url, options=options) as editor,
        ThreadPoolExecutor(1) as pool,
    ):
        prepared = preparing.prepare(
            one, shapes.layers[layer], shapes.catalog.recipes, geometry_type="GEOMETRY", table=table
        )
        one.commit()
        connection.execute(ADDED.format(table))  # noted, to be packed at the end
        for statement in (EMPTY, MORE):
            editor.execute(statement.format(table))
        finish = "SELECT geoserver.finish_preparing(%s, %s, %s)"
        finished = pool.submit(one.execute, finish, [layer, Jsonb(prepared.plan), 1.0])
        waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock')"
        while connection.execute(waits, [one.info.backend_pid]).fetchone() == (False,):
            assert not finished.done()
        editor.commit()
        finished.result()
        one.commit()
    shapes.refresh()
    assert shapes.statuses[layer].preparing is None
    assert shapes.statuses[layer].rows == 1
    check_against_rebuild(shapes, connection, layer)


def test_what_an_interrupted_preparation_left_is_made_anew(
    shapes: Shapes, unprepared: Callable[[str], str], connection: psycopg.Connection
) -> None:
    layer = unprepared("points")

    def stop(share: float) -> None:
        if share > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(shapes, layer, stop)
    shapes.refresh()
    assert shapes.statuses[layer].preparing is not None
    assert shapes.runner.run(count_tiles(shapes, layer, "", 9)) == 900
    connection.execute(ADDED.format(shapes.layers[layer].table))
    prepare(shapes, layer)
    assert shapes.statuses[layer].plan.block >= 0
    check_against_rebuild(shapes, connection, layer)


def test_a_server_that_does_not_know_yet_that_rows_are_new_counts_them_all_the_same(
    shapes: Shapes, unprepared: Callable[[str], str], connection: psycopg.Connection
) -> None:
    layer = unprepared("points")
    prepare(shapes, layer)
    before = shapes.statuses[layer]
    assert before.plan.block >= 0
    undo(shapes, connection, layer)
    shapes.statuses[layer] = replace(before, plan=replace(before.plan, prebuilt=11))
    for zoom in (0, 9, 11):
        assert shapes.runner.run(count_tiles(shapes, layer, "", zoom)) == 900
