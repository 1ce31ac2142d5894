"""Maps that are frozen: what is kept of them is what SQL says, and agrees with itself."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from mapbox_vector_tile import decode
from pmtiles.reader import MmapSource, Reader, all_tiles

from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BURGLARIES = "?layers=crime&filter.crime=category = 'burglary'&time=2024-01-01/2024-03-01&map=12/45.2/-28.6"
SQL = (
    "SELECT fid FROM layers.crime WHERE category = 'burglary' AND reported_at >= '2024-01-01T00:00:00Z'"
    " AND reported_at < '2024-03-02T00:00:00Z'"
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frozen")


@pytest.fixture(scope="module")
def anyone(workspace: Path, city_database: str) -> Iterator[TestClient]:
    """A server that freezes for everybody."""
    app = create_app(Settings(workspace=workspace, database_url=None, samples=True, freeze="anyone"), city_database)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as running:
        yield running


def freeze(client: TestClient, link: str, title: str = "", **headers: str) -> dict[str, Any]:
    """Freeze, and wait until that is done; gives the last status."""
    answer = client.post("/frozen", json={"link": link, "title": title}, headers=headers)
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    deadline = time.monotonic() + 120
    while told["state"] not in ("done", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        told = client.get(f"/frozen/{told['id']}/status.json", headers=headers).json()
    return told


@pytest.fixture(scope="module")
def frozen(anyone: TestClient) -> str:
    told = freeze(anyone, BURGLARIES, "Burglaries of a winter")
    assert told["state"] == "done", told
    return str(told["id"])


@pytest.fixture(scope="module")
def folder(workspace: Path, frozen: str) -> Path:
    return workspace / ".geoserver" / "frozen" / "kept" / frozen / "public"


@pytest.fixture(scope="module")
def manifest(anyone: TestClient, frozen: str) -> dict[str, Any]:
    found: dict[str, Any] = anyone.get(f"/frozen/{frozen}/manifest.json").json()
    return found


def read_fids(folder: Path, layer: str, zoom: int) -> set[int]:
    """Ids of a layer's features in all tiles of a zoom."""
    found = set()
    with (folder / "data" / "tiles.pmtiles").open("rb") as file:
        for (z, _, _), body in all_tiles(MmapSource(file)):
            if z == zoom:
                tile = decode(gzip.decompress(body))
                found |= {feature["id"] for feature in tile.get(layer, {"features": []})["features"]}
    return found


def test_rows_counts_and_tiles_are_those_that_sql_finds(
    folder: Path, manifest: dict[str, Any], city_database: str
) -> None:
    with psycopg.connect(city_database) as connection:
        expected = {row[0] for row in connection.execute(SQL)}
    assert len(expected) > 50
    rows = pq.read_table(folder / manifest["rows"]["crime"]["file"])
    assert set(rows["fid"].to_pylist()) == expected
    assert manifest["rows"]["crime"]["count"] == len(expected)
    for zoom in (0, 9, manifest["tilejson"]["crime"]["maxzoom"]):
        assert read_fids(folder, "crime", zoom) == expected
    for told in manifest["languages"].values():
        assert told["layers"][0]["count"] == told["details"]["crime"]["count"] == len(expected)
        fields = {field["name"]: field for field in told["details"]["crime"]["fields"]}
        assert [(choice["value"], choice["count"]) for choice in fields["category"]["choices"]] == [
            ("burglary", len(expected))
        ]
        assert fields["reported_at"]["min"] >= "2024-01-01"
        assert fields["reported_at"]["max"] < "2024-03-02"


def test_rows_are_geoparquet_that_small_readers_in_browsers_can_read(folder: Path, manifest: dict[str, Any]) -> None:
    file = pq.ParquetFile(folder / manifest["rows"]["crime"]["file"])
    names = ["fid", *(field["name"] for field in manifest["languages"]["en"]["details"]["crime"]["fields"]), "geometry"]
    assert file.schema_arrow.names == names
    assert {file.metadata.row_group(0).column(at).compression for at in range(len(names))} == {"SNAPPY"}
    assert json.loads(file.schema_arrow.metadata[b"geo"])["columns"]["geometry"]["geometry_types"] == ["Point"]
    assert str(file.schema_arrow.field("reported_at").type) == "timestamp[us, tz=UTC]"


def test_every_layer_of_a_style_is_in_the_archive_and_every_address_in_the_folder(
    folder: Path, manifest: dict[str, Any]
) -> None:
    with (folder / "data" / "tiles.pmtiles").open("rb") as file:
        reader = Reader(MmapSource(file))
        assert reader.header()["min_zoom"] == 0
        drawn = {name for _, body in all_tiles(MmapSource(file)) for name in decode(gzip.decompress(body))}
    assert {"crime", "land", "streets", "places", "buildings", "world:land", "world:graticule"} <= drawn
    for style in manifest["styles"].values():
        told = json.dumps(style)
        assert "http://127.0.0.1" not in told
        assert {address for source in style["sources"].values() for address in source["tiles"]} == {
            "pmtiles://data/tiles.pmtiles/{z}/{x}/{y}"
        }
        known = {layer.get("source-layer") for layer in style["layers"]} - {None, "crime:bins"}
        assert known <= drawn | {"parks", "water"}


def test_the_same_map_of_the_same_rows_is_frozen_once(anyone: TestClient, frozen: str) -> None:
    assert freeze(anyone, f"http://elsewhere.test/{BURGLARIES}", "Burglaries of a winter")["id"] == frozen
    assert freeze(anyone, BURGLARIES, "Another title")["id"] != frozen
