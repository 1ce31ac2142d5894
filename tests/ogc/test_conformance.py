"""What /conformance declares of CQL2 works, and what works is declared (OGC 21-065r2, annex A)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from geoserver.filtering.syntax import SPATIAL, TEMPORAL

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

ITEMS = "/ogc/collections/lamps/items"
LAMPS = 2_500
PREFIX = "http://www.opengis.net/spec/cql2/1.0/conf/"
LITERALS = {
    "kind": "'gas'",
    "watts": "1",
    "height": "3.14",
    "lit": "true",
    "built": "TIMESTAMP('2020-04-14T14:48:46Z')",
    "checked": "DATE('2024-04-14')",
}
SIGNS = ["=", "<>", ">", "<", ">=", "<="]
GEOMETRIES = [
    "LINESTRING(-29 45,-28 46)",
    "POLYGON((-180 -90,180 -90,180 90,-180 90,-180 -90))",
    "MULTIPOINT(7 50,10 51)",
    "MULTILINESTRING((7 50,10 51),(1 2,3 4))",
    "MULTIPOLYGON(((-29 45,-28 45,-28 46,-29 45)),((0 0,1 0,1 1,0 0)))",
    "GEOMETRYCOLLECTION(POLYGON((-29 45,-28 45,-28 46,-29 45)),POLYGON((0 0,1 0,1 1,0 0)))",
]
BASIC = [f"{name} {sign} {value}" for name, value in LITERALS.items() for sign in SIGNS]
POINTS_IN_TIME = ["t_after", "t_before", "t_disjoint", "t_equals", "t_intersects"]
SPAN = "INTERVAL('2020-02-01T00:00:00Z','2020-12-31T23:59:59Z')"

# Class -> conditions that it asks for.
WORKS: dict[str, list[str]] = {
    "basic-cql2": [*BASIC, *(f"{name} IS NOT NULL" for name in LITERALS), "NOT lit AND (kind = 'a' OR watts > 5)"],
    "advanced-comparison-operators": ["kind LIKE 'g_s%'", "watts NOT BETWEEN 2 AND 30", "kind NOT IN ('gas', 'oil')"],
    "case-insensitive-comparison": ["CASEI(kind) = casei('GAS')", "CASEI(kind) LIKE casei('G%')",
                                    "CASEI(kind) IN (casei('GAS'), casei('Straße'))"],
    "accent-insensitive-comparison": ["ACCENTI(kind) = accenti('gás')",
                                      "ACCENTI(CASEI(kind)) LIKE accenti(casei('GÁ%'))",
                                      "ACCENTI(CASEI(kind)) IN (accenti(casei('Gás')), accenti(casei('foo')))"],
    "basic-spatial-functions": ["S_INTERSECTS(geometry,BBOX(-180,-90,180,90))",
                                "S_INTERSECTS(geometry,POINT(-28.6 45.2))"],
    "basic-spatial-operators": ["S_INTERSECTS(geometry,BBOX(150,-90,-150,90))"],
    "basic-spatial-functions-plus": [f"S_INTERSECTS(geometry,{shape})" for shape in GEOMETRIES],
    "spatial-functions": [f"{name.upper()}(geometry,{shape})" for name in sorted(SPATIAL) for shape in GEOMETRIES],
    "temporal-functions": [
        *(f"{name.upper()}({field},{other})" for name in POINTS_IN_TIME
          for field, other in [("built", LITERALS["built"]), ("built", SPAN), ("checked", LITERALS["checked"]),
                               ("checked", "INTERVAL('2021-01-01','..')")]),
        *(f"{name.upper()}(INTERVAL(built,checked),{SPAN})" for name in sorted(TEMPORAL)),
    ],
    "property-property": [
        *(f"{value} {sign} {name}" for name, value in LITERALS.items() for sign in SIGNS),
        *(f"{name} {sign} {name}" for name in LITERALS for sign in SIGNS),
        *(f"{value} {sign} {value}" for value in LITERALS.values() for sign in SIGNS),
        "'København' LIKE 'K_benhavn'", "watts BETWEEN height AND watts", "S_WITHIN(POINT(1 1),geometry)",
        "S_INTERSECTS(geometry,geometry)", "S_INTERSECTS(POINT(1 1),BBOX(0,0,2,2))", "T_AFTER(built,checked)",
        f"T_DURING({SPAN},INTERVAL(built,checked))",
    ],
    "arithmetic": ["watts = 10+2*5", "watts >= 40-2*2^0", "height > 40-360/10", "watts < 100-21 div 10", "watts <> 5%2",
                   "watts*2 BETWEEN 10 AND 3*(10+10)", "watts IN (5+5,4*5)", "10+10=watts", "watts^2=400"],
    "functions": ["S_INTERSECTS(geometry,CIRCLE(-28.6,45.2,500))", "S_WITHIN(geometry,FEATURE('zones',1))",
                  "NOT S_DISJOINT(Feature('lamps',3),geometry)"],
    "cql2-text": ["kind = 'gas'"],
    "cql2-json": ['{"op":"=","args":[{"property":"kind"},"gas"]}'],
}  # fmt: skip
MISSING = {
    "array-functions": "A_CONTAINS(kind,('a','b'))",
}


def matched(town: TestClient, text: str) -> int:
    language = "cql2-json" if text.startswith("{") else "cql2-text"
    answer = town.get(ITEMS, params={"filter": text, "filter-lang": language, "resulttype": "hits"})
    assert answer.status_code == 200, (text, answer.text)
    return int(answer.json()["numberMatched"])


def test_every_class_of_cql2_that_is_declared_is_tested_here_and_the_other_way_round(town: TestClient) -> None:
    declared = {
        name.removeprefix(PREFIX) for name in town.get("/ogc/conformance").json()["conformsTo"] if PREFIX in name
    }
    assert declared == WORKS.keys()


@pytest.mark.parametrize("name", WORKS)
def test_a_declared_class_works(town: TestClient, name: str) -> None:
    for text in WORKS[name]:
        assert 0 <= matched(town, text) <= LAMPS


@pytest.mark.parametrize("name", MISSING)
def test_a_class_that_is_not_declared_is_refused(town: TestClient, name: str) -> None:
    answer = town.get(ITEMS, params={"filter": MISSING[name]})
    assert answer.status_code == 400
    assert answer.json()["parameter"] == "filter"


@pytest.mark.parametrize("name", LITERALS)
def test_opposite_comparisons_share_no_row_and_leave_none_out(town: TestClient, name: str) -> None:
    known, value = matched(town, f"{name} IS NOT NULL"), LITERALS[name]
    for one, other in [("=", "<>"), (">", "<="), ("<", ">=")]:
        for left, right in [(name, value), (value, name), (name, name)]:
            assert matched(town, f"{left} {one} {right}") + matched(town, f"{left} {other} {right}") == known


def test_places_and_sums_count_what_they_should(town: TestClient) -> None:
    everywhere = "BBOX(-180,-90,180,90)"
    assert (
        matched(town, f"S_WITHIN(geometry,{everywhere})")
        == matched(town, f"S_CONTAINS({everywhere},geometry)")
        == LAMPS
    )
    assert matched(town, f"S_DISJOINT(geometry,{everywhere})") == 0
    assert matched(town, "S_EQUALS(geometry,POINT(-28.6 45.2))") == 1
    for text in ("watts=18+2", "watts=5*2^2", "watts=41 div 2", "watts=80/4", "watts=20%30", "20=watts"):
        assert matched(town, text) == matched(town, "watts = 20") > 0
    assert matched(town, "'oil <1900'<kind") + matched(town, "'oil <1900'>=kind") == LAMPS


def test_coordinates_beyond_the_earth_are_refused(town: TestClient) -> None:
    for name in ("S_INTERSECTS", "S_DISJOINT"):
        assert town.get(ITEMS, params={"filter": f"{name}(geometry,POINT(90 180))"}).status_code == 400
