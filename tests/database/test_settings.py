"""Databases as others set them up: their settings, their encoding, PostGIS in a schema of its own, dumps restored."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from geoserver.app import create_app
from geoserver.catalog import read_catalog, read_layer
from geoserver.database.binaries import find_binaries
from geoserver.database.connecting import connect
from geoserver.database.migrate import apply_migrations
from geoserver.errors import SetupError
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# What a database or role may be set to; each of these changed or broke something once.
UNUSUAL = {
    "DateStyle": "German",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Kathmandu",
    "search_path": "nowhere",
    "standard_conforming_strings": "off",
    "bytea_output": "escape",
    "extra_float_digits": "-10",
    "client_encoding": "LATIN1",
    "array_nulls": "off",
    "row_security": "off",
    "quote_all_identifiers": "on",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "200",
    "lock_timeout": "200",
    "idle_in_transaction_session_timeout": "1",
    "idle_session_timeout": "700",
}
PLANTS = """
title = "Plants"
license = "CC0-1.0"
source = "data/plants.csv"
kind = "points"
key = "number"
time = "planted"
fields.number = { type = "integer" }
fields.name = { type = "text", filter = "choice" }
fields.planted = { type = "date", filter = "range" }
fields.height = { type = "number", filter = "range" }
[readings]
source = "data/readings.csv"
key = "number"
time = "seen_at"
[readings.fields.seen_at]
type = "timestamp"
[readings.fields.girth]
type = "number"
"""
COPY = """
title = "Copied plants"
license = "CC0-1.0"
source = "city.plants"
kind = "points"
time = "planted"
fields.name = { type = "text" }
fields.planted = { type = "date", filter = "choice" }
fields.seen_at = { type = "timestamp" }
fields.height = { type = "number" }
"""
TABLE = """
CREATE SCHEMA city;
CREATE TABLE city.plants AS
SELECT name, planted, seen_at, height::numeric, ST_Transform(geom, 32626)::geometry(Point, 32626) AS geom
  FROM layers.plants;
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return write_workspace(tmp_path)


def write_workspace(tmp_path: Path) -> Path:
    (tmp_path / "layers").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "layers" / "plants.toml").write_text(PLANTS, encoding="utf-8")
    (tmp_path / "layers" / "plants-copied.toml").write_text(COPY, encoding="utf-8")
    rows = [f"{n},Ähre {n % 3},2024-{1 + n % 12:02}-{1 + n % 28:02},{n / 7},{-28.6 - n / 1e4},45.2" for n in range(99)]
    (tmp_path / "data" / "plants.csv").write_text(
        "\n".join(["number,name,planted,height,lon,lat", *rows, ""]), encoding="utf-8"
    )
    (tmp_path / "data" / "readings.csv").write_text(
        "number,seen_at,girth\n5,2024-03-04T23:30:00Z,1.5\n5,2024-04-03T00:30:00+02:00,2.5\n", encoding="utf-8"
    )
    return tmp_path


@pytest.fixture
def make_empty(database_server: str, make_database: Callable[..., str]) -> Callable[..., str]:
    """A new database without anything of ours, with settings of its own and PostGIS in a schema of that name."""

    def make(*, settings: dict[str, str] | None = None, postgis: str | None = None) -> str:
        url = make_database()
        name = Identifier(str(conninfo_to_dict(url)["dbname"]))
        with psycopg.connect(url, autocommit=True) as connection:
            if postgis is not None:
                connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(postgis)))
                connection.execute(SQL("CREATE EXTENSION postgis SCHEMA {}").format(Identifier(postgis)))
        with psycopg.connect(database_server, autocommit=True) as connection:
            for setting, value in (settings or {}).items():
                connection.execute(
                    SQL("ALTER DATABASE {} SET {} = {}").format(name, Identifier(setting.lower()), Literal(value))
                )
        return url

    return make


def serve_plants(workspace: Path, url: str) -> dict[str, Any]:
    """Load both layers, one of them from a table, and give what every door says of them."""
    apply_migrations(url)
    load(read_layer(workspace / "layers" / "plants.toml"), url)
    with connect(url) as connection:
        connection.execute(TABLE)
    load(read_layer(workspace / "layers" / "plants-copied.toml"), url)
    app = create_app(Settings(workspace=workspace, database_url=None), url)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        ready = client.get("/readyz").json()
        assert ready["status"] == "ready", ready
        return {path: read_answer(client, path) for path in PATHS}


