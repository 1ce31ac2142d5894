"""A file has as many rows as SQL, OGC items and the summary count, whatever the filter and the format."""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import psycopg
import pyarrow.parquet as pq
import pyogrio
import pytest
import python_calamine as calamine

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi.testclient import TestClient

LAYERS = ("crime", "trees", "districts", "bike-paths")


def write_filter(layer: dict[str, Any], chance: random.Random) -> tuple[dict[str, str], str]:
    """A question to a layer, and the same in SQL."""
    parts, conditions = [], []
    for item in chance.sample(layer["fields"], min(len(layer["fields"]), chance.randint(1, 3))):
        name = item["name"]
        if item.get("choices"):
            values = chance.sample([one["value"] for one in item["choices"]], min(2, len(item["choices"])))
            listed = ", ".join("'" + str(value).replace("'", "''") + "'" for value in values if value is not None)
            if item["type"] != "text" or not listed:
                continue
            parts.append(f"{name} IN ({listed})")
            conditions.append(f"{name} IN ({listed})")
        elif item["type"] in ("integer", "number") and item.get("min") is not None:
            limit = item["min"] + (item["max"] - item["min"]) * chance.random()
            parts.append(f"{name} < {limit:.6f}")
            conditions.append(f"{name} < {limit:.6f}")
        else:
            parts.append(f"{name} IS NOT NULL")
            conditions.append(f"{name} IS NOT NULL")
    join = chance.choice((" AND ", " OR "))
    query = {"filter": join.join(parts)} if parts else {}
    where = [f"({join.join(conditions)})"] if parts else []
    if chance.random() < 0.5:
        west, south, east, north = layer["bounds"]
        box = [west + (east - west) * chance.random() / 2, south + (north - south) * chance.random() / 2, east, north]
        query["bbox"] = ",".join(f"{edge:.5f}" for edge in box)
        where.append(f"ST_Intersects(ST_Transform(geom, 4326), ST_MakeEnvelope({query['bbox']}, 4326))")
    return query, " AND ".join(where) or "TRUE"


def count_rows(body: bytes, name: str, layer: str, folder: Path) -> int:  # noqa: PLR0911 - one for each library
    """As the format's own library reads them."""
    path = folder / f"{layer}.{name}"
    path.write_bytes(body)
    match name:
        case "csv":
            return len(list(csv.reader(io.StringIO(body.decode(), newline="")))) - 1
        case "xlsx":
            return len(calamine.load_workbook(str(path)).get_sheet_by_index(0).to_python()) - 1
        case "geojson":
            return len(json.loads(body)["features"])
        case "geojsonl":
            return len([json.loads(line) for line in body.splitlines()])
        case "parquet":
            return int(pq.read_table(path).num_rows)
        case "shp.zip":
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
            return int(pyogrio.read_info(folder / f"{layer}.shp", force_feature_count=True)["features"])
    if not len(pyogrio.list_layers(path)):
        return 0  # KML without placemarks has no layer
    which = {"gpkg": layer, "gpx": "waypoints" if layer != "bike-paths" else "tracks"}.get(name)
    return int(pyogrio.read_info(path, layer=which, force_feature_count=True)["features"])


def compare(client: TestClient, url: str, folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    layer = client.get(f"/api/layers/{LAYERS[seed % len(LAYERS)]}").json()
    name = layer["id"]
    query, condition = write_filter(layer, chance)
    with psycopg.connect(url) as connection:
        table = name.replace("-", "_")
        row = connection.execute(f"SELECT count(*) FROM layers.{table} WHERE {condition}".encode()).fetchone()
    assert row is not None
    told = f"{name}?{urlencode(query)}"
    assert client.get(f"/api/layers/{name}/summary", params=query).json()["count"] == row[0], told
    items = client.get(f"/ogc/collections/{name}/items", params=query | {"limit": "1"})
    assert items.json()["numberMatched"] == row[0], told
    for entry in layer["downloads"]:
        if entry["of"] == "features" and entry["format"] != "readme.txt":
            answer = client.get(f"/download/{name}.{entry['format']}", params=query)
            assert answer.status_code == 200, answer.text
            found = count_rows(answer.content, entry["format"], name, folder)
            assert found == row[0], f"{entry['format']}: {told}"


@pytest.mark.parametrize("seed", range(1))
@pytest.mark.slow
def test_files_have_as_many_rows_as_everything_else_counts(
    client: TestClient, city_database: str, tmp_path: Path, seed: int
) -> None:
    compare(client, city_database, tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 43))
def test_files_have_as_many_rows_as_everything_else_counts_under_many_filters(
    client: TestClient, city_database: str, tmp_path: Path, seed: int
) -> None:
    compare(client, city_database, tmp_path, seed)
