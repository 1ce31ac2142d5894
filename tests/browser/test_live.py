"""The page moves with the data: what is changed in the database is on it within seconds, without a reload."""

from __future__ import annotations

import re
import subprocess
import time
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from mortal import INSERT
from playwright.sync_api import expect
from psycopg.conninfo import make_conninfo

from geoserver.database.binaries import find_binaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mortal import Mortal

pytestmark = pytest.mark.browser

STREAM = re.compile(r"/api/changes\?layers=")
NEAR = "#16/45.2/-28.6"
EXPECTED = ("Failed to load resource", "net::ERR")


@pytest.fixture
def open_live(open_viewer: Callable[..., Any], living: tuple[Mortal, Callable[[str, int], None]]) -> Callable[..., Any]:
    """A viewer that hears of changes by the stream or not at all: what it would ask by the clock it never asks."""

    def open_it(path: str) -> Any:
        viewer = open_viewer(None, origin=living[0].url)
        viewer.expected_faults = EXPECTED
        viewer.page.add_init_script(
            "const wait = setTimeout; window.setTimeout = (f, ms, ...more) => (ms === 15000 ? 0 : wait(f, ms, ...more))"
        )
        with viewer.page.expect_response(STREAM):
            viewer.open(path)
        return viewer

    return open_it


def test_a_row_that_is_written_is_on_the_map_in_the_count_and_in_the_chart_without_a_reload(
    open_live: Callable[..., Any], living: tuple[Mortal, Callable[[str, int], None]], differ: Callable[..., int]
) -> None:
    _, write = living
    viewer = open_live(f"/?layers=crime&filter.crime=category='burglary'&tab=chart&chart=category{NEAR}")
    page = viewer.page
    page.get_by_role("button", name="As a table").click()
    before, picture = viewer.count("crime"), viewer.picture()
    write(INSERT, 40)
    expect(page.locator(".count[data-layer=crime]")).to_contain_text(f"{before + 40:,} of")
    expect(page.get_by_role("tabpanel", name="Chart").locator("tbody")).to_contain_text(f"{before + 40:,}")
    viewer.settle()
    assert differ(picture, viewer.picture()) > 200


@pytest.fixture
def psql(living: tuple[Mortal, Callable[[str, int], None]]) -> Iterator[Callable[[str], str]]:
    """`psql` as a role with rights on one table alone, without any `search_path`."""
    url, role = living[0].database_url, f"editor_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA layers TO {role}".encode())
        owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON layers.crime TO {role}".encode())
        program = [find_binaries().folder / "psql", "--no-psqlrc", "--quiet", "-At", "-v", "ON_ERROR_STOP=1"]
        address = make_conninfo(url, user=role, password="secret", options="-c search_path=")

        def run(statement: str) -> str:
            done = subprocess.run([*program, "-c", statement, address], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        yield run
        owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_what_psql_changes_is_on_the_open_page(
    open_live: Callable[..., Any], psql: Callable[[str], str], differ: Callable[..., int]
) -> None:
    viewer = open_live(f"/?layers=crime&filter.crime=category='burglary'{NEAR}")
    shown = viewer.page.locator(".count[data-layer=crime]")
    before, picture = viewer.count("crime"), viewer.picture()
    places = "('SRID=4326;POINT(' || -28.6 + n / 20000.0 || ' 45.2)')::public.geometry"
    values = f"SELECT 'by hand ' || n, 'burglary', '2024-05-05', {places} FROM generate_series(1, 30) AS n"
    psql(f"INSERT INTO layers.crime (incident, category, reported_at, geom) {values}")
    expect(shown).to_contain_text(f"{before + 30:,} of")
    viewer.settle()
    edited = viewer.picture()
    assert differ(picture, edited) > 200
    psql("UPDATE layers.crime SET category = 'arson' WHERE fid IN (SELECT max(fid) FROM layers.crime)")
    expect(shown).to_contain_text(f"{before + 29:,} of")
    psql("DELETE FROM layers.crime WHERE incident LIKE 'by hand%'")
    expect(shown).to_contain_text(f"{before:,} of")
    viewer.settle()
    assert differ(edited, viewer.picture()) > 200


@pytest.mark.slow
def test_after_the_server_was_away_the_page_catches_up(
    open_live: Callable[..., Any], living: tuple[Mortal, Callable[[str, int], None]]
) -> None:
    server, write = living
    viewer = open_live(f"/?layers=crime,trees{NEAR}")
    before = viewer.count("crime")
    server.close()
    write(INSERT, 3)
    with viewer.page.expect_response(STREAM):
        server.start()
    expect(viewer.page.locator(".count[data-layer=crime]")).to_contain_text(f"{before + 3:,}")


@pytest.mark.slow
def test_layers_that_are_switched_on_are_followed_too_and_a_hidden_page_follows_none(
    open_live: Callable[..., Any], living: tuple[Mortal, Callable[[str, int], None]]
) -> None:
    viewer = open_live(f"/?layers=trees{NEAR}")
    page, (_, write) = viewer.page, living
    with page.expect_response(re.compile(r"/api/changes\?layers=crime,trees$")):
        viewer.switch("Reported crime").check()
    viewer.settle()
    before = viewer.count("crime")
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true})"
    event = "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(hide % "true" + ";" + event)
    write(INSERT, 2)
    with page.expect_response(STREAM):
        page.evaluate(hide % "false" + ";" + event)
    expect(page.locator(".count[data-layer=crime]")).to_contain_text(f"{before + 2:,}")


def test_tiles_of_a_page_that_opens_while_rows_are_pushed_are_looked_at_once_more(
    open_viewer: Callable[..., Any], living: tuple[Mortal, Callable[[str, int], None]]
) -> None:
    server, _ = living
    server.declare("crime", '[live]\nage = "1 s"\n')
    viewer = open_viewer(None, origin=server.url)
    viewer.expected_faults = EXPECTED
    viewer.open(f"/?layers=crime,districts{NEAR}")

    def asked(layer: str) -> set[int]:
        tiles = [url for url in viewer.requests if f"/tiles/{layer}/" in url and ".mvt" in url]
        return {tiles.count(url) for url in tiles}

    deadline = time.monotonic() + 30
    while asked("crime") != {2}:
        assert time.monotonic() < deadline, viewer.requests
        viewer.page.wait_for_timeout(100)
    viewer.page.wait_for_timeout(3_000)
    assert (asked("crime"), asked("districts")) == ({2}, {1})
