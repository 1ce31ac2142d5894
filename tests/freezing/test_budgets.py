"""What is too much is refused in words that name the limit; what cannot be written or read leaves nothing behind."""

from __future__ import annotations

import contextlib
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from frozen_maps import BURGLARIES, freeze, wait_until_made

from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATHS = {"link": "?layers=bike-paths"}
COPIES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'layers' AND tablename LIKE '\\_\\_frozen%'"


@contextlib.contextmanager
def serve(workspace: Path, url: str, **settings: Any) -> Iterator[TestClient]:
    given = {"freeze": "anyone"} | settings
    app = create_app(Settings(workspace=workspace, database_url=None, samples=True, **given), url)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as running:
        yield running


def demand_nothing_left(workspace: Path, url: str) -> None:
    """Neither files that are given out or half made, nor tables."""
    frozen = workspace / ".geoserver" / "frozen"
    assert not list(frozen.glob("kept/*"))
    assert not [path for path in frozen.glob("making/*/*") if path.name not in ("status.json", "private.json", "lock")]
    with psycopg.connect(url) as connection:
        deadline = time.monotonic() + 30
        while connection.execute(COPIES).fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.slow
def test_too_many_rows_are_refused_before_anything_is_made(tmp_path: Path, own_city: str) -> None:
    with serve(tmp_path, own_city, frozen_rows=5_000) as client:
        for link in ("?layers=crime", "?layers=bike-paths,crime", "?layers=crime&filter.crime=category <> 'none'"):
            answer = client.post("/frozen", json={"link": link})
            assert (answer.status_code, answer.json()["parameter"]) == (400, "link"), answer.text
            assert "at most 5,000 rows; narrow the filter" in answer.json()["detail"]
        assert freeze(client, BURGLARIES)["state"] == "done"
    assert len(list((tmp_path / ".geoserver" / "frozen" / "kept").iterdir())) == 1


def test_a_map_of_too_many_bytes_fails_with_its_limit_and_is_nowhere(tmp_path: Path, own_city: str) -> None:
    with serve(tmp_path, own_city, frozen_map_mb=1) as client:
        told = freeze(client, "?layers=crime")
        assert told["state"] == "failed"
        assert told["error"].startswith("It takes more than 1 MiB; narrow the filter")
        for name in ("", "manifest.json", "data/tiles.pmtiles", "data/crime.parquet", "changed.json"):
            assert client.get(f"/frozen/{told['id']}/{name}").status_code == 404, name
        assert client.get(f"/frozen/{told['id']}.zip").status_code == 404
    demand_nothing_left(tmp_path, own_city)


@pytest.mark.slow
def test_maps_within_a_day_and_bytes_of_all_are_limited(tmp_path: Path, own_city: str) -> None:
    with serve(tmp_path, own_city, frozen_daily=1) as client:
        first = freeze(client, PATHS["link"])
        assert first["state"] == "done", first
        assert client.post("/frozen", json=PATHS).json()["id"] == first["id"]  # it is there already
        answer = client.post("/frozen", json={"link": "?layers=crime"})
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
        assert "1 maps within a day" in answer.json()["detail"]
        assert client.delete(f"/frozen/{first['id']}").status_code == 401
    with serve(tmp_path, own_city, frozen_mb=256) as client:  # which the first one leaves too little of
        answer = client.post("/frozen", json={"link": "?layers=crime"})
        assert (answer.status_code, "There is no room" in answer.json()["detail"]) == (429, True)
        assert client.get(f"/frozen/{first['id']}/manifest.json").status_code == 200


@pytest.mark.slow
def test_maps_that_are_being_made_take_the_room_that_they_may_come_to_need(tmp_path: Path, own_city: str) -> None:
    """However many ask in the same moment."""
    with serve(tmp_path, own_city, frozen_mb=600) as client, ThreadPoolExecutor(6) as pool:
        bodies = [{"link": "?layers=crime", "title": f"Map {number}"} for number in range(6)]
        answers = [*pool.map(lambda body: client.post("/frozen", json=body), bodies)]
        assert sorted(answer.status_code for answer in answers) == [202, 202, 429, 429, 429, 429]
        begun = [answer.json() for answer in answers if answer.status_code == 202]
        body = next(body for body, answer in zip(bodies, answers, strict=True) if answer.status_code == 202)
        assert client.post("/frozen", json=body).status_code == 202  # it is being made already, or there
        for told in begun:
            assert wait_until_made(client, told)["state"] == "done"
        assert client.post("/frozen", json=PATHS).status_code == 202


@pytest.mark.parametrize(("freezing", "status", "words"), [("off", 403, "is off"), ("manage", 401, "needs a key")])
def test_who_may_not_freeze_is_told_why(tmp_path: Path, own_city: str, freezing: str, status: int, words: str) -> None:
    with serve(tmp_path, own_city, freeze=freezing) as client:
        answer = client.post("/frozen", json=PATHS)
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
        assert client.post("/frozen", json={"link": "?layers=nothing"}).status_code == 400
    demand_nothing_left(tmp_path, own_city)


@pytest.mark.slow
def test_a_disk_without_room_is_told_and_nothing_of_the_map_is_left(tmp_path: Path, own_city: str) -> None:
    with serve(tmp_path, own_city) as client:
        client.get("/api/layers")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))
        try:
            told = freeze(client, "?layers=crime")
            assert told["state"] == "failed"
            assert told["error"].startswith("It cannot be written: the disk of the server may be full"), told
            assert str(tmp_path) not in told["error"]
            demand_nothing_left(tmp_path, own_city)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
            answer = client.post("/frozen", json=PATHS)
            assert (answer.status_code, "cannot write" in answer.json()["detail"]) == (503, True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert freeze(client, "?layers=crime")["state"] == "done"  # once there is room


@pytest.mark.slow
def test_a_server_that_stops_tells_of_what_it_was_making(tmp_path: Path, own_city: str) -> None:
    with serve(tmp_path, own_city) as client:
        told = client.post("/frozen", json={"link": "?layers=crime"}).json()
        while (status := client.get(f"/frozen/{told['id']}/status.json").json())["state"] == "waiting":
            time.sleep(0.01)
        assert status["state"] == "working"
    demand_nothing_left(tmp_path, own_city)
    with serve(tmp_path, own_city) as client:
        status = client.get(f"/frozen/{told['id']}/status.json").json()
        assert (status["state"], "server was stopped" in status["error"]) == ("failed", True)
        assert freeze(client, "?layers=crime")["id"] == told["id"]


@pytest.mark.slow
def test_a_database_that_goes_away_in_the_middle_is_told(tmp_path: Path, own_city: str) -> None:
    with serve(tmp_path, own_city) as client, psycopg.connect(own_city, autocommit=True) as connection:
        told = client.post("/frozen", json={"link": "?layers=crime"}).json()
        while client.get(f"/frozen/{told['id']}/status.json").json().get("part") != "tiles":
            time.sleep(0.01)
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
        told = wait_until_made(client, told)
        assert told["state"] == "failed"
        assert "database" in told["error"], told
    with serve(tmp_path, own_city):
        demand_nothing_left(tmp_path, own_city)
