"""Files on their way: clients that leave, read slowly or come too many, a database that dies, and what is kept."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2 as httpx
import psycopg
import pytest
from fastapi.testclient import TestClient

from geoserver.api import sending
from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.formats import read_formats
from geoserver.formats.kept import Place, Shelf, put
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Server

ROWS = 20_000
PATIENCE = 20
PLAIN = {"Accept-Encoding": "identity"}
LAYER = """
title = "Rows"
description = "Rows with long texts."
license = "CC0-1.0"
attribution = "Nobody"
source = "layers/rows.csv"
kind = "points"
[fields.name]
type = "text"
[fields.said]
type = "text"
"""
QUERIES = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'geoserver download' AND datname = current_database()"
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer of 10 MB as CSV: more than pipes and sockets hold."""
    folder = tmp_path_factory.mktemp("sending")
    (folder / "layers").mkdir()
    (folder / "layers" / "rows.toml").write_text(LAYER, encoding="utf-8")
    lines = (f"n{number},{'said ' * 100},{number / 1000},50\n" for number in range(ROWS))
    (folder / "layers" / "rows.csv").write_text("name,said,lon,lat\n" + "".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def settings(workspace: Path) -> Settings:
    return Settings(workspace=workspace, database_url=None)


@pytest.fixture(scope="module")
def template(make_database: Callable[..., str], empty_template: str, settings: Settings) -> str:
    url = make_database(template=empty_template)
    load(read_catalog(settings).layers["rows"], url)
    return url


@pytest.fixture
def served(make_database: Callable[..., str], template: str, settings: Settings, serve: Callable) -> Iterator[Server]:  # type: ignore[type-arg]
    url = make_database(template=template)
    with serve(create_app(settings, url), url) as server:
        yield server


@pytest.fixture
def slow(served: Server) -> Server:
    """The same, and each row takes the database two milliseconds."""
    slow_down(served.database_url)
    return served


def slow_down(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE layers.rows RENAME TO all_rows")
        connection.execute("CREATE VIEW layers.rows AS SELECT * FROM layers.all_rows WHERE pg_sleep(0.002) IS NOT NULL")


def wait_for(is_so: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.05)


def queries(server: Server) -> list[int]:
    return queries_at(server.database_url)


def queries_at(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(QUERIES)]


@contextmanager
def begun(server: Server, query: str = "?fields=name,said") -> Iterator[tuple[http.client.HTTPResponse, socket.socket]]:
    """A download of which the first bytes are here."""
    host = urlsplit(server.url).netloc
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    connection.request("GET", f"/download/rows.csv{query}")
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.read(10)
    try:
        yield answer, connection.sock
    finally:
        answer.close()
        connection.close()


def find_workers(of: int | None = None) -> list[int]:
    """Processes that make files for this one: children of the one that forks them."""
    first = of or os.getpid()
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])

    def forked(pid: int, times: int) -> bool:
        return pid == first if times == 0 else pid in parents and forked(parents[pid], times - 1)

    return [pid for pid in parents if forked(pid, 2) and b"nursery" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_client_that_leaves_in_mid_stream_leaves_no_query_and_no_process(slow: Server) -> None:
    with begun(slow):
        assert len(queries(slow)) == len(find_workers()) == 1
    wait_for(lambda: not queries(slow) and not find_workers())


def test_a_client_that_leaves_before_the_first_byte_leaves_no_query(served: Server) -> None:
    with psycopg.connect(served.database_url) as connection:
        connection.execute("LOCK TABLE layers.rows IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{served.url}/download/rows.csv", timeout=1)
        wait_for(lambda: not queries(served))


def test_a_database_that_dies_in_mid_stream_gives_no_whole_file(slow: Server) -> None:
    with begun(slow) as (answer, _), psycopg.connect(slow.database_url, autocommit=True) as connection:
        for pid in queries(slow):
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    assert httpx.get(f"{slow.url}/readyz").status_code == 200


def test_a_process_that_is_killed_in_mid_stream_gives_no_whole_file(slow: Server) -> None:
    with begun(slow) as (answer, _):
        for pid in find_workers():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    wait_for(lambda: not queries(slow))


def test_a_client_that_takes_nothing_is_cut_off_and_gets_no_whole_file(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_PATIENCE", 0.3)
    for query in ("?fields=name,said", ""):  # made, then made to be kept, then kept
        with begun(served, query) as (answer, _):
            wait_for(lambda: not find_workers())
            with pytest.raises(http.client.IncompleteRead):
                answer.read()


def test_a_crs_that_does_not_reach_the_rows_is_named(served: Server) -> None:
    with psycopg.connect(served.database_url) as connection:
        connection.execute("UPDATE layers.rows SET geom = ST_SetSRID(ST_MakePoint(-81, 0), 4326) WHERE fid = 1")
    for name in ("csv", "fgb", "gpkg", "xlsx"):
        answer = httpx.get(f"{served.url}/download/rows.{name}?crs=EPSG:25832")
        assert (answer.status_code, answer.json()["parameter"]) == (400, "crs"), name


def test_a_database_that_dies_before_the_first_byte_is_away_in_every_format(slow: Server) -> None:
    for name in ("gpkg", "xlsx", "csv"):
        with ThreadPoolExecutor() as pool:
            # What is sorted comes when all of it is there.
            asked = pool.submit(httpx.get, f"{slow.url}/download/rows.{name}?sort=said", timeout=PATIENCE)
            wait_for(lambda: queries(slow))
            with psycopg.connect(slow.database_url, autocommit=True) as connection:
                for pid in queries(slow):
                    connection.execute("SELECT pg_terminate_backend(%s)", [pid])
            answer = asked.result()
        assert (answer.status_code, answer.json()["retryAfter"]) == (503, 5), name


def test_one_client_has_half_of_the_places_and_is_told_when_to_come_again(slow: Server) -> None:
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(begun(slow))
        answer = httpx.get(f"{slow.url}/download/rows.csv")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Too many files" in answer.json()["detail"]
        assert httpx.head(f"{slow.url}/download/rows.csv").status_code == 429  # as GET would be

    def has_place() -> bool:
        with httpx.stream("GET", f"{slow.url}/download/rows.csv") as answer:
            return answer.status_code == 200

    wait_for(has_place)


@pytest.mark.parametrize("name", ["csv", "fgb", "geojson"])
def test_a_slow_reader_holds_no_load_up_and_gets_the_rows_of_before(
    served: Server, settings: Settings, name: str
) -> None:
    with httpx.stream("GET", f"{served.url}/download/rows.{name}?fields=name,said", headers=PLAIN) as answer:
        parts = answer.iter_raw(1 << 16)
        got = [next(parts)]
        wait_for(lambda: not queries(served))
        with psycopg.connect(served.database_url) as connection:
            connection.execute("SET lock_timeout = '1s'")
            connection.execute("LOCK TABLE layers.rows IN ACCESS EXCLUSIVE MODE")
            connection.execute("DELETE FROM layers.rows WHERE fid > 10")
        got += parts
    assert b"".join(got).count(b"said said " * 50) == ROWS


def test_rows_that_changed_since_the_question_was_put_together_are_never_told_under_the_old_tag(
    served: Server,
) -> None:
    """The load is not told to the server, which learns of it because the file cannot be made."""
    old = httpx.head(f"{served.url}/download/rows.csv").headers["etag"]
    with psycopg.connect(served.database_url) as connection:
        connection.execute("DELETE FROM layers.rows WHERE fid > 10")
        connection.execute("ALTER TABLE geoserver.layers DISABLE TRIGGER USER")
        connection.execute("UPDATE geoserver.layers SET version = version + 1")
    answer = httpx.get(f"{served.url}/download/rows.csv", headers={"If-Match": old})
    assert answer.status_code == 200
    assert len(answer.text.splitlines()) == 11
    assert answer.headers["etag"] != old


# -- what is kept ------------------------------------------------------------------------------------------------------


@pytest.fixture
def keeping(tmp_path: Path, city_database: str) -> Iterator[TestClient]:
    """The sample city in a workspace of its own, so that nothing is kept yet."""
    settings = Settings(workspace=tmp_path, database_url=None, samples=True)
    with TestClient(create_app(settings, city_database), base_url="http://127.0.0.1", headers=PLAIN) as client:
        yield client


def kept_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / ".geoserver" / "downloads").glob("*"))


