"""Loads after the first: ids that stay, rows swapped at once, and what a failed or killed load leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from load_workspace import Workspace, make_layer
from psycopg.sql import SQL

from geoserver.database.connecting import connect
from geoserver.database.pool import Database, explain
from geoserver.errors import LoadError, OvertakenError, UnavailableError
from geoserver.loading import load, staging
from geoserver.loading.report import PREPARING
from geoserver.settings import Settings

TWO = "key,lon,lat\na,1,1\nb,2,2\n"


def test_keys_keep_their_ids_whatever_the_order(workspace: Workspace) -> None:
    source = workspace.write("a.csv", TWO)
    workspace.load(source, key="key")
    before = dict(workspace.rows("source_key, fid"))
    workspace.write("a.csv", "key,lon,lat\nnew,5,5\nb,2,3\na,1,1\n")
    workspace.load(source, key="key")
    after = dict(workspace.rows("source_key, fid"))
    assert {key: after[key] for key in before} == before
    assert after["new"] not in before.values()
    assert workspace.rows("ST_Y(geom)", order="source_key") == [(1,), (3,), (5,)]


def test_the_id_of_a_removed_feature_is_not_given_again(workspace: Workspace) -> None:
    source = workspace.write("a.csv", TWO)
    workspace.load(source, key="key")
    gone = dict(workspace.rows("source_key, fid"))["b"]
    for content in ("key,lon,lat\na,1,1\n", "key,lon,lat\na,1,1\nc,3,3\n"):
        workspace.write("a.csv", content)
        workspace.load(source, key="key")
    assert gone not in dict(workspace.rows("fid, source_key"))


def test_the_later_row_of_a_key_is_rejected_with_its_line(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "key,lon,lat\na,1,1\n,9,9\nb,2,2\na,3,3\nb,4,4\n")
    report = workspace.load(source, key="key")
    assert report.reasons == {"key was there before": 2, "no key": 1}
    assert workspace.rejects() == [(3, "no key"), (5, "key was there before"), (6, "key was there before")]
    assert workspace.rows("source_key, ST_X(geom)") == [("a", 1), ("b", 2)]
    assert report.rows == workspace.count() == 2


def test_a_whole_number_is_the_same_key_however_it_is_written(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "nr,lon,lat\n7,1,1\n")
    workspace.load(source, key="nr", fields={"nr": "integer"})
    workspace.write("a.csv", "nr,lon,lat\n8.0,2,2\n7.0,1,1\n")
    workspace.load(source, key="nr", fields={"nr": "integer"})
    assert workspace.rows("source_key, fid") == [("7", 1), ("8", 2)]


def test_an_unchanged_source_is_not_loaded_again_unless_forced(workspace: Workspace) -> None:
    source = workspace.write("a.csv", TWO)
    first = workspace.load(source)
    again = workspace.load(source)
    assert (first.skipped, again.skipped, again.rows) == (False, True, 2)
    assert not workspace.load(source, force=True).skipped
    assert not workspace.load(source, fields={"key": "text"}).skipped, "the layer file has changed"
    workspace.write("a.csv", TWO + "c,3,3\n")
    assert workspace.load(source, fields={"key": "text"}).rows == 3
    assert workspace.query("SELECT version FROM geoserver.layers") == [(4,)]


def test_rejected_rows_are_those_of_the_last_load(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "lon,lat\n1,1\n,\n")
    workspace.load(source)
    assert workspace.rejects() == [(3, "no position")]
    workspace.write("a.csv", "lon,lat\n1,1\n")
    workspace.load(source)
    assert workspace.rejects() == []
    assert workspace.query("SELECT rejected FROM geoserver.layers") == [(0,)]


def test_every_load_is_told_when_its_rows_are_in_service_and_when_its_tiles_are_prepared(workspace: Workspace) -> None:
    with psycopg.connect(workspace.url, autocommit=True) as connection:
        connection.execute("LISTEN geoserver_changes")
        workspace.load(workspace.write("a.csv", TWO))
        notices = list(connection.notifies(timeout=5, stop_after=2))
    told = [{"layer": "test-layer", "version": 1, "bounds": [1, 1, 2, 2]}]
    told.append(told[0] | {"tiles": None})
    assert [json.loads(notice.payload) for notice in notices] == told


def test_progress_tells_phases_and_rows(workspace: Workspace) -> None:
    told: list[tuple[int, int | None, str]] = []
    layer = make_layer(workspace.root, workspace.write("a.csv", TWO))
    load(layer, workspace.url, progress=lambda done, total, phase: told.append((done, total, phase)))
    phases = ["waiting", "reading", "indexing", "swapping", PREPARING]
    assert list(dict.fromkeys(phase for _, _, phase in told)) == phases
    assert (2, 2, "reading") in told


def test_a_load_that_fails_leaves_the_old_rows_in_service(workspace: Workspace) -> None:
    source = workspace.write("a.csv", TWO)
    workspace.load(source)
    workspace.write("a.csv", "key,lon,lat\na,,\n")
    with pytest.raises(LoadError):
        workspace.load(source)
    assert workspace.count() == 2
    assert workspace.query("SELECT version, rows FROM geoserver.layers") == [(1, 2)]
    assert workspace.query("SELECT tablename FROM pg_tables WHERE schemaname = 'layers'") == [("test_layer",)]


def test_a_table_that_others_depend_on_is_not_dropped_under_them(workspace: Workspace) -> None:
    source = workspace.write("a.csv", TWO)
    workspace.load(source)
    workspace.query("CREATE VIEW public.theirs AS SELECT * FROM layers.test_layer")
    try:
        with pytest.raises(LoadError, match=r"other objects depend on the table layers\.test_layer"):
            workspace.load(source, force=True)
        assert workspace.count("test_layer") == 2
    finally:
        workspace.query("DROP VIEW public.theirs")


def test_a_reader_in_a_transaction_sees_the_old_rows_until_it_ends(workspace: Workspace) -> None:
    source = workspace.write("a.csv", TWO)
    workspace.load(source)
    workspace.write("a.csv", TWO + "c,3,3\n")
    with psycopg.connect(workspace.url) as reader:
        assert reader.execute("SELECT count(*) FROM layers.test_layer").fetchone() == (2,)
        loading = threading.Thread(target=workspace.load, args=[source])
        loading.start()
        _wait_for(workspace, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        assert reader.execute("SELECT count(*) FROM layers.test_layer").fetchone() == (2,)
    loading.join(timeout=60)
    assert workspace.count() == 3


class Readers:
    """Two programs that read a layer in turns, so that it is never free; `cut` tells how often a query was ended."""

    def __init__(self, url: str, application: str) -> None:
        self.cut = 0
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=[url, application, late]) for late in (0.0, 1.5)]

    def _read(self, url: str, application: str, late: float) -> None:
        with connect(url, autocommit=True, application=application) as connection:
            self._done.wait(late)
            while not self._done.is_set():
                try:
                    connection.execute("SELECT pg_sleep(3) FROM layers.test_layer LIMIT 1")
                except psycopg.errors.QueryCanceled:
                    self.cut += 1

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(timeout=60)


@pytest.mark.slow
def test_a_load_comes_through_though_servers_never_leave_the_layer_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = workspace.write("a.csv", TWO)
    workspace.load(source)
    workspace.write("a.csv", TWO + "c,3,3\n")
    monkeypatch.setattr(staging, "_PATIENCE", 3.0)
    with Readers(workspace.url, "geoserver") as readers:
        _wait_for(workspace, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(3)%%'")
        workspace.load(source)
    assert workspace.count() == 3
    assert readers.cut >= 1


@pytest.mark.slow
def test_other_programs_are_waited_for_and_then_the_load_gives_up(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = workspace.write("a.csv", TWO)
    workspace.load(source)
    monkeypatch.setattr(staging, "_PATIENCE", 0.0)
    monkeypatch.setattr(staging, "_SWAP_TRIES", 2)
    with psycopg.connect(workspace.url, application_name="theirs") as theirs:
        theirs.execute("SELECT count(*) FROM layers.test_layer")
        with pytest.raises(LoadError, match="a long query held on to the old rows"):
            workspace.load(source, force=True)
        assert theirs.execute("SELECT count(*) FROM layers.test_layer").fetchone() == (2,)


@pytest.mark.slow
def test_a_query_that_a_load_ended_is_told_from_one_that_took_too_long(workspace: Workspace) -> None:
    database = Database(workspace.url, Settings(workspace=workspace.root, database_url=None, statement_timeout=5))
    database._pool_sync.open(wait=True)
    caught: list[Exception] = []

    def ask(seconds: int) -> None:
        try:
            database.fetch_sync(SQL("SELECT pg_sleep({})").format(seconds))
        except UnavailableError as error:
            caught.append(error)

    try:
        asking = threading.Thread(target=ask, args=[4])
        asking.start()
        cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(4)'"
        _wait_for(workspace, cancel)
        asking.join(timeout=60)
        ask(20)
    finally:
        database._pool_sync.close()
    ended, late = caught
    assert isinstance(ended, OvertakenError)
    assert ended.retry_after == 1
    assert not isinstance(late, OvertakenError)
    assert "took longer than 5 s" in str(late)


def test_a_question_and_a_load_that_wait_for_each_other_are_tried_again() -> None:
    for error in (psycopg.errors.DeadlockDetected(), psycopg.errors.LockNotAvailable()):
        assert isinstance(explain(error), OvertakenError)


def test_two_loads_of_a_layer_take_turns(workspace: Workspace) -> None:
    source = workspace.write("a.csv", TWO)
    layer = make_layer(workspace.root, source)
    threads = [threading.Thread(target=load, args=[layer, workspace.url], kwargs={"force": True}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert workspace.query("SELECT version, rows FROM geoserver.layers") == [(4, 2)]
    assert workspace.count() == 2


_KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from load_workspace import make_layer
from geoserver.loading import load
def tell(done, total, phase):
    if phase == "reading" and done > 0:
        print(done, flush=True)
        sys.stdin.readline()
load(make_layer(Path(sys.argv[1]), sys.argv[2], key="key"), sys.argv[3], progress=tell)
"""


