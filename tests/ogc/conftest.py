"""A small town made by hand, table by table, so that these tests need no loader and know every row."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import psycopg
import pytest
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LAMPS = 2_500
TOWN = (-28.60, 45.20)  # lon, lat of the first lamp

LAYER_FILES = {
    "lamps": """
        title = "Lamps <old & new>"
        description = "Street lamps."
        theme = "Streets"
        keywords = ["light"]
        license = "CC-BY-4.0"
        attribution = "Town of Lampedusa (made up)"
        source = "lamps.csv"
        kind = "points"
        time = "built"
        label = "kind"
        [fields.kind]
        title = "Kind"
        type = "text"
        filter = "choice"
        [fields.watts]
        title = "Power"
        description = "What it draws."
        type = "integer"
        unit = "W"
        filter = "range"
        [fields.height]
        title = "Height"
        type = "number"
        unit = "m"
        [fields.lit]
        title = "Lit"
        type = "boolean"
        [fields.built]
        title = "Built"
        type = "timestamp"
        filter = "range"
        [fields.checked]
        title = "Checked"
        type = "date"
        """,
    "zones": """
        title = "Zones"
        license = "CC0-1.0"
        source = "zones.gpkg"
        kind = "polygons"
        [fields.name]
        type = "text"
        [fields.feature]
        type = "integer"
        """,
    "buoys": """
        title = "Buoys"
        license = "LicenseRef-Harbour"
        source = "buoys.csv"
        kind = "points"
        [fields.name]
        type = "text"
        """,
    "empty": """
        title = "Nothing yet"
        license = "CC0-1.0"
        source = "empty.csv"
        kind = "points"
        [fields.name]
        type = "text"
        """,
    "unloaded": """
        title = "Not loaded"
        license = "CC0-1.0"
        source = "unloaded.csv"
        kind = "points"
        """,
}

TABLES = f"""
    CREATE TABLE layers.lamps (
        fid bigint PRIMARY KEY, kind text, watts bigint, height double precision, lit boolean, built timestamptz,
        checked date, geom geometry(Point, 4326),
        geom_3857 geometry(Point, 3857) GENERATED ALWAYS AS (ST_Transform(geom, 3857)) STORED);
    INSERT INTO layers.lamps (fid, kind, watts, height, lit, built, checked, geom)
        SELECT n * 3,
            (ARRAY['gas', 'oil <1900', 'led & "smart"', 'sodium'])[1 + n % 4],
            CASE WHEN n % 7 = 0 THEN NULL ELSE 10 * (n % 13) END,
            CASE WHEN n % 11 = 0 THEN NULL ELSE 3 + (n % 5) / 4.0 END,
            n % 3 = 0,
            timestamptz '2020-01-01 00:00:00Z' + n * interval '6 hours',
            date '2024-01-01' + n % 366,
            ST_SetSRID(ST_MakePoint({TOWN[0]} + (n % 50) * 0.001, {TOWN[1]} + (n / 50) * 0.001), 4326)
        FROM generate_series(0, {LAMPS - 1}) AS n;
    CREATE INDEX ON layers.lamps USING gist (geom);
    CREATE INDEX ON layers.lamps USING gist (geom_3857);

    CREATE TABLE layers.zones (
        fid bigint PRIMARY KEY, name text, feature bigint, geom geometry(MultiPolygon, 32626),
        geom_3857 geometry(MultiPolygon, 3857) GENERATED ALWAYS AS (ST_Transform(geom, 3857)) STORED);
    INSERT INTO layers.zones (fid, name, feature, geom)
        SELECT n, 'zone ' || n, 12 - n,
            ST_Multi(ST_MakeEnvelope(374000 + n * 1000, 5006000, 375000 + n * 1000, 5007000, 32626))
        FROM generate_series(1, 4) AS n;

    CREATE TABLE layers.buoys (
        fid bigint PRIMARY KEY, name text, geom geometry(Point, 4326),
        geom_3857 geometry(Point, 3857) GENERATED ALWAYS AS (ST_Transform(geom, 3857)) STORED);
    INSERT INTO layers.buoys (fid, name, geom)
        SELECT n, 'buoy ' || n, ST_SetSRID(ST_MakePoint(lon, 10), 4326)
        FROM unnest(ARRAY[178.0, 179.5, -179.5, -178.0, 0.0]) WITH ORDINALITY AS t(lon, n);

    CREATE TABLE layers.empty (
        fid bigint PRIMARY KEY, name text, geom geometry(Point, 4326),
        geom_3857 geometry(Point, 3857) GENERATED ALWAYS AS (ST_Transform(geom, 3857)) STORED);
    """

RECORD = """
    INSERT INTO geoserver.layers
        (id, version, rows, rejected, readings, west, south, east, north, srid, geometry_type, source, fingerprint)
    SELECT '{0}', 1, n, 0, 0, ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e), {1}, '{2}', '', ''
    FROM (
        SELECT ST_Transform(ST_SetSRID(ST_Extent(geom)::geometry, {1}), 4326) AS e, count(*) AS n FROM layers.{0}
    ) AS x
    """


@pytest.fixture(scope="session")
def town_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    workspace = tmp_path_factory.mktemp("town")
    write_layer_files(workspace)
    return Settings(workspace=workspace, database_url=None, statement_timeout=20)


@pytest.fixture(scope="session")
def town_database(make_database: Callable[..., str], empty_template: str) -> str:
    url = make_database(template=empty_template)
    fill_database(url)
    return url


@pytest.fixture(scope="session")
def town(town_settings: Settings, town_database: str) -> Iterator[TestClient]:
    """The real app over the town, called in process; errors come back as responses."""
    app = create_app(town_settings, town_database)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def asked() -> list[str]:
    """Queries of the requests that the server behind `town_url` has seen."""
    return []


@pytest.fixture(scope="session")
def town_url(town_settings: Settings, town_database: str, serve: Callable[..., Any], asked: list[str]) -> Iterator[str]:
    """Address of the API of a real server over the town, for GDAL."""
    app = create_app(town_settings, town_database)

    async def note(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            asked.append(unquote_plus(scope["query_string"].decode()))
        await app(scope, receive, send)

    note.state = app.state  # the server asks it for the tiles in memory
    with serve(note, town_database) as running:
        yield f"{running.url}/ogc"


@pytest.fixture(scope="session")
def make_town() -> Callable[[Path, str], None]:
    """`make_town(workspace, database_url)` writes the layer files and the tables of a town."""

    def make(workspace: Path, url: str) -> None:
        write_layer_files(workspace)
        fill_database(url)

    return make


def write_layer_files(workspace: Path) -> None:
    folder = workspace / "layers"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in LAYER_FILES.items():
        (folder / f"{name}.toml").write_text(textwrap.dedent(text), encoding="utf-8")


def fill_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES)
        for name, srid, kind in (
            ("lamps", 4326, "POINT"),
            ("zones", 32626, "MULTIPOLYGON"),
            ("buoys", 4326, "POINT"),
            ("empty", 4326, "POINT"),
        ):
            connection.execute(RECORD.format(name, srid, kind))