PATHS = (
    "/api/layers/plants",
    "/api/layers/plants/summary",
    "/api/layers/plants/summary?filter=planted=DATE('2024-06-06')",
    "/api/layers/plants/summary?datetime=2024-01-02/2024-02-01&filter=name='Ähre 1'",
    "/api/layers/plants/features/6",
    "/api/layers/plants/features/6/readings",
    "/api/layers/plants-copied",
    "/api/layers/plants-copied/features/7",
    "/ogc/collections/plants/items?limit=7&sortby=-planted",
    "/ogc/collections/plants-copied/items?datetime=2024-04-03&crs=http://www.opengis.net/def/crs/EPSG/0/32626",
    "/tiles/plants/9/215/184.mvt",
    "/tiles/plants/14/6890/5880.mvt?filter=planted>=DATE('2024-03-02')",
    "/tiles/plants-copied/14/6890/5880.mvt",
)


def read_answer(client: TestClient, path: str) -> Any:
    """The body, without the moments at which it was loaded and asked for."""
    answer = client.get(path)
    assert answer.status_code in (200, 204), f"{path}: {answer.text}"
    if "json" not in answer.headers.get("content-type", ""):
        return answer.content
    body = answer.json()
    return {name: value for name, value in body.items() if name not in ("updated", "version", "timeStamp")}