@pytest.mark.parametrize("name", ["csv", "gpkg", "fgb", "parquet"])
def test_a_whole_layer_is_kept_and_can_be_had_in_parts(keeping: TestClient, tmp_path: Path, name: str) -> None:
    address = f"/download/trees.{name}"
    made = keeping.get(address)
    assert "accept-ranges" not in made.headers
    assert len(kept_in(tmp_path)) == 1
    kept = keeping.get(address)
    size = len(made.content)
    assert kept.content == made.content
    assert kept.headers["etag"] == made.headers["etag"]
    assert kept.headers["content-disposition"] == made.headers["content-disposition"]
    assert (kept.headers["content-length"], kept.headers["accept-ranges"]) == (str(size), "bytes")
    assert kept.headers["last-modified"]
    head = keeping.head(address)
    assert (head.headers["content-length"], head.content) == (str(size), b"")
    tag = {"If-Range": kept.headers["etag"]}
    for asked, start, end in (("0-9", 0, 10), ("10-", 10, size), ("-7", size - 7, size), (f"5-{size * 2}", 5, size)):
        part = keeping.get(address, headers={"Range": f"bytes={asked}", **tag})
        assert part.status_code == 206, asked
        assert part.content == made.content[start:end]
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"


def test_a_part_is_given_of_the_same_file_alone_and_where_there_is_one(keeping: TestClient) -> None:
    address = "/download/trees.csv"
    whole = keeping.get(address)
    size = len(whole.content)
    modified = keeping.get(address).headers["last-modified"]

    def ask(asked: str, **more: str) -> int:
        headers = {"Range": asked, **{name.replace("_", "-"): value for name, value in more.items()}}
        return keeping.get(address, headers=headers).status_code

    assert ask("bytes=0-9", If_Range=modified) == 206
    for foreign in ('"other"', f"W/{whole.headers['etag']}", "Thu, 01 Jan 1970 00:00:00 GMT", "banana"):
        assert ask("bytes=0-9", If_Range=foreign) == 200, foreign
    packed = keeping.get(address, headers={"Accept-Encoding": "gzip"})
    assert (packed.headers["content-encoding"], packed.headers.get("accept-ranges")) == ("gzip", None)
    assert ask("bytes=0-9", If_Range=packed.headers["etag"], Accept_Encoding="gzip") == 200
    for ignored in ("bytes=9-0", "bytes=-", "rows=0-9", "bytes=0-1,4-5", "bytes=a-b", "bytes=" + "9" * 5000 + "-", ""):
        assert ask(ignored) == 200, ignored[:40]
    for beyond in (f"bytes={size}-", f"bytes={size}-{size + 9}", "bytes=-0"):
        answer = keeping.get(address, headers={"Range": beyond})
        assert answer.status_code == 416, beyond
        assert answer.headers["content-range"] == f"bytes */{size}"
        assert answer.headers["content-type"] == "application/problem+json"


