"""Counted bins follow edits: whatever is added and removed, they are those of the points that are left."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import mercantile
import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_rows import draw_row, draw_shape

from geoserver.model import Tile
from geoserver.tiling import counting
from geoserver.tiling.cells import NO_DAY, SLOTS, Positions
from geoserver.tiling.counted import Counted, change, count, fit, join, parse_counted, write_counted
from geoserver.tiling.counting import count_tiles
from geoserver.tiling.unpacking import change_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from known_shapes import Shapes

CELLS = 8
type Point = tuple[int, int, int, int]
# Few different ones, so that many are equal and cells lose their first and last day.
POINT = st.tuples(
    st.integers(0, CELLS - 1), st.integers(0, 2), st.integers(0, SLOTS - 1), st.sampled_from([NO_DAY, 1, 2, 3])
)
POINTS = st.lists(POINT, max_size=40)


def gather(points: Sequence[Point]) -> Positions:
    column, row, slot, day = (np.array([point[at] for point in points], dtype=np.int64) for at in range(4))
    return Positions(column, row, slot.astype(np.uint8), day.astype(np.int32))


def as_text(counted: Counted) -> str:
    return repr([part.tolist() for part in counted])


@given(POINTS, POINTS, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_what_was_added_and_removed_is_counted(before: list[Point], added: list[Point], draw: Any) -> None:
    everything = [*before, *added]
    removed = draw.sample(everything, draw.randint(0, len(everything)))
    left = list(everything)
    for point in removed:
        left.remove(point)
    changed, lost = change(count(gather(before), CELLS), gather(added), gather(removed), CELLS)
    truth = count(gather(left), CELLS)
    anew = truth.take(np.isin(truth.place, lost))
    known = changed.take(~np.isin(changed.place, lost))
    assert as_text(join(known, anew)) == as_text(truth)
    points = change_points(gather(before), gather(added), gather(removed))
    assert as_text(count(points, CELLS)) == as_text(truth)


@given(st.lists(POINTS, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_parts_are_put_together_and_cells_made_coarser(parts: list[list[Point]]) -> None:
    everything = [point for part in parts for point in part]
    whole = join(*(count(gather(part), CELLS) for part in parts))
    assert as_text(whole) == as_text(count(gather(everything), CELLS))
    coarse = [(column // 4, row // 4, slot, day) for column, row, slot, day in everything]
    assert as_text(fit(whole, CELLS, CELLS // 4)) == as_text(count(gather(coarse), CELLS // 4))
    assert as_text(parse_counted(write_counted(whole))) == as_text(whole)


@pytest.mark.parametrize("at_once", [1_000_000, 100, 1])
def test_tiles_are_counted_alike_however_many_points_are_held(
    shapes: Shapes, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    draw = random.Random("counted")
    drawn = [draw_shape(draw, "points") for _ in range(700)]
    keys: dict[str, Any] = {"facet": "name", "tile_fields": ("name",), "features_from": 12}
    name = f"counted-{at_once}"
    shapes.make(name, "points", drawn, [draw_row(draw) for _ in drawn], **keys)
    layer, plan = shapes.layers[name], shapes.statuses[name].plan
    monkeypatch.setattr(counting, "_AT_ONCE", at_once)
    wanted = {Tile(zoom, x, y): 2 ** (zoom % 3) for zoom in range(11) for x, y in places(shapes, name, zoom)}
    with psycopg.connect(shapes.url, options="-c timezone=UTC", autocommit=True) as connection:
        counted = count_tiles(connection, layer, plan, wanted, f"{layer.table}__packed")
        again = {
            tile: count_tiles(connection, layer, plan, {tile: cells}, f"{layer.table}__packed")[tile]
            for tile, cells in wanted.items()
        }
    assert counted.keys() == wanted.keys()
    for tile, found in counted.items():
        assert as_text(found) == as_text(again[tile]), tile
    for zoom in range(11):
        assert sum(found.counts.sum() for tile, found in counted.items() if tile.z == zoom) == 700


def places(shapes: Shapes, name: str, zoom: int) -> set[tuple[int, int]]:
    """Tiles of a zoom in which points lie."""
    found = {mercantile.tile(shape.x, shape.y, zoom) for shape in shapes.shapes[name]}
    return {(tile.x, tile.y) for tile in found}
