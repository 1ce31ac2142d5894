"""Coastlines of an extract: what is land and what is sea, at every corner."""

from __future__ import annotations

from pathlib import Path

import pytest
from extracts import Extract, Result, mercator, read, ring
from shapely import Point

WEST, SOUTH, EAST, NORTH = 10.0, 50.0, 10.1, 50.1
CORNERS = {
    "south-west": (10.001, 50.001),
    "south-east": (10.099, 50.001),
    "north-east": (10.099, 50.099),
    "north-west": (10.001, 50.099),
}


def corners_on_land(result: Result) -> set[str]:
    return {name for name, (lon, lat) in CORNERS.items() if result.is_land(lon, lat)}


def with_houses(extract: Extract, lon: float, lat: float, count: int = 30) -> None:
    for index in range(count):
        x = lon + index * 1e-4
        extract.way(ring(x, lat, x + 5e-5, lat + 5e-5), building="house")


@pytest.mark.parametrize(
    ("coast", "land"),
    [
        ([(9.9, 50.05), (10.2, 50.05)], {"north-west", "north-east"}),
        ([(10.2, 50.05), (9.9, 50.05)], {"south-west", "south-east"}),
        ([(10.05, 49.9), (10.05, 50.2)], {"north-west", "south-west"}),
        ([(9.98, 50.04), (10.04, 49.98)], {"south-east", "north-east", "north-west"}),
        ([(10.04, 49.98), (9.98, 50.04)], {"south-west"}),
        ([(10.06, 50.12), (10.12, 50.06)], {"north-east"}),
        ([(10.12, 50.06), (10.06, 50.12)], {"north-west", "south-west", "south-east"}),
    ],
)
def test_a_coast_that_leaves_the_extract_is_closed_along_its_edge(
    coast: list[tuple[float, float]], land: set[str], tmp_path: Path
) -> None:
    extract = Extract()
    extract.way(coast, natural="coastline")
    assert corners_on_land(read(extract, tmp_path)) == land


def test_an_island_is_land_and_a_lagoon_is_not(tmp_path: Path) -> None:
    extract = Extract()
    extract.way(ring(10.02, 50.02, 10.08, 50.08), natural="coastline")
    extract.way(ring(10.04, 50.04, 10.06, 50.06, clockwise=True), natural="coastline")
    result = read(extract, tmp_path)
    assert corners_on_land(result) == set()
    assert result.is_land(10.03, 50.05)
    assert not result.is_land(10.05, 50.05)
    assert len(result.rows["coast"]) == 2


def test_coasts_that_end_where_the_nodes_do_are_led_on_to_the_edge(tmp_path: Path) -> None:
    extract = Extract()
    line = [(9.99, 50.05), (10.002, 50.05), (10.05, 50.05), (10.098, 50.05), (10.11, 50.05)]
    extract.way(line, without=(0, 4), natural="coastline")
    result = read(extract, tmp_path)
    assert corners_on_land(result) == {"north-west", "north-east"}
    assert result.said("led straight on") == 2


def test_a_gap_in_the_coast_is_closed(tmp_path: Path) -> None:
    extract = Extract()
    extract.way([(9.9, 50.05), (10.04, 50.05)], natural="coastline")
    extract.way([(10.05, 50.05), (10.2, 50.05)], natural="coastline")
    result = read(extract, tmp_path)
    assert corners_on_land(result) == {"north-west", "north-east"}
    assert result.said("gaps in the coast") == 1


def test_a_coastline_that_turns_the_wrong_way_is_outvoted_and_said(tmp_path: Path) -> None:
    extract = Extract()
    extract.way([(9.9, 50.05), (10.04, 50.05)], natural="coastline")
    extract.way([(10.05, 50.05), (10.04, 50.05)], natural="coastline")
    extract.way([(10.05, 50.05), (10.2, 50.05)], natural="coastline")
    extract.way(ring(10.02, 50.01, 10.03, 50.02, clockwise=True), natural="coastline")
    result = read(extract, tmp_path)
    assert corners_on_land(result) == {"north-west", "north-east"}
    assert result.is_land(10.025, 50.015)
    assert result.said("turned the wrong way") == 2


