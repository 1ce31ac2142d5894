"""The plan follows the question: whatever filter, zoom and plan, tiles add up; few rows are features everywhere."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest
import shapely
from counting import count_tiles
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known_shapes import Shapes, tile_of
from random_rows import SOUTH, WEST, draw_filter, draw_row, draw_shape
from shapely.geometry import shape
from test_bins import count_rows

from geoserver.filtering import build
from geoserver.model import Tile
from geoserver.tiling import read_result

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = int(os.environ.get("GEOSERVER_PLAN_CASES", "300"))  # of the slow variant
KINDS = ("points", "lines", "polygons")


@pytest.fixture(scope="session")
def layer_of(shapes: Shapes) -> Callable[[str], str]:
    """The id of a layer of random rows of a kind, with features from zoom 12 on."""
    made: dict[str, str] = {}

    def make(kind: str) -> str:
        if kind not in made:
            draw = random.Random(f"plans {kind}")
            drawn = [draw_shape(draw, kind) for _ in range(900 if kind == "points" else 200)]
            keys: dict[str, Any] = {"facet": "name", "tile_fields": ("name", "at"), "features_from": 12}
            made[kind] = shapes.make(f"planned-{kind}", kind, drawn, [draw_row(draw) for _ in drawn], **keys)
        return made[kind]

    return make


def check_sum(shapes: Shapes, layer_id: str, question: random.Random) -> None:
    """Of PostGIS' tiles, and of those made from memory where they are."""
    text, zoom = draw_filter(question), question.randrange(16)
    start = question.choice([None, question.randrange(16)])
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    where = build(layer, status, filter=text)
    result = shapes.runner.run(read_result(shapes.database, shapes.catalog, layer, status, where))
    expected = count_rows(shapes, layer_id, text)
    for points in {id(points): points for points in (None, result.held)}.values():
        found = shapes.runner.run(count_tiles(shapes, layer_id, text, zoom, features_from=start, points=points))
        assert found == expected, (text, zoom, start, points is None)


CASE = {"kind": st.sampled_from(KINDS), "question": st.randoms(use_true_random=False)}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**CASE)
def test_tiles_add_up_under_any_filter_zoom_and_plan(
    shapes: Shapes, layer_of: Callable[[str], str], kind: str, question: random.Random
) -> None:
    check_sum(shapes, layer_of(kind), question)


@pytest.mark.slow
@settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**CASE)
def test_tiles_add_up_under_many_filters_zooms_and_plans(
    shapes: Shapes, layer_of: Callable[[str], str], kind: str, question: random.Random
) -> None:
    check_sum(shapes, layer_of(kind), question)


def plan_of(shapes: Shapes, layer_id: str, text: str) -> int:
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    where = build(layer, status, filter=text)
    return shapes.runner.run(read_result(shapes.database, shapes.catalog, layer, status, where)).features_from


@pytest.mark.parametrize("kind", KINDS)
def test_few_rows_are_features_at_every_zoom(shapes: Shapes, layer_of: Callable[[str], str], kind: str) -> None:
    layer_id = layer_of(kind)
    assert shapes.statuses[layer_id].plan.features_from == 12
    assert plan_of(shapes, layer_id, "name = 'oak'") == 0
    found = shapes.decode(layer_id, Tile(0, 0, 0), features_from=0, filter="name = 'oak'")
    assert len(found) == count_rows(shapes, layer_id, "name = 'oak'") > 0


@pytest.mark.parametrize(("kind", "across"), [("lines", 3), ("polygons", 2)])
def test_shapes_too_small_to_be_seen_are_drawn_as_marks_of_some_pixels(shapes: Shapes, kind: str, across: int) -> None:
    ends = [(WEST, SOUTH), (WEST + 1e-5, SOUTH + 1e-5)]  # a metre
    made = shapely.LineString(ends) if kind == "lines" else shapely.box(*ends[0], *ends[1])
    layer_id = shapes.make(f"tiny-{kind}", kind, [made], features_from=14)
    for zoom in (0, 5, 9, 13):
        found = shapes.decode(layer_id, tile_of(WEST, SOUTH, zoom), features_from=0, filter="name IS NULL")
        (feature,) = found.values()
        west, south, east, north = shape(feature["geometry"]).bounds
        assert across * 8 <= east - west <= 4 * 8, zoom  # eight units of a tile are a pixel
        assert kind == "lines" or across * 8 <= north - south <= 4 * 8