@pytest.mark.slow
def test_a_load_killed_half_way_leaves_old_rows_and_nothing_else(workspace: Workspace) -> None:
    source = workspace.write("a.csv", TWO)
    workspace.load(source, key="key")
    before = workspace.rows("fid, source_key")
    rows = "".join(f"k{number},{number / 1e5},2\n" for number in range(200_000))
    workspace.write("a.csv", "key,lon,lat\n" + rows)
    arguments = [str(workspace.root), source, workspace.url, str(Path(__file__).parent)]
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with process:
        assert process.stdout
        assert 0 < int(process.stdout.readline()) < 200_000
        process.send_signal(signal.SIGKILL)
    assert workspace.rows("fid, source_key") == before
    loaded = workspace.load(source, key="key")
    assert loaded.rows == workspace.count() == 200_000
    tables = workspace.query("SELECT tablename FROM pg_tables WHERE schemaname = 'layers' ORDER BY 1")
    assert tables == [(f"test_layer{part}",) for part in ("", "__bins", "__delta", "__packed")]


_KILLED_BEHIND = """
import sys
sys.path.insert(0, sys.argv[4])
from pathlib import Path
from geoserver.loading import load
from load_workspace import make_layer
def progress(done, total, phase):
    if "tiles" in phase:
        print(phase, flush=True)
        sys.stdin.readline()
load(make_layer(Path(sys.argv[1]), sys.argv[2], key="key", features_from=9), sys.argv[3], progress=progress)
"""


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.slow
def test_a_load_killed_while_it_prepares_tiles_has_its_rows_in_service_and_the_next_one_goes_on(
    workspace: Workspace, again: bool
) -> None:
    rows = "".join(f"k{number},{number / 1e5},2\n" for number in range(20_000))
    source = workspace.write("a.csv", "key,lon,lat\n" + rows)
    if again:
        workspace.load(source, key="key", features_from=9)
        workspace.write("a.csv", "key,lon,lat\nnew,2,2\n" + rows)
    arguments = [str(workspace.root), source, workspace.url, str(Path(__file__).parent)]
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED_BEHIND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with process:
        assert process.stdout
        assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert workspace.count() == 20_000 + again
    state = "SELECT rows, preparing IS NULL, NOT plan ? 'digest' OR plan->>'digest' = '' FROM geoserver.layers"
    assert workspace.query(state) == [(20_000 + again, False, True)]
    workspace.query("UPDATE layers.test_layer SET geom = ST_Point(3, 3, 4326) WHERE source_key = 'k7'")
    loaded = workspace.load(source, key="key", features_from=9)
    assert (loaded.skipped, loaded.rows) == (True, 20_000 + again)
    assert workspace.query(state) == [(20_000 + again, True, False)]
    assert workspace.query("SELECT sum(cardinality(c)) FROM layers.test_layer__packed") == [(20_000 + again,)]


