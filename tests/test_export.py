"""`geoserver export` writes what `/download` gives, to a file that appears when it is whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from geoserver.cli import app
from geoserver.errors import BadParameterError, GeoserverError, NotFoundError, SetupError

if TYPE_CHECKING:
    from click.testing import Result
    from fastapi.testclient import TestClient

BURGLARIES = "category = 'burglary' AND reported_at < TIMESTAMP('2022-01-01T00:00:00Z')"


@pytest.fixture
def folder(tmp_path: Path, city_database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace over the loaded sample city, and where the command is given."""
    monkeypatch.setenv("DATABASE_URL", city_database)
    monkeypatch.setenv("GEOSERVER_SAMPLES", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["export", *arguments])


@pytest.mark.parametrize("name", ["csv", "geojsonl", "gpx"])
def test_a_file_is_what_the_server_gives(client: TestClient, folder: Path, name: str) -> None:
    done = run("crime", f"out.{name}", "--filter", BURGLARIES, "--fields", "category,district", "--sort", "-district")
    assert done.exit_code == 0, done.output
    query = {"filter": BURGLARIES, "fields": "category,district", "sort": "-district"}
    given = client.get(f"/download/crime.{name}", params=query).content
    written = (folder / f"out.{name}").read_bytes()
    if name == "gpx":  # its head has the address, which a command has not
        given, written = (body[body.index(b"<wpt") :] for body in (given, written))
    assert written == given
    count = client.get("/api/layers/crime/summary", params={"filter": BURGLARIES}).json()["count"]
    assert f"out.{name}: {count:,} rows" in done.output


def test_the_format_is_told_by_the_files_name_or_by_name(folder: Path) -> None:
    assert run("districts", "here.shp.zip").exit_code == 0
    assert (folder / "here.shp.zip").read_bytes()[:2] == b"PK"
    assert run("districts", "--format", "geojson").exit_code == 0
    assert (folder / "districts.geojson").read_bytes()[:1] == b"{"
    assert run("air-quality", "--readings", "--datetime", "2024-06-01/..").exit_code == 0
    assert (folder / "air-quality.readings.csv").read_text(encoding="utf-8").startswith("fid,sensor,measured_at,")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("crime", "out.doc"), SetupError),
        (("crime", "nowhere/out.csv"), SetupError),
        (("nothing", "out.csv"), NotFoundError),
        (("crime", "out.csv", "--readings"), NotFoundError),
        (("districts", "out.gpx"), NotFoundError),
        (("crime", "out.csv", "--filter", "nothing = 1"), BadParameterError),
        (("crime", "out.kml", "--crs", "EPSG:3857"), BadParameterError),
        (("crime", "out.csv", "--filter", "1 / (CHAR_LENGTH(category) - 5) > 0"), GeoserverError),
    ],
)
def test_what_cannot_be_written_leaves_no_file(
    folder: Path, arguments: tuple[str, ...], error: type[Exception]
) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, error), done.exception
    assert not [path for path in folder.iterdir() if path.is_file()]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to")
def test_a_full_disk_is_told_in_a_line(folder: Path) -> None:
    # What is written under the name of the part of the file finds no room.
    (folder / f".out.csv.{os.getpid()}").symlink_to("/dev/full")
    done = run("crime", "out.csv")
    assert isinstance(done.exception, SetupError)
    assert "No space left on device" in str(done.exception)
    assert not [*folder.iterdir()]


def test_a_layer_without_readings_is_told_to_have_none(folder: Path) -> None:
    done = run("crime", "out.csv", "--readings")
    assert "there are no readings" in str(done.exception)
