"""The documents of /ogc: what they say, that it is true, and that QGIS and GDAL find what they look for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

PAGES = [
    "/ogc",
    "/ogc/conformance",
    "/ogc/functions",
    "/ogc/openapi",
    "/ogc/collections",
    "/ogc/collections/lamps",
    "/ogc/collections/lamps/schema",
    "/ogc/collections/lamps/queryables",
    "/ogc/collections/lamps/items",
    "/ogc/collections/lamps/items/3",
    "/ogc/collections/zones/items/1",
    "/ogc/collections/empty",
    "/ogc/collections/empty/items",
]


def links_of(document: dict, rel: str) -> list[dict]:
    return [link for link in document["links"] if link["rel"] == rel]


def test_the_landing_page_has_the_links_that_qgis_follows(town: TestClient) -> None:
    document = town.get("/ogc").json()
    (description,) = links_of(document, "service-desc")
    assert description["type"] == "application/vnd.oai.openapi+json;version=3.0"
    (data,) = links_of(document, "data")
    assert data["type"] == "application/json"
    assert links_of(document, "conformance")
    for link in (description, data, *links_of(document, "conformance")):
        assert town.get(link["href"]).status_code == 200


def test_no_link_leads_to_something_that_is_not_there(town: TestClient) -> None:
    for path in ("/ogc", "/ogc/collections", "/ogc/collections/lamps", "/ogc/collections/lamps/items"):
        for link in town.get(path, params={"f": "json"}).json()["links"]:
            assert "ld+json" not in link.get("type", "")
            if "/ogc" in link["href"]:
                answer = town.get(link["href"])
                assert answer.status_code == 200, link
                assert answer.headers["content-type"].split(";")[0] == link["type"].split(";")[0], link


def test_conformance_names_what_makes_qgis_filter_on_the_server(town: TestClient) -> None:
    classes = {
        name.removeprefix("http://www.opengis.net/spec/") for name in town.get("/ogc/conformance").json()["conformsTo"]
    }
    assert {
        "ogcapi-features-1/1.0/conf/core",
        "ogcapi-features-2/1.0/conf/crs",
        "ogcapi-features-3/1.0/conf/filter",
        "ogcapi-features-3/1.0/conf/features-filter",
        "ogcapi-features-5/1.0/conf/schemas",
        "cql2/1.0/conf/cql2-text",
        "cql2/1.0/conf/basic-cql2",
        "cql2/1.0/conf/advanced-comparison-operators",
        "cql2/1.0/conf/case-insensitive-comparison",
        "cql2/1.0/conf/basic-spatial-functions",
    } <= classes
    assert not any("create-replace-delete" in name for name in classes), "nothing can be edited"


def test_the_functions_of_filters_are_listed_with_what_they_take(town: TestClient) -> None:
    (link, page) = links_of(town.get("/ogc").json(), "http://www.opengis.net/def/rel/ogc/1.0/functions")
    listed = town.get(link["href"]).json()["functions"]
    assert [(item["name"], len(item["arguments"]), item["returns"]) for item in listed] == [
        ("CIRCLE", 3, ["geometry"]),
        ("FEATURE", 2, ["geometry"]),
    ]
    assert "CIRCLE" in town.get(page["href"]).text
    queryables = town.get("/ogc/collections/lamps/queryables").json()
    assert "FEATURE('layer', id)" in queryables["properties"]["geometry"]["description"]


def test_the_openapi_document_says_how_long_a_page_may_be(town: TestClient) -> None:
    answer = town.get("/ogc/openapi")
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    schema = answer.json()["components"]["parameters"]["limit"]["schema"]
    assert schema["default"] == 100
    assert schema["maximum"] == 10_000


def test_the_openapi_document_is_complete_in_itself_and_offers_only_reading(town: TestClient) -> None:
    document = town.get("/ogc/openapi").json()
    references = re.findall(r'"\$ref":\s*"([^"]+)"', json.dumps(document))
    assert references
    for reference in references:
        node = document
        assert reference.startswith("#/"), reference
        for part in reference[2:].split("/"):
            node = node[part]
    assert {method for item in document["paths"].values() for method in item} == {"get"}
    assert "/collections/lamps/items" in document["paths"]


def test_the_openapi_document_lists_every_field_as_a_parameter(town: TestClient) -> None:
    parameters = town.get("/ogc/openapi").json()["paths"]["/collections/lamps/items"]["get"]["parameters"]
    named = {item["name"]: item for item in parameters if "name" in item}
    assert named["watts"]["schema"]["type"] == "integer"
    assert {"kind", "watts", "height", "lit", "built", "checked", "crs", "sortby"} <= named.keys()
    assert named["watts"]["explode"] is False, "QGIS takes only such parameters for queryables"


def test_collections_are_those_that_are_loaded(town: TestClient) -> None:
    found = [item["id"] for item in town.get("/ogc/collections").json()["collections"]]
    assert sorted(found) == ["buoys", "empty", "lamps", "zones"]


def test_a_collection_says_where_it_lies_and_in_which_crs(town: TestClient) -> None:
    document = town.get("/ogc/collections/zones").json()
    west, south, east, north = document["extent"]["spatial"]["bbox"][0]
    assert -29 < west < east < -28
    assert 45 < south < north < 46
    assert document["storageCrs"] == "http://www.opengis.net/def/crs/EPSG/0/32626"
    assert document["crs"][0] == "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    assert set(document["crs"]) == {
        "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        "http://www.opengis.net/def/crs/EPSG/0/4326",
        "http://www.opengis.net/def/crs/EPSG/0/3857",
        "http://www.opengis.net/def/crs/EPSG/0/32626",
    }


def test_a_collection_says_from_when_to_when(town: TestClient) -> None:
    interval = town.get("/ogc/collections/lamps").json()["extent"]["temporal"]["interval"]
    assert interval == [["2020-01-01T00:00:00+00:00", "2021-09-16T18:00:00+00:00"]]
    assert "temporal" not in town.get("/ogc/collections/zones").json()["extent"]


def test_lon_lat_storage_is_named_crs84_so_that_no_client_swaps_axes(town: TestClient) -> None:
    document = town.get("/ogc/collections/lamps").json()
    assert document["storageCrs"] == "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


def test_a_collection_links_to_its_schema_for_qgis(town: TestClient) -> None:
    document = town.get("/ogc/collections/lamps").json()
    for rel in ("[ogc-rel:schema]", "http://www.opengis.net/def/rel/ogc/1.0/schema"):
        assert "application/schema+json" in {link["type"] for link in links_of(document, rel)}
    assert links_of(document, "license")[0]["title"] == "CC-BY-4.0"
    assert not links_of(town.get("/ogc/collections/buoys").json(), "license")


@pytest.mark.parametrize("name", ["schema", "queryables"])
def test_schema_and_queryables_tell_types_titles_and_geometry(town: TestClient, name: str) -> None:
    answer = town.get(f"/ogc/collections/lamps/{name}")
    assert answer.headers["content-type"] == "application/schema+json"
    properties = answer.json()["properties"]
    assert properties["watts"] == {
        "title": "Power",
        "description": "What it draws.",
        "type": "integer",
        "x-ogc-unit": "W",
        "x-ogc-propertySeq": 2,
    }
    assert properties["built"]["format"] == "date-time"
    assert properties["built"]["x-ogc-role"] == "primary-instant"
    assert properties["checked"]["format"] == "date"
    assert properties["geometry"]["format"] == "geometry-point"
    assert properties["geometry"]["x-ogc-role"] == "primary-geometry"


def test_the_schema_of_polygons_says_so(town: TestClient) -> None:
    assert (
        town.get("/ogc/collections/zones/schema").json()["properties"]["geometry"]["format"] == "geometry-multipolygon"
    )


def test_words_with_angle_brackets_come_out_as_they_are(town: TestClient) -> None:
    for path in ("/ogc/collections", "/ogc/collections/lamps", "/ogc/collections/lamps/queryables", "/ogc/openapi"):
        text = town.get(path, params={"f": "json"}).text
        assert "&lt;" not in text
        assert "\ue000" not in text
        assert "\\ue000" not in text
    assert town.get("/ogc/collections/lamps").json()["title"] == "Lamps <old & new>"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_nothing_from_elsewhere_and_runs_no_script(town: TestClient, path: str) -> None:
    answer = town.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in answer.text
    assert not re.search(r"@import|url\(", answer.text)
    for loaded in re.findall(r'<(?:img|iframe|source|link rel="stylesheet")[^>]*(?:src|href)="([^"]*)"', answer.text):
        assert loaded.startswith("http://127.0.0.1/"), loaded
        assert town.get(loaded).status_code == 200
    assert '<html lang="en">' in answer.text
    assert len(re.findall(r"<h1", answer.text)) == 1


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_under_ogc_works(town: TestClient, path: str) -> None:
    text = town.get(path, params={"f": "html"}).text
    for address in set(re.findall(r'<a [^>]*href="(http://127\.0\.0\.1/ogc[^"]*)"', text)):
        assert town.get(address.replace("&amp;", "&")).status_code == 200, address


def test_markup_in_the_data_is_shown_not_run(town: TestClient) -> None:
    page = town.get("/ogc/collections/lamps/items", params={"f": "html"}).text
    assert "oil &lt;1900" in page
    assert "oil <1900" not in page
    assert "Lamps &lt;old &amp; new&gt;" in page


def test_head_and_options_answer_without_a_body(town: TestClient) -> None:
    for path in PAGES:
        assert town.head(path).status_code == 200
        answer = town.options(path)
        assert answer.status_code == 204
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_editing_is_refused_with_what_is_allowed(town: TestClient) -> None:
    answer = town.put("/ogc/collections/lamps/items/5", json={"type": "Feature", "id": 7})
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unchanged_document_is_not_sent_again(town: TestClient) -> None:
    for path in PAGES:
        tag = town.get(path).headers["etag"]
        again = town.get(path, headers={"If-None-Match": tag})
        assert again.status_code == 304, path
        assert again.content == b""


def test_json_is_the_answer_unless_html_is_asked_for(town: TestClient) -> None:
    for accept, kind in [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("image/png", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("text/html", "text/html; charset=utf-8"),
        ("application/json;q=0.1, text/html", "text/html; charset=utf-8"),
        ("text/html;q=0, application/json", "application/json"),
    ]:
        assert town.get("/ogc", headers={"Accept": accept}).headers["content-type"] == kind, accept
    assert town.get("/ogc", params={"f": "json"}, headers={"Accept": "text/html"}).json()["title"]
