"""Recipes of a basemap: what is alike is one feature from afar, and tiles carry what is drawn at their zoom."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import mapbox_vector_tile
import psycopg
import pytest
import shapely
from known_shapes import Shapes, tile_of

from geoserver import assets
from geoserver.catalog.styles import find_columns
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.model import Field

if TYPE_CHECKING:
    from typing import Any

LON, LAT = 24.94, 60.17


def features(shapes: Shapes, layer_id: str, zoom: int) -> list[dict[str, Any]]:
    body = shapes.render(layer_id, tile_of(LON, LAT, zoom))
    return list(mapbox_vector_tile.decode(body)[layer_id]["features"]) if body else []


@pytest.fixture(scope="session")
def blocks(shapes: Shapes) -> str:
    places = [shapely.box(LON + x / 1000, LAT, LON + x / 1000 + 0.0008, LAT + 0.0008) for x in range(4)]
    tiny = shapely.box(LON, LAT + 0.001, LON + 0.00001, LAT + 0.00101)
    rows = [{"name": "urban", "weight": 1.5}] * 2 + [{"name": "industrial"}] * 2 + [{"name": "tiny"}]
    return shapes.make("blocks", "cover", [*places, tiny], rows, tile_fields=("name",))


@pytest.fixture(scope="session")
def roads(shapes: Shapes) -> str:
    lines = [shapely.LineString([(LON, LAT + y / 1000), (LON + 0.004, LAT + y / 1000)]) for y in range(3)]
    rows = [{"name": "main", "good": True}, {"name": "main", "good": True}, {"name": "main", "good": False}]
    return shapes.make("alike-roads", "network", lines, rows, tile_fields=("name", "good"))


@pytest.mark.parametrize(("zoom", "drawn"), [(13, {1, 2, 3, 4}), (14, {1, 2, 3, 4, 5})])
def test_areas_of_less_than_four_square_pixels_are_left_out_below_zoom_14(
    shapes: Shapes, blocks: str, zoom: int, drawn: set[int]
) -> None:
    assert {item["id"] for item in features(shapes, blocks, zoom)} == drawn


def test_lines_are_joined_by_all_that_a_tile_says_of_them(shapes: Shapes, roads: str) -> None:
    found = features(shapes, roads, 12)
    assert [item["properties"] for item in found] == [{"name": "main", "good": True}, {"name": "main", "good": False}]
    assert {item["id"] for item in features(shapes, roads, 14)} == {1, 2, 3}


def test_a_field_is_in_tiles_from_the_zoom_that_draws_it_on_and_parts_no_features_before(
    shapes: Shapes, roads: str
) -> None:
    shapes.layers[roads] = replace(shapes.layers[roads], tile_zooms={"good": 13})
    try:
        (whole,) = features(shapes, roads, 12)
        assert whole["properties"] == {"name": "main"}
        assert len(features(shapes, roads, 13)) == 2
    finally:
        shapes.layers[roads] = replace(shapes.layers[roads], tile_zooms={})


def test_a_number_of_a_street_stands_once_in_a_tile_and_those_without_a_street_stand_all(shapes: Shapes) -> None:
    houses = [("12", "Main"), ("12", "Main"), ("12", "Mill"), ("14", "Main"), ("12", None), ("12", None)]
    fields = {name: Field(name, name, "text") for name in ("number", "street")}
    places = [shapely.Point(LON + x / 10_000, LAT) for x in range(6)]
    shapes.make("doors", "numbers", places, tile_fields=())
    with psycopg.connect(shapes.url) as connection:
        connection.execute("ALTER TABLE layers.doors ADD number text, ADD street text")
        statement = "UPDATE layers.doors SET number = %s, street = %s WHERE fid = %s"
        connection.cursor().executemany(statement, [(*house, fid) for fid, house in enumerate(houses, 1)])
    shapes.layers["doors"] = replace(shapes.layers["doors"], fields=fields, tile_fields=("number",), time="")
    found = {item["id"]: item["properties"]["number"] for item in features(shapes, "doors", 16)}
    assert found == {1: "12", 3: "12", 4: "14", 5: "12", 6: "12"}


def test_a_recipe_says_which_fields_it_needs(shapes: Shapes) -> None:
    assert find_columns(shapes.catalog.recipes["afar"]) == {"zoom": "integer", "class": "text"}
    assert set(find_columns(shapes.catalog.recipes["afar"]).values()) <= FIELD_TYPES.keys()
    assert find_columns(shapes.catalog.recipes["points"]) == {}
    assert find_columns("-- columns: as they come, and more\nSELECT 1") == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_name_is_left_out_of_a_tile_whose_zoom_letters_it(theme: str) -> None:
    """The zooms in `places.sql` are those of the styles, so what it leaves out is what no style would draw."""
    recipe = (assets.root("tiles") / "places.sql").read_text()
    kinds = re.findall(r"WHEN '(\w+)' THEN (?:CASE WHEN rank <= (\d) THEN (\d+) ELSE )?(\d+)", recipe)
    other = int(re.findall(r"ELSE (\d+)\n", recipe)[-1])
    firsts = {kind: [(9, int(last)), (int(rank or 0), int(near or 99))] for kind, rank, near, last in kinds}
    style = json.loads((assets.root("styles") / f"{theme}.json").read_text())
    for item in style["layers"]:
        if item.get("source-layer") != "places":
            continue
        named = set(re.findall(r"'(\w+)'", str(item["filter"]))) - {
            "get",
            "kind",
            "match",
            "all",
            "coalesce",
            "rank",
            "class",
        }
        for kind in named:
            near = "'<='" in str(item["filter"])
            first = min(zoom for rank, zoom in firsts.get(kind, [(9, other)]) if near or rank == 9)
            assert first <= item.get("minzoom", 0), (item["id"], kind)
