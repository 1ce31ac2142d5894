"""One filter, one answer: SQL, OGC API, summary and tiles count the same rows."""

from __future__ import annotations

import mapbox_vector_tile
import mercantile
import psycopg
import pytest
from fastapi.testclient import TestClient

ZOOMS = (12, 15)
EXTENT = 4096

QUESTIONS = [
    (
        "crime",
        "category='burglary' AND reported_at >= TIMESTAMP('2024-01-01T00:00:00Z')",
        "SELECT count(*) FROM layers.crime WHERE category = 'burglary' AND reported_at >= '2024-01-01T00:00:00Z'",
    ),
    ("trees", "height > 20", "SELECT count(*) FROM layers.trees WHERE height > 20"),
    (
        "trees",
        "species IS NULL OR species LIKE 'P%'",
        "SELECT count(*) FROM layers.trees WHERE species IS NULL OR species LIKE 'P%'",
    ),
    (
        "trees",
        "planted < DATE('9999-12-31') AND planted >= DATE('2010-01-01')",
        "SELECT count(*) FROM layers.trees WHERE planted >= '2010-01-01'",
    ),
]


def count_in_tiles(client: TestClient, layer: str, question: str, zoom: int) -> int:
    """Points and what bins count over all tiles of a zoom; a point counts where a tile's half-open square holds it."""
    bounds = client.get(f"/api/layers/{layer}").json()["bounds"]
    total = 0
    for tile in mercantile.tiles(*bounds, zooms=zoom):
        answer = client.get(f"/tiles/{layer}/{tile.z}/{tile.x}/{tile.y}.mvt", params={"filter": question})
        assert answer.status_code in (200, 204)
        if answer.status_code == 200:
            decoded = mapbox_vector_tile.decode(answer.content, default_options={"y_coord_down": True})
            places = [item["geometry"]["coordinates"] for item in decoded.get(layer, {"features": []})["features"]]
            total += sum(0 <= x < EXTENT and 0 <= y < EXTENT for x, y in places)
            bins = [item["properties"] for item in decoded.get(f"{layer}:bins", {"features": []})["features"]]
            total += sum(item["count"] for item in bins)
    return total


@pytest.mark.parametrize(("layer", "question", "query"), QUESTIONS)
def test_every_way_to_ask_gives_the_same_count(
    client: TestClient, city_database: str, layer: str, question: str, query: str
) -> None:
    with psycopg.connect(city_database) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    expected = row[0]
    assert expected > 0
    params = {"filter": question}
    items = client.get(f"/ogc/collections/{layer}/items", params=params | {"limit": "1", "f": "json"})
    assert items.json()["numberMatched"] == expected
    assert client.get(f"/api/layers/{layer}/summary", params=params).json()["count"] == expected
    assert [count_in_tiles(client, layer, question, zoom) for zoom in ZOOMS] == [expected] * len(ZOOMS)
