"""Layers whose rows expire: what is true no more leaves answers, tiles and the table, and is counted no more."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import psycopg
import pytest
from counted_tiles import wait_for
from mapbox_vector_tile import decode

from geoserver.app import create_app
from geoserver.catalog import read_layer
from geoserver.database.expiry import BATCH, remove_expired
from geoserver.loading import LoadReport, load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LAYER = """
title = "Buses"
license = "CC0-1.0"
source = "data/buses.csv"
kind = "points"
key = "code"
time = "seen_at"
fields.line = { type = "text", filter = "choice" }
fields.speed = { type = "number", filter = "range" }
fields.seen_at = { type = "timestamp" }
"""
LIVE = '[live]\nexpires = "15 min"\n'
INSERT = (
    "INSERT INTO layers.buses (source_key, line, speed, seen_at, geom)"
    " SELECT 'new' || n || %(name)s, 'night', n %% 80, {moment},"
    " ST_SetSRID(ST_MakePoint(-28.6 + n %% 100 * 0.001, 45.2 + n / 100 * 0.001), 4326)"
    " FROM generate_series(1, %(many)s) AS n"
)
TILE = "/tiles/buses/10/430/367.mvt"


class Depot:
    """A workspace with one layer of buses, its database and, when it runs, the server's address."""

    def __init__(self, workspace: Path, database_url: str) -> None:
        self.workspace, self.database_url, self.url = workspace, database_url, ""
        self.serve: Callable[..., Any] | None = None
        for name in ("layers", "data"):
            (workspace / name).mkdir()
        self.write(LAYER + LIVE)

    def write(self, text: str) -> None:
        (self.workspace / "layers" / "buses.toml").write_text(text, encoding="utf-8")

    def load(self, *minutes: float | None, force: bool = False) -> LoadReport:
        """A bus for each, that was seen so many minutes ago; None: nobody knows when."""
        rows = "".join(
            f"{n},{'ab'[n % 2]},{n},{'' if ago is None else shown(ago)},{-28.6 + n * 0.001:.4f},45.2\n"
            for n, ago in enumerate(minutes)
        )
        (self.workspace / "data" / "buses.csv").write_text("code,line,speed,seen_at,lon,lat\n" + rows, encoding="utf-8")
        return load(read_layer(self.workspace / "layers" / "buses.toml"), self.database_url, force=force)

    def insert(self, many: int, moment: str, name: str = "") -> None:
        self.execute(INSERT.format(moment=moment), {"many": many, "name": name})

    def execute(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def rows(self) -> int:
        ((rows,),) = self.execute("SELECT count(*) FROM layers.buses")
        return int(rows)

    @contextmanager
    def run(self, **settings: Any) -> Iterator[str]:
        """A server over it; gives its address."""
        assert self.serve is not None
        chosen = Settings(workspace=self.workspace, database_url=None, **settings)
        with self.serve(create_app(chosen, self.database_url), self.database_url) as server:
            self.url = server.url
            yield server.url

    def get(self, path: str, **values: str) -> Any:
        return httpx.get(self.url + path, params=values, timeout=30)

    def counts(self) -> tuple[int, ...]:
        """How many rows there are, as each door tells it."""
        whole = self.get("/api/layers/buses")
        if whole.status_code != 200:
            return (-whole.status_code,)
        items = self.get("/ogc/collections/buses/items", limit="10000").json()
        hits = self.get("/ogc/collections/buses/items", limit="1").json()
        tile = self.get(TILE)
        body = decode(tile.content) if tile.content else {}
        shown = sum(one["properties"].get("count", 1) for layer in body.values() for one in layer["features"])
        summary = self.get("/api/layers/buses/summary").json()
        return (
            whole.json()["count"],
            len(items["features"]),
            items["numberMatched"],
            hits["numberMatched"],
            shown,
            summary["count"],
            summary["total"],
        )

    def wait_for_rows(self, rows: int) -> None:
        """Until every door tells the same."""
        seen: list[tuple[int, ...]] = []

        def are_so_many() -> bool:
            seen.append(self.counts())
            return set(seen[-1]) == {rows}

        try:
            wait_for(are_so_many, 20)
        except AssertionError as error:
            raise AssertionError(f"{rows} rows were expected; the last counts were {seen[-5:]}") from error


def shown(minutes: float) -> str:
    """So many minutes ago."""
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


@pytest.fixture
def depot(tmp_path: Path, empty_database: str, serve: Callable[..., Any]) -> Depot:
    made = Depot(tmp_path, empty_database)
    made.serve = serve
    return made


@pytest.mark.slow
def test_rows_leave_answers_tiles_and_table_when_they_expire_and_others_stay(depot: Depot) -> None:
    depot.load(1, 2, 3, None, -60)  # nobody knows when, and in an hour
    with depot.run():
        depot.wait_for_rows(5)
        depot.insert(20, "now() - interval '15 minutes' + interval '3 s'")
        depot.wait_for_rows(25)
        depot.wait_for_rows(5)
        assert depot.rows() == 5
        found = depot.get("/ogc/collections/buses/items").json()["features"]
        assert [one["properties"]["speed"] for one in found] == [0, 1, 2, 3, 4]
        wait_for(lambda: depot.execute("SELECT count(*) FROM geoserver.edits") == [(0,)])
        depot.wait_for_rows(5)


def test_a_row_that_is_seen_again_stays(depot: Depot) -> None:
    depot.load(1, 14.95, 14.95)
    with depot.run():
        depot.execute("UPDATE layers.buses SET seen_at = now() WHERE source_key = '1'")
        depot.wait_for_rows(2)
        time.sleep(1)
        depot.wait_for_rows(2)
        assert depot.execute("SELECT source_key FROM layers.buses ORDER BY 1") == [("0",), ("1",)]


@pytest.mark.slow
def test_an_editor_is_not_waited_for_and_holds_up_no_other_row(depot: Depot) -> None:
    depot.load(1, 2, 3)
    with depot.run(), psycopg.connect(depot.database_url) as editor:
        editor.execute("UPDATE layers.buses SET speed = 5 WHERE source_key IN ('0', '1')")
        depot.execute("UPDATE layers.buses SET seen_at = now() - interval '1 hour' WHERE source_key = '2'")
        depot.wait_for_rows(2)
        editor.execute("UPDATE layers.buses SET seen_at = now() - interval '1 hour' WHERE source_key = '1'")
        editor.commit()
        depot.wait_for_rows(1)


@pytest.mark.slow
def test_a_layer_waits_for_its_many_expired_rows_after_a_day_without_a_server(depot: Depot) -> None:
    depot.load(1, 2, 3)
    depot.insert(30_000, "now() - interval '1 day'")
    with depot.run():
        seen = set()
        deadline = time.monotonic() + 60
        while depot.rows() > 3 and time.monotonic() < deadline:
            answer = depot.get("/ogc/collections/buses/items", limit="10000", filter="line = 'night'")
            seen.add((answer.status_code, answer.status_code != 200 or len(answer.json()["features"]) <= 5_000))
            summary = depot.get("/api/layers/buses/summary")
            assert summary.status_code in (200, 503)
            if summary.status_code == 503:
                assert "Expired rows of buses are being removed" in summary.json()["detail"]
        assert seen <= {(503, True), (200, True)}
        assert (503, True) in seen
        depot.wait_for_rows(3)
        assert depot.get("/api/layers", fields="id").json()["layers"] == [{"id": "buses"}]


def test_a_batch_reads_no_more_than_it_removes_though_the_database_does_not_know_yet_how_many_have_expired(
    depot: Depot,
) -> None:
    depot.load(None, None, None)
    depot.execute("ANALYZE layers.buses")
    depot.execute("ALTER TABLE layers.buses SET (autovacuum_enabled = false)")
    depot.insert(20_000, "now() - interval '1 day'")
    read = "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'buses'"
    with psycopg.connect(depot.database_url) as connection:
        assert remove_expired(connection, read_layer(depot.workspace / "layers" / "buses.toml")) == BATCH
        ((rows,),) = connection.execute(read).fetchall()
    assert rows < 2 * BATCH
    assert depot.rows() == 15_003


@pytest.mark.slow
def test_rows_expire_as_soon_as_the_file_says_so_and_stay_when_it_says_no_more(depot: Depot) -> None:
    depot.write(LAYER)
    depot.load(1, 20, 30)
    with depot.run():
        depot.wait_for_rows(3)
        depot.write(LAYER + LIVE)
        depot.wait_for_rows(1)
        depot.write(LAYER)
        wait_for(lambda: "live" not in depot.get("/api/layers/buses").json())
        depot.insert(4, "now() - interval '1 hour'")
        depot.wait_for_rows(5)
        time.sleep(1)
        depot.wait_for_rows(5)
    indexes = depot.execute("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%(seen_at)%'")
    assert indexes == [(1,)]


def test_an_index_is_made_for_a_field_that_had_none(depot: Depot) -> None:
    text = LAYER + 'fields.until = { type = "timestamp", column = "seen_at" }\n'
    depot.write(text)
    depot.load(1, 20, 30)
    with depot.run():
        depot.wait_for_rows(3)
        depot.write(text + LIVE + 'field = "until"\n')
        depot.wait_for_rows(1)
        found = depot.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%(until)%'")
        assert found == [("buses__live",)]


def test_a_field_that_is_not_loaded_removes_nothing_and_is_told_of(depot: Depot) -> None:
    depot.write(LAYER)
    depot.load(1, 20, 30)
    with depot.run():
        depot.write(LAYER + 'fields.until = { type = "timestamp" }\n' + LIVE + 'field = "until"\n')
        wait_for(lambda: depot.get("/readyz").json()["outdated"])
        (told,) = depot.get("/readyz").json()["outdated"]
        assert "live: no row expires, because field 'until' is not loaded as a date or timestamp" in told["changes"]
        depot.wait_for_rows(3)


def test_a_date_counts_from_the_end_of_its_day(depot: Depot) -> None:
    depot.write(LAYER.replace('"timestamp"', '"date"') + '[live]\nexpires = "2 days"\n')
    day = 24 * 60
    assert depot.load(0, day, 2 * day, 3 * day, 9 * day, None).notes == {"expired already, left out": 2}
    with depot.run():
        depot.wait_for_rows(4)
        depot.execute("UPDATE layers.buses SET seen_at = seen_at - 1")
        depot.wait_for_rows(3)


@pytest.mark.slow
def test_a_load_leaves_out_what_has_expired_and_may_bring_fewer_rows(depot: Depot) -> None:
    depot.load(*range(10))
    report = depot.load(1, 16, 17, None, force=False)
    assert (report.rows, report.notes) == (2, {"expired already, left out": 2})
    assert depot.rows() == 2
    assert depot.load(16, 17).rows == 0
    with depot.run():
        depot.wait_for_rows(0)
        depot.insert(5, "now()")
        depot.wait_for_rows(5)
        depot.load(1, 2)
        depot.wait_for_rows(2)


def test_people_are_told_that_a_layer_is_live_and_how_long_rows_stay(depot: Depot) -> None:
    depot.load(1)
    with depot.run():
        assert depot.get("/api/layers/buses").json()["live"] == {"expires": 900, "field": "seen_at", "age": 2}
        page = depot.get("/layers/buses", lang="en").text
        assert (
            "<dt>Live</dt><dd>Rows change all the time, and leave 15 minutes after the time in “Seen at”.</dd>" in page
        )
        assert "verschwinden 15 Minuten nach der Zeit" in depot.get("/layers/buses", lang="de").text
        depot.write(LAYER + "[live]\n")
        wait_for(lambda: "<dd>Rows change all the time.</dd>" in depot.get("/layers/buses", lang="en").text)


@pytest.mark.slow
def test_two_servers_remove_no_row_twice_and_the_other_one_goes_on(depot: Depot) -> None:
    depot.load(1)
    with depot.run() as first:
        with depot.run():
            depot.insert(50, "now() - interval '14 minutes 58 seconds'")
            depot.wait_for_rows(1)
            depot.url = first
            depot.wait_for_rows(1)
        depot.insert(50, "now() - interval '14 minutes 58 seconds'", "again")
        depot.wait_for_rows(1)


@pytest.mark.slow
def test_rows_that_somebody_else_holds_on_to_hold_up_no_other_layer(depot: Depot) -> None:
    depot.load(1, 2, 3)
    depot.execute("CREATE TABLE public.trips (bus bigint REFERENCES layers.buses)")
    depot.execute("INSERT INTO public.trips SELECT fid FROM layers.buses WHERE source_key = '1'")
    other = depot.workspace / "layers" / "trams.toml"
    other.write_text(LAYER + LIVE, encoding="utf-8")
    load(read_layer(other), depot.database_url)
    with depot.run():
        depot.wait_for_rows(3)
        depot.execute("UPDATE layers.buses SET seen_at = now() - interval '1 hour' WHERE source_key = '1'")
        time.sleep(1)
        depot.execute("UPDATE layers.trams SET seen_at = now() - interval '1 hour'")
        wait_for(lambda: depot.execute("SELECT count(*) FROM layers.trams") == [(0,)])
        wait_for(lambda: depot.get("/api/layers/trams").json()["count"] == 0)
        assert depot.rows() == 3
        depot.execute("TRUNCATE public.trips")
        depot.wait_for_rows(2)


def test_one_connection_looks_for_expired_rows_and_is_closed_when_nobody_does_any_more(depot: Depot) -> None:
    depot.load(1.0)
    ours = "SELECT pid, backend_start FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'DELETE%'"
    with depot.run():
        seen: set[tuple[Any, ...]] = set()
        wait_for(lambda: seen.update(depot.execute(ours)) or seen)
        for name in ("one", "two"):
            depot.insert(1, "now() - interval '1 day'", name)
            wait_for(lambda: depot.rows() == 1)
        assert set(depot.execute(ours)) == seen
    wait_for(lambda: not depot.execute(ours))
