"""Rows of layers as files."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast
from xml.etree import ElementTree as ET

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pyogrio
import pytest
import python_calamine as calamine

from geoserver.formats import read_formats

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

WIDE = "filter=category='burglary' AND reported_at < TIMESTAMP('2022-01-01T00:00:00Z')"


def count(client: TestClient, layer: str, query: str) -> int:
    return int(client.get(f"/api/layers/{layer}/summary?{query}").json()["count"])


def test_csv_has_a_header_and_a_line_for_each_row(client: TestClient) -> None:
    answer = client.get(f"/download/crime.csv?{WIDE}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="crime.csv"'
    lines = answer.text.splitlines()
    assert lines[0] == "fid,incident,category,reported_at,district,outcome,lon,lat"
    assert len(lines) - 1 == count(client, "crime", WIDE) > 0
    assert all(",burglary," in line for line in lines[1:])


def test_geojson_says_how_many_rows_it_has(client: TestClient) -> None:
    answer = client.get(f"/download/crime.geojson?{WIDE}")
    document = answer.json()
    assert len(document["features"]) == document["numberReturned"] == count(client, "crime", WIDE)
    assert document["about"]["license"] == "CC-BY-4.0"


def test_geojson_of_nothing_is_a_collection_of_nothing(client: TestClient) -> None:
    document = client.get("/download/crime.geojson?category=nothing").json()
    assert (document["features"], document["numberReturned"]) == ([], 0)


@pytest.mark.parametrize("name", ["geojson", "geojsonl", "gpkg", "fgb"])
def test_gdal_reads_as_many_rows_as_the_filter_leaves(client: TestClient, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"crime.{name}"
    path.write_bytes(client.get(f"/download/crime.{name}?{WIDE}").content)
    info = pyogrio.read_info(path, layer="crime" if name == "gpkg" else None, force_feature_count=True)
    assert info["features"] == count(client, "crime", WIDE)


def test_pyarrow_reads_as_many_rows_as_the_filter_leaves(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "crime.parquet"
    path.write_bytes(client.get(f"/download/crime.parquet?{WIDE}").content)
    table = pq.read_table(path)
    assert table.num_rows == count(client, "crime", WIDE)
    assert json.loads(table.schema.metadata[b"geo"])["primary_column"] == "geometry"


@pytest.mark.parametrize("name", list(read_formats()))
def test_head_says_what_get_does_and_makes_nothing(client: TestClient, name: str) -> None:
    answer = client.head(f"/download/crime.{name}")
    if answer.status_code == 404:
        return
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["etag"]
    assert client.get(f"/download/crime.{name}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_a_geopackage_carries_its_style_its_words_and_its_readme(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "crime.gpkg"
    path.write_bytes(client.get(f"/download/crime.gpkg?{WIDE}").content)
    with closing(sqlite3.connect(path)) as file:
        ((table, geometry, style),) = file.execute(
            "SELECT f_table_name, f_geometry_column, styleQML FROM layer_styles WHERE useAsDefault"
        ).fetchall()
        titles = dict(file.execute("SELECT column_name, title FROM gpkg_data_columns").fetchall())
        labels = file.execute("SELECT value, description FROM gpkg_data_column_constraints").fetchall()
        ((readme,),) = file.execute("SELECT metadata FROM gpkg_metadata").fetchall()
        ((count,),) = file.execute("SELECT count(*) FROM crime").fetchall()
        places = file.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchall()
    assert places == [(table, geometry)]  # by which QGIS finds the style of what it opens
    rules = ET.fromstring(style.partition("\n")[2]).findall(".//rule")
    assert ("Burglary", "\"category\" = 'burglary'") in [(rule.get("label"), rule.get("filter")) for rule in rules]
    assert titles["reported_at"] == "Reported"
    assert ("burglary", "Burglary") in labels
    assert f"Rows: {count:,}\n" in readme
    assert "CC-BY-4.0" in readme


def test_the_same_rows_make_the_same_geopackage(client: TestClient) -> None:
    first, second = (client.get("/download/districts.gpkg").content for _ in range(2))
    assert first == second


def test_a_workbook_has_a_sheet_of_rows_and_one_of_words(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "crime.xlsx"
    path.write_bytes(client.get(f"/download/crime.xlsx?{WIDE}&lang=fr").content)
    book = calamine.load_workbook(str(path))
    assert book.sheet_names == ["Criminalité signalée", "README"]
    rows = book.get_sheet_by_index(0).to_python()
    assert rows[0] == ["fid", "incident", "category", "reported_at", "district", "outcome", "lon", "lat"]
    assert len(rows) - 1 == count(client, "crime", WIDE)
    told = [row[0] for row in book.get_sheet_by_name("README").to_python()]
    assert "reported_at: Signalé, timestamp. Moment du signalement, en UTC." in told


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_readings_come_with_the_key_of_their_feature(client: TestClient, tmp_path: Path, name: str) -> None:
    def read(query: str) -> pa.Table:
        answer = client.get(f"/download/air-quality.readings.{name}?{query}")
        assert answer.status_code == 200, answer.text
        path = tmp_path / f"readings.{name}"
        path.write_bytes(answer.content)
        return pa_csv.read_csv(path) if name == "csv" else pq.read_table(path)

    entry = client.get("/api/layers/air-quality").json()
    names = [item["name"] for item in entry["readings"]["fields"]]
    table = read("")
    assert table.column_names == ["fid", "sensor", *names]
    fid, sensor, moment = (table.column(at)[table.num_rows // 2].as_py() for at in range(3))
    readings = client.get(f"/api/layers/air-quality/features/{fid}/readings?limit=10000").json()["readings"]
    day = f"{moment:%Y-%m-%d}"
    of_sensor = read(f"sensor={sensor}&datetime={day}/{day}")
    expected = [one for one in readings if str(one["measured_at"]).startswith(day)]
    assert of_sensor.num_rows == len(expected) > 0
    assert set(of_sensor.column("sensor").to_pylist()) == {sensor}


def test_what_is_asked_wrongly_is_told_as_everywhere(client: TestClient) -> None:
    for query, parameter in (
        ("fields=nothing", "fields"),
        ("sort=nothing", "sort"),
        ("sort=category,category", "sort"),
        ("crs=EPSG:1", "crs"),
        ("crs=banana", "crs"),
        ("filter=nothing=1", "filter"),
        ("bbox=1", "bbox"),
        ("nothing=1", "nothing"),
        ("filter=category='a'&filter=category='b'", "filter"),
    ):
        answer = client.get(f"/download/crime.csv?{query}")
        assert (answer.status_code, answer.json()["parameter"]) == (400, parameter), query
    assert client.get("/download/crime.geojson?crs=EPSG:3857").json()["parameter"] == "crs"
    for address in (
        "crime.nothing",
        "nothing.csv",
        "crime.readings.csv",
        "crime.readings.gpkg",
        "districts.gpx",
        "crime.",
    ):
        assert client.get(f"/download/{address}").status_code == 404, address


def test_rows_come_sorted_in_the_crs_and_with_the_fields_that_are_asked_for(client: TestClient) -> None:
    text = client.get(f"/download/crime.csv?{WIDE}&fields=district,category&sort=-district&crs=EPSG:3857").text
    header, *rows = csv.reader(text.splitlines())
    assert header == ["fid", "district", "category", "x", "y"]
    districts = [row[1] for row in rows if row[1]]
    assert districts == sorted(districts, reverse=True)
    assert all(abs(float(row[3])) > 1_000_000 for row in rows)


def test_downloads_of_a_layer_are_listed_with_what_they_cannot_hold(client: TestClient) -> None:
    listed = client.get("/api/layers/districts").json()["downloads"]
    assert [item["format"] for item in listed][:3] == ["csv", "xlsx", "geojson"]
    assert "gpx" not in [item["format"] for item in listed]
    for item in listed:
        answer = client.get(item["href"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == item["media_type"]
        if item["bytes"] > 10_000:
            assert len(answer.content) / 4 < item["bytes"] < len(answer.content) * 4, item["format"]


@pytest.mark.parametrize("name", ["csv", "xlsx", "geojson", "gpkg", "shp.zip", "kml", "gpx", "fgb", "parquet"])
def test_a_file_of_nothing_is_a_file(client: TestClient, tmp_path: Path, name: str) -> None:
    answer = client.get(f"/download/crime.{name}?category=nothing")
    assert answer.status_code == 200
    path = tmp_path / f"crime.{name}"
    path.write_bytes(answer.content)
    if name in ("gpkg", "fgb", "gpx", "kml", "geojson"):
        layers = [str(layer) for layer, _ in pyogrio.list_layers(path)]
        assert all(
            pyogrio.read_info(path, layer=layer, force_feature_count=True)["features"] == 0
            for layer in layers
            if layer != "layer_styles"
        )
    else:
        assert len(answer.content) > 20


def test_a_layer_tells_its_crs_and_which_formats_take_another_one(client: TestClient) -> None:
    detail = client.get("/api/layers/crime").json()
    assert detail["crs"] == "EPSG:4326"
    for item in detail["downloads"]:
        status = client.head(f"{item['href']}?{WIDE}&crs=EPSG:3857").status_code
        assert (status == 400) is item["lonlat"], item["format"]


def test_head_says_what_get_would_without_a_place_and_without_a_length(client: TestClient) -> None:
    slots = cast("FastAPI", client.app).state.slots
    answer = client.head("/download/crime.csv")
    assert (answer.status_code, slots.taken) == (200, 0)
    assert "content-length" not in answer.headers
    for _ in range(5):
        slots.take("testclient")
    try:
        assert [client.head("/download/crime.csv").status_code, client.get("/download/crime.csv").status_code] == [
            429
        ] * 2
        assert client.head("/download/crime.csv").headers["retry-after"] == "10"
        assert slots.taken == 5
    finally:
        for _ in range(5):
            slots.give_back("testclient")


def test_the_lines_of_the_documentation_give_files(client: TestClient) -> None:
    text = (Path(__file__).parents[2] / "docs" / "downloads.md").read_text(encoding="utf-8")
    addresses = re.findall(r"curl .*'http://127.0.0.1:8000(/download/.*)'", text)
    assert len(addresses) > 1
    assert [(line, client.head(line).status_code) for line in addresses] == [(line, 200) for line in addresses]


def test_booleans_of_kml_are_digits_that_every_program_reads(client: TestClient) -> None:
    values = re.findall(r'<SimpleData name="lit">([^<]*)<', client.get("/download/bike-paths.kml").text)
    assert set(values) == {"0", "1"}
