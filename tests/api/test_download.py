"""Rows of layers as files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pyogrio
import pytest

from geoserver.formats import read_formats

if TYPE_CHECKING:
    from pathlib import Path

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
    info = pyogrio.read_info(path, force_feature_count=True)
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