def test_what_is_filtered_or_sorted_is_not_kept(keeping: TestClient, tmp_path: Path) -> None:
    for query in ("filter=height<10", "bbox=-10,-10,10,10", "sort=-height", "fields=", "crs=EPSG:3857"):
        assert keeping.get(f"/download/trees.csv?{query}").status_code == 200, query
    assert kept_in(tmp_path) == []


def test_nothing_is_kept_with_a_budget_of_nothing(tmp_path: Path, city_database: str) -> None:
    settings = Settings(workspace=tmp_path, database_url=None, samples=True, downloads_mb=0)
    with TestClient(create_app(settings, city_database), base_url="http://127.0.0.1") as client:
        first = [client.get(f"/download/districts.{name}") for name in read_formats()]
        time.sleep(2)  # an archive tells every other second, and may not
        second = [client.get(f"/download/districts.{name}") for name in read_formats()]
        for name, one, other in zip(read_formats(), first, second, strict=True):
            assert one.content == other.content, name  # else no tag could be a strong one
            assert "accept-ranges" not in other.headers
    assert kept_in(tmp_path) == []


def test_a_new_version_takes_what_was_kept_of_the_old_one_away(
    workspace: Path, settings: Settings, served: Server
) -> None:
    address = f"{served.url}/download/rows.csv"
    old = httpx.get(address, headers=PLAIN)
    (first,) = kept_in(workspace)
    load(read_catalog(settings).layers["rows"], served.database_url, force=True)
    wait_for(lambda: first not in kept_in(workspace))
    answer = httpx.get(address, headers={"Range": "bytes=0-9", "If-Range": old.headers["etag"], **PLAIN})
    assert (answer.status_code, answer.text.count(",said said")) == (200, ROWS)
    assert answer.headers["etag"] != old.headers["etag"]


