"""`geoserver tiles build`: the archive holds what the server gives, goes on after a kill, and is never half there."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mercantile
import psycopg
import pytest
from pmtiles.reader import MmapSource, Reader, all_tiles

from geoserver.catalog import read_catalog
from geoserver.database.pool import Database
from geoserver.database.status import read_statuses
from geoserver.errors import SetupError
from geoserver.model import Tile
from geoserver.tilesets import open_archive
from geoserver.tiling import build_archive, count_tiles, parse_question, read_result, render
from geoserver.tiling.held import Points

if TYPE_CHECKING:
    from collections.abc import Callable

    from geoserver.settings import Settings

type Zooms = tuple[int, int]

ROOT = Path(__file__).parent.parent.parent
GEOSERVER = [sys.executable, "-m", "geoserver", "tiles", "build"]
ZOOMS = ["--zoom", "8-16"]


@pytest.fixture
def environment(city_database: str) -> dict[str, str]:
    """The environment of a process that uses the loaded sample city."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GEOSERVER_")}
    return kept | {"DATABASE_URL": city_database, "COLUMNS": "200", "GEOSERVER_SAMPLES": "true"}


def run(environment: dict[str, str], *arguments: str | Path, workspace: Path) -> subprocess.CompletedProcess[str]:
    command = [*GEOSERVER, *map(str, arguments), "--workspace", str(workspace)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def build(settings: Settings, url: str, layer_id: str, target: Path, zooms: Zooms, *, query: str = "") -> None:
    """The same in this process."""

    async def work() -> None:
        database = Database(url, settings)
        await database.open()
        try:
            catalog = read_catalog(settings)
            layer, status = catalog.layer(layer_id), (await read_statuses(database))[layer_id]
            where = parse_question(layer, status, {"filter": query}, {})
            await build_archive(database, catalog, layer, status, target, zooms=zooms, where=where)
        finally:
            await database.close()

    asyncio.run(work())


def render_all(
    settings: Settings, url: str, layer_id: str, zooms: tuple[int, int], query: str = ""
) -> dict[Tile, bytes]:
    """Every tile of these zooms that the server would give under its TileJSON, found without any walking down."""

    async def work() -> dict[Tile, bytes]:
        database = Database(url, settings)
        await database.open()
        try:
            catalog = read_catalog(settings)
            layer, status = catalog.layer(layer_id), (await read_statuses(database))[layer_id]
            where = parse_question(layer, status, {"filter": query}, {})
            assert status.bounds
            west, south, east, north = status.bounds.as_list()
            wide = (west - 0.1, south - 0.1, east + 0.1, north + 0.1)
            found = {}
            view: dict[str, Any] = {"where": where}
            if where.canonical:
                result = await read_result(database, catalog, layer, status, where)
                view |= {"features_from": result.features_from, "points": result.held}
                assert isinstance(result.held, Points)
            for item in mercantile.tiles(*wide, range(zooms[0], zooms[1] + 1)):
                tile = Tile(item.z, item.x, item.y)
                if body := await render(database, catalog, layer, status, tile, **view):
                    found[tile] = body
            return found
        finally:
            await database.close()

    return asyncio.run(work())


@pytest.mark.parametrize(
    ("layer_id", "zooms", "query"),
    [
        ("crime", (0, 13), ""),
        ("crime", (10, 14), "category = 'burglary' AND reported_at >= DATE('2024-01-01')"),
        ("bike-paths", (0, 13), ""),
        ("streets", (8, 14), ""),
        ("districts", (0, 12), ""),
    ],
)
def test_an_archive_holds_exactly_the_tiles_that_the_server_gives(
    city_settings: Settings, city_database: str, tmp_path: Path, *, layer_id: str, zooms: Zooms, query: str
) -> None:
    target = tmp_path / "city.pmtiles"
    build(city_settings, city_database, layer_id, target, zooms, query=query)
    expected = render_all(city_settings, city_database, layer_id, zooms, query)
    archive = open_archive(target)
    assert expected
    assert {tile for tile in expected if archive.read(tile) != expected[tile]} == set()
    with target.open("rb") as file:
        held = {Tile(*address) for address, _ in all_tiles(MmapSource(file))}
    assert held == expected.keys()


def test_the_header_and_metadata_say_what_is_inside(
    city_settings: Settings, city_database: str, tmp_path: Path
) -> None:
    target = tmp_path / "crime.pmtiles"
    build(city_settings, city_database, "crime", target, (3, 12))
    with target.open("rb") as file:
        reader = Reader(MmapSource(file))
        header, metadata = reader.header(), reader.metadata()
    assert (header["min_zoom"], header["max_zoom"], header["clustered"]) == (3, 12, True)
    assert header["min_lon_e7"] < header["center_lon_e7"] < header["max_lon_e7"]
    assert header["min_lat_e7"] < header["center_lat_e7"] < header["max_lat_e7"]
    assert header["addressed_tiles_count"] >= header["tile_entries_count"] >= header["tile_contents_count"] > 0
    layer = read_catalog(city_settings).layer("crime")
    assert (metadata["name"], metadata["attribution"]) == (layer.title, layer.attribution)
    assert metadata["vector_layers"][0]["id"] == "crime"
    assert set(metadata["vector_layers"][0]["fields"]) == set(layer.tile_fields)


def test_equal_data_are_equal_bytes(city_settings: Settings, city_database: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one.pmtiles", tmp_path / "two.pmtiles"
    build(city_settings, city_database, "trees", one, (0, 13))
    build(city_settings, city_database, "trees", two, (0, 13))
    assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.pmtiles", "two.pmtiles"]


def count_done(work: Path) -> int:
    """Tiles that a running build has saved; the file is locked most of the time, so a copy is read."""
    copy = work.with_suffix(".copy")
    try:
        copy.write_bytes(work.read_bytes())
        with sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM tiles").fetchone()[0])
    except (OSError, sqlite3.DatabaseError):
        return 0
    finally:
        copy.unlink(missing_ok=True)


def kill_half_way(environment: dict[str, str], target: Path, workspace: Path) -> None:
    """Kill a build half way; one that is done in the same moment is begun once more."""
    for _ in range(5):
        _kill(environment, target, workspace)
        if not target.exists():
            return
        target.unlink()
    raise AssertionError("every build was done before it could be killed")


def _kill(environment: dict[str, str], target: Path, workspace: Path) -> None:
    """Start a build and kill it, with no chance to tidy up, when some of it is done.

    The layer is locked again and again, for longer than it takes until a build saves what it has: it would be done
    before, else.
    """
    command = [*GEOSERVER, "crime", str(target), *ZOOMS, "--workspace", str(workspace)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    work = target.with_name(target.name + ".work")
    deadline = time.monotonic() + 120
    while not work.exists():
        assert process.poll() is None, "the build was done before it could be held up"
        time.sleep(0.01)
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        while count_done(work) < 10:
            if process.poll() is not None:
                return
            assert time.monotonic() < deadline
            connection.execute("LOCK TABLE layers.crime IN ACCESS EXCLUSIVE MODE")
            time.sleep(2.2)
            connection.commit()
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_a_killed_build_goes_on_and_ends_with_the_same_bytes(
    city_settings: Settings, city_database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    target, whole = tmp_path / "killed.pmtiles", tmp_path / "whole.pmtiles"
    kill_half_way(environment, target, tmp_path)
    assert not target.exists()
    done = run(environment, "crime", target, *ZOOMS, workspace=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Goes on:" in done.stderr
    build(city_settings, city_database, "crime", whole, (8, 16))
    assert target.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed.pmtiles", "whole.pmtiles"]


@pytest.mark.slow
def test_a_killed_build_with_another_filter_begins_anew_and_says_so(
    environment: dict[str, str], tmp_path: Path
) -> None:
    target = tmp_path / "killed.pmtiles"
    kill_half_way(environment, target, tmp_path)
    done = run(environment, "crime", target, "--filter", "category = 'theft'", "--zoom", "0-9", workspace=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Begins anew: the filter and the zooms changed" in done.stderr
    archive = open_archive(target)
    assert archive.zooms == (0, 9)


def test_a_build_after_a_change_of_rows_begins_anew(
    city_settings: Settings, make_database: Callable[..., str], city_template: str, tmp_path: Path
) -> None:
    url = make_database(template=city_template)
    target = tmp_path / "trees.pmtiles"
    said: list[str] = []

    async def work(*, stop: bool) -> None:
        database = Database(url, city_settings)
        await database.open()
        try:
            catalog = read_catalog(city_settings)
            layer, status = catalog.layer("trees"), (await read_statuses(database))["trees"]
            where = parse_question(layer, status, {}, {})
            count = 0

            def advance(_: int) -> None:
                nonlocal count
                count += 1
                if stop and count > 5:
                    raise KeyError("stop")

            await build_archive(
                database, catalog, layer, status, target, zooms=(0, 12), where=where, advance=advance, tell=said.append
            )
        finally:
            await database.close()

    with pytest.raises(KeyError):
        asyncio.run(work(stop=True))
    assert not target.exists()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE geoserver.layers SET version = version + 1 WHERE id = 'trees'")
    asyncio.run(work(stop=False))
    assert said == ["Begins anew: its rows changed since the build that was interrupted."]


def test_two_builds_of_one_archive_do_not_mix(city_settings: Settings, city_database: str, tmp_path: Path) -> None:
    target = tmp_path / "trees.pmtiles"
    with sqlite3.connect(f"{target}.work", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SetupError, match="another process"):
            build(city_settings, city_database, "trees", target, (0, 9))
    other.close()


def test_a_work_file_that_is_none_is_not_taken_for_one(
    city_settings: Settings, city_database: str, tmp_path: Path
) -> None:
    target = tmp_path / "trees.pmtiles"
    Path(f"{target}.work").write_bytes(b"my precious notes" * 1000)
    with pytest.raises(SetupError, match="damaged"):
        build(city_settings, city_database, "trees", target, (0, 9))


def test_a_filter_that_leaves_nothing_writes_nothing(
    city_settings: Settings, city_database: str, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match="nothing to write"):
        build(city_settings, city_database, "crime", tmp_path / "no.pmtiles", (0, 16), query="category = 'no such'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing", "x.pmtiles"], "There is no layer 'nothing'"),
        (["crime", "x.mbtiles"], ".pmtiles"),
        (["crime", "no/such/x.pmtiles"], "there is no folder"),
        (["crime", "x.pmtiles", "--zoom", "3-99"], "--zoom: got '3-99'; expected zooms from 0 to 16"),
        (["crime", "x.pmtiles", "--zoom", "9-3"], "--zoom"),
        (["crime", "x.pmtiles", "--zoom", "all"], "--zoom"),
        (["crime", "x.pmtiles", "--filter", "colour = 'red'"], "filter: got"),
        (["crime", "x.pmtiles", "--filter", "category ="], "filter: got"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_line(
    environment: dict[str, str], tmp_path: Path, arguments: list[str], words: str
) -> None:
    layer, file, *more = arguments
    done = run(environment, layer, tmp_path / file, *more, workspace=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_too_many_tiles_are_counted_and_a_narrower_zoom_is_named(
    city_settings: Settings, city_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geoserver.tiling.build.MAX_TILES", 50)
    with pytest.raises(SetupError, match=r"would be [\d,]+ tiles; at most 50 are built: --zoom 0-\d+ would be few"):
        build(city_settings, city_database, "crime", tmp_path / "x.pmtiles", (0, 16))


def test_the_progress_adds_up_to_the_count(city_settings: Settings, city_database: str, tmp_path: Path) -> None:
    told: list[int] = []

    async def work() -> int:
        database = Database(city_database, city_settings)
        await database.open()
        try:
            catalog = read_catalog(city_settings)
            layer, status = catalog.layer("sewage-sampling"), (await read_statuses(database))["sewage-sampling"]
            where = parse_question(layer, status, {}, {})
            target = tmp_path / "x.pmtiles"
            await build_archive(
                database, catalog, layer, status, target, zooms=(4, 15), where=where, advance=told.append
            )
            return count_tiles(layer, status, (4, 15))
        finally:
            await database.close()

    total = asyncio.run(work())
    assert sum(told) == total
