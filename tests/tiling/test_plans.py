"""The plan follows the question: whatever filter, zoom and plan, tiles add up; few rows are features everywhere."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest
from counting import count_tiles
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known_shapes import Shapes
from random_rows import draw_filter, draw_row, draw_shape
from test_bins import count_rows

from geoserver.filtering import build
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
    for points in {id(points): points for points in (None, result.points)}.values():
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