def test_a_file_of_a_layer_that_is_closed_is_kept_no_longer_nor_is_one_that_is_being_made(
    make_database: Callable[..., str], template: str, serve: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "rows.toml").write_text(LAYER, encoding="utf-8")
    url, place = make_database(template=template), Settings(workspace=tmp_path, database_url=None)
    with serve(create_app(place, url), url) as server:
        address = f"{server.url}/download/rows.csv"
        whole = httpx.get(address, headers=PLAIN)
        assert len(kept_in(tmp_path)) == 1
        with begun(server, "?lang=de") as (answer, _):
            (tmp_path / "layers" / "rows.toml").write_text(f'access = "restricted"{LAYER}', encoding="utf-8")
            wait_for(lambda: httpx.head(address).status_code == 404)
            wait_for(lambda: kept_in(tmp_path) == [])
            assert answer.read().count(b"said said " * 50) == ROWS  # it was asked for before
        wait_for(lambda: not find_workers() and kept_in(tmp_path) == [])
        tag = whole.headers["etag"]
        for headers in ({"If-None-Match": tag}, {"Range": "bytes=0-9", "If-Range": tag}, {"If-Match": tag}):
            assert httpx.get(address, headers=headers).status_code == 404


def test_what_was_not_asked_for_the_longest_makes_room(tmp_path: Path) -> None:
    def keep(name: str, size: int) -> None:
        made = tmp_path / "made"
        made.write_bytes(b"x" * size)
        put(Place(tmp_path / "shelf", name, 100), made)

    def use(name: str) -> None:
        file = Shelf(tmp_path / "shelf", 100).find(Place(tmp_path / "shelf", name, 100))
        assert file is not None
        file.close()

    keep("a~1~x", 40)
    keep("b~1~x", 40)
    use("a~1~x")
    keep("c~1~x", 40)
    keep("d~1~x", 101)
    assert sorted(path.name for path in (tmp_path / "shelf").iterdir()) == ["a~1~x", "c~1~x"]


def test_what_a_killed_process_left_is_removed_and_what_one_writes_is_not(tmp_path: Path) -> None:
    left, written = tmp_path / ".a~1~x.1", tmp_path / ".a~1~y.2"
    left.touch()
    written.touch()
    os.utime(left, (1, 1))
    Shelf(tmp_path, 100).sweep([("a", "1")])
    assert [path.name for path in tmp_path.iterdir()] == [written.name]
