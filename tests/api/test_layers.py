"""`/api/layers` against what SQL says of the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from geoserver.api import schemas

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

BURGLARIES = "category='burglary' AND reported_at >= TIMESTAMP('2024-01-01T00:00:00Z')"


@pytest.fixture(scope="module")
def sql(city_database: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.connect(city_database, row_factory=dict_row, options="-c timezone=UTC") as connection:
        yield connection


def read(client: TestClient, path: str, **params: str) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def one(sql: psycopg.Connection[dict[str, Any]], query: str) -> Any:
    row = sql.execute(query.encode()).fetchone()
    assert row is not None
    return next(iter(row.values()))


def test_the_list_has_every_layer_with_its_count_and_extent(
    client: TestClient, sql: psycopg.Connection[dict[str, Any]]
) -> None:
    layers = {layer["id"]: layer for layer in read(client, "/api/layers")["layers"]}
    assert {"crime", "trees", "bike-paths", "sewage-sampling", "air-quality", "districts"} <= layers.keys()
    crime = layers["crime"]
    assert crime["count"] == one(sql, "SELECT count(*) FROM layers.crime")
    assert crime["rejected"] == one(sql, "SELECT count(*) FROM geoserver.rejects WHERE layer = 'crime'")
    assert crime["time"] == "reported_at"
    assert crime["updated"].endswith("Z")
    west, south, east, north = crime["bounds"]
    assert -29 < west < east < -28
    assert 45 < south < north < 46
    assert [layer["basemap"] for layer in layers.values()] == sorted(layer["basemap"] for layer in layers.values())


def test_limits_of_the_layer_file_are_told_with_the_field(client: TestClient) -> None:
    fields = {field["name"]: field for field in read(client, "/api/layers/air-quality")["readings"]["fields"]}
    assert fields["pm25"]["limits"] == [{"value": 25, "title": "EU limit for the year"}]
    assert fields["temperature"]["limits"] == []


def test_every_link_of_a_layer_leads_somewhere(client: TestClient) -> None:
    links = read(client, "/api/layers/crime")["links"]
    (licence,) = [link for link in links if link["rel"] == "license"]
    assert (licence["title"], licence["href"]) == ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/")
    for link in links:
        if link is not licence:
            assert client.get(link["href"]).status_code == 200, link


def test_a_layer_tells_its_choices_with_counts_and_its_ranges(
    client: TestClient, sql: psycopg.Connection[dict[str, Any]]
) -> None:
    fields = {field["name"]: field for field in read(client, "/api/layers/crime")["fields"]}
    found = {choice["value"]: choice["count"] for choice in fields["category"]["choices"]}
    rows = sql.execute("SELECT category, count(*) AS n FROM layers.crime GROUP BY 1").fetchall()
    assert found == {row["category"]: row["n"] for row in rows}
    counts = [choice["count"] for choice in fields["category"]["choices"]]
    assert counts == sorted(counts, reverse=True)
    assert fields["reported_at"]["min"][:10] == str(one(sql, "SELECT min(reported_at)::date FROM layers.crime"))
    assert fields["reported_at"]["max"][:10] == str(one(sql, "SELECT max(reported_at)::date FROM layers.crime"))
    assert fields["incident"].keys() & {"choices", "min", "max"} == set()


def test_a_range_of_dates_and_numbers_has_their_form(
    client: TestClient, sql: psycopg.Connection[dict[str, Any]]
) -> None:
    fields = {field["name"]: field for field in read(client, "/api/layers/trees")["fields"]}
    assert fields["planted"]["min"] == str(one(sql, "SELECT min(planted) FROM layers.trees"))
    assert fields["height"]["max"] == one(sql, "SELECT max(height) FROM layers.trees")


def test_a_layer_has_a_legend_and_its_readings(client: TestClient) -> None:
    crime = read(client, "/api/layers/crime")
    assert crime["legend"]
    assert crime["readings"] is None
    sewage = read(client, "/api/layers/sewage-sampling")
    assert sewage["readings"]["time"] == "sampled_at"
    assert {"flow", "sampled_at"} <= {field["name"] for field in sewage["readings"]["fields"]}
    assert {field["name"]: field["latest"] for field in sewage["fields"]}["flow"] is True


def test_a_summary_counts_what_sql_counts(client: TestClient, sql: psycopg.Connection[dict[str, Any]]) -> None:
    where = "category = 'burglary' AND reported_at >= '2024-01-01T00:00:00Z'"
    found = read(client, "/api/layers/crime/summary", filter=BURGLARIES)
    assert found["count"] == one(sql, f"SELECT count(*) FROM layers.crime WHERE {where}")
    assert found["total"] == one(sql, "SELECT count(*) FROM layers.crime")
    rows = sql.execute(f"SELECT district, count(*) AS n FROM layers.crime WHERE {where} GROUP BY 1".encode()).fetchall()
    assert {item["value"]: item["count"] for item in found["facets"]["district"]} == {
        row["district"]: row["n"] for row in rows
    }
    assert set(found["facets"]) == {"category", "district", "outcome"}
    assert set(found["histograms"]) == {"reported_at"}


@pytest.mark.parametrize(
    ("layer", "field", "kind"),
    [("crime", "reported_at", "timestamptz"), ("trees", "planted", "date"), ("trees", "height", "float8"),
     ("trees", "girth", "bigint"), ("sewage-sampling", "flow", "float8")],
)  # fmt: skip
def test_the_bins_of_a_histogram_hold_every_value_once(
    client: TestClient, sql: psycopg.Connection[dict[str, Any]], layer: str, field: str, kind: str
) -> None:
    histogram = read(client, f"/api/layers/{layer}/summary", fields=field)["histograms"][field]
    bins, table = histogram["bins"], layer.replace("-", "_")
    assert 20 < len(bins) <= 40
    assert all(left["to"] == right["from"] for left, right in pairwise(bins))
    for i, item in enumerate(bins):
        sign = "<=" if i == len(bins) - 1 else "<"
        query = f"SELECT count(*) FROM layers.{table} WHERE {field} >= '{item['from']}'::{kind}"
        assert item["count"] == one(sql, f"{query} AND {field} {sign} '{item['to']}'::{kind}")
    assert sum(item["count"] for item in bins) == one(sql, f"SELECT count({field}) FROM layers.{table}")


def test_bins_stay_where_they_are_when_a_filter_changes(client: TestClient) -> None:
    everything = read(client, "/api/layers/crime/summary", fields="reported_at")["histograms"]["reported_at"]
    some = read(client, "/api/layers/crime/summary", fields="reported_at", filter=BURGLARIES)
    assert [item["from"] for item in some["histograms"]["reported_at"]["bins"]] == [
        item["from"] for item in everything["bins"]
    ]
    assert sum(item["count"] for item in some["histograms"]["reported_at"]["bins"]) == some["count"]


def test_a_filter_that_leaves_nothing_has_empty_facets_and_bins(client: TestClient) -> None:
    found = read(client, "/api/layers/crime/summary", filter="category = 'no such thing'")
    assert found["count"] == 0
    assert found["facets"]["district"] == []
    assert {item["count"] for item in found["histograms"]["reported_at"]["bins"]} == {0}


def test_a_summary_may_be_a_count_alone(client: TestClient) -> None:
    found = read(client, "/api/layers/crime/summary", fields="")
    assert found == {"layer": "crime", "count": found["total"], "total": found["total"], "facets": {}, "histograms": {}}


def test_bbox_datetime_and_field_equals_value_narrow_a_summary(
    client: TestClient, sql: psycopg.Connection[dict[str, Any]]
) -> None:
    west, south, east, north = read(client, "/api/layers/crime")["bounds"]
    middle = (west + east) / 2
    params = {"bbox": f"{west},{south},{middle},{north}", "datetime": "2024-01-01/2024-06-30", "category": "theft"}
    query = f"""SELECT count(*) FROM layers.crime WHERE ST_X(geom) <= {middle!r} AND category = 'theft'
        AND reported_at >= '2024-01-01T00:00:00Z' AND reported_at < '2024-07-01T00:00:00Z'"""
    expected = one(sql, query)
    assert expected > 0
    assert read(client, "/api/layers/crime/summary", **params)["count"] == expected


def test_a_feature_has_every_declared_field_and_lies_in_lonlat(
    client: TestClient, sql: psycopg.Connection[dict[str, Any]]
) -> None:
    row = sql.execute("SELECT fid, name, population FROM layers.districts ORDER BY fid LIMIT 1").fetchone()
    assert row is not None
    answer = client.get(f"/api/layers/districts/features/{row['fid']}")
    assert answer.headers["content-type"] == "application/geo+json"
    feature = answer.json()
    assert feature["type"] == "Feature"
    assert feature["id"] == row["fid"]
    assert feature["properties"]["name"] == row["name"]
    fields = read(client, "/api/layers/districts")["fields"]
    assert list(feature["properties"]) == [field["name"] for field in fields]
    first = feature["geometry"]["coordinates"]
    while isinstance(first[0], list):
        first = first[0]
    assert -29 < first[0] < -28
    assert 45 < first[1] < 46


def test_times_leave_the_server_in_utc_with_a_z(client: TestClient) -> None:
    assert read(client, "/api/layers/crime/features/1")["properties"]["reported_at"].endswith("Z")


def test_readings_are_the_newest_with_the_newest_last(
    client: TestClient, sql: psycopg.Connection[dict[str, Any]]
) -> None:
    everything = read(client, "/api/layers/sewage-sampling/features/1/readings")
    assert everything["layer"] == "sewage-sampling"
    assert everything["fid"] == 1
    times = [reading["sampled_at"] for reading in everything["readings"]]
    assert times == sorted(times)
    assert len(times) == one(sql, "SELECT count(*) FROM layers.sewage_sampling__readings WHERE fid = 1")
    few = read(client, "/api/layers/sewage-sampling/features/1/readings", limit="3")
    assert [reading["sampled_at"] for reading in few["readings"]] == times[-3:]
    year = read(client, "/api/layers/sewage-sampling/features/1/readings", datetime="2024")
    assert [reading["sampled_at"] for reading in year["readings"]] == [time for time in times if time < "2025"]
    assert year["readings"]


def test_rejected_rows_are_given_with_line_and_reason(client: TestClient) -> None:
    found = read(client, "/api/layers/crime/rejects")
    assert found["count"] == len(found["rejects"]) > 0
    assert all(reject["line"] > 0 and reject["reason"] for reject in found["rejects"])
    assert len(read(client, "/api/layers/crime/rejects", limit="1")["rejects"]) == 1


@pytest.mark.parametrize(
    "path",
    ["/api/layers", "/api/layers/crime", "/api/layers/crime/summary", "/api/layers/crime/features/1",
     "/api/layers/sewage-sampling/features/1/readings", "/api/layers/crime/rejects"],
)  # fmt: skip
def test_an_answer_that_the_client_has_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"].removeprefix("W/") == first.headers["etag"].removeprefix("W/")
    other = client.get(path, headers={"If-None-Match": '"another"'})
    assert other.status_code == 200
    assert "max-age=0" in first.headers["cache-control"]


def test_another_filter_has_another_etag_and_the_same_filter_written_otherwise_the_same(client: TestClient) -> None:
    def etag(text: str) -> str:
        return client.get("/api/layers/crime/summary", params={"filter": text}).headers["etag"]

    assert etag("category='theft' AND district='x'") == etag("(district = 'x') and category = 'theft'")
    assert etag("category='theft'") != etag("category='fraud'")


def test_answers_keep_to_their_description(client: TestClient) -> None:
    """What OpenAPI says of an answer is what comes: the models read it without complaint."""
    for path, model in [
        ("/api/layers", schemas.LayerList),
        ("/api/layers/crime", schemas.LayerDetail),
        ("/api/layers/sewage-sampling", schemas.LayerDetail),
        ("/api/layers/bike-paths", schemas.LayerDetail),
        ("/api/layers/crime/summary", schemas.Summary),
        ("/api/layers/trees/summary", schemas.Summary),
        ("/api/layers/trees/features/1", schemas.Feature),
        ("/api/layers/sewage-sampling/features/1/readings", schemas.ReadingList),
        ("/api/layers/crime/rejects", schemas.RejectList),
    ]:
        body = read(client, path)
        known = model.model_validate(body).model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert known == body, path
