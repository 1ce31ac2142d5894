"""Features: paging, sorting, filters, CRSs, and what bad input gets."""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import TYPE_CHECKING, Any

import psycopg
import pyproj
import pytest
from psycopg.sql import SQL

from geoserver.database.keyset import Position, parse_sortby, render_cursor
from geoserver.ogc.page import _value

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

LAMPS = 2_500
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"


def get_items(town: TestClient, layer: str = "lamps", **params: Any) -> dict[str, Any]:
    answer = town.get(
        f"/ogc/collections/{layer}/items", params={name.replace("_", "-"): v for name, v in params.items()}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def follow(town: TestClient, **params: Any) -> list[dict[str, Any]]:
    """Every page from the first on, by the `next` links."""
    pages = [get_items(town, **params)]
    while following := [link for link in pages[-1]["links"] if link["rel"] == "next"]:
        assert following[0]["type"] == "application/geo+json"
        pages.append(town.get(following[0]["href"]).json())
        assert len(pages) < 500
    return pages


def ids_of(pages: list[dict[str, Any]]) -> list[int]:
    return [feature["id"] for page in pages for feature in page["features"]]


def problem_of(town: TestClient, path: str, **params: Any) -> dict[str, Any]:
    answer = town.get(path, params=params)
    assert answer.status_code in (400, 404), (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def test_a_page_is_geojson_and_labelled_so(town: TestClient) -> None:
    answer = town.get("/ogc/collections/lamps/items")
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["content-crs"] == f"<{CRS84}>"
    page = answer.json()
    assert page["type"] == "FeatureCollection"
    assert page["numberMatched"] == LAMPS
    assert page["numberReturned"] == len(page["features"]) == 100
    assert page["features"][0] == {
        "type": "Feature",
        "id": 0,
        "geometry": {"type": "Point", "coordinates": [-28.6, 45.2]},
        "properties": {
            "kind": "gas",
            "watts": None,
            "height": None,
            "lit": True,
            "built": "2020-01-01T00:00:00Z",
            "checked": "2024-01-01",
        },
    }


def test_pages_that_differ_in_one_thing_alone_are_each_as_asked_for_in_whatever_order(town: TestClient) -> None:
    first = get_items(town, limit=3)
    onward = next(link["href"] for link in first["links"] if link["rel"] == "next")
    for _ in range(2):
        assert ids_of([get_items(town, limit=3)]) == [0, 3, 6]
        assert ids_of([get_items(town, limit=4)]) == [0, 3, 6, 9]
        assert ids_of([get_items(town, limit=3, offset=5)]) == [15, 18, 21]
        assert ids_of([get_items(town, limit=3, offset=9)]) == [27, 30, 33]
        assert ids_of([town.get(onward).json()]) == [9, 12, 15]
        assert set(get_items(town, limit=3, properties="kind")["features"][0]["properties"]) == {"kind"}
        assert get_items(town, limit=3, skipGeometry="true")["features"][0]["geometry"] is None
        turned = get_items(town, limit=3, crs=f"{EPSG}4326")["features"][0]
        assert turned["geometry"]["coordinates"] == [45.2, -28.6]
        assert get_items(town, limit=3)["features"][0] == first["features"][0]


@pytest.mark.parametrize("limit", [1, 7, 499, 2_500, 10_000])
def test_the_next_links_lead_over_every_feature_once(town: TestClient, limit: int) -> None:
    if limit == 1:
        pages = follow(town, limit=1, watts=120, lit="true")
        assert all(page["numberReturned"] == 1 for page in pages)
        assert ids_of(pages) == sorted(set(ids_of(pages)))
        assert len(pages) == pages[0]["numberMatched"] > 50
        return
    pages = follow(town, limit=limit)
    assert ids_of(pages) == [n * 3 for n in range(LAMPS)]
    assert len(pages) == -(-LAMPS // limit)


@pytest.mark.parametrize(
    "sortby",
    ["watts", "+watts", "-watts", "height,-watts", "-kind,height", "-built", "lit,-checked", "-height,+lit,-kind"],
)
def test_sorted_pages_hold_every_feature_once_in_order_with_nulls_last(town: TestClient, sortby: str) -> None:
    pages = follow(town, limit=331, sortby=sortby)
    features = [feature for page in pages for feature in page["features"]]
    assert sorted(ids_of(pages)) == [n * 3 for n in range(LAMPS)]
    names = [(name.lstrip("+-"), name.startswith("-")) for name in sortby.split(",")]
    for first, second in itertools.pairwise(features):
        for name, descending in names:
            a, b = first["properties"][name], second["properties"][name]
            if a == b:
                continue
            assert b is None or ((a is not None and (a > b if descending else a < b)) or name == "kind"), (a, b)
            break
        else:
            assert first["id"] < second["id"]


def test_a_field_named_like_a_column_of_the_answer_sorts_by_its_own_values(town: TestClient) -> None:
    pages = follow(town, layer="zones", limit=1, sortby="feature")
    assert [page["features"][0]["properties"]["feature"] for page in pages] == [8, 9, 10, 11]


def test_rows_that_come_and_go_between_pages_move_no_other_row(town: TestClient, town_database: str) -> None:
    first = get_items(town, "buoys", limit=2)
    (following,) = [link["href"] for link in first["links"] if link["rel"] == "next"]
    with psycopg.connect(town_database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO layers.buoys (fid, name, geom) VALUES (0, 'early', ST_SetSRID(ST_MakePoint(0, 0), 4326))"
        )
        try:
            assert [feature["id"] for feature in town.get(following).json()["features"]] == [3, 4]
        finally:
            connection.execute("DELETE FROM layers.buoys WHERE fid = 0")


def test_offset_passes_features_over(town: TestClient) -> None:
    assert ids_of([get_items(town, limit=2, offset=10)]) == [30, 33]


def test_a_limit_beyond_the_maximum_means_the_maximum(town: TestClient) -> None:
    assert get_items(town, limit=999_999)["numberReturned"] == LAMPS


def test_only_the_asked_fields_come_without_geometry_where_asked(town: TestClient) -> None:
    page = get_items(town, limit=1, properties="watts,kind", skipGeometry="true")
    assert page["features"][0]["geometry"] is None
    assert page["features"][0]["properties"] == {"watts": None, "kind": "gas"}
    assert get_items(town, limit=1, properties="")["features"][0]["properties"] == {}


def test_hits_only_count(town: TestClient) -> None:
    page = get_items(town, resulttype="hits", watts=10)
    assert page["features"] == []
    assert page["numberMatched"] > 0


def test_values_come_out_as_they_are_stored(town: TestClient) -> None:
    texts = {feature["properties"]["kind"] for feature in get_items(town, limit=10)["features"]}
    assert texts == {"gas", "oil <1900", 'led & "smart"', "sodium"}


def test_a_filter_counts_and_selects_the_same(town: TestClient) -> None:
    page = get_items(town, limit=5_000, filter="kind = 'gas' AND watts >= 100")
    assert page["numberMatched"] == page["numberReturned"] > 0
    assert all(f["properties"]["kind"] == "gas" and f["properties"]["watts"] >= 100 for f in page["features"])
    few = get_items(town, limit=3, filter="kind = 'gas' AND watts >= 100")
    assert few["numberMatched"] == page["numberMatched"]


def test_a_filter_in_json_means_the_same_as_in_text(town: TestClient) -> None:
    tree = {
        "op": "and",
        "args": [{"op": "=", "args": [{"property": "kind"}, "gas"]}, {"op": ">", "args": [{"property": "watts"}, 90]}],
    }
    as_json = get_items(town, limit=1, filter=json.dumps(tree), filter_lang="cql2-json")
    assert as_json["numberMatched"] == get_items(town, limit=1, filter="kind='gas' AND watts>90")["numberMatched"]


def test_the_shorthand_means_the_same_as_a_filter(town: TestClient) -> None:
    shorthand = get_items(town, limit=1, kind="oil <1900", lit="false")
    assert (
        shorthand["numberMatched"] == get_items(town, limit=1, filter="kind='oil <1900' AND lit=false")["numberMatched"]
    )


QGIS_FILTERS = [
    ('(("kind" = \'gas\') AND ("watts" >= 100))', "kind = 'gas' AND watts >= 100"),
    ('("watts" BETWEEN 10 AND 20)', "watts BETWEEN 10 AND 20"),
    ("\"kind\" IN ('gas','sodium')", "kind IN ('gas', 'sodium')"),
    ('("kind" IS NULL OR NOT ("watts" IS NULL))', "watts IS NOT NULL"),
    ("(CASEI(\"kind\") LIKE CASEI('GA%'))", "kind = 'gas'"),
    ("(\"built\" >= TIMESTAMP('2021-01-01T00:00:00Z'))", "built >= TIMESTAMPTZ '2021-01-01 00:00:00Z'"),
    ("(\"checked\" < DATE('2024-02-01'))", "checked < DATE '2024-02-01'"),
    (
        "S_INTERSECTS(geometry,POLYGON((-28.6005 45.1995,-28.5905 45.1995,-28.5905 45.2005,-28.6005 45.2005,"
        "-28.6005 45.1995)))",
        "ST_Intersects(geom, ST_MakeEnvelope(-28.6005, 45.1995, -28.5905, 45.2005, 4326))",
    ),
]


@pytest.mark.parametrize(("question", "sql"), QGIS_FILTERS, ids=lambda text: text[:40])
def test_what_qgis_writes_as_a_filter_selects_what_sql_selects(
    town: TestClient, town_database: str, question: str, sql: str
) -> None:
    with psycopg.connect(town_database) as connection:
        row = connection.execute(f"SELECT count(*) FROM layers.lamps WHERE {sql}").fetchone()
    assert row
    assert 0 < row[0] < LAMPS
    page = get_items(town, limit=1, filter=question, filter_lang="cql2-text")
    assert page["numberMatched"] == row[0]


def test_truth_may_be_written_as_a_number_as_gdal_does(town: TestClient) -> None:
    for word, number in (("true", "1"), ("false", "0")):
        assert get_items(town, lit=word)["features"] == get_items(town, lit=number)["features"]


def test_a_filter_keeps_on_through_the_pages(town: TestClient) -> None:
    pages = follow(town, limit=100, filter="watts > 60", sortby="-watts", bbox="-28.61,45.19,-28.58,45.25")
    assert len(pages) > 2
    found = ids_of(pages)
    assert len(found) == len(set(found)) == pages[0]["numberMatched"]
    assert all(page["numberMatched"] == len(found) for page in pages)


def test_a_bbox_of_six_values_means_its_four_plane_ones(town: TestClient) -> None:
    flat = get_items(town, limit=1, bbox="-28.6005,45.1995,-28.5905,45.2005")
    tall = get_items(town, limit=1, bbox="-28.6005,45.1995,-100,-28.5905,45.2005,100")
    assert flat["numberMatched"] == tall["numberMatched"] == 10


def test_a_bbox_over_the_antimeridian_finds_both_sides(town: TestClient) -> None:
    assert ids_of([get_items(town, "buoys", bbox="179,-20,-179,20")]) == [2, 3]
    assert ids_of([get_items(town, "buoys", bbox="177,-20,-177,20")]) == [1, 2, 3, 4]


def test_a_bbox_in_another_crs_has_that_crs_axes(town: TestClient) -> None:
    lonlat = get_items(town, limit=1, bbox="-28.6005,45.1995,-28.5905,45.2005")["numberMatched"]
    latlon = get_items(town, limit=1, bbox="45.1995,-28.6005,45.2005,-28.5905", bbox_crs=f"{EPSG}4326")["numberMatched"]
    assert lonlat == latlon == 10
    meters = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    west, south = meters.transform(-28.6005, 45.1995)
    east, north = meters.transform(-28.5905, 45.2005)
    box = f"{west},{south},{east},{north}"
    assert get_items(town, limit=1, bbox=box, bbox_crs=f"{EPSG}3857")["numberMatched"] == 10


@pytest.mark.parametrize(
    ("datetime", "count"),
    [
        ("2020-01-01T00:00:00Z", 1),
        ("2020-01-01T00:00:00Z/2020-01-01T18:00:00Z", 4),
        ("../2020-01-01T18:00:00Z", 4),
        ("/2020-01-01T18:00:00Z", 4),
        ("2020-01-01T06:00:00Z/..", LAMPS - 1),
        ("2020-01-01T06:00:00Z/", LAMPS - 1),
        ("../..", LAMPS),
        ("2020-01-01T06:00:00Z/9999-12-31T00:00:00Z", LAMPS - 1),  # what QGIS makes of an open end
        ("0001-01-01T00:00:00Z/2020-01-01T18:00:00Z", 4),
        ("1999-01-01T00:00:00Z/1999-12-31T00:00:00Z", 0),
    ],
)
def test_datetime_takes_instants_and_intervals_with_open_ends(town: TestClient, datetime: str, count: int) -> None:
    assert get_items(town, limit=1, datetime=datetime)["numberMatched"] == count


@pytest.mark.parametrize("layer", ["lamps", "zones"])
def test_epsg_4326_has_latitude_first(town: TestClient, layer: str) -> None:
    def corner(geometry: dict[str, Any]) -> list[float]:
        return geometry["coordinates"] if layer == "lamps" else geometry["coordinates"][0][0][0]

    answer = town.get(f"/ogc/collections/{layer}/items", params={"crs": f"{EPSG}4326", "limit": 1})
    assert answer.headers["content-crs"] == f"<{EPSG}4326>"
    latitude, longitude = corner(answer.json()["features"][0]["geometry"])
    assert 45 < latitude < 46
    assert -29 < longitude < -28
    default = corner(get_items(town, layer, limit=1)["features"][0]["geometry"])
    assert default == pytest.approx([longitude, latitude], abs=1e-7)


def test_other_crs_agree_with_pyproj(town: TestClient) -> None:
    lon, lat = get_items(town, "zones", limit=1)["features"][0]["geometry"]["coordinates"][0][0][0]
    for srid in (3857, 32626):
        answer = town.get("/ogc/collections/zones/items/1", params={"crs": f"{EPSG}{srid}"})
        assert answer.headers["content-crs"] == f"<{EPSG}{srid}>"
        found = answer.json()["geometry"]["coordinates"][0][0][0]
        expected = pyproj.Transformer.from_crs(4326, srid, always_xy=True).transform(lon, lat)
        assert found == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("form", ["EPSG:32626", "urn:ogc:def:crs:EPSG::32626", "[EPSG:32626]"])
def test_a_crs_is_known_in_every_form_that_filters_take(town: TestClient, form: str) -> None:
    params = {"crs": f"{EPSG}32626", "limit": "1"}
    plain = town.get("/ogc/collections/zones/items", params=params)
    answer = town.get("/ogc/collections/zones/items", params=params | {"crs": form})
    assert answer.headers["content-crs"] == f"<{EPSG}32626>"
    assert answer.json()["features"] == plain.json()["features"]
    assert town.get("/ogc/collections/zones/items/1", params={"crs": form}).status_code == 200
    for name, value in (("bbox", "0,0,1,1"), ("filter", "S_INTERSECTS(geometry, BBOX(0,0,1,1))")):
        assert get_items(town, "zones", **{name: value, f"{name}-crs": form})["numberMatched"] == 0
    for short, uri in (("EPSG:4326", f"{EPSG}4326"), ("OGC:CRS84", CRS84)):
        answer = town.get("/ogc/collections/lamps/items", params={"crs": short, "limit": 1})
        assert answer.headers["content-crs"] == f"<{uri}>"
    expected = problem_of(town, "/ogc/collections/lamps/items", crs="EPSG:25832")["expected"]
    assert expected.startswith("one of ")


def test_numbers_show_that_they_are_none_of_integers_on_every_page(town: TestClient) -> None:
    """QGIS and GDAL make the type of a field from what the first page has, and then lose what does not fit."""
    asked = {"filter": "height = 3 AND watts = 10", "limit": "1", "properties": "height,watts"}
    plain = town.get("/ogc/collections/lamps/items", params=asked)
    assert '"properties":{"height":3.0,"watts":10}' in plain.text
    (feature,) = plain.json()["features"]
    assert '"height":3.0,' in town.get(f"/ogc/collections/lamps/items/{feature['id']}").text
    for path in ("items", f"items/{feature['id']}"):
        page = town.get(
            f"/ogc/collections/lamps/{path}", params={"f": "html"} | (asked if path == "items" else {})
        ).text
        assert re.search(r">3\s*<", page)
        assert "3.0" not in page


def test_any_number_can_be_shown(town_database: str) -> None:
    numbers = "0 -0 3 -4 2.5 0.1 1e14 999999999999999 1e15 -123456789012345678 1e300 5e-324 Infinity -Infinity NaN"
    shown = SQL("SELECT ({})::text FROM unnest(%s::{}[]) AS t(x)")
    with psycopg.connect(town_database) as connection:
        for kind, given in (("float8", numbers), ("real", "0 3 0.5 16777216 1e38 NaN Infinity")):
            value = SQL("to_json({})").format(_value("x", "number"))
            rows = connection.execute(shown.format(value, SQL(kind)), [given.split()]).fetchall()
            for text, (told,) in zip(given.split(), rows, strict=True):
                if not math.isfinite(float(text)):
                    assert told is None
                    continue
                assert json.loads(told) == pytest.approx(float(text), rel=1e-6 if kind == "real" else 0)
                assert set(told) & set(".e")


def test_a_page_without_attribution_begins_with_the_licence(town: TestClient) -> None:
    for path in ("items", "items/1"):
        foot = town.get(f"/ogc/collections/zones/{path}", params={"f": "html"}).text.partition("<footer>")[2]
        assert foot.strip().startswith("CC0-1.0")


def test_one_feature_has_its_id_and_links(town: TestClient) -> None:
    answer = town.get("/ogc/collections/lamps/items/3")
    assert answer.headers["content-type"] == "application/geo+json"
    feature = answer.json()
    assert feature["id"] == 3
    assert feature["properties"]["kind"] == "oil <1900"
    assert {link["rel"] for link in feature["links"]} == {"self", "alternate", "root", "collection"}
    for link in feature["links"]:
        assert town.get(link["href"]).status_code == 200


@pytest.mark.parametrize(
    "fid", ["abc", "1", "-3", "3.0", "99999999999999999999999", "' OR 1=1", "%27", "٣", "0x3", "1" * 5_000]
)
def test_a_feature_that_is_not_there_is_a_404(town: TestClient, fid: str) -> None:
    problem = problem_of(town, f"/ogc/collections/lamps/items/{fid}")
    assert problem["status"] == 404
    assert problem["parameter"] == "feature"


@pytest.mark.parametrize("path", ["", "/items", "/items/1", "/schema", "/queryables"])
def test_a_collection_that_is_not_there_is_a_404_that_lists_those_there_are(town: TestClient, path: str) -> None:
    problem = problem_of(town, f"/ogc/collections/no-such{path}")
    assert problem["status"] == 404
    assert "lamps" in problem["expected"]
    assert problem_of(town, f"/ogc/collections/unloaded{path}")["status"] == 404


BAD = [
    ("limit", "0"),
    ("limit", "-1"),
    ("limit", "ten"),
    ("limit", "1e3"),
    ("limit", ""),
    ("limit", "99999999999999999999999"),
    ("offset", "-1"),
    ("offset", "999999999999"),
    ("bbox", "1,2,3"),
    ("bbox", "a,b,c,d"),
    ("bbox", "0,10,1,-10"),
    ("bbox", "nan,nan,nan,nan"),
    ("bbox", "0,0,0,0,0"),
    ("datetime", "banana"),
    ("datetime", "2024-13-45"),
    ("datetime", "2024-01-01/2023-01-01"),
    ("datetime", "a/b/c"),
    ("sortby", "nosuch"),
    ("sortby", "watts,watts"),
    ("sortby", "'; DROP TABLE layers.lamps; --"),
    ("sortby", ""),
    ("properties", "nosuch"),
    ("properties", 'kind","geom'),
    ("filter", "nosuch = 1"),
    ("filter", "watts ="),
    ("filter", "watts = 'x"),
    ("filter", "("),
    ("filter", "(" * 200 + "watts=1" + ")" * 200),
    ("filter", "watts = 1 OR " * 3500 + "watts = 1"),
    ("filter-lang", "sql"),
    ("crs", "EPSG:25832"),
    ("crs", f"{EPSG}999999"),
    ("crs", ""),
    ("skipGeometry", "perhaps"),
    ("resulttype", "all"),
    ("cursor", "!!!"),
    ("cursor", ""),
    ("cursor", "W10"),
    ("cursor", "ég"),
    ("f", "xml"),
    ("watts", "many"),
    ("lit", "perhaps"),
    ("built", "banana"),
    ("nosuch", "1"),
    ("geom", "1"),
    ("fid", "1"),
    ("kind'", "1"),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda text: text[:30])
def test_a_wrong_parameter_is_a_400_that_names_it(town: TestClient, name: str, value: str) -> None:
    problem = problem_of(town, "/ogc/collections/lamps/items", **{name: value})
    assert problem["status"] == 400
    assert problem["parameter"] == name
    assert problem["expected"]


@pytest.mark.parametrize("name", ["bbox-crs", "filter-crs"])
def test_a_crs_without_what_it_is_for_is_a_400(town: TestClient, name: str) -> None:
    assert problem_of(town, "/ogc/collections/lamps/items", **{name: CRS84})["parameter"] == name
    wrong = {name: "nonsense", name.removesuffix("-crs"): "1,2,3,4" if name == "bbox-crs" else "watts=1"}
    assert problem_of(town, "/ogc/collections/lamps/items", **wrong)["parameter"] == name


def test_an_unknown_parameter_is_a_400_that_lists_the_queryables(town: TestClient) -> None:
    expected = problem_of(town, "/ogc/collections/lamps/items", colour="red")["expected"]
    for name in ("kind", "watts", "built", "limit", "bbox"):
        assert name in expected
    assert problem_of(town, "/ogc/collections", colour="red")["parameter"] == "colour"
    assert problem_of(town, "/ogc/collections/lamps/items/3", limit="1")["parameter"] == "limit"


def test_a_parameter_given_twice_is_a_400(town: TestClient) -> None:
    answer = town.get("/ogc/collections/lamps/items?limit=1&limit=2")
    assert answer.status_code == 400
    assert answer.json()["parameter"] == "limit"


def test_a_cursor_of_another_order_or_with_wrong_values_is_a_400(town: TestClient) -> None:
    page = get_items(town, limit=1, sortby="watts")
    (following,) = [link["href"] for link in page["links"] if link["rel"] == "next"]
    swapped = following.replace("sortby=watts", "sortby=height")
    assert swapped != following
    assert town.get(swapped).status_code == 400
    layer_key = _sort_key(town, "watts")
    forged = render_cursor(Position(1, ("many",)), "lamps", layer_key)
    problem = problem_of(town, "/ogc/collections/lamps/items", sortby="watts", cursor=forged)
    assert problem["parameter"] == "cursor"
    huge = render_cursor(Position(2**63 - 1, ("1",)), "lamps", layer_key)
    assert get_items(town, sortby="watts", cursor=huge)["features"]


def _sort_key(town: TestClient, name: str) -> Any:
    return parse_sortby(name, town.app.state.services.live.current.layers["lamps"].fields)  # type: ignore[attr-defined]


@pytest.mark.parametrize("quote", ["'", '"', "''", "\\", "\x00", "%00", ";--", "<script>", "$1", "%(limit)s", "{}"])
def test_a_quote_anywhere_is_never_a_server_error(town: TestClient, quote: str) -> None:
    names = [
        "filter",
        "bbox",
        "datetime",
        "sortby",
        "properties",
        "kind",
        "watts",
        "crs",
        "cursor",
        "limit",
        "f",
        quote,
    ]
    for name in names:
        answer = town.get("/ogc/collections/lamps/items", params={name: quote})
        assert answer.status_code in (200, 400), (name, answer.text)
    for value in (f"kind = '{quote}'", f'"{quote}" = 1', f"kind LIKE '{quote}%'"):
        assert town.get("/ogc/collections/lamps/items", params={"filter": value}).status_code in (200, 400)
    assert town.get("/ogc/collections/lamps/items", params={"kind": quote, "f": "html"}).status_code in (200, 400)


def test_an_empty_layer_answers_an_empty_collection(town: TestClient) -> None:
    page = get_items(town, "empty")
    assert page["features"] == []
    assert page["numberMatched"] == page["numberReturned"] == 0
    assert [link["rel"] for link in page["links"]] == ["self", "alternate", "collection"]


def test_the_page_of_features_has_a_table_and_a_way_to_the_map(town: TestClient) -> None:
    page = town.get("/ogc/collections/lamps/items", params={"f": "html", "kind": "gas", "limit": 5}).text
    assert page.count("<tr>") == 6
    assert "Open on the map" in page
    assert "filter.lamps=kind%3D%27gas%27" in page
    assert 'rel="next"' in page
    feature = town.get("/ogc/collections/lamps/items/0", params={"f": "html"}).text
    assert "layers=lamps#16/45.200000/-28.600000" in feature


def test_an_unchanged_page_is_not_sent_again_until_the_layer_changes(town: TestClient, town_database: str) -> None:
    path = "/ogc/collections/buoys/items"
    tag = town.get(path).headers["etag"]
    assert town.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert town.get(path, params={"limit": 1}, headers={"If-None-Match": tag}).status_code == 200
