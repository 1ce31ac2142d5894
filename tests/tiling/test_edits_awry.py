"""Edits, folds and loads that come at a bad moment, or by unusual ways: nothing is lost, and nothing stands still."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import shapely
from known_shapes import Shapes
from random_rows import SOUTH, WEST
from test_edits import (
    ADDED,
    EMPTY,
    MORE,
    check_against_rebuild,
    check_tiles,
    connection,
    count_notes,
    fold_edits,
    notices,
    points,
)
from test_rows_first import undo

from geoserver import editing
from geoserver.database.edits import work_alone
from geoserver.editing import Editing
from geoserver.tasks import Keeper
from geoserver.tiling import Subject, fold, remake_tiles

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["connection", "notices", "points"]


def subject_of(shapes: Shapes, layer_id: str, **plan: Any) -> Subject:
    """What the layer's tiles are made of, or would be by another plan."""
    status = shapes.statuses[layer_id]
    layer = shapes.layers[layer_id]
    return Subject(shapes.catalog.recipes, layer, replace(status.plan, **plan), status.geometry_type)


@contextlib.contextmanager
def folding(shapes: Shapes) -> Any:
    """A connection of a worker."""
    with psycopg.connect(shapes.url, options="-c timezone=UTC", autocommit=True) as own:
        own.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield own


