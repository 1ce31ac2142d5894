"""Edits in place: what was computed from the rows follows them, and a notice tells exactly where they changed."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mercantile
import psycopg
import pytest
import shapely
from decoded import said
from known_shapes import Shapes
from psycopg.types.json import Json
from random_rows import SIDE, SOUTH, WEST, draw_row, draw_shape

from geoserver.database.status import CHANNEL
from geoserver.filtering import Where, build
from geoserver.grid import join
from geoserver.model import Bounds, Tile
from geoserver.tiling import Subject, fold, prepare, render
from geoserver.tiling.counted import encode, parse_counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INSERT = (
    "INSERT INTO layers.{table} (fid, name, size, good, day, at, geom)"
    " SELECT %s, name, size, good, day, at, ST_GeomFromWKB(%s, 4326)"
    " FROM json_populate_record(NULL::layers.{table}, %s)"
)


@pytest.fixture
def points(shapes: Shapes, request: pytest.FixtureRequest) -> str:
    """A layer of random points whose tiles of low zooms are kept ready."""
    draw = random.Random(request.node.name)
    drawn = [draw_shape(draw, "points") for _ in range(800)]
    name = "edited-" + "".join(letter for letter in request.node.name.removeprefix("test_") if letter.isalpha())[:25]
    keys: dict[str, Any] = {"facet": "name", "tile_fields": ("name",), "features_from": 12}
    return shapes.make(name, "points", drawn, [draw_row(draw) for _ in drawn], heavy=300, **keys)


@pytest.fixture
def connection(shapes: Shapes) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shapes.url, options="-c timezone=UTC", autocommit=True) as opened:
        yield opened


@pytest.fixture
def notices(shapes: Shapes) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was told since the last call."""
    with psycopg.connect(shapes.url, autocommit=True) as listening:
        listening.execute(f"LISTEN {CHANNEL}")

        known: list[str | None] = [None]

        def read() -> list[dict[str, Any]]:
            (seen,) = listening.execute("SELECT geoserver.tell_edits(%s::pg_snapshot)::text", known).fetchone() or (
                None,
            )
            known[0] = seen
            return [json.loads(notice.payload) for notice in listening.notifies(timeout=0.3)]

        read()
        yield read


def fold_edits(shapes: Shapes, layer_id: str) -> int:
    """Work in what is noted, as the worker does."""
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    subject = Subject(shapes.catalog.recipes, layer, status.plan, status.geometry_type)
    with psycopg.connect(shapes.url, options="-c timezone=UTC") as own:
        own.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return fold(own, layer_id, subject)


def count_notes(connection: psycopg.Connection, layer_id: str) -> int:
    row = connection.execute("SELECT count(*) FROM geoserver.edits WHERE layer = %s", [layer_id]).fetchone()
    assert row
    return int(row[0])


def packed(connection: psycopg.Connection, layer_id: str, table: str, inner: int) -> set[Any]:
    """Every packed point: its cell, whatever block it is in, its time, and the value that its code stands for."""
    rows = connection.execute(
        "SELECT x, y, CASE code WHEN -1 THEN '' ELSE f.value END, c, t"
        f" FROM layers.{table} LEFT JOIN geoserver.facets AS f USING (code) WHERE f.layer = %s OR code < 0",
        [layer_id],
    )
    return {
        ((x << inner) + (c & 32767), (y << inner) + (c >> 15), value, t)
        for x, y, value, cs, ts in rows
        for c, t in zip(cs, ts or [None] * len(cs), strict=True)
    }


ZOOMS = range(0, 12, 2)


def check_tiles(shapes: Shapes, layer_id: str) -> None:
    """Tiles are those that the rows alone make, whatever is noted and not worked in."""
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    by_rows = replace(status, plan=replace(status.plan, block=-1, prebuilt=-1))
    for zoom in ZOOMS:
        for place in mercantile.tiles(WEST, SOUTH, WEST + SIDE, SOUTH + SIDE, [zoom]):
            tile = Tile(place.z, place.x, place.y)
            for filter_ in ({}, {"filter": "name = 'oak'"}, {"filter": "name = 'elm' OR name IS NULL"}):
                where = build(layer, status, **filter_)
                now, then = (
                    shapes.runner.run(render(shapes.database, shapes.catalog, layer, each, tile, where=where))
                    for each in (status, by_rows)
                )
                assert said(now) == said(then), (tile, filter_)


