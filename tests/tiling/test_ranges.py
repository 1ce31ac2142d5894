"""Which tiles a change touches, against trying every tile."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from geoserver.tiling.ranges import TileRange, find_touched, touched_rect, touches

BUFFER = Fraction(64, 4096)


def meets(changed: TileRange, z: int, x: int, y: int) -> bool:
    """By the definition: the tile, widened by its buffer, and the range share a point; in parts of the world."""
    size, unit = Fraction(1, 1 << z), Fraction(1, 1 << changed.z)
    return all(
        (place - BUFFER) * size <= (last + 1) * unit and (place + 1 + BUFFER) * size >= first * unit
        for place, first, last in ((x, changed.x0, changed.x1), (y, changed.y0, changed.y1))
    )


@st.composite
def ranges(draw: st.DrawFn, highest: int = 6) -> TileRange:
    z = draw(st.integers(0, highest))
    last = (1 << z) - 1
    x0, y0 = draw(st.integers(0, last)), draw(st.integers(0, last))
    return TileRange(z, x0, y0, draw(st.integers(x0, last)), draw(st.integers(y0, last)))


@settings(deadline=None)
@given(ranges(5), st.integers(0, 5))
def test_the_touched_tiles_are_those_that_meet_the_change(changed: TileRange, zoom: int) -> None:
    x0, y0, x1, y1 = touched_rect(changed, zoom)
    every = [(x, y) for x in range(1 << zoom) for y in range(1 << zoom)]
    assert {place for place in every if x0 <= place[0] <= x1 and y0 <= place[1] <= y1} == {
        place for place in every if meets(changed, zoom, *place)
    }


@settings(deadline=None)
@given(st.lists(ranges(), max_size=30), st.integers(0, 6), st.data())
def test_what_is_kept_is_found_whichever_way_is_the_quicker(
    changed: list[TileRange], zoom: int, data: st.DataObject
) -> None:
    numbers = st.integers(0, (1 << zoom) - 1)
    places = {place: place for place in data.draw(st.sets(st.tuples(numbers, numbers), max_size=80))}
    expected = {place for place in places if any(meets(item, zoom, *place) for item in changed)}
    found = find_touched(places, changed, zoom)
    assert set(found) == expected
    assert len(found) == len(expected)
    assert {place for place in places if touches(changed, zoom, *place)} == expected


def test_a_change_far_down_touches_one_tile_of_every_zoom_above_it_or_two_at_an_edge() -> None:
    inside = TileRange(20, 500_001, 500_001, 500_001, 500_001)
    for zoom in range(12):
        x0, y0, x1, y1 = touched_rect(inside, zoom)
        assert (x0, y0) == (500_001 >> (20 - zoom),) * 2
        assert (x1 - x0, y1 - y0) == (0, 0)
    edge = TileRange(20, 524_288, 524_288, 524_288, 524_288)  # just east and south of the world's middle
    assert touched_rect(edge, 1) == (0, 0, 1, 1)