def test_a_layer_is_served_by_a_first_plan_until_its_tiles_are_prepared(workspace: Workspace) -> None:
    rows = "".join(f"k{number},{number / 1e5},2\n" for number in range(21_000))
    layer = make_layer(workspace.root, workspace.write("a.csv", "key,lon,lat\n" + rows), key="key", features_from=9)
    plans: list[tuple[dict[str, object], float | None]] = []

    def progress(done: int, total: int | None, phase: str) -> None:
        if phase == PREPARING:
            plans.extend(workspace.query("SELECT plan, preparing FROM geoserver.layers"))

    report = load(layer, workspace.url, progress=progress)
    assert 0 < report.in_service < report.seconds
    first, last = plans[0][0], workspace.query("SELECT plan FROM geoserver.layers")[0][0]
    assert first["features_from"] == last["features_from"] == 9
    assert (first["block"], first["prebuilt"]) == (-1, -1)
    assert last["block"] >= 0
    assert last["prebuilt"] >= 0
    assert all(share is not None for _, share in plans)


def test_a_staging_table_left_by_another_is_cleared_away(workspace: Workspace) -> None:
    workspace.query("CREATE TABLE layers.test_layer__staging (fid bigint)")
    assert workspace.load(workspace.write("a.csv", TWO)).rows == 2


def test_a_database_that_is_away_is_an_error_that_says_so(workspace: Workspace) -> None:
    layer = make_layer(workspace.root, workspace.write("a.csv", TWO))
    with pytest.raises(LoadError, match="test-layer: the database was lost or cannot be reached"):
        load(layer, "postgresql://127.0.0.1:9/none")


def _wait_for(workspace: Workspace, query: str) -> None:
    deadline = time.monotonic() + 30
    while workspace.query(query) == [(0,)]:
        assert time.monotonic() < deadline, "the load never waited for the reader"
        time.sleep(0.05)
