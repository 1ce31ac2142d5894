"""Names of fields and layers: each works at every door or is refused with its key, and none made of them collides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.catalog import names, read_layer
from geoserver.database import migrate
from geoserver.errors import CatalogError
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

ROOT = Path(__file__).parent.parent
LAYER = """
title = "Test"
license = "CC0-1.0"
source = "{source}"
kind = "points"
features_from = 9
{more}
"""
# What SQL of ours calls something, and what PostgreSQL keeps for itself in some places.
ALIASES = {
    name
    for file in [*(ROOT / "geoserver").rglob("*.py"), *(ROOT / "tiles").glob("*.sql")]
    for name in re.findall(r"\bAS ([a-z_][a-z0-9_]*)\b", file.read_text(encoding="utf-8"))
}
WORDS = {
    "user",
    "order",
    "select",
    "table",
    "group",
    "default",
    "date",
    "timestamp",
    "interval",
    "point",
    "casei",
    "end",
}
CLASHING = ["code", "value", "features", "p", "t", "x", "slot", "r"]


def write(workspace: Path, layer: str, more: str, rows: str) -> Path:
    (workspace / "layers").mkdir(exist_ok=True)
    file = workspace / "layers" / f"{layer}.toml"
    file.write_text(LAYER.format(source=f"{layer}.csv", more=more), encoding="utf-8")
    (workspace / f"{layer}.csv").write_text(rows, encoding="utf-8")
    return file


def ask_everywhere(client: TestClient, layer: str, name: str, value: str) -> None:
    """Ask every door for all rows (3), and for those of one value (1) in both ways."""
    items, summary = f"/ogc/collections/{layer}/items", f"/api/layers/{layer}/summary"
    for path in (f"/api/layers/{layer}", f"/api/layers/{layer}/features/1", f"{items}?f=html&sortby={name}"):
        assert client.get(path).status_code == 200, (name, path)
    for params, expected in (({}, 3), ({name: value}, 1), ({"filter": f"{name} = '{value}'"}, 1)):
        given: dict[str, str] = params
        answer = client.get(summary, params=given)
        assert (answer.status_code, answer.json().get("count")) == (200, expected), (name, given, answer.text)
        page = client.get(items, params={"f": "json", **given})
        assert (page.status_code, page.json().get("numberMatched")) == (200, expected), (name, given, page.text)
        for tile in ("2/2/1", "12/2200/1343"):
            assert client.get(f"/tiles/{layer}/{tile}.mvt", params=given).status_code in (200, 204), (name, given, tile)


def run(workspace: Path, url: str) -> TestClient:
    app = create_app(Settings(workspace=workspace, database_url=None), url)
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


@pytest.mark.slow
def test_names_of_our_own_sql_and_words_of_sql_are_fields_like_any_other(tmp_path: Path, empty_database: str) -> None:
    fields = sorted(name for name in ALIASES | WORDS if not names.why_not(name))
    assert len(fields) > 50
    declared = "".join(f'[fields.{name}]\ntype = "text"\nfilter = "choice"\n' for name in fields)
    header = ",".join(["lon", "lat", *(f"v {name}" for name in fields)])
    declared = declared.replace('type = "text"', 'type = "text"\ncolumn = "v NAME"')
    for name in fields:
        declared = declared.replace("v NAME", f"v {name}", 1)
    rows = "".join(f"13.{number},52.5{f',{value}' * len(fields)}\n" for number, value in enumerate("abc"))
    load(read_layer(write(tmp_path, "all", declared, f"{header}\n{rows}")), empty_database)
    with run(tmp_path, empty_database) as client:
        for name in fields:
            answer = client.get("/api/layers/all/summary", params={name: "a"}).json()
            assert answer.get("count") == 1, (name, answer)
        ask_everywhere(client, "all", fields[0], "a")


@pytest.mark.parametrize("role", ["facet", "time"])
@pytest.mark.slow
def test_the_main_choice_and_the_time_may_have_names_of_our_own_sql(
    tmp_path: Path, empty_database: str, role: str
) -> None:
    values = ["a", "b", ""] if role == "facet" else ["2024-01-01", "2024-01-02", ""]
    kind = "text" if role == "facet" else "timestamp"
    rows = "lon,lat,v\n" + "".join(f"13.{number},52.5,{value}\n" for number, value in enumerate(values))
    for name in CLASHING:
        field = f'[fields.{name}]\ntype = "{kind}"\ncolumn = "v"\nfilter = "choice"\n'
        load(read_layer(write(tmp_path, f"by-{name}", f'{role} = "{name}"\n{field}', rows)), empty_database)
    with run(tmp_path, empty_database) as client:
        for name in CLASHING:
            ask_everywhere(client, f"by-{name}", name, values[0])
        with psycopg.connect(empty_database) as connection:
            for name in CLASHING:  # edits pack points anew, under the same names
                connection.execute(f"UPDATE layers.by_{name} SET {name} = NULL WHERE fid = 2".encode())


@pytest.mark.parametrize("name", sorted(names.SYSTEM | names.OWN | names.PARAMETERS | names.KEYWORDS))
def test_a_name_that_cannot_be_is_refused_with_its_key_and_what_to_say(tmp_path: Path, name: str) -> None:
    for table in ("fields", "readings.fields"):
        more = 'key = "k"\n[readings]\nsource = "r.csv"\nkey = "k"\ntime = "at"\n[readings.fields.at]\ntype = "date"\n'
        file = write(tmp_path, "test", f'{more}[{table}.{name}]\ntype = "text"\n', "")
        with pytest.raises(CatalogError, match=rf'{table}\.{name}: another name: .*; say column = "{name}"'):
            read_layer(file)


def test_every_system_column_and_every_column_of_ours_is_known(tmp_path: Path, empty_database: str) -> None:
    file = write(tmp_path, "test", 'key = "k"\n', "lon,lat,k\n13,52,a\n")
    file.write_text(
        file.read_text().replace('"points"', '"polygons"').replace("features_from = 9", "")
        + '[csv]\ngeometry = "WKT"\n'
    )
    (tmp_path / "test.csv").write_text('WKT,k\n"POLYGON((13 52,13.1 52,13.1 52.1,13 52))",a\n')
    load(read_layer(file), empty_database)
    with psycopg.connect(empty_database) as connection:
        query = (
            "SELECT attname, attnum < 0 FROM pg_attribute WHERE attrelid = 'layers.test'::regclass AND NOT attisdropped"
        )
        columns: dict[str, bool] = dict(connection.execute(query).fetchall())
    assert {name for name, system in columns.items() if system} == names.SYSTEM
    assert {name for name, system in columns.items() if not system} <= names.OWN


def test_every_parameter_of_requests_for_rows_is_known(city_app: FastAPI, client: TestClient) -> None:
    found: set[str] = set()
    for document in (city_app.openapi(), client.get("/ogc/openapi").json()):
        shared = document.get("components", {}).get("parameters", {})
        for path, operations in document["paths"].items():
            if not re.search(r"items$|summary$|\.mvt$", path):
                continue
            for parameter in operations.get("get", {}).get("parameters", []):
                given: dict[str, Any] = shared.get(parameter.get("$ref", "").rpartition("/")[2], parameter)
                if given.get("in") == "query":
                    found.add(given["name"])
    fields = {
        name
        for layer in client.get("/api/layers").json()["layers"]
        for name in [item["name"] for item in client.get(f"/api/layers/{layer['id']}").json()["fields"]]
    }
    possible = {name for name in found - fields if re.fullmatch(r"[a-z][a-z0-9_]*", name)}
    assert possible <= names.PARAMETERS


@pytest.mark.slow
def test_long_names_and_ids_that_run_into_each_other_stay_apart(tmp_path: Path, empty_database: str) -> None:
    stem = "a" * (names.LONGEST - 1)
    ids = ["trees", "trees-height", "trees-pkey", "trees-geom", "trees-key", "trees-0", "t" * 40]
    field = '[fields.{}]\ntype = "text"\nfilter = "choice"\ncolumn = "v"\n'
    more = 'key = "v"\n' + "".join(field.format(name) for name in ("height", "pkey", "pk", "x", f"{stem}1", f"{stem}2"))
    rows = "lon,lat,v,at\n" + "".join(f"13.{number},52.5,{value},2024-01-01\n" for number, value in enumerate("abc"))
    readings = '[readings]\nsource = "{0}.csv"\nkey = "v"\ntime = "at"\n[readings.fields.at]\ntype = "date"\n'
    for turn in range(2):
        for layer in ids:
            file = write(tmp_path, layer, more + readings.format(layer), rows)
            assert load(read_layer(file), empty_database, force=bool(turn)).rows == 3
    with psycopg.connect(empty_database) as connection:
        count = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'layers' AND tablename = %s"
        found = {layer: connection.execute(count, [layer.replace("-", "_")]).fetchone() for layer in ids}
    assert set(found.values()) == {(10,)}, "two of geometry, six of fields, the key and the id"
    with run(tmp_path, empty_database) as client:
        ask_everywhere(client, "trees-height", f"{stem}2", "a")
        ask_everywhere(client, "t" * 40, f"{stem}1", "a")


def test_a_name_too_long_for_what_is_made_of_it_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "test", f'[fields.{"a" * (names.LONGEST + 1)}]\ntype = "text"\n', "")
    with pytest.raises(CatalogError, match="a field name of at most 60 of a-z, 0-9 and _"):
        read_layer(file)


def make_long(length: int) -> str:
    """Letters that do not compress."""
    return "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(length))


def test_texts_longer_than_an_index_takes_are_choices_and_facets(tmp_path: Path, empty_database: str) -> None:
    long, other = make_long(8_000), "x" + make_long(8_000)
    field = '[fields.v]\ntype = "text"\nfilter = "choice"\n[fields.w]\ntype = "text"\ncolumn = "v"\nfilter = "range"\n'
    rows = f"lon,lat,v\n13.1,52.5,{long}\n13.2,52.5,{long}\n13.3,52.5,{other}\n13.4,52.5,a\n"
    load(read_layer(write(tmp_path, "test", f'facet = "v"\n{field}', rows)), empty_database)
    with run(tmp_path, empty_database) as client:
        choices = client.get("/api/layers/test").json()["fields"][0]["choices"]
        assert [(choice["value"], choice["count"]) for choice in choices] == [(long, 2), ("a", 1), (other, 1)]
        assert client.get("/api/layers/test/summary", params={"filter": "v = 'a'"}).json()["count"] == 1
        assert client.get("/tiles/test/2/2/1.mvt", params={"filter": "v = 'a'"}).status_code == 200
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE layers.test SET v = %s WHERE v = 'a'", ["y" + long])


def test_a_key_longer_than_an_index_takes_rejects_its_row_alone(tmp_path: Path, empty_database: str) -> None:
    rows = f"lon,lat,v\n13.1,52.5,{make_long(4_000)}\n13.2,52.5,{'a' * 1000}\n13.3,52.5,b\n"
    report = load(read_layer(write(tmp_path, "test", 'key = "v"\n', rows)), empty_database)
    assert (report.rows, report.reasons) == (2, {"key is longer than 1,000 bytes": 1})


def test_indexes_of_earlier_versions_make_room_for_tables(make_database: Callable[..., str]) -> None:
    url = make_database()
    with psycopg.connect(url, autocommit=True) as connection:
        before = [(name, text) for name, text in migrate.read_migrations() if name < "007"]
        connection.execute("CREATE SCHEMA geoserver")
        connection.execute(
            "CREATE TABLE geoserver.migrations (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
        )
        for name, text in before:
            connection.execute(text.encode())
            connection.execute("INSERT INTO geoserver.migrations (name) VALUES (%s)", [name])
        connection.execute("CREATE TABLE layers.trees (fid int PRIMARY KEY, height int)")
        connection.execute("CREATE INDEX trees_height ON layers.trees (height)")
        migrate.apply_migrations(url)
        connection.execute("CREATE TABLE layers.trees_height ()")
        connection.execute("CREATE TABLE layers.trees_pkey ()")
