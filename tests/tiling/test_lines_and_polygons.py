"""Lines and polygons: exact at high zoom, simplified and thinned by the stated rule below, whole across tiles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mercantile
import pytest
import shapely
from known_shapes import BUFFER, EXTENT, Shapes, tile_of, to_tile
from pyproj import Geod
from shapely.geometry import shape

from geoserver.model import Tile

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

LON, LAT = -28.6, 45.2
INSIDE = shapely.box(0, 0, EXTENT, EXTENT)
HALF_PIXEL = EXTENT / 512 / 2


def star(lon: float, lat: float, radius: float, points: int = 24) -> BaseGeometry:
    """A star-like polygon; radius in degrees of longitude."""
    turns = [2 * math.pi * n / (2 * points) for n in range(2 * points)]
    rays = [radius * (1 if n % 2 else 0.6) for n in range(2 * points)]
    return shapely.Polygon(
        [(lon + r * math.cos(t), lat + 0.7 * r * math.sin(t)) for t, r in zip(turns, rays, strict=True)]
    )


def wave(lon: float, lat: float, length: float, steps: int = 400) -> BaseGeometry:
    """A line that swings up and down around a parallel."""
    return shapely.LineString(
        [(lon + length * n / steps, lat + 0.02 * length * math.sin(n / 5)) for n in range(steps + 1)]
    )


@pytest.fixture(scope="session")
def stars(shapes: Shapes) -> str:
    hole = star(LON, LAT, 0.05).difference(star(LON, LAT, 0.01))
    return shapes.make("stars", "polygons", [hole, star(LON + 0.1, LAT, 0.001), star(LON, LAT + 0.05, 0.00001)])


@pytest.fixture(scope="session")
def waves(shapes: Shapes) -> str:
    return shapes.make("waves", "lines", [wave(LON, LAT, 0.1), wave(LON, LAT + 0.02, 0.0003), wave(LON, LAT, 0.00001)])


def tiles_over(geometry: BaseGeometry, zoom: int) -> list[Tile]:
    return [Tile(tile.z, tile.x, tile.y) for tile in mercantile.tiles(*geometry.bounds, zooms=zoom)]


@pytest.mark.parametrize("zoom", [14, 16])
def test_a_polygon_is_cut_to_the_tile_and_its_buffer(shapes: Shapes, stars: str, zoom: int) -> None:
    tiles = tiles_over(star(LON, LAT, 0.01), zoom)
    for tile in tiles:
        found = shapes.decode(stars, tile)
        expected = shapes.expect(stars, tile)
        assert found.keys() == {fid for fid, cut in expected.items() if cut.area > 4}
        for fid, feature in found.items():
            drawn = shape(feature["geometry"])
            assert drawn.is_valid
            assert abs(drawn.area - expected[fid].area) <= expected[fid].length + 4
            assert drawn.hausdorff_distance(expected[fid]) <= 1.5


def test_a_line_is_cut_to_the_tile_and_its_buffer(shapes: Shapes, waves: str) -> None:
    for tile in tiles_over(wave(LON, LAT, 0.1), 14):
        found = shapes.decode(waves, tile)
        expected = shapes.expect(waves, tile)
        assert {fid for fid, cut in expected.items() if cut.length > 4} <= found.keys() <= expected.keys()
        for fid in found.keys() & {1}:
            drawn = shape(found[fid]["geometry"])
            assert drawn.hausdorff_distance(expected[fid]) <= 1.5


@pytest.mark.parametrize("zoom", [8, 10, 12])
def test_simplified_shapes_stay_within_a_pixel_of_the_true_ones(
    shapes: Shapes, stars: str, waves: str, zoom: int
) -> None:
    for layer, fid in ((stars, 1), (waves, 1)):
        whole = shapes.shapes[layer][fid - 1]
        for tile in tiles_over(whole, zoom):
            feature = shapes.decode(layer, tile).get(fid)
            expected = shapes.expect(layer, tile).get(fid)
            if feature is None or expected is None:
                assert expected is None or expected.length < 2 * BUFFER
                continue
            drawn = shape(feature["geometry"])
            assert drawn.hausdorff_distance(expected) <= HALF_PIXEL * 2


def test_simplification_saves_points(shapes: Shapes, waves: str) -> None:
    tile = tile_of(LON + 0.001, LAT, 8)
    drawn = shape(shapes.decode(waves, tile)[1]["geometry"])
    assert 2 <= shapely.get_num_coordinates(drawn) < 100 < shapely.get_num_coordinates(shapes.shapes[waves][0])


def test_the_parts_of_a_polygon_in_neighbouring_tiles_add_up_to_it(shapes: Shapes, stars: str) -> None:
    for zoom, slack in ((13, 0.01), (15, 0.001)):
        whole = shapes.shapes[stars][0]
        tiles = tiles_over(whole, zoom)
        drawn = [shapes.decode(stars, tile).get(1) for tile in tiles]
        total = sum(shape(feature["geometry"]).intersection(INSIDE).area for feature in drawn if feature)
        true = to_tile(whole, tiles[0]).area
        assert abs(total - true) <= slack * true


@pytest.mark.parametrize("zoom", range(15))
def test_what_could_not_be_seen_is_counted_in_a_bin_below_zoom_14_and_drawn_from_there_on(
    shapes: Shapes, stars: str, waves: str, zoom: int
) -> None:
    for layer in (stars, waves):
        binned = 0
        for fid, whole in enumerate(shapes.shapes[layer], 1):
            tile = tile_of(*whole.representative_point().coords[0], zoom)
            placed = to_tile(whole, tile)
            if whole.geom_type == "Polygon":
                visible = placed.area >= (2 * HALF_PIXEL) ** 2 * 0.999
            else:
                left, top, right, bottom = placed.bounds
                visible = max(right - left, bottom - top) >= HALF_PIXEL
            assert (fid in shapes.decode(layer, tile)) == (visible or zoom >= 14), f"{layer} {fid}"
            binned += not visible and zoom < 14
        around = tiles_over(shapely.union_all(shapes.shapes[layer]), zoom)
        assert sum(item["count"] for tile in around for item in shapes.bins(layer, tile)) == binned


def test_bins_tell_how_long_and_how_large_in_all_what_they_count_is(shapes: Shapes, stars: str, waves: str) -> None:
    def total(layer: str, name: str) -> float:
        around = tiles_over(shapely.union_all(shapes.shapes[layer]), 0)
        return sum(item[name] for tile in around for item in shapes.bins(layer, tile))

    true = Geod(ellps="WGS84")
    area = sum(abs(true.geometry_area_perimeter(whole)[0]) for whole in shapes.shapes[stars])
    length = sum(true.geometry_length(whole) for whole in shapes.shapes[waves])
    assert total(stars, "area") == pytest.approx(area, rel=1e-4)
    assert total(waves, "length") == pytest.approx(length, rel=1e-4)


def test_a_hole_stays_a_hole(shapes: Shapes, stars: str) -> None:
    drawn = shape(shapes.decode(stars, tile_of(LON, LAT, 11))[1]["geometry"])
    middle = to_tile(shapely.Point(LON, LAT), tile_of(LON, LAT, 11))
    assert not drawn.contains(middle)
    assert drawn.buffer(0).area < shapely.convex_hull(drawn).area


def test_a_polygon_that_fills_the_tile_is_drawn_over_the_whole_of_it_and_its_buffer(shapes: Shapes) -> None:
    shapes.make("sea", "polygons", [shapely.box(-40, 30, -10, 60)])
    drawn = shape(shapes.decode("sea", tile_of(LON, LAT, 18))[1]["geometry"])
    assert drawn.equals(shapely.box(-BUFFER, -BUFFER, EXTENT + BUFFER, EXTENT + BUFFER))


def test_shapes_split_at_the_antimeridian_are_drawn_on_both_sides(shapes: Shapes) -> None:
    halves = shapely.MultiPolygon([shapely.box(179, -1, 180, 1), shapely.box(-180, -1, -179, 1)])
    track = shapely.MultiLineString([[(179, 0), (180, 0)], [(-180, 0), (-179, 0)]])
    shapes.make("strait", "polygons", [halves])
    shapes.make("ferry", "lines", [track])
    last = 2**6 - 1
    for layer in ("strait", "ferry"):
        for x in (0, last):
            drawn = shape(shapes.decode(layer, Tile(6, x, 31))[1]["geometry"])
            assert drawn.intersects(INSIDE)
