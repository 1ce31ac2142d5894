"""Random filters over the sample city: summary, OGC API and the tiles of several zooms count the same rows."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

EXTENT = 4096


def draw_condition(draw: random.Random, fields: list[dict[str, Any]], bounds: list[float]) -> str:
    """One condition on a field that has choices or a range, or on the place."""
    field = draw.choice([item for item in fields if item.get("choices") or item.get("min") is not None])
    name = field["name"]
    if draw.random() < 0.2:
        west, south, east, north = bounds
        x, y = draw.uniform(west, east), draw.uniform(south, north)
        areas = (
            f"BBOX({west},{south},{x!r},{y!r})",
            f"CIRCLE({x!r},{y!r},{10 ** draw.uniform(2, 4)!r})",
            f"FEATURE('districts',{draw.randint(1, 5)})",
        )
        return f"{draw.choice(['S_INTERSECTS', 'S_WITHIN', 'S_DISJOINT'])}(geometry, {draw.choice(areas)})"
    if draw.random() < 0.15:
        return f"{name} IS {draw.choice(['', 'NOT '])}NULL"
    if field.get("choices"):
        values = [choice["value"] for choice in field["choices"] if choice["value"] is not None]
        some = draw.sample(values, min(len(values), draw.randint(1, 3)))
        quoted = ", ".join(
            "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value) for value in some
        )
        return f"{name} {draw.choice(['', 'NOT '])}IN ({quoted})"
    low, high = field["min"], field["max"]
    if isinstance(low, str):
        return f"{name} {draw.choice(['<', '>='])} '{draw.choice([low, high])[: draw.choice([4, 7, 10])]}'"
    return f"{name} {draw.choice(['<', '>='])} {draw.uniform(low, high)!r}"


def draw_filter(draw: random.Random, fields: list[dict[str, Any]], bounds: list[float]) -> str:
    text = draw_condition(draw, fields, bounds)
    for _ in range(draw.randint(0, 2)):
        text += f" {draw.choice(['AND', 'OR', 'AND NOT'])} {draw_condition(draw, fields, bounds)}"
    return text


def count_in_tiles(client: TestClient, layer: str, text: str, bounds: list[float], zoom: int) -> int:
    total = 0
    for tile in mercantile.tiles(*bounds, zooms=zoom):
        answer = client.get(f"/tiles/{layer}/{tile.z}/{tile.x}/{tile.y}.mvt", params={"filter": text})
        if answer.status_code == 204:
            continue
        decoded = mapbox_vector_tile.decode(answer.content, default_options={"y_coord_down": True})
        places = [feature["geometry"]["coordinates"] for feature in decoded[layer]["features"]]
        total += sum(0 <= x < EXTENT and 0 <= y < EXTENT for x, y in places)
    return total


ZOOMS: dict[str, list[int]] = {  # tiles of the small layers alone: decoding 60,000 points in Python takes seconds
    "crime": [],
    "trees": [],
    "bike-paths": [],
    "districts": [],
    "sewage-sampling": [9, 12],
    "air-quality": [9, 12],
}


@pytest.mark.parametrize(("layer", "zooms"), ZOOMS.items())
def test_random_filters_count_alike_everywhere(client: TestClient, layer: str, zooms: list[int]) -> None:
    about = client.get(f"/api/layers/{layer}").json()
    draw = random.Random(layer)
    counts = set()
    for _ in range(15):
        text = draw_filter(draw, about["fields"], about["bounds"])
        params = {"filter": text}
        count = client.get(f"/api/layers/{layer}/summary", params=params | {"fields": ""}).json()["count"]
        items = client.get(f"/ogc/collections/{layer}/items", params=params | {"limit": "1", "f": "json"}).json()
        assert items["numberMatched"] == count, text
        for zoom in zooms:
            assert count_in_tiles(client, layer, text, about["bounds"], zoom) == count, (text, zoom)
        counts.add(count)
    assert len(counts) > 3  # the filters do select
