"""The sample city: made again with the same bytes, true to what its page says, and plainly fictional."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import geopandas
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from shapely.geometry import shape

from geoserver.catalog import read_catalog, source_path
from geoserver.model import Layer
from geoserver.settings import Settings

SAMPLES = Path(__file__).parent.parent / "data-samples"
BOX = shapely.box(-28.75, 45.1, -28.45, 45.3)
BASEMAP = ["land", "water", "parks", "streets", "buildings", "places"]


@pytest.fixture(scope="module")
def layers() -> dict[str, Layer]:
    catalog = read_catalog(Settings(workspace=SAMPLES.parent, database_url=None, samples=True))
    assert catalog.problems == ()
    return dict(catalog.layers)


@pytest.fixture(scope="module")
def land() -> Any:
    frame = pyogrio.read_dataframe(SAMPLES / "base.gpkg", layer="land").to_crs("EPSG:32626")
    return frame[frame["class"] == "island"].geometry.union_all()


@pytest.fixture(scope="module")
def crime() -> list[dict[str, str]]:
    return _rows("crime.csv.gz")


def _rows(name: str, encoding: str = "utf-8", separator: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(_payload(SAMPLES / name).decode(encoding)), delimiter=separator))


def _payload(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@pytest.mark.slow
def test_making_the_city_again_gives_the_same_bytes(tmp_path: Path) -> None:
    made = json.loads((SAMPLES / "manifest.json").read_text(encoding="utf-8"))
    subprocess.run([sys.executable, "-W", "error", SAMPLES / "make.py", tmp_path], check=True, timeout=600)
    again = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    differing = {key for key, version in made["made_with"].items() if again["made_with"][key] != version}
    if differing - {"zlib"}:
        pytest.skip("the committed files were made with other versions of " + ", ".join(sorted(differing)))
    for name in made["files"]:
        committed, fresh = SAMPLES / name, tmp_path / name
        if differing and name.endswith((".gz", ".zip")):  # zlib packs differently from version to version
            unpack = _members if name.endswith(".zip") else _payload
            assert unpack(committed) == unpack(fresh), name
        else:
            assert committed.read_bytes() == fresh.read_bytes(), name


def test_the_manifest_names_every_file_with_its_digest() -> None:
    manifest = json.loads((SAMPLES / "manifest.json").read_text(encoding="utf-8"))
    data = {path.name for path in SAMPLES.iterdir() if path.is_file()} - {"make.py", "README.md", "manifest.json"}
    assert set(manifest["files"]) == data
    assert {name: entry["bytes"] for name, entry in manifest["files"].items()} == {
        name: (SAMPLES / name).stat().st_size for name in data
    }


def test_all_files_together_stay_under_15_megabytes() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 15_000_000


def test_every_layer_says_that_it_is_fictional(layers: dict[str, Layer]) -> None:
    for layer in layers.values():
        assert layer.attribution == "City of Antillia (fictional)", layer.id
        assert "fictional" in layer.description.lower(), layer.id
        assert layer.license == "CC-BY-4.0", layer.id


def test_files_that_can_carry_a_notice_do() -> None:
    notice = "Fictional"
    assert notice in (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert notice in (SAMPLES / "bike-paths.geojson").read_text(encoding="utf-8")[:400]
    assert notice in _members(SAMPLES / "districts.zip")["README.txt"].decode("cp1252")
    assert notice in pq.read_schema(SAMPLES / "trees.parquet").metadata[b"notice"].decode()
    for name in BASEMAP:
        assert notice in pyogrio.read_info(SAMPLES / "base.gpkg", layer=name)["layer_metadata"]["notice"]


def test_every_declared_field_is_in_its_source(layers: dict[str, Layer]) -> None:
    for layer in layers.values():
        columns = _columns(source_path(layer), layer)
        wanted = {item.source_column for item in layer.fields.values() if not item.latest}
        assert wanted | ({layer.key} if layer.key else set()) <= columns, layer.id
        if layer.readings:
            rows = _payload(source_path(layer, layer.readings.source)).decode(layer.readings.csv.encoding or "utf-8")
            header = set(rows.splitlines()[0].split(layer.readings.csv.separator or ","))
            assert {item.source_column for item in layer.readings.fields.values()} | {layer.readings.key} <= header


def _columns(path: Path, layer: Layer) -> set[str]:
    if ".csv" in path.suffixes:
        return set(
            _payload(path).decode(layer.csv.encoding or "utf-8").splitlines()[0].split(layer.csv.separator or ",")
        )
    if path.suffix == ".parquet":
        return set(pq.read_schema(path).names)
    return set(pyogrio.read_info(path, layer=layer.source_layer or None)["fields"])


def test_crime_has_60000_rows_over_five_years_in_nine_categories(crime: list[dict[str, str]]) -> None:
    assert len(crime) == 60_000
    assert len({row["category"] for row in crime}) == 9
    assert {"burglary", "theft"} <= {row["category"] for row in crime}
    times = [time for row in crime if (time := _date(row["reported_at"]))]
    assert {time.year for time in times} == {2021, 2022, 2023, 2024, 2025}
    assert all(time.tzinfo for time in times)


def test_crime_has_exactly_the_faults_that_its_page_lists(crime: list[dict[str, str]]) -> None:
    placed = [(float(row["lon"]), float(row["lat"])) for row in crime if row["lon"]]
    assert sum(not row["lon"] for row in crime) == 12
    assert sum((x, y) == (0, 0) for x, y in placed) == 3
    assert sum(x > 0 for x, y in placed) == 5
    assert sum(_date(row["reported_at"]) is None for row in crime) == 4
    assert len(crime) - len({row["incident"] for row in crime}) == 3


def test_crime_has_hot_spots_and_a_rhythm(crime: list[dict[str, str]]) -> None:
    burglaries = [time.month for row in crime if row["category"] == "burglary" and (time := _date(row["reported_at"]))]
    assert sum(month in (12, 1, 2) for month in burglaries) > 1.4 * sum(month in (6, 7, 8) for month in burglaries)
    assaults = [time.hour for row in crime if row["category"] == "assault" and (time := _date(row["reported_at"]))]
    assert sum(hour in (23, 0, 1, 2) for hour in assaults) > 3 * sum(hour in (9, 10, 11, 12) for hour in assaults)
    centre = sum(math.dist((float(row["lon"]), float(row["lat"])), (-28.6, 45.2)) < 0.02 for row in crime if row["lon"])
    assert centre > 30_000


@pytest.mark.slow
def test_trees_are_40000_points_on_land(land: Any) -> None:
    trees = geopandas.read_parquet(SAMPLES / "trees.parquet")
    assert len(trees) == 40_000
    assert trees["tree"].is_unique
    inland = shapely.contains(land.buffer(1), trees.to_crs("EPSG:32626").geometry.to_numpy())
    assert inland.all()


def test_bike_paths_sum_to_90_kilometres() -> None:
    data = json.loads((SAMPLES / "bike-paths.geojson").read_text(encoding="utf-8"))
    lines = geopandas.GeoSeries([shape(item["geometry"]) for item in data["features"]], crs="OGC:CRS84")
    assert round(lines.to_crs("EPSG:32626").length.sum()) == 90_000
    kinds = {item["properties"]["kind"] for item in data["features"]}
    assert kinds == {"track", "lane", "street", "greenway"}


def test_sewage_has_40_sites_with_two_years_of_weekly_readings() -> None:
    sites = {row["site"] for row in _rows("sewage-sites.csv")}
    readings = _rows("sewage-readings.csv.gz")
    assert len(sites) == 40
    assert {row["site"] for row in readings} == sites
    assert 40 * 104 * 0.95 < len(readings) < 40 * 104
    shown = [row for row in readings if row["influenza"] != "<5"]
    assert 0.2 < len(shown) / len(readings) < 0.9


def test_no_shown_marker_stands_for_fewer_than_five_persons() -> None:
    served = {row["site"]: int(row["population_served"]) for row in _rows("sewage-sites.csv")}
    for row in _rows("sewage-readings.csv.gz"):
        for marker in ("influenza", "sars_cov_2", "norovirus"):
            assert row[marker] == "<5" or float(row[marker]) * served[row["site"]] / 100_000 > 4.99


def test_air_quality_has_60_sensors_with_thirty_days_of_hours_and_gaps() -> None:
    sensors = _rows("air-sensors.csv", "cp1252", ";")
    readings = _rows("air-readings.csv.gz", separator=";")
    assert len(sensors) == 60
    assert 60 * 720 * 0.9 < len(readings) < 60 * 720 * 0.99
    assert len({row["measured_at"] for row in readings}) == 720
    assert all("." not in row["no2"] for row in readings)
    assert b"C\xf3digo" in (SAMPLES / "air-sensors.csv").read_bytes()


def test_districts_tile_the_land_in_utm_with_cp1252_names(land: Any) -> None:
    districts = pyogrio.read_dataframe(SAMPLES / "districts.zip")
    assert districts.crs.to_epsg() == 32626
    union = districts.geometry.union_all()
    assert union.symmetric_difference(land).area < 1e-4 * land.area
    assert abs(districts.area.sum() - union.area) < 1
    assert {"Ansessëli", "Jaÿsos", "Çyodne"} <= set(districts["NAME"])
    assert "Çyodne".encode("cp1252") in _members(SAMPLES / "districts.zip")["districts.dbf"]


def test_the_basemap_is_one_geopackage_of_six_layers_within_the_sea() -> None:
    assert [name for name, _ in pyogrio.list_layers(SAMPLES / "base.gpkg")] == BASEMAP
    for name in BASEMAP:
        frame = pyogrio.read_dataframe(SAMPLES / "base.gpkg", layer=name)
        assert frame.geometry.is_valid.all(), name
        assert frame.geometry.within(BOX).all(), name
    assert 6_000 <= pyogrio.read_info(SAMPLES / "base.gpkg", layer="buildings")["features"] <= 20_000


@pytest.mark.slow
def test_no_house_stands_in_the_water_or_in_the_sea(land: Any) -> None:
    houses = pyogrio.read_dataframe(SAMPLES / "base.gpkg", layer="buildings").to_crs("EPSG:32626")
    water = pyogrio.read_dataframe(SAMPLES / "base.gpkg", layer="water").to_crs("EPSG:32626").geometry.union_all()
    dry = land.difference(water).buffer(0.5)
    assert shapely.contains(dry, houses.geometry.to_numpy()).all()


def test_the_river_reaches_the_sea(land: Any) -> None:
    water = pyogrio.read_dataframe(SAMPLES / "base.gpkg", layer="water").to_crs("EPSG:32626")
    river = water[water["class"] == "river"].geometry.union_all()
    assert river.intersection(land.boundary.buffer(1)).area > 10
    lake = water[water["class"] == "lake"].geometry.union_all()
    assert river.distance(lake) < 1
