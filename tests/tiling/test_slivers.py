"""Shapes too thin for the tile's grid: each is drawn or counted in a bin, once, at every zoom; none is lost."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import mercantile
import pytest
import shapely
from counting import count_tiles
from known_shapes import EXTENT, Shapes, tile_of, to_tile
from random_rows import SIDE, SOUTH, WEST, draw_row
from shapely.affinity import translate
from shapely.geometry import shape

from geoserver.model import Tile
from geoserver.tiling import BUDGET

if TYPE_CHECKING:
    from collections.abc import Callable

    from shapely.geometry.base import BaseGeometry

METRE = 1 / 111_320  # degrees of latitude
ZOOMS = range(17)
STEP = EXTENT / 512  # tile units in a pixel


def draw_start(draw: random.Random) -> tuple[float, float]:
    """Anywhere, or on the very corner of tiles."""
    lon, lat = WEST + draw.random() * SIDE, SOUTH + draw.random() * SIDE
    if draw.random() < 0.3:
        corner = mercantile.ul(mercantile.tile(lon, lat, draw.randint(12, 16)))
        return max(corner.lng, WEST), min(corner.lat, SOUTH + SIDE)
    return lon, lat


def go(start: tuple[float, float], metres: float, turn: float) -> tuple[float, float]:
    lat = start[1] + metres * METRE * math.sin(turn)
    return start[0] + metres * METRE * math.cos(turn) / math.cos(math.radians(start[1])), lat


def draw_hedge(draw: random.Random, start: tuple[float, float]) -> BaseGeometry:
    """A strip along a winding line."""
    places, turn = [start], draw.uniform(0, 7)
    for _ in range(draw.randint(1, 12)):
        turn += draw.uniform(-0.7, 0.7)
        places.append(go(places[-1], 10 ** draw.uniform(-1, 2.3), turn))
    return shapely.LineString(places).buffer(10 ** draw.uniform(-3, 0.3) * METRE, cap_style="flat")


def draw_needle(draw: random.Random, start: tuple[float, float]) -> BaseGeometry:
    """Three corners nearly in a row."""
    turn = draw.uniform(0, 7) if draw.random() < 0.7 else draw.choice([0, math.pi / 2])
    far = go(start, 10 ** draw.uniform(-2, 3.5), turn)
    middle = go(go(start, 10 ** draw.uniform(-2, 2), turn), 10 ** draw.uniform(-4, 0), turn + math.pi / 2)
    return shapely.Polygon([start, far, middle])


def draw_wall(draw: random.Random, start: tuple[float, float]) -> BaseGeometry:
    """A ring with a hole that nearly fills it."""
    whole = shapely.Point(start).buffer(10 ** draw.uniform(-1, 2.5) * METRE, 6)
    return whole.difference(whole.buffer(-(10 ** draw.uniform(-3, 0)) * METRE))


def draw_crumbs(draw: random.Random, start: tuple[float, float]) -> BaseGeometry:
    """Many tiny parts far from each other."""
    side = 10 ** draw.uniform(-2, 0) * METRE
    places = [go(start, 10 ** draw.uniform(0, 3), draw.uniform(0, 7)) for _ in range(draw.randint(2, 60))]
    return shapely.union_all([shapely.box(x, y, x + side, y + side) for x, y in places])


def draw_spiked(draw: random.Random, start: tuple[float, float]) -> BaseGeometry:
    """A body with a long thin spike."""
    spike = shapely.LineString([start, go(start, 10 ** draw.uniform(0, 3), draw.uniform(0, 7))])
    body = shapely.Point(start).buffer(10 ** draw.uniform(-1, 2) * METRE, 2)
    return body.union(spike.buffer(10 ** draw.uniform(-3, -1) * METRE, cap_style="flat"))


def draw_nothing(_: random.Random, start: tuple[float, float]) -> BaseGeometry:
    """Out and back on one line, as rows written by SQL may be; no load would keep it."""
    return shapely.Polygon([start, go(start, 80, 1), go(start, 40, 1), start])


def draw_there_and_back(draw: random.Random, start: tuple[float, float]) -> BaseGeometry:
    far = go(start, 10 ** draw.uniform(-2, 3.5), draw.uniform(0, 7))
    return shapely.LineString([start, far, start])


def draw_loop(draw: random.Random, start: tuple[float, float]) -> BaseGeometry:
    """A closed line around next to nothing, as both lanes of a street."""
    return shapely.LineString(draw_needle(draw, start).exterior.coords)


def draw_dashes(draw: random.Random, start: tuple[float, float]) -> BaseGeometry:
    """Many tiny parts far from each other."""
    size = 10 ** draw.uniform(-3, 0)
    starts = [go(start, 10 ** draw.uniform(0, 3), draw.uniform(0, 7)) for _ in range(draw.randint(1, 60))]
    return shapely.MultiLineString([[place, go(place, size, draw.uniform(0, 7))] for place in starts])


def draw_edge(draw: random.Random, start: tuple[float, float]) -> BaseGeometry:
    """Along the very edge of tiles."""
    box = mercantile.bounds(mercantile.tile(*start, draw.randint(14, 16)))
    return shapely.LineString([(box.west, box.north), (box.west, box.north - 10 ** draw.uniform(-2, 2) * METRE)])


def draw_spot(_: random.Random, start: tuple[float, float]) -> BaseGeometry:
    return shapely.LineString([start, start])


KINDS: dict[str, list[Callable[[random.Random, tuple[float, float]], BaseGeometry]]] = {
    "polygons": [draw_hedge, draw_needle, draw_wall, draw_crumbs, draw_spiked, draw_nothing],
    "lines": [draw_there_and_back, draw_loop, draw_dashes, draw_edge, draw_spot],
}


@pytest.fixture(scope="session")
def thin(shapes: Shapes) -> Callable[[str], str]:
    """The id of a layer of random slivers of a kind."""
    made: dict[str, str] = {}

    def make(kind: str) -> str:
        if kind not in made:
            draw = random.Random(f"thin {kind}")
            drawn: list[BaseGeometry] = []
            while len(drawn) < 240:
                found = KINDS[kind][len(drawn) % len(KINDS[kind])](draw, draw_start(draw))
                drawn += [] if found.is_empty else [found]
            keys: dict[str, Any] = {"facet": "name", "tile_fields": ("name",), "maxzoom": 18}
            made[kind] = shapes.make(f"thin-{kind}", kind, drawn, [draw_row(draw) for _ in drawn], **keys)
        return made[kind]

    return make


@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_sliver_is_drawn_or_counted_once_at_every_zoom(
    shapes: Shapes, thin: Callable[[str], str], kind: str, zoom: int
) -> None:
    layer = thin(kind)
    assert shapes.runner.run(count_tiles(shapes, layer, "", zoom)) == len(shapes.shapes[layer])


@pytest.mark.parametrize("zoom", [10, 12, 14, 16, 18])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_of_a_sliver_lies_where_it_is(
    shapes: Shapes, thin: Callable[[str], str], kind: str, zoom: int
) -> None:
    layer = thin(kind)
    slack = 3 if zoom >= 14 else STEP
    draw = random.Random(zoom)
    for whole in draw.sample(shapes.shapes[layer], 25):
        tile = tile_of(*whole.representative_point().coords[0], zoom)
        for fid, feature in shapes.decode(layer, tile).items():
            true = to_tile(shapes.shapes[layer][fid - 1], tile)
            corners = shapely.get_coordinates(shape(feature["geometry"]))
            assert shapely.distance(shapely.points(corners), true).max() <= slack, (fid, tile)


def test_a_strip_of_28_square_metres_and_95_metres_is_drawn_from_zoom_14_on(shapes: Shapes) -> None:
    strip = shapely.LineString([(WEST, SOUTH), go((WEST, SOUTH), 95, 0.4)]).buffer(0.15 * METRE, cap_style="flat")
    layer = shapes.make("strip", "polygons", [strip], maxzoom=20)
    for zoom in range(14, 21):
        for tile in mercantile.tiles(*strip.bounds, zooms=zoom):
            inside = to_tile(strip, Tile(*tile_key(tile))).intersection(shapely.box(0, 0, EXTENT, EXTENT))
            feature = shapes.decode(layer, Tile(*tile_key(tile))).get(1)
            assert (feature is not None) or inside.length < 2
            if feature is not None and inside.length > 2:
                drawn = shape(feature["geometry"])
                assert drawn.area > 0
                assert drawn.buffer(2).contains(inside)


def tile_key(tile: mercantile.Tile) -> tuple[int, int, int]:
    return tile.z, tile.x, tile.y


def test_ten_thousand_crumbs_in_one_shape_stay_one_feature_within_the_budget(shapes: Shapes) -> None:
    draw = random.Random("crumbs")
    places = [(WEST + draw.random() * SIDE, SOUTH + draw.random() * SIDE) for _ in range(10_000)]
    crumbs = shapely.MultiPolygon([shapely.box(x, y, x + 1e-6, y + 1e-6) for x, y in places])
    layer = shapes.make("crumbs", "polygons", [crumbs])
    for zoom in (6, 11, 14):
        tile = tile_of(WEST + SIDE / 2, SOUTH + SIDE / 2, zoom)
        assert len(shapes.render(layer, tile)) <= BUDGET
        drawn = shapes.decode(layer, tile)
        assert len(drawn) + sum(item["count"] for item in shapes.bins(layer, tile)) == 1


def test_polygons_that_are_whole_in_a_tile_are_valid_and_turn_the_right_way(shapes: Shapes) -> None:
    draw = random.Random("corners")
    step = 360 / 2**14 / 4096  # of the grid at zoom 14
    drawn = []
    for number in range(900):
        lon, lat = WEST + draw.random() * 0.004, SOUTH + draw.random() * 0.004
        size = draw.choice((2, 5, 20, 200))
        corners = [
            (lon + draw.random() * size * step, lat + draw.random() * size * step) for _ in range(3 + number % 5)
        ]
        part = shapely.Polygon(corners)  # crossed, thin or sound, as it comes
        drawn.append(shapely.MultiPolygon([part, translate(part, step)]) if number % 7 == 0 else part)
    shapes.make("corners", "polygons", drawn)
    for zoom in (14, 16):
        seen = set()
        for place in mercantile.tiles(WEST - 0.001, SOUTH - 0.001, WEST + 0.005, SOUTH + 0.005, zooms=zoom):
            for fid, feature in shapes.decode("corners", Tile(zoom, place.x, place.y)).items():
                seen.add(fid)
                polygon = shape(feature["geometry"])
                assert polygon.is_valid, (zoom, fid)
                for one in getattr(polygon, "geoms", [polygon]):
                    assert one.area > 0
                    assert one.exterior.is_ccw  # where y points down, as the specification has it
        assert len(seen) == len(drawn)
