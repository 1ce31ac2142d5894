"""Rows at the edges of what PostgreSQL holds are counted, shown and paged through like all others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

ROWS = 60
LAYERS = ["spots", "grid", "areas"]
FIELDS = ["name", "kind", "n", "x", "y", "lit", "day", "seen", "left"]


def read(client: TestClient, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params or None)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content, parse_constant=refuse)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("layer", LAYERS)
def test_a_summary_counts_every_row_and_bins_every_finite_value(hostile: TestClient, layer: str) -> None:
    found = read(hostile, f"/api/layers/{layer}/summary")
    assert found["count"] == ROWS
    whole = found["histograms"]["n"]
    assert (whole["min"], whole["max"]) == (-(2**63), 2**63 - 1)
    filled = sum(item["count"] for item in whole["bins"])
    assert filled == read(hostile, f"/api/layers/{layer}/summary", filter="n IS NOT NULL")["count"]
    real = found["histograms"]["x"]
    assert (real["min"], real["max"]) == (-1.7976931348623157e308, 1.7976931348623157e308)
    finite = read(hostile, f"/api/layers/{layer}/summary", filter=f"x BETWEEN {real['min']!r} AND {real['max']!r}")
    assert finite["count"] == sum(item["count"] for item in real["bins"])


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("field", FIELDS)
def test_every_field_can_be_summarised_alone(hostile: TestClient, layer: str, field: str) -> None:
    found = read(hostile, f"/api/layers/{layer}/summary", fields=field)
    for item in found["facets"].get(field, []):
        assert item["count"] <= ROWS
    assert read(hostile, f"/api/layers/{layer}")["fields"]


WAYS = {"day": ("", ":week", ":millennium", ":weekday"), "n": ("", ":1", ":7", ":1000"), "name": ("", ",kind")}
WAYS |= {"seen": ("", ":decade", ":hour-of-day", ",day"), "left": ("",), "x": ("", ":3", ",n"), "y": ("", ",in:areas")}


@pytest.mark.parametrize("layer", LAYERS)
def test_every_row_is_counted_once_by_whatever_group(hostile: TestClient, layer: str) -> None:
    for group in (field + way for field, ways in WAYS.items() for way in ways):
        answer = hostile.get(f"/api/layers/{layer}/aggregate", params={"group": group})
        if answer.status_code == 400 and group in ("day:week", "seen:decade"):  # years go on to 294276 and far beyond
            assert "buckets" in answer.json()["expected"]
            continue
        found = read(hostile, f"/api/layers/{layer}/aggregate", group=group)
        counted = sum(cell[-1] for cell in found["cells"])
        assert found["count"] == ROWS
        assert counted == ROWS or (counted > ROWS and found["overlaps"]), group


@pytest.mark.parametrize("of", ["sum", "avg", "min", "max", "median"])
def test_measures_of_numbers_at_the_edges_are_numbers_or_refused(hostile: TestClient, of: str) -> None:
    assert read(hostile, "/api/layers/spots/aggregate", group="kind", measure=f"{of}:n")["cells"]
    answer = hostile.get("/api/layers/spots/aggregate", params={"group": "kind", "measure": f"{of}:x"})
    assert answer.status_code in (200, 400), answer.text
    assert json.loads(answer.content, parse_constant=refuse)


def test_values_that_are_not_finite_are_one_empty_choice(hostile: TestClient) -> None:
    facet = read(hostile, "/api/layers/spots/summary", fields="y")["facets"]["y"]
    assert [item["value"] for item in facet].count(None) == 1
    assert sum(item["count"] for item in facet) == ROWS
    choices = next(item for item in read(hostile, "/api/layers/spots")["fields"] if item["name"] == "y")["choices"]
    assert [item["value"] for item in choices].count(None) == 1


@pytest.mark.parametrize("layer", LAYERS)
def test_every_feature_can_be_read_and_says_the_same_everywhere(hostile: TestClient, layer: str) -> None:
    page = read(hostile, f"/ogc/collections/{layer}/items", limit=1000)
    assert page["numberMatched"] == page["numberReturned"] == ROWS
    for feature in page["features"]:
        if feature["id"] < 0:
            continue
        alone = read(hostile, f"/api/layers/{layer}/features/{feature['id']}")
        assert alone["properties"] == feature["properties"]
        assert read(hostile, f"/ogc/collections/{layer}/items/{feature['id']}")["properties"] == feature["properties"]
        assert all(type(feature["properties"][name]) in (int, float, type(None)) for name in ("n", "x", "y"))
        assert feature["properties"]["day"] != "infinity"


def test_an_address_stays_short_however_long_the_texts_are(hostile: TestClient) -> None:
    page = read(hostile, "/ogc/collections/spots/items", filter="name LIKE 'xxx%'", sortby="name", limit=3)
    while following := [link["href"] for link in page["links"] if link["rel"] == "next"]:
        assert len(following[0]) < 1_000
        page = read(hostile, following[0])
    assert page["numberMatched"] == 7


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("sign", ["", "-"])
def test_paging_in_any_order_gives_every_row_once(hostile: TestClient, layer: str, field: str, sign: str) -> None:
    address = f"/ogc/collections/{layer}/items"
    page = read(hostile, address, sortby=sign + field, limit=7, skipGeometry="true", properties=field)
    seen = [feature["id"] for feature in page["features"]]
    while following := [link["href"] for link in page["links"] if link["rel"] == "next"]:
        page = read(hostile, following[0])
        seen += [feature["id"] for feature in page["features"]]
    assert sorted(seen) == list(range(-1, ROWS - 1))


NUMBERS = ["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "0.1",
           "9" * 40, "9" * 300, "1e308", "-1e308", "5e-324", "-0.0", "0", "1e-999", "9007199254740993"]  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_of_any_size_can_be_asked_for(hostile: TestClient, text: str) -> None:
    for field in ("n", "x", "y"):
        for params in (
            {field: text},
            *({"filter": f"{field} {sign} {text}"} for sign in ("=", "<>", "<", ">=")),
            {"filter": f"{field} IN ({text}, 1, 2.5)"},
            {"filter": f"{field} BETWEEN -{text.lstrip('-')} AND {text.lstrip('-')}"},
            {"filter": f"{field} * {text} + {field} > {text} / {field}"},
        ):
            count = read(hostile, "/api/layers/spots/summary", fields="", **params)["count"]
            found = read(hostile, "/ogc/collections/spots/items", resulttype="hits", **params)
            assert found["numberMatched"] == count, params


def test_the_greatest_whole_number_is_told_apart_from_its_neighbours(hostile: TestClient) -> None:
    most = read(hostile, "/api/layers/spots/summary", fields="", n="9223372036854775807")["count"]
    assert most > 0
    assert read(hostile, "/api/layers/spots/summary", fields="", n="9223372036854775806")["count"] == 0
    assert read(hostile, "/api/layers/spots/summary", fields="", filter="n > 9223372036854775806")["count"] == most
    assert read(hostile, "/api/layers/spots/summary", fields="", filter="n = 9007199254740992")["count"] == 0


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("tile", ["6/26/22", "12/1722/1470", "14/6890/5880"])
def test_tiles_of_such_rows_are_drawn(hostile: TestClient, layer: str, tile: str) -> None:
    assert hostile.get(f"/tiles/{layer}/{tile}.mvt").status_code in (200, 204)