def check_against_rebuild(shapes: Shapes, connection: psycopg.Connection, layer_id: str) -> None:
    """Packed points, ready tiles and the counts of the layer are those of one that is prepared anew."""
    shapes.refresh()
    check_tiles(shapes, layer_id)
    fold_edits(shapes, layer_id)
    version, rows = shapes.statuses[layer_id].version, shapes.statuses[layer_id].rows
    refitted = count_notes(connection, layer_id)  # bounds that became smaller
    shapes.refresh()
    assert (shapes.statuses[layer_id].version, shapes.statuses[layer_id].rows) == (version + refitted, rows)
    check_tiles(shapes, layer_id)
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    before = packed(connection, layer_id, f"{layer.table}__packed", status.plan.level - status.plan.block)
    row = connection.execute(f"SELECT count(*) FROM layers.{layer.table}").fetchone()
    assert row == (status.rows,)
    ready = connection.execute(f"SELECT z, x, y, counted FROM layers.{layer.table}__bins").fetchall()
    by_rows = replace(status, plan=replace(status.plan, block=-1, prebuilt=-1))
    for z, x, y, stored in ready:
        body = shapes.runner.run(render(shapes.database, shapes.catalog, layer, by_rows, Tile(z, x, y), where=Where()))
        kept = encode(layer, status.plan, parse_counted(stored), status.plan.zooms[z].cells)
        assert said(kept) == said(body)
    if not status.rows:
        assert (before, ready, status.bounds) == (set(), [], None)
        return
    box = connection.execute(
        "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)"
        f" FROM (SELECT ST_Extent(geom) AS e FROM layers.{layer.table}) AS t"
    ).fetchone()
    assert box is not None
    assert join(status.bounds, Bounds(*box)) == status.bounds
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL search_path = public")
        plan = prepare(
            connection, layer, shapes.catalog.recipes, geometry_type="GEOMETRY", table=layer.table, suffix="__again"
        ).plan
        again = packed(connection, layer_id, f"{layer.table}__packed__again", plan["level"] - plan["block"])
        assert again == before


def edit(draw: random.Random, connection: psycopg.Connection, table: str, next_fid: int) -> None:
    """One random statement: rows added, changed in value or place, or removed."""
    some = f"fid IN (SELECT fid FROM layers.{table} ORDER BY md5(fid::text || %s) LIMIT %s)"
    seed, many = str(draw.random()), draw.randint(1, 5)
    match draw.randrange(5):
        case 0:
            with connection.cursor() as cursor:
                new = draw_row(draw) | {"name": draw.choice(["oak", "a new tree", None])}
                cursor.execute(INSERT.format(table=table), [next_fid, draw_shape(draw, "points").wkb, Json(new)])
        case 1:
            connection.execute(f"DELETE FROM layers.{table} WHERE {some}", [seed, many])
        case 2:
            connection.execute(f"UPDATE layers.{table} SET name = 'elm', size = 7 WHERE {some}", [seed, many])
        case 3:
            connection.execute(f"UPDATE layers.{table} SET at = at + interval '1 day' WHERE {some}", [seed, many])
        case 4:
            moved = "ST_Translate(geom, 0.011, 0.003)"
            connection.execute(f"UPDATE layers.{table} SET geom = {moved} WHERE {some}", [seed, many])


