"""Tiles of points hold what shapely and mercantile say they should, at every zoom and at every edge."""

from __future__ import annotations

import random

import mercantile
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known_shapes import EXTENT, FIELDS, Shapes, tile_of

from geoserver.grid import is_inside
from geoserver.model import Tile

CENTRE = (-28.6, 45.2)
ROUNDING = 0.501  # tile units: coordinates are rounded to whole ones, at the edge of the buffer too


@pytest.fixture(scope="session")
def scattered(shapes: Shapes) -> str:
    """Points around the middle of a city, thinning out, and some all over the world."""
    numbers = random.Random(7)
    near = [shapely.Point(numbers.gauss(CENTRE[0], 0.03), numbers.gauss(CENTRE[1], 0.02)) for _ in range(1500)]
    far = [shapely.Point(numbers.uniform(-179, 179), numbers.uniform(-84, 84)) for _ in range(300)]
    return shapes.make("scattered", "points", [*near, *far])


@pytest.mark.slow
@given(fid=st.integers(1, 1800), zoom=st.integers(0, 22), step=st.tuples(st.integers(-1, 1), st.integers(-1, 1)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tile_holds_the_points_of_its_area_and_buffer(
    shapes: Shapes, scattered: str, fid: int, zoom: int, step: tuple[int, int]
) -> None:
    point = shapes.shapes[scattered][fid - 1]
    home = tile_of(point.x, point.y, zoom)
    last = 2**zoom - 1
    tile = Tile(zoom, min(max(home.x + step[0], 0), last), min(max(home.y + step[1], 0), last))
    found = shapes.decode(scattered, tile)
    surely = shapes.expect(scattered, tile, buffer=64 - ROUNDING)
    perhaps = shapes.expect(scattered, tile, buffer=64 + ROUNDING)
    assert surely.keys() <= found.keys() <= perhaps.keys()
    for number, feature in found.items():
        x, y = feature["geometry"]["coordinates"]
        assert abs(x - perhaps[number].x) <= ROUNDING
        assert abs(y - perhaps[number].y) <= ROUNDING


@pytest.mark.parametrize("zoom", [0, 3, 9, 14])
def test_the_tiles_of_a_zoom_hold_every_point_exactly_once(shapes: Shapes, scattered: str, zoom: int) -> None:
    points = shapes.shapes[scattered]
    homes = {tile_of(point.x, point.y, zoom) for point in points}
    # A point that is rounded to the far edge of its tile is counted by the next one, to the right or below.
    addresses = {Tile(zoom, home.x + right, home.y + down) for home in homes for right in (0, 1) for down in (0, 1)}
    inside: list[int] = []
    for address in addresses:
        if is_inside(address):
            for fid, feature in shapes.decode(scattered, address).items():
                x, y = feature["geometry"]["coordinates"]
                if 0 <= x < EXTENT and 0 <= y < EXTENT:
                    inside.append(fid)
    assert sorted(inside) == list(range(1, len(points) + 1))


def test_a_point_on_a_corner_is_in_the_buffers_of_all_four_tiles_and_inside_one(shapes: Shapes) -> None:
    corner = mercantile.ul(6890, 5880, 14)
    shapes.make("corner", "points", [shapely.Point(corner.lng, corner.lat)])
    places = {}
    for x in (6889, 6890):
        for y in (5879, 5880):
            (feature,) = shapes.decode("corner", Tile(14, x, y)).values()
            places[x, y] = feature["geometry"]["coordinates"]
    assert places == {
        (6889, 5879): [4096, 4096],
        (6890, 5879): [0, 4096],
        (6889, 5880): [4096, 0],
        (6890, 5880): [0, 0],
    }


def test_the_buffer_is_64_units_wide(shapes: Shapes) -> None:
    west, south, east, north = mercantile.bounds(6890, 5880, 14)
    unit = (east - west) / EXTENT
    middle = (south + north) / 2
    places = [west - 63.4 * unit, west - 65 * unit, east + 63.4 * unit, east + 65 * unit]
    shapes.make("margin", "points", [shapely.Point(lon, middle) for lon in places])
    assert shapes.decode("margin", Tile(14, 6890, 5880)).keys() == {1, 3}


@pytest.mark.parametrize("zoom", [0, 1, 5, 14, 22])
def test_points_on_both_sides_of_the_antimeridian_and_at_the_ends_of_the_map_are_in_their_tiles(
    shapes: Shapes, zoom: int
) -> None:
    if "ends" not in shapes.layers:
        places = [(179.999999, 10), (-179.999999, 10), (0, 85.0511), (0, -85.0511), (180, -10), (-180, -10)]
        shapes.make("ends", "points", [shapely.Point(place) for place in places])
    for fid, point in enumerate(shapes.shapes["ends"][:4], 1):
        assert fid in shapes.decode("ends", tile_of(point.x, point.y, zoom)), f"feature {fid}"
    last = 2**zoom - 1
    row = tile_of(0, -10, zoom).y
    assert 5 in shapes.decode("ends", Tile(zoom, last, row))
    assert 6 in shapes.decode("ends", Tile(zoom, 0, row))


def test_points_beyond_the_end_of_the_map_are_drawn_on_its_edge(shapes: Shapes) -> None:
    shapes.make("pole", "points", [shapely.Point(0, 89.9), shapely.Point(0, 85)])
    assert shapes.decode("pole", Tile(0, 0, 0)).keys() == {1, 2}
    assert shapes.decode("pole", Tile(2, 2, 0)).keys() == {1, 2}


def test_properties_keep_their_types_and_times_are_text_in_utc(shapes: Shapes) -> None:
    full = {
        "name": "Brücke \"Ost\" 'Ⅱ'",
        "size": 2**40,
        "weight": 1.5,
        "good": True,
        "day": "2024-02-29",
        "at": "2024-06-30T23:30:00.75-01:00",
        "secret": "stays here",
    }
    shapes.make("typed", "points", [shapely.Point(CENTRE)] * 2, [full, {"good": False}])
    found = shapes.decode("typed", tile_of(*CENTRE, 16))
    assert found[1]["properties"] == {
        "name": "Brücke \"Ost\" 'Ⅱ'",
        "size": 2**40,
        "weight": 1.5,
        "good": True,
        "day": "2024-02-29",
        "at": "2024-07-01T00:30:00Z",
    }
    assert found[2]["properties"] == {"good": False}
    assert FIELDS.keys() - {"secret"} == found[1]["properties"].keys()


def test_multipoints_keep_the_parts_that_are_in_the_tile(shapes: Shapes) -> None:
    several = shapely.MultiPoint([CENTRE, (CENTRE[0] + 0.0005, CENTRE[1]), (10, 10)])
    shapes.make("several", "points", [several])
    tile = tile_of(*CENTRE, 14)
    assert len(shapes.decode("several", tile)[1]["geometry"]["coordinates"]) == 2


def test_a_tile_without_features_is_no_bytes(shapes: Shapes, scattered: str) -> None:
    nowhere = Tile(20, 0, 0)
    assert shapes.render(scattered, nowhere) == b""
    assert shapes.render(scattered, tile_of(*CENTRE, 12), filter="name = 'nobody'") == b""
    shapes.make("nothing", "points", [])
    assert shapes.render("nothing", Tile(0, 0, 0)) == b""


def test_a_filter_leaves_in_every_tile_what_it_leaves_in_the_table(shapes: Shapes) -> None:
    numbers = random.Random(3)
    points = [shapely.Point(numbers.gauss(CENTRE[0], 0.02), numbers.gauss(CENTRE[1], 0.02)) for _ in range(400)]
    rows = [{"name": "ab"[n % 2], "size": n, "at": f"2024-01-{n % 28 + 1:02}T12:00:00Z"} for n in range(400)]
    shapes.make("filtered", "points", points, rows)
    whole = Tile(6, *[tile_of(*CENTRE, 6).x, tile_of(*CENTRE, 6).y])
    everything = {fid: (points[fid - 1], rows[fid - 1]) for fid in range(1, 401)}
    questions = [
        ({"filter": "name = 'a' AND size >= 100"}, lambda _, row: row["name"] == "a" and row["size"] >= 100),
        ({"bbox": "-28.6,45.19,-28.58,45.21"}, lambda p, _: -28.6 <= p.x <= -28.58 and 45.19 <= p.y <= 45.21),
        ({"datetime": "2024-01-10/2024-01-12"}, lambda _, row: "2024-01-10" <= row["at"][:10] <= "2024-01-12"),
        ({"properties": {"name": "b"}}, lambda _, row: row["name"] == "b"),
    ]
    for question, keep in questions:
        expected = {fid for fid, item in everything.items() if keep(*item)}
        assert expected
        assert expected < everything.keys()
        assert shapes.decode("filtered", whole, **question).keys() == expected


def test_the_answer_stays_the_same_once_its_statement_is_prepared(shapes: Shapes, scattered: str) -> None:
    tile = tile_of(*CENTRE, 15)
    answers = {shapes.render(scattered, tile) for _ in range(15)}
    assert len(answers) == 1
    assert answers != {b""}
