"""Layers that are awkward to keep: far times, no places, all kinds of shapes, no rows, other systems of coordinates."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import geopandas
import psycopg
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from fastapi.testclient import TestClient
from frozen_maps import freeze, wait_until_made
from mapbox_vector_tile import decode
from pmtiles.reader import MmapSource, Reader, all_tiles

from geoserver.app import create_app
from geoserver.catalog import read_layer
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LAYER = """
title = {title}
license = "CC0-1.0"
source = "data/{file}"
kind = "{kind}"
{more}
fields.name = {{ title = "Name", type = "text", filter = "choice" }}
"""
ODD = "O'Brien & “Söhne” <b>100 %</b> {x} \\u202e"
TIMES = """time = "day"
fields.day = { title = "Day", type = "timestamp", filter = "range" }"""
SHAPES = {
    "roads": ("lines", "EPSG:25832", "LINESTRING ({0} 5700000, {0} 5700200)", 500_000),
    "plots": ("polygons", "EPSG:3035", "POLYGON (({0} 3100000, {0} 3100015, {1} 3100009, {0} 3100000))", 4_000_000),
    "marks": ("points", "EPSG:27700", "POINT ({0} 300000)", 400_000),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("awkward")
    for name in ("layers", "data"):
        (root / name).mkdir()
    return root


@pytest.fixture(scope="module")
def awkward(places: Path, make_database: Callable[..., str], empty_template: str) -> Iterator[TestClient]:
    """A server of these layers alone, without a basemap."""
    url = make_database(template=empty_template)
    for name, (kind, crs, shape, first) in SHAPES.items():
        texts = [shape.format(first + 20 * number, first + 20 * number + 15) for number in range(90)]
        names = [f"n{number % 3}" for number in range(len(texts))]
        file = places / "data" / f"{name}.gpkg"
        pyogrio.write_dataframe(_frame(texts, names, crs), file)
        write(places, name, f"{name}.gpkg", kind)
    write(places, "far", "far.csv", more=TIMES)
    rows = ["0001-01-01T00:00:00Z,a,5,50", "9999-12-31T23:59:59Z,b,5.001,50", ",c,5.002,50.001", "2024-02-29,d,,"]
    (places / "data" / "far.csv").write_text("day,name,lon,lat\n" + "\n".join(rows), encoding="utf-8")
    write(places, "odd", "odd.csv", title=ODD)
    (places / "data" / "odd.csv").write_text(f'name,lon,lat\n"{ODD}",5,50\n\n"",5.1,50.1\n', encoding="utf-8")
    for file in sorted((places / "layers").iterdir()):
        load(read_layer(file), url)
    with psycopg.connect(url) as connection:  # an edit by hand, of before such were refused
        connection.execute('ALTER TABLE layers.odd DROP CONSTRAINT "geom has finite coordinates"')
        connection.execute(
            "UPDATE layers.odd SET geom = 'SRID=4326;POINT EMPTY' WHERE fid = (SELECT max(fid) FROM layers.odd)"
        )
    app = create_app(Settings(workspace=places, database_url=None, freeze="anyone"), url)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.url = url  # type: ignore[attr-defined]
        yield client


def _frame(texts: list[str], names: list[str], crs: str) -> Any:
    return geopandas.GeoDataFrame({"name": names}, geometry=shapely.from_wkt(texts), crs=crs)


def write(root: Path, name: str, file: str, kind: str = "points", *, title: str = "", more: str = "") -> None:
    text = LAYER.format(title=json.dumps(title or name), file=file, kind=kind, more=more)
    (root / "layers" / f"{name}.toml").write_text(text, encoding="utf-8")


def open_frozen(places: Path, told: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    assert told["state"] == "done", told
    folder = places / ".geoserver" / "frozen" / "kept" / told["id"] / "public"
    return folder, json.loads((folder / "manifest.json").read_bytes())


def read_deepest(folder: Path, layer: str, zoom: int) -> set[int]:
    found: set[int] = set()
    with (folder / "data" / "tiles.pmtiles").open("rb") as file:
        for (z, _, _), body in all_tiles(MmapSource(file)):
            if z == zoom:
                found |= {item["id"] for item in decode(gzip.decompress(body)).get(layer, {"features": []})["features"]}
    return found


@pytest.mark.parametrize("link", ["roads", "plots", "marks", "roads,plots,marks", "far", "odd"])
@pytest.mark.slow
def test_every_row_with_a_place_is_in_the_tiles_and_in_the_file_of_rows(
    awkward: TestClient, places: Path, link: str
) -> None:
    folder, manifest = open_frozen(places, freeze(awkward, f"?layers={link}"))
    for name in link.split(","):
        rows = pq.read_table(folder / manifest["rows"][name]["file"])
        shapes = shapely.from_wkb(rows["geometry"].to_pylist())
        placed = {
            fid for fid, shape in zip(rows["fid"].to_pylist(), shapes, strict=True) if shape and not shape.is_empty
        }
        assert len(rows) == manifest["rows"][name]["count"] > 0
        assert read_deepest(folder, name, manifest["tilejson"][name]["maxzoom"]) == placed
        west, south, east, north = manifest["languages"]["en"]["layers"][0]["bounds"]
        assert -12 < west <= east < 15
        assert 45 < south <= north < 60
    zipped = awkward.get(f"/frozen/{manifest['id']}.zip")
    assert zipped.status_code == 200


def test_times_of_the_first_and_the_last_year_are_kept(awkward: TestClient, places: Path) -> None:
    folder, manifest = open_frozen(places, freeze(awkward, "?layers=far"))
    days = pq.read_table(folder / "data" / "far.parquet")["day"].cast("int64").to_pylist()  # microseconds
    assert sorted(day // 86_400_000_000 for day in days if day is not None) == [-719_162, 2_932_896]
    fields = {field["name"]: field for field in manifest["languages"]["en"]["details"]["far"]["fields"]}
    assert fields["day"]["min"].startswith("0001-01-01")
    assert fields["day"]["max"].startswith("9999-12-31")


@pytest.mark.parametrize("question", ["name = 'nothing'", "name IS NULL AND name = 'a'"])
def test_a_map_that_shows_nothing_is_kept_as_one_that_shows_nothing(
    awkward: TestClient, places: Path, question: str
) -> None:
    folder, manifest = open_frozen(places, freeze(awkward, f"?layers=marks&filter.marks={question}"))
    assert manifest["rows"]["marks"]["count"] == 0
    assert pq.read_table(folder / "data" / "marks.parquet").num_rows == 0
    assert manifest["languages"]["en"]["layers"][0]["count"] == 0
    with (folder / "data" / "tiles.pmtiles").open("rb") as file:
        assert Reader(MmapSource(file)).header()["version"] == 3
    assert awkward.get(f"/frozen/{manifest['id']}/").status_code == 200
    assert awkward.get(f"/frozen/{manifest['id']}.zip").status_code == 200


def test_odd_names_are_letters_and_no_markup(awkward: TestClient, places: Path) -> None:
    folder, manifest = open_frozen(places, freeze(awkward, "?layers=odd", ODD))
    assert ODD in pq.read_table(folder / "data" / "odd.parquet")["name"].to_pylist()
    page = awkward.get(f"/frozen/{manifest['id']}/").text
    assert "<b>100" not in page
    assert "O&#x27;Brien &amp; “Söhne” &lt;b&gt;100 %" in page


def test_a_load_in_the_middle_changes_nothing_of_what_is_frozen(awkward: TestClient, places: Path) -> None:
    told = awkward.post("/frozen", json={"link": "?layers=plots,roads", "title": "Before the load"}).json()
    load(read_layer(places / "layers" / "roads.toml"), awkward.url)  # type: ignore[attr-defined]
    told = wait_until_made(awkward, told)
    if told["state"] == "failed":  # the load was first
        assert "once more" in told["error"] or "again" in told["error"], told
        told = freeze(awkward, "?layers=plots,roads", "Before the load")
    _, manifest = open_frozen(places, told)
    assert {name: rows["count"] for name, rows in manifest["rows"].items()} == {"plots": 90, "roads": 90}