def test_an_edit_of_which_nobody_was_told_yet_is_told_though_it_is_folded(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    table = shapes.layers[points].table
    connection.execute(ADDED.format(table))
    (told,) = connection.execute("SELECT geoserver.tell_edits(NULL)::text").fetchone() or (None,)
    connection.execute(MORE.format(table))  # between telling and folding
    with folding(shapes) as own:
        assert fold(own, points, subject_of(shapes, points), told) == 1
    assert count_notes(connection, points) == 1
    check_against_rebuild(shapes, connection, points)
    assert shapes.statuses[points].rows == 802


def test_notes_out_of_a_backup_of_another_cluster_are_told_once_and_folded(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    connection.execute(ADDED.format(shapes.layers[points].table))
    connection.execute("UPDATE geoserver.edits SET xid = '999999999999' WHERE layer = %s", [points])  # far ahead here
    connection.execute("LISTEN geoserver_changes")
    told, heard = None, []
    for _ in range(3):
        (told,) = connection.execute("SELECT geoserver.tell_edits(%s::pg_snapshot)::text", [told]).fetchone() or (None,)
        heard.append(len([notice for notice in connection.notifies(timeout=0.1) if points in notice.payload]))
    assert heard == [1, 0, 0]
    with folding(shapes) as own:
        assert fold(own, points, subject_of(shapes, points), told) == 1
    assert count_notes(connection, points) == 0
    check_against_rebuild(shapes, connection, points)


def test_a_layer_whose_values_run_out_of_codes_is_folded_and_filtered_rightly(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    table = shapes.layers[points].table
    assert shapes.statuses[points].plan.whole
    connection.execute("INSERT INTO geoserver.facets (layer, code, value) VALUES (%s, 32760, 'the last')", [points])
    connection.execute(
        f"INSERT INTO layers.{table} (fid, name, geom) SELECT 9000 + n, CASE n WHEN 7 THEN 'elm' ELSE 'new ' || n END,"
        f" ST_Point({WEST} + n * 1e-4, {SOUTH}, 4326) FROM generate_series(1, 20) AS n"
    )
    assert fold_edits(shapes, points) == 0  # all are told first
    shapes.refresh()
    check_tiles(shapes, points)
    assert not shapes.statuses[points].plan.whole
    assert fold_edits(shapes, points) == 1
    fold_edits(shapes, points)  # bounds that are others now are a note of their own
    assert count_notes(connection, points) == 0
    check_tiles(shapes, points)
    connection.execute(f"DELETE FROM layers.{table} WHERE fid BETWEEN 9004 AND 9012")
    assert fold_edits(shapes, points) == 1
    check_tiles(shapes, points)


@pytest.mark.slow
def test_one_statement_changes_millions_of_rows_far_apart(connection: psycopg.Connection) -> None:
    shapes = "SELECT array_agg(ST_Point((i % 2000) * 40, (i / 2000) * 40, 3857)) FROM generate_series(0, 3499999) AS i"
    connection.execute("BEGIN")
    connection.execute(f"SELECT geoserver.note('afar', 3500000, NULL, ({shapes}))")
    tiles, *box = connection.execute(
        "SELECT tiles, x0, y0, x1, y1 FROM geoserver.edits WHERE layer = 'afar'"
    ).fetchone() or ([],)
    connection.execute("ROLLBACK")
    assert box == [524288, 522457, 526380, 524288]
    assert 1 < len(tiles) <= 150
    corners = {(524288, 524288), (526380, 524288), (524288, 522457), (526380, 522457), (525000, 523500)}
    for x, y in corners:
        assert any(x0 <= x >> 20 - z <= x1 and y0 <= y >> 20 - z <= y1 for z, x0, y0, x1, y1 in tiles)


def test_a_fold_by_a_plan_of_before_a_load_leaves_no_tile_counted_by_it(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    level = shapes.statuses[points].plan.level
    stale = subject_of(shapes, points, level=level + 1, block=shapes.statuses[points].plan.block + 1)
    connection.execute(ADDED.format(shapes.layers[points].table))
    with folding(shapes) as own:
        assert fold(own, points, stale) == 1
        assert remake_tiles(own, stale) is None
        assert remake_tiles(own, subject_of(shapes, points))
    check_against_rebuild(shapes, connection, points)


def test_notes_of_a_layer_whose_preparation_was_interrupted_do_not_pile_up(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    undo(shapes, connection, points)
    table = shapes.layers[points].table
    connection.execute(ADDED.format(table))
    with psycopg.connect(shapes.url) as loading:
        loading.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"geoserver.load:{points}"])
        assert fold_edits(shapes, points) == 0  # it is prepared at this moment
    assert fold_edits(shapes, points) == 1
    assert count_notes(connection, points) == 0
    shapes.refresh()
    assert shapes.statuses[points].rows == 801


def test_notes_of_a_layer_whose_packed_points_are_gone_do_not_pile_up(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    table = shapes.layers[points].table
    connection.execute(f"DROP TABLE layers.{table}__packed")
    connection.execute(ADDED.format(table))
    assert fold_edits(shapes, points) == 1
    assert connection.execute(f"SELECT count(*) FROM layers.{table}__delta").fetchone() == (0,)
    assert count_notes(connection, points) == 0


def test_a_table_is_not_emptied_by_who_does_not_see_all_of_it(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    isolation = "REPEATABLE READ"
    table = shapes.layers[points].table
    with psycopg.connect(shapes.url) as own:
        own.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        own.execute("SELECT 1 FROM geoserver.layers")
        connection.execute(ADDED.format(table))
        with pytest.raises(psycopg.errors.FeatureNotSupported, match=isolation):
            own.execute(EMPTY.format(table))
        own.rollback()
        own.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        own.execute(f"DELETE FROM layers.{table} WHERE fid <= 300")
        connection.execute(MORE.format(table))
    check_against_rebuild(shapes, connection, points)
    assert shapes.statuses[points].rows == 502


def test_rows_that_a_replica_role_writes_are_counted(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    with psycopg.connect(shapes.url) as own:
        own.execute("SET session_replication_role = replica")
        own.execute(ADDED.format(shapes.layers[points].table))
    check_against_rebuild(shapes, connection, points)
    assert shapes.statuses[points].rows == 801


def test_a_fold_waits_for_no_editor_and_leaves_what_is_committed_after_it(
    shapes: Shapes, points: str, connection: psycopg.Connection
) -> None:
    table = shapes.layers[points].table
    with psycopg.connect(shapes.url) as own:
        own.execute(ADDED.format(table))
        connection.execute(MORE.format(table))
        assert fold_edits(shapes, points) == 1
    check_against_rebuild(shapes, connection, points)
    assert shapes.statuses[points].rows == 802


def test_one_who_folds_still_keeps_another_worker_from_folding(shapes: Shapes, points: str) -> None:
    with folding(shapes) as one:
        assert work_alone(one)
        with folding(shapes) as other:
            assert not work_alone(other)
    with folding(shapes) as other:
        assert work_alone(other)


async def follow(shapes: Shapes, keeper: Keeper, until: Callable[[], bool]) -> None:
    """Let a worker follow edits for as long as it takes."""
    following = asyncio.create_task(
        Editing(
            shapes.url, lambda layer: subject_of(shapes, layer) if layer in shapes.layers else None, list, keeper
        ).run()
    )
    async with asyncio.timeout(30):
        while not until():
            assert not following.done()
            await asyncio.sleep(0.05)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


def test_a_layer_that_cannot_be_folded_is_told_of_and_holds_no_other_up(
    shapes: Shapes, points: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_WAIT", 0.1), ("_PAUSE", 0.5)):
        monkeypatch.setattr(editing, name, value)
    table = shapes.layers[points].table
    others = [shapes.make(f"{at}-{points}", "points", [shapely.Point(WEST, SOUTH)] * 3) for at in ("a", "z")]
    connection.execute(f"ALTER TABLE layers.{table}__packed RENAME c TO away")
    for layer in (points, *others):
        name = shapes.layers[layer].table
        connection.execute(f"INSERT INTO layers.{name} (fid, geom) VALUES (9001, ST_Point({WEST}, {SOUTH}, 4326))")
    keeper = Keeper()

    def are_others_folded() -> bool:
        return bool(keeper.problems) and not any(count_notes(connection, layer) for layer in others)

    def is_mended() -> bool:
        return not keeper.problems and not count_notes(connection, points)

    async def run() -> None:
        await follow(shapes, keeper, are_others_folded)
        assert keeper.problems == {}  # another server's to mend now
        connection.execute(f"ALTER TABLE layers.{table}__packed RENAME away TO c")
        await follow(shapes, keeper, is_mended)

    asyncio.run(run())
    check_against_rebuild(shapes, connection, points)


def test_ids_that_are_given_by_hand_are_not_given_again_though_many_add_rows(
    shapes: Shapes, connection: psycopg.Connection
) -> None:
    layer = shapes.make("edited-ids", "points", [])
    connection.execute("ALTER TABLE layers.edited_ids ALTER fid ADD GENERATED BY DEFAULT AS IDENTITY")
    for trigger in ("note_insert", "note_update", "note_delete", "note_emptied"):
        connection.execute(f"DROP TRIGGER {trigger} ON layers.edited_ids")
    connection.execute("SELECT geoserver.follow_edits('layers.edited_ids', %s)", [layer])
    place = f"ST_Point({WEST}, {SOUTH}, 4326)"

    def add(number: int) -> None:
        with psycopg.connect(shapes.url, autocommit=True) as own:
            for step in range(40):
                if number < 2:  # far above all that others are given
                    own.execute(
                        f"INSERT INTO layers.edited_ids (fid, geom) SELECT max(fid) + %s, {place}"
                        " FROM layers.edited_ids ON CONFLICT (fid) DO NOTHING",
                        [2_000 + 1_000_000 * number + step],
                    )
                else:
                    own.execute(f"INSERT INTO layers.edited_ids (geom) VALUES ({place})")

    connection.execute(f"INSERT INTO layers.edited_ids (fid, geom) VALUES (1, {place})")
    connection.execute(f"INSERT INTO layers.edited_ids (geom) VALUES ({place})")
    with ThreadPoolExecutor(6) as pool:
        for one in [pool.submit(add, number) for number in range(6)]:
            one.result()


async def wait_until(true: Callable[[], bool]) -> None:
    while True:
        if true():
            return
        await asyncio.sleep(0.05)


def test_a_worker_that_can_tell_nobody_says_so(
    shapes: Shapes, points: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editing, "_RETRY", 0.1)
    connection.execute("ALTER FUNCTION geoserver.tell_edits(pg_snapshot) RENAME TO tell_edits_truly")
    connection.execute(
        "CREATE FUNCTION geoserver.tell_edits(pg_snapshot) RETURNS pg_snapshot LANGUAGE plpgsql AS"
        " $$BEGIN RAISE 'no space left' USING ERRCODE = 'disk_full'; END$$"
    )
    keeper = Keeper()

    def mend() -> None:
        connection.execute("DROP FUNCTION geoserver.tell_edits(pg_snapshot)")
        connection.execute("ALTER FUNCTION geoserver.tell_edits_truly(pg_snapshot) RENAME TO tell_edits")

    async def run() -> None:
        keeper.keep("follow edits", Editing(shapes.url, lambda _: None, list, keeper).run)
        try:
            async with asyncio.timeout(30):
                await wait_until(lambda: "no space left" in keeper.problems.get("follow edits", ""))
                mend()
                await wait_until(lambda: not keeper.problems)
        finally:
            await keeper.stop()

    try:
        asyncio.run(run())
    finally:
        if connection.execute("SELECT to_regproc('geoserver.tell_edits_truly')::text").fetchone() != (None,):
            mend()
