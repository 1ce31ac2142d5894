"""Every address that answers GET answers HEAD alike, OPTIONS with what it takes, and anything else with 405."""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from geoserver import assets
from geoserver.api import find_routers
from geoserver.ogc.routes import router as ogc_router
from geoserver.site.routes import router as site_router

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from starlette.routing import BaseRoute

VALUES = {"layer_id": "sewage-sampling", "layers": "crime", "fid": "1", "name": "light", "z": "10", "x": "430",
          "y": "365", "stack": "Noto Sans Regular", "part": "graticule", "script": "hebrew", "glyphs": "0-255",
          "path:path": "nothing.js", "ending": "mvt", "key_id": "0123456789"}  # fmt: skip
ROUTES: list[BaseRoute] = [route for router in [*find_routers(), ogc_router, site_router] for route in router.routes]
ADDRESSES = sorted({route.path for route in ROUTES if isinstance(route, APIRoute | Route)} | {"/openapi.json"})


def fill(path: str) -> str:
    path = path.replace("/sprites/{name}.{ending}", "/sprites/icons.json")
    path = path.replace("/download/{layer_id}.{ending}", "/download/districts.fgb")
    path = path.replace("/static/chart/{layer_id}/{size}.{ending}", "/static/chart/crime/300x200.svg")
    path = path.replace(
        "/static/{style}/{place}/{size}.{ending}", "/static/light/-28.6,45.15,11/64x48.png?layers=crime"
    )
    path = path.replace("/api/here", "/api/here?at=-28.6,45.15")
    path = path.replace("/changes", "/changes?seconds=0")  # else it has no end
    path = path.replace("/api/changes?", "/api/changes?layers=crime,trees&")
    path = path.replace("/api/versions", "/api/versions?layers=crime,trees")
    path = path.replace("/api/search", "/api/search?q=Ansodi")
    for name, value in VALUES.items():
        path = path.replace("{" + name + "}", value)
    assert "{" not in path, f"VALUES lacks a part of {path}"
    return path


NOT_THERE = ("/assets/{path:path}", "/icon")  # the sample city has none
VOLATILE = {"date", "x-process-time"}


@pytest.mark.parametrize("encoding", ["identity", "gzip", "br", "zstd"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_head_is_get_without_its_body(
    client: TestClient, address: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geoserver.site.answers._PATIENCE", 60.0)  # the page would go without what is late
    path = fill(address)
    asked = {"Accept-Encoding": encoding}
    if address.startswith("/download/"):
        client.get(path)  # from then on it is kept, and more is known of it
    got = client.get(path, headers=asked)
    head = client.head(path, headers=asked)
    assert (head.status_code, head.content) == (got.status_code, b"")
    expected = {name: value for name, value in got.headers.items() if name not in VOLATILE}
    found = {name: value for name, value in head.headers.items() if name not in VOLATILE}
    if address == "/metrics" or "/ogc/collections/{layer_id}/items" in address:  # numbers and times that move
        expected.pop("content-length")
        assert int(found.pop("content-length")) > 0
    assert found == expected
    wanted = (404,) if address in NOT_THERE else (401,) if address.startswith("/api/keys") else (200, 204, 503)
    assert got.status_code in wanted
    # Of downloads and of changes nobody knows the length before their end.
    if got.status_code == 200 and not address.startswith("/download/") and not address.endswith("/changes"):
        assert "content-length" in head.headers


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_the_client_has_is_304_by_head_and_get_in_every_encoding(client: TestClient, address: str) -> None:
    path = fill(address)
    for encoding in ("identity", "gzip", "br", "zstd"):
        asked = {"Accept-Encoding": encoding}
        first = client.get(path, headers=asked)
        if "etag" not in first.headers:
            continue
        for method in ("GET", "HEAD"):
            again = client.request(method, path, headers=asked | {"If-None-Match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == first.headers["etag"]
            assert again.headers.get("vary") == first.headers.get("vary")


@pytest.mark.parametrize("address", ADDRESSES)
def test_options_and_405_say_what_may_be_asked(client: TestClient, address: str) -> None:
    path = fill(address)
    told = client.options(path)
    assert told.status_code == 204
    assert {"GET", "HEAD", "OPTIONS"} <= set(told.headers["allow"].split(", "))
    refused = client.request("PATCH", path)
    assert refused.status_code == 405
    assert refused.headers["allow"] == told.headers["allow"]
    assert refused.headers["content-type"] == "application/problem+json"


def test_options_of_what_is_not_there_is_404(client: TestClient) -> None:
    assert client.options("/no/such/address").status_code == 404
    assert client.head("/no/such/address").status_code == 404


@pytest.mark.skipif(not (assets.root("web") / "index.html").is_file(), reason="the viewer is not built")
def test_head_of_a_script_and_of_the_page_is_get_without_its_body(client: TestClient) -> None:
    scripts = [f"/assets/{path.name}" for path in (assets.root("web") / "assets").iterdir()]
    for path in ["/", "/favicon.svg", *scripts]:
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == got.headers["etag"]


def test_head_over_a_real_connection_sends_no_body(server: object, city_app: FastAPI) -> None:
    """One connection for all: a body that nobody expects would be taken for the next answer."""
    url: str = server.url  # type: ignore[attr-defined]
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    with closing(connection):
        for address in ADDRESSES:
            connection.request("HEAD", fill(address).replace(" ", "%20"), headers={"Accept-Encoding": "br"})
            answer = connection.getresponse()
            assert answer.read() == b""
            assert answer.status < 500
