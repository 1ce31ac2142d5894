"""`geoserver basemap` from an extract to layers that are served: files, rows, what stays when it fails."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psycopg
import pytest
import shapely
from extracts import Extract, mercator, read_file, ring
from typer.testing import CliRunner

from geoserver import assets, styling
from geoserver.basemap.apart import Reader
from geoserver.basemap.files import STAGING, put_in_place, staging_folder
from geoserver.basemap.making import make_basemap
from geoserver.catalog import read_catalog
from geoserver.cli import app
from geoserver.errors import LoadError, SetupError
from geoserver.settings import Settings

REAL = os.environ.get("GEOSERVER_REAL_DATA")


@contextlib.contextmanager
def quiet(name: str) -> Iterator[Callable[..., None]]:
    yield lambda *_: None


def make(extract: Path, workspace: Path, url: str, *, force: bool = False) -> dict[str, int]:
    made = make_basemap(extract, workspace, url, reading=lambda *_: None, loading=quiet, force=force)
    return {report.layer_id: report.rows for report in made.reports}


def town(houses: int = 20, name: str = "Lange Straße") -> Extract:
    extract = Extract()
    extract.way([(9.9, 50.05), (10.2, 50.05)], natural="coastline")
    for index in range(houses):
        x = 10.01 + index * 1e-4
        extract.way(ring(x, 50.06, x + 5e-5, 50.0605), building="house")
    extract.way([(10.01, 50.07), (10.02, 50.07)], highway="residential", name=name, name__fr="Rue longue")
    return extract


def street_names(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM layers.side_streets").fetchall()}


def files_in(workspace: Path) -> set[str]:
    return {str(path.relative_to(workspace)) for path in workspace.rglob("*") if path.is_file()}


def test_a_workspace_gets_layers_that_are_served_and_checked_with_licence_and_attribution(
    tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = tmp_path / "city"
    (workspace / "layers").mkdir(parents=True)
    town().write(tmp_path / "town.osm.pbf")
    monkeypatch.setenv("DATABASE_URL", empty_database)
    ran = CliRunner().invoke(app, ["basemap", str(tmp_path / "town.osm.pbf"), "--workspace", str(workspace)])
    assert ran.exit_code == 0, ran.output
    assert f"geoserver serve --workspace {workspace}" in "".join(ran.output.split("\n"))
    checked = CliRunner().invoke(app, ["check", "--workspace", str(workspace)])
    assert checked.exit_code == 0, checked.output
    catalog = read_catalog(Settings(workspace=workspace, database_url=None))
    assert set(catalog.layers) == {"afar", "land", "coast", "beyond", "side-streets", "buildings"}
    for layer in catalog.layers.values():
        assert layer.basemap
        assert layer.license == "ODbL-1.0"
        assert layer.attribution == "© OpenStreetMap contributors"
    assert "name_fr" in catalog.layers["side-streets"].fields
    assert street_names(empty_database) == {"Lange Straße"}


def test_no_city_is_made_over_the_sample_city(tmp_path: Path) -> None:
    before = sorted(assets.root("layers").iterdir())
    with pytest.raises(LoadError, match="--workspace FOLDER"):
        make(town().write(tmp_path / "town.osm.pbf"), assets.root("layers").parent, "postgresql://nowhere/none")
    assert sorted(assets.root("layers").iterdir()) == before


def test_no_second_worker_is_started_for_the_tiles_of_a_basemap(tmp_path: Path, empty_database: str) -> None:
    make(town().write(tmp_path / "town.osm.pbf"), tmp_path, empty_database)
    with psycopg.connect(empty_database) as connection:
        rows = connection.execute(
            "SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'layers'::regnamespace AND relkind = 'r'"
            " AND relname !~ '__'"
        ).fetchall()
    assert {name: options for name, options in rows if options != ["parallel_workers=0"]} == {}
    assert len(rows) > 4


@pytest.mark.slow
def test_a_new_extract_takes_the_place_of_the_old_one_and_layers_that_it_lacks_go(
    tmp_path: Path, empty_database: str
) -> None:
    make(town().write(tmp_path / "old.osm.pbf"), tmp_path, empty_database)
    assert make(town().write(tmp_path / "old.osm.pbf"), tmp_path, empty_database)["buildings"] == 20
    newer = Extract()
    newer.way([(10.01, 50.07), (10.02, 50.07)], highway="residential", name="Neue Straße")
    newer.node((10.05, 50.05), place="town", name="Neustadt")
    make(newer.write(tmp_path / "new.osm.pbf"), tmp_path, empty_database, force=True)
    assert street_names(empty_database) == {"Neue Straße"}
    kept = {path.stem for path in (tmp_path / "layers").iterdir()}
    assert kept == {path.stem for path in (tmp_path / "data/basemap").iterdir()}
    assert kept == {"afar", "land", "beyond", "side-streets", "places"}


def test_the_same_extract_makes_the_same_files_though_two_processes_read_it(
    tmp_path: Path, empty_database: str
) -> None:
    extract = town(300)
    for index in range(300):
        x = 10.01 + index * 1e-4
        extract.way(ring(x, 50.065, x + 5e-5, 50.0655), building="house", addr__housenumber=str(index))
        extract.node((x, 50.066), addr__housenumber=f"{index} a", name="Kiosk")
    path = extract.write(tmp_path / "town.osm.pbf")
    assert make(path, tmp_path, empty_database)["house-numbers"] == 600
    before = {file.name: file.read_bytes() for file in (tmp_path / "data/basemap").iterdir()}
    made = make_basemap(path, tmp_path, empty_database, reading=lambda *_: None, loading=quiet)
    assert all(report.skipped for report in made.reports)
    assert {file.name: file.read_bytes() for file in (tmp_path / "data/basemap").iterdir()} == before


def test_the_basemap_stays_as_it_was_when_the_new_one_would_lose_most_of_a_layer(
    tmp_path: Path, empty_database: str
) -> None:
    make(town().write(tmp_path / "old.osm.pbf"), tmp_path, empty_database)
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    with pytest.raises(LoadError, match=r"stays as it was.*geoserver basemap EXTRACT --force"):
        make(town(3, "Andere Straße").write(tmp_path / "new.osm.pbf"), tmp_path, empty_database)
    assert street_names(empty_database) == {"Lange Straße"}
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


@pytest.mark.slow
def test_the_basemap_stays_as_it_was_when_the_new_one_has_nothing_of_a_layer(
    tmp_path: Path, empty_database: str
) -> None:
    make(town().write(tmp_path / "old.osm.pbf"), tmp_path, empty_database)
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    newer = town(0).write(tmp_path / "new.osm.pbf")
    with pytest.raises(LoadError, match=r"no rows where 20 are in service.*geoserver basemap EXTRACT --force"):
        make(newer, tmp_path, empty_database)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert tables_in_the_making(empty_database) == set()
    assert "buildings" not in make(newer, tmp_path, empty_database, force=True)
    assert "buildings" not in make(newer, tmp_path, empty_database)  # it is none of this basemap any more


def test_a_layer_of_which_no_row_can_be_stored_is_left_out_when_one_insists(
    tmp_path: Path, empty_database: str
) -> None:
    extract = town(0)
    extract.way([(10.01, 50.06), (10.02, 50.06), (10.015, 50.06), (10.01, 50.06)], building="house")  # has no area
    extract.write(tmp_path / "town.osm.pbf")
    with pytest.raises(LoadError, match=r"buildings.parquet: not one of 1 rows.*geoserver basemap EXTRACT --force"):
        make(tmp_path / "town.osm.pbf", tmp_path, empty_database)
    made = make_basemap(
        tmp_path / "town.osm.pbf", tmp_path, empty_database, reading=lambda *_: None, loading=quiet, force=True
    )
    assert "buildings" not in {report.layer_id for report in made.reports}
    assert any("buildings.parquet: not one of 1 rows" in line for line in made.warnings)
    assert not (tmp_path / "layers/buildings.toml").exists()
    assert tables_in_the_making(empty_database) == set()


def test_streets_that_leave_the_extract_and_come_back_are_drawn_from_afar(tmp_path: Path, empty_database: str) -> None:
    extract = town()
    extract.way([(10.05, 50.02), (10.15, 50.03), (10.05, 50.04)], highway="residential", name="Hin und zurück")
    assert make(extract.write(tmp_path / "town.osm.pbf"), tmp_path, empty_database)["side-streets"] == 2


def test_layers_that_the_city_wrote_itself_stay_and_are_said(tmp_path: Path, empty_database: str) -> None:
    (tmp_path / "layers").mkdir()
    own = tmp_path / "layers/buildings.toml"
    own.write_text('title = "Our buildings"\nlicense = "CC0-1.0"\nsource = "data/own.csv"\nkind = "polygons"\n')
    other = tmp_path / "layers/benches.toml"
    other.write_text('title = "Benches"\nlicense = "CC0-1.0"\nsource = "data/benches.csv"\nkind = "points"\n')
    before = own.read_text(), other.read_text()
    extract = town().write(tmp_path / "town.osm.pbf")
    made = make_basemap(extract, tmp_path, empty_database, reading=lambda *_: None, loading=quiet)
    assert made.foreign == ["buildings"]
    assert "buildings" not in {report.layer_id for report in made.reports}
    assert (own.read_text(), other.read_text()) == before
    catalog = read_catalog(Settings(workspace=tmp_path, database_url=None))
    assert styling.check(catalog) == []  # the basemap's styles do not draw what is not theirs


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda whole: whole[: len(whole) // 2], "ends too early"),
        (lambda whole: whole[:-7], "ends too early"),
        (lambda _: b"", "is empty"),
        (lambda _: b"<?xml version='1.0'?><osm version='0.6'></osm>", "nothing that a basemap draws"),
        (lambda _: b"<?xml version='1.0'?><osm version='0.6'><node id='1'", "ends too early, or is broken"),
        (lambda _: b"<?xml version='1.0'?><osmChange version='0.6'></osmChange>", "holds changes"),
        (lambda _: gzip.compress(b"<osmChange version='0.6'></osmChange>"), "holds changes"),
        (lambda _: gzip.compress(b"<osm version='0.6'></osm>" + random.randbytes(9999))[:4000], "ends too early"),
        (lambda _: b"PK\x03\x04" + bytes(500), "is no extract of OpenStreetMap: expected .osm.pbf"),
        (lambda whole: whole[:-120] + bytes(60) + whole[-60:], "ends too early, or is broken"),
    ],
)
def test_a_file_that_is_no_whole_extract_is_refused_in_one_line_and_changes_nothing(
    content: Callable[[bytes], bytes], said: str, tmp_path: Path, empty_database: str
) -> None:
    file = town().write(tmp_path / "town.osm.pbf")
    file.write_bytes(content(file.read_bytes()))
    before = files_in(tmp_path)
    with pytest.raises(LoadError, match=said) as raised:
        make(file, tmp_path, empty_database)
    assert "\n" not in str(raised.value)
    assert files_in(tmp_path) == before


def test_an_extract_that_holds_nothing_is_refused(tmp_path: Path, empty_database: str) -> None:
    with pytest.raises(LoadError, match="nothing that a basemap draws"):
        make(Extract().write(tmp_path / "empty.osm.pbf"), tmp_path, empty_database)
    with pytest.raises(LoadError, match="no such file"):
        make(tmp_path / "absent.osm.pbf", tmp_path, empty_database)


@pytest.mark.parametrize("taken", ["data", "layers", "data/basemap/coast.parquet/", "layers/land.toml/"])
def test_where_files_could_not_be_put_in_place_nothing_is_loaded(
    taken: str, tmp_path: Path, empty_database: str
) -> None:
    workspace = tmp_path / "city"
    place = workspace / taken
    (place if taken.endswith("/") else place.parent).mkdir(parents=True)
    if not taken.endswith("/"):
        place.write_text("a file")
    with pytest.raises(SetupError, match=taken.rstrip("/")):
        make(town().write(tmp_path / "town.osm.pbf"), workspace, empty_database)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM geoserver.layers").fetchone() == (0,)


def test_a_file_that_cannot_be_put_in_place_after_all_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"rows are in service, .*data/basemap/land.parquet: .*run it again"):
        put_in_place(tmp_path / "nothing", tmp_path, ["land"])


def test_a_reading_process_that_says_what_cannot_be_understood_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nread order\nprintf 'no frame of bytes'\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr("geoserver.basemap.apart._END", 0.1)
    with (
        Reader(town().write(tmp_path / "town.osm.pbf"), tmp_path, lambda *_: None) as reader,
        pytest.raises(LoadError, match="the process that read it ended by SIGKILL"),
    ):
        reader.read_languages()


@pytest.mark.slow
def test_a_full_disk_is_said_in_one_line_and_the_last_basemap_stays(tmp_path: Path, empty_database: str) -> None:
    workspace = tmp_path / "city"
    workspace.mkdir()
    make(town().write(tmp_path / "old.osm.pbf"), workspace, empty_database)
    before = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    newer = town(3_000, "Neue Straße").write(tmp_path / "new.osm.pbf")
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, most[1]))
    try:
        with pytest.raises(LoadError, match=r"File too large.*stays as it was") as raised:
            make(newer, workspace, empty_database)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert "\n" not in str(raised.value)
    assert street_names(empty_database) == {"Lange Straße"}
    assert {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()} == before


def test_an_extract_may_be_called_as_it_likes(
    tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    monkeypatch.setenv("FORCE_COLOR", "1")  # progress as a terminal shows it
    ran = CliRunner().invoke(app, ["basemap", str(tmp_path / "town[north].osm.pbf"), "--workspace", str(tmp_path)])
    assert isinstance(ran.exception, LoadError)
    assert "town[north].osm.pbf" in ran.output


def test_a_second_import_into_the_same_workspace_is_refused_and_takes_nothing_from_the_first(tmp_path: Path) -> None:
    with staging_folder(tmp_path) as folder:
        (folder / "layers/land.toml").touch()
        with pytest.raises(SetupError, match="another `geoserver basemap`"), staging_folder(tmp_path):
            raise AssertionError
        assert (folder / "layers/land.toml").exists()
    assert not folder.exists()
    with staging_folder(tmp_path) as folder:
        assert not list((folder / "layers").iterdir())


def test_a_lock_on_a_folder_that_is_gone_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = fcntl.flock

    def lock_late(descriptor: int, how: int) -> None:
        (tmp_path / STAGING).rmdir()  # as one does that ends now
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with pytest.raises(SetupError, match="another `geoserver basemap`"), staging_folder(tmp_path):
        raise AssertionError


@pytest.mark.skipif(not REAL, reason="GEOSERVER_REAL_DATA does not say where real extracts are")
def test_the_middle_of_helsinki_has_its_bay_in_the_north_and_land_in_the_south_west() -> None:
    result = read_file(Path(str(REAL)) / "osm/Helsinki.osm.pbf")
    assert result.languages[:2] == ("sv", "fi")
    for lon, lat, land in (
        (24.9492, 60.1765, False),  # Kaisaniemenlahti
        (24.9352, 60.1645, True),
        (24.9530, 60.1660, True),
        (24.9440, 60.1710, True),
        (24.9525, 60.1789, True),  # Siltasaari
    ):
        assert result.is_land(lon, lat) == land, (lon, lat)
    names = {row["name"]: row["name_sv"] for row in result.rows["side-streets"] + result.rows["streets"]}
    assert names["Aleksanterinkatu"] == "Alexandersgatan"
    assert len(result.rows["house-numbers"]) > 1400


@pytest.mark.slow
def test_all_layers_of_a_basemap_go_into_service_in_one_transaction(tmp_path: Path, empty_database: str) -> None:
    extract = town().write(tmp_path / "town.osm.pbf")
    make(extract, tmp_path, empty_database)
    make(extract, tmp_path, empty_database, force=True)
    with psycopg.connect(empty_database) as connection:
        rows = connection.execute("SELECT xmin::text, preparing FROM geoserver.layers").fetchall()
        [tables] = connection.execute(
            "SELECT count(DISTINCT xmin::text) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'layers'::regnamespace"
        ).fetchall()
    assert len(rows) == 6
    assert len(set(rows)) == 1
    assert rows[0][1] is None  # tiles are prepared before anyone asks for them
    assert tables == (1,)


@pytest.mark.slow
def test_no_layer_changes_where_one_of_them_cannot_go_into_service(tmp_path: Path, empty_database: str) -> None:
    make(town().write(tmp_path / "old.osm.pbf"), tmp_path, empty_database)
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE VIEW public.houses AS SELECT fid FROM layers.buildings")
    with pytest.raises(LoadError, match=r"stays as it was. buildings: other objects depend on the table"):
        make(town(21, "Neue Straße").write(tmp_path / "new.osm.pbf"), tmp_path, empty_database)
    assert street_names(empty_database) == {"Lange Straße"}
    assert tables_in_the_making(empty_database) == set()
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def tables_in_the_making(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        query = (
            "SELECT relname FROM pg_class WHERE relnamespace = 'layers'::regnamespace AND relname LIKE '%__staging%'"
        )
        return {row[0] for row in connection.execute(query).fetchall()}


@pytest.mark.slow
def test_an_import_that_is_killed_leaves_the_last_good_basemap_and_the_next_one_tidies_up(
    tmp_path: Path, empty_database: str
) -> None:
    make(town().write(tmp_path / "old.osm.pbf"), tmp_path, empty_database)
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    newer = town(name="Neue Straße").write(tmp_path / "new.osm.pbf")
    command = [sys.executable, "-m", "geoserver", "basemap", str(newer), "--workspace", str(tmp_path)]
    with psycopg.connect(empty_database) as reader:
        reader.execute("SELECT FROM layers.side_streets")  # holds the table, so that the swap waits
        process = subprocess.Popen(command, env=os.environ | {"DATABASE_URL": empty_database})
        with psycopg.connect(empty_database, autocommit=True) as other:
            waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'layers.side_streets'::regclass"
            while other.execute(waits).fetchone() is None:
                assert process.poll() is None
                time.sleep(0.05)
        process.kill()
        process.wait()
    assert street_names(empty_database) == {"Lange Straße"}
    assert "side_streets__staging" in tables_in_the_making(empty_database)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    make(newer, tmp_path, empty_database)
    assert street_names(empty_database) == {"Neue Straße"}
    assert tables_in_the_making(empty_database) == set()
    assert not (tmp_path / STAGING).exists()


@pytest.mark.slow
def test_an_import_whose_connections_are_cut_leaves_nothing_where_the_database_is_back(
    tmp_path: Path, empty_database: str
) -> None:
    make(town().write(tmp_path / "old.osm.pbf"), tmp_path, empty_database)
    newer = town(name="Neue Straße").write(tmp_path / "new.osm.pbf")
    with ThreadPoolExecutor(1) as pool, psycopg.connect(empty_database) as reader:
        reader.execute("SELECT FROM layers.side_streets")  # holds the table, so that the swap waits
        importing = pool.submit(make, newer, tmp_path, empty_database)
        with psycopg.connect(empty_database, autocommit=True) as other:
            waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'layers.side_streets'::regclass"
            while other.execute(waits).fetchone() is None:
                assert not importing.done()
                time.sleep(0.05)
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'geoserver-load'"
            )
        with pytest.raises(LoadError, match=r"The basemap stays as it was\. .* load again"):
            importing.result()
    assert street_names(empty_database) == {"Lange Straße"}
    assert tables_in_the_making(empty_database) == set()
    assert not (tmp_path / STAGING).exists()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.slow
def test_an_import_that_is_ended_leaves_the_last_good_basemap_and_nothing_else(
    tmp_path: Path, empty_database: str, ending: signal.Signals
) -> None:
    make(town().write(tmp_path / "old.osm.pbf"), tmp_path, empty_database)
    newer = town(name="Neue Straße").write(tmp_path / "new.osm.pbf")
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    command = [sys.executable, "-m", "geoserver", "basemap", str(newer), "--workspace", str(tmp_path)]
    with psycopg.connect(empty_database) as reader:
        reader.execute("SELECT FROM layers.side_streets")  # holds the table, so that the swap waits
        process = subprocess.Popen(command, env=os.environ | {"DATABASE_URL": empty_database})
        with psycopg.connect(empty_database, autocommit=True) as other:
            waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'layers.side_streets'::regclass"
            while other.execute(waits).fetchone() is None:
                assert process.poll() is None
                time.sleep(0.05)
        process.send_signal(ending)
        assert process.wait() == 128 + ending
    assert street_names(empty_database) == {"Lange Straße"}
    assert tables_in_the_making(empty_database) == set()
    assert not (tmp_path / STAGING).exists()
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == before


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_last_good_basemap_stays(tmp_path: Path, empty_database: str) -> None:
    make(town().write(tmp_path / "old.osm.pbf"), tmp_path, empty_database)
    newer = town(name="Neue Straße").write(tmp_path / "new.osm.pbf")
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    command = [sys.executable, "-m", "geoserver", "basemap", str(newer), "--workspace", str(tmp_path)]
    full = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))  # noqa: E731 - no file may be larger
    process = subprocess.run(
        command,
        env=os.environ | {"DATABASE_URL": empty_database, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=full,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    assert "cannot be written" in process.stderr
    assert "the basemap stays as it was" in process.stderr
    assert street_names(empty_database) == {"Lange Straße"}
    assert tables_in_the_making(empty_database) == set()
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == before


def test_a_workspace_whose_layers_are_no_folder_is_refused_before_anything_is_read(
    tmp_path: Path, empty_database: str
) -> None:
    extract = town().write(tmp_path / "town.osm.pbf")
    (tmp_path / "layers").write_text("")
    with pytest.raises(SetupError, match="layers cannot be written"):
        make(extract, tmp_path, empty_database)


@pytest.mark.slow
def test_a_layer_that_is_as_it_was_is_not_touched(tmp_path: Path, empty_database: str) -> None:
    make(town().write(tmp_path / "town.osm.pbf"), tmp_path, empty_database)
    again = town(name="Neue Straße").write(tmp_path / "town.osm.pbf")
    made = make_basemap(again, tmp_path, empty_database, reading=lambda *_: None, loading=quiet)
    assert {report.layer_id for report in made.reports if not report.skipped} == {"side-streets"}
    assert street_names(empty_database) == {"Neue Straße"}


def test_nodes_are_found_in_whatever_order_they_stand(tmp_path: Path) -> None:
    nodes = {9: (10.01, 50.07), 3: (10.02, 50.07), 4: (10.03, 50.08)}
    file = tmp_path / "behind.osm"
    file.write_text(
        '<osm version="0.6">'
        '<way id="1" version="1"><nd ref="9"/><nd ref="3"/><nd ref="4"/><tag k="highway" v="residential"/></way>'
        + "".join(f'<node id="{number}" version="1" lon="{x}" lat="{y}"/>' for number, (x, y) in nodes.items())
        + '<node id="2" version="1" lon="10.02" lat="50.08"><tag k="addr:housenumber" v="7"/></node></osm>'
    )
    result = read_file(file)
    [street] = result.rows["side-streets"]
    expected = [mercator(*place) for place in nodes.values()]
    assert shapely.get_coordinates(street["geometry"]) == pytest.approx(np.array(expected))
    assert [row["number"] for row in result.rows["house-numbers"]] == ["7"]


@pytest.mark.parametrize("name", ["town.osm", "town.osm.gz", "town.osm.bz2", "renamed.data"])
def test_extracts_as_xml_are_read_like_others_whatever_they_are_called(name: str, tmp_path: Path) -> None:
    suffix = name.removeprefix("town.") if name.startswith("town") else "osm.pbf"
    file = town().write(tmp_path / f"written.{suffix}").rename(tmp_path / name)
    result = read_file(file)
    assert len(result.rows["buildings"]) == 20
    assert result.languages == ("fr",)
    assert result.is_land(10.05, 50.09)


def test_a_file_with_history_and_a_folder_are_refused(tmp_path: Path, empty_database: str) -> None:
    history = town().write(tmp_path / "town.osh.pbf")
    with pytest.raises(LoadError, match="holds several versions of things; take an extract without history"):
        make(history, tmp_path, empty_database)
    with pytest.raises(LoadError, match="is a folder"):
        make(tmp_path, tmp_path, empty_database)


def test_a_path_that_leads_to_no_file_is_refused_with_the_reason(tmp_path: Path, empty_database: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    for name, said in {
        "pipe": "save it as one first",
        "circle": "cannot be reached",
        "x" * 300: "cannot be reached",
        "nothing": "there is no such file",
    }.items():
        with pytest.raises(LoadError, match=said):
            make(tmp_path / name, tmp_path, empty_database)


@pytest.mark.parametrize("name", ['<tag k="name" v="Haus"/>', ""])
def test_ways_with_positions_of_their_own_need_no_nodes(name: str, tmp_path: Path) -> None:
    file = tmp_path / "placed.osm"
    corners = "".join(
        f'<nd ref="{index % 4 + 1}" lat="{lat}" lon="{lon}"/>'
        for index, (lon, lat) in enumerate(ring(10.01, 50.01, 10.02, 50.02))
    )
    file.write_text(
        '<osm version="0.6"><bounds minlat="50" minlon="10" maxlat="50.1" maxlon="10.1"/><way id="1" version="1">'
        f'{corners}<tag k="building" v="yes"/>{name}</way></osm>'
    )
    [house] = read_file(file).rows["buildings"]
    assert house["name"] == ("Haus" if name else None)
    assert house["geometry"].area > 0