def edit_otherwise(draw: random.Random, connection: psycopg.Connection, table: str, next_fid: int) -> None:
    """One random statement of a rarer kind; some of them empty the table."""
    some = f"fid IN (SELECT fid FROM layers.{table} ORDER BY md5(fid::text || %s) LIMIT %s)"
    seed, many = str(draw.random()), draw.randint(1, 5)
    match draw.choices(range(6), [2, 2, 2, 2, 2, 1])[0]:
        case 0:
            with (
                connection.cursor() as cursor,
                cursor.copy(f"COPY layers.{table} (fid, name, geom) FROM STDIN") as copy,
            ):
                for number in range(many):
                    copy.write_row([next_fid + number, "oak", f"SRID=4326;{draw_shape(draw, 'points').wkt}"])
        case 1:
            connection.execute(
                f"MERGE INTO layers.{table} AS t USING (SELECT fid, geom FROM layers.{table} WHERE {some}"
                f" UNION ALL SELECT %s, ST_Point({WEST}, {SOUTH}, 4326)) AS s ON t.fid = s.fid"
                " WHEN MATCHED AND t.fid % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET name = 'fig'"
                " WHEN NOT MATCHED THEN INSERT (fid, geom) VALUES (s.fid, s.geom)".replace("% 2", "%% 2"),
                [seed, many, next_fid],
            )
        case 2:
            connection.execute(
                f"INSERT INTO layers.{table} (fid, name, geom) SELECT fid, 'yew', geom FROM layers.{table} WHERE {some}"
                f" UNION ALL SELECT %s, 'bay', ST_Point({WEST}, {SOUTH}, 4326)"
                " ON CONFLICT (fid) DO UPDATE SET name = excluded.name, geom = ST_Translate(excluded.geom, 0.002, 0)",
                [seed, many, next_fid],
            )
        case 3:
            connection.execute(f"UPDATE layers.{table} SET fid = fid + 1000000 WHERE {some}", [seed, many])
        case 4:
            connection.execute(f"TRUNCATE layers.{table}")
        case 5:
            connection.execute(f"DELETE FROM layers.{table}")


def edit_and_think_again(draw: random.Random, connection: psycopg.Connection, table: str, next_fid: int) -> None:
    """Some statements; a third of the time they are rolled back to a savepoint, and others come after them."""
    for step in range(draw.randint(1, 4)):
        with connection.transaction(force_rollback=draw.random() < 0.3):
            draw.choice([edit, edit, edit_otherwise])(draw, connection, table, next_fid + 10 * step)


def test_whatever_is_edited_equals_a_rebuild(shapes: Shapes, points: str, connection: psycopg.Connection) -> None:
    draw = random.Random("edits")
    table = shapes.layers[points].table
    emptied = 0
    for round_ in range(16):
        with connection.transaction():
            edit_and_think_again(draw, connection, table, 10_000 + 100 * round_)
        check_against_rebuild(shapes, connection, points)
        emptied += shapes.statuses[points].rows < 100
    assert emptied


ADDED = "INSERT INTO layers.{0} (fid, name, geom) VALUES (9001, 'oak', ST_Point(-28.62, 45.21, 4326))"
MORE = "INSERT INTO layers.{0} (fid, name, geom) VALUES (9002, 'oak', ST_Point(-28.61, 45.22, 4326))"
EMPTY = "TRUNCATE layers.{0}"


EMPTYING = [
    ([ADDED, EMPTY], 0),
    ([EMPTY, ADDED], 1),
    ([ADDED, EMPTY, MORE], 1),
    ([EMPTY, EMPTY], 0),
    ([ADDED, EMPTY, MORE, EMPTY, ADDED], 1),
    (["DELETE FROM layers.{0} WHERE fid <= 300", EMPTY], 0),
    (["UPDATE layers.{0} SET geom = ST_Translate(geom, 1, 1)", EMPTY, ADDED], 1),
    (["SAVEPOINT a", ADDED, "ROLLBACK TO a", EMPTY, MORE], 1),
    (["SAVEPOINT a", EMPTY, "ROLLBACK TO a", EMPTY, ADDED, "SAVEPOINT b", EMPTY, "ROLLBACK TO b"], 1),
    ([ADDED, "SET CONSTRAINTS ALL IMMEDIATE", EMPTY, MORE], 1),
    (["DELETE FROM layers.{0}", ADDED], 1),
    (["DELETE FROM layers.{0}", EMPTY], 0),
]