def test_a_coast_turned_as_a_whole_is_found_by_the_houses_on_it(tmp_path: Path) -> None:
    extract = Extract()
    extract.way(ring(10.02, 50.02, 10.08, 50.08, clockwise=True), natural="coastline")
    with_houses(extract, 10.05, 50.05)
    result = read(extract, tmp_path)
    assert result.is_land(10.05, 50.06)
    assert corners_on_land(result) == set()
    assert result.said("would stand in the sea") == 1


def test_an_extract_without_a_coast_is_land_where_something_stands_on_it(tmp_path: Path) -> None:
    extract = Extract()
    with_houses(extract, 10.05, 50.05, 3)
    result = read(extract, tmp_path)
    assert corners_on_land(result) == set(CORNERS)
    assert {row["class"] for row in result.rows["beyond"]} == {"land", "inside"}


def test_an_extract_without_a_coast_or_anything_built_is_sea(tmp_path: Path) -> None:
    extract = Extract()
    extract.node((10.05, 50.05), natural="bay", name="Wide Bay")
    result = read(extract, tmp_path)
    assert corners_on_land(result) == set()
    assert [row["name"] for row in result.rows["places"]] == ["Wide Bay"]


def test_without_a_box_in_the_header_that_of_houses_and_streets_is_the_edge(tmp_path: Path) -> None:
    extract = Extract(box=None)
    extract.way([(9.0, 50.05), (11.0, 50.05)], natural="coastline")
    extract.way([(WEST, SOUTH), (EAST, NORTH)], highway="residential")
    result = read(extract, tmp_path)
    assert corners_on_land(result) == {"north-west", "north-east"}
    assert not result.is_land(10.05, 50.2)


def test_a_header_whose_box_is_of_the_whole_world_is_not_believed(tmp_path: Path) -> None:
    extract = Extract(box=(-180.0, -85.0, 180.0, 85.0))
    extract.way([(WEST, SOUTH), (EAST, NORTH)], highway="residential")
    result = read(extract, tmp_path)
    assert corners_on_land(result) == set(CORNERS)
    assert not result.is_land(20.0, 20.0)


def test_a_city_on_the_antimeridian_has_land_on_both_sides_and_nothing_in_between(tmp_path: Path) -> None:
    extract = Extract(box=None)
    extract.way([(179.9, -17.0), (179.99, -16.9)], highway="primary", name="King's Road")
    extract.way([(-179.99, -16.9), (-179.9, -17.0)], highway="primary", name="King's Road")
    extract.way([(179.99, -16.95), (-179.99, -16.95)], highway="residential", name="Meridian Road")
    result = read(extract, tmp_path)
    assert result.is_land(179.95, -16.95)
    assert result.is_land(-179.95, -16.95)
    assert not result.is_land(0.0, -16.95)
    [across] = [row for row in result.rows["side-streets"] if row["name"] == "Meridian Road"]
    assert across["geometry"].length < 2 * 2500
    assert result.said("cut at the antimeridian") == 1


@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize("crossing", [(179.95, -179.95), (180.0, -179.95), (180.0, -180.0), (179.95, -180.0)])
def test_a_box_of_the_header_may_lead_across_the_antimeridian(
    crossing: tuple[float, ...], names: bool, tmp_path: Path
) -> None:
    extract = Extract(box=(179.9, -17.1, -179.9, -16.9))
    extract.way([(lon, -17.0) for lon in (179.8, *crossing, -179.8)], natural="coastline")
    for lon in (179.91, 179.98, -179.98, -179.91):
        with_houses(extract, lon, -16.95, 3)
        with_houses(extract, lon, -16.91, 3)
        if names:
            extract.node((lon, -16.95), place="village", name=f"Village {lon}")
    result = read(extract, tmp_path)
    assert len(result.rows["buildings"]) == 24
    assert result.said("left out") == 0
    if names:
        for lon in (179.905, 179.99, -179.99, -179.905):
            assert result.is_land(lon, -16.905)
            assert not result.is_land(lon, -17.05)
        assert not result.is_land(179.8, -16.95)
        south = mercator(180, -17.0)[1]
        assert all(row["geometry"].bounds[1::2] == pytest.approx((south, south)) for row in result.rows["coast"])


