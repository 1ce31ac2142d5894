"""Whatever is wrong is a 4xx problem document that names the parameter and what was expected; nothing is a 5xx."""

from __future__ import annotations

import contextlib
import http.client
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


class Server(Protocol):
    """A running server, as the fixture gives it."""

    @property
    def url(self) -> str: ...


def refused(client: TestClient, path: str, params: dict[str, Any] | None = None, status: int = 400) -> dict[str, Any]:
    answer = client.get(path, params=params)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["detail"]
    assert len(answer.content) < 4_000
    assert "Traceback" not in answer.text
    return body


FILTERS = [
    "nosuch = 1",
    "category = 5",
    "category > reported_at",
    "reported_at > 'soon'",
    "category = 'a",
    "category = ",
    "'",
    '"',
    "\\",
    "category = 'a' OR",
    "(" * 200 + "category='a'" + ")" * 200,
    "NOT " * 200 + "category='a'",
    " OR ".join(["category='a'"] * 2_000),
    "S_INTERSECTS(geom, POLYGON((0 0)))",
    "S_INTERSECTS(geom, POINT(1e308 1e308))",
    "category LIKE 5",
    "category = 'a\0'",
    "pg_sleep(10) = 1",
    "category = 'x'; DROP TABLE layers.crime",
    "1 = 1) OR (category = 'x'",
    "category = 1e400",
    "DATE('2024-99-99') < reported_at",
]
ROUTES = [
    "/api/layers/crime/summary",
    "/api/layers/crime/aggregate",
    "/tiles/crime/10/430/365.mvt",
    "/ogc/collections/crime/items",
]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("text", FILTERS, ids=[text[:30] for text in FILTERS])
def test_a_wrong_filter_is_refused_alike_everywhere(client: TestClient, path: str, text: str) -> None:
    body = refused(client, path, {"filter": text})
    assert body["parameter"] == "filter"
    assert body["expected"]


@pytest.mark.parametrize("path", ROUTES)
def test_a_filter_of_60_kb_is_refused(client: TestClient, path: str) -> None:
    body = refused(client, path, {"filter": "category = '" + "x" * 60_000 + "'"})
    assert body["parameter"] == "filter"
    assert "characters" in body["expected"]


@pytest.mark.parametrize("path", ROUTES)
def test_a_filter_of_100_kb_is_refused(server: Server, path: str) -> None:
    """More than 64 kB of address the HTTP parser refuses by itself, before the app could say why."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", f"{path}?filter=category%3D%27{'x' * 100_000}%27")
        assert 400 <= connection.getresponse().status < 500


PARAMETERS = [
    ("/api/layers/crime/summary", {"bbox": "1,2,3"}, "bbox"),
    ("/api/layers/crime/summary", {"bbox": "a'b,2,3,4"}, "bbox"),
    ("/api/layers/crime/summary", {"bbox": "1,2,3,4", "bbox-crs": "EPSG:0'"}, "bbox-crs"),
    ("/api/layers/crime/summary", {"filter": "TRUE", "filter-crs": "'"}, "filter-crs"),
    ("/api/layers/crime/summary", {"filter": "TRUE", "filter-lang": "'"}, "filter-lang"),
    ("/api/layers/crime/summary", {"filter": "'", "filter-lang": "cql2-json"}, "filter"),
    ("/api/layers/crime/summary", {"datetime": "banana"}, "datetime"),
    ("/api/layers/crime/summary", {"datetime": "2024-01-01'"}, "datetime"),
    ("/api/layers/crime/summary", {"fields": "category,nosuch"}, "fields"),
    ("/api/layers/crime/summary", {"fields": "category'"}, "fields"),
    ("/api/layers/crime/summary", {"nosuch": "1"}, "nosuch"),
    ("/api/layers/crime/summary", {"category'": "1"}, "category'"),
    ("/api/layers/crime/summary", {"reported_at": "soon"}, "reported_at"),
    ("/api/layers/crime/summary", {"filter": ["category='a'", "category='b'"]}, "filter"),
    ("/api/layers/trees/summary", {"height": "tall"}, "height"),
    ("/api/layers", {"nosuch": "1"}, "nosuch"),
    ("/api/layers/crime", {"nosuch": "1"}, "nosuch"),
    ("/api/layers/crime/features/abc", None, "fid"),
    ("/api/layers/crime/features/1'", None, "fid"),
    ("/api/layers/crime/features/1.5", None, "fid"),
    ("/api/layers/crime/features/٣", None, "fid"),
    ("/api/layers/crime/features/1", {"nosuch": "1"}, "nosuch"),
    ("/api/layers/sewage-sampling/features/abc/readings", None, "fid"),
    ("/api/layers/sewage-sampling/features/1/readings", {"datetime": "banana"}, "datetime"),
    ("/api/layers/sewage-sampling/features/1/readings", {"limit": "-1"}, "limit"),
    ("/api/layers/sewage-sampling/features/1/readings", {"limit": "0"}, "limit"),
    ("/api/layers/sewage-sampling/features/1/readings", {"limit": "1'"}, "limit"),
    ("/api/layers/sewage-sampling/features/1/readings", {"limit": "9" * 30}, "limit"),
    ("/api/layers/crime/rejects", {"limit": "many"}, "limit"),
]


@pytest.mark.parametrize(("path", "params", "name"), PARAMETERS)
def test_a_wrong_parameter_is_named_with_what_was_expected(
    client: TestClient, path: str, params: dict[str, Any] | None, name: str
) -> None:
    body = refused(client, path, params)
    assert body["parameter"] == name
    assert body["expected"]


@pytest.mark.parametrize(
    "path",
    ["/api/layers/nosuch", "/api/layers/crime'", "/api/layers/CRIME", "/api/layers/nosuch/summary",
     "/api/layers/nosuch/features/1", "/api/layers/nosuch/rejects", "/api/layers/crime%00", "/api/layers/..%2f..",
     "/api/layers/crime/features/0", "/api/layers/crime/features/-1", "/api/layers/crime/features/9223372036854775807",
     "/api/layers/crime/features/9223372036854775808", "/api/layers/crime/features/" + "9" * 400,
     "/api/layers/crime/features/1/readings", "/api/layers/sewage-sampling/features/999999/readings"],
)  # fmt: skip
def test_what_is_not_there_is_a_404_that_says_what_is(client: TestClient, path: str) -> None:
    body = refused(client, path, status=404)
    assert body["detail"]


NAMES = ["filter", "filter-lang", "filter-crs", "bbox", "bbox-crs", "datetime", "fields", "limit", "category", "nosuch"]
VALUES = ["'", '"', "''", "\\", "\\'", "';--", "\0", "%", "$1", "%(f0)s", "{}", "\U0001f600", "", " "]
PATHS = [*ROUTES, "/api/layers/sewage-sampling/features/1/readings", "/api/layers/crime/rejects", "/tiles/crime.json"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_quote_in_every_place_never_breaks_anything(client: TestClient, path: str, name: str) -> None:
    for value in VALUES:
        answer = client.get(f"{path}?{quote(name)}={quote(value)}")
        assert answer.status_code < 500, (value, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", value
            assert answer.json()["parameter"], value


def test_bytes_that_are_no_utf8_never_break_anything(client: TestClient) -> None:
    for path in ROUTES:
        answer = client.get(f"{path}?filter=category%3D%27%ff%fe%27")
        assert answer.status_code < 500