def test_a_table_emptied_among_other_edits_counts_what_is_left(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    table = shapes.layers[points].table
    connection.execute(f"CREATE TEMPORARY TABLE kept AS SELECT fid, name, geom FROM layers.{table} LIMIT 20")
    for statements, left in EMPTYING:
        for filled in (True, False):
            connection.execute(EMPTY.format(table))
            if filled:
                connection.execute(f"INSERT INTO layers.{table} (fid, name, geom) TABLE kept")
            with connection.transaction():
                for statement in statements:
                    connection.execute(statement.format(table))
            check_against_rebuild(shapes, connection, points)
            assert shapes.statuses[points].rows == left, statements
            assert sum(item["count"] for item in shapes.bins(points, Tile(0, 0, 0))) == left


def test_a_table_that_is_emptied_tells_that_anything_may_have_changed(
    shapes: Shapes, points: str, connection: psycopg.Connection, notices: Callable[[], list[dict[str, Any]]]
) -> None:
    with connection.transaction():
        for statement in (ADDED, EMPTY):
            connection.execute(statement.format(shapes.layers[points].table))
    (notice,) = notices()
    assert (notice["tiles"], notice["bounds"]) == ([[0, 0, 0, 0, 0]], None)


def test_a_table_that_was_not_emptied_after_all_keeps_its_rows(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    with connection.transaction():
        for statement in (ADDED, "SAVEPOINT a", EMPTY, "ROLLBACK TO a"):
            connection.execute(statement.format(shapes.layers[points].table))
    check_against_rebuild(shapes, connection, points)
    assert shapes.statuses[points].rows == 801


def test_tables_emptied_together_and_an_editor_who_waits_for_that(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    other = shapes.make("edited-too", "points", [shapely.Point(WEST, SOUTH)] * 3)
    table = shapes.layers[points].table

    def add() -> None:
        with psycopg.connect(shapes.url, autocommit=True) as own:
            own.execute(ADDED.format(table))

    waiting = threading.Thread(target=add)
    with connection.transaction():
        connection.execute(MORE.format(table))
        connection.execute(f"TRUNCATE layers.{table}, layers.edited_too")
        waiting.start()
        with psycopg.connect(shapes.url, autocommit=True) as watching:
            while not watching.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                pass
    waiting.join()
    check_against_rebuild(shapes, connection, points)
    assert shapes.statuses[points].rows == 1
    assert shapes.statuses[other].rows == 0
    assert shapes.decode(other, Tile(0, 0, 0)) == {}


def test_a_table_emptied_at_once_equals_a_rebuild(shapes: Shapes, points: str, connection: psycopg.Connection) -> None:
    connection.execute(f"TRUNCATE layers.{shapes.layers[points].table}")
    shapes.refresh()
    assert shapes.statuses[points].rows == 0
    assert packed(connection, points, f"{shapes.layers[points].table}__packed", 0) == set()
    assert shapes.bins(points, Tile(0, 0, 0)) == []


def test_two_editors_at_once_do_not_overwrite_each_others_counts(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    table = shapes.layers[points].table

    def add(first: int) -> None:
        with psycopg.connect(shapes.url, autocommit=True) as own:
            for number in range(10):
                with own.transaction():
                    row = {"name": "oak", "at": "2022-01-01T00:00:00Z"}
                    own.execute(
                        INSERT.format(table=table),
                        [first + number, shapely.Point(WEST + SIDE / 2, SOUTH + SIDE / 2).wkb, Json(row)],
                    )

    threads = [threading.Thread(target=add, args=(start,)) for start in (20_000, 30_000, 40_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_against_rebuild(shapes, connection, points)
    assert shapes.statuses[points].rows == 830


def test_a_notice_tells_once_per_transaction_where_rows_were_and_are(
    shapes: Shapes, points: str, connection: psycopg.Connection, notices: Callable[[], list[dict[str, Any]]]
) -> None:
    table, version = shapes.layers[points].table, shapes.statuses[points].version
    old, new = (WEST + 0.001, SOUTH + 0.001), (WEST + 0.051, SOUTH + 0.021)
    with connection.transaction():
        connection.execute(INSERT.format(table=table), [5000, shapely.Point(*old).wkb, Json({})])
        connection.execute(f"UPDATE layers.{table} SET geom = ST_Point(%s, %s, 4326) WHERE fid = 5000", new)
        connection.execute(f"UPDATE layers.{table} SET name = 'elm' WHERE fid = 5000")
    (notice,) = notices()
    assert (notice["layer"], notice["version"], notice["steps"]) == (points, version + 3, 3)
    places = [mercantile.tile(lon, lat, 20) for lon, lat in (old, new)]
    assert sorted(notice["tiles"]) == sorted([20, tile.x, tile.y, tile.x, tile.y] for tile in places)


def test_a_transaction_that_is_rolled_back_tells_and_changes_nothing(
    shapes: Shapes, points: str, connection: psycopg.Connection, notices: Callable[[], list[dict[str, Any]]]
) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute(f"DELETE FROM layers.{shapes.layers[points].table}")
    assert notices() == []
    check_against_rebuild(shapes, connection, points)


def test_a_statement_that_meets_no_row_tells_nothing(
    shapes: Shapes, points: str, connection: psycopg.Connection, notices: Callable[[], list[dict[str, Any]]]
) -> None:
    connection.execute(f"DELETE FROM layers.{shapes.layers[points].table} WHERE fid < 0")
    assert notices() == []


def test_many_changes_are_told_in_few_ranges(
    shapes: Shapes, points: str, connection: psycopg.Connection, notices: Callable[[], list[dict[str, Any]]]
) -> None:
    connection.execute(f"UPDATE layers.{shapes.layers[points].table} SET size = 1")
    (notice,) = notices()
    assert 1 < len(notice["tiles"]) <= 150
    assert len(json.dumps(notice)) < 8000
    zoom = notice["tiles"][0][0]
    covered = {(x, y) for _, x0, y0, x1, y1 in notice["tiles"] for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)}
    where = {mercantile.tile(place.x, place.y, zoom) for place in shapes.shapes[points]}
    assert {(tile.x, tile.y) for tile in where} <= covered


def test_ready_tiles_that_an_edit_does_not_touch_stay(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    table = shapes.layers[points].table
    query = f"SELECT (z, x, y)::text, counted FROM layers.{table}__bins WHERE z IN (0, 11)"
    before = dict(connection.execute(query).fetchall())
    assert len(before) == 2
    far = shapely.Point(WEST + SIDE / 2 + 5, SOUTH)
    connection.execute(INSERT.format(table=table), [6000, far.wkb, Json({})])
    fold_edits(shapes, points)
    after = dict(connection.execute(query).fetchall())
    assert {place: after[place] != counted for place, counted in before.items()} == {
        place: place == "(0,0,0)" for place in before
    }
    check_against_rebuild(shapes, connection, points)


def test_the_bounds_of_a_layer_grow_with_its_rows(shapes: Shapes, points: str, connection: psycopg.Connection) -> None:
    table = shapes.layers[points].table
    connection.execute(INSERT.format(table=table), [7000, shapely.Point(10, 50).wkb, Json({})])
    shapes.refresh()
    bounds = shapes.statuses[points].bounds
    assert bounds is not None
    assert (bounds.east, bounds.north) == pytest.approx((10, 50), abs=1e-3)
    tile = mercantile.tile(10, 50, 15)
    assert shapes.decode(points, Tile(tile.z, tile.x, tile.y)).keys() == {7000}


def test_the_bounds_of_a_layer_are_those_of_its_rows_again_once_a_row_in_the_wrong_place_is_gone(
    shapes: Shapes, points: str, connection: psycopg.Connection, notices: Callable[[], list[dict[str, Any]]]
) -> None:
    table = shapes.layers[points].table
    exact = connection.execute(
        "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)"
        f" FROM (SELECT ST_Extent(geom) AS e FROM layers.{table}) AS t"
    ).fetchone()
    connection.execute(INSERT.format(table=table), [7000, shapely.Point(45.2, -28.6).wkb, Json({})])  # axes swapped
    fold_edits(shapes, points)
    connection.execute(f"DELETE FROM layers.{table} WHERE fid = 7000")
    notices()
    fold_edits(shapes, points)
    (told,) = notices()
    assert (told["bounds"], told["tiles"], told["steps"]) == (pytest.approx(list(exact or ()), abs=1e-12), [], 1)
    shapes.refresh()
    assert shapes.statuses[points].bounds == Bounds(*exact or ())
    assert shapes.statuses[points].version == told["version"]
    assert (fold_edits(shapes, points), count_notes(connection, points)) == (1, 0)
    check_against_rebuild(shapes, connection, points)


def test_an_edit_within_the_bounds_leaves_them_and_asks_no_row_for_them(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    before = shapes.statuses[points]
    table = shapes.layers[points].table
    inside = shapely.Point(WEST + SIDE / 2, SOUTH + SIDE / 2).wkb
    connection.execute(INSERT.format(table=table), [7000, inside, Json({})])
    fold_edits(shapes, points)
    shapes.refresh()
    assert (shapes.statuses[points].bounds, shapes.statuses[points].version) == (before.bounds, before.version + 1)