@pytest.fixture(scope="module")
def expected(make_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an ordinary database gives."""
    return serve_plants(write_workspace(tmp_path_factory.mktemp("ordinary")), make_database())


def test_an_ordinary_database_answers_with_every_row(expected: dict[str, Any]) -> None:
    assert expected["/api/layers/plants/summary"]["count"] == 99
    assert expected["/api/layers/plants/summary?filter=planted=DATE('2024-06-06')"]["count"] == 2
    assert [row["girth"] for row in expected["/api/layers/plants/features/6/readings"]["readings"]] == [1.5, 2.5]


@pytest.mark.parametrize("setting", ["DateStyle", "all of them"])
def test_settings_of_the_database_change_no_value(
    workspace: Path, make_empty: Callable[..., str], expected: dict[str, Any], setting: str
) -> None:
    settings = UNUSUAL if setting not in UNUSUAL else {setting: UNUSUAL[setting]}
    assert serve_plants(workspace, make_empty(settings=settings)) == expected


@pytest.mark.parametrize("schema", ["extensions", "Odd, näme"])
def test_postgis_may_live_in_any_schema(
    workspace: Path, make_empty: Callable[..., str], expected: dict[str, Any], schema: str
) -> None:
    assert serve_plants(workspace, make_empty(postgis=schema)) == expected


@pytest.mark.slow
def test_the_whole_sample_city_loads_beside_postgis_in_another_schema(
    make_empty: Callable[..., str], city_settings: Settings, city_database: str
) -> None:
    url = make_empty(postgis="extensions", settings=UNUSUAL)
    apply_migrations(url)
    loaded = {layer.id: load(layer, url) for layer in read_catalog(city_settings).layers.values() if layer.has_rows}
    with psycopg.connect(city_database) as connection:
        rows = connection.execute("SELECT id, rows, rejected, readings FROM geoserver.layers").fetchall()
    assert {(name, report.rows, report.rejected, report.readings) for name, report in loaded.items()} == set(rows)
    assert read_contents(url) == read_contents(city_database)


def read_contents(url: str) -> dict[str, str]:
    """A digest of every table in schema `layers`, what is packed and kept ready for tiles included."""
    with connect(url) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'layers'::regnamespace AND relkind = 'r'"
        ).fetchall()
        digest = SQL("SELECT md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {} AS t")
        found = {
            str(name): connection.execute(digest.format(Identifier("layers", name))).fetchone() for (name,) in names
        }
    return {name: str(row) for name, row in found.items()}


EDITS = SQL("""
UPDATE layers.plants SET planted = planted + 40 WHERE number % 5 = 0;
UPDATE layers.plants SET name = 'another' WHERE number IN (7, 8);
DELETE FROM layers.plants WHERE number > 90;
""")


@pytest.mark.parametrize("postgis", ["public", "extensions"])
def test_editors_may_have_settings_of_their_own(
    workspace: Path, make_empty: Callable[..., str], make_database: Callable[..., str], postgis: str
) -> None:
    """What follows from an edit is computed in the editor's session, and must not depend on what is set there."""
    text = PLANTS.replace('filter = "choice"', 'filter = "none"').replace(
        '"date", filter = "range"', '"date", filter = "choice"'
    )
    (workspace / "layers" / "plants.toml").write_text("features_from = 12\n" + text, encoding="utf-8")
    found = []
    for url, settings in (
        (make_database(), {}),
        (make_empty(postgis=postgis), {"search_path": "", "DateStyle": "SQL, DMY", "TimeZone": "America/New_York"}),
    ):
        apply_migrations(url)
        load(read_layer(workspace / "layers" / "plants.toml"), url)
        with psycopg.connect(url, autocommit=True) as connection:
            for setting, value in {"extra_float_digits": "-10", **settings}.items():
                connection.execute(SQL("SET {} = {}").format(Identifier(setting.lower()), Literal(value)))
            connection.execute(EDITS)
            facets = connection.execute("SELECT value, code FROM geoserver.facets ORDER BY 1").fetchall()
            bounds = connection.execute("SELECT rows, west, south, east, north FROM geoserver.layers").fetchall()
        found.append((read_contents(url), facets, bounds))
    assert found[0] == found[1]
    assert all(re.fullmatch(r"202\d-\d\d-\d\d", str(value)) for value, _ in found[1][1])


def test_every_trigger_of_ours_runs_with_our_settings(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        rows = connection.execute(
            "SELECT proname, coalesce(proconfig, '{}')::text FROM pg_proc"
            " WHERE pronamespace = 'geoserver'::regnamespace AND prorettype = 'trigger'::regtype"
        ).fetchall()
    assert rows
    for name, settings in rows:
        for setting in ("search_path", "DateStyle", "TimeZone", "standard_conforming_strings"):
            assert setting in settings, f"{name} depends on {setting} of whoever edits rows"


@pytest.mark.slow
def test_another_encoding_is_refused_in_one_sentence(database_server: str) -> None:
    with psycopg.connect(database_server, autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE test_ascii ENCODING SQL_ASCII TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        try:
            with pytest.raises(SetupError, match="encoding is SQL_ASCII, and UTF8 is needed"):
                apply_migrations(make_conninfo(database_server, dbname="test_ascii"))
        finally:
            connection.execute("DROP DATABASE test_ascii")


def test_letters_fold_the_same_whatever_the_locale_of_the_database(workspace: Path, database_server: str) -> None:
    """`C` knows no letters beyond ASCII."""
    asked = {
        "CASEI(name) = CASEI('ÄHRE 1')": 33,
        "CASEI(name) LIKE CASEI('äHRE%')": 99,
        "ACCENTI(CASEI(name)) = ACCENTI(CASEI('AHRE 2'))": 33,
        "CASEI('STRASSE ΟΔΟΣ') = CASEI('Straße οδος') AND CASEI('ẞ') = CASEI('ss') AND number = 5": 1,
    }
    with psycopg.connect(database_server, autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE test_plain TEMPLATE template0 ENCODING UTF8 LOCALE_PROVIDER libc LOCALE 'C'"
        )
        try:
            url = make_conninfo(database_server, dbname="test_plain")
            apply_migrations(url)
            load(read_layer(workspace / "layers" / "plants.toml"), url)
            with TestClient(
                create_app(Settings(workspace=workspace, database_url=None), url), "http://localhost"
            ) as client:
                for text, count in asked.items():
                    answer = client.get("/api/layers/plants/summary", params={"filter": text})
                    assert answer.json()["count"] == count, text
        finally:
            connection.execute("DROP DATABASE test_plain WITH (FORCE)")


@pytest.mark.slow
def test_a_dump_is_restored_into_another_database(
    workspace: Path, make_empty: Callable[..., str], make_database: Callable[..., str], tmp_path: Path
) -> None:
    """With rows near a pole, in another CRS: then generated columns are computed anew by functions of ours."""
    url, other = make_empty(postgis="extensions"), make_database()
    serve_plants(workspace, url)
    programs, dump = find_binaries().folder, tmp_path / "dump.sql"
    subprocess.run([programs / "pg_dump", "--file", dump, url], check=True)
    command = [programs / "psql", "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", dump, other]
    subprocess.run(command, check=True, capture_output=True)
    assert read_contents(other) == read_contents(url)
    assert apply_migrations(other) == []
