"""What things of OpenStreetMap become on the layers, and what becomes of broken ones."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import osmium
import pytest
from extracts import Extract, Result, mercator, read, read_file, ring
from shapely import Point

from geoserver.basemap.survey import survey
from geoserver.basemap.tags import parse_height, parse_level


def only(result: Result, layer: str) -> dict[str, object]:
    [row] = result.rows[layer]
    return row


@pytest.mark.parametrize(
    ("text", "metres"),
    [("12", 12.0), ("12.5 m", 12.5), ("7,5", 7.5), ("40 ft", 12.2), ("12'6\"", 3.8), ("tall", None), ("-3", None),
     ("", None), (None, None), ("99999", None), ("1e400", None), ("٣", None), ("0", None)],
)  # fmt: skip
def test_heights_are_read_as_people_write_them(text: str | None, metres: float | None) -> None:
    assert parse_height(text) == metres


def test_levels_are_whole_and_not_absurd() -> None:
    assert [parse_level(text) for text in ("3", "3.5", "0", "999", "two", None)] == [3, 3, None, None, None, None]


def test_a_building_has_height_levels_and_a_class(tmp_path: Path) -> None:
    extract = Extract()
    extract.way(ring(10.01, 50.01, 10.02, 50.02), building="apartments", building__levels="4", start_date="1931-05")
    row = only(read(extract, tmp_path), "buildings")
    assert (row["class"], row["height"], row["levels"], row["year"]) == ("apartments", 13.9, 4, 1931)


def test_streets_have_class_name_number_and_what_bears_them(tmp_path: Path) -> None:
    extract = Extract()
    line = [(10.01, 50.01), (10.02, 50.02)]
    extract.way(line, highway="motorway", name="Ring", ref="A 1;E 20", bridge="yes", oneway="yes")
    extract.way([(10.02, 50.02), (10.03, 50.03)], highway="motorway", ref="A 1")
    extract.way(line, highway="footway", tunnel="yes")
    extract.way(line, highway="proposed")
    result = read(extract, tmp_path)
    first, second = result.rows["streets"]
    assert (first["class"], first["rank"], first["name"], first["ref"]) == ("motorway", 1, "Ring", "A 1;E 20")
    assert (first["bridge"], first["tunnel"], first["oneway"]) == (True, False, True)
    assert second["name"] is None
    assert only(result, "paths")["class"] == "tunnel"
    assert only(result, "road-numbers")["ref"] == "A 1"


def test_names_come_in_the_languages_that_most_of_them_have_and_only_where_they_differ(tmp_path: Path) -> None:
    extract = Extract()
    for index in range(300):
        y = 50.0 + index * 1e-4
        names = {"name": f"Katu {index}", "name__fi": f"Katu {index}", "name__sv": f"Gatan {index}"}
        rare = {"name__ja": "通り"} if index == 0 else {}
        strange = {"name__etymology": "x", "name__old": "y"}
        extract.way([(10.0, y), (10.1, y)], highway="residential", **names, **rare, **strange)
    result = read(extract, tmp_path)
    assert set(result.languages) == {"fi", "sv"}
    row = result.rows["side-streets"][7]
    assert (row["name"], row["name_fi"], row["name_sv"]) == ("Katu 7", None, "Gatan 7")


def test_long_names_are_shortened_and_unseen_signs_taken_out(tmp_path: Path) -> None:
    extract = Extract()
    for index in range(10_000):
        place = (10 + index % 100 * 1e-3, 50 + index // 100 * 1e-3)
        extract.node(place, place="hamlet", name=f"{index} " + "x" * 500)
    extract.node((10.05, 50.0999), place="village", name="Ober\u202edorf\n am\x07 See")
    result = read(extract, tmp_path)
    names = [row["name"] for row in result.rows["places"]]
    assert max(map(len, names)) == 100
    assert result.said("names longer than 100 letters shortened") == 10_000
    assert "Ober dorf am See" in names


def test_a_place_that_is_drawn_as_a_point_and_as_an_area_is_named_once(tmp_path: Path) -> None:
    extract = Extract()
    extract.node((10.05, 50.05), place="island", name="Skär")
    extract.way(ring(10.04, 50.04, 10.06, 50.06), place="island", name="Skär")
    assert only(read(extract, tmp_path), "places")["name"] == "Skär"


def test_a_park_has_its_size_and_its_name_is_a_place_within_it(tmp_path: Path) -> None:
    extract = Extract()
    extract.way(ring(10.04, 50.04, 10.05, 50.05), leisure="park", name="Mittelpark")
    result = read(extract, tmp_path)
    assert only(result, "parks")["hectares"] == pytest.approx(79.6, abs=0.5)
    place = only(result, "places")
    assert (place["kind"], place["name"], place["rank"]) == ("park", "Mittelpark", 5)
    assert only(result, "parks")["geometry"].contains(place["geometry"])


def test_runways_and_piers_that_are_lines_become_areas_as_wide_as_they_are(tmp_path: Path) -> None:
    extract = Extract()
    extract.way([(10.01, 50.01), (10.03, 50.01)], aeroway="runway", width="60")
    extract.way([(10.01, 50.02), (10.011, 50.02)], man_made="pier")
    rows = {row["class"]: row["geometry"] for row in read(extract, tmp_path).rows["land"] if row["class"] != "ground"}
    south, north = rows["runway"].bounds[1::2]
    assert (north - south) * 0.6428 == pytest.approx(60, abs=0.5)
    assert rows["pier"].geom_type == "Polygon"


def test_what_one_finds_ones_way_by_and_house_numbers(tmp_path: Path) -> None:
    extract = Extract()
    extract.node((10.01, 50.01), railway="station", name="Hauptbahnhof")
    extract.way(ring(10.02, 50.02, 10.03, 50.03), amenity="hospital", name="Klinikum", building="yes")
    extract.node((10.04, 50.04), amenity="cafe", name="Café")
    extract.way(ring(10.05, 50.05, 10.06, 50.06), addr__housenumber="12a", addr__street="Am Markt", building="yes")
    result = read(extract, tmp_path)
    assert {(row["kind"], row["name"]) for row in result.rows["landmarks"]} == {
        ("station", "Hauptbahnhof"),
        ("hospital", "Klinikum"),
    }
    row = only(result, "house-numbers")
    assert (row["number"], row["street"]) == ("12a", "Am Markt")
    assert row["geometry"].geom_type == "Point"


def test_borders_have_the_highest_level_of_what_they_bound(tmp_path: Path) -> None:
    extract = Extract()
    way = extract.way([(10.01, 50.01), (10.02, 50.02)])
    coast = extract.way([(9.9, 50.05), (10.2, 50.05)], natural="coastline")
    extract.relation([way, coast], type="boundary", boundary="administrative", admin_level="8")
    extract.relation([way], type="boundary", boundary="administrative", admin_level="4")
    row = only(read(extract, tmp_path), "boundaries")
    assert (row["class"], row["level"]) == ("state", 4)


def test_rings_of_a_multipolygon_become_one_area_with_a_hole(tmp_path: Path) -> None:
    extract = Extract()
    outer = ring(10.02, 50.02, 10.08, 50.08)
    halves = [extract.way(outer[:3]), extract.way(outer[2:])]
    inner = extract.way(ring(10.04, 50.04, 10.06, 50.06))
    extract.relation([*halves, inner], natural="water", water="lake", name="Lago")
    lake = only(read(extract, tmp_path), "water")["geometry"]
    assert lake.contains(Point(mercator(10.03, 50.05)))
    assert not lake.contains(Point(mercator(10.05, 50.05)))


def test_a_lake_that_the_edge_cuts_is_closed_along_it_where_ways_are_missing(tmp_path: Path) -> None:
    extract = Extract()
    half = extract.way([(10.07, 49.99), (10.06, 50.03), (10.12, 50.04)])
    extract.relation([half, 4711], natural="water")
    result = read(extract, tmp_path)
    lake = only(result, "water")["geometry"]
    assert lake.contains(Point(mercator(10.099, 50.001)))
    assert not lake.contains(Point(mercator(10.001, 50.001)))
    assert result.said("of which ways are not in the extract") == 1
    assert result.said("closed along it") == 1


def test_a_closed_way_of_which_nodes_are_missing_is_closed_along_the_edge(tmp_path: Path) -> None:
    extract = Extract()
    points = [(10.098, 50.02), (10.098, 50.04), (10.11, 50.04), (10.11, 50.02), (10.098, 50.02)]
    extract.way(points, without=(2, 3), leisure="park")
    park = only(read(extract, tmp_path), "parks")["geometry"]
    assert park.bounds[2] == pytest.approx(mercator(10.1, 50)[0])


def test_a_multipolygon_that_bounds_nothing_is_left_out_and_counted(tmp_path: Path) -> None:
    extract = Extract()
    lone = extract.way([(10.04, 50.04), (10.05, 50.05)])
    extract.relation([lone], natural="water")
    extract.relation([12345], landuse="forest")
    extract.way(ring(10.01, 50.01, 10.02, 50.02), building="yes")
    result = read(extract, tmp_path)
    assert "water" not in result.rows
    assert "parks" not in result.rows
    assert result.said("areas that do not close left out") == 2


def test_an_area_in_hundreds_of_pieces_is_put_together_in_little_memory(tmp_path: Path) -> None:
    extract = Extract()
    turns = np.linspace(0, 2 * np.pi, 1_801)
    edge = [(10.05 + 0.04 * np.cos(turn), 50.05 + 0.04 * np.sin(turn)) for turn in turns]
    pieces = [edge[index : index + 3] for index in range(0, 1_800, 3)]  # with gaps half as long as they are
    extract.relation([extract.way(piece) for piece in pieces], natural="water")
    tracemalloc.start()
    result = read(extract, tmp_path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert only(result, "water")["geometry"].contains(Point(mercator(10.05, 50.05)))
    assert most < 30e6, most


def test_an_extract_without_ways_still_has_its_places(tmp_path: Path) -> None:
    extract = Extract()
    extract.node((10.05, 50.05), place="city", name="Nirgends", population="1 200 000")
    place = only(read(extract, tmp_path), "places")
    assert (place["kind"], place["rank"], place["population"]) == ("city", 1, 1_200_000)


def test_a_street_one_of_whose_nodes_is_missing_is_two_streets(tmp_path: Path) -> None:
    extract = Extract()
    line = [(10.01 + index * 0.01, 50.05) for index in range(5)]
    extract.way(line, without=(2,), highway="residential", name="Lücke")
    extract.way([(10.08, 50.01), (10.09, 50.01)], without=(0,), highway="residential")
    result = read(extract, tmp_path)
    assert len(result.rows["side-streets"]) == 2
    assert result.said("lines that end where the extract does") == 1
    assert result.said("without a single stretch") == 1


def test_ways_without_any_of_their_nodes_are_refused(tmp_path: Path) -> None:
    extract = Extract()
    extract.way([(10.01, 50.05), (10.02, 50.05)], without=(0, 1), highway="residential")
    with pytest.raises(ValueError, match="none of the nodes"):
        read(extract, tmp_path)


def test_an_island_called_as_the_village_on_it_is_named_once(tmp_path: Path) -> None:
    extract = Extract()
    extract.node((10.05, 50.05), place="village", name="Fuvahmulah")
    extract.way(ring(10.04, 50.04, 10.06, 50.06), place="island", name="Fuvahmulah")
    extract.way(ring(10.01, 50.01, 10.02, 50.02), place="island", name="Bis Huraa")
    names = [(row["kind"], row["name"]) for row in read(extract, tmp_path).rows["places"]]
    assert sorted(names) == [("island", "Bis Huraa"), ("village", "Fuvahmulah")]


@pytest.mark.parametrize(
    ("local", "other", "kept"),
    [
        ("ArtScience Museum", "Art-Science Museum", None), ("Malé", "Male", None), ("مالي", "Malé", "Malé"),
        ("Zürich", "Zurich", None), ("東京", "东京", "东京"), ("?!", "!?", "!?"), (None, "Malé", "Malé"),
    ],
)  # fmt: skip
def test_a_name_that_says_the_same_letters_is_no_second_name(
    local: str | None, other: str, kept: str | None, tmp_path: Path
) -> None:
    extract = Extract()
    extract.node((10.05, 50.05), place="town", name=local or " ", name__en=other)
    assert only(read(extract, tmp_path), "places")["name_en"] == kept


def test_names_in_languages_of_readers_come_before_more_common_ones(tmp_path: Path) -> None:
    extract = Extract()
    tongues = ("aa", "ab", "am", "ar", "az", "be", "bg", "bn", "ca")
    for index in range(600):
        names = {f"name__{tongue}": f"{tongue} {index}" for tongue in tongues}
        rare = {"name__pt": "Rua"} if index == 0 else {}
        extract.node((10.0 + index * 1e-4, 50.05), place="hamlet", name=f"Place {index}", **names, **rare)
    path = extract.write(tmp_path / "tongues.osm.pbf")
    assert survey(path, lambda *_: None, ("en", "pt")).languages == ("pt", *tongues[:7])
    assert "pt" not in survey(path, lambda *_: None).languages


def test_reefs_are_seen_in_the_sea(tmp_path: Path) -> None:
    extract = Extract()
    extract.way(ring(10.01, 50.01, 10.02, 50.02), natural="reef")
    assert only(read(extract, tmp_path), "parks")["class"] == "wetland"


def test_rings_that_lie_on_one_another_do_not_end_the_import(tmp_path: Path) -> None:
    extract = Extract(box=(73.0, 6.0, 73.1, 6.1))
    rings = [
        [(73.0438953, 6.0733947), (73.0414277, 6.0586078), (73.0450326, 6.0722851)],
        [(73.0433447, 6.0720439), (73.0440724, 6.0711334), (73.0437466, 6.0714144)],
        [(73.0445243, 6.0634816), (73.0446552, 6.0645497), (73.0444928, 6.0640291)],
        [(73.0440724, 6.0711334), (73.0433447, 6.0720439), (73.0437466, 6.0714144)],
        [(73.0448102, 6.0642421), (73.0445243, 6.0634816), (73.044592, 6.0639528)],
    ]
    extract.relation([extract.way([*corners, corners[0]]) for corners in rings], natural="wood")
    extract.node((73.05, 6.05), place="village", name="Noonu")
    result = read(extract, tmp_path)
    assert only(result, "parks")["class"] == "forest"
    assert only(result, "places")["name"] == "Noonu"


@pytest.mark.parametrize(
    ("closed", "tags", "layers"),
    [
        (False, {"highway": "residential"}, {"side-streets"}),
        (False, {"highway": "residential", "area": "yes"}, {"side-streets"}),
        (True, {"highway": "residential"}, {"side-streets"}),
        (True, {"highway": "pedestrian", "area": "yes"}, {"plazas"}),
        (True, {"highway": "pedestrian", "area": "no", "building": "yes"}, {"side-streets"}),
        (True, {"highway": "service", "building": "yes"}, {"buildings"}),
        (True, {"highway": "residential", "landuse": "forest"}, {"side-streets"}),
        (False, {"highway": "construction", "railway": "tram"}, {"tracks"}),
        (False, {"highway": "footway", "man_made": "pier"}, {"paths"}),
    ],
)
def test_a_way_is_of_one_half_of_the_extract_alone(
    closed: bool, tags: dict[str, str], layers: set[str], tmp_path: Path
) -> None:
    extract = Extract()
    extract.way(ring(10.01, 50.01, 10.02, 50.02) if closed else [(10.01, 50.01), (10.02, 50.02)], **tags)
    rows = read(extract, tmp_path).rows
    assert {name: len(found) for name, found in rows.items() if name not in ("land", "beyond")} == dict.fromkeys(
        layers, 1
    )


def test_things_whose_tags_are_no_utf_8_are_left_out_and_counted(tmp_path: Path) -> None:
    extract = Extract()
    extract.way([(10.01, 50.07), (10.02, 50.07)], highway="residential", name="Gute Straße")
    extract.way([(10.01, 50.08), (10.02, 50.08)], highway="residential", name="QQQ")
    extract.way(ring(10.03, 50.06, 10.04, 50.07), leisure="park", name="QQQ")
    extract.node((10.05, 50.05), place="town", name="Neustadt")
    path, packed = extract.write(tmp_path / "town.osm"), tmp_path / "town.osm.pbf"
    with osmium.SimpleWriter(osmium.io.File(str(packed), "pbf,pbf_compression=none")) as writer:
        for thing in osmium.FileProcessor(str(path)):
            writer.add(thing)
    packed.write_bytes(packed.read_bytes().replace(b"QQQ", b"\xff\xfe\xfa"))
    result = read_file(packed)
    assert [row["name"] for row in result.rows["side-streets"]] == ["Gute Straße"]
    assert [row["name"] for row in result.rows["places"]] == ["Neustadt"]
    assert "parks" not in result.rows
    assert result.said("no UTF-8") == 2
