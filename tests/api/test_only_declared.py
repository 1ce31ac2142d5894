"""Only declared fields leave the server: a canary in every other place of a source is looked for at every door."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas
import psycopg
import pytest
import shapely
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.catalog import read_layer
from geoserver.database import migrate
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "078-05-1120"
LAYER = """
title = "People"
license = "CC0-1.0"
source = "{source}"
kind = "points"
{more}
[fields.name]
type = "text"
filter = "choice"
[fields.height]
type = "integer"
filter = "range"
[fields.at]
type = "timestamp"
"""
DOORS = (
    "/api/layers",
    "/api/layers/people",
    "/api/layers/people/rejects?limit=1000",
    "/api/layers/people/summary",
    "/api/layers/people/features/1",
    "/ogc/collections/people?f=json",
    "/ogc/collections/people/queryables?f=json",
    "/ogc/collections/people/items?f=json",
    "/ogc/collections/people/items?f=html",
    "/tiles/people.json",
    "/tiles/people/0/0/0.mvt",
    "/styles/light.json",
    "/readyz",
)
CSV = f"""name,ssn,lon,lat,height,at
good,{CANARY},13.4,52.5,1,2024-01-01
nowhere,{CANARY},,,2,2024-01-01
unreadable,1,{CANARY},{CANARY},3,2024-01-01
wide,{CANARY},13.4,52.5,4,2024-01-01,more,than,that
{CANARY},13.4,52.5
short,13.4,52.5,{CANARY}
no height,1,13.4,52.5
late,{CANARY},13.4,52.5,tall,soon
open,"{CANARY},13.4,52.5,6,2024-01-01
far,{CANARY},913.4,52.5,7,2024-01-01
twice,{CANARY},13.4,52.5,8,2024-01-01
"""


def write_frame(path: Path) -> None:
    """The same kinds of faults in a file that GDAL reads, which has no ragged rows."""
    points = [[13.4, 52.5], [0, 0], [913.4, 52.5], [13.4, 52.5]]
    frame = geopandas.GeoDataFrame(
        {
            "name": ["good", "zero", "far", "twice"],
            "ssn": [CANARY] * 4,
            "height": ["1", "tall", "2", "high"],
            "at": ["2024-01-01", "2024-01-01", "2024-01-01", "soon"],
        },
        geometry=shapely.points(points),
        crs="EPSG:4326",
    )
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".xlsx":
        table = frame.assign(lon=[13.4, None, 913.4, 13.4], lat=[52.5, None, 52.5, 52.5])
        table.set_geometry(geopandas.array.from_shapely([None] * 4)).to_file(path, driver="XLSX")
    else:
        frame.to_file(path)


def look_everywhere(workspace: Path, url: str) -> dict[str, str]:
    """What every door says, by its address, and what is kept for them beside the rows."""
    app = create_app(Settings(workspace=workspace, database_url=None), url)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        found = {door: client.get(door).content.decode("utf-8", errors="replace") for door in DOORS}
        assert client.get(DOORS[2]).status_code == 200
    with psycopg.connect(url) as connection:
        for table in ("rejects", "layers", "facets"):
            found[table] = str(connection.execute(f"SELECT * FROM geoserver.{table}".encode()).fetchall())
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("a.csv", ""),
        ("a.csv", 'key = "name"\ntime = "at"'),
        *((name, 'key = "ssn"') for name in ("a.csv", "a.xlsx", "a.geojson", "a.gpkg", "a.parquet", "public.people")),
    ],
)
def test_undeclared_values_and_keys_leave_by_no_door(
    tmp_path: Path, empty_database: str, source: str, more: str
) -> None:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "people.toml").write_text(LAYER.format(source=source, more=more))
    if source == "a.csv":
        (tmp_path / source).write_text(CSV)
    elif source == "public.people":
        write_frame(tmp_path / "a.gpkg")
        frame = geopandas.read_file(tmp_path / "a.gpkg")
        with psycopg.connect(empty_database) as connection:
            connection.execute(
                "CREATE TABLE public.people (name text, ssn text, height text, at text, geom geometry(Point, 4326))"
            )
            for row in frame.itertuples():
                values = [row.name, row.ssn, row.height, row.at, row.geometry.x, row.geometry.y]
                connection.execute(
                    "INSERT INTO public.people VALUES (%s, %s, %s, %s, ST_SetSRID(ST_Point(%s, %s), 4326))", values
                )
    else:
        write_frame(tmp_path / source)
    report = load(read_layer(tmp_path / "layers" / "people.toml"), empty_database, accept_losses=True)
    assert report.rejected, "else there is nothing to look for"
    found = look_everywhere(tmp_path, empty_database)
    assert [door for door, text in found.items() if CANARY in text] == []
    assert "name=" in found[DOORS[2]], "what is declared is shown"


def test_keys_and_columns_of_readings_leave_by_no_door(tmp_path: Path, empty_database: str) -> None:
    (tmp_path / "layers").mkdir()
    text = LAYER.format(source="sites.csv", more='key = "ssn"').replace("[fields.at]\n", "[fields.since]\n")
    readings = (
        '[readings]\nsource = "readings.csv"\nkey = "ssn"\ntime = "at"\n[readings.fields.at]\ntype = "timestamp"\n'
    )
    (tmp_path / "layers" / "people.toml").write_text(text + readings + '[readings.fields.flow]\ntype = "number"\n')
    (tmp_path / "sites.csv").write_text(f"name,ssn,lon,lat,height,since\na,{CANARY},13.4,52.5,1,\n")
    rows = ["2024-01-01,1", "2024-01-01,2", "soon,3", "2024-01-02,much", "2024-01-03,1,too,wide"]
    unknown = f"0{CANARY},2024-01-01,1\n2024-01-05,{CANARY}\n{CANARY},{CANARY},1\n"
    (tmp_path / "readings.csv").write_text("ssn,at,flow\n" + "".join(f"{CANARY},{row}\n" for row in rows) + unknown)
    report = load(read_layer(tmp_path / "layers" / "people.toml"), empty_database, accept_losses=True)
    assert report.reasons == {
        "reading of a time that was there before": 1,
        "reading without a time": 1,
        "5 values where the header has 3": 1,
        "reading of an unknown ssn": 2,
    } | ({"reading without a time": 2})
    found = look_everywhere(tmp_path, empty_database)
    # The last row has it in the declared field `at`, which is shown as it stands.
    assert [
        door
        for door, text in found.items()
        if CANARY in text.replace(f"at={CANARY}", "").replace(f"'at': '{CANARY}'", "")
    ] == []


def test_a_field_that_is_declared_no_longer_leaves_no_more(tmp_path: Path, empty_database: str) -> None:
    (tmp_path / "layers").mkdir()
    file = tmp_path / "layers" / "people.toml"
    file.write_text(LAYER.format(source="a.csv", more="") + '[fields.ssn]\ntype = "integer"\n')
    (tmp_path / "a.csv").write_text(CSV)
    load(read_layer(file), empty_database, accept_losses=True)
    found = look_everywhere(tmp_path, empty_database)
    assert CANARY in found[DOORS[2]], "declared, so it is shown"
    note = {"field": "ssn", "what": "no integer, left empty", "example": CANARY}
    assert note.items() <= next(item for item in json.loads(found[DOORS[1]])["notes"] if item["field"] == "ssn").items()
    file.write_text(LAYER.format(source="a.csv", more=""))
    found = look_everywhere(tmp_path, empty_database)
    assert [door for door in DOORS if CANARY in found[door]] == []


def test_whole_rows_that_earlier_versions_kept_are_dropped(make_database: Callable[..., str]) -> None:
    url = make_database()
    with psycopg.connect(url, autocommit=True) as connection:
        names = [(name, text) for name, text in migrate.read_migrations() if name < "007"]
        connection.execute("CREATE SCHEMA geoserver")
        for _, text in names:
            connection.execute(text.encode())
        connection.execute(
            "CREATE TABLE geoserver.migrations (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
        )
        for name, _ in names:
            connection.execute("INSERT INTO geoserver.migrations (name) VALUES (%s)", [name])
        connection.execute("INSERT INTO geoserver.rejects VALUES ('people', 3, 'no position', %s)", [f"ssn={CANARY}"])
    migrate.apply_migrations(url)
    with psycopg.connect(url) as connection:
        kept = connection.execute("SELECT * FROM geoserver.rejects").fetchall()
    assert kept == [("people", 3, "no position", {})]