def test_a_city_at_78_degrees_north_is_drawn_where_it_is(tmp_path: Path) -> None:
    extract = Extract(box=(15.5, 78.2, 15.8, 78.3))
    extract.way([(15.0, 78.25), (16.0, 78.25)], natural="coastline")
    extract.way(ring(15.6, 78.26, 15.601, 78.2605), building="house", height="8")
    result = read(extract, tmp_path)
    assert result.is_land(15.51, 78.299)
    assert not result.is_land(15.51, 78.201)
    assert result.rows["buildings"][0]["height"] == 8


def test_a_large_land_comes_in_pieces_and_loses_nothing(tmp_path: Path) -> None:
    extract = Extract(box=(10.0, 50.0, 11.0, 51.0))
    steps = [(9.99 + index * 1e-4, 50.5 + (index % 2) * 1e-4) for index in range(10_400)]
    extract.way(steps, natural="coastline")
    result = read(extract, tmp_path)
    pieces = [row["geometry"] for row in result.rows["land"]]
    assert len(pieces) > 1
    assert result.is_land(10.3, 50.9)
    assert result.is_land(10.7, 50.6)
    assert not result.is_land(10.5, 50.4)


def test_house_numbers_alone_stand_on_land(tmp_path: Path) -> None:
    extract = Extract()
    extract.node((10.05, 50.05), addr__housenumber="7", addr__street="Long Street")
    assert corners_on_land(read(extract, tmp_path)) == set(CORNERS)


def test_the_inside_of_the_extract_covers_the_coarse_world(tmp_path: Path) -> None:
    extract = Extract(box=None)
    for lon in (179.9, -179.95):
        with_houses(extract, lon, -16.95, 3)
        with_houses(extract, lon + 0.04, -16.91, 3)
    result = read(extract, tmp_path)
    inside = [row["geometry"] for row in result.rows["beyond"] if row["class"] == "inside"]
    for lon in (179.97, -179.97):
        assert sum(shape.contains(Point(mercator(lon, -16.93))) for shape in inside) == 1
    assert len(inside) == 2  # none of them is as wide as the earth


def test_what_leads_out_of_the_extract_ends_at_its_edge(tmp_path: Path) -> None:
    extract = Extract()
    extract.node((10.05, 50.05), place="town", name="Drinnen")
    extract.node((10.3, 50.05), place="town", name="Draußen")
    extract.way([(10.05, 50.05), (10.3, 50.05)], highway="primary", name="Ausfallstraße")
    extract.way([(10.2, 50.05), (10.3, 50.05)], highway="residential")
    extract.way(ring(10.08, 50.02, 10.2, 50.04), landuse="forest")
    extract.way(ring(10.07, 50.01, 10.072, 50.012), building="yes")
    extract.way(ring(10.099, 50.01, 10.102, 50.012), building="yes")
    result = read(extract, tmp_path)
    east = mercator(EAST, 50)[0]
    for layer in ("streets", "parks", "buildings", "land", "places"):
        edges = [row["geometry"].bounds[2] for row in result.rows[layer]]
        assert max(edges) <= east + 1e-3, layer
    assert result.rows["streets"][0]["geometry"].bounds[2] == pytest.approx(east)
    assert len(result.rows["buildings"]) == 2
    assert "side-streets" not in result.rows
    assert {row["name"] for row in result.rows["places"]} == {"Drinnen"}
    assert result.said("cut at the extract's edge") == 3
    assert result.said("outside of the extract's edge") == 2


def test_nothing_is_cut_at_a_box_that_most_things_lie_outside_of(tmp_path: Path) -> None:
    extract = Extract(box=(0.0, 0.0, 0.1, 0.1))
    extract.node((10.05, 50.05), place="town", name="Stadt")
    extract.way([(10.05, 50.05), (10.06, 50.05)], highway="primary")
    result = read(extract, tmp_path)
    assert len(result.rows["streets"]) == 1
    assert [row["name"] for row in result.rows["places"]] == ["Stadt"]
