"""Tile arithmetic agrees with mercantile."""

from __future__ import annotations

import mercantile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoserver.grid import intersects, is_inside, tile_bounds
from geoserver.model import Bounds, Tile

ADDRESSES = st.integers(0, 22).flatmap(
    lambda zoom: st.builds(Tile, st.just(zoom), st.integers(0, 2**zoom - 1), st.integers(0, 2**zoom - 1))
)


@given(ADDRESSES)
def test_the_bounds_of_a_tile_are_those_that_mercantile_gives(tile: Tile) -> None:
    assert is_inside(tile)
    assert tile_bounds(tile).as_list() == pytest.approx(list(mercantile.bounds(tile.x, tile.y, tile.z)), abs=1e-9)


@given(ADDRESSES, st.floats(0, 1))
def test_a_margin_widens_the_tile_on_every_side(tile: Tile, margin: float) -> None:
    inner, outer = tile_bounds(tile), tile_bounds(tile, margin)
    assert outer.east - outer.west == pytest.approx((inner.east - inner.west) * (1 + 2 * margin))
    assert outer.south <= inner.south < inner.north <= outer.north


@pytest.mark.parametrize("tile", [Tile(-1, 0, 0), Tile(23, 0, 0), Tile(2, 4, 0), Tile(2, 0, 4), Tile(2, -1, 0)])
def test_addresses_outside_the_matrix_are_known_as_such(tile: Tile) -> None:
    assert not is_inside(tile)


@pytest.mark.parametrize(
    ("first", "second", "meet"),
    [
        (Bounds(0, 0, 1, 1), Bounds(1, 1, 2, 2), True),
        (Bounds(0, 0, 1, 1), Bounds(1.1, 0, 2, 1), False),
        (Bounds(0, 0, 1, 1), Bounds(0, 1.1, 1, 2), False),
        (Bounds(170, 0, -170, 1), Bounds(-175, 0, -174, 1), True),
        (Bounds(170, 0, -170, 1), Bounds(0, 0, 1, 1), False),
    ],
)
def test_rectangles_meet_also_across_the_antimeridian(first: Bounds, second: Bounds, meet: bool) -> None:
    assert intersects(first, second) is meet
    assert intersects(second, first) is meet
