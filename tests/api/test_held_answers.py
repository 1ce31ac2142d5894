"""Answers about many rows of a layer that changes all the time: counted anew by the clock, not with every push."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import psycopg
import pytest
from counted_tiles import World, wait_for
from mapbox_vector_tile import decode

from geoserver.app import create_app
from geoserver.database.pool import Database
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEEN = (
    "/api/layers/stops/summary?fields=name",
    "/api/layers/stops/summary?fields=name&name=a",
    "/api/layers/stops/aggregate?group=name",
    "/api/layers/stops",
    "/ogc/collections/stops/queryables",
    "/ogc/collections/stops",
    "/ogc/collections",
)
INSERT = (
    "INSERT INTO layers.stops (source_key, name, geom) SELECT 'pushed' || %s, 'a', geom FROM layers.stops WHERE fid = 1"
)


class Counted:
    """Queries of the server that look through a layer's rows."""

    def __init__(self) -> None:
        self.queries: list[str] = []

    def take(self) -> int:
        taken, self.queries = len(self.queries), []
        return taken


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Counts them; they run as they always do."""
    made = Counted()

    def note(query: Any) -> None:
        text = query if isinstance(query, str) else query.as_string(None) if hasattr(query, "as_string") else str(query)
        if '"layers"."stops"' in text and ("count(*)" in text or "min(" in text):
            made.queries.append(text)

    fetch, fetch_sync = Database.fetch, Database.fetch_sync

    async def spy(self: Database, query: Any, params: Any = None) -> Any:
        note(query)
        return await fetch(self, query, params)

    def spy_sync(self: Database, query: Any, params: Any = None) -> Any:
        note(query)
        return fetch_sync(self, query, params)

    monkeypatch.setattr(Database, "fetch", spy)
    monkeypatch.setattr(Database, "fetch_sync", spy_sync)
    return made


@contextmanager
def run(world: World, serve: Callable[..., Any], live: str) -> Iterator[str]:
    path = world.workspace / "layers" / "stops.toml"
    path.write_text(path.read_text(encoding="utf-8") + live, encoding="utf-8")
    with serve(
        create_app(Settings(workspace=world.workspace, database_url=None), world.database_url), world.database_url
    ) as server:
        world.url = server.url
        yield server.url


def read_all(url: str) -> None:
    for path in SEEN:
        assert httpx.get(url + path, timeout=30).status_code == 200


@contextmanager
def pushing(world: World, apart: float = 0.1) -> Iterator[list[int]]:
    """A row more each tenth of a second."""
    pushed: list[int] = []
    ended = threading.Event()

    def push() -> None:
        while not ended.wait(apart):
            world.execute(INSERT, [len(pushed)])
            pushed.append(len(pushed))

    thread = threading.Thread(target=push)
    thread.start()
    try:
        yield pushed
    finally:
        ended.set()
        thread.join()


@pytest.mark.slow
def test_pushes_have_rows_counted_once_in_an_age_and_the_last_one_is_counted_within_it(
    world: World, serve: Callable[..., Any], counted: Counted
) -> None:
    with run(world, serve, '\n[live]\nage = "2 s"\n') as url:
        read_all(url)
        each = counted.take()
        assert each >= 3
        started = time.monotonic()
        with pushing(world) as pushed:
            while time.monotonic() < started + 6:
                read_all(url)
        ages = (time.monotonic() - started) / 2 + 1
        assert len(pushed) > 20
        assert counted.take() <= each * (ages + 1)
        rows = 144 + len(pushed)
        wait_for(lambda: httpx.get(f"{url}/api/layers/stops").json()["count"] == rows)
        time.sleep(2)
        summary = httpx.get(f"{url}/api/layers/stops/summary?fields=name").json()
        assert (summary["count"], summary["total"]) == (rows, rows)
        assert sum(one["count"] for one in summary["facets"]["name"]) == rows
        filtered = httpx.get(f"{url}/api/layers/stops/summary?fields=name&name=a").json()
        assert (filtered["count"], filtered["total"]) == (72 + len(pushed), rows)
        assert httpx.get(f"{url}/api/layers/stops/aggregate?group=name").json()["count"] == rows
        (field,) = httpx.get(f"{url}/api/layers/stops").json()["fields"]
        assert sum(one["count"] for one in field["choices"]) == rows


def test_a_held_answer_says_so_by_its_tag_and_rows_are_never_held(world: World, serve: Callable[..., Any]) -> None:
    with run(world, serve, '\n[live]\nage = "1 h"\n') as url:
        summary = f"{url}/api/layers/stops/summary"
        first = httpx.get(summary)
        world.execute(INSERT, ["one"])
        wait_for(lambda: httpx.get(f"{url}/api/layers/stops").json()["count"] == 145)
        held = httpx.get(summary)
        assert held.json() == first.json()
        assert held.headers["etag"] == first.headers["etag"]
        assert held.headers["cache-control"] == "public, max-age=0, must-revalidate"
        assert httpx.get(summary, headers={"If-None-Match": held.headers["etag"]}).status_code == 304
        items = httpx.get(f"{url}/ogc/collections/stops/items?limit=1000").json()
        assert (len(items["features"]), items["numberMatched"]) == (145, 145)
        some = httpx.get(f"{url}/ogc/collections/stops/items?limit=1&name=a").json()
        assert some["numberMatched"] == 73
        world.load("stops")  # what is loaded is no push
        wait_for(lambda: httpx.get(summary).json()["count"] == 144)


def test_a_layer_that_says_no_age_is_exact(world: World, serve: Callable[..., Any]) -> None:
    with run(world, serve, "") as url:
        assert httpx.get(f"{url}/api/layers/stops/summary").json()["count"] == 144
        world.execute(INSERT, ["one"])
        wait_for(lambda: httpx.get(f"{url}/api/layers/stops").json()["count"] == 145)
        assert httpx.get(f"{url}/api/layers/stops/summary").json()["count"] == 145


def test_documents_that_are_made_of_held_states_follow_without_another_push(
    world: World, serve: Callable[..., Any]
) -> None:
    with run(world, serve, '\n[live]\nage = "2 s"\n') as url:

        def extent() -> Any:
            (found,) = [
                one for one in httpx.get(f"{url}/ogc/collections?f=json").json()["collections"] if one["id"] == "stops"
            ]
            return found["extent"]["spatial"]["bbox"]

        before = extent()
        world.execute("UPDATE layers.stops SET geom = ST_SetSRID(ST_MakePoint(-27, 46), 4326) WHERE fid = 1")
        wait_for(lambda: extent() != before)


def test_who_looks_at_a_tile_is_not_made_to_wait_and_who_was_told_of_a_push_is(
    world: World, serve: Callable[..., Any]
) -> None:
    with run(world, serve, '\n[live]\nage = "1 min"\n') as url:
        tile = f"{url}/tiles/stops/0/0/0.mvt"

        def look(**headers: str) -> tuple[bytes, str | None]:
            answer = httpx.get(tile, headers=headers, timeout=30)
            assert answer.status_code == 200
            return answer.content, answer.headers.get("x-tile-stale")

        told = {"Cache-Control": "max-age=0"}  # as a browser writes it for a page that has fetch pass its own copies by
        before = look()
        with ThreadPoolExecutor(1) as pool, psycopg.connect(world.database_url) as holding:
            with psycopg.connect(world.database_url) as pushing:
                pushing.execute(INSERT.encode(), ["one"])
                waiting = pool.submit(holding.execute, "LOCK TABLE layers.stops")
                time.sleep(0.5)  # it stands in line, so that nothing is read between the two
            waiting.result()
            wait_for(lambda: look(**told)[1] == "1")  # nothing newer can be made
            assert look() == before == (before[0], None)
        wait_for(lambda: look()[0] != before[0])  # nobody else has asked for it
        assert look() == look(**told)
        world.execute(INSERT, ["two"])
        now = look()[0]
        wait_for(lambda: httpx.get(f"{url}/api/layers/stops").json()["count"] == 146)
        assert look(**told)[0] != now
        world.load("stops")  # after which nothing is given that was before
        wait_for(lambda: httpx.get(f"{url}/api/layers/stops").json()["count"] == 144)
        assert look() == before


def test_tiles_of_a_layer_that_is_pushed_to_all_the_time_are_never_further_behind_than_its_age(
    world: World, serve: Callable[..., Any]
) -> None:
    with run(world, serve, '\n[live]\nage = "1 s"\n') as url:
        tile = f"{url}/tiles/stops/0/0/0.mvt"

        def count() -> int:
            (layer,) = decode(httpx.get(tile, timeout=30).content).values()
            return sum(one["properties"].get("count", 1) for one in layer["features"])

        assert count() == 144
        behind = []
        with pushing(world, apart=0.05) as pushed:
            times: list[float] = []
            started = time.monotonic()
            while time.monotonic() < started + 5:
                number, now = len(pushed), time.monotonic()
                times += [now] * (number - len(times))
                seen = count() - 144
                behind.append(now - times[seen] if seen < number else 0.0)
        assert max(behind) < 1 + 2, sorted(behind)[-5:]  # it takes a moment to be told, and a machine may be slow
        wait_for(lambda: count() == 144 + len(pushed))
